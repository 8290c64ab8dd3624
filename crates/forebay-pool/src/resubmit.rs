//! Work that makes work: items that a handler puts into the queue that it is fed from.

use std::any::Any;
use std::fmt;
use std::pin::Pin;

use forebay_queue::{SendLine, Sender, TrySendError, WeakSender};

use crate::contain::contain;

/// The way from a handler back into the queue. Weak: it keeps nothing open. The handle of the pool has a sender that
/// does, so that handlers may add to the work when nobody else does.
pub(crate) struct Resubmit<T>(Box<dyn WayBack<T>>);

/// A sender that keeps a queue open, and is not used for anything else.
pub(crate) type Keeper = Box<dyn Any + Send + Sync>;

/// The way back, whatever line the queue has.
trait WayBack<T>: Send + Sync {
    fn put(&self, item: T) -> Result<(), ResubmitError<T>>;
    fn backlog(&self) -> usize;
    fn has_others(&self) -> bool;
    fn senders_at_most(&self, senders: usize) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
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
    pub(crate) fn to<L: SendLine<T>>(sender: &Sender<T, L>) -> Self {
        Self(Box::new(sender.downgrade()))
    }

    pub(crate) fn put(&self, item: T) -> Result<(), ResubmitError<T>> {
        self.0.put(item)
    }

    /// How many items wait there, those that were put off among them.
    pub(crate) fn backlog(&self) -> usize {
        self.0.backlog()
    }

    /// May anybody put something in, apart from the pool with the one sender that it keeps?
    ///
    /// Once nobody may, nobody will: a sender comes from a sender, but for those of handlers.
    pub(crate) fn has_others(&self) -> bool {
        self.0.has_others()
    }

    /// Waits until nobody else may put something in.
    pub(crate) async fn alone(&self) {
        self.0.senders_at_most(1).await;
    }

    /// Waits until nobody at all may put something in.
    pub(crate) async fn deserted(&self) {
        self.0.senders_at_most(0).await;
    }
}

impl<T: Send + 'static, L: SendLine<T>> WayBack<T> for WeakSender<T, L> {
    fn put(&self, item: T) -> Result<(), ResubmitError<T>> {
        let Some(sender) = self.upgrade() else { return Err(ResubmitError::Closed(item)) };
        let sent = sender.try_send(item).map_err(|error| match error {
            TrySendError::Full(item) => ResubmitError::WouldDeadlock(item),
            TrySendError::Closed(item) => ResubmitError::Closed(item),
            other => ResubmitError::Refused(other.into_inner()),
        })?;
        // The queue has counted what was displaced. A panic of its destructor is not this item's.
        if let Err(panic) = contain(|| drop(sent)) {
            tracing::error!(%panic, "displaced item panicked when it was dropped");
        }
        Ok(())
    }

    fn backlog(&self) -> usize {
        self.len()
    }

    fn has_others(&self) -> bool {
        !self.is_closed() && self.senders() > 1
    }

    fn senders_at_most(&self, senders: usize) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(Self::senders_at_most(self, senders))
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
