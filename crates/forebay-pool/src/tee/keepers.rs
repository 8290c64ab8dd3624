//! Who has a place in a branch's queue and waits for something else: not the reader's fault, who would be quick.
//!
//! Such a place is one that others miss. So the time in which anybody keeps one does not count for those who wait there.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::sleep;

use crate::bell::Bell;

/// Of one branch.
#[derive(Debug, Default)]
pub(super) struct Keepers {
    /// How many keep a place now.
    now: AtomicUsize,
    /// How many did. Counted before they are no longer among the others.
    past: AtomicU64,
    /// Rung when one keeps none any more.
    bell: Bell,
}

/// One who keeps a place. Dropped, he does not any more.
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

    /// Waits until nobody has kept a place for so long.
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
        // Acquire: who is not here any more is seen among those who were.
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
