//! Waiting at a rendezvous: the item is offered until a receiver takes it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::Shared;
use super::state::Step;
use super::waiters::Key;
use crate::coop;

/// Offers an item. Ready with `None` when it was taken, with the item when the queue was closed first.
///
/// Dropped while nobody has taken the item, it takes the item back.
pub(crate) struct Offering<'a, T> {
    shared: &'a Shared<T>,
    /// The item, while it is not on offer.
    item: Option<T>,
    /// Our node in the line of senders, while the item is on offer.
    key: Option<Key>,
}

// === impl Offering ===

impl<'a, T> Offering<'a, T> {
    pub(crate) fn new(shared: &'a Shared<T>, item: T) -> Self {
        Self { shared, item: Some(item), key: None }
    }

    /// Ends the offer: the item, or `None` if somebody has taken it.
    pub(crate) fn withdraw(&mut self) -> Option<T> {
        match self.key.take() {
            Some(key) => self.shared.update(|state, _| state.forget_ask(key)).1,
            None => self.item.take(),
        }
    }
}

/// Nothing in it refers to itself.
impl<T> Unpin for Offering<'_, T> {}

impl<T> Future for Offering<'_, T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let charge = ready!(coop::charge(cx));
        let mut waker = Some(cx.waker().clone());
        let Self { shared, item, key } = &mut *self;
        match shared.update(|state, _| state.offer(key, item, &mut waker)) {
            Step::Done(()) => {
                charge.made_progress();
                Poll::Ready(item.take())
            }
            Step::Parked => Poll::Pending,
            Step::Ask | Step::GiveWay => unreachable!("an offer brings its waker and overtakes nobody"),
        }
    }
}

impl<T> Drop for Offering<'_, T> {
    fn drop(&mut self) {
        drop(self.withdraw());
    }
}
