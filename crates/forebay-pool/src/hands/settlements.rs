//! The bell between whoever settles and the supervisor.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Tells the supervisor that the source has settlements to work on.
#[derive(Debug, Default)]
pub(crate) struct Settlements {
    /// Set after the source was told of an end, cleared before the source is polled: what is told after the
    /// clearing sets it again.
    open: AtomicBool,
    /// Rung by the first of a burst of settlements; keeps the call until the supervisor answers.
    bell: Notify,
}

// === impl Settlements ===

impl Settlements {
    /// The source was just told of an end. `true`: nobody else has seen to it that it is polled for that.
    pub(super) fn note(&self) -> bool {
        !self.open.swap(true, Ordering::AcqRel)
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
