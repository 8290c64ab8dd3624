//! Sending one item: the mechanism of `send`, `send_timeout` and `try_send`.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker, ready};

use super::Shared;
use super::ask::{Asked, Asking, Demand};
use super::offer::offer;
use super::state::{Manners, Places, Short, State, Step};
use super::tag::Parcel;
use crate::sync::MutexGuard;
use crate::{Line, SendError, Sent, WhenFull, coop};

/// Sends one item into a queue with places.
///
/// Dropped while it waits, it leaves the line, gives back what it was granted, and has not sent.
pub(crate) struct SendOne<'a, T, L: Line<T>> {
    shared: &'a Shared<T, L>,
    slot: Option<Parcel<T, L::Rank>>,
    asking: Asking,
}

// === impl SendOne ===

impl<'a, T, L: Line<T>> SendOne<'a, T, L> {
    pub(crate) fn new(shared: &'a Shared<T, L>, parcel: Parcel<T, L::Rank>) -> Self {
        Self { shared, slot: Some(parcel), asking: Asking::default() }
    }

    /// Asks once more without waiting. `None`: it would have to wait.
    pub(crate) fn now(&mut self) -> Option<Result<Sent<T>, SendError<T>>> {
        let Self { shared, slot, asking } = self;
        match asking.put(shared, shared.lock(), slot, &mut None) {
            Short::Done => Some(Ok(Sent::Stored)),
            Short::Ask | Short::Parked => None,
            Short::Long => {
                let mut demand = Demand { manners: Manners::Hasty, ..demand_for(shared, slot) };
                let using = |state: &mut State<T, L>, answer| place(state, answer, slot);
                match asking.attempt(shared, &mut demand, &mut None, using) {
                    Step::Done(sent) => Some(sent),
                    Step::Ask | Step::Parked | Step::GiveWay => None,
                }
            }
        }
    }

    /// Without the cooperative budget. `locked`: the lock, if the caller has it and has found that the queue is not quiet.
    pub(super) fn poll_in_line(
        &mut self,
        cx: &mut Context<'_>,
        mut locked: Option<MutexGuard<'a, State<T, L>>>,
    ) -> Poll<Result<Sent<T>, SendError<T>>> {
        let Self { shared, slot, asking } = self;
        if shared.options.meets() {
            drop(locked);
            ready!(offer(shared, &mut asking.key, slot, cx));
            return Poll::Ready(
                slot.take().map_or(Ok(Sent::Stored), |parcel| Err(SendError::Closed(parcel.item))),
            );
        }
        // Cloned outside of the lock, since cloning runs user code; if not now, then once it turns out to be needed.
        let mut waker = if asking.is_waiting() || locked.is_some() { None } else { shared.waker_to_send(cx) };
        loop {
            let state = locked.take().unwrap_or_else(|| shared.lock());
            match asking.put(shared, state, slot, &mut waker) {
                Short::Done => return Poll::Ready(Ok(Sent::Stored)),
                Short::Parked => return Poll::Pending,
                Short::Ask => waker = Some(cx.waker().clone()),
                Short::Long => {
                    let mut demand = demand_for(shared, slot);
                    return asking.poll(shared, &mut demand, cx, |state, answer| place(state, answer, slot));
                }
            }
        }
    }

    /// The item of a sender that would have to wait, and does not.
    pub(crate) fn give_up(mut self) -> T {
        self.slot.take().expect("who would wait still has the item").item
    }
}

/// Nothing in it refers to itself.
impl<T, L: Line<T>> Unpin for SendOne<'_, T, L> {}

impl<T, L: Line<T>> Future for SendOne<'_, T, L> {
    type Output = Result<Sent<T>, SendError<T>>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        coop::spend(cx, |cx| self.poll_in_line(cx, None))
    }
}

impl<T, L: Line<T>> Drop for SendOne<'_, T, L> {
    #[inline]
    fn drop(&mut self) {
        if self.asking.is_waiting() {
            self.asking.leave(self.shared);
        }
    }
}

// === impl Asking ===

impl Asking {
    /// The short way.
    #[inline]
    fn put<'s, T, L: Line<T>>(
        &mut self,
        shared: &'s Shared<T, L>,
        mut state: MutexGuard<'s, State<T, L>>,
        slot: &mut Option<Parcel<T, L::Rank>>,
        waker: &mut Option<Waker>,
    ) -> Short {
        let short = state.put_one(&mut self.key, slot, waker);
        match short {
            Short::Done => {
                shared.expectation.to_take.store(false, Ordering::Relaxed);
                shared.release(state);
            }
            Short::Parked => shared.expectation.to_send.store(true, Ordering::Relaxed),
            Short::Ask | Short::Long => {}
        }
        short
    }
}

/// One place. Where a full queue refuses or drops, nobody joins the line, and room must not be mistaken for full.
fn demand_for<T, L: Line<T>>(shared: &Shared<T, L>, slot: &Option<Parcel<T, L::Rank>>) -> Demand<L::Rank> {
    let Some(parcel) = slot else { unreachable!("polled after completion") };
    let manners = if shared.options.when_full == WhenFull::Wait { Manners::Polite } else { Manners::Hasty };
    Demand { manners, ..Demand::one(parcel.tag.weight(), parcel.rank) }
}

/// Sends the item in `slot` into the place that was asked for, or answers as a full queue does.
pub(crate) fn place<T, L: Line<T>>(
    state: &mut State<T, L>,
    answer: Places,
    slot: &mut Option<Parcel<T, L::Rank>>,
) -> Asked<Result<Sent<T>, SendError<T>>, L::Rank> {
    let Some(parcel) = slot.take() else { unreachable!("polled after completion") };
    let (each, rank) = (parcel.tag.weight(), parcel.rank);
    Asked::Done(match answer {
        // Whether or not there is room for others.
        Places::Granted(_) | Places::Full if state.held.is_class_full(rank) => {
            if let Places::Granted(_) = answer {
                state.release(1, each);
            }
            match state.options.when_full {
                WhenFull::Wait | WhenFull::Refuse => {
                    state.refuse(rank);
                    Err(SendError::Full(parcel.item))
                }
                WhenFull::DropIncoming | WhenFull::DropYoungest | WhenFull::DropOldest => {
                    Ok(state.displace(parcel))
                }
            }
        }
        Places::Granted(_) => {
            state.store(parcel, each);
            Ok(Sent::Stored)
        }
        Places::Closed => Err(SendError::Closed(parcel.item)),
        Places::TooHeavy(_) => Err(SendError::TooHeavy(parcel.item)),
        // A rendezvous has no places at all.
        Places::Full | Places::TooMany(_) if state.wanted() > 0 => {
            state.hand_over(parcel);
            Ok(Sent::Stored)
        }
        Places::Full | Places::TooMany(_) => match state.options.when_full {
            WhenFull::Wait => {
                *slot = Some(parcel);
                return Asked::Wait { want: 1, each, rank };
            }
            WhenFull::Refuse => {
                state.refuse(rank);
                Err(SendError::Full(parcel.item))
            }
            WhenFull::DropIncoming | WhenFull::DropYoungest | WhenFull::DropOldest => {
                Ok(state.displace(parcel))
            }
        },
    })
}
