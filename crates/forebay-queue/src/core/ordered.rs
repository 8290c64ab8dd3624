//! The items of a queue that is served by a discipline.

use std::collections::BTreeMap;
use std::mem;
use std::time::Duration;

use super::held::{Items, Place, Taken};
use super::moment::{Clock, Moment};
use super::stored::{Extras, Mark, Stored};
use super::tag::Tag;
use crate::{ClassStats, Discipline, Entry, Shelf, Tick};

/// Items on the shelf of a discipline.
pub struct Ordered<T: Send, D: Discipline> {
    /// Sequence number of the next item to come.
    next: u64,
    shelf: D::Shelf<Stored<T>>,
    extras: Extras,
    /// How many items on the shelf have anything but their value and a weight of 1. While there are none, nothing needs to be
    /// asked about the next one.
    odd: usize,
    clock: Clock,
    /// Does somebody want to know when items came?
    timed: bool,
    /// Items with a time to live, by the moment at which it ends and their sequence number.
    mortal: BTreeMap<(Moment, u64), Entry<D::Rank>>,
    /// Items that somebody has a ticket for, by sequence number.
    tracked: BTreeMap<u64, Entry<D::Rank>>,
    /// One for each class of the discipline; a single one if it has no classes.
    tallies: Vec<Tally>,
    /// The most items of each class that may wait; empty if no class is bounded.
    most: Vec<usize>,
}

/// What has become of the items of a class, as far as the shelf does not know. Nothing in it changes with each item.
#[derive(Clone, Copy, Default)]
struct Tally {
    passed_through: u64,
    /// The shelf returned the item as the next one, but it was not served.
    unserved: u64,
    displaced: u64,
    expired: u64,
    shed: u64,
}

// === impl Ordered ===

impl<T: Send, D: Discipline> Ordered<T, D> {
    /// `timed`: does somebody want to know when items came?
    pub(crate) fn new(discipline: D, most: Vec<usize>, timed: bool) -> Self {
        Self {
            clock: Clock::new(timed || discipline.uses_time()),
            timed,
            tallies: vec![Tally::default(); discipline.classes().len().max(1)],
            extras: Extras::default(),
            odd: 0,
            shelf: discipline.into(),
            next: 0,
            mortal: BTreeMap::new(),
            tracked: BTreeMap::new(),
            most,
        }
    }

    pub(crate) fn discipline(&self) -> &D {
        self.shelf.discipline()
    }

    /// Puts a changed copy of the discipline in its place. Returns the old one.
    pub(crate) fn retune(&mut self, new: D) -> D {
        self.clock.begin_if(new.uses_time());
        mem::replace(self.shelf.discipline_mut(), new)
    }

    /// Takes out the tracked item with this number, if it can be taken.
    pub(crate) fn remove_tracked(&mut self, seq: u64) -> Option<Taken<T, D::Rank>> {
        let &entry = self.tracked.get(&seq)?;
        self.remove(entry)
    }

    pub(crate) fn rank_of(&self, seq: u64) -> Option<D::Rank> {
        self.tracked.get(&seq).map(|entry| entry.rank)
    }

    /// Gives the tracked item with this number another rank. It keeps its place among its new equals.
    pub(crate) fn rerank(&mut self, seq: u64, rank: D::Rank) -> bool {
        let Some(mut taken) = self.remove_tracked(seq) else { return false };
        taken.place.rank = rank;
        self.put_back(taken);
        true
    }

    /// Remembers the expiry and the ticket of an item that has come, if it has any.
    #[cold]
    fn remember(&mut self, entry: Entry<D::Rank>, (expires, tracked): (Option<Moment>, bool)) {
        self.mortal.extend(expires.map(|expires| ((expires, entry.seq), entry)));
        self.tracked.extend(tracked.then_some((entry.seq, entry)));
    }

    /// Forgets the expiry and the ticket of an item that leaves, if it had any.
    #[cold]
    fn forget(&mut self, seq: u64, tag: &Tag) {
        if let Some(expires) = tag.expires() {
            self.mortal.remove(&(expires, seq));
        }
        if tag.is_tracked() {
            self.tracked.remove(&seq);
        }
    }

