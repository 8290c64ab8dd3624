//! The items of a queue that is served by a discipline.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use slab::Slab;

use super::held::{Items, Place, Taken};
use super::moment::{Clock, Moment};
use super::tag::Tag;
use crate::{ClassStats, Discipline, Entry, Tick};

/// Items in a slab, and a discipline over their keys.
pub struct Ordered<T, D: Discipline> {
    items: Slab<Taken<T, D::Rank>>,
    discipline: D,
    clock: Clock,
    /// Somebody wants to know when items came.
    timed: bool,
    /// Sequence number of the next item to come.
    next: u64,
    /// Those with a time to live, by the moment at which it ends.
    mortal: BTreeSet<(Moment, u32)>,
    /// Where those are that somebody has a ticket for, by sequence number.
    tracked: BTreeMap<u64, u32>,
    /// Of each class of the discipline; one if it has none.
    tallies: Vec<Tally>,
    /// Most items of each class; none if no class is bounded.
    most: Vec<usize>,
}

/// What has become of the items of a class.
#[derive(Clone, Copy, Default)]
struct Tally {
    waiting: usize,
    served: u64,
    displaced: u64,
    expired: u64,
    shed: u64,
}

// === impl Ordered ===

impl<T, D: Discipline> Ordered<T, D> {
    /// `timed`: somebody wants to know when items came.
    pub(crate) fn new(discipline: D, most: Vec<usize>, timed: bool) -> Self {
        Self {
            items: Slab::new(),
            clock: Clock::new(timed || discipline.uses_time()),
            timed,
            tallies: vec![Tally::default(); discipline.classes().len().max(1)],
            discipline,
            next: 0,
            mortal: BTreeSet::new(),
            tracked: BTreeMap::new(),
            most,
        }
    }

    /// For a change of its settings.
    pub(crate) fn discipline(&mut self) -> &mut D {
        &mut self.discipline
    }

    /// Takes out the tracked item with this number, if it can be taken.
    pub(crate) fn remove_tracked(&mut self, seq: u64) -> Option<Taken<T, D::Rank>> {
        let id = *self.tracked.get(&seq)?;
        Some(self.remove(id))
    }

    pub(crate) fn rank_of(&self, seq: u64) -> Option<D::Rank> {
        let &id = self.tracked.get(&seq)?;
        Some(self.items[id as usize].place.rank)
    }

    /// Gives the tracked item with this number another rank. It keeps its place among its new equals.
    pub(crate) fn rerank(&mut self, seq: u64, rank: D::Rank) -> bool {
        let Some(&id) = self.tracked.get(&seq) else { return false };
        let place = &mut self.items[id as usize].place;
        let old = place.entry(id);
        self.discipline.remove(old);
        place.rank = rank;
        let new = place.entry(id);
        self.discipline.put_back(new);
        self.tally(old.rank).waiting -= 1;
        self.tally(rank).waiting += 1;
        true
    }

    /// Lays an item into the slab. The discipline is not told.
    #[inline]
    fn lay_in(&mut self, item: Taken<T, D::Rank>) -> u32 {
        let Place { seq, rank, ref tag, .. } = item.place;
        let more = (!tag.is_light()).then(|| (tag.expires(), tag.is_tracked()));
        let id = as_id(self.items.insert(item));
        if let Some((expires, tracked)) = more {
            self.mortal.extend(expires.map(|expires| (expires, id)));
            self.tracked.extend(tracked.then_some((seq, id)));
        }
        self.tally(rank).waiting += 1;
        id
    }

    /// Takes an item out of the slab. The discipline knows already.
    fn take_out(&mut self, id: u32) -> Taken<T, D::Rank> {
        let taken = self.items.remove(id as usize);
        self.forget(id, &taken.place);
        self.tally(taken.place.rank).waiting -= 1;
        taken
    }

    /// What goes with the item that had this id, if anything does.
    #[inline]
    fn forget(&mut self, id: u32, place: &Place<D::Rank>) {
        if !place.tag.is_light() {
            self.forget_more(id, place);
        }
    }

    #[cold]
    fn forget_more(&mut self, id: u32, place: &Place<D::Rank>) {
        if let Some(expires) = place.tag.expires() {
            self.mortal.remove(&(expires, id));
        }
        if place.tag.is_tracked() {
            self.tracked.remove(&place.seq);
        }
    }

    /// Takes out who is next.
    #[inline]
    fn serve(&mut self) -> Option<Taken<T, D::Rank>> {
        let id = self.discipline.next(self.clock.now())?;
        let taken = self.items.remove(id as usize);
        self.forget(id, &taken.place);
        let tally = self.tally(taken.place.rank);
        tally.waiting -= 1;
        tally.served += 1;
        Some(taken)
    }

