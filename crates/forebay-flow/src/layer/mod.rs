//! Tower layers that enforce the policies.
//!
//! A layer either *reserves*: `poll_ready` waits for what the next call needs, and keeps it; or it *queues*: `poll_ready`
//! takes nothing, and the response future waits.
//!
//! | layer | `poll_ready` | `call` | drop |
//! | --- | --- | --- | --- |
//! | [`ConcurrencyLimitLayer`], reserve (default) | the service is ready, then takes one permit and keeps it; clones start without | hands the permit to the future; extra weight waits there | gives permits back, also when the handle is dropped |
//! | …, queued | `Err` if closed, else `Ready` | waits in the future, first come first served, then calls a clone | leaves the line, or gives permits back |
//! | …, queued, [`newest_first`](ConcurrencyLimitLayer::newest_first) | the same | waits in the future, last come first served; sheds the oldest when the line is full | the same |
//! | [`RateLimitLayer`], reserve (default) | the service is ready, then sleeps until the next start and keeps it; clones start without | spends it | gives the unspent start back, to the next caller |
//! | …, queued | `Err` if closed, else `Ready` | books its start, sleeps until then, then calls a clone | the same |
//! | [`AdaptiveRateLayer`], reserve (default) | the service is ready, then waits for the next start, and for the end of a pause, and keeps it; clones start without | uses it, and reads the answer | leaves the line, or gives the unused start back, if nobody booked after it |
//! | …, queued | `Err` if closed, else `Ready` | waits in the future, first come first served, then calls a clone, and reads the answer | leaves the line |
//! | [`BackpressureLayer`] | `Pending` while the pressure is high, and all waiters are woken after that; holds nothing | passes the call on | nothing |
//! | …, refusing | as the service says | refused while the pressure is high, else passed on; if refused, the handle keeps what the service has reserved | nothing |
//! | [`ShedLayer`] | as the service says | decides: shed, or passed on; if shed, the handle keeps what the service has reserved | nothing; shed calls are counted |
//!
//! Layers that queue end the backpressure above them: they never tell the layers above to wait. So put `load_shed` *below*
//! them, or bound the waiters (`max_waiting`).
//!
//! Where calls wait in response futures, `max_waiting` and `max_wait` bound their number and their time. Where `poll_ready`
//! waits, each handle has one place, so there are as many waiters as handles; `max_wait` bounds their time too. A handle that
//! has given up is ready, and its call is refused with its request, unless what it waited for has come by then. Under a
//! `balance` do not set it: a handle that is ready only to refuse looks good to it.
//!
//! All layers fail with a [`FlowError`]: the service's own error, unchanged, or a [`Refused`] with the reason, the request, and,
//! where the layer knows it, the time after which to try again. A handle observes and changes each layer while it is in use.
//! All services that one layer wraps share its state: axum wraps each route in the layer, and all routes share one limit.
//!
//! # Which one, and where
//!
//! If you need several, order them from the outside to the inside: layers that refuse for the sake of others (`load_shed`),
//! layers that wait (a queue, [`BackpressureLayer`]), layers that shed calls that waited ([`ShedLayer`]), layers that limit (a
//! rate, a concurrency limit), and the service.
//!
//! A call should get its start from the rate before its permit from the limit, since a permit that waits for a start is of no
//! use to others. A layer that reserves asks the inner service before itself, so there put the limit *outside* the rate; a
//! layer that queues asks it afterwards, so there put the rate outside the limit. Either way starts that have to wait for a
//! permit come later than they were booked, and may come together; where the other side counts starts strictly, do it the
//! other way round.
//!
//! Below a layer that refuses a call which was ready ([`ShedLayer`], [`BackpressureLayer`]), use layers that queue. The refused
//! handle keeps what the inner service has reserved for it until its next call, or until it is dropped, and nobody else gets
//! that.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! use forebay_flow::layer::{ConcurrencyLimitLayer, FlowError, RateLimitLayer};
//! use forebay_flow::{Aimd, Rate, TokenBucket};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! let api = ServiceBuilder::new()
//!     .load_shed()
//!     .map_err(FlowError::into_box)
//!     .layer(ConcurrencyLimitLayer::new(Aimd::default()))
//!     .map_err(FlowError::into_box)
//!     .layer(RateLimitLayer::new(TokenBucket::new(Rate::per_second(100)).with_burst(10)))
//!     .service(service_fn(async |n: u32| Ok::<_, std::io::Error>(n)));
//! assert_eq!(api.oneshot(7).await.unwrap(), 7);
//! # }
//! ```

pub mod adaptive_rate;
pub mod backpressure;
pub mod concurrency;
pub mod rate;
pub mod shed;

mod alarm;
pub(crate) mod clock;
mod coop;
mod error;
mod passed;
mod rules;
mod share;
mod work;

#[cfg(feature = "http")]
pub use adaptive_rate::ByStatus;
pub use adaptive_rate::{
    AdaptiveRate, AdaptiveRateHandle, AdaptiveRateLayer, AdaptiveRateStats, Judge, QueuedAdaptiveRate,
};
pub use backpressure::{BackpressureLayer, Backpressured, PressureHandle, PressureStats};
pub use concurrency::{
    ConcurrencyLimit, ConcurrencyLimitLayer, Hold, LimitHandle, LimitStats, Permit, PermitRef,
    QueuedConcurrencyLimit, UntilResponse,
};
#[cfg(feature = "http-body")]
pub use concurrency::{HeldBody, UntilBody};
pub use error::{BoxError, FlowError, Refused, Why};
pub use rate::{QueuedRateLimit, RateHandle, RateLimit, RateLimitLayer, RateStats, ReservedRef};
pub use rules::{ByResult, Classify, One, Weigh};
pub use shed::{Never, Shed, ShedHandle, ShedLayer, ShedStats, When};
