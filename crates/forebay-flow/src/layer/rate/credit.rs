//! Starts on credit: let through without a lock, and without a look at the clock.
//!
//! 1. Under the account's lock, a caller that has looked at the clock begins a round with as many starts as the
//!    policy [gives credit](crate::rate::Book::credit) for.
//! 2. Anybody takes one of them, without the lock, while some are left.
//! 3. Before anything is asked of the policy again, the round is ended under the lock: from then on nobody takes
//!    any. The caller that ended it looks at the clock *after* that, and charges what was taken as of then.
//!
//! So nothing that was taken is charged as of a time before it, and nothing is taken beside what the policy is asked for.

use crate::sync::{AtomicU64, Ordering, stand_off};

/// How many starts are left of this round: the number of the round, and in the low bits what is left.
///
/// On cache lines of its own; two, since processors fetch them in pairs.
#[repr(align(128))]
pub(super) struct Credit(AtomicU64);

/// What the lock protects: which round it is, and how many starts it began with; none between two rounds.
#[derive(Default)]
pub(super) struct Round {
    number: u64,
    starts: u64,
}

/// A start that was taken in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OnCredit {
    round: u64,
}

/// There are more rounds in the other 48 than are ever begun.
const BITS: u32 = 16;
const LEFT: u64 = (1 << BITS) - 1;

// === impl Credit ===

impl Credit {
    pub(super) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Takes one of the starts that are left.
    #[inline]
    pub(super) fn take(&self) -> Option<OnCredit> {
        let mut word = self.0.load(Ordering::Relaxed);
        while word & LEFT > 0 {
            // Release: pairs with the Acquire in `end`, after which the clock is read. It shows no time from before this.
            match self.0.compare_exchange(word, word - 1, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return Some(OnCredit { round: word >> BITS }),
                Err(_) => {
                    stand_off();
                    word = self.0.load(Ordering::Relaxed);
                }
            }
        }
        None
    }

    /// Begins a round of `starts`, when the last one has ended.
    pub(super) fn begin(&self, round: &mut Round, starts: u64) {
        *round = Round { number: round.number + 1, starts: starts.min(LEFT) };
        self.0.store(round.number << BITS | round.starts, Ordering::Relaxed);
    }

    /// Ends the round. Returns how many were taken; look at the clock after that.
    pub(super) fn end(&self, round: &mut Round) -> u64 {
        // Acquire: pairs with the Release in `take`.
        let word = self.0.swap(round.number << BITS, Ordering::Acquire);
        std::mem::take(&mut round.starts) - (word & LEFT)
    }

    /// How many have been taken in this round so far.
    pub(super) fn taken(&self, round: &Round) -> u64 {
        round.starts - (self.0.load(Ordering::Relaxed) & LEFT)
    }

    /// An unused start is there for others again, unless its round has ended and it was charged. Whether it is.
    pub(super) fn give_back(&self, round: &Round, start: OnCredit) -> bool {
        let is_open = round.is_open() && start.round == round.number;
        if is_open {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
        is_open
    }
}

// === impl Round ===

impl Round {
    #[inline]
    pub(super) fn is_open(&self) -> bool {
        self.starts > 0
    }
}
