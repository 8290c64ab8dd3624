//! Counts what waits for room where results go.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A send that waits. If this is dropped, it does not any more.
struct HeldUp<'a>(&'a AtomicUsize);

/// Counts itself in `count` as long as `sending` has to wait. Where there is room it costs nothing.
pub(crate) async fn counted<F: Future>(count: &AtomicUsize, sending: F) -> F::Output {
    let mut sending = pin!(sending);
    let mut waiting = None;
    poll_fn(|cx| {
        let polled = sending.as_mut().poll(cx);
        if polled.is_pending() && waiting.is_none() {
            count.fetch_add(1, Ordering::Relaxed);
            waiting = Some(HeldUp(count));
        }
        polled
    })
    .await
}

// === impl HeldUp ===

impl Drop for HeldUp<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
