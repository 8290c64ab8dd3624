//! The state of a queue and the rules by which it changes. No waker is called here and, except for a discipline, no user
//! code runs: what must happen after the lock is released is gathered in [`After`].
//!
//! # The rules
//!
//! 1. A place is free, filled, or *granted*. Senders are granted places only while `waiting + granted < capacity`;
//!    items that come back may fill more, and then senders wait. Where weight is bounded, a place comes with the
//!    weight of what is to fill it, by the same rule.
//! 2. A waiting sender has a node in `tx`. Whoever frees a place grants it to the next sender in the line and wakes it;
//!    the item stays with the sender until the sender is polled. A sender that goes away returns what it was granted, and
//!    the next in the line gets it. `send`, `send_many` and `reserve` are one mechanism: each asks for `want` places, and
//!    is served when there are `min` of them. Nobody is served before the next in the line, so free places accumulate
//!    until there are enough for that one.
//! 3. A waiting receiver has a node in `rx`. Whoever adds an item *calls* the first receiver in the line and wakes it;
//!    the item stays where it is, and nobody else may take the last items, as many as there are called receivers. A
//!    called receiver that goes away withdraws its call, and the next in the line is called.
//! 4. Nobody overtakes those that are in a line. A waiter that has been woken and not polled yet may be overtaken by at
//!    most [`OVERTAKES`](super::waiters::OVERTAKES) items; then a newcomer yields to the scheduler once, so that the woken
//!    ones are polled, and if they were not, joins the line. So a woken future that is neither polled nor dropped holds up
//!    exactly what it was given: one item, or the places it was granted. `try_` calls cannot join a line, and take what is
//!    promised to nobody.
//! 5. A rendezvous (capacity 0) has no places. A waiting sender *offers*: its item is in its node, where a receiver takes
//!    it. A receiver that was called for an offer which was then withdrawn waits again, as the first.
//! 6. Senders learn at once that the queue is closed. Receivers learn it when nothing waits and nothing is in hand,
//!    since an item in hand may come back. While one is, waiting receivers are woken once when the queue is closed, and
//!    wait on: a consumer that has items in hand, and waits for more before working on them, need not do so any longer.
//!    A receiver that is in no line, since it takes nothing, may be an *onlooker*: it is woken at both moments; or one that
//!    waits until nothing can be taken, whoever took it, be the queue open or closed, and is woken when that is so.
//! 7. While items are delayed, every waiting receiver keeps a timer, so that none depends on another being polled.
//!    Whichever comes first makes the due items ready, and then rule 3 says whose they are.
//! 8. An expired item is taken out by whoever comes to take, or to ask for room, and finds it. A receiver that was called
//!    for it waits again, as the first. Nobody else may come once the queue is closed, so an onlooker that waits for the
//!    end keeps a timer then, also for items that are delayed, and is woken when it is to look earlier. So does one that
//!    waits until nothing can be taken, at any time, for the items that can be.
//! 9. Most of the time a queue is *quiet*: nobody waits, nothing is promised to a waiter that was not polled yet, and the
//!    pressure is far from its marks. Then one item more or less changes nothing else, and the rules need not be
//!    applied. Two numbers say how far that reaches; they follow from everything else, so whoever changes anything else
//!    applies the rules, which end by computing them anew.
//! 10. Waking a sender costs more than a cheap item, and if the runtime wakes another of its threads for it, more than many.
//!     So a consumer with a tap may postpone it while there are many items to take, also for a single sender. Senders that
//!     were served are then woken all at once: when half of what was there is left, or 64 less; when the tap is told to; or
//!     by any other task for which the rules are applied, or that wakes somebody.

mod meeting;
mod short;

use std::mem;
use std::task::Waker;

pub(crate) use self::short::Short;
use super::ask::Demand;
use super::few::Few;
use super::held::{Held, Items, Taken};
use super::moment::Moment;
use super::order::{Waiting, changed};
use super::tag::Parcel;
use super::waiters::{Key, Turn, Waiters};
use super::watch::{Change, Sight};
use super::{After, moment};
use crate::builder::{Options, WhenFull};
use crate::pressure::Marks;
use crate::{
    By, Discipline, Line, Pressure, QueueStats, RetuneError, Sent, SetCapacityError, Tapped, Tick,
    UnknownClass,
};

