//! How long to wait before something is tried again.

use std::time::Duration;

/// Waits that double: nothing after the first attempt, then `first`, twice that, four times that, up to `max`.
///
/// A policy: it holds no clock and does nothing, so the same attempt always gets the same answer.
///
/// ```
/// use std::time::Duration;
/// use forebay_pool::Backoff;
///
/// let backoff = Backoff::new(Duration::from_millis(10), Duration::from_secs(1));
/// assert_eq!(backoff.after(1), Duration::ZERO);
/// assert_eq!(backoff.after(2), Duration::from_millis(10));
/// assert_eq!(backoff.after(5), Duration::from_millis(80));
/// assert_eq!(backoff.after(u32::MAX), Duration::from_secs(1));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    max: Duration,
}

// === impl Backoff ===

impl Backoff {
    /// The wait after the second attempt is `first`; none is longer than `max`.
    ///
    /// With `first` zero it never waits. What fails for a reason that lasts then spins.
    pub const fn new(first: Duration, max: Duration) -> Self {
        Self { first, max }
    }

    /// How long to rest after so many failures in a row, where even the first is followed by a pause.
    pub(crate) fn after_failures(&self, failures: u32) -> Duration {
        self.after(failures.saturating_add(1))
    }

    /// How long to wait after attempt number `attempt`; the first is 1.
    pub fn after(&self, attempt: u32) -> Duration {
        let Some(doublings) = attempt.checked_sub(2) else {
            return Duration::ZERO;
        };
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.max)
    }
}

impl Default for Backoff {
    /// 10 ms, doubling up to 1 s.
    fn default() -> Self {
        Self::new(Duration::from_millis(10), Duration::from_secs(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_as_documented() {
        let waits: Vec<u128> = (0..11).map(|attempt| Backoff::default().after(attempt).as_millis()).collect();
        assert_eq!(waits, [0, 0, 10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
    }

    #[test]
    fn the_extremes_neither_overflow_nor_panic() {
        let backoff = Backoff::new(Duration::MAX, Duration::MAX);
        assert_eq!(backoff.after(u32::MAX), Duration::MAX);
        assert_eq!(Backoff::new(Duration::ZERO, Duration::MAX).after(40), Duration::ZERO);
    }
}
