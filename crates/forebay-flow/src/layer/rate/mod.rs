//! Calls start only so often. Reserves, or by choice queues.
//!
//! | | `poll_ready` | `call` | drop |
//! | --- | --- | --- | --- |
//! | reserve (default) | the service is ready, then books the next start, sleeps until then, and keeps it; clones start without | spends it | gives the unspent start back, to whoever comes next |
//! | [`queued`](RateLimitLayer::queued) | `Err` if closed, else `Ready`; never asks the service | books its start and sleeps until then in the response future, then calls a clone of the service | the same |
//!
//! # Order
//!
//! Starts are given out in the order of asking. Each has a timer of its own, so one that is not polled holds up nobody.
//!
//! Who leaves before its start, as under a `timeout`, leaves it to whoever comes next at the same cost, and that is before those who came
//! earlier and have later starts; they keep theirs. So all starts are used as long as calls come, however many leave. Whoever would
//! leave anyhow need not wait in vain: below a `timeout` set [`max_wait`](RateLimitLayer::max_wait) to the same, and it is refused at
//! once.
//!
//! # Precision
//!
//! Nothing starts before its time. Timers of tokio go by milliseconds, and a busy thread adds to that; who is late does not
//! make others late, so at 10 000 a second about ten start together each millisecond, and the rate holds. For the same reason a
//! server may see starts somewhat closer together than they were booked. In the reserve mode a start that was kept may be spent
//! at any time after it: each handle that idles while it is ready may be ahead by one.
//!
//! Where a burst of 128 or more is allowed, not every call looks at the clock: while half of the burst is there, a 128th of it, and no
//! more than 128 calls, start [on credit](crate::rate::Book::credit) and are charged as of the next look. None of that exceeds the
//! rate. What may start at once after a silence is less by as many, until they are replenished.
//!
//! # Policies
//!
//! [`TokenBucket`](crate::TokenBucket) spaces starts evenly; [`Window`](crate::Window) lets them start as they come until `n` are used up, and
//! never more than `n` in *any* period. Anything that can [`Book`](crate::rate::Book) will do.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
//! use std::time::Duration;
//! use forebay_flow::layer::RateLimitLayer;
//! use forebay_flow::{Rate, Window};
//! use tokio::time::Instant;
//! use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
//!
//! let start = Instant::now();
//! let mut api = ServiceBuilder::new()
//!     .layer(RateLimitLayer::new(Window::new(Rate::new(3, Duration::from_secs(60)))))
//!     .service(service_fn(async |_: u32| Ok::<_, ()>(start.elapsed().as_secs())));
//! let mut answers = Vec::new();
//! for n in 0..7 {
//!     answers.push(api.ready().await.unwrap().call(n).await.unwrap());
//! }
//! assert_eq!(answers, [0, 0, 0, 60, 60, 60, 120]);
//! # }
//! ```
//!
//! # Source
//!
//! That whoever has to wait books its start and sleeps until then is how Go's `x/time/rate` reserves.
//!
//! # When not to use it
//!
//! Where what counts is how many are at work, and not how many start: [`ConcurrencyLimitLayer`](crate::layer::ConcurrencyLimitLayer). A rate does not
//! slow down with a service that becomes slow.
//!
//! # How it differs from `tower::limit::RateLimit` and from `governor`
//!
//! tower's counts in fixed windows that begin with a call, so around the end of one twice as many start as it says
//! (tower#842); it cannot be cloned, so whoever shares it needs a buffer, and of several tasks that wait for one only the last
//! is woken (tower#454). `governor` is a decision without a layer: who is refused looks again later, in no order, where here
//! each has its own time.

mod account;
mod config;
mod credit;
mod future;
mod handle;
mod left;
mod service;

pub use self::config::RateLimitLayer;
pub use self::future::ResponseFuture;
pub use self::handle::{RateHandle, RateStats, ReservedRef};
pub use self::service::{QueuedRateLimit, RateLimit};