/// Everything that the queue's lock guards.
pub(crate) struct State<T, L: Line<T>> {
    pub(crate) options: Options,
    /// The bound, [`UNBOUNDED`] at the most.
    capacity: usize,
    /// Is the capacity 0? It stays so.
    rendezvous: bool,
    /// Is nothing out of the ordinary (see [`short`])? Like the numbers of rule 9, this is computed anew whenever anything
    /// else changes.
    plain: bool,
    pub(crate) held: Held<T, L::Items, L::Rank>,
    pub(crate) tally: QueueStats,
    /// Places promised to waiting senders and to permits.
    granted: usize,
    /// The weight promised with them. It wraps around where it is not bounded.
    granted_weight: usize,
    /// Senders. Those served have places; at a rendezvous, somebody took their item.
    tx: Waiters<Ask<T, L::Rank>>,
    /// Which of the senders in the line is next.
    order: L::Waiting,
    /// The next sender, while there is not enough for it yet. It is out of `order`, and stays the next: a discipline that
    /// takes turns would otherwise spend its turn in vain each time that anything changes.
    next_sender: Option<Key>,
    /// How many have joined the line of senders.
    asked: u64,
    /// Receivers. Each of those served is called: one item is promised to it.
    rx: Waiters<()>,
    /// Tasks that wait for a change of pressure or of the senders, or for the end.
    pub(crate) watchers: Waiters<Change>,
    /// Receivers that are in no line, and want to know of the end. Apart from `watchers`, which have the queue go the long
    /// way: of these, one may stay here although it takes items again.
    onlookers: Waiters<()>,
    /// When those look again by themselves, each by a timer of its own, once the queue is closed; `None`: they do not.
    onlookers_look: Option<Moment>,
    /// Onlookers that wait until nothing can be taken.
    idlers: Waiters<()>,
    /// When those look again by themselves, each by a timer of its own.
    idlers_look: Option<Moment>,
    /// What is to be done after the lock is released. While nobody has the lock, it holds only what may be late.
    pub(super) after: After<T>,
    /// Where the pressure changes, by items and by weight; `None` for one that is not bounded.
    marks: (Option<Marks>, Option<Marks>),
    /// In this lock section nothing has changed but the waiters, and none of them can be served for it: the rules need not
    /// be applied at its end (rule 9).
    calm: bool,
    /// While fewer items than this can be taken, one more changes nothing else (rule 9).
    quiet_below: usize,
    /// While more items than this can be taken, one less changes nothing else (rule 9).
    quiet_above: usize,
    /// While more items than this can be taken, the senders in `after.late` need not be woken (rule 10).
    wake_at: usize,
    senders: usize,
    receivers: usize,
    closed: bool,
    /// The watchers have been told that the queue is closed.
    told_closed: bool,
    /// How often the pressure has changed. It alternates, so an odd number means high.
    crossings: u64,
}

/// As good as no bound, and twice this does not overflow.
const UNBOUNDED: usize = usize::MAX / 2;

/// A sender that is in the line, or was.
struct Ask<T, R> {
    rank: R,
    /// Its number by arrival in the line.
    seq: u64,
    /// When it joined the line, where the order needs the time.
    since: Tick,
    what: What<T, R>,
}

/// What a waiting sender asks for.
enum What<T, R> {
    /// `want` places for items of this weight each, `min` at least; `got` are granted.
    Places { want: usize, min: usize, each: usize, got: usize },
    /// Somebody to take this item; `None` once it is taken.
    /// Boxed, since a node is as large as its largest variant, and most waiting senders offer nothing.
    Offer(Option<Box<Parcel<T, R>>>),
}

/// Whether a newcomer gives way to waiters that were woken (rule 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manners {
    /// After a while it lets them be polled first.
    Polite,
    /// It has done so, to no avail, and now joins the line rather than overtake them.
    Patient,
    /// It cannot wait, and takes what is promised to nobody.
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
    /// More places than this, the capacity, are asked for, and they would never come.
    TooMany(usize),
    /// More weight than this, the bound, is asked for, and it would never come.
    TooHeavy(usize),
}

/// What a receiver may do.
pub(crate) enum Claim {
    /// Take this many, at least one.
    Take(usize),
    Empty,
    Ended,
}

// === impl State ===

