//! The handle of a pool.

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use forebay_queue::{SendError, Sender, Sent, TrySendError};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::builder::{Builder, Missing};
use crate::report::EndedBy;
use crate::resubmit::Keeper;
use crate::shared::Shared;
use crate::supervisor::Order;
use crate::{Phase, PoolHandle, PoolStats, Report, Timings};

/// A handle that owns a pool of workers, which run a handler on items.
///
/// `P` is what feeds the pool through this handle: the sender of its own queue if it was built with
/// [`queue`](Builder::queue), or nothing if it was built with [`source`](Builder::source).
///
/// Dropping the handle aborts the pool: no handler is polled again, and the items in hand go back or are lost as
/// the [table](crate#what-becomes-of-an-item) says. A destructor cannot wait, so a handler that runs on another
/// thread at that moment continues to its next await, and the runtime drops the others a moment later. To end the pool
/// cleanly, use [`finish`](Self::finish) or [`shutdown`](Self::shutdown): when they return, no task is left.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use forebay_pool::Pool;
///
/// let pool = Pool::builder()
///     .workers(2)
///     .queue(10)
///     .handler(|name: &'static str| async move { println!("hello {name}") })
///     .start()?;
/// for name in ["Ada", "Grace", "Barbara"] {
///     pool.produce(name).await?;
/// }
/// let report = pool.shutdown(Duration::from_secs(5)).await;
/// assert_eq!(report.completed, 3);
/// # Ok(())
/// # }
/// ```
#[must_use = "a pool whose handle is dropped is aborted"]
pub struct Pool<T, P = ()> {
    shared: Arc<Shared<T>>,
    supervisor: Supervised,
    orders: watch::Sender<Order>,
    producer: P,
    /// Keeps open the queue that handlers resubmit into, where that is not the producer's.
    keeper: Option<Keeper>,
}

/// The supervisor's task, which does not outlive this.
struct Supervised(JoinHandle<EndedBy>);

// === impl Pool ===

impl Pool<()> {
    /// Starts the description of a pool.
    pub fn builder() -> Builder<Missing, Missing> {
        Builder::new()
    }
}

