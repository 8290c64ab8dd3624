//! The account of the items that a worker takes itself, by value and one after the other.
//!
//! Nobody else gives it any, and most of them are just done, so it needs no lock: where the worker stands, and how many
//! it has done, is one word that only the worker writes.
//!
//! ```text
//! Away ──▶ Asking ──▶ Busy ──▶ Asking, one more done
//!            ▲ │        └────▶ Away, and the ledger counts it, in a section of its lock
//!            │ ▼
//!           Waiting
//! ```
//!
//! 1. A reader of the word sees what is in hand and what was done at one moment; what was taken is what is in hand
//!    and what became of the rest. An item that fails changes from here to the ledger while its lock is held, so
//!    its holder sees the item on one side.
//! 2. The worker says that it asks before it looks at the source, and that it waits after that. So if nobody asks and
//!    nothing is in hand, then the source has nothing, and still nobody has taken anything, there was a moment in which
//!    there was nothing to do.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// In a cache line of its own: it is written for each item.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Quick {
    /// [`Stand`] in the lowest bits, above them how many are done. Written by the worker.
    word: AtomicU64,
    /// The attempt number of the present item, if the worker stands at [`Stand::Again`]. Written by the worker.
    attempt: AtomicU32,
    /// Whether the worker may take. Written under the intake's lock, read under that of the source.
    open: AtomicBool,
}

/// Where the worker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stand {
    /// Not there to take anything, or on its way to.
    Away = 0,
    /// It looks at the source and may have taken something, or has not told it of the last item yet.
    Asking = 1,
    Waiting = 2,
    /// It has an item, which nobody had before.
    Busy = 3,
    /// It has an item that was tried before. Apart from [`Busy`](Self::Busy), so that most items need nothing else written.
    Again = 4,
}

/// What one word says.
#[derive(Debug, Clone, Copy)]
pub(super) struct QuickAccount(u64);

const STANDS: u64 = 8;

// === impl Quick ===

impl Quick {
    /// May be taken at any time, and means what it says only under the lock of the source.
    pub(crate) fn gate(&self) -> &AtomicBool {
        &self.open
    }

    pub(crate) fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }

    pub(crate) fn set_open(&self, open: bool) {
        self.open.store(open, Ordering::Relaxed);
    }

    /// The worker looks at the source.
    pub(crate) fn ask(&self) {
        self.stand(Stand::Asking, Ordering::Relaxed);
    }

    /// The worker waits for an item.
    pub(crate) fn wait(&self) {
        // Before it looks whether somebody waits for the pool to be idle; a caller that begins to do so looks here after that.
        self.stand(Stand::Waiting, Ordering::SeqCst);
    }

    pub(crate) fn leave(&self) {
        // The same.
        self.stand(Stand::Away, Ordering::SeqCst);
    }

    /// The worker has an item, which nobody had before.
    pub(crate) fn take(&self) {
        // Sets all bits that are set where a worker stands without an item.
        let word = self.word.load(Ordering::Relaxed) | Stand::Busy as u64;
        self.word.store(word, Ordering::Release);
    }

    /// The worker has an item, for an attempt of this number.
    pub(crate) fn take_for(&self, attempt: u32) {
        if attempt == 1 {
            return self.take();
        }
        self.attempt.store(attempt, Ordering::Relaxed);
        self.stand(Stand::Again, Ordering::Release);
    }

    /// The worker is done with its item.
    pub(crate) fn done(&self) {
        let done = self.account().done() + 1;
        // What the handler left in the queue is there for every reader that sees this.
        // Not at rest before the source was told too.
        self.word.store(done * STANDS + Stand::Asking as u64, Ordering::Release);
    }

    /// The attempt number of the present item.
    pub(crate) fn attempt(&self) -> u32 {
        if self.account().is(Stand::Again) { self.attempt.load(Ordering::Relaxed) } else { 1 }
    }

    pub(crate) fn is_busy(&self) -> bool {
        self.account().is_busy()
    }

    pub(super) fn account(&self) -> QuickAccount {
        QuickAccount(self.word.load(Ordering::SeqCst))
    }

    fn stand(&self, stand: Stand, ordering: Ordering) {
        let done = QuickAccount(self.word.load(Ordering::Relaxed)).done();
        self.word.store(done * STANDS + stand as u64, ordering);
    }
}

// === impl QuickAccount ===

impl QuickAccount {
    pub(super) fn done(self) -> u64 {
        self.0 / STANDS
    }

    pub(super) fn is_busy(self) -> bool {
        self.is(Stand::Busy) || self.is(Stand::Again)
    }

    pub(super) fn is_waiting(self) -> bool {
        self.is(Stand::Waiting)
    }

    /// Nothing is in hand, nor about to be.
    pub(super) fn is_at_rest(self) -> bool {
        self.is(Stand::Away) || self.is_waiting()
    }

    fn is(self, stand: Stand) -> bool {
        self.0 % STANDS == stand as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_in_hand_or_done_and_never_both() {
        let quick = Quick::default();
        for done in 0..3 {
            assert!(quick.account().is_at_rest());
            quick.ask();
            assert!(!quick.account().is_at_rest() && !quick.is_busy());
            quick.wait();
            assert!(quick.account().is_at_rest() && quick.account().is_waiting());
            quick.ask();
            let attempt = 1 + done as u32;
            quick.take_for(attempt);
            assert_eq!((quick.is_busy(), quick.account().done(), quick.attempt()), (true, done, attempt));
            quick.done();
            assert_eq!((quick.is_busy(), quick.account().done(), quick.attempt()), (false, done + 1, 1));
            assert!(!quick.account().is_at_rest(), "the source does not know yet");
            quick.leave();
        }
    }
}
