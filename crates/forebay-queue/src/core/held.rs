//! What a queue holds: items that can be taken, items put off, items in a consumer's hands.

use std::collections::BTreeMap;
use std::time::Duration;

use slab::Slab;

use super::moment::{self, Moment};
use super::ordered::Ordered;
use super::tag::{Parcel, Tag};
use crate::{ClassStats, Discipline, Receipt, Tick};

/// The items that can be taken, in the order of their line.
///
/// Each item is numbered by arrival, and keeps its number until it has ended. Numbers decide between equals.
pub trait Items<T, R> {
    /// How many items there are.
    fn len(&self) -> usize;

    /// Adds a new item.
    fn push(&mut self, item: T, rank: R, tag: Tag);

    /// The same for an item that brings nothing but its value.
    fn push_plain(&mut self, item: T, rank: R) {
        self.push(item, rank, Tag::default());
    }

    /// Adds new items, all of this rank and without anything beside their values.
    fn extend(&mut self, items: impl Iterator<Item = T>, rank: R);

    /// Takes out the next item.
    fn pop(&mut self) -> Option<Taken<T, R>>;

    /// The same for an item that brings nothing but its value and weighs 1; `None` if it brings more, or may.
    fn pop_plain(&mut self) -> Option<T> {
        None
    }

    /// Takes out the next item, of which only the value is wanted: the value, and its weight.
    fn pop_item(&mut self) -> Option<(T, usize)> {
        self.pop().map(|Taken { item, place }| (item, place.tag.weight()))
    }

    /// Takes out the last item in the order.
    fn pop_last(&mut self) -> Option<Taken<T, R>>;

    /// Takes out an expired item, where one is known at once.
    fn pop_expired(&mut self, now: Moment) -> Option<Taken<T, R>>;

    /// Puts an item that was taken out back in its old place.
    fn put_back(&mut self, returned: Taken<T, R>);

    /// The number of the newest item, which is still there.
    fn newest(&self) -> u64;

    /// Has any item a time to live?
    fn has_mortal(&self) -> bool;

    /// When [`pop_expired`](Self::pop_expired) takes out the next item, if that is known.
    fn next_expiry(&self) -> Option<Moment>;

    /// The place of an item that passes from hand to hand without being stored.
    fn pass_through(&mut self, rank: R, tag: Tag) -> Place<R>;

    /// How long ago `since` was, as read from an item's place; `None` where nobody wants to know.
    fn waited(&self, since: Tick) -> Option<Duration>;

    /// Notes that an item that was taken out was displaced.
    fn displaced(&mut self, _rank: R) {}

    /// Is the class of this rank bounded, and does it have as many waiting items as it may?
    fn is_class_full(&self, _rank: R) -> bool {
        false
    }

    /// Notes that a new item was refused, since the queue was full.
    fn refused(&mut self, _rank: R) {}

    /// What has become of the items of each class, where the line has an order.
    fn class_stats(&self) -> Vec<ClassStats> {
        Vec::new()
    }

    /// Notes that an item that was taken out by `pop` is not served.
    fn unserved(&mut self, _rank: R) {}
}

/// The items of one queue, guarded by its lock.
pub(crate) struct Held<T, I, R> {
    items: I,
    /// Items that came back and cannot be taken before they are due.
    put_off: BTreeMap<(Moment, u64), Taken<T, R>>,
    in_hand: Slab<InHand<R>>,
    /// How many items were taken by value and are not done. None of them can come back.
    tapped: usize,
    /// Where items with a ticket are that cannot be taken now, by their number.
    away: BTreeMap<u64, Away>,
    /// How many deliveries were made: tells apart deliveries that had the same slot in `in_hand`.
    handed_out: u32,
    /// The weight of all waiting items beyond 1 each, so that most items need no counting. It wraps around, so that
    /// unbounded weights do no harm.
    overweight: usize,
}

/// An item on its way out.
pub struct Taken<T, R> {
    pub(crate) item: T,
    pub(crate) place: Place<R>,
}

/// Where an item belongs, and what goes with it.
pub struct Place<R> {
    pub(crate) seq: u64,
    /// When the item came, where that is known; otherwise 0.
    pub(crate) since: Tick,
    pub(crate) attempt: u32,
    pub(crate) rank: R,
    pub(crate) tag: Tag,
}

/// Where a tracked item is while it cannot be taken.
#[derive(Clone, Copy)]
enum Away {
    PutOff(Moment),
    /// At this key of `in_hand`.
    InHand(usize),
}

/// What is known of a delivery while a consumer has its item.
pub(crate) struct InHand<R> {
    receipt: Receipt,
    place: Place<R>,
}

// === impl Held ===

impl<T, I: Items<T, R>, R> Held<T, I, R> {
    pub(crate) fn new(items: I) -> Self {
        Self {
            items,
            put_off: BTreeMap::new(),
            in_hand: Slab::new(),
            tapped: 0,
            away: BTreeMap::new(),
            handed_out: 0,
            overweight: 0,
        }
    }

