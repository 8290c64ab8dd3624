//! In which order those came that wait in the lanes of several classes.

use std::collections::{BTreeSet, VecDeque};

/// Numbers those that come, whatever their class, and finds the one that came first of all who wait.
///
/// Each lane is in this order, and so the one that came first of all is the first of a lane. It is found by going through
/// a ring of the classes in which they came, once, and passing those that are no longer there; so it costs O(1) amortised,
/// however many classes there are. Who came back stands before others that came earlier: these are passed as well, and when they are
/// first in their lane again they are kept beside the ring, O(log classes).
#[derive(Debug, Clone, Default)]
pub(crate) struct Arrivals {
    /// The classes of those that came, one by one, from number `from` on.
    ring: VecDeque<u16>,
    from: u64,
    /// The first of each lane whose number is below `from`: that, and its class.
    passed: BTreeSet<(u64, u16)>,
}

/// How many more may be in the ring than twice those who wait.
const SLACK: usize = 1024;

/// For how many an empty ring keeps its memory.
const KEPT: usize = 4 * SLACK;

// === impl Arrivals ===

impl Arrivals {
    /// How many came.
    #[inline]
    pub(crate) fn count(&self) -> u64 {
        self.from + self.ring.len() as u64
    }

    /// How many it remembers that have not been passed.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.ring.len()
    }

    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.ring.capacity()
    }

    /// One comes, and so many wait. Tells its number. `first`: the number of the first in the lane of a class.
    #[inline]
    pub(crate) fn join(&mut self, class: usize, waiting: usize, first: impl Fn(usize) -> Option<u64>) -> u64 {
        let number = self.count();
        self.ring.push_back(class as u16);
        if self.ring.len() > 2 * waiting + SLACK {
            self.shorten(first);
        }
        number
    }

    /// The first of a lane leaves. Says whether it was passed; if not, whoever is behind it is not either.
    #[inline]
    pub(crate) fn leave(&mut self, number: u64) -> bool {
        if number == self.from {
            self.ring.pop_front();
            self.from += 1;
            return false;
        }
        number < self.from
    }

    /// The first of a lane has become another one.
    #[inline]
    pub(crate) fn first_changed(&mut self, class: usize, old: Option<u64>, new: Option<u64>) {
        if let Some(old) = old.filter(|old| *old < self.from) {
            self.passed.remove(&(old, class as u16));
        }
        if let Some(new) = new.filter(|new| *new < self.from) {
            self.passed.insert((new, class as u16));
        }
    }

    /// The class of the one that came first of all, if its number is no higher than `most`.
    #[inline]
    pub(crate) fn up_to(&mut self, most: u64, first: impl Fn(usize) -> Option<u64>) -> Option<usize> {
        if self.from > most && self.passed.is_empty() { None } else { self.oldest_up_to(most, first) }
    }

    fn oldest_up_to(&mut self, most: u64, first: impl Fn(usize) -> Option<u64>) -> Option<usize> {
        if let Some(&(number, class)) = self.passed.first() {
            return (number <= most).then_some(class.into());
        }
        while self.from <= most {
            let class = usize::from(*self.ring.front()?);
            if first(class) == Some(self.from) {
                return Some(class);
            }
            self.ring.pop_front();
            self.from += 1;
        }
        None
    }

    /// Nobody waits: gives back what a burst has needed.
    pub(crate) fn rest(&mut self) {
        if self.ring.capacity() > KEPT {
            self.from = self.count();
            self.ring.clear();
            self.ring.shrink_to(KEPT);
        }
    }

    /// Somebody waits for very long while others come and go: goes past the front of the ring, and past another one, so that it
    /// gets shorter.
    #[cold]
    fn shorten(&mut self, first: impl Fn(usize) -> Option<u64>) {
        for _ in 0..2 {
            let Some(class) = self.ring.pop_front() else { return };
            if first(class.into()) == Some(self.from) {
                self.passed.insert((self.from, class));
            }
            self.from += 1;
        }
    }
}
