//! How a pool is described before it starts.
//!
//! The type of the builder says what is still missing, so a pool without a source or a handler does not compile:
//!
//! ```text
//! Builder<Missing, Missing> ── queue | source ──▶ Builder<I, Missing> ── handler… | service… ──▶ Builder<I, Handled>
//!                                                                                                  └─ start ─▶ Pool
//! ```

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::available_parallelism;
use std::time::Duration;

use forebay_queue::{Delivery, Sender, Source};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tower_service::Service;
use tracing::Instrument;

use crate::contain::contain;
use crate::handler::{ByDelivery, ByService, ByValue};
use crate::hands::{Hands, Settlements, Terms};
use crate::intake::Intake;
use crate::outcome::{BoxError, IntoOutcome};
use crate::pool::Shared;
use crate::supervisor::{Order, Supervisor};
use crate::worker::{Crew, CrewOf};
use crate::{Backoff, Pool, WorkerId};

/// Describes a pool: what feeds it (`I`), and what its workers do (`H`).
///
/// Made by [`Pool::builder`]. Choose one of [`queue`](Self::queue) and [`source`](Self::source), then one form of
/// handler, then [`start`](Self::start); [which form?](crate#which-form-of-handler-do-i-want)
///
/// ```
/// use std::time::Duration;
/// use forebay_pool::{Backoff, Pool, StartError};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), StartError> {
/// let pool = Pool::builder()
///     .workers(8) // the handler waits most of the time
///     .max_attempts(3)
///     .return_backoff(Backoff::new(Duration::from_millis(100), Duration::from_secs(5)))
///     .queue(64)
///     .on_dead_letter(|url: String, reason| eprintln!("{url}: {reason}"))
///     .handler(|url: String| async move { drop(url) /* … */ })
///     .start()?;
/// # let _ = pool.finish().await;
/// # Ok(())
/// # }
/// ```
#[must_use = "a builder does nothing until `start`"]
pub struct Builder<I = Missing, H = Missing> {
    options: Options,
    input: I,
    handler: H,
}

/// In a [`Builder`]: not chosen yet.
///
/// Its type is written only where a builder is passed around:
///
/// ```
/// use forebay_pool::{Builder, Missing, Pool};
///
/// fn wide(builder: Builder<Missing, Missing>) -> Builder<Missing, Missing> {
///     builder.workers(64)
/// }
/// let builder = wide(Pool::builder());
/// ```
#[derive(Debug)]
pub struct Missing;

/// In a [`Builder`]: the pool has a queue of its own, made by [`Builder::queue`].
///
/// Its type is written only where a builder is passed around:
///
/// ```
/// use forebay_pool::{Builder, FromQueue, Missing, Pool};
///
/// let builder: Builder<FromQueue<u32>, Missing> = Pool::builder().queue(10);
/// ```
pub struct FromQueue<T> {
    capacity: usize,
    on_undelivered: Option<Box<dyn Fn(T) + Send + Sync>>,
    on_dead_letter: Option<Box<dyn Fn(T, String) + Send + Sync>>,
}

/// In a [`Builder`]: the pool takes from a source, given to [`Builder::source`].
///
/// Its type is written only where a builder is passed around:
///
/// ```
/// use forebay_pool::{Builder, FromSource, Missing, Pool};
///
/// let (_tx, rx) = forebay_queue::bounded(10);
/// let builder: Builder<FromSource<u32>, Missing> = Pool::builder().source(rx);
/// ```
pub struct FromSource<T>(Box<dyn Source<Item = T>>);

/// In a [`Builder`]: the handler is chosen. Its form is no longer in the type.
///
/// Its type is written only where a builder is passed around:
///
/// ```
/// use forebay_pool::{Builder, FromQueue, Handled, Pool};
///
/// let builder: Builder<FromQueue<u32>, Handled<u32>> = Pool::builder().queue(10).handler(|_| async {});
/// ```
pub struct Handled<T>(Arc<dyn Crew<T>>);

