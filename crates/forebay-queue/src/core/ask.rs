//! Waiting for places: the mechanism of `send`, `send_many`, `reserve` and `poll_reserve`.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use super::Shared;
use super::state::{Manners, Places, State, Step};
use super::waiters::Key;
use crate::{WhenFull, coop};

/// One sender's place in the line of those who ask for places.
///
/// For a face that is polled it lives in the handle. The node itself is in the queue's slab, where it does not move,
/// so nothing needs to be boxed: what is kept here is its key.
#[derive(Default)]
pub(crate) struct Asking {
    /// Our node in the line of senders, while we wait.
    key: Option<Key>,
    /// We gave way to those who were woken before.
    gave_way: bool,
}

/// How much is asked for, and how.
#[derive(Clone, Copy)]
pub(crate) struct Demand {
    want: usize,
    min: usize,
    manners: Manners,
}

/// Asks for at least `min` and at most `want` places, and lets `using` use them in the same lock section.
///
/// Dropped while it waits, it leaves the line and gives back what it was granted.
pub(crate) struct AskPlaces<'a, T, U> {
    shared: &'a Shared<T>,
    demand: Demand,
    asking: Asking,
    using: U,
}

/// What the one who asked makes of the answer.
pub(crate) enum Asked<R> {
    Done(R),
    /// Wait, at the end of the line, for at most this many places.
    Wait(usize),
}

// === impl Asking ===

impl Asking {
    /// Asks, and waits in the line if `using` wants to.
    pub(crate) fn poll<T, R>(
        &mut self,
        shared: &Shared<T>,
        demand: &mut Demand,
        cx: &mut Context<'_>,
        mut using: impl FnMut(&mut State<T>, Places) -> Asked<R>,
    ) -> Poll<R> {
        // Cloned outside of the lock, since that is code of a user; and only once it turns out to be needed.
        let mut waker = None;
        if std::mem::take(&mut self.gave_way) {
            demand.manners = demand.manners.patient();
        }
        loop {
            match self.attempt(shared, demand, &mut waker, &mut using) {
                Step::Done(result) => return Poll::Ready(result),
                Step::Parked => return Poll::Pending,
                Step::Ask => waker = Some(cx.waker().clone()),
                Step::GiveWay => {
                    self.gave_way = true;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
        }
    }

    /// Leaves the line, and gives back what it was granted.
    pub(crate) fn leave<T>(&mut self, shared: &Shared<T>) {
        if let Some(key) = self.key.take() {
            drop(shared.update(|state, _| state.forget_ask(key)));
        }
    }

    fn attempt<T, R>(
        &mut self,
        shared: &Shared<T>,
        demand: &mut Demand,
        waker: &mut Option<Waker>,
        using: &mut impl FnMut(&mut State<T>, Places) -> Asked<R>,
    ) -> Step<R> {
        let key = &mut self.key;
        let Demand { want, min, manners } = demand;
        shared.update(|state, _| {
            let places = match state.ask(key, *want, *min, waker, *manners) {
                Step::Done(places) => places,
                Step::Ask => return Step::Ask,
                Step::Parked => return Step::Parked,
                Step::GiveWay => return Step::GiveWay,
            };
            match using(state, places) {
                Asked::Done(result) => Step::Done(result),
                Asked::Wait(rest) => {
                    *want = rest;
                    let Some(waker) = waker.take() else { return Step::Ask };
                    *key = Some(state.wait(rest, *min, waker));
                    Step::Parked
                }
            }
        })
    }
}

// === impl Demand ===

impl Demand {
    /// One place, and joining the line for it if there is none. Without giving way first: a pending answer means that
    /// there is no place, and nothing else.
    pub(crate) fn one() -> Self {
        Self { want: 1, min: 1, manners: Manners::Patient }
    }
}

// === impl AskPlaces ===

impl<'a, T, U, R> AskPlaces<'a, T, U>
where
    U: FnMut(&mut State<T>, Places) -> Asked<R>,
{
    pub(crate) fn new(shared: &'a Shared<T>, want: usize, min: usize, using: U) -> Self {
        // Where full means refused or dropped nobody joins the line, and room must not be mistaken for full.
        let waits = shared.options.when_full == WhenFull::Wait;
        let manners = if waits { Manners::Polite } else { Manners::Hasty };
        Self { shared, demand: Demand { want, min, manners }, asking: Asking::default(), using }
    }

    /// Asks once. `None`: it would have to wait.
    pub(crate) fn now(mut self) -> Option<R> {
        self.demand.manners = Manners::Hasty;
        let Self { shared, demand, asking, using } = &mut self;
        match asking.attempt(shared, demand, &mut None, using) {
            Step::Done(result) => Some(result),
            Step::Ask | Step::Parked | Step::GiveWay => None,
        }
    }
}

/// Nothing in it refers to itself.
impl<T, U> Unpin for AskPlaces<'_, T, U> {}

impl<T, U, R> Future for AskPlaces<'_, T, U>
where
    U: FnMut(&mut State<T>, Places) -> Asked<R>,
{
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        let charge = ready!(coop::charge(cx));
        let Self { shared, demand, asking, using } = &mut *self;
        let result = ready!(asking.poll(shared, demand, cx, using));
        charge.made_progress();
        Poll::Ready(result)
    }
}

impl<T, U> Drop for AskPlaces<'_, T, U> {
    fn drop(&mut self) {
        self.asking.leave(self.shared);
    }
}