impl<T, L: Line<T>> State<T, L> {
    pub(crate) fn new(options: Options, items: L::Items, order: L::Waiting) -> Self {
        let mut state = Self {
            marks: marks(&options),
            capacity: options.capacity.map_or(UNBOUNDED, |capacity| capacity.min(UNBOUNDED)),
            rendezvous: options.capacity == Some(0),
            plain: false,
            calm: false,
            quiet_below: 0,
            quiet_above: usize::MAX,
            wake_at: 0,
            options,
            held: Held::new(items),
            tally: QueueStats::default(),
            granted: 0,
            granted_weight: 0,
            tx: Waiters::new(),
            order,
            next_sender: None,
            asked: 0,
            rx: Waiters::new(),
            watchers: Waiters::new(),
            onlookers: Waiters::new(),
            onlookers_look: None,
            idlers: Waiters::new(),
            idlers_look: None,
            after: After::default(),
            senders: 1,
            receivers: 1,
            closed: false,
            told_closed: false,
            crossings: 0,
        };
        state.find_quiet();
        state
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

    /// Notes that a new item was refused, since the queue was full.
    pub(crate) fn refuse(&mut self, rank: L::Rank) {
        self.tally.refused += 1;
        self.held.refused(rank);
    }

    pub(crate) fn stats(&self) -> QueueStats {
        QueueStats { held: self.held.waiting() + self.held.in_hand(), ..self.tally }
    }

    pub(crate) fn set_capacity(&mut self, capacity: usize) -> Result<(), SetCapacityError> {
        if capacity == 0 || self.is_rendezvous() {
            return Err(SetCapacityError { rendezvous: self.is_rendezvous() });
        }
        self.options.capacity = Some(capacity);
        self.capacity = capacity.min(UNBOUNDED);
        self.marks = marks(&self.options);
        // A sender that waits for more than that would wait for ever.
        let mut next = self.tx.first();
        while let Some(key) = next {
            next = self.tx.behind(key);
            if let What::Places { min, .. } = self.tx.what(key).what
                && min > capacity
            {
                self.dismiss_ask(key);
            }
        }
        Ok(())
    }

    /// How full the queue is, 0 to 1, by items or by weight, whichever is more; `None` if there is no bound.
    pub(crate) fn level(&self) -> Option<f64> {
        let share = |part: usize, whole: usize| (part as f64 / whole as f64).min(1.0);
        let by_items = self.options.capacity.map(|capacity| match capacity {
            0 => f64::from(u8::from(!self.tx.is_empty())),
            capacity => share(self.held.waiting(), capacity),
        });
        let by_weight = self.options.max_weight.map(|max| share(self.held.weight(), max));
        by_items.into_iter().chain(by_weight).reduce(f64::max)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.options.capacity.is_some_and(|capacity| self.held.waiting() >= capacity)
            || self.options.max_weight.is_some_and(|max| self.held.weight() >= max)
    }

    pub(crate) fn is_rendezvous(&self) -> bool {
        self.rendezvous
    }

    /// How many places for items that weigh `each` are free and promised to nobody, `want` at the most. None while senders
    /// are held back.
    fn free(&self, want: usize, each: usize) -> usize {
        let held_back = self.options.hold_senders
            && self.options.when_full == WhenFull::Wait
            && self.pressure() == Pressure::High;
        if held_back {
            return 0;
        }
        let places = self.capacity().saturating_sub(self.held.waiting().saturating_add(self.granted));
        let bearable = match self.options.max_weight {
            None => usize::MAX,
            Some(max) => max.saturating_sub(self.used_weight()).checked_div(each).unwrap_or(usize::MAX),
        };
        want.min(places).min(bearable)
    }

    fn capacity(&self) -> usize {
        self.capacity
    }

    /// The weight that is filled or promised.
    fn used_weight(&self) -> usize {
        self.held.weight().wrapping_add(self.granted_weight)
    }

    fn max_weight(&self) -> usize {
        self.options.max_weight.unwrap_or(usize::MAX)
    }

    /// Items, stored or offered, that a receiver can take.
    fn available(&self) -> usize {
        self.held.ready() + if self.rendezvous { self.tx.len() } else { 0 }
    }

    /// How many items can be taken while nobody waits for them, nor was called for them.
    pub(crate) fn unclaimed(&self) -> usize {
        if self.rx.is_empty() && self.rx.served() == 0 { self.available() } else { 0 }
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.closed && self.held.waiting() == 0 && self.held.in_hand() == 0
    }

    /// May one more item be stored without applying the rules (rule 9)?
    pub(crate) fn is_quiet_to_add(&self) -> bool {
        self.held.ready() < self.quiet_below
    }

    /// How many items may be taken without applying the rules (rule 9).
    pub(crate) fn quiet_to_take(&self) -> usize {
        self.held.ready().saturating_sub(self.quiet_above)
    }

    /// Could a newcomer have a place now?
    pub(crate) fn has_room(&self) -> bool {
        self.tx.is_empty() && self.free(1, 0) > 0
    }

    /// Could a newcomer take something now?
    pub(crate) fn has_something(&self) -> bool {
        self.available() > self.rx.served()
    }

    // --- senders

    pub(crate) fn add_sender(&mut self) {
        self.senders += 1;
    }

    /// Adds a sender for a weak handle, if there are strong ones. Returns the crossings so far.
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
        if !self.watchers.is_empty() {
            self.tell_watchers(|watched| watched == Change::Senders);
        }
    }

    /// How many strong senders there are.
    pub(crate) fn senders(&self) -> usize {
        self.senders
    }

    pub(crate) fn close(&mut self) {
        self.closed = true;
    }

