//! Stages joined by bounded queues, with one handle, one shutdown and one report.
//!
//! ```text
//! produce ─▶ queue ─▶ stage ─▶ queue ─▶ stage ─▶ results, a sink, or nothing
//! source ────────────▶ │                  │
//!                     Pool               Pool
//! ```
//!
//! A stage is a pool whose handler's result goes into the next queue before the worker takes another item. So a full
//! queue holds up the stage before it, and in the end the producers.
//!
//! # The end
//!
//! Stages end in order. A stage's queue is closed when the stage before it has ended and all its workers are gone
//! (`outlet.rs`); the stage then works on what is left and ends itself. So a shutdown begins at the top, and needs no task
//! of its own: it waits for one stage after the other, all with the same deadline.

mod builder;
mod error;
mod outlet;
mod report;
mod stage;
mod stages;

use std::fmt;
use std::hash::{BuildHasher as _, Hash};
use std::time::Duration;

use forebay_queue::{QueueStats, SendError, Sender, Sent, TrySendError};
use tokio::time::Instant;

pub use self::builder::{Ended, Feed, PipelineBuilder, Queued, Results, Sourced, Staged, Start};
pub use self::error::PipelineStartError;
pub use self::report::{PipelineReport, PipelineStats, StageReport, StageStats};
use self::stage::Running;

/// A handle that owns a series of stages, each of which hands its results to the next.
///
/// `P` is what feeds it through this handle: the sender of its first queue, or nothing if it takes from a
/// [`source`](PipelineBuilder::source).
///
/// Dropping the handle aborts all stages, as dropping a [`Pool`](crate::Pool) does. When [`finish`](Self::finish) or
/// [`shutdown`](Self::shutdown) returns, no task is left.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use forebay_pool::Pipeline;
/// use forebay_queue::WhenFull;
///
/// async fn shrink(image: Vec<u8>) -> Result<Vec<u8>, &'static str> {
///     if image.is_empty() { Err("not an image") } else { Ok(image[..1].to_vec()) }
/// }
/// async fn upload(image: Vec<u8>) -> Result<String, std::io::Error> {
///     Ok(format!("https://example.org/{}", image[0]))
/// }
///
/// let (pipeline, mut links) = Pipeline::builder()
///     .queue(10)
///     .stage("process", shrink, |pool| pool.workers(4))
///     .queue(10)
///     .stage("upload", upload, |pool| pool.workers(2).timeout(Duration::from_secs(30)))
///     .results(100, WhenFull::Wait) // a reader that is slow holds everything up
///     .start()?;
///
/// for image in [vec![7; 100], vec![], vec![8; 100]] {
///     pipeline.produce(image).await?; // waits while ten are waiting
/// }
/// let report = pipeline.shutdown(Duration::from_secs(10)).await;
/// assert!(links.recv().await.is_some() && links.recv().await.is_some() && links.recv().await.is_none());
/// assert_eq!(
///     report.to_string(),
///     "shut down: accepted 3, delivered 2, failed 1\n  \
///        process: took 3, completed 2, failed 1\n  \
///        upload: took 2, completed 2"
/// );
/// # Ok(())
/// # }
/// ```
///
/// # Which form of stage do I want?
///
/// | I have | use |
/// | --- | --- |
/// | an async function that makes one result of an item | [`stage`](PipelineBuilder::stage) |
/// | … any number of results, or none | [`stage_many`](PipelineBuilder::stage_many) |
/// | … that needs its worker's id or attempt, or resubmits items | [`stage_in`](PipelineBuilder::stage_in) |
/// | … that needs something of its own for each worker | [`stage_per_worker`](PipelineBuilder::stage_per_worker) |
/// | work whose item must not be lost when it fails | [`stage_mut`](PipelineBuilder::stage_mut) |
/// | work that is cheaper in batches | [`stage_batch`](PipelineBuilder::stage_batch) |
/// | a tower stack | [`stage_service`](PipelineBuilder::stage_service) |
///
/// # What becomes of an item
///
/// An item whose handler fails or panics goes no further, and is counted by its stage; the stage's options say whether
/// it is retried, as in any [pool](crate#what-becomes-of-an-item). A handler that
/// [borrows](PipelineBuilder::stage_mut) its item does not lose it. An item is *completed* in its stage when its result is
/// in the next queue: a worker whose result waits for room is busy. At a shutdown's deadline such a result is lost
/// with its item, which counts as failed and aborted; with [`keep_copies`](crate::Builder::keep_copies) the item comes
/// back instead.
///
/// [`Builder::timeout`](crate::Builder::timeout) counts the handler's own time, and not the time its result waits for
/// room: a slow stage makes no item of the stage before it fail.
///
/// # When nobody reads the results
///
/// | | a slow reader | no reader left |
/// | --- | --- | --- |
/// | [`results`](PipelineBuilder::results) with `Wait` | holds up the last stage, and so all others | the last stage's items fail |
/// | … with `DropIncoming`, `DropYoungest`, `DropOldest` | results are dropped, and counted | the same |
/// | … with `Refuse` | the last stage's items fail | the same |
/// | [`sink`](PipelineBuilder::sink), such as a [`Tee`](crate::Tee) | what the sink does | what the sink does |
/// | neither: a last handler that returns `Ok(())` | there are none | there are none |
#[must_use = "a pipeline whose handle is dropped is aborted"]
pub struct Pipeline<P = ()> {
    producer: P,
    stages: Vec<Running>,
    /// Reads the counts of the results' queue.
    results: Option<Box<dyn Fn() -> QueueStats + Send + Sync>>,
    started: Instant,
}

