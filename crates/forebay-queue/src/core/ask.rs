//! Waiting for places: the mechanism of `send`, `send_many` and `reserve`.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use super::Shared;
use super::state::{Manners, Places, State, Step};
use super::waiters::Key;
use crate::{WhenFull, coop};

/// Asks for at least `min` and at most `want` places, and lets `using` use them in the same lock section.
///
/// Dropped while it waits, it leaves the line and gives back what it was granted.
pub(crate) struct AskPlaces<'a, T, U> {
    shared: &'a Shared<T>,
    want: usize,
    min: usize,
    manners: Manners,
    /// Our node in the line of senders, while we wait.
    key: Option<Key>,
    using: U,
}

/// What the one who asked makes of the answer.
pub(crate) enum Asked<R> {
    Done(R),
    /// Wait, at the end of the line, for at most this many places.
    Wait(usize),
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
        Self { shared, want, min, manners, key: None, using }
    }

    /// Asks once. `None`: it would have to wait.
    pub(crate) fn now(mut self) -> Option<R> {
        self.manners = Manners::Hasty;
        match self.attempt(&mut None) {
            Step::Done(result) => Some(result),
            Step::Ask | Step::Parked => None,
        }
    }

    fn attempt(&mut self, waker: &mut Option<Waker>) -> Step<R> {
        let Self { shared, want, min, manners, key, using } = self;
        shared.update(|state, _| {
            let places = match state.ask(key, *want, *min, waker, *manners) {
                Step::Done(places) => places,
                Step::Ask => return Step::Ask,
                Step::Parked => return Step::Parked,
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

/// Nothing in it refers to itself.
impl<T, U> Unpin for AskPlaces<'_, T, U> {}

impl<T, U, R> Future for AskPlaces<'_, T, U>
where
    U: FnMut(&mut State<T>, Places) -> Asked<R>,
{
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        let charge = ready!(coop::charge(cx));
        // Cloned outside of the lock, since that is code of a user; and only where it is likely to be needed.
        let mut waker = self.key.is_some().then(|| cx.waker().clone());
        loop {
            match self.attempt(&mut waker) {
                Step::Done(result) => {
                    charge.made_progress();
                    return Poll::Ready(result);
                }
                Step::Parked => return Poll::Pending,
                Step::Ask => waker = Some(cx.waker().clone()),
            }
        }
    }
}

impl<T, U> Drop for AskPlaces<'_, T, U> {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            drop(self.shared.update(|state, _| state.forget_ask(key)));
        }
    }
}
