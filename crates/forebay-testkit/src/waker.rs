//! A waker that counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};

/// Counts how often it was woken, and does nothing else.
///
/// ```
/// use forebay_testkit::CountingWaker;
///
/// let counter = CountingWaker::new();
/// counter.waker().wake();
/// counter.waker().wake_by_ref();
/// assert_eq!(counter.wakes(), 2);
/// ```
#[derive(Debug, Default)]
pub struct CountingWaker {
    wakes: AtomicUsize,
}

// === impl CountingWaker ===

impl CountingWaker {
    /// A counter that stands at 0.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// A waker that counts here. All of them [`will_wake`](Waker::will_wake) each other.
    pub fn waker(self: &Arc<Self>) -> Waker {
        Waker::from(Arc::clone(self))
    }

    /// How often any of the wakers was woken so far.
    pub fn wakes(&self) -> usize {
        self.wakes.load(Ordering::SeqCst)
    }
}

impl Wake for CountingWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wakes.fetch_add(1, Ordering::SeqCst);
    }
}
