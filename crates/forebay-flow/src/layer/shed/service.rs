//! The layer and the service that sheds.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;

use forebay_queue::{Stats, Visitor};
use tokio::time::Instant;
use tower_layer::Layer;
use tower_service::Service;

use crate::CoDel;
use crate::layer::clock::Clock;
use crate::layer::passed::Passed;
use crate::layer::{FlowError, Refused, Why};
use crate::sync::lock_soon;

/// A time that a request carries: a closure `Fn(&Request) -> Option<Instant>`.
///
/// The instants are tokio's, so that tests can stop them.
///
/// ```
/// use forebay_flow::layer::When;
/// use tokio::time::Instant;
///
/// let came = |request: &(Instant, &str)| Some(request.0);
/// let now = Instant::now();
/// assert_eq!(came.when(&(now, "request")), Some(now));
/// ```
pub trait When<R> {
    /// None for a request without one.
    fn when(&self, request: &R) -> Option<Instant>;
}

/// No request has such a time.
#[derive(Debug, Clone, Copy, Default)]
pub struct Never;

/// Sheds calls that have waited too long; see the [module](super) for what it does.
///
/// Without any setting it sheds nothing. All services that one layer, or its clones, wrap are judged together.
///
/// | | default | |
/// | --- | --- | --- |
/// | [`deadline`](Self::deadline) | none | until when a request's answer is wanted |
/// | [`codel`](Self::codel) | off | since when it has waited; [`CoDel`] says what is too long, in an overload |
///
/// ```
/// use forebay_flow::layer::ShedLayer;
/// use tokio::time::Instant;
///
/// let shed = ShedLayer::new().deadline(|request: &(Instant, u32)| Some(request.0));
/// assert_eq!(shed.handle().stats().late, 0);
/// ```
pub struct ShedLayer<D = Never, A = Never> {
    deadline: D,
    arrival: A,
    handle: ShedHandle,
}

/// A service that sheds calls that have waited too long. It holds nothing of its own; what the inner service has reserved for a
/// shed call is kept for the next one.
#[derive(Debug, Clone)]
pub struct Shed<S, D = Never, A = Never> {
    inner: S,
    deadline: D,
    arrival: A,
    handle: ShedHandle,
}

/// Looks at what was shed, and changes when that is done.
///
/// ```
/// use std::time::Duration;
/// use forebay_flow::layer::ShedLayer;
///
/// let handle = ShedLayer::new().handle();
/// handle.update(|codel| codel.set(Duration::from_millis(20), Duration::from_millis(200)))?;
/// # Ok::<(), forebay_flow::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct ShedHandle {
    shared: Arc<Shared>,
}

struct Shared {
    clock: Clock,
    state: Mutex<(CoDel, ShedStats)>,
}

/// What became of the calls so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ShedStats {
    /// Calls that were passed on.
    pub passed: u64,
    /// Calls that were shed because their deadline had passed.
    pub late: u64,
    /// Calls that were shed because they had waited too long in an overload.
    pub overload: u64,
}

// === impl When ===

impl<R> When<R> for Never {
    fn when(&self, _: &R) -> Option<Instant> {
        None
    }
}

impl<R, F: Fn(&R) -> Option<Instant>> When<R> for F {
    fn when(&self, request: &R) -> Option<Instant> {
        self(request)
    }
}

// === impl ShedLayer ===

impl ShedLayer {
    /// Sheds nothing so far.
    pub fn new() -> Self {
        let state = Mutex::new((CoDel::default(), ShedStats::default()));
        let handle = ShedHandle { shared: Arc::new(Shared { clock: Clock::new(), state }) };
        Self { deadline: Never, arrival: Never, handle }
    }
}

impl Default for ShedLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<D, A> ShedLayer<D, A> {
    /// Sheds what is not wanted any more: `deadline` says until when it was. From that very moment on it is late.
    #[must_use]
    pub fn deadline<D2>(self, deadline: D2) -> ShedLayer<D2, A> {
        ShedLayer { deadline, arrival: self.arrival, handle: self.handle }
    }

