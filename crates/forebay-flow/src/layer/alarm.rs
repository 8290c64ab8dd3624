//! Sleeping until a time that a policy said.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::{Instant, Sleep};

/// A timer that costs nothing until somebody waits for it.
#[derive(Default)]
pub(super) struct Alarm(Option<Pin<Box<Sleep>>>);

// === impl Alarm ===

impl Alarm {
    /// Waits until then.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with time enabled, if that is in the future.
    pub(super) fn poll(&mut self, until: Instant, cx: &mut Context<'_>) -> Poll<()> {
        // Looked at without the timer, which spends the cooperative budget: a slot that is there is never pending.
        if Instant::now() >= until {
            return Poll::Ready(());
        }
        let sleep = self.0.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        if sleep.deadline() != until {
            sleep.as_mut().reset(until);
        }
        sleep.as_mut().poll(cx)
    }
}

impl fmt::Debug for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Alarm").field(&self.0.as_ref().map(|sleep| sleep.deadline())).finish()
    }
}
