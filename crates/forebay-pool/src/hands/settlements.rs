//! The bell between those who settle and the supervisor.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use crate::intake::KeyHash;

/// Tells the supervisor that the source has settlements to work on.
#[derive(Debug, Default)]
pub(crate) struct Settlements {
    /// Set after the source was told of an end, cleared before the source is polled: what is told after the
    /// clearing sets it again.
    open: AtomicBool,
    /// Rung by the first of a burst of settlements; keeps the call until the supervisor answers.
    bell: Notify,
    /// How many acks went to a source that has a copy, and so may deliver again what it did not hear of.
    acks: AtomicU64,
    /// Keys that items which left the hands no longer occupy, for the intake.
    released: Mutex<Vec<KeyHash>>,
    /// Whether there are any; cheaper to read.
    has_released: AtomicBool,
}

// === impl Settlements ===

impl Settlements {
    /// The source was just told of an end. `true`: nobody else has seen to it that it is polled for that.
    pub(crate) fn note(&self) -> bool {
        !self.open.swap(true, Ordering::AcqRel)
    }

    /// These keys are free, and the intake is to learn it.
    pub(super) fn release(&self, keys: impl Iterator<Item = KeyHash>) {
        let mut keys = keys.peekable();
        if keys.peek().is_some() {
            self.released.lock().unwrap_or_else(PoisonError::into_inner).extend(keys);
            self.has_released.store(true, Ordering::Release);
        }
    }

    /// Are there keys that the intake has not learned of?
    pub(crate) fn has_released(&self) -> bool {
        self.has_released.load(Ordering::Acquire)
    }

    /// Moves the keys that were released into `out`, which is empty.
    pub(crate) fn take_released(&self, out: &mut Vec<KeyHash>) {
        if self.has_released() && self.has_released.swap(false, Ordering::AcqRel) {
            std::mem::swap(&mut *self.released.lock().unwrap_or_else(PoisonError::into_inner), out);
        }
    }

    /// Counts an ack that the source has to confirm.
    pub(crate) fn note_ack(&self) {
        self.acks.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn acks(&self) -> u64 {
        self.acks.load(Ordering::Acquire)
    }

    /// Calls the supervisor.
    pub(crate) fn ring(&self) {
        self.bell.notify_one();
    }

    /// Is there something that the source was not polled for? Says so once.
    pub(crate) fn take_open(&self) -> bool {
        // Reading first keeps the line shared between the cores while nothing is settled.
        self.open.load(Ordering::Acquire) && self.open.swap(false, Ordering::AcqRel)
    }

    /// The same, without saying so.
    pub(crate) fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    /// Waits until the supervisor is called.
    pub(crate) async fn rung(&self) {
        self.bell.notified().await;
    }
}
