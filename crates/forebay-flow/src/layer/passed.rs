//! A call that was let pass, or refused, when it was made.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::{FlowError, Refused, coop};

pin_project! {
    /// A call about which everything was decided when it was made: the service's own future, with an error that says who
    /// failed, or a refusal.
    #[must_use = "futures do nothing unless they are polled"]
    pub struct Passed<F, R> {
        #[pin]
        future: Option<F>,
        // From the refusal to its answer.
        refused: Option<Refused<R>>,
        charged: bool,
    }
}

// === impl Passed ===

impl<F, R> Passed<F, R> {
    #[inline]
    pub(super) fn new(future: F) -> Self {
        Self { future: Some(future), refused: None, charged: false }
    }

    pub(super) fn refused(refused: Refused<R>) -> Self {
        Self { future: None, refused: Some(refused), charged: false }
    }
}

impl<F: Future<Output = Result<T, E>>, R, T, E> Future for Passed<F, R> {
    type Output = Result<T, FlowError<E, R>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        ready!(coop::charge_once(this.charged, cx));
        if let Some(refused) = this.refused.take() {
            return Poll::Ready(Err(FlowError::Refused(refused)));
        }
        let future = this.future.as_mut().as_pin_mut().expect("polled after completion");
        future.poll(cx).map_err(FlowError::Inner)
    }
}

impl<F, R> fmt::Debug for Passed<F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passed").field("refused", &self.future.is_none()).finish_non_exhaustive()
    }
}
