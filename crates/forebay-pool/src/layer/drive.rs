//! What a worker of the pool does with a request: calls the service, and drives its future to the answer.

use std::convert::Infallible;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tower_service::Service;
use tracing::Span;

use super::WhenDropped;
use super::counter::{CallError, Job, Reply};
use crate::contain::contain;

/// The service of one worker.
pub(super) struct Driving<S, R, E> {
    make: Arc<dyn Fn() -> S + Send + Sync>,
    when_dropped: WhenDropped,
    /// `None` before the first call, and when it has to be replaced.
    service: Option<S>,
    /// Why the service was not ready, for the next caller.
    unready: Option<CallError<R, E>>,
}

pin_project! {
    /// A call that runs. The pool counts it as completed when it is answered, whatever the answer is.
    pub(super) struct Drive<F, R, A, E> {
        // `None` where there is nothing to run.
        #[pin]
        future: Option<F>,
        // `None` once it is answered.
        reply: Option<Reply<R, A, E>>,
        when_dropped: WhenDropped,
        span: Span,
    }

    impl<F, R, A, E> PinnedDrop for Drive<F, R, A, E> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            let mut future = this.future;
            // What its destructors tell is part of the call.
            this.span.in_scope(|| future.set(None));
        }
    }
}

// === impl Driving ===

impl<S, R, E> Driving<S, R, E> {
    pub(super) fn new(make: Arc<dyn Fn() -> S + Send + Sync>, when_dropped: WhenDropped) -> Self {
        Self { make, when_dropped, service: None, unready: None }
    }

    /// By tower's contract a service that failed is not used again; nor is one that panicked.
    fn replace(&mut self, why: CallError<R, E>) -> Poll<Result<(), Infallible>> {
        self.discard();
        self.unready = Some(why);
        Poll::Ready(Ok(()))
    }

    /// What the service keeps from others goes with it.
    fn discard(&mut self) {
        let service = self.service.take();
        if let Err(panic) = contain(|| drop(service)) {
            tracing::error!(%panic, "service panicked when it was dropped");
        }
    }
}

impl<S, R> Service<Job<R, S::Response, S::Error>> for Driving<S, R, S::Error>
where
    S: Service<R>,
{
    type Response = ();
    type Error = Infallible;
    type Future = Drive<S::Future, R, S::Response, S::Error>;

    /// A failure does not make the worker fail; the next caller hears of it, in its own error type, and at once.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if self.unready.is_some() {
            return Poll::Ready(Ok(()));
        }
        let Self { make, service, .. } = self;
        let ready = contain(|| service.get_or_insert_with(|| make()).poll_ready(cx));
        match ready {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(Ok(()))) => Poll::Ready(Ok(())),
            Ok(Poll::Ready(Err(error))) => self.replace(CallError::Inner(error)),
            Err(panic) => {
                tracing::error!(%panic, "service panicked when it was asked whether it is ready");
                self.replace(CallError::Panicked(panic))
            }
        }
    }

    fn call(&mut self, job: Job<R, S::Response, S::Error>) -> Self::Future {
        let (request, reply, span) = job.open();
        let when_dropped = self.when_dropped;
        // The caller left on the way from the line to here: the service never sees the request.
        if reply.is_closed() {
            // A service ready in vain keeps what others want, and its worker may wait long for another request.
            self.discard();
            return Drive { future: None, reply: None, when_dropped, span };
        }
        if let Some(why) = self.unready.take() {
            tell(reply, Err(why));
            return Drive { future: None, reply: None, when_dropped, span };
        }
        let service = self.service.as_mut().expect("it was ready");
        match span.in_scope(|| contain(|| service.call(request))) {
            Ok(future) => Drive { future: Some(future), reply: Some(reply), when_dropped, span },
            Err(panic) => {
                tell(reply, Err(CallError::Panicked(panic.clone())));
                // The pool counts it, and builds the worker anew.
                resume_unwind(Box::new(panic))
            }
        }
    }
}

// === impl Drive ===

impl<F, R, A, E> Future for Drive<F, R, A, E>
where
    F: Future<Output = Result<A, E>>,
{
    type Output = Result<(), Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Some(future) = this.future.as_mut().as_pin_mut() else { return Poll::Ready(Ok(())) };
        let answer = match this.span.in_scope(|| contain(|| future.poll(cx))) {
            Ok(Poll::Pending) => {
                let left = match this.reply {
                    Some(reply) if *this.when_dropped == WhenDropped::Cancel => reply.poll_closed(cx),
                    _ => Poll::Pending,
                };
                return left.map(|()| Ok(()));
            }
            Ok(Poll::Ready(answer)) => answer.map_err(CallError::Inner),
            Err(panic) => {
                if let Some(reply) = this.reply.take() {
                    tell(reply, Err(CallError::Panicked(panic.clone())));
                }
                // The pool counts it, and builds the worker anew.
                resume_unwind(Box::new(panic))
            }
        };
        if let Some(reply) = this.reply.take() {
            tell(reply, answer);
        }
        Poll::Ready(Ok(()))
    }
}

/// Answers a call. A caller's waker that panics is not the worker's panic; an answer that nobody hears, since its
/// caller left, and whose destructor panics, is.
fn tell<R, A, E>(caller: Reply<R, A, E>, answer: Result<A, CallError<R, E>>) {
    match contain(|| caller.send(answer)) {
        Ok(unheard) => drop(unheard),
        Err(panic) => tracing::error!(%panic, "waker panicked"),
    }
}
