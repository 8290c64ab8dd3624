//! How a call ends that the service did not answer.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;

use crate::UnknownClass;

/// An error that no longer tells its type: what most stacks of tower end in.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// A call through a [`Queue`](super::Queue) failed. The request comes back wherever the service has not seen it.
///
/// The service's own errors keep their type. A stack that boxes its errors takes them through
/// [`into_box`](Self::into_box):
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use forebay_queue::{QueueError, QueueLayer};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// let halve = service_fn(async |n: u32| if n % 2 == 0 { Ok(n / 2) } else { Err("odd".to_owned()) });
/// let queued = ServiceBuilder::new().layer(QueueLayer::new(10)).service(halve);
/// assert!(matches!(queued.clone().oneshot(3).await, Err(QueueError::Inner(reason)) if reason == "odd"));
///
/// let boxed = ServiceBuilder::new().map_err(QueueError::into_box).service(queued);
/// assert_eq!(boxed.oneshot(3).await.unwrap_err().to_string(), "odd");
/// # }
/// ```
#[non_exhaustive]
pub enum QueueError<E, R> {
    /// The line takes no calls any more, or its worker is gone. Without a request where none had been given yet.
    Closed(Option<R>),
    /// As many calls wait as may.
    Full(R),
    /// The line was full, and this call was dropped for another, or did not displace any, as
    /// [`WhenFull`](crate::WhenFull) says.
    Displaced(R),
    /// It could not be served in time, as the line's discipline says.
    Expired(R),
    /// The line's classifier does not know its class.
    Unclassified(R, Box<UnknownClass>),
    /// The service panicked when it was asked whether it is ready, or when it was called; with what the panic said.
    Panicked(String),
    /// The service's own error: its answer to this call, or why it is not ready.
    Inner(E),
}

// === impl QueueError ===

impl<E, R> QueueError<E, R> {
    /// The request, unless the service has seen it.
    pub fn into_request(self) -> Option<R> {
        match self {
            Self::Closed(request) => request,
            Self::Full(request)
            | Self::Displaced(request)
            | Self::Expired(request)
            | Self::Unclassified(request, _) => Some(request),
            Self::Panicked(_) | Self::Inner(_) => None,
        }
    }

    /// For stacks that box their errors: the service's error as it is, any other without its request.
    ///
    /// A method, since requests often cannot be shared between threads, and a boxed error must be.
    pub fn into_box(self) -> BoxError
    where
        E: Into<BoxError>,
    {
        let own: QueueError<Infallible, ()> = match self {
            Self::Inner(error) => return error.into(),
            Self::Closed(_) => QueueError::Closed(None),
            Self::Full(_) => QueueError::Full(()),
            Self::Displaced(_) => QueueError::Displaced(()),
            Self::Expired(_) => QueueError::Expired(()),
            Self::Unclassified(_, unknown) => QueueError::Unclassified((), unknown),
            Self::Panicked(message) => QueueError::Panicked(message),
        };
        own.into()
    }
}

/// Without the request, so that `R` need not be `Debug`.
impl<E: fmt::Debug, R> fmt::Debug for QueueError<E, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(_) => f.write_str("Closed(..)"),
            Self::Full(_) => f.write_str("Full(..)"),
            Self::Displaced(_) => f.write_str("Displaced(..)"),
            Self::Expired(_) => f.write_str("Expired(..)"),
            Self::Unclassified(_, unknown) => f.debug_tuple("Unclassified").field(unknown).finish(),
            Self::Panicked(message) => f.debug_tuple("Panicked").field(message).finish(),
            Self::Inner(error) => f.debug_tuple("Inner").field(error).finish(),
        }
    }
}

impl<E, R> fmt::Display for QueueError<E, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(_) => f.write_str("queue closed"),
            Self::Full(_) => f.write_str("queue full"),
            Self::Displaced(_) => f.write_str("dropped from a full queue"),
            Self::Expired(_) => f.write_str("too late to be served in time"),
            Self::Unclassified(_, unknown) => unknown.fmt(f),
            Self::Panicked(message) => write!(f, "the service behind the queue panicked: {message}"),
            Self::Inner(_) => f.write_str("the service behind the queue failed"),
        }
    }
}

impl<E: Error + 'static, R> Error for QueueError<E, R> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Inner(error) => Some(error),
            _ => None,
        }
    }
}
