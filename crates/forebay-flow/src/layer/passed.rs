//! A call that is not held up any more.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::{FlowError, coop};

pin_project! {
    /// A call that was let pass: the service's own future, with an error that says who failed.
    #[must_use = "futures do nothing unless they are polled"]
    pub struct Passed<F, R> {
        #[pin]
        future: F,
        charged: bool,
        request: PhantomData<fn() -> R>,
    }
}

// === impl Passed ===

impl<F, R> Passed<F, R> {
    pub(super) fn new(future: F) -> Self {
        Self { future, charged: false, request: PhantomData }
    }
}

impl<F: Future<Output = Result<T, E>>, R, T, E> Future for Passed<F, R> {
    type Output = Result<T, FlowError<E, R>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        ready!(coop::charge_once(this.charged, cx));
        this.future.poll(cx).map_err(FlowError::Inner)
    }
}

impl<F, R> fmt::Debug for Passed<F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passed").finish_non_exhaustive()
    }
}
