//! The state of a queue and the rules by which it changes. No waker is called here and no code of a user runs:
//! what must happen after the lock is released is gathered in [`After`].
//!
//! # The rules
//!
//! 1. A place is free, filled, or *granted*. Senders are granted places only while `waiting + granted < capacity`;
//!    items that come back may fill more, and then senders wait.
//! 2. A sender that waits has a node in `tx`. Whoever frees a place grants it to the first in the line and wakes
//!    it; the item stays with the sender until the sender is polled. A sender that goes away returns what it was
//!    granted, and the next in the line gets it. `send`, `send_many` and `reserve` are one mechanism: each asks
//!    for `want` places, and is woken when it has `min` of them.
//! 3. A receiver that waits has a node in `rx`. Whoever adds an item *calls* the first in the line and wakes it;
//!    the item stays where it is, and nobody else may take the last items, as many as are
//!    called. A called receiver that goes
//!    away takes back its call, and the next in the line is called.
//! 4. Nobody overtakes those who are in a line. Who has been woken and not polled yet may be overtaken by
//!    [`OVERTAKES`](super::waiters::OVERTAKES) items at the most; then whoever comes gives way to the scheduler once,
//!    so that those who were woken are polled, and if they were not, joins the line. So a woken
//!    future that is neither polled nor dropped holds up exactly what it was given: one item, or the places it
//!    was granted. `try_` calls cannot join a line, and take what nobody was promised.
//! 5. A rendezvous (capacity 0) has no places. A sender that waits *offers*: its item lies in its node, where a
//!    receiver takes it. A receiver that was called for an offer which was then withdrawn waits again, as the
//!    first.
//! 6. Closed is told to senders at once. Receivers are told when nothing waits and nothing is in anybody's hands,
//!    since what is in hand may come back.
//! 7. While items are put off, every receiver that waits keeps the time, so that none depends on another to be
//!    polled. Whichever comes first makes ready what is due, and then rule 3 says whose it is.

use std::mem;
use std::task::Waker;

use super::held::{Held, Taken};
use super::waiters::{Key, Line, Turn};
use super::{After, moment};
use crate::builder::{Options, WhenFull};
use crate::{Pressure, QueueStats, SetCapacityError};

/// Everything that the queue's lock guards.
pub(crate) struct State<T> {
    pub(crate) options: Options,
    pub(crate) held: Held<T>,
    pub(crate) tally: QueueStats,
    /// Places promised to waiting senders and to permits.
    granted: usize,
    /// Senders. Those served have places; at a rendezvous, somebody took their item.
    tx: Line<Ask<T>>,
    /// Receivers. Each of those served is called: one item is promised to it.
    rx: Line<()>,
    /// Those who wait for a change of pressure, or for the end.
    pub(crate) watchers: Line<()>,
    senders: usize,
    receivers: usize,
    closed: bool,
    /// Those who watch have been told that it is closed.
    told_closed: bool,
    /// How often the pressure has changed. It alternates, so an odd number means high.
    crossings: u64,
}

/// What a waiting sender asks for.
enum Ask<T> {
    /// `want` places, to be woken at `min`; `got` are granted so far.
    Places { want: usize, min: usize, got: usize },
    /// Somebody to take this item; `None` once somebody has.
    Offer(Option<T>),
}

/// Whether one who is not in the line gives way to those who were woken (rule 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manners {
    /// After a while it lets them be polled first.
    Polite,
    /// It has done so, to no avail, and now joins the line rather than overtake them.
    Patient,
    /// It cannot wait, and takes what nobody was promised.
    Hasty,
}

/// How far an attempt came.
pub(crate) enum Step<R> {
    Done(R),
    /// It must wait, and for that it needs a waker: call again with one.
    Ask,
    /// Its waker is in the line.
    Parked,
    /// There is something for it, but others were woken before and have been overtaken enough: let them be polled,
    /// and call again.
    GiveWay,
}

/// What came of asking for places.
pub(crate) enum Places {
    Granted(usize),
    Full,
    Closed,
    /// More than this capacity are asked for, and they would never come.
    TooMany(usize),
}

/// What a receiver may do.
pub(crate) enum Claim {
    /// Take this many, at least one.
    Take(usize),
    Empty,
    Ended,
}

// === impl State ===

