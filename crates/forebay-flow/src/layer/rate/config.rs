//! How a rate is configured.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use tower_layer::Layer;

use super::account::{Account, Readiness};
use super::{QueuedRateLimit, RateHandle, RateLimit};
use crate::layer::One;
use crate::layer::concurrency::{Queued, Reserve};
use crate::layer::share::Shares;
use crate::rate::Book;

/// Limits how often calls start; see the [module](super) for what it does.
///
/// All services that one layer, or its clones, wrap share one rate.
///
/// | | default | |
/// | --- | --- | --- |
/// | policy | | [`TokenBucket`](crate::TokenBucket), evenly spaced, or [`Window`](crate::Window), a number in any period |
/// | mode | reserve | or [`queued`](Self::queued) |
/// | `max_waiting` | 1024 | queued: how many calls may wait; 0 refuses calls that may not start at once |
/// | `max_wait` | none | the longest wait; calls that would have to wait longer are refused at once |
/// | `weigh` | 1 each | what a start costs: from 1 (0 counts as 1) to the most that may ever start at once |
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
/// use std::time::Duration;
/// use forebay_flow::layer::RateLimitLayer;
/// use forebay_flow::{Rate, TokenBucket};
/// use tower::{Service, ServiceBuilder, service_fn};
///
/// let rate = RateLimitLayer::new(TokenBucket::new(Rate::per_second(2))).max_wait(Duration::from_secs(1)).queued();
/// let mut api = ServiceBuilder::new().layer(rate).service(service_fn(async |n: u32| Ok::<_, ()>(n)));
///
/// let calls = [1, 2, 3, 4].map(|n| api.call(n));
/// let [first, _, third, fourth] = calls;
/// let refused = fourth.await.unwrap_err();
/// assert_eq!(refused.retry_after(), Some(Duration::from_millis(500)));
/// assert_eq!((first.await.unwrap(), third.await.unwrap()), (1, 3)); // a second later
/// # }
/// ```
pub struct RateLimitLayer<P, M = Reserve, W = One> {
    account: Shares<Account<P>>,
    weigh: W,
    mode: PhantomData<fn() -> M>,
}

// === impl RateLimitLayer ===

impl<P: Book> RateLimitLayer<P> {
    /// Allows as many starts as `policy` lets through.
    pub fn new(policy: P) -> Self {
        Self { account: Shares::new(Account::new(policy)), weigh: One, mode: PhantomData }
    }
}

impl<P: Book, M, W> RateLimitLayer<P, M, W> {
    /// Queued: most calls that may wait at once, with starts that lie ahead and whose callers have left; one more is [refused](crate::layer::Why::Full), with the time after which it
    /// could start. 0 refuses calls that may not start at once. In the reserve mode each handle waits for one start, in
    /// `poll_ready`, and nothing else waits. Default: 1024.
    #[must_use]
    pub fn max_waiting(self, max_waiting: usize) -> Self {
        self.account.set_waiting(Some(max_waiting), None);
        self
    }

    /// For how long a call may wait. One that would have to wait for longer is [refused](crate::layer::Why::TimedOut) at
    /// once, with the time after which it would not. In the reserve mode a handle that would have to is ready at once, and its call is
    /// refused, unless there is a start for it by then. Default: for as long as it takes.
    #[must_use]
    pub fn max_wait(self, max_wait: Duration) -> Self {
        self.account.set_waiting(None, Some(Some(max_wait)));
        self
    }

    /// The response future waits, and `poll_ready` takes nothing.
    #[must_use]
    pub fn queued(self) -> RateLimitLayer<P, Queued, W> {
        RateLimitLayer { account: self.account, weigh: self.weigh, mode: PhantomData }
    }

    /// What a start costs: a closure `Fn(&Request) -> usize`.
    ///
    /// Queued: one that costs more than may ever start at once is [refused](crate::layer::Why::TooHeavy). In the reserve mode
    /// `poll_ready` has booked a start of cost 1 before the request is known; what it costs more is a debt that those after
    /// it wait for.
    #[must_use]
    pub fn weigh<W2>(self, weigh: W2) -> RateLimitLayer<P, M, W2> {
        RateLimitLayer { account: self.account, weigh, mode: PhantomData }
    }

    /// A handle to observe the rate and change it while it is in use.
    pub fn handle(&self) -> RateHandle<P> {
        RateHandle { account: self.account.clone() }
    }
}

impl<S, P: Book, W: Clone> Layer<S> for RateLimitLayer<P, Reserve, W> {
    type Service = RateLimit<S, P, W>;

    fn layer(&self, inner: S) -> Self::Service {
        RateLimit { inner, weigh: self.weigh.clone(), readiness: Readiness::new(self.account.clone()) }
    }
}

impl<S, P: Book, W: Clone> Layer<S> for RateLimitLayer<P, Queued, W> {
    type Service = QueuedRateLimit<S, P, W>;

    fn layer(&self, inner: S) -> Self::Service {
        QueuedRateLimit { inner, account: self.account.clone(), weigh: self.weigh.clone() }
    }
}

impl<P, M, W: Clone> Clone for RateLimitLayer<P, M, W> {
    fn clone(&self) -> Self {
        Self { account: self.account.clone(), weigh: self.weigh.clone(), mode: PhantomData }
    }
}

impl<P, M, W> fmt::Debug for RateLimitLayer<P, M, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimitLayer").field("account", &*self.account).finish_non_exhaustive()
    }
}
