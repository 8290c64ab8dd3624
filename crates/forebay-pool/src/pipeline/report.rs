//! What a pipeline has done so far, and in the end.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use forebay_queue::QueueStats;

use crate::{EndedBy, LimitedBy, PoolStats, Report};

/// A pipeline's counters, from [`Pipeline::stats`](super::Pipeline::stats).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use forebay_pool::{BoxError, Pipeline};
///
/// let pipeline = Pipeline::builder()
///     .queue(10)
///     .stage("print", async |_: u32| Ok::<(), BoxError>(()), |pool| pool.workers(3))
///     .start()?;
/// let stats = pipeline.stats();
/// let print = stats.stage("print").expect("it is there");
/// assert_eq!((print.pool.workers, print.queue.expect("it has one").held), (3, 0));
/// # pipeline.finish().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PipelineStats {
    /// From first to last.
    pub stages: Vec<StageStats>,
    /// Of the results' queue, if there is one.
    pub results: Option<QueueStats>,
}

/// The counters of a stage; see [`PipelineStats`] for an example.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StageStats {
    /// What it is called.
    pub name: Arc<str>,
    /// Of the queue before it, where there is one.
    pub queue: Option<QueueStats>,
    /// Of its workers.
    pub pool: PoolStats,
    /// Results that it handed on.
    pub emitted: u64,
}

/// What a pipeline did, from start to end; [`Pipeline`](super::Pipeline) shows one.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use forebay_pool::{BoxError, Pipeline};
///
/// let pipeline = Pipeline::builder()
///     .queue(10)
///     .stage_many("split", async |text: String| Ok::<_, BoxError>(text.split(' ').map(str::to_owned).collect::<Vec<_>>()), |pool| pool)
///     .queue(10)
///     .stage("parse", async |text: String| text.parse::<u32>().map(drop), |pool| pool)
///     .start()?;
/// pipeline.produce("1 two 3".to_owned()).await?;
/// let report = pipeline.finish().await;
/// assert!(report.adds_up());
/// assert_eq!((report.accepted, report.delivered, report.failed), (1, 2, 1));
/// let parse = report.stage("parse").expect("it is there");
/// assert_eq!((parse.pool.taken, parse.pool.failed), (3, 1));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PipelineReport {
    /// Why it ended: the worst that a stage met, or else what ended the first.
    pub ended_by: EndedBy,
    /// Items that the first queue accepted; from a source, those that it gave less those that went back to it.
    pub accepted: u64,
    /// Results that left the last stage: into the results' queue, into the sink, or items that it completed where it
    /// has none.
    pub delivered: u64,
    /// Items that failed, in all stages.
    pub failed: u64,
    /// Items that were dead-lettered, in all stages.
    pub dead_lettered: u64,
    /// Items that waited in a queue at the deadline, in all stages.
    pub undelivered: u64,
    /// How many of those delivered the results' queue dropped, as it was told to.
    pub dropped: u64,
    /// From first to last.
    pub stages: Vec<StageReport>,
    /// Of the results' queue, if there is one. What is held waits for its reader.
    pub results: Option<QueueStats>,
    /// From start to end.
    pub elapsed: Duration,
}

/// What a stage did; see [`PipelineReport`] for an example.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StageReport {
    /// What it is called.
    pub name: Arc<str>,
    /// Of the queue before it, where there is one.
    pub queue: Option<QueueStats>,
    /// Of its workers. What its queue still had is in [`undelivered`](Report::undelivered).
    pub pool: Report,
    /// Results that it handed on: as many as the queue that comes next accepted. It can exceed `completed`: an item may
    /// give [many](super::PipelineBuilder::stage_many) results, or be aborted just after a rendezvous took its result;
    /// then the item counts as failed though its result was handed on.
    pub emitted: u64,
    /// Results that the handler saw handed on.
    pub(super) seen: u64,
}

// === impl PipelineStats ===

impl PipelineStats {
    /// Which stage keeps the pipeline from doing more, and why: a line of advice when it is shown.
    ///
    /// That is the last one that does not wait for items. A stage whose results are not taken waits for the one after
    /// it, which is then named instead; the last one is named if its own results are not taken.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    /// use forebay_pool::{BoxError, Pipeline};
    ///
    /// let pipeline = Pipeline::builder()
    ///     .queue(10)
    ///     .stage("read", async |n: u32| Ok::<_, BoxError>(n), |pool| pool.workers(4))
    ///     .queue(1)
    ///     .stage("write", async |_| Ok::<_, BoxError>(std::future::pending().await), |pool| pool.workers(2))
    ///     .start()?;
    /// for n in 0..10 {
    ///     pipeline.produce(n).await?;
    /// }
    /// tokio::time::sleep(Duration::from_secs(1)).await;
    /// let stats = pipeline.stats();
    /// let (stage, limited_by) = stats.limited_by().expect("it has stages");
    /// assert_eq!(&*stage.name, "write");
    /// assert!(limited_by.to_string().starts_with("limited by workers: all 2 are busy and 1 items wait"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn limited_by(&self) -> Option<(&StageStats, LimitedBy)> {
        let advised = || self.stages.iter().map(|stage| (stage, stage.pool.limited_by()));
        let waits = |limited_by: &LimitedBy| matches!(limited_by, LimitedBy::Idle | LimitedBy::Source { .. });
        advised().rfind(|(_, limited_by)| !waits(limited_by)).or_else(|| advised().next())
    }

    /// The stage of that name.
    pub fn stage(&self, name: &str) -> Option<&StageStats> {
        self.stages.iter().find(|stage| &*stage.name == name)
    }
}

