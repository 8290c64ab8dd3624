//! First in, first out, with removal from anywhere and return to one's place.

use std::collections::{BTreeMap, VecDeque};

/// One in a lane.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slot<X> {
    pub(crate) seq: u64,
    pub(crate) id: u32,
    /// What the discipline wants to know of it.
    pub(crate) more: X,
}

/// Those of one class or key, by their numbers.
///
/// Most join at the end, leave at the front, and meet a ring. Who comes back, or comes over from another lane, is older
/// than the last one and goes into an ordered map beside it. Joining and leaving are O(1), all else O(log n); the removed
/// leave a gap in the ring, and there are never more gaps than others.
#[derive(Debug, Clone)]
pub(crate) struct Lane<X = ()> {
    /// Ascending. `GONE` stands for one who was removed; neither the first nor the last is.
    ring: VecDeque<Slot<X>>,
    gaps: usize,
    returned: BTreeMap<u64, (u32, X)>,
}

/// The id that nobody has.
const GONE: u32 = u32::MAX;

/// For how many an empty ring keeps its memory.
const KEPT: usize = 4096;

// === impl Lane ===

impl<X: Copy> Lane<X> {
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

    #[inline]
    pub(crate) fn insert(&mut self, seq: u64, id: u32, more: X) {
        if self.ring.back().is_none_or(|last| last.seq < seq) {
            self.ring.push_back(Slot { seq, id, more });
        } else {
            self.returned.insert(seq, (id, more));
        }
    }

    /// Did nobody come back, or come over from another lane, of those that are in it?
    #[inline]
    pub(crate) fn is_in_order(&self) -> bool {
        self.returned.is_empty()
    }

    /// The oldest.
    #[inline]
    pub(crate) fn first(&self) -> Option<Slot<X>> {
        if self.returned.is_empty() { self.ring.front().copied() } else { self.first_of_both() }
    }

    fn first_of_both(&self) -> Option<Slot<X>> {
        let returned = self.returned.first_key_value().map(slot);
        match (self.ring.front(), returned) {
            (Some(&first), Some(returned)) if first.seq > returned.seq => Some(returned),
            (Some(&first), _) => Some(first),
            (None, returned) => returned,
        }
    }

    /// The youngest.
    pub(crate) fn last(&self) -> Option<Slot<X>> {
        let returned = self.returned.last_key_value().map(slot);
        match (self.ring.back(), returned) {
            (Some(&last), Some(returned)) if last.seq < returned.seq => Some(returned),
            (Some(&last), _) => Some(last),
            (None, returned) => returned,
        }
    }

    #[inline]
    pub(crate) fn pop_first(&mut self) -> Option<Slot<X>> {
        if self.returned.is_empty() && self.gaps == 0 {
            let first = self.ring.pop_front()?;
            self.shrink();
            return Some(first);
        }
        self.pop_first_of_both()
    }

    /// The same where some came back or were removed.
    fn pop_first_of_both(&mut self) -> Option<Slot<X>> {
        let first = self.first_of_both()?;
        if self.ring.front().is_some_and(|front| front.seq == first.seq) {
            self.ring.pop_front();
            self.trim();
        } else {
            self.returned.pop_first();
        }
        Some(first)
    }

    pub(crate) fn pop_last(&mut self) -> Option<Slot<X>> {
        let last = self.last()?;
        if self.ring.back().is_some_and(|back| back.seq == last.seq) {
            self.ring.pop_back();
            self.trim();
        } else {
            self.returned.pop_last();
        }
        Some(last)
    }

    /// Takes the one with this number out.
    pub(crate) fn remove(&mut self, seq: u64) -> Option<Slot<X>> {
        if let Some((id, more)) = self.returned.remove(&seq) {
            return Some(Slot { seq, id, more });
        }
        let at = self.ring.binary_search_by_key(&seq, |slot| slot.seq).ok()?;
        let removed = self.ring[at];
        if removed.id == GONE {
            return None;
        }
        self.ring[at].id = GONE;
        self.gaps += 1;
        self.trim();
        Some(removed)
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
        while self.gaps > 0 && self.ring.front().is_some_and(|slot| slot.id == GONE) {
            self.ring.pop_front();
            self.gaps -= 1;
        }
        while self.gaps > 0 && self.ring.back().is_some_and(|slot| slot.id == GONE) {
            self.ring.pop_back();
            self.gaps -= 1;
        }
        if self.gaps > self.ring.len() / 2 {
            self.ring.retain(|slot| slot.id != GONE);
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

fn slot<X: Copy>((&seq, &(id, more)): (&u64, &(u32, X))) -> Slot<X> {
    Slot { seq, id, more }
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
                        lane.insert(next, next as u32, ());
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
                            lane.insert(seq, seq as u32, ());
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
