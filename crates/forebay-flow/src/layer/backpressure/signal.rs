//! What everybody behind one pressure shares.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use forebay_queue::{Pressure, Stats, Visitor, Watermarks};
use tokio::time::Instant;

use crate::layer::Why;
use crate::layer::alarm::Alarm;

/// Tells a [`BackpressureLayer`](super::BackpressureLayer) what the pressure is, and shows its counts.
///
/// Clones share the same pressure. It never waits, so it may be called from hooks.
///
/// ```
/// use forebay_flow::Pressure;
/// use forebay_flow::layer::BackpressureLayer;
///
/// let handle = BackpressureLayer::default().handle();
/// assert_eq!(handle.observe(Some(0.9)), Some(Pressure::High));
/// assert_eq!(handle.observe(Some(0.5)), None, "in between it stays what it was");
/// assert_eq!(handle.observe(Some(0.1)), Some(Pressure::Normal));
/// ```
#[derive(Clone)]
pub struct PressureHandle {
    signal: Arc<Signal>,
}

struct Signal {
    /// Mirrors `State::pressure`, written under the lock. Readiness asks it first; a handle that is to wait looks again
    /// under the lock, and a change of the pressure wakes after that, so nobody waits for a change that has been.
    high: AtomicBool,
    state: Mutex<State>,
}

struct State {
    watermarks: Watermarks,
    pressure: Pressure,
    waiting: BTreeMap<u64, Waker>,
    next: u64,
    refusing: bool,
    max_waiting: usize,
    max_wait: Option<Duration>,
    crossings: u64,
    refused: u64,
}

/// A handle's place among those that wait. If dropped, it leaves.
pub(super) struct Place {
    signal: Arc<Signal>,
    number: u64,
    until: Option<Instant>,
    alarm: Alarm,
}

/// What has happened so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct PressureStats {
    /// What the pressure is.
    pub pressure: Pressure,
    /// Handles that wait for it to become normal.
    pub waiting: usize,
    /// How often it became high.
    pub crossings: u64,
    /// Calls that were refused meanwhile: by choice, or since their handle may not wait, or not for longer.
    pub refused: u64,
}

// === impl PressureHandle ===

impl PressureHandle {
    pub(super) fn new(watermarks: Watermarks) -> Self {
        let state = State {
            watermarks,
            pressure: Pressure::Normal,
            waiting: BTreeMap::new(),
            next: 0,
            refusing: false,
            max_waiting: usize::MAX,
            max_wait: None,
            crossings: 0,
            refused: 0,
        };
        Self { signal: Arc::new(Signal { high: AtomicBool::new(false), state: Mutex::new(state) }) }
    }

    /// Reports how full the downstream is, like [`Level::level`](forebay_queue::Level::level): from 0 to 1, `None` without a
    /// bound. Returns the pressure from now on, if it was different before; if it is normal again, all waiters are woken.
    pub fn observe(&self, level: Option<f64>) -> Option<Pressure> {
        let state = self.lock();
        let next = match level {
            Some(share) => state.watermarks.update_share(state.pressure, share),
            None => Pressure::Normal,
        };
        self.turn(state, next)
    }

    /// Reports the pressure itself instead of the level; otherwise like [`observe`](Self::observe).
    ///
    /// A queue does so through its hook `on_pressure`.
    pub fn set(&self, pressure: Pressure) -> Option<Pressure> {
        self.turn(self.lock(), pressure)
    }

    /// Sets the levels between which the pressure changes from now on. It stays what it is until the next level is reported.
    pub fn set_watermarks(&self, watermarks: Watermarks) {
        self.lock().watermarks = watermarks;
    }

    /// Sets whether calls are refused while the pressure is high, rather than held up. Handles that already wait are woken,
    /// and learn of it.
    pub fn set_refusing(&self, refusing: bool) {
        let mut state = self.lock();
        state.refusing = refusing;
        let woken = if refusing { std::mem::take(&mut state.waiting) } else { BTreeMap::new() };
        drop(state);
        woken.into_values().for_each(Waker::wake);
    }

