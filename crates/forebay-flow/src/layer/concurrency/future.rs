//! A call, from the line to its answer.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use forebay_queue::Limit;
use pin_project_lite::pin_project;

use super::config::Rules;
use super::permit::Ticket;
use super::{Hold, Permit};
use crate::layer::alarm::Alarm;
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
        // None where it was refused, and from the end on. Before the seat, so that it is dropped before: what a call does
        // when it is dropped is work, too.
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
    Waiting(Ticket<P>, Alarm),
    Running(Permit<P>),
    Done,
}

// === impl ResponseFuture ===

impl<W, R, P, C: Clone, H: Clone> ResponseFuture<W, R, P, C, H> {
    pub(super) fn refused<V>(why: Why, request: R, rules: &Rules<V, C, H>) -> Self {
        Self::new(Seat::Refused(why, request), None, rules)
    }

    pub(super) fn waiting<V>(ticket: Ticket<P>, work: W, rules: &Rules<V, C, H>) -> Self {
        Self::new(Seat::Waiting(ticket, Alarm::default()), Some(work), rules)
    }

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

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        ready!(coop::charge_once(this.charged, cx));
        if let Seat::Waiting(ticket, alarm) = this.seat {
            let turn = match ticket.poll(cx) {
                Poll::Ready(turn) => turn,
                Poll::Pending => {
                    let Some(until) = ticket.until else { return Poll::Pending };
                    ready!(alarm.poll(until, cx));
                    Err(Why::TimedOut)
                }
            };
            let Seat::Waiting(ticket, _) = std::mem::replace(this.seat, Seat::Done) else {
                unreachable!("it waits")
            };
            if let Err(why) = turn {
                if why == Why::TimedOut {
                    ticket.time_out();
                }
                let request = this.work.as_mut().as_pin_mut().and_then(Work::unsent);
                this.work.set(None);
                return Poll::Ready(Err(FlowError::refused(why, request)));
            }
            *this.seat = Seat::Running(ticket.into_permit());
        }
        if let Seat::Running(_) = this.seat {
            let work = this.work.as_mut().as_pin_mut().expect("it runs");
            let result = ready!(work.poll(cx));
            // What the call held inside goes before its permit does.
            this.work.set(None);
            let end = this.classify.classify(result.as_ref());
            let Seat::Running(permit) = std::mem::replace(this.seat, Seat::Done) else {
                unreachable!("it runs")
            };
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
            Seat::Waiting(..) => "Waiting",
            Seat::Running(_) => "Running",
            Seat::Done => "Done",
        };
        f.debug_struct("ResponseFuture").field("seat", &seat).finish_non_exhaustive()
    }
}
