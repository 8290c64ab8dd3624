//! What can be seen where no worker asks: that there is nothing to do, and that there will be nothing more.

use std::sync::Arc;

use super::{Pause, State, panicked};
use crate::contain::contain;
use crate::intake::afterwards::Afterwards;
use crate::intake::stock::StockPlan;

// === impl State ===

impl<T: Send + 'static> State<T> {
    /// Asks whether the source has ended, where no worker does: none is ready, and none is at work.
    ///
    /// That takes a demand of 1, and so is done only when nothing new will come. If there is an item still, it is
    /// kept for the first worker that is ready, and goes back at the deadline like anything in stock.
    pub(in crate::intake) fn seek_end(&mut self, afterwards: &mut Afterwards<T>) {
        // Workers that take items themselves see the end through their taps.
        if self.ended || self.exhausted || self.tap.is_some() || !self.waiting.is_empty() {
            return;
        }
        let Some(source) = &self.source else { return };
        match contain(|| source.is_closed()) {
            Ok(closed) if closed || self.closed => {}
            Ok(_) => return,
            Err(panic) => return self.break_off(panicked(panic), afterwards),
        }
        if self.pause != Pause::No || !self.is_at_rest() {
            return;
        }
        self.ask_for_nobody(afterwards);
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
    /// left with the source is found by asking it after that. `knows_all`: or by asking `nothing_waits`.
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
        } else if !knows_all {
            // No worker may ever be ready, and there may be nothing to be ready for.
            if self.supervisor.is_none() {
                return false;
            }
            self.ask_for_nobody(afterwards);
        }
        !self.unavailable && self.is_at_rest() && nothing_waits()
    }

    fn is_at_rest(&self) -> bool {
        self.stock.as_ref().is_none_or(|stock| stock.is_at_rest())
            && self.seats.iter().all(|seat| seat.hands.is_at_rest())
    }
}
