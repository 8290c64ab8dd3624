//! What has become of one request so far, and of all requests to one host.
//!
//! Counted by the stack, read by the client, also when a request is given up in the middle. They are numbers of their own, so no
//! ordering is needed.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// One request, through all its steps.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    attempts: AtomicU32,
    refused: AtomicU32,
    unsent: AtomicU32,
    at_work: AtomicBool,
    out_of_budget: AtomicBool,
    is_prepared: AtomicBool,
    began: Mutex<Option<Instant>>,
    /// How long its body has waited for room, and since when it does.
    waits: Mutex<(Duration, Option<Instant>)>,
}

/// All requests to one host.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Requests that have come and have no answer.
    here: AtomicUsize,
    /// Attempts at work.
    in_flight: AtomicUsize,
    refused: AtomicU64,
}

/// An attempt at work, until it is dropped.
#[derive(Debug)]
pub(crate) struct Attempt<'a>(&'a Tally, &'a Counts);

/// A request that has come, until it is dropped.
#[derive(Debug)]
pub(crate) struct Here<'a>(&'a Counts);

const R: Ordering = Ordering::Relaxed;

// === impl Tally ===

impl Tally {
    pub(crate) fn attempt<'a>(&'a self, counts: &'a Counts) -> Attempt<'a> {
        self.attempts.fetch_add(1, R);
        self.at_work.store(true, R);
        *self.began.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        counts.in_flight.fetch_add(1, R);
        Attempt(self, counts)
    }

    pub(crate) fn refuse(&self) {
        self.refused.fetch_add(1, R);
    }

    /// An attempt found nobody to send it to.
    pub(crate) fn set_unsent(&self) {
        self.unsent.fetch_add(1, R);
    }

    /// What comes before the first attempt is done.
    pub(crate) fn set_prepared(&self) {
        self.is_prepared.store(true, R);
    }

    pub(crate) fn is_prepared(&self) -> bool {
        self.is_prepared.load(R)
    }

    /// Waits for room on this side.
    pub(crate) async fn waits<T>(&self, room: impl Future<Output = T>) -> T {
        self.waiting().1 = Some(Instant::now());
        let has_room = room.await;
        let (waited, since) = &mut *self.waiting();
        *waited += since.take().map_or(Duration::ZERO, |since| since.elapsed());
        has_room
    }

    /// How long it has done so, until now.
    pub(crate) fn waited(&self) -> Duration {
        let (before, since) = *self.waiting();
        before + since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    fn waiting(&self) -> MutexGuard<'_, (Duration, Option<Instant>)> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_out_of_budget(&self) {
        self.out_of_budget.store(true, R);
    }

    pub(crate) fn attempts(&self) -> u32 {
        self.attempts.load(R)
    }

    pub(crate) fn refused(&self) -> u32 {
        self.refused.load(R)
    }

    pub(crate) fn unsent(&self) -> u32 {
        self.unsent.load(R)
    }

    /// An attempt is on its way.
    pub(crate) fn is_at_work(&self) -> bool {
        self.at_work.load(R)
    }

    pub(crate) fn is_out_of_budget(&self) -> bool {
        self.out_of_budget.load(R)
    }

    /// When the last attempt began.
    pub(crate) fn began(&self) -> Option<Instant> {
        *self.began.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Counts ===

impl Counts {
    pub(crate) fn come(&self) -> Here<'_> {
        self.here.fetch_add(1, R);
        Here(self)
    }

    pub(crate) fn refuse(&self) {
        self.refused.fetch_add(1, R);
    }

    /// All that have come and have no answer, and how many of them have an attempt at work.
    pub(crate) fn here(&self) -> (usize, usize) {
        (self.here.load(R), self.in_flight.load(R))
    }

    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(R)
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        self.0.at_work.store(false, R);
        self.1.in_flight.fetch_sub(1, R);
    }
}

impl Drop for Here<'_> {
    fn drop(&mut self) {
        self.0.here.fetch_sub(1, R);
    }
}
