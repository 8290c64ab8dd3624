//! Several counts of who uses a gate, so that threads do not pull at one.
//!
//! Each call keeps the gate alive, and counting that in one place would cost as much as its permit does: two more writes to a
//! word that all threads write to. So there are several counts, and a thread uses one of them.

use std::cell::Cell;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::gate::Gate;

/// More threads than that share a count, which costs time and nothing else.
const SHARES: usize = 8;

/// What a handle has of a gate.
pub(super) struct Shares<P>(Arc<Parts<P>>);

struct Parts<P> {
    gate: Arc<Gate<P>>,
    shares: [Share<P>; SHARES],
}

/// What a call has of a gate.
pub(super) struct Share<P>(Arc<Apart<P>>);

/// Two lines of the cache, since processors fetch them in pairs: the count of an `Arc` stands beside what it counts.
#[repr(align(128))]
struct Apart<P>(Arc<Gate<P>>);

// === impl Shares ===

impl<P> Shares<P> {
    pub(super) fn new(gate: Gate<P>) -> Self {
        let gate = Arc::new(gate);
        let shares = std::array::from_fn(|_| Share(Arc::new(Apart(gate.clone()))));
        Self(Arc::new(Parts { gate, shares }))
    }

    /// This thread's.
    #[inline]
    pub(super) fn share(&self) -> Share<P> {
        self.0.shares[this_thread() % SHARES].clone()
    }
}

impl<P> Deref for Shares<P> {
    type Target = Gate<P>;

    #[inline]
    fn deref(&self) -> &Gate<P> {
        &self.0.gate
    }
}

impl<P> Clone for Shares<P> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

// === impl Share ===

impl<P> Deref for Share<P> {
    type Target = Gate<P>;

    #[inline]
    fn deref(&self) -> &Gate<P> {
        &self.0.0
    }
}

impl<P> Clone for Share<P> {
    #[inline]
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// A number for the thread, by the order in which threads asked for one.
#[inline]
fn this_thread() -> usize {
    thread_local! {
        static NUMBER: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    #[cold]
    fn next() -> usize {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        NEXT.fetch_add(1, Ordering::Relaxed)
    }
    // While a thread ends it has none any more, and any will do.
    let number = NUMBER.try_with(Cell::get).unwrap_or(0);
    if number != usize::MAX {
        return number;
    }
    let number = next();
    NUMBER.set(number);
    number
}
