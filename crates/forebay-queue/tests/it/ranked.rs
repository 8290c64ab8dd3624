//! A discipline for tests: classes by number, the lower first, first come, first served within a class.

use std::collections::BTreeSet;

use forebay_queue::{By, Discipline, Tick, UnknownClass};

#[derive(Debug, Clone, Default)]
pub(crate) struct ByRank(BTreeSet<(u8, u64, u32)>);

impl Discipline for ByRank {
    type Rank = u8;

    fn insert(&mut self, id: u32, rank: u8, seq: u64, _: Tick) {
        assert!(self.0.insert((rank, seq, id)), "{id} is in use");
    }

    fn next(&mut self, _: Tick) -> Option<u32> {
        self.0.pop_first().map(|(_, _, id)| id)
    }

    fn put_back(&mut self, id: u32, rank: u8, seq: u64) {
        self.insert(id, rank, seq, 0);
    }

    fn remove(&mut self, id: u32, rank: u8, seq: u64) -> bool {
        let known = self.0.remove(&(rank, seq, id));
        assert!(known, "the queue asks for {id} where it is not");
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
