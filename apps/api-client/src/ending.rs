//! The end of a client.
//!
//! 1. *Open*: requests come and go.
//! 2. *Closed*: nothing new is sent. What comes fails, and what waits does; attempts that are on their way go on, also to where they are
//!    redirected, and none of them is tried again.
//! 3. *Aborted*: those fail, too.
//!
//! Nobody goes back.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Notify, watch};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
enum Phase {
    #[default]
    Open,
    Closed,
    Aborted,
}

/// Who is there, and whether anything is still sent.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    phase: watch::Sender<Phase>,
    requests: AtomicUsize,
    emptied: Notify,
}

/// A request that is there, until it is dropped.
#[derive(Debug)]
pub(crate) struct Present<'a>(&'a Ending);

// === impl Ending ===

impl Ending {
    pub(crate) fn enter(&self) -> Present<'_> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        Present(self)
    }

    pub(crate) fn close(&self) {
        self.reach(Phase::Closed);
    }

    pub(crate) fn abort(&self) {
        self.reach(Phase::Aborted);
    }

    /// Waits until nothing new is sent.
    pub(crate) async fn closed(&self) {
        self.reached(Phase::Closed).await;
    }

    /// Waits until nothing goes on.
    pub(crate) async fn aborted(&self) {
        self.reached(Phase::Aborted).await;
    }

    /// Waits until no request is there.
    pub(crate) async fn empty(&self) {
        loop {
            // Hears of an end from here on, so none is missed that comes after the look.
            let emptied = self.emptied.notified();
            if self.requests() == 0 {
                return;
            }
            emptied.await;
        }
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    fn reach(&self, to: Phase) {
        self.phase.send_if_modified(|phase| {
            let is_later = *phase < to;
            *phase = to.max(*phase);
            is_later
        });
    }

    async fn reached(&self, at_least: Phase) {
        // The sender is here, so it does not go away.
        let _ = self.phase.subscribe().wait_for(|phase| *phase >= at_least).await;
    }
}

impl Drop for Present<'_> {
    fn drop(&mut self) {
        // SeqCst pairs with the look in `empty`: either that sees it, or the call comes after it listens.
        if self.0.requests.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.emptied.notify_waiters();
        }
    }
}
