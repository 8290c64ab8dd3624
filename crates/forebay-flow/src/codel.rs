//! When to shed items that have waited too long.

use std::time::Duration;

use forebay_queue::Tick;

use crate::ConfigError;

/// Tells a queue that works off a burst from one that never empties, and sheds from the second.
///
/// A queue in which the shortest wait of a whole interval is longer than a target has not been empty in all that time: more
/// arrives than leaves. Then items that have waited for more than twice the target are shed, which leaves time for recent
/// ones that are still wanted. Ask it about each item, when the item is taken out of its queue.
///
/// | | by default | with less | with more |
/// | --- | --- | --- | --- |
/// | `target`, above 0 | 5 ms | sheds from queues that only work off a burst | items wait longer |
/// | `interval`, above `target` | 100 ms, some round trips of a caller | sheds sooner, and also where there was no need | overload lasts longer |
///
/// # Source
///
/// Controlled delay (Nichols and Jacobson 2012, RFC 8289) in the form for services of folly's `Codel`: no shedding at
/// shorter and shorter distances, since callers of a service do not answer to single drops as TCP does, but everything
/// that waited for more than twice the target. In detail:
///
/// - An interval ends with the first call behind its end. Then it was an overload if its shortest wait was longer than
///   `target`; the next one ends an `interval` from now; and this item is not shed, so that some always pass.
/// - Any other item is shed if there is an overload and it waited for more than twice `target`.
/// - The very first call only begins.
///
/// An overload is over only with the next call, so after silence the second item may still be shed for what was before.
///
/// # Time
///
/// As everywhere in this crate. A time far before the latest ends the interval, so that a clock that goes back does
/// not make it shed for as long as it went.
///
/// # When not to use it
///
/// Where items must not be lost: it shortens the wait by giving some up. Where each item has a deadline of its own, that says
/// more than any target.
///
/// ```
/// use std::time::Duration;
/// use forebay_flow::CoDel;
///
/// const MS: u64 = 1_000_000;
/// let waited = Duration::from_millis;
/// let mut codel = CoDel::default();
/// assert!(!codel.sheds(waited(50), 10 * MS)); // a burst
/// assert!(!codel.sheds(waited(40), 50 * MS)); // is worked off
/// assert!(!codel.sheds(waited(50), 160 * MS)); // or is it? Nothing waited for less than 40 ms
/// assert!(codel.sheds(waited(50), 161 * MS));
/// assert!(!codel.sheds(waited(9), 162 * MS)); // what came lately goes on
/// ```
#[derive(Debug, Clone)]
pub struct CoDel {
    /// In nanoseconds, both.
    target: u64,
    interval: u64,
    /// The shortest wait of this interval, in nanoseconds; none before the first call.
    shortest: Option<u64>,
    ends: Tick,
    overload: bool,
}

// === impl CoDel ===

impl CoDel {
    /// Sheds by that target and interval, each up to 584 years.
    ///
    /// # Errors
    ///
    /// If the target is 0, or the interval not longer than it.
    pub fn try_new(target: Duration, interval: Duration) -> Result<Self, ConfigError> {
        let mut codel = Self::default();
        codel.set(target, interval)?;
        Ok(codel)
    }

    /// Takes another target and interval. The interval that goes on keeps its end.
    ///
    /// # Errors
    ///
    /// As [`try_new`](Self::try_new). Nothing changes then.
    pub fn set(&mut self, target: Duration, interval: Duration) -> Result<(), ConfigError> {
        ConfigError::unless(!target.is_zero(), "target", target.as_secs_f64(), "above 0 seconds")?;
        let seconds = interval.as_secs_f64();
        ConfigError::unless(interval > target, "interval", seconds, "longer than target, in seconds")?;
        (self.target, self.interval) = (nanos(target), nanos(interval));
        Ok(())
    }

    /// The wait that is no overload.
    pub fn target(&self) -> Duration {
        Duration::from_nanos(self.target)
    }

    /// How long all must wait for more than that.
    pub fn interval(&self) -> Duration {
        Duration::from_nanos(self.interval)
    }

