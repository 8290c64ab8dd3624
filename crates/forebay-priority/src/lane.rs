//! First in, first out, with removal from anywhere and return to the old place.

use std::collections::{BTreeMap, VecDeque};
use std::iter;

use forebay_queue::Tick;

use crate::ring::Ring;

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
    ring: Ring<Place<X, P>>,
    /// From which the numbers in `ring` are counted, so that they need half a word.
    base: u64,
    /// Is there nothing to be found in `aside`?
    plain: bool,
    /// Allocated once there was something.
    aside: Option<Box<Aside<X, P>>>,
}

/// A place in the ring. Small, since a long ring does not fit into the processor's cache.
#[derive(Debug, Clone)]
struct Place<X, P> {
    /// How far its number is from the lane's `base`.
    seq: u32,
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

impl<X: Copy + Default, P> Lane<X, P> {
    pub(crate) fn new() -> Self {
        Self { ring: Ring::new(), base: 0, plain: true, aside: None }
    }

    pub(crate) fn len(&self) -> usize {
        self.aside().map_or(self.ring.len(), |aside| self.ring.len() - aside.gaps + aside.returned.len())
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.ring.is_empty() && self.is_in_order()
    }

    /// Adds an item whose number is higher than all before. Is there nothing unusual in the lane?
    #[inline]
    pub(crate) fn push(&mut self, seq: u64, since: Tick, more: X, what: P) -> bool {
        match u32::try_from(seq.wrapping_sub(self.base)) {
            Ok(seq) => self.push_near(seq, since, more, what),
            Err(_) => self.push_far(seq, since, more, what),
        }
    }

    #[inline]
    fn push_near(&mut self, seq: u32, since: Tick, more: X, what: P) -> bool {
        self.ring.push_back(Place { seq, more, what: Some(what) });
        let is_usual = since == 0 && self.plain;
        if !is_usual {
            self.note_time(since);
        }
        is_usual
    }

    /// Adds an item whose number is far from the base: moves that, or where the first item is at it, keeps the new one
    /// aside.
    #[cold]
    fn push_far(&mut self, seq: u64, since: Tick, more: X, what: P) -> bool {
        match self.ring.first() {
            None => self.base = seq,
            Some(first) if first.seq > u32::MAX / 2 => {
                let passed = first.seq;
                self.base += u64::from(passed);
                self.ring.for_each_mut(|place| place.seq -= passed);
            }
            Some(_) => {}
        }
        match u32::try_from(seq.wrapping_sub(self.base)) {
            Ok(seq) => self.push_near(seq, since, more, what),
            Err(_) => {
                self.push_aside(seq, since, more, what);
                false
            }
        }
    }

    /// Adds an item that the ring has no place for.
    #[cold]
    fn push_aside(&mut self, seq: u64, since: Tick, more: X, what: P) {
        self.aside.get_or_insert_default().returned.insert(seq, (since, more, what));
        self.plain = false;
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
        if self.ring.last().is_none_or(|last| self.number(last) < seq) {
            self.push(seq, since, more, what);
        } else {
            self.push_aside(seq, since, more, what);
        }
    }

    /// Did this item, which waits here, come back, or come over from another lane?
    pub(crate) fn is_aside(&self, seq: u64) -> bool {
        self.aside().is_some_and(|aside| aside.returned.contains_key(&seq))
    }

    /// The number of the oldest item of those that neither came back nor came over from another lane.
    pub(crate) fn first_in_order(&self) -> Option<(u64, X)> {
        self.ring.first().map(|first| (self.number(first), first.more))
    }

    /// Of how many of these, from the oldest on, this holds; and the note of the next one.
    pub(crate) fn count_in_order(&self, holds: impl Fn(X) -> bool) -> (usize, Option<X>) {
        let (mut places, mut gaps) = (0, 0);
        while let Some(place) = self.ring.get(places) {
            if !holds(place.more) {
                return (places - gaps, Some(place.more));
            }
            places += 1;
            gaps += usize::from(place.is_gap());
        }
        (places - gaps, None)
    }

    /// Is it known that nothing is unusual here: nobody came back, was removed, or came at a time?
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.plain
    }

    /// Did none of the items in the lane come back, or come over from another lane?
    #[inline]
    pub(crate) fn is_in_order(&self) -> bool {
        self.aside().is_none_or(|aside| aside.returned.is_empty())
    }

    /// The oldest item.
    #[inline]
    pub(crate) fn first(&self) -> Option<Slot<X, &P>> {
        if self.plain {
            self.ring.first().and_then(|first| self.shown(first, 0))
        } else {
            self.first_of_both()
        }
    }

