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
//! the hands, held, until whoever has it settles it, or the pool ends.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use forebay_queue::{Delivery, End, Receipt, Settle};
use slab::Slab;
use tokio::sync::Notify;

use crate::contain::contain;
use crate::{Backoff, WorkerId};

/// One worker's hands. Shared by the worker, the intake that gives to it, and the deliveries that it lends.
pub(crate) struct Hands<T> {
    id: WorkerId,
    terms: Terms,
    settlements: Arc<Settlements>,
    /// Whether the worker is inside a poll of its handler right now. Written by the worker, read by [`settle`]:
    /// see [`leave_poll`](Self::leave_poll).
    ///
    /// [`settle`]: Settle::settle
    in_poll: AtomicBool,
    ledger: Mutex<Ledger<T>>,
}

/// What a pool does with items that come back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// Whether the source has a copy of what it handed out.
    pub(crate) redelivers: bool,
    pub(crate) max_attempts: u32,
    pub(crate) backoff: Backoff,
}

/// Tells the supervisor that the source has settlements to work on.
#[derive(Debug, Default)]
pub(crate) struct Settlements {
    /// Set after the source was told of an end, cleared before the source is polled: what is told after the
    /// clearing sets it again.
    open: AtomicBool,
    /// Rung by the first of a burst of settlements; keeps the call until the supervisor answers.
    bell: Notify,
}

/// How a run ended, as the worker saw it.
#[derive(Debug)]
pub(crate) enum RunEnd {
    Done,
    Failed(String),
    Panicked(String),
    Aborted,
}

/// How many items went which way. Every item that was taken is in one of the others, or still held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) taken: u64,
    pub(crate) completed: u64,
    pub(crate) failed: u64,
    pub(crate) returned: u64,
    pub(crate) dead_lettered: u64,
    pub(crate) panics: u64,
    pub(crate) aborted: u64,
}

struct Ledger<T> {
    tally: Tally,
    /// Given, and not yet started on.
    inbox: Option<Delivery<T>>,
    /// The duty whose item a by-value handler has.
    kept: Option<Delivery<T>>,
    /// The duties whose deliveries are out of our hands; more than one only where a handler moved some elsewhere.
    lent: Slab<Lent<T>>,
    /// Makes receipts of lent deliveries unique although places in the slab are used again.
    lent_so_far: u32,
    /// The receipt of the delivery that the present run was lent.
    lent_to_run: Option<Receipt>,
    /// The attempt number of the present run, for whoever reports it.
    attempt: u32,
}

struct Lent<T> {
    /// What the pool calls this delivery.
    receipt: Receipt,
    /// What the source calls it.
    source_receipt: Receipt,
    source: Option<Arc<dyn Settle<T>>>,
    attempt: u32,
    /// It came back during its run, and waits for the run to finish.
    came_back: Option<CameBack<T>>,
}

struct CameBack<T> {
    item: Option<T>,
    after: Duration,
}

/// Something that the source is to be told, once the ledger's lock is released.
enum Settlement<T> {
    Kept(Delivery<T>, End),
    Lent { source: Option<Arc<dyn Settle<T>>>, receipt: Receipt, item: Option<T>, end: End },
}

// === impl Hands ===

impl<T> Hands<T> {
    pub(crate) fn new(id: WorkerId, terms: Terms, settlements: Arc<Settlements>) -> Self {
        let ledger = Ledger {
            tally: Tally::default(),
            inbox: None,
            kept: None,
            lent: Slab::new(),
            lent_so_far: 0,
            lent_to_run: None,
            attempt: 0,
        };
        Self { id, terms, settlements, in_poll: AtomicBool::new(false), ledger: Mutex::new(ledger) }
    }

    /// Puts a delivery into the inbox. The worker must be free: what it was given before is started on.
    pub(crate) fn give(&self, delivery: Delivery<T>) {
        let mut ledger = self.lock();
        debug_assert!(ledger.inbox.is_none(), "a worker is given one item at a time");
        ledger.tally.taken += 1;
        ledger.attempt = delivery.attempt();
        ledger.inbox = Some(delivery);
    }

