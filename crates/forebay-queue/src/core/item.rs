//! Sending an item of which nothing was said: the mechanism of `send`.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

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

/// One that was not stored, and the lock if it was taken.
pub(crate) type NotStored<'a, T, L, R> = (Parcel<T, R>, Option<MutexGuard<'a, State<T, L>>>);

// === impl SendItem ===

impl<'a, T, L: Line<T>> SendItem<'a, T, L> {
    pub(crate) fn new(shared: &'a Shared<T, L>, item: T) -> Self {
        Self { shared, item: Some(item), sending: None }
    }
}

/// Nothing in it refers to itself.
impl<T, L: Line<T>> Unpin for SendItem<'_, T, L> {}

impl<T, L: Line<T>> Future for SendItem<'_, T, L> {
    type Output = Result<Sent<T>, SendError<T>>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { shared, item, sending } = &mut *self;
        if let Some(sending) = sending {
            return Pin::new(sending).poll(cx);
        }
        let charge = ready!(coop::charge(cx));
        let Some(item) = item.take() else { unreachable!("polled after completion") };
        let sent = match shared.pack(item) {
            Err(refused) => Err(refused),
            Ok(parcel) => match shared.put_quietly(parcel) {
                Ok(()) => Ok(Sent::Stored),
                Err((parcel, locked)) => {
                    let sending = sending.insert(SendOne::new(shared, parcel));
                    ready!(sending.poll_in_line(cx, locked))
                }
            },
        };
        charge.made_progress();
        Poll::Ready(sent)
    }
}

// === impl Shared ===

impl<T, L: Line<T>> Shared<T, L> {
    /// Stores an item if nobody has to be woken or told for it. A call would cost a tenth of the whole.
    #[inline(always)]
    pub(crate) fn put_quietly(&self, parcel: Parcel<T, L::Rank>) -> Result<(), NotStored<'_, T, L, L::Rank>> {
        if self.expectation.to_send.load(Ordering::Relaxed) {
            // It will wait, and should bring its waker when it takes the lock.
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
