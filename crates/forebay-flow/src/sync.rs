//! Locks and atomics, replaced by the model checker's under `--cfg loom`.

use std::sync::PoisonError;

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU64, Ordering};
#[cfg(loom)]
pub(crate) use loom::sync::{Mutex, MutexGuard};
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicU64, Ordering};
#[cfg(not(loom))]
pub(crate) use std::sync::{Mutex, MutexGuard};

/// Locks, also after a panic: nothing is half done where a policy or a waker may panic.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Another thread was faster. It is at work on the same word now, and gets further while this one stands off for a moment than
/// if both pulled at it.
#[cold]
pub(crate) fn stand_off() {
    // The model checker gets no pauses: they are no progress.
    #[cfg(not(loom))]
    (0..STAND_OFF).for_each(|_| std::hint::spin_loop());
}

#[cfg(not(loom))]
const STAND_OFF: u32 = 16;
