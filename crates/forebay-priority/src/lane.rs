//! First in, first out, with removal from anywhere and return to the old place.

use std::collections::{BTreeMap, VecDeque};
use std::iter;

use forebay_queue::Tick;

/// An item in a lane.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slot<X, P> {
    pub(crate) seq: u64,
    /// When it came, where a clock is used; otherwise 0.
    pub(crate) since: Tick,
    /// What the discipline notes of it.
    pub(crate) more: X,
    pub(crate) what: P,
}

/// The items of one class or key, by their numbers: their ids, or the items themselves.
///
/// Most items join at the end and leave at the front, and use only a ring. An item that comes back, or comes over from
/// another lane, is older than the last one and goes into an ordered map beside the ring. Joining and leaving are O(1), all
/// else O(log n). A removed item leaves a gap in the ring, and there are never more gaps than other places.
#[derive(Debug, Clone)]
pub(crate) struct Lane<X = (), P = u32> {
    /// In ascending order.
    ring: VecDeque<Place<X, P>>,
    /// Is there nothing to be found in `aside`?
    plain: bool,
    /// Allocated once there was something.
    aside: Option<Box<Aside<X, P>>>,
}

/// A place in the ring. Small, since a long ring does not fit into the processor's cache.
#[derive(Debug, Clone)]
struct Place<X, P> {
    seq: u64,
    more: X,
    /// `None` for an item that was removed; the first and the last place always have one.
    what: Option<P>,
}

/// What most lanes do not need.
#[derive(Debug, Clone)]
struct Aside<X, P> {
    gaps: usize,
    returned: BTreeMap<u64, (Tick, X, P)>,
    /// When the items in the ring came; empty if all came at 0.
    times: VecDeque<Tick>,
}

/// For how many items an empty ring keeps its memory.
const KEPT: usize = 1024;

// === impl Lane ===

impl<X: Copy, P> Lane<X, P> {
    pub(crate) fn new() -> Self {
        Self { ring: VecDeque::new(), plain: true, aside: None }
    }

    pub(crate) fn len(&self) -> usize {
        self.aside().map_or(self.ring.len(), |aside| self.ring.len() - aside.gaps + aside.returned.len())
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.ring.is_empty() && self.is_in_order()
    }

    /// Adds an item whose number is higher than all before.
    #[inline]
    pub(crate) fn push(&mut self, seq: u64, since: Tick, more: X, what: P) {
        self.ring.push_back(Place { seq, more, what: Some(what) });
        if since > 0 || !self.plain {
            self.note_time(since);
        }
    }

    /// Notes when the last item came.
    #[inline(never)]
    fn note_time(&mut self, since: Tick) {
        let others = self.ring.len() - 1;
        let times = &mut self.aside.get_or_insert_default().times;
        if since > 0 || !times.is_empty() {
            times.resize(others, 0);
            times.push_back(since);
            self.plain = false;
        }
    }

    /// Adds an item, wherever its place is.
    #[inline]
    pub(crate) fn insert(&mut self, seq: u64, since: Tick, more: X, what: P) {
        if self.ring.back().is_none_or(|last| last.seq < seq) {
            self.push(seq, since, more, what);
        } else {
            self.aside.get_or_insert_default().returned.insert(seq, (since, more, what));
            self.plain = false;
        }
    }

    /// Did none of the items in the lane come back, or come over from another lane?
    #[inline]
    pub(crate) fn is_in_order(&self) -> bool {
        self.aside().is_none_or(|aside| aside.returned.is_empty())
    }

    /// The oldest item.
    #[inline]
    pub(crate) fn first(&self) -> Option<Slot<X, &P>> {
        match self.aside() {
            None => self.ring.front()?.shown(0),
            Some(aside) => aside.first(&self.ring),
        }
    }

    /// The youngest item.
    pub(crate) fn last(&self) -> Option<Slot<X, &P>> {
        let returned = self.aside().and_then(|aside| aside.returned.last_key_value()).map(shown);
        let since = self.aside().and_then(|aside| aside.times.back()).copied();
        match (self.ring.back().and_then(|last| last.shown(since.unwrap_or(0))), returned) {
            (Some(last), Some(returned)) if last.seq < returned.seq => Some(returned),
            (Some(last), _) => Some(last),
            (None, returned) => returned,
        }
    }

    #[inline]
    pub(crate) fn pop_first(&mut self) -> Option<Slot<X, P>> {
        if !self.plain {
            return self.pop_first_of_both();
        }
        let first = self.ring.pop_front()?;
        if self.ring.is_empty() && self.ring.capacity() > KEPT {
            self.shrink();
        }
        first.taken(0)
    }

