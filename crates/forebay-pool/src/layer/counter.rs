//! Where the line of callers meets the workers: a request goes over the counter when a worker asks for one.
//!
//! 1. The [`Bench`] is the pool's source, asked by a worker that is ready. It polls the server of the line, behind which
//!    is the [`Counter`]: a service that is ready for as many requests as are asked for in that poll, and for none
//!    otherwise. So a request leaves the line only for a worker that is there, and until then its caller may take it out.
//! 2. A ready service may keep something, so a worker asks only when there is a request: a [`Glance`] at the line polls
//!    it with nothing asked for, and a counter that is not ready and was asked all the same says that a request waits.
//! 3. The line has one waker, the [`Bell`], for workers that look or ask, and for [the task that waits for its end](EndOfLine).
//! 4. The line goes when it has ended, or with the first that goes of bench and end: callers that wait in it are told.
//! 5. While the line is polled, callers' wakers run, and the hook. They may drop anything, [its driver](EndOfLine)
//!    too, so no lock is held: the line is *out*. Whoever comes meanwhile leaves word, and the thread that has the
//!    line acts on it: it rings if somebody wanted to poll the line, and drops it if somebody wanted it to go.

use std::fmt;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker, ready};

use forebay_queue::layer::Worker;
use forebay_queue::{Delivery, Source, SourceError};
use tokio::sync::oneshot;
use tower_service::Service;
use tracing::Span;

use crate::contain::{contain, wake};
use crate::intake::Look;

/// A request on its way to a worker, and the way back. If dropped before a worker began it, it goes back that way.
pub(super) struct Job<R, A, E>(Option<(R, Reply<R, A, E>, Span)>);

pub(super) type Reply<R, A, E> = oneshot::Sender<Result<A, CallError<R, E>>>;

/// How a call that left the line ends without an answer.
#[derive(Debug)]
pub(super) enum CallError<R, E> {
    Inner(E),
    Panicked(String),
    /// Its worker was cancelled.
    Aborted,
    /// The same before the service was given the request.
    Unbegun(R),
}

/// The service behind the line.
pub(super) struct Counter<R, A, E>(Arc<Mutex<Passing<R, A, E>>>);

/// The pool's source.
pub(super) struct Bench<R, A, E>(Arc<Shared<R, A, E>>);

/// A look at the line.
pub(super) struct Glance<R, A, E>(Arc<Shared<R, A, E>>);

/// Is ready when the line has ended. If dropped, it ends the line.
pub(super) struct EndOfLine<R, A, E>(Arc<Shared<R, A, E>>);

/// The answer to come, for the caller.
pub(super) struct Answer<R, A, E>(oneshot::Receiver<Result<A, CallError<R, E>>>);

/// What goes over the counter in one poll.
struct Passing<R, A, E> {
    /// How many more are asked for.
    demand: usize,
    passed: Vec<Job<R, A, E>>,
    /// A request waits that nobody asked for.
    is_called: bool,
}

/// The server of the line.
type Server<R, A, E> = Worker<Counter<R, A, E>, R>;

/// Where the line is.
enum Line<R, A, E> {
    Here(Box<Server<R, A, E>>),
    /// Somebody polls it (rule 5).
    Out(Then),
    Ended,
}

/// What is to be done with a line that is out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    PutBack,
    /// The same, and ring for those that came meanwhile.
    Ring,
    End,
}

/// A line that is out. It is put back when this is dropped, or ends with it.
struct Out<'a, R, A, E> {
    shared: &'a Shared<R, A, E>,
    /// `None` once it has ended.
    server: Option<Box<Server<R, A, E>>>,
}

struct Shared<R, A, E> {
    /// Nothing of others runs under this lock.
    line: Mutex<Line<R, A, E>>,
    counter: Counter<R, A, E>,
    bell: Arc<Bell>,
    /// The bell's own.
    waker: Waker,
}

/// Wakes all who wait for the line. A waker is taken out when it is woken.
#[derive(Default)]
struct Bell(Mutex<Ears>);

