//! Time as policies count it, by tokio's clock, which tests can stop.

use std::time::Duration;

use forebay_queue::Tick;
use tokio::time::Instant;

/// Counts from when it was made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    origin: Instant,
}

// === impl Clock ===

impl Clock {
    pub(crate) fn new() -> Self {
        Self { origin: Instant::now() }
    }

    pub(crate) fn now(self) -> Tick {
        self.tick(Instant::now())
    }

    pub(crate) fn tick(self, at: Instant) -> Tick {
        Tick::try_from(at.duration_since(self.origin).as_nanos()).unwrap_or(Tick::MAX)
    }

    /// A time that no timer reaches is a century away.
    pub(crate) fn instant(self, tick: Tick) -> Instant {
        const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
        self.origin.checked_add(Duration::from_nanos(tick)).unwrap_or_else(|| self.origin + CENTURY)
    }
}
