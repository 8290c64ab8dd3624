//! Who has a permit, and who waits for one.
//!
//! # The rules
//!
//! 1. One word holds how many permits are out, whether anybody waits, and how many grants there were. While nobody
//!    waits, and there is room, a permit is one compare-and-swap on it, and giving one back is one subtraction.
//! 2. Who finds no room takes the lock, says in the word that somebody waits, and looks once more. Both happen on the same
//!    word, so whoever gives something back either did so before that look, or sees that somebody waits and comes
//!    through the lock as well. No wake-up is lost between the two.
//! 3. While somebody waits, nobody passes by: newcomers go through the lock and join the end of the line.
//! 4. Under the lock, and nowhere else, those at the front are given permits while they fit. The front keeps its turn
//!    until it fits, even where one behind it would fit now; and it is served alone if the limit has become smaller than
//!    what it needs.
//! 5. Who was served is not in the line any more, and so knows. One that leaves takes itself out, or gives back what it
//!    was given; either way the next ones are looked at.
//! 6. A policy runs under the lock. Wakers run, and are dropped, after it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use forebay_queue::{CallEnd, Limit, Sample};
use tokio::time::Instant;

use super::LimitStats;
use crate::layer::Why;
use crate::layer::clock::Clock;

/// In the word: how many permits are out.
const IN_USE: u64 = (1 << 31) - 1;
/// In the word: somebody waits, or nobody is served any more, so the lock must be taken.
const ASK: u64 = 1 << 31;
/// In the word: one grant. Their count fills the upper half, and what runs over is counted by `rounds`.
const GRANT: u64 = 1 << 32;

pub(super) struct Gate<P> {
    /// Written by whoever takes or gives back (rule 1). Taking acquires what giving back released.
    word: AtomicU64,
    /// As the policy says, at most `IN_USE`. Written under the lock; read without, since one that comes while it changes
    /// may as well have come before.
    limit: AtomicU64,
    /// How often the grants in the word ran over.
    rounds: AtomicU64,
    /// Whether the policy must be told of calls. Written under the lock.
    samples: AtomicBool,
    clock: Clock,
    state: Mutex<State<P>>,
}

struct State<P> {
    policy: P,
    /// At work of what the policy is told of.
    running: usize,
    line: Line,
}

struct Line {
    /// By the order in which they came. Whoever was served is not in here.
    waiting: BTreeMap<u64, Waiter>,
    next: u64,
    /// How many of those are calls, and not handles that wait to become ready.
    calls: usize,
    max_waiting: usize,
    max_wait: Option<Duration>,
    closed: bool,
    given_back: u64,
    refused: u64,
    timed_out: u64,
    left: u64,
}

struct Waiter {
    weight: u32,
    who: Who,
    /// None until it is polled.
    waker: Option<Waker>,
}

/// Who asks for permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    /// A handle, before it has a request: it may wait for as long as it likes.
    Handle,
    /// A call: its waiting is bounded.
    Call,
}

/// What became of one that asked for permits.
#[derive(Debug)]
pub(super) enum Joined {
    Granted,
    /// Under that number in the line, and at most until then.
    Waiting(u64, Option<Instant>),
}

/// A call that the policy was told of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start {
    at: Instant,
    in_flight: usize,
}

// === impl Gate: permits ===

