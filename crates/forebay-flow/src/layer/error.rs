//! How a call fails.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// A boxed error, which most tower stacks end in.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// A call through one of the layers failed: it was refused, or the service failed.
///
/// The service's own errors keep their type. A stack that boxes its errors takes them through
/// [`into_box`](Self::into_box); there a refusal is found again as `Refused<()>`, without its request.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use forebay_flow::Fixed;
/// use forebay_flow::layer::{ConcurrencyLimitLayer, FlowError, Refused, Why};
/// use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
///
/// let none_may_wait = ConcurrencyLimitLayer::new(Fixed(1)).max_waiting(0).queued();
/// let mut service = ServiceBuilder::new()
///     .layer(none_may_wait)
///     .service(service_fn(async |n: u32| Ok::<_, std::io::Error>(n)));
///
/// let _first = service.call(1);
/// let Err(FlowError::Refused(refused)) = service.call(2).await else { panic!("the only permit is out") };
/// assert_eq!((refused.why, refused.request), (Why::Full, Some(2)));
///
/// let mut boxed = ServiceBuilder::new().map_err(FlowError::into_box).service(service);
/// let error = boxed.ready().await.unwrap().call(3).await.unwrap_err();
/// assert_eq!(error.downcast_ref::<Refused<()>>().unwrap().why, Why::Full);
/// # }
/// ```
pub enum FlowError<E, R> {
    /// A layer did not let it pass. The service has not answered it.
    Refused(Refused<R>),
    /// The service's own error: its answer to this call, or why it is not ready.
    Inner(E),
}

/// A call that a layer did not let pass.
pub struct Refused<R> {
    /// The reason.
    pub why: Why,
    /// The request, unless the service has seen it or none had been given yet.
    pub request: Option<R>,
    /// After what time it is worth trying again, from now on, where the layer knows.
    pub retry_after: Option<Duration>,
}

/// Why a call was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Why {
    /// The layer takes no calls any more.
    Closed,
    /// As many calls wait as may.
    Full,
    /// It has waited for as long as it may, or would have to wait for longer.
    TimedOut,
    /// It weighs more than may ever be at work, or start, at once.
    TooHeavy,
    /// What is behind the layer is too full.
    Pressure,
    /// Shed: what waits has waited too long already.
    Overload,
    /// Shed: its deadline is over.
    Late,
}

// === impl FlowError ===

impl<E, R> FlowError<E, R> {
    pub(super) fn refused(why: Why, request: Option<R>) -> Self {
        Self::Refused(Refused { why, request, retry_after: None })
    }

    /// The request, unless the service has seen it.
    pub fn into_request(self) -> Option<R> {
        match self {
            Self::Refused(refused) => refused.request,
            Self::Inner(_) => None,
        }
    }

    /// When it is worth trying again, where a layer refused it and knows.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(refused) => refused.retry_after,
            Self::Inner(_) => None,
        }
    }

    /// For stacks that box their errors: the service's error as it is, a refusal without its request.
    ///
    /// A method, since requests often cannot be shared between threads, and a boxed error must be.
    pub fn into_box(self) -> BoxError
    where
        E: Into<BoxError>,
    {
        match self {
            Self::Refused(Refused { why, retry_after, .. }) => {
                Refused::<()> { why, request: None, retry_after }.into()
            }
            Self::Inner(error) => error.into(),
        }
    }
}

/// Without the request, so that `R` need not be `Debug`.
impl<E: fmt::Debug, R> fmt::Debug for FlowError<E, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refused) => refused.fmt(f),
            Self::Inner(error) => f.debug_tuple("Inner").field(error).finish(),
        }
    }
}

impl<E, R> fmt::Display for FlowError<E, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refused) => refused.fmt(f),
            Self::Inner(_) => f.write_str("the limited service failed"),
        }
    }
}

impl<E: Error + 'static, R> Error for FlowError<E, R> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Refused(_) => None,
            Self::Inner(error) => Some(error),
        }
    }
}

// === impl Refused ===

impl Refused<()> {
    /// The same, with the request.
    pub(super) fn with<E, R>(self, request: Option<R>) -> FlowError<E, R> {
        let Self { why, request: _, retry_after } = self;
        FlowError::Refused(Refused { why, request, retry_after })
    }
}

/// Without the request, so that `R` need not be `Debug`.
impl<R> fmt::Debug for Refused<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refused")
            .field("why", &self.why)
            .field("retry_after", &self.retry_after)
            .finish_non_exhaustive()
    }
}

impl<R> fmt::Display for Refused<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.why.fmt(f)
    }
}

impl<R> Error for Refused<R> {}

// === impl Why ===

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "limit closed",
            Self::Full => "too many calls wait",
            Self::TimedOut => "no turn in time",
            Self::TooHeavy => "weighs more than the whole limit",
            Self::Pressure => "pressure is high",
            Self::Overload => "shed for overload",
            Self::Late => "deadline is over",
        })
    }
}
