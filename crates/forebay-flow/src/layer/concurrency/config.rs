//! How a limit is configured.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use forebay_queue::Limit;
use tower_layer::Layer;

use super::gate::Gate;
use super::permit::Readiness;
use super::{ConcurrencyLimit, LimitHandle, QueuedConcurrencyLimit, UntilResponse};
use crate::layer::share::Shares;
use crate::layer::{ByResult, One};

/// Limits how many calls run at once; see the [module](super) for what it does.
///
/// All services that one layer, or its clones, wrap share one limit.
///
/// | | default | |
/// | --- | --- | --- |
/// | policy | | any [`Limit`]: [`Fixed`](crate::Fixed), [`Aimd`](crate::Aimd), … of 1 to 2³¹ - 1 permits |
/// | mode | reserve | or [`queued`](Self::queued) |
/// | `max_waiting` | 1024 | how many calls may wait; 0 refuses calls that find no permit |
/// | `max_wait` | none | how long a call may wait, or a handle in `poll_ready`; 0 refuses those that find no permit when first polled |
/// | `weigh` | 1 each | permits that a call needs: from 1 (0 counts as 1) to the limit |
/// | `classify` | [`ByResult`] | what the policy learns from an answer |
/// | held | until the response | or the end of its body |
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use std::time::Duration;
/// use forebay_flow::layer::ConcurrencyLimitLayer;
/// use forebay_flow::{Aimd, CallEnd};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// let limit = ConcurrencyLimitLayer::new(Aimd::default())
///     .max_waiting(100)
///     .max_wait(Duration::from_secs(1))
///     .weigh(|batch: &Vec<u8>| batch.len())
///     .classify(|result: Result<&u16, &std::io::Error>| match result {
///         Ok(429 | 503) | Err(_) => CallEnd::Overload,
///         Ok(_) => CallEnd::Success,
///     })
///     .queued();
/// let handle = limit.handle();
/// let api = ServiceBuilder::new().layer(limit).service(service_fn(async |_: Vec<u8>| Ok::<u16, std::io::Error>(200)));
/// assert_eq!(api.oneshot(vec![1, 2, 3]).await.unwrap(), 200);
/// assert_eq!((handle.limit(), handle.stats().admitted), (20, 1));
/// # }
/// ```
pub struct ConcurrencyLimitLayer<P, M = Reserve, W = One, C = ByResult, H = UntilResponse> {
    gate: Shares<Gate<P>>,
    rules: Rules<W, C, H>,
    mode: PhantomData<fn() -> M>,
}

/// The mode in which `poll_ready` takes the permit. The default.
#[derive(Debug, Clone, Copy)]
pub enum Reserve {}

/// The mode in which the response future takes the permit.
#[derive(Debug, Clone, Copy)]
pub enum Queued {}

/// What a limit must be told about requests and answers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules<W, C, H> {
    pub(super) weigh: W,
    pub(super) classify: C,
    pub(super) hold: H,
}

// === impl ConcurrencyLimitLayer ===

impl<P: Limit> ConcurrencyLimitLayer<P> {
    /// Allows as many calls at once as `policy` says.
    pub fn new(policy: P) -> Self {
        let rules = Rules { weigh: One, classify: ByResult, hold: UntilResponse };
        Self { gate: Shares::new(Gate::new(policy)), rules, mode: PhantomData }
    }
}

impl<P: Limit, M, W, C, H> ConcurrencyLimitLayer<P, M, W, C, H> {
    /// The most calls that may wait at once; one more is [refused](crate::layer::Why::Full). 0 refuses calls that find no
    /// permit. In the reserve mode these are calls that need more than one permit; handles that wait in `poll_ready` are not
    /// counted, each takes one place. Default: 1024.
    #[must_use]
    pub fn max_waiting(self, max_waiting: usize) -> Self {
        self.gate.permits.set_waiting(Some(max_waiting), None);
        self
    }

    /// For how long a call may wait, from `call` on; then it is [refused](crate::layer::Why::TimedOut). In the reserve mode
    /// that holds for calls that need more than one permit, and for handles: one that has waited for so long is ready, and its call is
    /// refused, unless there is a permit for it by then. Default: for as long as it takes.
    ///
    /// # Panics
    ///
    /// A response future or a handle that waits panics outside of a tokio runtime with time enabled.
    #[must_use]
    pub fn max_wait(self, max_wait: Duration) -> Self {
        self.gate.permits.set_waiting(None, Some(Some(max_wait)));
        self
    }

    /// The response future takes the permit, and `poll_ready` takes nothing.
    #[must_use]
    pub fn queued(self) -> ConcurrencyLimitLayer<P, Queued, W, C, H> {
        ConcurrencyLimitLayer { gate: self.gate, rules: self.rules, mode: PhantomData }
    }

    /// How many permits a call needs: a closure `Fn(&Request) -> usize`. One that needs more than the limit is
    /// [refused](crate::layer::Why::TooHeavy).
    #[must_use]
    pub fn weigh<W2>(self, weigh: W2) -> ConcurrencyLimitLayer<P, M, W2, C, H> {
        let Rules { classify, hold, .. } = self.rules;
        ConcurrencyLimitLayer { gate: self.gate, rules: Rules { weigh, classify, hold }, mode: PhantomData }
    }

