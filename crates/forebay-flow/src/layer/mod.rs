//! Tower layers that enforce the policies.
//!
//! A layer either *reserves*: `poll_ready` waits, takes what the next call needs, and keeps it; or it *queues*: `poll_ready`
//! takes nothing, and the response future waits.
//!
//! | layer | `poll_ready` | `call` | drop |
//! | --- | --- | --- | --- |
//! | [`ConcurrencyLimitLayer`], reserve (default) | the service is ready, then takes one permit and keeps it; clones start without | hands the permit to the future; extra weight waits there | gives back, also when the handle goes |
//! | …, queued | `Err` if closed, else `Ready` | waits in the future, first come first served, then calls a clone | leaves the line, or gives back |
//! | [`RateLimitLayer`], reserve (default) | the service is ready, then sleeps until the next start and keeps it; clones start without | spends it | gives the unspent start back, if nobody booked after it |
//! | …, queued | `Err` if closed, else `Ready` | books its start, sleeps until then, then calls a clone | the same |

pub mod concurrency;
pub mod rate;

mod alarm;
mod clock;
mod coop;
mod error;
mod passed;
mod rules;
mod work;

pub use concurrency::{
    ConcurrencyLimit, ConcurrencyLimitLayer, Hold, LimitHandle, LimitStats, Permit, QueuedConcurrencyLimit,
    UntilResponse,
};
#[cfg(feature = "http-body")]
pub use concurrency::{HeldBody, UntilBody};
pub use error::{BoxError, FlowError, Refused, Why};
pub use rate::{QueuedRateLimit, RateHandle, RateLimit, RateLimitLayer, RateStats};
pub use rules::{ByResult, Classify, One, Weigh};
