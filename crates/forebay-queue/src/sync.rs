//! The lock, replaced by the model checker's under `--cfg loom`.

use std::sync::PoisonError;
#[cfg(not(loom))]
use std::sync::TryLockError;
use std::sync::atomic::{AtomicUsize, Ordering};

#[cfg(loom)]
pub(crate) use loom::sync::{Mutex, MutexGuard};
#[cfg(not(loom))]
pub(crate) use std::sync::{Mutex, MutexGuard};

/// The receivers that lock to take items. Counts how many of them have found the lock taken so far, and have not left
/// since.
///
/// One of several receivers had better let the others have a burst of items: what the lock guards stays on their core
/// meanwhile. A single receiver had better come between the senders: they wait for it, or soon will.
#[derive(Default)]
pub(crate) struct Takers {
    met: AtomicUsize,
}

/// One of the receivers.
#[derive(Default)]
pub(crate) struct Taker {
    counted: bool,
}

/// Locks, also after a panic: except for disciplines, no user code runs under our locks, so what they guard is whole.
#[inline]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    #[cfg(not(loom))]
    match mutex.try_lock() {
        Ok(guard) => guard,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        Err(TryLockError::WouldBlock) => lock_contended(mutex, LONG),
    }
    // The model checker gets no pauses, or a lost wake-up would look like progress.
    #[cfg(loom)]
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The same for a receiver that takes items.
#[cfg(not(loom))]
#[inline]
pub(crate) fn lock_to_take<'a, T>(
    mutex: &'a Mutex<T>,
    takers: &Takers,
    taker: &mut Taker,
) -> MutexGuard<'a, T> {
    match mutex.try_lock() {
        Ok(guard) => guard,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        Err(TryLockError::WouldBlock) => lock_contended(mutex, takers.meet(taker)),
    }
}

#[cfg(loom)]
pub(crate) fn lock_to_take<'a, T>(mutex: &'a Mutex<T>, _: &Takers, _: &mut Taker) -> MutexGuard<'a, T> {
    lock(mutex)
}

/// Spins before it parks the thread: the holder is at work on another core and needs well under a microsecond, while
/// parking and being woken takes many. The number of pauses is bounded.
#[cfg(not(loom))]
#[cold]
fn lock_contended<T>(mutex: &Mutex<T>, Pauses { mut next, most }: Pauses) -> MutexGuard<'_, T> {
    let mut left = STAND_OFF;
    while left > 0 {
        (0..next).for_each(|_| std::hint::spin_loop());
        match mutex.try_lock() {
            Ok(guard) => return guard,
            Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => {}
        }
        left = left.saturating_sub(next);
        next = most.min(2 * next);
    }
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many pauses come between two attempts: at first, and at the most after doubling.
#[cfg(not(loom))]
struct Pauses {
    next: u32,
    most: u32,
}

/// Long from the start, so that the holder can do a burst of operations without losing the cache line.
#[cfg(not(loom))]
const LONG: Pauses = Pauses { next: 128, most: 2048 };

/// As long as a few operations.
#[cfg(not(loom))]
const SHORT: Pauses = Pauses { next: 16, most: 16 };

/// How many pauses there are in all.
#[cfg(not(loom))]
const STAND_OFF: u32 = 4000;

// === impl Takers ===

impl Takers {
    /// Called when this receiver finds the lock taken.
    #[cfg(not(loom))]
    fn meet(&self, taker: &mut Taker) -> Pauses {
        if !taker.counted {
            taker.counted = true;
            self.met.fetch_add(1, Ordering::Relaxed);
        }
        if self.met.load(Ordering::Relaxed) == 1 { SHORT } else { LONG }
    }

    /// Called when this receiver will not come again.
    pub(crate) fn leave(&self, taker: &mut Taker) {
        if std::mem::take(&mut taker.counted) {
            self.met.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn one_who_takes_makes_short_pauses_while_no_other_was_in_the_way() {
        let (takers, mut one, mut other) = (Takers::default(), Taker::default(), Taker::default());
        let most = |taker: &mut Taker| takers.meet(taker).most;
        assert_eq!((most(&mut one), most(&mut one)), (SHORT.most, SHORT.most));
        assert_eq!((most(&mut other), most(&mut one)), (LONG.most, LONG.most));
        takers.leave(&mut one);
        takers.leave(&mut one);
        assert_eq!(most(&mut other), SHORT.most);
    }
}
