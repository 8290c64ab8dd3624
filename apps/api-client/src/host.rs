//! One host, and all that is learnt of it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::exchange::Exchange;
use crate::stack::{Seen, Settings, stack};
use crate::store::Stored;
use crate::tally::Counts;

/// How things are with one host.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct HostStats {
    /// Its name, and its port where that is not the usual one; `*` where all share one limit.
    pub host: String,
    /// How many requests may start in a second now.
    pub per_second: f64,
    /// The limit that was found, per second, or told; none while nothing is known.
    pub limit: Option<f64>,
    /// The limit that was found, per second, from refusals and from what the server says.
    pub found: Option<f64>,
    /// How many may be on their way at once now.
    pub concurrency: usize,
    /// How many are on their way.
    pub in_flight: usize,
    /// How many wait: in the line, for their turn, or for another attempt.
    pub waiting: usize,
    /// How many attempts were refused so far.
    pub refused: u64,
    /// For how long nothing starts, after a refusal.
    pub paused: Option<Duration>,
}

/// One host.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) stack: Seen<Bytes, Stored>,
    pub(crate) counts: Arc<Counts>,
    /// The rate that was told; it holds beside what is learnt.
    told: Option<f64>,
    /// The limit that was found before.
    known: Option<f64>,
}

// === impl Host ===

impl Host {
    pub(crate) fn new(exchange: Exchange, settings: &Settings, known: Option<f64>) -> Self {
        let told = match settings.rate {
            crate::RateChoice::Fixed(rate) => Some(rate.num() as f64 / rate.per().as_secs_f64()),
            crate::RateChoice::Auto => None,
        };
        Self { stack: stack(exchange, settings, known), counts: Arc::default(), told, known }
    }

    pub(crate) fn stats(&self, host: &str) -> HostStats {
        let pace = self.stack.pace.stats();
        let (here, in_flight) = self.counts.here();
        HostStats {
            host: host.to_owned(),
            per_second: self.told.map_or(pace.per_second, |told| told.min(pace.per_second)),
            limit: self.limit(),
            found: self.found(),
            concurrency: self.stack.calls.limit(),
            in_flight,
            waiting: here.saturating_sub(in_flight),
            refused: self.counts.refused(),
            paused: Some(pace.paused_for).filter(|pause| !pause.is_zero()),
        }
    }

    /// The limit that was found, or told.
    pub(crate) fn limit(&self) -> Option<f64> {
        match (self.found(), self.told) {
            (Some(found), Some(told)) => Some(found.min(told)),
            (found, told) => found.or(told),
        }
    }

    fn found(&self) -> Option<f64> {
        let found = self.stack.pace.update(|policy, _| policy.found());
        // It begins a little below what is known, which nobody has found yet.
        self.known.filter(|_| self.stack.pace.stats().overloads == 0).or(found)
    }

    /// Nothing is lost when it is forgotten: nothing is going on, and no pause holds.
    pub(crate) fn is_idle(&self) -> bool {
        self.counts.here().0 == 0 && self.stack.pace.stats().paused_for.is_zero()
    }
}
