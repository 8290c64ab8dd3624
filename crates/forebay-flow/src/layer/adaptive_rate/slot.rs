//! A start: waited for, then kept, then used.

use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::Instant;

use super::line::{Joined, Line, Turn, Who};
use crate::layer::alarm::Alarm;
use crate::layer::{Refused, Why};
use crate::rate::Booked;

/// A place in the line, and then a start that is kept. If dropped, it leaves the line, or gives the start back.
pub(super) struct Slot {
    line: Arc<Line>,
    who: Who,
    state: State,
    alarm: Alarm,
}

enum State {
    /// In the line under this number, and at most until this instant.
    Waits(u64, Option<Instant>),
    /// The start is kept until it is used; if a pause comes before that, at most until this instant.
    Kept(Booked, Option<Instant>),
    /// A handle that has waited for as long as it may, and is ready to be told so.
    GaveUp,
    Gone,
}

// === impl Slot ===

impl Slot {
    pub(super) fn join(line: &Arc<Line>, who: Who) -> Result<Self, Refused<()>> {
        let state = match line.join(who)? {
            Joined::Starts(booked, until) => State::Kept(booked, until),
            Joined::Waits(number, until) => State::Waits(number, until),
        };
        Ok(Self { line: line.clone(), who, state, alarm: Alarm::default() })
    }

    /// Sleeps until it may start; does so again, if a pause has come since.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Refused<()>>> {
        loop {
            match self.state {
                State::Waits(number, until) => match self.line.poll(number, cx) {
                    Turn::Now(booked) => {
                        self.state = State::Kept(booked, until);
                        return Poll::Ready(Ok(()));
                    }
                    Turn::At(at) => {
                        let at = self.line.instant(at);
                        ready!(self.alarm.poll(until.map_or(at, |until| until.min(at)), cx));
                        if until.is_some_and(|until| until <= Instant::now()) {
                            let retry_after = self.line.still(number);
                            return Poll::Ready(self.give_up(retry_after));
                        }
                    }
                },
                State::Kept(_, until) => {
                    let Some(resumes) = self.line.paused_until() else { return Poll::Ready(Ok(())) };
                    ready!(self.alarm.poll(until.map_or(resumes, |until| until.min(resumes)), cx));
                    let now = Instant::now();
                    if until.is_some_and(|until| until <= now && now < resumes) {
                        return Poll::Ready(self.give_up(resumes - now));
                    }
                }
                State::GaveUp | State::Gone => return Poll::Ready(Ok(())),
            }
        }
    }

    /// Whether it may start, or has given up, as of its last poll.
    pub(super) fn is_ready(&self) -> bool {
        matches!(self.state, State::Kept(..) | State::GaveUp)
    }

    /// It has waited for as long as it may. A call is refused; a handle is ready, as its call is to be refused.
    fn give_up(&mut self, retry_after: Duration) -> Result<(), Refused<()>> {
        self.give_back(true);
        if self.who == Who::Handle {
            self.state = State::GaveUp;
            return Ok(());
        }
        Err(Refused { why: Why::TimedOut, request: None, retry_after: Some(retry_after) })
    }

    /// It does not start.
    fn give_back(&mut self, timed_out: bool) {
        match std::mem::replace(&mut self.state, State::Gone) {
            State::Waits(number, _) => self.line.leave(number, timed_out),
            State::Kept(booked, _) => self.line.give_back(booked, self.who, timed_out),
            State::GaveUp | State::Gone => {}
        }
    }

    /// The call starts, unless the handle has given up and there is still no start.
    pub(super) fn start(mut self) -> Result<(), Refused<()>> {
        match std::mem::replace(&mut self.state, State::Gone) {
            // What was booked stays so.
            State::Kept(..) => self.line.start(),
            State::GaveUp => self.line.start_late()?,
            State::Waits(..) | State::Gone => {}
        }
        Ok(())
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.give_back(false);
    }
}
