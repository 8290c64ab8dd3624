//! What the handles and calls of one rate share.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use forebay_queue::Tick;
use tokio::time::Instant;

use super::RateStats;
use super::credit::{Credit, OnCredit, Round};
use super::left::Left;
use crate::layer::alarm::Alarm;
use crate::layer::clock::Clock;
use crate::layer::share::{Share, Shares};
use crate::layer::{Refused, Why};
use crate::rate::{Book, Booked, RatePolicy, Refusal, Reserved};
use crate::sync::lock_soon;

pub(super) struct Account<P> {
    clock: Clock,
    closed: AtomicBool,
    credit: Credit,
    state: Mutex<State<P>>,
}

struct State<P> {
    policy: P,
    max_waiting: usize,
    max_wait: Option<Duration>,
    left: Left,
    /// Without what was taken in the round that is open, and what `left` counts.
    stats: RateStats,
    round: Round,
}

/// A handle's start, booked when it asks for one. If dropped, it is free for others.
pub(super) struct Readiness<P: Book> {
    account: Shares<Account<P>>,
    start: Start,
}

/// A call's start. If dropped, it is free for others.
pub(super) struct Slot<P: Book> {
    account: Share<Account<P>>,
    start: Start,
}

/// A booked start, which may lie ahead.
#[derive(Default)]
struct Start {
    claim: Claim,
    /// It sleeps until then. None once it may start; from then on it counts as admitted.
    at: Option<Instant>,
    alarm: Alarm,
}

/// What backs a start.
#[derive(Default)]
enum Claim {
    /// Nothing: it is not booked yet, or already spent.
    #[default]
    None,
    OnCredit(OnCredit),
    Booked(Booked),
    /// It would have had to wait for longer than it may, and is ready to be told so.
    GaveUp,
}

/// Who has booked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    /// A handle that waits to become ready.
    Handle,
    /// A call: counted against `max_waiting`.
    Call,
}

// === impl Account ===

impl<P> Account<P> {
    pub(super) fn new(policy: P) -> Self {
        let (left, stats, round) = (Left::default(), RateStats::default(), Round::default());
        let state = State { policy, max_waiting: 1024, max_wait: None, left, stats, round };
        let (closed, credit) = (AtomicBool::new(false), Credit::new());
        Self { clock: Clock::new(), closed, credit, state: Mutex::new(state) }
    }

    pub(super) fn set_waiting(&self, max_waiting: Option<usize>, max_wait: Option<Option<Duration>>) {
        let mut state = self.lock();
        state.max_waiting = max_waiting.unwrap_or(state.max_waiting);
        state.max_wait = max_wait.unwrap_or(state.max_wait);
    }

    /// A caller that books at the same time may as well have booked before.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    pub(super) fn stats(&self) -> RateStats {
        let now = self.clock.now();
        let state = self.lock();
        let on_credit = self.credit.taken(&state.round);
        let (given_back, lost) = state.left.counts(now);
        RateStats {
            admitted: state.stats.admitted + on_credit,
            given_back: state.stats.given_back + given_back,
            lost: state.stats.lost + lost,
            ..state.stats
        }
    }

    /// Refuses a call that comes once the rate is closed.
    #[cold]
    fn turn_away(&self) -> Refused<()> {
        self.lock().stats.closed += 1;
        refused(Why::Closed, None)
    }

    #[inline]
    fn lock(&self) -> MutexGuard<'_, State<P>> {
        lock_soon(&self.state)
    }
}

impl<P: Book> Account<P> {
    pub(super) fn update<T>(&self, change: impl FnOnce(&mut P, Tick) -> T) -> T {
        let (mut state, now) = self.enter();
        change(&mut state.policy, now)
    }

    /// Locks the shared state and reads the time, to ask the policy. Starts that were taken on credit are charged as of then.
    #[inline]
    fn enter(&self) -> (MutexGuard<'_, State<P>>, Tick) {
        let now = self.clock.now();
        let mut state = self.lock();
        let now = if state.round.is_open() { self.end_credit(&mut state) } else { now };
        (state, now)
    }

