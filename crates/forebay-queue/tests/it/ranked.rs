//! A discipline for tests: classes by number, the lower first, first come, first served within a class.

use std::collections::BTreeSet;

use forebay_queue::{By, ById, Discipline, Entry, Tick, UnknownClass};

#[derive(Debug, Clone, Default)]
pub(crate) struct ByRank(BTreeSet<(u8, u64, u32)>);

impl Discipline for ByRank {
    type Rank = u8;
    type Shelf<P: Send> = ById<P, Self>;

    fn insert(&mut self, entry: Entry<u8>) {
        assert!(self.0.insert((entry.rank, entry.seq, entry.id)), "{} is in use", entry.id);
    }

    fn next(&mut self, _: Tick) -> Option<u32> {
        self.0.pop_first().map(|(_, _, id)| id)
    }

    fn put_back(&mut self, entry: Entry<u8>) {
        self.insert(entry);
    }

    fn remove(&mut self, entry: Entry<u8>) -> bool {
        let known = self.0.remove(&(entry.rank, entry.seq, entry.id));
        assert!(known, "the queue asks for {} where it is not", entry.id);
        known
    }

    fn last(&self) -> Option<u32> {
        self.0.last().map(|&(_, _, id)| id)
    }
}

/// The line of a queue of numbers.
pub(crate) type Ranked = By<ByRank, fn(&u32) -> Result<u8, UnknownClass>>;

/// Served by this rank of an item.
pub(crate) fn by(rank: fn(&u32) -> Result<u8, UnknownClass>) -> Ranked {
    By::new(ByRank::default(), rank)
}
