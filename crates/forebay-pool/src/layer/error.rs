//! How a call ends if the service did not answer it.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;

use forebay_queue::QueueError;

use super::counter::CallError;
use crate::BoxError;

/// A call through a [`PoolService`](super::PoolService) failed. The request comes back where no worker had begun with it;
/// a call that meets a service that is not [ready for good](Self::Inner) costs its request.
///
/// The service's own errors keep their type. A stack that boxes its errors takes them through
/// [`into_box`](Self::into_box):
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use forebay_pool::layer::{PoolError, PoolLayer};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// let halve = service_fn(async |n: u32| if n % 2 == 0 { Ok(n / 2) } else { Err("odd".to_owned()) });
/// let pooled = ServiceBuilder::new().layer(PoolLayer::new(2, 10)).service(halve);
/// assert!(matches!(pooled.clone().oneshot(3).await, Err(PoolError::Inner(reason)) if reason == "odd"));
///
/// let boxed = ServiceBuilder::new().map_err(PoolError::into_box).service(pooled);
/// assert_eq!(boxed.oneshot(3).await.unwrap_err().to_string(), "odd");
/// # }
/// ```
#[non_exhaustive]
pub enum PoolError<E, R> {
    /// It takes no calls any more, or its workers were gone before one of them began with this one. Without a request where
    /// none had been given yet.
    Closed(Option<R>),
    /// As many calls wait as may.
    Full(R),
    /// The line was full, and this call was dropped for another, or did not displace any, as
    /// [`WhenFull`](forebay_queue::WhenFull) says.
    Displaced(R),
    /// The service panicked, in whatever it was asked, or its future did; with what the panic said.
    Panicked(String),
    /// The workers were cancelled while one of them had begun with it: the service may have seen the request.
    Aborted,
    /// The service's own error: its answer to this call, or why it is not ready.
    Inner(E),
}

// === impl PoolError ===

impl<E, R> PoolError<E, R> {
    pub(super) fn of_line(error: QueueError<CallError<R, E>, R>) -> Self {
        match error {
            QueueError::Closed(request) => Self::Closed(request),
            QueueError::Full(request) => Self::Full(request),
            QueueError::Displaced(request) => Self::Displaced(request),
            QueueError::Panicked(panic) | QueueError::Inner(CallError::Panicked(panic)) => {
                Self::Panicked(panic)
            }
            QueueError::Inner(CallError::Inner(error)) => Self::Inner(error),
            QueueError::Inner(CallError::Unbegun(request)) => Self::Closed(Some(request)),
            // Whatever ended it, no worker answers.
            _ => Self::Aborted,
        }
    }

    /// The request, if no worker had begun with it.
    pub fn into_request(self) -> Option<R> {
        match self {
            Self::Closed(request) => request,
            Self::Full(request) | Self::Displaced(request) => Some(request),
            Self::Panicked(_) | Self::Aborted | Self::Inner(_) => None,
        }
    }

    /// For stacks that box their errors: the service's error as it is, any other without its request.
    pub fn into_box(self) -> BoxError
    where
        E: Into<BoxError>,
    {
        let own: PoolError<Infallible, ()> = match self {
            Self::Inner(error) => return error.into(),
            Self::Closed(_) => PoolError::Closed(None),
            Self::Full(_) => PoolError::Full(()),
            Self::Displaced(_) => PoolError::Displaced(()),
            Self::Panicked(message) => PoolError::Panicked(message),
            Self::Aborted => PoolError::Aborted,
        };
        own.into()
    }
}

/// Without the request, so that `R` need not be `Debug`.
impl<E: fmt::Debug, R> fmt::Debug for PoolError<E, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(_) => f.write_str("Closed(..)"),
            Self::Full(_) => f.write_str("Full(..)"),
            Self::Displaced(_) => f.write_str("Displaced(..)"),
            Self::Panicked(message) => f.debug_tuple("Panicked").field(message).finish(),
            Self::Aborted => f.write_str("Aborted"),
            Self::Inner(error) => f.debug_tuple("Inner").field(error).finish(),
        }
    }
}

impl<E, R> fmt::Display for PoolError<E, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(_) => f.write_str("pool closed"),
            Self::Full(_) => f.write_str("the pool's line is full"),
            Self::Displaced(_) => f.write_str("dropped from the pool's full line"),
            Self::Panicked(message) => write!(f, "the pool's service panicked: {message}"),
            Self::Aborted => f.write_str("aborted with its worker"),
            Self::Inner(_) => f.write_str("the pool's service failed"),
        }
    }
}

impl<E: Error + 'static, R> Error for PoolError<E, R> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Inner(error) => Some(error),
            _ => None,
        }
    }
}
