//! The pool from where it must not be kept alive: inside of its handlers, in a signal's task.

use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Weak};

use tokio::time::Instant;

use crate::shared::Shared;
use crate::{Phase, PoolStats, ResubmitError};

/// A weak handle to a pool, from [`Pool::handle`](crate::Pool::handle) or a handler's
/// [context](crate::WorkContext::pool). Cloneable.
///
/// It controls the pool and reads its counters, and neither keeps it running nor ends it when dropped. Once the pool is
/// gone its calls do nothing.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use forebay_pool::{Phase, Pool};
///
/// let pool = Pool::builder().queue(10).handler(|_: u32| async {}).start()?;
/// let handle = pool.handle();
/// handle.pause(); // say, because a database is being moved
/// pool.produce(1).await?;
/// assert!(handle.stats().is_some_and(|stats| stats.paused));
/// handle.resume();
/// assert_eq!(pool.finish().await.completed, 1);
/// assert_eq!((handle.phase(), handle.stats()), (Phase::Closed, None));
/// # Ok(())
/// # }
/// ```
pub struct PoolHandle<T>(Weak<Shared<T>>);

// === impl PoolHandle ===

impl<T> PoolHandle<T> {
    pub(crate) fn new(shared: &Arc<Shared<T>>) -> Self {
        Self(Arc::downgrade(shared))
    }
}

impl<T: Send + 'static> PoolHandle<T> {
    /// As [`Pool::resize`](crate::Pool::resize).
    pub fn resize(&self, workers: usize) {
        if let Some(shared) = self.0.upgrade() {
            shared.resize(workers);
        }
    }

    /// As [`Pool::pause`](crate::Pool::pause).
    pub fn pause(&self) {
        if let Some(shared) = self.0.upgrade() {
            shared.pause(None);
        }
    }

    /// As [`Pool::pause_until`](crate::Pool::pause_until).
    pub fn pause_until(&self, time: Instant) {
        if let Some(shared) = self.0.upgrade() {
            shared.pause(Some(time));
        }
    }

    /// As [`Pool::resume`](crate::Pool::resume).
    pub fn resume(&self) {
        if let Some(shared) = self.0.upgrade() {
            shared.resume();
        }
    }

    /// As [`Pool::cancel`](crate::Pool::cancel).
    pub fn cancel<K: Hash + ?Sized>(&self, key: &K) -> usize {
        self.0.upgrade().map_or(0, |shared| shared.cancel(key))
    }

    /// As [`Pool::close`](crate::Pool::close).
    pub fn close(&self) {
        if let Some(shared) = self.0.upgrade() {
            shared.close();
        }
    }

    pub(crate) fn resubmit(&self, item: T) -> Result<(), ResubmitError<T>> {
        match self.0.upgrade() {
            Some(shared) => shared.resubmit(item),
            None => Err(ResubmitError::Closed(item)),
        }
    }

    /// The counters; `None` if the pool is gone.
    pub fn stats(&self) -> Option<PoolStats> {
        self.0.upgrade().map(|shared| shared.stats())
    }

    /// Where the pool is in its life: [`Closed`](Phase::Closed) if it is gone.
    pub fn phase(&self) -> Phase {
        self.0.upgrade().map_or(Phase::Closed, |shared| shared.phase())
    }
}

impl<T> Clone for PoolHandle<T> {
    fn clone(&self) -> Self {
        Self(Weak::clone(&self.0))
    }
}

impl<T> fmt::Debug for PoolHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolHandle").field("is_gone", &(self.0.strong_count() == 0)).finish()
    }
}