    /// Completes an item that has left the shelf.
    #[inline]
    fn left(&mut self, (entry, stored): (Entry<D::Rank>, Stored<T>)) -> Taken<T, D::Rank> {
        let Entry { rank, seq, since, .. } = entry;
        self.odd -= usize::from(stored.mark != Mark::PLAIN);
        let (attempt, tag) = self.extras.take_out(stored.mark);
        if !tag.is_light() {
            self.forget(seq, &tag);
        }
        Taken { item: stored.item, place: Place { seq, since, attempt, rank, tag } }
    }

    /// Takes out an item that the discipline did not choose.
    fn remove(&mut self, entry: Entry<D::Rank>) -> Option<Taken<T, D::Rank>> {
        let stored = self.shelf.remove(entry)?;
        Some(self.left((entry, stored)))
    }

    /// The class of a rank.
    #[inline]
    fn class(&self, rank: D::Rank) -> usize {
        self.shelf.discipline().class(rank)
    }

    fn tally(&mut self, rank: D::Rank) -> &mut Tally {
        let class = self.class(rank);
        &mut self.tallies[class]
    }

    /// Lays in what goes with an item that is put on the shelf.
    #[inline]
    fn lay_in(&mut self, attempt: u32, tag: Tag) -> Mark {
        let mark = self.extras.lay_in(attempt, tag);
        self.odd += usize::from(mark != Mark::PLAIN);
        mark
    }

    /// Takes out the next item where none is odd.
    #[inline]
    fn pop_even(&mut self) -> Option<T> {
        let (_, Stored { item, .. }) = self.shelf.next(self.clock.now())?;
        Some(item)
    }

    /// Takes out the next item: the item, and its weight.
    #[inline(never)]
    fn pop_any(&mut self) -> Option<(T, usize)> {
        let (Entry { seq, .. }, Stored { item, mark }) = self.shelf.next(self.clock.now())?;
        self.odd -= usize::from(mark != Mark::PLAIN);
        let weight = mark.weight().unwrap_or_else(|| self.unpack(seq, mark));
        Some((item, weight))
    }

    /// Takes out the tag of an item that is served and has more than its weight. Returns the weight.
    #[cold]
    fn unpack(&mut self, seq: u64, mark: Mark) -> usize {
        let (_, tag) = self.extras.take_out(mark);
        self.forget(seq, &tag);
        tag.weight()
    }

    fn next_number(&mut self) -> u64 {
        let seq = self.next;
        self.next += 1;
        seq
    }
}

impl<T: Send, D: Discipline> Items<T, D::Rank> for Ordered<T, D> {
    fn len(&self) -> usize {
        self.shelf.len()
    }

    #[inline]
    fn push(&mut self, item: T, rank: D::Rank, tag: Tag) {
        let (seq, since) = (self.next_number(), self.clock.now());
        tag.tell_number(seq);
        let more = (!tag.is_light()).then(|| (tag.expires(), tag.is_tracked()));
        let mark = self.lay_in(1, tag);
        let entry = self.shelf.insert(rank, seq, since, Stored { item, mark });
        if let Some(more) = more {
            self.remember(entry, more);
        }
    }

    #[inline(always)]
    fn push_plain(&mut self, item: T, rank: D::Rank) {
        let (seq, since) = (self.next_number(), self.clock.now());
        self.shelf.insert(rank, seq, since, Stored { item, mark: Mark::PLAIN });
    }

    fn extend(&mut self, items: impl Iterator<Item = T>, rank: D::Rank) {
        items.for_each(|item| self.push_plain(item, rank));
    }

    #[inline]
    fn pop(&mut self) -> Option<Taken<T, D::Rank>> {
        let next = self.shelf.next(self.clock.now())?;
        Some(self.left(next))
    }

    #[inline]
    fn pop_plain(&mut self) -> Option<T> {
        // Where it is timed, somebody wants to know how long the item waited.
        if self.odd > 0 || self.timed { None } else { self.pop_even() }
    }

