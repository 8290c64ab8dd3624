//! How many calls wait, judging by the latency.

use forebay_queue::{CallEnd, Limit, Sample, Tick};

use super::latency::{Latency, Round};
use super::overload::Overload;
use crate::ConfigError;

/// Keeps a few calls waiting at the server: it grows if fewer wait, and shrinks if more do.
///
/// # Source
///
/// TCP Vegas (Brakmo, O'Malley and Peterson 1994) for calls, as `VegasLimit` in Netflix/concurrency-limits has it. With the shortest round trip
/// `r0` and the last one `r`, of `limit` calls `queue = ceil(limit * (1 - r0 / r))` wait. With `log10` for the whole part of that
/// logarithm, at least 1:
///
/// | | limit |
/// | --- | --- |
/// | the first sample, or `r < r0` | stays, and `r0 = r` |
/// | overload | decreases, by `log10` or to the half |
/// | less than half of it in use | stays |
/// | `queue <= log10` | grows by `beta` |
/// | `queue < alpha` | grows by `log10` |
/// | `queue > beta` | decreases |
/// | else | stays |
///
/// There `r` is a single sample, and `r0` the shortest, found anew from time to time. Where round trips vary by themselves that
/// takes the variation for a queue, and shrinks to nearly nothing. So it differs:
///
/// - `r` is the mean of a round of one to four round trips. A round moves it as far as its samples would have, one after the other,
///   but up by no more than a fifth of the limit or `beta`, and down no further than to where `beta` wait.
/// - `r0` is the mean without load: of rounds that use less than half of the limit, and of probes, in which, after a doubt and at the
///   most each 48 rounds, the limit is halved for some round trips.
/// - Calls that were on their way together are one overload, which takes no more than half, and the round goes on: where errors come more
///   often than a round is complete none would ever be. An overload never is `r0`: a refusal may be quick.
///
/// `docs/goals.md` has what that achieves, and where it misses.
///
/// # When not to use it
///
/// Where the round trip without load changes with what is asked for: it takes a longer
/// one for a queue until the next probe.
///
/// ```
/// use std::time::Duration;
/// use forebay_flow::{CallEnd, Limit, Sample, Vegas};
///
/// let mut limit = Vegas::default();
/// let mut call = |ms| {
///     let (rtt, in_flight) = (Duration::from_millis(ms), limit.seats());
///     limit.update(&Sample { rtt, in_flight, end: CallEnd::Success }, 0);
///     limit.seats()
/// };
/// assert_eq!(call(10), 20); // so that is how long it takes
/// assert_eq!(call(10), 26); // and nothing waits
/// assert_eq!(call(20), 25); // half of it does
/// ```
#[derive(Debug, Clone)]
pub struct Vegas {
    config: VegasConfig,
    limit: f64,
    latency: Latency,
    overload: Overload,
    /// The shortest round trip so far, in nanoseconds.
    quickest: f64,
}

/// How a [`Vegas`] moves.
///
/// ```
/// use forebay_flow::{Vegas, VegasConfig};
///
/// let refused = Vegas::try_new(VegasConfig { smoothing: 0.0, ..VegasConfig::default() }).unwrap_err();
/// assert_eq!(refused.to_string(), "smoothing is 0: must be above 0 and at most 1");
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VegasConfig {
    /// Where it begins, from 1 to `max`; 20.
    pub initial: usize,
    /// The most, at least 1; 1000.
    pub max: usize,
    /// How far each sample moves it towards its aim, above 0 and at most 1; 1.
    pub smoothing: f64,
    /// While fewer calls wait it grows, at least 0; 3 times `log10` without a number.
    pub alpha: Option<usize>,
    /// While more calls wait it decreases, at least `alpha`; 6 times `log10` without a number.
    pub beta: Option<usize>,
    /// By how much it decreases.
    pub decrease: Decrease,
}

/// By how much a [`Vegas`] decreases.
///
/// ```
/// use forebay_flow::{Decrease, Vegas, VegasConfig};
///
/// let config = VegasConfig { decrease: Decrease::Halve, ..VegasConfig::default() };
/// assert!(Vegas::try_new(config).is_ok());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Decrease {
    /// By the logarithm of the limit.
    #[default]
    Log10,
    /// To its half.
    Halve,
}

// === impl Vegas ===

