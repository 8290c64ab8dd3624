//! Places that are ours before there is an item for them.

use std::fmt;

use crate::core::{AskPlaces, Asked, Places};
use crate::{ReserveError, SendError, Sender, Sent, TryReserveError};

/// The right to send one item without waiting; made by [`Sender::reserve`].
///
/// Dropped unused, it gives the place to whoever waits for one.
///
/// ```
/// let (tx, mut rx) = forebay_queue::bounded(1);
/// let permit = tx.try_reserve().expect("there is room");
/// assert!(tx.try_send("too late").is_err());
/// permit.send("kept a place").expect("the queue is open");
/// assert_eq!(rx.try_recv(), Ok("kept a place"));
/// ```
#[must_use = "a permit that is dropped gives its place back"]
pub struct Permit<'a, T>(Permits<'a, T>);

/// The right to send several items without waiting; made by [`Sender::reserve_many`].
///
/// Dropped, it gives back the places that were not used.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (tx, rx) = forebay_queue::bounded(4);
/// let mut places = tx.reserve_many(3).await?;
/// places.send("a")?;
/// places.send("b")?;
/// drop(places);
/// assert_eq!(rx.len(), 2);
/// assert!(tx.reserve_many(2).await.is_ok(), "the third place is free again");
/// # Ok(()) }
/// ```
#[must_use = "permits that are dropped give their places back"]
pub struct Permits<'a, T> {
    sender: &'a Sender<T>,
    left: usize,
}

// === impl Sender ===

impl<T> Sender<T> {
    /// Waits for a place, and keeps it until there is an item for it.
    ///
    /// Waits also where [`send`](Self::send) would refuse or drop: a place is a place.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (tx, mut rx) = forebay_queue::bounded(1);
    /// let permit = tx.reserve().await?;
    /// // Only now do we make the item: it will not be made in vain.
    /// permit.send("made to order")?;
    /// assert_eq!(rx.recv().await, Some("made to order"));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ReserveError::Closed`], and [`ReserveError::TooMany`] for a rendezvous, which has no places.
    ///
    /// # Cancel safety
    ///
    /// A `reserve` that is dropped leaves the line; a place that it was granted goes to the next.
    pub async fn reserve(&self) -> Result<Permit<'_, T>, ReserveError> {
        self.reserve_many(1).await.map(Permit)
    }

    /// Waits for `places` places at once. While it is the first in the line it gathers them as they come free, and
    /// nobody overtakes it. Asking for 0 gives an empty set at once.
    ///
    /// # Errors
    ///
    /// [`ReserveError::Closed`], and [`ReserveError::TooMany`] if the queue has fewer places than that, or has fewer
    /// since [`set_capacity`](Self::set_capacity).
    ///
    /// # Cancel safety
    ///
    /// A `reserve_many` that is dropped leaves the line; what it gathered goes to the next.
    pub async fn reserve_many(&self, places: usize) -> Result<Permits<'_, T>, ReserveError> {
        let mut permits = Permits { sender: self, left: 0 };
        if places > 0 {
            let granted = AskPlaces::new(&self.shared, places, places, |_, answer| match answer {
                Places::Granted(granted) => Asked::Done(Ok(granted)),
                Places::Closed => Asked::Done(Err(ReserveError::Closed)),
                Places::TooMany(capacity) => {
                    Asked::Done(Err(ReserveError::TooMany { asked: places, capacity }))
                }
                Places::Full => Asked::Wait(places),
            });
            permits.left = granted.await?;
        }
        Ok(permits)
    }

    /// A place, if one is free now and nobody waits for it.
    ///
    /// # Errors
    ///
    /// [`TryReserveError::Full`] also for a rendezvous, which has no places.
    pub fn try_reserve(&self) -> Result<Permit<'_, T>, TryReserveError> {
        let granted = AskPlaces::new(&self.shared, 1, 1, |_, answer| match answer {
            Places::Granted(granted) => Asked::Done(Ok(granted)),
            Places::Closed => Asked::Done(Err(TryReserveError::Closed)),
            Places::Full | Places::TooMany(_) => Asked::Wait(1),
        });
        let left = granted.now().unwrap_or(Err(TryReserveError::Full))?;
        Ok(Permit(Permits { sender: self, left }))
    }
}

// === impl Permit ===

impl<T> Permit<'_, T> {
    /// Sends an item into the place.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`] with the item, if the queue was closed since: a permit is a place, not a promise that
    /// somebody will come for the item.
    pub fn send(mut self, item: T) -> Result<Sent<T>, SendError<T>> {
        self.0.send(item)
    }
}

impl<T> fmt::Debug for Permit<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").finish_non_exhaustive()
    }
}

// === impl Permits ===

impl<T> Permits<'_, T> {
    /// How many places are left.
    pub fn len(&self) -> usize {
        self.left
    }

    /// Are all places used?
    pub fn is_empty(&self) -> bool {
        self.left == 0
    }

    /// Sends an item into one of the places.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`] with the item, if the queue was closed since.
    ///
    /// # Panics
    ///
    /// When all places are used.
    #[track_caller]
    pub fn send(&mut self, item: T) -> Result<Sent<T>, SendError<T>> {
        assert!(self.left > 0, "all reserved places are used");
        self.left -= 1;
        self.sender.shared.update(|state, _| {
            if state.is_closed() {
                state.release(1);
                return Err(SendError::Closed(item));
            }
            state.store(item);
            Ok(Sent::Stored)
        })
    }
}

impl<T> Drop for Permits<'_, T> {
    fn drop(&mut self) {
        if self.left > 0 {
            self.sender.shared.update(|state, _| state.release(self.left));
        }
    }
}

impl<T> fmt::Debug for Permits<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permits").field("left", &self.left).finish_non_exhaustive()
    }
}
