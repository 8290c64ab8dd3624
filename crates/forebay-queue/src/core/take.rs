//! Waiting for items: the mechanism of `recv`, `recv_many` and `Source::poll_next`.

use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker, ready};

use super::Shared;
use super::moment::Timer;
use super::state::{Claim, Manners, Short, State, Step};
use super::waiters::Key;
use crate::hooks::let_go;
use crate::sync::{MutexGuard, Taker};
use crate::{Line, coop};

/// A receiver's place in the line. It lives in the handle, since a handle waits for one thing at a time.
#[derive(Default)]
pub(crate) struct Taking {
    /// Our node in the line of receivers, while we wait.
    key: Option<Key>,
    /// We gave way to receivers that were woken before.
    gave_way: bool,
    /// Wakes us when the next delayed item is due.
    timer: Timer,
    late: Late,
    taker: Taker,
}

/// Whether this receiver postpones waking senders (rule 10).
#[derive(Default, PartialEq, Eq)]
enum Late {
    #[default]
    Never,
    /// It may, and has not.
    Nobody,
    /// It has, and maybe nobody has woken the senders since.
    Somebody,
}

// === impl Taking ===

impl Taking {
    /// Waits until something can be taken, and lets `using` take at most `max` items in the same lock section. `None`: the
    /// queue has ended.
    pub(crate) fn poll<T, L: Line<T>, R>(
        &mut self,
        shared: &Shared<T, L>,
        cx: &mut Context<'_>,
        max: usize,
        mut using: impl FnMut(&mut State<T, L>, usize) -> R,
    ) -> Poll<Option<R>> {
        coop::spend(cx, |cx| {
            let waker = self.waker(shared, cx);
            let mut state = shared.lock_to_take(&mut self.taker);
            match self.may_take_quietly(&state, max) {
                Some(n) => {
                    let result = using(&mut state, n);
                    self.took_quietly(shared, state);
                    Poll::Ready(Some(result))
                }
                None => self.poll_in_line(shared, state, cx, waker, max, using),
            }
        })
    }

