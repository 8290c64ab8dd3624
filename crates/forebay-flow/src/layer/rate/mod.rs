//! Limits how often calls start. It reserves by default, and can queue.
//!
//! | | `poll_ready` | `call` | drop |
//! | --- | --- | --- | --- |
//! | reserve (default) | the service is ready, then books the next start, sleeps until then, and keeps it; clones start without | spends it | gives the unspent start back, to the next caller |
//! | [`queued`](RateLimitLayer::queued) | `Err` if closed, else `Ready`; never asks the service | books its start and sleeps until then in the response future, then calls a clone of the service | the same |
//!
//! # Order
//!
//! Starts are assigned in the order of asking. Each call has a timer of its own, so one that is not polled holds up nobody.
//!
//! A call that leaves before its start, as under a `timeout`, leaves that start to the next arrival of the same cost, which
//! then starts before calls that came earlier and have later starts; they keep theirs. So all starts are used as long as calls
//! come, however many leave. Calls that would leave anyway need not wait in vain: below a `timeout` set
//! [`max_wait`](RateLimitLayer::max_wait) to the same duration, and they are refused at once.
//!
//! # Precision
//!
//! Nothing starts before its time. Tokio's timers have a resolution of a millisecond, and a busy thread adds to that; a late
//! call does not make others late, so at 10 000 a second about ten start together each millisecond, and the rate holds. For the
//! same reason a server may see starts somewhat closer together than they were booked. In the reserve mode a start that was
//! kept may be spent at any time after it: each handle that idles while it is ready may be ahead by one.
//!
//! Where a burst of 128 or more is allowed, not every call reads the clock: while half of the burst is available, a 128th of
//! it, and no more than 128 calls, start [on credit](crate::rate::Book::credit) and are charged as of the next clock read. None
//! of that exceeds the rate. After a quiet time that many fewer may start at once, until they are replenished.
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
//! Booking a start and sleeping until then is how Go's `x/time/rate` reserves.
//!
//! # When not to use it
//!
//! Where the number of calls at work matters, and not how many start: use
//! [`ConcurrencyLimitLayer`](crate::layer::ConcurrencyLimitLayer). A rate does not slow down with a service that becomes slow.
//!
//! # How it differs from `tower::limit::RateLimit` and from `governor`
//!
//! tower's counts in fixed windows that begin with a call, so around the end of a window twice as many calls start as it says
//! (tower#842); it cannot be cloned, so sharing it needs a buffer, and of several tasks that wait for one only the last is
//! woken (tower#454). `governor` is a decision without a layer: refused callers check again later, in no order, where here
//! each call has its own time.

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
