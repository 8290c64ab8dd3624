//! What the handles and calls of one rate share.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use forebay_queue::Tick;
use tokio::time::Instant;

use super::RateStats;
use crate::layer::alarm::Alarm;
use crate::layer::clock::Clock;
use crate::layer::share::{Share, Shares, Tally};
use crate::layer::{Refused, Why};
use crate::rate::{Book, Booked};
use crate::sync::lock_soon;

pub(super) struct Account<P> {
    clock: Clock,
    closed: AtomicBool,
    /// Calls that have started. They need nothing else of the account then, and so do not take its lock.
    admitted: Tally,
    state: Mutex<State<P>>,
}

struct State<P> {
    policy: P,
    max_waiting: usize,
    max_wait: Option<Duration>,
    /// Without `admitted`.
    stats: RateStats,
}

/// A handle's start, booked when it asks for one. Dropped, it is given back if nobody booked after it.
pub(super) struct Readiness<P: Book> {
    account: Shares<Account<P>>,
    start: Start,
}

/// A call's start. Dropped, it is given back if nobody booked after it.
pub(super) struct Slot<P: Book> {
    account: Share<Account<P>>,
    start: Start,
    /// It is one of so many that may wait.
    waits: bool,
}

/// A start that is booked, and may lie ahead.
#[derive(Default)]
struct Start {
    /// None before it is booked, and once it is spent.
    booked: Option<Booked>,
    /// Until then it sleeps.
    at: Option<Instant>,
    alarm: Alarm,
}

// === impl Account ===

impl<P> Account<P> {
    pub(super) fn new(policy: P) -> Self {
        let stats = RateStats::default();
        let state = State { policy, max_waiting: 1024, max_wait: None, stats };
        Self {
            clock: Clock::new(),
            closed: AtomicBool::new(false),
            admitted: Tally::new(),
            state: Mutex::new(state),
        }
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

    /// Who books at the same time may as well have booked before.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    pub(super) fn stats(&self) -> RateStats {
        let stats = self.lock().stats;
        RateStats { admitted: self.admitted.sum(), ..stats }
    }

    #[inline]
    fn lock(&self) -> MutexGuard<'_, State<P>> {
        lock_soon(&self.state)
    }
}

impl<P: Book> Account<P> {
    /// The next start for a call, if it may wait for that, and whether it has to.
    #[inline]
    fn book_for_call(&self, cost: u64) -> Result<(Start, bool), Refused<()>> {
        if self.is_closed() {
            return Err(refused(Why::Closed, None));
        }
        let now = self.clock.now();
        let mut state = self.lock();
        let Ok(booked) = state.policy.book(cost, now) else {
            state.stats.refused += 1;
            return Err(refused(Why::TooHeavy, None));
        };
        if booked.at() <= now {
            return Ok((Start::new(booked, None), false));
        }
        let wait = Duration::from_nanos(booked.at() - now);
        let refusal = match state.max_wait {
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
        state.stats.waiting += 1;
        drop(state);
        let at = self.clock.instant(booked.at());
        Ok((Start::new(booked, Some(at)), true))
    }

    /// It does not take place.
    #[cold]
    fn give_back(&self, booked: Booked, waits: bool) {
        let mut state = self.lock();
        state.stats.waiting -= usize::from(waits);
        if state.policy.unbook(booked) {
            state.stats.given_back += 1;
        } else {
            state.stats.lost += 1;
        }
    }
}

fn refused(why: Why, retry_after: Option<Duration>) -> Refused<()> {
    Refused { why, request: None, retry_after }
}

// === impl Readiness ===

impl<P: Book> Readiness<P> {
    pub(super) fn new(account: Shares<Account<P>>) -> Self {
        Self { account, start: Start::default() }
    }

    pub(super) fn account(&self) -> &Shares<Account<P>> {
        &self.account
    }

    /// Books the next start, however far ahead, and sleeps until then.
    #[inline]
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Refused<()>>> {
        if self.start.booked.is_none() {
            if self.account.is_closed() {
                return Poll::Ready(Err(refused(Why::Closed, None)));
            }
            let now = self.account.clock.now();
            // A single start is not too heavy for any rate.
            let booked = self.account.lock().policy.book(1, now).map_err(|_| refused(Why::TooHeavy, None))?;
            self.start.at = (booked.at() > now).then(|| self.account.clock.instant(booked.at()));
            self.start.booked = Some(booked);
        }
        self.start.poll(cx).map(Ok)
    }

    /// Has it a start that is due, as far as this has been told?
    #[inline]
    pub(super) fn is_due(&self) -> bool {
        self.start.booked.is_some() && self.start.at.is_none()
    }

    /// It starts. What it costs more than was booked is charged.
    #[inline]
    pub(super) fn spend(&mut self, cost: u64) {
        if let Some(booked) = &self.start.booked {
            if cost > booked.cost() {
                let now = self.account.clock.now();
                self.account.lock().policy.charge(cost - booked.cost(), now);
            }
            self.account.admitted.count();
        }
        self.start.booked = None;
    }
}

impl<P: Book> Drop for Readiness<P> {
    fn drop(&mut self) {
        if let Some(booked) = self.start.booked.take() {
            self.account.give_back(booked, false);
        }
    }
}

// === impl Slot ===

impl<P: Book> Slot<P> {
    #[inline]
    pub(super) fn book(account: &Shares<Account<P>>, cost: u64) -> Result<Self, Refused<()>> {
        let (start, waits) = account.book_for_call(cost)?;
        Ok(Self { account: account.share(), start, waits })
    }

    /// Sleeps until it may start, and starts.
    #[inline]
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.start.poll(cx));
        if std::mem::take(&mut self.waits) {
            self.account.lock().stats.waiting -= 1;
        }
        if self.start.booked.take().is_some() {
            self.account.admitted.count();
        }
        Poll::Ready(())
    }
}

impl<P: Book> Drop for Slot<P> {
    #[inline]
    fn drop(&mut self) {
        if let Some(booked) = self.start.booked.take() {
            self.account.give_back(booked, self.waits);
        }
    }
}

// === impl Start ===

impl Start {
    #[inline]
    fn new(booked: Booked, at: Option<Instant>) -> Self {
        Self { booked: Some(booked), at, alarm: Alarm::default() }
    }

    /// Sleeps until then.
    #[inline]
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(at) = self.at else { return Poll::Ready(()) };
        let poll = self.alarm.poll(at, cx);
        if poll.is_ready() {
            self.at = None;
        }
        poll
    }
}

impl<P> fmt::Debug for Account<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.stats().fmt(f)
    }
}
