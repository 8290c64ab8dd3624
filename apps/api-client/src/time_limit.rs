//! How long an attempt may take.
//!
//! As tower's `Timeout`, but what a body waits for room on this side is not the server's time, and does not count.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep};
use tower::{Layer, Service};

use crate::exchange::Order;
use crate::tally::Tally;
use crate::{BoxError, Reason};

/// How often it is looked at, at the most, while it waits for room.
const LOOK: Duration = Duration::from_millis(100);

/// Ends calls that take longer, as [`Reason::Timeout`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct TimeLimitLayer(pub(crate) Duration);

/// A service whose calls have a time limit.
#[derive(Debug, Clone)]
pub(crate) struct TimeLimit<S> {
    inner: S,
    limit: Duration,
}

pin_project! {
    /// A call with a time limit.
    pub(crate) struct ResponseFuture<F> {
        #[pin]
        call: F,
        #[pin]
        alarm: Sleep,
        limit: Duration,
        // Whose request it is, if it is one of this library's own.
        tally: Option<Arc<Tally>>,
        // So much of what it has waited is in the alarm already.
        granted: Duration,
    }
}

// === impl TimeLimitLayer ===

impl<S> Layer<S> for TimeLimitLayer {
    type Service = TimeLimit<S>;

    fn layer(&self, inner: S) -> TimeLimit<S> {
        TimeLimit { inner, limit: self.0 }
    }
}

// === impl TimeLimit ===

impl<S, B> Service<http::Request<B>> for TimeLimit<S>
where
    S: Service<http::Request<B>, Error: Into<BoxError>>,
{
    type Response = S::Response;
    type Error = Reason;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Reason>> {
        self.inner.poll_ready(cx).map_err(reason)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let tally = request.extensions().get::<Arc<Order>>().map(|order| Arc::clone(&order.tally));
        ResponseFuture::new(self.limit, self.inner.call(request), tally)
    }
}

// === impl ResponseFuture ===

impl<F> ResponseFuture<F> {
    fn new(limit: Duration, call: F, tally: Option<Arc<Tally>>) -> Self {
        let granted = waited(&tally);
        Self { call, alarm: sleep(limit), limit, tally, granted }
    }
}

impl<F, T, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<T, E>>,
    E: Into<BoxError>,
{
    type Output = Result<T, Reason>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Poll::Ready(result) = this.call.poll(cx) {
            return Poll::Ready(result.map_err(reason));
        }
        while this.alarm.as_mut().poll(cx).is_ready() {
            let more = waited(this.tally).saturating_sub(*this.granted);
            if more.is_zero() {
                return Poll::Ready(Err(Reason::Timeout { after: *this.limit }));
            }
            *this.granted += more;
            // It may go on waiting, and need not be looked at each moment of that.
            this.alarm.as_mut().reset(Instant::now() + more.max(LOOK));
        }
        Poll::Pending
    }
}

fn waited(tally: &Option<Arc<Tally>>) -> Duration {
    tally.as_ref().map(|tally| tally.waited()).unwrap_or_default()
}

/// The library's own reasons go through as they are.
fn reason(error: impl Into<BoxError>) -> Reason {
    error.into().downcast::<Reason>().map_or_else(Reason::Service, |reason| *reason)
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    async fn took(wait: Option<Duration>) -> Duration {
        let tally = Arc::new(Tally::default());
        let began = Instant::now();
        let call = async {
            sleep(Duration::from_secs(1)).await;
            if let Some(wait) = wait {
                tally.waits(sleep(wait)).await;
            }
            pending::<Result<(), BoxError>>().await
        };
        let ended = ResponseFuture::new(Duration::from_secs(5), call, Some(tally.clone())).await;
        assert!(matches!(ended, Err(Reason::Timeout { .. })));
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_for_room_does_not_count() {
        let seconds = async |wait: u64| took(Some(Duration::from_secs(wait))).await.as_secs_f64().round();
        assert_eq!(took(None).await.as_secs_f64().round(), 5.0);
        assert_eq!((seconds(2).await, seconds(60).await), (7.0, 65.0));
    }
}
