//! One item of each key in turn.

use std::collections::hash_map::Entry as Place;
use std::collections::{HashMap, HashSet, VecDeque};
use std::{iter, mem};

use forebay_queue::{Key, Tick};
use slab::Slab;

use crate::by_key::ByKey;

/// The waiting items, where all count the same: one of each key in a round, and within a round in order of arrival.
///
/// A new item is put into the round after that of its key's last item, and not before the next round. So its place is known
/// at once, and the first item of the first round is served, whatever else its key has. Everything is O(1), except finding
/// the item to displace, which is O(n).
///
/// Each key that has items has one in each round from its first to its last, and its first is in the round that is being
/// served, or the next one. So no round is empty.
#[derive(Debug, Clone)]
pub(crate) struct Rounds<P> {
    held: Slab<Waiting<P>>,
    /// The lines in `held`.
    rounds: VecDeque<Line>,
    /// The number of the first round in `rounds`.
    first: u64,
    /// The round of the item that was served last.
    present: u64,
    /// The round of each key's last item; also for keys that had items lately.
    last_of: ByKey<u64>,
    /// At how many keys those without items are forgotten.
    most_keys: usize,
}

/// A waiting item.
#[derive(Debug, Clone)]
pub(crate) struct Waiting<P> {
    pub(crate) key: Key,
    pub(crate) seq: u64,
    pub(crate) since: Tick,
    pub(crate) what: P,
    /// The item behind it in its round.
    behind: usize,
}

#[derive(Debug, Clone, Copy)]
struct Line {
    first: usize,
    last: usize,
}

/// Stands behind the last item of a line.
const NOBODY: usize = usize::MAX;

/// For how many items the memory is kept, and how many keys are remembered at least.
const KEPT: usize = 1024;

// === impl Rounds ===

impl<P> Rounds<P> {
    pub(crate) fn new() -> Self {
        Self {
            held: Slab::new(),
            rounds: VecDeque::new(),
            first: 0,
            present: 0,
            last_of: HashMap::default(),
            most_keys: KEPT,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.held.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    #[inline(always)]
    pub(crate) fn push(&mut self, key: Key, seq: u64, since: Tick, what: P) {
        let next = self.present + 1;
        let round = match self.last_of.entry(key) {
            Place::Occupied(mut last) => {
                let round = next.max(*last.get() + 1);
                *last.get_mut() = round;
                round
            }
            Place::Vacant(place) => *place.insert(next),
        };
        let new = self.held.insert(Waiting { key, seq, since, what, behind: NOBODY });
        if self.rounds.is_empty() {
            self.first = round;
        }
        match self.rounds.get_mut((round - self.first) as usize) {
            Some(line) => {
                self.held[line.last].behind = new;
                line.last = new;
            }
            None => self.rounds.push_back(Line { first: new, last: new }),
        }
        if self.last_of.len() >= self.most_keys {
            self.forget();
        }
    }

    #[inline(always)]
    pub(crate) fn pop(&mut self) -> Option<Waiting<P>> {
        let line = self.rounds.front_mut()?;
        let first = self.held.remove(line.first);
        line.first = first.behind;
        self.present = self.first;
        if first.behind == NOBODY {
            self.end_round();
        }
        Some(first)
    }

    #[inline]
    fn end_round(&mut self) {
        self.rounds.pop_front();
        self.first += 1;
        if self.rounds.is_empty() && self.held.capacity() > KEPT {
            self.rest();
        }
    }

    /// Called when empty: frees the memory that a burst has needed.
    #[cold]
    fn rest(&mut self) {
        *self = Self { present: self.present, ..Self::new() };
    }

    /// Forgets the keys without items: what they were served counts no more.
    #[cold]
    fn forget(&mut self) {
        let first = self.first;
        self.last_of.retain(|_, last| *last >= first);
        self.most_keys = KEPT.max(2 * self.last_of.len());
    }

    /// How many keys have items. O(n).
    pub(crate) fn keys(&self) -> usize {
        self.iter().map(|waiting| waiting.key).collect::<HashSet<_>>().len()
    }

    /// All items, in any order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Waiting<P>> {
        self.held.iter().map(|(_, waiting)| waiting)
    }

    /// The youngest item of the key with the most items waiting.
    pub(crate) fn last(&self) -> Option<&Waiting<P>> {
        let mut counts: ByKey<usize> = HashMap::default();
        self.iter().for_each(|waiting| *counts.entry(waiting.key).or_default() += 1);
        let (key, _) = counts.into_iter().max_by_key(|(_, count)| *count)?;
        self.iter().filter(|waiting| waiting.key == key).max_by_key(|waiting| waiting.seq)
    }

    /// Takes all items out, in order, each with the number of rounds by which it comes after the item that was served last.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = (u64, Waiting<P>)> {
        let Self { present, .. } = *self;
        let mut rest = mem::replace(self, Self { present, ..Self::new() });
        iter::from_fn(move || rest.pop().map(|waiting| (rest.present - present, waiting)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_that_of_who_waits_and_of_a_fixed_number_of_keys() {
        let mut rounds = Rounds::new();
        // Some item always waits, each of a key of its own.
        rounds.push(Key::of(&0), 0, 0, ());
        for number in 1..20_000_u64 {
            rounds.push(Key::of(&number), number, 0, ());
            assert!(rounds.pop().is_some());
            assert_eq!((rounds.keys(), rounds.rounds.len()), (1, 1));
            assert!(rounds.last_of.len() <= KEPT, "{}", rounds.last_of.len());
        }
        (0..20_000_u64).for_each(|number| rounds.push(Key::of(&number), number, 0, ()));
        assert!(rounds.rounds.len() <= 2, "one of each key in a round, and one more");
        while rounds.pop().is_some() {}
        let kept = [rounds.held.capacity(), rounds.rounds.capacity(), rounds.last_of.len()];
        assert!(kept.iter().all(|kept| *kept <= KEPT), "{kept:?}");
    }

    #[test]
    fn no_key_is_forgotten_that_has_somebody() {
        const KEYS: u64 = 2 * KEPT as u64;
        let mut rounds = Rounds::new();
        for seq in 0..3 * KEYS {
            rounds.push(Key::of(&(seq % KEYS)), seq, 0, ());
        }
        assert_eq!((rounds.keys(), rounds.rounds.len()), (2 * KEPT, 3));
        assert!((0..3 * KEYS).all(|seq| rounds.pop().is_some_and(|waiting| waiting.seq == seq)));
    }

    #[test]
    fn a_key_that_is_remembered_owes_nothing_and_has_nothing_saved_up() {
        let (busy, other) = (Key::of("busy"), Key::of("other"));
        let mut rounds = Rounds::new();
        (0..3).for_each(|seq| rounds.push(other, seq, 0, ()));
        assert!((0..3).all(|seq| rounds.pop().is_some_and(|waiting| waiting.seq == seq)));
        // Both begin in the same round, however much one was served before.
        [(3, busy), (4, busy), (5, other)].into_iter().for_each(|(seq, key)| rounds.push(key, seq, 0, ()));
        let order: Vec<_> = iter::from_fn(|| rounds.pop()).map(|waiting| waiting.seq).collect();
        assert_eq!(order, [3, 5, 4]);
    }
}
