//! The service whose starts are spaced, in both modes.

use std::fmt;
use std::task::{Context, Poll, ready};

use tower_service::Service;

use super::RateHandle;
use super::ResponseFuture;
use super::account::{Account, Readiness, Slot};
use crate::layer::passed::Passed;
use crate::layer::share::Shares;
use crate::layer::work::Oneshot;
use crate::layer::{FlowError, One, Refused, Weigh, Why};
use crate::rate::Book;

/// A service with a limit on how often calls start. It reserves: `poll_ready` books the next start, sleeps until then, and
/// keeps it.
///
/// A clone starts without. A handle that is dropped gives its start back, to the next caller.
pub struct RateLimit<S, P: Book, W = One> {
    pub(super) inner: S,
    pub(super) weigh: W,
    pub(super) readiness: Readiness<P>,
}

/// A service with a limit on how often calls start. It queues: `poll_ready` takes nothing, and a call sleeps until its start
/// in its response future.
pub struct QueuedRateLimit<S, P: Book, W = One> {
    pub(super) inner: S,
    pub(super) account: Shares<Account<P>>,
    pub(super) weigh: W,
}

fn cost_of<R>(weigh: &impl Weigh<R>, request: &R) -> u64 {
    weigh.weigh(request).max(1) as u64
}

// === impl RateLimit ===

impl<S, P: Book, W> RateLimit<S, P, W> {
    /// A handle to observe and change the rate.
    pub fn handle(&self) -> RateHandle<P> {
        RateHandle { account: self.readiness.account().clone() }
    }

    /// The inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The inner service; a start that was booked is given back.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, R, P, W> Service<R> for RateLimit<S, P, W>
where
    S: Service<R>,
    P: Book,
    W: Weigh<R>,
{
    type Response = S::Response;
    type Error = FlowError<S::Error, R>;
    type Future = Passed<S::Future, R>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        ready!(self.inner.poll_ready(cx)).map_err(FlowError::Inner)?;
        self.readiness.poll(cx).map_err(|refused| refused.with(None))
    }

    /// # Panics
    ///
    /// If `poll_ready` has not said that it is ready.
    #[inline]
    fn call(&mut self, request: R) -> Self::Future {
        assert!(self.readiness.is_ready(), "poll_ready must be called first");
        match self.readiness.spend(cost_of(&self.weigh, &request)) {
            Ok(()) => Passed::new(self.inner.call(request)),
            Err(Refused { why, retry_after, .. }) => {
                Passed::refused(Refused { why, request: Some(request), retry_after })
            }
        }
    }
}

/// The clone has to become ready by itself.
impl<S: Clone, P: Book, W: Clone> Clone for RateLimit<S, P, W> {
    fn clone(&self) -> Self {
        let Self { inner, weigh, readiness } = self;
        Self {
            inner: inner.clone(),
            weigh: weigh.clone(),
            readiness: Readiness::new(readiness.account().clone()),
        }
    }
}

impl<S: fmt::Debug, P: Book, W> fmt::Debug for RateLimit<S, P, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimit")
            .field("inner", &self.inner)
            .field("account", &**self.readiness.account())
            .field("ready", &self.readiness.is_ready())
            .finish_non_exhaustive()
    }
}

// === impl QueuedRateLimit ===

impl<S, P: Book, W> QueuedRateLimit<S, P, W> {
    /// A handle to observe and change the rate.
    pub fn handle(&self) -> RateHandle<P> {
        RateHandle { account: self.account.clone() }
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

impl<S, R, P, W> Service<R> for QueuedRateLimit<S, P, W>
where
    S: Service<R> + Clone,
    P: Book,
    W: Weigh<R>,
{
    type Response = S::Response;
    type Error = FlowError<S::Error, R>;
    type Future = ResponseFuture<Oneshot<S, R, S::Future>, R, P>;

    #[inline]
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let closed = self.account.is_closed();
        Poll::Ready(if closed { Err(FlowError::refused(Why::Closed, None)) } else { Ok(()) })
    }

    #[inline]
    fn call(&mut self, request: R) -> Self::Future {
        match Slot::book(&self.account, cost_of(&self.weigh, &request)) {
            Ok(slot) => ResponseFuture::waiting(slot, Oneshot::new(self.inner.clone(), request)),
            Err(refused) => ResponseFuture::refused(refused, request),
        }
    }
}

impl<S: Clone, P: Book, W: Clone> Clone for QueuedRateLimit<S, P, W> {
    fn clone(&self) -> Self {
        let Self { inner, account, weigh } = self;
        Self { inner: inner.clone(), account: account.clone(), weigh: weigh.clone() }
    }
}

impl<S: fmt::Debug, P: Book, W> fmt::Debug for QueuedRateLimit<S, P, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueuedRateLimit")
            .field("inner", &self.inner)
            .field("account", &*self.account)
            .finish_non_exhaustive()
    }
}
