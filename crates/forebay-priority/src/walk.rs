//! Which of many classes has the item that came first of all.

use std::collections::BTreeSet;

use crate::filled::Filled;
use crate::strict::Row;

/// Goes through the arrivals one by one, past items that are no longer there, to the first that waits.
///
/// Nothing is noted while items come and go. When somebody asks, the lanes are looked at, and the classes of the next
/// arrivals are noted, many at once. So it costs O(1) amortised, however many classes there are.
///
/// An item that came back stands before others that came earlier: these are passed as well, and when they are first in
/// their lane again they are kept beside, O(log classes).
#[derive(Debug, Clone)]
pub(crate) struct Walk {
    /// Except for those in `passed`, no first item of a lane has a lower number.
    from: u64,
    /// The number of the first arrival in `noted`.
    start: u64,
    /// The classes of the arrivals, one by one. For an item that had gone before, it holds any class.
    noted: Vec<u16>,
    /// The first item of each lane, if its number is below `from`: the number, and its class.
    passed: BTreeSet<(u64, u16)>,
}

/// What waits, as the walk needs to know it.
pub(crate) struct Waiting<'a, P> {
    /// How many items came.
    pub(crate) count: u64,
    pub(crate) filled: &'a Filled,
    /// The number of the first item of each lane.
    pub(crate) firsts: &'a [u64],
    pub(crate) rows: &'a [Row<P>],
}

/// How many arrivals are noted at once, at least, and how many for each class.
const AT_ONCE: usize = 128;
const FOR_EACH: usize = 4;

// === impl Walk ===

impl Walk {
    pub(crate) fn new() -> Self {
        Self { from: 0, start: 0, noted: Vec::new(), passed: BTreeSet::new() }
    }

    #[cfg(test)]
    pub(crate) fn noted(&self) -> usize {
        self.noted.capacity()
    }

    /// Was this number passed? If not, no item behind it in its lane was either, unless one came back.
    #[inline]
    pub(crate) fn has_passed(&self, number: u64) -> bool {
        number < self.from
    }

    /// Notes that another item is first in a lane, or none.
    #[cold]
    pub(crate) fn first_changed(&mut self, class: usize, old: Option<u64>, new: Option<u64>) {
        if let Some(old) = old.filter(|old| self.has_passed(*old)) {
            self.passed.remove(&(old, class as u16));
        }
        let Some(new) = new else { return };
        if self.has_passed(new) {
            self.passed.insert((new, class as u16));
        } else if let Some(noted) = self.noted.get_mut((new - self.start) as usize) {
            *noted = class as u16;
        }
    }

    /// The class of the item that came first of all, if its number is no higher than `most`.
    #[inline]
    pub(crate) fn up_to<P>(&mut self, most: u64, waiting: &Waiting<'_, P>) -> Option<usize> {
        if self.from > most && self.passed.is_empty() { None } else { self.oldest_up_to(most, waiting) }
    }

    #[inline(never)]
    fn oldest_up_to<P>(&mut self, most: u64, waiting: &Waiting<'_, P>) -> Option<usize> {
        if let Some(&(number, class)) = self.passed.first() {
            return (number <= most).then_some(class.into());
        }
        while self.from <= most {
            let Some(&class) = self.noted.get((self.from - self.start) as usize) else {
                self.note(waiting)?;
                continue;
            };
            let class = usize::from(class);
            if waiting.firsts[class] == self.from {
                return Some(class);
            }
            self.from += 1;
        }
        None
    }

    /// Notes the next arrivals; `None` if nothing waits.
    ///
    /// There are no more lanes with items than numbers from the oldest on, so this costs no more than going through what it
    /// notes.
    #[cold]
    fn note<P>(&mut self, waiting: &Waiting<'_, P>) -> Option<()> {
        let Waiting { count, filled, firsts, rows } = *waiting;
        let oldest = filled.iter().map(|class| firsts[class]).min()?;
        (self.from, self.start) = (oldest, oldest);
        let most = AT_ONCE.max(FOR_EACH * rows.len());
        let others = usize::try_from(count - oldest).unwrap_or(most);
        self.noted.clear();
        self.noted.resize(others.min(most), 0);
        for class in filled.iter() {
            let row = &rows[class];
            // Behind one that waited for 2^32 others, and seems to have come just now, the number may be lower.
            let mut note = |number: u64| match self.noted.get_mut(number.wrapping_sub(oldest) as usize) {
                Some(noted) => {
                    *noted = class as u16;
                    true
                }
                None => false,
            };
            // An item behind one that came back may have been passed.
            let behind = row.lane.in_order(|turn| turn.number(count) < oldest).map(|turn| turn.number(count));
            behind.take_while(|turn| note(*turn)).for_each(drop);
        }
        // Last: a turn of 2^32 arrivals ago may seem to be another's, and would hide the oldest, which is looked for again and
        // again.
        for class in filled.iter() {
            if let Some(noted) = self.noted.get_mut((firsts[class] - oldest) as usize) {
                *noted = class as u16;
            }
        }
        Some(())
    }
}
