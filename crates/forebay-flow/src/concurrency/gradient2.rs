//! Latency against its own long average.

use forebay_queue::{CallEnd, Limit, Sample, Tick};

use super::average::ExpAvg;
use crate::ConfigError;

/// Grows while the latency is near its long average, and shrinks as it leaves that behind.
///
/// The default for servers: it needs nobody who refuses.
///
/// # Source
///
/// `Gradient2Limit` in Netflix/concurrency-limits:
///
/// ```text
/// gradient = clamp(tolerance * long / rtt, 0.5, 1)
/// limit    = (1 - smoothing) * limit + smoothing * (limit * gradient + queue)
/// ```
///
/// `long` is an exponential average of the round trips. Where it is more than twice the last one it is brought down by 5 %.
/// While less than half of the limit is used, the limit stays.
///
/// As it stands that grows without end where callers fill the limit, and does not hear of overloads (Netflix/concurrency-limits
/// issues 134 and 137). So it differs in three things:
///
/// 1. There is no `queue` to be added while the gradient is below 1.
/// 2. An overload aims at half of the limit, and its round trip is not averaged.
/// 3. While the limit is in use, a longer round trip is taken for a queue, and does not raise `long`. Only after five
///    samples in a row at the least, where no queue can be of our making, is it what is normal now.
///
/// # When not to use it
///
/// Where round trips differ by what is asked for and not by the load, it follows the mixture: limit each kind by itself. A
/// latency that never moves shows no queue, and lets it grow to the most.
///
/// ```
/// use std::time::Duration;
/// use forebay_flow::{CallEnd, Gradient2, Limit, Sample};
///
/// let mut limit = Gradient2::default();
/// let mut calls = |ms, count| {
///     for _ in 0..count {
///         let (rtt, in_flight) = (Duration::from_millis(ms), limit.seats());
///         limit.update(&Sample { rtt, in_flight, end: CallEnd::Success }, 0);
///     }
///     limit.seats()
/// };
/// assert_eq!(calls(100, 100), 100);
/// assert!(calls(300, 10) < 50); // they wait somewhere
/// ```
#[derive(Debug, Clone)]
pub struct Gradient2 {
    config: Gradient2Config,
    limit: f64,
    /// In nanoseconds.
    long: ExpAvg,
    /// Samples in a row at the least.
    at_min: u32,
}

/// How a [`Gradient2`] moves.
///
/// ```
/// use forebay_flow::{Gradient2, Gradient2Config};
///
/// let refused = Gradient2::try_new(Gradient2Config { tolerance: 0.5, ..Gradient2Config::default() }).unwrap_err();
/// assert_eq!(refused.to_string(), "tolerance is 0.5: must be a number of at least 1");
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gradient2Config {
    /// Where it begins, within `min` and `max`; 20.
    pub initial: usize,
    /// The least, at least 1; 1.
    pub min: usize,
    /// The most, at least `min`; 200.
    pub max: usize,
    /// How far each sample moves it towards its aim, above 0 and at most 1; 0.2.
    pub smoothing: f64,
    /// How many may wait at the server, at least 0; 4. At 0 it never grows.
    pub queue: usize,
    /// How many times `long` a round trip may be before that counts, at least 1; 1.5. More tolerates more noise, and longer
    /// queues.
    pub tolerance: f64,
    /// Over how many samples `long` averages, at least 1; 600.
    pub window: u32,
}

/// The first samples of the long average weigh the same.
const WARMUP: u32 = 10;
/// Of more than that, `long` is brought down.
const RECOVERY: (f64, f64) = (2.0, 0.95);
/// Samples in a row at the least after which a longer round trip is what is normal.
const RELEARN_AFTER: u32 = 5;

// === impl Gradient2 ===

impl Gradient2 {
    /// A limit that moves as `config` says.
    ///
    /// # Errors
    ///
    /// If a number is out of its range, which it names.
    pub fn try_new(config: Gradient2Config) -> Result<Self, ConfigError> {
        let Gradient2Config { initial, min, max, smoothing, tolerance, window, .. } = config;
        ConfigError::unless(min >= 1, "min", min as f64, "at least 1")?;
        ConfigError::unless(max >= min, "max", max as f64, "at least min")?;
        ConfigError::unless((min..=max).contains(&initial), "initial", initial as f64, "from min to max")?;
        let share = 0.0 < smoothing && smoothing <= 1.0;
        ConfigError::unless(share, "smoothing", smoothing, "above 0 and at most 1")?;
        let is_more = tolerance >= 1.0 && tolerance.is_finite();
        ConfigError::unless(is_more, "tolerance", tolerance, "a number of at least 1")?;
        ConfigError::unless(window >= 1, "window", f64::from(window), "at least 1")?;
        Ok(Self::of(config))
    }

    fn of(config: Gradient2Config) -> Self {
        let long = ExpAvg::new(config.window, WARMUP);
        Self { config, limit: config.initial as f64, long, at_min: 0 }
    }

    /// Learns from a round trip, in nanoseconds, unless it is taken for a queue. Returns the long average to compare it with.
    fn learn(&mut self, rtt: f64, in_use: bool) -> f64 {
        let is_queue =
            in_use && self.at_min < RELEARN_AFTER && self.long.get().is_some_and(|long| rtt > long);
        if !is_queue {
            self.long.add(rtt);
        }
        let long = self.long.get().unwrap_or(rtt);
        let (more_than, factor) = RECOVERY;
        if long > more_than * rtt {
            self.long.scale(factor);
        }
        long
    }
}

impl Limit for Gradient2 {
    fn seats(&self) -> usize {
        self.limit as usize
    }

    fn update(&mut self, sample: &Sample, _: Tick) {
        let Gradient2Config { min, max, smoothing, queue, tolerance, .. } = self.config;
        let aim = match sample.end {
            CallEnd::Overload => self.limit / 2.0,
            CallEnd::Success => {
                // What took no time took one nanosecond, so that it can be divided by.
                let rtt = (sample.rtt.as_nanos() as f64).max(1.0);
                let in_use = sample.in_flight as f64 * 2.0 >= self.limit;
                let long = self.learn(rtt, in_use);
                if !in_use {
                    return;
                }
                let gradient = (tolerance * long / rtt).clamp(0.5, 1.0);
                let queue = if gradient < 1.0 { 0.0 } else { queue as f64 };
                self.limit * gradient + queue
            }
            _ => return,
        };
        self.limit = ((1.0 - smoothing) * self.limit + smoothing * aim).clamp(min as f64, max as f64);
        self.at_min = if self.seats() == min { self.at_min.saturating_add(1) } else { 0 };
    }
}

impl Default for Gradient2 {
    fn default() -> Self {
        Self::of(Gradient2Config::default())
    }
}

impl Default for Gradient2Config {
    fn default() -> Self {
        Self { initial: 20, min: 1, max: 200, smoothing: 0.2, queue: 4, tolerance: 1.5, window: 600 }
    }
}
