//! Why an item did not go in, or none came out. A refused item travels back in the error.

use std::fmt;

use thiserror::Error;

/// [`Sender::send`](crate::Sender::send) did not take the item.
#[derive(Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SendError<T> {
    /// The queue accepts nothing any more.
    #[error("queue closed")]
    Closed(T),
    /// The queue is full, and was built to refuse rather than wait ([`WhenFull::Refuse`](crate::WhenFull::Refuse)).
    #[error("queue full")]
    Full(T),
}

/// [`Sender::try_send`](crate::Sender::try_send) did not take the item.
#[derive(Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TrySendError<T> {
    /// The queue accepts nothing any more.
    #[error("queue closed")]
    Closed(T),
    /// There is no room now, or somebody else has waited longer for it.
    #[error("queue full")]
    Full(T),
}

/// `Sender::send_timeout` did not take the item.
#[derive(Clone, Copy, PartialEq, Eq, Error)]
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
}

/// [`Sender::send_many`](crate::Sender::send_many) left items in the caller's `Vec`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SendManyError {
    /// The queue accepts nothing any more.
    #[error("queue closed")]
    Closed,
    /// The queue is full, and was built to refuse rather than wait.
    #[error("queue full")]
    Full,
}

/// [`Sender::reserve`](crate::Sender::reserve) got no places.
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
}

/// [`Sender::try_reserve`](crate::Sender::try_reserve) got no places.
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

// === impl SendError ===

impl<T> SendError<T> {
    /// The item that was not sent.
    pub fn into_inner(self) -> T {
        match self {
            Self::Closed(item) | Self::Full(item) => item,
        }
    }
}

/// Without the item, so that `T` need not be `Debug`.
impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed(_) => "Closed(..)",
            Self::Full(_) => "Full(..)",
        })
    }
}

// === impl TrySendError ===

impl<T> TrySendError<T> {
    /// The item that was not sent.
    pub fn into_inner(self) -> T {
        match self {
            Self::Closed(item) | Self::Full(item) => item,
        }
    }
}

/// Without the item, so that `T` need not be `Debug`.
impl<T> fmt::Debug for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed(_) => "Closed(..)",
            Self::Full(_) => "Full(..)",
        })
    }
}

// === impl SendTimeoutError ===

impl<T> SendTimeoutError<T> {
    /// The item that was not sent.
    pub fn into_inner(self) -> T {
        match self {
            Self::Closed(item) | Self::Full(item) | Self::Timeout(item) => item,
        }
    }
}

impl<T> From<SendError<T>> for SendTimeoutError<T> {
    fn from(error: SendError<T>) -> Self {
        match error {
            SendError::Closed(item) => Self::Closed(item),
            SendError::Full(item) => Self::Full(item),
        }
    }
}

/// Without the item, so that `T` need not be `Debug`.
impl<T> fmt::Debug for SendTimeoutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed(_) => "Closed(..)",
            Self::Full(_) => "Full(..)",
            Self::Timeout(_) => "Timeout(..)",
        })
    }
}
