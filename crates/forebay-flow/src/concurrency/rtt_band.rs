//! The round trip within the band of its own mean and deviation.

use forebay_queue::{CallEnd, Limit, Sample, Tick};

use crate::ConfigError;

/// Moves once in each mean round trip: up by one while calls take no longer than usual, down by a share when they take much
/// longer, or at an overload.
///
/// It learns what "much longer" is: a number of standard deviations above the mean, both averaged exponentially. A noisy link
/// is given more room than a steady one.
///
/// # Source
///
/// Vector's adaptive request concurrency. With the mean `rtt` of the round trips that ended in an interval, and `mean` and
/// `deviation` of those before, the first call that ends behind the interval's end makes it
///
/// - `limit + 1` if the limit was reached by a call that started, nothing was overloaded and `rtt <= mean`;
/// - else `max(1, floor(limit * backoff))` if something was overloaded or `rtt >= mean + deviations * deviation`;
/// - then `d = rtt - mean`, `mean += alpha d`, `variance = (1 - alpha) (variance + alpha d d)`, and the next interval is one `mean` long.
///
/// In the simulation of the service that Vector tests its own with, 11 of its 13 cases are within all ranges. Of the other two one number
/// each is not: in `defers-at-high-concurrency` the mean round trip of the requests (5.864 s, at most 5.7), and in `defers-at-high-rate` the mean
/// number of starts in a second (24.4, at least 31). Both hang on when what is refused is tried again, which is no part of a
/// limit.
///
/// On a link so steady that there is no deviation, a limit that is not reached falls for that, and grows again when it is
/// needed. It differs in one thing: no interval is longer than ten seconds, so that a single call that took an hour does not
/// hold it up for an hour. It is told of [starts](forebay_queue::Limit::started) too: what ends in an interval mostly started before it, and
/// says too late that the limit is reached.
///
/// # When not to use it
///
/// Where the latency rises slowly for long: the mean follows it, and the limit does not.
/// [`Gradient2`](super::Gradient2) remembers longer.
///
/// ```
/// use std::time::Duration;
/// use forebay_flow::{CallEnd, Limit, RttBand, Sample};
///
/// const MS: u64 = 1_000_000;
/// let mut limit = RttBand::default();
/// let mut call = |ms: u64, now: u64| {
///     let (rtt, in_flight) = (Duration::from_millis(ms), limit.seats());
///     limit.started(in_flight);
///     limit.update(&Sample { rtt, in_flight, end: CallEnd::Success }, now * MS);
///     limit.seats()
/// };
/// assert_eq!([100, 200, 300, 400].map(|now| call(100, now)), [1, 2, 3, 4]);
/// assert_eq!(call(200, 600), 4 * 9 / 10);
/// ```
#[derive(Debug, Clone)]
pub struct RttBand {
    config: RttBandConfig,
    limit: usize,
    /// Mean and variance, in nanoseconds; none before the first success.
    past: Option<(f64, f64)>,
    interval: Interval,
    /// When the interval ends.
    ends: Tick,
}

/// How an [`RttBand`] moves.
///
/// ```
/// use forebay_flow::{RttBand, RttBandConfig};
///
/// let refused = RttBand::try_new(RttBandConfig { alpha: 1.0, ..RttBandConfig::default() }).unwrap_err();
/// assert_eq!(refused.to_string(), "alpha is 1: must be above 0 and below 1");
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RttBandConfig {
    /// Where it begins, from 1 to `max`; 1.
    pub initial: usize,
    /// The most, at least 1; 200.
    pub max: usize,
    /// What is left where it shrinks, above 0 and below 1; 0.9.
    pub backoff: f64,
    /// How much the last interval weighs in mean and deviation, above 0 and below 1; 0.4. More forgets sooner.
    pub alpha: f64,
    /// How many deviations above the mean are much longer, at least 0; 2.5. More tolerates more noise, and longer queues.
    pub deviations: f64,
}

/// Ten seconds, in nanoseconds.
const LONGEST_INTERVAL: Tick = 10_000_000_000;

/// What was seen since the last one ended.
#[derive(Debug, Clone, Copy, Default)]
struct Interval {
    rtts: f64,
    successes: u32,
    overload: bool,
    reached: bool,
}

// === impl RttBand ===

impl RttBand {
    /// A limit that moves as `config` says.
    ///
    /// # Errors
    ///
    /// If a number is out of its range, which it names.
    pub fn try_new(config: RttBandConfig) -> Result<Self, ConfigError> {
        let RttBandConfig { initial, max, backoff, alpha, deviations } = config;
        let is_share = |number: f64| 0.0 < number && number < 1.0;
        ConfigError::unless(max >= 1, "max", max as f64, "at least 1")?;
        ConfigError::unless((1..=max).contains(&initial), "initial", initial as f64, "from 1 to max")?;
        ConfigError::unless(is_share(backoff), "backoff", backoff, "above 0 and below 1")?;
        ConfigError::unless(is_share(alpha), "alpha", alpha, "above 0 and below 1")?;
        let is_more = deviations >= 0.0 && deviations.is_finite();
        ConfigError::unless(is_more, "deviations", deviations, "a number of at least 0")?;
        Ok(Self::of(config))
    }

    fn of(config: RttBandConfig) -> Self {
        let limit = config.initial;
        Self { config, limit, past: None, interval: Interval::default(), ends: 0 }
    }

