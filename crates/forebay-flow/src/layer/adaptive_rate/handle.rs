//! Observes a rate that is learnt, and changes it while it is in use.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use forebay_queue::{Stats, Tick, Visitor};

use super::line::Line;
use crate::rate::FeedbackRate;

/// Observes a rate that is learnt, and changes it while it is in use.
///
/// ```
/// use forebay_flow::layer::AdaptiveRateLayer;
/// use forebay_flow::rate::{FeedbackRate, Quota};
///
/// let layer = AdaptiveRateLayer::new(FeedbackRate::new(1));
/// let handle = layer.handle();
/// // Somebody knows better.
/// let quota = Quota { limit: Some(100), window: Some(std::time::Duration::from_secs(10)), ..Quota::default() };
/// handle.update(|rate, now| rate.told(&quota, now));
/// assert_eq!(handle.stats().per_second, 10.0);
/// ```
#[derive(Clone)]
pub struct AdaptiveRateHandle {
    pub(super) line: Arc<Line>,
}

/// The state of a rate that is learnt, and what it has done so far; taken together under its lock.
///
/// Each call counts in one of `admitted`, `refused`, `timed_out`, `left`, `closed` and `waiting`, or may start and was not
/// polled yet. Each call that started counts in one of `served`, `overloads` and `ignored`, or has no answer, or was
/// cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub struct AdaptiveRateStats {
    /// The rate now, in starts a second.
    pub per_second: f64,
    /// For how long nothing starts, after a refusal.
    pub paused_for: Duration,
    /// Calls that wait for their start now.
    pub waiting: usize,
    /// Calls that have started.
    pub admitted: u64,
    /// Calls that were refused here: as many waited as may, or a pause was longer than they would have waited.
    pub refused: u64,
    /// Calls that were refused here after they, or their handle, had waited for as long as they may.
    pub timed_out: u64,
    /// Calls whose caller left before they started.
    pub left: u64,
    /// Calls that were refused because it is closed.
    pub closed: u64,
    /// Starts that were given back because their caller left.
    pub given_back: u64,
    /// Starts whose caller left after others had started; nobody had them.
    pub lost: u64,
    /// Answers that were no refusals.
    pub served: u64,
    /// Answers by which the server refused for its limit, and timeouts, as the judge has it.
    pub overloads: u64,
    /// Answers that said nothing about the limit.
    pub ignored: u64,
}

// === impl AdaptiveRateHandle ===

impl AdaptiveRateHandle {
    /// How it stands, and counts.
    pub fn stats(&self) -> AdaptiveRateStats {
        self.line.stats()
    }

    /// Reads or changes the policy, under the lock of the rate, at this time. Waiting calls start as the new policy says.
    ///
    /// Use it to feed in answers that the layer does not see, such as those of another program that shares the limit.
    pub fn update<T>(&self, change: impl FnOnce(&mut FeedbackRate, Tick) -> T) -> T {
        self.line.update(change)
    }

    /// As [`max_waiting`](super::AdaptiveRateLayer::max_waiting). Calls that already wait stay.
    pub fn set_max_waiting(&self, max_waiting: usize) {
        self.line.set_waiting(Some(max_waiting), None);
    }

    /// As [`max_wait`](super::AdaptiveRateLayer::max_wait), for arrivals from now on; `None` is no bound.
    pub fn set_max_wait(&self, max_wait: Option<Duration>) {
        self.line.set_waiting(None, Some(max_wait));
    }

    /// Lets nobody into the line any more: new calls are refused as [closed](crate::layer::Why::Closed). Waiting calls still
    /// start in their turn.
    pub fn close(&self) {
        self.line.close();
    }

    /// Has it been closed?
    pub fn is_closed(&self) -> bool {
        self.line.is_closed()
    }
}

impl Stats for AdaptiveRateHandle {
    fn observe(&self, visitor: &mut dyn Visitor) {
        let AdaptiveRateStats {
            per_second,
            paused_for,
            waiting,
            admitted,
            refused,
            timed_out,
            left,
            closed,
            given_back,
            lost,
            served,
            overloads,
            ignored,
        } = self.stats();
        visitor.gauge("forebay_rate_per_second", &[], per_second);
        visitor.gauge("forebay_rate_paused_seconds", &[], paused_for.as_secs_f64());
        visitor.gauge("forebay_rate_waiting", &[], waiting as f64);
        let results = [
            ("admitted", admitted),
            ("refused", refused),
            ("timed_out", timed_out),
            ("left", left),
            ("closed", closed),
            ("given_back", given_back),
            ("lost", lost),
        ];
        for (result, count) in results {
            visitor.counter("forebay_admission_total", &[("result", result)], count);
        }
        for (end, count) in [("served", served), ("overload", overloads), ("ignored", ignored)] {
            visitor.counter("forebay_rate_answers_total", &[("end", end)], count);
        }
    }
}

impl fmt::Debug for AdaptiveRateHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.stats().fmt(f)
    }
}
