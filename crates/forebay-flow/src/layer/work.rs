//! What a response future drives once it may.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tower_service::Service;

/// The inner service's call, begun or not.
pub trait Work<R>: Future {
    /// The request, if the service has not seen it.
    fn unsent(self: Pin<&mut Self>) -> Option<R>;
}

pin_project! {
    /// A call that the service has begun already, since its readiness cannot be handed to another.
    #[derive(Debug)]
    pub struct Called<F> {
        #[pin]
        pub(super) future: F,
    }
}

pin_project! {
    /// A call of a clone: waits until that is ready, and calls it.
    #[derive(Debug)]
    pub struct Oneshot<S, R, F> {
        // Both are taken when the clone is called.
        unsent: Option<(S, R)>,
        #[pin]
        future: Option<F>,
    }
}

// === impl Called ===

impl<F: Future> Future for Called<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().future.poll(cx)
    }
}

impl<F: Future, R> Work<R> for Called<F> {
    fn unsent(self: Pin<&mut Self>) -> Option<R> {
        None
    }
}

// === impl Oneshot ===

impl<S, R, F> Oneshot<S, R, F> {
    #[inline]
    pub(super) fn new(service: S, request: R) -> Self {
        Self { unsent: Some((service, request)), future: None }
    }
}

impl<S: Service<R>, R> Future for Oneshot<S, R, S::Future> {
    type Output = Result<S::Response, S::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Some((service, _)) = this.unsent {
            ready!(service.poll_ready(cx))?;
            if let Some((mut service, request)) = this.unsent.take() {
                this.future.set(Some(service.call(request)));
            }
        }
        this.future.as_mut().as_pin_mut().expect("polled after completion").poll(cx)
    }
}

impl<S: Service<R>, R> Work<R> for Oneshot<S, R, S::Future> {
    fn unsent(self: Pin<&mut Self>) -> Option<R> {
        self.project().unsent.take().map(|(_, request)| request)
    }
}
