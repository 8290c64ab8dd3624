//! Calls start as often as a server allows, which is learnt from its answers. It reserves by default, and can queue.
//!
//! | | `poll_ready` | `call` | drop |
//! | --- | --- | --- | --- |
//! | reserve (default) | the service is ready, then waits for the next start, and for the end of a pause, and keeps it; clones start without | uses it; the answer is read | leaves the line, or gives the unused start back, if nobody booked after it; a cancelled call tells nothing |
//! | [`queued`](AdaptiveRateLayer::queued) | `Err` if closed, else `Ready`; never asks the service | waits in the line inside of the response future, then calls a clone of the service; the answer is read | leaves the line, and those behind it move up; a cancelled call tells nothing |
//!
//! [`FeedbackRate`](crate::rate::FeedbackRate) says how the rate is learnt. A [`Judge`] reads each answer: was it a refusal, with
//! or without a time to wait, and what does it say about quotas? The answer itself is handed on unchanged. A retry *above* this
//! layer then retries refused calls, which wait with all others.
//!
//! # Pauses
//!
//! A refusal holds up everybody, including calls that already wait: none of them starts before the pause is over, and then
//! they continue in order, one after the other. Calls already on their way are not recalled. Pauses are lengthened at random by
//! up to a half, so that several clients of one server do not come back together.
//!
//! # Order
//!
//! First come, first served. A waiting call has its time as of the current rate, and is woken if that becomes earlier. Each call
//! has a timer of its own, so one that is not polled holds up nobody.
//!
//! # Precision
//!
//! As for [rates](super::rate#precision): nothing starts before its time, timers have a resolution of a millisecond, and a late
//! call does not make others late. In the reserve mode a start that was kept may be used at any time after it, and one that was
//! kept when a pause began is used after that pause.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
//! use forebay_flow::layer::AdaptiveRateLayer;
//! use forebay_flow::rate::{Answer, FeedbackRate};
//! use forebay_flow::{Rate, TokenBucket};
//! use tokio::time::Instant;
//! use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
//!
//! // A server that allows 50 a second, ten at once, and does not say so.
//! let begin = Instant::now();
//! let mut allows = TokenBucket::new(Rate::per_second(50)).with_burst(10);
//! let server = service_fn(move |_: u32| {
//!     let taken = allows.take(1, begin.elapsed().as_nanos() as u64);
//!     async move {
//!         tokio::time::sleep(std::time::Duration::from_millis(10)).await;
//!         Ok::<u16, ()>(if taken.is_ok() { 200 } else { 429 })
//!     }
//! });
//!
//! let rate = AdaptiveRateLayer::new(FeedbackRate::new(42)).judge(|status: Result<&u16, &()>| match status {
//!     Ok(429) => Answer::refused(),
//!     _ => Answer::served(),
//! });
//! let handle = rate.handle();
//! let mut client = ServiceBuilder::new().layer(rate).service(server);
//! let mut calls = tokio::task::JoinSet::new();
//! for n in 0..600 {
//!     calls.spawn(client.ready().await.unwrap().call(n));
//! }
//! calls.join_all().await;
//! let stats = handle.stats();
//! assert!(stats.overloads <= 3 && begin.elapsed().as_secs_f64() < 1.15 * 590.0 / 50.0);
//! # }
//! ```
//!
//! # Source
//!
//! That of the rate is with [`FeedbackRate`](crate::rate::FeedbackRate). How the line follows it is written as rules in `line.rs`.
//!
//! # When not to use it
//!
//! Where the rate is known: [`RateLimitLayer`](crate::layer::RateLimitLayer) is never refused. Where a service becomes slow under load
//! and does not refuse: [`ConcurrencyLimitLayer`](crate::layer::ConcurrencyLimitLayer).
//!
//! # How it differs from others
//!
//! `tower` and `governor` have fixed rates only. AWS's SDKs have an "adaptive" retry mode that cuts by a fixed part; it holds up what comes
//! after a refusal, and tells nobody. A retry with backoff holds up the call that was refused, and no other: as many calls are refused as
//! there are callers.

mod config;
mod future;
mod handle;
mod judge;
mod line;
mod service;
mod slot;

pub use self::config::AdaptiveRateLayer;
pub use self::future::ResponseFuture;
pub use self::handle::{AdaptiveRateHandle, AdaptiveRateStats};
#[cfg(feature = "http")]
pub use self::judge::ByStatus;
pub use self::judge::Judge;
pub use self::service::{AdaptiveRate, QueuedAdaptiveRate};
