//! Refuses what has waited too long, when it is its turn. Holds nothing of its own.
//!
//! | | `poll_ready` | `call` | drop |
//! | --- | --- | --- | --- |
//! | [`ShedLayer`] | ready when the service is: nothing of its own holds it up | decides: sheds, with the request, or passes on | nothing; what was shed is counted |
//!
//! Put it *below* whatever makes calls wait (a queue, a limit that queues, a pool): it decides when the wait is over, and
//! asks the request how long that was, or until when its answer is wanted. So requests have to carry a time.
//!
//! What is below it should queue. The service is ready when a call is shed, and is not called: whatever it has reserved for that (a
//! permit, a start) its handle keeps until its next call, or until it is dropped. A handle that is used once, as by `oneshot`, is
//! dropped at once.
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
//! To shed the oldest and serve the newest first while there is an overload is a matter of the line that they wait in, and this layer
//! has none: see [`newest_first`](crate::layer::ConcurrencyLimitLayer::newest_first) of a limit that queues.
//!
//! # Source
//!
//! By the wait: [`CoDel`](crate::CoDel), in folly's form for services. By the deadline: whoever asks no longer wants the answer, as gRPC
//! passes deadlines on for that.
//!
//! # When not to use it
//!
//! Where calls must not be lost. Where nothing waits: there a limit and a `load_shed` above it refuse before anything has waited.
//!
//! # How it differs from `tower::load_shed`
//!
//! That one refuses while the service is not ready, whoever comes; a burst that could be worked off is refused, too. This one
//! lets things wait, and sheds by how long that took.

mod service;

pub use self::service::{Never, Shed, ShedHandle, ShedLayer, ShedStats, When};
