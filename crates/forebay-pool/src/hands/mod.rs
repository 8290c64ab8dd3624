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

/// Deliveries that are out of our hands, or back.
mod back;
/// What is reported about items that do not end well.
mod events;
/// The account.
mod ledger;
/// The account of what a worker takes itself.
mod quick;
/// Which runs are over.
mod runs;
/// The bell between settlements and the supervisor.
mod settlements;
/// How many items ended in which way.
mod tally;
/// What the rules decide.
mod terms;
/// Work that is not wanted any more.
mod unwanted;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use forebay_queue::{Delivery, End, Receipt, Settle};
use tokio::time::Instant;

use crate::contain::contain;
use crate::letters::Letters;
use crate::presence::Presence;
use crate::{OnFailure, WorkerId};

use self::back::Settlement;
use self::ledger::{Ended, Finish, Ledger};

pub(crate) use self::ledger::Given;
pub(crate) use self::quick::Quick;
pub(crate) use self::runs::Runs;
pub(crate) use self::settlements::Settlements;
pub(crate) use self::tally::{Became, Tally};
pub(crate) use self::terms::{RunEnd, Terms};

/// One worker's hands. Shared by the worker, the intake that gives to it, and the deliveries that it lends.
pub(crate) struct Hands<T> {
    id: WorkerId,
    terms: Arc<Terms>,
    settlements: Arc<Settlements>,
    runs: Arc<Runs>,
    /// The worker cannot be built, or its service not made ready. Written by the worker.
    failing: AtomicBool,
    /// The next item is to be timed. Written by the worker, read by the giver.
    timed: AtomicBool,
    /// It is known when the item given last came. Written by the giver, taken by the worker.
    stamped: AtomicBool,
    /// Where dead letters go, if not to the source.
    letters: Option<Arc<Letters<T>>>,
    presence: Presence,
    /// What the worker takes itself.
    quick: Quick,
    ledger: Mutex<Ledger<T>>,
}

/// A delivery that is out of the inbox for a moment. Dropped, also by a panic, it counts as started on.
struct KeptWhole<'a, T> {
    hands: &'a Hands<T>,
    given: Option<Given<T>>,
}

// === impl Hands ===

impl<T> Hands<T> {
    pub(crate) fn new(id: WorkerId, terms: Arc<Terms>, settlements: Arc<Settlements>) -> Self {
        Self {
            id,
            terms,
            settlements,
            runs: Arc::new(Runs::new()),
            failing: AtomicBool::new(false),
            timed: AtomicBool::new(true),
            stamped: AtomicBool::new(false),
            letters: None,
            presence: Presence::new(),
            quick: Quick::default(),
            ledger: Mutex::new(Ledger::new()),
        }
    }

    /// Says where dead letters go.
    pub(crate) fn with_letters(mut self, letters: Option<Arc<Letters<T>>>) -> Self {
        self.letters = letters;
        self
    }

    pub(crate) fn id(&self) -> WorkerId {
        self.id
    }

    pub(crate) fn set_failing(&self, failing: bool) {
        self.failing.store(failing, Ordering::Relaxed);
    }

