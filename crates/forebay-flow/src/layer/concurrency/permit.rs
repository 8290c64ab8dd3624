//! A permit, from the line to its end.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use forebay_queue::{CallEnd, Limit};
use tokio::time::Instant;

use super::gate::{Gate, Joined, Start, Who};
use crate::layer::Why;

/// A place in the line, or what was granted there and is not used yet. Dropped, it leaves no trace.
pub(super) struct Ticket<P> {
    /// None once it is used.
    gate: Option<Arc<Gate<P>>>,
    /// The number in the line; none if nobody had to wait.
    number: Option<u64>,
    weight: u32,
    timed_out: bool,
    /// Until when it may wait.
    pub(super) until: Option<Instant>,
}

/// The right to be at work. It goes back when it is dropped; what a [`Hold`](super::Hold) keeps it for has ended then,
/// and if that was not by [`end`](Self::end), it was cancelled, and the limit learns nothing from it.
pub struct Permit<P> {
    /// None once it has gone back.
    gate: Option<Arc<Gate<P>>>,
    start: Option<Start>,
    weight: u32,
}

// === impl Ticket ===

impl<P> Ticket<P> {
    pub(super) fn join(gate: &Arc<Gate<P>>, weight: u32, who: Who) -> Result<Self, Why> {
        let (number, until) = match gate.join(weight, who)? {
            Joined::Granted => (None, None),
            Joined::Waiting(number, until) => (Some(number), until),
        };
        Ok(Self { gate: Some(gate.clone()), number, weight, timed_out: false, until })
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Why>> {
        match (&self.gate, self.number) {
            (Some(gate), Some(number)) => {
                let poll = gate.poll_turn(number, cx);
                if poll.is_ready() {
                    self.number = None;
                }
                if let Poll::Ready(Err(_)) = poll {
                    self.gate = None;
                }
                poll
            }
            _ => Poll::Ready(Ok(())),
        }
    }

    /// Was it served, as far as this ticket has been told?
    pub(super) fn is_granted(&self) -> bool {
        self.number.is_none()
    }

    /// It has waited for as long as it may.
    pub(super) fn time_out(mut self) {
        self.timed_out = true;
    }
}

impl<P: Limit> Ticket<P> {
    /// Begins what it was for.
    pub(super) fn into_permit(mut self) -> Permit<P> {
        let start = self.gate.as_ref().and_then(|gate| gate.begin(self.weight));
        Permit { gate: self.gate.take(), start, weight: self.weight }
    }
}

impl<P> Drop for Ticket<P> {
    fn drop(&mut self) {
        if let Some(gate) = self.gate.take() {
            gate.leave(self.number, self.weight, self.timed_out);
        }
    }
}

// === impl Permit ===

impl<P: Limit> Permit<P> {
    /// What it was for has ended in this way: the limit learns of it, and the permit goes back.
    pub fn end(mut self, end: CallEnd) {
        match (self.gate.take(), self.start) {
            (Some(gate), Some(start)) => gate.end(start, self.weight, end),
            (Some(gate), None) => gate.release(self.weight),
            (None, _) => {}
        }
    }
}

impl<P> Drop for Permit<P> {
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