    /// The same if there is something in `aside`.
    #[inline(never)]
    fn pop_first_of_both(&mut self) -> Option<Slot<X, P>> {
        let Slot { seq, since, .. } = self.first()?;
        let first = if self.ring.front().is_some_and(|front| front.seq == seq) {
            let first = self.ring.pop_front()?;
            self.aside.as_mut()?.times.pop_front();
            first.taken(since)
        } else {
            self.aside.as_mut()?.returned.pop_first().map(returned)
        };
        self.trim();
        first
    }

    pub(crate) fn pop_last(&mut self) -> Option<Slot<X, P>> {
        let Slot { seq, since, .. } = self.last()?;
        let last = if self.ring.back().is_some_and(|back| back.seq == seq) {
            let last = self.ring.pop_back()?;
            self.aside.as_mut().and_then(|aside| aside.times.pop_back());
            last.taken(since)
        } else {
            self.aside.as_mut()?.returned.pop_last().map(returned)
        };
        self.trim();
        last
    }

    /// Takes out the item with this number.
    pub(crate) fn remove(&mut self, seq: u64) -> Option<Slot<X, P>> {
        let removed = match self.aside.as_mut().and_then(|aside| aside.returned.remove_entry(&seq)) {
            Some(was) => returned(was),
            None => {
                let at = self.ring.binary_search_by_key(&seq, |place| place.seq).ok()?;
                let Place { more, ref mut what, .. } = self.ring[at];
                let what = what.take()?;
                let aside = self.aside.get_or_insert_default();
                aside.gaps += 1;
                Slot { seq, since: aside.times.get(at).copied().unwrap_or(0), more, what }
            }
        };
        self.trim();
        Some(removed)
    }

    /// All items, in any order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Slot<X, &P>> {
        let times = self.aside().into_iter().flat_map(|aside| aside.times.iter().copied());
        let in_ring = self.ring.iter().zip(times.chain(iter::repeat(0)));
        let returned = self.aside().into_iter().flat_map(|aside| aside.returned.iter().map(shown));
        in_ring.filter_map(|(place, since)| place.shown(since)).chain(returned)
    }

    /// The notes of the items that neither came back nor came over from another lane, in order, and perhaps of some that
    /// were removed. Leaves out those that are `too_low`; the notes must grow from one item to the next.
    #[inline]
    pub(crate) fn in_order(&self, too_low: impl Fn(X) -> bool) -> impl Iterator<Item = X> {
        let low = match self.ring.front() {
            Some(front) if too_low(front.more) => self.ring.partition_point(|place| too_low(place.more)),
            _ => 0,
        };
        self.ring.range(low..).map(|place| place.more)
    }

    /// Called when the lane is empty, and perhaps not used for long: keeps room for a few items.
    pub(crate) fn rest(&mut self) {
        const FEW: usize = 8;
        if self.ring.capacity() > FEW {
            self.ring = VecDeque::new();
        }
        if self.aside.as_ref().is_some_and(|aside| aside.times.capacity() > FEW) {
            self.aside = None;
        }
    }

    #[inline]
    fn aside(&self) -> Option<&Aside<X, P>> {
        if self.plain { None } else { self.aside.as_deref() }
    }

    /// Removes the gaps at both ends, and others if there are too many. Finds whether there is anything in `aside`.
    fn trim(&mut self) {
        if let Some(aside) = &mut self.aside {
            aside.trim(&mut self.ring);
            self.plain = aside.is_empty();
        }
        if self.ring.is_empty() {
            self.shrink();
        }
    }

    /// Called when empty: frees the memory that a burst has needed.
    #[cold]
    fn shrink(&mut self) {
        if self.ring.capacity() > KEPT {
            self.ring.shrink_to(KEPT);
        }
        if let Some(aside) = &mut self.aside
            && aside.times.capacity() > KEPT
        {
            aside.times.shrink_to(KEPT);
        }
    }
}

// === impl Place ===

impl<X: Copy, P> Place<X, P> {
    fn is_gap(&self) -> bool {
        self.what.is_none()
    }

    #[inline]
    fn shown(&self, since: Tick) -> Option<Slot<X, &P>> {
        let Self { seq, more, ref what } = *self;
        what.as_ref().map(|what| Slot { seq, since, more, what })
    }

    #[inline]
    fn taken(self, since: Tick) -> Option<Slot<X, P>> {
        let Self { seq, more, what } = self;
        what.map(|what| Slot { seq, since, more, what })
    }
}

// === impl Aside ===

