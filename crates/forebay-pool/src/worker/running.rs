//! The future of the run that a worker is at.

use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

pin_project! {
    /// A handler's future, to be kept in an `Option`.
    ///
    /// That is why there is a mark behind it, of which the `Option` makes its `None`. With a tag of its own before the
    /// future, which is written first, the compiler makes each future elsewhere and copies it: what the future is made of
    /// might lie where the tag does. For items that take no time, that was 12 of a worker's 74 instructions for each, and
    /// what the others had to wait for.
    pub(super) struct Running<F> {
        #[pin]
        future: F,
        is_running: bool,
    }
}

// === impl Running ===

impl<F> Running<F> {
    #[inline(always)]
    pub(super) fn new(future: F) -> Self {
        Self { future, is_running: true }
    }
}

impl<F: Future> Future for Running<F> {
    type Output = F::Output;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().future.poll(cx)
    }
}
