//! A future in the test's own hands.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::CountingWaker;

/// Polls one future by hand. Drop it to cancel the future where it stands.
///
/// ```
/// use std::future::poll_fn;
/// use std::task::Poll;
/// use forebay_testkit::Driver;
///
/// let mut rounds = 0;
/// let mut driver = Driver::new(poll_fn(move |cx| {
///     rounds += 1;
///     if rounds == 2 {
///         return Poll::Ready("done");
///     }
///     cx.waker().wake_by_ref();
///     Poll::Pending
/// }));
/// driver.assert_pending();
/// assert!(driver.is_woken());
/// assert_eq!(driver.assert_ready(), "done");
/// ```
#[must_use = "a future does nothing until it is polled"]
pub struct Driver<F> {
    future: Pin<Box<F>>,
    counter: Arc<CountingWaker>,
    /// What the counter showed when the latest poll began, so that a wake during it counts as one after.
    wakes_before_poll: usize,
}

// === impl Driver ===

impl<F: Future> Driver<F> {
    /// Takes charge of `future`, without polling it.
    pub fn new(future: F) -> Self {
        Self { future: Box::pin(future), counter: CountingWaker::new(), wakes_before_poll: 0 }
    }

    /// Polls once, whether it was woken or not.
    pub fn poll(&mut self) -> Poll<F::Output> {
        self.wakes_before_poll = self.counter.wakes();
        let waker = self.counter.waker();
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }

    /// Polls once, and expects it to wait.
    ///
    /// # Panics
    ///
    /// If the future is ready.
    #[track_caller]
    pub fn assert_pending(&mut self) {
        assert_pending(self.poll());
    }

    /// Polls once, and expects it to be done.
    ///
    /// # Panics
    ///
    /// If the future is pending.
    #[track_caller]
    pub fn assert_ready(&mut self) -> F::Output {
        assert_ready(self.poll())
    }

    /// Polls for as long as the future wakes itself, at most a thousand times.
    ///
    /// For futures that yield to the runtime's cooperative budget on their way.
    pub fn poll_while_woken(&mut self) -> Poll<F::Output> {
        for _ in 0..1_000 {
            let poll = self.poll();
            if poll.is_ready() || !self.is_woken() {
                return poll;
            }
        }
        Poll::Pending
    }

    /// Was it woken since the latest poll began?
    pub fn is_woken(&self) -> bool {
        self.counter.wakes() > self.wakes_before_poll
    }

    /// How often it was woken so far.
    pub fn wakes(&self) -> usize {
        self.counter.wakes()
    }
}

impl<F> fmt::Debug for Driver<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("wakes", &self.counter.wakes()).finish_non_exhaustive()
    }
}

/// What a poll that must be ready holds.
///
/// # Panics
///
/// If it is pending.
#[track_caller]
pub fn assert_ready<T>(poll: Poll<T>) -> T {
    match poll {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("expected ready, found pending"),
    }
}

/// Expects a poll to be pending.
///
/// # Panics
///
/// If it is ready.
#[track_caller]
pub fn assert_pending<T>(poll: Poll<T>) {
    assert!(poll.is_pending(), "expected pending, found ready");
}