    /// Starts a run by value: the item goes to the handler, the duty stays here.
    pub(crate) fn keep(&self) -> T {
        let mut ledger = self.lock();
        let mut delivery = ledger.inbox.take().expect("a run starts with a delivery in the inbox");
        let item = delivery.take();
        ledger.kept = Some(delivery);
        item.expect("a source hands out deliveries that have their item")
    }

    /// Starts a run by delivery: it goes to the handler, and tells these hands how it ends.
    pub(crate) fn lend(self: &Arc<Self>) -> Delivery<T>
    where
        T: Send + 'static,
    {
        let mut guard = self.lock();
        let ledger = &mut *guard;
        let delivery = ledger.inbox.take().expect("a run starts with a delivery in the inbox");
        let attempt = delivery.attempt();
        let place = ledger.lent.vacant_entry();
        let receipt = Receipt::new(u64::from(ledger.lent_so_far) << 32 | place.key() as u64);
        ledger.lent_so_far = ledger.lent_so_far.wrapping_add(1);
        ledger.lent_to_run = Some(receipt);
        delivery.map_settler(|source_receipt, source| {
            place.insert(Lent { receipt, source_receipt, source, attempt, came_back: None });
            (receipt, Arc::clone(self) as Arc<dyn Settle<T>>)
        })
    }

    /// The worker is about to poll a handler that was lent its delivery.
    pub(crate) fn enter_poll(&self) {
        // No ordering needed: read too late, this only costs a needless ring.
        self.in_poll.store(true, Ordering::Relaxed);
    }

    /// The worker left the poll, and will not be back in the intake soon: if something was settled meanwhile, the
    /// supervisor must see to it.
    ///
    /// Inside a poll `settle` does not ring, because most handlers settle at their end, and a worker at its end
    /// sees to settlements itself without waking anybody. The store here and the load of `open`, and the store of
    /// `open` and the load of `in_poll` in `settle`, are sequentially consistent: of a settlement on another
    /// thread at this very moment, at least one of the two sees the other.
    pub(crate) fn leave_poll(&self) {
        self.in_poll.store(false, Ordering::SeqCst);
        if self.settlements.open.load(Ordering::SeqCst) {
            self.settlements.bell.notify_one();
        }
    }

    /// Ends the present run: what is still in hand of it ends as `run_end` says, and is counted.
    pub(crate) fn finish(&self, run_end: &RunEnd) {
        // Only lending sets it, so by value this stays a plain read.
        if self.in_poll.load(Ordering::Relaxed) {
            self.in_poll.store(false, Ordering::SeqCst);
        }
        let (attempt, settlement) = {
            let mut ledger = self.lock();
            let settlement = ledger.finish(&self.terms, run_end);
            (ledger.attempt, settlement)
        };
        self.report(attempt, run_end);
        if let Some(settlement) = settlement {
            self.tell_source(settlement);
        }
    }

    /// Gives up everything of a worker whose task ends or was cancelled.
    pub(crate) fn abandon(&self) {
        let (inbox, in_run) = {
            let mut ledger = self.lock();
            let inbox = ledger.inbox.take();
            if inbox.is_some() {
                ledger.tally.returned += 1;
            }
            (inbox, ledger.kept.is_some() || ledger.lent_to_run.is_some())
        };
        if let Some(delivery) = inbox {
            self.tell_source(Settlement::Kept(delivery, End::Nack { after: Duration::ZERO }));
        }
        if in_run {
            self.finish(&RunEnd::Aborted);
        }
    }

    /// Ends, without their values, the deliveries that handlers moved elsewhere and that are not settled by now.
    /// What their holders say later is not heard.
    pub(crate) fn revoke(&self) {
        loop {
            let settlement = {
                let mut ledger = self.lock();
                let Some((key, _)) = ledger.lent.iter().next() else { return };
                let lent = ledger.lent.remove(key);
                if self.terms.redelivers {
                    ledger.tally.returned += 1;
                } else {
                    ledger.tally.failed += 1;
                }
                ledger.tally.aborted += 1;
                lent.end(None, End::Nack { after: Duration::ZERO })
            };
            self.tell_source(settlement);
        }
    }

