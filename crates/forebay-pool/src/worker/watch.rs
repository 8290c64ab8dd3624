//! The times of one run.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::desk::Desk;
use crate::timings::Sampler;

/// Times one run, if it is to be timed.
pub(super) struct Watch(Option<Started>);

struct Started {
    at: Instant,
    /// When its item was given; `None` where an item is tried again.
    given: Option<Instant>,
    /// How long the item had been in its source, if that is known.
    waited: Option<Duration>,
}

// === impl Watch ===

impl Watch {
    pub(super) fn start<T: Send + 'static>(desk: &Desk<T>, sampler: &mut Sampler) -> Self {
        // Only few items are such that it is known when they came.
        let is_due = sampler.is_due() | desk.hands.take_stamped();
        Self(is_due.then(|| {
            let (given, came) = desk.hands.take_times().unzip();
            // The clock of the day may have been put back meanwhile.
            let waited = came.flatten().and_then(|came| SystemTime::now().duration_since(came).ok());
            Started { at: Instant::now(), given, waited }
        }))
    }

    /// Returns how long the run took; nothing if it was not timed.
    pub(super) fn stop<T: Send + 'static>(self, desk: &Desk<T>, sampler: &mut Sampler) -> Duration {
        let Some(Started { at, given, waited }) = self.0 else {
            if sampler.is_next() {
                desk.hands.set_timed(true);
            }
            return Duration::ZERO;
        };
        let service = at.elapsed();
        sampler.learn(service);
        let handover = given.map(|given| at.duration_since(given));
        desk.shared.clockwork.note(waited, handover, service);
        desk.hands.set_timed(sampler.is_next());
        service
    }
}
