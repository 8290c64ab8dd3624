//! To look at a rate and to change it while it is in use.

use std::fmt;
use std::time::Duration;

use forebay_queue::{Stats, Tick, Visitor};

use super::account::Account;
use crate::layer::share::Shares;

/// Looks at a rate, and changes it while it is in use.
///
/// ```
/// use forebay_flow::layer::RateLimitLayer;
/// use forebay_flow::{Rate, TokenBucket};
///
/// let layer = RateLimitLayer::new(TokenBucket::new(Rate::per_second(10)));
/// layer.handle().update(|bucket, now| bucket.set_rate(Rate::per_second(20), 1, now));
/// ```
pub struct RateHandle<P> {
    pub(super) account: Shares<Account<P>>,
}

/// What a rate has done so far, taken together under its lock, but for the calls that start meanwhile.
///
/// Each start that was booked is in one of `admitted`, `given_back` and `lost`, or is still to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct RateStats {
    /// Calls that wait for their start now.
    pub waiting: usize,
    /// Calls that have started.
    pub admitted: u64,
    /// Calls that were refused: as many waited as may, they would have had to wait for too long, or they cost too much.
    pub refused: u64,
    /// Starts that were given back, since their caller left.
    pub given_back: u64,
    /// Starts whose caller left after somebody else had booked; nobody had them.
    pub lost: u64,
}

// === impl RateHandle ===

impl<P> RateHandle<P> {
    /// Counts.
    pub fn stats(&self) -> RateStats {
        self.account.stats()
    }

    /// Looks at the policy or changes it, under the lock of the rate, at this time. Whoever has booked keeps its start.
    pub fn update<T>(&self, change: impl FnOnce(&mut P, Tick) -> T) -> T {
        self.account.update(change)
    }

    /// As [`max_waiting`](super::RateLimitLayer::max_waiting). Who waits already stays.
    pub fn set_max_waiting(&self, max_waiting: usize) {
        self.account.set_waiting(Some(max_waiting), None);
    }

    /// As [`max_wait`](super::RateLimitLayer::max_wait), for those who come from now on; none is for as long as it takes.
    pub fn set_max_wait(&self, max_wait: Option<Duration>) {
        self.account.set_waiting(None, Some(max_wait));
    }

    /// Lets nobody book any more: whoever comes is refused as [closed](crate::layer::Why::Closed). Who has booked starts.
    pub fn close(&self) {
        self.account.close();
    }

    /// Has it been closed?
    pub fn is_closed(&self) -> bool {
        self.account.is_closed()
    }
}

impl<P: Send> Stats for RateHandle<P> {
    fn observe(&self, visitor: &mut dyn Visitor) {
        let RateStats { waiting, admitted, refused, given_back, lost } = self.stats();
        visitor.gauge("forebay_rate_waiting", &[], waiting as f64);
        let results =
            [("admitted", admitted), ("refused", refused), ("given_back", given_back), ("lost", lost)];
        for (result, count) in results {
            visitor.counter("forebay_admission_total", &[("result", result)], count);
        }
    }
}

impl<P> Clone for RateHandle<P> {
    fn clone(&self) -> Self {
        Self { account: self.account.clone() }
    }
}

impl<P> fmt::Debug for RateHandle<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.stats().fmt(f)
    }
}