    /// The account so far, how many items are in these hands, and whether the worker is busy with one. All three
    /// are of one moment.
    pub(crate) fn account(&self) -> (Tally, usize, bool) {
        let ledger = self.lock();
        let busy = ledger.inbox.is_some() || ledger.kept.is_some() || ledger.lent_to_run.is_some();
        (ledger.tally, ledger.held(), busy)
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
        !self.settlements.open.swap(true, Ordering::SeqCst)
    }

    fn report(&self, attempt: u32, run_end: &RunEnd) {
        let worker = self.id.index();
        match run_end {
            RunEnd::Done => {}
            RunEnd::Failed(error) => tracing::warn!(worker, attempt, %error, "item failed"),
            RunEnd::Panicked(panic) => tracing::error!(worker, attempt, %panic, "handler panicked"),
            RunEnd::Aborted => tracing::debug!(worker, attempt, "item aborted"),
        }
    }
}

impl<T: Send> Settle<T> for Hands<T> {
    fn settle(&self, receipt: Receipt, item: Option<T>, end: End) {
        let settlement = {
            let mut ledger = self.lock();
            let key = slab_key(receipt);
            let in_run = ledger.lent_to_run == Some(receipt);
            match ledger.lent.get_mut(key) {
                Some(lent) if lent.receipt == receipt => match end {
                    End::Nack { after } if in_run => {
                        lent.came_back = Some(CameBack { item, after });
                        return;
                    }
                    End::Nack { after } => {
                        let lent = ledger.lent.remove(key);
                        ledger.give_back(lent, CameBack { item, after }, &self.terms, &RunEnd::Done)
                    }
                    End::Ack => {
                        ledger.tally.completed += 1;
                        ledger.lent.remove(key).end(item, End::Ack)
                    }
                    end @ End::DeadLetter { .. } => {
                        ledger.tally.dead_lettered += 1;
                        ledger.lent.remove(key).end(item, end)
                    }
                },
                // Revoked: the source was told already, and the item goes with its holder.
                _ => return,
            }
        };
        let first = self.tell_source(settlement);
        // See `leave_poll`.
        if first && !self.in_poll.load(Ordering::SeqCst) {
            self.settlements.bell.notify_one();
        }
    }

    fn extend(&self, receipt: Receipt, lease: Duration) {
        let found = {
            let ledger = self.lock();
            ledger
                .lent
                .get(slab_key(receipt))
                .filter(|lent| lent.receipt == receipt)
                .and_then(|lent| Some((lent.source_receipt, Arc::clone(lent.source.as_ref()?))))
        };
        if let Some((source_receipt, source)) = found {
            source.extend(source_receipt, lease);
        }
    }
}

impl<T> fmt::Debug for Hands<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hands").field("id", &self.id).finish_non_exhaustive()
    }
}

// === impl Settlements ===

impl Settlements {
    /// Is there something that the source was not polled for? Says so once.
    pub(crate) fn take_open(&self) -> bool {
        // Reading first keeps the line shared between the cores while nothing is settled.
        self.open.load(Ordering::SeqCst) && self.open.swap(false, Ordering::SeqCst)
    }

    pub(crate) fn is_open(&self) -> bool {
        self.open.load(Ordering::SeqCst)
    }

    /// Waits until the supervisor is called.
    pub(crate) async fn rung(&self) {
        self.bell.notified().await;
    }
}

// === impl Tally ===

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.taken += other.taken;
        self.completed += other.completed;
        self.failed += other.failed;
        self.returned += other.returned;
        self.dead_lettered += other.dead_lettered;
        self.panics += other.panics;
        self.aborted += other.aborted;
    }
}

// === impl Ledger ===

impl<T> Ledger<T> {
    fn held(&self) -> usize {
        usize::from(self.inbox.is_some()) + usize::from(self.kept.is_some()) + self.lent.len()
    }

