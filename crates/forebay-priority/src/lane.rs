//! First in, first out, with removal from anywhere and return to one's place.

use std::collections::{BTreeMap, VecDeque};

/// One in a lane.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slot<X, P> {
    pub(crate) seq: u64,
    /// What the discipline wants to know of it.
    pub(crate) more: X,
    pub(crate) what: P,
}

/// Those of one class or key, by their numbers: their ids, or themselves.
///
/// Most join at the end, leave at the front, and meet a ring. Who comes back, or comes over from another lane, is older
/// than the last one and goes into an ordered map beside it. Joining and leaving are O(1), all else O(log n); the removed
/// leave a gap in the ring, and there are never more gaps than others.
#[derive(Debug, Clone)]
pub(crate) struct Lane<X = (), P = u32> {
    /// Ascending. `None` stands for one who was removed; neither the first nor the last is.
    ring: VecDeque<Slot<X, Option<P>>>,
    gaps: usize,
    returned: BTreeMap<u64, (X, P)>,
}

/// For how many an empty ring keeps its memory.
const KEPT: usize = 1024;

// === impl Lane ===

impl<X: Copy, P> Lane<X, P> {
    pub(crate) fn new() -> Self {
        Self { ring: VecDeque::new(), gaps: 0, returned: BTreeMap::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.ring.len() - self.gaps + self.returned.len()
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.ring.is_empty() && self.returned.is_empty()
    }

    /// One joins whose number is higher than all before.
    #[inline]
    pub(crate) fn push(&mut self, seq: u64, more: X, what: P) {
        self.ring.push_back(Slot { seq, more, what: Some(what) });
    }

    /// One joins, wherever its place is.
    pub(crate) fn insert(&mut self, seq: u64, more: X, what: P) {
        if self.ring.back().is_none_or(|last| last.seq < seq) {
            self.push(seq, more, what);
        } else {
            self.returned.insert(seq, (more, what));
        }
    }

    /// Did nobody come back, or come over from another lane, of those that are in it?
    #[inline]
    pub(crate) fn is_in_order(&self) -> bool {
        self.returned.is_empty()
    }

    /// The oldest.
    #[inline]
    pub(crate) fn first(&self) -> Option<Slot<X, &P>> {
        if self.returned.is_empty() { self.ring.front()?.shown() } else { self.first_of_both() }
    }

    fn first_of_both(&self) -> Option<Slot<X, &P>> {
        let returned = self.returned.first_key_value().map(shown);
        match (self.ring.front().and_then(Slot::shown), returned) {
            (Some(first), Some(returned)) if first.seq > returned.seq => Some(returned),
            (Some(first), _) => Some(first),
            (None, returned) => returned,
        }
    }

    /// The youngest.
    pub(crate) fn last(&self) -> Option<Slot<X, &P>> {
        let returned = self.returned.last_key_value().map(shown);
        match (self.ring.back().and_then(Slot::shown), returned) {
            (Some(last), Some(returned)) if last.seq < returned.seq => Some(returned),
            (Some(last), _) => Some(last),
            (None, returned) => returned,
        }
    }

    #[inline]
    pub(crate) fn pop_first(&mut self) -> Option<Slot<X, P>> {
        if self.returned.is_empty() && self.gaps == 0 {
            let first = self.ring.pop_front()?;
            self.shrink();
            return first.taken();
        }
        self.pop_first_of_both()
    }

    /// The same where some came back or were removed.
    fn pop_first_of_both(&mut self) -> Option<Slot<X, P>> {
        let seq = self.first_of_both()?.seq;
        if self.ring.front().is_some_and(|front| front.seq == seq) {
            let first = self.ring.pop_front()?;
            self.trim();
            first.taken()
        } else {
            self.returned.pop_first().map(returned)
        }
    }

    pub(crate) fn pop_last(&mut self) -> Option<Slot<X, P>> {
        let seq = self.last()?.seq;
        if self.ring.back().is_some_and(|back| back.seq == seq) {
            let last = self.ring.pop_back()?;
            self.trim();
            last.taken()
        } else {
            self.returned.pop_last().map(returned)
        }
    }

    /// Takes the one with this number out.
    pub(crate) fn remove(&mut self, seq: u64) -> Option<Slot<X, P>> {
        if let Some(was) = self.returned.remove_entry(&seq) {
            return Some(returned(was));
        }
        let at = self.ring.binary_search_by_key(&seq, |slot| slot.seq).ok()?;
        let Slot { more, ref mut what, .. } = self.ring[at];
        let what = what.take()?;
        self.gaps += 1;
        self.trim();
        Some(Slot { seq, more, what })
    }

    /// All, in any order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Slot<X, &P>> {
        self.ring.iter().filter_map(Slot::shown).chain(self.returned.iter().map(shown))
    }

