//! Workers that are ready only while they ask.
//!
//! A handler that is ready may keep something from others, so its worker gives it up before it waits. Such a worker
//! waits in the line all the same, but nothing is taken for it: it is *called* when the source may have something, asks
//! its next handler whether that is ready, and then the source.
//!
//! 1. The demand is the asking worker, and nobody else. So an item is taken only for a worker that is ready.
//! 2. It is known whose waker the source has, until that worker comes by or the source is asked again. Whenever the
//!    lock is released and somebody waits, that is the lead, or the lead was woken to ask; this is as ever, except
//!    that nobody can ask on its behalf.
//! 3. A source that can be looked at is looked at on behalf of the lead, instead of waking it to ask.
//! 4. A worker that is called and not ready leaves the line, and the next one is called.

use std::task::{Context, Poll};

use super::afterwards::Afterwards;
use super::state::{Pause, Place, State, panicked};
use crate::contain::contain;

/// A look at a source, which takes nothing.
pub(crate) trait Look: Send {
    /// Waits until the source has something, or nothing more for ever. It stands for a poll of the source, and
    /// makes the same promises about the waker.
    fn poll_look(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}

// === impl State ===

impl<T: Send + 'static> State<T> {
    pub(super) fn set_fleeting(&mut self, look: Option<Box<dyn Look>>) {
        self.fleeting = true;
        self.look = look;
    }

    /// Waits in the line until it is worth being ready for an item. `false`: there will be none.
    pub(super) fn poll_look(
        &mut self,
        seat: usize,
        cx: &mut Context<'_>,
        afterwards: &mut Afterwards<T>,
    ) -> Poll<bool> {
        if self.is_over_for(seat) {
            self.leave_line(seat);
            return Poll::Ready(false);
        }
        self.come_by(seat);
        self.join_line(seat);
        self.leave_waker(seat, cx.waker(), afterwards);
        if self.pause != Pause::No {
            return Poll::Pending;
        }
        if self.stock_may_give() || (self.is_worth_asking() && self.look(afterwards)) {
            return Poll::Ready(true);
        }
        if self.has_ended() {
            return Poll::Ready(false);
        }
        // This worker does not ask, and may be the only one that waits for what is set aside.
        self.mind_due(afterwards);
        Poll::Pending
    }

    /// The worker is here, and need not be called for what it was called for.
    pub(super) fn come_by(&mut self, seat: usize) {
        self.asked_for.take_if(|asked_for| *asked_for == seat);
    }

    /// Rule 4.
    pub(super) fn stand_aside(&mut self, seat: usize, afterwards: &mut Afterwards<T>) {
        if self.place(seat) != Place::Waiting {
            return;
        }
        self.leave_line(seat);
        self.call_lead(afterwards);
    }

    /// Rule 2.
    pub(super) fn call_lead(&mut self, afterwards: &mut Afterwards<T>) {
        let Some(lead) = self.lead().filter(|_| self.fleeting && self.pause == Pause::No) else { return };
        let unasked = self.asked_for != Some(lead) && self.is_worth_asking();
        if self.stock_may_give() || (unasked && self.look(afterwards)) {
            afterwards.wakers.extend(self.waker_of(lead));
        }
    }

    /// Would the source be asked for a worker that is ready?
    fn is_worth_asking(&self) -> bool {
        self.may_ask() && self.stock.as_ref().is_none_or(|stock| stock.demand(1) > 0)
    }

    /// Looks at the source on behalf of the lead. `true`: it may have something.
    pub(super) fn look(&mut self, afterwards: &mut Afterwards<T>) -> bool {
        let Some(look) = &mut self.look else { return true };
        let Some(waker) = self.waiting.first().and_then(|&lead| self.seats[lead].waker.as_ref()) else {
            return true;
        };
        match contain(|| look.poll_look(&mut Context::from_waker(waker))) {
            Ok(Poll::Ready(())) => true,
            Ok(Poll::Pending) => {
                self.asked_for = self.lead();
                false
            }
            Err(panic) => {
                self.break_off(panicked(panic), afterwards);
                false
            }
        }
    }

    fn stock_may_give(&mut self) -> bool {
        self.stock.as_mut().is_some_and(|stock| stock.may_give())
    }
}
