//! A service under a layer, polled by hand.

use std::task::Poll;

use forebay_flow::layer::{FlowError, Why};
use forebay_testkit::{CountingWaker, Driver};
use tower::{BoxError, Layer, Service};
use tower_test::mock::{self, Handle, Mock, SendResponse};

pub(crate) type Inner = Mock<&'static str, &'static str>;
pub(crate) type Error = FlowError<BoxError, &'static str>;

/// A layer around a service that the test answers for.
pub(crate) struct Rig<S> {
    pub(crate) service: S,
    pub(crate) inner: Handle<&'static str, &'static str>,
}

impl<S> Rig<S>
where
    S: Service<&'static str, Response = &'static str, Error = Error> + Clone,
{
    pub(crate) fn new<L: Layer<Inner, Service = S>>(layer: &L) -> Self {
        let (mock, inner) = mock::pair();
        Self { service: layer.layer(mock), inner }
    }

    pub(crate) fn is_ready(&mut self) -> bool {
        is_ready(&mut self.service)
    }

    /// Calls a handle that is ready.
    #[track_caller]
    pub(crate) fn call(&mut self, request: &'static str) -> Driver<S::Future> {
        assert!(self.is_ready());
        Driver::new(self.service.call(request))
    }

    /// The next request that the service was called with, if any.
    pub(crate) fn next(&mut self) -> Option<(&'static str, SendResponse<&'static str>)> {
        match self.inner.poll_request() {
            Poll::Ready(request) => request,
            Poll::Pending => None,
        }
    }

    /// What the service was called with and has not answered; it is not answered.
    pub(crate) fn requests(&mut self) -> Vec<&'static str> {
        std::iter::from_fn(|| self.next()).map(|(request, _)| request).collect()
    }

    /// Answers the call that came first.
    #[track_caller]
    pub(crate) fn answer(&mut self, response: &'static str) {
        self.next().expect("the service was called").1.send_response(response);
    }
}

/// Whether a handle is ready; an error is a failure.
#[track_caller]
pub(crate) fn is_ready<S: Service<&'static str, Error = Error>>(service: &mut S) -> bool {
    match poll_ready(service) {
        Poll::Ready(Ok(())) => true,
        Poll::Ready(Err(error)) => panic!("not ready for good: {error:?}"),
        Poll::Pending => false,
    }
}

pub(crate) fn poll_ready<S: Service<&'static str>>(service: &mut S) -> Poll<Result<(), S::Error>> {
    poll_ready_with(service, &CountingWaker::new())
}

pub(crate) fn poll_ready_with<S: Service<&'static str>>(
    service: &mut S,
    waker: &std::sync::Arc<CountingWaker>,
) -> Poll<Result<(), S::Error>> {
    service.poll_ready(&mut std::task::Context::from_waker(&waker.waker()))
}

/// Why a call was refused, and the request that came back.
#[track_caller]
pub(crate) fn refusal<T: std::fmt::Debug>(result: Result<T, Error>) -> (Why, Option<&'static str>) {
    match result {
        Err(FlowError::Refused(refused)) => (refused.why, refused.request),
        other => panic!("expected a refusal, got {other:?}"),
    }
}
