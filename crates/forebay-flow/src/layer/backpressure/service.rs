//! The layer and the service that is held up.

use std::fmt;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use forebay_queue::Watermarks;
use tower_layer::Layer;
use tower_service::Service;

use super::PressureHandle;
use super::signal::Place;
use crate::layer::passed::Passed;
use crate::layer::{FlowError, Refused, Why};

/// Holds calls up, or refuses them, while the pressure is high; see the [module](super) for what it does.
///
/// All services that one layer, or its clones, wrap share one pressure.
///
/// | | default | |
/// | --- | --- | --- |
/// | watermarks | 0.8 and 0.2 | shares of the capacity, from 0 to 1: high above the first, normal again below the second |
/// | mode | waits | or [`refusing`](Self::refusing) |
/// | [`max_waiting`](Self::max_waiting) | no bound | how many handles may wait |
/// | [`max_wait`](Self::max_wait) | none | how long a handle may wait |
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
    /// It has given up waiting, and is ready to be told.
    gave_up: Option<Why>,
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

    /// Most handles that may wait at once. A handle beyond this number does not wait: it is ready, and its call is
    /// [refused](Why::Full) if the pressure is still high. Default: no bound.
    ///
    /// Under a `balance` leave it, and [`max_wait`](Self::max_wait), as they are: what is ready only to refuse looks good to it.
    #[must_use]
    pub fn max_waiting(self, max_waiting: usize) -> Self {
        self.handle.set_max_waiting(max_waiting);
        self
    }

    /// For how long a handle may wait. Then it is ready, and its call [refused](Why::TimedOut) if the pressure is high still. Default: for
    /// as long as it takes.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
    /// use std::time::Duration;
    /// use forebay_flow::Pressure;
    /// use forebay_flow::layer::{BackpressureLayer, FlowError, Why};
    /// use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
    ///
    /// let layer = BackpressureLayer::default().max_wait(Duration::from_secs(1));
    /// layer.handle().set(Pressure::High);
    /// let mut disk = ServiceBuilder::new().layer(layer).service(service_fn(async |n: u32| Ok::<_, ()>(n)));
    /// let Err(FlowError::Refused(refused)) = disk.ready().await.unwrap().call(7).await else { panic!("it is high") };
    /// assert_eq!((refused.why, refused.request), (Why::TimedOut, Some(7)));
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// A handle that waits panics outside of a tokio runtime with time enabled.
    #[must_use]
    pub fn max_wait(self, max_wait: Duration) -> Self {
        self.handle.set_max_wait(Some(max_wait));
        self
    }

    /// A handle to report the pressure, and to observe and change the layer while it is in use.
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
        Backpressured { inner, handle: self.handle(), place: None, gave_up: None }
    }
}

// === impl Backpressured ===

impl<S> Backpressured<S> {
    /// A handle to report the pressure.
    pub fn handle(&self) -> PressureHandle {
        self.handle.clone()
    }

    /// The inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The inner service.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: Service<R>, R> Service<R> for Backpressured<S> {
    type Response = S::Response;
    type Error = FlowError<S::Error, R>;
    type Future = Passed<S::Future, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        // Before the service, which may keep something for a handle that is ready.
        if self.gave_up.is_none() {
            self.gave_up = ready!(self.handle.poll_normal(&mut self.place, cx));
        }
        self.inner.poll_ready(cx).map_err(FlowError::Inner)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let gave_up = self.gave_up.take();
        match self.handle.refuses(gave_up) {
            None => Passed::new(self.inner.call(request)),
            Some(why) => Passed::refused(Refused { why, request: Some(request), retry_after: None }),
        }
    }
}

/// The clone waits by itself.
impl<S: Clone> Clone for Backpressured<S> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), handle: self.handle(), place: None, gave_up: None }
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
