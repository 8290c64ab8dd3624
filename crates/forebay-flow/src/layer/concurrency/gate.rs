//! A limit: its policy, and as many permits as the policy says.
//!
//! There are two locks, never one inside the other: the policy's, for calls that it must be told of, and the
//! line's, for waiters (`permits.rs`). With a policy that learns nothing, a call takes neither.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::task::{Context, Poll};

use forebay_queue::{CallEnd, Limit, Sample, Tick};

use super::LimitStats;
use crate::layer::Why;
use crate::layer::clock::Clock;
use crate::permits::{Joined, Leaves, NoPermit, Permits, Who};
use crate::sync::lock_soon;

pub(super) struct Gate<P> {
    pub(super) permits: Permits,
    /// Whether the policy must be told of calls. Written under its lock.
    samples: AtomicBool,
    clock: Clock,
    state: Mutex<State<P>>,
}

struct State<P> {
    policy: P,
    /// At work of what the policy is told of.
    running: usize,
}

/// Permits that go back when it is dropped.
struct GivesBack<'a> {
    permits: &'a Permits,
    weight: u32,
}

/// The beginning of a call, if it has begun, and if the policy was told of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start {
    at: Tick,
    /// How many were at work then, including itself. 0 if nobody was told, and the highest number if it is to come.
    in_flight: u32,
}

// === impl Gate: permits ===

impl<P> Gate<P> {
    /// Takes permits, or joins the line for them.
    pub(super) fn join(&self, weight: u32, who: Who) -> Result<Joined, Why> {
        Ok(self.permits.join(weight, who)?)
    }

    /// Waits for the permits that were joined for.
    pub(super) fn poll_turn(&self, number: u64, cx: &mut Context<'_>) -> Poll<Result<(), Why>> {
        self.permits.poll_turn(number, cx).map_err(Why::from)
    }

    /// A call that was cancelled tells the policy nothing, and gives its permits back.
    #[cold]
    pub(super) fn cancel(&self, start: Start, weight: u32) {
        if start.is_to_come() {
            return self.permits.leave(None, weight, Leaves::Caller);
        }
        if start.is_told() {
            self.lock().running -= weight as usize;
        }
        self.permits.release(weight);
    }

    pub(super) fn look<T>(&self, look: impl FnOnce(&P) -> T) -> T {
        look(&self.lock().policy)
    }

    pub(super) fn stats(&self) -> LimitStats {
        let counts = self.permits.counts();
        LimitStats {
            limit: self.permits.limit(),
            in_use: counts.in_use,
            waiting: counts.waiting,
            admitted: counts.admitted,
            unused: counts.unused,
            refused: counts.refused,
            timed_out: counts.timed_out,
            left: counts.left,
            shed: counts.shed,
            closed: counts.turned_away,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<P>> {
        lock_soon(&self.state)
    }
}

// === impl Gate: the policy ===

impl<P: Limit> Gate<P> {
    pub(super) fn new(policy: P) -> Self {
        Self {
            permits: Permits::new(policy.seats()),
            samples: AtomicBool::new(policy.uses_samples()),
            clock: Clock::new(),
            state: Mutex::new(State { policy, running: 0 }),
        }
    }

    /// A call begins. If no samples are needed, the policy is not told, and no clock is read.
    #[inline]
    pub(super) fn begin(&self, weight: u32) -> Start {
        if self.samples.load(Ordering::Relaxed) { self.tell_begin(weight) } else { Start::UNTOLD }
    }

    #[inline(never)]
    fn tell_begin(&self, weight: u32) -> Start {
        let at = self.clock.now();
        let mut state = self.lock();
        let in_flight = state.running + weight as usize;
        state.policy.started(in_flight);
        let seats = state.policy.seats();
        // Counted after the policy had its say: if that panics, the call has not begun.
        state.running = in_flight;
        self.follow(seats, state);
        Start { at, in_flight: in_flight.min(Start::MOST) as u32 }
    }

    /// A call has ended, and gives its permits back.
    #[inline]
    pub(super) fn end(&self, start: Start, weight: u32, end: CallEnd) {
        // They go back after the policy had its say, since there may be fewer then, and also if it panics.
        let _back = GivesBack { permits: &self.permits, weight };
        if start.is_told() {
            self.tell_end(start, weight, end);
        }
    }

    #[inline(never)]
    fn tell_end(&self, start: Start, weight: u32, end: CallEnd) {
        let now = self.clock.now();
        let rtt = std::time::Duration::from_nanos(now.saturating_sub(start.at));
        let sample = Sample { rtt, in_flight: start.in_flight as usize, end };
        let mut state = self.lock();
        state.running -= weight as usize;
        state.policy.update(&sample, now);
        self.follow(state.policy.seats(), state);
    }

    /// Changes the policy, and wakes as many waiters as fit now.
    pub(super) fn update<T>(&self, change: impl FnOnce(&mut P) -> T) -> T {
        let mut state = self.lock();
        let result = change(&mut state.policy);
        self.samples.store(state.policy.uses_samples(), Ordering::Relaxed);
        self.follow(state.policy.seats(), state);
        result
    }

    /// Takes over what the policy says, before anybody can change it again.
    fn follow(&self, seats: usize, state: MutexGuard<'_, State<P>>) {
        let is_new = self.permits.set_limit(seats);
        drop(state);
        if is_new {
            self.permits.serve_all();
        }
    }
}

impl Drop for GivesBack<'_> {
    #[inline]
    fn drop(&mut self) {
        self.permits.release(self.weight);
    }
}

// === impl Start ===

impl Start {
    /// Of a call that the policy was not told of.
    const UNTOLD: Self = Self { at: 0, in_flight: 0 };

    /// Of a call that has not begun.
    pub(super) const TO_COME: Self = Self { at: 0, in_flight: u32::MAX };

    /// As many permits as there can be.
    const MOST: usize = u32::MAX as usize - 1;

    #[inline]
    pub(super) fn is_to_come(self) -> bool {
        self.in_flight == u32::MAX
    }

    /// Only of calls that have begun.
    #[inline]
    fn is_told(self) -> bool {
        self.in_flight != 0
    }
}

impl From<NoPermit> for Why {
    fn from(why: NoPermit) -> Self {
        match why {
            NoPermit::Closed => Self::Closed,
            NoPermit::Full => Self::Full,
            NoPermit::Shed => Self::Overload,
        }
    }
}

impl<P> std::fmt::Debug for Gate<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate")
            .field("limit", &self.permits.limit())
            .field("in_use", &self.permits.in_use())
            .finish_non_exhaustive()
    }
}
