//! Which deliveries are out on a lease, and when each is to be extended. It holds no lock, tells nobody and reads no
//! clock.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use forebay_queue::{Receipt, Settle};
use tokio::time::Instant;

/// Extensions are not asked for more often than this, however short a lease.
const SHORTEST: Duration = Duration::from_millis(1);

pub(super) struct Book<T> {
    /// By the number that the pool gave the delivery, which no other has.
    entries: HashMap<u64, Entry<T>>,
    /// The pool's number for each receipt of the source.
    numbers: HashMap<Receipt, u64>,
    /// When to extend which delivery.
    dues: BTreeSet<(Instant, u64)>,
    next: u64,
    /// When somebody will look here without being called.
    armed: Option<Instant>,
    /// What was lost and not passed on.
    news: Vec<Receipt>,
    tally: LeaseTally,
}

/// A delivery that is not settled.
pub(super) struct Entry<T> {
    receipt: Receipt,
    source: Option<Arc<dyn Settle<T>>>,
    /// The source may deliver it again if it is not told the end.
    redelivers: bool,
    lease: Duration,
    due: Instant,
    lost: bool,
}

/// Whom to tell what about a delivery.
pub(super) type Address<T> = (Receipt, Arc<dyn Settle<T>>);

/// What became of leases.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LeaseTally {
    /// How many were lost.
    pub(crate) lost: u64,
    /// How many items were done already when they were lost.
    pub(crate) done_in_vain: u64,
}

// === impl Book ===

impl<T> Book<T> {
    pub(super) fn new() -> Self {
        Self {
            entries: HashMap::new(),
            numbers: HashMap::new(),
            dues: BTreeSet::new(),
            // 0 is the number of a delivery without a source, which does not come here.
            next: 1,
            armed: None,
            news: Vec::new(),
            tally: LeaseTally::default(),
        }
    }

    /// A delivery came. Returns what the pool calls it.
    pub(super) fn enter(
        &mut self,
        receipt: Receipt,
        source: Option<Arc<dyn Settle<T>>>,
        redelivers: bool,
        lease: Duration,
        now: Instant,
    ) -> Receipt {
        // A source that uses one receipt for two has taken the first one back.
        self.lose(receipt);
        let number = self.next;
        self.next += 1;
        let due = due(lease, now);
        self.entries.insert(number, Entry { receipt, source, redelivers, lease, due, lost: false });
        self.numbers.insert(receipt, number);
        self.dues.insert((due, number));
        Receipt::new(number)
    }

    /// A delivery ended. Returns whom to tell of that, and whether its source may deliver it again otherwise.
    /// `None`: nobody, since it was lost, or ended before.
    pub(super) fn end(&mut self, receipt: Receipt, done: bool) -> Option<(Address<T>, bool)> {
        let number = receipt.get();
        let entry = self.entries.remove(&number)?;
        if entry.lost {
            self.tally.done_in_vain += u64::from(done);
            return None;
        }
        self.numbers.remove(&entry.receipt);
        self.dues.remove(&(entry.due, number));
        Some(((entry.receipt, entry.source?), entry.redelivers))
    }

    /// The source has taken back what it calls so. What is not here has ended, or was lost before.
    pub(super) fn lose(&mut self, receipt: Receipt) {
        let Some(number) = self.numbers.remove(&receipt) else { return };
        let Some(entry) = self.entries.get_mut(&number) else { return };
        entry.lost = true;
        self.dues.remove(&(entry.due, number));
        self.tally.lost += 1;
        self.news.push(Receipt::new(number));
    }

    pub(super) fn is_lost(&self, receipt: Receipt) -> bool {
        self.entries.get(&receipt.get()).is_some_and(|entry| entry.lost)
    }

    /// What was lost since this was asked last.
    pub(super) fn take_news(&mut self) -> Vec<Receipt> {
        std::mem::take(&mut self.news)
    }

    pub(super) fn has_news(&self) -> bool {
        !self.news.is_empty()
    }

