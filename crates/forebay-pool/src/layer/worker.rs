//! The owner of a pool behind a service, which also watches the line.
//!
//! # The end
//!
//! 1. The line ends when it is closed and nobody waits in it; what it passed on by then is with the pool.
//! 2. So does the pool's source. There may be no worker that is ready and asks it: this is what notices, and has the pool look.
//! 3. The pool ends when the last call is answered, and this is ready with its report.
//!
//! If it is dropped before that, the line goes first: callers that wait get their requests back, and then the pool is aborted.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use tower_service::Service;

use super::counter::{EndOfLine, Job};
use crate::{Pool, Report};

/// Owns the workers of a [`PoolService`](super::PoolService); made by [`PoolLayer::pair`](super::PoolLayer::pair). Spawn
/// it. It is ready when the service is closed and all calls are answered.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use forebay_pool::layer::PoolLayer;
/// use tower::{ServiceExt, service_fn};
///
/// let next = service_fn(async |n: u32| Ok::<_, String>(n + 1));
/// let (service, worker) = PoolLayer::new(2, 10).pair(next).expect("a runtime is there");
/// let worker = tokio::spawn(worker);
/// assert_eq!(service.oneshot(1).await.unwrap(), 2); // the last handle, so the workers end
/// assert_eq!(worker.await.expect("it does not panic").completed, 1);
/// # }
/// ```
#[must_use = "it owns the workers, which go with it, and brings them to their end while it is polled"]
pub struct PoolWorker<S: Service<R>, R> {
    driving: Pin<Box<dyn Future<Output = Report> + Send>>,
    service: PhantomData<fn(S, R)>,
}

// === impl PoolWorker ===

impl<S, R> PoolWorker<S, R>
where
    S: Service<R, Response: Send, Error: Send>,
    S::Response: 'static,
    S::Error: 'static,
    R: Send + 'static,
{
    pub(super) fn new(
        line: EndOfLine<R, S::Response, S::Error>,
        pool: Pool<Job<R, S::Response, S::Error>>,
    ) -> Self {
        let driving = Box::pin(async move {
            tokio::select! {
                () = line => {}
                // Then the runtime went away: nobody answers, and callers that wait are told.
                () = pool.closed() => {}
            }
            pool.finish().await
        });
        Self { driving, service: PhantomData }
    }
}

impl<S: Service<R>, R> Future for PoolWorker<S, R> {
    type Output = Report;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Report> {
        self.driving.as_mut().poll(cx)
    }
}

impl<S: Service<R>, R> fmt::Debug for PoolWorker<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolWorker").finish_non_exhaustive()
    }
}
