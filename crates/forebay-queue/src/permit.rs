//! Places that are reserved before there is an item for them.

use std::fmt;

use crate::core::{AskPlaces, Asked, Demand, Places};
use crate::{
    By, Discipline, Fifo, Line, ReserveError, SendError, Sender, Sent, TryReserveError, UnknownClass,
};

/// The right to send one item without waiting; made by [`Sender::reserve`].
///
/// If it is dropped unused, its place goes to the next sender that waits for one.
///
/// ```
/// let (tx, mut rx) = forebay_queue::bounded(1);
/// let permit = tx.try_reserve().expect("there is room");
/// assert!(tx.try_send("too late").is_err());
/// permit.send("kept a place").expect("the queue is open");
/// assert_eq!(rx.try_recv(), Ok("kept a place"));
/// ```
#[must_use = "a permit that is dropped gives its place back"]
pub struct Permit<'a, T, L: Line<T> = Fifo>(Permits<'a, T, L>);

/// The right to send several items without waiting; made by [`Sender::reserve_many`].
///
/// When dropped, it gives back the places that were not used.
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
pub struct Permits<'a, T, L: Line<T> = Fifo> {
    sender: &'a Sender<T, L>,
    left: usize,
    /// How heavy an item that is sent into one of the places may be.
    each: usize,
}

// === impl Sender ===

impl<T> Sender<T> {
    /// Waits for a place, and keeps it until there is an item for it.
    ///
    /// It waits even where [`send`](Self::send) would refuse or drop: a place is a place.
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

    /// Waits for `places` places at once. While it is first in the line it accumulates them as they come free, and nobody
    /// overtakes it. Asking for 0 gives an empty set at once.
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
        self.reserve_places(places, 1, ()).await
    }

    /// Waits for a place for an item that weighs `weight`, and keeps it until there is the item. An item that weighs
    /// less gives back what it does not need.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (tx, rx) = forebay_queue::builder().max_weight(100).weigher(|bytes: &Vec<u8>| bytes.len()).build();
    /// let permit = tx.reserve_weighted(80).await?; // only now do we read the file
    /// permit.send(vec![0; 60])?;
    /// assert_eq!(rx.weight(), 60);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`reserve`](Self::reserve), and [`ReserveError::TooHeavy`].
    ///
    /// # Cancel safety
    ///
    /// As [`reserve`](Self::reserve).
    pub async fn reserve_weighted(&self, weight: usize) -> Result<Permit<'_, T>, ReserveError> {
        self.reserve_places(1, weight, ()).await.map(Permit)
    }

    /// A place, if one is free now and nobody waits for it.
    ///
    /// # Errors
    ///
    /// [`TryReserveError::Full`] also for a rendezvous, which has no places.
    pub fn try_reserve(&self) -> Result<Permit<'_, T>, TryReserveError> {
        let granted = AskPlaces::new(&self.shared, Demand::one(1, ()), |_, answer| match answer {
            Places::Granted(granted) => Asked::Done(Ok(granted)),
            Places::Closed => Asked::Done(Err(TryReserveError::Closed)),
            Places::Full | Places::TooMany(_) | Places::TooHeavy(_) => {
                Asked::Wait { want: 1, each: 1, rank: () }
            }
        });
        let left = granted.now().unwrap_or(Err(TryReserveError::Full))?;
        Ok(Permit(Permits { sender: self, left, each: 1 }))
    }
}

impl<T, D, C> Sender<T, By<D, C>>
where
    T: Send,
    D: Discipline + Clone,
    C: Fn(&T) -> Result<D::Rank, UnknownClass>,
{
    /// Waits for a place as would an item of this rank that weighs `weight` (1 where weight is not bounded), and keeps it
    /// until there is an item. The item then waits by its own rank, even if its [class](By::class_capacity) is full: so
    /// items sent with permits may exceed that bound, up to the capacity of the queue.
    ///
    /// # Errors
    ///
    /// [`ReserveError::Closed`], [`ReserveError::TooHeavy`], and [`ReserveError::TooMany`] for a rendezvous, which has
    /// no places.
    ///
    /// # Cancel safety
    ///
    /// A call that is dropped leaves the line; a place that it was granted goes to the next.
    pub async fn reserve_as(
        &self,
        rank: D::Rank,
        weight: usize,
    ) -> Result<Permit<'_, T, By<D, C>>, ReserveError> {
        self.reserve_places(1, weight, rank).await.map(Permit)
    }
}

