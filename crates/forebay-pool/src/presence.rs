//! How long a worker was there, and how much of that it had nothing in hand.
//!
//! The clock is read when a worker begins to wait and when it is done with that, and not for each item: a worker
//! that has the next item at once pays nothing, and a worker that waits has the time.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// The times of one worker. Written by it alone, read for the pool's counters.
#[derive(Debug)]
pub(crate) struct Presence {
    origin: Instant,
    present: Span,
    resting: Span,
}

/// A sum of times, one of which may be going on. In nanoseconds since the origin.
#[derive(Debug, Default)]
struct Span {
    /// The sum of those that are over.
    past: AtomicU64,
    /// Since when the present time goes on, plus one; 0 if none does.
    since: AtomicU64,
}

/// A worker that waits. If this is dropped, it does not any more.
pub(crate) struct Resting<'a>(&'a Presence);

// === impl Presence ===

impl Presence {
    pub(crate) fn new() -> Self {
        Self { origin: Instant::now(), present: Span::default(), resting: Span::default() }
    }

    /// The worker comes.
    pub(crate) fn come(&self) {
        self.present.begin(self.now());
    }

    /// The worker goes, for now or for good.
    pub(crate) fn go(&self) {
        self.present.end(self.now());
    }

    /// Waits for something while the worker has nothing in hand.
    pub(crate) async fn rest<F: Future>(&self, until: F) -> F::Output {
        let mut until = pin!(until);
        let mut resting = None;
        poll_fn(|cx| {
            let polled = until.as_mut().poll(cx);
            if polled.is_pending() && resting.is_none() {
                resting = Some(self.begin_rest());
            }
            polled
        })
        .await
    }

    /// The worker has nothing in hand, as long as it keeps what this returns.
    pub(crate) fn begin_rest(&self) -> Resting<'_> {
        self.resting.begin(self.now());
        Resting(self)
    }

    /// How long the worker was there so far, and how long of that it had something in hand.
    pub(crate) fn read(&self) -> (Duration, Duration) {
        let now = self.now();
        // In this order: a worker rests no longer than it is there.
        let (resting, present) = (self.resting.read(now), self.present.read(now));
        (Duration::from_nanos(present), Duration::from_nanos(present.saturating_sub(resting)))
    }

    fn now(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX - 1)
    }
}

// === impl Span ===

impl Span {
    fn begin(&self, now: u64) {
        self.since.store(now + 1, Ordering::Relaxed);
    }

    fn end(&self, now: u64) {
        // Nobody else writes. Relaxed: a reader that sees one of the two only is off by what goes on at that moment.
        let since = self.since.load(Ordering::Relaxed);
        if since > 0 {
            self.since.store(0, Ordering::Relaxed);
            let past = self.past.load(Ordering::Relaxed);
            self.past.store(past + now.saturating_sub(since - 1), Ordering::Relaxed);
        }
    }

    fn read(&self, now: u64) -> u64 {
        let going_on = match self.since.load(Ordering::Relaxed) {
            0 => 0,
            since => now.saturating_sub(since - 1),
        };
        self.past.load(Ordering::Relaxed) + going_on
    }
}

// === impl Resting ===

impl Drop for Resting<'_> {
    fn drop(&mut self) {
        self.0.resting.end(self.0.now());
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use tokio::time::{advance, sleep};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn what_goes_on_counts_and_so_does_what_was_cut_short() {
        let presence = Presence::new();
        advance(SECOND).await;
        presence.come();
        advance(2 * SECOND).await;
        assert_eq!(presence.read(), (2 * SECOND, 2 * SECOND));
        {
            let mut resting = pin!(presence.rest(sleep(10 * SECOND)));
            poll_fn(|cx| Poll::Ready(resting.as_mut().poll(cx).is_pending())).await;
            advance(3 * SECOND).await;
            assert_eq!(presence.read(), (5 * SECOND, 2 * SECOND));
        }
        advance(SECOND).await;
        presence.rest(async {}).await;
        presence.go();
        advance(SECOND).await;
        assert_eq!(presence.read(), (6 * SECOND, 3 * SECOND));
    }
}
