//! Which of a worker's runs are over, for whoever holds the context of one.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

/// Numbers the runs of one worker. Used again for each run, so that a context costs no allocation.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    /// The last run that began. Written by the worker only.
    begun: AtomicU64,
    /// Every run up to this one is over, or is to end. Written by the worker, and by whoever cancels.
    over: AtomicU64,
    bell: Notify,
}

// === impl Runs ===

impl Runs {
    /// A run begins: this is its number.
    pub(crate) fn begin(&self) -> u64 {
        self.begun.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Which run began last.
    pub(super) fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    /// The run that began last is over.
    pub(crate) fn end(&self) {
        self.end_up_to(self.begun());
    }

    /// That run is over, and so are all before it.
    pub(super) fn end_up_to(&self, begun: u64) {
        // Release: what the run did is seen by whoever learns that it is over.
        if self.over.fetch_max(begun, Ordering::Release) < begun {
            self.bell.notify_waiters();
        }
    }

    /// All runs are over, those that are yet to begin among them.
    pub(crate) fn close(&self) {
        self.over.store(u64::MAX, Ordering::Release);
        self.bell.notify_waiters();
    }

    pub(crate) fn is_over(&self, run: u64) -> bool {
        self.over.load(Ordering::Acquire) >= run
    }

    /// Waits until that run is over.
    pub(crate) async fn over(&self, run: u64) {
        loop {
            let mut rung = std::pin::pin!(self.bell.notified());
            // From here on the bell is heard, so that one rung after the look is not missed.
            rung.as_mut().enable();
            if self.is_over(run) {
                return;
            }
            rung.await;
        }
    }
}