// === impl Pipeline ===

impl Pipeline {
    /// Starts the description of a pipeline.
    pub fn builder() -> PipelineBuilder<Start> {
        PipelineBuilder::new()
    }
}

impl<P> Pipeline<P> {
    /// Accepts nothing new from now on: closes the first queue, or tells the source. Each stage ends when the one
    /// before has, and it has worked on what there is. A pause of any stage ends, and later ones are ignored.
    pub fn close(&self) {
        if let Some(first) = self.stages.first() {
            first.pool.close();
        }
        self.stages.iter().for_each(|running| running.pool.pause_no_more());
    }

    /// Changes the number of workers of a stage, as [`Pool::resize`](crate::Pool::resize). Says whether there is a
    /// stage of that name.
    pub fn resize(&self, stage: &str, workers: usize) -> bool {
        let stage = self.stages.iter().find(|running| &*running.name == stage);
        stage.map(|running| running.pool.resize(workers)).is_some()
    }

    /// Starts nothing in any stage until [`resume`](Self::resume), as [`Pool::pause`](crate::Pool::pause). A shutdown
    /// ends it. [`finish`](Self::finish) does not: resume before, or pause [until a time](Self::pause_until).
    pub fn pause(&self) {
        self.stages.iter().for_each(|running| running.pool.pause());
    }

    /// The same, and all stages resume by themselves at that time. The last of several calls counts.
    pub fn pause_until(&self, time: Instant) {
        self.stages.iter().for_each(|running| running.pool.pause_until(time));
    }

    /// Cancels the items with that [`key`](crate::Builder::key) in all stages that know keys, as
    /// [`Pool::cancel`](crate::Pool::cancel) does in one: returns how many those are. What waits in a queue has not come
    /// to a stage, and is not found.
    pub fn cancel<K: Hash + ?Sized>(&self, key: &K) -> usize {
        self.stages.iter().map(|running| running.pool.cancel(&|seed| seed.hash_one(key))).sum()
    }

    /// Waits until no stage has anything to do and nobody may send anything into the first queue but this handle, as
    /// [`Pool::idle`](crate::Pool::idle). What the results' queue holds is its reader's.
    ///
    /// # Cancel safety
    ///
    /// Dropping it changes nothing.
    pub async fn idle(&self) {
        let Some(first) = self.stages.first() else { return };
        loop {
            // What an idle stage is given comes from the stage before. So if nothing comes to the first from before
            // it is idle, all are idle at once.
            let arrivals = first.arrivals();
            for running in &self.stages {
                running.pool.idle().await;
            }
            if first.arrivals() == arrivals {
                return;
            }
        }
    }

