//! How a rate that is learnt is configured.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use tower_layer::Layer;

use super::line::Line;
use super::{AdaptiveRate, AdaptiveRateHandle, QueuedAdaptiveRate};
use crate::layer::ByResult;
use crate::layer::concurrency::{Queued, Reserve};
use crate::rate::FeedbackRate;

/// Starts calls as often as the answers allow; see the [module](super) for what it does.
///
/// All services that one layer, or its clones, wrap share one rate and one pause: use one for each limit of a server, such as
/// one for each host.
///
/// | | default | |
/// | --- | --- | --- |
/// | policy | | [`FeedbackRate`], each client with a seed of its own |
/// | mode | reserve | or [`queued`](Self::queued) |
/// | [`judge`](Self::judge) | [`ByResult`] | what an answer says |
/// | [`max_waiting`](Self::max_waiting) | 1024 | queued: how many calls may wait; 0 refuses calls that may not start at once |
/// | [`max_wait`](Self::max_wait) | none | the longest wait |
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
/// use std::time::Duration;
/// use forebay_flow::layer::AdaptiveRateLayer;
/// use forebay_flow::rate::{Answer, FeedbackRate};
/// use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
///
/// let by_status = |status: Result<&u16, &()>| match status {
///     Ok(429) => Answer::refused().after(Duration::from_secs(30)),
///     Ok(_) => Answer::served(),
///     Err(()) => Answer::says_nothing(),
/// };
/// let rate = AdaptiveRateLayer::new(FeedbackRate::new(42)).judge(by_status).max_wait(Duration::from_secs(10)).queued();
/// let handle = rate.handle();
/// let mut api = ServiceBuilder::new().layer(rate).service(service_fn(async |status: u16| Ok::<_, ()>(status)));
///
/// assert_eq!(api.ready().await.unwrap().call(429).await.unwrap(), 429); // it is handed on as it is
/// assert!(handle.stats().per_second < 25.0);
/// let refused = api.ready().await.unwrap().call(200).await.unwrap_err(); // the pause is longer than it may wait
/// assert!(refused.retry_after() >= Some(Duration::from_secs(20)));
/// # }
/// ```
pub struct AdaptiveRateLayer<M = Reserve, J = ByResult> {
    line: Arc<Line>,
    judge: J,
    mode: PhantomData<fn() -> M>,
}

// === impl AdaptiveRateLayer ===

impl AdaptiveRateLayer {
    /// Allows as many starts as `policy` lets through, which learns from the answers.
    pub fn new(policy: FeedbackRate) -> Self {
        Self { line: Arc::new(Line::new(policy)), judge: ByResult, mode: PhantomData }
    }
}

impl<M, J> AdaptiveRateLayer<M, J> {
    /// What an answer says: a closure `Fn(Result<&Response, &Error>) -> Answer`, or any other [`Judge`](super::Judge).
    #[must_use]
    pub fn judge<J2>(self, judge: J2) -> AdaptiveRateLayer<M, J2> {
        AdaptiveRateLayer { line: self.line, judge, mode: PhantomData }
    }

    /// Queued: most calls that may wait at once; one more is [refused](crate::layer::Why::Full), with the time after which it
    /// could start at the rate that holds now. 0 refuses calls that may not start at once. In the reserve mode handles wait, in
    /// `poll_ready`, and nothing else does. Default: 1024.
    #[must_use]
    pub fn max_waiting(self, max_waiting: usize) -> Self {
        self.line.set_waiting(Some(max_waiting), None);
        self
    }

    /// For how long a call may wait. It is [refused](crate::layer::Why::TimedOut) then, with the time that is left
    /// until its start at the rate that holds now; and at once, if a pause is longer than that. In the reserve mode a handle that has waited
    /// for so long is ready, and its call is refused, unless there is a start for it by then. Default: for as long as it takes.
    #[must_use]
    pub fn max_wait(self, max_wait: Duration) -> Self {
        self.line.set_waiting(None, Some(Some(max_wait)));
        self
    }

    /// The response future waits, and `poll_ready` takes nothing.
    #[must_use]
    pub fn queued(self) -> AdaptiveRateLayer<Queued, J> {
        AdaptiveRateLayer { line: self.line, judge: self.judge, mode: PhantomData }
    }

    /// A handle to observe the rate and change it while it is in use.
    pub fn handle(&self) -> AdaptiveRateHandle {
        AdaptiveRateHandle { line: self.line.clone() }
    }
}

impl<S, J: Clone> Layer<S> for AdaptiveRateLayer<Reserve, J> {
    type Service = AdaptiveRate<S, J>;

    fn layer(&self, inner: S) -> Self::Service {
        AdaptiveRate { inner, line: self.line.clone(), judge: self.judge.clone(), slot: None }
    }
}

impl<S, J: Clone> Layer<S> for AdaptiveRateLayer<Queued, J> {
    type Service = QueuedAdaptiveRate<S, J>;

    fn layer(&self, inner: S) -> Self::Service {
        QueuedAdaptiveRate { inner, line: self.line.clone(), judge: self.judge.clone() }
    }
}

impl<M, J: Clone> Clone for AdaptiveRateLayer<M, J> {
    fn clone(&self) -> Self {
        Self { line: self.line.clone(), judge: self.judge.clone(), mode: PhantomData }
    }
}

impl<M, J> fmt::Debug for AdaptiveRateLayer<M, J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdaptiveRateLayer").field("line", &self.line).finish_non_exhaustive()
    }
}