    /// What the policy learns from an answer: a closure `Fn(Result<&Response, &Error>) -> CallEnd`.
    #[must_use]
    pub fn classify<C2>(self, classify: C2) -> ConcurrencyLimitLayer<P, M, W, C2, H> {
        let Rules { weigh, hold, .. } = self.rules;
        ConcurrencyLimitLayer { gate: self.gate, rules: Rules { weigh, classify, hold }, mode: PhantomData }
    }

    /// For how long a call keeps its permit after the answer.
    #[must_use]
    pub fn hold<H2>(self, hold: H2) -> ConcurrencyLimitLayer<P, M, W, C, H2> {
        let Rules { weigh, classify, .. } = self.rules;
        ConcurrencyLimitLayer { gate: self.gate, rules: Rules { weigh, classify, hold }, mode: PhantomData }
    }

    /// A call keeps its permit until the body of its response has ended, or is dropped.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use bytes::Bytes;
    /// use forebay_flow::Fixed;
    /// use forebay_flow::layer::ConcurrencyLimitLayer;
    /// use http_body_util::{BodyExt, Full};
    /// use tower::{ServiceBuilder, ServiceExt, service_fn};
    ///
    /// let limit = ConcurrencyLimitLayer::new(Fixed(1)).hold_body();
    /// let handle = limit.handle();
    /// let page = service_fn(async |_: &str| Ok::<_, ()>(http::Response::new(Full::new(Bytes::from("a page")))));
    /// let response = ServiceBuilder::new().layer(limit).service(page).oneshot("/").await.unwrap();
    /// assert_eq!(handle.in_use(), 1, "the body is still to come");
    /// assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "a page");
    /// assert_eq!(handle.in_use(), 0);
    /// # }
    /// ```
    #[cfg(feature = "http-body")]
    #[must_use]
    pub fn hold_body(self) -> ConcurrencyLimitLayer<P, M, W, C, super::UntilBody> {
        self.hold(super::UntilBody)
    }

    /// A handle to observe the limit and change it while it is in use.
    pub fn handle(&self) -> LimitHandle<P> {
        LimitHandle { gate: self.gate.clone() }
    }
}

impl<P: Limit, W, C, H> ConcurrencyLimitLayer<P, Queued, W, C, H> {
    /// Serves the newest first while calls wait, that is, in an overload, and sheds the oldest.
    ///
    /// A call that has waited long in an overload is likely to be late, and all would be late if they were served in order of
    /// arrival. So the last arrival has the next turn, and where [`max_waiting`](Self::max_waiting) calls wait, the first one
    /// is [shed](crate::layer::Why::Overload) for the next, with its request. The oldest may starve until then; bound that
    /// by [`max_wait`](Self::max_wait). Without an overload nobody waits, and there is no order. [`Turns`](crate::Turns) is
    /// the same decision, with calls counted instead of their permits.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use forebay_flow::Fixed;
    /// use forebay_flow::layer::{ConcurrencyLimitLayer, FlowError, Why};
    /// use tower::{Service, ServiceBuilder, service_fn};
    ///
    /// let limit = ConcurrencyLimitLayer::new(Fixed(1)).queued().newest_first().max_waiting(2);
    /// let mut desk = ServiceBuilder::new().layer(limit).service(service_fn(async |n: u32| Ok::<_, ()>(n)));
    /// let [served, oldest, _older, _newest] = [1, 2, 3, 4].map(|n| desk.call(n));
    /// let Err(FlowError::Refused(shed)) = oldest.await else { panic!("two newer ones wait") };
    /// assert_eq!((shed.why, shed.request), (Why::Overload, Some(2)));
    /// assert_eq!(served.await.unwrap(), 1);
    /// # }
    /// ```
    #[must_use]
    pub fn newest_first(self) -> Self {
        self.gate.permits.set_newest_first();
        self
    }
}

impl<S, P: Limit, W: Clone, C: Clone, H: Clone> Layer<S> for ConcurrencyLimitLayer<P, Reserve, W, C, H> {
    type Service = ConcurrencyLimit<S, P, W, C, H>;

    fn layer(&self, inner: S) -> Self::Service {
        ConcurrencyLimit { inner, rules: self.rules.clone(), readiness: Readiness::new(self.gate.clone()) }
    }
}

impl<S, P: Limit, W: Clone, C: Clone, H: Clone> Layer<S> for ConcurrencyLimitLayer<P, Queued, W, C, H> {
    type Service = QueuedConcurrencyLimit<S, P, W, C, H>;

    fn layer(&self, inner: S) -> Self::Service {
        QueuedConcurrencyLimit { inner, gate: self.gate.clone(), rules: self.rules.clone() }
    }
}

impl<P, M, W: Clone, C: Clone, H: Clone> Clone for ConcurrencyLimitLayer<P, M, W, C, H> {
    fn clone(&self) -> Self {
        Self { gate: self.gate.clone(), rules: self.rules.clone(), mode: PhantomData }
    }
}

impl<P, M, W, C, H> fmt::Debug for ConcurrencyLimitLayer<P, M, W, C, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConcurrencyLimitLayer").field("gate", &*self.gate).finish_non_exhaustive()
    }
}
