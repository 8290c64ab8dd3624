//! A rate that follows how full something is.

use std::time::Duration;

use forebay_queue::Tick;

use crate::{ConfigError, Rate};

/// The rate of a producer that slows down while its queue (or whatever it fills) is nearly full, and speeds up while that is
/// nearly empty.
///
/// # Source
///
/// The textbook's adaptive producer: above a utilization of 0.8 the rate is multiplied by 0.9, below 0.2 by 1.1, within
/// 10 and 1000 a second, from 100. That looks at each item, so a fast producer changes its mind faster than the
/// consumer can show; here a change is given [time](LevelRateConfig::every) to be seen.
///
/// The factors do not follow the size of the error, so it swings between the marks; it needs no model of either side.
///
/// # When not to use it
///
/// Where the producer can simply wait for room: a full queue holds it up, without any rate. This is for producers that need a
/// rate, or must not run into a full queue.
///
/// ```
/// use forebay_flow::{LevelRate, TokenBucket};
///
/// const SECOND: u64 = 1_000_000_000;
/// let mut rate = LevelRate::default();
/// let mut bucket = TokenBucket::new(rate.rate());
/// // The queue is nearly full.
/// assert_eq!(rate.update(Some(0.85), SECOND)?, 90.0);
/// bucket.set_rate(rate.rate(), 1, SECOND);
/// // It drained.
/// assert_eq!(rate.update(Some(0.1), 2 * SECOND)?.round(), 99.0);
/// # Ok::<(), forebay_flow::NoLevel>(())
/// ```
#[derive(Debug, Clone)]
pub struct LevelRate {
    config: LevelRateConfig,
    /// Per second.
    rate: f64,
    /// When it may change again.
    next: Tick,
}

/// How a [`LevelRate`] follows the level.
///
/// ```
/// use forebay_flow::{LevelRate, LevelRateConfig};
///
/// let config = LevelRateConfig { start: 10.0, max: 20.0, ..LevelRateConfig::default() };
/// assert_eq!(LevelRate::try_new(config)?.per_second(), 10.0);
/// # Ok::<(), forebay_flow::ConfigError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LevelRateConfig {
    /// The rate at the beginning, per second, from `min` to `max`; 100.
    pub start: f64,
    /// The lowest rate, per second, above 0; 10.
    pub min: f64,
    /// The highest rate, per second, at most 10^15; 1000.
    pub max: f64,
    /// The rate falls while the level is above this share, from 0 to 1; 0.8. At 1 it never falls.
    pub high: f64,
    /// The rate rises while the level is below this share, from 0 to `high`; 0.2. At 0 it never rises.
    pub low: f64,
    /// What the rate is multiplied by to fall, above 0 and at most 1; 0.9. A smaller one reacts faster and swings more.
    pub down: f64,
    /// What the rate is multiplied by to rise, at least 1; 1.1. A larger one reacts faster and swings more.
    pub up: f64,
    /// The time between two changes; 100 ms. At 0 each call may change it. Shorter than it takes until a change is seen
    /// in the level, the rate goes from one end to the other.
    pub every: Duration,
}

/// The level has no bound, so it says nothing.
///
/// ```
/// use forebay_flow::{Level, LevelRate};
///
/// let (tx, _rx) = forebay_queue::unbounded::<u8>();
/// assert_eq!(tx.level(), None);
/// let refused = LevelRate::default().update(tx.level(), 0).unwrap_err();
/// assert_eq!(refused.to_string(), "no bound, so no level to follow");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no bound, so no level to follow")]
pub struct NoLevel;

// === impl LevelRate ===

impl LevelRate {
    /// A rate that follows as `config` says.
    ///
    /// # Errors
    ///
    /// If a number is out of its range, which it names.
    pub fn try_new(config: LevelRateConfig) -> Result<Self, ConfigError> {
        let LevelRateConfig { start, min, max, high, low, down, up, every: _ } = config;
        ConfigError::unless(min > 0.0, "min", min, "a number above 0")?;
        ConfigError::unless((min..=1e15).contains(&max), "max", max, "from min to 10^15")?;
        ConfigError::unless((min..=max).contains(&start), "start", start, "from min to max")?;
        ConfigError::unless((0.0..=1.0).contains(&high), "high", high, "from 0 to 1")?;
        ConfigError::unless((0.0..=high).contains(&low), "low", low, "from 0 to high")?;
        ConfigError::unless(0.0 < down && down <= 1.0, "down", down, "above 0 and at most 1")?;
        ConfigError::unless(up >= 1.0 && up.is_finite(), "up", up, "a number of at least 1")?;
        Ok(Self { config, rate: start, next: 0 })
    }

