//! Waiting for places: the mechanism of `send`, `send_many`, `reserve` and `poll_reserve`.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::Shared;
use super::state::{Manners, Places, State, Step};
use super::waiters::Key;
use crate::hooks::let_go;
use crate::{Line, WhenFull, coop};

/// A sender's place in the line for places.
///
/// A polled interface keeps it in the handle. The node itself is in the queue's slab, where it does not move, so nothing
/// needs to be boxed: only its key is kept here.
#[derive(Debug, Default)]
pub(crate) struct Asking {
    /// Our node in the line of senders, while we wait.
    pub(super) key: Option<Key>,
    /// We gave way to senders that were woken before.
    gave_way: bool,
}

/// How much is asked for, and how: at least `min` and at most `want` places, each for an item that weighs `each`.
#[derive(Clone, Copy)]
pub(crate) struct Demand<R> {
    pub(crate) want: usize,
    pub(crate) min: usize,
    pub(crate) each: usize,
    pub(crate) rank: R,
    pub(crate) manners: Manners,
}

/// Asks for places, and lets `using` use them in the same lock section.
///
/// Dropped while it waits, it leaves the line and gives back what it was granted.
pub(crate) struct AskPlaces<'a, T, L: Line<T>, U> {
    shared: &'a Shared<T, L>,
    demand: Demand<L::Rank>,
    asking: Asking,
    using: U,
}

/// What the caller makes of the answer.
pub(crate) enum Asked<R, K> {
    Done(R),
    /// Join the line for at most this many places, for items of this rank and this weight each.
    Wait {
        want: usize,
        each: usize,
        rank: K,
    },
}

// === impl Asking ===

impl Asking {
    /// Asks, and waits in the line if `using` wants to.
    pub(crate) fn poll<T, L: Line<T>, R>(
        &mut self,
        shared: &Shared<T, L>,
        demand: &mut Demand<L::Rank>,
        cx: &mut Context<'_>,
        mut using: impl FnMut(&mut State<T, L>, Places) -> Asked<R, L::Rank>,
    ) -> Poll<R> {
        // Cloned outside of the lock, since cloning runs user code; if not now, then once it turns out to be needed.
        let mut waker = if self.key.is_none() { shared.waker_to_send(cx) } else { None };
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
                    coop::give_way(cx);
                    return Poll::Pending;
                }
            }
        }
    }

    /// Is its node in the line, or served without having been polled since?
    pub(crate) fn is_waiting(&self) -> bool {
        self.key.is_some()
    }

    /// Leaves the line, and gives back what it was granted.
    pub(crate) fn leave<T, L: Line<T>>(&mut self, shared: &Shared<T, L>) {
        if let Some(key) = self.key.take() {
            let_go(shared.update(|state| state.forget_ask(key)));
        }
    }

    /// Asks once.
    pub(crate) fn attempt<T, L: Line<T>, R>(
        &mut self,
        shared: &Shared<T, L>,
        demand: &mut Demand<L::Rank>,
        waker: &mut Option<Waker>,
        mut using: impl FnMut(&mut State<T, L>, Places) -> Asked<R, L::Rank>,
    ) -> Step<R> {
        let key = &mut self.key;
        shared.update(|state| {
            if key.is_none() {
                state.make_room();
            }
            let places = match state.ask(key, demand, waker) {
                Step::Done(places) => places,
                Step::Ask => return Step::Ask,
                Step::Parked => return Step::Parked,
                Step::GiveWay => return Step::GiveWay,
            };
            let calmly = matches!(places, Places::Full);
            match using(state, places) {
                Asked::Done(result) => Step::Done(result),
                Asked::Wait { want, each, rank } => {
                    (demand.want, demand.each, demand.rank) = (want, each, rank);
                    let Some(waker) = waker.take() else { return Step::Ask };
                    let waiting =
                        if calmly { state.wait_calmly(demand, waker) } else { state.wait(demand, waker) };
                    *key = Some(waiting);
                    Step::Parked
                }
            }
        })
    }
}

// === impl Demand ===

impl<R> Demand<R> {
    /// One place for an item of this weight.
    pub(crate) fn one(each: usize, rank: R) -> Self {
        Self { want: 1, min: 1, each, rank, manners: Manners::Polite }
    }

    /// Joins the line where there is no place, without giving way first: a pending answer means that there is no place,
    /// and nothing else.
    pub(crate) fn patient(self) -> Self {
        Self { manners: Manners::Patient, ..self }
    }
}

// === impl AskPlaces ===

impl<'a, T, L, U, R> AskPlaces<'a, T, L, U>
where
    L: Line<T>,
    U: FnMut(&mut State<T, L>, Places) -> Asked<R, L::Rank>,
{
    pub(crate) fn new(shared: &'a Shared<T, L>, mut demand: Demand<L::Rank>, using: U) -> Self {
        if shared.options.when_full != WhenFull::Wait {
            // Where a full queue refuses or drops, nobody joins the line, and room must not be mistaken for full.
            demand.manners = Manners::Hasty;
        }
        Self { shared, demand, asking: Asking::default(), using }
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
impl<T, L: Line<T>, U> Unpin for AskPlaces<'_, T, L, U> {}

impl<T, L, U, R> Future for AskPlaces<'_, T, L, U>
where
    L: Line<T>,
    U: FnMut(&mut State<T, L>, Places) -> Asked<R, L::Rank>,
{
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        let Self { shared, demand, asking, using } = &mut *self;
        coop::spend(cx, |cx| asking.poll(shared, demand, cx, using))
    }
}

impl<T, L: Line<T>, U> Drop for AskPlaces<'_, T, L, U> {
    fn drop(&mut self) {
        self.asking.leave(self.shared);
    }
}