impl<T, L: Line<T>> Sender<T, L> {
    async fn reserve_places(
        &self,
        places: usize,
        each: usize,
        rank: L::Rank,
    ) -> Result<Permits<'_, T, L>, ReserveError> {
        let mut permits = Permits { sender: self, left: 0, each };
        if places > 0 {
            let demand = Demand { want: places, min: places, ..Demand::one(each, rank) };
            let granted = AskPlaces::new(&self.shared, demand, move |_, answer| {
                answer_to_reserve(answer, places, each)
                    .map_or(Asked::Wait { want: places, each, rank }, Asked::Done)
            });
            permits.left = granted.await?;
        }
        Ok(permits)
    }

    /// Sends an item into a place that was granted for a weight of `each`, and returns whether the place was used.
    pub(crate) fn send_granted(&self, item: T, each: usize) -> (bool, Result<Sent<T>, SendError<T>>) {
        let mut parcel = match self.pack(item) {
            Ok(parcel) => parcel,
            Err(refused) => return (false, Err(refused)),
        };
        if self.shared.hooks.weigher.is_none() {
            // The item counts with the weight that was reserved for it.
            parcel.tag.set_weight(each);
        } else if self.shared.options.max_weight.is_some() && parcel.tag.weight() > each {
            return (false, Err(SendError::TooHeavy(parcel.item)));
        }
        self.shared.update(|state| {
            if state.is_closed() {
                state.release(1, each);
                return (true, Err(SendError::Closed(parcel.item)));
            }
            state.store(parcel, each);
            (true, Ok(Sent::Stored))
        })
    }
}

/// The answer to a call that reserves. `None`: it must wait.
pub(crate) fn answer_to_reserve(
    answer: Places,
    places: usize,
    each: usize,
) -> Option<Result<usize, ReserveError>> {
    match answer {
        Places::Granted(granted) => Some(Ok(granted)),
        Places::Closed => Some(Err(ReserveError::Closed)),
        Places::TooMany(capacity) => Some(Err(ReserveError::TooMany { asked: places, capacity })),
        Places::TooHeavy(max_weight) => {
            Some(Err(ReserveError::TooHeavy { asked: places.saturating_mul(each), max_weight }))
        }
        Places::Full => None,
    }
}

// === impl Permit ===

impl<T, L: Line<T>> Permit<'_, T, L> {
    /// Sends an item into the place.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`] with the item, if the queue was closed since: a permit is a place, not a promise that
    /// somebody will come for the item. [`SendError::TooHeavy`] if the queue's weigher says that the item weighs more than
    /// was reserved.
    pub fn send(mut self, item: T) -> Result<Sent<T>, SendError<T>> {
        self.0.send(item)
    }
}

impl<T, L: Line<T>> fmt::Debug for Permit<'_, T, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").finish_non_exhaustive()
    }
}

// === impl Permits ===

impl<T, L: Line<T>> Permits<'_, T, L> {
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
    /// [`SendError::Closed`] with the item, if the queue was closed since, and [`SendError::TooHeavy`] if the queue's
    /// weigher says that it weighs more than was reserved for each, which is 1; then the place is still there.
    ///
    /// # Panics
    ///
    /// When all places are used.
    #[track_caller]
    pub fn send(&mut self, item: T) -> Result<Sent<T>, SendError<T>> {
        assert!(self.left > 0, "all reserved places are used");
        let (used, sent) = self.sender.send_granted(item, self.each);
        self.left -= usize::from(used);
        sent
    }
}

impl<T, L: Line<T>> Drop for Permits<'_, T, L> {
    fn drop(&mut self) {
        if self.left > 0 {
            self.sender.shared.update(|state| state.release(self.left, self.each));
        }
    }
}

impl<T, L: Line<T>> fmt::Debug for Permits<'_, T, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permits").field("left", &self.left).finish_non_exhaustive()
    }
}
