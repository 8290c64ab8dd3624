//! How many wait, by the latency.

use forebay_queue::{CallEnd, Limit, Sample, Tick};

use crate::ConfigError;

/// Keeps a few calls waiting at the server: more if fewer do, less if more do.
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
/// Every 15 to 30 times `limit` samples `r0` is found anew. There it differs: the shortest success since the last time counts, and not
/// whatever the sample at that moment took, which may have waited. The factor between 15 and 30 follows a fixed sequence, as a
/// policy throws no dice.
///
/// # When not to use it
///
/// Where the round trip without load changes with what is asked for: it compares with the shortest one ever.
/// [`Gradient2`](super::Gradient2) compares with what is usual.
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
    /// Without load, in nanoseconds; infinite before the first sample.
    r0: f64,
    /// The shortest success since `r0` was found.
    shortest: f64,
    /// Samples since then.
    samples: u64,
    /// How often it was found.
    probes: u32,
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

/// `r0` is found anew after at most so many times `limit` samples.
const PROBE_AFTER: f64 = 30.0;

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
        Self { config, limit, r0: f64::INFINITY, shortest: f64::INFINITY, samples: 0, probes: 0 }
    }

    /// Whether this sample only told how long a call takes without load.
    fn measures(&mut self, rtt: f64, overload: bool) -> bool {
        if !overload {
            self.shortest = self.shortest.min(rtt);
        }
        self.samples += 1;
        if self.samples as f64 >= probe_factor(self.probes) * PROBE_AFTER * self.limit {
            // Where nothing but overloads came, nothing was learnt.
            let found = self.shortest.is_finite();
            if found {
                self.r0 = self.shortest;
            }
            (self.samples, self.shortest) = (0, f64::INFINITY);
            self.probes = self.probes.wrapping_add(1);
            return found;
        }
        let is_shorter = rtt < self.r0;
        if is_shorter {
            self.r0 = rtt;
        }
        is_shorter
    }

    /// Where the limit should go; none if it stays.
    fn aim(&self, rtt: f64, in_flight: usize, overload: bool) -> Option<f64> {
        let limit = self.limit;
        let log10 = log10(limit as usize) as f64;
        let queue = (limit * (1.0 - self.r0 / rtt)).ceil();
        let alpha = self.config.alpha.map_or(3.0 * log10, |alpha| alpha as f64);
        let beta = self.config.beta.map_or(6.0 * log10, |beta| beta as f64);
        let less = match self.config.decrease {
            Decrease::Log10 => limit - log10,
            Decrease::Halve => limit / 2.0,
        };
        match () {
            () if overload => Some(less),
            () if (in_flight as f64) * 2.0 < limit => None,
            () if queue <= log10 => Some(limit + beta),
            () if queue < alpha => Some(limit + log10),
            () if queue > beta => Some(less),
            () => None,
        }
    }
}

impl Limit for Vegas {
    fn seats(&self) -> usize {
        self.limit as usize
    }

    fn update(&mut self, sample: &Sample, _: Tick) {
        let overload = match sample.end {
            CallEnd::Overload => true,
            CallEnd::Success => false,
            _ => return,
        };
        // What took no time took one nanosecond, so that it can be divided by.
        let rtt = (sample.rtt.as_nanos() as f64).max(1.0);
        if self.measures(rtt, overload) {
            return;
        }
        if let Some(aim) = self.aim(rtt, sample.in_flight, overload) {
            let VegasConfig { max, smoothing, .. } = self.config;
            let aim = aim.clamp(1.0, max as f64);
            self.limit = (1.0 - smoothing) * self.limit + smoothing * aim;
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

/// From 0.5 to 1: multiples of the golden ratio, which fall everywhere.
fn probe_factor(probes: u32) -> f64 {
    const GOLDEN: f64 = 0.618_033_988_749_895;
    0.5 + (f64::from(probes) * GOLDEN).fract() / 2.0
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_latency_without_load_is_the_shortest_of_late_and_not_the_last() {
        let mut limit = Vegas::try_new(VegasConfig { max: 20, ..VegasConfig::default() }).expect("in range");
        for n in 0..3000 {
            // Every tenth is quick; the moment at which it is found anew is mostly not one of those.
            let rtt = Duration::from_millis(if n % 10 == 0 { 10 } else { 12 });
            limit.update(&Sample { rtt, in_flight: limit.seats(), end: CallEnd::Success }, 0);
            assert_eq!(limit.r0, 1e7, "after {n}");
        }
        assert!(limit.probes >= 5);
        // It moved away for good.
        for _ in 0..1300 {
            let rtt = Duration::from_millis(30);
            limit.update(&Sample { rtt, in_flight: limit.seats(), end: CallEnd::Success }, 0);
        }
        assert_eq!(limit.r0, 3e7);
    }
}