    /// Asks for the places of `demand`: those that the node `key` was granted, or free ones if nobody waits. `Full` is
    /// the answer for a sender that is not in the line yet; see [`wait`](Self::wait).
    pub(crate) fn ask(
        &mut self,
        key: &mut Option<Key>,
        demand: &Demand<L::Rank>,
        waker: &mut Option<Waker>,
    ) -> Step<Places> {
        let &Demand { want, min, each, manners, .. } = demand;
        let mut got = 0;
        if let Some(waiting) = *key {
            if self.tx.turn(waiting) == Turn::Waiting {
                self.calm = true;
                return keep_waiting(&mut self.tx, waiting, waker);
            }
            *key = None;
            got = self.tx.remove(waiting).1.places();
        }
        if self.closed {
            self.release(got, each);
            return Step::Done(Places::Closed);
        }
        if got == 0 && min > self.capacity() {
            return Step::Done(Places::TooMany(self.capacity()));
        }
        if got == 0 && min.saturating_mul(each) > self.max_weight() {
            return Step::Done(Places::TooHeavy(self.max_weight()));
        }
        // Nobody overtakes the senders in the line.
        let free = if self.tx.is_empty() { self.free(want - got, each) } else { 0 };
        let more = free.min(manners.allowance(&self.tx));
        if manners == Manners::Polite && got + more < min && got + free >= min {
            return Step::GiveWay;
        }
        if got + more >= min {
            self.promise(more, each);
            self.tx.pass(more);
            got += more;
        }
        Step::Done(if got > 0 { Places::Granted(got) } else { Places::Full })
    }

    /// Grants one more place to a sender that has just got some, if one is free for an item that weighs `each`.
    pub(crate) fn ask_on(&mut self, each: usize, manners: Manners) -> bool {
        let got = self.tx.is_empty() && self.free(1, each) > 0 && manners.allowance(&self.tx) > 0;
        if got {
            self.promise(1, each);
            self.tx.pass(1);
        }
        got
    }

    /// Joins the end of the line for the places of `demand`.
    pub(crate) fn wait(&mut self, demand: &Demand<L::Rank>, waker: Waker) -> Key {
        let &Demand { want, min, each, rank, .. } = demand;
        self.join(rank, What::Places { want, min, each, got: 0 }, waker)
    }

    /// The same for a sender that has got nothing, and has changed nothing.
    pub(crate) fn wait_calmly(&mut self, demand: &Demand<L::Rank>, waker: Waker) -> Key {
        let key = self.wait(demand, waker);
        // If anything is free, it may be for the newcomer.
        self.calm = self.free(1, 0) == 0;
        if self.calm {
            self.expect_senders_waiting();
        }
        key
    }

    /// Rule 9 while senders are in the line.
    fn expect_senders_waiting(&mut self) {
        (self.quiet_below, self.quiet_above) = (0, usize::MAX);
    }

    fn join(&mut self, rank: L::Rank, what: What<T, L::Rank>, waker: Waker) -> Key {
        let seq = self.asked;
        self.asked += 1;
        let key = self.tx.push_back(Ask { rank, seq, since: 0, what }, waker);
        self.tx.what(key).since = self.order.insert(key, rank, seq);
        key
    }

    pub(crate) fn promise(&mut self, places: usize, each: usize) {
        self.granted += places;
        self.granted_weight = self.granted_weight.wrapping_add(places.wrapping_mul(each));
    }

    /// Gives back granted places.
    pub(crate) fn release(&mut self, places: usize, each: usize) {
        self.granted -= places;
        self.granted_weight = self.granted_weight.wrapping_sub(places.wrapping_mul(each));
    }

    /// Stores an item in a place that was granted for a weight of `each`.
    #[inline]
    pub(crate) fn store(&mut self, parcel: Parcel<T, L::Rank>, each: usize) {
        self.release(1, each);
        self.tally.accepted += 1;
        self.held.push(parcel);
    }

    /// Stores exactly `count` plain items in granted places.
    pub(crate) fn store_many(&mut self, count: usize, items: impl Iterator<Item = T>, rank: L::Rank) {
        self.release(count, 1);
        self.tally.accepted += count as u64;
        self.held.extend(items, rank);
    }

