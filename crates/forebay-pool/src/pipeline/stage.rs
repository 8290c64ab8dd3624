//! A stage that runs, whatever the type of its items.

use std::hash::RandomState;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use forebay_queue::{Delivery, QueueStats, Receiver, Source, SourceError};
use tokio::time::Instant;

use super::outlet::StageTally;
use super::{StageReport, StageStats};
use crate::intake::KeyHash;
use crate::{Pool, PoolStats, Report};

type Boxed<'a, R> = Pin<Box<dyn Future<Output = R> + Send + 'a>>;

pub(super) struct Running {
    pub(super) name: Arc<str>,
    pub(super) pool: Box<dyn StagePool>,
    /// Of its queue, if it has one.
    pub(super) tap: Option<Box<dyn Tap>>,
    pub(super) tally: Arc<StageTally>,
}

/// A pool without the type of its items.
pub(super) trait StagePool: Send + Sync {
    fn close(&self);
    fn resize(&self, workers: usize);
    fn pause(&self);
    fn pause_until(&self, time: Instant);
    fn resume(&self);
    /// The same, and from now on a pause is ignored.
    fn pause_no_more(&self);
    /// `hash` of the key, with the seed of this pool.
    fn cancel(&self, hash: &dyn Fn(&RandomState) -> KeyHash) -> usize;
    fn idle(&self) -> Boxed<'_, ()>;
    /// The same where nobody will send anything from now on but the stage before.
    fn idle_for_good(&self) -> Boxed<'_, ()>;
    fn closed(&self) -> Boxed<'_, ()>;
    fn stats(&self) -> PoolStats;
    fn finish(self: Box<Self>) -> Boxed<'static, Report>;
    fn shutdown(self: Box<Self>, deadline: Duration) -> Boxed<'static, Report>;
}

/// The receiver of a stage's queue, as its pool has it. It goes when the pool has ended, in whatever way: then nobody
/// takes anything any more, which the [`Tap`] would keep from senders. They are told by the queue's being closed.
pub(super) struct Inlet<T>(pub(super) Receiver<T>);

/// A receiver that receives nothing: it reads the counts, also those after the pool has dropped its own. What the queue
/// still holds then is undelivered when this one is dropped.
pub(super) trait Tap: Send + Sync {
    fn stats(&self) -> QueueStats;
}

// === impl Running ===

impl Running {
    pub(super) fn stats(&self) -> StageStats {
        let mut pool = self.pool.stats();
        pool.timed_out += self.tally.timed_out.load(Ordering::Relaxed);
        pool.held_up += self.tally.held_up.load(Ordering::Relaxed);
        let queue = self.tap.as_ref().map(|tap| tap.stats());
        pool.backlog = pool.backlog.or(queue.map(|queue| queue.held.saturating_sub(pool.held)));
        StageStats {
            name: Arc::clone(&self.name),
            queue,
            pool,
            emitted: self.tally.emitted.load(Ordering::Acquire),
        }
    }

    /// How many items have come here so far.
    pub(super) fn arrivals(&self) -> u64 {
        self.tap.as_ref().map_or_else(|| self.pool.stats().taken, |tap| tap.stats().accepted)
    }

    pub(super) async fn finish(self) -> StageReport {
        let Self { name, pool, tap, tally } = self;
        let report = pool.finish().await;
        report_of(name, report, tap, &tally)
    }

    pub(super) async fn shutdown(self, deadline: Duration) -> StageReport {
        let Self { name, pool, tap, tally } = self;
        let report = pool.shutdown(deadline).await;
        report_of(name, report, tap, &tally)
    }
}

/// The pool has ended, and so has the stage before it: nothing comes into its queue any more.
fn report_of(name: Arc<str>, mut pool: Report, tap: Option<Box<dyn Tap>>, tally: &StageTally) -> StageReport {
    let queue = tap.map(|tap| {
        let mut stats = tap.stats();
        drop(tap);
        // Told to the hook one by one, and counted there.
        let undelivered = tally.undelivered.load(Ordering::Acquire);
        stats.held = stats.held.saturating_sub(usize::try_from(undelivered).unwrap_or(usize::MAX));
        stats.returned += undelivered;
        stats
    });
    pool.undelivered = tally.undelivered.load(Ordering::Acquire);
    pool.timed_out += tally.timed_out.load(Ordering::Relaxed);
    let seen = tally.emitted.load(Ordering::Acquire);
    StageReport { name, queue, pool, emitted: seen, seen }
}

// === impl Pool ===

impl<T: Send + 'static> StagePool for Pool<T> {
    fn close(&self) {
        Pool::close(self);
    }

    fn resize(&self, workers: usize) {
        Pool::resize(self, workers);
    }

    fn pause(&self) {
        Pool::pause(self);
    }

    fn pause_until(&self, time: Instant) {
        Pool::pause_until(self, time);
    }

    fn resume(&self) {
        Pool::resume(self);
    }

    fn pause_no_more(&self) {
        self.shared().pause_no_more();
    }

    fn cancel(&self, hash: &dyn Fn(&RandomState) -> KeyHash) -> usize {
        self.shared().cancel_by(hash)
    }

    fn idle(&self) -> Boxed<'_, ()> {
        Box::pin(Pool::idle(self))
    }

    fn idle_for_good(&self) -> Boxed<'_, ()> {
        Box::pin(self.shared().idle_for_good())
    }

    fn closed(&self) -> Boxed<'_, ()> {
        Box::pin(Pool::closed(self))
    }

    fn stats(&self) -> PoolStats {
        Pool::stats(self)
    }

    fn finish(self: Box<Self>) -> Boxed<'static, Report> {
        Box::pin(Pool::finish(*self))
    }

    fn shutdown(self: Box<Self>, deadline: Duration) -> Boxed<'static, Report> {
        Box::pin(Pool::shutdown(*self, deadline))
    }
}

// === impl Receiver ===

impl<T: Send + 'static> Tap for Receiver<T> {
    fn stats(&self) -> QueueStats {
        Receiver::stats(self)
    }
}

// === impl Inlet ===

impl<T: Send + 'static> Source for Inlet<T> {
    type Item = T;

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        max: NonZeroUsize,
        out: &mut Vec<Delivery<T>>,
    ) -> Poll<Result<usize, SourceError>> {
        self.0.poll_next(cx, max, out)
    }

    fn poll_settled(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SourceError>> {
        self.0.poll_settled(cx)
    }

    fn close(&mut self) {
        self.0.close();
    }

    fn is_closed(&self) -> bool {
        Source::is_closed(&self.0)
    }

    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.poll_closed(cx)
    }

    fn redelivers(&self) -> bool {
        self.0.redelivers()
    }

    fn tap(&self) -> Option<Box<dyn forebay_queue::Tap<Item = T>>> {
        self.0.tap()
    }
}

impl<T> Drop for Inlet<T> {
    fn drop(&mut self) {
        self.0.close();
    }
}
