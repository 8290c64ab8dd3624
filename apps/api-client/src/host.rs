//! One host, and all that is learnt of it.

use std::time::Duration;

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
