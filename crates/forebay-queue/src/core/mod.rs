//! The core: one lock over one [`State`], and what is done after the lock is released.

#![expect(
    missing_debug_implementations,
    reason = "a sealed trait shows some of these types, and nobody can name them"
)]

mod ask;
mod few;
mod held;
mod item;
pub(crate) mod moment;
mod offer;
mod one;
mod order;
mod ordered;
mod ring;
mod stamp;
mod state;
mod stored;
mod tag;
mod take;
mod waiters;
mod watch;

use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Waker};
use std::time::Duration;

pub(crate) use self::ask::{AskPlaces, Asked, Asking, Demand};
use self::few::Few;
pub(crate) use self::held::Items;
pub(crate) use self::held::Taken;
pub(crate) use self::item::SendItem;
#[cfg(feature = "tower")]
pub(crate) use self::moment::{Moment, Timer};
#[cfg(any(feature = "tower", feature = "stream"))]
pub(crate) use self::offer::Offer;
pub(crate) use self::offer::Offering;
pub(crate) use self::one::SendOne;
#[cfg(any(feature = "tower", feature = "stream"))]
pub(crate) use self::one::place;
#[cfg(feature = "tower")]
pub(crate) use self::order::changed;
pub(crate) use self::order::{Arrival, ByDiscipline, Waiting};
pub(crate) use self::ordered::Ordered;
pub(crate) use self::ring::Ring;
pub(crate) use self::state::{Claim, Manners, Places, State};
pub(crate) use self::tag::{Parcel, Tag};
pub(crate) use self::take::Taking;
#[cfg(feature = "tower")]
pub(crate) use self::waiters::{Key, Turn, Waiters};
pub(crate) use self::watch::{Change, Onlooker, Sight, watch};
use crate::builder::Options;
use crate::hooks::{self, Hooks, contain};
use crate::sync::{self, Mutex, MutexGuard, Taker, Takers};
use crate::{End, Label, Line, Receipt, SendError, SendLine, Settle, UnknownClass};

/// What all handles of a queue share.
pub(crate) struct Shared<T, L: Line<T>> {
    state: Mutex<State<T, L>>,
    pub(crate) options: Options,
    pub(crate) hooks: Hooks<T>,
    classifier: L::Classifier,
    expectation: Expectation,
    takers: Takers,
}

/// Will a caller that comes now have to wait? Written under the lock, read before it is taken. Only a guess: a caller
/// that expects to wait clones its waker first, and need not take the lock a second time.
#[derive(Default)]
struct Expectation {
    to_send: AtomicBool,
    to_take: AtomicBool,
}

/// What is to be done once the lock is released.
pub(crate) struct After<T> {
    wakes: Few<Waker>,
    /// Wakers of senders that were served and may be woken late (rule 10).
    late: Few<Waker>,
    /// The pressure has changed, for the n-th time.
    crossings: Option<u64>,
    /// Expired items.
    expired: Vec<T>,
}

// === impl After ===

impl<T> After<T> {
    fn is_empty(&self) -> bool {
        self.late.is_empty() && self.can_wait()
    }

    /// There is nothing, or nothing that is to be done at once (rule 10).
    fn can_wait(&self) -> bool {
        self.wakes.is_empty() && self.crossings.is_none() && self.expired.is_empty()
    }
}

impl<T> Default for After<T> {
    fn default() -> Self {
        Self { wakes: Few::default(), late: Few::default(), crossings: None, expired: Vec::new() }
    }
}

// === impl Shared ===

impl<T, L: Line<T>> Shared<T, L> {
    pub(crate) fn new(options: Options, hooks: Hooks<T>, line: L) -> Arc<Self> {
        let (items, order, classifier) = line.open(options.timed);
        let state = Mutex::new(State::new(options, items, order));
        let (expectation, takers) = (Expectation::default(), Takers::default());
        Arc::new(Self { state, options, hooks, classifier, expectation, takers })
    }

    /// Looks at the state.
    pub(crate) fn read<R>(&self, look: impl FnOnce(&State<T, L>) -> R) -> R {
        look(&sync::lock(&self.state))
    }

    /// Changes the state, applies the rules to the change, and does outside of the lock what follows from it.
    ///
    /// Except for a discipline, no user code runs inside: `change` returns whatever has a destructor.
    pub(crate) fn update<R>(&self, change: impl FnOnce(&mut State<T, L>) -> R) -> R {
        self.update_locked(self.lock(), change)
    }

    /// The same for a caller that has the lock, and has found that the queue is not quiet (rule 9).
    fn update_locked<R>(
        &self,
        mut state: MutexGuard<'_, State<T, L>>,
        change: impl FnOnce(&mut State<T, L>) -> R,
    ) -> R {
        let result = change(&mut state);
        state.balance();
        self.expectation.to_send.store(!state.has_room(), Ordering::Relaxed);
        self.expectation.to_take.store(!state.has_something(), Ordering::Relaxed);
        self.release(state);
        result
    }

    /// A waker, if a caller that sends now will probably need one.
    fn waker_to_send(&self, cx: &Context<'_>) -> Option<Waker> {
        self.expectation.to_send.load(Ordering::Relaxed).then(|| cx.waker().clone())
    }

