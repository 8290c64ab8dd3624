//! Who has a permit, and who waits for one.
//!
//! # The rules
//!
//! 1. One word holds how many permits are out, whether anybody waits, and how many grants there were. While nobody
//!    waits, and there is room, a permit is one compare-and-swap on it, and giving one back is one subtraction.
//! 2. A caller that finds no room takes the lock, says in the word that somebody waits, and looks once more. Both
//!    happen on the same word, so a caller that gives something back either did so before that look, or sees that
//!    somebody waits and comes through the lock as well. No wake-up is lost between the two.
//! 3. While somebody waits, nobody passes by: newcomers go through the lock and join the end of the line.
//! 4. Under the lock, and nowhere else, the waiters at the front are given permits while they fit. The front one
//!    keeps its turn until it fits, even where one behind it would fit now; and it is served alone if the limit has
//!    become smaller than what it needs.
//! 5. A waiter that was served is no longer in the line, and so knows. A waiter that leaves takes itself out, or
//!    gives back what it was given; either way the next ones are looked at.
//! 6. Wakers run, and are dropped, after the lock.
//! 7. If the newest is to be first, the front is the last arrival, and a newcomer passes those who wait. Where no more
//!    may wait, the oldest call is shed for it: it leaves the line, and joins those that have yet to learn of it.
//!
//! It knows neither time nor policies nor runtimes, so the model checker can go through it (`tests/loom.rs`).

use std::collections::{BTreeMap, BTreeSet};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::sync::{AtomicU64, Mutex, MutexGuard, Ordering, lock, stand_off};

/// In the word: how many permits are out.
const IN_USE: u64 = (1 << 31) - 1;
/// In the word: somebody waits, or nobody is served any more, so the lock must be taken.
const ASK: u64 = 1 << 31;
/// In the word: one grant. The count of grants fills the upper half, and `rounds` counts its overflows.
const GRANT: u64 = 1 << 32;

pub(crate) struct Permits {
    /// Written by every caller that takes or gives back (rule 1). Taking acquires what giving back released.
    word: Word,
    /// At most `IN_USE`. Read without the lock, since a caller that comes while it changes may as well have come before.
    limit: AtomicU64,
    /// How often the count of grants in the word overflowed.
    rounds: AtomicU64,
    line: Mutex<Line>,
}

/// On cache lines of its own (processors fetch them in pairs), as its neighbours are read by all and hardly ever
/// written.
#[repr(align(128))]
struct Word(AtomicU64);

struct Line {
    /// In order of arrival. Waiters that were served are not in here.
    waiting: BTreeMap<u64, Waiter>,
    /// Waiters that were shed and have not learnt of it (rule 7).
    gone: BTreeSet<u64>,
    newest_first: bool,
    next: u64,
    /// How many of `waiting` are calls, and not handles that wait to become ready.
    calls: usize,
    max_waiting: usize,
    max_wait: Option<Duration>,
    closed: bool,
    given_back: u64,
    refused: u64,
    timed_out: u64,
    left: u64,
    shed: u64,
    /// Calls that came, or waited, when it was closed.
    turned_away: u64,
}

struct Waiter {
    weight: u32,
    who: Who,
    /// None until it is polled.
    waker: Option<Waker>,
}

/// Who asks for permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    /// A handle, before it has a request: not counted against `max_waiting`.
    Handle,
    /// A call: counted against `max_waiting`.
    Call,
}

/// Why a caller gives up its place, or its permits unused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leaves {
    /// A handle that is not called.
    Handle,
    /// The caller has left before its call began.
    Caller,
    /// A call has waited for as long as it may.
    TimedOut,
}

/// What became of a caller that asked for permits.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Joined {
    Granted,
    /// In the line under this number, and for at most this long.
    Waiting(u64, Option<Duration>),
}

/// Why a caller gets no permit and does not wait either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoPermit {
    Closed,
    Full,
    Shed,
}

/// What has happened so far, taken together under the lock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counts {
    pub(crate) in_use: usize,
    pub(crate) waiting: usize,
    pub(crate) admitted: u64,
    /// Permits that were given out and came back unused.
    pub(crate) unused: u64,
    pub(crate) refused: u64,
    pub(crate) timed_out: u64,
    pub(crate) left: u64,
    pub(crate) shed: u64,
    pub(crate) turned_away: u64,
}

// === impl Permits: taking and giving back ===

impl Permits {
    /// With `limit` permits, at least 1.
    pub(crate) fn new(limit: usize) -> Self {
        let line = Line {
            waiting: BTreeMap::new(),
            gone: BTreeSet::new(),
            newest_first: false,
            next: 0,
            calls: 0,
            max_waiting: 1024,
            max_wait: None,
            closed: false,
            given_back: 0,
            refused: 0,
            timed_out: 0,
            left: 0,
            shed: 0,
            turned_away: 0,
        };
        Self {
            word: Word(AtomicU64::new(0)),
            limit: AtomicU64::new(bounded(limit)),
            rounds: AtomicU64::new(0),
            line: Mutex::new(line),
        }
    }

