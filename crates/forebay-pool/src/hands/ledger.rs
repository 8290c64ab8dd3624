//! The account of one worker's hands: what is in them, what became of the rest, and what the rules of returning
//! decide. It holds no lock, tells nobody and reads no clock.

use std::sync::Arc;
use std::time::Duration;

use forebay_queue::{Delivery, End, Receipt, Settle};
use slab::Slab;

use crate::Backoff;

/// What a pool does with items that come back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// Whether the source has a copy of what it handed out.
    pub(crate) redelivers: bool,
    pub(crate) max_attempts: u32,
    pub(crate) backoff: Backoff,
}

/// How a run ended, as the worker saw it.
#[derive(Debug)]
pub(crate) enum RunEnd {
    Done,
    Failed(String),
    Panicked(String),
    Aborted,
}

/// What became of an item that left the hands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Became {
    Completed,
    Failed,
    Returned,
    DeadLettered,
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

pub(super) struct Ledger<T> {
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
    /// Whether the worker is inside a poll of a handler that was lent its delivery.
    polling: bool,
    /// How many settlements of lent deliveries the source is being told of right now.
    telling: usize,
}

/// A delivery that is out of our hands.
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

/// An item that left the hands, and was counted.
pub(super) struct Ended<T> {
    pub(super) became: Became,
    pub(super) attempt: u32,
    pub(super) settlement: Settlement<T>,
}

/// Something that the source is to be told, once the ledger's lock is released.
pub(super) enum Settlement<T> {
    Kept(Delivery<T>, End),
    Lent { source: Option<Arc<dyn Settle<T>>>, receipt: Receipt, item: Option<T>, end: End },
}

// === impl Terms ===

impl Terms {
    /// An item goes back: not sooner than the backoff allows, and not more often than allowed.
    fn end_of_returned(&self, attempt: u32, after: Duration, run_end: &RunEnd) -> (Became, End) {
        let why = match run_end {
            // The pool's own decision is not the item's fault.
            RunEnd::Aborted => return (Became::Returned, End::Nack { after }),
            RunEnd::Done => "handed back",
            RunEnd::Failed(error) => &format!("failed: {error}"),
            RunEnd::Panicked(panic) => &format!("panicked: {panic}"),
        };
        if attempt < self.max_attempts {
            return (Became::Returned, End::Nack { after: after.max(self.backoff.after(attempt)) });
        }
        let reason = format!("attempt {attempt} of {}: {why}", self.max_attempts);
        (Became::DeadLettered, End::DeadLetter { reason })
    }
}

// === impl Became ===

impl Became {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Returned => "returned",
            Self::DeadLettered => "dead-lettered",
        }
    }
}

// === impl Tally ===

impl Tally {
    fn count(&mut self, became: Became) {
        match became {
            Became::Completed => self.completed += 1,
            Became::Failed => self.failed += 1,
            Became::Returned => self.returned += 1,
            Became::DeadLettered => self.dead_lettered += 1,
        }
    }
}

// === impl Ledger ===

impl<T> Ledger<T> {
    pub(super) fn new() -> Self {
        Self {
            tally: Tally::default(),
            inbox: None,
            kept: None,
            lent: Slab::new(),
            lent_so_far: 0,
            lent_to_run: None,
            attempt: 0,
            polling: false,
            telling: 0,
        }
    }

    /// Takes a delivery into the inbox.
    pub(super) fn give(&mut self, delivery: Delivery<T>) {
        debug_assert!(self.inbox.is_none(), "a worker is given one item at a time");
        self.tally.taken += 1;
        self.attempt = delivery.attempt();
        self.inbox = Some(delivery);
    }

    /// Starts a run by value.
    pub(super) fn keep(&mut self) -> T {
        let mut delivery = self.take_inbox();
        let item = delivery.take();
        self.kept = Some(delivery);
        item.expect("a source hands out deliveries that have their item")
    }

    /// Starts a run by delivery, which will tell `settler` how it ends.
    pub(super) fn lend(&mut self, settler: Arc<dyn Settle<T>>) -> Delivery<T> {
        let delivery = self.take_inbox();
        let attempt = self.attempt;
        let place = self.lent.vacant_entry();
        let receipt = Receipt::new(u64::from(self.lent_so_far) << 32 | place.key() as u64);
        self.lent_so_far = self.lent_so_far.wrapping_add(1);
        self.lent_to_run = Some(receipt);
        delivery.map_settler(|source_receipt, source| {
            place.insert(Lent { receipt, source_receipt, source, attempt, came_back: None });
            (receipt, settler)
        })
    }

    /// A lent delivery says how it ended. `None`: that is kept until the run ends; otherwise the source is to be
    /// told, and this ledger after it.
    ///
    /// # Errors
    ///
    /// The item comes back if the delivery ended before, or was revoked: its destructor is not ours to run under a
    /// lock.
    pub(super) fn settle(
        &mut self,
        receipt: Receipt,
        item: Option<T>,
        end: End,
        terms: &Terms,
    ) -> Result<Option<Ended<T>>, Option<T>> {
        let in_run = self.lent_to_run == Some(receipt);
        // A settler that was put in between may say so twice; the first time counts.
        let Some(lent) = self.lent_mut(receipt).filter(|lent| lent.came_back.is_none()) else {
            return Err(item);
        };
        let became = match end {
            End::Nack { after } => {
                let came_back = CameBack { item, after };
                if in_run {
                    lent.came_back = Some(came_back);
                    return Ok(None);
                }
                self.telling += 1;
                let lent = self.lent.remove(slab_key(receipt));
                return Ok(Some(self.give_back(lent, came_back, terms, &RunEnd::Done)));
            }
            End::Ack => Became::Completed,
            End::DeadLetter { .. } => Became::DeadLettered,
        };
        self.telling += 1;
        let lent = self.lent.remove(slab_key(receipt));
        Ok(Some(self.end_lent(lent, item, became, end)))
    }

