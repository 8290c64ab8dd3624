//! Limits how many calls run at once. It reserves by default, and can queue.
//!
//! | | `poll_ready` | `call` | drop |
//! | --- | --- | --- | --- |
//! | reserve (default) | the service is ready, then waits for one permit and keeps it; clones start without | hands the permit to the response future; a call that needs more waits there for all of them at once | gives permits back, also when the handle goes |
//! | [`queued`](ConcurrencyLimitLayer::queued) | `Err` if closed, else `Ready`; never asks the service | waits in the response future, first come first served, then calls a clone of the service | leaves the line, or gives permits back |
//!
//! # Which mode?
//!
//! *Reserve* passes backpressure up: put it right under `load_shed`, `balance`, `retry`, and loops of
//! `ready().await`. Ready handles hold permits and may not be called for a long time, so with many idle handles
//! (keep-alive connections) use *queued*: there nothing is held before there is a request.
//!
//! *Queued* ends the backpressure above it: put `load_shed` below, or bound the line by `max_waiting`, where 0 sheds at
//! once.
//!
//! # Policies
//!
//! Any [`Limit`](crate::Limit) is told of each call that starts and ends, by an exact count under a lock, however many end
//! at once. It learns nothing from a cancelled call. With [`Fixed`](crate::Fixed), which learns nothing at all, no clock is
//! read, and a permit is one atomic operation.
//!
//! # A limit that shrinks
//!
//! Running calls go on; no other call begins until fewer run than the limit. A waiting call that needs more permits than the
//! limit has become is served alone.
//!
//! # Weights
//!
//! A call that needs several permits gets all of them at once, and nobody behind it gets any meanwhile. In the reserve
//! mode the service's `call` runs before that: its future is made, and polled once the permits are there. For a service
//! whose `call` does the work at once (a queue's sender) that is too late; use *queued*.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! use forebay_flow::Fixed;
//! use forebay_flow::layer::ConcurrencyLimitLayer;
//! use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
//!
//! let mut kitchen = ServiceBuilder::new()
//!     .load_shed() // above a layer that reserves it knows when that is full
//!     .layer(ConcurrencyLimitLayer::new(Fixed(1)))
//!     .service(service_fn(async |dish: &'static str| Ok::<_, std::io::Error>(dish)));
//!
//! let first = kitchen.ready().await.unwrap().call("soup");
//! let second = kitchen.ready().await.unwrap().call("stew");
//! assert!(second.await.is_err(), "there is one cook");
//! assert_eq!(first.await.unwrap(), "soup");
//! # }
//! ```
//!
//! # Source
//!
//! The split between a policy that estimates and a layer that enforces comes from Netflix/concurrency-limits. Permits with a
//! first-come line come from tokio's `Semaphore`, and readiness that keeps a permit from `tower::limit`; `permits.rs` has the
//! rules by which they are granted here.
//!
//! # When not to use it
//!
//! Where calls per second count, and not calls at once. Where the work is yours and not a service's: a pool of workers
//! limits itself.
//!
//! # How it differs from `tower::limit`
//!
//! There the limit is a number that never changes; each `layer` call makes a limit of its own (`GlobalConcurrencyLimitLayer`
//! does not); a spent cooperative budget looks like an exhausted limit, so that a `load_shed` above sheds calls although
//! there is room; idle handles hold permits, and there is no other mode; nothing can be observed. `tower-resilience` has
//! adaptive limits.

#[cfg(feature = "http-body")]
mod body;
mod config;
mod future;
mod gate;
mod handle;
mod hold;
mod permit;
mod service;

#[cfg(feature = "http-body")]
pub use self::body::{HeldBody, UntilBody};
pub use self::config::{ConcurrencyLimitLayer, Queued, Reserve};
pub use self::future::ResponseFuture;
pub use self::handle::{LimitHandle, LimitStats, PermitRef};
pub use self::hold::{Hold, UntilResponse};
pub use self::permit::Permit;
pub use self::service::{ConcurrencyLimit, QueuedConcurrencyLimit};
