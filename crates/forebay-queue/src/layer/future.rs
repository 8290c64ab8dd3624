//! A call, from the line to its answer.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::callers::Callers;
use super::{QueueError, WhenDropped};
use crate::core::Key;
use crate::{Fifo, Line};

pin_project! {
    /// A call through a [`Queue`](super::Queue). It waits for its turn, and then drives the service's own future.
    ///
    /// # Cancel safety
    ///
    /// A response future that is dropped while it waits leaves the line at once, and the service never sees its request.
    /// What happens to a call that is running is chosen: see [`WhenDropped`].
    #[must_use = "a call is in the line already, but it is answered only when it is polled"]
    pub struct ResponseFuture<R, F, E, L: Line<R> = Fifo> {
        callers: Arc<Callers<R, F, E, L>>,
        #[pin]
        stage: Stage<R, F, E>,
    }

    impl<R, F, E, L: Line<R>> PinnedDrop for ResponseFuture<R, F, E, L> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            match this.stage.project() {
                StageProj::Waiting { key, .. } => {
                    key.take().into_iter().for_each(|key| this.callers.leave(key));
                }
                // Empty after the future panicked; it is not polled again.
                StageProj::Detachable { future } => match future.take() {
                    Some(future) => this.callers.take_over(future),
                    None => this.callers.ended(),
                },
                StageProj::Refused { .. } | StageProj::Running { .. } | StageProj::Done => {}
            }
        }
    }
}

pin_project! {
    #[project = StageProj]
    enum Stage<R, F, E> {
        /// `None` after completion.
        Refused { error: Option<QueueError<E, R>> },
        /// In the line, or with the worker.
        Waiting { key: Option<Key>, parked: bool },
        Running { #[pin] future: F },
        /// Running, and boxed, so that the worker can take it over.
        Detachable { future: Option<Pin<Box<F>>> },
        Done,
    }
}

// === impl ResponseFuture ===

impl<R, F, E, L: Line<R>> ResponseFuture<R, F, E, L> {
    pub(super) fn new(callers: &Arc<Callers<R, F, E, L>>, joined: Result<Key, QueueError<E, R>>) -> Self {
        let stage = match joined {
            Ok(key) => Stage::Waiting { key: Some(key), parked: false },
            Err(error) => Stage::Refused { error: Some(error) },
        };
        Self { callers: callers.clone(), stage }
    }
}

impl<T, R, F, E, L> Future for ResponseFuture<R, F, E, L>
where
    L: Line<R>,
    F: Future<Output = Result<T, E>>,
{
    type Output = Result<T, QueueError<E, R>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.stage.as_mut().project() {
                StageProj::Refused { error } => {
                    return Poll::Ready(Err(error.take().expect("polled after completion")));
                }
                StageProj::Waiting { key, parked } => match ready!(this.callers.poll_answer(key, parked, cx))
                {
                    Err(error) => {
                        this.stage.set(Stage::Done);
                        return Poll::Ready(Err(error));
                    }
                    Ok(future) if this.callers.options.when_dropped == WhenDropped::Detach => {
                        Stage::Detachable { future: Some(Box::pin(future)) }
                    }
                    Ok(future) => Stage::Running { future },
                },
                StageProj::Running { future } => {
                    let response = ready!(future.poll(cx));
                    this.stage.set(Stage::Done);
                    return Poll::Ready(response.map_err(QueueError::Inner));
                }
                StageProj::Detachable { future: slot } => {
                    let mut future = slot.take().expect("polled after completion, or after a panic");
                    let Poll::Ready(response) = future.as_mut().poll(cx) else {
                        *slot = Some(future);
                        return Poll::Pending;
                    };
                    drop(future);
                    this.stage.set(Stage::Done);
                    this.callers.ended();
                    return Poll::Ready(response.map_err(QueueError::Inner));
                }
                StageProj::Done => panic!("polled after completion"),
            };
            this.stage.set(next);
        }
    }
}

impl<R, F, E, L: Line<R>> fmt::Debug for ResponseFuture<R, F, E, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match self.stage {
            Stage::Refused { .. } => "Refused",
            Stage::Waiting { .. } => "Waiting",
            Stage::Running { .. } | Stage::Detachable { .. } => "Running",
            Stage::Done => "Done",
        };
        f.debug_struct("ResponseFuture").field("stage", &stage).finish_non_exhaustive()
    }
}