    /// The same for one item, and a caller that has charged the cooperative budget and may have the lock. `at_once` runs
    /// first in the lock section, and takes an item if nothing else follows from that; it is told whether the caller is in
    /// no line.
    #[inline]
    pub(crate) fn poll_charged<'a, T, L: Line<T>, R>(
        &mut self,
        shared: &'a Shared<T, L>,
        locked: Option<MutexGuard<'a, State<T, L>>>,
        cx: &mut Context<'_>,
        at_once: impl FnOnce(&mut State<T, L>, bool) -> Option<R>,
        mut using: impl FnMut(&mut State<T, L>) -> R,
    ) -> Poll<Option<R>> {
        // A caller that has the lock did not expect to wait.
        let waker = if locked.is_some() { None } else { self.waker(shared, cx) };
        let mut state = locked.unwrap_or_else(|| shared.lock_to_take(&mut self.taker));
        if let Some(result) = at_once(&mut state, self.key.is_none()) {
            self.took_quietly(shared, state);
            return Poll::Ready(Some(result));
        }
        self.poll_in_line(shared, state, cx, waker, 1, |state, _| using(state))
    }

    /// Lets `at_once` take an item, if the caller is in no line and will probably not have to wait. If it takes none, it
    /// changes nothing, and the lock is still held.
    #[inline(always)]
    pub(crate) fn take_quietly<'a, T, L: Line<T>, R>(
        &mut self,
        shared: &'a Shared<T, L>,
        at_once: impl FnOnce(&mut State<T, L>) -> Option<R>,
    ) -> Result<R, Option<MutexGuard<'a, State<T, L>>>> {
        if self.key.is_some() || shared.expectation.to_take.load(Ordering::Relaxed) {
            // The receiver will wait, and should bring its waker when it takes the lock.
            return Err(None);
        }
        let mut state = shared.lock_to_take(&mut self.taker);
        match at_once(&mut state) {
            Some(result) => {
                self.took_quietly(shared, state);
                Ok(result)
            }
            None => Err(Some(state)),
        }
    }

    /// A waker, if one will probably be needed.
    ///
    /// Cloned outside of the lock, since cloning runs user code; if not now, then once it turns out to be needed.
    #[inline]
    fn waker<T, L: Line<T>>(&self, shared: &Shared<T, L>, cx: &Context<'_>) -> Option<Waker> {
        if self.key.is_none() { shared.waker_to_take(cx) } else { None }
    }

    /// Called when something was taken, and nobody else is concerned.
    #[inline]
    fn took_quietly<T, L: Line<T>>(&mut self, shared: &Shared<T, L>, state: MutexGuard<'_, State<T, L>>) {
        self.gave_way = false;
        shared.expectation.to_take.store(state.held.ready() == 0, Ordering::Relaxed);
        shared.expectation.to_send.store(false, Ordering::Relaxed);
    }

    /// The same for a receiver that has to wait, or that others wait for.
    #[inline(never)]
    fn poll_in_line<'a, T, L: Line<T>, R>(
        &mut self,
        shared: &'a Shared<T, L>,
        mut state: MutexGuard<'a, State<T, L>>,
        cx: &mut Context<'_>,
        mut waker: Option<Waker>,
        max: usize,
        mut using: impl FnMut(&mut State<T, L>, usize) -> R,
    ) -> Poll<Option<R>> {
        let gave_way = std::mem::take(&mut self.gave_way);
        loop {
            let short = if max == 1 { state.claim_one(&mut self.key, &mut waker) } else { Short::Long };
            match short {
                Short::Done => break,
                Short::Ask => {
                    drop(state);
                    waker = Some(cx.waker().clone());
                    state = shared.lock_to_take(&mut self.taker);
                }
                Short::Parked => {
                    shared.expectation.to_take.store(true, Ordering::Relaxed);
                    // Before the replaced waker is dropped, which runs user code.
                    drop(state);
                    return Poll::Pending;
                }
                Short::Long => {
                    let manners = if gave_way { Manners::Patient } else { Manners::Polite };
                    return self.poll_long(shared, state, cx, waker, manners, using);
                }
            }
        }
        let ready = state.held.ready();
        let result = using(&mut state, 1);
        shared.expectation.to_take.store(state.held.ready() == 0, Ordering::Relaxed);
        if state.held.ready() == ready {
            // The item was not taken: another receiver is to be called for it, and the short way does not do that.
            shared.update_locked(state, |_| ());
        } else {
            state.took_one();
            if self.late != Late::Never && state.can_wait() {
                drop(state);
                self.late = Late::Somebody;
            } else {
                shared.release(state);
            }
        }
        self.timer.stop();
        Poll::Ready(Some(result))
    }

    /// Applies all the rules.
    fn poll_long<'a, T, L: Line<T>, R>(
        &mut self,
        shared: &'a Shared<T, L>,
        locked: MutexGuard<'a, State<T, L>>,
        cx: &mut Context<'_>,
        mut waker: Option<Waker>,
        manners: Manners,
        mut using: impl FnMut(&mut State<T, L>, usize) -> R,
    ) -> Poll<Option<R>> {
        let mut locked = Some(locked);
        loop {
            let state = locked.take().unwrap_or_else(|| shared.lock_to_take(&mut self.taker));
            let (step, due) = shared.update_locked(state, |state| {
                state.refresh();
                let step = match state.claim(&mut self.key, &mut waker, manners) {
                    Step::Done(Claim::Take(n)) => Step::Done(Some(using(state, n))),
                    Step::Done(Claim::Ended) => Step::Done(None),
                    Step::Done(Claim::Empty) | Step::Ask => Step::Ask,
                    Step::Parked => Step::Parked,
                    Step::GiveWay => Step::GiveWay,
                };
                (step, state.held.next_due())
            });
            match (step, due) {
                (Step::Done(result), _) => {
                    self.timer.stop();
                    return Poll::Ready(result);
                }
                (Step::Ask, _) => waker = Some(cx.waker().clone()),
                (Step::GiveWay, _) => {
                    self.gave_way = true;
                    coop::give_way(cx);
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
        using: impl FnOnce(&mut State<T, L>, usize) -> R,
    ) -> Result<R, Claim> {
        let mut state = shared.lock_to_take(&mut self.taker);
        if let Some(n) = self.may_take_quietly(&state, 1) {
            let result = using(&mut state, n);
            self.took_quietly(shared, state);
            return Ok(result);
        }
        shared.update_locked(state, |state| {
            state.refresh();
            match state.claim(&mut self.key, &mut None, Manners::Hasty) {
                Step::Done(Claim::Take(n)) => Ok(using(state, n)),
                Step::Done(claim) => Err(claim),
                Step::Ask | Step::Parked | Step::GiveWay => Err(Claim::Empty),
            }
        })
    }

    /// How many items may be taken, if nobody else is concerned (rule 9 of the state).
    #[inline]
    fn may_take_quietly<T, L: Line<T>>(&self, state: &State<T, L>, max: usize) -> Option<usize> {
        let n = state.quiet_to_take();
        (n > 0 && (n >= max || n >= state.held.ready()) && self.key.is_none()).then_some(n)
    }

    /// From now on, senders may be woken later: by [`wake_late`](Self::wake_late), if nobody has done so before.
    pub(crate) fn may_be_late(&mut self) {
        self.late = Late::Nobody;
    }

    #[inline]
    pub(crate) fn wake_late<T, L: Line<T>>(&mut self, shared: &Shared<T, L>) {
        if self.late == Late::Somebody {
            self.late = Late::Nobody;
            shared.update(|_| ());
        }
    }

    /// Leaves for good: this receiver takes nothing any more.
    pub(crate) fn end<T, L: Line<T>>(&mut self, shared: &Shared<T, L>) {
        self.leave(shared);
        shared.takers.leave(&mut self.taker);
    }

    /// Leaves the line.
    #[inline]
    pub(crate) fn leave<T, L: Line<T>>(&mut self, shared: &Shared<T, L>) {
        self.timer.stop();
        if self.key.is_some() {
            self.leave_line(shared);
        }
    }

    #[cold]
    fn leave_line<T, L: Line<T>>(&mut self, shared: &Shared<T, L>) {
        if let Some(key) = self.key.take() {
            let_go(shared.update(|state| state.forget_claim(key)));
        }
    }
}
