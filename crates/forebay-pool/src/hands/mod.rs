//! What one worker has in hand: the duty to settle each item, and the account of how items ended.
//!
//! 1. The intake *gives* a delivery: it lies in the inbox, and counts as taken and held.
//! 2. The worker starts a run. By value it *keeps* the delivery and passes on the item; otherwise it *lends* the
//!    delivery, with these hands put between it and its source.
//! 3. The run *finishes* with what the worker saw: done, failed, panicked, aborted. Each item leaves the hands
//!    once, and is counted in the section of the lock in which it leaves. So the account adds up at any time.
//! 4. The source is told after the lock is released, since settling may run anybody's code.
//!
//! A lent delivery that is nacked while its run goes on is set aside until the run finishes: only then is it known
//! why it comes back, and how often it did. One that outlives its run (the handler moved it elsewhere) stays in
//! the hands, held, until whoever has it settles it. The pool ends after that, or at its deadline.

/// The account, and what its rules decide.
mod ledger;
/// Which runs are over.
mod runs;
/// The bell between settlements and the supervisor.
mod settlements;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use forebay_queue::{Delivery, End, Receipt, Settle};

use crate::WorkerId;
use crate::contain::contain;

use self::ledger::{Became, Ledger, Settlement};

pub(crate) use self::ledger::{RunEnd, Tally, Terms};
pub(crate) use self::runs::Runs;
pub(crate) use self::settlements::Settlements;

/// One worker's hands. Shared by the worker, the intake that gives to it, and the deliveries that it lends.
pub(crate) struct Hands<T> {
    id: WorkerId,
    terms: Terms,
    settlements: Arc<Settlements>,
    runs: Arc<Runs>,
    ledger: Mutex<Ledger<T>>,
}

// === impl Hands ===

impl<T> Hands<T> {
    pub(crate) fn new(id: WorkerId, terms: Terms, settlements: Arc<Settlements>) -> Self {
        Self { id, terms, settlements, runs: Arc::default(), ledger: Mutex::new(Ledger::new()) }
    }

    pub(crate) fn id(&self) -> WorkerId {
        self.id
    }

    pub(crate) fn runs(&self) -> &Arc<Runs> {
        &self.runs
    }

    /// The attempt number of the present run.
    pub(crate) fn attempt(&self) -> u32 {
        self.lock().attempt()
    }

    /// Puts a delivery into the inbox. The worker must be free: what it was given before is started on.
    pub(crate) fn give(&self, delivery: Delivery<T>) {
        self.lock().give(delivery);
    }

    /// Starts a run by value: the item goes to the handler, the duty stays here.
    pub(crate) fn keep(&self) -> T {
        self.lock().keep()
    }

    /// Starts a run by delivery: it goes to the handler, and tells these hands how it ends.
    pub(crate) fn lend(self: &Arc<Self>) -> Delivery<T>
    where
        T: Send + 'static,
    {
        let settler: Arc<dyn Settle<T>> = Arc::<Self>::clone(self);
        self.lock().lend(settler)
    }

    /// The worker is about to poll a handler that was lent its delivery.
    ///
    /// Until it leaves the poll, `settle` does not ring: most handlers settle at their end, and a worker at its end
    /// sees to settlements itself without waking anybody.
    pub(crate) fn enter_poll(&self) {
        self.lock().set_polling(true);
    }

    /// The worker left the poll, and will not be back in the intake soon: if something was settled meanwhile, the
    /// supervisor must see to it.
    ///
    /// Of a settlement on another thread at this very moment one side sees the other: it notes itself before it
    /// looks, under the lock, whether we poll, and we look for notes after we said, under the lock, that we do not.
    pub(crate) fn leave_poll(&self) {
        self.lock().set_polling(false);
        if self.settlements.is_open() {
            self.settlements.ring();
        }
    }

    /// Ends the present run: what is still in hand of it ends as `run_end` says, and is counted.
    pub(crate) fn finish(&self, run_end: &RunEnd) {
        let (attempt, ended) = {
            let mut ledger = self.lock();
            (ledger.attempt(), ledger.finish(&self.terms, run_end))
        };
        self.report(attempt, run_end, ended.as_ref().map(|ended| ended.became));
        if let Some(ended) = ended {
            self.tell_source(ended.settlement);
        }
    }