    fn finish(&mut self, terms: &Terms, run_end: &RunEnd) -> Option<Settlement<T>> {
        match run_end {
            RunEnd::Panicked(_) => self.tally.panics += 1,
            RunEnd::Aborted => self.tally.aborted += 1,
            RunEnd::Done | RunEnd::Failed(_) => {}
        }
        if let Some(delivery) = self.kept.take() {
            let end = self.end_of_kept(terms, run_end);
            return Some(Settlement::Kept(delivery, end));
        }
        // Still in the inbox: the handler panicked before it took its item.
        if let Some(delivery) = self.inbox.take() {
            self.tally.returned += 1;
            return Some(Settlement::Kept(delivery, End::Nack { after: Duration::ZERO }));
        }
        let key = slab_key(self.lent_to_run.take()?);
        let came_back = self.lent.get_mut(key)?.came_back.take()?;
        let lent = self.lent.remove(key);
        Some(self.give_back(lent, came_back, terms, run_end))
    }

    /// A by-value run ended; its item's value is gone.
    fn end_of_kept(&mut self, terms: &Terms, run_end: &RunEnd) -> End {
        match run_end {
            RunEnd::Done => {
                self.tally.completed += 1;
                End::Ack
            }
            // A source without a copy counts a nack without the value as failed, as we do.
            _ if !terms.redelivers => {
                self.tally.failed += 1;
                End::Nack { after: Duration::ZERO }
            }
            _ => self.end_of_returned(self.attempt, Duration::ZERO, terms, run_end),
        }
    }

    /// A lent delivery came back unsettled or nacked.
    fn give_back(
        &mut self,
        lent: Lent<T>,
        came_back: CameBack<T>,
        terms: &Terms,
        run_end: &RunEnd,
    ) -> Settlement<T> {
        let CameBack { item, after } = came_back;
        if lent.source.is_none() || (item.is_none() && !terms.redelivers) {
            // Nobody can deliver it again: it has no source that takes items back, or no value and no copy.
            self.tally.failed += 1;
            return lent.end(item, End::Nack { after });
        }
        let end = self.end_of_returned(lent.attempt, after, terms, run_end);
        lent.end(item, end)
    }

    /// An item goes back: not sooner than the backoff allows, and not more often than allowed.
    fn end_of_returned(&mut self, attempt: u32, after: Duration, terms: &Terms, run_end: &RunEnd) -> End {
        let why = match run_end {
            // The pool's own decision is not the item's fault.
            RunEnd::Aborted => {
                self.tally.returned += 1;
                return End::Nack { after };
            }
            RunEnd::Done => "handed back",
            RunEnd::Failed(error) => &format!("failed: {error}"),
            RunEnd::Panicked(panic) => &format!("panicked: {panic}"),
        };
        if attempt < terms.max_attempts {
            self.tally.returned += 1;
            return End::Nack { after: after.max(terms.backoff.after(attempt)) };
        }
        self.tally.dead_lettered += 1;
        End::DeadLetter { reason: format!("attempt {attempt} of {}: {why}", terms.max_attempts) }
    }
}

// === impl Lent ===

impl<T> Lent<T> {
    fn end(self, item: Option<T>, end: End) -> Settlement<T> {
        Settlement::Lent { source: self.source, receipt: self.source_receipt, item, end }
    }
}

// === impl Settlement ===

impl<T> Settlement<T> {
    fn tell(self) {
        match self {
            Self::Kept(delivery, End::Ack) => delivery.ack(),
            Self::Kept(delivery, End::Nack { after }) => delivery.nack(after),
            Self::Kept(delivery, End::DeadLetter { reason }) => delivery.dead_letter(reason),
            Self::Lent { source: Some(source), receipt, item, end } => source.settle(receipt, item, end),
            Self::Lent { source: None, item, .. } => drop(item),
        }
    }
}

/// Where in the slab a lent delivery is; the upper half of its receipt tells it from others that were there.
fn slab_key(receipt: Receipt) -> usize {
    (receipt.get() & u64::from(u32::MAX)) as usize
}