    /// A holder wants the delivery for `lease` from now. From then on it is extended by that, if it is longer.
    pub(super) fn prolong(&mut self, receipt: Receipt, lease: Duration, now: Instant) -> Option<Address<T>> {
        let number = receipt.get();
        let entry = self.entries.get_mut(&number).filter(|entry| !entry.lost)?;
        self.dues.remove(&(entry.due, number));
        entry.due = due(lease, now);
        entry.lease = entry.lease.max(lease);
        self.dues.insert((entry.due, number));
        Some((entry.receipt, entry.source.clone()?))
    }

    /// The next delivery to be extended, and for how long.
    pub(super) fn renew(&mut self, now: Instant) -> Option<(Address<T>, Duration)> {
        while let Some(&(at, number)) = self.dues.first().filter(|&&(at, _)| at <= now) {
            self.dues.remove(&(at, number));
            let Some(entry) = self.entries.get_mut(&number) else { continue };
            entry.due = due(entry.lease, now);
            self.dues.insert((entry.due, number));
            if let Some(source) = &entry.source {
                return Some(((entry.receipt, Arc::clone(source)), entry.lease));
            }
        }
        None
    }

    /// The caller will look here at that time. A time that was told before and has not come stays, so that to empty
    /// and fill the book takes no call each time.
    pub(super) fn arm(&mut self, now: Instant) -> Option<Instant> {
        let pending = self.armed.filter(|&armed| armed > now);
        self.armed = pending.into_iter().chain(self.next_due()).min();
        self.armed
    }

    /// Will it be too late when somebody looks?
    pub(super) fn is_unwatched(&self) -> bool {
        self.next_due().is_some_and(|due| self.armed.is_none_or(|armed| due < armed))
    }

    fn next_due(&self) -> Option<Instant> {
        self.dues.first().map(|&(at, _)| at)
    }

    pub(super) fn tally(&self) -> LeaseTally {
        self.tally
    }

    /// How many deliveries are out.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

impl<T> fmt::Debug for Book<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Book").field("out", &self.len()).field("tally", &self.tally).finish_non_exhaustive()
    }
}

/// At a third of the lease: two more tries are left if the first one fails. What is beyond all time is in a year.
fn due(lease: Duration, now: Instant) -> Instant {
    const FAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
    now + (lease / 3).clamp(SHORTEST, FAR)
}

#[cfg(test)]
mod tests {
    use forebay_queue::End;

    use super::*;

    struct Nobody;

    impl Settle<u8> for Nobody {
        fn settle(&self, _: Receipt, _: Option<u8>, _: End) {}
        fn extend(&self, _: Receipt, _: Duration) {}
    }

    const LEASE: Duration = Duration::from_secs(30);
    const THIRD: Duration = Duration::from_secs(10);

    fn enter(book: &mut Book<u8>, receipt: u64, now: Instant) -> Receipt {
        book.enter(Receipt::new(receipt), Some(Arc::new(Nobody)), true, LEASE, now)
    }

    fn renewed(book: &mut Book<u8>, now: Instant) -> Vec<(u64, Duration)> {
        std::iter::from_fn(|| book.renew(now).map(|((receipt, _), lease)| (receipt.get(), lease))).collect()
    }

    #[test]
    fn each_is_extended_at_each_third_of_its_lease() {
        let (mut book, start) = (Book::new(), Instant::now());
        enter(&mut book, 7, start);
        enter(&mut book, 8, start + THIRD / 2);
        assert_eq!(book.arm(start), Some(start + THIRD));
        assert_eq!(renewed(&mut book, start + THIRD - SHORTEST), []);
        assert_eq!(renewed(&mut book, start + THIRD), [(7, LEASE)]);
        assert_eq!(renewed(&mut book, start + THIRD * 3 / 2), [(8, LEASE)]);
        // Late is late for both, and each is asked for once.
        assert_eq!(renewed(&mut book, start + THIRD * 9), [(7, LEASE), (8, LEASE)]);
    }