    /// Charges the starts that were taken on credit, as of the time that it returns.
    #[cold]
    fn end_credit(&self, state: &mut State<P>) -> Tick {
        let taken = self.credit.end(&mut state.round);
        let now = self.clock.now();
        state.stats.admitted += taken;
        if taken > 0 {
            state.policy.charge(taken, now);
        }
        now
    }

    /// The next start for a call, if it may wait that long.
    #[inline]
    fn book_for_call(&self, cost: u64) -> Result<Start, Refused<()>> {
        if self.is_closed() {
            return Err(self.turn_away());
        }
        if cost == 1
            && let Some(on_credit) = self.credit.take()
        {
            return Ok(Start::new(Claim::OnCredit(on_credit), None));
        }
        let (mut guard, now) = self.enter();
        let state = &mut *guard;
        let Ok(booked) = state.left.book(&mut state.policy, cost, now) else {
            state.stats.refused += 1;
            return Err(refused(Why::TooHeavy, None));
        };
        let at = booked.at();
        if at <= now {
            state.stats.admitted += 1;
            self.give_credit(state, now);
            drop(guard);
            return Ok(Start::new(Claim::Booked(booked), None));
        }
        let wait = Duration::from_nanos(at - now);
        // Starts that were left lie ahead just as those that somebody waits for.
        let ahead = state.stats.waiting + state.left.len();
        let refusal = match state.max_wait {
            // The call would have to wait for longer than it may: it is told now, and need not wait for that.
            Some(max) if wait > max => Some(refused(Why::TimedOut, Some(wait - max))),
            _ if ahead >= state.max_waiting => Some(refused(Why::Full, Some(wait))),
            _ => None,
        };
        if let Some(refusal) = refusal {
            state.left.put_back(&mut state.policy, booked);
            state.stats.refused += 1;
            return Err(refusal);
        }
        state.stats.waiting += 1;
        drop(guard);
        Ok(Start::new(Claim::Booked(booked), Some(self.clock.instant(at))))
    }

    /// The next start for a handle, as far ahead as it may wait for. Written in place, as a start is large to be
    /// moved for each call.
    #[inline]
    fn book_for_handle(&self, start: &mut Start) -> Result<(), Refused<()>> {
        if self.is_closed() {
            return Err(refused(Why::Closed, None));
        }
        if let Some(on_credit) = self.credit.take() {
            start.claim = Claim::OnCredit(on_credit);
            return Ok(());
        }
        let (mut guard, now) = self.enter();
        let state = &mut *guard;
        // A single start is not too heavy for any rate.
        let booked = state.left.book(&mut state.policy, 1, now).map_err(|_| refused(Why::TooHeavy, None))?;
        let at = booked.at();
        if at > now {
            if state.max_wait.is_some_and(|max| Duration::from_nanos(at - now) > max) {
                state.left.put_back(&mut state.policy, booked);
                start.claim = Claim::GaveUp;
                return Ok(());
            }
            start.at = Some(self.clock.instant(at));
        } else {
            state.stats.admitted += 1;
            self.give_credit(state, now);
        }
        drop(guard);
        start.claim = Claim::Booked(booked);
        Ok(())
    }

    /// A start for a call whose handle has given up: now, or not at all.
    #[cold]
    fn book_late(&self) -> Result<(), Refused<()>> {
        if self.is_closed() {
            return Err(self.turn_away());
        }
        let (mut guard, now) = self.enter();
        let state = &mut *guard;
        let booked = state.left.book(&mut state.policy, 1, now).map_err(|_| refused(Why::TooHeavy, None))?;
        let at = booked.at();
        if at <= now {
            state.stats.admitted += 1;
            return Ok(());
        }
        let wait = Duration::from_nanos(at - now).saturating_sub(state.max_wait.unwrap_or_default());
        state.left.put_back(&mut state.policy, booked);
        state.stats.refused += 1;
        Err(refused(Why::TimedOut, Some(wait)))
    }

    /// The next callers need neither lock nor clock, as far as the policy gives credit.
    #[inline]
    fn give_credit(&self, state: &mut State<P>, now: Tick) {
        let starts = state.policy.credit(now);
        if starts > 0 {
            self.credit.begin(&mut state.round, starts);
        }
    }