    /// Takes permits without waiting, if nobody waits and there are enough (rules 1 and 3).
    #[inline]
    pub(crate) fn try_take(&self, weight: u32) -> bool {
        self.try_add(weight, GRANT)
    }

    /// Takes more without waiting, for a caller that has some. As it does not wait, two such callers never block each
    /// other for ever.
    pub(crate) fn try_take_more(&self, weight: u32) -> bool {
        self.try_add(weight, 0)
    }

    #[inline]
    fn try_add(&self, weight: u32, grant: u64) -> bool {
        let limit = self.limit.load(Ordering::Relaxed);
        let mut word = self.word.0.load(Ordering::Relaxed);
        loop {
            if word & ASK != 0 || (word & IN_USE) + u64::from(weight) > limit {
                return false;
            }
            let next = word.wrapping_add(grant + u64::from(weight));
            match self.word.0.compare_exchange(word, next, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => {
                    if grant > 0 {
                        self.count_round(next);
                    }
                    return true;
                }
                Err(_) => {
                    stand_off();
                    word = self.word.0.load(Ordering::Relaxed);
                }
            }
        }
    }

    /// The same for the waiter at the front, with the lock (rule 4).
    fn take_in_turn(&self, weight: u32) -> bool {
        let limit = self.limit.load(Ordering::Relaxed);
        let mut word = self.word.0.load(Ordering::Relaxed);
        loop {
            let in_use = word & IN_USE;
            if in_use != 0 && in_use + u64::from(weight) > limit {
                return false;
            }
            let next = word.wrapping_add(GRANT + u64::from(weight));
            match self.word.0.compare_exchange(word, next, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => {
                    self.count_round(next);
                    return true;
                }
                Err(now) => word = now,
            }
        }
    }

