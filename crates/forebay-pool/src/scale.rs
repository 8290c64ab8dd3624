//! How many workers a pool should have. Pure: a sample and a time go in, a number comes out.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::contain::Contained;

/// How a pool is doing, as its [`ScalePolicy`] learns each second.
///
/// ```
/// use forebay_pool::Load;
///
/// let load = Load { workers: 4, busy: 3, backlog: Some(0), wait: None };
/// assert_eq!(load.busy_share(), 0.75);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// How many workers there are.
    pub workers: usize,
    /// How many of them have an item in hand.
    pub busy: usize,
    /// How many items wait in the queue, if that is known ([`PoolStats::backlog`](crate::PoolStats::backlog)).
    pub backlog: Option<usize>,
    /// How long an item that comes now would wait, at the pace of the last second. `None` if that is unknown: no item
    /// was finished, or the backlog is unknown.
    pub wait: Option<Duration>,
}

/// Decides how many workers a pool has.
///
/// It holds no clock: `now` is the time since the pool was started.
///
/// ```
/// use std::time::Duration;
/// use forebay_pool::{Load, Pool, ScalePolicy};
///
/// /// As many as items wait.
/// struct AsNeeded;
///
/// impl ScalePolicy for AsNeeded {
///     fn workers(&mut self, load: &Load, _now: Duration) -> usize {
///         load.busy + load.backlog.unwrap_or(0)
///     }
/// }
///
/// let builder = Pool::builder().scale(1..=32, AsNeeded).queue(1000).handler(|_: u32| async {});
/// ```
pub trait ScalePolicy: Send + 'static {
    /// How many workers there should be. The pool keeps the number within its bounds.
    fn workers(&mut self, load: &Load, now: Duration) -> usize;
}

/// Grows the pool by half as soon as all workers are busy and items wait longer than they should, and shrinks it by one
/// when workers have been idle for a while. It never does both within that while, so it does not oscillate.
///
/// ```
/// use std::time::Duration;
/// use forebay_pool::{Load, ScalePolicy, Steps};
///
/// let mut steps = Steps::default();
/// let busy = Load { workers: 4, busy: 4, backlog: Some(80), wait: Some(Duration::from_secs(8)) };
/// assert_eq!(steps.workers(&busy, Duration::from_secs(1)), 6);
/// ```
#[derive(Debug, Clone)]
pub struct Steps {
    longest_wait: Duration,
    calm: Duration,
    /// Since when fewer workers would have done, and how many of them.
    calm_since: Option<(Duration, usize)>,
}

/// What a pool was told about its number of workers.
pub(crate) struct ScalePlan {
    pub(crate) bounds: RangeInclusive<usize>,
    pub(crate) policy: Contained<Box<dyn ScalePolicy>>,
}

/// How often a policy is asked.
pub(crate) const EVERY: Duration = Duration::from_secs(1);

// === impl Load ===

impl Load {
    /// The share of workers that are busy: 0 to 1.
    pub fn busy_share(&self) -> f64 {
        if self.workers == 0 { 1.0 } else { self.busy as f64 / self.workers as f64 }
    }
}

// === impl Steps ===

impl Steps {
    /// Grows when items wait longer than `longest_wait`; shrinks when fewer workers would have done for `calm`.
    ///
    /// Where the wait is not known, it grows when all workers are busy and the backlog is not known to be empty.
    pub fn new(longest_wait: Duration, calm: Duration) -> Self {
        Self { longest_wait, calm, calm_since: None }
    }
}

impl Default for Steps {
    /// 100 ms, and half a minute.
    fn default() -> Self {
        Self::new(Duration::from_millis(100), Duration::from_secs(30))
    }
}

impl ScalePolicy for Steps {
    fn workers(&mut self, load: &Load, now: Duration) -> usize {
        let all_busy = load.busy >= load.workers;
        let waits = load.wait.map_or(load.backlog != Some(0), |wait| wait > self.longest_wait);
        if all_busy && waits {
            self.calm_since = None;
            return load.workers.saturating_add((load.workers / 2).max(1));
        }
        if all_busy {
            self.calm_since = None;
            return load.workers;
        }
        let (since, most_busy) =
            self.calm_since.map_or((now, load.busy), |(since, most)| (since, most.max(load.busy)));
        self.calm_since = Some((since, most_busy));
        // Time that jumps back begins a new while.
        if now < since {
            self.calm_since = Some((now, load.busy));
        } else if now - since >= self.calm && most_busy + 1 < load.workers {
            self.calm_since = Some((now, load.busy));
            return load.workers - 1;
        }
        load.workers
    }
}

impl fmt::Debug for ScalePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScalePlan").field("bounds", &self.bounds).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    fn load(workers: usize, busy: usize, wait: Option<Duration>) -> Load {
        Load { workers, busy, backlog: wait.map(|_| 1), wait }
    }

    #[test]
    fn grows_by_half_while_items_wait_too_long() {
        let mut steps = Steps::default();
        let mut workers = 1;
        let mut seen = vec![];
        for now in 0..6 {
            workers = steps.workers(&load(workers, workers, Some(secs(9))), secs(now));
            seen.push(workers);
        }
        assert_eq!(seen, [2, 3, 4, 6, 9, 13]);
    }

    #[test]
    fn stays_while_all_are_busy_and_nobody_waits_long() {
        let mut steps = Steps::default();
        for now in 0..100 {
            assert_eq!(steps.workers(&load(4, 4, Some(Duration::from_millis(50))), secs(now)), 4);
        }
        // Nothing was done within the second, and nothing waits.
        let quiet = Load { workers: 4, busy: 4, backlog: Some(0), wait: None };
        assert_eq!(steps.workers(&quiet, secs(100)), 4);
        let unknown = Load { backlog: None, ..quiet };
        assert_eq!(steps.workers(&unknown, secs(101)), 6);
    }

    #[test]
    fn shrinks_by_one_after_each_while_and_keeps_one_to_spare() {
        let mut steps = Steps::default();
        let mut workers = 6;
        let mut seen = vec![];
        for now in 0..200 {
            let next = steps.workers(&load(workers, 2, None), secs(now));
            if next != workers {
                seen.push((now, next));
            }
            workers = next;
        }
        assert_eq!(seen, [(30, 5), (60, 4), (90, 3)]);
    }

    #[test]
    fn a_burst_within_the_while_begins_it_anew() {
        let mut steps = Steps::default();
        for now in 0..29 {
            assert_eq!(steps.workers(&load(6, 1, None), secs(now)), 6);
        }
        assert_eq!(steps.workers(&load(6, 6, Some(Duration::ZERO)), secs(29)), 6);
        for now in 30..60 {
            assert_eq!(steps.workers(&load(6, 1, None), secs(now)), 6);
        }
        assert_eq!(steps.workers(&load(6, 1, None), secs(60)), 5);
    }

    #[test]
    fn a_clock_that_jumps_back_does_no_harm() {
        let mut steps = Steps::default();
        assert_eq!(steps.workers(&load(6, 1, None), secs(1000)), 6);
        assert_eq!(steps.workers(&load(6, 1, None), secs(5)), 6);
        assert_eq!(steps.workers(&load(6, 1, None), secs(35)), 5);
    }
}
