//! The items of a queue that is first in, first out.
//!
//! Every item has a sequence number by its arrival. New items leave in that order, so whatever came back is older than
//! the front of the ring, and goes out before it: an item that returns takes its old place without a search. The ring
//! stores no numbers; they follow from the number of its front.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::held::{Items, Place, Taken};
use super::moment::Moment;
use super::stamp::Stamp;
use super::tag::Tag;
use crate::Tick;

/// A ring of items that may be tagged, and the items that came back.
pub struct Ring<T> {
    ring: VecDeque<T>,
    /// The tags of the items in `ring`, kept once an item has brought more than its value. A queue that never sees such an
    /// item pays only a look at this.
    tags: Option<VecDeque<Tag>>,
    /// Sequence number of the front of `ring`.
    front: u64,
    /// Items that came back and can be taken, by sequence number.
    returned: BTreeMap<u64, Taken<T, ()>>,
    /// How many of all items have a time to live.
    mortal: usize,
    /// When one of the items in `ring` came, where somebody wants to know.
    stamp: Stamp,
}

/// For how many items an empty ring keeps its memory.
const KEPT: usize = 4096;

// === impl Ring ===

impl<T> Ring<T> {
    /// `timed`: does somebody want to know when items came?
    pub(crate) fn new(timed: bool) -> Self {
        Self {
            ring: VecDeque::new(),
            tags: None,
            front: 0,
            returned: BTreeMap::new(),
            mortal: 0,
            stamp: Stamp::new(timed),
        }
    }

    fn taken(&mut self, seq: u64, item: T, tag: Option<Tag>) -> Taken<T, ()> {
        let tag = tag.unwrap_or_default();
        self.mortal -= usize::from(tag.expires().is_some());
        Taken { item, place: Place { seq, since: self.stamp.goes(seq), attempt: 1, rank: (), tag } }
    }

    /// Takes out the next item, and its weight.
    #[cold]
    fn pop_tagged(&mut self) -> Option<(T, usize)> {
        self.pop().map(|Taken { item, place }| (item, place.tag.weight()))
    }

    /// Keeps the tag of the item that is about to be stored.
    #[cold]
    fn push_tag(&mut self, tag: Tag) {
        self.mortal += usize::from(tag.expires().is_some());
        let tags = self.tags.get_or_insert_with(|| {
            let mut tags = VecDeque::new();
            tags.resize_with(self.ring.len(), Tag::default);
            tags
        });
        tags.push_back(tag);
    }

    /// Stores the item whose tag is kept, if it has to be. Always inlined: for most items, a call would cost as much as
    /// the rest.
    #[inline(always)]
    fn push_last(&mut self, item: T) {
        self.ring.push_back(item);
        self.stamp.came(self.newest());
    }

    /// The number of the last item in `ring`.
    fn last_number(&self) -> Option<u64> {
        let others = self.ring.len().checked_sub(1)?;
        Some(self.front + others as u64)
    }

    /// The number of the item that leaves now.
    fn next_number(&mut self) -> u64 {
        let seq = self.front;
        self.front += 1;
        seq
    }

    /// Called when the ring is empty: forgets the tags, and frees the memory that a burst has needed.
    #[cold]
    fn rest(&mut self) {
        self.tags = None;
        if self.ring.capacity() > KEPT {
            self.ring.shrink_to(KEPT);
        }
    }

    /// The tag of the next item.
    fn next_tag(&self) -> Option<&Tag> {
        match self.returned.first_key_value() {
            Some((_, returned)) => Some(&returned.place.tag),
            None => self.tags.as_ref()?.front(),
        }
    }
}

impl<T> Items<T, ()> for Ring<T> {
    fn len(&self) -> usize {
        self.ring.len() + self.returned.len()
    }

    fn push(&mut self, item: T, (): (), tag: Tag) {
        if self.tags.is_some() || !tag.is_plain() {
            self.push_tag(tag);
        }
        self.push_last(item);
    }

    #[inline(always)]
    fn push_plain(&mut self, item: T, (): ()) {
        if self.tags.is_some() {
            self.push_tag(Tag::default());
        }
        self.push_last(item);
    }

    fn extend(&mut self, items: impl Iterator<Item = T>, (): ()) {
        self.ring.extend(items);
        if let Some(newest) = self.last_number() {
            self.stamp.came(newest);
        }
        if let Some(tags) = &mut self.tags {
            tags.resize_with(self.ring.len(), Tag::default);
        }
    }

    fn pop(&mut self) -> Option<Taken<T, ()>> {
        if let Some((_, returned)) = self.returned.pop_first() {
            self.mortal -= usize::from(returned.place.tag.expires().is_some());
            return Some(returned);
        }
        let item = self.ring.pop_front()?;
        let tag = self.tags.as_mut().and_then(VecDeque::pop_front);
        if self.ring.is_empty() && (self.tags.is_some() || self.ring.capacity() > KEPT) {
            self.rest();
        }
        let seq = self.next_number();
        Some(self.taken(seq, item, tag))
    }

    #[inline]
    fn pop_plain(&mut self) -> Option<T> {
        if self.tags.is_some() || !self.returned.is_empty() || self.stamp.is_of(self.front) {
            return None;
        }
        let item = self.ring.pop_front()?;
        self.front += 1;
        if self.ring.is_empty() && self.ring.capacity() > KEPT {
            self.rest();
        }
        Some(item)
    }

    #[inline]
    fn pop_item(&mut self) -> Option<(T, usize)> {
        match self.pop_plain() {
            Some(item) => Some((item, 1)),
            None => self.pop_tagged(),
        }
    }

    fn pop_last(&mut self) -> Option<Taken<T, ()>> {
        if let Some(item) = self.ring.pop_back() {
            let tag = self.tags.as_mut().and_then(VecDeque::pop_back);
            let seq = self.front + self.ring.len() as u64;
            return Some(self.taken(seq, item, tag));
        }
        let (_, returned) = self.returned.pop_last()?;
        self.mortal -= usize::from(returned.place.tag.expires().is_some());
        Some(returned)
    }

    /// Looks only at the front: in a line that is first in, first out, an item that expires behind it can wait its turn.
    fn pop_expired(&mut self, now: Moment) -> Option<Taken<T, ()>> {
        let expired = self.next_tag()?.expires().is_some_and(|expires| expires <= now);
        expired.then(|| self.pop()).flatten()
    }

    fn put_back(&mut self, returned: Taken<T, ()>) {
        self.mortal += usize::from(returned.place.tag.expires().is_some());
        self.returned.insert(returned.place.seq, returned);
    }

    fn newest(&self) -> u64 {
        self.front + self.ring.len() as u64 - 1
    }

    fn has_mortal(&self) -> bool {
        self.mortal > 0
    }

    fn next_expiry(&self) -> Option<Moment> {
        self.next_tag()?.expires()
    }

    fn pass_through(&mut self, (): (), tag: Tag) -> Place<()> {
        Place { seq: self.next_number(), since: 0, attempt: 1, rank: (), tag }
    }
    fn waited(&self, since: Tick) -> Option<Duration> {
        (since > 0).then(|| self.stamp.since(since))
    }
}
