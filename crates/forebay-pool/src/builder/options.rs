//! The options that fit every pool, in any order.

use super::Builder;
use crate::Backoff;

#[derive(Debug, Clone, Copy)]
pub(super) struct Options {
    /// `None`: as many as the machine runs at the same time.
    pub(super) workers: Option<usize>,
    pub(super) max_attempts: u32,
    pub(super) backoff: Backoff,
}

// === impl Options ===

impl Options {
    pub(super) fn new() -> Self {
        Self { workers: None, max_attempts: 5, backoff: Backoff::default() }
    }
}

// === impl Builder ===

impl<I, H> Builder<I, H> {
    /// How many items are worked on at the same time. At least 1; by default as many as the machine has threads
    /// ([`available_parallelism`]), which suits handlers that compute. Handlers that wait want more.
    pub fn workers(mut self, workers: usize) -> Self {
        self.options.workers = Some(workers);
        self
    }

    /// How often an item is tried before it is dead-lettered instead of returned. At least 1, by default 5;
    /// [`u32::MAX`] stands for always.
    ///
    /// Counts for items that can be returned at all: see the [table](crate#what-becomes-of-an-item). An item
    /// that comes back because the pool aborted it is never dead-lettered for that.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.options.max_attempts = attempts;
        self
    }

    /// How long a returned item waits before it is delivered again. A handler that nacks with a longer wait gets
    /// that. By default nothing after the first attempt, then 10 ms, doubling up to 1 s.
    ///
    /// The same waits are kept before a source that is unavailable is asked again, and before a worker that cannot be
    /// built is built again; there the first is not skipped.
    pub fn return_backoff(mut self, backoff: Backoff) -> Self {
        self.options.backoff = backoff;
        self
    }
}
