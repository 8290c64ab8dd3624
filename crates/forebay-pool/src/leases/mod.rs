//! Deliveries that are the pool's for a time only.
//!
//! Where a source has no leases there is nothing of this. Where it has, this stands between the source and the intake:
//!
//! ```text
//!            ┌── Leased ──┐  each delivery enters the book
//! source ──▶ │ poll_next  │ ──▶ intake ──▶ stock, hands, handlers, wherever they take it
//!        ──▶ │ poll_lost  │                        │ settle
//!            └────────────┘                        ▼
//! source ◀──────────────── unless it was lost ── Leases ◀── the supervisor: extend what is due
//! ```
//!
//! 1. A delivery is in the book from when it came until it is settled, wherever it is meanwhile. So its lease is
//!    extended in the stock, in a batch, between two attempts, in a handler and where a handler moved it, also while
//!    the pool is paused, drains or aborts.
//! 2. What the source takes back is marked *first*, and then the hands that have it are told ([`Hands::lose`]). A worker
//!    asks for the mark *after* it has left its waker, and after its run has begun. So one of the two sees the other.
//! 3. What was lost is not settled: its end stays here. It counts as returned, since the source has it, whatever the
//!    pool would do with an item that failed; or as completed, if its handler was done before it could be told.
//!
//! [`Hands::lose`]: crate::hands::Hands::lose

mod book;
mod source;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use forebay_queue::{Delivery, End, Receipt, Settle};
use tokio::time::Instant;

use crate::contain::contain;
use crate::hands::Settlements;

use self::book::Book;

pub(crate) use self::book::LeaseTally;
pub(crate) use self::source::Leased;

/// The deliveries that are out on a lease.
pub(crate) struct Leases<T> {
    /// How long one lasts, as the source said in the beginning.
    lease: Duration,
    /// Whether the source may deliver again what it was not told the end of, as far as a delivery does not say so itself.
    redelivers: bool,
    /// To call the supervisor, which extends leases.
    settlements: Arc<Settlements>,
    /// Nothing of others runs under this lock, and no other lock is taken.
    book: Mutex<Book<T>>,
}

/// If dropped, also by a panic of the source, it counts an ack that the source was told.
struct NoteAck<'a>(&'a Settlements);

/// Whether a delivery was lost. For code that does not care what is in it.
pub(crate) trait Losses: Send + Sync + fmt::Debug {
    fn has_lost(&self, receipt: Receipt) -> bool;
}

// === impl Leases ===

impl<T: Send + 'static> Leases<T> {
    pub(crate) fn new(lease: Duration, redelivers: bool, settlements: Arc<Settlements>) -> Self {
        Self { lease, redelivers, settlements, book: Mutex::new(Book::new()) }
    }

    /// From now on the delivery tells us how it ends, under a receipt of ours. A delivery whose end nobody asks for
    /// stays as it is: there is nobody to extend it, and what it says of itself must not be taken for more.
    fn enter(self: &Arc<Self>, delivery: Delivery<T>, now: Instant) -> Delivery<T> {
        if !delivery.has_settler() {
            return delivery;
        }
        let redelivers = delivery.redelivers().unwrap_or(self.redelivers);
        delivery.map_settler(|receipt, source| {
            let ours = self.lock().enter(receipt, source, redelivers, self.lease, now);
            (ours, Arc::<Self>::clone(self))
        })
    }

    /// Calls the supervisor, if there is something that it would not come for by itself.
    fn call(&self) {
        let calls = {
            let book = self.lock();
            book.has_news() || book.is_unwatched()
        };
        if calls {
            self.settlements.ring();
        }
    }

    /// The source has taken these back.
    fn lose(&self, receipts: impl Iterator<Item = Receipt>) {
        {
            let mut book = self.lock();
            receipts.for_each(|receipt| book.lose(receipt));
        }
        self.call();
    }

    /// What was lost since this was asked last, by our receipts.
    pub(crate) fn take_news(&self) -> Vec<Receipt> {
        self.lock().take_news()
    }

    /// When to [extend](Self::extend_due) next. The caller will do so.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.lock().arm(Instant::now())
    }

    /// Extends what is due.
    pub(crate) fn extend_due(&self) {
        let now = Instant::now();
        // The lock is released before the source is told. A delivery that is settled at that very moment may be
        // extended once more, which the source ignores.
        let next = || self.lock().renew(now);
        while let Some(((receipt, source), lease)) = next() {
            if let Err(panic) = contain(|| source.extend(receipt, lease)) {
                tracing::error!(%panic, "source panicked while a lease was extended");
            }
        }
    }

    pub(crate) fn tally(&self) -> LeaseTally {
        self.lock().tally()
    }
}

impl<T> Leases<T> {
    /// Nothing of ours panics under the lock.
    fn lock(&self) -> MutexGuard<'_, Book<T>> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Send + 'static> Settle<T> for Leases<T> {
    fn settle(&self, receipt: Receipt, item: Option<T>, end: End) {
        let is_ack = matches!(end, End::Ack);
        let told = self.lock().end(receipt, is_ack);
        match told {
            Some(((receipt, source), redelivers)) => {
                // Only here is it known whether the source hears of an ack, and has to confirm it.
                let _heard = (is_ack && redelivers).then(|| NoteAck(&self.settlements));
                source.settle(receipt, item, end);
            }
            // Lost: the source has its own.
            None => drop(item),
        }
    }

    fn extend(&self, receipt: Receipt, lease: Duration) {
        let told = self.lock().prolong(receipt, lease, Instant::now());
        if let Some((receipt, source)) = told {
            source.extend(receipt, lease);
            self.call();
        }
    }
}

impl Drop for NoteAck<'_> {
    fn drop(&mut self) {
        self.0.note_ack();
    }
}

impl<T> Losses for Leases<T> {
    fn has_lost(&self, receipt: Receipt) -> bool {
        self.lock().is_lost(receipt)
    }
}

impl<T> fmt::Debug for Leases<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leases")
            .field("lease", &self.lease)
            .field("book", &*self.lock())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::iter;

    use super::*;

    struct Nobody;

    impl Settle<u8> for Nobody {
        fn settle(&self, _: Receipt, _: Option<u8>, _: End) {}
        fn extend(&self, _: Receipt, _: Duration) {}
    }

    #[test]
    fn a_delivery_that_is_told_nothing_is_left_alone() {
        let now = Instant::now();
        let leases = Arc::new(Leases::new(Duration::from_secs(30), true, Arc::default()));
        let unsettled = leases.enter(Delivery::unsettled(1), now);
        assert!(!unsettled.has_settler());
        assert_eq!(leases.due(), None);

        // Nor is it taken for another one, which was lost.
        let lost = leases.enter(Delivery::new(2, Receipt::new(7), Arc::new(Nobody)), now);
        leases.lose(iter::once(Receipt::new(7)));
        assert_eq!((leases.has_lost(lost.receipt()), leases.has_lost(unsettled.receipt())), (true, false));
        lost.ack();
    }
}