    /// The youngest item.
    pub(crate) fn last(&self) -> Option<Slot<X, &P>> {
        let returned = self.aside().and_then(|aside| aside.returned.last_key_value()).map(shown);
        let since = self.aside().and_then(|aside| aside.times.back()).copied().unwrap_or(0);
        match (self.ring.last().and_then(|last| self.shown(last, since)), returned) {
            (Some(last), Some(returned)) if last.seq < returned.seq => Some(returned),
            (Some(last), _) => Some(last),
            (None, returned) => returned,
        }
    }

    #[inline]
    pub(crate) fn pop_first(&mut self) -> Option<Slot<X, P>> {
        if self.plain {
            let (seq, more, what, _) = self.pop_first_of_plain()?;
            Some(Slot { seq, since: 0, more, what })
        } else {
            self.pop_first_of_both()
        }
    }

    /// Takes out the oldest item of a plain lane: its number, its note, itself, and whether it was the last. Always inlined,
    /// since all this does not fit into registers.
    #[inline(always)]
    pub(crate) fn pop_first_of_plain(&mut self) -> Option<(u64, X, P, bool)> {
        // Nothing is in a free place.
        let take = |&mut Place { seq, more, ref mut what }: &mut _| Some((seq, more, what.take()?));
        let ((seq, more, what), is_empty) = self.ring.free_first(take)?;
        if self.ring.capacity() > KEPT {
            self.shrink_if_empty();
        }
        Some((self.base + u64::from(seq), more, what, is_empty))
    }

    /// The oldest item if there is something in `aside`.
    #[inline(never)]
    fn first_of_both(&self) -> Option<Slot<X, &P>> {
        let returned = self.aside().and_then(|aside| aside.returned.first_key_value()).map(shown);
        let since = self.aside().and_then(|aside| aside.times.front()).copied().unwrap_or(0);
        match (self.ring.first().and_then(|first| self.shown(first, since)), returned) {
            (Some(first), Some(returned)) if first.seq > returned.seq => Some(returned),
            (Some(first), _) => Some(first),
            (None, returned) => returned,
        }
    }

    #[inline(never)]
    fn pop_first_of_both(&mut self) -> Option<Slot<X, P>> {
        let Slot { seq, since, more, .. } = self.first()?;
        let first = match self.aside.as_mut()?.returned.remove_entry(&seq) {
            Some(was) => returned(was),
            None => {
                let what = self.ring.pop_front()?.what?;
                self.aside.as_mut()?.times.pop_front();
                Slot { seq, since, more, what }
            }
        };
        self.trim();
        Some(first)
    }

    pub(crate) fn pop_last(&mut self) -> Option<Slot<X, P>> {
        let Slot { seq, since, more, .. } = self.last()?;
        let last = match self.aside.as_mut().and_then(|aside| aside.returned.remove_entry(&seq)) {
            Some(was) => returned(was),
            None => {
                let what = self.ring.pop_back()?.what?;
                self.aside.as_mut().and_then(|aside| aside.times.pop_back());
                Slot { seq, since, more, what }
            }
        };
        self.trim();
        Some(last)
    }

    /// Takes out the item with this number.
    pub(crate) fn remove(&mut self, seq: u64) -> Option<Slot<X, P>> {
        let removed = match self.aside.as_mut().and_then(|aside| aside.returned.remove_entry(&seq)) {
            Some(was) => returned(was),
            None => {
                let at = self.ring.partition_point(|place| self.number(place) < seq);
                if self.ring.get(at).is_none_or(|place| self.number(place) != seq) {
                    return None;
                }
                let &mut Place { more, ref mut what, .. } = self.ring.get_mut(at)?;
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
        in_ring.filter_map(|(place, since)| self.shown(place, since)).chain(returned)
    }

    /// The number of an item in the ring.
    #[inline]
    fn number(&self, place: &Place<X, P>) -> u64 {
        self.base + u64::from(place.seq)
    }

    #[inline]
    fn shown<'a>(&self, place: &'a Place<X, P>, since: Tick) -> Option<Slot<X, &'a P>> {
        place.what.as_ref().map(|what| Slot { seq: self.number(place), since, more: place.more, what })
    }

