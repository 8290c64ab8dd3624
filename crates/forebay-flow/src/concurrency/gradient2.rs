//! Latency compared with that without load.

use forebay_queue::{CallEnd, Limit, Sample, Tick};

use super::latency::{Latency, Round};
use super::overload::Overload;
use crate::ConfigError;

/// Grows while the latency is near that without load, and shrinks as it rises above it.
///
/// It is the default for servers: it does not depend on anybody refusing calls.
///
/// # Source
///
/// `Gradient2Limit` in Netflix/concurrency-limits, by which each sample makes it
///
/// ```text
/// gradient = clamp(tolerance * long / rtt, 0.5, 1)
/// limit    = (1 - smoothing) * limit + smoothing * (limit * gradient + queue)
/// ```
///
/// with `long` as a long average of the round trips. While less than half of the limit is used, the limit stays.
///
/// As it stands that grows without end where callers fill the limit, does not hear of overloads (Netflix/concurrency-limits
/// issues 134 and 137), and in front of a server whose round trips vary it ends near its least. So it differs:
///
/// 1. It moves by the mean of a round of one to four round trips, so that noise is no queue; as far as all samples of the
///    round would have moved it.
/// 2. Instead of the long average it compares with the latency without load. That is learnt in rounds that use less than half of
///    the limit, and in probes: after a doubt, at the most each 48 rounds, the limit is halved for some round trips. What is seen
///    under load does not count.
/// 3. It does not grow while the gradient is below 1. Above, it grows the less the nearer the latency is to what is tolerated; by
///    `queue` for each sample, but not by more than a fifth of the limit in a round, or by `queue` where that is more.
/// 4. An overload aims at half of the limit; calls that were on their way together lower it no further than that. The round goes on:
///    where errors come more often than a round is complete none would ever be, and the limit would only fall.
///
/// `docs/goals.md` has what that achieves, and where it misses.
///
/// # When not to use it
///
/// Where several clients that know nothing of each other share one server: each takes the others' queue for its latency without load, and ten of
/// them share at a fairness (Jain's index) of 0.91 in the median and 0.68 at the worst. [`Aimd`](super::Aimd) shares at 0.99 or better.
///
/// Where round trips differ by what is asked for and not by the load, it follows the mixture: limit each kind by itself. A
/// latency that never moves shows no queue, and lets it grow to the most.
///
/// Where calls fail for reasons of their own, say so in the [classifier](crate::CallEnd::Ignore): each of them that counts as an overload
/// costs a tenth, and with one in ten the limit stays around 10 or 20 whatever the service bears.
///
/// ```
/// use std::time::Duration;
/// use forebay_flow::{CallEnd, Gradient2, Limit, Sample};
///
/// let (mut limit, mut now) = (Gradient2::default(), 0);
/// let mut calls = |ms, count| {
///     for _ in 0..count {
///         now += 10_000_000; // one comes back each 10 ms
///         let (rtt, in_flight) = (Duration::from_millis(ms), limit.seats());
///         limit.update(&Sample { rtt, in_flight, end: CallEnd::Success }, now);
///     }
///     limit.seats()
/// };
/// let grown = calls(100, 100);
/// assert!(grown > 40);
/// assert!(calls(300, 100) < grown / 2); // they wait somewhere
/// ```
#[derive(Debug, Clone)]
pub struct Gradient2 {
    config: Gradient2Config,
    limit: f64,
    latency: Latency,
    overload: Overload,
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
    /// By how much it grows for each sample while nobody waits, at least 0; 4. At 0 it never does.
    pub queue: usize,
    /// How many times the latency without load the mean round trip may be, at least 1; 1.15. More tolerates more noise, and longer
    /// queues.
    pub tolerance: f64,
}

// === impl Gradient2 ===

impl Gradient2 {
    /// A limit that moves as `config` says.
    ///
    /// # Errors
    ///
    /// If a number is out of its range, which it names.
    pub fn try_new(config: Gradient2Config) -> Result<Self, ConfigError> {
        let Gradient2Config { initial, min, max, smoothing, tolerance, .. } = config;
        ConfigError::unless(min >= 1, "min", min as f64, "at least 1")?;
        ConfigError::unless(max >= min, "max", max as f64, "at least min")?;
        ConfigError::unless((min..=max).contains(&initial), "initial", initial as f64, "from min to max")?;
        let share = 0.0 < smoothing && smoothing <= 1.0;
        ConfigError::unless(share, "smoothing", smoothing, "above 0 and at most 1")?;
        let is_more = tolerance >= 1.0 && tolerance.is_finite();
        ConfigError::unless(is_more, "tolerance", tolerance, "a number of at least 1")?;
        Ok(Self::of(config))
    }

    fn of(config: Gradient2Config) -> Self {
        Self { config, limit: config.initial as f64, latency: Latency::new(), overload: Overload::default() }
    }

    /// Moves by the latency of a round.
    fn follow(&mut self, round: &Round) {
        let Gradient2Config { smoothing, queue, tolerance, .. } = self.config;
        if !round.uses(self.limit) {
            self.latency.learn(round);
            return;
        }
        let rtt = round.at_least();
        let no_load = self.latency.no_load().unwrap_or(rtt);
        let gradient = (tolerance * no_load / rtt).clamp(0.5, tolerance);
        let aim = if gradient < 1.0 {
            self.latency.doubt();
            self.limit * gradient
        } else {
            // All of the step without a queue, and none of it where the queue is as long as is tolerated.
            let free = if tolerance > 1.0 { (gradient - 1.0) / (tolerance - 1.0) } else { 1.0 };
            let queue = queue as f64;
            self.limit
                + free
                    * (f64::from(round.samples) * queue).min(if queue > 0.0 {
                        queue.max(self.limit / 5.0)
                    } else {
                        0.0
                    })
        };
        // As far as so many samples would, one after the other.
        let weight = 1.0 - (1.0 - smoothing).powi(i32::try_from(round.samples).unwrap_or(i32::MAX));
        self.limit += weight * (aim - self.limit);
    }
}

impl Limit for Gradient2 {
    fn seats(&self) -> usize {
        self.latency.seats(self.limit, self.config.min)
    }

    fn update(&mut self, sample: &Sample, now: Tick) {
        let Gradient2Config { min, max, smoothing, tolerance, .. } = self.config;
        // What took no time took one nanosecond, so that it can be divided by.
        let rtt = (sample.rtt.as_nanos() as f64).max(1.0);
        let before = self.limit;
        match sample.end {
            CallEnd::Overload => {
                let less = before * (1.0 - smoothing / 2.0);
                self.limit = self.overload.lower(before, less, rtt as Tick, now);
                self.latency.doubt();
            }
            CallEnd::Success => {
                if let Some(round) = self.latency.success(rtt, sample.in_flight, tolerance, now) {
                    self.follow(&round);
                }
            }
            _ => {}
        }
        self.limit = self.limit.clamp(min as f64, max as f64);
        // An overload ends no round (4).
        if self.limit < before && sample.end == CallEnd::Success {
            self.latency.lowered(now);
        }
    }
}

impl Default for Gradient2 {
    fn default() -> Self {
        Self::of(Gradient2Config::default())
    }
}

impl Default for Gradient2Config {
    fn default() -> Self {
        Self { initial: 20, min: 1, max: 200, smoothing: 0.2, queue: 4, tolerance: 1.15 }
    }
}
