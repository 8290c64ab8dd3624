//! How a line in front of a service is configured.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use tower_layer::Layer;
use tower_service::Service;

use super::{Queue, Worker};
use crate::{Fifo, Line, SendLine, Watermarks, WhenFull};

/// Puts a bounded line in front of a service; see the [module](super) for what it does.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use forebay_queue::WhenFull;
/// use forebay_queue::layer::{QueueLayer, WhenDropped};
/// use tower::{ServiceBuilder, service_fn};
///
/// let line = QueueLayer::new(100)
///     .when_full(WhenFull::Refuse)
///     .when_dropped(WhenDropped::Detach)
///     .on_wait(|waited| { /* feed a histogram */ });
/// let queued = ServiceBuilder::new().layer(line).service(service_fn(async |n: u32| Ok::<_, ()>(n + 1)));
/// assert!(queued.is_empty());
/// # }
/// ```
pub struct QueueLayer<R, L = Fifo> {
    options: Options,
    line: L,
    request: PhantomData<fn(R)>,
}

/// What becomes of a call that is running when its caller drops the response future.
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
/// use forebay_queue::layer::{QueueLayer, WhenDropped};
/// use std::time::Duration;
/// use tokio::time::{sleep, timeout};
/// use tower::{Service, ServiceBuilder, service_fn};
///
/// let (told, mut heard) = forebay_queue::bounded(1);
/// let save = service_fn(move |page: u32| {
///     let told = told.clone();
///     async move {
///         sleep(Duration::from_secs(2)).await;
///         told.send(page).await
///     }
/// });
/// let line = QueueLayer::new(10).when_dropped(WhenDropped::Detach);
/// let mut queue = ServiceBuilder::new().layer(line).service(save);
/// let impatient = timeout(Duration::from_secs(1), queue.call(7)).await;
/// assert!(impatient.is_err());
/// assert_eq!(heard.recv().await, Some(7), "saved all the same");
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum WhenDropped {
    /// The call ends where it is: its future is dropped.
    #[default]
    Cancel,
    /// The worker takes the call's future over and drives it to its end; nobody hears the answer. Costs an allocation
    /// for each call.
    Detach,
}

/// Options that do not change during the life of a line.
#[derive(Clone)]
pub(super) struct Options {
    pub(super) capacity: usize,
    pub(super) max_waiting: usize,
    /// The most calls in the line of each class, where there is such a bound.
    pub(super) most_of: Vec<usize>,
    pub(super) when_full: WhenFull,
    pub(super) when_dropped: WhenDropped,
    pub(super) watermarks: Watermarks,
    /// Is the clock read when a call joins the line?
    pub(super) timed: bool,
    pub(super) on_wait: Option<Arc<dyn Fn(Duration) + Send + Sync>>,
}

// === impl QueueLayer ===

impl<R> QueueLayer<R> {
    /// A line with room for `capacity` calls. 0 is a rendezvous: under [`WhenFull::Wait`] every call waits, and
    /// otherwise a call is taken only if the worker waits for one.
    pub fn new(capacity: usize) -> Self {
        let options = Options {
            capacity,
            max_waiting: 1024,
            most_of: Vec::new(),
            when_full: WhenFull::Wait,
            when_dropped: WhenDropped::Cancel,
            watermarks: Watermarks::default(),
            timed: false,
            on_wait: None,
        };
        Self { options, line: Fifo, request: PhantomData }
    }
}

impl<R, L> QueueLayer<R, L> {
    /// The order in which calls are served, including those that wait for room. Default: [`Fifo`]; see [`By`](crate::By).
    #[must_use]
    pub fn line<M: Line<R>>(self, line: M) -> QueueLayer<R, M> {
        QueueLayer { options: self.options, line, request: PhantomData }
    }

    /// How many calls the line has room for, instead of what [`new`](QueueLayer::new) was told.
    #[must_use]
    pub fn capacity(mut self, capacity: usize) -> Self {
        self.options.capacity = capacity;
        self
    }

    /// Most calls in the line of each class, in the order of [`Discipline::classes`](crate::Discipline::classes), besides
    /// the bounds on all together; one more is refused as [`QueueError::Full`](super::QueueError::Full). A class without a
    /// number has no bound of its own. Default: none has.
    #[must_use]
    pub fn max_waiting_of_classes(mut self, most: impl IntoIterator<Item = usize>) -> Self {
        self.options.most_of = most.into_iter().collect();
        self
    }

    /// What a full line does with one more call. `Wait`: it waits for room in its response future. `Refuse`:
    /// [`QueueError::Full`](super::QueueError::Full). Otherwise the call that is dropped ends with
    /// [`QueueError::Displaced`](super::QueueError::Displaced). Default: `Wait`.
    #[must_use]
    pub fn when_full(mut self, when_full: WhenFull) -> Self {
        self.options.when_full = when_full;
        self
    }

