//! A bounded line in front of a service. It queues: readiness reserves nothing, and a call waits in its response future.
//!
//! ```text
//!  Queue ──call──▶ ┌──────────────────┐          ┌────────┐
//!  Queue ──call──▶ │ line of requests │ ──take─▶ │ Worker │ ──poll_ready, call──▶ service
//!    ▲             └──────────────────┘          └────────┘                          │
//!    └── ResponseFuture drives ◀───────────── the service's future ◀─────────────────┘
//! ```
//!
//! It lets callers share a service that cannot be cloned, absorbs bursts in front of a slow one, and says no in time:
//! the line is bounded, and you choose what happens when it is full.
//!
//! | | |
//! | --- | --- |
//! | `poll_ready` | `Err` if the line is closed, else `Ready`; never pending because it is full; never asks the service |
//! | `call` | joins the line. Full and [`Wait`](crate::WhenFull::Wait): waits in the response future, one of at most `max_waiting`, and beyond that [`Full(request)`](QueueError::Full). Full and [`Refuse`](crate::WhenFull::Refuse): `Full(request)`. Full and one of the others: the call that is dropped ends as [`Displaced(request)`](QueueError::Displaced) |
//! | drop while it waits | leaves the line at once; the service never sees the request |
//! | drop while it runs | ends the call, or leaves it to the worker: [`WhenDropped`] |
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! use forebay_queue::layer::{QueueError, QueueLayer};
//! use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
//!
//! let mut printer = ServiceBuilder::new()
//!     .layer(QueueLayer::new(1).max_waiting(1)) // one in the line, and one that waits for room
//!     .concurrency_limit(1)
//!     .service(service_fn(async |page: u32| Ok::<_, String>(format!("page {page}"))));
//!
//! let calls = [1, 2, 3].map(|page| printer.call(page)); // always ready, as long as it is open
//! assert_eq!(printer.len(), 2);
//! let [first, second, third] = calls;
//! assert!(matches!(third.await, Err(QueueError::Full(3))), "told at once, and the request comes back");
//! assert_eq!(first.await.unwrap(), "page 1");
//! assert_eq!(second.await.unwrap(), "page 2");
//! # }
//! ```
//!
//! # Backpressure ends here
//!
//! The line is always ready, so it never tells the layers above it to wait. A `load_shed` above it sheds nothing, and a
//! balancer above it considers it idle. So put `load_shed` *below* it, set `max_waiting`, choose
//! [`Refuse`](crate::WhenFull::Refuse), or check [`Queue::pressure`] before calling.
//!
//! # Order and concurrency
//!
//! Calls reach the service in the order in which they were made; those that wait for room stand in the same line. The
//! worker hands the service's future to the caller, so answers do not wait for one another, and the service decides
//! how many calls run at once (a `concurrency_limit` below). The alternative, a worker that drives the futures itself,
//! would run all of them on one task.
//!
//! # Failures
//!
//! Errors keep their type. A service whose readiness fails, or which panics, fails only the call that met it: that
//! call ends as [`Inner`](QueueError::Inner) or [`Panicked`](QueueError::Panicked), and the next call goes to a fresh
//! clone. So does the next call after one that left while the service was not ready.
//! A panic in the service's *future* is the caller's own, since the caller drives it.
//!
//! # How it differs from `tower::buffer`
//!
//! There `poll_ready` takes a place and keeps it, so handles that are ready and do not call starve the others
//! (tower#408, #412, #626, #836); a failed readiness check, boxed and shared, becomes the answer to every call from
//! then on (#462, #624); a panic of the service is told as "worker closed" (#455); a bound of 0 panics (#861); and a
//! call that nobody waits for any more keeps its place until the worker comes to it. And its length cannot be read.

mod callers;
mod config;
mod error;
mod future;
mod service;
mod worker;

pub use self::config::{QueueLayer, WhenDropped};
pub use self::error::{BoxError, QueueError};
pub use self::future::ResponseFuture;
pub use self::service::Queue;
pub use self::worker::Worker;