impl<T: Send + 'static, P> Pool<T, P> {
    pub(crate) fn new(
        shared: Arc<Shared<T>>,
        supervisor: JoinHandle<EndedBy>,
        orders: watch::Sender<Order>,
        producer: P,
        keeper: Option<Keeper>,
    ) -> Self {
        Self { shared, supervisor: Supervised(supervisor), orders, producer, keeper }
    }

    pub(crate) fn shared(&self) -> &Shared<T> {
        &self.shared
    }

    /// Tells the source to accept nothing new. The items that it holds are still worked on; the pool ends after that. A
    /// queue that several pools share is closed for all of them.
    ///
    /// Closing twice has no further effect.
    ///
    /// It waits while another thread asks the source for items, which takes as long as a poll. If it is called from inside
    /// such a poll (a queue's `on_pressure`, a waker) it returns at once, and the source is closed as soon as it has
    /// answered. Such a hook must not wait for a thread that closes the pool.
    pub fn close(&self) {
        self.shared.close();
    }

    /// Changes the number of workers from now on. At least 1: 0 counts as 1, since a pool without workers would never
    /// end, and this call cannot return an error as [`start`](Builder::start) does; to stop the work for a while,
    /// [`pause`](Self::pause) it. At most 65 536: more count as that.
    ///
    /// It takes effect without waiting. New workers begin when the runtime gets to it. A worker that is to leave
    /// finishes the item that it has, and takes no other. Those with the highest ids go first.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use forebay_pool::Pool;
    ///
    /// let pool = Pool::builder().workers(2).queue(10).handler(|_: u32| async {}).start()?;
    /// pool.resize(16);
    /// assert_eq!(pool.stats().workers, 16);
    /// # pool.finish().await;
    /// # Ok(())
    /// # }
    /// ```
    pub fn resize(&self, workers: usize) {
        self.shared.resize(workers);
    }

    /// Starts nothing until [`resume`](Self::resume): no item is taken, and no [retry](crate::OnFailure::Retry) is
    /// begun. Items in work are finished.
    ///
    /// An item that waits for its retry stays held. It can be cancelled, its [deadline](Builder::deadline) goes on
    /// counting, and a shutdown ends the pause.
    ///
    /// The source is not asked meanwhile, so a queue fills up, and its senders meet what it does when it is full.
    /// Once this returns, no further item is taken; if it is called from inside a poll of the source, once that poll
    /// is over.
    ///
    /// A pool that is closed, or shut down, goes on to its end: its pause is over, and it cannot be paused again. To
    /// end a paused pool without working on what its queue holds, [`shutdown`](Self::shutdown) with no time.
    /// [`finish`](Self::finish) waits for somebody to resume.
    pub fn pause(&self) {
        self.shared.pause(None);
    }

    /// Like [`pause`](Self::pause), but resumes by itself at `time`. The last of several calls counts.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    /// use forebay_pool::{Pool, WorkContext};
    /// use tokio::time::Instant;
    ///
    /// let pool = Pool::builder()
    ///     .workers(1)
    ///     .queue(10)
    ///     .handler_in(|cx: WorkContext<u32>, number| async move {
    ///         if number == 1 {
    ///             // The server said: retry after a minute.
    ///             cx.pool().pause_until(Instant::now() + Duration::from_secs(60));
    ///         }
    ///     })
    ///     .start()?;
    /// for number in 0..4 {
    ///     pool.produce(number).await?;
    /// }
    /// let report = pool.finish().await;
    /// assert_eq!((report.completed, report.elapsed.as_secs()), (4, 60));
    /// # Ok(())
    /// # }
    /// ```
    pub fn pause_until(&self, time: Instant) {
        self.shared.pause(Some(time));
    }

    /// Goes on after a [`pause`](Self::pause).
    pub fn resume(&self) {
        self.shared.resume();
    }

    /// Cancels the items with this [`key`](Builder::key) that the pool has, and returns how many those are.
    ///
    /// An item that was not started is dead-lettered with the reason `cancelled`. The handler of an item in work is
    /// dropped at its next await, and the item ends as the [table](crate#what-becomes-of-an-item) says; one that the
    /// handler has acked is completed, and in the report only that. Items that still wait in the source, items of a batch
    /// in work, and deliveries that a handler moved elsewhere are not cancelled. An item that is done at that very moment
    /// is done.
    ///
    /// The argument must hash like what the builder's `key` returns: a `str` for a `String`, but not a `u32` for a `u64`.
    ///
    /// If it is called from inside a poll of the source, it cancels once that poll is over, and returns 0.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use forebay_pool::Pool;
    ///
    /// let pool = Pool::builder()
    ///     .workers(2)
    ///     .queue(10)
    ///     .handler(|_upload: (String, u64)| std::future::pending::<()>())
    ///     .key(|(user, _)| user.clone())
    ///     .start()?;
    /// pool.produce(("ada".to_owned(), 7)).await?;
    /// while pool.stats().busy == 0 {
    ///     tokio::task::yield_now().await;
    /// }
    /// assert_eq!(pool.cancel("ada"), 1);
    /// assert_eq!(pool.finish().await.cancelled, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn cancel<K: Hash + ?Sized>(&self, key: &K) -> usize {
        self.shared.cancel(key)
    }

    /// A weak handle, for code that controls the pool but must not keep it running.
    pub fn handle(&self) -> PoolHandle<T> {
        PoolHandle::new(&self.shared)
    }

    /// Waits until the pool has ended: its source ended by itself or was [closed](Self::close), and all that was
    /// accepted is done.
    ///
    /// For a `select!` between the end of the work and a signal, followed by [`shutdown`](Self::shutdown). Unless it is
    /// closed, a pool with a queue of its own has not ended while this handle may still produce, nor has one that keeps a
    /// sender by [`resubmit_to`](Builder::resubmit_to).
    ///
    /// # Cancel safety
    ///
    /// Dropping it changes nothing.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    /// use forebay_pool::Pool;
    /// # async fn ctrl_c() { std::future::pending().await }
    ///
    /// let (tx, rx) = forebay_queue::bounded(8);
    /// let pool = Pool::builder().source(rx).handler(|_line: String| async {}).start()?;
    /// tokio::spawn(async move { tx.send("the only line".to_owned()).await });
    ///
    /// tokio::select! {
    ///     () = pool.closed() => {}
    ///     () = ctrl_c() => eprintln!("finishing what is begun"),
    /// }
    /// let report = pool.shutdown(Duration::from_secs(10)).await;
    /// assert_eq!(report.completed, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn closed(&self) {
        self.shared.ended().await;
    }

    /// Waits until the pool has nothing to do: no item is in hand, none waits, and nobody but this handle can send one.
    /// While there is another [`producer`](Self::producer), or another sender of the queue that was named by
    /// [`resubmit_to`](Builder::resubmit_to), it waits for that to be dropped; weak senders do not count.
    ///
    /// An item of a queue waits no longer once it has expired, or another consumer took it, also while no worker of this pool
    /// is ready to take any.
    ///
    /// A pool that has ended is idle, however it ended. A pool that is paused, or whose source is unavailable, is not. Of
    /// any other source the pool knows neither what it keeps back for later nor who feeds it: there, "idle" holds only for
    /// that moment.
    ///
    /// # Cancel safety
    ///
    /// Dropping it changes nothing.
    pub async fn idle(&self) {
        self.shared.idle().await;
    }

    /// Waits until the pool [is idle](Self::idle), closes it, and returns what it did. Use it for work that
    /// [creates work](crate::WorkContext::resubmit).
    ///
    /// An item in work may create more items, and another sender may send more, so this waits for all of them. A batch
    /// that is being formed is handed over as soon as no other sender is left and nothing waits.
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops the pool, which aborts it.
    pub async fn finish_when_idle(self) -> Report {
        self.shared.idle_for_good().await;
        self.shared.close();
        // Producer and keeper are kept to the end, so that the way back is open as long as there is work.
        let Self { shared, supervisor, orders: _orders, producer: _producer, keeper: _keeper } = self;
        supervisor.join(&shared).await
    }

    /// Lets the pool work until its source ends by itself, however long that takes, and returns what it did.
    ///
    /// A queue ends when all its senders are dropped. This drops the pool's own sender; senders from
    /// [`producer`](Self::producer) are up to their owners. A handler that resubmits after that finds the queue closed:
    /// use [`finish_when_idle`](Self::finish_when_idle) for such handlers.
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops the pool, which aborts it. To wait without that, use [`closed`](Self::closed).
    pub async fn finish(self) -> Report {
        let Self { shared, supervisor, orders: _orders, producer, keeper } = self;
        drop((producer, keeper));
        tokio::select! {
            biased;
            report = supervisor.join(&shared) => report,
            // Where no worker is ready, it is the supervisor that looks for the end.
            never = shared.call_at_the_end() => match never {},
        }
    }

    /// Ends the pool: accepts nothing new, works on what is held for at most `deadline` from now, then cancels the
    /// rest, and returns what it did.
    ///
    /// At the deadline an item in a handler's hands ends as the [table](crate#what-becomes-of-an-item) says under
    /// "aborted". Items not yet started stay with the source; the pool's own queue gives them to
    /// [`on_undelivered`](Builder::on_undelivered), together with those that came back. With [`Duration::ZERO`] it
    /// cancels at once.
    ///
    /// Cancellation takes effect at a handler's next await. A handler that blocks its thread is waited for, since
    /// nothing can stop it.
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops the pool, which aborts it at once instead of at the deadline.
    pub async fn shutdown(self, deadline: Duration) -> Report {
        self.close();
        self.shared.enter(Phase::Draining);
        // Producer and keeper are kept to the end: the queue ends because it was closed and not because nobody sends.
        let Self { shared, supervisor, orders, producer: _producer, keeper: _keeper } = self;
        orders.send_replace(Order::Shutdown { by: Instant::now().checked_add(deadline) });
        supervisor.join(&shared).await
    }

    /// The counters, which add up. They may be read from anywhere, even from a queue's hooks.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use forebay_pool::{Phase, Pool};
    ///
    /// let pool = Pool::builder().workers(3).queue(8).handler(|_: u8| async {}).start()?;
    /// let stats = pool.stats();
    /// assert_eq!((stats.workers, stats.taken, stats.held), (3, 0, 0));
    /// assert!(stats.adds_up());
    /// assert_eq!(pool.phase(), Phase::Open);
    /// # Ok(())
    /// # }
    /// ```
    pub fn stats(&self) -> PoolStats {
        self.shared.stats()
    }

    /// How long items waited and took so far.
    ///
    /// Each attempt is timed; of items that take less than 10 µs only one in 64, and of those that take less than 1 µs one in
    /// 256, since reading the clock would cost more than the items do.
    pub fn timings(&self) -> Timings {
        self.shared.clockwork.read()
    }

    /// Where the pool is in its life.
    pub fn phase(&self) -> Phase {
        self.shared.phase()
    }
}

