//! Why an item did not go in, or none came out. A refused item travels back in the error.
//!
//! Each error has one name for one reason; `Closed` is for ever, the others may be over the next moment.

use std::fmt;

use thiserror::Error;

use crate::UnknownClass;

/// [`Sender::send`](crate::Sender::send) did not take the item.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let (tx, rx) = forebay_queue::bounded(1);
/// drop(rx);
/// let refused = tx.send("letter").await.unwrap_err();
/// assert_eq!(refused.to_string(), "queue closed");
/// assert_eq!(refused.into_inner(), "letter");
/// # }
/// ```
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SendError<T> {
    /// The queue accepts nothing any more.
    #[error("queue closed")]
    Closed(T),
    /// The queue is full, and was built to refuse rather than wait ([`WhenFull::Refuse`](crate::WhenFull::Refuse)); or as many
    /// of this class wait as may ([`By::class_capacity`](crate::By::class_capacity)).
    #[error("queue full")]
    Full(T),
    /// The item alone weighs more than the queue may hold ([`Builder::max_weight`](crate::Builder::max_weight)): it would
    /// wait for ever.
    #[error("item heavier than the queue may hold")]
    TooHeavy(T),
    /// The classifier of the queue's line does not know the item's class.
    #[error("{1}")]
    Unclassified(T, Box<UnknownClass>),
}

/// [`Sender::try_send`](crate::Sender::try_send) did not take the item.
///
/// ```
/// use forebay_queue::{TrySendError, bounded};
///
/// let (tx, _rx) = bounded(1);
/// tx.try_send(1).expect("there is room");
/// assert_eq!(tx.try_send(2), Err(TrySendError::Full(2)));
/// ```
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TrySendError<T> {
    /// The queue accepts nothing any more.
    #[error("queue closed")]
    Closed(T),
    /// There is no room now, or somebody else has waited longer for it.
    #[error("queue full")]
    Full(T),
    /// The item alone weighs more than the queue may hold ([`Builder::max_weight`](crate::Builder::max_weight)): it would
    /// wait for ever.
    #[error("item heavier than the queue may hold")]
    TooHeavy(T),
    /// The classifier of the queue's line does not know the item's class.
    #[error("{1}")]
    Unclassified(T, Box<UnknownClass>),
}

/// `Sender::send_timeout` did not take the item.
///
/// ```
/// use forebay_queue::{SendError, SendTimeoutError};
///
/// assert_eq!(SendTimeoutError::from(SendError::Closed(1)), SendTimeoutError::Closed(1));
/// assert_eq!(SendTimeoutError::Timeout(1).into_inner(), 1);
/// ```
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SendTimeoutError<T> {
    /// The queue accepts nothing any more.
    #[error("queue closed")]
    Closed(T),
    /// The queue is full, and was built to refuse rather than wait.
    #[error("queue full")]
    Full(T),
    /// No room came free in time.
    #[error("timed out waiting for room in the queue")]
    Timeout(T),
    /// The item alone weighs more than the queue may hold ([`Builder::max_weight`](crate::Builder::max_weight)): it would
    /// wait for ever.
    #[error("item heavier than the queue may hold")]
    TooHeavy(T),
    /// The classifier of the queue's line does not know the item's class.
    #[error("{1}")]
    Unclassified(T, Box<UnknownClass>),
}

/// [`Sender::send_many`](crate::Sender::send_many) left items in the caller's `Vec`.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use forebay_queue::{SendManyError, bounded};
///
/// let (tx, _rx) = bounded(1);
/// tx.close();
/// let mut letters = vec!["a", "b"];
/// assert_eq!(tx.send_many(&mut letters).await, Err(SendManyError::Closed));
/// assert_eq!(letters, ["a", "b"]);
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SendManyError {
    /// The queue accepts nothing any more.
    #[error("queue closed")]
    Closed,
    /// The queue is full, and was built to refuse rather than wait.
    #[error("queue full")]
    Full,
    /// One of the items alone weighs more than the queue may hold. Nothing was sent.
    #[error("item {at} is heavier than the queue may hold")]
    TooHeavy {
        /// Which one, the first being 0.
        at: usize,
    },
    /// The classifier of the queue's line does not know the class of one of the items. Nothing was sent.
    #[error("item {at}: {unknown}")]
    Unclassified {
        /// Which one, the first being 0.
        at: usize,
        /// What the classifier said.
        unknown: Box<UnknownClass>,
    },
}

/// [`Sender::reserve`](crate::Sender::reserve) got no places.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let (tx, _rx) = forebay_queue::bounded::<u8>(2);
/// let refused = tx.reserve_many(3).await.unwrap_err();
/// assert_eq!(refused.to_string(), "3 places asked of a queue with 2");
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReserveError {
    /// The queue accepts nothing any more.
    #[error("queue closed")]
    Closed,
    /// More places than the queue has. A rendezvous has none: an item passes from hand to hand there.
    #[error("{asked} places asked of a queue with {capacity}")]
    TooMany {
        /// How many were asked for.
        asked: usize,
        /// How many there are.
        capacity: usize,
    },
    /// More weight than the queue may hold.
    #[error("a weight of {asked} asked of a queue that may hold {max_weight}")]
    TooHeavy {
        /// How much was asked for.
        asked: usize,
        /// How much there may be.
        max_weight: usize,
    },
}

