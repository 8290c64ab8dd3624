//! Sends that have a place in a branch's queue and wait for something else: not the fault of the reader, which would be quick.
//!
//! Others miss such a place. So the time in which anybody keeps one does not count for sends that wait there.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::sleep;

use crate::bell::Bell;

/// The keepers of one branch.
#[derive(Debug, Default)]
pub(super) struct Keepers {
    /// How many sends keep a place now.
    now: AtomicUsize,
    /// How many did. Counted before they are no longer among the others.
    past: AtomicU64,
    /// Rung when a send keeps no place any more.
    bell: Bell,
}

/// A send that keeps a place. If this is dropped, it does not any more.
struct Keeping<'a>(&'a Keepers);

/// Counts itself among the keepers of these as long as `waiting` has to wait. Where it need not, that costs nothing.
pub(super) async fn keeping<F: Future>(kept: &[&Keepers], waiting: F) -> F::Output {
    let mut waiting = pin!(waiting);
    let mut keeping = Vec::new();
    poll_fn(|cx| {
        let polled = waiting.as_mut().poll(cx);
        if polled.is_pending() && keeping.is_empty() {
            keeping.extend(kept.iter().map(|keepers| keepers.begin()));
        }
        polled
    })
    .await
}

// === impl Keepers ===

impl Keepers {
    fn begin(&self) -> Keeping<'_> {
        self.now.fetch_add(1, Ordering::Relaxed);
        Keeping(self)
    }

    /// Waits until nobody has kept a place for this long.
    pub(super) async fn none_for(&self, time: Duration) {
        loop {
            let past = self.past.load(Ordering::Relaxed);
            sleep(time).await;
            if self.is_none() && self.past.load(Ordering::Relaxed) == past {
                return;
            }
            self.bell.until(|| self.is_none()).await;
        }
    }

    fn is_none(&self) -> bool {
        // Acquire: a keeper that is not here any more is seen among those that were.
        self.now.load(Ordering::Acquire) == 0
    }
}

// === impl Keeping ===

impl Drop for Keeping<'_> {
    fn drop(&mut self) {
        self.0.past.fetch_add(1, Ordering::Relaxed);
        self.0.now.fetch_sub(1, Ordering::Release);
        self.0.bell.ring();
    }
}
