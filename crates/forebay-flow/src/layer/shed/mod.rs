//! Sheds calls that have waited too long by the time it is their turn. It holds nothing of its own.
//!
//! | | `poll_ready` | `call` | drop |
//! | --- | --- | --- | --- |
//! | [`ShedLayer`] | ready when the service is: nothing of its own holds it up | decides: sheds, with the request, or passes on | nothing; what was shed is counted |
//!
//! Put it *below* whatever makes calls wait (a queue, a limit that queues, a pool): it decides when the wait is over, and
//! asks the request how long that was, or until when its answer is wanted. So requests have to carry a time.
//!
//! The layers below it should queue. When a call is shed, the service was ready but is not called: the handle keeps whatever the
//! service has reserved for it (a permit, a start) until its next call, or until it is dropped. A handle that is used once, as
//! by `oneshot`, is dropped at once.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
//! use std::time::Duration;
//! use forebay_flow::CoDel;
//! use forebay_flow::layer::{ShedLayer, Why, FlowError};
//! use tokio::time::{Instant, advance};
//! use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
//!
//! struct Job { came: Instant, wanted_until: Option<Instant> }
//!
//! let shed = ShedLayer::new().deadline(|job: &Job| job.wanted_until).codel(CoDel::default(), |job: &Job| Some(job.came));
//! let handle = shed.handle();
//! let mut work = ServiceBuilder::new().layer(shed).service(service_fn(async |_: Job| Ok::<_, ()>("done")));
//!
//! let late = Job { came: Instant::now(), wanted_until: Some(Instant::now() + Duration::from_millis(20)) };
//! advance(Duration::from_millis(20)).await;
//! let Err(FlowError::Refused(refused)) = work.ready().await.unwrap().call(late).await else { panic!("it is late") };
//! assert_eq!((refused.why, handle.stats().late), (Why::Late, 1));
//! # }
//! ```
//!
//! # Newest first
//!
//! To shed the oldest and serve the newest first in an overload is up to the line in which calls wait, and this layer has none:
//! see [`newest_first`](crate::layer::ConcurrencyLimitLayer::newest_first) of a limit that queues.
//!
//! # Source
//!
//! By the wait: [`CoDel`](crate::CoDel), in folly's form for services. By the deadline: the caller no longer wants the answer,
//! which is why gRPC propagates deadlines.
//!
//! # When not to use it
//!
//! Where calls must not be lost. Where nothing waits: there a limit and a `load_shed` above it refuse before anything has waited.
//!
//! # How it differs from `tower::load_shed`
//!
//! That one refuses every call while the service is not ready, even in a burst that could be worked off. This one lets calls
//! wait, and sheds by how long that took.

mod service;

pub use self::service::{Never, Shed, ShedHandle, ShedLayer, ShedStats, When};