impl<X: Copy, P> Aside<X, P> {
    fn is_empty(&self) -> bool {
        self.gaps == 0 && self.returned.is_empty() && self.times.is_empty()
    }

    #[inline(never)]
    fn first<'a>(&'a self, ring: &'a VecDeque<Place<X, P>>) -> Option<Slot<X, &'a P>> {
        let returned = self.returned.first_key_value().map(shown);
        let since = self.times.front().copied().unwrap_or(0);
        match (ring.front().and_then(|first| first.shown(since)), returned) {
            (Some(first), Some(returned)) if first.seq > returned.seq => Some(returned),
            (Some(first), _) => Some(first),
            (None, returned) => returned,
        }
    }

    fn trim(&mut self, ring: &mut VecDeque<Place<X, P>>) {
        while self.gaps > 0 && ring.front().is_some_and(Place::is_gap) {
            ring.pop_front();
            self.times.pop_front();
            self.gaps -= 1;
        }
        while self.gaps > 0 && ring.back().is_some_and(Place::is_gap) {
            ring.pop_back();
            self.times.pop_back();
            self.gaps -= 1;
        }
        if self.gaps > ring.len() / 2 {
            let mut places = ring.iter();
            self.times.retain(|_| places.next().is_some_and(|place| !place.is_gap()));
            ring.retain(|place| !place.is_gap());
            self.gaps = 0;
        }
    }
}

impl<X, P> Default for Aside<X, P> {
    fn default() -> Self {
        Self { gaps: 0, returned: BTreeMap::new(), times: VecDeque::new() }
    }
}

fn shown<'a, X: Copy, P>((&seq, (since, more, what)): (&u64, &'a (Tick, X, P))) -> Slot<X, &'a P> {
    Slot { seq, since: *since, more: *more, what }
}

fn returned<X, P>((seq, (since, more, what)): (u64, (Tick, X, P))) -> Slot<X, P> {
    Slot { seq, since, more, what }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::{Aside, KEPT, Lane, Slot};

    fn known<P>(slot: Slot<(), P>) -> (u64, u64) {
        (slot.seq, slot.since)
    }

    proptest! {
        #[test]
        fn lane_is_an_ordered_set(ops in proptest::collection::vec((0_u8..6, any::<u16>()), 1..400)) {
            let (mut lane, mut model, mut next) = (Lane::new(), BTreeSet::new(), 0_u64);
            // Some items come while no clock is used.
            let since = |seq: u64| (seq % 50).saturating_sub(20);
            for (op, choice) in ops {
                let choice = u64::from(choice);
                match op {
                    0 | 1 => {
                        lane.insert(next, since(next), (), next as u32);
                        model.insert(next);
                        next += 1;
                    }
                    2 => prop_assert_eq!(lane.pop_first().map(known), model.pop_first().map(|seq| (seq, since(seq)))),
                    3 => prop_assert_eq!(lane.pop_last().map(known), model.pop_last().map(|seq| (seq, since(seq)))),
                    4 if next > 0 => {
                        let seq = choice % next;
                        let removed = model.remove(&seq).then(|| (seq, since(seq)));
                        prop_assert_eq!(lane.remove(seq).map(known), removed);
                    }
                    _ if next > 0 => {
                        let seq = choice % next;
                        if model.insert(seq) {
                            lane.insert(seq, since(seq), (), seq as u32);
                        }
                    }
                    _ => {}
                }
                prop_assert_eq!(lane.len(), model.len());
                prop_assert_eq!(lane.is_empty(), model.is_empty());
                let shown = |seq: &u64| (*seq, since(*seq));
                prop_assert_eq!(lane.first().map(known), model.first().map(shown));
                prop_assert_eq!(lane.last().map(known), model.last().map(shown));
                prop_assert_eq!(lane.iter().map(known).collect::<BTreeSet<_>>(), model.iter().map(shown).collect());
                let aside = lane.aside.as_deref();
                prop_assert!(aside.is_none_or(|aside| aside.gaps <= lane.ring.len() / 2));
                prop_assert_eq!(lane.plain, aside.is_none_or(Aside::is_empty));
            }
        }
    }

    #[test]
    fn burst_leaves_no_memory_behind() {
        for since in [0, 1] {
            let mut lane = Lane::new();
            (0..100_000).for_each(|seq| lane.push(seq, since, (), 0));
            while lane.pop_first().is_some() {}
            assert!(lane.ring.capacity() <= KEPT, "{}", lane.ring.capacity());
            let times = lane.aside.map_or(0, |aside| aside.times.capacity());
            assert!(times <= KEPT, "{times}");
        }
    }
}
