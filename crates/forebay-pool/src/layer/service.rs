//! The handle that callers have.

use std::fmt;
use std::task::{Context, Poll};

use forebay_queue::{Level, Pressure, Queue, QueueStats, Stats, Visitor};
use tower_service::Service;

use super::counter::{Counter, Job};
use super::{PoolError, ResponseFuture};
use crate::{PoolHandle, PoolStats};

type Line<S, R> = Queue<Counter<R, <S as Service<R>>::Response, <S as Service<R>>::Error>, R>;
type Jobs<S, R> = Job<R, <S as Service<R>>::Response, <S as Service<R>>::Error>;

/// A service behind a pool of workers. Clones call the same workers through the same line; when the last one is
/// dropped, it is closed, and the workers end once all calls are answered.
///
/// The handle does not hold the service: that is with the [`PoolWorker`](super::PoolWorker). The [module](super) has
/// an example.
// The bound is for the types of the service's answers and errors, which the line carries.
pub struct PoolService<S: Service<R>, R> {
    line: Line<S, R>,
    pool: PoolHandle<Jobs<S, R>>,
}

// === impl PoolService ===

impl<S: Service<R>, R> PoolService<S, R> {
    pub(super) fn new(line: Line<S, R>, pool: PoolHandle<Jobs<S, R>>) -> Self {
        Self { line, pool }
    }

    /// Take no more calls. Those that wait are still answered, then the workers end.
    pub fn close(&self) {
        self.line.close();
    }

    /// Has it been closed, or lost its workers?
    pub fn is_closed(&self) -> bool {
        self.line.is_closed()
    }

    /// How many calls wait for a worker, those that wait for room among them.
    pub fn len(&self) -> usize {
        self.line.len()
    }

    /// Does no call wait?
    pub fn is_empty(&self) -> bool {
        self.line.is_empty()
    }

    /// How many calls the line has room for.
    pub fn capacity(&self) -> usize {
        self.line.capacity()
    }

    /// Whether those who call should slow down: as [`Watermarks`](forebay_queue::Watermarks) say about the calls that
    /// wait.
    pub fn pressure(&self) -> Pressure {
        self.line.pressure()
    }

    /// What has become of the calls in the line; *completed* are those that a worker took.
    pub fn stats(&self) -> QueueStats {
        self.line.stats()
    }
}

impl<S, R> PoolService<S, R>
where
    S: Service<R, Response: Send, Error: Send>,
    S::Response: 'static,
    S::Error: 'static,
    R: Send + 'static,
{
    /// What the workers do; `None` when they are gone. *Completed* are calls that were answered, whatever the answer,
    /// and those that their caller left.
    pub fn pool_stats(&self) -> Option<PoolStats> {
        self.pool.stats()
    }

    /// Changes the number of workers, as [`Pool::resize`](crate::Pool::resize).
    pub fn resize(&self, workers: usize) {
        self.pool.resize(workers);
    }
}

/// Queues: readiness holds nothing, and it is given for as long as the pool is open. So a handle that is ready and does
/// not call takes nothing away from the others.
impl<S: Service<R>, R> Service<R> for PoolService<S, R> {
    type Response = S::Response;
    type Error = PoolError<S::Error, R>;
    type Future = ResponseFuture<R, S::Response, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.line.poll_ready(cx).map_err(PoolError::of_line)
    }

    fn call(&mut self, request: R) -> Self::Future {
        ResponseFuture::new(self.line.call(request))
    }
}

impl<S: Service<R>, R> Clone for PoolService<S, R> {
    fn clone(&self) -> Self {
        Self { line: self.line.clone(), pool: self.pool.clone() }
    }
}

impl<S, R> Level for PoolService<S, R>
where
    S: Service<R, Response: Send, Error: Send>,
    R: Send,
{
    fn level(&self) -> Option<f64> {
        self.line.level()
    }
}

impl<S, R> Stats for PoolService<S, R>
where
    S: Service<R, Response: Send, Error: Send>,
    R: Send,
{
    fn observe(&self, visitor: &mut dyn Visitor) {
        self.line.observe(visitor);
    }
}

impl<S: Service<R>, R> fmt::Debug for PoolService<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolService")
            .field("len", &self.len())
            .field("capacity", &self.capacity())
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
