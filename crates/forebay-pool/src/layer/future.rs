//! A call, from the line to its answer.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use forebay_queue::layer;
use pin_project_lite::pin_project;

use super::PoolError;
use super::counter::{Answer, CallError};

pin_project! {
    /// A call through a [`PoolService`](super::PoolService). It waits for its turn, and then for the answer: the
    /// service's future is driven by a worker, also while this is not polled.
    ///
    /// # Cancel safety
    ///
    /// A response future that is dropped while it waits leaves the line at once, and the service never sees its request.
    /// What happens to a call that is running is chosen: see [`WhenDropped`](super::WhenDropped).
    #[must_use = "a call is in the line already, but its answer comes only to who polls"]
    pub struct ResponseFuture<R, A, E> {
        #[pin]
        call: layer::ResponseFuture<R, Answer<R, A, E>, CallError<R, E>>,
    }
}

// === impl ResponseFuture ===

impl<R, A, E> ResponseFuture<R, A, E> {
    pub(super) fn new(call: layer::ResponseFuture<R, Answer<R, A, E>, CallError<R, E>>) -> Self {
        Self { call }
    }
}

impl<R, A, E> Future for ResponseFuture<R, A, E> {
    type Output = Result<A, PoolError<E, R>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().call.poll(cx).map_err(PoolError::of_line)
    }
}

impl<R, A, E> fmt::Debug for ResponseFuture<R, A, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.call.fmt(f)
    }
}
