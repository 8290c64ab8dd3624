//! A call, from the line to its answer.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use forebay_queue::Limit;
use pin_project_lite::pin_project;

use super::config::Rules;
use super::permit::{Place, Ticket};
use super::{Hold, Permit};
use crate::layer::work::Work;
use crate::layer::{Classify, FlowError, Why, coop};

pin_project! {
    /// A call through a limit. It waits for its permits, if it has none yet, and then drives the service's own future.
    ///
    /// # Cancel safety
    ///
    /// One that is dropped while it waits leaves the line at once, and has cost no permit. One that is dropped while it
    /// runs gives its permits back, and the policy learns nothing from it.
    #[must_use = "futures do nothing unless they are polled"]
    pub struct ResponseFuture<W, R, P, C, H> {
        // None where it was refused, and from its end on. Declared before the seat, so that it is dropped first:
        // what a call does when it is dropped is work, too.
        #[pin]
        work: Option<W>,
        seat: Seat<R, P>,
        classify: C,
        hold: H,
        charged: bool,
    }
}

enum Seat<R, P> {
    Refused(Why, R),
    Waiting(Box<Place<P>>),
    /// It may run, or does. At the end its permit has gone.
    Running(Permit<P>),
    Done,
}

// === impl ResponseFuture ===

impl<W, R, P, C: Clone, H: Clone> ResponseFuture<W, R, P, C, H> {
    #[inline]
    pub(super) fn refused<V>(why: Why, request: R, rules: &Rules<V, C, H>) -> Self {
        Self::new(Seat::Refused(why, request), None, rules)
    }

    #[inline]
    pub(super) fn granted<V>(permit: Permit<P>, work: W, rules: &Rules<V, C, H>) -> Self {
        Self::new(Seat::Running(permit), Some(work), rules)
    }

    #[inline]
    pub(super) fn ticket<V>(ticket: Ticket<P>, work: W, rules: &Rules<V, C, H>) -> Self {
        match ticket {
            Ticket::Granted(permit) => Self::granted(permit, work, rules),
            Ticket::Waiting(place) => Self::new(Seat::Waiting(place), Some(work), rules),
        }
    }

    #[inline]
    fn new<V>(seat: Seat<R, P>, work: Option<W>, rules: &Rules<V, C, H>) -> Self {
        Self { work, seat, classify: rules.classify.clone(), hold: rules.hold.clone(), charged: false }
    }
}

impl<W, R, P, C, H, T, E> Future for ResponseFuture<W, R, P, C, H>
where
    W: Work<R, Output = Result<T, E>>,
    P: Limit,
    C: Classify<T, E>,
    H: Hold<T, P>,
{
    type Output = Result<H::Held, FlowError<E, R>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        ready!(coop::charge_once(this.charged, cx));
        if let Seat::Waiting(place) = this.seat {
            match ready!(place.poll(cx)) {
                Ok(permit) => *this.seat = Seat::Running(permit),
                Err(why) => {
                    // It leaves the line, and counts there, before its caller learns of it.
                    *this.seat = Seat::Done;
                    let request = this.work.as_mut().as_pin_mut().and_then(Work::unsent);
                    this.work.set(None);
                    return Poll::Ready(Err(FlowError::refused(why, request)));
                }
            }
        }
        if let Seat::Running(permit) = this.seat {
            let work = this.work.as_mut().as_pin_mut().expect("polled after completion");
            permit.begin();
            let result = ready!(work.poll(cx));
            // What the call held inside goes before its permit does.
            this.work.set(None);
            let end = this.classify.classify(result.as_ref());
            let permit = permit.take();
            return Poll::Ready(match result {
                Ok(response) => Ok(this.hold.hold(response, permit, end)),
                Err(error) => {
                    permit.end(end);
                    Err(FlowError::Inner(error))
                }
            });
        }
        match std::mem::replace(this.seat, Seat::Done) {
            Seat::Refused(why, request) => Poll::Ready(Err(FlowError::refused(why, Some(request)))),
            _ => panic!("polled after completion"),
        }
    }
}

impl<W, R, P, C, H> fmt::Debug for ResponseFuture<W, R, P, C, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seat = match self.seat {
            Seat::Refused(..) => "Refused",
            Seat::Waiting(_) => "Waiting",
            Seat::Running(_) => "Running",
            Seat::Done => "Done",
        };
        f.debug_struct("ResponseFuture").field("seat", &seat).finish_non_exhaustive()
    }
}