    /// Whether to shed an item that waited this long and is taken out now.
    pub fn sheds(&mut self, waited: Duration, now: Tick) -> bool {
        let waited = nanos(waited);
        let Some(shortest) = self.shortest else {
            self.shortest = Some(waited);
            return false;
        };
        let is_behind_end = now > self.ends || now.saturating_add(self.interval) < self.ends;
        if is_behind_end {
            self.overload = shortest > self.target;
            self.shortest = Some(waited);
            self.ends = now.saturating_add(self.interval);
            return false;
        }
        self.shortest = Some(shortest.min(waited));
        self.overload && waited > self.target.saturating_mul(2)
    }

    /// The shortest wait of this interval, as a share of twice the target in percent, from 0 to 100: how near it is to
    /// shedding everything. 0 before the first call.
    pub fn load(&self) -> u8 {
        let twice = u128::from(self.target) * 2;
        let percent = u128::from(self.shortest.unwrap_or_default()) * 100 / twice;
        percent.min(100) as u8
    }
}

impl Default for CoDel {
    /// 5 ms in 100 ms.
    fn default() -> Self {
        Self { target: 5_000_000, interval: 100_000_000, shortest: None, ends: 0, overload: false }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct File {
        case: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        name: String,
        steps: Vec<Step>,
    }

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Step {
        Set {
            set_target_ms: u64,
            set_interval_ms: u64,
            expect_accepted: bool,
            expect_target_ms: u64,
            expect_interval_ms: u64,
        },
        Call {
            at_ms: u64,
            sojourn_ms: u64,
            expect_drop: Option<bool>,
            expect_load: Option<u8>,
            load_above: Option<u8>,
            load_below: Option<u8>,
        },
    }

    const MS: Tick = 1_000_000;

    /// The numbers of folly's tests, from a copy of a table that says where each comes from.
    #[test]
    fn acceptance() {
        let File { case: cases } =
            toml::from_str(include_str!("../tests/data/codel.toml")).expect("the table has these fields");
        assert_eq!(cases.len(), 14);
        for Case { name, steps } in cases {
            let mut codel = CoDel::default();
            for (index, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Set {
                        set_target_ms,
                        set_interval_ms,
                        expect_accepted,
                        expect_target_ms,
                        expect_interval_ms,
                    } => {
                        let set = codel.set(
                            Duration::from_millis(set_target_ms),
                            Duration::from_millis(set_interval_ms),
                        );
                        assert_eq!(set.is_ok(), expect_accepted, "{name}, step {index}");
                        assert_eq!(codel.target(), Duration::from_millis(expect_target_ms), "{name}");
                        assert_eq!(codel.interval(), Duration::from_millis(expect_interval_ms), "{name}");
                    }
                    Step::Call { at_ms, sojourn_ms, expect_drop, expect_load, load_above, load_below } => {
                        let shed = codel.sheds(Duration::from_millis(sojourn_ms), at_ms * MS);
                        let load = codel.load();
                        assert!(expect_drop.is_none_or(|expected| shed == expected), "{name}, step {index}");
                        assert!(expect_load.is_none_or(|expected| load == expected), "{name}: {load}");
                        assert!(load_above.is_none_or(|least| load > least), "{name}: {load}");
                        assert!(load_below.is_none_or(|most| load < most), "{name}: {load}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_clock_that_goes_back_ends_the_overload() {
        let (mut codel, hour) = (CoDel::default(), 3_600_000 * MS);
        let long = Duration::from_millis(50);
        assert!(![1, 2].into_iter().any(|ms| codel.sheds(long, hour + ms * MS)));
        assert!(codel.sheds(long, hour + 3 * MS));
        assert!(!codel.sheds(Duration::ZERO, 10 * MS));
        assert!(!codel.sheds(long, 111 * MS));
        assert!(!codel.sheds(long, 112 * MS), "nothing waited before");
    }

    #[test]
    fn numbers_at_the_ends_of_their_ranges_do_no_harm() {
        let mut codel =
            CoDel::try_new(Duration::MAX - Duration::from_secs(1), Duration::MAX).expect("in order");
        for now in [0, Tick::MAX, 1, Tick::MAX] {
            assert!(!codel.sheds(Duration::MAX, now));
            assert!(codel.load() <= 100);
        }
        let error = CoDel::try_new(Duration::ZERO, Duration::MAX).expect_err("no target");
        assert_eq!(error.to_string(), "target is 0: must be above 0 seconds");
    }
}
