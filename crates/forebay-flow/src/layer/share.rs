//! What threads share without contending for one word: several counts, of which each thread uses one.

use std::cell::Cell;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// If there are more threads than that, some share a count, which costs time and nothing else.
const COUNTS: usize = 8;

/// What a handle has of something that calls keep alive.
///
/// Counting the users in one place would cost as much as a permit does: two more writes to a word that all threads write to.
pub(super) struct Shares<T>(Arc<Parts<T>>);

struct Parts<T> {
    whole: Arc<T>,
    shares: [Share<T>; COUNTS],
}

/// What a call has of it.
pub(super) struct Share<T>(Arc<Apart<Arc<T>>>);

/// On cache lines of its own; two, since processors fetch them in pairs.
#[repr(align(128))]
struct Apart<T>(T);

// === impl Shares ===

impl<T> Shares<T> {
    pub(super) fn new(whole: T) -> Self {
        let whole = Arc::new(whole);
        let shares = std::array::from_fn(|_| Share(Arc::new(Apart(whole.clone()))));
        Self(Arc::new(Parts { whole, shares }))
    }

    /// This thread's count.
    #[inline]
    pub(super) fn share(&self) -> Share<T> {
        self.0.shares[this_thread()].clone()
    }
}

impl<T> Deref for Shares<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0.whole
    }
}

impl<T> Clone for Shares<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

// === impl Share ===

impl<T> Deref for Share<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0.0
    }
}

impl<T> Clone for Share<T> {
    #[inline]
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// Which of the counts is this thread's, by the order in which threads asked.
#[inline]
fn this_thread() -> usize {
    thread_local! {
        static NUMBER: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    #[cold]
    fn next() -> usize {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        NEXT.fetch_add(1, Ordering::Relaxed) % COUNTS
    }
    let number = NUMBER.get();
    if number < COUNTS {
        return number;
    }
    let number = next();
    NUMBER.set(number);
    number
}
