//! The core: one lock over one [`State`], and what is done after the lock is released.

mod ask;
mod held;
pub(crate) mod moment;
mod offer;
mod state;
mod take;
mod waiters;
mod watch;

use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

pub(crate) use self::ask::{AskPlaces, Asked, Asking, Demand};
#[cfg(any(feature = "tower", feature = "stream"))]
pub(crate) use self::offer::Offer;
pub(crate) use self::offer::Offering;
pub(crate) use self::state::{Claim, Places, State};
pub(crate) use self::take::Taking;
#[cfg(feature = "tower")]
pub(crate) use self::waiters::{Key, Line, Turn};
pub(crate) use self::watch::watch;
use crate::builder::Options;
use crate::hooks::{Hooks, contain};
use crate::sync::{self, Mutex};
use crate::{End, Receipt, Settle};

/// What all handles of a queue share.
pub(crate) struct Shared<T> {
    state: Mutex<State<T>>,
    pub(crate) options: Options,
    pub(crate) hooks: Hooks<T>,
}

/// What is to be done once the lock is released.
#[derive(Default)]
pub(crate) struct After {
    wakes: Wakes,
    /// The pressure has changed, for the n-th time.
    crossings: Option<u64>,
}

/// Wakers to call. Nearly always there is one at the most, so that one has its place.
#[derive(Default)]
struct Wakes {
    first: Option<Waker>,
    more: Vec<Waker>,
}

// === impl Shared ===

impl<T> Shared<T> {
    pub(crate) fn new(options: Options, hooks: Hooks<T>) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(State::new(options)), options, hooks })
    }

    /// Looks at the state.
    pub(crate) fn read<R>(&self, look: impl FnOnce(&State<T>) -> R) -> R {
        look(&sync::lock(&self.state))
    }

    /// Changes the state, applies the rules to the change, and does outside of the lock what follows from it.
    ///
    /// No code of a user runs inside: `change` returns whatever has a destructor.
    pub(crate) fn update<R>(&self, change: impl FnOnce(&mut State<T>, &mut After) -> R) -> R {
        let mut after = After::default();
        let result = {
            let mut state = sync::lock(&self.state);
            let result = change(&mut state, &mut after);
            state.balance(&mut after);
            result
        };
        let After { wakes, crossings } = after;
        wakes.wake();
        if let Some(crossings) = crossings {
            self.hooks.tell_pressure(crossings);
        }
        result
    }

    pub(crate) fn close(&self) {
        self.update(|state, _| state.close());
    }

    pub(crate) fn remove_receiver(&self) {
        let left = self.update(|state, _| state.remove_receiver());
        left.into_iter().for_each(|item| self.hooks.undelivered(item));
    }
}

/// The queue itself is told how deliveries end; the reference that each delivery holds is a count, no allocation.
impl<T: Send> Settle<T> for Shared<T> {
    fn settle(&self, receipt: Receipt, item: Option<T>, end: End) {
        let due = match end {
            End::Nack { after } if after > Duration::ZERO => moment::after(after),
            _ => None,
        };
        // Left over: the value goes where `end` says, or is just dropped, both outside of the lock.
        let left = self.update(|state, wakes| {
            let Some(hand) = state.held.take_back(receipt) else { return item.map(|item| (item, false)) };
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
                    state.held.put_back(item, hand, due);
                    if state.held.next_due() != known {
                        state.tell_time(wakes);
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

// === impl Wakes ===

impl Wakes {
    fn extend(&mut self, waker: Option<Waker>) {
        match waker {
            Some(waker) if self.first.is_none() => self.first = Some(waker),
            Some(waker) => self.more.push(waker),
            None => {}
        }
    }

    /// Calls all of them, also where one panics.
    fn wake(self) {
        self.first.into_iter().chain(self.more).for_each(|waker| contain(|| waker.wake()));
    }
}