impl Vegas {
    /// A limit that moves as `config` says.
    ///
    /// # Errors
    ///
    /// If a number is out of its range, which it names.
    pub fn try_new(config: VegasConfig) -> Result<Self, ConfigError> {
        let VegasConfig { initial, max, smoothing, alpha, beta, .. } = config;
        ConfigError::unless(max >= 1, "max", max as f64, "at least 1")?;
        ConfigError::unless((1..=max).contains(&initial), "initial", initial as f64, "from 1 to max")?;
        let share = 0.0 < smoothing && smoothing <= 1.0;
        ConfigError::unless(share, "smoothing", smoothing, "above 0 and at most 1")?;
        if let (Some(alpha), Some(beta)) = (alpha, beta) {
            ConfigError::unless(beta >= alpha, "beta", beta as f64, "at least alpha")?;
        }
        Ok(Self::of(config))
    }

    fn of(config: VegasConfig) -> Self {
        let limit = config.initial as f64;
        Self {
            config,
            limit,
            latency: Latency::new(),
            overload: Overload::default(),
            quickest: f64::INFINITY,
        }
    }

    /// Up to how many may wait: below the first it grows, beyond the second it decreases.
    fn alpha_beta(&self) -> (f64, f64) {
        let log10 = f64::from(log10(self.limit as usize));
        let VegasConfig { alpha, beta, .. } = self.config;
        (alpha.map_or(3.0 * log10, |alpha| alpha as f64), beta.map_or(6.0 * log10, |beta| beta as f64))
    }

    /// What is less by one sample.
    fn less(&self) -> f64 {
        match self.config.decrease {
            Decrease::Log10 => self.limit - f64::from(log10(self.limit as usize)),
            Decrease::Halve => self.limit / 2.0,
        }
    }

    /// Where the limit should go by the latency of a round.
    fn aim(&mut self, round: &Round) -> f64 {
        let limit = self.limit;
        if !round.uses(limit) {
            self.latency.learn(round);
            return limit;
        }
        let log10 = f64::from(log10(limit as usize));
        let (alpha, beta) = self.alpha_beta();
        let samples = f64::from(round.samples);
        let rtt = round.at_least();
        let no_load = self.latency.no_load().unwrap_or(rtt);
        let queue = (limit * (1.0 - no_load / rtt)).ceil();
        if queue <= log10 {
            return limit + (samples * beta).min(beta.max(limit / 5.0));
        }
        self.latency.doubt();
        if queue < alpha {
            limit + log10
        } else if queue > beta {
            // As far as so many samples would, but not beyond where as many wait as should.
            let less = limit - self.less();
            limit - (samples * less).min(less.max(queue - beta))
        } else {
            limit
        }
    }
}

impl Limit for Vegas {
    fn seats(&self) -> usize {
        self.latency.seats(self.limit, 1)
    }

    fn update(&mut self, sample: &Sample, now: Tick) {
        let VegasConfig { max, smoothing, .. } = self.config;
        // What took no time took one nanosecond, so that it can be divided by.
        let rtt = (sample.rtt.as_nanos() as f64).max(1.0);
        let before = self.limit;
        let aim = match sample.end {
            CallEnd::Overload if rtt < self.quickest => before,
            CallEnd::Overload => {
                self.latency.doubt();
                self.overload.lower(before, self.less(), rtt as Tick, now)
            }
            CallEnd::Success => {
                let threshold = before / (before - self.alpha_beta().1).max(1.0);
                match self.latency.success(rtt, sample.in_flight, threshold, now) {
                    Some(round) => self.aim(&round),
                    None => before,
                }
            }
            _ => return,
        };
        self.quickest = self.quickest.min(rtt);
        let aim = aim.clamp(1.0, max as f64);
        self.limit = (1.0 - smoothing) * before + smoothing * aim;
        // An overload ends no round.
        if self.limit < before && sample.end == CallEnd::Success {
            self.latency.lowered(now);
        }
    }
}

impl Default for Vegas {
    fn default() -> Self {
        Self::of(VegasConfig::default())
    }
}

impl Default for VegasConfig {
    fn default() -> Self {
        Self { initial: 20, max: 1000, smoothing: 1.0, alpha: None, beta: None, decrease: Decrease::Log10 }
    }
}

/// The whole part of the logarithm, at least 1.
pub(super) fn log10(limit: usize) -> u32 {
    limit.checked_ilog10().unwrap_or_default().max(1)
}
