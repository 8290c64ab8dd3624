//! A pool as a tower service. It queues: readiness reserves nothing, and a call waits in its response future.
//!
//! ```text
//!  PoolService ──call──▶ ┌──────────────────┐           ┌─▶ worker: service ──▶ its future, driven here
//!  PoolService ──call──▶ │ line of requests │ ─demand─▶ ├─▶ worker: service
//!    ▲                   └──────────────────┘           └─▶ worker: service
//!    └────────────────────────── answer ◀─────────────────────────┘
//! ```
//!
//! Its workers call the service *and drive its futures*: a fixed number of calls run at once, in tasks of their own,
//! whatever their callers do. [`QueueLayer`](forebay_queue::QueueLayer) is the same line in front of a service whose
//! futures the callers drive themselves; it is cheaper, and does not bound how many run.
//!
//! | | |
//! | --- | --- |
//! | `poll_ready` | `Err` if it is closed, else `Ready`; never pending because it is full; never asks the service |
//! | `call` | joins the line. Full and [`Wait`](forebay_queue::WhenFull::Wait): waits in the response future, one of at most `max_waiting`, and beyond that [`Full(request)`](PoolError::Full). Full and [`Refuse`](forebay_queue::WhenFull::Refuse): `Full(request)`. Full and one of the others: the call that is dropped ends as [`Displaced(request)`](PoolError::Displaced) |
//! | drop while it waits | leaves the line at once; the service never sees the request |
//! | drop while it runs | ends the call at its next await, or leaves it to its worker: [`WhenDropped`] |
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! use forebay_pool::layer::{PoolError, PoolLayer};
//! use tower::{Service, ServiceBuilder, service_fn};
//!
//! let mut printer = ServiceBuilder::new()
//!     .layer(PoolLayer::new(1, 1).max_waiting(1)) // one worker, one in the line, one that waits for room
//!     .service(service_fn(async |page: u32| Ok::<_, String>(format!("page {page}"))));
//!
//! let calls = [1, 2, 3].map(|page| printer.call(page)); // always ready, as long as it is open
//! let [first, second, third] = calls;
//! assert!(matches!(third.await, Err(PoolError::Full(3))), "told at once, and the request comes back");
//! assert_eq!(first.await.unwrap(), "page 1");
//! assert_eq!(second.await.unwrap(), "page 2");
//! # }
//! ```
//!
//! # Backpressure ends here
//!
//! The line is always ready, so it never tells the layers above it to wait. A `load_shed` above it sheds nothing. So
//! put it *below*, set `max_waiting`, choose [`Refuse`](forebay_queue::WhenFull::Refuse), or check
//! [`PoolService::pressure`] before calling.
//!
//! # What idle workers hold
//!
//! Idle workers hold nothing that others may need, such as a permit of a limit that two pools share. A service is asked
//! whether it is ready only when there is a request for it, and a service that was asked in vain is replaced.
//!
//! # Failures
//!
//! Errors keep their type. A service whose readiness fails, or which panics, fails only the call that met it: that
//! call ends as [`Inner`](PoolError::Inner) or [`Panicked`](PoolError::Panicked), and its worker goes on with a fresh
//! service. That holds for a panic in the service's future too, since a worker drives it.
//!
//! # The end
//!
//! Once it is closed, or its last handle is dropped, it takes no more calls. Waiting calls are served, running calls are
//! driven to their end, then the [`PoolWorker`] is ready with its report. A `PoolWorker` that is dropped before that
//! returns the requests that were not begun to their callers ([`Closed`](PoolError::Closed)), and cancels the running
//! calls ([`Aborted`](PoolError::Aborted)): under a `timeout` that is a shutdown with a deadline.

mod config;
mod counter;
mod drive;
mod error;
mod future;
mod service;
mod worker;

pub use forebay_queue::layer::WhenDropped;

pub use self::config::PoolLayer;
pub use self::error::PoolError;
pub use self::future::ResponseFuture;
pub use self::service::PoolService;
pub use self::worker::PoolWorker;
