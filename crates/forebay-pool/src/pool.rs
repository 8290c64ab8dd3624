//! The handle of a pool.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use forebay_queue::{SendError, Sender, Sent, TrySendError};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::builder::{Builder, Missing};
use crate::hands::{Hands, Settlements};
use crate::intake::Intake;
use crate::report::EndedBy;
use crate::supervisor::Order;
use crate::{Backoff, Phase, PoolStats, Report};

/// Workers that run a handler on items, and the handle that owns them.
///
/// `P` is what feeds the pool through this handle: the sender of its own queue, where it was built with
/// [`queue`](Builder::queue), and nothing where it was built with [`source`](Builder::source).
///
/// Dropping the handle aborts the pool: no handler is polled again, and what they had in hand goes back or is lost as
/// the [table](crate#what-becomes-of-an-item) says. A destructor cannot wait, so a handler that runs on another
/// thread at that moment goes on to its next await, and the runtime drops the others a moment later. To end it well,
/// use [`finish`](Self::finish) or [`shutdown`](Self::shutdown): when they return, no task is left.
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
}

/// What the handle, the supervisor and the workers share.
pub(crate) struct Shared<T> {
    pub(crate) intake: Intake<T>,
    /// One pair for each worker.
    pub(crate) hands: Vec<Arc<Hands<T>>>,
    pub(crate) settlements: Arc<Settlements>,
    /// For items that are returned, and for a source or a worker that fails again and again.
    pub(crate) backoff: Backoff,
    phase: watch::Sender<Phase>,
    /// Whether somebody closed the source through the handle.
    closed: AtomicBool,
    restarts: AtomicU64,
    /// Counted by the hook of the pool's own queue.
    undelivered: Arc<AtomicU64>,
    started: Instant,
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
    ) -> Self {
        Self { shared, supervisor: Supervised(supervisor), orders, producer }
    }

    /// Tells the source to accept nothing new. What it holds is still worked on; the pool ends after that. A queue that
    /// several pools share is closed for all of them.
    ///
    /// Closing twice is closing once.
    ///
    /// It waits while another thread asks the source for items, which takes as long as a poll. Called by what runs
    /// inside such a poll (a queue's `on_pressure`, a waker) it returns at once, and the source is closed as soon
    /// as it has answered. Such a hook must not wait for a thread that closes the pool.
    pub fn close(&self) {
        self.shared.closed.store(true, Ordering::Release);
        self.shared.enter(Phase::Closing);
        self.shared.intake.close();
    }

    /// Waits until the pool has ended: its source ended by itself or was [closed](Self::close), and all that was
    /// accepted is done.
    ///
    /// For a `select!` between the end of the work and a signal, followed by [`shutdown`](Self::shutdown). A
    /// pool with a queue of its own is not over while this handle may still produce, unless it is closed.
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
        let mut phase = self.shared.phase.subscribe();
        // An error would mean that the sender is gone, which `self` holds.
        let _ = phase.wait_for(|phase| *phase == Phase::Closed).await;
    }

    /// Lets the pool work until its source ends by itself, however long that takes, and returns what it did.
    ///
    /// A queue ends when all its senders are gone. That of the pool's own queue goes now, those from
    /// [`producer`](Self::producer) are up to their owners.
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops the pool, which aborts it. To wait without that, use [`closed`](Self::closed).
    pub async fn finish(self) -> Report {
        let Self { shared, supervisor, orders: _orders, producer } = self;
        drop(producer);
        supervisor.join(&shared).await
    }

    /// Ends the pool: accepts nothing new, works on what is held for at most `deadline` from now, then cancels the
    /// rest, and returns what it did.
    ///
    /// At the deadline an item in a handler's hands ends as the [table](crate#what-becomes-of-an-item) says under
    /// "abort". What has not been started stays with the source; the pool's own queue gives it to
    /// [`on_undelivered`](Builder::on_undelivered), together with what came back. With [`Duration::ZERO`] nothing is
    /// waited for.
    ///
    /// Cancelling takes effect at a handler's next await. A handler that blocks its thread instead is waited for,
    /// since nothing can stop it.
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops the pool, which aborts it at once instead of at the deadline.
    pub async fn shutdown(self, deadline: Duration) -> Report {
        self.close();
        self.shared.enter(Phase::Draining);
        let Self { shared, supervisor, orders, producer } = self;
        orders.send_replace(Order::Shutdown { by: Instant::now().checked_add(deadline) });
        let report = supervisor.join(&shared).await;
        // Kept until now, so that the queue ends because it was closed and not because nobody sends.
        drop(producer);
        report
    }

    /// The counters, which add up. They may be read from anywhere, also from the hooks of a queue.
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

    /// Where the pool is in its life.
    pub fn phase(&self) -> Phase {
        *self.shared.phase.borrow()
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
    /// is dropped with it. At a rendezvous ([`queue(0)`](Builder::queue)) the worker's taking is the sending, and it
    /// may come a moment before the call is polled again: one that is dropped in between has sent.
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

    /// Another way into the pool's queue, for a task of its own. It has all that senders have: deadlines, permits,
    /// the pressure, the queue's own statistics.
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

// === impl Shared ===

impl<T: Send + 'static> Shared<T> {
    pub(crate) fn new(
        intake: Intake<T>,
        hands: Vec<Arc<Hands<T>>>,
        settlements: Arc<Settlements>,
        backoff: Backoff,
        undelivered: Arc<AtomicU64>,
    ) -> Self {
        Self {
            intake,
            hands,
            settlements,
            backoff,
            phase: watch::Sender::new(Phase::Open),
            closed: AtomicBool::new(false),
            restarts: AtomicU64::new(0),
            undelivered,
            started: Instant::now(),
        }
    }

    /// Goes on to `phase`, unless the pool is there or further already.
    pub(crate) fn enter(&self, phase: Phase) {
        let entered = self.phase.send_if_modified(|now| {
            let forward = *now < phase;
            if forward {
                *now = phase;
            }
            forward
        });
        if entered {
            tracing::debug!(?phase, "pool goes on");
        }
    }

    pub(crate) fn was_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Is there nothing to wait for once the workers are gone?
    pub(crate) fn is_at_rest(&self) -> bool {
        // In this order: a settlement is noted before its hands are at rest.
        self.hands.iter().all(|hands| hands.is_at_rest()) && self.intake.is_done_settling()
    }

    pub(crate) fn count_restart(&self) {
        self.restarts.fetch_add(1, Ordering::Relaxed);
    }

    fn stats(&self) -> PoolStats {
        let restarts = self.restarts.load(Ordering::Relaxed);
        let mut stats = PoolStats::new(self.hands.len(), self.intake.idle(), restarts);
        for hands in &self.hands {
            let (tally, held, busy) = hands.account();
            stats.add(&tally, held, busy);
        }
        stats
    }

    fn report(&self, ended_by: EndedBy) -> Report {
        let stats = self.stats();
        Report {
            ended_by,
            taken: stats.taken,
            completed: stats.completed,
            failed: stats.failed,
            returned: stats.returned,
            dead_lettered: stats.dead_lettered,
            held: stats.held,
            undelivered: self.undelivered.load(Ordering::Acquire),
            aborted: stats.aborted,
            panics: stats.panics,
            restarts: stats.restarts,
            settled: self.intake.is_settled(),
            elapsed: self.started.elapsed(),
        }
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