    /// Whether a sample at that time closes the interval, whose length is a mean round trip.
    pub(super) fn is_due(&self, now: Tick) -> bool {
        // A sample far before its end has a clock that went back.
        self.past.is_some_and(|(mean, _)| now >= self.ends || now.saturating_add(length(mean)) < self.ends)
    }

    /// Moves the limit by what was seen, and begins anew.
    fn close(&mut self, now: Tick) {
        let Some((mean, variance)) = self.past else { return };
        let RttBandConfig { max, backoff, alpha, deviations, .. } = self.config;
        let Interval { overload, reached, .. } = self.interval;
        let rtt = self.interval.rtt();
        let before = self.limit;
        // But for the last digits: an average comes ever nearer to what is always the same, and never reaches it. With a coarser
        // comparison the limit of a link that has become slower grows before the average says so.
        if before < max && reached && !overload && rtt.is_some_and(|rtt| rtt <= mean * (1.0 + 1e-15)) {
            self.limit = before + 1;
        } else if overload || rtt.is_some_and(|rtt| rtt >= mean + deviations * variance.sqrt()) {
            self.limit = ((before as f64 * backoff) as usize).max(1);
        }
        if let Some(rtt) = rtt {
            let difference = rtt - mean;
            let step = alpha * difference;
            self.past = Some((mean + step, (1.0 - alpha) * (variance + difference * step)));
        }
        self.begin(now);
    }

    fn begin(&mut self, now: Tick) {
        let mean = self.past.map_or(0.0, |(mean, _)| mean);
        self.ends = now.saturating_add(length(mean));
        self.interval = Interval::default();
    }
}

impl Limit for RttBand {
    fn seats(&self) -> usize {
        self.limit
    }

    fn started(&mut self, in_flight: usize) {
        self.interval.reached |= in_flight >= self.limit;
    }

    fn update(&mut self, sample: &Sample, now: Tick) {
        let overload = match sample.end {
            CallEnd::Overload => true,
            CallEnd::Success => false,
            _ => return,
        };
        let rtt = sample.rtt.as_nanos() as f64;
        if overload {
            self.interval.overload = true;
        } else {
            self.interval.rtts += rtt;
            self.interval.successes = self.interval.successes.saturating_add(1);
        }
        if self.is_due(now) {
            self.close(now);
        } else if self.past.is_none() && !overload {
            self.past = Some((rtt, 0.0));
            self.ends = now.saturating_add(length(rtt));
        }
    }
}

impl Default for RttBand {
    fn default() -> Self {
        Self::of(RttBandConfig::default())
    }
}

impl Default for RttBandConfig {
    fn default() -> Self {
        Self { initial: 1, max: 200, backoff: 0.9, alpha: 0.4, deviations: 2.5 }
    }
}

/// How long an interval is: a mean round trip, within bounds.
fn length(mean: f64) -> Tick {
    (mean as Tick).min(LONGEST_INTERVAL)
}

// === impl Interval ===

impl Interval {
    /// The mean of the round trips; none if nothing succeeded.
    fn rtt(&self) -> Option<f64> {
        (self.successes > 0).then(|| self.rtts / f64::from(self.successes))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const MS: Tick = 1_000_000;

    fn call(limit: &mut RttBand, ms: u64, end: CallEnd, now: Tick) -> usize {
        let in_flight = limit.seats();
        limit.started(in_flight);
        limit.update(&Sample { rtt: Duration::from_millis(ms), in_flight, end }, now * MS);
        limit.seats()
    }

    #[test]
    fn an_overload_shrinks_it_whatever_the_latency_and_a_cancelled_call_does_nothing() {
        let config = RttBandConfig { initial: 50, ..RttBandConfig::default() };
        let mut limit = RttBand::try_new(config).expect("in range");
        assert_eq!(call(&mut limit, 100, CallEnd::Success, 100), 50);
        assert_eq!(call(&mut limit, 1, CallEnd::Ignore, 250), 50);
        assert_eq!(call(&mut limit, 1, CallEnd::Overload, 300), 45);
    }

    #[test]
    fn overloads_alone_are_heard_once_there_is_an_interval() {
        let mut limit =
            RttBand::try_new(RttBandConfig { initial: 50, ..RttBandConfig::default() }).expect("in range");
        assert_eq!(call(&mut limit, 1, CallEnd::Overload, 1), 50);
        call(&mut limit, 100, CallEnd::Success, 100);
        assert_eq!(call(&mut limit, 100, CallEnd::Success, 200), 45);
    }

    #[test]
    fn a_clock_that_goes_back_ends_the_interval() {
        let mut limit = RttBand::default();
        call(&mut limit, 100, CallEnd::Success, 3_600_000);
        assert_eq!(call(&mut limit, 100, CallEnd::Success, 100), 2);
        assert_eq!(call(&mut limit, 100, CallEnd::Success, 200), 3);
    }

    /// The average of what has become slower never quite reaches it, whatever that is.
    #[test]
    fn on_a_link_that_has_become_slower_for_good_it_grows_again() {
        for slow in [101, 103, 107, 130, 170, 333] {
            let mut limit = RttBand::default();
            let mut now = 0;
            for _ in 0..10 {
                now += 1000;
                call(&mut limit, 100, CallEnd::Success, now);
            }
            for _ in 0..120 {
                now += 1000;
                call(&mut limit, slow, CallEnd::Success, now);
            }
            assert!(limit.seats() > 40, "{slow} ms: stuck at {}", limit.seats());
        }
    }
}
