//! What the intake itself holds between source and workers, where it holds anything.
//!
//! Without keys, batches or prefetching there is no stock, and items go straight into the hands of a waiting worker.
//!
//! ```text
//! source ──▶ put ──▶ Gate (a line for each key) ──▶ ready ──▶ [batch] ──▶ the hands of a worker that waits
//! ```

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use forebay_queue::Delivery;
use tokio::time::Instant;

use super::batch::{Asked, BatchLimits, Forming};
use super::gate::{Gate, GateLimits, KeyHash};
use crate::contain::contain;
use crate::hands::{Became, Given, Hands};
use crate::order::Places;
use crate::rules::KeyOf;

/// What makes a stock necessary.
pub(crate) struct StockPlan<T> {
    pub(crate) key_of: Option<KeyOf<T>>,
    pub(crate) gate: Option<GateLimits>,
    pub(crate) batch: Option<BatchLimits>,
    /// How many items to have ready beyond those that workers wait for.
    pub(crate) prefetch: usize,
    /// The order of results, and how many places it may have.
    pub(crate) order: Option<(Arc<dyn Places>, usize)>,
}

pub(super) struct Stock<T> {
    key_of: Option<KeyOf<T>>,
    gate: Option<Gate<(Delivery<T>, Option<u64>)>>,
    /// Free to start.
    ready: VecDeque<Given<T>>,
    batch: Option<Forming<Given<T>>>,
    prefetch: usize,
    order: Option<(Arc<dyn Places>, usize)>,
    /// The moment from which time is counted.
    epoch: Instant,
    account: Arc<StockAccount>,
}

/// How many items went through the stock, and what became of those that went no further.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct StockTally {
    pub(crate) taken: u64,
    pub(crate) failed: u64,
    pub(crate) returned: u64,
    pub(crate) dead_lettered: u64,
    pub(crate) panics: u64,
    pub(crate) cancelled: u64,
    /// How many are there.
    pub(crate) held: usize,
    /// For how many that left the source is being told right now.
    pub(crate) telling: usize,
}

/// The tally, under a lock that is held while items change from the stock to a worker's hands: its holder sees each
/// item on one side.
#[derive(Debug, Default)]
pub(crate) struct StockAccount(Mutex<StockTally>);

// === impl StockPlan ===

impl<T> StockPlan<T> {
    /// Is nothing to be held?
    pub(crate) fn is_empty(&self) -> bool {
        self.key_of.is_none() && self.batch.is_none() && self.prefetch == 0 && self.order.is_none()
    }

    /// A stock for a single item, where there is none otherwise.
    pub(super) fn of_one(account: Arc<StockAccount>) -> Stock<T> {
        let plan = Self { prefetch: 1, ..Self::default() };
        let mut stock = plan.into_stock(account).expect("something is to be held");
        stock.prefetch = 0;
        stock
    }

    pub(super) fn into_stock(self, account: Arc<StockAccount>) -> Option<Stock<T>> {
        if self.is_empty() {
            return None;
        }
        Some(Stock {
            key_of: self.key_of,
            gate: self.gate.map(Gate::new),
            ready: VecDeque::new(),
            batch: self.batch.map(Forming::new),
            prefetch: self.prefetch,
            order: self.order,
            epoch: Instant::now(),
            account,
        })
    }
}

impl<T> Default for StockPlan<T> {
    fn default() -> Self {
        Self { key_of: None, gate: None, batch: None, prefetch: 0, order: None }
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

    /// An item leaves for its source.
    fn count(&mut self, became: Became) {
        self.telling += 1;
        match became {
            Became::Returned => self.returned += 1,
            Became::DeadLettered => self.dead_lettered += 1,
            Became::Failed => self.failed += 1,
            Became::Completed => unreachable!("nobody works on what is here"),
        }
    }
}

// === impl Stock ===

impl<T> Stock<T> {
    /// The time, where it matters.
    pub(super) fn now(&self) -> u64 {
        let matters = self.gate.as_ref().is_some_and(Gate::uses_time)
            || self.batch.as_ref().is_some_and(Forming::uses_time);
        if matters { u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX) } else { 0 }
    }

    /// That time, as the runtime's timers want it.
    pub(super) fn instant(&self, time: u64) -> Instant {
        self.epoch + std::time::Duration::from_nanos(time)
    }

    /// Whether there may be a use for items though no worker asks.
    pub(super) fn asks_by_itself(&self) -> bool {
        self.prefetch > 0 || self.order.is_some()
    }

    /// These go no further, and are counted as `became`, if there is somebody to take them.
    fn leave(&self, leaving: Vec<(Delivery<T>, Option<u64>)>, became: Became) -> Vec<Delivery<T>> {
        let became_of = |delivery: &Delivery<T>| if delivery.has_settler() { became } else { Became::Failed };
        if let Some((order, _)) = &self.order {
            let places =
                leaving.iter().filter_map(|(delivery, place)| Some((became_of(delivery), (*place)?)));
            places.for_each(|(became, place)| order.end(place, became));
        }
        let out: Vec<_> = leaving.into_iter().map(|(delivery, _)| delivery).collect();
        let mut tally = self.account.lock();
        tally.held -= out.len();
        out.iter().for_each(|delivery| tally.count(became_of(delivery)));
        out
    }

    pub(super) fn is_at_rest(&self) -> bool {
        self.account.lock().is_at_rest()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.account.lock().held == 0
    }