impl<T: Send + 'static> Pool<T, Sender<T>> {
    /// Puts an item into the pool's queue, waiting while that is full.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`] with the item, once the pool is closing or has ended.
    ///
    /// # Cancel safety
    ///
    /// As [`Sender::send`]: a call that is dropped before it is ready has not put its item into the queue, and the item
    /// is dropped with it. At a rendezvous ([`queue(0)`](Builder::queue)) the item is sent when a worker takes it, which
    /// may be a moment before the call is polled again: a call that is dropped in between has sent.
    pub async fn produce(&self, item: T) -> Result<Sent<T>, SendError<T>> {
        self.producer.send(item).await
    }

    /// Puts an item into the pool's queue if there is room.
    ///
    /// # Errors
    ///
    /// The item comes back if the queue is full, or the pool is closing or has ended.
    pub fn try_produce(&self, item: T) -> Result<Sent<T>, TrySendError<T>> {
        self.producer.try_send(item)
    }

    /// A sender for the pool's queue, for use in another task. It has all that senders have: deadlines, permits, the
    /// pressure, the queue's own statistics.
    ///
    /// A pool that is [finished](Self::finish) waits until all of these are dropped.
    pub fn producer(&self) -> Sender<T> {
        self.producer.clone()
    }
}

impl<T: Send + 'static, P> fmt::Debug for Pool<T, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("phase", &self.phase())
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

// === impl Supervised ===

impl Supervised {
    /// Waits for the end. If this is dropped before, so is the pool.
    async fn join<T: Send + 'static>(mut self, shared: &Shared<T>) -> Report {
        let ended_by = (&mut self.0).await.unwrap_or_else(|error| {
            tracing::error!(%error, "pool did not come to its end");
            EndedBy::Runtime
        });
        let report = shared.report(ended_by);
        tracing::debug!(%report, "pool ended");
        report
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        // The supervisor owns the workers' tasks: they go with it.
        self.0.abort();
    }
}
