//! The layer and the service that is held up.

use std::fmt;
use std::task::{Context, Poll, ready};

use forebay_queue::Watermarks;
use tower_layer::Layer;
use tower_service::Service;

use super::PressureHandle;
use super::signal::Place;
use crate::layer::passed::Passed;
use crate::layer::{FlowError, Refused, Why};

/// Holds calls up, or refuses them, while the pressure is high; see the [module](super) for what it does.
///
/// Everything that one layer, or its clones, is laid around shares one pressure.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use forebay_flow::layer::{BackpressureLayer, Why};
/// use forebay_flow::{Pressure, Watermarks};
/// use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
///
/// let layer = BackpressureLayer::new(Watermarks::default()).refusing();
/// let handle = layer.handle();
/// let mut disk = ServiceBuilder::new().layer(layer).service(service_fn(async |n: u32| Ok::<_, ()>(n)));
/// handle.observe(Some(0.95));
/// let refused = disk.ready().await.unwrap().call(7).await.unwrap_err();
/// assert_eq!(refused.into_request(), Some(7));
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct BackpressureLayer {
    handle: PressureHandle,
}

/// A service that is held up while the pressure is high. It holds nothing while it waits.
pub struct Backpressured<S> {
    inner: S,
    handle: PressureHandle,
    place: Option<Place>,
}

// === impl BackpressureLayer ===

impl BackpressureLayer {
    /// The pressure is high from above the one mark until below the other, and normal at first. Default: 0.8 and 0.2.
    pub fn new(watermarks: Watermarks) -> Self {
        Self { handle: PressureHandle::new(watermarks) }
    }

    /// Calls are refused while the pressure is high, rather than held up.
    #[must_use]
    pub fn refusing(self) -> Self {
        self.handle.set_refusing(true);
        self
    }

    /// To tell what the pressure is, and to see and change things while it is in use.
    pub fn handle(&self) -> PressureHandle {
        self.handle.clone()
    }
}

impl Default for BackpressureLayer {
    fn default() -> Self {
        Self::new(Watermarks::default())
    }
}

impl<S> Layer<S> for BackpressureLayer {
    type Service = Backpressured<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Backpressured { inner, handle: self.handle(), place: None }
    }
}

// === impl Backpressured ===

impl<S> Backpressured<S> {
    /// To tell what the pressure is.
    pub fn handle(&self) -> PressureHandle {
        self.handle.clone()
    }

    /// The service inside.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The service inside.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The service inside.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: Service<R>, R> Service<R> for Backpressured<S> {
    type Response = S::Response;
    type Error = FlowError<S::Error, R>;
    type Future = Passed<S::Future, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        // Before the service, which may keep something for whoever is ready.
        ready!(self.handle.poll_normal(&mut self.place, cx));
        self.inner.poll_ready(cx).map_err(FlowError::Inner)
    }

    fn call(&mut self, request: R) -> Self::Future {
        if self.handle.refuses() {
            return Passed::refused(Refused {
                why: Why::Pressure,
                request: Some(request),
                retry_after: None,
            });
        }
        Passed::new(self.inner.call(request))
    }
}

/// The clone waits by itself.
impl<S: Clone> Clone for Backpressured<S> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), handle: self.handle(), place: None }
    }
}

impl<S: fmt::Debug> fmt::Debug for Backpressured<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backpressured")
            .field("inner", &self.inner)
            .field("handle", &self.handle)
            .finish_non_exhaustive()
    }
}