    /// Takes in what the source handed out.
    ///
    /// # Errors
    ///
    /// The delivery comes back, with what was said, if finding its key panicked.
    pub(super) fn put(&mut self, delivery: Delivery<T>) -> Result<(), (Delivery<T>, String)> {
        let key_of = self.key_of.as_ref();
        let key = match contain(|| key_of.zip(delivery.item()).map(|(key_of, item)| key_of(item))) {
            Ok(key) => key,
            Err(panic) => {
                let mut tally = self.account.lock();
                tally.taken += 1;
                tally.held += 1;
                tally.panics += 1;
                drop(tally);
                let place = self.order.as_ref().map(|(order, _)| order.begin());
                let mut left = self.leave(vec![(delivery, place)], Became::DeadLettered);
                return Err((left.remove(0), panic));
            }
        };
        {
            let mut tally = self.account.lock();
            tally.taken += 1;
            tally.held += 1;
        }
        let place = self.order.as_ref().map(|(order, _)| order.begin());
        match (&mut self.gate, key) {
            (Some(gate), Some(key)) => gate.insert(key, (delivery, place)),
            (_, key) => self.ready.push_back(Given { delivery, key, place }),
        }
        Ok(())
    }

    /// Gives to a worker that waits what it is to start on, if there is something.
    ///
    /// `last`: the source will not get anything more.
    pub(super) fn give(&mut self, hands: &Hands<T>, now: u64, asked: Asked, last: bool) -> bool {
        let Some(mut batch) = self.batch.take() else {
            let Some(given) = self.next(now) else { return false };
            let mut tally = self.account.lock();
            tally.held -= 1;
            hands.give_all(std::iter::once(given));
            return true;
        };
        while batch.wants() > 0
            && let Some(given) = self.next(now)
        {
            let weight = given.delivery.weight();
            batch.add(given, weight, now);
        }
        // The batch would wait for items that wait for it.
        let holds_back = || {
            let keys = batch.items().iter().map(|given| given.key.unwrap_or_default());
            self.gate.as_ref().is_some_and(|gate| gate.is_held_back_by(keys))
        };
        let complete = batch.is_complete(now, asked, last || (asked == Asked::Dry && holds_back()));
        if complete {
            let given = batch.take(now);
            let mut tally = self.account.lock();
            tally.held -= given.len();
            hands.give_all(given.into_iter());
        }
        self.batch = Some(batch);
        complete
    }

    /// Is there anything that may be given to a worker that waits? Not asked where there are batches.
    pub(super) fn may_give(&mut self) -> bool {
        let now = self.now();
        !self.ready.is_empty() || self.gate.as_mut().is_some_and(|gate| gate.may_give(now))
    }

    fn next(&mut self, now: u64) -> Option<Given<T>> {
        if let Some(next) = self.ready.pop_front() {
            return Some(next);
        }
        let (key, (delivery, place)) = self.gate.as_mut()?.next(now)?;
        Some(Given { delivery, key: Some(key), place })
    }

    /// How many items to ask for on behalf of so many workers.
    pub(super) fn demand(&self, waiting: usize) -> usize {
        let usable = match &self.batch {
            Some(_) if waiting == 0 => 0,
            Some(batch) => batch.wants(),
            None => waiting,
        };
        let in_all = usable.saturating_add(self.prefetch);
        let wanted = match &self.gate {
            // What waits for its key is of no use to the workers that wait now, but it is ready for later.
            Some(gate) => usable.max(in_all.saturating_sub(gate.len())).min(gate.room()),
            None => in_all.saturating_sub(self.ready.len()),
        };
        match &self.order {
            Some((order, window)) => wanted.min(window.saturating_sub(order.outstanding())),
            None => wanted,
        }
    }

    /// The same where nobody waits, and it is only asked whether there is anything.
    pub(super) fn demand_of_nobody(&self) -> usize {
        let room = self.order.as_ref().is_none_or(|(order, window)| order.outstanding() < *window);
        usize::from(self.is_empty() && room)
    }

    /// When something that is here may be given although nothing else happens.
    pub(super) fn due(&self) -> Option<u64> {
        // Keys that are only remembered matter to nobody, unless there are too many.
        let gate = self.gate.as_ref().filter(|gate| gate.len() > 0 || gate.room() == 0);
        let batch = self.batch.as_ref().and_then(Forming::due);
        gate.and_then(Gate::due).into_iter().chain(batch).min()
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
        let mut set_aside = Vec::new();
        if let Some(gate) = &mut self.gate {
            gate.remove(key, &mut set_aside);
        }
        let mut free = Vec::new();
        if let Some(batch) = &mut self.batch {
            batch.remove(|given| given.key == Some(key), &mut free);
        }
        let (found, others) = std::mem::take(&mut self.ready)
            .into_iter()
            .partition::<Vec<_>, _>(|given| given.key == Some(key));
        self.ready = others.into();
        free.extend(found);
        // The others were free to start, and occupied their key from then on. They did not start.
        if let Some(gate) = &mut self.gate {
            free.iter().for_each(|_| gate.give_back(key));
        }
        set_aside.extend(free.into_iter().map(|given| (given.delivery, given.place)));
        let out = self.leave(set_aside, Became::DeadLettered);
        self.account.lock().cancelled += out.len() as u64;
        out
    }

    /// Takes out everything, to be returned.
    pub(super) fn drain(&mut self) -> Vec<Delivery<T>> {
        let mut free = Vec::new();
        if let Some(batch) = &mut self.batch {
            batch.remove(|_| true, &mut free);
        }
        free.extend(self.ready.drain(..));
        let mut all: Vec<_> = free.into_iter().map(|given| (given.delivery, given.place)).collect();
        if let Some(gate) = &mut self.gate {
            all.extend(gate.drain());
        }
        self.leave(all, Became::Returned)
    }
}
