//! Where items go.

use std::error::Error;
use std::fmt;

use async_trait::async_trait;

use crate::{SendError, SendManyError, TrySendError, UnknownClass};

/// Takes items: a queue, a durable store, a broker.
///
/// The futures are boxed, which is nothing beside the I/O that most sinks do. On a hot path in
/// memory use [`Sender`](crate::Sender) itself.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use forebay_queue::{ItemSink, bounded};
///
/// /// Does not care where its lines go.
/// async fn report(sink: &dyn ItemSink<String>) {
///     let mut lines = vec!["all".to_owned(), "is well".to_owned()];
///     sink.send_many(&mut lines).await.expect("the sink takes them");
/// }
///
/// let (tx, rx) = bounded(10);
/// report(&tx).await;
/// assert_eq!(rx.len(), 2);
/// # }
/// ```
#[async_trait]
pub trait ItemSink<T: Send + 'static>: Send + Sync {
    /// Hands over one item, waiting as the sink does when it is full.
    ///
    /// # Errors
    ///
    /// The item comes back inside the error whenever the sink still has it.
    ///
    /// # Cancel safety
    ///
    /// A call that is dropped before it is ready has not handed over its item.
    async fn send(&self, item: T) -> Result<(), SinkError<T>>;

    /// Hands over items from the front of `items`, in order.
    ///
    /// # Errors
    ///
    /// What was not accepted is still in `items`, in order; the error holds no item.
    ///
    /// # Cancel safety
    ///
    /// A call that is dropped leaves what was not accepted in `items`.
    async fn send_many(&self, items: &mut Vec<T>) -> Result<(), SinkError<T>>;
}

/// Why a sink did not take an item.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use forebay_queue::{ItemSink, bounded};
///
/// let (tx, rx) = bounded(1);
/// drop(rx);
/// let refused = ItemSink::send(&tx, "item").await.unwrap_err();
/// assert_eq!((refused.to_string(), refused.into_item()), ("sink closed".to_owned(), Some("item")));
/// # }
/// ```
#[non_exhaustive]
pub enum SinkError<T> {
    /// It accepts nothing any more.
    Closed(Option<T>),
    /// It is full, and was told to refuse rather than wait.
    Full(Option<T>),
    /// The item alone weighs more than the sink may hold.
    TooHeavy(Option<T>),
    /// The sink does not know the item's class.
    Unclassified(Option<T>, Box<UnknownClass>),
    /// It failed.
    Failed {
        /// The item, where the sink still had it.
        item: Option<T>,
        /// What went wrong.
        error: Box<dyn Error + Send + Sync>,
    },
}

// === impl SinkError ===

impl<T> SinkError<T> {
    /// The item that was not taken, where there is one.
    pub fn into_item(self) -> Option<T> {
        match self {
            Self::Closed(item)
            | Self::Full(item)
            | Self::TooHeavy(item)
            | Self::Unclassified(item, _)
            | Self::Failed { item, .. } => item,
        }
    }
}

impl<T> From<SendError<T>> for SinkError<T> {
    fn from(refused: SendError<T>) -> Self {
        match refused {
            SendError::Closed(item) => Self::Closed(Some(item)),
            SendError::Full(item) => Self::Full(Some(item)),
            SendError::TooHeavy(item) => Self::TooHeavy(Some(item)),
            SendError::Unclassified(item, unknown) => Self::Unclassified(Some(item), unknown),
        }
    }
}

impl<T> From<TrySendError<T>> for SinkError<T> {
    fn from(refused: TrySendError<T>) -> Self {
        match refused {
            TrySendError::Closed(item) => Self::Closed(Some(item)),
            TrySendError::Full(item) => Self::Full(Some(item)),
            TrySendError::TooHeavy(item) => Self::TooHeavy(Some(item)),
            TrySendError::Unclassified(item, unknown) => Self::Unclassified(Some(item), unknown),
        }
    }
}

/// Without an item: what was not sent is still in the caller's `Vec`.
impl<T> From<SendManyError> for SinkError<T> {
    fn from(refused: SendManyError) -> Self {
        match refused {
            SendManyError::Closed => Self::Closed(None),
            SendManyError::Full => Self::Full(None),
            SendManyError::TooHeavy { .. } => Self::TooHeavy(None),
            SendManyError::Unclassified { unknown, .. } => Self::Unclassified(None, unknown),
        }
    }
}

impl<T> fmt::Debug for SinkError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(_) => f.write_str("Closed(..)"),
            Self::Full(_) => f.write_str("Full(..)"),
            Self::TooHeavy(_) => f.write_str("TooHeavy(..)"),
            Self::Unclassified(_, unknown) => {
                f.debug_tuple("Unclassified").field(unknown).finish_non_exhaustive()
            }
            Self::Failed { error, .. } => {
                f.debug_struct("Failed").field("error", error).finish_non_exhaustive()
            }
        }
    }
}

impl<T> fmt::Display for SinkError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed(_) => "sink closed",
            Self::Full(_) => "sink full",
            Self::TooHeavy(_) => "item heavier than the sink may hold",
            Self::Unclassified(..) => "sink does not know the item's class",
            Self::Failed { .. } => "sink failed",
        })
    }
}

impl<T> Error for SinkError<T> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed { error, .. } => Some(&**error),
            Self::Unclassified(_, unknown) => Some(&**unknown),
            _ => None,
        }
    }
}
