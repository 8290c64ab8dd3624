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
use crate::layer::share::{Share, Shares};
use crate::layer::{Refused, Why};
use crate::rate::{Book, Booked, RatePolicy, Refusal, Reserved};
use crate::sync::lock_soon;

pub(super) struct Account<P> {
    clock: Clock,
    closed: AtomicBool,
    state: Mutex<State<P>>,
}

struct State<P> {
    policy: P,
    max_waiting: usize,
    max_wait: Option<Duration>,
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
}

/// A start that is booked, and may lie ahead.
#[derive(Default)]
struct Start {
    /// None before it is booked, and once it is spent.
    booked: Option<Booked>,
    /// Until then it sleeps. None once it may start, from when on it counts as admitted.
    at: Option<Instant>,
    alarm: Alarm,
}

/// Who has booked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    /// A handle that waits to become ready.
    Handle,
    /// A call: one of so many that may wait.
    Call,
}

// === impl Account ===

impl<P> Account<P> {
    pub(super) fn new(policy: P) -> Self {
        let stats = RateStats::default();
        let state = State { policy, max_waiting: 1024, max_wait: None, stats };
        Self { clock: Clock::new(), closed: AtomicBool::new(false), state: Mutex::new(state) }
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
        self.lock().stats
    }

    #[inline]
    fn lock(&self) -> MutexGuard<'_, State<P>> {
        lock_soon(&self.state)
    }
}

impl<P: Book> Account<P> {
    /// The next start for a call, if it may wait for that.
    #[inline]
    fn book_for_call(&self, cost: u64) -> Result<Start, Refused<()>> {
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
            state.stats.admitted += 1;
            drop(state);
            return Ok(Start::new(booked, None));
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
        Ok(Start::new(booked, Some(at)))
    }

    /// The next start for a handle, however far ahead. Into its place, as a start is large to be moved for each call.
    #[inline]
    fn book_for_handle(&self, start: &mut Start) -> Result<(), Refused<()>> {
        if self.is_closed() {
            return Err(refused(Why::Closed, None));
        }
        let now = self.clock.now();
        let mut state = self.lock();
        // A single start is not too heavy for any rate.
        let booked = state.policy.book(1, now).map_err(|_| refused(Why::TooHeavy, None))?;
        if booked.at() > now {
            start.at = Some(self.clock.instant(booked.at()));
        } else {
            state.stats.admitted += 1;
        }
        drop(state);
        start.booked = Some(booked);
        Ok(())
    }

    /// One that waited may start.
    #[cold]
    fn admit(&self, who: Who) {
        let stats = &mut self.lock().stats;
        stats.waiting -= usize::from(who == Who::Call);
        stats.admitted += 1;
    }

    /// A start does not take place.
    #[cold]
    fn give_back(&self, booked: Booked, who: Who, waits: bool) {
        let mut state = self.lock();
        match (waits, who) {
            (false, _) => state.stats.admitted -= 1,
            (true, Who::Call) => state.stats.waiting -= 1,
            (true, Who::Handle) => {}
        }
        if state.policy.unbook(booked) {
            state.stats.given_back += 1;
        } else {
            state.stats.lost += 1;
        }
    }
}

impl<P: RatePolicy> Account<P> {
    /// Keeps room for a start, if it is there now.
    pub(super) fn reserve(&self, cost: u64) -> Result<Reserved, Refused<()>> {
        if self.is_closed() {
            return Err(refused(Why::Closed, None));
        }
        let now = self.clock.now();
        let mut state = self.lock();
        state.policy.reserve(cost, now).map_err(|refusal| {
            state.stats.refused += 1;
            match refusal {
                Refusal::Until(at) => refused(Why::Full, Some(Duration::from_nanos(at.saturating_sub(now)))),
                Refusal::TooHeavy => refused(Why::TooHeavy, None),
            }
        })
    }

    pub(super) fn commit(&self, reserved: Reserved, actual: u64) {
        let now = self.clock.now();
        let mut state = self.lock();
        state.policy.commit(reserved, actual, now);
        state.stats.admitted += 1;
    }

    pub(super) fn cancel(&self, reserved: Reserved) {
        let mut state = self.lock();
        state.policy.cancel(reserved);
        state.stats.given_back += 1;
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
            self.account.book_for_handle(&mut self.start)?;
        }
        self.start.poll(&self.account, Who::Handle, cx).map(Ok)
    }

    /// Has it a start that is due, as far as this has been told?
    #[inline]
    pub(super) fn is_due(&self) -> bool {
        self.start.booked.is_some() && self.start.at.is_none()
    }

    /// It starts. What it costs more than was booked is charged.
    #[inline]
    pub(super) fn spend(&mut self, cost: u64) {
        let Some(booked) = self.start.booked.take() else { return };
        if cost > booked.cost() {
            let now = self.account.clock.now();
            self.account.lock().policy.charge(cost - booked.cost(), now);
        }
    }
}

impl<P: Book> Drop for Readiness<P> {
    fn drop(&mut self) {
        if let Some(booked) = self.start.booked.take() {
            self.account.give_back(booked, Who::Handle, self.start.at.is_some());
        }
    }
}

// === impl Slot ===

impl<P: Book> Slot<P> {
    #[inline]
    pub(super) fn book(account: &Shares<Account<P>>, cost: u64) -> Result<Self, Refused<()>> {
        let start = account.book_for_call(cost)?;
        Ok(Self { account: account.share(), start })
    }

    /// Sleeps until it may start, and starts.
    #[inline]
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.start.poll(&self.account, Who::Call, cx));
        self.start.booked = None;
        Poll::Ready(())
    }
}

impl<P: Book> Drop for Slot<P> {
    #[inline]
    fn drop(&mut self) {
        if let Some(booked) = self.start.booked.take() {
            self.account.give_back(booked, Who::Call, self.start.at.is_some());
        }
    }
}

// === impl Start ===

impl Start {
    #[inline]
    fn new(booked: Booked, at: Option<Instant>) -> Self {
        Self { booked: Some(booked), at, alarm: Alarm::default() }
    }

    /// Sleeps until it may start.
    #[inline]
    fn poll<P: Book>(&mut self, account: &Account<P>, who: Who, cx: &mut Context<'_>) -> Poll<()> {
        let Some(at) = self.at else { return Poll::Ready(()) };
        ready!(self.alarm.poll(at, cx));
        self.at = None;
        account.admit(who);
        Poll::Ready(())
    }
}

impl<P> fmt::Debug for Account<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.stats().fmt(f)
    }
}
