//! Who waits for a start, and when it comes.
//!
//! # The rules
//!
//! 1. Waiters stand in a line, in order of arrival. The first one has its start booked with the policy, and so have
//!    those behind it whose starts come within [`AHEAD`]: timers are no finer, and none of that time shall be lost.
//! 2. A booking is no promise. When the policy learns something new, bookings that are not due yet are taken back and
//!    made again, at the rate that holds then. If it pauses, those that are due go back too, as nothing has started.
//! 3. Every waiter sleeps until its own start, or, with none booked, until its guess of it. Any caller that looks
//!    books for all whose turn has come, so a waiter that is never polled holds up nobody.
//! 4. Only a waiter that would sleep too long is woken.
//! 5. The policy runs under the lock. Wakers run, and are dropped, after it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

use forebay_queue::{CallEnd, Tick};
use tokio::time::Instant;

use super::AdaptiveRateStats;
use crate::layer::clock::Clock;
use crate::layer::{Refused, Why};
use crate::rate::{Answer, Book, Booked, FeedbackRate};

/// How far ahead starts are booked, in nanoseconds.
const AHEAD: Tick = 10_000_000;
/// How fine timers are, in nanoseconds.
const TIMER: Tick = 1_000_000;

pub(super) struct Line {
    clock: Clock,
    state: Mutex<State>,
}

struct State {
    policy: FeedbackRate,
    /// In order of arrival. Waiters that have started are not in here.
    waiting: BTreeMap<u64, Waiter>,
    /// The number of the next arrival.
    next: u64,
    /// Below this number everybody has a booking, and from it on nobody has.
    unbooked: u64,
    max_waiting: usize,
    max_wait: Option<Duration>,
    closed: bool,
    /// Without what the policy knows itself.
    stats: AdaptiveRateStats,
}

struct Waiter {
    /// It is a call that waits, and counts against `max_waiting`.
    counts: bool,
    booked: Option<Booked>,
    /// Until when its timer lets it sleep, as of its last poll.
    sleeps_until: Tick,
    /// None until it is polled.
    waker: Option<Waker>,
}

/// Who asks for a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    /// A handle, before it has a request: not counted against `max_waiting`.
    Handle,
    /// A call: its waiting is bounded.
    Call,
}

/// Where a waiter stands.
#[derive(Debug)]
pub(super) enum Turn {
    /// It may start, and is not in the line any more.
    Now(Booked),
    /// It is worth looking again then.
    At(Tick),
}

/// What became of a caller that asked.
#[derive(Debug)]
pub(super) enum Joined {
    /// If a pause comes before its start, it waits at most until this instant.
    Starts(Booked, Option<Instant>),
    /// In the line under this number, and at most until this instant.
    Waits(u64, Option<Instant>),
}

/// To be woken or dropped after the lock is released.
#[must_use]
struct Wakers(Vec<Waker>);

// === impl Line ===

impl Line {
    pub(super) fn new(policy: FeedbackRate) -> Self {
        let state = State {
            policy,
            waiting: BTreeMap::new(),
            next: 0,
            unbooked: 0,
            max_waiting: 1024,
            max_wait: None,
            closed: false,
            stats: AdaptiveRateStats::default(),
        };
        Self { clock: Clock::new(), state: Mutex::new(state) }
    }

    pub(super) fn set_waiting(&self, max_waiting: Option<usize>, max_wait: Option<Option<Duration>>) {
        let mut state = self.lock();
        state.max_waiting = max_waiting.unwrap_or(state.max_waiting);
        state.max_wait = max_wait.unwrap_or(state.max_wait);
    }