/// [`Sender::try_reserve`](crate::Sender::try_reserve) got no places.
///
/// ```
/// use forebay_queue::{TryReserveError, bounded};
///
/// let (tx, _rx) = bounded::<u8>(1);
/// let _first = tx.try_reserve().expect("there is room");
/// assert_eq!(tx.try_reserve().unwrap_err(), TryReserveError::Full);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TryReserveError {
    /// The queue accepts nothing any more.
    #[error("queue closed")]
    Closed,
    /// There is no room now, or somebody else has waited longer for it.
    #[error("queue full")]
    Full,
}

/// [`Receiver::try_recv`](crate::Receiver::try_recv) took nothing.
///
/// ```
/// use forebay_queue::{TryRecvError, bounded};
///
/// let (tx, mut rx) = bounded::<u8>(1);
/// assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
/// drop(tx);
/// assert_eq!(rx.try_recv(), Err(TryRecvError::Closed));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TryRecvError {
    /// Nothing is there now, or it is meant for somebody who has waited longer.
    #[error("queue empty")]
    Empty,
    /// Closed, and nothing is left.
    #[error("queue closed and empty")]
    Closed,
}

/// `Receiver::recv_timeout` took nothing.
///
/// ```
/// # #[cfg(feature = "tokio")]
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
/// use std::time::Duration;
/// use forebay_queue::{RecvTimeoutError, bounded};
///
/// let (_tx, mut rx) = bounded::<u8>(1);
/// let nothing = rx.recv_timeout(Duration::from_secs(1)).await;
/// assert_eq!(nothing, Err(RecvTimeoutError::Timeout));
/// # }
/// # #[cfg(not(feature = "tokio"))] fn main() {}
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RecvTimeoutError {
    /// Nothing came in time.
    #[error("timed out waiting for an item")]
    Timeout,
    /// Closed, and nothing is left.
    #[error("queue closed and empty")]
    Closed,
}

/// [`Sender::set_capacity`](crate::Sender::set_capacity) would make a rendezvous, or unmake one.
///
/// ```
/// let (tx, _rx) = forebay_queue::bounded::<u8>(1);
/// let refused = tx.set_capacity(0).unwrap_err();
/// assert_eq!(refused.to_string(), "capacity 0 is a rendezvous, which a queue is from the start or never");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{}", if *.rendezvous {
    "a rendezvous stays at capacity 0"
} else {
    "capacity 0 is a rendezvous, which a queue is from the start or never"
})]
pub struct SetCapacityError {
    /// Is the queue a rendezvous?
    pub(crate) rendezvous: bool,
}

/// [`Sender::retune`](crate::Sender::retune) would have broken a discipline that is in use.
///
/// ```
/// use forebay_queue::RetuneError;
///
/// assert_eq!(RetuneError::OtherClasses.to_string(), "a discipline that is in use keeps its classes");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RetuneError {
    /// The change would give the discipline other classes.
    #[error("a discipline that is in use keeps its classes")]
    OtherClasses,
    /// The discipline would no longer know the waiters: it was replaced by another one.
    #[error("a discipline that is in use keeps those who wait")]
    Forgotten,
}

/// What all errors that carry an item have in common. `Debug` leaves the item out, so that the item need not have it.
macro_rules! carries_item {
    ($Error:ident { $($Reason:ident),+ }) => {
        impl<T> $Error<T> {
            /// The item that was not sent.
            pub fn into_inner(self) -> T {
                match self {
                    $(Self::$Reason(item))|+ | Self::Unclassified(item, _) => item,
                }
            }
        }

        impl<T> fmt::Debug for $Error<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$Reason(_) => f.write_str(concat!(stringify!($Reason), "(..)")),)+
                    Self::Unclassified(_, unknown) => {
                        f.debug_tuple("Unclassified").field(unknown).finish_non_exhaustive()
                    }
                }
            }
        }
    };
}

carries_item!(SendError { Closed, Full, TooHeavy });
carries_item!(TrySendError { Closed, Full, TooHeavy });
carries_item!(SendTimeoutError { Closed, Full, Timeout, TooHeavy });

/// The reasons that these errors have in common.
macro_rules! from_send_error {
    ($Error:ident) => {
        impl<T> From<SendError<T>> for $Error<T> {
            fn from(error: SendError<T>) -> Self {
                match error {
                    SendError::Closed(item) => Self::Closed(item),
                    SendError::Full(item) => Self::Full(item),
                    SendError::TooHeavy(item) => Self::TooHeavy(item),
                    SendError::Unclassified(item, unknown) => Self::Unclassified(item, unknown),
                }
            }
        }
    };
}

from_send_error!(TrySendError);
from_send_error!(SendTimeoutError);
