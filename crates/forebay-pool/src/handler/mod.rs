//! The forms in which users give the pool their code, behind one private face.
//!
//! A worker drives a [`Handle`]; a [`Make`] builds it, and builds it anew after a panic. The other forms are
//! closures over these, made in the builder.

/// Functions that take a batch.
mod batch;
/// Functions that take the item.
mod by_value;
/// Functions that take the delivery.
mod delivery;
/// Functions that want to know more than the item.
mod in_context;
/// Functions whose results are ordered.
mod ordered;
/// Tower services.
mod service;

use std::fmt;
use std::task::{Context, Poll};

use tokio::time::Instant;

use crate::desk::Desk;
use crate::outcome::BoxError;

pub(crate) use batch::ByBatch;
pub(crate) use by_value::ByValue;
pub(crate) use delivery::ByDelivery;
pub(crate) use in_context::{ByBatchIn, ByDeliveryIn, ByValueIn};
pub(crate) use ordered::ByPlace;
pub(crate) use service::{ByService, ByServiceThen};

/// Which worker of a pool: 0, 1, 2, … up to the number of workers.
///
/// A worker that is rebuilt after a panic keeps its id. Factories are given it, see
/// [`handler_per_worker`](crate::Builder::handler_per_worker).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use forebay_pool::{Pool, WorkerId};
///
/// let scratch = |worker: WorkerId| format!("/tmp/scratch-{worker}");
/// let pool = Pool::builder()
///     .workers(2)
///     .queue(10)
///     .handler_per_worker(move |worker| {
///         assert!(worker.index() < 2);
///         let folder = scratch(worker);
///         move |_: u32| { let _ = &folder; async {} }
///     })
///     .start()?;
/// assert_eq!(pool.finish().await.panics, 0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId(pub(crate) usize);

/// What a handler starts with.
pub(crate) struct Start<T> {
    /// When its run will be cut short.
    pub(crate) deadline: Option<Instant>,
    /// The item, where the worker took it itself; otherwise it lies in the worker's hands.
    pub(crate) taken: Option<T>,
}

/// One worker's handler.
pub(crate) trait Handle<T>: Send + 'static {
    /// Works on one item.
    type Future: Future + Send + 'static;

    /// Whether the handler is lent the delivery and may settle it itself, from anywhere and at any time.
    const LENDS: bool;

    /// Whether all it wants of its item is the value.
    const BY_VALUE: bool = false;

    /// Whether the handler is given the context of its run.
    const IN_CONTEXT: bool = false;

    /// Whether the handler takes all that is in the worker's hands at once.
    const BATCHES: bool = false;

    /// Whether a handler that said that it can take an item may keep something until it does, which others want.
    const HOLDS: bool = false;

    /// Waits until the handler can take one item. Asked before the worker takes one.
    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    /// Starts on an item.
    fn call(&mut self, desk: &Desk<T>, start: Start<T>) -> Self::Future;

    /// What the future's output means.
    fn outcome(output: <Self::Future as Future>::Output) -> Result<(), BoxError>;
}

/// Makes the handlers of a pool's workers.
pub(crate) trait Make<T>: Send + Sync + 'static {
    type Handle: Handle<T>;

    fn make(&self, id: WorkerId) -> Self::Handle;
}

// === impl Start ===

impl<T: Send + 'static> Start<T> {
    /// The item by value, or a copy of it.
    pub(crate) fn item(self, desk: &Desk<T>) -> T {
        match self.taken {
            Some(item) => item,
            None => desk.keep(),
        }
    }
}

// === impl WorkerId ===

impl WorkerId {
    /// The id as a number, for indexing what a program keeps for each worker.
    pub const fn index(self) -> usize {
        self.0
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