/// In a [`Builder`]: what feeds the pool. Sealed.
///
/// For what works with either:
///
/// ```
/// use forebay_pool::{Builder, Handled, Input, Pool, StartError};
///
/// fn start<I: Input<Item = u32>>(builder: Builder<I, Handled<u32>>) -> Result<(), StartError> {
///     builder.workers(1).start().map(drop)
/// }
/// ```
pub trait Input: sealed::Input {}

/// Why a pool could not start.
///
/// ```
/// use forebay_pool::{Pool, StartError};
///
/// let outside_of_a_runtime = Pool::builder().queue(1).handler(|_: u8| async {}).start();
/// assert_eq!(outside_of_a_runtime.unwrap_err(), StartError::NoRuntime);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A pool without workers would never do anything.
    #[error("a pool needs at least one worker, and was given 0")]
    NoWorkers,
    /// An item that may not be tried at all would never be worked on.
    #[error("max_attempts is 0: an item needs at least one attempt")]
    NoAttempts,
    /// Workers are tokio tasks.
    #[error(
        "a pool must be started within a tokio runtime: call `start` from async code, or enter the runtime first"
    )]
    NoRuntime,
    /// Pauses and deadlines need the runtime's timers.
    #[error(
        "a pool needs timers, and the runtime it was started on has none: build the runtime with `enable_time` or `enable_all`"
    )]
    NoTime,
}

#[derive(Debug, Clone, Copy)]
struct Options {
    /// `None`: as many as the machine runs at the same time.
    workers: Option<usize>,
    max_attempts: u32,
    backoff: Backoff,
}

mod sealed {
    use std::sync::Arc;
    use std::sync::atomic::AtomicU64;

    use forebay_queue::Source;

    pub trait Input {
        type Item: Send + 'static;
        type Producer;

        /// Makes what the pool takes from, and what feeds it through the handle. Items that the pool never took
        /// are counted in `undelivered`.
        fn open(self, undelivered: Arc<AtomicU64>) -> (Box<dyn Source<Item = Self::Item>>, Self::Producer);
    }
}

// === impl Builder ===

impl Builder {
    pub(crate) fn new() -> Self {
        let options = Options { workers: None, max_attempts: 5, backoff: Backoff::default() };
        Self { options, input: Missing, handler: Missing }
    }
}

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

impl<H> Builder<Missing, H> {
    /// Gives the pool a queue of its own with room for `capacity` items, which [`Pool::produce`] fills. When it
    /// is full, producers wait. 0 is a rendezvous: an item is accepted when a worker takes it.
    ///
    /// For more choice (drop or refuse when full, watermarks) build a queue and use [`source`](Self::source).
    ///
    /// The type of the items follows from the handler.
    pub fn queue<T: Send + 'static>(self, capacity: usize) -> Builder<FromQueue<T>, H> {
        let input = FromQueue { capacity, on_undelivered: None, on_dead_letter: None };
        Builder { options: self.options, input, handler: self.handler }
    }

    /// Takes from `source`: the receiver of a queue, a log on disk, a broker.
    ///
    /// The pool is its only consumer. Receivers of a queue can be cloned, so that several pools share one. They share
    /// its end too: closing or shutting down one of them closes the queue, and the others end when it is empty.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use forebay_pool::{EndedBy, Pool};
    ///
    /// let (tx, rx) = forebay_queue::bounded(10);
    /// let pool = Pool::builder().source(rx).handler(|_: u32| async {}).start()?;
    /// tx.send(1).await?;
    /// drop(tx); // ends the queue, and so the pool
    /// let report = pool.finish().await;
    /// assert!(matches!(report.ended_by, EndedBy::Source));
    /// # Ok(())
    /// # }
    /// ```
    pub fn source<S: Source>(self, source: S) -> Builder<FromSource<S::Item>, H> {
        Builder { options: self.options, input: FromSource(Box::new(source)), handler: self.handler }
    }
}

