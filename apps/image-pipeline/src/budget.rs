//! Memory in flight: one bound over what is read, decoded and waiting to be written.
//!
//! A picture holds a [`Share`] from before its file is read until what became of it is stored; the share grows when
//! its decoding is known to cost more, and shrinks to what is left of it. So it goes through both queues of the
//! pipeline with the picture, which is why it is not a weight in one of them: the permits of forebay-queue are
//! places in a queue, and end where an item leaves it.
//!
//! Who waits is served in the order of asking. While the first gathers room for a large picture nobody else gets
//! any, so a large one is never starved by small ones.
//!
//! Two who each hold a part must not wait for each other for ever. So a file that needs more than it has lets go of
//! what it has and is read again (`process.rs`). A picture that is given as bytes cannot: such pictures may hold a
//! quarter of the whole while they wait, and need at most the rest.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Room in bytes that is shared. Clones are handles of the same.
#[derive(Debug, Clone)]
pub(crate) struct Budget(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    room: Arc<Semaphore>,
    total: u64,
    /// Of that, what those who hold a share may hold while they wait for more.
    held_waiting: Arc<Semaphore>,
    in_use: AtomicU64,
    /// The most that was in use at once.
    peak: AtomicU64,
}

/// A part of a [`Budget`], given back on drop.
#[derive(Debug)]
pub(crate) struct Share {
    permit: OwnedSemaphorePermit,
    budget: Budget,
}

/// The right to hold a share of so many bytes while waiting for more.
#[derive(Debug)]
pub(crate) struct HeldWaiting {
    _permit: OwnedSemaphorePermit,
}

/// What one permit of the semaphore stands for, in bytes: the semaphore is asked for a `u32`.
const UNIT: u64 = 1024;

// === impl Budget ===

impl Budget {
    /// Room for `total` bytes, rounded down to whole KiB.
    pub(crate) fn new(total: u64) -> Self {
        let units = usize::try_from(total / UNIT).map_or(Semaphore::MAX_PERMITS, |units| {
            // A share must be expressible.
            units.min(Semaphore::MAX_PERMITS).min(u32::MAX as usize)
        });
        Self(Arc::new(Shared {
            room: Arc::new(Semaphore::new(units)),
            total: units as u64 * UNIT,
            held_waiting: Arc::new(Semaphore::new(units / 4)),
            in_use: AtomicU64::new(0),
            peak: AtomicU64::new(0),
        }))
    }

    /// The most that can be asked for, in bytes.
    pub(crate) fn total(&self) -> u64 {
        self.0.total
    }

    /// The most that may be held while waiting for more, in bytes.
    pub(crate) fn most_held_waiting(&self) -> u64 {
        self.0.total / UNIT / 4 * UNIT
    }

    /// The most that who holds a share may wait for, in bytes.
    pub(crate) fn most_beside(&self) -> u64 {
        self.0.total - self.most_held_waiting()
    }

    /// The most that was in use at once, in bytes.
    pub(crate) fn peak(&self) -> u64 {
        self.0.peak.load(Relaxed)
    }

    /// Waits for room, in the order of asking. `None` if that much can never be free.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it leaves the line, and what it gathered goes to the next.
    pub(crate) async fn take(&self, bytes: u64) -> Option<Share> {
        let units = self.units(bytes)?;
        let permit = Arc::clone(&self.0.room).acquire_many_owned(units).await;
        Some(self.share(permit.expect("the semaphore is never closed")))
    }

    /// Waits for room that may be held while waiting for more. `None` if that much may never be.
    ///
    /// # Cancel safety
    ///
    /// As [`take`](Self::take).
    pub(crate) async fn take_and_hold(&self, bytes: u64) -> Option<(Share, HeldWaiting)> {
        if bytes > self.most_held_waiting() {
            return None;
        }
        let units = self.units(bytes)?;
        let held = Arc::clone(&self.0.held_waiting).acquire_many_owned(units).await;
        let held = HeldWaiting { _permit: held.expect("the semaphore is never closed") };
        Some((self.take(bytes).await?, held))
    }

    /// Takes room if there is some and nobody waits for it.
    pub(crate) fn try_take(&self, bytes: u64) -> Option<Share> {
        let permit = Arc::clone(&self.0.room).try_acquire_many_owned(self.units(bytes)?).ok()?;
        Some(self.share(permit))
    }

