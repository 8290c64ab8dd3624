//! A line in the order of a discipline, in front of a service with a number of seats. It queues: readiness reserves
//! nothing, and a call waits in its response future.
//!
//! | | |
//! | --- | --- |
//! | `poll_ready` | `Err` if the line is closed, else `Ready`; never pending because it is full; never asks the service |
//! | `call` | its class is found, and it joins the line; as many wait as may: [`Full(request)`](forebay_queue::QueueError::Full), or the last in the order ends as [`Displaced(request)`](forebay_queue::QueueError::Displaced), as chosen; of an unknown class: [`Unclassified(request, ..)`](forebay_queue::QueueError::Unclassified) |
//! | it can no longer meet its deadline, under [`Missed::GiveUp`](crate::Missed::GiveUp) | [`Expired(request)`](forebay_queue::QueueError::Expired) at once |
//! | a seat comes free | the next call in the line gets it, until its response is there |
//! | drop while it waits | leaves the line at once; the service never sees the request |
//! | drop while it runs | the call ends, and its seat is free |
//!
//! The line is [`QueueLayer`]'s, and what its docs say about failures, panics and backpressure holds here.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! use forebay_priority::{PriorityLayer, Strict};
//! use tower::{Service, ServiceBuilder, service_fn};
//!
//! let levels = Strict::levels();
//! let names = levels.class_names().clone();
//! let line = PriorityLayer::new(1, levels, move |request: &(&str, u32)| names.named(request.0))
//!     .expect("there is a seat")
//!     .max_waiting("low", 2)
//!     .expect("it is one of the levels");
//! let mut service = ServiceBuilder::new().layer(line).service(service_fn(async |request: (&'static str, u32)| {
//!     Ok::<_, String>(request.1)
//! }));
//!
//! let low: Vec<_> = (0..3).map(|n| service.call(("low", n))).collect();
//! let high = service.call(("high", 9));
//! assert_eq!(high.await.unwrap(), 9, "before those that came before");
//! let ends = futures_util::future::join_all(low).await;
//! assert!(ends[1].is_ok() && ends[2].is_err(), "two of them may wait");
//! # }
//! ```

mod seats;

use std::fmt;

use forebay_queue::{By, Queue, QueueLayer, UnknownClass, WhenFull};
use tower_layer::Layer;
use tower_service::Service;

pub use self::seats::{ByResult, Judge, Seated, SeatedFuture, Seats};
use crate::{ConfigError, Discipline};

/// A number of seats for calls of a service, given in the order of a discipline; see the [module](self) for what it does.
///
/// # Bounds
///
/// Those of the discipline, counted in calls. The next call waits for one seat to come free, and for no call that joined
/// the line behind it in the discipline's order: under overload an urgent call waits until the first of the running calls
/// ends.
///
/// How long that is depends on the service. Where the times that calls take vary as exponentially distributed ones do and
/// urgent calls are few, the 99th percentile of an urgent call's wait is that of the service divided by the seats: with 8 seats a
/// test measures 1.01 of it. Where all calls take the same time all seats may come free together, and nothing but
/// ending a call before its time could keep an urgent one from waiting as long as one call takes.
///
/// ```
/// use forebay_priority::{PriorityLayer, Seats, WeightedFair};
/// use forebay_queue::UnknownClass;
///
/// // A call is a name and a size, and the sizes are what is shared.
/// let shares = WeightedFair::new([("paid", 3), ("free", 1)])?.quantum(1000)?;
/// let seats = Seats::new(8)?;
/// let classes = shares.class_names().clone();
/// let share = move |call: &(&str, u32)| Ok(forebay_priority::Share::new(classes.named(call.0)?, call.1));
/// let line = PriorityLayer::with_seats(seats.clone(), shares, share);
/// seats.set(12)?; // also while it is in use
/// # Ok::<_, forebay_priority::ConfigError>(())
/// ```
pub struct PriorityLayer<R, D, C, J = ByResult> {
    queue: QueueLayer<R, By<D, C>>,
    /// The bounds on waiting calls of the classes, in their order.
    most: Vec<usize>,
    in_all: usize,
    displaces: bool,
    names: Vec<String>,
    seats: Seats,
    judge: J,
}

// === impl PriorityLayer ===

