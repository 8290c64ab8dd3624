//! The handle through which callers call.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tower_service::Service;

use super::callers::Callers;
use super::config::Options;
use super::{QueueError, ResponseFuture};
use crate::{
    By, ClassStats, Discipline, Fifo, Level, Line, Pressure, QueueStats, RetuneError, SendLine, Stats,
    UnknownClass, Visitor,
};

/// A service behind a bounded line. Clones call the same service through the same line; when the last one is dropped,
/// the line is closed, and the worker ends once nobody waits.
///
/// The handle does not hold the service: that is with the [`Worker`](super::Worker).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use forebay_queue::layer::QueueLayer;
/// use tower::{Service, ServiceBuilder, service_fn};
///
/// let echo = service_fn(async |word: &'static str| Ok::<_, ()>(word));
/// let mut queue = ServiceBuilder::new().layer(QueueLayer::new(10)).service(echo);
/// let mut clone = queue.clone();
/// let (first, second) = (queue.call("one"), clone.call("line"));
/// assert_eq!((queue.len(), first.await.unwrap(), second.await.unwrap()), (2, "one", "line"));
/// # }
/// ```
// The bound gives the types of the service's futures and errors, which the line carries.
pub struct Queue<S: Service<R>, R, L: Line<R> = Fifo> {
    pub(super) callers: Arc<Callers<R, S::Future, S::Error, L>>,
}

// === impl Queue ===

impl<S: Service<R>, R, L: Line<R>> Queue<S, R, L> {
    pub(super) fn new(options: Options, line: L) -> Self {
        Self { callers: Callers::new(options, line) }
    }

    /// Stops taking calls. Waiting calls are still answered, then the worker ends.
    pub fn close(&self) {
        self.callers.close();
    }

    /// Has the line been closed, or lost its worker?
    pub fn is_closed(&self) -> bool {
        self.callers.is_closed()
    }

    /// How many calls wait. Calls that wait for room count too, so under [`WhenFull::Wait`](crate::WhenFull::Wait) there
    /// may be as many as the capacity and `max_waiting` together.
    pub fn len(&self) -> usize {
        self.callers.len()
    }

    /// Does no call wait?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many calls the line has room for.
    pub fn capacity(&self) -> usize {
        self.callers.options.capacity
    }

    /// Whether callers should slow down, as [`Watermarks`](crate::Watermarks) say for the number of waiting calls.
    pub fn pressure(&self) -> Pressure {
        self.callers.pressure()
    }

    /// How long the oldest waiting call has waited. `None` if none waits, or if the line is not
    /// [timed](super::QueueLayer::timed).
    pub fn oldest_wait(&self) -> Option<Duration> {
        self.callers.oldest_wait()
    }

    /// What has become of the calls. *Accepted* calls joined the line. The service was called with *completed* ones,
    /// whatever it answered. *Failed* ones met a service whose readiness failed, or that panicked. *Dropped* ones were
    /// displaced, or were too late. *Returned* are calls whose caller left before, and calls that were given back because
    /// the worker is gone.
    pub fn stats(&self) -> QueueStats {
        self.callers.stats()
    }

    /// The same for each class, in the order of [`Discipline::classes`](crate::Discipline::classes); a single unnamed one
    /// if the line has no classes.
    pub fn class_stats(&self) -> Vec<ClassStats> {
        self.callers.class_stats()
    }
}

impl<S, R, D, C> Queue<S, R, By<D, C>>
where
    S: Service<R>,
    R: Send,
    D: Discipline + Clone,
    C: Fn(&R) -> Result<D::Rank, UnknownClass>,
{
    /// Changes the discipline's settings while calls wait. `change` runs under the line's lock, so it must not use this
    /// handle, nor take anything out of the discipline, nor have another class meant where nothing is said. It is given a
    /// copy, which then takes the place of the discipline: if it panics, nothing has changed.
    ///
    /// # Errors
    ///
    /// The discipline would have other classes than the calls that wait are of, or it was replaced by one that does not know
    /// them. Nothing has changed then.
    pub fn retune(&self, change: impl FnOnce(&mut D)) -> Result<(), RetuneError> {
        self.callers.retune(change)
    }
}

/// Queues: readiness holds nothing, and it is given for as long as the line is open. So a handle that is ready and
/// does not call takes nothing away from the others.
impl<S: Service<R>, R, L: Line<R>> Service<R> for Queue<S, R, L> {
    type Response = S::Response;
    type Error = QueueError<S::Error, R>;
    type Future = ResponseFuture<R, S::Future, S::Error, L>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(if self.is_closed() { Err(QueueError::Closed(None)) } else { Ok(()) })
    }

    fn call(&mut self, request: R) -> Self::Future {
        ResponseFuture::new(&self.callers, self.callers.join(request))
    }
}

impl<S: Service<R>, R, L: Line<R>> Clone for Queue<S, R, L> {
    fn clone(&self) -> Self {
        self.callers.add_handle();
        Self { callers: self.callers.clone() }
    }
}

impl<S: Service<R>, R, L: Line<R>> Drop for Queue<S, R, L> {
    fn drop(&mut self) {
        self.callers.remove_handle();
    }
}

impl<S, R, L> Level for Queue<S, R, L>
where
    L: SendLine<R>,
    S: Service<R, Error: Send, Future: Send>,
    R: Send,
{
    fn level(&self) -> Option<f64> {
        let len = self.len() as f64;
        Some(if self.capacity() == 0 { len.min(1.0) } else { (len / self.capacity() as f64).min(1.0) })
    }
}

impl<S, R, L> Stats for Queue<S, R, L>
where
    L: SendLine<R>,
    S: Service<R, Error: Send, Future: Send>,
    R: Send,
{
    fn observe(&self, visitor: &mut dyn Visitor) {
        visitor.gauge("forebay_queue_length", &[], self.len() as f64);
        visitor.gauge("forebay_queue_capacity", &[], self.capacity() as f64);
        if let Some(oldest) = self.oldest_wait() {
            visitor.gauge("forebay_queue_oldest_seconds", &[], oldest.as_secs_f64());
        }
        self.stats().observe(visitor);
        ClassStats::observe_all(&self.class_stats(), visitor);
    }
}

impl<S: Service<R>, R, L: Line<R>> fmt::Debug for Queue<S, R, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue")
            .field("len", &self.len())
            .field("capacity", &self.capacity())
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
