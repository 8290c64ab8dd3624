//! Sending in poll form: the handle keeps a place from one poll to the next.

use std::fmt;
use std::task::{Context, Poll, ready};

#[cfg(feature = "stream")]
use crate::core::Offer;
use crate::core::{Asked, Asking, Demand, Places};
use crate::{ReserveError, SendError, Sender, Sent, coop};
#[cfg(any(feature = "tower", feature = "stream"))]
use crate::{SinkError, TrySendError, WhenFull};

/// What a sender keeps between polls: three words, of which a sender that is not polled never makes use.
///
/// The handle is polled through `&mut`, so neither a lock nor an atomic guards it.
#[derive(Default)]
pub(crate) enum Reserving {
    #[default]
    Nothing,
    /// In the line of those who wait for room.
    Asking(Asking),
    /// A place is ours.
    Place,
    /// At a rendezvous, the item that a [`Sink`](futures_sink::Sink) was given is on offer.
    #[cfg(feature = "stream")]
    Offered(Offer),
}

// === impl Sender ===

/// In poll form, for those who write futures, sinks and services by hand. A sender keeps one place at the most.
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
    /// The handle stays in the line, or keeps the place, when nobody polls it any more. Who has changed his mind says
    /// so by [`abort_reserve`](Self::abort_reserve), or drops the handle: then the next in the line gets the place.
    pub fn poll_reserve(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ReserveError>> {
        let charge = ready!(coop::charge(cx));
        let reserved = ready!(self.poll_place(cx));
        charge.made_progress();
        Poll::Ready(reserved)
    }

    /// Sends an item into the place that [`poll_reserve`](Self::poll_reserve) has reserved.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`] with the item, if the queue was closed since.
    ///
    /// # Panics
    ///
    /// Without a place.
    #[track_caller]
    pub fn send_reserved(&mut self, item: T) -> Result<Sent<T>, SendError<T>> {
        assert!(
            matches!(self.reserving, Reserving::Place),
            "no place is reserved: call poll_reserve or poll_ready first"
        );
        self.reserving = Reserving::Nothing;
        self.shared.update(|state, _| {
            if state.is_closed() {
                state.release(1);
                return Err(SendError::Closed(item));
            }
            state.store(item);
            Ok(Sent::Stored)
        })
    }

    /// Gives back the place, or leaves the line. Says whether there was anything to give up.
    pub fn abort_reserve(&mut self) -> bool {
        match std::mem::take(&mut self.reserving) {
            Reserving::Nothing => return false,
            Reserving::Asking(mut asking) => asking.leave(&self.shared),
            Reserving::Place => self.shared.update(|state, _| state.release(1)),
            #[cfg(feature = "stream")]
            Reserving::Offered(mut offer) => drop(offer.withdraw(&self.shared)),
        }
        true
    }

    /// Without the cooperative budget, which must not look like a full queue: pending means that there is no place.
    pub(crate) fn poll_place(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ReserveError>> {
        let Self { shared, reserving, .. } = self;
        if let Reserving::Nothing = reserving {
            *reserving = Reserving::Asking(Asking::default());
        }
        let asking = match reserving {
            Reserving::Asking(asking) => asking,
            #[cfg(feature = "stream")]
            Reserving::Offered(_) => {
                return Poll::Ready(Err(ReserveError::TooMany { asked: 1, capacity: 0 }));
            }
            Reserving::Place | Reserving::Nothing => return Poll::Ready(Ok(())),
        };
        let mut ask = || {
            asking.poll(shared, &mut Demand::one(), cx, |_, answer| match answer {
                Places::Granted(_) => Asked::Done(Ok(())),
                Places::Closed => Asked::Done(Err(ReserveError::Closed)),
                Places::TooMany(capacity) => Asked::Done(Err(ReserveError::TooMany { asked: 1, capacity })),
                Places::Full => Asked::Wait(1),
            })
        };
        // One who may overtake nobody any more joins the line, and is served at once if there is room for all in it:
        // hence the second look.
        let asked = match ask() {
            Poll::Pending => ready!(ask()),
            Poll::Ready(asked) => asked,
        };
        *reserving = if asked.is_ok() { Reserving::Place } else { Reserving::Nothing };
        Poll::Ready(asked)
    }
}

/// What the faces of other crates have in common. They do what `send` does, in two steps.
#[cfg(any(feature = "tower", feature = "stream"))]
impl<T> Sender<T> {
    /// Ready when an item may be sent: with a place in the handle where a full queue makes senders wait, and as long
    /// as the queue is open where it does not.
    pub(crate) fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SinkError<T>>> {
        if self.shared.options.when_full == WhenFull::Wait && !self.meets() {
            return self.poll_place(cx).map_err(|_| SinkError::Closed(None));
        }
        Poll::Ready(if self.is_closed() { Err(SinkError::Closed(None)) } else { Ok(()) })
    }

    /// Sends an item after [`poll_open`](Self::poll_open) was ready. Not for a rendezvous that waits.
    #[track_caller]
    pub(crate) fn send_opened(&mut self, item: T) -> Result<Sent<T>, SinkError<T>> {
        if self.shared.options.when_full == WhenFull::Wait {
            return self.send_reserved(item).map_err(SinkError::from);
        }
        self.try_send(item).map_err(|refused| match refused {
            TrySendError::Closed(item) => SinkError::Closed(Some(item)),
            TrySendError::Full(item) => SinkError::Full(Some(item)),
        })
    }
}

// === impl Reserving ===

impl fmt::Debug for Reserving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "Nothing",
            Self::Asking(_) => "Asking",
            Self::Place => "Place",
            #[cfg(feature = "stream")]
            Self::Offered(_) => "Offered",
        })
    }
}
