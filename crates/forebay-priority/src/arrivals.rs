//! Which item came first of all that wait in the lanes of several classes.

use std::hint::select_unpredictable;

use crate::filled::Filled;
use crate::roll::Roll;
use crate::strict::Row;

/// Counts items that come and go, and finds the one that came first of all that wait, by the number of its arrival.
#[derive(Debug, Clone)]
#[repr(C)]
pub(crate) struct Arrivals {
    classes: usize,
    /// Who waits, in order of arrival.
    roll: Roll,
    // What is written for each item lies together.
    /// How many items came: the number of the next one.
    came: u64,
    /// How many of them left.
    left: u64,
    /// Nobody waits whose number is lower. Some way below that of the oldest, so that it seldom changes.
    quiet: u64,
    /// Which lanes have items.
    filled: Filled,
}

/// The number of an arrival, its lower half: all that is kept of it while it waits.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Turn(u32);

/// Nobody can predict whether the first of all is just to be promoted where many are. Whether one is near to it changes
/// seldom.
const NEAR: u64 = 64;

/// For how many arrivals there may be room if few wait: 4 KiB.
const ROOM: usize = 2048;

// === impl Arrivals ===

impl Arrivals {
    pub(crate) fn new(classes: usize) -> Self {
        Self { classes, roll: Roll::new(), came: 0, left: 0, quiet: 0, filled: Filled::new(classes) }
    }

    #[cfg(test)]
    pub(crate) fn noted(&self) -> usize {
        self.roll.places()
    }

    /// As if so many had come and left.
    #[cfg(test)]
    pub(crate) fn pass(&mut self, count: u64) {
        self.came += count;
        self.left += count;
        self.quiet = 0;
        self.roll.forget(self.came);
    }

    #[inline]
    pub(crate) fn waiting(&self) -> usize {
        (self.came - self.left) as usize
    }

    /// The first class that has items.
    #[inline]
    pub(crate) fn first_class(&self) -> Option<usize> {
        self.filled.first()
    }

    /// The last class that has items.
    pub(crate) fn last_class(&self) -> Option<usize> {
        self.filled.last()
    }

    /// Counts in an item of this class. It is behind all others.
    #[inline(always)]
    pub(crate) fn join(&mut self, class: usize) -> Turn {
        let number = self.came;
        self.came += 1;
        self.filled.add(class);
        let (classes, waiting) = (self.classes, self.waiting());
        self.roll.enter(number, class, || room(classes, waiting));
        Turn(number as u32)
    }

    /// Counts out an item of this class, which has none now if it `is_empty`.
    #[inline(always)]
    pub(crate) fn leave(&mut self, class: usize, turn: Turn, is_empty: bool) {
        self.left += 1;
        self.filled.remove_if(class, is_empty);
        self.roll.strike(turn.number(self.came));
    }

    /// The class of the item that came first of all, if at least so many left before it that came later; otherwise `other`.
    #[inline(always)]
    pub(crate) fn overtaken_or<P>(&mut self, overtakings: u64, other: usize, rows: &[Row<P>]) -> usize {
        let Some(most) = self.left.checked_sub(overtakings) else { return other };
        if most < self.quiet {
            return other;
        }
        let Some((number, class)) = self.roll.first_of_head() else {
            return self.overtaken(overtakings, rows).map_or(other, |(_, class)| class);
        };
        if number > most + 2 * NEAR {
            self.wait_for(number);
        }
        select_unpredictable(number <= most, class, other)
    }

    #[cold]
    fn wait_for(&mut self, oldest: u64) {
        self.quiet = oldest - NEAR;
    }

    /// The number of the item that came first of all, and its class, if at least so many left before it that came later.
    #[inline(never)]
    pub(crate) fn overtaken<P>(&mut self, overtakings: u64, rows: &[Row<P>]) -> Option<(u64, usize)> {
        let most = self.left.checked_sub(overtakings)?;
        let (number, class) = self.roll.first().or_else(|| self.call(rows))?;
        if number > most + 2 * NEAR {
            self.wait_for(number);
        }
        (number <= most).then_some((number, class))
    }

    /// How many came or left.
    pub(crate) fn moves(&self) -> u64 {
        self.came + self.left
    }

    /// The whole number of an arrival.
    pub(crate) fn number(&self, turn: Turn) -> u64 {
        turn.number(self.came)
    }

    /// Calls the roll anew, and finds who came first of all.
    #[cold]
    #[inline(never)]
    fn call<P>(&mut self, rows: &[Row<P>]) -> Option<(u64, usize)> {
        let came = self.came;
        let all = || {
            let classes = self.filled.iter();
            classes.flat_map(|class| rows[class].lane.iter().map(move |slot| (slot.more.number(came), class)))
        };
        let (oldest, _) = all().min()?;
        self.roll.call(oldest, came, room(self.classes, self.waiting()), all());
        self.roll.first()
    }
}

/// For how many arrivals the roll may have room: for so many that to call it costs less than they did; and where few wait,
/// for as many as usually overtake somebody.
fn room(classes: usize, waiting: usize) -> usize {
    (4 * classes.max(waiting)).max(ROOM)
}

// === impl Turn ===

impl Turn {
    /// The whole number of one of the last 2^32 arrivals, of `count` in all.
    #[inline]
    pub(crate) fn number(self, count: u64) -> u64 {
        let Self(turn) = self;
        let last = count - 1;
        last - u64::from((last as u32).wrapping_sub(turn))
    }
}