    fn share(&self, permit: OwnedSemaphorePermit) -> Share {
        let taken = permit.num_permits() as u64 * UNIT;
        let in_use = self.0.in_use.fetch_add(taken, Relaxed) + taken;
        self.0.peak.fetch_max(in_use, Relaxed);
        Share { permit, budget: self.clone() }
    }

    fn units(&self, bytes: u64) -> Option<u32> {
        let units = bytes.div_ceil(UNIT);
        (units * UNIT <= self.0.total).then(|| u32::try_from(units).expect("the total was bounded by it"))
    }
}

// === impl Share ===

impl Share {
    /// How much it is, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.permit.num_permits() as u64 * UNIT
    }

    /// Adds room if there is some and nobody waits for it; says whether it did.
    pub(crate) fn try_grow(&mut self, bytes: u64) -> bool {
        self.budget.try_take(bytes).map(|more| self.add(more)).is_some()
    }

    /// Makes two shares of one budget one.
    pub(crate) fn add(&mut self, mut more: Share) {
        let all = more.permit.num_permits();
        // What is left of the other one is nothing, and so is what it gives back.
        self.permit.merge(more.permit.split(all).expect("it has as many as it has"));
    }

    /// Gives back all but `bytes`.
    pub(crate) fn shrink(&mut self, bytes: u64) {
        let keep = usize::try_from(bytes.div_ceil(UNIT)).unwrap_or(usize::MAX);
        let surplus = self.permit.num_permits().saturating_sub(keep);
        if let Some(surplus) = self.permit.split(surplus) {
            // Counted down before the room is free, so that the peak is never more than the total.
            self.budget.0.in_use.fetch_sub(surplus.num_permits() as u64 * UNIT, Relaxed);
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.0.in_use.fetch_sub(self.bytes(), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    const KIB: u64 = 1024;

    #[tokio::test]
    async fn a_share_grows_shrinks_and_comes_back() {
        let budget = Budget::new(10 * KIB);
        let mut share = budget.take(3 * KIB - 1).await.unwrap();
        assert_eq!(share.bytes(), 3 * KIB);
        assert!(share.try_grow(7 * KIB));
        assert!(!share.try_grow(1));
        share.shrink(2 * KIB);
        assert_eq!(share.bytes(), 2 * KIB);
        assert!(budget.try_take(9 * KIB).is_none());
        drop(share);
        assert!(budget.try_take(10 * KIB).is_some());
        assert_eq!(budget.peak(), 10 * KIB);
        assert_eq!(budget.0.in_use.load(Relaxed), 0);
    }

    #[tokio::test]
    async fn more_than_there_is_never_waits() {
        let budget = Budget::new(10 * KIB);
        let _some = budget.take(5 * KIB).await;
        assert!(budget.take(10 * KIB + 1).await.is_none());
    }

    #[tokio::test]
    async fn those_who_hold_a_part_never_wait_for_each_other() {
        let budget = Budget::new(8 * KIB);
        assert!(budget.take_and_hold(2 * KIB + 1).await.is_none());
        let (mut one, held) = budget.take_and_hold(KIB).await.unwrap();
        let (_other, _held) = budget.take_and_hold(KIB).await.unwrap();
        // A third would wait until one of the two has all that it needs.
        let mut third = pin!(budget.take_and_hold(KIB));
        let mut context = Context::from_waker(Waker::noop());
        assert!(third.as_mut().poll(&mut context).is_pending());
        one.add(budget.take(budget.most_beside()).await.unwrap());
        drop(held);
        assert!(third.as_mut().poll(&mut context).is_pending(), "now for the room itself");
        drop(one);
        assert!(third.await.is_some());
    }

    #[tokio::test]
    async fn a_large_picture_is_not_overtaken_by_small_ones() {
        let budget = Budget::new(10 * KIB);
        let small = budget.take(5 * KIB).await.unwrap();
        let mut large = pin!(budget.take(8 * KIB));
        let mut context = Context::from_waker(Waker::noop());
        assert!(large.as_mut().poll(&mut context).is_pending());
        assert!(budget.try_take(1).is_none(), "it gathers what is free");
        drop(small);
        assert_eq!(large.await.unwrap().bytes(), 8 * KIB);
    }
}