    /// Tells it the level, from 0 (empty) to 1 (full), and the time. Returns the rate from now on, per second.
    ///
    /// # Errors
    ///
    /// [`NoLevel`] if there is none, because what is filled has no bound. The rate stays as it is.
    pub fn update(&mut self, level: Option<f64>, now: Tick) -> Result<f64, NoLevel> {
        let level = level.ok_or(NoLevel)?;
        let LevelRateConfig { min, max, high, low, down, up, every, .. } = self.config;
        let factor = match level {
            _ if now < self.next => 1.0,
            level if level > high => down,
            level if level < low => up,
            _ => 1.0,
        };
        if factor != 1.0 {
            self.rate = (self.rate * factor).clamp(min, max);
            let every = Tick::try_from(every.as_nanos()).unwrap_or(Tick::MAX);
            self.next = now.saturating_add(every);
        }
        Ok(self.rate)
    }

    /// The rate, per second.
    pub fn per_second(&self) -> f64 {
        self.rate
    }

    /// The rate for a [`TokenBucket`](crate::TokenBucket), to the thousandth, or to a millionth of what is slower than that.
    pub fn rate(&self) -> Rate {
        let seconds = if self.rate < 1.0 { 1_000_000 } else { 1000 };
        let num = (self.rate * seconds as f64).round();
        if num >= 1.0 {
            return Rate::new(num as u64, Duration::from_secs(seconds));
        }
        Rate::new(1, Duration::try_from_secs_f64(1.0 / self.rate).unwrap_or(Duration::MAX))
    }
}

impl Default for LevelRate {
    /// The textbook's.
    fn default() -> Self {
        let config = LevelRateConfig::default();
        Self { config, rate: config.start, next: 0 }
    }
}

impl Default for LevelRateConfig {
    fn default() -> Self {
        Self {
            start: 100.0,
            min: 10.0,
            max: 1000.0,
            high: 0.8,
            low: 0.2,
            down: 0.9,
            up: 1.1,
            every: Duration::from_millis(100),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Tick = 1_000_000;

    fn after(level: f64, changes: u64) -> f64 {
        let mut rate = LevelRate::default();
        (0..changes).fold(0.0, |_, n| rate.update(Some(level), n * 100 * MS).expect("there is a level"))
    }

    #[test]
    fn nearly_full_slows_down_to_the_least() {
        assert_eq!(after(0.81, 1), 90.0);
        assert_eq!(after(1.0, 2), 81.0);
        assert!((after(0.81, 21) - 100.0 * 0.9_f64.powi(21)).abs() < 1e-9);
        assert_eq!(after(0.81, 100), 10.0);
    }

    #[test]
    fn nearly_empty_speeds_up_to_the_most() {
        assert!((after(0.19, 2) - 121.0).abs() < 1e-9);
        assert_eq!(after(0.0, 100), 1000.0);
    }

    #[test]
    fn between_the_marks_and_at_them_it_stays() {
        for level in [0.2, 0.5, 0.8, f64::NAN] {
            assert_eq!(after(level, 50), 100.0);
        }
    }

    #[test]
    fn a_change_is_given_time_to_be_seen() {
        let mut rate = LevelRate::default();
        let rates = [0, 99, 100, 150, 200, 0].map(|ms| rate.update(Some(0.9), ms * MS).expect("a level"));
        assert_eq!(rates.map(f64::round), [90.0, 90.0, 81.0, 81.0, 73.0, 73.0]);
    }

    #[test]
    fn without_a_bound_it_is_refused_and_stays() {
        let mut rate = LevelRate::default();
        assert_eq!(rate.update(None, 0), Err(NoLevel));
        assert_eq!(rate.per_second(), 100.0);
    }

    #[test]
    fn a_bucket_gets_the_same_rate() {
        let rate_of = |start: f64| {
            let config = LevelRateConfig { start, min: 1e-9, max: 1e15, ..LevelRateConfig::default() };
            let rate = LevelRate::try_new(config).expect("in range").rate();
            rate.num() as f64 / rate.per().as_secs_f64()
        };
        for start in [1e-9, 1e-6, 0.3333, 1.0, 99.9, 1000.0, 1e15] {
            assert!((rate_of(start) / start - 1.0).abs() < 1e-3, "{start}: {}", rate_of(start));
        }
    }

    #[test]
    fn numbers_out_of_range_are_named() {
        let default = LevelRateConfig::default();
        let wrong = [
            ("start", LevelRateConfig { start: 1001.0, ..default }),
            ("min", LevelRateConfig { min: f64::NAN, ..default }),
            ("max", LevelRateConfig { max: 5.0, ..default }),
            ("high", LevelRateConfig { high: 1.1, ..default }),
            ("low", LevelRateConfig { low: 0.9, ..default }),
            ("down", LevelRateConfig { down: 0.0, ..default }),
            ("up", LevelRateConfig { up: f64::INFINITY, ..default }),
        ];
        for (name, config) in wrong {
            assert_eq!(LevelRate::try_new(config).expect_err("out of range").name(), name);
        }
    }
}