    #[inline]
    fn pop_item(&mut self) -> Option<(T, usize)> {
        if self.odd > 0 { self.pop_any() } else { self.pop_even().map(|item| (item, 1)) }
    }

    fn pop_last(&mut self) -> Option<Taken<T, D::Rank>> {
        let last = self.shelf.pop_last()?;
        Some(self.left(last))
    }

    fn pop_expired(&mut self, now: Moment) -> Option<Taken<T, D::Rank>> {
        let taken = match self.mortal.first_key_value() {
            Some((&(expires, _), &entry)) if expires <= now => self.remove(entry)?,
            _ if self.shelf.discipline().gives_up() => {
                let overdue = self.shelf.overdue(self.clock.now())?;
                self.left(overdue)
            }
            _ => return None,
        };
        self.tally(taken.place.rank).expired += 1;
        Some(taken)
    }

    fn put_back(&mut self, returned: Taken<T, D::Rank>) {
        let Taken { item, place: Place { seq, since, attempt, rank, tag } } = returned;
        let more = (!tag.is_light()).then(|| (tag.expires(), tag.is_tracked()));
        let mark = self.lay_in(attempt, tag);
        let entry = self.shelf.put_back(rank, seq, since, Stored { item, mark });
        if let Some(more) = more {
            self.remember(entry, more);
        }
    }

    fn newest(&self) -> u64 {
        self.next - 1
    }

    fn has_mortal(&self) -> bool {
        // Also while the shelf is empty: an item that comes then must be looked at even without a time to live.
        !self.mortal.is_empty() || self.shelf.discipline().gives_up()
    }

    fn next_expiry(&self) -> Option<Moment> {
        let mortal = self.mortal.first_key_value().map(|(&(expires, _), _)| expires);
        let discipline = self.shelf.discipline();
        let overdue = discipline.overdue_from().filter(|_| discipline.gives_up());
        mortal.into_iter().chain(overdue.and_then(|from| self.clock.moment(from))).min()
    }

    fn pass_through(&mut self, rank: D::Rank, tag: Tag) -> Place<D::Rank> {
        self.tally(rank).passed_through += 1;
        Place { seq: self.next_number(), since: self.clock.now(), attempt: 1, rank, tag }
    }

    /// Looks at every item if the time is known, to find the oldest ones.
    fn class_stats(&self) -> Vec<ClassStats> {
        let discipline = self.shelf.discipline();
        let mut oldest = vec![None; self.tallies.len()];
        if self.timed || discipline.uses_time() {
            self.shelf.for_each(&mut |Entry { rank, since, .. }| {
                let oldest = &mut oldest[discipline.class(rank)];
                *oldest = Some(oldest.map_or(since, |other: Tick| other.min(since)));
            });
        }
        let now = self.clock.now();
        let names = discipline.classes();
        let each = self.tallies.iter().zip(oldest).enumerate();
        each.map(|(class, (&Tally { passed_through, unserved, displaced, expired, shed }, oldest))| {
            ClassStats {
                class: names.get(class).cloned().unwrap_or_default(),
                waiting: self.shelf.len_of(class),
                oldest: oldest.map(|since| Duration::from_nanos(now.saturating_sub(since))),
                served: self.shelf.served(class) + passed_through - unserved,
                promoted: self.shelf.promoted(class),
                displaced,
                expired,
                shed,
            }
        })
        .collect()
    }

    fn waited(&self, since: Tick) -> Option<Duration> {
        self.timed.then(|| Duration::from_nanos(self.clock.now().saturating_sub(since)))
    }

    fn is_class_full(&self, rank: D::Rank) -> bool {
        // Most of the time no class is bounded.
        !self.most.is_empty() && {
            let class = self.class(rank);
            self.shelf.len_of(class) >= self.most[class]
        }
    }

    fn refused(&mut self, rank: D::Rank) {
        self.tally(rank).shed += 1;
    }

    fn displaced(&mut self, rank: D::Rank) {
        self.tally(rank).displaced += 1;
    }

    fn unserved(&mut self, rank: D::Rank) {
        self.tally(rank).unserved += 1;
    }
}
