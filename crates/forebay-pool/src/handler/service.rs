//! Tower services, which take the item by value and say when they can.

use std::task::{Context, Poll};

use tower_service::Service;

use super::{Handle, Make, Start, WorkerId};
use crate::desk::Desk;
use crate::outcome::BoxError;

/// `Fn(WorkerId) -> Service<T>`, as a maker and as what it makes.
pub(crate) struct ByService<S>(pub(crate) S);

/// The same, and a function that makes the whole run's future of the service's.
pub(crate) struct ByServiceThen<S, G>(pub(crate) S, pub(crate) G);

// === impl ByService ===

impl<T, M, S> Make<T> for ByService<M>
where
    T: Send + 'static,
    M: Fn(WorkerId) -> S + Send + Sync + 'static,
    S: Service<T, Error: Into<BoxError>, Future: Send + 'static> + Send + 'static,
{
    type Handle = ByService<S>;

    fn make(&self, id: WorkerId) -> ByService<S> {
        ByService((self.0)(id))
    }
}

impl<T, S> Handle<T> for ByService<S>
where
    T: Send + 'static,
    S: Service<T, Error: Into<BoxError>, Future: Send + 'static> + Send + 'static,
{
    type Future = S::Future;

    const LENDS: bool = false;
    const BY_VALUE: bool = true;
    const HOLDS: bool = true;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, desk: &Desk<T>, start: Start<T>) -> S::Future {
        self.0.call(start.item(desk))
    }

    fn outcome(output: Result<S::Response, S::Error>) -> Result<(), BoxError> {
        output.map(drop).map_err(Into::into)
    }
}

// === impl ByServiceThen ===

impl<T, M, S, G, Fut> Make<T> for ByServiceThen<M, G>
where
    T: Send + 'static,
    M: Fn(WorkerId) -> S + Send + Sync + 'static,
    S: Service<T, Error: Into<BoxError>, Future: Send + 'static> + Send + 'static,
    G: Fn(S::Future) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<(), BoxError>> + Send + 'static,
{
    type Handle = ByServiceThen<S, G>;

    fn make(&self, id: WorkerId) -> ByServiceThen<S, G> {
        ByServiceThen((self.0)(id), self.1.clone())
    }
}

impl<T, S, G, Fut> Handle<T> for ByServiceThen<S, G>
where
    T: Send + 'static,
    S: Service<T, Error: Into<BoxError>, Future: Send + 'static> + Send + 'static,
    G: Fn(S::Future) -> Fut + Send + 'static,
    Fut: Future<Output = Result<(), BoxError>> + Send + 'static,
{
    type Future = Fut;

    const LENDS: bool = false;
    const BY_VALUE: bool = true;
    const HOLDS: bool = true;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, desk: &Desk<T>, start: Start<T>) -> Fut {
        (self.1)(self.0.call(start.item(desk)))
    }

    fn outcome(output: Result<(), BoxError>) -> Result<(), BoxError> {
        output
    }
}