#[derive(Default)]
struct Ears {
    /// Of the worker on whose behalf the line was asked, or looked at.
    asker: Option<Waker>,
    /// Of the task that waits for the end.
    end: Option<Waker>,
}

// === impl Job ===

impl<R, A, E> Job<R, A, E> {
    /// The request, the way back, and the span in which the caller was. From now on it is begun.
    pub(super) fn open(mut self) -> (R, Reply<R, A, E>, Span) {
        self.0.take().expect("it is opened once")
    }
}

impl<R, A, E> Drop for Job<R, A, E> {
    fn drop(&mut self) {
        let Some((request, reply, _)) = self.0.take() else { return };
        // This may run the caller's waker, or the destructor of what a caller that left has no use for.
        if let Err(panic) = contain(|| drop(reply.send(Err(CallError::Unbegun(request))))) {
            tracing::error!(%panic, "a caller's waker, or its request, panicked while that was given back");
        }
    }
}

// === impl Counter ===

impl<R, A, E> Counter<R, A, E> {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(Passing { demand: 0, passed: Vec::new(), is_called: false })))
    }
}

impl<R, A, E> Service<R> for Counter<R, A, E> {
    type Response = A;
    type Error = CallError<R, E>;
    type Future = Answer<R, A, E>;

    /// Never fails. A caller that polls the line with another demand needs no waker.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), CallError<R, E>>> {
        let mut passing = lock(&self.0);
        if passing.demand > 0 {
            return Poll::Ready(Ok(()));
        }
        passing.is_called = true;
        Poll::Pending
    }

    fn call(&mut self, request: R) -> Answer<R, A, E> {
        let (reply, answer) = oneshot::channel();
        let job = Job(Some((request, reply, Span::current())));
        let mut passing = lock(&self.0);
        passing.demand -= 1;
        passing.passed.push(job);
        Answer(answer)
    }
}

impl<R, A, E> Clone for Counter<R, A, E> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

// === impl Shared ===

impl<R: Send + 'static, A: Send + 'static, E: Send + 'static> Shared<R, A, E> {
    /// Has the line pass up to `demand` requests, as far as it has some. Ready: it has ended.
    fn poll_line(&self, demand: usize) -> (Poll<()>, Passing<R, A, E>) {
        let nothing = Passing { demand: 0, passed: Vec::new(), is_called: false };
        let mut out = match self.take_out() {
            Ok(out) => out,
            Err(polled) => return (polled, nothing),
        };
        let Some(server) = &mut out.server else { return (Poll::Ready(()), nothing) };
        lock(&self.counter.0).demand = demand;
        let polled = Pin::new(&mut **server).poll(&mut Context::from_waker(&self.waker));
        let passing = std::mem::replace(&mut *lock(&self.counter.0), nothing);
        if polled.is_ready() {
            out.server = None;
        }
        (polled, passing)
    }

    /// Takes the line out, to poll it. Otherwise: what a poll would say.
    fn take_out(&self) -> Result<Out<'_, R, A, E>, Poll<()>> {
        let mut line = lock(&self.line);
        match std::mem::replace(&mut *line, Line::Out(Then::PutBack)) {
            Line::Here(server) => Ok(Out { shared: self, server: Some(server) }),
            Line::Out(then) => {
                *line = Line::Out(if then == Then::PutBack { Then::Ring } else { then });
                Err(Poll::Pending)
            }
            Line::Ended => {
                *line = Line::Ended;
                Err(Poll::Ready(()))
            }
        }
    }

    /// Leaves the waker of a worker that looks or asks.
    fn hear(&self, cx: &Context<'_>) {
        let waker = cx.waker().clone();
        let old = lock(&self.bell.0).asker.replace(waker);
        drop(old);
    }
}

impl<R, A, E> Shared<R, A, E> {
    /// Callers that wait get their requests back.
    fn end(&self) {
        let server = {
            let mut line = lock(&self.line);
            match std::mem::replace(&mut *line, Line::Ended) {
                Line::Here(server) => server,
                Line::Out(_) => {
                    *line = Line::Out(Then::End);
                    return;
                }
                Line::Ended => return,
            }
        };
        drop(server);
        // Tasks that did not ask are to know it too.
        self.bell.ring();
    }
}