impl<R, D, C> PriorityLayer<R, D, C>
where
    R: Send,
    D: Discipline + Clone,
    C: Fn(&R) -> Result<D::Rank, UnknownClass>,
{
    /// This many calls at once, 1 or more, in the order of `discipline`, by the ranks that `classifier` gives.
    ///
    /// # Errors
    ///
    /// If there is no seat.
    pub fn new(seats: usize, discipline: D, classifier: C) -> Result<Self, ConfigError> {
        Ok(Self::with_seats(Seats::new(seats)?, discipline, classifier))
    }

    /// Uses existing seats, which can be changed or shared: all services made by this layer share them.
    pub fn with_seats(seats: Seats, discipline: D, classifier: C) -> Self {
        let names = discipline.classes().to_vec();
        let most = vec![usize::MAX; names.len().max(1)];
        let queue = QueueLayer::new(0).when_full(WhenFull::Wait).line(By::new(discipline, classifier));
        Self { queue, most, in_all: 1024, displaces: false, names, seats, judge: ByResult }
    }
}

impl<R, D, C, J> PriorityLayer<R, D, C, J> {
    /// The most calls that may wait in all, whatever their classes. Default: 1024.
    #[must_use]
    pub fn max_waiting_in_all(mut self, most: usize) -> Self {
        self.in_all = most;
        self.bounded()
    }

    /// When the line is full, drops the last call in the discipline's order, which may be the new one itself, instead of
    /// always refusing the new one. That call ends as [`QueueError::Displaced`](forebay_queue::QueueError::Displaced).
    #[must_use]
    pub fn displace_last(mut self) -> Self {
        self.displaces = true;
        self.bounded()
    }

    fn bounded(mut self) -> Self {
        self.queue = match self.displaces {
            true => self.queue.capacity(self.in_all).when_full(WhenFull::DropYoungest),
            false => self.queue.max_waiting(self.in_all),
        };
        self
    }

    /// The most calls of a class that may wait; one more is refused as [`QueueError::Full`](forebay_queue::QueueError::Full).
    /// Default: as many as in all. A call that comes while none waits is accepted whatever this says, so with 0 a class gets
    /// the free seats; of several calls that come at the same moment, before the layer has looked at the first, only one is.
    ///
    /// # Errors
    ///
    /// The discipline has no class of that name.
    pub fn max_waiting(mut self, class: &str, most: usize) -> Result<Self, UnknownClass> {
        let at = self.names.iter().position(|name| name == class);
        let at = at.ok_or_else(|| UnknownClass::new(class, self.names.iter().map(String::as_str)))?;
        self.most[at] = most;
        self.queue = self.queue.max_waiting_of_classes(self.most.iter().copied());
        Ok(self)
    }

    /// Reads the clock when a call joins the line, so that [`class_stats`](forebay_queue::Queue::class_stats) can tell how
    /// long the oldest call of each class has waited. Default: it does not.
    #[must_use]
    pub fn timed(mut self) -> Self {
        self.queue = self.queue.timed();
        self
    }

    /// Says how a call ended, for a limit that learns from it. Default: [`ByResult`].
    #[must_use]
    pub fn judge<K>(self, judge: K) -> PriorityLayer<R, D, C, K> {
        let Self { queue, most, in_all, displaces, names, seats, judge: _ } = self;
        PriorityLayer { queue, most, in_all, displaces, names, seats, judge }
    }

    /// The seats, to be changed while they are in use.
    pub fn seats(&self) -> &Seats {
        &self.seats
    }
}

/// Spawns the worker of the line.
///
/// # Panics
///
/// `layer` panics outside of a tokio runtime.
impl<S, R, D, C, J> Layer<S> for PriorityLayer<R, D, C, J>
where
    S: Service<R, Error: Send, Future: Send + 'static> + Clone + Send + 'static,
    R: Send + 'static,
    S::Error: 'static,
    D: Discipline<Rank: Send> + Clone + 'static,
    C: Fn(&R) -> Result<D::Rank, UnknownClass> + Clone + Send + Sync + 'static,
    J: Judge<S::Response, S::Error> + Clone + Send + 'static,
{
    type Service = Queue<Seated<S, J>, R, By<D, C>>;

    fn layer(&self, service: S) -> Self::Service {
        self.queue.layer(Seated::new(service, self.seats.clone(), self.judge.clone()))
    }
}

impl<R, D: Clone, C: Clone, J: Clone> Clone for PriorityLayer<R, D, C, J> {
    fn clone(&self) -> Self {
        Self {
            queue: self.queue.clone(),
            most: self.most.clone(),
            in_all: self.in_all,
            displaces: self.displaces,
            names: self.names.clone(),
            seats: self.seats.clone(),
            judge: self.judge.clone(),
        }
    }
}

impl<R, D, C, J> fmt::Debug for PriorityLayer<R, D, C, J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PriorityLayer").field("seats", &self.seats).finish_non_exhaustive()
    }
}
