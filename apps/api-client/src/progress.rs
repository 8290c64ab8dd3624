//! How far a run is.

use std::time::{Duration, Instant};

use crate::HostStats;
use crate::report::Report;

/// How far a run is.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Progress {
    /// Requests that have ended, in this run or before it.
    pub done: u64,
    /// Lines of the input, if they could be counted: about as many requests.
    pub total: Option<u64>,
    /// How many end in a second, over the last few.
    pub rate: f64,
    /// The sum of the limits of all hosts, as far as each is found or told.
    pub limit: Option<f64>,
    /// How many requests were refused.
    pub refused: u64,
    /// Of these requests, how many have no answer.
    pub failed: u64,
    /// For how long nothing starts, where all hosts pause of which something is wanted.
    pub paused: Option<Duration>,
    /// How long it will take as it goes now.
    pub remaining: Option<Duration>,
}

/// Measures how fast it goes.
#[derive(Debug)]
pub(crate) struct Meter {
    total: Option<u64>,
    rate: f64,
    last: Option<(Instant, u64)>,
}

/// How long the past counts for the rate now.
const MEMORY: f64 = 3.0;
/// How often it is told.
const TELL: Duration = Duration::from_millis(100);

// === impl Meter ===

impl Meter {
    pub(crate) fn new() -> Self {
        Self { total: None, rate: 0.0, last: None }
    }

    pub(crate) fn total(&mut self, total: Option<u64>) {
        self.total = total;
    }

    /// How far it is now, if it is time to tell.
    pub(crate) fn look(&mut self, report: &Report, hosts: &[HostStats]) -> Option<Progress> {
        let now = Instant::now();
        let done = report.answered + report.failed + report.answered_before + report.not_started;
        // What an earlier run has done says nothing of the speed.
        let ended = report.answered + report.failed;
        match self.last {
            Some((then, _)) if now - then < TELL => return None,
            Some((then, before)) => self.measure((now - then).as_secs_f64(), ended - before),
            None => {}
        }
        self.last = Some((now, ended));
        let limits: Vec<_> = hosts.iter().filter_map(|host| host.limit).collect();
        // A host of which nothing is wanted holds up nobody, and says nothing.
        let wanted = hosts.iter().filter(|host| host.in_flight + host.waiting > 0);
        let paused = wanted.map(|host| host.paused).min().flatten();
        let remaining = self.total.filter(|_| self.rate > 0.01).map(|total| {
            let left = total.saturating_sub(done + report.bad_lines);
            Duration::from_secs_f64(left as f64 / self.rate) + paused.unwrap_or_default()
        });
        Some(Progress {
            done,
            total: self.total,
            rate: self.rate,
            limit: (!limits.is_empty()).then(|| limits.iter().sum()),
            refused: hosts.iter().map(|host| host.refused).sum(),
            failed: report.failed,
            paused,
            remaining,
        })
    }

    fn measure(&mut self, seconds: f64, ended: u64) {
        let now = ended as f64 / seconds;
        let share = if self.rate == 0.0 { 1.0 } else { 1.0 - (-seconds / MEMORY).exp() };
        self.rate += share * (now - self.rate);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_follows_what_is_new() {
        let mut meter = Meter::new();
        meter.measure(0.1, 5);
        assert_eq!(meter.rate, 50.0);
        (0..100).for_each(|_| meter.measure(0.1, 2));
        assert!((meter.rate - 20.0).abs() < 1.1, "{}", meter.rate);
    }
}
