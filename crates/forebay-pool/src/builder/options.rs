//! The options that fit every pool, in any order.

use std::time::Duration;

use super::Builder;
use crate::{Backoff, OnFailure};

#[derive(Debug, Clone)]
pub(super) struct Options {
    /// `None`: as many as the machine runs at the same time.
    pub(super) workers: Option<usize>,
    pub(super) max_attempts: u32,
    pub(super) backoff: Backoff,
    pub(super) on_failure: Option<OnFailure>,
    pub(super) timeout: Option<Duration>,
}

// === impl Options ===

impl Options {
    pub(super) fn new() -> Self {
        Self { workers: None, max_attempts: 5, backoff: Backoff::default(), on_failure: None, timeout: None }
    }
}

// === impl Builder ===

impl<I, H> Builder<I, H> {
    /// How many items are worked on at the same time. At least 1; by default as many as the machine has threads
    /// ([`available_parallelism`](std::thread::available_parallelism)), which suits handlers that compute. Handlers that wait want more.
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

    /// What becomes of an item whose handler returned an error, panicked or ran out of time. By default it goes back
    /// where that is possible.
    pub fn on_failure(mut self, policy: OnFailure) -> Self {
        self.options.on_failure = Some(policy);
        self
    }

    /// How long one attempt at an item may take, from the handler's call. Then its future is dropped at its next
    /// await, and the item ends as the [table](crate#what-becomes-of-an-item) says. By default there is no limit.
    ///
    /// [`Duration::ZERO`] leaves time for nothing: no item is even started.
    ///
    /// `tower::timeout` is for a service among other layers, and knows nothing of items; this one counts them, and
    /// returns those that can be.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    /// use forebay_pool::Pool;
    ///
    /// let pool = Pool::builder()
    ///     .timeout(Duration::from_secs(5))
    ///     .queue(10)
    ///     .handler(|seconds| tokio::time::sleep(Duration::from_secs(seconds)))
    ///     .start()?;
    /// for seconds in [1, 4, 6] {
    ///     pool.produce(seconds).await?;
    /// }
    /// let report = pool.finish().await;
    /// assert_eq!((report.completed, report.failed, report.timed_out), (2, 1, 1));
    /// # Ok(())
    /// # }
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = Some(timeout);
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