impl<T, H> Builder<FromQueue<T>, H> {
    /// Given the items that the pool's queue still has when the pool ends: those that were not started at the
    /// deadline, and deliveries that went back. Without it they are dropped. Either way they are counted as
    /// [`undelivered`](crate::Report::undelivered), and a panic of the hook is contained.
    pub fn on_undelivered(mut self, hook: impl Fn(T) + Send + Sync + 'static) -> Self {
        self.input.on_undelivered = Some(Box::new(hook));
        self
    }

    /// Given the items that were dead-lettered, with the reason. Without it they are dropped, and counted. A panic of
    /// the hook is contained.
    pub fn on_dead_letter(mut self, hook: impl Fn(T, String) + Send + Sync + 'static) -> Self {
        self.input.on_dead_letter = Some(Box::new(hook));
        self
    }
}

impl<T: Send + 'static, I: Input<Item = T>> Builder<I, Missing> {
    /// Runs `handler` on each item. All workers share it.
    pub fn handler<F, Fut>(self, handler: F) -> Builder<I, Handled<T>>
    where
        F: Fn(T) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: IntoOutcome> + Send + 'static,
    {
        let handler = Arc::new(handler);
        self.handler_per_worker(move |_| {
            let handler = Arc::clone(&handler);
            move |item| handler(item)
        })
    }

    /// Runs `handler` on a clone of `state` and each item: for a client, a pool of connections, a counter in an
    /// [`Arc`].
    ///
    /// Each worker clones `state` once when it is built, and its clone once for each item.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::collections::BTreeMap;
    /// use std::sync::{Arc, Mutex};
    /// use forebay_pool::Pool;
    ///
    /// type Counts = Arc<Mutex<BTreeMap<String, u32>>>;
    ///
    /// async fn count(counts: Counts, word: String) {
    ///     *counts.lock().expect("no counter panics").entry(word).or_default() += 1;
    /// }
    ///
    /// let counts = Counts::default();
    /// let pool = Pool::builder().queue(10).handler_with(Arc::clone(&counts), count).start()?;
    /// for word in "to be or not to be".split(' ') {
    ///     pool.produce(word.to_owned()).await?;
    /// }
    /// pool.finish().await;
    /// assert_eq!(counts.lock().expect("no counter panics")["be"], 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn handler_with<S, F, Fut>(self, state: S, handler: F) -> Builder<I, Handled<T>>
    where
        S: Clone + Send + 'static,
        F: Fn(S, T) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: IntoOutcome> + Send + 'static,
    {
        let handler = Arc::new(handler);
        let prototype = Mutex::new(state);
        self.handler_per_worker(move |_| {
            let handler = Arc::clone(&handler);
            let state = clone_of(&prototype);
            move |item| handler(state.clone(), item)
        })
    }

    /// Runs a handler on each item that `make` builds for each worker: for what workers must not share, such as a
    /// buffer or a connection.
    ///
    /// A worker whose handler panicked gets a new one.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use forebay_pool::Pool;
    ///
    /// let pool = Pool::builder()
    ///     .workers(4)
    ///     .queue(10)
    ///     .handler_per_worker(|_worker| {
    ///         let mut buffer = Vec::new(); // used again for each item
    ///         move |text: &'static str| {
    ///             buffer.clear();
    ///             buffer.extend(text.bytes().rev());
    ///             let length = buffer.len();
    ///             async move { if length > 0 { Ok(()) } else { Err("empty text") } }
    ///         }
    ///     })
    ///     .start()?;
    /// pool.produce("forebay").await?;
    /// assert_eq!(pool.finish().await.completed, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn handler_per_worker<M, F, Fut>(self, make: M) -> Builder<I, Handled<T>>
    where
        M: Fn(WorkerId) -> F + Send + Sync + 'static,
        F: FnMut(T) -> Fut + Send + 'static,
        Fut: Future<Output: IntoOutcome> + Send + 'static,
    {
        self.handled(CrewOf::new(ByValue(make)))
    }

    /// Runs `handler` on each delivery, which it settles itself: [`ack`](Delivery::ack) when the item is done.
    /// A delivery that is dropped goes back, so an error, a panic or an abort loses nothing.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use forebay_pool::Pool;
    /// use forebay_queue::Delivery;
    ///
    /// let pool = Pool::builder()
    ///     .queue(10)
    ///     .handler_delivery(|delivery: Delivery<String>| async move {
    ///         if delivery.attempt() == 1 {
    ///             return Err("the network is down"); // the delivery is dropped here, and goes back
    ///         }
    ///         delivery.ack();
    ///         Ok(())
    ///     })
    ///     .start()?;
    /// pool.produce("invoice 42".to_owned()).await?;
    /// let report = pool.finish().await;
    /// assert_eq!((report.taken, report.returned, report.completed), (2, 1, 1));
    /// # Ok(())
    /// # }
    /// ```
    pub fn handler_delivery<F, Fut>(self, handler: F) -> Builder<I, Handled<T>>
    where
        F: Fn(Delivery<T>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: IntoOutcome> + Send + 'static,
    {
        let handler = Arc::new(handler);
        self.handled(CrewOf::new(ByDelivery(move |_| {
            let handler = Arc::clone(&handler);
            move |delivery| handler(delivery)
        })))
    }

    /// Calls a clone of `service` for each worker with each item. What it answers is dropped; its error fails the
    /// item.
    ///
    /// A worker takes an item only when its clone is ready, so a service that limits itself (`ConcurrencyLimit`,
    /// `RateLimit`) limits the demand. One whose readiness fails is replaced by a new clone, after a pause that
    /// grows.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::future::{Ready, ready};
    /// use std::task::{Context, Poll};
    /// use forebay_pool::Pool;
    /// use tower_service::Service;
    ///
    /// /// In a program, a `tower::ServiceBuilder` makes one from a function and its layers.
    /// #[derive(Clone)]
    /// struct Parse;
    ///
    /// impl Service<&'static str> for Parse {
    ///     type Response = u32;
    ///     type Error = std::num::ParseIntError;
    ///     type Future = Ready<Result<u32, Self::Error>>;
    ///
    ///     fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
    ///         Poll::Ready(Ok(()))
    ///     }
    ///
    ///     fn call(&mut self, text: &'static str) -> Self::Future {
    ///         ready(text.parse())
    ///     }
    /// }
    ///
    /// let pool = Pool::builder().queue(10).service(Parse).start()?;
    /// pool.produce("7").await?;
    /// pool.produce("seven").await?;
    /// let report = pool.finish().await;
    /// assert_eq!((report.completed, report.failed), (1, 1));
    /// # Ok(())
    /// # }
    /// ```
    pub fn service<S>(self, service: S) -> Builder<I, Handled<T>>
    where
        S: Service<T, Error: Into<BoxError>, Future: Send + 'static> + Clone + Send + 'static,
    {
        let prototype = Mutex::new(service);
        self.service_per_worker(move |_| clone_of(&prototype))
    }

    /// Calls a service that `make` builds for each worker. The same as [`service`](Self::service) for what cannot
    /// be cloned, or should be built anew after a panic.
    pub fn service_per_worker<M, S>(self, make: M) -> Builder<I, Handled<T>>
    where
        M: Fn(WorkerId) -> S + Send + Sync + 'static,
        S: Service<T, Error: Into<BoxError>, Future: Send + 'static> + Send + 'static,
    {
        self.handled(CrewOf::new(ByService(make)))
    }

    fn handled(self, crew: impl Crew<T> + 'static) -> Builder<I, Handled<T>> {
        Builder { options: self.options, input: self.input, handler: Handled(Arc::new(crew)) }
    }
}

