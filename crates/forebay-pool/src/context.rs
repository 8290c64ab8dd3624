//! What a handler may know and do beside its item.

use std::fmt;
use std::sync::Arc;

use tokio::time::Instant;

use crate::hands::Runs;
use crate::{PoolHandle, ResubmitError, WorkerId};

/// What a handler can know and do besides handling its item: which worker and attempt it is, whether the work is still
/// wanted, and the pool itself.
///
/// Handlers that need it are given to [`handler_in`](crate::Builder::handler_in) or
/// [`handler_delivery_in`](crate::Builder::handler_delivery_in). It can be cloned and moved elsewhere; it does not keep
/// the pool alive.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use forebay_pool::{Pool, WorkContext};
///
/// let pool = Pool::builder()
///     .workers(2)
///     .queue(10)
///     .handler_in(|cx: WorkContext<u32>, number| async move {
///         assert!(cx.worker().index() < 2);
///         assert_eq!(cx.attempt(), 1);
///         if number == 3 {
///             cx.pool().resize(8); // there is more to do than expected
///         }
///     })
///     .start()?;
/// for number in 0..5 {
///     pool.produce(number).await?;
/// }
/// assert_eq!(pool.finish().await.completed, 5);
/// # Ok(())
/// # }
/// ```
pub struct WorkContext<T> {
    pool: PoolHandle<T>,
    worker: WorkerId,
    attempt: u32,
    deadline: Option<Instant>,
    run: u64,
    runs: Arc<Runs>,
}

// === impl WorkContext ===

impl<T> WorkContext<T> {
    pub(crate) fn new(
        pool: PoolHandle<T>,
        worker: WorkerId,
        attempt: u32,
        deadline: Option<Instant>,
        run: u64,
        runs: Arc<Runs>,
    ) -> Self {
        Self { pool, worker, attempt, deadline, run, runs }
    }

    /// The same for a run that is also cut short at that time, by somebody else than the pool.
    pub(crate) fn until(mut self, at: Instant) -> Self {
        self.deadline = Some(self.deadline.map_or(at, |deadline| deadline.min(at)));
        self
    }

    /// The worker that was given the item.
    pub fn worker(&self) -> WorkerId {
        self.worker
    }

    /// Which attempt at the item this is: 1 the first time.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// When this attempt is cut short, by [`timeout`](crate::Builder::timeout) or the
    /// [deadline](crate::Builder::deadline) of the item.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Is the work on this item over, whether it came to its own end or was cut short?
    ///
    /// A handler's future is dropped at its next await when its work is cut short, so it need not ask. This is for
    /// what goes on elsewhere on its behalf, such as tasks that it spawned, and for loops that compute and do not
    /// await. True when the run is over, its deadline has passed, it was cancelled by key, the source has taken the item
    /// back (its lease was lost), or the pool aborts.
    pub fn is_cancelled(&self) -> bool {
        self.runs.is_over(self.run) || self.deadline.is_some_and(|deadline| deadline <= Instant::now())
    }

    /// Waits until the work on this item is over, or is to end: until [`is_cancelled`](Self::is_cancelled). For a
    /// `select!` in what the handler spawned. It need not be polled within a tokio runtime.
    ///
    /// # Cancel safety
    ///
    /// Dropping it changes nothing.
    pub async fn cancelled(&self) {
        let over = self.runs.over(self.run);
        match self.deadline {
            // A handler that computes is cut short later than that, and what goes on elsewhere need not wait for it.
            Some(deadline) => tokio::select! {
                biased;
                () = over => {}
                () = self.runs.until(deadline) => {}
            },
            None => over.await,
        }
    }

    /// Puts another item into the queue that feeds this pool: for work that creates work.
    ///
    /// It never waits, so handlers cannot wait for each other; and it keeps nothing open, so a pool whose items create
    /// others [comes to its end](crate::Pool::finish_when_idle). A pool that takes from a source needs
    /// [`resubmit_to`](crate::Builder::resubmit_to) to know the sender that feeds it.
    ///
    /// # Errors
    ///
    /// [`ResubmitError`] with the item, if the queue is full or closed.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use forebay_pool::{Pool, WorkContext};
    ///
    /// // Each number leads to two smaller ones.
    /// let pool = Pool::builder()
    ///     .queue(1000)
    ///     .handler_in(|cx: WorkContext<u32>, number| async move {
    ///         for smaller in [number / 2, number / 3] {
    ///             if smaller > 0 {
    ///                 cx.resubmit(smaller)?;
    ///             }
    ///         }
    ///         Ok::<(), forebay_pool::BoxError>(())
    ///     })
    ///     .start()?;
    /// pool.produce(6).await?;
    /// assert_eq!(pool.finish_when_idle().await.completed, 6); // 6 3 2 1 1 1
    /// # Ok(())
    /// # }
    /// ```
    pub fn resubmit(&self, item: T) -> Result<(), ResubmitError<T>>
    where
        T: Send + 'static,
    {
        self.pool.resubmit(item)
    }

    /// The pool, to pause or resize it from inside.
    pub fn pool(&self) -> &PoolHandle<T> {
        &self.pool
    }
}

impl<T> Clone for WorkContext<T> {
    fn clone(&self) -> Self {
        Self { pool: self.pool.clone(), runs: Arc::clone(&self.runs), ..*self }
    }
}

impl<T> fmt::Debug for WorkContext<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkContext")
            .field("worker", &self.worker)
            .field("attempt", &self.attempt)
            .field("cancelled", &self.is_cancelled())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::Pool;

    use super::*;

    /// Its run goes on: the handler computes, or the run is cut short at that time by somebody else.
    #[tokio::test(start_paused = true)]
    async fn the_deadline_is_heard_of_before_the_run_is_over() {
        let second = Duration::from_secs(1);
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        let pool = Pool::builder()
            .workers(1)
            .queue(1)
            .handler_in(move |cx: WorkContext<u32>, _| {
                let tell = tell.clone();
                async move {
                    let began = Instant::now();
                    let cx = cx.until(began + second);
                    cx.cancelled().await;
                    let _ = tell.send((began.elapsed(), cx.is_cancelled()));
                    tokio::time::sleep(second).await;
                }
            })
            .start()
            .unwrap();
        pool.produce(1).await.unwrap();
        let heard = tokio::time::timeout(3 * second, told.recv()).await;
        assert_eq!(heard, Ok(Some((second, true))));
        assert_eq!(pool.finish().await.completed, 1);
    }
}