    #[test]
    fn what_ended_is_forgotten() {
        let (mut book, start) = (Book::new(), Instant::now());
        let ours = enter(&mut book, 7, start);
        assert!(book.end(ours, true).is_some());
        assert!(book.end(ours, true).is_none());
        book.lose(Receipt::new(7));
        assert!(!book.is_lost(ours) && !book.has_news());
        assert_eq!((renewed(&mut book, start + LEASE), book.len()), (vec![], 0));
        assert_eq!(book.tally(), LeaseTally::default());
        assert!(book.numbers.is_empty() && book.dues.is_empty());
    }

    #[test]
    fn what_is_lost_is_neither_extended_nor_settled() {
        let (mut book, start) = (Book::new(), Instant::now());
        let ours = enter(&mut book, 7, start);
        book.lose(Receipt::new(7));
        book.lose(Receipt::new(7));
        assert!(book.is_lost(ours));
        assert_eq!((book.take_news(), book.take_news()), (vec![ours], vec![]));
        assert_eq!(renewed(&mut book, start + LEASE), []);
        assert!(book.prolong(ours, LEASE, start).is_none());
        assert!(book.end(ours, true).is_none());
        assert_eq!((book.len(), book.tally()), (0, LeaseTally { lost: 1, done_in_vain: 1 }));
    }

    #[test]
    fn a_receipt_that_comes_again_means_that_the_first_was_lost() {
        let (mut book, start) = (Book::new(), Instant::now());
        let first = enter(&mut book, 7, start);
        let second = enter(&mut book, 7, start);
        assert!(book.is_lost(first) && !book.is_lost(second));
        assert!(book.end(first, false).is_none());
        assert!(book.end(second, true).is_some());
        assert_eq!(book.tally(), LeaseTally { lost: 1, done_in_vain: 0 });
    }

    #[test]
    fn a_longer_lease_of_the_holders_is_kept() {
        let (mut book, start) = (Book::new(), Instant::now());
        let ours = enter(&mut book, 7, start);
        assert!(book.prolong(ours, LEASE * 2, start).is_some());
        assert_eq!(renewed(&mut book, start + THIRD * 2 - SHORTEST), []);
        assert_eq!(renewed(&mut book, start + THIRD * 2), [(7, LEASE * 2)]);
        // A shorter one counts once.
        assert!(book.prolong(ours, THIRD, start + THIRD * 2).is_some());
        assert_eq!(renewed(&mut book, start + THIRD * 7 / 3), [(7, LEASE * 2)]);
    }

    #[test]
    fn whoever_looks_is_called_only_for_what_is_sooner() {
        let (mut book, start) = (Book::new(), Instant::now());
        assert_eq!(book.arm(start), None);
        let first = enter(&mut book, 7, start);
        assert!(book.is_unwatched());
        assert_eq!(book.arm(start), Some(start + THIRD));
        // Though it is settled, somebody comes; a later delivery takes no call.
        book.end(first, true);
        assert_eq!(book.arm(start + SHORTEST), Some(start + THIRD));
        enter(&mut book, 8, start + SHORTEST);
        assert!(!book.is_unwatched());
        assert_eq!(book.arm(start + THIRD), Some(start + THIRD + SHORTEST));
        assert!(book.prolong(Receipt::new(2), SHORTEST * 3, start + THIRD).is_some());
        assert_eq!(book.arm(start + THIRD), Some(start + THIRD + SHORTEST));
    }

    #[test]
    fn a_lease_of_no_time_or_of_all_time_does_no_harm() {
        let (mut book, start) = (Book::<u8>::new(), Instant::now());
        book.enter(Receipt::new(1), None, true, Duration::ZERO, start);
        book.enter(Receipt::new(2), None, true, Duration::MAX, start);
        assert_eq!(book.arm(start), Some(start + SHORTEST));
        assert!(book.renew(start + SHORTEST).is_none());
    }
}
