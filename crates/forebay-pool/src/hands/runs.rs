//! Which of a worker's runs are over, for holders of a run's context.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;

use tokio::runtime::Handle;
use tokio::time::{Instant, sleep_until};

use crate::bell::Bell;
use crate::contain::contain;

/// Numbers the runs of one worker. It is used again for each run, so that a context costs no allocation.
#[derive(Debug)]
pub(crate) struct Runs {
    /// The last run that began. Written by the worker only.
    begun: AtomicU64,
    /// Every run up to this one is over, or is to end. Written by the worker, and by whoever cancels.
    over: AtomicU64,
    bell: Bell,
    /// Its timers tell the time, also to tasks that wait elsewhere. Every pool has one.
    runtime: Option<Handle>,
}

// === impl Runs ===

impl Runs {
    pub(super) fn new() -> Self {
        let runtime = Handle::try_current().ok();
        Self { begun: AtomicU64::new(0), over: AtomicU64::new(0), bell: Bell::default(), runtime }
    }

    /// A run begins: this is its number.
    pub(crate) fn begin(&self) -> u64 {
        self.begun.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Which run began last.
    pub(super) fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    /// The run that began last is over.
    pub(crate) fn end(&self) {
        self.end_up_to(self.begun());
    }

    /// That run is over, and so are all before it.
    pub(super) fn end_up_to(&self, begun: u64) {
        // Release: what the run did is seen by every thread that learns that it is over.
        if self.over.fetch_max(begun, Ordering::Release) < begun {
            self.bell.ring();
        }
    }

    /// All runs are over, those that are yet to begin among them.
    pub(crate) fn close(&self) {
        self.over.store(u64::MAX, Ordering::Release);
        self.bell.ring();
    }

    pub(crate) fn is_over(&self, run: u64) -> bool {
        self.over.load(Ordering::Acquire) >= run
    }

    /// Waits until that run is over.
    pub(crate) async fn over(&self, run: u64) {
        self.bell.until(|| self.is_over(run)).await;
    }

    /// Waits until that time, wherever it is polled: a timer belongs to the runtime that it was made in.
    pub(crate) async fn until(&self, time: Instant) {
        let timer = contain(|| {
            let _inside = self.runtime.as_ref().map(Handle::enter);
            sleep_until(time)
        });
        let Ok(timer) = timer else { return };
        let mut timer = pin!(timer);
        // A timer panics when its runtime has gone away, and then there is nothing more to wait for.
        poll_fn(|cx| contain(|| timer.as_mut().poll(cx)).unwrap_or(Poll::Ready(()))).await;
    }
}
