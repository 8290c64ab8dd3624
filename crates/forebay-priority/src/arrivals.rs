//! Which items were overtaken often enough, of all that wait in the lanes of several classes.

use std::collections::BTreeMap;
use std::hint::select_unpredictable;

use crate::due::{Due, MOST_DUE};
use crate::filled::Filled;
use crate::strict::Row;

/// Counts items that come and go, and knows which of them are *due*: before long, they would have been overtaken too often.
///
/// Whether an item is due follows from the number of its arrival and from how many have left, and each one that leaves may
/// make another due. To ask after each of them would cost more than all else. So the lanes are looked at once for so many
/// that leave, a *batch*, and items become due so much earlier that none is too late. Those that became due together are
/// served before others become due. So they are as many as a batch at the most, and who is one of them waits for no more
/// than that.
///
/// The arithmetic of the bound: when `left` have left and the lanes are looked at, everybody becomes due whose number is
/// lower than `left + 3 * batch - 2 - after`. Who was not due the time before, `batch` departures ago, and leaves as the last
/// of its batch, after `batch - 1` others, has then been overtaken `after - (batch - 1)` times at the most. So as many may be
/// taken out of the line meanwhile, which count as well. A batch of one makes each item due just when it was overtaken `after`
/// times.
#[derive(Debug, Clone)]
#[repr(C)]
pub(crate) struct Arrivals {
    /// Where there are many lanes, for each a turn that none in its order is before: to look at these takes less than at all
    /// lanes.
    firsts: Vec<Turn>,
    // What is written for each item lies together.
    /// How many items came: the number of the next one.
    came: u64,
    /// How many of them left.
    left: u64,
    /// While fewer than this have left, nobody is due, and the lanes need not be looked at.
    usual_until: u64,
    /// Once so many have left, the lanes are looked at again.
    look_at: u64,
    /// Whose number is lower is due.
    due_below: u64,
    /// Which lanes have items.
    filled: Filled,
    /// Which lanes have items that are due.
    due: Due,
}

/// The number of an arrival, its lower half: all that is kept of it while it waits.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Turn(u32);

/// Items that are not in the order of their lanes: by the number of the arrival, the class, and what they are known by
/// there.
pub(crate) type Returned = BTreeMap<u64, (usize, u64)>;

/// For more classes than this, turns are kept beside the lanes.
const MANY: usize = 64;

/// A batch is this part of the overtakings that are allowed, as far as there may be so many due at once.
const PART: u64 = 24;

// === impl Arrivals ===

