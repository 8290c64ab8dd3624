//! A token bucket whose rate follows a level.

use std::fmt;

use forebay_queue::{Level, Tick};

use crate::rate::{Book, Booked};
use crate::{LevelRate, NoLevel, Refusal, TokenBucket};

/// A [`TokenBucket`] with the rate of a [`LevelRate`]: each booking checks the level.
///
/// In a `layer::RateLimitLayer` around whatever fills the level, it is the textbook's adaptive producer. Bookings keep their
/// time; a new rate applies to later ones.
///
/// # When not to use it
///
/// As for [`LevelRate`]. With a sink and a stream, `Producer` does all of it.
///
/// ```
/// use forebay_flow::rate::Book;
/// use forebay_flow::{LevelBucket, LevelRate, NoLevel};
///
/// const SECOND: u64 = 1_000_000_000;
/// let (tx, _rx) = forebay_queue::bounded(10);
/// let mut bucket = LevelBucket::try_new(LevelRate::default(), tx.clone())?;
/// for n in 0..9 {
///     tx.try_send(n).expect("there is room");
/// }
/// bucket.book(1, SECOND).expect("a single one");
/// assert_eq!(bucket.per_second(), 90.0); // it is above 80 %
///
/// let (tx, _rx) = forebay_queue::unbounded::<u8>();
/// assert_eq!(LevelBucket::try_new(LevelRate::default(), tx).unwrap_err(), NoLevel);
/// # Ok::<(), NoLevel>(())
/// ```
pub struct LevelBucket<L> {
    rate: LevelRate,
    bucket: TokenBucket,
    level: L,
}

// === impl LevelBucket ===

impl<L: Level> LevelBucket<L> {
    /// Follows `level`, with a burst of 1.
    ///
    /// # Errors
    ///
    /// [`NoLevel`] if what is filled has no bound.
    pub fn try_new(rate: LevelRate, level: L) -> Result<Self, NoLevel> {
        level.level().ok_or(NoLevel)?;
        let bucket = TokenBucket::new(rate.rate());
        Ok(Self { rate, bucket, level })
    }

    /// The rate, per second.
    pub fn per_second(&self) -> f64 {
        self.rate.per_second()
    }

    /// What the level is of.
    pub const fn get_ref(&self) -> &L {
        &self.level
    }

    fn follow(&mut self, now: Tick) {
        let before = self.rate.per_second();
        // A level may be lost while it is in use, when a bound is taken away; then the rate stays.
        if let Ok(rate) = self.rate.update(self.level.level(), now)
            && rate != before
        {
            self.bucket.set_rate(self.rate.rate(), self.bucket.burst(), now);
        }
    }
}

impl<L: Level> Book for LevelBucket<L> {
    fn book(&mut self, cost: u64, now: Tick) -> Result<Booked, Refusal> {
        self.follow(now);
        self.bucket.book(cost, now)
    }

    fn unbook(&mut self, booked: Booked) -> bool {
        self.bucket.unbook(booked)
    }

    fn charge(&mut self, cost: u64, now: Tick) {
        self.bucket.charge(cost, now);
    }
}

impl<L> fmt::Debug for LevelBucket<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LevelBucket")
            .field("rate", &self.rate)
            .field("bucket", &self.bucket)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::*;

    const SECOND: Tick = 1_000_000_000;

    /// In percent; none above 100.
    struct Tank(Arc<AtomicU8>);

    impl Level for Tank {
        fn level(&self) -> Option<f64> {
            let percent = self.0.load(Ordering::Relaxed);
            (percent <= 100).then(|| f64::from(percent) / 100.0)
        }
    }

    #[test]
    fn starts_are_further_apart_while_it_is_full_and_closer_while_it_is_empty() {
        let percent = Arc::new(AtomicU8::new(50));
        let mut bucket = LevelBucket::try_new(LevelRate::default(), Tank(percent.clone())).expect("a level");
        let mut gap = |now: Tick| {
            let first = bucket.book(1, now).expect("a single one").at();
            bucket.book(1, now).expect("a single one").at() - first
        };
        let even = gap(SECOND);
        percent.store(90, Ordering::Relaxed);
        let slow = gap(2 * SECOND);
        percent.store(10, Ordering::Relaxed);
        gap(3 * SECOND);
        let fast = gap(4 * SECOND);
        percent.store(101, Ordering::Relaxed);
        assert!(slow > even && even > fast, "{slow} {even} {fast}");
        assert_eq!(gap(5 * SECOND), fast, "the level was lost");
    }
}
