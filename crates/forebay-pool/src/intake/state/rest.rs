//! What can be seen where no worker asks: that there is nothing to do, and that there will be nothing more.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll};

use forebay_queue::Tapped;

use super::{Pause, State, panicked};
use crate::contain::contain;
use crate::intake::afterwards::Afterwards;
use crate::intake::stock::StockPlan;
use crate::intake::taps::{DESPITE_THE_GATE, has_nothing};

// === impl State ===

impl<T: Send + 'static> State<T> {
    /// Asks whether the source has ended, where no worker does: none is ready, and none is at work.
    ///
    /// That takes a demand of 1. Where the end can be seen beforehand, through a tap that is shut, it is done only then; of
    /// another source, once nothing new will come. If there is an item still, it is kept for the first worker that is ready,
    /// and goes back at the deadline like anything in stock.
    pub(in crate::intake) fn seek_end(&mut self, afterwards: &mut Afterwards<T>) {
        // Workers that take items themselves see the end through their taps.
        if self.ended || self.exhausted || self.tap.is_some() || !self.waiting.is_empty() {
            return self.watch_no_more();
        }
        let Some(source) = &self.source else { return };
        let closed = match contain(|| source.is_closed()) {
            Ok(closed) => closed || self.closed,
            Err(panic) => return self.break_off(panicked(panic), afterwards),
        };
        // Otherwise the next worker that is there will ask, or the supervisor has asked for later.
        let asks = !self.fleeting || self.stock.as_ref().is_some_and(|stock| stock.asks_by_itself());
        let matters = closed || !asks;
        if !matters || self.pause != Pause::No || !self.is_at_rest() {
            return self.watch_no_more();
        }
        if self.watch_end(closed, afterwards) {
            self.watch_no_more();
            self.ask_for_nobody(afterwards);
        }
    }

    /// Has the source call the supervisor when it ends. `true`: it has ended, or, of a source without taps, will.
    ///
    /// A source calls only those who wait there. Where it has taps, the supervisor waits by one that is shut, and takes
    /// nothing that another consumer could begin.
    fn watch_end(&mut self, closed: bool, afterwards: &mut Afterwards<T>) -> bool {
        if self.watch.is_none() {
            self.watch = self.new_tap();
        }
        let (Some(source), Some(waker)) = (&mut self.source, &self.supervisor) else { return false };
        let mut cx = Context::from_waker(waker);
        let Some(tap) = &mut self.watch else {
            let polled = contain(|| closed || source.poll_closed(&mut cx).is_ready());
            return polled.unwrap_or_else(|panic| {
                self.break_off(panicked(panic), afterwards);
                false
            });
        };
        let shut = AtomicBool::new(false);
        match contain(|| tap.poll_take(&mut cx, &shut)) {
            Ok(Poll::Ready(Tapped::Ended)) => return true,
            Ok(Poll::Ready(Tapped::Plain(_) | Tapped::Item { .. })) => {
                self.source_ended(Some(DESPITE_THE_GATE.to_owned()), afterwards);
            }
            Ok(Poll::Ready(Tapped::Shut) | Poll::Pending) => {}
            Err(panic) => self.source_ended(Some(panic), afterwards),
        }
        false
    }

    /// Who waits for an item is to be called for it, and nobody else.
    pub(super) fn watch_no_more(&mut self) {
        if let Some(watch) = self.watch.take()
            && let Err(panic) = contain(|| drop(watch))
        {
            tracing::error!(%panic, "source's tap panicked when it was dropped");
        }
    }

    /// Asks the source for one item where no worker is there to ask. It is kept for the first worker that is ready.
    fn ask_for_nobody(&mut self, afterwards: &mut Afterwards<T>) {
        let has_stock = self.stock.is_some();
        let account = &self.stock_account;
        self.stock.get_or_insert_with(|| Box::new(StockPlan::of_one(Arc::clone(account))));
        self.seeking = true;
        self.ask(None, afterwards);
        self.seeking = false;
        // Items go the shorter way again.
        if !has_stock && self.stock.as_ref().is_some_and(|stock| stock.is_empty()) {
            self.stock = None;
        }
    }

    /// Is there nothing to do, as far as can be seen from here?
    ///
    /// While the lock is held nobody is given anything. So if nothing is in hand, no handler runs, and what handlers
    /// left with the source is found by looking at it or asking it after that. `knows_all`: or by asking `nothing_waits`.
    pub(in crate::intake) fn is_idle(
        &mut self,
        knows_all: bool,
        nothing_waits: &impl Fn() -> bool,
        afterwards: &mut Afterwards<T>,
    ) -> bool {
        if self.ended {
            return self.is_at_rest() && nothing_waits();
        }
        if self.tap.is_some() {
            return self.is_idle_by_taps(nothing_waits);
        }
        if self.pause != Pause::No || self.unavailable || !self.is_at_rest() {
            return false;
        }
        if !self.waiting.is_empty() && !self.fleeting {
            self.ask(None, afterwards);
        } else if let Some(nothing) = self.sees_nothing() {
            if !nothing {
                return false;
            }
        } else if !knows_all {
            // No worker may ever be ready, and there may be nothing to be ready for.
            if self.supervisor.is_none() {
                return false;
            }
            self.ask_for_nobody(afterwards);
        }
        !self.unavailable && self.is_at_rest() && nothing_waits()
    }

    /// Does nothing wait in the source, if it can be looked at without taking anything?
    ///
    /// If something does, the source calls the supervisor once nothing does: no worker may ever be ready to take it, and it
    /// may expire, or go another way.
    fn sees_nothing(&mut self) -> Option<bool> {
        if self.quiet.is_none() {
            self.quiet = self.new_tap();
        }
        // A tap that panics says nothing, and to ask the source is what is left.
        has_nothing(&mut **self.quiet.as_mut()?, self.supervisor.as_ref()).ok()
    }

    fn is_at_rest(&self) -> bool {
        self.stock.as_ref().is_none_or(|stock| stock.is_at_rest())
            && self.seats.iter().all(|seat| seat.hands.is_at_rest())
    }
}
