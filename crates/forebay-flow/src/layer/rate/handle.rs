//! Observes a rate, and changes it while it is in use.

use std::fmt;
use std::time::Duration;

use forebay_queue::{Stats, Tick, Visitor};

use super::account::Account;
use crate::layer::Refused;
use crate::layer::share::Shares;
use crate::rate::{Book, RatePolicy, Reserved};

/// Observes a rate, and changes it while it is in use.
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

/// Room that is kept for a start whose time or cost is known only later; see [`RateHandle::try_reserve`]. If
/// dropped, it is there for others again.
#[must_use = "what is reserved goes back when it is dropped"]
pub struct ReservedRef<'a, P: RatePolicy> {
    account: &'a Account<P>,
    /// None once it is committed.
    reserved: Option<Reserved>,
}

/// What a rate has done so far, taken together under its lock.
///
/// Each start that was booked or reserved is in one of `admitted`, `given_back` and `lost`, or is still to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct RateStats {
    /// Calls that wait for their start now.
    pub waiting: usize,
    /// Calls, and handles that are ready, whose start has come; and what was committed.
    pub admitted: u64,
    /// Calls that were refused: as many waited as may, they would have had to wait for too long, or they cost too much.
    pub refused: u64,
    /// Calls that were refused because it is closed.
    pub closed: u64,
    /// Starts whose caller left, and that were there for others in time.
    pub given_back: u64,
    /// Starts whose caller left, and that nobody else wanted before their time was over.
    pub lost: u64,
    /// How many of those that were given back or lost had come already, and counted as admitted until then.
    pub unused: u64,
}

// === impl RateHandle ===

impl<P> RateHandle<P> {
    /// Counts.
    pub fn stats(&self) -> RateStats {
        self.account.stats()
    }

    /// As [`max_waiting`](super::RateLimitLayer::max_waiting). Calls that already wait stay.
    pub fn set_max_waiting(&self, max_waiting: usize) {
        self.account.set_waiting(Some(max_waiting), None);
    }

    /// As [`max_wait`](super::RateLimitLayer::max_wait), for arrivals from now on; `None` is no bound.
    pub fn set_max_wait(&self, max_wait: Option<Duration>) {
        self.account.set_waiting(None, Some(max_wait));
    }

    /// Takes no more bookings: new calls are refused as [closed](crate::layer::Why::Closed). Calls that have booked still
    /// start.
    pub fn close(&self) {
        self.account.close();
    }

    /// Has it been closed?
    pub fn is_closed(&self) -> bool {
        self.account.is_closed()
    }
}

impl<P: Book> RateHandle<P> {
    /// Reads or changes the policy, under the lock of the rate, at this time. Calls that have booked keep their starts.
    pub fn update<T>(&self, change: impl FnOnce(&mut P, Tick) -> T) -> T {
        self.account.update(change)
    }
}

impl<P: RatePolicy> RateHandle<P> {
    /// Room for a start that is no call of the service, or whose cost is known only at its end: it is kept until it is committed with
    /// what it really cost, or dropped. It waits for nothing, and no waiting call stands in its way: what those have
    /// booked is spent.
    ///
    /// # Errors
    ///
    /// As [closed](crate::layer::Why::Closed); as [full](crate::layer::Why::Full) if there is not so much room now, with the time after
    /// which there will be; as [too heavy](crate::layer::Why::TooHeavy) if there never is.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
    /// use std::time::Duration;
    /// use forebay_flow::layer::RateLimitLayer;
    /// use forebay_flow::{Rate, TokenBucket};
    ///
    /// let rate = RateLimitLayer::new(TokenBucket::new(Rate::per_second(10)).with_burst(100)).handle();
    /// let answer = rate.try_reserve(60).expect("as long as it may become");
    /// let refused = rate.try_reserve(60).err().expect("that is too much together");
    /// assert_eq!(refused.retry_after, Some(Duration::from_secs(2)));
    /// answer.commit(25); // it was shorter
    /// drop(rate.try_reserve(60).expect("now there is room")); // never used
    /// assert_eq!(rate.update(|bucket, now| bucket.available(now)), 75);
    /// # }
    /// ```
    pub fn try_reserve(&self, cost: u64) -> Result<ReservedRef<'_, P>, Refused<()>> {
        let reserved = self.account.reserve(cost)?;
        Ok(ReservedRef { account: &self.account, reserved: Some(reserved) })
    }
}

impl<P: RatePolicy> ReservedRef<'_, P> {
    /// It has started, or ended, and cost that. More than was reserved is charged all the same, and may lead into debt.
    pub fn commit(mut self, actual: u64) {
        if let Some(reserved) = self.reserved.take() {
            self.account.commit(reserved, actual);
        }
    }
}

impl<P: RatePolicy> Drop for ReservedRef<'_, P> {
    fn drop(&mut self) {
        if let Some(reserved) = self.reserved.take() {
            self.account.cancel(reserved);
        }
    }
}

impl<P: RatePolicy> fmt::Debug for ReservedRef<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReservedRef").field("reserved", &self.reserved).finish_non_exhaustive()
    }
}

/// A counter does not go down, so starts that were not used go on to count as admitted there, and have a counter of their own.
impl<P: Send> Stats for RateHandle<P> {
    fn observe(&self, visitor: &mut dyn Visitor) {
        let RateStats { waiting, admitted, refused, closed, given_back, lost, unused } = self.stats();
        visitor.gauge("forebay_rate_waiting", &[], waiting as f64);
        let results = [
            ("admitted", admitted + unused),
            ("refused", refused),
            ("closed", closed),
            ("given_back", given_back),
            ("lost", lost),
        ];
        for (result, count) in results {
            visitor.counter("forebay_admission_total", &[("result", result)], count);
        }
        visitor.counter("forebay_rate_unused_total", &[], unused);
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
