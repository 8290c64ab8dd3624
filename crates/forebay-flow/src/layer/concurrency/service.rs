//! The limited service, in both modes.

use std::fmt;
use std::task::{Context, Poll, ready};

use forebay_queue::Limit;
use tower_service::Service;

use super::config::Rules;
use super::gate::Gate;
use super::permit::{Readiness, Ticket};
use super::{Hold, LimitHandle, ResponseFuture};
use crate::layer::share::Shares;
use crate::layer::work::{Called, Oneshot};
use crate::layer::{ByResult, Classify, FlowError, One, UntilResponse, Weigh, Why};

/// A service with a limit on concurrent calls. It reserves: `poll_ready` waits for a permit and keeps it.
///
/// A clone starts without the permit. A handle that is dropped gives it back.
pub struct ConcurrencyLimit<S, P, W = One, C = ByResult, H = UntilResponse> {
    pub(super) inner: S,
    pub(super) rules: Rules<W, C, H>,
    pub(super) readiness: Readiness<P>,
}

/// A service with a limit on concurrent calls. It queues: `poll_ready` takes nothing, and a call waits for its permit in its
/// response future.
pub struct QueuedConcurrencyLimit<S, P, W = One, C = ByResult, H = UntilResponse> {
    pub(super) inner: S,
    pub(super) gate: Shares<Gate<P>>,
    pub(super) rules: Rules<W, C, H>,
}

/// What a request weighs in permits, or why it can never be admitted.
#[inline]
fn weight_of<P, R>(weigh: &impl Weigh<R>, request: &R, gate: &Gate<P>) -> Result<u32, Why> {
    let weight = weigh.weigh(request).max(1);
    if weight > gate.permits.limit() {
        gate.permits.refuse();
        return Err(Why::TooHeavy);
    }
    // A limit is below 2^31.
    u32::try_from(weight).map_err(|_| Why::TooHeavy)
}

// === impl ConcurrencyLimit ===

impl<S, P, W, C, H> ConcurrencyLimit<S, P, W, C, H> {
    /// A handle to observe and change the limit.
    pub fn handle(&self) -> LimitHandle<P> {
        LimitHandle { gate: self.readiness.gate().clone() }
    }

    /// The inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The inner service; a permit that was reserved goes back.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, R, P, W, C, H> Service<R> for ConcurrencyLimit<S, P, W, C, H>
where
    S: Service<R>,
    P: Limit,
    W: Weigh<R>,
    C: Classify<S::Response, S::Error> + Clone,
    H: Hold<S::Response, P> + Clone,
{
    type Response = H::Held;
    type Error = FlowError<S::Error, R>;
    type Future = ResponseFuture<Called<S::Future>, R, P, C, H>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        ready!(self.inner.poll_ready(cx)).map_err(FlowError::Inner)?;
        self.readiness.poll(cx).map_err(|why| FlowError::refused(why, None))
    }

    /// # Panics
    ///
    /// If `poll_ready` has not said that it is ready.
    #[inline]
    fn call(&mut self, request: R) -> Self::Future {
        if !self.readiness.has_permit() {
            let is_closed = self.readiness.gate().permits.refuse_late();
            let why = if is_closed { Why::Closed } else { Why::TimedOut };
            return ResponseFuture::refused(why, request, &self.rules);
        }
        let weight = match weight_of(&self.rules.weigh, &request, self.readiness.gate()) {
            Ok(weight) => weight,
            Err(why) => {
                self.readiness.give_back();
                return ResponseFuture::refused(why, request, &self.rules);
            }
        };
        // Begun, since readiness cannot be handed to another; polled when it may. What it needs is taken from the handle
        // before, so that it goes back if the service panics.
        if let Some(permit) = self.readiness.try_take(weight) {
            let work = Called { future: self.inner.call(request) };
            return ResponseFuture::granted(permit, work, &self.rules);
        }
        // All permits at once: if each call kept the one that it has, two could wait for each other's for ever.
        // Asked for before that one goes back, so that no later caller slips in between.
        let ticket = Ticket::join(self.readiness.gate(), weight);
        self.readiness.give_back();
        match ticket {
            Ok(ticket) => {
                ResponseFuture::ticket(ticket, Called { future: self.inner.call(request) }, &self.rules)
            }
            Err(why) => ResponseFuture::refused(why, request, &self.rules),
        }
    }
}

/// The clone has to become ready by itself.
impl<S: Clone, P, W: Clone, C: Clone, H: Clone> Clone for ConcurrencyLimit<S, P, W, C, H> {
    fn clone(&self) -> Self {
        let Self { inner, rules, readiness } = self;
        Self {
            inner: inner.clone(),
            rules: rules.clone(),
            readiness: Readiness::new(readiness.gate().clone()),
        }
    }
}

impl<S: fmt::Debug, P, W, C, H> fmt::Debug for ConcurrencyLimit<S, P, W, C, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConcurrencyLimit")
            .field("inner", &self.inner)
            .field("gate", &**self.readiness.gate())
            .field("holds", &self.readiness.is_granted())
            .finish_non_exhaustive()
    }
}

// === impl QueuedConcurrencyLimit ===

impl<S, P, W, C, H> QueuedConcurrencyLimit<S, P, W, C, H> {
    /// A handle to observe and change the limit.
    pub fn handle(&self) -> LimitHandle<P> {
        LimitHandle { gate: self.gate.clone() }
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

impl<S, R, P, W, C, H> Service<R> for QueuedConcurrencyLimit<S, P, W, C, H>
where
    S: Service<R> + Clone,
    P: Limit,
    W: Weigh<R>,
    C: Classify<S::Response, S::Error> + Clone,
    H: Hold<S::Response, P> + Clone,
{
    type Response = H::Held;
    type Error = FlowError<S::Error, R>;
    type Future = ResponseFuture<Oneshot<S, R, S::Future>, R, P, C, H>;

    #[inline]
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(if self.gate.permits.is_closed() {
            Err(FlowError::refused(Why::Closed, None))
        } else {
            Ok(())
        })
    }

    #[inline]
    fn call(&mut self, request: R) -> Self::Future {
        let joined = weight_of(&self.rules.weigh, &request, &self.gate)
            .and_then(|weight| Ticket::join(&self.gate, weight));
        match joined {
            Ok(ticket) => {
                ResponseFuture::ticket(ticket, Oneshot::new(self.inner.clone(), request), &self.rules)
            }
            Err(why) => ResponseFuture::refused(why, request, &self.rules),
        }
    }
}

impl<S: Clone, P, W: Clone, C: Clone, H: Clone> Clone for QueuedConcurrencyLimit<S, P, W, C, H> {
    fn clone(&self) -> Self {
        let Self { inner, gate, rules } = self;
        Self { inner: inner.clone(), gate: gate.clone(), rules: rules.clone() }
    }
}

impl<S: fmt::Debug, P, W, C, H> fmt::Debug for QueuedConcurrencyLimit<S, P, W, C, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueuedConcurrencyLimit")
            .field("inner", &self.inner)
            .field("gate", &*self.gate)
            .finish_non_exhaustive()
    }
}
