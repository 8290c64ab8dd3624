//! One item in, one item out: what the rules come to where nothing is out of the ordinary.
//!
//! Nearly all queues are *plain* nearly all the time: the queue is open, senders wait only for room, nobody watches,
//! nothing is put off and nothing will expire. What one item changes there is known beforehand: at most one waiter on
//! the other side is woken. So the short way does just that, rather than apply all the rules to the whole state. It
//! keeps the same rules, and whatever is unusual goes the long way.

use std::task::Waker;

use super::{State, Step, keep_waiting};
use crate::core::ask::Demand;
use crate::core::tag::Parcel;
use crate::core::waiters::{Key, Turn};
use crate::{Line, Pressure};

/// While fewer items than this can be taken, a sender that is served is woken at once.
const MANY: usize = 16;

/// For at most this many items, senders that were served wait to be woken.
const LATE: usize = 64;

/// How far the short way led.
pub(crate) enum Short {
    Done,
    /// It must wait, and for that it needs a waker: call again with one.
    Ask,
    /// Its waker is in the line.
    Parked,
    /// Nothing was done: this has to go the long way.
    Long,
}

// === impl State ===

impl<T, L: Line<T>> State<T, L> {
    /// Stores a plain item if nobody has to be woken or told for it (rule 9); it comes back otherwise.
    #[inline(always)]
    pub(crate) fn put_quietly(&mut self, parcel: Parcel<T, L::Rank>) -> Result<(), Parcel<T, L::Rank>> {
        let quiet = self.is_quiet_to_add() && parcel.tag.is_plain();
        if !quiet || self.held.is_class_full(parcel.rank) {
            return Err(parcel);
        }
        self.tally.accepted += 1;
        self.held.push_plain(parcel.item, parcel.rank);
        Ok(())
    }

    /// Takes one item by value if nobody has to be woken or told for it (rule 9).
    #[inline(always)]
    pub(crate) fn take_quietly(&mut self) -> Option<T> {
        if self.quiet_to_take() == 0 {
            return None;
        }
        let item = self.held.pop_item()?;
        self.tally.completed += 1;
        Some(item)
    }

    /// Stores the item in `slot` if there is room that is promised to nobody else, or joins the line.
    #[inline]
    pub(crate) fn put_one(
        &mut self,
        key: &mut Option<Key>,
        slot: &mut Option<Parcel<T, L::Rank>>,
        waker: &mut Option<Waker>,
    ) -> Short {
        let Some(parcel) = slot else { unreachable!("polled after completion") };
        let each = parcel.tag.weight();
        match *key {
            // The item has a time to live, headers or a ticket.
            _ if !parcel.tag.is_light() => return Short::Long,
            _ if self.held.is_class_full(parcel.rank) => return Short::Long,
            // Rule 9: nobody has to be woken or told.
            None if self.is_quiet_to_add() => {
                self.promise(1, each);
                self.store_from(slot, each);
                return Short::Done;
            }
            _ if !self.plain => return Short::Long,
            None if self.tx.is_empty() && self.has_place() => {
                // Rule 4: how often others were overtaken is a matter for the long way.
                if self.tx.served() > 0 {
                    return Short::Long;
                }
                self.promise(1, each);
            }
            None => {
                let rank = parcel.rank;
                let Some(waker) = waker.take() else { return Short::Ask };
                *key = Some(self.wait(&Demand::one(each, rank), waker));
                self.expect_senders_waiting();
                return Short::Parked;
            }
            Some(waiting) => match self.tx.turn(waiting) {
                Turn::Waiting => return keep_waiting::<_, ()>(&mut self.tx, waiting, waker).into(),
                // The sender has the place that it asked for, and fills it.
                Turn::Served => {
                    self.tx.remove(waiting);
                    *key = None;
                }
                Turn::Closed => return Short::Long,
            },
        }
        self.store_from(slot, each);
        self.measure_items();
        // Rule 3.
        if self.held.ready() > self.rx.served()
            && let Some((_, waker)) = self.rx.serve()
        {
            self.after.wakes.extend(waker);
        }
        self.find_marks();
        Short::Done
    }

    #[inline]
    fn store_from(&mut self, slot: &mut Option<Parcel<T, L::Rank>>, each: usize) {
        if let Some(parcel) = slot.take() {
            self.store(parcel, each);
        }
    }

    /// May the owner of `key` take one item? If `Done`, it takes one, and calls [`took_one`](Self::took_one).
    #[inline]
    pub(crate) fn claim_one(&mut self, key: &mut Option<Key>, waker: &mut Option<Waker>) -> Short {
        if !self.plain {
            return Short::Long;
        }
        let Some(waiting) = *key else {
            if self.held.ready() > self.rx.served() {
                // Rule 4: how often others were overtaken is a matter for the long way.
                return if self.rx.served() > 0 { Short::Long } else { Short::Done };
            }
            let Some(waker) = waker.take() else { return Short::Ask };
            *key = Some(self.rx.push_back((), waker));
            self.quiet_below = 0;
            return Short::Parked;
        };
        match self.rx.turn(waiting) {
            Turn::Waiting => keep_waiting::<_, ()>(&mut self.rx, waiting, waker).into(),
            Turn::Served if self.held.ready() >= self.rx.served() => {
                self.rx.remove(waiting);
                *key = None;
                Short::Done
            }
            Turn::Served | Turn::Closed => Short::Long,
        }
    }

    /// Does what follows after one item was taken by [`claim_one`](Self::claim_one).
    #[inline]
    pub(crate) fn took_one(&mut self) {
        self.measure_items();
        // Rule 2.
        if let Some(first) = self.tx.first()
            && self.has_place()
        {
            match self.tx.what(first).one_place() {
                // Where the line has an order, the order says which sender is next.
                Some((each, got)) if L::ONLY_RANK.is_some() && self.next_sender.is_none() => {
                    *got = 1;
                    self.promise(1, each);
                    let waker = self.tx.serve_at(first);
                    self.after.wakes.extend(waker);
                }
                _ => self.grant(),
            }
        }
        self.find_marks();
    }

    /// Can the sender that [`took_one`](Self::took_one) has served be woken later (rule 10)? If so, notes it.
    pub(crate) fn can_wait(&mut self) -> bool {
        let ready = self.held.ready();
        if self.after.late.is_empty() {
            if ready < MANY {
                return false;
            }
            self.wake_at = ready - (ready / 2).min(LATE);
        }
        if ready <= self.wake_at {
            return false;
        }
        self.after.late.extend(self.after.wakes.take_only());
        self.quiet_above = self.quiet_above.max(self.wake_at);
        self.after.can_wait()
    }

    /// Notes a change of pressure. In a plain queue only items count for it, and nobody waits for it.
    fn measure_items(&mut self) {
        let now = self.pressure();
        if let Some(marks) = self.marks.0
            && marks.is_high(now, self.held.ready()) != (now == Pressure::High)
        {
            self.cross();
        }
    }

    /// Is there a place that is free and promised to nobody? For a plain queue.
    fn has_place(&self) -> bool {
        self.held.ready() + self.granted < self.capacity()
    }
}

// === impl Short ===

impl<R> From<Step<R>> for Short {
    fn from(step: Step<R>) -> Self {
        match step {
            Step::Parked => Self::Parked,
            Step::Ask => Self::Ask,
            Step::Done(_) | Step::GiveWay => Self::Long,
        }
    }
}
