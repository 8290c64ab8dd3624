//! The lock, replaced by the model checker's under `--cfg loom`.

use std::sync::PoisonError;
#[cfg(not(loom))]
use std::sync::TryLockError;

#[cfg(loom)]
pub(crate) use loom::sync::{Mutex, MutexGuard};
#[cfg(not(loom))]
pub(crate) use std::sync::{Mutex, MutexGuard};

/// Locks, also after a panic: no code of a user runs under our locks, so what they guard is whole.
#[inline]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    #[cfg(not(loom))]
    match mutex.try_lock() {
        Ok(guard) => guard,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        Err(TryLockError::WouldBlock) => lock_contended(mutex),
    }
    // The model checker gets no pauses, or a lost wake-up would look like progress.
    #[cfg(loom)]
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Stands off before it parks the thread: the holder is at work on another core and needs well
/// under a microsecond, while parking and being woken takes many. The pauses are long at once, so that the holder
/// can do a burst of operations without losing the cache line, and their number is bounded.
#[cfg(not(loom))]
#[cold]
fn lock_contended<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    for round in 0..=STAND_OFF_ROUNDS {
        (0..128 << round).for_each(|_| std::hint::spin_loop());
        match mutex.try_lock() {
            Ok(guard) => return guard,
            Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => {}
        }
    }
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// 128, 256, … 2048 pauses.
#[cfg(not(loom))]
const STAND_OFF_ROUNDS: u32 = 4;
