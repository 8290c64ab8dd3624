//! A call, from its booking to its answer.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::account::Slot;
use crate::layer::work::Work;
use crate::layer::{FlowError, Refused, coop};
use crate::rate::Book;

pin_project! {
    /// A call through a rate. It sleeps until its start, and then drives the service's own future.
    ///
    /// # Cancel safety
    ///
    /// One that is dropped before its start gives it back: the next caller has it, and those who wait keep theirs.
    /// The service has not seen the request then.
    #[must_use = "futures do nothing unless they are polled"]
    pub struct ResponseFuture<K, R, P: Book> {
        // None if it was refused, and from its end on.
        #[pin]
        work: Option<K>,
        // From the refusal to its answer.
        refused: Option<(Refused<()>, R)>,
        // Until it starts.
        slot: Option<Slot<P>>,
        charged: bool,
    }
}

// === impl ResponseFuture ===

impl<K, R, P: Book> ResponseFuture<K, R, P> {
    pub(super) fn waiting(slot: Slot<P>, work: K) -> Self {
        Self { work: Some(work), refused: None, slot: Some(slot), charged: false }
    }

    pub(super) fn refused(refused: Refused<()>, request: R) -> Self {
        Self { work: None, refused: Some((refused, request)), slot: None, charged: false }
    }
}

impl<K, R, P, T, E> Future for ResponseFuture<K, R, P>
where
    K: Work<R, Output = Result<T, E>>,
    P: Book,
{
    type Output = Result<T, FlowError<E, R>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        ready!(coop::charge_once(this.charged, cx));
        if let Some((refused, request)) = this.refused.take() {
            return Poll::Ready(Err(refused.with(Some(request))));
        }
        if let Some(slot) = this.slot {
            ready!(slot.poll(cx));
            *this.slot = None;
        }
        let work = this.work.as_mut().as_pin_mut().expect("polled after completion");
        let result = ready!(work.poll(cx));
        this.work.set(None);
        Poll::Ready(result.map_err(FlowError::Inner))
    }
}

impl<K, R, P: Book> fmt::Debug for ResponseFuture<K, R, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("started", &self.slot.is_none()).finish_non_exhaustive()
    }
}
