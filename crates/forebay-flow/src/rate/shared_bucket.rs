//! A token bucket that threads share without a lock.

use forebay_queue::Tick;

use super::{Rate, Refusal};
use crate::sync::{AtomicU64, Ordering, stand_off};

/// A [`TokenBucket`](crate::TokenBucket) that threads share without a lock: each start is one compare-and-swap.
///
/// | | | |
/// | --- | --- | --- |
/// | rate | at least one start in 9 years | as of the token bucket |
/// | burst | 1 or more; by default 1 | the same |
/// | cost | 0 or more | 0 is never refused |
/// | time | up to 9 years after the caller's zero | everything is refused after that |
///
/// It can do less: nothing is booked, reserved, charged or given back, and its rate is fixed. If you need more, put a
/// `TokenBucket` into a `Mutex`.
///
/// # Source
///
/// As the token bucket, the generic cell rate algorithm of ITU-T I.371, with its one number in one word. So that it has room
/// there, the interval between two starts is rounded up to a 64th of a nanosecond, unless it is a fraction with a
/// denominator up to 64, which is kept exactly: 10 a second are 10 a second, and so are 3. A rate of a million a second is lower by
/// less than one in sixty thousand than was asked for, one of a hundred million by less than one in six hundred.
///
/// # Time
///
/// In nanoseconds since whenever the caller began to count. A time that lies before another's gives nothing away: what was
/// taken stays taken.
///
/// # When not to use it
///
/// Where calls are to wait for their start, `layer::RateLimitLayer` lets them. The neighbour `governor` decides in the same way,
/// and reads a clock for that.
///
/// ```
/// use std::thread;
/// use forebay_flow::{Rate, Refusal};
/// use forebay_flow::rate::SharedBucket;
///
/// let bucket = SharedBucket::new(Rate::per_second(10), 5);
/// let started = thread::scope(|scope| {
///     let threads = [(); 4].map(|()| scope.spawn(|| (0..4).filter(|_| bucket.take(1, 0).is_ok()).count()));
///     threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
/// });
/// assert_eq!(started, 5);
/// assert_eq!(bucket.take(1, 0), Err(Refusal::Until(100_000_000)));
/// ```
pub struct SharedBucket {
    tat: Tat,
    /// How many units a nanosecond has, how many lie between two starts, and how many the burst is worth.
    unit: u64,
    interval: u64,
    window: u64,
    rate: Rate,
    burst: u64,
}

/// The theoretical arrival time, in units. It orders nothing else, so nothing need be acquired or released with it.
///
/// On cache lines of its own (processors fetch them in pairs), as its neighbours are never written.
#[repr(align(128))]
struct Tat(AtomicU64);

/// The most units that a nanosecond is divided into: with more of them the years in a word become too few.
const MOST_UNITS: u64 = 64;

// === impl SharedBucket ===

impl SharedBucket {
    /// A full bucket. A burst of 0 counts as 1.
    pub fn new(rate: Rate, burst: u64) -> Self {
        let (num, nanos, burst) = (rate.num(), rate.nanos(), burst.max(1));
        let divisor = greatest_common_divisor(num, nanos).max(1);
        let (unit, interval) = if num / divisor <= MOST_UNITS {
            (num / divisor, nanos / divisor)
        } else {
            let interval = (u128::from(nanos) * u128::from(MOST_UNITS)).div_ceil(u128::from(num));
            (MOST_UNITS, u64::try_from(interval).unwrap_or(u64::MAX))
        };
        let window = burst.saturating_mul(interval);
        Self { tat: Tat(AtomicU64::new(0)), unit, interval, window, rate, burst }
    }

    /// How often something may start, as it was asked for.
    pub fn rate(&self) -> Rate {
        self.rate
    }

    /// How much may start at once.
    pub fn burst(&self) -> u64 {
        self.burst
    }

    /// Starts something of that cost now.
    ///
    /// # Errors
    ///
    /// [`Refusal::Until`] when it may not, with the time at which it may if nobody else starts meanwhile; [`Refusal::TooHeavy`] if it
    /// never may. Nothing is charged then.
    #[inline]
    pub fn take(&self, cost: u64, now: Tick) -> Result<(), Refusal> {
        if cost > self.burst {
            return Err(Refusal::TooHeavy);
        }
        let worth = cost.saturating_mul(self.interval);
        // Even without a limit: a thread whose clock is behind another's is not to be refused for that.
        if worth == 0 {
            return Ok(());
        }
        // Multiplying would be a good part of what all the rest takes.
        let now = if self.unit == 1 { now } else { scaled(now, self.unit) };
        let mut tat = self.tat.0.load(Ordering::Relaxed);
        loop {
            // What does not fit into the word any more is refused.
            let Some(next) = tat.max(now).checked_add(worth) else { return Err(Refusal::Until(Tick::MAX)) };
            let earliest = next.saturating_sub(self.window);
            if earliest > now {
                return Err(Refusal::Until(earliest.div_ceil(self.unit)));
            }
            match self.tat.0.compare_exchange(tat, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(_) => {
                    stand_off();
                    tat = self.tat.0.load(Ordering::Relaxed);
                }
            }
        }
    }
}

