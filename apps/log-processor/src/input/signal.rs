//! How a reader that waits is woken, and how it is told to stop.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

/// Why a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// Something may have changed: go on reading.
    Look,
    /// A [`Stopper`] was used.
    Stopped,
}

/// Ends a run of [`Inputs`](super::Inputs) from another thread.
#[derive(Debug, Clone)]
pub struct Stopper {
    signal: Arc<Signal>,
}

/// Two flags that can be waited for. Any number of calls before a wait count as one, so nothing piles up.
#[derive(Debug, Default)]
pub(super) struct Signal {
    flags: Mutex<Flags>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Flags {
    look: bool,
    stopped: bool,
}

// === impl Stopper ===

impl Stopper {
    pub(super) fn new(signal: Arc<Signal>) -> Self {
        Self { signal }
    }

    /// The inputs end with the batch they are reading. Calling it again changes nothing.
    pub fn stop(&self) {
        self.signal.flags().stopped = true;
        self.signal.changed.notify_all();
    }
}

// === impl Signal ===

impl Signal {
    /// Something may have changed.
    pub(super) fn look(&self) {
        self.flags().look = true;
        self.changed.notify_all();
    }

    /// Whether something may have changed since this was last asked or waited for.
    pub(super) fn take_look(&self) -> bool {
        std::mem::take(&mut self.flags().look)
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.flags().stopped
    }

    /// Waits until one of the flags is set, or until `deadline`, and takes back `look`.
    pub(super) fn wait(&self, deadline: Option<Instant>) -> Wake {
        let is_quiet = |flags: &mut Flags| !flags.look && !flags.stopped;
        let mut flags = match deadline {
            None => self.changed.wait_while(self.flags(), is_quiet).unwrap_or_else(PoisonError::into_inner),
            Some(deadline) => {
                let rest = deadline.saturating_duration_since(Instant::now());
                let waited = self.changed.wait_timeout_while(self.flags(), rest, is_quiet);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        flags.look = false;
        if flags.stopped { Wake::Stopped } else { Wake::Look }
    }

    fn flags(&self) -> MutexGuard<'_, Flags> {
        // Two booleans are never half written: a panic elsewhere leaves them usable.
        self.flags.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