impl Arrivals {
    pub(crate) fn new(classes: usize) -> Self {
        let firsts = if classes > MANY { classes.next_multiple_of(64) } else { 0 };
        let firsts = vec![Turn::default(); firsts];
        let (filled, due) = (Filled::new(classes), Due::new());
        Self { firsts, came: 0, left: 0, usual_until: 0, look_at: 0, due_below: 0, filled, due }
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
    #[inline(always)]
    pub(crate) fn join(&mut self, class: usize) -> Turn {
        let turn = Turn(self.came as u32);
        self.came += 1;
        let is_first = self.filled.add(class);
        if let Some(first) = self.firsts.get_mut(class) {
            // Nobody can predict it where lanes are short.
            *first = select_unpredictable(is_first, turn, *first);
        }
        turn
    }

    /// Counts out an item of this class, which has none now if it `is_empty`. One that is due is counted out by
    /// [`pass_due`](Self::pass_due), too.
    #[inline(always)]
    pub(crate) fn leave(&mut self, class: usize, is_empty: bool) {
        self.left += 1;
        self.filled.remove_if(class, is_empty);
    }

    /// Counts out any item of any class.
    pub(crate) fn leave_from(&mut self, class: usize, number: u64, is_empty: bool) {
        if is_empty || number < self.due_below {
            self.due.remove(class, is_empty);
            self.find_usual();
        }
        self.leave(class, is_empty);
    }

    /// The first class of which items are due, as far as that is known.
    #[inline(always)]
    pub(crate) fn first_due(&self) -> Option<usize> {
        self.due.first()
    }

    /// The first class of which items are due, which there must be, has one less; none if it `is_empty`.
    #[inline(always)]
    pub(crate) fn pass_due(&mut self, is_empty: bool) {
        if self.due.pass_one(is_empty) {
            self.usual_until = self.look_at;
        }
    }

    /// Finds until when nobody is due.
    fn find_usual(&mut self) {
        self.usual_until = if self.due.first().is_some() { 0 } else { self.look_at };
    }

    /// Whose number is lower than this is due.
    pub(crate) fn due_below(&self) -> u64 {
        self.due_below
    }

    /// Is it certain that nobody is due? If not, [`first_due`](Self::first_due) tells, after [`look`](Self::look) if it
    /// [`is_time`](Self::is_time).
    #[inline(always)]
    pub(crate) fn is_usual(&self) -> bool {
        self.left < self.usual_until
    }

    #[inline(always)]
    pub(crate) fn is_time(&self) -> bool {
        self.left >= self.look_at
    }

    /// The settings may have changed.
    pub(crate) fn look_again(&mut self) {
        (self.look_at, self.usual_until) = (0, 0);
    }

    /// Finds the items that are due next, unless some are due now. Each is to be served before it was overtaken more than
    /// `after` times; without that, none is ever due. `returned`: the items that are not in the order of their lanes.
    #[cold]
    #[inline(never)]
    pub(crate) fn look<P>(&mut self, after: Option<u64>, rows: &[Row<P>], returned: &Returned) {
        let Some(after) = after else {
            // Those that were due wait on.
            self.oldest(rows, returned);
            self.look_at = u64::MAX;
            self.due_below = 0;
            self.due.clear();
            return self.find_usual();
        };
        if self.due.first().is_some() {
            return;
        }
        let batch = (after / PART).clamp(1, MOST_DUE as u64);
        let mut below = (self.left + 3 * batch - 2).saturating_sub(after).min(self.came);
        self.look_at = self.left + batch;
        if below > self.due_below + batch {
            // Nobody looked for long. Still, those that are due together are never more than a batch.
            let some = self.oldest(rows, returned).map_or(below, |oldest| below.min(oldest + batch));
            if some < below {
                (below, self.look_at) = (some, self.left);
            }
        }
        self.find_due(below, rows, returned);
        self.find_usual();
    }

    /// The lowest number of all that wait. Where turns are kept beside the lanes, they are found anew.
    fn oldest<P>(&mut self, rows: &[Row<P>], returned: &Returned) -> Option<u64> {
        let Self { firsts, came, filled, .. } = self;
        let mut oldest = returned.keys().next().copied();
        for (group, filled) in filled.words().iter().enumerate() {
            let mut rest = *filled;
            while rest != 0 {
                let class = 64 * group + rest.trailing_zeros() as usize;
                rest &= rest - 1;
                let first = rows[class].lane.first_in_order().map(|(_, turn)| turn);
                if let Some(kept) = firsts.get_mut(class) {
                    *kept = first.unwrap_or(Turn(*came as u32));
                }
                let number = first.map(|first| first.number(*came));
                oldest = oldest.into_iter().chain(number).min();
            }
        }
        oldest
    }

    /// Finds the items whose number is lower, which are no more than a batch.
    fn find_due<P>(&mut self, below: u64, rows: &[Row<P>], returned: &Returned) {
        self.due.clear();
        if let Ok(age) = u32::try_from(self.came - below) {
            self.find_due_in_order(age, rows);
        }
        returned.range(..below).for_each(|(_, (class, _))| self.due.add(*class));
        self.due_below = below;
    }

    /// Finds the items in the order of their lanes after which so many came.
    fn find_due_in_order<P>(&mut self, age: u32, rows: &[Row<P>]) {
        let Self { firsts, came, filled, due, .. } = self;
        let is_early = |turn: Turn| turn.age(*came) >= age;
        for (group, filled) in filled.words().iter().enumerate().filter(|(_, filled)| **filled != 0) {
            let mut early = filled & early(firsts, group, is_early);
            while early != 0 {
                let class = 64 * group + early.trailing_zeros() as usize;
                early &= early - 1;
                let (count, next) = rows[class].lane.count_in_order(is_early);
                if let (Some(first), Some(next)) = (firsts.get_mut(class), next) {
                    *first = next;
                }
                if count > 0 {
                    due.push(class, count);
                }
            }
        }
    }

    /// How many came or left.
    pub(crate) fn moves(&self) -> u64 {
        self.came + self.left
    }

    /// The whole number of an arrival.
    pub(crate) fn number(&self, turn: Turn) -> u64 {
        turn.number(self.came)
    }
}

/// Of a group of 64 lanes, a bit for each of which the first item may be early.
fn early(firsts: &[Turn], group: usize, is_early: impl Fn(Turn) -> bool) -> u64 {
    let Some(firsts) = firsts.get(64 * group..64 * (group + 1)) else { return u64::MAX };
    // A byte each first, of which many are told at once: bits would be set one after the other.
    let mut told = [0; 64];
    told.iter_mut().zip(firsts).for_each(|(told, first)| *told = u8::from(is_early(*first)));
    let (eights, _) = told.as_chunks();
    let eights =
        eights.iter().map(|eight| u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56);
    eights.rfold(0, |early, eight| early << 8 | eight)
}

// === impl Turn ===

impl Turn {
    /// How many came after it, where `count` came in all and it is one of the last 2^32.
    #[inline]
    fn age(self, count: u64) -> u32 {
        (count as u32).wrapping_sub(1).wrapping_sub(self.0)
    }

    /// The whole number of one of the last 2^32 arrivals, of `count` in all.
    #[inline]
    fn number(self, count: u64) -> u64 {
        count - 1 - u64::from(self.age(count))
    }
}
