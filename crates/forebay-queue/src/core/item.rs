//! Sending an item without further details: the mechanism of `send`.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use super::Shared;
use super::one::SendOne;
use super::state::State;
use super::tag::Parcel;
use crate::sync::MutexGuard;
use crate::{Line, SendError, Sent, coop};

/// Sends an item. Most of the time nobody has to be woken or told for it, and then it goes straight from here into its
/// place in the queue.
///
/// Dropped while it waits, it has not sent.
pub(crate) struct SendItem<'a, T, L: Line<T>> {
    shared: &'a Shared<T, L>,
    /// The item, until this is polled.
    item: Option<T>,
    /// Afterwards, if it could not be stored at once.
    sending: Option<SendOne<'a, T, L>>,
}

/// An item that was not stored, and the lock if it was taken.
pub(crate) type NotStored<'a, T, L, R> = (Parcel<T, R>, Option<MutexGuard<'a, State<T, L>>>);

// === impl SendItem ===

impl<'a, T, L: Line<T>> SendItem<'a, T, L> {
    pub(crate) fn new(shared: &'a Shared<T, L>, item: T) -> Self {
        Self { shared, item: Some(item), sending: None }
    }

    /// Stores the item if nobody has to be woken or told for it, or goes on as [`poll_in_line`](Self::poll_in_line).
    #[inline(always)]
    fn poll_quietly(&mut self, cx: &mut Context<'_>) -> Poll<Result<Sent<T>, SendError<T>>> {
        match self.pack() {
            Ok(parcel) => match self.shared.put_quietly(parcel) {
                Ok(()) => Poll::Ready(Ok(Sent::Stored)),
                Err(not_stored) => self.poll_in_line(not_stored, cx),
            },
            Err(refused) => Poll::Ready(Err(refused)),
        }
    }

    #[inline(always)]
    fn pack(&mut self) -> Result<Parcel<T, L::Rank>, SendError<T>> {
        let Some(item) = self.item.take() else { unreachable!("polled after completion") };
        self.shared.pack(item)
    }

    #[cold]
    #[inline(never)]
    fn poll_charged(&mut self, cx: &mut Context<'_>) -> Poll<Result<Sent<T>, SendError<T>>> {
        coop::spend_unit(cx, |cx| match self.pack() {
            Ok(parcel) => self.poll_in_line((parcel, None), cx),
            Err(refused) => Poll::Ready(Err(refused)),
        })
    }

    #[inline(never)]
    fn poll_in_line(
        &mut self,
        (parcel, locked): NotStored<'a, T, L, L::Rank>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Sent<T>, SendError<T>>> {
        self.sending.insert(SendOne::new(self.shared, parcel)).poll_in_line(cx, locked)
    }
}

/// Nothing in it refers to itself.
impl<T, L: Line<T>> Unpin for SendItem<'_, T, L> {}

impl<T, L: Line<T>> Future for SendItem<'_, T, L> {
    type Output = Result<Sent<T>, SendError<T>>;

    /// Always inlined: for most items, a call would cost as much as the rest.
    #[inline(always)]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        match &mut this.sending {
            Some(sending) => Pin::new(sending).poll(cx),
            None if coop::is_free() => this.poll_quietly(cx),
            None => this.poll_charged(cx),
        }
    }
}

// === impl Shared ===

impl<T, L: Line<T>> Shared<T, L> {
    /// Stores an item if nobody has to be woken or told for it. A call would cost a tenth of the whole.
    #[inline(always)]
    pub(crate) fn put_quietly(&self, parcel: Parcel<T, L::Rank>) -> Result<(), NotStored<'_, T, L, L::Rank>> {
        if self.expectation.to_send.load(Ordering::Relaxed) {
            // The sender will wait, and should bring its waker when it takes the lock.
            return Err((parcel, None));
        }
        let mut state = self.lock();
        match state.put_quietly(parcel) {
            Ok(()) => {
                self.expectation.to_take.store(false, Ordering::Relaxed);
                Ok(())
            }
            Err(parcel) => Err((parcel, Some(state))),
        }
    }
}