    /// The most calls that may wait for room, under [`WhenFull::Wait`]; one more is refused as
    /// [`QueueError::Full`](super::QueueError::Full). 0 refuses calls that find the line full. Default: 1024.
    #[must_use]
    pub fn max_waiting(mut self, max_waiting: usize) -> Self {
        self.options.max_waiting = max_waiting;
        self
    }

    /// What becomes of a running call whose caller goes away. Default: [`WhenDropped::Cancel`].
    #[must_use]
    pub fn when_dropped(mut self, when_dropped: WhenDropped) -> Self {
        self.options.when_dropped = when_dropped;
        self
    }

    /// Between which shares of the capacity the [pressure](Queue::pressure) changes. Default: high above 0.8, normal
    /// again below 0.2.
    #[must_use]
    pub fn watermarks(mut self, watermarks: Watermarks) -> Self {
        self.options.watermarks = watermarks;
        self
    }

    /// Reads the clock when a call joins the line, so that [`Queue::oldest_wait`] can tell. Default: it does not.
    #[must_use]
    pub fn timed(mut self) -> Self {
        self.options.timed = true;
        self
    }

    /// Called with the waiting time of each call that is taken out of the line. Runs on the worker, so keep it short. A
    /// panic in it goes no further than the process's panic hook.
    #[must_use]
    pub fn on_wait(mut self, hook: impl Fn(Duration) + Send + Sync + 'static) -> Self {
        self.options.on_wait = Some(Arc::new(hook));
        self.timed()
    }

    /// Returns the line and its worker, for callers who want to spawn the worker themselves.
    ///
    /// When the service fails or panics, it is replaced by a clone of the original; and also when the last waiting call
    /// leaves after the service was asked whether it is ready, since it may keep a permit for that call. So work that a
    /// service does in `poll_ready`, such as connecting, should not start over in each clone.
    pub fn pair<S>(&self, service: S) -> (Queue<S, R, L>, Worker<S, R, L>)
    where
        S: Service<R> + Clone + Send + 'static,
        L: Line<R> + Clone,
    {
        self.pair_with(move || Some(service.clone()))
    }

    /// Like [`pair`](Self::pair), for a service that cannot be cloned: `make` makes the first one, and another when one has
    /// failed or panicked. When it returns none, the line closes, and waiting calls get their requests back. It is also
    /// asked for another when the last waiting call leaves; if it returns none then, the old service stays.
    ///
    /// ```
    /// # use forebay_queue::layer::QueueLayer;
    /// # let service = tower::service_fn(async |n: u32| Ok::<_, ()>(n));
    /// let mut once = Some(service);
    /// let (queue, worker) = QueueLayer::new(10).pair_with(move || once.take());
    /// ```
    pub fn pair_with<S>(
        &self,
        make: impl FnMut() -> Option<S> + Send + 'static,
    ) -> (Queue<S, R, L>, Worker<S, R, L>)
    where
        S: Service<R>,
        L: Line<R> + Clone,
    {
        let queue = Queue::new(self.options.clone(), self.line.clone());
        let worker = Worker::new(queue.callers.clone(), Box::new(make));
        (queue, worker)
    }
}

/// Spawns the worker.
///
/// # Panics
///
/// `layer` panics outside of a tokio runtime; there use [`pair`](QueueLayer::pair).
impl<S, R, L> Layer<S> for QueueLayer<R, L>
where
    L: SendLine<R> + Clone,
    S: Service<R, Error: Send, Future: Send + 'static> + Clone + Send + 'static,
    R: Send + 'static,
    S::Error: 'static,
{
    type Service = Queue<S, R, L>;

    fn layer(&self, service: S) -> Queue<S, R, L> {
        let (queue, worker) = self.pair(service);
        tokio::spawn(worker);
        queue
    }
}

impl<R, L: Clone> Clone for QueueLayer<R, L> {
    fn clone(&self) -> Self {
        Self { options: self.options.clone(), line: self.line.clone(), request: PhantomData }
    }
}

impl<R, L> fmt::Debug for QueueLayer<R, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Options {
            capacity,
            max_waiting,
            when_full,
            when_dropped,
            watermarks,
            timed,
            most_of: _,
            on_wait: _,
        } = &self.options;
        f.debug_struct("QueueLayer")
            .field("capacity", capacity)
            .field("max_waiting", max_waiting)
            .field("when_full", when_full)
            .field("when_dropped", when_dropped)
            .field("watermarks", watermarks)
            .field("timed", timed)
            .finish_non_exhaustive()
    }
}
