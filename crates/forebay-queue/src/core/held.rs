//! What a queue holds, in order: new items, items that came back, items put off, items in a consumer's hands.
//!
//! Every item has a sequence number by its arrival. New items leave in that order, so whatever came back is
//! older than the front of the ring, and goes out before it: an item that returns takes its old place without a
//! search. The ring stores no numbers; they follow from the number of its front.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use slab::Slab;

use super::moment::Moment;
use crate::Receipt;

/// The items of one queue, guarded by its lock.
pub(crate) struct Held<T> {
    ring: VecDeque<T>,
    /// Sequence number of the front of `ring`.
    front: u64,
    returned: BinaryHeap<Reverse<Returned<T>>>,
    put_off: BinaryHeap<Reverse<PutOff<T>>>,
    in_hand: Slab<InHand>,
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
    seq: u64,
    attempt: u32,
}

/// Came back and waits for its next attempt; ordered by `seq`.
struct Returned<T> {
    seq: u64,
    attempt: u32,
    item: T,
}

/// Came back and waits until `due`; ordered by that.
struct PutOff<T> {
    due: Moment,
    returned: Returned<T>,
}

// === impl Held ===

impl<T> Held<T> {
    pub(crate) fn new() -> Self {
        Self {
            ring: VecDeque::new(),
            front: 0,
            returned: BinaryHeap::new(),
            put_off: BinaryHeap::new(),
            in_hand: Slab::new(),
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
        if let Some(Reverse(Returned { seq, attempt, item })) = self.returned.pop() {
            return Some(Taken { item, seq, attempt });
        }
        let item = self.ring.pop_front()?;
        let seq = self.next_number();
        Some(Taken { item, seq, attempt: 1 })
    }

    /// Takes the youngest of those that have not been out yet.
    pub(crate) fn pop_youngest(&mut self) -> Option<T> {
        self.ring.pop_back()
    }

    /// The number of an item that passes from hand to hand without being stored.
    pub(crate) fn next_number(&mut self) -> u64 {
        let seq = self.front;
        self.front += 1;
        seq
    }

    /// Notes that a consumer has the item, and names it.
    pub(crate) fn hand_out(&mut self, seq: u64, attempt: u32) -> Receipt {
        let key = self.in_hand.insert(InHand { seq, attempt });
        Receipt::new(pack(key, seq))
    }

    /// Ends what `hand_out` began; `None` if it ended before.
    pub(crate) fn take_back(&mut self, receipt: Receipt) -> Option<InHand> {
        let key = (receipt.get() >> 32) as usize;
        let known = self.in_hand.get(key).is_some_and(|hand| pack(key, hand.seq) == receipt.get());
        known.then(|| self.in_hand.remove(key))
    }

    /// Puts an item back in its place, for the next attempt, at once or when it is due.
    pub(crate) fn put_back(&mut self, item: T, hand: InHand, due: Option<Moment>) {
        let returned = Returned { seq: hand.seq, attempt: hand.attempt.saturating_add(1), item };
        match due {
            Some(due) => self.put_off.push(Reverse(PutOff { due, returned })),
            None => self.returned.push(Reverse(returned)),
        }
    }

    /// When the next of the items put off is due.
    pub(crate) fn next_due(&self) -> Option<Moment> {
        self.put_off.peek().map(|Reverse(first)| first.due)
    }

    /// Makes what is due ready. `now` is `None` where nobody can tell, and then everything is.
    pub(crate) fn ripen(&mut self, now: Option<Moment>) {
        while let Some(Reverse(first)) = self.put_off.peek()
            && now.is_none_or(|now| first.due <= now)
            && let Some(Reverse(ripe)) = self.put_off.pop()
        {
            self.returned.push(Reverse(ripe.returned));
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

/// Slab key above, low half of the sequence number below: a key that is used again makes another receipt.
fn pack(key: usize, seq: u64) -> u64 {
    ((key as u64) << 32) | (seq & u64::from(u32::MAX))
}

// === impl Returned ===

impl<T> PartialEq for Returned<T> {
    fn eq(&self, other: &Self) -> bool {
        self.seq == other.seq
    }
}

impl<T> Eq for Returned<T> {}

impl<T> PartialOrd for Returned<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Returned<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.seq.cmp(&other.seq)
    }
}

// === impl PutOff ===

impl<T> PartialEq for PutOff<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T> Eq for PutOff<T> {}

impl<T> PartialOrd for PutOff<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for PutOff<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.due.cmp(&other.due).then_with(|| self.returned.cmp(&other.returned))
    }
}