    fn waker_to_take(&self, cx: &Context<'_>) -> Option<Waker> {
        self.expectation.to_take.load(Ordering::Relaxed).then(|| cx.waker().clone())
    }

    fn lock(&self) -> MutexGuard<'_, State<T, L>> {
        sync::lock(&self.state)
    }

    #[inline]
    fn lock_to_take(&self, taker: &mut Taker) -> MutexGuard<'_, State<T, L>> {
        sync::lock_to_take(&self.state, &self.takers, taker)
    }

    /// Unlocks, and does what was left until then.
    #[inline]
    fn release(&self, mut state: MutexGuard<'_, State<T, L>>) {
        let only = state.after.wakes.take_only();
        if !state.after.is_empty() {
            return self.release_many(state, only);
        }
        drop(state);
        if let Some(waker) = only {
            wake(waker);
        }
    }

    /// The same where there is more to do than to wake one task.
    #[cold]
    fn release_many(&self, mut state: MutexGuard<'_, State<T, L>>, first: Option<Waker>) {
        let after = mem::take(&mut state.after);
        drop(state);
        after.late.into_iter().chain(first).chain(after.wakes).for_each(wake);
        if let Some(crossings) = after.crossings {
            self.hooks.tell_pressure(crossings);
        }
        after.expired.into_iter().for_each(|item| self.hooks.expired(item));
    }

    /// The rank of an item, as the line's classifier sees it.
    pub(crate) fn rank(&self, item: &T) -> Result<L::Rank, UnknownClass> {
        match L::ONLY_RANK {
            Some(rank) => Ok(rank),
            None => L::rank(&self.classifier, item),
        }
    }

    /// The rank after the item was given this label.
    pub(crate) fn relabel(&self, rank: L::Rank, label: &Label<'_>) -> Result<L::Rank, UnknownClass> {
        L::relabel(&self.classifier, rank, label)
    }

    /// Finds an item's rank and weight. Both are asked of user code, and so never under the lock.
    #[inline]
    pub(crate) fn pack(&self, item: T) -> Result<Parcel<T, L::Rank>, SendError<T>> {
        if let Some(rank) = L::ONLY_RANK
            && self.hooks.weigher.is_none()
        {
            // No bound is below the weight of one.
            return Ok(Parcel { item, rank, tag: Tag::default() });
        }
        let (item, asked) = hooks::ask_about(item, |item| Ok((self.rank(item)?, self.hooks.weigh(item))));
        match asked {
            Ok((rank, weight)) => self.admit(Parcel { item, rank, tag: Tag::weighing(weight) }),
            Err(unknown) => Err(SendError::Unclassified(item, Box::new(unknown))),
        }
    }

    /// Refuses an item that is heavier than the queue may hold.
    #[inline]
    pub(crate) fn admit(&self, parcel: Parcel<T, L::Rank>) -> Result<Parcel<T, L::Rank>, SendError<T>> {
        match self.options.max_weight {
            Some(max) if parcel.tag.weight() > max => Err(SendError::TooHeavy(parcel.item)),
            _ => Ok(parcel),
        }
    }

    pub(crate) fn close(&self) {
        self.update(|state| state.close());
    }

    pub(crate) fn remove_receiver(&self) {
        let left = self.update(|state| state.remove_receiver());
        left.into_iter().for_each(|item| self.hooks.undelivered(item));
    }
}

/// Contains the waker's panic, so that the next one is called all the same.
pub(crate) fn wake(waker: Waker) {
    contain(|| waker.wake());
}

/// The queue itself is told how deliveries end; the reference that each delivery holds is a count, no allocation.
impl<T: Send, L: SendLine<T>> Settle<T> for Shared<T, L> {
    fn settle(&self, receipt: Receipt, item: Option<T>, end: End) {
        let due = match end {
            End::Nack { after } if after > Duration::ZERO => moment::after(after),
            _ => None,
        };
        // Left over: the value goes where `end` says, or is just dropped, both outside of the lock.
        let left = self.update(|state| {
            let Some(place) = state.held.take_back(receipt) else { return item.map(|item| (item, false)) };
            match (&end, item) {
                (End::Ack, item) => {
                    state.tally.completed += 1;
                    item.map(|item| (item, false))
                }
                (End::DeadLetter { .. }, item) => {
                    state.tally.dead_lettered += 1;
                    item.map(|item| (item, true))
                }
                (End::Nack { .. }, None) => {
                    state.tally.failed += 1;
                    None
                }
                (End::Nack { .. }, Some(item)) if state.has_receivers() => {
                    let known = state.held.next_due();
                    state.held.put_back(item, place, due);
                    if state.held.next_due() != known {
                        state.tell_time();
                    }
                    None
                }
                (End::Nack { .. }, Some(item)) => {
                    state.tally.returned += 1;
                    Some((item, true))
                }
            }
        });
        match (left, end) {
            (Some((item, true)), End::DeadLetter { reason }) => self.hooks.dead_letter(item, reason),
            (Some((item, true)), End::Nack { .. }) => self.hooks.undelivered(item),
            (left, _) => drop(left),
        }
    }

    /// A queue in memory knows no leases: an item in hand stays in hand.
    fn extend(&self, _: Receipt, _: Duration) {}
}