// === impl Out ===

impl<R, A, E> Drop for Out<'_, R, A, E> {
    fn drop(&mut self) {
        let (gone, rings) = {
            let mut line = lock(&self.shared.line);
            match (&*line, self.server.take()) {
                (&Line::Out(then), Some(server)) if then != Then::End => {
                    *line = Line::Here(server);
                    (None, then == Then::Ring)
                }
                (_, gone) => {
                    *line = Line::Ended;
                    (gone, true)
                }
            }
        };
        drop(gone);
        if rings {
            self.shared.bell.ring();
        }
    }
}

// === impl Bench ===

impl<R, A, E> Bench<R, A, E> {
    pub(super) fn new(
        line: Worker<Counter<R, A, E>, R>,
        counter: Counter<R, A, E>,
    ) -> (Self, Glance<R, A, E>, EndOfLine<R, A, E>) {
        let bell = Arc::<Bell>::default();
        let waker = Waker::from(Arc::clone(&bell));
        let shared = Arc::new(Shared { line: Mutex::new(Line::Here(Box::new(line))), counter, bell, waker });
        (Self(Arc::clone(&shared)), Glance(Arc::clone(&shared)), EndOfLine(shared))
    }
}

impl<R: Send + 'static, A: Send + 'static, E: Send + 'static> Source for Bench<R, A, E> {
    type Item = Job<R, A, E>;

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        max: NonZeroUsize,
        out: &mut Vec<Delivery<Job<R, A, E>>>,
    ) -> Poll<Result<usize, SourceError>> {
        self.0.hear(cx);
        let (polled, Passing { passed, .. }) = self.0.poll_line(max.get());
        let taken = passed.len();
        out.extend(passed.into_iter().map(Delivery::unsettled));
        if taken == 0 {
            return polled.map(|()| Ok(0));
        }
        // It waits no longer.
        let asker = lock(&self.0.bell.0).asker.take();
        drop(asker);
        Poll::Ready(Ok(taken))
    }

    fn poll_settled(&mut self, _: &mut Context<'_>) -> Poll<Result<(), SourceError>> {
        Poll::Ready(Ok(()))
    }

    fn close(&mut self) {
        self.0.end();
    }

    fn is_closed(&self) -> bool {
        matches!(*lock(&self.0.line), Line::Ended | Line::Out(Then::End))
    }

    fn redelivers(&self) -> bool {
        false
    }
}

impl<R, A, E> Drop for Bench<R, A, E> {
    fn drop(&mut self) {
        self.0.end();
    }
}

// === impl Glance ===

impl<R: Send + 'static, A: Send + 'static, E: Send + 'static> Look for Glance<R, A, E> {
    fn poll_look(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.hear(cx);
        let (polled, Passing { is_called, .. }) = self.0.poll_line(0);
        if is_called { Poll::Ready(()) } else { polled }
    }
}

// === impl EndOfLine ===

impl<R: Send + 'static, A: Send + 'static, E: Send + 'static> Future for EndOfLine<R, A, E> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let waker = cx.waker().clone();
        let old = lock(&self.0.bell.0).end.replace(waker);
        drop(old);
        self.0.poll_line(0).0
    }
}

impl<R, A, E> Drop for EndOfLine<R, A, E> {
    fn drop(&mut self) {
        self.0.end();
    }
}

// === impl Bell ===

impl Bell {
    fn ring(&self) {
        let Ears { asker, end } = std::mem::take(&mut *lock(&self.0));
        asker.into_iter().chain(end).for_each(|waker| wake(|| waker.wake()));
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.ring();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ring();
    }
}

// === impl Answer ===

impl<R, A, E> Future for Answer<R, A, E> {
    type Output = Result<A, CallError<R, E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = ready!(Pin::new(&mut self.0).poll(cx));
        Poll::Ready(answer.unwrap_or(Err(CallError::Aborted)))
    }
}

