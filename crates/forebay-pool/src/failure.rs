//! What a pool does with an item whose handler failed.

use std::fmt;
use std::sync::Arc;

use tower::retry::budget::Budget;

use crate::Backoff;
use crate::contain::Contained;

/// What a pool does with an item whose handler returned an error, panicked or timed out.
///
/// By default an item that can go back is [returned](Self::Return), and any other [fails](Self::Fail). The
/// [table](crate#what-becomes-of-an-item) says which can. `start` refuses a policy that the form of the handler
/// does not allow, with [`StartError::CannotRetry`](crate::StartError::CannotRetry).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use forebay_pool::{OnFailure, Pool, Retry};
///
/// let pool = Pool::builder()
///     .on_failure(OnFailure::Retry(Retry::default()))
///     .queue(10)
///     .handler_in(|cx, _order: u32| async move {
///         if cx.attempt() < 3 { Err("the network is down") } else { Ok(()) }
///     })
///     .keep_copies() // so that there is something to try again with
///     .start()?;
/// pool.produce(4711).await?;
/// let report = pool.finish().await;
/// assert_eq!((report.taken, report.completed, report.retried), (1, 1, 2));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum OnFailure {
    /// It is gone, and counted as failed. A source that keeps a copy is told to forget it.
    Fail,
    /// The source has it back and delivers it again, after
    /// [`return_backoff`](crate::Builder::return_backoff), to any worker. Others are worked on meanwhile and may
    /// overtake it. After [`max_attempts`](crate::Builder::max_attempts) it is dead-lettered.
    Return,
    /// The same worker tries again, after a pause in which it takes nothing else. Nothing overtakes the item in its
    /// worker's hands, so the order of a key is kept. After [`max_attempts`](crate::Builder::max_attempts) it is
    /// dead-lettered. If the budget does not allow another attempt, it is returned.
    ///
    /// The attempts are counted here and not by the source: one that is returned because of the budget, or because
    /// the pool came to its end, begins again with the source's count.
    Retry(Retry),
    /// It is set aside for a person at its first failure, with the reason: by its source, or where
    /// [`dead_letters_to`](crate::Builder::dead_letters_to) says.
    DeadLetter,
}

/// How a worker [tries again](OnFailure::Retry).
///
/// ```
/// use std::time::Duration;
/// use forebay_pool::{Backoff, Retry};
/// use tower::retry::budget::TpsBudget;
///
/// // Of the last ten seconds: one retry for every five successes, and ten a second whatever happens.
/// let budget = TpsBudget::new(Duration::from_secs(10), 10, 0.2);
/// let retry = Retry::new(Backoff::new(Duration::from_millis(100), Duration::from_secs(5))).with_budget(budget);
/// ```
#[derive(Clone)]
pub struct Retry {
    pub(crate) backoff: Backoff,
    pub(crate) budget: Option<Arc<Contained<Box<dyn Budget + Send + Sync>>>>,
}

// === impl Retry ===

impl Retry {
    /// Tries again after these pauses; there is one after the first failure, too.
    pub fn new(backoff: Backoff) -> Self {
        Self { backoff, budget: None }
    }

    /// Tries again only as often as `budget` allows: each item that is completed is a deposit, each retry a
    /// withdrawal. All workers share it, and pools may.
    ///
    /// This keeps an outage of what the handler calls from becoming a storm of retries.
    #[must_use]
    pub fn with_budget(mut self, budget: impl Budget + Send + Sync + 'static) -> Self {
        self.budget = Some(Arc::new(Contained::new(Box::new(budget))));
        self
    }
}

impl Default for Retry {
    /// Pauses of 10 ms, doubling up to 1 s; no budget.
    fn default() -> Self {
        Self::new(Backoff::default())
    }
}

impl fmt::Debug for Retry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry")
            .field("backoff", &self.backoff)
            .field("budget", &self.budget.is_some())
            .finish()
    }
}