    /// The source was told of what [`settle`](Self::settle) returned. Is the handler being polled, and is nothing
    /// left?
    pub(super) fn told(&mut self) -> (bool, bool) {
        self.telling -= 1;
        (self.polling, self.is_at_rest())
    }

    pub(super) fn set_polling(&mut self, polling: bool) {
        self.polling = polling;
    }

    /// The run ended. `None`: nothing of it is in hand.
    pub(super) fn finish(&mut self, terms: &Terms, run_end: &RunEnd) -> Option<Ended<T>> {
        self.polling = false;
        match run_end {
            RunEnd::Panicked(_) => self.tally.panics += 1,
            RunEnd::Aborted => self.tally.aborted += 1,
            RunEnd::Done | RunEnd::Failed(_) => {}
        }
        if let Some(delivery) = self.kept.take() {
            let (became, end) = self.end_of_kept(terms, run_end);
            self.tally.count(became);
            let settlement = Settlement::Kept(delivery, end);
            return Some(Ended { became, attempt: self.attempt, settlement });
        }
        let receipt = self.lent_to_run.take()?;
        let came_back = self.lent_mut(receipt)?.came_back.take()?;
        let lent = self.lent.remove(slab_key(receipt));
        Some(self.give_back(lent, came_back, terms, run_end))
    }

    /// A panic that is not the end of a run.
    pub(super) fn count_panic(&mut self) {
        self.tally.panics += 1;
    }

    /// Returns what was given and not started on.
    pub(super) fn return_inbox(&mut self) -> Option<Settlement<T>> {
        let delivery = self.inbox.take()?;
        self.tally.count(Became::Returned);
        Some(Settlement::Kept(delivery, End::Nack { after: Duration::ZERO }))
    }

    /// Ends one of the deliveries that are elsewhere, without its value.
    pub(super) fn revoke(&mut self, terms: &Terms) -> Option<Settlement<T>> {
        let (key, _) = self.lent.iter().next()?;
        let lent = self.lent.remove(key);
        self.tally.aborted += 1;
        let came_back = CameBack { item: None, after: Duration::ZERO };
        Some(self.give_back(lent, came_back, terms, &RunEnd::Aborted).settlement)
    }

    /// What the source calls a lent delivery, and whom it wants to be told of it.
    pub(super) fn source_of(&self, receipt: Receipt) -> Option<(Receipt, Arc<dyn Settle<T>>)> {
        let lent = self.lent.get(slab_key(receipt)).filter(|lent| lent.receipt == receipt)?;
        Some((lent.source_receipt, Arc::clone(lent.source.as_ref()?)))
    }

    pub(super) fn tally(&self) -> Tally {
        self.tally
    }

    /// How many items are in hand.
    pub(super) fn held(&self) -> usize {
        usize::from(self.inbox.is_some()) + usize::from(self.kept.is_some()) + self.lent.len()
    }

    /// Nothing is in hand, nor on its way from here to the source.
    pub(super) fn is_at_rest(&self) -> bool {
        self.held() == 0 && self.telling == 0
    }

    /// Whether a handler is at work.
    pub(super) fn is_running(&self) -> bool {
        self.kept.is_some() || self.lent_to_run.is_some()
    }

    /// Whether the worker has an item to start on.
    pub(super) fn is_served(&self) -> bool {
        self.inbox.is_some()
    }

    /// The attempt number of the present run.
    pub(super) fn attempt(&self) -> u32 {
        self.attempt
    }

    fn take_inbox(&mut self) -> Delivery<T> {
        self.inbox.take().expect("a run starts with a delivery in the inbox")
    }

    fn lent_mut(&mut self, receipt: Receipt) -> Option<&mut Lent<T>> {
        self.lent.get_mut(slab_key(receipt)).filter(|lent| lent.receipt == receipt)
    }

    /// A by-value run ended; its item's value is gone.
    fn end_of_kept(&self, terms: &Terms, run_end: &RunEnd) -> (Became, End) {
        match run_end {
            RunEnd::Done => (Became::Completed, End::Ack),
            // A source without a copy counts a nack without the value as failed, as we do.
            _ if !terms.redelivers => (Became::Failed, End::Nack { after: Duration::ZERO }),
            _ => terms.end_of_returned(self.attempt, Duration::ZERO, run_end),
        }
    }

    /// A lent delivery came back unsettled or nacked.
    fn give_back(
        &mut self,
        lent: Lent<T>,
        came_back: CameBack<T>,
        terms: &Terms,
        run_end: &RunEnd,
    ) -> Ended<T> {
        let CameBack { item, after } = came_back;
        let (became, end) = if lent.source.is_none() || (item.is_none() && !terms.redelivers) {
            // Nobody can deliver it again: it has no source that takes items back, or no value and no copy.
            (Became::Failed, End::Nack { after })
        } else {
            terms.end_of_returned(lent.attempt, after, run_end)
        };
        self.end_lent(lent, item, became, end)
    }

    fn end_lent(&mut self, lent: Lent<T>, item: Option<T>, became: Became, end: End) -> Ended<T> {
        self.tally.count(became);
        let Lent { source_receipt: receipt, source, attempt, .. } = lent;
        Ended { became, attempt, settlement: Settlement::Lent { source, receipt, item, end } }
    }
}

// === impl Settlement ===

impl<T> Settlement<T> {
    /// Tells the source. Runs its code, and the item's destructor.
    pub(super) fn tell(self) {
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
