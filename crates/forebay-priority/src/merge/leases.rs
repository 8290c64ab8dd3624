//! Which delivery belongs to which source, if sources have leases: two sources may use the same receipts, and a lost
//! delivery is reported only by its receipt.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use forebay_queue::{Delivery, End, Receipt, Settle};

/// The receipts under which deliveries are known to the consumer, and what they stand for.
pub(super) struct Leases<T>(Arc<Relay<T>>);

/// Stands between the consumer and the sources.
struct Relay<T>(Mutex<Book<T>>);

struct Book<T> {
    next: u64,
    lent: HashMap<u64, Lent<T>>,
    /// The consumer's receipts, by source and its receipt.
    known: HashMap<(usize, u64), u64>,
}

struct Lent<T> {
    at: usize,
    receipt: Receipt,
    source: Arc<dyn Settle<T>>,
}

// === impl Leases ===

impl<T: Send + 'static> Leases<T> {
    pub(super) fn new() -> Self {
        let book = Book { next: 0, lent: HashMap::new(), known: HashMap::new() };
        Self(Arc::new(Relay(Mutex::new(book))))
    }

    /// Gives the deliveries of the source `at`, which are those from `from` on, receipts of their own.
    pub(super) fn lend(&self, at: usize, from: usize, out: &mut Vec<Delivery<T>>) {
        let theirs: Vec<_> = out.drain(from..).collect();
        out.extend(theirs.into_iter().map(|delivery| match delivery.has_settler() {
            true => delivery.map_settler(|receipt, source| match source {
                Some(source) => (self.0.lock().note(at, receipt, source), self.0.clone()),
                None => (receipt, self.0.clone()),
            }),
            false => delivery,
        }));
    }

    /// Called when the source `at` has lost this delivery. Returns the consumer's receipt, unless it was settled meanwhile.
    pub(super) fn lose(&self, at: usize, receipt: Receipt) -> Option<Receipt> {
        let mut book = self.0.lock();
        let ours = book.known.remove(&(at, receipt.get()))?;
        let lent = book.lent.remove(&ours);
        drop(book);
        drop(lent);
        Some(Receipt::new(ours))
    }
}

// === impl Relay ===

impl<T> Relay<T> {
    // Nothing that is done under the lock can panic halfway.
    fn lock(&self) -> MutexGuard<'_, Book<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Send + 'static> Settle<T> for Relay<T> {
    fn settle(&self, receipt: Receipt, item: Option<T>, end: End) {
        let lent = self.lock().forget(receipt);
        if let Some(lent) = lent {
            lent.source.settle(lent.receipt, item, end);
        }
    }

    fn extend(&self, receipt: Receipt, lease: Duration) {
        let lent = self.lock().lent.get(&receipt.get()).map(|lent| (lent.receipt, lent.source.clone()));
        if let Some((receipt, source)) = lent {
            source.extend(receipt, lease);
        }
    }
}

// === impl Book ===

impl<T> Book<T> {
    fn note(&mut self, at: usize, receipt: Receipt, source: Arc<dyn Settle<T>>) -> Receipt {
        let ours = self.next;
        self.next += 1;
        self.known.insert((at, receipt.get()), ours);
        self.lent.insert(ours, Lent { at, receipt, source });
        Receipt::new(ours)
    }

    fn forget(&mut self, receipt: Receipt) -> Option<Lent<T>> {
        let lent = self.lent.remove(&receipt.get())?;
        self.known.remove(&(lent.at, lent.receipt.get()));
        Some(lent)
    }
}
