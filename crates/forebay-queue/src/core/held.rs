//! What a queue holds, in order: new items, items that came back, items put off, items in a consumer's hands.
//!
//! Every item has a sequence number by its arrival. New items leave in that order, so whatever came back is
//! older than the front of the ring, and goes out before it: an item that returns takes its old place without a
//! search. The ring stores no numbers; they follow from the number of its front.

use std::collections::{BTreeMap, VecDeque};

use slab::Slab;

use super::moment::Moment;
use crate::Receipt;

/// The items of one queue, guarded by its lock.
pub(crate) struct Held<T> {
    ring: VecDeque<T>,
    /// Sequence number of the front of `ring`.
    front: u64,
    /// Came back and can be taken, by sequence number.
    returned: BTreeMap<u64, Returned<T>>,
    /// Came back and cannot be taken before they are due.
    put_off: BTreeMap<(Moment, u64), Returned<T>>,
    in_hand: Slab<InHand>,
    /// How many deliveries were made: tells apart those that had the same slot in `in_hand`.
    handed_out: u32,
}

/// An item on its way out.
pub(crate) struct Taken<T> {
    pub(crate) item: T,
    pub(crate) seq: u64,
    pub(crate) attempt: u32,
}

/// What is known of a delivery while a consumer has its item.
#[derive(Clone, Copy)]
pub(crate) struct InHand {
    receipt: Receipt,
    seq: u64,
    attempt: u32,
}

/// Waits for its next attempt.
struct Returned<T> {
    attempt: u32,
    item: T,
}

// === impl Held ===

impl<T> Held<T> {
    pub(crate) fn new() -> Self {
        Self {
            ring: VecDeque::new(),
            front: 0,
            returned: BTreeMap::new(),
            put_off: BTreeMap::new(),
            in_hand: Slab::new(),
            handed_out: 0,
        }
    }

    /// Items that can be taken now.
    pub(crate) fn ready(&self) -> usize {
        self.ring.len() + self.returned.len()
    }

    /// Items that wait, whether they can be taken now or later.
    pub(crate) fn waiting(&self) -> usize {
        self.ready() + self.put_off.len()
    }

    pub(crate) fn in_hand(&self) -> usize {
        self.in_hand.len()
    }

    pub(crate) fn push(&mut self, item: T) {
        self.ring.push_back(item);
    }

    pub(crate) fn extend(&mut self, items: impl Iterator<Item = T>) {
        self.ring.extend(items);
    }

    /// Takes the oldest.
    pub(crate) fn pop(&mut self) -> Option<Taken<T>> {
        if let Some((seq, Returned { attempt, item })) = self.returned.pop_first() {
            return Some(Taken { item, seq, attempt });
        }
        let item = self.ring.pop_front()?;
        let seq = self.next_number();
        Some(Taken { item, seq, attempt: 1 })
    }

    /// Takes the youngest.
    pub(crate) fn pop_youngest(&mut self) -> Option<T> {
        self.ring.pop_back().or_else(|| self.returned.pop_last().map(|(_, returned)| returned.item))
    }

    /// Takes one of those that are put off: the first that is due.
    pub(crate) fn pop_put_off(&mut self) -> Option<T> {
        self.put_off.pop_first().map(|(_, returned)| returned.item)
    }

    /// The number of an item that passes from hand to hand without being stored.
    pub(crate) fn next_number(&mut self) -> u64 {
        let seq = self.front;
        self.front += 1;
        seq
    }

    /// Notes that a consumer has the item, and names it.
    pub(crate) fn hand_out(&mut self, seq: u64, attempt: u32) -> Receipt {
        self.handed_out = self.handed_out.wrapping_add(1);
        let slot = self.in_hand.vacant_entry();
        let receipt = Receipt::new((slot.key() as u64) << 32 | u64::from(self.handed_out));
        slot.insert(InHand { receipt, seq, attempt });
        receipt
    }

    /// Ends what `hand_out` began; `None` if it ended before.
    pub(crate) fn take_back(&mut self, receipt: Receipt) -> Option<InHand> {
        let key = (receipt.get() >> 32) as usize;
        let known = self.in_hand.get(key).is_some_and(|hand| hand.receipt == receipt);
        known.then(|| self.in_hand.remove(key))
    }

    /// Puts an item back in its place, for the next attempt, at once or when it is due.
    pub(crate) fn put_back(&mut self, item: T, hand: InHand, due: Option<Moment>) {
        let returned = Returned { attempt: hand.attempt.saturating_add(1), item };
        match due {
            Some(due) => self.put_off.insert((due, hand.seq), returned),
            None => self.returned.insert(hand.seq, returned),
        };
    }

    /// When the next of the items put off is due.
    pub(crate) fn next_due(&self) -> Option<Moment> {
        self.put_off.first_key_value().map(|(&(due, _), _)| due)
    }

    /// Makes what is due ready. `now` is `None` where nobody can tell, and then everything is.
    pub(crate) fn ripen(&mut self, now: Option<Moment>) {
        while let Some(first) = self.put_off.first_entry()
            && now.is_none_or(|now| first.key().0 <= now)
        {
            let ((_, seq), returned) = first.remove_entry();
            self.returned.insert(seq, returned);
        }
    }

    /// Takes everything that waits, oldest first.
    pub(crate) fn drain(&mut self) -> Vec<T> {
        self.ripen(None);
        let mut all = Vec::with_capacity(self.waiting());
        all.extend(std::iter::from_fn(|| self.pop()).map(|taken| taken.item));
        all
    }
}