impl<T: Send + 'static, I: Input<Item = T>> Builder<I, Handled<T>> {
    /// Starts the workers, within the caller's tokio runtime (with its time enabled) and span.
    ///
    /// # Errors
    ///
    /// [`StartError`], if an option makes no sense, or there is no runtime or one without timers. In the last case
    /// tokio's panic is contained, but the program's panic hook has seen it.
    pub fn start(self) -> Result<Pool<T, I::Producer>, StartError> {
        let Options { workers, max_attempts, backoff } = self.options;
        let workers = workers.unwrap_or_else(|| available_parallelism().map_or(1, NonZeroUsize::get));
        if workers == 0 {
            return Err(StartError::NoWorkers);
        }
        if max_attempts == 0 {
            return Err(StartError::NoAttempts);
        }
        let runtime = Handle::try_current().map_err(|_| StartError::NoRuntime)?;
        // There is no other way to ask. Where it panics, what would follow is a pool whose shutdown does.
        contain(|| drop(tokio::time::sleep(Duration::ZERO))).map_err(|_| StartError::NoTime)?;

        let undelivered = Arc::new(AtomicU64::new(0));
        let (source, producer) = self.input.open(Arc::clone(&undelivered));
        let terms = Terms { redelivers: source.redelivers(), max_attempts, backoff };
        let settlements = Arc::new(Settlements::default());
        let hands: Vec<_> = (0..workers)
            .map(|index| Arc::new(Hands::new(WorkerId(index), terms, Arc::clone(&settlements))))
            .collect();
        let intake = Intake::new(source, hands.iter().cloned(), Arc::clone(&settlements));
        let shared = Arc::new(Shared::new(intake, hands, settlements, backoff, undelivered));

        let (orders, received) = watch::channel(Order::Run);
        let supervisor = Supervisor::new(Arc::clone(&shared), self.handler.0, received);
        let supervisor = runtime.spawn(supervisor.run().in_current_span());
        tracing::debug!(workers, "pool started");
        Ok(Pool::new(shared, supervisor, orders, producer))
    }
}

