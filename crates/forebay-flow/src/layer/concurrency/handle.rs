//! To look at a limit and to change it while it is in use.

use std::fmt;
use std::time::Duration;

use forebay_queue::{Level, Limit, Stats, Visitor};

use super::gate::Gate;
use crate::layer::share::Shares;

/// Looks at a limit, and changes it while it is in use.
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

/// What a limit has done so far, taken together under its lock.
///
/// Whoever asked for a permit is in one of `admitted`, `refused`, `timed_out`, `left` and `waiting`; handles that went away
/// before they were called count nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct LimitStats {
    /// How many permits there are.
    pub limit: usize,
    /// How many are out: with calls at work, and with handles that are ready. More than the limit while that shrinks.
    pub in_use: usize,
    /// Who waits: calls, and handles that are to become ready.
    pub waiting: usize,
    /// Calls, and handles that are ready, that got their permits.
    pub admitted: u64,
    /// Calls that were refused because as many waited as may, or they were too heavy.
    pub refused: u64,
    /// Calls that were refused after they had waited for as long as they may.
    pub timed_out: u64,
    /// Calls whose caller left while they waited.
    pub left: u64,
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

    /// As [`max_waiting`](super::ConcurrencyLimitLayer::max_waiting). Who waits already stays.
    pub fn set_max_waiting(&self, max_waiting: usize) {
        self.gate.permits.set_waiting(Some(max_waiting), None);
    }

    /// As [`max_wait`](super::ConcurrencyLimitLayer::max_wait), for those who come from now on; none is for as long as it
    /// takes.
    pub fn set_max_wait(&self, max_wait: Option<Duration>) {
        self.gate.permits.set_waiting(None, Some(max_wait));
    }

    /// Lets nobody in any more: whoever waits or comes is refused as [closed](crate::layer::Why::Closed). What is at work goes
    /// on.
    pub fn close(&self) {
        self.gate.permits.close();
    }

    /// Has it been closed?
    pub fn is_closed(&self) -> bool {
        self.gate.permits.is_closed()
    }
}

impl<P: Limit> LimitHandle<P> {
    /// Changes the policy, under the lock of the limit. If there are more permits now, as many of those who wait are
    /// woken as fit; if there are fewer than are out, nobody gets one until enough have come back.
    pub fn update<T>(&self, change: impl FnOnce(&mut P) -> T) -> T {
        self.gate.update(change)
    }
}

/// The share of the permits that are out.
impl<P: Send> Level for LimitHandle<P> {
    fn level(&self) -> Option<f64> {
        Some((self.in_use() as f64 / self.limit() as f64).min(1.0))
    }
}

impl<P: Send> Stats for LimitHandle<P> {
    fn observe(&self, visitor: &mut dyn Visitor) {
        let LimitStats { limit, in_use, waiting, admitted, refused, timed_out, left } = self.stats();
        visitor.gauge("forebay_limit_current", &[], limit as f64);
        visitor.gauge("forebay_limit_in_flight", &[], in_use as f64);
        visitor.gauge("forebay_limit_waiting", &[], waiting as f64);
        let results =
            [("admitted", admitted), ("refused", refused), ("timed_out", timed_out), ("left", left)];
        for (result, count) in results {
            visitor.counter("forebay_admission_total", &[("result", result)], count);
        }
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