    /// Sheds by how long calls wait: `arrival` says since when. Refusals come with `codel`'s interval as the time after which it is
    /// worth trying again.
    #[must_use]
    pub fn codel<A2>(self, codel: CoDel, arrival: A2) -> ShedLayer<D, A2> {
        self.handle.lock().0 = codel;
        ShedLayer { deadline: self.deadline, arrival, handle: self.handle }
    }

    /// A handle to observe and change the layer while it is in use.
    pub fn handle(&self) -> ShedHandle {
        self.handle.clone()
    }
}

impl<S, D: Clone, A: Clone> Layer<S> for ShedLayer<D, A> {
    type Service = Shed<S, D, A>;

    fn layer(&self, inner: S) -> Self::Service {
        let Self { deadline, arrival, handle } = self.clone();
        Shed { inner, deadline, arrival, handle }
    }
}

impl<D: Clone, A: Clone> Clone for ShedLayer<D, A> {
    fn clone(&self) -> Self {
        Self { deadline: self.deadline.clone(), arrival: self.arrival.clone(), handle: self.handle() }
    }
}

impl<D, A> fmt::Debug for ShedLayer<D, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShedLayer").field("handle", &self.handle).finish_non_exhaustive()
    }
}

// === impl Shed ===

impl<S, D, A> Shed<S, D, A> {
    /// A handle to observe and change the layer.
    pub fn handle(&self) -> ShedHandle {
        self.handle.clone()
    }

    /// The inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The inner service.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, R, D, A> Service<R> for Shed<S, D, A>
where
    S: Service<R>,
    D: When<R>,
    A: When<R>,
{
    type Response = S::Response;
    type Error = FlowError<S::Error, R>;
    type Future = Passed<S::Future, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(FlowError::Inner)
    }

    fn call(&mut self, request: R) -> Self::Future {
        match self.handle.judge(self.deadline.when(&request), self.arrival.when(&request)) {
            None => Passed::new(self.inner.call(request)),
            Some((why, retry_after)) => Passed::refused(Refused { why, request: Some(request), retry_after }),
        }
    }
}

// === impl ShedHandle ===

impl ShedHandle {
    /// Counts.
    pub fn stats(&self) -> ShedStats {
        self.lock().1
    }

    /// Looks at the policy or changes it.
    pub fn update<T>(&self, change: impl FnOnce(&mut CoDel) -> T) -> T {
        change(&mut self.lock().0)
    }

    /// Why a call is shed, and when it is worth trying again.
    fn judge(&self, deadline: Option<Instant>, arrival: Option<Instant>) -> Option<(Why, Option<Duration>)> {
        // A request without a time to compare with needs no look at the clock.
        let now = (deadline.is_some() || arrival.is_some()).then(Instant::now);
        let is_late = deadline.is_some_and(|until| now >= Some(until));
        let mut state = self.lock();
        let (codel, stats) = &mut *state;
        if is_late {
            stats.late += 1;
            return Some((Why::Late, None));
        }
        if let (Some(now), Some(arrival)) = (now, arrival)
            && codel.sheds(now.saturating_duration_since(arrival), self.shared.clock.tick(now))
        {
            stats.overload += 1;
            return Some((Why::Overload, Some(codel.interval())));
        }
        stats.passed += 1;
        None
    }

    fn lock(&self) -> MutexGuard<'_, (CoDel, ShedStats)> {
        lock_soon(&self.shared.state)
    }
}

impl Stats for ShedHandle {
    fn observe(&self, visitor: &mut dyn Visitor) {
        let ShedStats { passed, late, overload } = self.stats();
        for (result, count) in [("admitted", passed), ("late", late), ("overload", overload)] {
            visitor.counter("forebay_admission_total", &[("result", result)], count);
        }
    }
}

impl fmt::Debug for ShedHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.stats().fmt(f)
    }
}