/// What it lets start does not depend on when that is looked at, so it shows what it was made of.
impl std::fmt::Debug for SharedBucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SharedBucket")
            .field("rate", &self.rate)
            .field("burst", &self.burst)
            .finish_non_exhaustive()
    }
}

#[inline(never)]
fn scaled(now: Tick, unit: u64) -> u64 {
    now.saturating_mul(unit)
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Barrier;
    use std::thread;
    use std::time::Duration;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::TokenBucket;

    const SECOND: Tick = 1_000_000_000;

    #[test]
    fn threads_get_the_burst_between_them_and_no_more() {
        let burst = 400_000;
        let (bucket, begin) = (SharedBucket::new(Rate::per_second(1), burst), Barrier::new(4));
        let started: u64 = thread::scope(|scope| {
            let take = || {
                begin.wait();
                (0..burst / 2).map(|_| u64::from(bucket.take(1, 0).is_ok())).sum::<u64>()
            };
            [(); 4]
                .map(|()| scope.spawn(take))
                .into_iter()
                .map(|thread| thread.join().expect("no panic"))
                .sum()
        });
        assert_eq!(started, burst);
        assert_eq!(bucket.take(1, 0), Err(Refusal::Until(SECOND)));
    }

    #[test]
    fn time_that_goes_back_gives_nothing_away() {
        let bucket = SharedBucket::new(Rate::per_second(1), 1);
        assert_eq!(bucket.take(1, 10 * SECOND), Ok(()));
        assert_eq!(bucket.take(1, 0), Err(Refusal::Until(11 * SECOND)));
        assert_eq!(bucket.take(1, 10 * SECOND), Err(Refusal::Until(11 * SECOND)));
        assert_eq!(bucket.take(1, 11 * SECOND), Ok(()));
    }

    #[test]
    fn without_a_limit_nobody_is_refused_whose_clock_is_behind() {
        let bucket = SharedBucket::new(Rate::new(1, Duration::ZERO), 1);
        assert_eq!([100, 99, 0].map(|now| bucket.take(1, now)), [Ok(()); 3]);
        assert_eq!(bucket.take(2, 0), Err(Refusal::TooHeavy));
    }

    #[test]
    fn rates_that_do_not_fit_are_lower_and_never_higher() {
        // 659.8 units of a 64th: rounded to a whole one, that is three in ten thousand.
        let rate = Rate::per_second(97_000_001);
        let bucket = SharedBucket::new(rate, 10);
        let mut exact = TokenBucket::new(rate).with_burst(10);
        let (mut shared, mut owned) = (0_u32, 0_u32);
        for now in 0..SECOND / 1_000 {
            shared += u32::from(bucket.take(1, now).is_ok());
            owned += u32::from(exact.take(1, now).is_ok());
        }
        assert!(shared <= owned && f64::from(shared) > f64::from(owned) * 0.9995, "{shared} of {owned}");
    }

    #[test]
    fn at_the_end_of_the_word_everything_is_refused() {
        let bucket = SharedBucket::new(Rate::per_second(999_983), 1);
        let nine_years = 9 * 365 * 24 * 3600 * SECOND;
        assert_eq!(bucket.take(1, nine_years), Ok(()));
        assert_eq!(bucket.take(1, Tick::MAX), Err(Refusal::Until(Tick::MAX)));
        assert_eq!(bucket.take(1, Tick::MAX), Err(Refusal::Until(Tick::MAX)));
    }

    proptest! {
        /// Where the interval is kept exactly, it decides as the bucket that has all of its numbers.
        #[test]
        fn it_decides_as_a_token_bucket(
            (num, per) in (1_u64..=64, 1_u64..5_000),
            burst in 1_u64..6,
            steps in vec((0_u64..9_000, 0_u64..7), 1..200),
        ) {
            let rate = Rate::new(num, Duration::from_nanos(per));
            let (shared, mut owned) = (SharedBucket::new(rate, burst), TokenBucket::new(rate).with_burst(burst));
            let mut now = 0;
            for (later, cost) in steps {
                now += later;
                prop_assert_eq!(shared.take(cost, now), owned.take(cost, now));
            }
        }
    }
}
