//! An item that was given to a sink or a service, and that has not arrived yet.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use crate::core::place;
use crate::core::{Asking, Demand, Offer, Parcel, Shared};
use crate::{Line, SendError, Sent, SinkError, coop};

/// The item waits for room, or at a rendezvous for a receiver. It is in the line from the moment when it was given.
pub(crate) struct OnItsWay<T, R> {
    /// The item while it waits for room. Never locked: a lock is what lets a handle that keeps an item be shared.
    slot: Mutex<Option<Parcel<T, R>>>,
    way: Way,
}

/// What became of the item.
pub(crate) type Arrived<T> = Result<Sent<T>, SinkError<T>>;

enum Way {
    /// For a receiver; the item lies in the node.
    Offered(Offer),
    /// For room.
    Asking(Asking),
}

// === impl OnItsWay ===

impl<T, R: Copy> OnItsWay<T, R> {
    /// Sends the item at once if it need not wait.
    pub(crate) fn begin<L: Line<T, Rank = R>>(
        shared: &Shared<T, L>,
        meets: bool,
        parcel: Parcel<T, R>,
    ) -> Result<Arrived<T>, Self> {
        let mut slot = Some(parcel);
        if meets {
            let mut offer = Offer::default();
            offer.put(shared, &mut slot);
            return match slot {
                Some(parcel) => Ok(Err(SinkError::Closed(Some(parcel.item)))),
                None => Err(Self { slot: Mutex::new(None), way: Way::Offered(offer) }),
            };
        }
        let mut on_its_way = Self { slot: Mutex::new(slot), way: Way::Asking(Asking::default()) };
        // There is nobody to wake yet; a later poll brings a waker.
        let mut nobody = Context::from_waker(std::task::Waker::noop());
        match on_its_way.step(shared, &mut nobody) {
            Poll::Ready(sent) => Ok(sent),
            Poll::Pending => Err(on_its_way),
        }
    }

    /// Ready when the item has arrived, or has come back.
    pub(crate) fn poll<L: Line<T, Rank = R>>(
        &mut self,
        shared: &Shared<T, L>,
        cx: &mut Context<'_>,
    ) -> Poll<Arrived<T>> {
        if let Way::Offered(_) = self.way {
            // An offer spends the budget itself.
            return self.step(shared, cx);
        }
        coop::spend(cx, |cx| self.step(shared, cx))
    }

    /// Takes the item back, if it has not arrived.
    pub(crate) fn turn_back<L: Line<T, Rank = R>>(&mut self, shared: &Shared<T, L>) -> Option<T> {
        let parcel = match &mut self.way {
            Way::Offered(offer) => offer.withdraw(shared),
            Way::Asking(asking) => {
                asking.leave(shared);
                self.slot.get_mut().unwrap_or_else(PoisonError::into_inner).take()
            }
        };
        parcel.map(|parcel| parcel.item)
    }

    fn step<L: Line<T, Rank = R>>(
        &mut self,
        shared: &Shared<T, L>,
        cx: &mut Context<'_>,
    ) -> Poll<Arrived<T>> {
        let slot = self.slot.get_mut().unwrap_or_else(PoisonError::into_inner);
        match &mut self.way {
            Way::Offered(offer) => {
                let mut taken = None;
                ready!(offer.poll(shared, &mut taken, cx));
                let back = taken.map(|parcel: Parcel<T, R>| SinkError::Closed(Some(parcel.item)));
                Poll::Ready(back.map_or(Ok(Sent::Stored), Err))
            }
            Way::Asking(asking) => {
                let Some(parcel) = slot else { unreachable!("polled after completion") };
                let mut demand = Demand::one(parcel.tag.weight(), parcel.rank).patient();
                let sent: Result<_, SendError<T>> =
                    ready!(asking.poll(shared, &mut demand, cx, |state, answer| place(state, answer, slot)));
                Poll::Ready(sent.map_err(SinkError::from))
            }
        }
    }
}

impl<T, R> fmt::Debug for OnItsWay<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.way {
            Way::Offered(_) => "Offered",
            Way::Asking(_) => "Asking",
        })
    }
}
