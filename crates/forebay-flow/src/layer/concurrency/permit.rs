//! A permit, from the line to its end.
//!
//! These are what a call carries around. They are kept small, and of whole words, and what is done with them most of the
//! time is inlined: a processor that writes something in parts and reads it at once as a whole waits for that longer
//! than a permit takes.

use std::fmt;
use std::task::{Context, Poll, ready};

use forebay_queue::{CallEnd, Limit};
use tokio::time::Instant;

use super::gate::{Gate, Start};
use crate::layer::Why;
use crate::layer::alarm::Alarm;
use crate::layer::share::{Share, Shares};
use crate::permits::{Joined, Leaves, Who};

/// A handle's readiness. Dropped, it leaves no trace.
pub(super) struct Readiness<P> {
    gate: Shares<Gate<P>>,
    state: Ready,
    /// How long it may wait, while it waits and if that is bounded. On the heap: most handles never wait.
    patience: Option<Box<Patience>>,
}

enum Ready {
    /// It has not asked.
    Not,
    /// It waits under that number.
    Waiting(u64),
    /// It has a permit.
    Granted,
    /// It has waited for as long as it may, and is ready to be told so.
    GaveUp,
}

struct Patience {
    until: Instant,
    alarm: Alarm,
}

/// A call's place in the line, on the heap: most calls never have one. Dropped, it leaves no trace.
pub(super) struct Place<P> {
    /// None once it has left the line.
    gate: Option<Share<Gate<P>>>,
    number: u64,
    weight: u32,
    timed_out: bool,
    /// Until when it may wait.
    until: Option<Instant>,
    alarm: Alarm,
}

/// What a call that asks for permits gets.
pub(super) enum Ticket<P> {
    Granted(Permit<P>),
    Waiting(Box<Place<P>>),
}

/// The right to be at work.
///
/// Released on drop. Call [`end`](Self::end) to report the outcome; dropped without it, the call counts as cancelled, and the
/// limit learns nothing.
pub struct Permit<P> {
    /// None once it has gone back.
    gate: Option<Share<Gate<P>>>,
    /// Before the call begins nobody has been told of it; dropped then, the permit was never used.
    start: Start,
    weight: u32,
}

// === impl Readiness ===

impl<P> Readiness<P> {
    pub(super) fn new(gate: Shares<Gate<P>>) -> Self {
        Self { gate, state: Ready::Not, patience: None }
    }

    pub(super) fn gate(&self) -> &Shares<Gate<P>> {
        &self.gate
    }

    pub(super) fn is_granted(&self) -> bool {
        matches!(self.state, Ready::Granted)
    }

    /// Whether it has a permit for its call; if it gave up, it looks once more. A handle that waits is not ready at all.
    #[inline]
    pub(super) fn has_permit(&mut self) -> bool {
        self.is_granted() || self.has_permit_late()
    }

    #[cold]
    fn has_permit_late(&mut self) -> bool {
        assert!(matches!(self.state, Ready::GaveUp), "poll_ready must be called first");
        let granted = self.gate.permits.try_take(1);
        self.state = if granted { Ready::Granted } else { Ready::Not };
        granted
    }

    /// Waits for a permit and keeps it, or gives up when it has waited for as long as it may.
    #[inline]
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Why>> {
        if matches!(self.state, Ready::Not) && self.gate.permits.try_take(1) {
            self.state = Ready::Granted;
        }
        if self.is_granted() { Poll::Ready(Ok(())) } else { self.poll_line(cx) }
    }