    pub(super) fn close(&self) {
        self.lock().closed = true;
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    pub(super) fn stats(&self) -> AdaptiveRateStats {
        let now = self.clock.now();
        let state = self.lock();
        AdaptiveRateStats {
            per_second: state.policy.per_second(),
            paused_for: Duration::from_nanos(state.policy.resumes_at().saturating_sub(now)),
            ..state.stats
        }
    }

    /// A start at once, or a place in the line for it.
    pub(super) fn join(&self, who: Who) -> Result<Joined, Refused<()>> {
        let now = self.clock.now();
        let mut state = self.lock();
        if state.closed {
            state.stats.closed += u64::from(who == Who::Call);
            return Err(refused(Why::Closed, None));
        }
        let number = state.next;
        state.next += 1;
        let waiter = Waiter { counts: false, booked: None, sleeps_until: Tick::MAX, waker: None };
        state.waiting.insert(number, waiter);
        let wakers = state.book(now);
        let until = state.max_wait.and_then(|wait| self.clock.instant(now).checked_add(wait));
        let joined = match state.turn(number, now) {
            Turn::Now(booked) => Ok(Joined::Starts(booked, until)),
            Turn::At(at) => state.wait(number, who, now, at).map(|()| Joined::Waits(number, until)),
        };
        drop(state);
        wakers.wake();
        joined
    }

    /// Where a waiter stands now.
    pub(super) fn poll(&self, number: u64, cx: &Context<'_>) -> Turn {
        let now = self.clock.now();
        let waker = cx.waker().clone();
        let mut state = self.lock();
        // This task is awake, and need not wake itself.
        let earlier = state.waiting.get_mut(&number).and_then(|waiter| waiter.waker.take());
        let wakers = state.book(now);
        let turn = state.turn(number, now);
        if let (Turn::At(at), Some(waiter)) = (&turn, state.waiting.get_mut(&number)) {
            waiter.sleeps_until = *at;
            waiter.waker = Some(waker);
        }
        drop(state);
        drop(earlier);
        wakers.wake();
        turn
    }

    /// A waiter does not want to wait any more, or may not for longer.
    pub(super) fn leave(&self, number: u64, timed_out: bool) {
        let now = self.clock.now();
        let mut state = self.lock();
        let left = state.leave(number);
        if left.as_ref().is_some_and(|waiter| waiter.counts) {
            let count = if timed_out { &mut state.stats.timed_out } else { &mut state.stats.left };
            *count += 1;
            state.stats.waiting -= 1;
        }
        let wakers = state.book(now);
        drop(state);
        drop(left);
        wakers.wake();
    }

    /// How much longer a waiter would have to wait, as far as is known.
    pub(super) fn still(&self, number: u64) -> Duration {
        let now = self.clock.now();
        Duration::from_nanos(self.lock().starts_at(number, now).saturating_sub(now))
    }

    /// A start that was kept is used.
    pub(super) fn start(&self) {
        self.lock().stats.admitted += 1;
    }

    /// A call whose handle has given up waiting starts now, or not at all.
    pub(super) fn start_late(&self) -> Result<(), Refused<()>> {
        let joined = self.join(Who::Handle).inspect_err(|_| self.lock().stats.closed += 1);
        match joined? {
            // What was booked stays so.
            Joined::Starts(..) => {
                self.start();
                Ok(())
            }
            Joined::Waits(number, _) => {
                let retry_after = self.still(number);
                self.leave(number, false);
                self.lock().stats.timed_out += 1;
                Err(refused(Why::TimedOut, Some(retry_after)))
            }
        }
    }

    /// A start that was kept is not used.
    pub(super) fn give_back(&self, booked: Booked, who: Who, timed_out: bool) {
        let now = self.clock.now();
        let mut state = self.lock();
        let count = if timed_out { &mut state.stats.timed_out } else { &mut state.stats.left };
        *count += u64::from(who == Who::Call);
        // Bookings that were made after it, and are not due, make way for that.
        state.take_back_ahead(now);
        if state.policy.unbook(booked) {
            state.stats.given_back += 1;
        } else {
            state.stats.lost += 1;
        }
        let wakers = state.book(now);
        drop(state);
        wakers.wake();
    }

    /// Until when nothing starts, if that is in the future.
    pub(super) fn paused_until(&self) -> Option<Instant> {
        let resumes = self.lock().policy.resumes_at();
        (resumes > self.clock.now()).then(|| self.clock.instant(resumes))
    }

    /// A call has ended.
    pub(super) fn learn(&self, rtt: Duration, answer: &Answer) {
        let now = self.clock.now();
        let mut state = self.lock();
        let stats = &mut state.stats;
        match answer.end {
            CallEnd::Success => stats.served += 1,
            CallEnd::Overload => stats.overloads += 1,
            _ => stats.ignored += 1,
        }
        let wakers = state.learn(rtt, answer, now);
        drop(state);
        wakers.wake();
    }

    /// Reads the policy, or changes it.
    pub(super) fn update<T>(&self, change: impl FnOnce(&mut FeedbackRate, Tick) -> T) -> T {
        let now = self.clock.now();
        let mut state = self.lock();
        let (result, wakers) = state.change(now, |policy| change(policy, now));
        drop(state);
        wakers.wake();
        result
    }

    pub(super) fn instant(&self, at: Tick) -> Instant {
        self.clock.instant(at)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Where a change of the policy may panic nothing is half done, but for starts that have to be booked again.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.stats().fmt(f)
    }
}

// === impl State ===

impl State {
    /// Books for every waiter that is to be booked (rule 1). Returns those that would sleep too long, to be woken (rule 4).
    fn book(&mut self, now: Tick) -> Wakers {
        let mut wakers = Wakers(Vec::new());
        let last = self.waiting.range(..self.unbooked).next_back();
        let mut last = last.and_then(|(_, waiter)| waiter.booked.as_ref()).map_or(0, Booked::at);
        while let Some((&number, waiter)) = self.waiting.range_mut(self.unbooked..).next() {
            // A single start is not too heavy for any rate.
            let Ok(next) = self.policy.next_available(1, now) else { break };
            if last > now && next > now.saturating_add(AHEAD) {
                break;
            }
            let Ok(booked) = self.policy.book(1, now) else { break };
            last = booked.at();
            if last.saturating_add(TIMER) < waiter.sleeps_until {
                wakers.0.extend(waiter.waker.take());
            }
            waiter.booked = Some(booked);
            self.unbooked = number + 1;
        }
        wakers
    }