/// A line for each stage: how busy it was so far, and what limits it now.
impl fmt::Display for PipelineStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, StageStats { name, pool, .. }) in self.stages.iter().enumerate() {
            let line = if index == 0 { "" } else { "\n" };
            write!(f, "{line}{name}: busy {:.0} %, {}", pool.busy_share() * 100.0, pool.limited_by())?;
        }
        Ok(())
    }
}

// === impl PipelineReport ===

impl PipelineReport {
    pub(super) fn new(mut stages: Vec<StageReport>, results: Option<QueueStats>, elapsed: Duration) -> Self {
        let queues: Vec<_> = stages.iter().skip(1).map(|stage| stage.queue).chain([results]).collect();
        for (stage, next) in stages.iter_mut().zip(queues) {
            // The next queue knows best: the handler does not hear of what is taken at the moment in which it is cut short.
            stage.emitted = next.map_or(stage.seen, |next| next.accepted);
        }
        let sum = |of: fn(&StageReport) -> u64| stages.iter().map(of).sum();
        let accepted = stages.first().map_or(0, |first| match &first.queue {
            Some(queue) => queue.accepted,
            None => first.pool.taken - first.pool.returned,
        });
        Self {
            ended_by: ended_by(&stages),
            accepted,
            delivered: stages.last().map_or(0, |last| last.emitted),
            failed: sum(|stage| stage.pool.failed),
            dead_lettered: sum(|stage| stage.pool.dead_lettered),
            undelivered: sum(|stage| stage.pool.undelivered),
            dropped: results.map_or(0, |results| results.dropped),
            stages,
            results,
            elapsed,
        }
    }

    /// The stage of that name.
    pub fn stage(&self, name: &str) -> Option<&StageReport> {
        self.stages.iter().find(|stage| &*stage.name == name)
    }

    /// Is every item accounted for, in each stage and between them?
    ///
    /// What a stage handed on is what the next one's queue accepted, and that is what the next one took and did not
    /// give back, and what was left. What no handler saw handed on is the result of an item that was cut short.
    pub fn adds_up(&self) -> bool {
        self.stages.iter().all(|stage| stage.adds_up() && stage.knows_what_it_emitted())
    }
}

/// The worst that any stage met.
fn ended_by(stages: &[StageReport]) -> EndedBy {
    let severity = |ended_by: &EndedBy| match ended_by {
        EndedBy::Source | EndedBy::Shutdown => 0,
        EndedBy::Deadline => 1,
        EndedBy::Broken(_) => 2,
        EndedBy::Runtime => 3,
    };
    let mut all = stages.iter().map(|stage| &stage.pool.ended_by);
    let first = all.next().cloned().unwrap_or(EndedBy::Source);
    all.fold(first, |worst, next| if severity(next) > severity(&worst) { next.clone() } else { worst })
}

impl fmt::Display for PipelineReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: accepted {}, delivered {}", self.ended_by, self.accepted, self.delivered)?;
        // A count of 0 is not worth a reader's time.
        for (what, count) in [
            ("failed", self.failed),
            ("dead-lettered", self.dead_lettered),
            ("undelivered", self.undelivered),
            ("results dropped", self.dropped),
        ] {
            if count > 0 {
                write!(f, ", {what} {count}")?;
            }
        }
        for stage in &self.stages {
            let pool = stage.pool.to_string();
            // Why it ended is said once, for the whole.
            let counts = pool.split_once(": ").map_or(&*pool, |(_, counts)| counts);
            write!(f, "\n  {}: {counts}", stage.name)?;
        }
        Ok(())
    }
}

// === impl StageReport ===

impl StageReport {
    /// Did its handlers see all that they handed on, but for what was taken at the moment in which they were cut short?
    fn knows_what_it_emitted(&self) -> bool {
        let Report { aborted, cancelled, timed_out, leases_lost, .. } = self.pool;
        let cut_short = aborted + cancelled + timed_out + leases_lost;
        self.emitted.checked_sub(self.seen).is_some_and(|unseen| unseen <= cut_short)
    }

    /// Is every item that came to the stage accounted for?
    pub fn adds_up(&self) -> bool {
        let Report { completed, failed, dead_lettered, undelivered, .. } = self.pool;
        let queue = self.queue.is_none_or(|queue| {
            queue.held == 0 && queue.accepted == completed + failed + dead_lettered + undelivered
        });
        self.pool.adds_up() && self.pool.held == 0 && queue
    }
}