impl<I, H> fmt::Debug for Builder<I, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("options", &self.options).finish_non_exhaustive()
    }
}

// === impl FromQueue ===

impl<T: Send + 'static> Input for FromQueue<T> {}

impl<T: Send + 'static> sealed::Input for FromQueue<T> {
    type Item = T;
    type Producer = Sender<T>;

    fn open(self, undelivered: Arc<AtomicU64>) -> (Box<dyn Source<Item = T>>, Sender<T>) {
        let hook = self.on_undelivered;
        let mut queue = forebay_queue::builder().capacity(self.capacity).on_undelivered(move |item| {
            // Counted first and contained, so that neither the count nor the items after this one hang on the hook.
            undelivered.fetch_add(1, Ordering::AcqRel);
            let heard = contain(|| match &hook {
                Some(hook) => hook(item),
                None => drop(item),
            });
            if let Err(panic) = heard {
                tracing::error!(%panic, "on_undelivered, or the destructor of its item, panicked");
            }
        });
        if let Some(hook) = self.on_dead_letter {
            queue = queue.on_dead_letter(move |item, reason| {
                if let Err(panic) = contain(|| hook(item, reason)) {
                    tracing::error!(%panic, "on_dead_letter panicked");
                }
            });
        }
        let (producer, source) = queue.build();
        (Box::new(source), producer)
    }
}

impl<T> fmt::Debug for FromQueue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FromQueue").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

// === impl FromSource ===

impl<T: Send + 'static> Input for FromSource<T> {}

impl<T: Send + 'static> sealed::Input for FromSource<T> {
    type Item = T;
    type Producer = ();

    fn open(self, _: Arc<AtomicU64>) -> (Box<dyn Source<Item = T>>, ()) {
        (self.0, ())
    }
}

impl<T> fmt::Debug for FromSource<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FromSource").finish_non_exhaustive()
    }
}

// === impl Handled ===

impl<T> fmt::Debug for Handled<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handled").finish_non_exhaustive()
    }
}

/// The lock is there so that what is cloned need not be `Sync`. A clone that panicked leaves its original as it was.
fn clone_of<S: Clone>(prototype: &Mutex<S>) -> S {
    prototype.lock().unwrap_or_else(PoisonError::into_inner).clone()
}
