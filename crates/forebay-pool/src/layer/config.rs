//! How a pool behind a tower service is configured.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use forebay_queue::layer::QueueLayer;
use forebay_queue::{Watermarks, WhenFull};
use tower_layer::Layer;
use tower_service::Service;

use super::counter::{Bench, Counter};
use super::drive::Driving;
use super::{PoolService, PoolWorker, WhenDropped};
use crate::{Pool, StartError};

/// Puts a pool of workers in front of a service; see the [module](super) for what it does.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use forebay_pool::PoolLayer;
/// use forebay_pool::layer::WhenDropped;
/// use forebay_queue::WhenFull;
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// let pool = PoolLayer::new(4, 100) // four at once, a hundred in the line
///     .when_full(WhenFull::Refuse)
///     .when_dropped(WhenDropped::Detach);
/// let pooled = ServiceBuilder::new().layer(pool).service(service_fn(async |n: u32| Ok::<_, ()>(n + 1)));
/// assert_eq!(pooled.oneshot(1).await.unwrap(), 2);
/// # }
/// ```
pub struct PoolLayer<R> {
    workers: usize,
    line: QueueLayer<R>,
    when_dropped: WhenDropped,
}

/// The handle for callers, and what drives it.
type Pair<S, R> = (PoolService<S, R>, PoolWorker<S, R>);

// === impl PoolLayer ===

impl<R> PoolLayer<R> {
    /// A layer with this many workers, at least 1 (0 counts as 1), and a line with room for `capacity` calls. At a
    /// capacity of 0 every caller waits until a worker takes its request.
    pub fn new(workers: usize, capacity: usize) -> Self {
        Self {
            workers: workers.max(1),
            line: QueueLayer::new(capacity),
            when_dropped: WhenDropped::default(),
        }
    }

    /// What a full line does with one more call. `Wait`: it waits for room inside of its response future. `Refuse`:
    /// [`PoolError::Full`](super::PoolError::Full). Otherwise the one that is dropped ends with
    /// [`PoolError::Displaced`](super::PoolError::Displaced). Default: `Wait`.
    #[must_use]
    pub fn when_full(mut self, when_full: WhenFull) -> Self {
        self.line = self.line.when_full(when_full);
        self
    }

    /// Most calls that may wait for room, under [`WhenFull::Wait`]; one more is refused as
    /// [`PoolError::Full`](super::PoolError::Full). 0 refuses calls that find the line full. Default: 1024.
    #[must_use]
    pub fn max_waiting(mut self, max_waiting: usize) -> Self {
        self.line = self.line.max_waiting(max_waiting);
        self
    }

    /// What becomes of a running call whose caller goes away: its future is dropped at its next await, or its worker
    /// drives it to its end, and nobody hears the answer. Default: [`WhenDropped::Cancel`].
    #[must_use]
    pub fn when_dropped(mut self, when_dropped: WhenDropped) -> Self {
        self.when_dropped = when_dropped;
        self
    }

    /// Between which shares of the capacity the [pressure](PoolService::pressure) changes. Default: high above 0.8,
    /// normal again below 0.2.
    #[must_use]
    pub fn watermarks(mut self, watermarks: Watermarks) -> Self {
        self.line = self.line.watermarks(watermarks);
        self
    }

    /// Called with the waiting time of each call that leaves the line. Keep it short. A panic in it goes no further than
    /// the process's panic hook. Default: the clock is not read.
    #[must_use]
    pub fn on_wait(mut self, hook: impl Fn(Duration) + Send + Sync + 'static) -> Self {
        self.line = self.line.on_wait(hook);
        self
    }

    /// Returns the service and its worker, for callers who want to spawn the worker themselves and get its report.
    ///
    /// Each worker calls a clone of `service`, and a new one when that failed or panicked.
    ///
    /// # Errors
    ///
    /// [`StartError::NoRuntime`] or [`NoTime`](StartError::NoTime): the workers are tokio tasks.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use forebay_pool::PoolLayer;
    /// use tower::{ServiceExt, service_fn};
    ///
    /// let (pooled, worker) = PoolLayer::new(2, 10).pair(service_fn(async |n: u32| Ok::<_, std::io::Error>(n * 2)))?;
    /// let worker = tokio::spawn(worker);
    /// assert_eq!(pooled.clone().oneshot(21).await?, 42);
    /// drop(pooled);
    /// assert_eq!(worker.await?.completed, 1);
    /// # Ok(()) }
    /// ```
    pub fn pair<S>(&self, service: S) -> Result<Pair<S, R>, StartError>
    where
        S: Service<R, Response: Send, Error: Send, Future: Send + 'static> + Clone + Send + 'static,
        S::Response: 'static,
        S::Error: 'static,
        R: Send + 'static,
    {
        // The lock is there so that what is cloned need not be `Sync`.
        let prototype = Mutex::new(service);
        self.pair_with(move || prototype.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// As [`pair`](Self::pair), for a service that cannot be cloned: `make` makes one for each worker, and another when
    /// that failed or panicked.
    ///
    /// # Errors
    ///
    /// As [`pair`](Self::pair).
    pub fn pair_with<S>(&self, make: impl Fn() -> S + Send + Sync + 'static) -> Result<Pair<S, R>, StartError>
    where
        S: Service<R, Response: Send, Error: Send, Future: Send + 'static> + Send + 'static,
        S::Response: 'static,
        S::Error: 'static,
        R: Send + 'static,
    {
        let counter = Counter::new();
        let mut once = Some(counter.clone());
        let (queue, line) = self.line.pair_with(move || once.take());
        let (bench, look, end) = Bench::new(line, counter);
        let make: Arc<dyn Fn() -> S + Send + Sync> = Arc::new(make);
        let when_dropped = self.when_dropped;
        let pool = Pool::builder()
            .workers(self.workers)
            .source(bench)
            .with_look(look)
            .service_per_worker(move |_| Driving::new(Arc::clone(&make), when_dropped))
            .start()?;
        Ok((PoolService::new(queue, pool.handle()), PoolWorker::new(end, pool)))
    }
}

/// Spawns the [`PoolWorker`], which ends when the last handle is dropped and all calls are answered.
///
/// # Panics
///
/// `layer` panics outside of a tokio runtime with timers; there use [`pair`](PoolLayer::pair).
impl<S, R> Layer<S> for PoolLayer<R>
where
    S: Service<R, Response: Send, Error: Send, Future: Send + 'static> + Clone + Send + 'static,
    S::Response: 'static,
    S::Error: 'static,
    R: Send + 'static,
{
    type Service = PoolService<S, R>;

    #[track_caller]
    fn layer(&self, service: S) -> PoolService<S, R> {
        match self.pair(service) {
            Ok((service, worker)) => {
                tokio::spawn(worker);
                service
            }
            Err(error) => panic!("{error}"),
        }
    }
}

impl<R> Clone for PoolLayer<R> {
    fn clone(&self) -> Self {
        Self { line: self.line.clone(), ..*self }
    }
}

impl<R> fmt::Debug for PoolLayer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolLayer")
            .field("workers", &self.workers)
            .field("line", &self.line)
            .field("when_dropped", &self.when_dropped)
            .finish()
    }
}
