//! Which item came first of all that wait in the lanes of several classes.

use std::collections::BTreeSet;

use crate::filled::Filled;
use crate::strict::Row;

/// Counts items that come and go, and finds the one that came first of all that wait, by the number of its arrival.
///
/// Each row is in this order, so the item that came first of all is the first of a row. Nothing is noted while items come
/// and go. Only when somebody asks, the front of each row is looked at, and the classes of the next numbers are noted, many
/// at once. These are then gone through one by one, past items that are no longer there. So it costs O(1) amortised,
/// however many classes there are.
///
/// An item that came back stands before others that came earlier: these are passed as well, and when they are first in
/// their row again they are kept beside, O(log classes).
#[derive(Debug, Clone)]
pub(crate) struct Arrivals {
    waiting: usize,
    left: u64,
    /// Except for those in `passed`, no first item of a row has a lower number.
    from: u64,
    /// Which rows have items.
    filled: Filled,
    /// The number of the first arrival in `noted`.
    start: u64,
    /// The classes of the arrivals, one by one. For an item that had gone before, it holds any class.
    noted: Vec<u16>,
    /// The first item of each row, if its number is below `from`: the number, and its class.
    passed: BTreeSet<(u64, u16)>,
}

/// How many arrivals are noted at once, at least, and how many for each class.
const AT_ONCE: usize = 128;
const FOR_EACH: usize = 4;

// === impl Arrivals ===

impl Arrivals {
    pub(crate) fn new(classes: usize) -> Self {
        Self {
            waiting: 0,
            left: 0,
            filled: Filled::new(classes),
            from: 0,
            start: 0,
            noted: Vec::new(),
            passed: BTreeSet::new(),
        }
    }

    #[inline]
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    /// How many items have left.
    #[inline]
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    /// How many items came: the number of the next one.
    #[inline]
    fn count(&self) -> u64 {
        self.left + self.waiting as u64
    }

    #[cfg(test)]
    pub(crate) fn noted(&self) -> usize {
        self.noted.capacity()
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

    /// Counts in an item of this class. Returns its number.
    #[inline]
    pub(crate) fn join(&mut self, class: usize) -> u64 {
        let number = self.count();
        self.waiting += 1;
        self.filled.set(class, true);
        number
    }

    /// Counts out an item of this class. `is_empty`: it was the last of its class.
    #[inline]
    pub(crate) fn leave(&mut self, class: usize, is_empty: bool) {
        self.waiting -= 1;
        self.left += 1;
        self.filled.set(class, !is_empty);
    }

    /// Was this number passed? If not, no item behind it in its row was either, unless one came back.
    #[inline]
    pub(crate) fn has_passed(&self, number: u64) -> bool {
        number < self.from
    }

    /// Notes that another item is first in a row.
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
    pub(crate) fn up_to<P>(&mut self, most: u64, rows: &[Row<P>]) -> Option<usize> {
        if self.from > most && self.passed.is_empty() { None } else { self.oldest_up_to(most, rows) }
    }

    #[inline(never)]
    fn oldest_up_to<P>(&mut self, most: u64, rows: &[Row<P>]) -> Option<usize> {
        if let Some(&(number, class)) = self.passed.first() {
            return (number <= most).then_some(class.into());
        }
        while self.from <= most {
            let Some(&class) = self.noted.get((self.from - self.start) as usize) else {
                self.note(rows)?;
                continue;
            };
            let class = usize::from(class);
            if rows[class].first_turn() == Some(self.from) {
                return Some(class);
            }
            self.from += 1;
        }
        None
    }

    /// Notes the next arrivals; `None` if nothing waits.
    ///
    /// There are no more rows with items than numbers from the oldest on, so this costs no more than going through what it
    /// notes.
    #[cold]
    fn note<P>(&mut self, rows: &[Row<P>]) -> Option<()> {
        let oldest = self.filled.iter().filter_map(|class| rows[class].first_turn()).min()?;
        (self.from, self.start) = (oldest, oldest);
        let most = AT_ONCE.max(FOR_EACH * rows.len());
        let others = usize::try_from(self.count() - oldest).unwrap_or(most);
        self.noted.clear();
        self.noted.resize(others.min(most), 0);
        for class in self.filled.iter() {
            let row = &rows[class];
            let mut note = |number: u64| match self.noted.get_mut((number - oldest) as usize) {
                Some(noted) => {
                    *noted = class as u16;
                    true
                }
                None => false,
            };
            if !row.lane.is_in_order() {
                row.first_turn().map(&mut note);
            }
            // An item behind one that came back may have been passed.
            row.lane.in_order(|turn| turn < oldest).take_while(|turn| note(*turn)).for_each(drop);
        }
        Some(())
    }
}
