//! Starts that lie ahead, and whose callers have left.
//!
//! A policy takes back only what was booked last, as later bookings have their times already. Anything else stays
//! charged as of its time, so the next caller may have just that start. If it were lost, callers that give up would
//! push the starts of all later callers ahead, until nobody waits for long enough any more.

use std::collections::BTreeMap;

use forebay_queue::Tick;

use crate::rate::{Book, Booked, Refusal};

#[derive(Default)]
pub(super) struct Left {
    /// By time, and a number that tells starts of one time apart.
    starts: BTreeMap<(Tick, u64), Booked>,
    next: u64,
    /// The start booked last had been left by somebody. Kept here, as a start is large enough without.
    was_left: bool,
    given_back: u64,
    lost: u64,
}

/// At most this many are looked at for one of the right cost, as this is done under a lock.
const LOOKS: usize = 32;

// === impl Left ===

impl Left {
    /// Books the first start of that cost that is free: one that was left, or the next of the policy.
    #[inline]
    pub(super) fn book<P: Book>(&mut self, policy: &mut P, cost: u64, now: Tick) -> Result<Booked, Refusal> {
        self.was_left = false;
        let start = policy.book(cost, now);
        if self.starts.is_empty() { start } else { start.map(|start| self.earliest(policy, start, now)) }
    }

    #[cold]
    fn earliest<P: Book>(&mut self, policy: &mut P, start: Booked, now: Tick) -> Booked {
        while let Some(first) = self.starts.first_entry()
            && first.key().0 < now
        {
            drop(first.remove());
            self.lost += 1;
        }
        let earlier = self.starts.range(..(start.at(), 0)).take(LOOKS);
        let same = earlier.filter(|(_, left)| left.cost() == start.cost());
        let Some(left) = same.map(|(&key, _)| key).next().and_then(|key| self.starts.remove(&key)) else {
            return start;
        };
        self.given_back += 1;
        self.put_back(policy, start);
        self.was_left = true;
        left
    }

    /// It is as if that, the last one that was booked, had not been.
    pub(super) fn put_back<P: Book>(&mut self, policy: &mut P, start: Booked) {
        let was_left = std::mem::take(&mut self.was_left);
        self.given_back -= u64::from(was_left);
        if was_left || !policy.unbook(start.copy()) {
            self.put(start);
        }
    }

    /// The caller that booked this start does not want it any more.
    pub(super) fn give_back<P: Book>(&mut self, policy: &mut P, start: Booked, now: Tick) {
        if !policy.unbook(start.copy()) {
            return self.put(start);
        }
        self.given_back += 1;
        // Starts before it may be what was booked last, now.
        while let Some((key, last)) = self.starts.pop_last() {
            if !policy.unbook(last.copy()) {
                self.starts.insert(key, last);
                break;
            }
            // Anybody who has counted so far has counted a late one as lost.
            let count = if key.0 < now { &mut self.lost } else { &mut self.given_back };
            *count += 1;
        }
    }

    fn put(&mut self, start: Booked) {
        self.next += 1;
        self.starts.insert((start.at(), self.next), start);
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.starts.len()
    }

    /// How many were given back so far, and how many are lost: it is too late for them.
    pub(super) fn counts(&self, now: Tick) -> (u64, u64) {
        (self.given_back, self.lost + self.starts.range(..(now, 0)).count() as u64)
    }
}
