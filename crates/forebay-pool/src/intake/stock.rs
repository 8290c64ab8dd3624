//! What the intake itself holds between source and workers, where it holds anything.
//!
//! Without keys, batches or prefetching there is no stock, and items go straight into the hands of who waits.
//!
//! ```text
//! source ──▶ put ──▶ Gate (a line for each key) ──▶ ready ──▶ [batch] ──▶ the hands of a worker that waits
//! ```

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use forebay_queue::Delivery;
use tokio::time::Instant;

use super::gate::{Gate, GateLimits, KeyHash};
use crate::contain::contain;
use crate::hands::{Given, Hands};
use crate::rules::KeyOf;

/// What makes a stock necessary.
pub(crate) struct StockPlan<T> {
    pub(crate) key_of: Option<KeyOf<T>>,
    pub(crate) gate: Option<GateLimits>,
}

pub(super) struct Stock<T> {
    key_of: Option<KeyOf<T>>,
    gate: Option<Gate<Delivery<T>>>,
    /// Free to start.
    ready: VecDeque<Given<T>>,
    /// Time is told since then.
    epoch: Instant,
    account: Arc<StockAccount>,
}

/// How many items went through the stock, and what became of those that went no further.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct StockTally {
    pub(crate) taken: u64,
    pub(crate) returned: u64,
    pub(crate) dead_lettered: u64,
    pub(crate) panics: u64,
    pub(crate) cancelled: u64,
    /// How many are there.
    pub(crate) held: usize,
    /// Of how many that left the source is being told right now.
    pub(crate) telling: usize,
}

/// The tally, under a lock that is held while items change from the stock to a worker's hands: who holds it sees each
/// item on one side.
#[derive(Debug, Default)]
pub(crate) struct StockAccount(Mutex<StockTally>);

// === impl StockPlan ===

impl<T> StockPlan<T> {
    pub(super) fn into_stock(self, account: Arc<StockAccount>) -> Option<Stock<T>> {
        self.key_of.as_ref()?;
        Some(Stock {
            key_of: self.key_of,
            gate: self.gate.map(Gate::new),
            ready: VecDeque::new(),
            epoch: Instant::now(),
            account,
        })
    }
}

impl<T> Default for StockPlan<T> {
    fn default() -> Self {
        Self { key_of: None, gate: None }
    }
}

// === impl StockAccount ===

impl StockAccount {
    pub(crate) fn lock(&self) -> MutexGuard<'_, StockTally> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl StockTally ===

impl StockTally {
    /// Is nothing here, nor on its way from here to the source?
    pub(crate) fn is_at_rest(&self) -> bool {
        self.held == 0 && self.telling == 0
    }
}

// === impl Stock ===

impl<T> Stock<T> {
    /// The time, where it matters.
    pub(super) fn now(&self) -> u64 {
        if self.gate.as_ref().is_some_and(Gate::uses_time) {
            u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX)
        } else {
            0
        }
    }

    /// That time, as the runtime's timers want it.
    pub(super) fn instant(&self, time: u64) -> Instant {
        self.epoch + std::time::Duration::from_nanos(time)
    }

    /// Takes in what the source handed out.
    ///
    /// # Errors
    ///
    /// The delivery comes back, with what was said, if finding its key panicked.
    pub(super) fn put(&mut self, delivery: Delivery<T>) -> Result<(), (Delivery<T>, String)> {
        let key = match (&self.key_of, delivery.item()) {
            (Some(key_of), Some(item)) => match contain(|| key_of(item)) {
                Ok(key) => Some(key),
                Err(panic) => {
                    let mut tally = self.account.lock();
                    tally.taken += 1;
                    tally.dead_lettered += 1;
                    tally.panics += 1;
                    tally.telling += 1;
                    return Err((delivery, panic));
                }
            },
            _ => None,
        };
        {
            let mut tally = self.account.lock();
            tally.taken += 1;
            tally.held += 1;
        }
        match (&mut self.gate, key) {
            (Some(gate), Some(key)) => gate.insert(key, delivery),
            (_, key) => self.ready.push_back(Given { delivery, key }),
        }
        Ok(())
    }

    /// Gives to a worker that waits what it is to start on, if there is something.
    pub(super) fn give(&mut self, hands: &Hands<T>, now: u64) -> bool {
        let next = self.next(now);
        let some = next.is_some();
        if let Some(given) = next {
            let mut tally = self.account.lock();
            tally.held -= 1;
            hands.give_all(std::iter::once(given));
        }
        some
    }

    fn next(&mut self, now: u64) -> Option<Given<T>> {
        if let Some(given) = self.ready.pop_front() {
            return Some(given);
        }
        let (key, delivery) = self.gate.as_mut()?.next(now)?;
        Some(Given { delivery, key: Some(key) })
    }

    /// How many items to ask for on behalf of so many workers.
    pub(super) fn demand(&self, waiting: usize) -> usize {
        match &self.gate {
            Some(gate) => waiting.min(gate.room()),
            None => waiting,
        }
    }

    /// When something that is here may be given although nothing else happens.
    pub(super) fn due(&self) -> Option<u64> {
        let gate = self.gate.as_ref()?;
        // Keys that are only remembered matter to nobody, unless there are too many.
        if gate.len() > 0 || gate.room() == 0 { gate.due() } else { None }
    }

    /// These keys are no longer occupied by items that were given.
    pub(super) fn release(&mut self, keys: &mut Vec<KeyHash>) {
        for key in keys.drain(..) {
            if let Some(gate) = &mut self.gate {
                gate.release(key);
            }
        }
    }

    /// Takes out what has this key, to be set aside.
    pub(super) fn cancel(&mut self, key: KeyHash) -> Vec<Delivery<T>> {
        let mut out = Vec::new();
        if let Some(gate) = &mut self.gate {
            gate.remove(key, &mut out);
        }
        let mut tally = self.account.lock();
        tally.held -= out.len();
        tally.dead_lettered += out.len() as u64;
        tally.cancelled += out.len() as u64;
        tally.telling += out.len();
        out
    }

    /// Takes out everything, to be returned.
    pub(super) fn drain(&mut self) -> Vec<Delivery<T>> {
        let mut out: Vec<_> = self.ready.drain(..).map(|given| given.delivery).collect();
        if let Some(gate) = &mut self.gate {
            out.extend(gate.drain());
        }
        let mut tally = self.account.lock();
        tally.held -= out.len();
        tally.returned += out.len() as u64;
        tally.telling += out.len();
        out
    }
}