    #[cold]
    fn poll_line(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Why>> {
        let number = match self.state {
            Ready::Not => match self.gate.join(1, Who::Handle)? {
                Joined::Granted => {
                    self.state = Ready::Granted;
                    return Poll::Ready(Ok(()));
                }
                Joined::Waiting(number, max_wait) => {
                    self.state = Ready::Waiting(number);
                    let until = max_wait.and_then(|wait| Instant::now().checked_add(wait));
                    self.patience = until.map(|until| Box::new(Patience { until, alarm: Alarm::default() }));
                    number
                }
            },
            Ready::Waiting(number) => number,
            Ready::Granted | Ready::GaveUp => return Poll::Ready(Ok(())),
        };
        if let Poll::Ready(turn) = self.gate.poll_turn(number, cx) {
            self.state = if turn.is_ok() { Ready::Granted } else { Ready::Not };
            self.patience = None;
            return Poll::Ready(turn);
        }
        let Some(patience) = &mut self.patience else { return Poll::Pending };
        ready!(patience.alarm.poll(patience.until, cx));
        self.give_back();
        self.state = Ready::GaveUp;
        Poll::Ready(Ok(()))
    }

    /// Hands the permit that it has to a call.
    #[inline]
    pub(super) fn take(&mut self) -> Permit<P> {
        debug_assert!(self.is_granted());
        self.state = Ready::Not;
        Permit { gate: Some(self.gate.share()), start: Start::TO_COME, weight: 1 }
    }

    /// The same with as many more as the call needs, if they are there now.
    pub(super) fn try_take(&mut self, weight: u32) -> Option<Permit<P>> {
        let more = weight - 1;
        (more == 0 || self.gate.permits.try_take_more(more)).then(|| {
            let mut permit = self.take();
            permit.weight = weight;
            permit
        })
    }

    /// It is not ready any more, and waits for nothing.
    pub(super) fn give_back(&mut self) {
        self.patience = None;
        match std::mem::replace(&mut self.state, Ready::Not) {
            Ready::Not | Ready::GaveUp => {}
            Ready::Waiting(number) => self.gate.permits.leave(Some(number), 1, Leaves::Handle),
            Ready::Granted => self.gate.permits.leave(None, 1, Leaves::Handle),
        }
    }
}

impl<P> Drop for Readiness<P> {
    #[inline]
    fn drop(&mut self) {
        if !matches!(self.state, Ready::Not) {
            self.give_back();
        }
    }
}

// === impl Ticket ===

impl<P> Ticket<P> {
    /// Asks for permits for a call.
    #[inline]
    pub(super) fn join(gate: &Shares<Gate<P>>, weight: u32) -> Result<Self, Why> {
        if gate.permits.try_take(weight) {
            return Ok(Self::Granted(Permit::granted(gate.share(), weight)));
        }
        Self::join_line(gate, weight)
    }

    #[cold]
    fn join_line(gate: &Shares<Gate<P>>, weight: u32) -> Result<Self, Why> {
        let joined = gate.join(weight, Who::Call)?;
        let gate = gate.share();
        Ok(match joined {
            Joined::Granted => Self::Granted(Permit::granted(gate, weight)),
            Joined::Waiting(number, max_wait) => {
                let until = max_wait.and_then(|wait| Instant::now().checked_add(wait));
                let place = Place {
                    gate: Some(gate),
                    number,
                    weight,
                    timed_out: false,
                    until,
                    alarm: Alarm::default(),
                };
                Self::Waiting(Box::new(place))
            }
        })
    }
}

// === impl Place ===

impl<P> Place<P> {
    /// Waits for its turn, for as long as it may.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Permit<P>, Why>> {
        let Some(gate) = self.gate.take() else { return Poll::Ready(Err(Why::Closed)) };
        match gate.poll_turn(self.number, cx) {
            Poll::Ready(Ok(())) => return Poll::Ready(Ok(Permit::granted(gate, self.weight))),
            Poll::Ready(Err(why)) => return Poll::Ready(Err(why)),
            Poll::Pending => self.gate = Some(gate),
        }
        let Some(until) = self.until else { return Poll::Pending };
        ready!(self.alarm.poll(until, cx));
        self.timed_out = true;
        Poll::Ready(Err(Why::TimedOut))
    }
}

impl<P> Drop for Place<P> {
    fn drop(&mut self) {
        if let Some(gate) = self.gate.take() {
            let why = if self.timed_out { Leaves::TimedOut } else { Leaves::Caller };
            gate.permits.leave(Some(self.number), self.weight, why);
        }
    }
}

// === impl Permit ===

impl<P> Permit<P> {
    #[inline]
    fn granted(gate: Share<Gate<P>>, weight: u32) -> Self {
        Self { gate: Some(gate), start: Start::TO_COME, weight }
    }

    /// What is here goes on there; here nothing is left.
    #[inline]
    pub(super) fn take(&mut self) -> Self {
        Self { gate: self.gate.take(), start: self.start, weight: self.weight }
    }
}

impl<P: Limit> Permit<P> {
    /// The call begins, if it has not.
    #[inline]
    pub(super) fn begin(&mut self) {
        if let Some(gate) = &self.gate
            && self.start.is_to_come()
        {
            self.start = gate.begin(self.weight);
        }
    }

    /// What it was for has ended in this way: the limit learns of it, and the permit goes back.
    #[inline]
    pub fn end(mut self, end: CallEnd) {
        let (gate, start, weight) = (self.gate.take(), self.start, self.weight);
        // Nothing is left in it.
        std::mem::forget(self);
        if let Some(gate) = gate {
            gate.end(start, weight, end);
        }
    }
}

impl<P> Drop for Permit<P> {
    #[inline]
    fn drop(&mut self) {
        if let Some(gate) = self.gate.take() {
            gate.cancel(self.start, self.weight);
        }
    }
}

impl<P> fmt::Debug for Permit<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("weight", &self.weight).finish_non_exhaustive()
    }
}
