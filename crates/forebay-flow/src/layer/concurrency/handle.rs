//! Observes a limit, and changes it while it is in use.

use std::fmt;
use std::time::Duration;

use forebay_queue::{CallEnd, Level, Limit, Stats, Visitor};

use super::gate::{Gate, Start};
use crate::layer::share::Shares;

/// Observes a limit, and changes it while it is in use.
///
/// ```
/// use forebay_flow::Fixed;
/// use forebay_flow::layer::ConcurrencyLimitLayer;
///
/// let limit = ConcurrencyLimitLayer::new(Fixed(10));
/// let handle = limit.handle();
/// handle.update(|fixed| fixed.0 = 20);
/// assert_eq!(handle.limit(), 20);
/// ```
pub struct LimitHandle<P> {
    pub(super) gate: Shares<Gate<P>>,
}

/// A permit for work that is no call of a service; see [`LimitHandle::try_permit`]. It goes back when it is dropped; if that was
/// not by [`end`](Self::end), the limit learns nothing from it.
#[must_use = "a permit goes back when it is dropped"]
pub struct PermitRef<'a, P> {
    /// None once it has gone back.
    gate: Option<&'a Gate<P>>,
    start: Start,
}

/// What a limit has done so far, taken together under its lock.
///
/// Each call counts in one of `admitted`, `refused`, `timed_out`, `left`, `shed`, `closed` and `waiting`. Handles also count in
/// `waiting` and `admitted` while they exist; those that were dropped before they were called count in none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct LimitStats {
    /// How many permits there are.
    pub limit: usize,
    /// How many are out: with calls at work, and with handles that are ready. More than the limit while that shrinks.
    pub in_use: usize,
    /// Waiters: calls, and handles that are to become ready.
    pub waiting: usize,
    /// Calls, and handles that are ready, that got their permits.
    pub admitted: u64,
    /// How often permits were given back unused: by a handle that went away, a caller that left before its call began, or a handle
    /// whose call needs more of them and waits for all at once. Until then they counted as admitted.
    pub unused: u64,
    /// Calls that were refused because as many waited as may, or they were too heavy.
    pub refused: u64,
    /// Calls that were refused after they, or their handle, had waited for as long as they may.
    pub timed_out: u64,
    /// Calls whose caller left before they began.
    pub left: u64,
    /// Calls that were shed for newer ones.
    pub shed: u64,
    /// Calls that were refused because it is closed.
    pub closed: u64,
}

// === impl LimitHandle ===

impl<P> LimitHandle<P> {
    /// How many permits there are.
    pub fn limit(&self) -> usize {
        self.gate.permits.limit()
    }

    /// How many permits are out.
    pub fn in_use(&self) -> usize {
        self.gate.permits.in_use()
    }

    /// Counts.
    pub fn stats(&self) -> LimitStats {
        self.gate.stats()
    }

    /// Looks at the policy, under the lock of the limit.
    pub fn look<T>(&self, look: impl FnOnce(&P) -> T) -> T {
        self.gate.look(look)
    }

    /// As [`max_waiting`](super::ConcurrencyLimitLayer::max_waiting). Calls that already wait stay.
    pub fn set_max_waiting(&self, max_waiting: usize) {
        self.gate.permits.set_waiting(Some(max_waiting), None);
    }

    /// As [`max_wait`](super::ConcurrencyLimitLayer::max_wait), for arrivals from now on; `None` is no bound.
    pub fn set_max_wait(&self, max_wait: Option<Duration>) {
        self.gate.permits.set_waiting(None, Some(max_wait));
    }

    /// Admits no more calls: waiting and new ones are refused as [closed](crate::layer::Why::Closed). Running calls go on.
    pub fn close(&self) {
        self.gate.permits.close();
    }

    /// Has it been closed?
    pub fn is_closed(&self) -> bool {
        self.gate.permits.is_closed()
    }
}

impl<P: Limit> LimitHandle<P> {
    /// Changes the policy, under the lock of the limit. If there are more permits now, as many waiters are woken as fit; if
    /// there are fewer than are out, nobody gets one until enough have come back.
    pub fn update<T>(&self, change: impl FnOnce(&mut P) -> T) -> T {
        self.gate.update(change)
    }

    /// A permit for work that is no call of a service: none if all are out, if anybody waits for one, or if it is closed. That
    /// is counted, as refused or closed.
    ///
    /// ```
    /// use forebay_flow::layer::ConcurrencyLimitLayer;
    /// use forebay_flow::{CallEnd, Fixed};
    ///
    /// let handle = ConcurrencyLimitLayer::new(Fixed(1)).handle();
    /// let permit = handle.try_permit().expect("nobody is at work");
    /// assert!(handle.try_permit().is_none());
    /// permit.end(CallEnd::Success);
    /// assert!(handle.try_permit().is_some());
    /// ```
    #[inline]
    pub fn try_permit(&self) -> Option<PermitRef<'_, P>> {
        let gate: &Gate<P> = &self.gate;
        if gate.permits.try_take(1) {
            let mut permit = PermitRef { gate: Some(gate), start: Start::TO_COME };
            permit.start = gate.begin(1);
            return Some(permit);
        }
        gate.permits.refuse_one();
        None
    }
}

impl<P: Limit> PermitRef<'_, P> {
    /// The work has ended in this way: the limit learns of it, and the permit goes back.
    #[inline]
    pub fn end(mut self, end: CallEnd) {
        if let Some(gate) = self.gate.take() {
            gate.end(self.start, 1, end);
        }
    }
}

impl<P> Drop for PermitRef<'_, P> {
    #[inline]
    fn drop(&mut self) {
        if let Some(gate) = self.gate.take() {
            gate.cancel(self.start, 1);
        }
    }
}

impl<P> fmt::Debug for PermitRef<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PermitRef").field("gate", &self.gate).finish_non_exhaustive()
    }
}

/// The share of the permits that are out.
impl<P: Send> Level for LimitHandle<P> {
    fn level(&self) -> Option<f64> {
        Some((self.in_use() as f64 / self.limit() as f64).min(1.0))
    }
}

/// A counter does not go down, so permits that came back unused go on to count as admitted there, and have a counter of their own.
impl<P: Send> Stats for LimitHandle<P> {
    fn observe(&self, visitor: &mut dyn Visitor) {
        let LimitStats { limit, in_use, waiting, admitted, unused, refused, timed_out, left, shed, closed } =
            self.stats();
        visitor.gauge("forebay_limit_current", &[], limit as f64);
        visitor.gauge("forebay_limit_in_flight", &[], in_use as f64);
        visitor.gauge("forebay_limit_waiting", &[], waiting as f64);
        let results = [
            ("admitted", admitted + unused),
            ("refused", refused),
            ("timed_out", timed_out),
            ("left", left),
            ("shed", shed),
            ("closed", closed),
        ];
        for (result, count) in results {
            visitor.counter("forebay_admission_total", &[("result", result)], count);
        }
        visitor.counter("forebay_limit_unused_total", &[], unused);
    }
}

impl<P> Clone for LimitHandle<P> {
    fn clone(&self) -> Self {
        Self { gate: self.gate.clone() }
    }
}

impl<P> fmt::Debug for LimitHandle<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.stats().fmt(f)
    }
}