    /// Accepts an item into a full queue that drops, and returns what was dropped for it, which may be the item itself.
    pub(crate) fn displace(&mut self, parcel: Parcel<T, L::Rank>) -> Sent<T> {
        self.tally.accepted += 1;
        if self.held.is_class_full(parcel.rank) {
            // No item of another class makes room for it.
            self.held.items().displaced(parcel.rank);
            self.tally.dropped += 1;
            return Sent::Displaced(parcel.item);
        }
        let weight = parcel.tag.weight();
        // Promised places cannot be displaced, and what others wait for is not for a newcomer: while there is a line, it
        // may take no more than it displaces.
        let waited_for = !self.tx.is_empty();
        let mut one = waited_for || self.free(1, 0) == 0;
        let some = self.held.waiting() > 0 || !waited_for && self.granted < self.capacity();
        let room = match self.options.max_weight {
            None => Some(usize::MAX),
            Some(_) if waited_for => self.held.weight().checked_sub(weight),
            Some(max) => max.checked_sub(self.granted_weight).and_then(|room| room.checked_sub(weight)),
        };
        let Some(room) = room.filter(|_| some && self.options.when_full != WhenFull::DropIncoming) else {
            self.tally.dropped += 1;
            return Sent::Displaced(parcel.item);
        };
        // With a discipline the newcomer may itself be the last, so there it joins first.
        let joins_first = L::ONLY_RANK.is_none() && self.options.when_full == WhenFull::DropYoungest;
        let mut newcomer = Some(parcel);
        let number = joins_first.then(|| newcomer.take()).flatten().map(|new| self.held.push_numbered(new));
        let own = number.map_or(0, |_| weight);
        let mut displaced = Few::default();
        while one || room < usize::MAX && self.held.weight() - own > room {
            let taken = match self.options.when_full {
                WhenFull::DropYoungest => self.held.pop_last(),
                _ => self.held.pop_first(),
            };
            // Items that are put off fill places too.
            let Some(taken) = taken.or_else(|| self.held.pop_put_off()) else { break };
            if number == Some(taken.place.seq) {
                if let Some(put_off) = self.held.pop_put_off() {
                    // An item that cannot be taken now goes before one that can.
                    self.held.restore(taken);
                    displaced.push(put_off);
                    one = false;
                    continue;
                }
                // The items behind it were not enough, and stay: the newcomer is the one to go.
                displaced.into_iter().for_each(|other| self.held.restore(other));
                self.held.items().displaced(taken.place.rank);
                self.tally.dropped += 1;
                return Sent::Displaced(taken.item);
            }
            one = false;
            displaced.push(taken);
        }
        newcomer.into_iter().for_each(|parcel| self.held.push(parcel));
        self.tally.dropped += displaced.len() as u64;
        let items = self.held.items();
        Sent::after_displacing(displaced.into_iter().map(|taken| {
            items.displaced(taken.place.rank);
            taken.item
        }))
    }

    /// Removes a sender's node (rule 2). Returns what is to be dropped after the lock is released: its waker, and the item
    /// that it offered, if nobody has taken it.
    pub(crate) fn forget_ask(&mut self, key: Key) -> (Option<Waker>, Option<Parcel<T, L::Rank>>) {
        if self.tx.turn(key) == Turn::Waiting {
            self.leave_order(key);
        }
        let (waker, ask) = self.tx.remove(key);
        if let What::Places { each, got, .. } = ask.what {
            self.release(got, each);
        }
        (waker, ask.into_offer())
    }

    /// Takes the next sender out of the order, but not out of the line.
    fn next_ask(&mut self) -> Option<Key> {
        let first = self.tx.first()?;
        self.order.next(first)
    }

    /// Takes a sender that is in the line out of its order.
    fn leave_order(&mut self, key: Key) {
        if self.next_sender.take_if(|next| *next == key).is_some() {
            return;
        }
        let &mut Ask { rank, seq, since, .. } = self.tx.what(key);
        self.order.remove(key, rank, seq, since);
    }

    // --- receivers

    pub(crate) fn add_receiver(&mut self) {
        self.receivers += 1;
    }

    pub(crate) fn has_receivers(&self) -> bool {
        self.receivers > 0
    }

    /// Returns what the last receiver leaves behind.
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

    /// Makes delayed items ready that are due (rule 7), and takes out expired ones (rule 8). Waiters benefit from it before
    /// the caller does.
    pub(crate) fn refresh(&mut self) {
        let ripe = self.held.has_put_off();
        if ripe {
            self.held.ripen(moment::now());
        }
        if self.expire() || ripe {
            self.balance();
        }
    }

    /// The same for a sender, which needs only the room.
    pub(crate) fn make_room(&mut self) {
        if self.expire() {
            self.balance();
        }
    }

    /// Rule 8. Returns whether anything was taken out.
    #[inline]
    fn expire(&mut self) -> bool {
        self.held.has_mortal() && self.take_expired()
    }

    #[cold]
    fn take_expired(&mut self) -> bool {
        let before = self.tally.expired;
        while let Some(expired) = self.held.pop_expired() {
            self.tally.dropped += 1;
            self.tally.expired += 1;
            self.after.expired.push(expired.item);
        }
        self.tally.expired > before
    }

