//! The service whose rate is learnt, in both modes.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tower_service::Service;

use super::line::{Line, Who};
use super::slot::Slot;
use super::{AdaptiveRateHandle, Judge, ResponseFuture};
use crate::layer::work::{Called, Oneshot};
use crate::layer::{ByResult, FlowError, Why};

/// A service whose calls start as often as its answers allow. It reserves: `poll_ready` waits for the next start, and keeps it.
///
/// A clone starts without. A handle that is dropped gives its start back, if nobody booked after it.
pub struct AdaptiveRate<S, J = ByResult> {
    pub(super) inner: S,
    pub(super) line: Arc<Line>,
    pub(super) judge: J,
    /// Readiness, or what is on the way to it.
    pub(super) slot: Option<Slot>,
}

/// A service whose calls start as often as its answers allow. It queues: `poll_ready` takes nothing, and a call waits for its
/// start in its response future.
pub struct QueuedAdaptiveRate<S, J = ByResult> {
    pub(super) inner: S,
    pub(super) line: Arc<Line>,
    pub(super) judge: J,
}

// === impl AdaptiveRate ===

impl<S, J> AdaptiveRate<S, J> {
    /// A handle to observe and change the rate.
    pub fn handle(&self) -> AdaptiveRateHandle {
        AdaptiveRateHandle { line: self.line.clone() }
    }

    /// The inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The inner service; a start that was kept is given back, if nobody booked after it.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, R, J> Service<R> for AdaptiveRate<S, J>
where
    S: Service<R>,
    J: Judge<S::Response, S::Error> + Clone,
{
    type Response = S::Response;
    type Error = FlowError<S::Error, R>;
    type Future = ResponseFuture<Called<S::Future>, R, J>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        ready!(self.inner.poll_ready(cx)).map_err(FlowError::Inner)?;
        let slot = match &mut self.slot {
            Some(slot) => slot,
            none => none.insert(Slot::join(&self.line, Who::Handle).map_err(|refused| refused.with(None))?),
        };
        slot.poll(cx).map_err(|refused| refused.with(None))
    }

    /// # Panics
    ///
    /// If `poll_ready` has not said that it is ready.
    fn call(&mut self, request: R) -> Self::Future {
        let slot = self.slot.take().filter(Slot::is_ready).expect("poll_ready must be called first");
        let (line, judge) = (self.line.clone(), self.judge.clone());
        match slot.start() {
            Ok(()) => ResponseFuture::running(Called { future: self.inner.call(request) }, line, judge),
            Err(refused) => ResponseFuture::refused(refused, request, line, judge),
        }
    }
}

/// The clone has to become ready by itself.
impl<S: Clone, J: Clone> Clone for AdaptiveRate<S, J> {
    fn clone(&self) -> Self {
        let Self { inner, line, judge, slot: _ } = self;
        Self { inner: inner.clone(), line: line.clone(), judge: judge.clone(), slot: None }
    }
}

impl<S: fmt::Debug, J> fmt::Debug for AdaptiveRate<S, J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdaptiveRate")
            .field("inner", &self.inner)
            .field("line", &self.line)
            .field("ready", &self.slot.as_ref().is_some_and(Slot::is_ready))
            .finish_non_exhaustive()
    }
}

// === impl QueuedAdaptiveRate ===

impl<S, J> QueuedAdaptiveRate<S, J> {
    /// A handle to observe and change the rate.
    pub fn handle(&self) -> AdaptiveRateHandle {
        AdaptiveRateHandle { line: self.line.clone() }
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

impl<S, R, J> Service<R> for QueuedAdaptiveRate<S, J>
where
    S: Service<R> + Clone,
    J: Judge<S::Response, S::Error> + Clone,
{
    type Response = S::Response;
    type Error = FlowError<S::Error, R>;
    type Future = ResponseFuture<Oneshot<S, R, S::Future>, R, J>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(if self.line.is_closed() { Err(FlowError::refused(Why::Closed, None)) } else { Ok(()) })
    }

    fn call(&mut self, request: R) -> Self::Future {
        let (line, judge) = (self.line.clone(), self.judge.clone());
        match Slot::join(&self.line, Who::Call) {
            Ok(slot) => ResponseFuture::waiting(slot, Oneshot::new(self.inner.clone(), request), line, judge),
            Err(refused) => ResponseFuture::refused(refused, request, line, judge),
        }
    }
}

impl<S: Clone, J: Clone> Clone for QueuedAdaptiveRate<S, J> {
    fn clone(&self) -> Self {
        let Self { inner, line, judge } = self;
        Self { inner: inner.clone(), line: line.clone(), judge: judge.clone() }
    }
}

impl<S: fmt::Debug, J> fmt::Debug for QueuedAdaptiveRate<S, J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueuedAdaptiveRate")
            .field("inner", &self.inner)
            .field("line", &self.line)
            .finish_non_exhaustive()
    }
}
