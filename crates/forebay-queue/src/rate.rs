//! So many in a period.

use std::time::Duration;

/// A number of starts, or of units that starts cost, in each period.
///
/// It says how often something may start; how many starts may come at once (the burst) is up to each limiter.
///
/// ```
/// use std::time::Duration;
/// use forebay_queue::Rate;
///
/// assert_eq!(Rate::per_second(5), Rate::new(5, Duration::from_secs(1)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    num: u64,
    per: u64,
}

// === impl Rate ===

impl Rate {
    /// `num` in each `per`. A `num` of 0 counts as 1; to let nothing start, do not ask. A period of 0 is no limit, and
    /// one that is longer than 584 years counts as that.
    pub const fn new(num: u64, per: Duration) -> Self {
        let nanos = per.as_nanos();
        let per = if nanos > u64::MAX as u128 { u64::MAX } else { nanos as u64 };
        Self { num: if num == 0 { 1 } else { num }, per }
    }

    /// `num` in each second.
    pub const fn per_second(num: u64) -> Self {
        Self::new(num, Duration::from_secs(1))
    }

    /// How many; at least 1.
    pub const fn num(self) -> u64 {
        self.num
    }

    /// In which period.
    pub const fn per(self) -> Duration {
        Duration::from_nanos(self.per)
    }

    /// The period in nanoseconds, as [`Tick`](crate::Tick)s count.
    pub const fn nanos(self) -> u64 {
        self.per
    }
}