    /// A start that was waited for may begin.
    #[cold]
    fn admit(&self, who: Who) {
        let stats = &mut self.lock().stats;
        stats.waiting -= usize::from(who == Who::Call);
        stats.admitted += 1;
    }

    /// A start does not take place.
    #[cold]
    fn give_back(&self, claim: Claim, who: Who, waits: bool) {
        let now = self.clock.now();
        let mut state = self.lock();
        let State { policy, left, stats, round, .. } = &mut *state;
        match claim {
            Claim::None | Claim::GaveUp => {}
            Claim::OnCredit(on_credit) => {
                if self.credit.give_back(round, on_credit) {
                    stats.given_back += 1;
                } else {
                    // It was counted when its round ended.
                    stats.admitted -= 1;
                    stats.lost += 1;
                }
                stats.unused += 1;
            }
            Claim::Booked(booked) => {
                match (waits, who) {
                    (false, _) => {
                        stats.admitted -= 1;
                        stats.unused += 1;
                    }
                    (true, Who::Call) => stats.waiting -= 1,
                    (true, Who::Handle) => {}
                }
                left.give_back(policy, booked, now);
            }
        }
    }
}

impl<P: RatePolicy> Account<P> {
    /// Keeps room for a start, if it is there now.
    pub(super) fn reserve(&self, cost: u64) -> Result<Reserved, Refused<()>> {
        if self.is_closed() {
            return Err(self.turn_away());
        }
        let (mut state, now) = self.enter();
        state.policy.reserve(cost, now).map_err(|refusal| {
            state.stats.refused += 1;
            match refusal {
                Refusal::Until(at) => refused(Why::Full, Some(Duration::from_nanos(at.saturating_sub(now)))),
                Refusal::TooHeavy => refused(Why::TooHeavy, None),
            }
        })
    }

    pub(super) fn commit(&self, reserved: Reserved, actual: u64) {
        let (mut state, now) = self.enter();
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

    /// Books the next start and sleeps until then, or gives up at once if that is further ahead than it may wait for.
    #[inline]
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Refused<()>>> {
        if self.start.claim.is_none() {
            self.account.book_for_handle(&mut self.start)?;
        }
        self.start.poll(&self.account, Who::Handle, cx).map(Ok)
    }

    /// Whether it has a start that is due, or has given up, as of its last poll.
    #[inline]
    pub(super) fn is_ready(&self) -> bool {
        !self.start.claim.is_none() && self.start.at.is_none()
    }

    /// The call starts, unless the handle has given up and there is still no start. Its cost beyond what was booked is charged.
    #[inline]
    pub(super) fn spend(&mut self, cost: u64) -> Result<(), Refused<()>> {
        let gave_up = matches!(self.start.claim, Claim::GaveUp);
        self.start.claim = Claim::None;
        if gave_up {
            self.account.book_late()?;
        }
        if cost > 1 {
            let (mut state, now) = self.account.enter();
            state.policy.charge(cost - 1, now);
        }
        Ok(())
    }
}

impl<P: Book> Drop for Readiness<P> {
    fn drop(&mut self) {
        if !self.start.claim.is_none() {
            self.account.give_back(
                std::mem::take(&mut self.start.claim),
                Who::Handle,
                self.start.at.is_some(),
            );
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
        self.start.claim = Claim::None;
        Poll::Ready(())
    }
}

impl<P: Book> Drop for Slot<P> {
    #[inline]
    fn drop(&mut self) {
        if !self.start.claim.is_none() {
            self.account.give_back(std::mem::take(&mut self.start.claim), Who::Call, self.start.at.is_some());
        }
    }
}

// === impl Start ===

impl Start {
    #[inline]
    fn new(claim: Claim, at: Option<Instant>) -> Self {
        Self { claim, at, alarm: Alarm::default() }
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

// === impl Claim ===

impl Claim {
    #[inline]
    fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }
}

impl<P> fmt::Debug for Account<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.stats().fmt(f)
    }
}