impl<T> State<T> {
    pub(crate) fn new(options: Options) -> Self {
        Self {
            options,
            held: Held::new(),
            tally: QueueStats::default(),
            granted: 0,
            tx: Line::new(),
            rx: Line::new(),
            watchers: Line::new(),
            senders: 1,
            receivers: 1,
            closed: false,
            told_closed: false,
            crossings: 0,
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(crate) fn pressure(&self) -> Pressure {
        if self.crossings.is_multiple_of(2) { Pressure::Normal } else { Pressure::High }
    }

    pub(crate) fn crossings(&self) -> u64 {
        self.crossings
    }

    pub(crate) fn stats(&self) -> QueueStats {
        QueueStats { held: self.held.waiting() + self.held.in_hand(), ..self.tally }
    }

    pub(crate) fn set_capacity(&mut self, capacity: usize) -> Result<(), SetCapacityError> {
        if capacity == 0 || self.is_rendezvous() {
            return Err(SetCapacityError { rendezvous: self.is_rendezvous() });
        }
        self.options.capacity = Some(capacity);
        Ok(())
    }

    /// Share of the capacity that is filled, 0 to 1; `None` if there is no bound.
    pub(crate) fn level(&self) -> Option<f64> {
        match self.options.capacity? {
            0 => Some(if self.tx.is_empty() { 0.0 } else { 1.0 }),
            capacity => Some((self.held.waiting() as f64 / capacity as f64).min(1.0)),
        }
    }

    pub(crate) fn is_rendezvous(&self) -> bool {
        self.options.capacity == Some(0)
    }

    /// Places that nobody has and nobody was promised. While senders are held back it is as if there were none.
    fn free(&self) -> usize {
        let held_back = self.options.hold_senders
            && self.options.when_full == WhenFull::Wait
            && self.pressure() == Pressure::High;
        if held_back {
            return 0;
        }
        self.capacity().saturating_sub(self.held.waiting().saturating_add(self.granted))
    }

    /// The bound, or what is as good as none: half of all numbers, so that sums of two do not overflow.
    fn capacity(&self) -> usize {
        self.options.capacity.unwrap_or(usize::MAX / 2)
    }

    /// Items, stored or offered, that a receiver can take.
    fn available(&self) -> usize {
        self.held.ready() + if self.is_rendezvous() { self.tx.len() } else { 0 }
    }

    fn has_ended(&self) -> bool {
        self.closed && self.held.waiting() == 0 && self.held.in_hand() == 0
    }

    // --- senders

    pub(crate) fn add_sender(&mut self) {
        self.senders += 1;
    }

    /// For a weak handle: only while there are strong ones. Tells the crossings so far.
    pub(crate) fn revive_sender(&mut self) -> Option<u64> {
        (self.senders > 0).then(|| {
            self.senders += 1;
            self.crossings
        })
    }

    pub(crate) fn remove_sender(&mut self) {
        self.senders -= 1;
        if self.senders == 0 {
            self.close();
        }
    }

    pub(crate) fn close(&mut self) {
        self.closed = true;
    }

    /// Asks for at least `min` and at most `want` places: those that the node `key` was granted, or free ones if
    /// nobody waits. `Full` is the answer for one who is not in the line yet; see [`wait`](Self::wait).
    pub(crate) fn ask(
        &mut self,
        key: &mut Option<Key>,
        want: usize,
        min: usize,
        waker: &mut Option<Waker>,
        manners: Manners,
    ) -> Step<Places> {
        let mut got = 0;
        if let Some(waiting) = *key {
            if self.tx.turn(waiting) == Turn::Waiting {
                return keep_waiting(&mut self.tx, waiting, waker);
            }
            *key = None;
            got = self.tx.remove(waiting).1.places();
        }
        if self.closed {
            self.granted -= got;
            return Step::Done(Places::Closed);
        }
        if min > self.capacity() && got == 0 {
            return Step::Done(Places::TooMany(self.capacity()));
        }
        // While anybody is in the line nothing is free, since `balance` has granted it: nobody is overtaken there.
        let free = self.free().min(want - got);
        let more = free.min(manners.allowance(&self.tx));
        if manners == Manners::Polite && got + more < min && got + free >= min {
            return Step::GiveWay;
        }
        if got + more >= min {
            self.granted += more;
            self.tx.pass(more);
            got += more;
        }
        Step::Done(if got > 0 { Places::Granted(got) } else { Places::Full })
    }

    /// Joins the end of the line for at least `min` and at most `want` places.
    pub(crate) fn wait(&mut self, want: usize, min: usize, waker: Waker) -> Key {
        self.tx.push_back(Ask::Places { want, min, got: 0 }, waker)
    }

    /// Stores an item in a granted place.
    pub(crate) fn store(&mut self, item: T) {
        self.store_many(1, std::iter::once(item));
    }

    /// Stores exactly `count` items in granted places.
    pub(crate) fn store_many(&mut self, count: usize, items: impl Iterator<Item = T>) {
        self.granted -= count;
        self.tally.accepted += count as u64;
        self.held.extend(items);
    }

    /// Gives back granted places.
    pub(crate) fn release(&mut self, places: usize) {
        self.granted -= places;
    }

    /// Accepts an item into a full queue that drops, and gives the item which was dropped for it.
    pub(crate) fn displace(&mut self, item: T) -> T {
        self.tally.accepted += 1;
        self.tally.dropped += 1;
        let displaced = match self.options.when_full {
            WhenFull::DropYoungest => self.held.pop_youngest(),
            WhenFull::DropOldest => self.held.pop().map(|taken| taken.item),
            WhenFull::Wait | WhenFull::Refuse | WhenFull::DropIncoming => None,
        };
        // Items that are put off take their places too.
        let displaced = displaced.or_else(|| {
            (self.options.when_full != WhenFull::DropIncoming).then(|| self.held.pop_put_off()).flatten()
        });
        match displaced {
            Some(displaced) => {
                self.held.push(item);
                displaced
            }
            // Also where all places are granted and none is filled: there is nothing else to drop.
            None => item,
        }
    }

    /// At a rendezvous, hands an item to a receiver that waits, if one does (rule 5).
    pub(crate) fn hand_over(&mut self, item: T) -> Result<(), T> {
        // Nobody passes those who are offering: the receivers that wait are called for theirs first.
        if !self.is_rendezvous() || !self.tx.is_empty() || self.rx.is_empty() {
            return Err(item);
        }
        self.tally.accepted += 1;
        self.held.push(item);
        Ok(())
    }

    /// Offers the item in `slot` until somebody has taken it, which leaves `slot` empty, or the queue is closed.
    pub(crate) fn offer(
        &mut self,
        key: &mut Option<Key>,
        slot: &mut Option<T>,
        waker: &mut Option<Waker>,
    ) -> Step<()> {
        let Some(waiting) = *key else {
            if self.closed {
                return Step::Done(());
            }
            let Some(waker) = waker.take() else { return Step::Ask };
            *key = Some(self.tx.push_back(Ask::Offer(slot.take()), waker));
            return Step::Parked;
        };
        if self.tx.turn(waiting) == Turn::Waiting {
            return keep_waiting(&mut self.tx, waiting, waker);
        }
        *key = None;
        *slot = self.forget_ask(waiting).1;
        Step::Done(())
    }

    /// A sender's node goes away (rule 2). Gives what is to be dropped after the lock is released: its waker, and
    /// the item that it offered, if nobody has taken that.
    pub(crate) fn forget_ask(&mut self, key: Key) -> (Option<Waker>, Option<T>) {
        let (waker, ask) = self.tx.remove(key);
        self.granted -= ask.places();
        (waker, ask.into_item())
    }

    // --- receivers

    pub(crate) fn add_receiver(&mut self) {
        self.receivers += 1;
    }

    pub(crate) fn has_receivers(&self) -> bool {
        self.receivers > 0
    }

    /// Gives what the last receiver leaves behind.
    pub(crate) fn remove_receiver(&mut self) -> Vec<T> {
        self.receivers -= 1;
        if self.receivers > 0 {
            return Vec::new();
        }
        self.close();
        let left = self.held.drain();
        self.tally.returned += left.len() as u64;
        left
    }

    /// Makes ready what was put off and is due.
    pub(crate) fn ripen(&mut self, after: &mut After) {
        if self.held.next_due().is_some() {
            self.held.ripen(moment::now());
            self.balance(after);
        }
    }

    /// How many items the owner of the node `key` may take now.
    pub(crate) fn claim(
        &mut self,
        key: &mut Option<Key>,
        waker: &mut Option<Waker>,
        manners: Manners,
    ) -> Step<Claim> {
        let mut was_called = false;
        if let Some(waiting) = *key {
            if self.rx.turn(waiting) == Turn::Waiting {
                return keep_waiting(&mut self.rx, waiting, waker);
            }
            was_called = self.rx.turn(waiting) == Turn::Served;
            // The offer was withdrawn that it was called for. It keeps its turn until it brings a waker.
            if was_called && waker.is_none() && self.available() < self.rx.served() && !self.has_ended() {
                return Step::Ask;
            }
            self.forget_claim(waiting);
            *key = None;
        }
        let allowance = manners.allowance(&self.rx).saturating_add(usize::from(was_called));
        let free = self.available().saturating_sub(self.rx.served());
        match free.min(allowance) {
            0 if free > 0 && manners == Manners::Polite => Step::GiveWay,
            0 if self.has_ended() => Step::Done(Claim::Ended),
            0 => match waker.take() {
                None => Step::Ask,
                Some(waker) => {
                    let rx = &mut self.rx;
                    *key = Some(if was_called { rx.push_front((), waker) } else { rx.push_back((), waker) });
                    Step::Parked
                }
            },
            n => Step::Done(Claim::Take(n)),
        }
    }

    /// Takes the oldest item, which [`claim`](Self::claim) has granted. Wakes the sender whose offer it was.
    pub(crate) fn take(&mut self, after: &mut After) -> Taken<T> {
        self.rx.pass(1);
        if let Some(taken) = self.held.pop() {
            return taken;
        }
        let (key, waker) = self.tx.serve().expect("a claim is for an item or an offer");
        after.wakes.extend(waker);
        self.tally.accepted += 1;
        match self.tx.what(key) {
            Ask::Offer(item) => Taken {
                item: item.take().expect("an offer in the line has its item"),
                seq: self.held.next_number(),
                attempt: 1,
            },
            Ask::Places { .. } => unreachable!("a rendezvous has no places to ask for"),
        }
    }

    /// A receiver's node goes away (rule 3). Gives its waker, to be dropped after the lock is released.
    pub(crate) fn forget_claim(&mut self, key: Key) -> Option<Waker> {
        self.rx.remove(key).0
    }

    // --- everybody

    /// Applies the rules after a change: measures the pressure, grants places, calls receivers, tells the end.
    pub(crate) fn balance(&mut self, after: &mut After) {
        if self.closed {
            while let Some(waker) = self.tx.dismiss() {
                after.wakes.extend(waker);
            }
            if !mem::replace(&mut self.told_closed, true) {
                self.tell_watchers(after);
            }
        }
        // Before places are granted: it may hold senders back, or let them go.
        self.measure_pressure(after);
        self.grant(after);
        while self.available() > self.rx.served()
            && let Some((_, waker)) = self.rx.serve()
        {
            after.wakes.extend(waker);
        }
        if self.has_ended() {
            while let Some(waker) = self.rx.dismiss() {
                after.wakes.extend(waker);
            }
        }
    }

    /// Rule 2.
    fn grant(&mut self, after: &mut After) {
        while let Some(first) = self.tx.first() {
            let (free, capacity) = (self.free(), self.capacity());
            let Ask::Places { want, min, got } = self.tx.what(first) else { return };
            if *min > capacity {
                // The capacity has shrunk since: what it gathered is the next one's, and it is told.
                self.granted -= mem::take(got);
                after.wakes.extend(self.tx.dismiss().flatten());
                continue;
            }
            let more = free.min(*want - *got);
            *got += more;
            let enough = *got >= *min;
            self.granted += more;
            if !enough {
                return;
            }
            after.wakes.extend(self.tx.serve().and_then(|(_, waker)| waker));
        }
    }

    /// Rule 7: something is due earlier than those who wait know.
    pub(crate) fn tell_time(&mut self, after: &mut After) {
        self.rx.take_wakers(|waker| after.wakes.extend(Some(waker)));
    }

    fn measure_pressure(&mut self, after: &mut After) {
        let Some(capacity) = self.options.capacity else { return };
        let len = if capacity == 0 { self.tx.len() } else { self.held.waiting() };
        let now = self.pressure();
        if self.options.watermarks.update(now, len, capacity) != now {
            self.crossings += 1;
            after.crossings = Some(self.crossings);
            self.tell_watchers(after);
        }
    }

    /// There are few who watch, and it is rare that there is something to tell: all are woken to look.
    fn tell_watchers(&mut self, after: &mut After) {
        while let Some((_, waker)) = self.watchers.serve() {
            after.wakes.extend(waker);
        }
    }
}

// === impl Manners ===

impl Manners {
    /// What becomes of them once way was given.
    pub(crate) fn patient(self) -> Self {
        match self {
            Self::Polite | Self::Patient => Self::Patient,
            Self::Hasty => Self::Hasty,
        }
    }

    /// How many more may pass those in `line` who were woken.
    fn allowance<W>(self, line: &Line<W>) -> usize {
        match self {
            Self::Polite | Self::Patient => line.allowance(),
            Self::Hasty => usize::MAX,
        }
    }
}

// === impl Ask ===

impl<T> Ask<T> {
    /// The places that it was granted.
    fn places(&self) -> usize {
        match self {
            Self::Places { got, .. } => *got,
            Self::Offer(_) => 0,
        }
    }

    /// The item that it offered, if nobody has taken it.
    fn into_item(self) -> Option<T> {
        match self {
            Self::Places { .. } => None,
            Self::Offer(item) => item,
        }
    }
}

/// One who is in the line is polled again: its waker may have changed.
fn keep_waiting<W, R>(line: &mut Line<W>, key: Key, waker: &mut Option<Waker>) -> Step<R> {
    let Some(new) = waker.take() else { return Step::Ask };
    *waker = line.renew(key, new);
    Step::Parked
}