    /// Takes the bookings from that number on back, the last one first. Whether nobody who has started booked after that one.
    fn take_back(&mut self, from: u64) -> bool {
        let mut is_last = true;
        let Self { waiting, policy, .. } = self;
        for (&number, waiter) in waiting.range_mut(from..self.unbooked.max(from)).rev() {
            if let Some(booked) = waiter.booked.take() {
                is_last = policy.unbook(booked);
            }
            self.unbooked = number;
        }
        is_last
    }

    /// Takes back the bookings that are not due.
    fn take_back_ahead(&mut self, now: Tick) {
        let is_ahead = |waiter: &Waiter| waiter.booked.as_ref().is_some_and(|booked| booked.at() > now);
        let booked = self.waiting.range(..self.unbooked).rev();
        if let Some((&number, _)) = booked.take_while(|(_, waiter)| is_ahead(waiter)).last() {
            self.take_back(number);
        }
    }

    /// The policy learns from an answer. If that changes neither rate nor pause, bookings stay as they are: to make
    /// them anew for each answer is work that grows with the square of the rate.
    fn learn(&mut self, rtt: Duration, answer: &Answer, now: Tick) -> Wakers {
        let mut learnt = self.policy.clone();
        learnt.learn(rtt, answer, now);
        if !learnt.starts_as(&self.policy, now) {
            return self.change(now, |policy| policy.learn(rtt, answer, now)).1;
        }
        let last = self.waiting.range(..self.unbooked).next_back();
        if last.and_then(|(_, waiter)| waiter.booked.as_ref()).is_some_and(|booked| booked.at() > now) {
            learnt.note_wait();
        }
        self.policy = learnt;
        Wakers(Vec::new())
    }

    /// The policy changes (rule 2).
    fn change<T>(&mut self, now: Tick, change: impl FnOnce(&mut FeedbackRate) -> T) -> (T, Wakers) {
        self.take_back_ahead(now);
        let result = change(&mut self.policy);
        if self.policy.resumes_at() > now {
            self.take_back(0);
        }
        (result, self.book(now))
    }

    /// Lets a waiter start, if its time has come.
    fn turn(&mut self, number: u64, now: Tick) -> Turn {
        let waiter = self.waiting.get_mut(&number);
        match waiter.and_then(|waiter| waiter.booked.take_if(|booked| booked.at() <= now)) {
            Some(booked) => {
                let waiter = self.waiting.remove(&number);
                self.stats.waiting -= usize::from(waiter.is_some_and(|waiter| waiter.counts));
                Turn::Now(booked)
            }
            None => Turn::At(self.starts_at(number, now)),
        }
    }

    /// When a waiter starts: as it is booked, or as if all those before it started at the rate that holds now.
    fn starts_at(&self, number: u64, now: Tick) -> Tick {
        if let Some(booked) = self.waiting.get(&number).and_then(|waiter| waiter.booked.as_ref()) {
            return booked.at();
        }
        let next = self.policy.next_available(1, now).unwrap_or(now);
        let before = number.saturating_sub(self.unbooked) as f64;
        // Later than now, as it has to be looked at again, and a number that is too large becomes the largest.
        next.saturating_add((before * 1e9 / self.policy.per_second()) as Tick).max(now.saturating_add(1))
    }

    /// The caller waits, if it may.
    fn wait(&mut self, number: u64, who: Who, now: Tick, at: Tick) -> Result<(), Refused<()>> {
        if who == Who::Handle {
            return Ok(());
        }
        let wait = Duration::from_nanos(at - now);
        let pause = Duration::from_nanos(self.policy.resumes_at().saturating_sub(now));
        let refusal = match self.max_wait {
            _ if self.stats.waiting >= self.max_waiting => refused(Why::Full, Some(wait)),
            // The rate may rise, but a pause will not become shorter: the caller is told now, and need not wait for that.
            Some(max) if pause > max => refused(Why::TimedOut, Some(pause - max)),
            _ => {
                self.stats.waiting += 1;
                if let Some(waiter) = self.waiting.get_mut(&number) {
                    waiter.counts = true;
                }
                return Ok(());
            }
        };
        self.stats.refused += 1;
        self.leave(number);
        Err(refusal)
    }

    /// Takes a waiter out of the line.
    fn leave(&mut self, number: u64) -> Option<Waiter> {
        let is_booked = self.waiting.get(&number).is_some_and(|waiter| waiter.booked.is_some());
        if is_booked && !self.take_back(number) {
            self.stats.lost += 1;
        }
        self.waiting.remove(&number)
    }
}

// === impl Wakers ===

impl Wakers {
    fn wake(self) {
        self.0.into_iter().for_each(Waker::wake);
    }
}

fn refused(why: Why, retry_after: Option<Duration>) -> Refused<()> {
    Refused { why, request: None, retry_after }
}
