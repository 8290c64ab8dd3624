//! Where the line of callers meets the workers: a request goes over the counter when a worker asks for one.
//!
//! 1. A worker that is free asks the [`Bench`], which is the pool's source. How many ask is the *demand*.
//! 2. The [`Counter`] is the service behind the line: ready while there is demand, it takes one request for each.
//!    So a request leaves the line only for a worker that is there, and until then its caller may take it out.
//! 3. Workers that are sent away have asked in vain. If nobody is left who waits, nobody asks anew, and the demand is
//!    [lowered](Counter::withdraw) by who sent them away.
//! 4. Wakers are called after the lock is released.

use std::collections::VecDeque;
use std::fmt;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use forebay_queue::{Delivery, Source, SourceError};
use tokio::sync::oneshot;
use tower_service::Service;
use tracing::Span;

/// A request on its way to a worker, and the way back.
pub(super) struct Job<R, A, E> {
    pub(super) request: R,
    pub(super) reply: Reply<A, E>,
    /// In which the caller was.
    pub(super) span: Span,
}

pub(super) type Reply<A, E> = oneshot::Sender<Result<A, CallError<E>>>;

/// How a call ends that a worker had.
#[derive(Debug)]
pub(super) enum CallError<E> {
    Inner(E),
    Panicked(String),
    /// Its worker was cancelled.
    Aborted,
}

/// The front of the counter.
pub(super) struct Counter<R, A, E>(Arc<Shared<R, A, E>>);

/// The back of the counter.
pub(super) struct Bench<R, A, E>(Arc<Shared<R, A, E>>);

/// The answer to come, for the caller.
pub(super) struct Answer<A, E>(oneshot::Receiver<Result<A, CallError<E>>>);

struct Shared<R, A, E>(Mutex<State<R, A, E>>);

struct State<R, A, E> {
    /// How many more are asked for.
    demand: usize,
    /// How often the demand was said.
    asked: u64,
    /// Passed, and not taken yet: never more than there was demand.
    passed: VecDeque<Job<R, A, E>>,
    /// Of the pool, while it waits.
    bench: Option<Waker>,
    /// Of the line's worker, while it waits for demand.
    counter: Option<Waker>,
    /// Nothing more will be passed.
    closed: bool,
}

// === impl Counter ===

impl<R, A, E> Counter<R, A, E> {
    pub(super) fn new() -> (Self, Bench<R, A, E>) {
        let state =
            State { demand: 0, asked: 0, passed: VecDeque::new(), bench: None, counter: None, closed: false };
        let shared = Arc::new(Shared(Mutex::new(state)));
        (Self(Arc::clone(&shared)), Bench(shared))
    }

    /// Lowers the demand to that of the workers that still wait, which `waiting` counts.
    pub(super) fn withdraw(&self, waiting: impl FnOnce() -> usize) {
        let asked = self.0.lock().asked;
        let waiting = waiting();
        let mut state = self.0.lock();
        // Who came meanwhile has said, or will say, what all together want, and is not to be overlooked.
        if state.asked == asked {
            state.demand = state.demand.min(waiting.saturating_sub(state.passed.len()));
        }
    }

    /// Nothing more will be passed: the pool may end.
    pub(super) fn close(&self) {
        self.0.close();
    }
}

impl<R, A, E> Service<R> for Counter<R, A, E> {
    type Response = A;
    type Error = CallError<E>;
    type Future = Answer<A, E>;

    /// Never fails: when the pool is gone, whoever owns the line takes it away.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), CallError<E>>> {
        let waker = cx.waker().clone();
        let mut state = self.0.lock();
        if state.demand > 0 {
            drop(state);
            return Poll::Ready(Ok(()));
        }
        let old = state.counter.replace(waker);
        drop(state);
        drop(old);
        Poll::Pending
    }

    fn call(&mut self, request: R) -> Answer<A, E> {
        let (reply, answer) = oneshot::channel();
        let job = Job { request, reply, span: Span::current() };
        let bench = {
            let mut state = self.0.lock();
            state.demand = state.demand.saturating_sub(1);
            state.passed.push_back(job);
            state.bench.take()
        };
        bench.into_iter().for_each(Waker::wake);
        Answer(answer)
    }
}

impl<R, A, E> Clone for Counter<R, A, E> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

// === impl Bench ===

impl<R: Send + 'static, A: Send + 'static, E: Send + 'static> Source for Bench<R, A, E> {
    type Item = Job<R, A, E>;

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        max: NonZeroUsize,
        out: &mut Vec<Delivery<Job<R, A, E>>>,
    ) -> Poll<Result<usize, SourceError>> {
        let waker = cx.waker().clone();
        let mut state = self.0.lock();
        state.asked += 1;
        let taken = state.passed.len().min(max.get());
        if taken > 0 {
            out.extend(state.passed.drain(..taken).map(Delivery::unsettled));
            // Who still waits asks again.
            state.demand = 0;
            return Poll::Ready(Ok(taken));
        }
        if state.closed {
            return Poll::Ready(Ok(0));
        }
        state.demand = max.get();
        let old = state.bench.replace(waker);
        let counter = state.counter.take();
        drop(state);
        drop(old);
        counter.into_iter().for_each(Waker::wake);
        Poll::Pending
    }

    fn poll_settled(&mut self, _: &mut Context<'_>) -> Poll<Result<(), SourceError>> {
        Poll::Ready(Ok(()))
    }

    fn close(&mut self) {
        self.0.close();
    }

    fn is_closed(&self) -> bool {
        self.0.lock().closed
    }

    fn redelivers(&self) -> bool {
        false
    }
}

impl<R, A, E> Drop for Bench<R, A, E> {
    fn drop(&mut self) {
        // What was passed in vain: its callers learn that nobody will answer.
        let passed = std::mem::take(&mut self.0.lock().passed);
        drop(passed);
    }
}

// === impl Shared ===

impl<R, A, E> Shared<R, A, E> {
    fn close(&self) {
        let bench = {
            let mut state = self.lock();
            state.closed = true;
            state.bench.take()
        };
        bench.into_iter().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, State<R, A, E>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Answer ===

impl<A, E> Future for Answer<A, E> {
    type Output = Result<A, CallError<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = ready!(Pin::new(&mut self.0).poll(cx));
        Poll::Ready(answer.unwrap_or(Err(CallError::Aborted)))
    }
}

impl<A, E> fmt::Debug for Answer<A, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").finish_non_exhaustive()
    }
}
