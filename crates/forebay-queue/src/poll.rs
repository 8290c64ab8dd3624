//! Sending in poll form: the handle keeps a place from one poll to the next.

use std::task::{Context, Poll, ready};

use crate::core::{Asked, Asking, Demand};
use crate::permit::answer_to_reserve;
#[cfg(any(feature = "tower", feature = "stream"))]
use crate::way::{Arrived, OnItsWay};
use crate::{Line, ReserveError, SendError, Sender, Sent, coop};
#[cfg(any(feature = "tower", feature = "stream"))]
use crate::{SinkError, WhenFull};

/// What a sender keeps between polls; unused by a sender that is not polled.
///
/// The handle is polled through `&mut`, so neither a lock nor an atomic guards it.
#[derive(Debug, Default)]
pub(crate) enum Reserving {
    #[default]
    Nothing,
    /// In the line for room.
    Asking(Asking),
    /// A place is ours.
    Place,
}

// === impl Sender ===

/// Sending in poll form, for futures, sinks and services that are written by hand. A sender keeps one place at the most,
/// for an item that weighs 1.
impl<T> Sender<T> {
    /// Waits for a place, as [`reserve`](Self::reserve) does, and keeps it in this handle until
    /// [`send_reserved`](Self::send_reserved) uses it. With a place in the handle it is ready at once.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::future::poll_fn;
    ///
    /// let (mut tx, mut rx) = forebay_queue::bounded(1);
    /// poll_fn(|cx| tx.poll_reserve(cx)).await?;
    /// assert!(tx.clone().try_send("too late").is_err(), "a clone starts without the place");
    /// tx.send_reserved("in time")?;
    /// assert_eq!(rx.recv().await, Some("in time"));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ReserveError::Closed`], and [`ReserveError::TooMany`] for a rendezvous, which has no places.
    ///
    /// # Cancel safety
    ///
    /// The handle stays in the line, or keeps the place, when nobody polls it any more. To give it up, call
    /// [`abort_reserve`](Self::abort_reserve), or drop the handle: then the next in the line gets the place.
    pub fn poll_reserve(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ReserveError>> {
        coop::spend(cx, |cx| self.poll_place(cx, ()))
    }

    /// Sends an item into the place that [`poll_reserve`](Self::poll_reserve) has reserved.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`] with the item, if the queue was closed since, and [`SendError::TooHeavy`] if the queue's
    /// weigher says that it weighs more than 1; then the place is still there.
    ///
    /// # Panics
    ///
    /// Without a place.
    #[track_caller]
    pub fn send_reserved(&mut self, item: T) -> Result<Sent<T>, SendError<T>> {
        self.send_kept(item)
    }
}

impl<T, L: Line<T>> Sender<T, L> {
    /// Gives back the place, or leaves the line; a sink's item that is on its way turns back, and is dropped. Returns
    /// whether there was anything to give up.
    pub fn abort_reserve(&mut self) -> bool {
        let reserving = std::mem::take(&mut self.reserving);
        let reserved = !matches!(reserving, Reserving::Nothing);
        match reserving {
            Reserving::Nothing => {}
            Reserving::Asking(mut asking) => asking.leave(&self.shared),
            Reserving::Place => self.shared.update(|state| state.release(1, 1)),
        }
        #[cfg(feature = "stream")]
        if let Some(mut item) = self.on_its_way.take() {
            // Whatever its destructor does, a handle that is dropped must still count itself out.
            crate::hooks::contain(|| drop(item.turn_back(&self.shared)));
            return true;
        }
        reserved
    }

    /// Sends into the place that this handle keeps. The place is kept if the item does not fit, or its weigher panics.
    #[track_caller]
    fn send_kept(&mut self, item: T) -> Result<Sent<T>, SendError<T>> {
        let reserved = matches!(self.reserving, Reserving::Place);
        assert!(reserved, "no place is reserved: call poll_reserve or poll_ready first");
        let (used, sent) = self.send_granted(item, 1);
        if used {
            self.reserving = Reserving::Nothing;
        }
        sent
    }

    /// Does without the cooperative budget, since a spent one must not look like a full queue: pending means that there is
    /// no place.
    fn poll_place(&mut self, cx: &mut Context<'_>, rank: L::Rank) -> Poll<Result<(), ReserveError>> {
        let Self { shared, reserving, .. } = self;
        if let Reserving::Nothing = reserving {
            *reserving = Reserving::Asking(Asking::default());
        }
        let asking = match reserving {
            Reserving::Asking(asking) => asking,
            Reserving::Place | Reserving::Nothing => return Poll::Ready(Ok(())),
        };
        let mut ask = || {
            asking.poll(shared, &mut Demand::one(1, rank).patient(), cx, |_, answer| {
                answer_to_reserve(answer, 1, 1).map_or(Asked::Wait { want: 1, each: 1, rank }, Asked::Done)
            })
        };
        // A sender that may overtake nobody any more joins the line, and is served at once if there is room for all in it:
        // hence the second look.
        let asked = match ask() {
            Poll::Pending => ready!(ask()),
            Poll::Ready(asked) => asked,
        };
        *reserving = if asked.is_ok() { Reserving::Place } else { Reserving::Nothing };
        Poll::Ready(asked.map(drop))
    }
}

/// What the interfaces of other crates (sink, service) have in common. They do what `send` does, in two steps.
#[cfg(any(feature = "tower", feature = "stream"))]
impl<T, L: Line<T>> Sender<T, L> {
    /// The rank of the place that readiness waits for and keeps. `None` if it keeps none: if a full queue makes nobody
    /// wait, or if it is not known yet what place the item will need. Then the item itself waits.
    fn place_to_keep(&self) -> Option<L::Rank> {
        let all_alike = self.shared.options.max_weight.is_none() && !self.meets();
        L::ONLY_RANK.filter(|_| all_alike && self.shared.options.when_full == WhenFull::Wait)
    }

    /// Ready when an item may be sent: with a place in the handle if one is kept, else as long as the queue is open.
    pub(crate) fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SinkError<T>>> {
        match self.place_to_keep() {
            Some(rank) => self.poll_place(cx, rank).map_err(|_| SinkError::Closed(None)),
            None => Poll::Ready(if self.is_closed() { Err(SinkError::Closed(None)) } else { Ok(()) }),
        }
    }

    /// Sends an item after [`poll_open`](Self::poll_open) was ready. `Err`: the item has to wait, and is on its way.
    #[track_caller]
    pub(crate) fn send_opened(&mut self, item: T) -> Result<Arrived<T>, OnItsWay<T, L::Rank>> {
        if self.place_to_keep().is_some() {
            return Ok(self.send_kept(item).map_err(SinkError::from));
        }
        let parcel = match self.pack(item) {
            Ok(parcel) => parcel,
            Err(refused) => return Ok(Err(refused.into())),
        };
        if self.shared.options.when_full != WhenFull::Wait {
            let sent = self.try_send_parcel(parcel);
            return Ok(sent.map_err(SinkError::from));
        }
        OnItsWay::begin(&self.shared, self.meets(), parcel)
    }
}
