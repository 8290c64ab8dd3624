//! The worker, which calls the service.
//!
//! It owns the service and takes one request after the other out of the line: when there is one, it waits until the
//! service is ready, calls it, and hands the service's future to the caller. It asks a service whether it is ready only
//! when a call waits, since some services then keep something, such as a permit, for whoever asked.
//!
//! # The end
//!
//! Once the line is closed, or its last handle is dropped, it takes no more calls. Waiting calls are served; then, when
//! nothing runs that the worker may have to take over, the worker is ready. A worker that is dropped before that gives
//! waiting calls their requests back, and ends the calls that it had taken over.
//!
//! # Failures
//!
//! By tower's contract, a service whose readiness fails may not be used again; nor may one that panicked. The request at
//! the front gets the reason, in its own type, and the service is replaced. No other call notices, unless the new
//! service fails too: then each request gets its own answer. The line is closed only when nothing can replace the
//! service.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::mem;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::task::JoinSet;
use tower_service::Service;

use super::QueueError;
use super::callers::{Callers, Front};
use crate::core::Timer;
use crate::{Fifo, Line, coop, hooks};

/// Calls the service behind a [`Queue`](super::Queue); made by [`QueueLayer::pair`](super::QueueLayer::pair), and to
/// be spawned. It is ready when the line is closed and all calls are answered.
///
/// Under [`WhenDropped::Detach`](super::WhenDropped::Detach) it needs a tokio runtime, whose tasks drive what callers
/// left behind; they end with the worker.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use forebay_queue::layer::QueueLayer;
/// use tower::{ServiceExt, service_fn};
///
/// let (queue, worker) = QueueLayer::new(10).pair(service_fn(async |n: u32| Ok::<_, ()>(n + 1)));
/// let worker = tokio::spawn(worker);
/// assert_eq!(queue.oneshot(1).await.unwrap(), 2); // the last handle, so the worker ends
/// worker.await.expect("it does not panic");
/// # }
/// ```
#[must_use = "calls are answered only while the worker is polled"]
pub struct Worker<S: Service<R>, R, L: Line<R> = Fifo> {
    callers: Arc<Callers<R, S::Future, S::Error, L>>,
    /// `None` before the first call, and when it has to be replaced.
    service: Option<S>,
    /// Was the service asked whether it is ready, and not called since? Then it may keep something for us.
    asked: bool,
    /// Wakes the worker when a call that waits for the service will be too late.
    timer: Timer,
    make: Box<dyn FnMut() -> Option<S> + Send>,
    /// The calls that callers left behind.
    left: JoinSet<()>,
}

/// The service's answer to `poll_ready`.
enum Readiness<E> {
    Ready,
    Failed(E),
    Panicked(String),
    /// There is no service any more.
    Gone,
}

// === impl Worker ===

impl<S: Service<R>, R, L: Line<R>> Worker<S, R, L> {
    pub(super) fn new(
        callers: Arc<Callers<R, S::Future, S::Error, L>>,
        make: Box<dyn FnMut() -> Option<S> + Send>,
    ) -> Self {
        Self { callers, service: None, asked: false, timer: Timer::default(), make, left: JoinSet::new() }
    }

    fn poll_service(&mut self, cx: &mut Context<'_>) -> Poll<Readiness<S::Error>> {
        if self.service.is_none() {
            // If making the service panics, there is none.
            self.service = contain(|| (self.make)()).ok().flatten();
        }
        let Some(service) = &mut self.service else { return Poll::Ready(Readiness::Gone) };
        self.asked = true;
        Poll::Ready(match contain(|| service.poll_ready(cx)) {
            Ok(readiness) => match ready!(readiness) {
                Ok(()) => Readiness::Ready,
                Err(error) => Readiness::Failed(error),
            },
            Err(message) => Readiness::Panicked(message),
        })
    }

