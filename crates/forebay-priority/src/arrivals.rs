//! Which item came first of all that wait in the lanes of several classes.

use std::hint::select_unpredictable;
use std::mem;

use crate::filled::Filled;
use crate::lane::FirstNote;
use crate::strict::Row;
use crate::walk::{Waiting, Walk};

/// Counts items that come and go, and finds the one that came first of all that wait, by the number of its arrival.
///
/// Each lane is in this order, so the item that came first of all is the first of a lane.
#[derive(Debug, Clone)]
pub(crate) struct Arrivals {
    /// How many items came: the number of the next one.
    came: u64,
    /// How many of them left.
    left: u64,
    /// Which lanes have items.
    filled: Filled,
    /// The number of the first item of each lane, or [`NONE`]; at least those of [`FEW`] lanes.
    firsts: Vec<u64>,
    /// No first item of a lane has a lower number, as far as is known. For few lanes only.
    lowest: u64,
    /// Finds the lowest of many.
    walk: Option<Walk>,
}

/// The number of an arrival, its lower half: all that is kept of it while it waits.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Turn(u32);

/// The number of an item that is not there.
const NONE: u64 = u64::MAX;

/// Of so many, the lowest number is found without a branch and without a load that must wait for another. Whatever goes
/// through those that came takes longer, since nobody can predict how far it must go.
const FEW: usize = 8;

/// So much lower than the lowest number `lowest` is, so that it tells whether anybody is near to being overtaken too often,
/// which seldom changes, and not whether somebody was, which nobody can predict.
const NEAR: u64 = 64;

// === impl Arrivals ===

impl Arrivals {
    pub(crate) fn new(classes: usize) -> Self {
        Self {
            came: 0,
            left: 0,
            filled: Filled::new(classes),
            firsts: vec![NONE; classes.max(FEW)],
            lowest: 0,
            walk: (classes > FEW).then(Walk::new),
        }
    }

    #[cfg(test)]
    pub(crate) fn noted(&self) -> usize {
        self.walk.as_ref().map_or(0, Walk::noted)
    }

    /// As if so many had come and left.
    #[cfg(test)]
    pub(crate) fn pass(&mut self, count: u64) {
        self.came += count;
        self.left += count;
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
    #[inline]
    pub(crate) fn join(&mut self, class: usize) -> Turn {
        let number = self.came;
        self.came += 1;
        self.filled.add(class);
        let first = &mut self.firsts[class];
        *first = number.min(*first);
        Turn(number as u32)
    }

    /// Counts out the first item of this class. Those behind it are in the order in which they came.
    #[inline]
    pub(crate) fn leave(&mut self, class: usize, next: FirstNote<Turn>) {
        self.left += 1;
        self.filled.remove_if(class, next.0);
        let next = self.number(next);
        let old = mem::replace(&mut self.firsts[class], next);
        if self.walk.is_some() {
            self.walk_on(class, old, next);
        }
    }

    /// Notes that the first item of a lane has left.
    #[inline(never)]
    fn walk_on(&mut self, class: usize, old: u64, next: u64) {
        if let Some(walk) = &mut self.walk
            && walk.has_passed(old)
        {
            walk.first_changed(class, Some(old), known(next));
        }
    }

    /// Counts out any item of this class.
    pub(crate) fn leave_from_anywhere(&mut self, class: usize, first: FirstNote<Turn>) {
        self.left += 1;
        self.filled.remove_if(class, first.0);
        self.reordered(class, first);
    }

    /// Notes that another item may be first in a lane, and that those behind it may have come earlier.
    pub(crate) fn reordered(&mut self, class: usize, first: FirstNote<Turn>) {
        let first = self.number(first);
        let old = mem::replace(&mut self.firsts[class], first);
        self.lowest = 0;
        if let Some(walk) = &mut self.walk {
            walk.first_changed(class, known(old), known(first));
        }
    }

    #[inline]
    fn number(&self, (is_none, turn): FirstNote<Turn>) -> u64 {
        select_unpredictable(is_none, NONE, turn.number(self.came))
    }

    /// The class of the item that came first of all, if at least so many left before it that came later; otherwise `other`.
    #[inline(always)]
    pub(crate) fn overtaken_or<P>(&mut self, overtakings: u64, other: usize, rows: &[Row<P>]) -> usize {
        let Some(most) = self.left.checked_sub(overtakings) else { return other };
        if self.walk.is_some() {
            return self.walk_up_to(most, rows).unwrap_or(other);
        }
        if most < self.lowest {
            return other;
        }
        let (number, class) = self.lowest_of_few();
        self.lowest = number.saturating_sub(NEAR);
        select_unpredictable(number <= most, class, other)
    }

    #[inline(never)]
    fn walk_up_to<P>(&mut self, most: u64, rows: &[Row<P>]) -> Option<usize> {
        let waiting = Waiting { count: self.came, filled: &self.filled, firsts: &self.firsts, rows };
        self.walk.as_mut()?.up_to(most, &waiting)
    }

    /// The lowest number and its class, where there are few.
    #[inline]
    fn lowest_of_few(&self) -> (u64, usize) {
        let firsts = self.firsts.first_chunk().unwrap_or(&[NONE; FEW]);
        let with_class = |class: usize| firsts[class].wrapping_mul(FEW as u64) + class as u64;
        let [a, b, c, d, e, f, g, h] = [0, 1, 2, 3, 4, 5, 6, 7].map(with_class);
        let lowest = a.min(b).min(c.min(d)).min(e.min(f).min(g.min(h)));
        (lowest / FEW as u64, lowest as usize % FEW)
    }
}

/// `None` for the number of an item that is not there.
fn known(number: u64) -> Option<u64> {
    (number != NONE).then_some(number)
}

// === impl Turn ===

impl Turn {
    /// The whole number of one of the last 2^32 arrivals, of `count` in all.
    #[inline]
    pub(crate) fn number(self, count: u64) -> u64 {
        let Self(turn) = self;
        count - u64::from((count as u32).wrapping_sub(turn))
    }
}