    /// Called when the lane is empty, and perhaps not used for long: keeps room for a few items.
    pub(crate) fn rest(&mut self) {
        const FEW: usize = 8;
        if self.ring.capacity() > FEW {
            self.ring = Ring::new();
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
        while self.ring.first().is_some_and(Place::is_gap) {
            self.ring.pop_front();
            self.without_gap(VecDeque::pop_front);
        }
        while self.ring.last().is_some_and(Place::is_gap) {
            self.ring.pop_back();
            self.without_gap(VecDeque::pop_back);
        }
        if let Some(aside) = &mut self.aside {
            aside.close_gaps(&mut self.ring);
            self.plain = aside.is_empty();
        }
        self.shrink_if_empty();
    }

    fn without_gap(&mut self, pop: fn(&mut VecDeque<Tick>) -> Option<Tick>) {
        if let Some(aside) = &mut self.aside {
            pop(&mut aside.times);
            aside.gaps -= 1;
        }
    }

    /// Frees the memory that a burst has needed.
    fn shrink_if_empty(&mut self) {
        if !self.ring.is_empty() {
            return;
        }
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

impl<X, P> Place<X, P> {
    fn is_gap(&self) -> bool {
        self.what.is_none()
    }
}

/// A free place.
impl<X: Default, P> Default for Place<X, P> {
    fn default() -> Self {
        Self { seq: 0, more: X::default(), what: None }
    }
}

// === impl Aside ===

impl<X: Copy + Default, P> Aside<X, P> {
    fn is_empty(&self) -> bool {
        self.gaps == 0 && self.returned.is_empty() && self.times.is_empty()
    }

    /// Closes the gaps if there are more of them than other places.
    fn close_gaps(&mut self, ring: &mut Ring<Place<X, P>>) {
        if self.gaps > ring.len() / 2 {
            let mut places = ring.iter();
            self.times.retain(|_| places.next().is_some_and(|place| !place.is_gap()));
            drop(places);
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
    use std::collections::{BTreeSet, VecDeque};

    use proptest::prelude::*;

    use super::{Aside, KEPT, Lane, Slot};

    fn known<P>(slot: Slot<u32, P>) -> (u64, u64, u32) {
        (slot.seq, slot.since, slot.more)
    }

    proptest! {
        #[test]
        fn lane_is_an_ordered_set(
            ops in proptest::collection::vec((0_u8..6, any::<u16>()), 1..400),
            // How far apart the numbers are: up to more than half a word holds.
            apart in prop_oneof![Just(1), Just(1 << 29), Just(1 << 31), Just(1 << 33)],
        ) {
            let (mut lane, mut model, mut next) = (Lane::new(), BTreeSet::new(), 0_u64);
            // Some items come while no clock is used.
            let since = |nth: u64| (nth % 50).saturating_sub(20);
            let shown = |nth: u64| (nth * apart, since(nth), nth as u32);
            for (op, choice) in ops {
                let choice = u64::from(choice);
                match op {
                    0 | 1 => {
                        lane.insert(next * apart, since(next), next as u32, ());
                        model.insert(next);
                        next += 1;
                    }
                    2 => prop_assert_eq!(lane.pop_first().map(known), model.pop_first().map(shown)),
                    3 => prop_assert_eq!(lane.pop_last().map(known), model.pop_last().map(shown)),
                    4 if next > 0 => {
                        let nth = choice % next;
                        let removed = model.remove(&nth).then(|| shown(nth));
                        prop_assert_eq!(lane.remove(nth * apart).map(known), removed);
                    }
                    _ if next > 0 => {
                        let nth = choice % next;
                        if model.insert(nth) {
                            lane.insert(nth * apart, since(nth), nth as u32, ());
                        }
                    }
                    _ => {}
                }
                prop_assert_eq!(lane.len(), model.len());
                prop_assert_eq!(lane.is_empty(), model.is_empty());
                let first = model.first().copied();
                prop_assert_eq!(lane.first().map(known), first.map(shown));
                prop_assert_eq!(lane.last().map(known), model.last().copied().map(shown));
                prop_assert_eq!(lane.iter().map(known).collect::<BTreeSet<_>>(), model.iter().copied().map(shown).collect());
                let aside = lane.aside.as_deref();
                prop_assert!(aside.is_none_or(|aside| aside.gaps <= lane.ring.len() / 2));
                prop_assert_eq!(lane.plain, aside.is_none_or(Aside::is_empty));
            }
        }

        #[test]
        fn first_of_a_plain_lane_leaves(pushes in proptest::collection::vec(0_u64..9, 1..40), keeps in 0_usize..5, apart in 1_u64..1 << 33) {
            let (mut lane, mut model, mut next) = (Lane::new(), VecDeque::new(), 0_u64);
            for push in pushes {
                for _ in 0..push {
                    lane.push(next * apart, 0, next as u32, ());
                    model.push_back(next);
                    next += 1;
                }
                while lane.plain && model.len() > keeps {
                    let (seq, note, (), is_empty) = lane.pop_first_of_plain().expect("some wait");
                    let first = model.pop_front().expect("some wait");
                    prop_assert_eq!((seq, u64::from(note)), (first * apart, first));
                    prop_assert_eq!(is_empty, model.is_empty());
                }
            }
        }
    }

    #[test]
    fn burst_leaves_no_memory_behind() {
        for since in [0, 1] {
            let mut lane: Lane = Lane::new();
            (0..100_000).for_each(|seq| _ = lane.push(seq, since, (), 0));
            while lane.pop_first().is_some() {}
            assert!(lane.ring.capacity() <= KEPT, "{}", lane.ring.capacity());
            let times = lane.aside.map_or(0, |aside| aside.times.capacity());
            assert!(times <= KEPT, "{times}");
        }
    }
}
