//! Locks and atomics, replaced by the model checker's under `--cfg loom`.

use std::sync::{PoisonError, TryLockError};

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU64, Ordering};
#[cfg(loom)]
pub(crate) use loom::sync::{Mutex, MutexGuard};
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicU64, Ordering};
#[cfg(not(loom))]
pub(crate) use std::sync::{Mutex, MutexGuard};

/// Locks, even after a panic: nothing is half done where a policy or a waker may panic.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The same for a lock that is held for a moment only: its holder is at work on another core and needs far less
/// than parking this thread and waking it would take, so it stands off some times before that.
#[inline]
pub(crate) fn lock_soon<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    match mutex.try_lock() {
        Ok(guard) => guard,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        Err(TryLockError::WouldBlock) => lock_later(mutex),
    }
}

#[cold]
fn lock_later<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    for _ in 0..TRIES {
        stand_off();
        if let Ok(guard) = mutex.try_lock() {
            return guard;
        }
    }
    lock(mutex)
}

/// Some tens of microseconds in all.
const TRIES: u32 = 16;

/// Another thread was faster. It is at work on the same word now, and gets further while this one stands off for a moment than
/// if both pulled at it.
#[cold]
pub(crate) fn stand_off() {
    // The model checker gets no pauses: they are no progress.
    #[cfg(not(loom))]
    (0..STAND_OFF).for_each(|_| std::hint::spin_loop());
}

/// Half a microsecond up to a few, by processor: as long as the other needs for some dozens of turns on a word that stays in its
/// cache. With a quarter of that the word moves so often that two threads get half as much done.
#[cfg(not(loom))]
const STAND_OFF: u32 = 64;