    /// How many items the owner of the node `key` may take now.
    pub(crate) fn claim(
        &mut self,
        key: &mut Option<Key>,
        waker: &mut Option<Waker>,
        manners: Manners,
    ) -> Step<Claim> {
        let (mut was_called, mut entitled) = (false, false);
        if let Some(waiting) = *key {
            if self.rx.turn(waiting) == Turn::Waiting {
                self.calm = true;
                return keep_waiting(&mut self.rx, waiting, waker);
            }
            was_called = self.rx.turn(waiting) == Turn::Served;
            // The items that receivers were called for may be gone: an offer was withdrawn, an item expired or was taken
            // out by its ticket. Then the receivers that were called last have nothing.
            let available = self.available();
            entitled = was_called && (available >= self.rx.served() || self.rx.position(waiting) < available);
            // The receiver keeps its turn until it brings a waker.
            if was_called && !entitled && waker.is_none() && !self.has_ended() {
                return Step::Ask;
            }
            self.forget_claim(waiting);
            *key = None;
        }
        let allowance = manners.allowance(&self.rx).saturating_add(usize::from(was_called));
        let free = self.available().saturating_sub(self.rx.served()).max(usize::from(entitled));
        match free.min(allowance) {
            0 if free > 0 && manners == Manners::Polite => Step::GiveWay,
            0 if self.has_ended() => Step::Done(Claim::Ended),
            0 => match waker.take() {
                None => Step::Ask,
                Some(waker) if was_called => {
                    *key = Some(self.rx.push_front((), waker));
                    Step::Parked
                }
                Some(waker) => {
                    *key = Some(self.rx.push_back((), waker));
                    // If an item is there and promised to nobody, it may be for this receiver.
                    self.calm = free == 0;
                    self.quiet_below = 0;
                    Step::Parked
                }
            },
            n => Step::Done(Claim::Take(n)),
        }
    }

    /// Notes that an item that was taken by value is done, or failed.
    pub(crate) fn end_tapped(&mut self, done: bool) {
        self.held.untap();
        if done {
            self.tally.completed += 1;
        } else {
            self.tally.failed += 1;
        }
    }

    /// Takes one more item, after [`take`](Self::take); `None` if the rest has expired meanwhile, or is promised to others.
    pub(crate) fn take_another(&mut self) -> Option<Taken<T, L::Rank>> {
        (self.available() > self.rx.served()).then(|| self.take())
    }

    /// Takes the next item, as [`claim`](Self::claim) has granted. At a rendezvous it wakes the sender that offered it.
    #[inline]
    pub(crate) fn take(&mut self) -> Taken<T, L::Rank> {
        let taken = match self.held.pop() {
            Some(taken) => taken,
            None => self.take_offer(),
        };
        self.rx.pass(1);
        // The items behind it may have expired too.
        self.expire();
        taken
    }

    /// The same for the item alone, which the queue then counts as completed.
    #[inline]
    pub(crate) fn take_item(&mut self) -> T {
        self.tally.completed += 1;
        let item = match self.held.pop_item() {
            Some(item) => item,
            None => self.take_offered_item(),
        };
        self.rx.pass(1);
        // The items behind it may have expired too.
        self.expire();
        item
    }

    /// The same for an item of which nothing is known but its value; `None` if there is more to know, or may be. The item is
    /// in hand then.
    #[inline]
    pub(crate) fn tap_plain(&mut self) -> Option<T> {
        let item = self.held.pop_plain()?;
        self.held.tap();
        self.rx.pass(1);
        Some(item)
    }

    /// The same for a caller that is done with another item: as many are in hand as before.
    pub(crate) fn tap_plain_next(&mut self) -> Option<T> {
        let item = self.held.pop_plain()?;
        self.tally.completed += 1;
        Some(item)
    }

    /// The same with what is known of the item.
    pub(crate) fn tap_known(&mut self) -> Tapped<T> {
        let Taken { item, place } = self.take();
        self.held.tap();
        let waited = self.held.waited(&place);
        Tapped::Item { item, attempt: place.attempt, headers: place.tag.headers(), waited }
    }

    /// Removes a receiver's node (rule 3). Returns its waker, to be dropped after the lock is released.
    pub(crate) fn forget_claim(&mut self, key: Key) -> Option<Waker> {
        self.rx.remove(key).0
    }

    // --- everybody

    /// Applies the rules after a change: measures the pressure, grants places, calls receivers, tells the end.
    #[inline]
    pub(crate) fn balance(&mut self) {
        if !mem::take(&mut self.calm) {
            self.apply_the_rules();
        }
    }

    fn apply_the_rules(&mut self) {
        if self.closed {
            self.send_senders_away();
        }
        // Before places are granted: the pressure may hold senders back, or let them go.
        self.measure_pressure();
        if !self.tx.is_empty() && !self.rendezvous {
            self.grant();
        }
        while !self.rx.is_empty()
            && self.available() > self.rx.served()
            && let Some((_, waker)) = self.rx.serve()
        {
            self.after.wakes.extend(waker);
        }
        if self.closed {
            self.tell_who_waits_for_the_end();
        }
        if !self.idlers.is_empty() {
            self.tell_who_waits_for_nothing();
        }
        self.find_quiet();
    }

    #[cold]
    fn send_senders_away(&mut self) {
        while let Some(key) = self.tx.first() {
            self.dismiss_ask(key);
        }
        if !mem::replace(&mut self.told_closed, true) {
            self.tell_watchers(|_| true);
            self.tell_onlookers();
            if self.held.in_hand() > 0 {
                self.rx.take_wakers(|waker| self.after.wakes.push(waker));
            }
        }
    }