    /// Empty, and perhaps not to be used for long: keeps room for a few.
    pub(crate) fn rest(&mut self) {
        const FEW: usize = 8;
        if self.ring.capacity() > FEW {
            self.ring = VecDeque::new();
        }
    }

    /// No gap is left at either end, and not too many in between.
    fn trim(&mut self) {
        while self.gaps > 0 && self.ring.front().is_some_and(Slot::is_gap) {
            self.ring.pop_front();
            self.gaps -= 1;
        }
        while self.gaps > 0 && self.ring.back().is_some_and(Slot::is_gap) {
            self.ring.pop_back();
            self.gaps -= 1;
        }
        if self.gaps > self.ring.len() / 2 {
            self.ring.retain(|slot| !slot.is_gap());
            self.gaps = 0;
        }
        self.shrink();
    }

    /// Empty: gives back what a burst has needed.
    #[inline]
    fn shrink(&mut self) {
        if self.ring.is_empty() && self.ring.capacity() > KEPT {
            self.ring.shrink_to(KEPT);
        }
    }
}

// === impl Slot ===

impl<X: Copy, P> Slot<X, Option<P>> {
    fn is_gap(&self) -> bool {
        self.what.is_none()
    }

    #[inline]
    fn shown(&self) -> Option<Slot<X, &P>> {
        let Self { seq, more, ref what } = *self;
        what.as_ref().map(|what| Slot { seq, more, what })
    }

    #[inline]
    fn taken(self) -> Option<Slot<X, P>> {
        let Self { seq, more, what } = self;
        what.map(|what| Slot { seq, more, what })
    }
}

fn shown<'a, X: Copy, P>((&seq, (more, what)): (&u64, &'a (X, P))) -> Slot<X, &'a P> {
    Slot { seq, more: *more, what }
}

fn returned<X, P>((seq, (more, what)): (u64, (X, P))) -> Slot<X, P> {
    Slot { seq, more, what }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::Lane;

    proptest! {
        #[test]
        fn lane_is_an_ordered_set(ops in proptest::collection::vec((0_u8..6, any::<u16>()), 1..400)) {
            let (mut lane, mut model, mut next) = (Lane::new(), BTreeSet::new(), 0_u64);
            for (op, choice) in ops {
                let choice = u64::from(choice);
                match op {
                    0 | 1 => {
                        lane.insert(next, (), next as u32);
                        model.insert(next);
                        next += 1;
                    }
                    2 => prop_assert_eq!(lane.pop_first().map(|slot| slot.seq), model.pop_first()),
                    3 => prop_assert_eq!(lane.pop_last().map(|slot| slot.seq), model.pop_last()),
                    4 if next > 0 => {
                        let seq = choice % next;
                        prop_assert_eq!(lane.remove(seq).is_some(), model.remove(&seq));
                    }
                    _ if next > 0 => {
                        let seq = choice % next;
                        if model.insert(seq) {
                            lane.insert(seq, (), seq as u32);
                        }
                    }
                    _ => {}
                }
                prop_assert_eq!(lane.len(), model.len());
                prop_assert_eq!(lane.is_empty(), model.is_empty());
                prop_assert_eq!(lane.first().map(|slot| slot.seq), model.first().copied());
                prop_assert_eq!(lane.last().map(|slot| slot.seq), model.last().copied());
                prop_assert!(lane.gaps <= lane.ring.len() / 2);
            }
        }
    }
}