impl<P> Gate<P> {
    /// Permits without waiting, if nobody waits and there are as many (rules 1 and 3).
    fn try_take(&self, weight: u32) -> bool {
        let limit = self.limit.load(Ordering::Relaxed);
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            if word & ASK != 0 || (word & IN_USE) + u64::from(weight) > limit {
                return false;
            }
            let next = word.wrapping_add(GRANT + u64::from(weight));
            match self.word.compare_exchange_weak(word, next, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => {
                    self.count_round(next);
                    return true;
                }
                Err(now) => word = now,
            }
        }
    }

    /// The same for whoever is at the front, with the lock (rule 4).
    fn take_in_turn(&self, weight: u32) -> bool {
        let limit = self.limit.load(Ordering::Relaxed);
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            let in_use = word & IN_USE;
            if in_use != 0 && in_use + u64::from(weight) > limit {
                return false;
            }
            let next = word.wrapping_add(GRANT + u64::from(weight));
            match self.word.compare_exchange_weak(word, next, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => {
                    self.count_round(next);
                    return true;
                }
                Err(now) => word = now,
            }
        }
    }

    fn count_round(&self, word: u64) {
        if word < GRANT {
            self.rounds.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes permits, or joins the line for them.
    pub(super) fn join(&self, weight: u32, who: Who) -> Result<Joined, Why> {
        if self.try_take(weight) {
            return Ok(Joined::Granted);
        }
        let mut state = self.lock();
        let line = &mut state.line;
        if line.closed {
            return Err(Why::Closed);
        }
        self.word.fetch_or(ASK, Ordering::Relaxed);
        if line.waiting.is_empty() && self.take_in_turn(weight) {
            self.word.fetch_and(!ASK, Ordering::Relaxed);
            return Ok(Joined::Granted);
        }
        if who == Who::Call && line.calls >= line.max_waiting {
            line.refused += 1;
            self.open_if_nobody_waits(line);
            return Err(Why::Full);
        }
        let number = line.next;
        line.next += 1;
        line.calls += usize::from(who == Who::Call);
        line.waiting.insert(number, Waiter { weight, who, waker: None });
        let until = line.max_wait.filter(|_| who == Who::Call).map(|wait| (Instant::now(), wait));
        Ok(Joined::Waiting(number, until.and_then(|(now, wait)| now.checked_add(wait))))
    }

    /// Waits for what was [joined](Self::join) for.
    pub(super) fn poll_turn(&self, number: u64, cx: &mut Context<'_>) -> Poll<Result<(), Why>> {
        let waker = cx.waker().clone();
        let mut state = self.lock();
        let line = &mut state.line;
        let Some(waiter) = line.waiting.get_mut(&number) else {
            return Poll::Ready(Ok(()));
        };
        if line.closed {
            let waiter = line.remove(number);
            drop(state);
            drop(waiter);
            return Poll::Ready(Err(Why::Closed));
        }
        let old = waiter.waker.replace(waker);
        drop(state);
        drop(old);
        Poll::Pending
    }

    /// One that waited, or was served and did not use it, goes away (rule 5).
    pub(super) fn leave(&self, number: Option<u64>, weight: u32, timed_out: bool) {
        let mut state = self.lock();
        let line = &mut state.line;
        let waiter = number.and_then(|number| line.remove(number));
        match &waiter {
            Some(waiter) => line.left += u64::from(waiter.who == Who::Call && !timed_out),
            None => {
                line.given_back += 1;
                self.word.fetch_sub(u64::from(weight), Ordering::Release);
            }
        }
        line.timed_out += u64::from(timed_out);
        self.serve(state);
        drop(waiter);
    }

    /// Permits come back.
    pub(super) fn release(&self, weight: u32) {
        let before = self.word.fetch_sub(u64::from(weight), Ordering::Release);
        if before & ASK != 0 {
            self.serve(self.lock());
        }
    }

    /// Gives permits to those at the front while they fit (rule 4), and wakes them.
    fn serve(&self, mut state: MutexGuard<'_, State<P>>) {
        let mut wakers = Vec::new();
        let line = &mut state.line;
        while !line.closed
            && let Some((&number, waiter)) = line.waiting.first_key_value()
            && self.take_in_turn(waiter.weight)
        {
            wakers.extend(line.remove(number).and_then(|waiter| waiter.waker));
        }
        self.open_if_nobody_waits(line);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    fn open_if_nobody_waits(&self, line: &Line) {
        if line.waiting.is_empty() && !line.closed {
            self.word.fetch_and(!ASK, Ordering::Relaxed);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<P>> {
        // Nothing is half done where a policy may panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Gate: the policy ===

impl<P: Limit> Gate<P> {
    pub(super) fn new(policy: P) -> Self {
        let line = Line {
            waiting: BTreeMap::new(),
            next: 0,
            calls: 0,
            max_waiting: 1024,
            max_wait: None,
            closed: false,
            given_back: 0,
            refused: 0,
            timed_out: 0,
            left: 0,
        };
        Self {
            word: AtomicU64::new(0),
            limit: AtomicU64::new(seats(&policy)),
            rounds: AtomicU64::new(0),
            samples: AtomicBool::new(policy.uses_samples()),
            clock: Clock::new(),
            state: Mutex::new(State { policy, running: 0, line }),
        }
    }

    /// A call begins. Without a need for samples nobody is told.
    pub(super) fn begin(&self, weight: u32) -> Option<Start> {
        if !self.samples.load(Ordering::Relaxed) {
            return None;
        }
        let at = Instant::now();
        let mut state = self.lock();
        state.running += weight as usize;
        let in_flight = state.running;
        state.policy.started(in_flight);
        if self.follow(&state.policy) {
            self.serve(state);
        }
        Some(Start { at, in_flight })
    }

    /// A call has ended, and gives its permits back.
    pub(super) fn end(&self, start: Start, weight: u32, end: CallEnd) {
        let now = Instant::now();
        let sample = Sample { rtt: now.duration_since(start.at), in_flight: start.in_flight, end };
        let mut state = self.lock();
        state.running -= weight as usize;
        state.policy.update(&sample, self.clock.tick(now));
        let changed = self.follow(&state.policy);
        let before = self.word.fetch_sub(u64::from(weight), Ordering::Release);
        if changed || before & ASK != 0 {
            self.serve(state);
        }
    }

    /// Changes the policy, and wakes as many as fit now.
    pub(super) fn update<T>(&self, change: impl FnOnce(&mut P) -> T) -> T {
        let mut state = self.lock();
        let result = change(&mut state.policy);
        self.samples.store(state.policy.uses_samples(), Ordering::Relaxed);
        self.follow(&state.policy);
        self.serve(state);
        result
    }

    /// Takes over what the policy says. Whether that is something new.
    fn follow(&self, policy: &P) -> bool {
        let seats = seats(policy);
        seats != self.limit.swap(seats, Ordering::Relaxed)
    }
}

/// How many permits there are.
fn seats(policy: &impl Limit) -> u64 {
    (policy.seats() as u64).clamp(1, IN_USE)
}

// === impl Gate: everything else ===

impl<P> Gate<P> {
    /// A call that was cancelled tells the policy nothing, and gives its permits back.
    pub(super) fn cancel(&self, start: Option<Start>, weight: u32) {
        if start.is_some() {
            self.lock().running -= weight as usize;
        }
        self.release(weight);
    }

    pub(super) fn set_waiting(&self, max_waiting: Option<usize>, max_wait: Option<Option<Duration>>) {
        let line = &mut self.lock().line;
        line.max_waiting = max_waiting.unwrap_or(line.max_waiting);
        line.max_wait = max_wait.unwrap_or(line.max_wait);
    }

    /// Lets nobody in any more. Those who wait learn of it.
    pub(super) fn close(&self) {
        let wakers: Vec<_> = {
            let line = &mut self.lock().line;
            line.closed = true;
            self.word.fetch_or(ASK, Ordering::Relaxed);
            line.waiting.values_mut().filter_map(|waiter| waiter.waker.take()).collect()
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    pub(super) fn is_closed(&self) -> bool {
        // Most of the time nobody waits, and then the word says all.
        self.word.load(Ordering::Relaxed) & ASK != 0 && self.lock().line.closed
    }

    pub(super) fn refuse(&self) {
        self.lock().line.refused += 1;
    }

    pub(super) fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed) as usize
    }

    pub(super) fn in_use(&self) -> usize {
        (self.word.load(Ordering::Relaxed) & IN_USE) as usize
    }

    pub(super) fn look<T>(&self, look: impl FnOnce(&P) -> T) -> T {
        look(&self.lock().policy)
    }

    pub(super) fn stats(&self) -> LimitStats {
        let state = self.lock();
        let word = self.word.load(Ordering::Relaxed);
        let grants = (self.rounds.load(Ordering::Relaxed) << 32) + (word >> 32);
        let Line { waiting, given_back, refused, timed_out, left, .. } = &state.line;
        LimitStats {
            limit: self.limit(),
            in_use: (word & IN_USE) as usize,
            waiting: waiting.len(),
            admitted: grants.saturating_sub(*given_back),
            refused: *refused,
            timed_out: *timed_out,
            left: *left,
        }
    }
}

// === impl Line ===

impl Line {
    fn remove(&mut self, number: u64) -> Option<Waiter> {
        let waiter = self.waiting.remove(&number)?;
        self.calls -= usize::from(waiter.who == Who::Call);
        Some(waiter)
    }
}

impl<P> std::fmt::Debug for Gate<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate")
            .field("limit", &self.limit())
            .field("in_use", &self.in_use())
            .finish_non_exhaustive()
    }
}
