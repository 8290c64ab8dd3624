//! Who came first of all that wait in the lanes of several classes.

use std::collections::BTreeSet;

use crate::filled::Filled;
use crate::strict::Row;

/// Counts those that come and go, and finds the one that came first of all who wait, by the number of its arrival.
///
/// Each row is in this order, and so the one that came first of all is the first of a row. Nothing is noted while they come
/// and go. Only when somebody asks, the front of each row is looked at, and the classes of the next so many numbers
/// are noted at once, which are then gone through one by one, past those that are no longer there. So it costs O(1) amortised,
/// however many classes there are.
///
/// Who came back stands before others that came earlier: these are passed as well, and when they are first in their row
/// again they are kept beside, O(log classes).
#[derive(Debug, Clone)]
pub(crate) struct Arrivals {
    waiting: usize,
    left: u64,
    /// No first of a row has a lower number, but for those in `passed`.
    from: u64,
    /// Which rows have somebody.
    filled: Filled,
    /// The number of the first in `noted`.
    start: u64,
    /// The classes of those that came, one by one. At the number of one that had gone before there is any class.
    noted: Vec<u16>,
    /// The first of each row whose number is below `from`: that, and its class.
    passed: BTreeSet<(u64, u16)>,
}

/// How many are noted at once, at least, and how many for each class.
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

    /// How many have left.
    #[inline]
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    /// How many came: the number of the next one.
    #[inline]
    fn count(&self) -> u64 {
        self.left + self.waiting as u64
    }

    #[cfg(test)]
    pub(crate) fn noted(&self) -> usize {
        self.noted.capacity()
    }

    /// The first class that has somebody.
    #[inline]
    pub(crate) fn first_class(&self) -> Option<usize> {
        self.filled.first()
    }

    /// The last one that has.
    pub(crate) fn last_class(&self) -> Option<usize> {
        self.filled.last()
    }

    /// One comes, of this class. Tells its number.
    #[inline]
    pub(crate) fn join(&mut self, class: usize) -> u64 {
        let number = self.count();
        self.waiting += 1;
        self.filled.set(class, true);
        number
    }

    /// One of this class leaves. `is_empty`: it was the last one of it.
    #[inline]
    pub(crate) fn leave(&mut self, class: usize, is_empty: bool) {
        self.waiting -= 1;
        self.left += 1;
        self.filled.set(class, !is_empty);
    }

    /// Was it passed? If not, whoever is behind it in its row is not either, unless somebody came back.
    #[inline]
    pub(crate) fn has_passed(&self, number: u64) -> bool {
        number < self.from
    }

    /// The first of a row has become another one.
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

    /// The class of the one that came first of all, if its number is no higher than `most`.
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

    /// Notes the next ones; `None` if nobody waits.
    ///
    /// There are no more rows with somebody than numbers from the oldest on, so this costs no more than to go through what it
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
            // Who is behind one that came back may have been passed.
            row.lane.in_order(|turn| turn < oldest).take_while(|turn| note(*turn)).for_each(drop);
        }
        Some(())
    }
}
