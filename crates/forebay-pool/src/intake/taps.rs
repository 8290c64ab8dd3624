//! Workers that take items themselves.
//!
//! Where the source can be asked at several places and nothing is to be held between it and the workers, each worker
//! has a [`Tap`] and there is no line: the source's own order is the order of those that wait there, and not all do
//! (`leaders.rs`). The intake's lock is not taken for an item. What remains here is to say which workers may take:
//!
//! 1. Each worker has a gate in its hands, which is shut to begin with. A worker that finds it shut comes here,
//!    leaves its waker, and is admitted, which opens the gate, or waits, or is told that it is over.
//! 2. Gates are opened and shut under the intake's lock, and looked at under that of the source. So a thread that
//!    knows that a gate was shut, and then looks at the source, finds that nothing is taken through it any more.
//!    Whoever shuts gates wakes the workers concerned.
//! 3. A worker that is not ready looks through a gate that is always shut: it takes nothing, and learns of the end.
//! 4. A waker that was left is good until its gate is shut: a task has one waker all its life.

use std::task::{Context, Poll, Waker};

use forebay_queue::Tap;

use super::afterwards::Afterwards;
use super::state::{Pause, State, panicked};
use crate::contain::contain;

/// The fault of a source, as it is reported.
pub(crate) const DESPITE_THE_GATE: &str = "it handed out an item to a tap that was shut";

// === impl State ===

impl<T: Send + 'static> State<T> {
    pub(super) fn open_taps(&mut self) {
        self.tap = self.new_tap();
    }

    /// A tap for one worker, if they have any.
    pub(super) fn tap(&mut self, _: &mut Afterwards<T>) -> Option<Box<dyn Tap<Item = T>>> {
        self.tap.as_ref()?;
        self.new_tap()
    }

    pub(super) fn new_tap(&self) -> Option<Box<dyn Tap<Item = T>>> {
        let source = self.source.as_ref()?;
        contain(|| source.tap()).unwrap_or_else(|panic| {
            tracing::error!(%panic, "source panicked when it was asked for a tap");
            None
        })
    }

    /// Rule 1.
    pub(super) fn poll_admitted(
        &mut self,
        seat: usize,
        waker: &Waker,
        afterwards: &mut Afterwards<T>,
    ) -> Poll<bool> {
        if self.is_over_for(seat) {
            return Poll::Ready(false);
        }
        self.leave_waker(seat, waker, afterwards);
        if self.pause != Pause::No {
            return Poll::Pending;
        }
        self.hands(seat).quick().set_open(true);
        Poll::Ready(true)
    }

    /// Rule 2, for the seats from this one on. The caller wakes their workers, or will.
    pub(super) fn shut_taps(&mut self, from: usize) {
        self.each_hands().skip(from).for_each(|hands| hands.quick().set_open(false));
    }

    /// A tap said that the source has ended, or panicked.
    pub(super) fn source_ended(&mut self, panic: Option<String>, afterwards: &mut Afterwards<T>) {
        match panic {
            Some(panic) => self.break_off(panicked(panic), afterwards),
            None if !self.has_ended() => self.end(afterwards),
            None => {}
        }
    }

    /// Is there nothing to do? Nobody is kept from taking meanwhile, so this looks twice: a worker that took what
    /// the source had before the source was looked at is not at rest after that, or is done with more.
    ///
    /// If something waits there, the source calls the supervisor once nothing does: it may expire, or go another way.
    pub(super) fn is_idle_by_taps(&mut self, nothing_waits: &impl Fn() -> bool) -> bool {
        if self.pause != Pause::No {
            return false;
        }
        let Some(before) = self.done_at_rest() else { return false };
        // A tap that panics says nothing, and the next worker that takes from its source will find it broken.
        let nothing =
            self.tap.as_mut().is_none_or(|tap| has_nothing(&mut **tap, self.supervisor.as_ref()) == Ok(true));
        nothing && nothing_waits() && self.done_at_rest() == Some(before)
    }

    /// If nothing is in hand: how many items are done.
    fn done_at_rest(&self) -> Option<u64> {
        self.each_hands().map(|hands| hands.done_at_rest()).sum()
    }
}

/// Does nothing wait where the tap leads to? If something does, the owner of the waker is called once nothing does.
pub(super) fn has_nothing<T>(
    tap: &mut (impl Tap<Item = T> + ?Sized),
    waker: Option<&Waker>,
) -> Result<bool, String> {
    let mut cx = Context::from_waker(waker.unwrap_or(Waker::noop()));
    contain(|| tap.waiting() == 0 || tap.poll_none_waiting(&mut cx).is_ready())
}
