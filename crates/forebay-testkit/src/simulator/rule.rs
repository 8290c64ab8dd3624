//! How often a server lets something begin.

use std::collections::VecDeque;
use std::time::Duration;

use forebay_queue::Tick;

use super::ticks;

/// So many calls in so long; what is beyond is refused.
///
/// Three ways in which real servers count, as seen from outside:
///
/// ```
/// use std::time::Duration;
/// use forebay_testkit::simulator::Rule;
///
/// // nginx's limit_req: 50 a second, and ten at once after silence.
/// let _ = Rule::TokenBucket { per_second: 50.0, burst: 10 };
/// // 600 in each minute of the clock: up to 1200 around the turn of it.
/// let _ = Rule::FixedWindow { calls: 600, per: Duration::from_secs(60) };
/// // 600 in any 60 seconds.
/// let _ = Rule::SlidingWindow { calls: 600, per: Duration::from_secs(60) };
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rule {
    /// Evenly, with so many at once after silence.
    TokenBucket {
        /// Above 0.
        per_second: f64,
        /// At least 1.
        burst: u32,
    },
    /// In each period that begins at a multiple of its length.
    FixedWindow {
        /// At least 1.
        calls: u32,
        /// Above 0.
        per: Duration,
    },
    /// In any period of that length.
    SlidingWindow {
        /// At least 1.
        calls: u32,
        /// Above 0.
        per: Duration,
    },
}

/// A rule with what it has counted. A change of the rule keeps that.
#[derive(Debug, Clone)]
pub(super) struct Meter {
    pub(super) rule: Rule,
    /// What is gone of the bucket, or of the window that began at `since`.
    spent: f64,
    since: Tick,
    /// Those of the sliding window.
    starts: VecDeque<Tick>,
}

// === impl Meter ===

impl Meter {
    pub(super) fn new(rule: Rule) -> Self {
        Self { rule, spent: 0.0, since: 0, starts: VecDeque::new() }
    }

    /// Lets one begin, or says in how long one may.
    pub(super) fn take(&mut self, now: Tick) -> Result<(), Duration> {
        match self.rule {
            Rule::TokenBucket { per_second, burst } => {
                let returned = (now - self.since) as f64 * per_second / 1e9;
                (self.spent, self.since) = ((self.spent - returned).max(0.0), now);
                let over = self.spent + 1.0 - f64::from(burst.max(1));
                if over > 1e-9 {
                    return Err(Duration::from_secs_f64(over / per_second));
                }
                self.spent += 1.0;
            }
            Rule::FixedWindow { calls, per } => {
                let began = now - now % ticks(per);
                if began != self.since {
                    (self.spent, self.since) = (0.0, began);
                }
                if self.spent >= f64::from(calls) {
                    return Err(Duration::from_nanos(began + ticks(per) - now));
                }
                self.spent += 1.0;
            }
            Rule::SlidingWindow { calls, per } => {
                while self.starts.front().is_some_and(|&start| now - start >= ticks(per)) {
                    self.starts.pop_front();
                }
                if let Some(full) = self.starts.len().checked_sub(calls as usize) {
                    return Err(Duration::from_nanos(self.starts[full] + ticks(per) - now));
                }
                self.starts.push_back(now);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Tick = 1_000_000;

    /// How many of a call each millisecond begin in those milliseconds.
    fn begun(meter: &mut Meter, ms: std::ops::Range<u64>) -> usize {
        ms.filter(|ms| meter.take(ms * MS).is_ok()).count()
    }

    #[test]
    fn a_bucket_lets_its_burst_through_and_then_its_rate() {
        let mut meter = Meter::new(Rule::TokenBucket { per_second: 50.0, burst: 10 });
        assert_eq!(begun(&mut meter, 0..9), 9);
        assert_eq!(begun(&mut meter, 9..1000), 50);
        assert_eq!(meter.take(1000 * MS), Ok(()));
        assert_eq!(meter.take(1000 * MS), Err(Duration::from_millis(20)));
    }

    #[test]
    fn a_fixed_window_lets_twice_as_many_through_around_its_edge_and_a_sliding_one_does_not() {
        let per = Duration::from_secs(1);
        let mut fixed = Meter::new(Rule::FixedWindow { calls: 10, per });
        let mut sliding = Meter::new(Rule::SlidingWindow { calls: 10, per });
        assert_eq!((begun(&mut fixed, 900..1100), begun(&mut sliding, 900..1100)), (20, 10));
        assert_eq!(fixed.take(1100 * MS), Err(Duration::from_millis(900)));
        assert_eq!(sliding.take(1100 * MS), Err(Duration::from_millis(800)));
    }

    #[test]
    fn a_change_of_the_rule_forgets_nothing() {
        let mut meter = Meter::new(Rule::TokenBucket { per_second: 50.0, burst: 10 });
        begun(&mut meter, 0..100);
        meter.rule = Rule::TokenBucket { per_second: 20.0, burst: 10 };
        assert_eq!(begun(&mut meter, 100..1100), 20);
    }
}