    pub(crate) fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }

    /// The worker's times.
    pub(crate) fn presence(&self) -> &Presence {
        &self.presence
    }

    pub(crate) fn runs(&self) -> &Arc<Runs> {
        &self.runs
    }

    /// The place of the item in work.
    pub(crate) fn place(&self) -> u64 {
        self.lock().place().expect("where results are ordered each item has its place")
    }

    /// The attempt number of the present run.
    pub(crate) fn attempt(&self) -> u32 {
        if self.quick.is_busy() { self.quick.attempt() } else { self.lock().attempt() }
    }

    pub(crate) fn quick(&self) -> &Quick {
        &self.quick
    }

    /// The item that the worker took itself failed: its value is gone, whatever the rules say.
    pub(crate) fn fail_quick(&self, run_end: &RunEnd) {
        self.report(self.quick.attempt(), run_end, Became::Failed.as_str());
        let mut ledger = self.lock();
        ledger.fail_taken(run_end);
        self.quick.leave();
    }

    /// Puts a delivery into the inbox. The worker must be free: what it was given before is started on.
    pub(crate) fn give(&self, given: Given<T>) {
        let at = self.clock(&given);
        self.lock().give(given, at);
    }

    /// The same for items that count as taken already.
    pub(crate) fn give_all(&self, given: impl Iterator<Item = Given<T>>) {
        let mut given = given.peekable();
        let at = given.peek().and_then(|first| self.clock(first));
        self.lock().give_all(given, at);
    }

    /// Whether the times of the next item are taken.
    pub(crate) fn set_timed(&self, timed: bool) {
        self.timed.store(timed, Ordering::Relaxed);
    }

    /// Is the item given now one of those whose times are taken? Says so once.
    pub(crate) fn take_stamped(&self) -> bool {
        self.stamped.load(Ordering::Relaxed) && self.stamped.swap(false, Ordering::Relaxed)
    }

    fn clock(&self, first: &Given<T>) -> Option<Instant> {
        let stamped = first.delivery.enqueued_at().is_some();
        if stamped {
            self.stamped.store(true, Ordering::Relaxed);
        }
        (stamped || self.timed.load(Ordering::Relaxed)).then(Instant::now)
    }

    /// When what is in the inbox was given, if that was noted, and when it came into its source.
    pub(crate) fn take_times(&self) -> Option<(Instant, Option<SystemTime>)> {
        self.lock().take_times()
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

    /// Starts a run by batch: all that is in the inbox goes to the handler.
    pub(crate) fn lend_all(self: &Arc<Self>) -> Vec<Delivery<T>>
    where
        T: Send + 'static,
    {
        let settler: Arc<dyn Settle<T>> = Arc::<Self>::clone(self);
        self.lock().lend_all(&settler)
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
    /// A settlement on another thread at this very moment and this worker cannot miss each other: it notes itself before
    /// it looks, under the lock, whether we poll, and we look for notes after we said, under the lock, that we do not.
    pub(crate) fn leave_poll(&self) {
        self.lock().set_polling(false);
        if self.settlements.is_open() || self.settlements.has_released() {
            self.settlements.ring();
        }
    }

    /// Starts a run by value with a copy of the item, so that the item is there if the run fails.
    pub(crate) fn keep_copy(&self, copy: impl FnOnce(&T) -> T) -> T {
        // The copying is not our code, and not done under the lock. If it panics, the run ends with that panic.
        let given = self.lock().take_away();
        let whole = KeptWhole { hands: self, given: Some(given) };
        let item = whole.given.as_ref().and_then(|given| given.delivery.item());
        copy(item.expect("a source hands out deliveries that have their item"))
    }

    /// Looks at what lies in the inbox.
    pub(crate) fn inspect<R>(&self, look: impl FnOnce(&Delivery<T>) -> R) -> R {
        let given = self.lock().take_away();
        let whole = KeptWhole { hands: self, given: Some(given) };
        let seen = look(&whole.given.as_ref().expect("it was just put there").delivery);
        whole.put_back();
        seen
    }

    /// Looks at all that lies in the inbox. `look` does not panic.
    pub(crate) fn inspect_all(&self, look: impl FnMut(&Delivery<T>)) {
        // What it looks at is not our code, and not called under the lock.
        let all = self.lock().take_all_away();
        all.iter().map(|given| &given.delivery).for_each(look);
        self.lock().put_all_inbox(all);
    }

    /// Counts what lies in the inbox as started on, by nobody.
    pub(crate) fn skip(&self) {
        let mut ledger = self.lock();
        let given = ledger.take_inbox();
        let _ = ledger.keep_whole(given);
    }

    /// Ends the present run: what it still has in hand ends as `run_end` says, and is counted.
    ///
    /// `Some`: the item does not end yet. It lies in the inbox again, and is to be started on after this long.
    pub(crate) fn finish(&self, run_end: &RunEnd) -> Option<Duration> {
        if matches!(run_end, RunEnd::Done) && self.terms.is_plain() {
            // The most frequent case, without the questions of the others.
            let done = self.lock().finish_done();
            if let Some(delivery) = done {
                self.ack(delivery);
                return None;
            }
        }
        let may_retry = self.may_retry(run_end);
        let (attempt, finish) = {
            let mut ledger = self.lock();
            (ledger.attempt(), ledger.finish(&self.terms, run_end, may_retry))
        };
        let again = match finish {
            Finish::Nothing => {
                self.report(attempt, run_end, finish.as_str());
                None
            }
            finish => {
                self.report(attempt, run_end, finish.as_str());
                let mut again = self.follow(finish);
                // The rest of a batch was reported by the one event.
                while self.terms.batches
                    && let more = self.finish_more(run_end, may_retry)
                    && !matches!(more, Finish::Nothing)
                {
                    again = again.max(self.follow(more));
                }
                again
            }
        };
        if self.terms.keyed {
            self.settlements.release(self.lock().release());
        }
        // The worker waits with what is tried again, and does not come by the intake meanwhile.
        if again.is_some() && (self.settlements.is_open() || self.settlements.has_released()) {
            self.settlements.ring();
        }
        again
    }

    fn ack(&self, delivery: Delivery<T>) {
        let counts = self.terms.counts_ack(delivery.redelivers());
        if let Err(panic) = contain(|| delivery.ack()) {
            self.report_settling(&panic);
        }
        if counts {
            self.settlements.note_ack();
        }
        self.settlements.note();
    }

    fn finish_more(&self, run_end: &RunEnd, may_retry: bool) -> Finish<T> {
        self.lock().finish_more(&self.terms, run_end, may_retry)
    }

    fn follow(&self, finish: Finish<T>) -> Option<Duration> {
        match finish {
            Finish::Nothing => None,
            Finish::Again(after) => Some(after),
            Finish::Ended(Ended { became, settlement, key, place, .. }) => {
                self.deposit(became);
                self.tell_source(settlement);
                self.lock().told();
                self.end_place(place, became);
                self.settlements.release(key.into_iter());
                None
            }
        }
    }

    /// Asks the budget, which is not our code, outside of the lock.
    fn may_retry(&self, run_end: &RunEnd) -> bool {
        let Some(retry) = self.terms.retries(run_end, || self.lock().attempt_with_item()) else {
            return false;
        };
        retry.budget.as_ref().is_none_or(|budget| contain(|| budget.withdraw()).unwrap_or(false))
    }

    /// After the source was told: an item that is handed on is done there.
    fn end_place(&self, place: Option<u64>, became: Became) {
        if let (Some(order), Some(place)) = (&self.terms.order, place) {
            order.end(place, became);
        }
    }

    fn deposit(&self, became: Became) {
        if became == Became::Completed
            && let Some(OnFailure::Retry(retry)) = &self.terms.on_failure
            && let Some(budget) = &retry.budget
        {
            let _ = contain(|| budget.deposit());
        }
    }

    /// A destructor of what the handler left behind panicked. It does not change how an item ends.
    pub(crate) fn count_panic(&self, panic: &str, place: &'static str) {
        self.lock().count_panic();
        tracing::error!(worker = self.id.index(), panic, place, "handler panicked in a destructor");
    }

    /// Gives up everything of a worker whose task ends or was cancelled.
    pub(crate) fn abandon(&self) {
        if self.is_running() {
            self.finish(&RunEnd::Aborted);
        }
        self.quick.leave();
        // The lock is released before the source is told.
        let next = || self.lock().return_inbox();
        while let Some(Ended { became, settlement, key, place, .. }) = next() {
            self.tell_source(settlement);
            self.lock().told();
            self.end_place(place, became);
            self.settlements.release(key.into_iter());
        }
    }

    fn is_running(&self) -> bool {
        self.lock().is_running()
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

    /// The account so far, how many items are in these hands, and whether the worker is busy with one: all three at
    /// the same moment.
    pub(crate) fn account(&self) -> (Tally, usize, bool) {
        let ledger = self.lock();
        let (mut tally, quick) = (ledger.tally(), self.quick.account());
        let busy = quick.is_busy();
        tally.completed += quick.done();
        tally.taken += quick.done() + u64::from(busy);
        let held = ledger.held() + usize::from(busy);
        (tally, held, busy || ledger.is_served() || ledger.is_running())
    }

    /// Does the worker wait for an item to take itself?
    pub(crate) fn is_waiting(&self) -> bool {
        self.quick.account().is_waiting()
    }

    /// Is nothing in these hands, and has the source been told of all that was?
    pub(crate) fn is_at_rest(&self) -> bool {
        self.done_at_rest().is_some()
    }

    /// If nothing is in hand: how many items the worker took itself and is done with. The same number again means that
    /// nothing was in hand meanwhile.
    pub(crate) fn done_at_rest(&self) -> Option<u64> {
        let ledger = self.lock();
        let quick = self.quick.account();
        (quick.is_at_rest() && ledger.is_at_rest()).then(|| quick.done() + ledger.tally().failed)
    }

    /// Nothing of ours panics under the lock, and if something did, the account would still be the best there is.
    fn lock(&self) -> MutexGuard<'_, Ledger<T>> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the source how an item ended. `true`: this is the first since the source was last polled for it, so
    /// the caller must see that the source is polled again.
    fn tell_source(&self, settlement: Settlement<T>) -> bool {
        let settlement = match &self.letters {
            Some(letters) => match settlement.post(letters) {
                // The postman tells the source, and rings when he did.
                None => return false,
                Some(settlement) => settlement,
            },
            None => settlement,
        };
        let is_ack = settlement.is_ack() && self.terms.counts_ack(settlement.back.redelivers());
        if let Err(panic) = contain(|| settlement.tell()) {
            self.report_settling(&panic);
        }
        if is_ack {
            self.settlements.note_ack();
        }
        self.settlements.note()
    }
}

impl<T> KeptWhole<'_, T> {
    fn put_back(mut self) {
        if let Some(given) = self.given.take() {
            self.hands.lock().put_inbox(given);
        }
    }
}

impl<T> Drop for KeptWhole<'_, T> {
    fn drop(&mut self) {
        if let Some(given) = self.given.take() {
            self.hands.lock().keep_away(given);
        }
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
        self.deposit(ended.became);
        let first = self.tell_source(ended.settlement);
        let released = ended.key.is_some();
        self.settlements.release(ended.key.into_iter());
        // The first of a burst is news for the source, the last one for whoever waits for the end.
        let (polling, at_rest) = self.lock().told();
        if !polling && (first || at_rest || released) {
            self.settlements.ring();
        }
    }

    fn extend(&self, receipt: Receipt, lease: Duration) {
        let source = self.lock().source_of(receipt);
        if let Some((source_receipt, source)) = source {
            source.extend(source_receipt, lease);
        }
    }

    fn is_lost(&self, receipt: Receipt) -> bool {
        let source = self.lock().source_of(receipt);
        source.is_some_and(|(source_receipt, _)| self.terms.is_lost(source_receipt))
    }
}

impl<T> fmt::Debug for Hands<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hands").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
