//! The supervisor's part: settlements, what was taken back, and what is wrong with the source.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use forebay_queue::{Source, SourceError};

use super::{Outage, State, leave, panicked};
use crate::contain::{Contained, contain};
use crate::hands::Settlements;
use crate::intake::afterwards::Afterwards;

// === impl State ===

impl<T: Send + 'static> State<T> {
    /// The supervisor's part: settlements, and what is wrong with the source.
    pub(in crate::intake) fn poll_duties(
        &mut self,
        waker: &Waker,
        settlements: &Settlements,
        afterwards: &mut Afterwards<T>,
    ) -> Poll<Outage> {
        leave(&mut self.supervisor, waker, afterwards);
        if self.mind_released(settlements) || self.stock.as_ref().is_some_and(|stock| stock.asks_by_itself())
        {
            self.ask(None, afterwards);
        }
        self.seek_end(afterwards);
        self.poll_lost(waker, afterwards);
        if self.outage.is_none() {
            // Also when nothing new was settled: the source may have woken us to go on with what it has.
            self.settling |= settlements.take_open();
            self.poll_settled(settlements, afterwards);
        }
        self.outage.take().map_or(Poll::Pending, Poll::Ready)
    }

    /// The outage may be over.
    pub(in crate::intake) fn reopen(&mut self, afterwards: &mut Afterwards<T>) {
        self.unavailable = false;
        self.ask(None, afterwards);
    }

    /// Has the source work on what was settled since it was last polled. The supervisor is the one that it wakes.
    pub(in crate::intake) fn mind_settlements(
        &mut self,
        settlements: &Settlements,
        afterwards: &mut Afterwards<T>,
    ) {
        // Before the supervisor has come to life there is nobody to wake; it begins by polling.
        if self.supervisor.is_some() && settlements.take_open() {
            self.settling = true;
            self.poll_settled(settlements, afterwards);
        }
    }

    pub(super) fn poll_settled(&mut self, settlements: &Settlements, afterwards: &mut Afterwards<T>) {
        let (Some(source), Some(waker)) = (&mut self.source, &self.supervisor) else { return };
        // What is acked after this may be too late for this poll.
        let acks = settlements.acks();
        if self.broken.is_some() || self.unavailable {
            return;
        }
        let polled = contain(|| source.poll_settled(&mut Context::from_waker(waker)));
        match polled {
            Ok(Poll::Pending) => self.settling = true,
            Ok(Poll::Ready(Ok(()))) => {
                self.settling = false;
                self.confirmed = acks;
                afterwards.recovered |= std::mem::take(&mut self.settle_failures) > 0;
            }
            Ok(Poll::Ready(Err(error))) => {
                self.settling = true;
                self.settle_failures = self.settle_failures.saturating_add(1);
                self.fail(error, self.settle_failures, afterwards);
            }
            Err(panic) => self.break_off(panicked(panic), afterwards),
        }
    }

    /// Asks what the source has taken back, also during an outage: that is when leases run out. Nobody is told of
    /// it here: the keeper of the leases stands before the source, and hears of it first.
    pub(super) fn poll_lost(&mut self, waker: &Waker, afterwards: &mut Afterwards<T>) {
        let Some(source) = self.source.as_mut().filter(|_| self.broken.is_none()) else { return };
        let polled = contain(|| source.poll_lost(&mut Context::from_waker(waker), &mut Vec::new()));
        if let Err(panic) = polled {
            self.break_off(panicked(panic), afterwards);
        }
    }

    pub(super) fn fail(&mut self, error: SourceError, failures: u32, afterwards: &mut Afterwards<T>) {
        match error {
            error @ SourceError::Unavailable(_) => {
                // Its destructor is the source's code, too.
                self.outage = Some(Outage { failures, error: Contained::new(error) });
                self.unavailable = true;
                afterwards.wakers.extend(self.supervisor.clone());
            }
            error => self.break_off(error, afterwards),
        }
    }

    /// The source will not work again.
    pub(in crate::intake) fn break_off(&mut self, error: SourceError, afterwards: &mut Afterwards<T>) {
        match &self.broken {
            None => self.broken = Some(Arc::new(error)),
            // The first one explains the others.
            Some(_) => drop(Contained::new(error)),
        }
        self.end(afterwards);
    }

    pub(in crate::intake) fn is_settled(&self, settlements: &Settlements) -> bool {
        !self.settling && !settlements.is_open()
    }

    /// How many acks the source has not confirmed.
    pub(in crate::intake) fn unconfirmed(&self, settlements: &Settlements) -> u64 {
        settlements.acks().saturating_sub(self.confirmed)
    }

    /// Is there nothing to wait for: has the source confirmed all, or will it never?
    pub(in crate::intake) fn is_done_settling(&self, settlements: &Settlements) -> bool {
        self.broken.is_some() || self.is_settled(settlements)
    }

    /// The last poll for settlements, and the end of the source.
    pub(in crate::intake) fn dismiss(
        &mut self,
        settlements: &Settlements,
        afterwards: &mut Afterwards<T>,
    ) -> Option<Box<dyn Source<Item = T>>> {
        self.settling |= settlements.take_open();
        // There is no later, also in an outage: what it can confirm now is not delivered again.
        self.unavailable = false;
        // A source that has confirmed all and fails now, or has others at work, leaves nothing unconfirmed.
        if self.settling {
            self.poll_settled(settlements, afterwards);
        }
        self.take_source()
    }

    /// Takes the source away, and what else leads to it.
    pub(in crate::intake) fn take_source(&mut self) -> Option<Box<dyn Source<Item = T>>> {
        if let Err(panic) = contain(|| drop((self.tap.take(), self.quiet.take()))) {
            tracing::error!(%panic, "source's tap panicked when it was dropped");
        }
        self.watch_no_more();
        self.look = None;
        self.source.take()
    }
}
