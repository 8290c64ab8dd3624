//! How far apart the starts of a key are.

use forebay_queue::Rate;

/// The time between two starts, and how much of it may be saved up for `burst` at once, in nanoseconds.
///
/// A time that is no whole number of nanoseconds is rounded up, so that there are never too many; and a period is at most
/// a century, so that sums with it do not overflow.
pub(crate) fn spacing(rate: Rate, burst: u32) -> (u64, u64) {
    const CENTURY: u64 = 100 * 366 * 24 * 3600 * 1_000_000_000;
    let interval = rate.nanos().min(CENTURY).div_ceil(rate.num());
    (interval, interval.saturating_mul(u64::from(burst.max(1) - 1)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn spacing_is_even_and_bounded() {
        assert_eq!(spacing(Rate::per_second(4), 1), (250_000_000, 0));
        assert_eq!(spacing(Rate::per_second(4), 3), (250_000_000, 500_000_000));
        assert_eq!(spacing(Rate::per_second(3), 1), (333_333_334, 0));
        assert_eq!(spacing(Rate::per_second(0), 0), (1_000_000_000, 0));
        let (interval, _) = spacing(Rate::new(1, Duration::MAX), 1);
        assert!(interval < u64::MAX / 2, "sums with it do not overflow");
        assert_eq!(spacing(Rate::new(1, Duration::MAX), u32::MAX).1, u64::MAX);
    }
}