    /// Rules 6 and 8.
    #[cold]
    fn tell_who_waits_for_the_end(&mut self) {
        if self.has_ended() {
            self.tell_the_end();
        } else if !self.onlookers.is_empty()
            && let Some(due) = self.next_change()
            && self.onlookers_look.is_none_or(|looks| due < looks)
        {
            // What comes to the front, or comes back, may be gone before they look.
            self.tell_onlookers();
        }
    }

    fn tell_the_end(&mut self) {
        while let Some(key) = self.rx.first() {
            let waker = self.rx.dismiss_at(key);
            self.after.wakes.extend(waker);
        }
        self.tell_onlookers();
    }

    fn tell_onlookers(&mut self) {
        while let Some((_, waker)) = self.onlookers.serve() {
            self.after.wakes.extend(waker);
        }
    }

    /// The same for those that wait until nothing can be taken.
    #[cold]
    fn tell_who_waits_for_nothing(&mut self) {
        // What comes to the front may be gone before they look.
        let sooner = |due| self.idlers_look.is_none_or(|looks| due < looks);
        if self.held.ready() == 0 || self.held.next_expiry().is_some_and(sooner) {
            while let Some((_, waker)) = self.idlers.serve() {
                self.after.wakes.extend(waker);
            }
        }
    }

    /// Stays an onlooker, or becomes one, with the waker in `waker`, where another may be after that.
    pub(crate) fn look_on(&mut self, sight: Sight, key: &mut Option<Key>, waker: &mut Option<Waker>) {
        let Some(new) = waker.take() else { unreachable!("who looks on brings a waker") };
        if let Some(key) = *key
            && self.who_wait_for(sight).turn(key) == Turn::Waiting
        {
            *waker = self.who_wait_for(sight).renew(key, new);
            return;
        }
        *waker = key.take().and_then(|told| self.look_away(sight, told));
        *key = Some(self.who_wait_for(sight).push_back((), new));
    }

    fn who_wait_for(&mut self, sight: Sight) -> &mut Waiters<()> {
        match sight {
            Sight::End => &mut self.onlookers,
            Sight::Nothing => &mut self.idlers,
        }
    }

    /// When an onlooker is to look again, which it does then: only an item that expires is taken out by nobody.
    pub(crate) fn onlooker_due(&mut self) -> Option<Moment> {
        self.onlookers_look = if self.closed { self.next_change() } else { None };
        self.onlookers_look
    }

    /// When an onlooker that waits until nothing can be taken is to look again, which it does then.
    pub(crate) fn idler_due(&mut self) -> Option<Moment> {
        self.idlers_look = self.held.next_expiry();
        self.idlers_look
    }

    /// When time alone changes something: an item is due, and may have expired by then, or one expires.
    fn next_change(&self) -> Option<Moment> {
        self.held.next_due().into_iter().chain(self.held.next_expiry()).min()
    }

    /// Is no onlooker any more. Returns its waker, to be dropped after the lock is released.
    pub(crate) fn look_away(&mut self, sight: Sight, key: Key) -> Option<Waker> {
        self.who_wait_for(sight).remove(key).0
    }

    /// Rule 9.
    fn find_quiet(&mut self) {
        let rare = self.held.has_put_off() || self.held.has_mortal() || self.options.max_weight.is_some();
        let watched = !self.watchers.is_empty() || !self.idlers.is_empty();
        self.plain = !rare && !self.closed && !watched && self.options.is_plain();
        if rare {
            self.expect_senders_waiting();
        } else {
            self.find_marks();
        }
    }

    /// Rule 9 while nothing is put off and nothing will expire.
    fn find_marks(&mut self) {
        (self.quiet_below, self.quiet_above) = (0, usize::MAX);
        if !self.tx.is_empty() {
            return;
        }
        let (below, above) = match (self.pressure(), self.marks.0) {
            (_, None) => (usize::MAX, 0),
            (Pressure::Normal, Some(marks)) => (marks.high_at - 1, 0),
            // Held senders wait for the next crossing.
            (Pressure::High, Some(marks)) if self.options.hold_senders => (0, marks.low_at),
            (Pressure::High, Some(marks)) => (usize::MAX, marks.low_at),
        };
        if !self.closed && self.rx.is_empty() && self.tx.served() == 0 {
            self.quiet_below = below.min(self.capacity().saturating_sub(self.granted));
        }
        // An onlooker is to be told when the last item is taken.
        if self.rx.served() == 0 && (!self.closed || self.onlookers.is_empty()) {
            // So are those that wait until nothing can be taken.
            self.quiet_above = above.max(usize::from(!self.idlers.is_empty()));
        }
    }

