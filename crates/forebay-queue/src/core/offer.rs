//! Waiting at a rendezvous: the item is offered until a receiver takes it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::Shared;
use super::state::Step;
use super::waiters::Key;
use crate::coop;

/// One item on offer. The item lies in the node in the line of senders; what is kept here is the node's key.
#[derive(Default)]
pub(crate) struct Offer {
    /// Our node in the line of senders, while the item is on offer.
    key: Option<Key>,
}

/// Offers an item. Ready with `None` when it was taken, with the item when the queue was closed first.
///
/// Dropped while nobody has taken the item, it takes the item back.
pub(crate) struct Offering<'a, T> {
    shared: &'a Shared<T>,
    /// The item, while it is not on offer.
    item: Option<T>,
    offer: Offer,
}

// === impl Offer ===

impl Offer {
    /// Puts the item in `slot` on offer before anybody waits for what becomes of it. If the queue is closed the item
    /// stays in `slot`.
    #[cfg(any(feature = "tower", feature = "stream"))]
    pub(crate) fn put<T>(&mut self, shared: &Shared<T>, slot: &mut Option<T>) {
        let mut nobody = Some(std::task::Waker::noop().clone());
        match shared.update(|state, _| state.offer(&mut self.key, slot, &mut nobody)) {
            Step::Done(()) | Step::Parked => {}
            Step::Ask | Step::GiveWay => unreachable!("an offer brings its waker and overtakes nobody"),
        }
    }

    /// Offers the item in `slot`. Ready when it was taken, with the item in `slot` if the queue was closed first.
    pub(crate) fn poll<T>(
        &mut self,
        shared: &Shared<T>,
        slot: &mut Option<T>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let charge = ready!(coop::charge(cx));
        let mut waker = Some(cx.waker().clone());
        match shared.update(|state, _| state.offer(&mut self.key, slot, &mut waker)) {
            Step::Done(()) => {
                charge.made_progress();
                Poll::Ready(())
            }
            Step::Parked => Poll::Pending,
            Step::Ask | Step::GiveWay => unreachable!("offered with a waker"),
        }
    }

    /// Ends the offer, and gives the item if nobody has taken it.
    pub(crate) fn withdraw<T>(&mut self, shared: &Shared<T>) -> Option<T> {
        self.key.take().and_then(|key| shared.update(|state, _| state.forget_ask(key)).1)
    }
}

// === impl Offering ===

impl<'a, T> Offering<'a, T> {
    pub(crate) fn new(shared: &'a Shared<T>, item: T) -> Self {
        Self { shared, item: Some(item), offer: Offer::default() }
    }

    /// Ends the offer: the item, or `None` if somebody has taken it.
    pub(crate) fn withdraw(&mut self) -> Option<T> {
        self.item.take().or_else(|| self.offer.withdraw(self.shared))
    }
}

/// Nothing in it refers to itself.
impl<T> Unpin for Offering<'_, T> {}

impl<T> Future for Offering<'_, T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let Self { shared, item, offer } = &mut *self;
        ready!(offer.poll(shared, item, cx));
        Poll::Ready(item.take())
    }
}

impl<T> Drop for Offering<'_, T> {
    fn drop(&mut self) {
        drop(self.withdraw());
    }
}