    /// Calls the service for the next call in the line. If that has left since the service was asked, the service stays
    /// ready for the next one. Returns whether another call is known to wait.
    fn call(&mut self) -> bool {
        let Some((request, taken)) = self.callers.take() else { return false };
        if let (Some(since), Some(hook)) = (request.since, &self.callers.options.on_wait) {
            let waited = since.elapsed();
            hooks::contain(|| hook(waited));
        }
        self.asked = false;
        let service = self.service.as_mut().expect("it was ready");
        let called = request.span.in_scope(|| contain(|| service.call(request.request)));
        let panicked = called.is_err();
        let more = taken.answer(called.map_err(QueueError::Panicked));
        if panicked {
            self.discard_service();
        }
        more
    }

    /// Called when the service failed before it saw the next call in the line, which gets the error.
    fn fail(&mut self, error: QueueError<S::Error, R>) {
        self.discard_service();
        match self.callers.take() {
            Some((request, taken)) => {
                taken.answer(Err(error));
                let _ = contain(|| drop(request));
            }
            None => drop(contain(|| drop(error))),
        }
    }

    /// Replaces a service that was asked for calls which have left. Whatever it keeps, such as a permit or a place, it would
    /// keep from others until somebody calls, and only a service that is dropped is sure to give it up.
    fn replace_idle_service(&mut self) {
        if std::mem::take(&mut self.asked)
            && let Ok(Some(another)) = contain(|| (self.make)())
        {
            self.discard_service();
            self.service = Some(another);
        }
    }

    fn discard_service(&mut self) {
        self.asked = false;
        let service = self.service.take();
        let _ = contain(|| drop(service));
    }
}

/// The service is not pinned: no reference to it is kept from one poll to the next.
impl<S: Service<R>, R, L: Line<R>> Unpin for Worker<S, R, L> {}

impl<S, R, L> Worker<S, R, L>
where
    L: Line<R>,
    S: Service<R, Future: Send + 'static>,
    R: Send + 'static,
    S::Error: Send + 'static,
{
    /// Does what is next at the front of the line. `another`: a call is known to wait there.
    fn poll_front(&mut self, another: &mut bool, cx: &mut Context<'_>) -> Poll<ControlFlow<()>> {
        while let Poll::Ready(Some(_)) = self.left.poll_join_next(cx) {
            self.callers.ended();
        }
        let front = if mem::take(another) { Poll::Ready(Front::Call) } else { self.callers.poll_front(cx) };
        let Poll::Ready(front) = front else {
            self.replace_idle_service();
            return Poll::Pending;
        };
        match front {
            Front::End => return Poll::Ready(ControlFlow::Break(())),
            Front::Left => {
                for future in self.callers.left() {
                    self.left.spawn(async move { drop(future.await) });
                }
            }
            Front::Call => match self.poll_service(cx) {
                Poll::Ready(Readiness::Ready) => *another = self.call(),
                Poll::Ready(Readiness::Failed(error)) => self.fail(QueueError::Inner(error)),
                Poll::Ready(Readiness::Panicked(message)) => self.fail(QueueError::Panicked(message)),
                Poll::Ready(Readiness::Gone) => self.callers.dismiss(),
                Poll::Pending => ready!(self.callers.wait_for_service(&mut self.timer, cx)),
            },
        }
        Poll::Ready(ControlFlow::Continue(()))
    }
}

impl<S, R, L> Future for Worker<S, R, L>
where
    L: Line<R>,
    S: Service<R, Future: Send + 'static>,
    R: Send + 'static,
    S::Error: Send + 'static,
{
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let mut another = false;
        while ready!(coop::spend(cx, |cx| this.poll_front(&mut another, cx))).is_continue() {}
        Poll::Ready(())
    }
}

impl<S: Service<R>, R, L: Line<R>> Drop for Worker<S, R, L> {
    fn drop(&mut self) {
        self.callers.lose_worker();
    }
}

impl<S: Service<R>, R, L: Line<R>> fmt::Debug for Worker<S, R, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("left", &self.left.len()).finish_non_exhaustive()
    }
}

/// Runs the service's code, which is not ours. A service that panicked is not used again, so nothing half-changed is
/// seen.
fn contain<T>(foreign: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(foreign)).map_err(|payload| {
        let message = message_of(&*payload);
        // A payload is an arbitrary value, whose destructor may panic again.
        hooks::contain(|| drop(payload));
        message
    })
}

/// The message of a `panic!`; other payloads have nothing that could be shown.
fn message_of(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&'static str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "panic without a message".to_owned())
}