    /// Goes on after a [`pause`](Self::pause).
    pub fn resume(&self) {
        self.stages.iter().for_each(|running| running.pool.resume());
    }

    /// Waits until all stages have ended: the source ended by itself or was [closed](Self::close), and all that was
    /// accepted is done.
    ///
    /// # Cancel safety
    ///
    /// Dropping it changes nothing.
    pub async fn closed(&self) {
        for running in &self.stages {
            running.pool.closed().await;
        }
    }

    /// Lets all stages work until the source ends by itself, however long that takes, and returns what they did.
    ///
    /// The first queue ends when all its senders are gone: that of this handle goes now, those from
    /// [`producer`](Self::producer) are up to their owners. Results must be read meanwhile by somebody else if their
    /// queue holds the pipeline up.
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops the pipeline, which aborts all stages. To wait without that, use [`closed`](Self::closed).
    pub async fn finish(self) -> PipelineReport {
        let Self { producer, stages, results, started } = self;
        drop(producer);
        let mut reports = Vec::with_capacity(stages.len());
        for running in stages {
            reports.push(running.finish().await);
        }
        PipelineReport::new(reports, results.map(|stats| stats()), started.elapsed())
    }

    /// Waits until the pipeline [is idle](Self::idle), closes it, and returns what it did: the end of work that makes work
    /// within a [stage](PipelineBuilder::stage_in).
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops the pipeline, which aborts all stages.
    pub async fn finish_when_idle(self) -> PipelineReport {
        // From the top: a stage that is idle is given nothing by one that was so before.
        for running in &self.stages {
            running.pool.idle_for_good().await;
        }
        self.close();
        self.finish().await
    }

    /// Ends the pipeline from the top: accepts nothing new, lets one stage after the other finish what it holds for at
    /// most `deadline` from now in all, then cancels the rest, and returns what they did.
    ///
    /// At the deadline, what waits in a queue goes to its [`on_undelivered`](PipelineBuilder::on_undelivered); what a
    /// handler has ends as the [table](crate#what-becomes-of-an-item) says under "aborted". Results stay with their
    /// reader.
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops the pipeline, which aborts all stages at once instead of at the deadline.
    pub async fn shutdown(self, deadline: Duration) -> PipelineReport {
        self.close();
        let by = Instant::now().checked_add(deadline);
        let Self { producer, stages, results, started } = self;
        let mut reports = Vec::with_capacity(stages.len());
        // In order. What is left when this future is dropped goes with it, and is aborted.
        for running in stages {
            let left = by.map_or(Duration::MAX, |by| by.saturating_duration_since(Instant::now()));
            reports.push(running.shutdown(left).await);
        }
        drop(producer);
        PipelineReport::new(reports, results.map(|stats| stats()), started.elapsed())
    }

    /// The counters of all stages, one after the other. Each stage's own add up; between two of them items move
    /// meanwhile.
    pub fn stats(&self) -> PipelineStats {
        let stages = self.stages.iter().map(Running::stats).collect();
        PipelineStats { stages, results: self.results.as_ref().map(|stats| stats()) }
    }
}

impl<T: Send + 'static> Pipeline<Sender<T>> {
    /// Puts an item into the first queue, waiting while that is full.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`] with the item, once the pipeline is closing or has ended.
    ///
    /// # Cancel safety
    ///
    /// As [`Pool::produce`](crate::Pool::produce).
    pub async fn produce(&self, item: T) -> Result<Sent<T>, SendError<T>> {
        self.producer.send(item).await
    }

    /// Puts an item into the first queue if there is room.
    ///
    /// # Errors
    ///
    /// The item comes back if the queue is full, or the pipeline is closing or has ended.
    pub fn try_produce(&self, item: T) -> Result<Sent<T>, TrySendError<T>> {
        self.producer.try_send(item)
    }

    /// Another way into the first queue, for a task of its own. A pipeline that is [finished](Self::finish) waits until
    /// all of these are dropped.
    pub fn producer(&self) -> Sender<T> {
        self.producer.clone()
    }
}

impl<P> fmt::Debug for Pipeline<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