    /// As [`max_waiting`](super::BackpressureLayer::max_waiting). Handles that already wait stay.
    pub fn set_max_waiting(&self, max_waiting: usize) {
        self.lock().max_waiting = max_waiting;
    }

    /// As [`max_wait`](super::BackpressureLayer::max_wait), for arrivals from now on; `None` is no bound.
    pub fn set_max_wait(&self, max_wait: Option<Duration>) {
        self.lock().max_wait = max_wait;
    }

    /// What the pressure is.
    pub fn pressure(&self) -> Pressure {
        if self.is_high() { Pressure::High } else { Pressure::Normal }
    }

    /// Counts.
    pub fn stats(&self) -> PressureStats {
        let State { pressure, waiting, crossings, refused, .. } = &*self.lock();
        PressureStats {
            pressure: *pressure,
            waiting: waiting.len(),
            crossings: *crossings,
            refused: *refused,
        }
    }

    fn turn(&self, mut state: MutexGuard<'_, State>, next: Pressure) -> Option<Pressure> {
        if state.pressure == next {
            return None;
        }
        state.pressure = next;
        let is_high = next == Pressure::High;
        self.signal.high.store(is_high, Ordering::Relaxed);
        state.crossings += u64::from(is_high);
        let woken = if is_high { BTreeMap::new() } else { std::mem::take(&mut state.waiting) };
        drop(state);
        woken.into_values().for_each(Waker::wake);
        Some(next)
    }

    pub(super) fn is_high(&self) -> bool {
        self.signal.high.load(Ordering::Relaxed)
    }

    /// Why a call is to be refused, if it is, which then counts; its handle may have given up waiting.
    pub(super) fn refuses(&self, gave_up: Option<Why>) -> Option<Why> {
        if !self.is_high() {
            return None;
        }
        let mut state = self.lock();
        let why = if state.refusing { Some(Why::Pressure) } else { gave_up };
        let why = why.filter(|_| state.pressure == Pressure::High);
        state.refused += u64::from(why.is_some());
        why
    }

    /// Waits until the pressure is normal, unless calls are refused rather than held up; or gives up, and says why.
    pub(super) fn poll_normal(&self, place: &mut Option<Place>, cx: &mut Context<'_>) -> Poll<Option<Why>> {
        if !self.is_high() {
            *place = None;
            return Poll::Ready(None);
        }
        let waker = cx.waker().clone();
        let mut state = self.lock();
        if state.pressure == Pressure::Normal || state.refusing {
            drop(state);
            *place = None;
            return Poll::Ready(None);
        }
        let waits = match &mut *place {
            Some(waits) => waits,
            None if state.waiting.len() >= state.max_waiting => return Poll::Ready(Some(Why::Full)),
            none => {
                let number = state.next;
                state.next += 1;
                let until = state.max_wait.and_then(|wait| Instant::now().checked_add(wait));
                none.insert(Place { signal: self.signal.clone(), number, until, alarm: Alarm::default() })
            }
        };
        let old = state.waiting.insert(waits.number, waker);
        drop(state);
        drop(old);
        let Some(until) = waits.until else { return Poll::Pending };
        ready!(waits.alarm.poll(until, cx));
        *place = None;
        Poll::Ready(Some(Why::TimedOut))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.signal.lock()
    }
}

impl Stats for PressureHandle {
    fn observe(&self, visitor: &mut dyn Visitor) {
        let PressureStats { pressure, waiting, crossings, refused } = self.stats();
        visitor.gauge("forebay_pressure_high", &[], f64::from(u8::from(pressure == Pressure::High)));
        visitor.gauge("forebay_pressure_waiting", &[], waiting as f64);
        visitor.counter("forebay_pressure_crossings_total", &[], crossings);
        visitor.counter("forebay_admission_total", &[("result", "refused")], refused);
    }
}

impl fmt::Debug for PressureHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.stats().fmt(f)
    }
}

// === impl Signal ===

impl Signal {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No code of a user runs under it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Place ===

impl Drop for Place {
    fn drop(&mut self) {
        let waker = self.signal.lock().waiting.remove(&self.number);
        drop(waker);
    }
}
