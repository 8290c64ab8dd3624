//! How often something may begin.

use std::time::Duration;

/// So many starts in each period, and how many of them may come at once.
///
/// Starts are spaced evenly: two a second means one each half second. With a [burst](Self::burst) of `n`, up to `n`
/// that were not used before may come at once.
///
/// ```
/// use std::time::Duration;
/// use forebay_pool::Rate;
///
/// let rate = Rate::new(2, Duration::from_secs(1)); // each half second
/// let same_with_slack = rate.burst(10); // ten at once after five seconds of silence
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    num: u32,
    per: Duration,
    burst: u32,
}

// === impl Rate ===

impl Rate {
    /// `num` starts in each `per`, evenly spaced. A `num` of 0 counts as 1, and a period longer than 100 years as
    /// that.
    pub const fn new(num: u32, per: Duration) -> Self {
        let num = if num == 0 { 1 } else { num };
        Self { num, per, burst: 1 }
    }

    /// How many starts may come at once. At least 1: 0 counts as 1.
    #[must_use]
    pub const fn burst(self, burst: u32) -> Self {
        let burst = if burst == 0 { 1 } else { burst };
        Self { burst, ..self }
    }

    /// The time between two starts, and how much of it may be saved up, in nanoseconds.
    pub(crate) fn spacing(self) -> (u64, u64) {
        const CENTURY: u128 = 100 * 366 * 24 * 3600 * 1_000_000_000;
        let per = self.per.as_nanos().min(CENTURY) as u64;
        let interval = per / u64::from(self.num);
        (interval, interval.saturating_mul(u64::from(self.burst - 1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spacing_is_even_and_bounded() {
        let second = Duration::from_secs(1);
        assert_eq!(Rate::new(4, second).spacing(), (250_000_000, 0));
        assert_eq!(Rate::new(4, second).burst(3).spacing(), (250_000_000, 500_000_000));
        assert_eq!(Rate::new(0, second).burst(0).spacing(), (1_000_000_000, 0));
        let (interval, _) = Rate::new(1, Duration::MAX).spacing();
        assert!(interval < u64::MAX / 2, "sums with it do not overflow");
        assert_eq!(Rate::new(1, Duration::MAX).burst(u32::MAX).spacing().1, u64::MAX);
    }
}
