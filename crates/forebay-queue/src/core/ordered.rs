//! The items of a queue that is served by a discipline.

use std::collections::{BTreeMap, BTreeSet};

use slab::Slab;

use super::held::{Items, Place, Taken};
use super::moment::{Clock, Moment};
use super::tag::Tag;
use crate::Discipline;

/// Items in a slab, and a discipline over their keys.
pub struct Ordered<T, D: Discipline> {
    items: Slab<Taken<T, D::Rank>>,
    discipline: D,
    clock: Clock,
    /// Sequence number of the next item to come.
    next: u64,
    /// Those with a time to live, by the moment at which it ends.
    mortal: BTreeSet<(Moment, u32)>,
    /// Where those are that somebody has a ticket for, by sequence number.
    tracked: BTreeMap<u64, u32>,
}

// === impl Ordered ===

impl<T, D: Discipline> Ordered<T, D> {
    pub(crate) fn new(discipline: D) -> Self {
        Self {
            items: Slab::new(),
            clock: Clock::new(discipline.uses_time()),
            discipline,
            next: 0,
            mortal: BTreeSet::new(),
            tracked: BTreeMap::new(),
        }
    }

    /// Takes out the tracked item with this number, if it can be taken.
    pub(crate) fn remove_tracked(&mut self, seq: u64) -> Option<Taken<T, D::Rank>> {
        let id = *self.tracked.get(&seq)?;
        Some(self.remove(id))
    }

    /// Gives the tracked item with this number another rank. It keeps its place among its new equals.
    pub(crate) fn rerank(&mut self, seq: u64, rank: D::Rank) -> bool {
        let Some(&id) = self.tracked.get(&seq) else { return false };
        let place = &mut self.items[id as usize].place;
        self.discipline.remove(id, place.rank, seq);
        place.rank = rank;
        self.discipline.put_back(id, rank, seq);
        true
    }

    /// Lays an item into the slab. The discipline is not told.
    fn lay_in(&mut self, item: Taken<T, D::Rank>) -> u32 {
        let (seq, expires, tracked) = (item.place.seq, item.place.tag.expires(), item.place.tag.is_tracked());
        let id = as_id(self.items.insert(item));
        self.mortal.extend(expires.map(|expires| (expires, id)));
        self.tracked.extend(tracked.then_some((seq, id)));
        id
    }

    /// Takes an item out of the slab. The discipline knows already.
    fn take_out(&mut self, id: u32) -> Taken<T, D::Rank> {
        let taken = self.items.remove(id as usize);
        if let Some(expires) = taken.place.tag.expires() {
            self.mortal.remove(&(expires, id));
        }
        if taken.place.tag.is_tracked() {
            self.tracked.remove(&taken.place.seq);
        }
        taken
    }

    /// Takes out an item that the discipline did not choose.
    fn remove(&mut self, id: u32) -> Taken<T, D::Rank> {
        let Place { rank, seq, .. } = self.items[id as usize].place;
        self.discipline.remove(id, rank, seq);
        self.take_out(id)
    }
}

impl<T, D: Discipline> Items<T, D::Rank> for Ordered<T, D> {
    fn len(&self) -> usize {
        self.items.len()
    }

    fn push(&mut self, item: T, rank: D::Rank, tag: Tag) {
        let seq = self.next_number();
        // Before anything else, since it is code of a user.
        self.discipline.insert(as_id(self.items.vacant_key()), rank, seq, self.clock.now());
        tag.tell_number(seq);
        self.lay_in(Taken { item, place: Place { seq, attempt: 1, rank, tag } });
    }

    fn extend(&mut self, items: impl Iterator<Item = T>, rank: D::Rank) {
        items.for_each(|item| self.push(item, rank, Tag::default()));
    }

    fn pop(&mut self) -> Option<Taken<T, D::Rank>> {
        let id = self.discipline.next(self.clock.now())?;
        Some(self.take_out(id))
    }

    fn pop_last(&mut self) -> Option<Taken<T, D::Rank>> {
        self.discipline.last().map(|id| self.remove(id))
    }

    fn pop_expired(&mut self, now: Moment) -> Option<Taken<T, D::Rank>> {
        let &(expires, id) = self.mortal.first()?;
        (expires <= now).then(|| self.remove(id))
    }

    fn put_back(&mut self, returned: Taken<T, D::Rank>) {
        let Place { rank, seq, .. } = returned.place;
        let id = self.lay_in(returned);
        self.discipline.put_back(id, rank, seq);
    }

    fn newest(&self) -> u64 {
        self.next - 1
    }

    fn has_mortal(&self) -> bool {
        !self.mortal.is_empty()
    }

    fn next_number(&mut self) -> u64 {
        let seq = self.next;
        self.next += 1;
        seq
    }
}

fn as_id(key: usize) -> u32 {
    u32::try_from(key).expect("four thousand million items do not fit")
}