    #[inline]
    fn count_round(&self, word: u64) {
        if word < GRANT {
            self.rounds.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes permits, or joins the line for them.
    pub(crate) fn join(&self, weight: u32, who: Who) -> Result<Joined, NoPermit> {
        if self.try_take(weight) {
            return Ok(Joined::Granted);
        }
        let mut guard = self.lock();
        let line = &mut *guard;
        if line.closed {
            line.turned_away += u64::from(who == Who::Call);
            return Err(NoPermit::Closed);
        }
        self.word.0.fetch_or(ASK, Ordering::Relaxed);
        if (line.waiting.is_empty() || line.newest_first) && self.take_in_turn(weight) {
            self.open_if_nobody_waits(line);
            return Ok(Joined::Granted);
        }
        let mut shed = None;
        if who == Who::Call && line.calls >= line.max_waiting {
            shed = line.shed_oldest();
            if shed.is_none() {
                line.refused += 1;
                self.open_if_nobody_waits(line);
                return Err(NoPermit::Full);
            }
        }
        let number = line.next;
        line.next += 1;
        line.calls += usize::from(who == Who::Call);
        line.waiting.insert(number, Waiter { weight, who, waker: None });
        let joined = Joined::Waiting(number, line.max_wait);
        drop(guard);
        if let Some(waker) = shed.and_then(|waiter| waiter.waker) {
            waker.wake();
        }
        Ok(joined)
    }

    /// Waits for the permits that were [joined](Self::join) for.
    pub(crate) fn poll_turn(&self, number: u64, cx: &mut Context<'_>) -> Poll<Result<(), NoPermit>> {
        let waker = cx.waker().clone();
        let mut guard = self.lock();
        let line = &mut *guard;
        let Some(waiter) = line.waiting.get_mut(&number) else {
            let is_shed = line.gone.remove(&number);
            return Poll::Ready(if is_shed { Err(NoPermit::Shed) } else { Ok(()) });
        };
        if line.closed {
            let waiter = line.remove(number);
            line.turned_away += u64::from(waiter.as_ref().is_some_and(|waiter| waiter.who == Who::Call));
            drop(guard);
            drop(waiter);
            return Poll::Ready(Err(NoPermit::Closed));
        }
        let old = waiter.waker.replace(waker);
        drop(guard);
        drop(old);
        Poll::Pending
    }

    /// A waiter goes away, or a caller that was served and did not use its permits (rule 5).
    pub(crate) fn leave(&self, number: Option<u64>, weight: u32, why: Leaves) {
        let mut guard = self.lock();
        let line = &mut *guard;
        if number.is_some_and(|number| line.gone.remove(&number)) {
            return;
        }
        let waiter = number.and_then(|number| line.remove(number));
        if waiter.is_none() {
            line.given_back += 1;
            self.word.0.fetch_sub(u64::from(weight), Ordering::Release);
        }
        line.left += u64::from(why == Leaves::Caller);
        line.timed_out += u64::from(why == Leaves::TimedOut);
        self.serve(guard);
        drop(waiter);
    }

    /// Permits come back.
    #[inline]
    pub(crate) fn release(&self, weight: u32) {
        let before = self.word.0.fetch_sub(u64::from(weight), Ordering::Release);
        if before & ASK != 0 {
            self.serve_now();
        }
    }

    #[cold]
    fn serve_now(&self) {
        self.serve(self.lock());
    }

    /// Gives permits to those at the front while they fit (rule 4), and wakes them.
    fn serve(&self, mut guard: MutexGuard<'_, Line>) {
        let mut wakers = Vec::new();
        let line = &mut *guard;
        while !line.closed
            && let Some((&number, waiter)) = line.front()
            && self.take_in_turn(waiter.weight)
        {
            wakers.extend(line.remove(number).and_then(|waiter| waiter.waker));
        }
        self.open_if_nobody_waits(line);
        drop(guard);
        wakers.into_iter().for_each(Waker::wake);
    }

    fn open_if_nobody_waits(&self, line: &Line) {
        if line.waiting.is_empty() && !line.closed {
            self.word.0.fetch_and(!ASK, Ordering::Relaxed);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Line> {
        lock(&self.line)
    }
}

// === impl Permits: settings and counts ===

impl Permits {
    /// Sets the limit, at least 1. Returns whether that changes it; if so, the waiters are to be
    /// [served](Self::serve_all).
    pub(crate) fn set_limit(&self, limit: usize) -> bool {
        let limit = bounded(limit);
        // Most of the time it is the same, and then the others need not learn of it.
        limit != self.limit.load(Ordering::Relaxed) && limit != self.limit.swap(limit, Ordering::Relaxed)
    }

    /// Looks at the line, after the limit was changed.
    pub(crate) fn serve_all(&self) {
        self.serve(self.lock());
    }

    pub(crate) fn set_waiting(&self, max_waiting: Option<usize>, max_wait: Option<Option<Duration>>) {
        let line = &mut *self.lock();
        line.max_waiting = max_waiting.unwrap_or(line.max_waiting);
        line.max_wait = max_wait.unwrap_or(line.max_wait);
    }

    /// The last arrival is first from now on (rule 7).
    pub(crate) fn set_newest_first(&self) {
        self.lock().newest_first = true;
    }

    /// Admits nobody any more. Waiters learn of it.
    pub(crate) fn close(&self) {
        let wakers: Vec<_> = {
            let line = &mut *self.lock();
            line.closed = true;
            self.word.0.fetch_or(ASK, Ordering::Relaxed);
            line.waiting.values_mut().filter_map(|waiter| waiter.waker.take()).collect()
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        // Most of the time nobody waits, and then the word says all.
        self.word.0.load(Ordering::Relaxed) & ASK != 0 && self.lock().closed
    }

    /// A caller was refused before it came here.
    pub(crate) fn refuse(&self) {
        self.lock().refused += 1;
    }

    /// Refuses a call whose handle had given up waiting. Returns whether that is because it was closed.
    pub(crate) fn refuse_late(&self) -> bool {
        let line = &mut *self.lock();
        let count = if line.closed { &mut line.turned_away } else { &mut line.timed_out };
        *count += 1;
        line.closed
    }

    /// A caller that would not wait finds no permit.
    pub(crate) fn refuse_one(&self) {
        let line = &mut *self.lock();
        let count = if line.closed { &mut line.turned_away } else { &mut line.refused };
        *count += 1;
    }

    #[inline]
    pub(crate) fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed) as usize
    }

    pub(crate) fn in_use(&self) -> usize {
        (self.word.0.load(Ordering::Relaxed) & IN_USE) as usize
    }

    pub(crate) fn counts(&self) -> Counts {
        let line = self.lock();
        let word = self.word.0.load(Ordering::Relaxed);
        let grants = (self.rounds.load(Ordering::Relaxed) << 32) + (word >> 32);
        Counts {
            in_use: (word & IN_USE) as usize,
            waiting: line.waiting.len(),
            admitted: grants.saturating_sub(line.given_back),
            unused: line.given_back,
            refused: line.refused,
            timed_out: line.timed_out,
            left: line.left,
            shed: line.shed,
            turned_away: line.turned_away,
        }
    }
}

fn bounded(limit: usize) -> u64 {
    (limit as u64).clamp(1, IN_USE)
}

// === impl Line ===

impl Line {
    /// Whose turn it is.
    fn front(&self) -> Option<(&u64, &Waiter)> {
        if self.newest_first { self.waiting.last_key_value() } else { self.waiting.first_key_value() }
    }

    /// Sheds the oldest waiting call, if that is the rule and there is one.
    fn shed_oldest(&mut self) -> Option<Waiter> {
        let is_rule = self.newest_first && self.max_waiting > 0;
        let oldest = self.waiting.iter().find(|(_, waiter)| is_rule && waiter.who == Who::Call);
        let number = *oldest?.0;
        self.gone.insert(number);
        self.shed += 1;
        self.remove(number)
    }

    fn remove(&mut self, number: u64) -> Option<Waiter> {
        let waiter = self.waiting.remove(&number)?;
        self.calls -= usize::from(waiter.who == Who::Call);
        Some(waiter)
    }
}
