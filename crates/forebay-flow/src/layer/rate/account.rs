//! What the handles and calls of one rate share.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use forebay_queue::Tick;
use tokio::time::Instant;

use super::RateStats;
use crate::layer::alarm::Alarm;
use crate::layer::clock::Clock;
use crate::layer::{Refused, Why};
use crate::rate::{Book, Booked};

pub(super) struct Account<P> {
    clock: Clock,
    state: Mutex<State<P>>,
}

struct State<P> {
    policy: P,
    max_waiting: usize,
    max_wait: Option<Duration>,
    closed: bool,
    stats: RateStats,
}

/// A start that is booked, and may lie ahead. Dropped, it is given back if nobody booked after it.
pub(super) struct Slot<P: Book> {
    account: Arc<Account<P>>,
    /// None once it is spent.
    booked: Option<Booked>,
    /// It is a call that waits, and one of so many that may.
    waits: bool,
    at: Option<Instant>,
    alarm: Alarm,
}

// === impl Account ===

impl<P> Account<P> {
    pub(super) fn new(policy: P) -> Self {
        let stats = RateStats::default();
        let state = State { policy, max_waiting: 1024, max_wait: None, closed: false, stats };
        Self { clock: Clock::new(), state: Mutex::new(state) }
    }

    pub(super) fn set_waiting(&self, max_waiting: Option<usize>, max_wait: Option<Option<Duration>>) {
        let mut state = self.lock();
        state.max_waiting = max_waiting.unwrap_or(state.max_waiting);
        state.max_wait = max_wait.unwrap_or(state.max_wait);
    }

    pub(super) fn update<T>(&self, change: impl FnOnce(&mut P, Tick) -> T) -> T {
        let now = self.clock.now();
        change(&mut self.lock().policy, now)
    }

    pub(super) fn close(&self) {
        self.lock().closed = true;
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    pub(super) fn stats(&self) -> RateStats {
        self.lock().stats
    }

    fn lock(&self) -> MutexGuard<'_, State<P>> {
        // Nothing is half done where a policy may panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<P: Book> Account<P> {
    /// The next start for a handle, however far ahead.
    pub(super) fn book_for_handle(self: &Arc<Self>) -> Result<Slot<P>, Refused<()>> {
        let now = self.clock.now();
        let mut state = self.lock();
        if state.closed {
            return Err(refused(Why::Closed, None));
        }
        // A single start is not too heavy for any rate.
        let booked = state.policy.book(1, now).map_err(|_| refused(Why::TooHeavy, None))?;
        drop(state);
        Ok(self.slot(booked, now, false))
    }

    /// The next start for a call, if it may wait for that.
    pub(super) fn book_for_call(self: &Arc<Self>, cost: u64) -> Result<Slot<P>, Refused<()>> {
        let now = self.clock.now();
        let mut state = self.lock();
        if state.closed {
            return Err(refused(Why::Closed, None));
        }
        let Ok(booked) = state.policy.book(cost, now) else {
            state.stats.refused += 1;
            return Err(refused(Why::TooHeavy, None));
        };
        let wait = Duration::from_nanos(booked.at().saturating_sub(now));
        let refusal = match state.max_wait {
            _ if wait.is_zero() => None,
            // It would have to wait for longer than it may: it is told now, and need not wait for that.
            Some(max) if wait > max => Some(refused(Why::TimedOut, Some(wait - max))),
            _ if state.stats.waiting >= state.max_waiting => Some(refused(Why::Full, Some(wait))),
            _ => None,
        };
        if let Some(refusal) = refusal {
            state.policy.unbook(booked);
            state.stats.refused += 1;
            return Err(refusal);
        }
        let waits = !wait.is_zero();
        state.stats.waiting += usize::from(waits);
        drop(state);
        Ok(self.slot(booked, now, waits))
    }

    fn slot(self: &Arc<Self>, booked: Booked, now: Tick, waits: bool) -> Slot<P> {
        let at = (booked.at() > now).then(|| self.clock.instant(booked.at()));
        Slot { account: self.clone(), booked: Some(booked), waits, at, alarm: Alarm::default() }
    }
}

fn refused(why: Why, retry_after: Option<Duration>) -> Refused<()> {
    Refused { why, request: None, retry_after }
}

// === impl Slot ===

impl<P: Book> Slot<P> {
    /// Sleeps until it may start.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(at) = self.at else { return Poll::Ready(()) };
        let poll = self.alarm.poll(at, cx);
        if poll.is_ready() {
            self.at = None;
            if std::mem::take(&mut self.waits) {
                self.account.lock().stats.waiting -= 1;
            }
        }
        poll
    }

    /// May it start, as far as this has been told?
    pub(super) fn is_due(&self) -> bool {
        self.at.is_none()
    }

    /// It starts. What it costs more than was booked is charged.
    pub(super) fn spend(mut self, cost: u64) {
        if let Some(booked) = self.booked.take() {
            let more = cost.saturating_sub(booked.cost());
            let now = if more > 0 { self.account.clock.now() } else { 0 };
            let mut state = self.account.lock();
            if more > 0 {
                state.policy.charge(more, now);
            }
            state.stats.admitted += 1;
        }
    }
}

impl<P: Book> Drop for Slot<P> {
    fn drop(&mut self) {
        if let Some(booked) = self.booked.take() {
            let mut state = self.account.lock();
            state.stats.waiting -= usize::from(self.waits);
            if state.policy.unbook(booked) {
                state.stats.given_back += 1;
            } else {
                state.stats.lost += 1;
            }
        }
    }
}

impl<P> fmt::Debug for Account<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.stats().fmt(f)
    }
}
