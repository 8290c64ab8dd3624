//! When items came, in a queue that is first in, first out: noted for one in so many, since reading the clock costs more
//! than an item.

use std::time::Duration;

use super::moment::Clock;
use crate::Tick;

/// Notes when one item came, and, when that has gone, when a later one came. Items are known by their numbers.
pub(super) struct Stamp {
    clock: Clock,
    /// From which number on the next item is noted; beyond all numbers while one is noted, or if none ever is.
    due: u64,
    /// The number of the noted item, if there is one.
    noted: u64,
    came: Tick,
}

/// At most one of this many items is noted.
const EVERY: u64 = 64;

/// The number of no item.
const NONE: u64 = u64::MAX;

// === impl Stamp ===

impl Stamp {
    pub(super) fn new(timed: bool) -> Self {
        Self { clock: Clock::new(timed), due: if timed { 0 } else { NONE }, noted: NONE, came: 0 }
    }

    /// Called when items came, with the number of the newest.
    #[inline]
    pub(super) fn came(&mut self, newest: u64) {
        if newest >= self.due {
            self.note(newest);
        }
    }

    #[cold]
    fn note(&mut self, number: u64) {
        (self.noted, self.due) = (number, NONE);
        // 0 means not noted.
        self.came = self.clock.now().max(1);
    }

    /// Is this item the noted one?
    #[inline]
    pub(super) fn is_of(&self, number: u64) -> bool {
        self.noted == number
    }

    /// Called when this item leaves. Returns when it came; 0 if that was not noted.
    #[inline]
    pub(super) fn goes(&mut self, number: u64) -> Tick {
        if self.is_of(number) { self.take() } else { 0 }
    }

    #[cold]
    fn take(&mut self) -> Tick {
        self.due = self.noted + EVERY;
        self.noted = NONE;
        self.came
    }

    /// How long ago that was.
    pub(super) fn since(&self, came: Tick) -> Duration {
        Duration::from_nanos(self.clock.now().saturating_sub(came))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_noted_at_a_time_and_then_one_in_so_many() {
        let mut stamp = Stamp::new(true);
        let mut noted = Vec::new();
        for number in 0..1000 {
            stamp.came(number);
            // A line of ten.
            if let Some(first) = number.checked_sub(9)
                && stamp.goes(first) > 0
            {
                noted.push(first);
            }
        }
        assert_eq!(noted[..3], [0, 64, 128]);
    }

    #[test]
    fn where_nobody_wants_to_know_nothing_is_noted() {
        let mut stamp = Stamp::new(false);
        stamp.came(0);
        assert!(!stamp.is_of(0));
        assert_eq!(stamp.goes(0), 0);
    }
}