impl<R, A, E> fmt::Debug for Answer<R, A, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").finish_non_exhaustive()
    }
}

/// Nothing of ours panics under these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::task::Wake;

    use forebay_queue::layer::{Queue, QueueError, QueueLayer};
    use forebay_testkit::Driver;

    use super::*;

    type Called = (Job<&'static str, (), ()>, Answer<&'static str, (), ()>);

    /// What passes in a poll with a demand, and its caller.
    fn called() -> Called {
        let mut counter = Counter::new();
        lock(&counter.0).demand = 1;
        let answer = counter.call("request");
        let job = lock(&counter.0).passed.pop().expect("it was passed");
        (job, answer)
    }

    #[test]
    fn what_no_worker_began_goes_back() {
        let (job, answer) = called();
        let mut answer = Driver::new(answer);
        answer.assert_pending();
        drop(job);
        assert!(answer.is_woken());
        assert!(matches!(answer.assert_ready(), Err(CallError::Unbegun("request"))));

        let (job, answer) = called();
        drop(job.open());
        assert!(
            matches!(Driver::new(answer).assert_ready(), Err(CallError::Aborted)),
            "the service may have seen it"
        );
    }

    type End = EndOfLine<u8, (), ()>;
    type Halves = (Queue<Counter<u8, (), ()>, u8>, (Bench<u8, (), ()>, Glance<u8, (), ()>, End));

    /// A line whose hook runs `meanwhile`, which is while it is polled.
    fn polled(meanwhile: impl Fn() + Send + Sync + 'static) -> Halves {
        let counter = Counter::new();
        let mut once = Some(counter.clone());
        let layer = QueueLayer::new(10).on_wait(move |_| meanwhile());
        let (queue, line) = layer.pair_with(move || once.take());
        (queue, Bench::new(line, counter))
    }

    #[test]
    fn who_comes_while_the_line_is_polled_is_told_afterwards() {
        let place: Arc<Mutex<Option<Driver<End>>>> = Arc::default();
        let other = Arc::clone(&place);
        let (mut queue, (mut bench, _look, end)) = polled(move || {
            if let Some(end) = &mut *lock(&other) {
                end.assert_pending();
            }
        });
        *lock(&place) = Some(Driver::new(end));
        let _call = queue.call(1);
        let mut out = Vec::new();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(bench.poll_next(&mut cx, NonZeroUsize::MIN, &mut out).is_ready());
        assert_eq!(out.len(), 1);
        let mut end = lock(&place).take().expect("it is there");
        assert!(end.is_woken(), "it is to look again");
        end.assert_pending();
        drop(queue);
        assert!(end.is_woken());
        end.assert_ready();
    }

    #[test]
    fn a_line_that_is_to_end_while_it_is_polled_ends_afterwards() {
        let place: Arc<Mutex<Option<End>>> = Arc::default();
        let other = Arc::clone(&place);
        let (mut queue, (mut bench, _look, end)) = polled(move || drop(lock(&other).take()));
        *lock(&place) = Some(end);
        let calls = [1, 2].map(|request| Driver::new(queue.call(request)));
        let mut out = Vec::new();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(bench.poll_next(&mut cx, NonZeroUsize::MIN, &mut out).is_ready());
        assert!(bench.is_closed() && queue.is_closed());
        let [mut passed, mut waiting] = calls;
        passed.assert_pending();
        assert!(matches!(waiting.assert_ready(), Err(QueueError::Closed(Some(2)))));
        drop(out);
        assert!(matches!(passed.assert_ready(), Err(QueueError::Inner(CallError::Unbegun(1)))));
    }

    #[test]
    fn a_caller_that_cannot_be_woken_costs_nobody_anything() {
        struct Panics;

        impl Wake for Panics {
            fn wake(self: Arc<Self>) {
                panic!("woken");
            }
        }

        let (job, answer) = called();
        let mut answer = Box::pin(answer);
        let waker = Waker::from(Arc::new(Panics));
        assert!(answer.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        drop(job);
    }
}