    pub(crate) fn items(&mut self) -> &mut I {
        &mut self.items
    }

    /// Items that can be taken now.
    pub(crate) fn ready(&self) -> usize {
        self.items.len()
    }

    /// Items that wait, whether they can be taken now or later.
    pub(crate) fn waiting(&self) -> usize {
        self.ready() + self.put_off.len()
    }

    /// What has become of the items of each class, where the line has an order.
    pub(crate) fn class_stats(&self) -> Vec<ClassStats> {
        self.items.class_stats()
    }

    /// Is the class of this rank bounded, and does it have as many waiting items as it may?
    #[inline]
    pub(crate) fn is_class_full(&self, rank: R) -> bool {
        self.items.is_class_full(rank)
    }

    /// Notes that a new item was refused, since the queue was full.
    pub(crate) fn refused(&mut self, rank: R) {
        self.items.refused(rank);
    }

    pub(crate) fn in_hand(&self) -> usize {
        self.in_hand.len() + self.tapped
    }

    /// Notes that a consumer has an item by value.
    pub(crate) fn tap(&mut self) {
        self.tapped += 1;
    }

    /// Ends what `tap` began.
    pub(crate) fn untap(&mut self) {
        self.tapped -= 1;
    }

    /// The weight of all waiting items.
    pub(crate) fn weight(&self) -> usize {
        self.waiting().wrapping_add(self.overweight)
    }

    /// Counts in an item of this weight that begins to wait.
    #[inline]
    fn put_on(&mut self, weight: usize) {
        self.overweight = self.overweight.wrapping_add(weight.wrapping_sub(1));
    }

    #[inline]
    fn take_off(&mut self, weight: usize) {
        self.overweight = self.overweight.wrapping_sub(weight.wrapping_sub(1));
    }

    #[inline]
    pub(crate) fn push(&mut self, parcel: Parcel<T, R>) {
        if parcel.tag.is_plain() {
            self.push_plain(parcel.item, parcel.rank)
        } else {
            self.push_tagged(parcel)
        }
    }

    #[cold]
    fn push_tagged(&mut self, parcel: Parcel<T, R>) {
        let Parcel { item, rank, mut tag } = parcel;
        tag.begin();
        self.put_on(tag.weight());
        self.items.push(item, rank, tag);
    }

    /// The same for an item that brings nothing but its value.
    #[inline(always)]
    pub(crate) fn push_plain(&mut self, item: T, rank: R) {
        self.items.push_plain(item, rank);
    }

    /// Adds an item, and returns its number.
    pub(crate) fn push_numbered(&mut self, parcel: Parcel<T, R>) -> u64 {
        self.push(parcel);
        self.items.newest()
    }

    /// Undoes a `pop`.
    pub(crate) fn restore(&mut self, taken: Taken<T, R>) {
        self.put_on(taken.place.tag.weight());
        self.items.put_back(taken);
    }

    /// Adds items of this rank without anything beside their values.
    pub(crate) fn extend(&mut self, items: impl Iterator<Item = T>, rank: R) {
        self.items.extend(items, rank);
    }

    /// The next item if it is a plain one, and is known to be.
    #[inline]
    pub(crate) fn pop_plain(&mut self) -> Option<T> {
        self.items.pop_plain()
    }

    /// Takes the next item, of which only the value is wanted.
    #[inline]
    pub(crate) fn pop_item(&mut self) -> Option<T> {
        let (item, weight) = self.items.pop_item()?;
        self.take_off(weight);
        Some(item)
    }

