//! Waiting for items: the mechanism of `recv`, `recv_many` and `Source::poll_next`.

use std::task::{Context, Poll, ready};

use super::moment::Timer;
use super::state::{Claim, Manners, State, Step};
use super::waiters::Key;
use super::{After, Shared};
use crate::{Line, coop};

/// One receiver's place in the line. It lives in the handle, since a handle waits for one thing at a time.
#[derive(Default)]
pub(crate) struct Taking {
    /// Our node in the line of receivers, while we wait.
    key: Option<Key>,
    /// We gave way to those who were woken before.
    gave_way: bool,
    /// Waits for what was put off, while we are the one who keeps the time.
    timer: Timer,
}

// === impl Taking ===

impl Taking {
    /// Waits until something can be taken, and lets `using` take it in the same lock section. `None`: ended.
    pub(crate) fn poll<T, L: Line<T>, R>(
        &mut self,
        shared: &Shared<T, L>,
        cx: &mut Context<'_>,
        mut using: impl FnMut(&mut State<T, L>, &mut After<T>, usize) -> R,
    ) -> Poll<Option<R>> {
        let charge = ready!(coop::charge(cx));
        // Cloned outside of the lock, since that is code of a user; and only once it turns out to be needed.
        let mut waker = None;
        let gave_way = std::mem::take(&mut self.gave_way);
        let manners = if gave_way { Manners::Patient } else { Manners::Polite };
        loop {
            let (step, due) = shared.update(|state, after| {
                state.refresh(after);
                let step = match state.claim(&mut self.key, &mut waker, manners) {
                    Step::Done(Claim::Take(n)) => Step::Done(Some(using(state, after, n))),
                    Step::Done(Claim::Ended) => Step::Done(None),
                    Step::Done(Claim::Empty) | Step::Ask => Step::Ask,
                    Step::Parked => Step::Parked,
                    Step::GiveWay => Step::GiveWay,
                };
                (step, state.held.next_due())
            });
            match (step, due) {
                (Step::Done(result), _) => {
                    charge.made_progress();
                    return Poll::Ready(result);
                }
                (Step::Ask, _) => waker = Some(cx.waker().clone()),
                (Step::GiveWay, _) => {
                    self.gave_way = true;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                (Step::Parked, None) => return Poll::Pending,
                (Step::Parked, Some(due)) => {
                    ready!(self.timer.poll(due, cx));
                    waker = Some(cx.waker().clone());
                }
            }
        }
    }

    /// Takes without waiting.
    pub(crate) fn now<T, L: Line<T>, R>(
        &mut self,
        shared: &Shared<T, L>,
        using: impl FnOnce(&mut State<T, L>, &mut After<T>, usize) -> R,
    ) -> Result<R, Claim> {
        shared.update(|state, after| {
            state.refresh(after);
            match state.claim(&mut self.key, &mut None, Manners::Hasty) {
                Step::Done(Claim::Take(n)) => Ok(using(state, after, n)),
                Step::Done(claim) => Err(claim),
                Step::Ask | Step::Parked | Step::GiveWay => Err(Claim::Empty),
            }
        })
    }

    /// Leaves the line.
    pub(crate) fn leave<T, L: Line<T>>(&mut self, shared: &Shared<T, L>) {
        if let Some(key) = self.key.take() {
            drop(shared.update(|state, _| state.forget_claim(key)));
        }
    }
}