    /// A destructor of what the handler left behind panicked. It does not change how an item ends.
    pub(crate) fn count_panic(&self, panic: &str, place: &'static str) {
        self.lock().count_panic();
        tracing::error!(worker = self.id.index(), panic, place, "handler panicked in a destructor");
    }

    /// Gives up everything of a worker whose task ends or was cancelled.
    pub(crate) fn abandon(&self) {
        let (inbox, in_run) = {
            let mut ledger = self.lock();
            (ledger.return_inbox(), ledger.is_running())
        };
        if let Some(settlement) = inbox {
            self.tell_source(settlement);
        }
        if in_run {
            self.finish(&RunEnd::Aborted);
        }
    }

    /// Ends, without their values, the deliveries that handlers moved elsewhere and that are not settled by now.
    /// What their holders say later is not heard.
    pub(crate) fn revoke(&self) {
        // The lock is released before the source is told.
        let next = || self.lock().revoke(&self.terms);
        while let Some(settlement) = next() {
            self.tell_source(settlement);
        }
    }

    /// The account so far, how many items are in these hands, and whether the worker is busy with one. All three
    /// are of one moment.
    pub(crate) fn account(&self) -> (Tally, usize, bool) {
        let ledger = self.lock();
        (ledger.tally(), ledger.held(), ledger.is_served() || ledger.is_running())
    }

    /// Is nothing in these hands, and has the source been told of all that was?
    pub(crate) fn is_at_rest(&self) -> bool {
        self.lock().is_at_rest()
    }

    /// Nothing of ours panics under the lock, and were it so, the account would still be the best there is.
    fn lock(&self) -> MutexGuard<'_, Ledger<T>> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the source how an item ended. `true`: this is the first since the source was last polled for it, so it
    /// is the caller who must see that it is polled again.
    fn tell_source(&self, settlement: Settlement<T>) -> bool {
        if let Err(panic) = contain(|| settlement.tell()) {
            tracing::error!(worker = self.id.index(), %panic, "source panicked while an item was settled");
        }
        self.settlements.note()
    }

    /// `became` is `None` if the handler had settled the item before its end, or moved it elsewhere.
    fn report(&self, attempt: u32, run_end: &RunEnd, became: Option<Became>) {
        let worker = self.id.index();
        let item = became.map_or("settled or moved before", Became::as_str);
        match run_end {
            RunEnd::Failed(error) => tracing::warn!(worker, attempt, %error, item, "handler failed"),
            RunEnd::Panicked(panic) => tracing::error!(worker, attempt, %panic, item, "handler panicked"),
            RunEnd::Aborted => tracing::debug!(worker, attempt, item, "handler aborted"),
            RunEnd::Done if became == Some(Became::DeadLettered) => self.report_last_attempt(attempt),
            RunEnd::Done => {}
        }
    }

    fn report_last_attempt(&self, attempt: u32) {
        tracing::warn!(
            worker = self.id.index(),
            attempt,
            "item was handed back too often, and is dead-lettered"
        );
    }
}

impl<T: Send> Settle<T> for Hands<T> {
    fn settle(&self, receipt: Receipt, item: Option<T>, end: End) {
        let handed_back = matches!(end, End::Nack { .. });
        let settled = self.lock().settle(receipt, item, end, &self.terms);
        // Otherwise it waits for the end of its run, or it was revoked and its item goes here, with its holder.
        let Ok(Some(ended)) = settled else { return };
        if handed_back && ended.became == Became::DeadLettered {
            self.report_last_attempt(ended.attempt);
        }
        let first = self.tell_source(ended.settlement);
        // The first of a burst is news for the source, the last one for who waits for the end.
        let (polling, at_rest) = self.lock().told();
        if !polling && (first || at_rest) {
            self.settlements.ring();
        }
    }

    fn extend(&self, receipt: Receipt, lease: Duration) {
        let source = self.lock().source_of(receipt);
        if let Some((source_receipt, source)) = source {
            source.extend(source_receipt, lease);
        }
    }
}

impl<T> fmt::Debug for Hands<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hands").field("id", &self.id).finish_non_exhaustive()
    }
}
