//! The end of a client.
//!
//! 1. *Open*: requests come and go.
//! 2. *Closed*: nothing new is sent. What comes fails, and what waits does; attempts that are on their way go on, and are the last of
//!    their requests.
//! 3. *Aborted*: those fail, too.
//!
//! Nobody goes back.

use tokio::sync::watch;

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
    requests: watch::Sender<usize>,
}

/// A request that is there, until it is dropped.
#[derive(Debug)]
pub(crate) struct Present<'a>(&'a Ending);

// === impl Ending ===

impl Ending {
    pub(crate) fn enter(&self) -> Present<'_> {
        self.requests.send_modify(|requests| *requests += 1);
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
        // The sender is here, so it does not go away.
        let _ = self.requests.subscribe().wait_for(|requests| *requests == 0).await;
    }

    pub(crate) fn requests(&self) -> usize {
        *self.requests.borrow()
    }

    fn reach(&self, to: Phase) {
        self.phase.send_if_modified(|phase| {
            let is_later = *phase < to;
            *phase = to.max(*phase);
            is_later
        });
    }

    async fn reached(&self, at_least: Phase) {
        // As above.
        let _ = self.phase.subscribe().wait_for(|phase| *phase >= at_least).await;
    }
}

impl Drop for Present<'_> {
    fn drop(&mut self) {
        self.0.requests.send_modify(|requests| *requests -= 1);
    }
}
