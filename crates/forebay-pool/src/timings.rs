//! How long things take: sampled where a look at the clock would cost more than the item.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;

/// The times of a pool so far, from [`Pool::timings`](crate::Pool::timings).
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use forebay_pool::Pool;
///
/// let pool = Pool::builder()
///     .workers(1)
///     .queue(10)
///     .handler(|millis| tokio::time::sleep(Duration::from_millis(millis)))
///     .start()?;
/// for millis in [10, 20, 30, 40] {
///     pool.produce(millis).await?;
/// }
/// pool.idle().await;
/// let service = pool.timings().service;
/// assert_eq!(service.count, 4);
/// assert!(service.max >= Duration::from_millis(40) && service.median < Duration::from_millis(25));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timings {
    /// From an item's coming into its source until its handler was called. Where the source says when it came
    /// ([`enqueued_at`](forebay_queue::Delivery::enqueued_at)): the pool's own queue does of one item in 64 at the most,
    /// and so does any other that is [timed](forebay_queue::Builder::timed).
    pub queue_wait: Spread,
    /// From a worker's being given an item until its handler was called: the wait for the worker's task, or its
    /// [thread](crate::Builder::cpu), to run. Workers that take values from a queue themselves, as they do by default,
    /// are given nothing, so there it has no samples.
    pub handover: Spread,
    /// From the handler's call until its future was gone, for each attempt, however it ended.
    pub service: Spread,
}

/// The distribution of a time; [`Timings`] has an example. From a histogram with an error of at most 1 %.
///
/// `Display` makes a line of it: `median 1.2ms, 99 % 8ms, max 31ms of 1200`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Spread {
    /// How many samples there are. Of items that take less than 10 µs one in 64 is timed, and of those that take less than
    /// 1 µs one in 256.
    pub count: u64,
    /// Half of the samples were not longer.
    pub median: Duration,
    /// 90 % were not longer.
    pub p90: Duration,
    /// 99 % were not longer.
    pub p99: Duration,
    /// None was longer.
    pub max: Duration,
}

/// Where workers note their times.
pub(crate) struct Clockwork(Mutex<Histograms>);

struct Histograms {
    queue_wait: Histogram<u32>,
    handover: Histogram<u32>,
    service: Histogram<u32>,
}

/// Says for which items a worker takes the times.
#[derive(Debug)]
pub(crate) struct Sampler {
    /// One of so many.
    every: u32,
    left: u32,
}

/// How long an item takes whose timing is a burden, and one in how many of them is timed; quicker ones first. To time an
/// item and note it takes some 100 ns.
const SPARSE: [(Duration, u32); 2] = [(Duration::from_micros(1), 256), (Duration::from_micros(10), 64)];

// === impl Sampler ===

impl Sampler {
    pub(crate) fn new() -> Self {
        Self { every: 1, left: 0 }
    }

    /// Is this item to be timed?
    pub(crate) fn is_due(&mut self) -> bool {
        let due = self.left == 0;
        self.left = if due { self.every - 1 } else { self.left - 1 };
        due
    }

    /// Is the next item to be timed?
    pub(crate) fn is_next(&self) -> bool {
        self.left == 0
    }

    /// Learns how long a timed item took.
    pub(crate) fn learn(&mut self, service: Duration) {
        let sparse = SPARSE.into_iter().find(|&(below, _)| service < below);
        self.every = sparse.map_or(1, |(_, every)| every);
        self.left = self.every - 1;
    }
}

// === impl Clockwork ===

impl Clockwork {
    pub(crate) fn new() -> Self {
        let histogram = || {
            // Nanoseconds up to an hour, 1 %: some 20 KiB. Longer times count as an hour.
            Histogram::new_with_bounds(1, 3_600_000_000_000, 2).expect("the bounds are in order")
        };
        Self(Mutex::new(Histograms { queue_wait: histogram(), handover: histogram(), service: histogram() }))
    }

    /// How long the item of a run waited in its source and for its worker, as far as that is known, and how long it took.
    pub(crate) fn note(&self, waited: Option<Duration>, handover: Option<Duration>, service: Duration) {
        let mut histograms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waited) = waited {
            histograms.queue_wait.saturating_record(nanos(waited));
        }
        if let Some(handover) = handover {
            histograms.handover.saturating_record(nanos(handover));
        }
        histograms.service.saturating_record(nanos(service));
    }

    /// The first alone.
    pub(crate) fn note_wait(&self, waited: Duration) {
        let mut histograms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        histograms.queue_wait.saturating_record(nanos(waited));
    }

    pub(crate) fn read(&self) -> Timings {
        let histograms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Timings {
            queue_wait: Spread::of(&histograms.queue_wait),
            handover: Spread::of(&histograms.handover),
            service: Spread::of(&histograms.service),
        }
    }
}

// === impl Spread ===

impl Spread {
    fn of(histogram: &Histogram<u32>) -> Self {
        let at = |quantile| Duration::from_nanos(histogram.value_at_quantile(quantile));
        Self {
            count: histogram.len(),
            median: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            max: Duration::from_nanos(histogram.max()),
        }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "median {:.1?}, 99 % {:.1?}, max {:.1?} of {}", self.median, self.p99, self.max, self.count)
    }
}

fn nanos(duration: Duration) -> u64 {
    // The histogram begins at 1.
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quick_items_are_timed_once_in_64_and_slow_ones_always() {
        let mut sampler = Sampler::new();
        assert!(sampler.is_due());
        sampler.learn(Duration::from_micros(1));
        assert_eq!((0..640).filter(|_| sampler.is_due()).count(), 10);
        sampler.learn(Duration::from_millis(1));
        assert!((0..10).all(|_| sampler.is_due()));
    }

    #[test]
    fn a_spread_is_told_in_a_line() {
        let clockwork = Clockwork::new();
        for millis in 1..=100 {
            clockwork.note(None, None, Duration::from_millis(millis));
        }
        clockwork.note(None, None, Duration::from_secs(100_000));
        let timings = clockwork.read();
        assert_eq!(timings.queue_wait.count, 0);
        assert_eq!(timings.service.count, 101);
        assert!(timings.service.median.abs_diff(Duration::from_millis(51)) < Duration::from_millis(1));
        assert_eq!(timings.queue_wait.to_string(), "median 0.0ns, 99 % 0.0ns, max 0.0ns of 0");
    }
}