    /// Takes out an item that the discipline did not choose.
    fn remove(&mut self, id: u32) -> Taken<T, D::Rank> {
        self.discipline.remove(self.items[id as usize].place.entry(id));
        self.take_out(id)
    }

    #[inline]
    fn tally(&mut self, rank: D::Rank) -> &mut Tally {
        &mut self.tallies[self.discipline.class(rank)]
    }

    fn next_number(&mut self) -> u64 {
        let seq = self.next;
        self.next += 1;
        seq
    }
}

impl<T, D: Discipline> Items<T, D::Rank> for Ordered<T, D> {
    fn len(&self) -> usize {
        self.items.len()
    }

    #[inline]
    fn push(&mut self, item: T, rank: D::Rank, tag: Tag) {
        let (seq, since) = (self.next_number(), self.clock.now());
        // Before anything else, since it is code of a user.
        self.discipline.insert(Entry::new(as_id(self.items.vacant_key()), rank, seq, since));
        tag.tell_number(seq);
        self.lay_in(Taken { item, place: Place { seq, since, attempt: 1, rank, tag } });
    }

    fn extend(&mut self, items: impl Iterator<Item = T>, rank: D::Rank) {
        items.for_each(|item| self.push(item, rank, Tag::default()));
    }

    fn pop(&mut self) -> Option<Taken<T, D::Rank>> {
        self.serve()
    }

    #[inline]
    fn pop_item(&mut self) -> Option<(T, usize)> {
        self.serve().map(|Taken { item, place }| (item, place.tag.weight()))
    }

    fn pop_last(&mut self) -> Option<Taken<T, D::Rank>> {
        self.discipline.last().map(|id| self.remove(id))
    }

    fn pop_expired(&mut self, now: Moment) -> Option<Taken<T, D::Rank>> {
        let taken = match self.mortal.first() {
            Some(&(expires, id)) if expires <= now => self.remove(id),
            _ if self.discipline.gives_up() => {
                let id = self.discipline.overdue(self.clock.now())?;
                self.take_out(id)
            }
            _ => return None,
        };
        self.tally(taken.place.rank).expired += 1;
        Some(taken)
    }

    fn put_back(&mut self, returned: Taken<T, D::Rank>) {
        let Place { rank, seq, since, .. } = returned.place;
        let id = self.lay_in(returned);
        self.discipline.put_back(Entry::new(id, rank, seq, since));
    }

    fn newest(&self) -> u64 {
        self.next - 1
    }

    fn has_mortal(&self) -> bool {
        // Also while it is empty: an item that comes then needs no time to live to be looked at.
        !self.mortal.is_empty() || self.discipline.gives_up()
    }

    fn pass_through(&mut self, rank: D::Rank, tag: Tag) -> Place<D::Rank> {
        self.tally(rank).served += 1;
        Place { seq: self.next_number(), since: self.clock.now(), attempt: 1, rank, tag }
    }

    /// Looks at every item if the time is known, to find the oldest ones.
    fn class_stats(&self) -> Vec<ClassStats> {
        let mut oldest = vec![None; self.tallies.len()];
        if self.timed || self.discipline.uses_time() {
            for (_, Taken { place, .. }) in &self.items {
                let oldest = &mut oldest[self.discipline.class(place.rank)];
                *oldest = Some(oldest.map_or(place.since, |since| place.since.min(since)));
            }
        }
        let now = self.clock.now();
        let names = self.discipline.classes();
        let each = self.tallies.iter().zip(oldest).enumerate();
        each.map(|(class, (&Tally { waiting, served, displaced, expired, shed }, oldest))| ClassStats {
            class: names.get(class).cloned().unwrap_or_default(),
            waiting,
            oldest: oldest.map(|since| Duration::from_nanos(now.saturating_sub(since))),
            served,
            promoted: self.discipline.promoted(class),
            displaced,
            expired,
            shed,
        })
        .collect()
    }

    fn waited(&self, since: Tick) -> Option<Duration> {
        self.timed.then(|| Duration::from_nanos(self.clock.now().saturating_sub(since)))
    }

    fn is_class_full(&self, rank: D::Rank) -> bool {
        // Most of the time no class is bounded.
        !self.most.is_empty() && {
            let class = self.discipline.class(rank);
            self.tallies[class].waiting >= self.most[class]
        }
    }

    fn refused(&mut self, rank: D::Rank) {
        self.tally(rank).shed += 1;
    }

    fn displaced(&mut self, rank: D::Rank) {
        self.tally(rank).displaced += 1;
    }

    fn unserved(&mut self, rank: D::Rank) {
        self.tally(rank).served -= 1;
    }
}

impl<R: Copy> Place<R> {
    fn entry(&self, id: u32) -> Entry<R> {
        Entry::new(id, self.rank, self.seq, self.since)
    }
}

fn as_id(key: usize) -> u32 {
    u32::try_from(key).expect("four thousand million items do not fit")
}
