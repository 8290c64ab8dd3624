//! Additive increase, multiplicative decrease.

use std::time::Duration;

use forebay_queue::{CallEnd, Limit, Sample, Tick};

use crate::ConfigError;

/// Grows by one after each success that used at least half of the limit, and shrinks to a share of it after an overload.
///
/// It is the default for clients: it needs no latency to compare with, only the server's refusals. Many clients of one
/// server get about the same each.
///
/// # Source
///
/// Additive increase, multiplicative decrease (Chiu and Jain 1989), with the numbers and the rule "at least half in use" of
/// `AIMDLimit` in Netflix/concurrency-limits:
///
/// - overload, or a round trip longer than `timeout`: `limit = floor(limit * backoff)`;
/// - else, if `2 * in_flight >= limit`: `limit + 1`; else it stays; always within `min` and `max`.
///
/// It differs in two ways. The minimum is 1 and not 20. And a call that began before the last cut does not cut again: calls
/// in flight together are one overload, however many of them fail.
///
/// # When not to use it
///
/// In front of something that queues without ever refusing: it would fill that queue up to the timeout.
///
/// ```
/// use std::time::Duration;
/// use forebay_flow::{Aimd, CallEnd, Limit, Sample};
///
/// let mut limit = Aimd::default();
/// let call = |end| Sample { rtt: Duration::from_millis(10), in_flight: 20, end };
/// limit.update(&call(CallEnd::Success), 20_000_000);
/// assert_eq!(limit.seats(), 21);
/// limit.update(&call(CallEnd::Overload), 30_000_000);
/// assert_eq!(limit.seats(), 18);
/// ```
#[derive(Debug, Clone)]
pub struct Aimd {
    config: AimdConfig,
    limit: usize,
    /// When it was cut last.
    cut_at: Tick,
}

/// How an [`Aimd`] moves.
///
/// ```
/// use forebay_flow::{Aimd, AimdConfig};
///
/// let refused = Aimd::try_new(AimdConfig { backoff: 1.0, ..AimdConfig::default() }).unwrap_err();
/// assert_eq!(refused.to_string(), "backoff is 1: must be at least 0.5 and below 1");
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AimdConfig {
    /// Where it begins; 20. The first sample brings it within `min` and `max`.
    pub initial: usize,
    /// The least; 1. 0 counts as 1.
    pub min: usize,
    /// The most, at least `min`; 200.
    pub max: usize,
    /// What is left after an overload, from 0.5 to below 1; 0.9. A smaller share relieves the server sooner and leaves more of
    /// it idle.
    pub backoff: f64,
    /// A longer round trip counts as an overload; 5 s.
    pub timeout: Duration,
}

// === impl Aimd ===

impl Aimd {
    /// A limit that moves as `config` says.
    ///
    /// # Errors
    ///
    /// If a number is out of its range, which it names.
    pub fn try_new(config: AimdConfig) -> Result<Self, ConfigError> {
        let AimdConfig { initial, min, max, backoff, .. } = config;
        ConfigError::unless(max >= min.max(1), "max", max as f64, "at least min, and at least 1")?;
        ConfigError::unless((0.5..1.0).contains(&backoff), "backoff", backoff, "at least 0.5 and below 1")?;
        Ok(Self { config, limit: initial, cut_at: 0 })
    }
}

impl Limit for Aimd {
    fn seats(&self) -> usize {
        self.limit.max(1)
    }

    fn update(&mut self, sample: &Sample, now: Tick) {
        let AimdConfig { min, max, backoff, timeout, .. } = self.config;
        let overload = match sample.end {
            CallEnd::Overload => true,
            CallEnd::Success => sample.rtt > timeout,
            _ => return,
        };
        if overload {
            let rtt = Tick::try_from(sample.rtt.as_nanos()).unwrap_or(Tick::MAX);
            let began = now.saturating_sub(rtt);
            // A call that ended long before the last cut did so by a clock that went back since.
            if began >= self.cut_at || now.saturating_add(rtt) < self.cut_at {
                self.limit = (self.limit as f64 * backoff) as usize;
                self.cut_at = now;
            }
        } else if sample.in_flight.saturating_mul(2) >= self.limit {
            self.limit = self.limit.saturating_add(1);
        }
        self.limit = self.limit.clamp(min.max(1), max);
    }
}

impl Default for Aimd {
    fn default() -> Self {
        let config = AimdConfig::default();
        Self { config, limit: config.initial, cut_at: 0 }
    }
}

impl Default for AimdConfig {
    fn default() -> Self {
        Self { initial: 20, min: 1, max: 200, backoff: 0.9, timeout: Duration::from_secs(5) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Tick = 1_000_000;

    fn sample(rtt: u64, in_flight: usize, end: CallEnd) -> Sample {
        Sample { rtt: Duration::from_millis(rtt), in_flight, end }
    }

    #[test]
    fn calls_that_were_on_their_way_together_cut_it_once() {
        let mut limit =
            Aimd::try_new(AimdConfig { initial: 100, ..AimdConfig::default() }).expect("in range");
        for n in 0..50 {
            limit.update(&sample(100, 100, CallEnd::Overload), (100 + n) * MS);
        }
        assert_eq!(limit.seats(), 90);
        limit.update(&sample(100, 100, CallEnd::Overload), 200 * MS);
        assert_eq!(limit.seats(), 81);
    }

    #[test]
    fn a_clock_that_goes_back_holds_up_no_cut() {
        let mut limit = Aimd::default();
        limit.update(&sample(10, 20, CallEnd::Overload), 3_600_000 * MS);
        limit.update(&sample(10, 20, CallEnd::Overload), 20 * MS);
        assert_eq!(limit.seats(), 16);
    }

    #[test]
    fn what_says_nothing_changes_nothing() {
        let mut limit = Aimd::default();
        limit.update(&sample(10_000, 20, CallEnd::Ignore), MS);
        assert_eq!(limit.seats(), 20);
    }

    #[test]
    fn it_gets_away_from_its_least() {
        let mut limit = Aimd::try_new(AimdConfig { initial: 1, ..AimdConfig::default() }).expect("in range");
        limit.update(&sample(0, 1, CallEnd::Overload), MS);
        assert_eq!(limit.seats(), 1);
        limit.update(&sample(1, 1, CallEnd::Success), 2 * MS);
        assert_eq!(limit.seats(), 2);
    }
}