    /// Takes the next item.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<Taken<T, R>> {
        let taken = self.items.pop();
        self.lighten(taken)
    }

    /// How long an item waited, if it is taken for the first time and somebody wants to know.
    pub(crate) fn waited(&self, place: &Place<R>) -> Option<Duration> {
        if place.attempt == 1 { self.items.waited(place.since) } else { None }
    }

    /// Takes the next item, but not to serve it.
    pub(crate) fn pop_first(&mut self) -> Option<Taken<T, R>>
    where
        R: Copy,
    {
        let taken = self.pop()?;
        self.items.unserved(taken.place.rank);
        Some(taken)
    }

    /// Takes the last item in the order.
    pub(crate) fn pop_last(&mut self) -> Option<Taken<T, R>> {
        let taken = self.items.pop_last();
        self.lighten(taken)
    }

    /// Takes the item that was put off and is due first.
    pub(crate) fn pop_put_off(&mut self) -> Option<Taken<T, R>> {
        let taken = self.put_off.pop_first().map(|(_, returned)| returned);
        taken.iter().for_each(|taken| self.come_back(&taken.place));
        self.lighten(taken)
    }

    /// Has any item that can be taken a time to live?
    pub(crate) fn has_mortal(&self) -> bool {
        self.items.has_mortal()
    }

    /// When the next item expires, if that is known.
    pub(crate) fn next_expiry(&self) -> Option<Moment> {
        self.items.next_expiry()
    }

    /// Takes an expired item.
    pub(crate) fn pop_expired(&mut self) -> Option<Taken<T, R>> {
        let taken = self.items.pop_expired(moment::clock());
        self.lighten(taken)
    }

    /// Counts out the weight of an item that was taken from `items` or `put_off`.
    pub(crate) fn lighten(&mut self, taken: Option<Taken<T, R>>) -> Option<Taken<T, R>> {
        if let Some(taken) = &taken {
            self.take_off(taken.place.tag.weight());
        }
        taken
    }

    /// Notes that a consumer has the item that was in `place`, and returns its receipt.
    pub(crate) fn hand_out(&mut self, place: Place<R>) -> Receipt {
        self.handed_out = self.handed_out.wrapping_add(1);
        let slot = self.in_hand.vacant_entry();
        if place.tag.is_tracked() {
            self.away.insert(place.seq, Away::InHand(slot.key()));
        }
        let receipt = Receipt::new((slot.key() as u64) << 32 | u64::from(self.handed_out));
        slot.insert(InHand { receipt, place });
        receipt
    }

    /// Ends what `hand_out` began; `None` if it ended before.
    pub(crate) fn take_back(&mut self, receipt: Receipt) -> Option<Place<R>> {
        let key = (receipt.get() >> 32) as usize;
        let known = self.in_hand.get(key).is_some_and(|hand| hand.receipt == receipt);
        known.then(|| {
            let place = self.in_hand.remove(key).place;
            self.come_back(&place);
            place
        })
    }

    fn come_back(&mut self, place: &Place<R>) {
        if place.tag.is_tracked() {
            self.away.remove(&place.seq);
        }
    }

    /// Puts an item back in its place, for the next attempt, at once or when it is due.
    pub(crate) fn put_back(&mut self, item: T, mut place: Place<R>, due: Option<Moment>) {
        place.attempt = place.attempt.saturating_add(1);
        self.put_on(place.tag.weight());
        match due {
            Some(due) => {
                if place.tag.is_tracked() {
                    self.away.insert(place.seq, Away::PutOff(due));
                }
                self.put_off.insert((due, place.seq), Taken { item, place });
            }
            None => self.items.put_back(Taken { item, place }),
        }
    }

    /// Is any item put off?
    pub(crate) fn has_put_off(&self) -> bool {
        !self.put_off.is_empty()
    }

    pub(crate) fn next_due(&self) -> Option<Moment> {
        self.put_off.first_key_value().map(|(&(due, _), _)| due)
    }

    /// Makes due items ready. `now` is `None` where the time is not known, and then everything is due.
    pub(crate) fn ripen(&mut self, now: Option<Moment>) {
        while let Some(first) = self.put_off.first_entry()
            && now.is_none_or(|now| first.key().0 <= now)
        {
            let returned = first.remove();
            if returned.place.tag.is_tracked() {
                self.away.remove(&returned.place.seq);
            }
            self.items.put_back(returned);
        }
    }

    /// Takes everything that waits, in order, and not to serve it.
    pub(crate) fn drain(&mut self) -> Vec<T>
    where
        R: Copy,
    {
        self.ripen(None);
        let mut all = Vec::with_capacity(self.waiting());
        all.extend(std::iter::from_fn(|| self.pop_first()).map(|taken| taken.item));
        all
    }
}

impl<T: Send, D: Discipline> Held<T, Ordered<T, D>, D::Rank> {
    /// Takes out the tracked item with this number, unless it is in hand.
    pub(crate) fn remove_tracked(&mut self, seq: u64) -> Option<Taken<T, D::Rank>> {
        let taken = self.items.remove_tracked(seq).or_else(|| {
            let Some(&Away::PutOff(due)) = self.away.get(&seq) else { return None };
            self.away.remove(&seq);
            self.put_off.remove(&(due, seq))
        });
        self.lighten(taken)
    }

    /// The rank of the tracked item with this number, wherever it is.
    pub(crate) fn rank_of(&self, seq: u64) -> Option<D::Rank> {
        self.items.rank_of(seq).or_else(|| match *self.away.get(&seq)? {
            Away::PutOff(due) => self.put_off.get(&(due, seq)).map(|returned| returned.place.rank),
            Away::InHand(key) => self.in_hand.get(key).map(|hand| hand.place.rank),
        })
    }

    /// Gives the tracked item with this number another rank. An item that is put off or in hand has it when it comes back.
    pub(crate) fn rerank(&mut self, seq: u64, rank: D::Rank) -> bool {
        if self.items.rerank(seq, rank) {
            return true;
        }
        let place = match self.away.get(&seq) {
            Some(&Away::PutOff(due)) => self.put_off.get_mut(&(due, seq)).map(|returned| &mut returned.place),
            Some(&Away::InHand(key)) => self.in_hand.get_mut(key).map(|hand| &mut hand.place),
            None => None,
        };
        place.map(|place| place.rank = rank).is_some()
    }
}
