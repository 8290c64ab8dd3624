//! Holds calls up, or optionally refuses them, while something downstream is too full. It reserves nothing of its own.
//!
//! | | `poll_ready` | `call` | drop |
//! | --- | --- | --- | --- |
//! | waits (default) | `Pending` while the pressure is high, and all who wait are woken when it is not any more; holds nothing, and does not ask the service meanwhile | passes on; refused where its handle has given up waiting | leaves |
//! | [`refusing`](BackpressureLayer::refusing) | as the service says | refused while the pressure is high, with the request; what the service has reserved for it stays with the handle | nothing |
//!
//! In the refusing mode the layers below should queue: a handle keeps the permit or the start that the service has reserved for
//! a refused call, until its next call or until it is dropped.
//!
//! The layer's [handle](BackpressureLayer::handle) must be told how full it is: by a queue's hook `on_pressure`, or for anything
//! else by [`observe`](PressureHandle::observe), between watermarks.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use forebay_flow::layer::BackpressureLayer;
//! use forebay_flow::Watermarks;
//! use tower::{Service, ServiceBuilder, ServiceExt};
//!
//! let pressure = BackpressureLayer::default();
//! let handle = pressure.handle();
//! let (tx, mut rx) = forebay_queue::builder()
//!     .capacity(10)
//!     .watermarks(1.0, 0.7) // the textbook's: slow down when full, resume below 70 %
//!     .on_pressure(move |pressure| {
//!         handle.set(pressure);
//!     })
//!     .build();
//! let mut producer = ServiceBuilder::new().layer(pressure.clone()).service(tx);
//! for n in 0..10 {
//!     producer.ready().await?.call(n).await?;
//! }
//! let mut held = tokio_test::task::spawn(producer.ready());
//! assert!(held.poll().is_pending(), "full");
//! for _ in 0..3 {
//!     rx.recv().await;
//! }
//! assert!(held.poll().is_pending(), "there is room, but not below 70 %");
//! rx.recv().await;
//! assert!(held.is_woken());
//! # Ok(()) }
//! ```
//!
//! # Between readiness and call
//!
//! It holds nothing, so calls that were ready before the pressure rose still pass: as many as there are handles. Handles that
//! are woken together call together; put a limit below where that is too much.
//!
//! # Waiting
//!
//! Only handles wait, each with one waker, for as long as the pressure is high. Where that may be too long, refuse instead, or
//! bound how [many](BackpressureLayer::max_waiting) wait and for how [long](BackpressureLayer::max_wait). A handle that has
//! given up is ready, and its call is refused.
//!
//! # Source
//!
//! The textbook's `slow_down` and `resume`; the hysteresis is [`Backpressure`](crate::Backpressure)'s.
//!
//! # When not to use it
//!
//! In front of a queue that makes its senders wait, or holds them until it has drained (`hold_senders`): the queue does the
//! same, and exactly. This layer is for things that are not filled only by the calls that it holds up: a disk, a downstream, a
//! queue that never waits.
//!
//! # How it differs
//!
//! `tower::load_shed` refuses what is not ready at that moment; here there is a hysteresis between too full and not any more,
//! and waiting is a choice.

mod service;
mod signal;

pub use self::service::{BackpressureLayer, Backpressured};
pub use self::signal::{PressureHandle, PressureStats};
