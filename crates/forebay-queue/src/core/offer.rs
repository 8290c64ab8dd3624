//! Waiting at a rendezvous: the item is offered until a receiver takes it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::Shared;
use super::state::Step;
use super::tag::Parcel;
use super::waiters::Key;
use crate::hooks::let_go;
use crate::{Line, coop};

/// One item on offer. The item lies in the node in the line of senders; what is kept here is the node's key.
#[derive(Default)]
pub(crate) struct Offer {
    /// Our node in the line of senders, while the item is on offer.
    key: Option<Key>,
}

/// Offers an item. Ready with `None` when the item was taken, and with the item when the queue was closed first.
///
/// If it is dropped while nobody has taken the item, it takes the item back.
pub(crate) struct Offering<'a, T, L: Line<T>> {
    shared: &'a Shared<T, L>,
    /// The item, while it is not on offer.
    parcel: Option<Parcel<T, L::Rank>>,
    offer: Offer,
}

// === impl Offer ===

impl Offer {
    /// Puts the item in `slot` on offer before anybody waits for the outcome. If the queue is closed, the item stays in
    /// `slot`.
    #[cfg(any(feature = "tower", feature = "stream"))]
    pub(crate) fn put<T, L: Line<T>>(
        &mut self,
        shared: &Shared<T, L>,
        slot: &mut Option<Parcel<T, L::Rank>>,
    ) {
        let mut nobody = Some(std::task::Waker::noop().clone());
        match shared.update(|state| state.offer(&mut self.key, slot, &mut nobody)) {
            Step::Done(()) | Step::Parked => {}
            Step::Ask | Step::GiveWay => unreachable!("an offer brings its waker and overtakes nobody"),
        }
    }

    /// Offers the item in `slot`. Ready when the item was taken, or, with the item in `slot`, when the queue was closed
    /// first.
    pub(crate) fn poll<T, L: Line<T>>(
        &mut self,
        shared: &Shared<T, L>,
        slot: &mut Option<Parcel<T, L::Rank>>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        coop::spend(cx, |cx| offer(shared, &mut self.key, slot, cx))
    }

    /// Ends the offer, and returns the item if nobody has taken it.
    pub(crate) fn withdraw<T, L: Line<T>>(&mut self, shared: &Shared<T, L>) -> Option<Parcel<T, L::Rank>> {
        let key = self.key.take()?;
        let (waker, parcel) = shared.update(|state| state.forget_ask(key));
        let_go(waker);
        parcel
    }
}

/// Offers the item in `slot`, without the cooperative budget.
pub(super) fn offer<T, L: Line<T>>(
    shared: &Shared<T, L>,
    key: &mut Option<Key>,
    slot: &mut Option<Parcel<T, L::Rank>>,
    cx: &Context<'_>,
) -> Poll<()> {
    let mut waker = Some(cx.waker().clone());
    match shared.update(|state| state.offer(key, slot, &mut waker)) {
        Step::Done(()) => Poll::Ready(()),
        Step::Parked => Poll::Pending,
        Step::Ask | Step::GiveWay => unreachable!("offered with a waker"),
    }
}

// === impl Offering ===

impl<'a, T, L: Line<T>> Offering<'a, T, L> {
    pub(crate) fn new(shared: &'a Shared<T, L>, parcel: Parcel<T, L::Rank>) -> Self {
        Self { shared, parcel: Some(parcel), offer: Offer::default() }
    }

    /// Ends the offer: the item, or `None` if somebody has taken it.
    pub(crate) fn withdraw(&mut self) -> Option<T> {
        self.parcel.take().or_else(|| self.offer.withdraw(self.shared)).map(|parcel| parcel.item)
    }
}

/// Nothing in it refers to itself.
impl<T, L: Line<T>> Unpin for Offering<'_, T, L> {}

impl<T, L: Line<T>> Future for Offering<'_, T, L> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let Self { shared, parcel, offer } = &mut *self;
        ready!(offer.poll(shared, parcel, cx));
        Poll::Ready(parcel.take().map(|parcel| parcel.item))
    }
}

impl<T, L: Line<T>> Drop for Offering<'_, T, L> {
    fn drop(&mut self) {
        drop(self.withdraw());
    }
}
