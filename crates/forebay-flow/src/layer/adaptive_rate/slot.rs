//! A start: waited for, then kept, then used.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::time::Instant;

use super::line::{Joined, Line, Turn, Who};
use crate::layer::alarm::Alarm;
use crate::layer::{Refused, Why};
use crate::rate::Booked;

/// A place in the line, and then a start that is kept. Dropped, it leaves the line, or gives the start back.
pub(super) struct Slot {
    line: Arc<Line>,
    who: Who,
    state: State,
    alarm: Alarm,
}

enum State {
    /// Under that number, and at most until then.
    Waits(u64, Option<Instant>),
    Kept(Booked),
    Gone,
}

// === impl Slot ===

impl Slot {
    pub(super) fn join(line: &Arc<Line>, who: Who) -> Result<Self, Refused<()>> {
        let state = match line.join(who)? {
            Joined::Starts(booked) => State::Kept(booked),
            Joined::Waits(number, until) => State::Waits(number, until),
        };
        Ok(Self { line: line.clone(), who, state, alarm: Alarm::default() })
    }

    /// Sleeps until it may start; also again, if a pause has come since.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Refused<()>>> {
        loop {
            match self.state {
                State::Waits(number, until) => match self.line.poll(number, cx) {
                    Turn::Now(booked) => {
                        self.state = State::Kept(booked);
                        return Poll::Ready(Ok(()));
                    }
                    Turn::At(at) => {
                        let at = self.line.instant(at);
                        ready!(self.alarm.poll(until.map_or(at, |until| until.min(at)), cx));
                        if until.is_some_and(|until| until <= Instant::now()) {
                            let retry_after = Some(self.line.still(number));
                            self.state = State::Gone;
                            self.line.leave(number, true);
                            return Poll::Ready(Err(Refused {
                                why: Why::TimedOut,
                                request: None,
                                retry_after,
                            }));
                        }
                    }
                },
                State::Kept(_) => match self.line.paused_until() {
                    Some(resumes) => ready!(self.alarm.poll(resumes, cx)),
                    None => return Poll::Ready(Ok(())),
                },
                State::Gone => return Poll::Ready(Ok(())),
            }
        }
    }

    /// May it start, as far as this has been told?
    pub(super) fn is_kept(&self) -> bool {
        matches!(self.state, State::Kept(_))
    }

    /// It starts.
    pub(super) fn start(mut self) {
        // What was booked stays so.
        if let State::Kept(_) = std::mem::replace(&mut self.state, State::Gone) {
            self.line.start();
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        match std::mem::replace(&mut self.state, State::Gone) {
            State::Waits(number, _) => self.line.leave(number, false),
            State::Kept(booked) => self.line.give_back(booked, self.who),
            State::Gone => {}
        }
    }
}