    /// Rule 2.
    fn grant(&mut self) {
        // Before the order is asked, which may cost something.
        // With weight bounded and used up, nobody is chosen, since more urgent senders may come before any is free.
        while self.free(1, 0) > 0
            && (L::ONLY_RANK.is_some() || self.options.max_weight.is_none_or(|max| self.used_weight() < max))
        {
            let Some(key) = self.next_sender.take().or_else(|| self.next_ask()) else { return };
            let &mut Ask { what: What::Places { want, min, each, .. }, .. } = self.tx.what(key) else {
                unreachable!("only at a rendezvous items are offered")
            };
            let more = self.free(want, each);
            if more < min {
                self.next_sender = Some(key);
                return;
            }
            self.promise(more, each);
            if let What::Places { got, .. } = &mut self.tx.what(key).what {
                *got = more;
            }
            let waker = self.tx.serve_at(key);
            self.after.wakes.extend(waker);
        }
    }

    /// Dismisses a sender that is in the line: what it waits for will not come.
    fn dismiss_ask(&mut self, key: Key) {
        self.leave_order(key);
        let waker = self.tx.dismiss_at(key);
        self.after.wakes.extend(waker);
    }

    /// Rule 7: something is due earlier than the waiting receivers know.
    pub(crate) fn tell_time(&mut self) {
        self.rx.take_wakers(|waker| self.after.wakes.push(waker));
    }

    fn measure_pressure(&mut self) {
        let now = self.pressure();
        let len = if self.is_rendezvous() { self.tx.len() } else { self.held.waiting() };
        let by_items = self.marks.0.is_some_and(|marks| marks.is_high(now, len));
        let by_weight = self.marks.1.is_some_and(|marks| marks.is_high(now, self.held.weight()));
        if (by_items || by_weight) != (now == Pressure::High) {
            self.cross();
            if !self.watchers.is_empty() {
                self.tell_watchers(|watched| watched == Change::Pressure);
            }
        }
    }

    /// Notes that the pressure has changed.
    fn cross(&mut self) {
        self.crossings += 1;
        if self.options.has_pressure_hook {
            self.after.crossings = Some(self.crossings);
        }
    }

    /// Wakes all watchers of that kind to look: there are few, and rarely anything to tell.
    fn tell_watchers(&mut self, concerned: impl Fn(Change) -> bool) {
        let mut next = self.watchers.first();
        while let Some(key) = next {
            next = self.watchers.behind(key);
            if concerned(*self.watchers.what(key)) {
                let waker = self.watchers.serve_at(key);
                self.after.wakes.extend(waker);
            }
        }
    }
}

// === impl Manners ===

impl Manners {
    /// The manners after the caller has given way.
    pub(crate) fn patient(self) -> Self {
        match self {
            Self::Polite | Self::Patient => Self::Patient,
            Self::Hasty => Self::Hasty,
        }
    }

    /// How many more may overtake the waiters of `line` that were woken.
    fn allowance<W>(self, line: &Waiters<W>) -> usize {
        match self {
            Self::Polite | Self::Patient => line.allowance(),
            Self::Hasty => usize::MAX,
        }
    }
}

// === impl Ask ===

impl<T, R> Ask<T, R> {
    /// The weight of the one item that it asks a place for, and where to write that the place was granted; `None` if it
    /// asks for something else.
    fn one_place(&mut self) -> Option<(usize, &mut usize)> {
        match &mut self.what {
            What::Places { want: 1, each, got, .. } => Some((*each, got)),
            What::Places { .. } | What::Offer(_) => None,
        }
    }

    /// The places that it was granted.
    fn places(&self) -> usize {
        match self.what {
            What::Places { got, .. } => got,
            What::Offer(_) => 0,
        }
    }

    /// The item that it offered, if nobody has taken it.
    fn into_offer(self) -> Option<Parcel<T, R>> {
        match self.what {
            What::Places { .. } => None,
            What::Offer(parcel) => parcel.map(|parcel| *parcel),
        }
    }
}

impl<T, D, C> State<T, By<D, C>>
where
    T: Send,
    D: Discipline + Clone,
    C: Fn(&T) -> Result<D::Rank, UnknownClass>,
{
    /// Changes the settings of both disciplines, that of the items and that of the senders that wait for room. Returns the
    /// old ones.
    pub(crate) fn retune(&mut self, mut change: impl FnMut(&mut D)) -> Result<[D; 2], RetuneError> {
        // Changes both or neither.
        let items = changed(self.held.items().discipline(), &mut change)?;
        let senders = changed(self.order.discipline(), &mut change)?;
        Ok([self.held.items().retune(items), self.order.retune(senders)])
    }
}

/// Where the pressure of a queue changes, by items and by weight.
fn marks(options: &Options) -> (Option<Marks>, Option<Marks>) {
    let at = |bound: Option<usize>| bound.map(|bound| options.watermarks.at(bound));
    (at(options.capacity), at(options.max_weight))
}

/// A waiter that is in the line was polled again: its waker may have changed.
fn keep_waiting<W, R>(line: &mut Waiters<W>, key: Key, waker: &mut Option<Waker>) -> Step<R> {
    let Some(new) = waker.take() else { return Step::Ask };
    *waker = line.renew(key, new);
    Step::Parked
}
