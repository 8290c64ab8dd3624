//! Work that makes work: items that a handler puts into the queue that it is fed from.

use std::fmt;

use forebay_queue::{Line, Sender, TrySendError, WeakSender};

/// The way from a handler back into the queue. Weak: it keeps nothing open.
pub(crate) struct Resubmit<T> {
    put: Box<dyn Fn(T) -> Result<(), ResubmitError<T>> + Send + Sync>,
    backlog: Box<dyn Fn() -> usize + Send + Sync>,
}

/// Why [`resubmit`](crate::WorkContext::resubmit) did not take the item, which comes back.
///
/// ```
/// use forebay_pool::ResubmitError;
///
/// fn told(refused: &ResubmitError<&str>) -> &'static str {
///     match refused {
///         ResubmitError::WouldDeadlock(_) => "keep it for later, or have a larger queue",
///         ResubmitError::Closed(_) => "the pool is on its way to the end",
///         _ => "this item does not fit in at all",
///     }
/// }
/// assert_eq!(told(&ResubmitError::Closed("item")), "the pool is on its way to the end");
/// ```
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ResubmitError<T> {
    /// The queue is full. To wait for room would be to wait for workers, of which the caller occupies one: if all
    /// did so, none would go on.
    #[error("queue full: a handler that waits for room may wait for itself")]
    WouldDeadlock(T),
    /// The queue accepts nothing any more.
    #[error("queue closed")]
    Closed(T),
    /// The pool takes from a source, and was not told what leads into it
    /// ([`resubmit_to`](crate::Builder::resubmit_to)).
    #[error("the pool does not know what leads into its source: use `resubmit_to`")]
    NoQueue(T),
    /// The queue would not accept the item whatever the moment: it is too heavy, or its class is unknown.
    #[error("queue does not accept the item")]
    Refused(T),
}

// === impl Resubmit ===

impl<T: Send + 'static> Resubmit<T> {
    pub(crate) fn to<L: Line<T>>(sender: &Sender<T, L>) -> Self
    where
        WeakSender<T, L>: Send + Sync + 'static,
    {
        let (weak, of_backlog) = (sender.downgrade(), sender.downgrade());
        Self {
            put: Box::new(move |item| {
                let Some(sender) = weak.upgrade() else { return Err(ResubmitError::Closed(item)) };
                sender.try_send(item).map(drop).map_err(|error| match error {
                    TrySendError::Full(item) => ResubmitError::WouldDeadlock(item),
                    TrySendError::Closed(item) => ResubmitError::Closed(item),
                    other => ResubmitError::Refused(other.into_inner()),
                })
            }),
            backlog: Box::new(move || of_backlog.upgrade().map_or(0, |sender| sender.len())),
        }
    }

    pub(crate) fn put(&self, item: T) -> Result<(), ResubmitError<T>> {
        (self.put)(item)
    }

    /// How many items wait there, those that were put off among them.
    pub(crate) fn backlog(&self) -> usize {
        (self.backlog)()
    }
}

// === impl ResubmitError ===

impl<T> ResubmitError<T> {
    /// The item.
    pub fn into_inner(self) -> T {
        match self {
            Self::WouldDeadlock(item) | Self::Closed(item) | Self::NoQueue(item) | Self::Refused(item) => {
                item
            }
        }
    }
}

impl<T> fmt::Debug for ResubmitError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WouldDeadlock(_) => "WouldDeadlock",
            Self::Closed(_) => "Closed",
            Self::NoQueue(_) => "NoQueue",
            Self::Refused(_) => "Refused",
        })
    }
}
