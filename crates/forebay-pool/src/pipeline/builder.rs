//! The description of a pipeline.

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

use forebay_queue::{ItemSink, QueueStats, Receiver, Sender, Source, WhenFull};
use tokio::time::Instant;

use super::outlet::{Outlet, StageTally, To};
use super::stage::{Inlet, Running, StagePool, Tap};
use super::{Pipeline, PipelineStartError};
use crate::StartError;
use crate::contain::{Contained, contain};
use crate::resubmit::Resubmit;

/// Describes a pipeline; made by [`Pipeline::builder`]. `S` says what may come next, and `P` what feeds it.
///
/// ```text
/// Start ── queue | source ──▶ Queued | Sourced ── stage ──▶ Staged ── queue ──▶ Queued ── stage ──▶ …
///                                                             └── results | sink, or nothing ──▶ start
/// ```
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use forebay_pool::{BoxError, OnFailure, Pipeline, Retry};
///
/// async fn parse(line: String) -> Result<u64, std::num::ParseIntError> {
///     line.parse()
/// }
/// async fn store(_number: u64) -> Result<(), BoxError> {
///     Ok(()) // …
/// }
///
/// let (tx, rx) = forebay_queue::bounded(100);
/// let pipeline = Pipeline::builder()
///     .source(rx)
///     .stage("parse", parse, |pool| pool.workers(2))
///     .queue(10)
///     .on_undelivered(|number| eprintln!("{number} was not stored"))
///     .stage("store", store, |pool| pool.keep_copies().on_failure(OnFailure::Retry(Retry::default())))
///     .start()?;
/// tx.send("42".to_owned()).await?;
/// drop(tx);
/// assert_eq!(pipeline.finish().await.delivered, 1);
/// # Ok(())
/// # }
/// ```
#[must_use = "a builder does nothing until `start`"]
pub struct PipelineBuilder<S, P = ()> {
    pub(super) state: S,
    pub(super) producer: P,
    /// Includes the stages whose next one is known.
    pub(super) starters: Vec<Starter>,
}

/// In a [`PipelineBuilder`]: nothing feeds it yet.
///
/// These types are written only where a builder is passed around:
///
/// ```
/// use forebay_pool::pipeline::{PipelineBuilder, Queued, Staged, Start};
/// use forebay_pool::{BoxError, Pipeline};
///
/// fn parse<P>(builder: PipelineBuilder<Queued<String>, P>) -> PipelineBuilder<Staged<u64>, P> {
///     builder.stage("parse", async |text: String| text.parse::<u64>(), |pool| pool.workers(2))
/// }
/// let start: PipelineBuilder<Start> = Pipeline::builder();
/// let builder = parse(start.queue(10)).queue(10);
/// ```
#[derive(Debug)]
pub struct Start;

/// In a [`PipelineBuilder`]: a queue, for the next stage to take from.
pub struct Queued<T> {
    source: Receiver<T>,
    /// For what a handler makes of its own accord, and to see whether anybody else may send.
    way: Resubmit<T>,
    hooks: Arc<Hooks<T>>,
    tally: Arc<StageTally>,
}

/// In a [`PipelineBuilder`]: a source, for the first stage to take from.
pub struct Sourced<T>(Box<dyn Source<Item = T>>);

/// In a [`PipelineBuilder`]: a stage, whose results go to what comes next.
pub struct Staged<T> {
    pub(super) name: Arc<str>,
    pub(super) tap: Option<Box<dyn Tap>>,
    pub(super) tally: Arc<StageTally>,
    pub(super) open: Box<dyn FnOnce(Outlet<T>) -> StartPool + Send>,
}

/// In a [`PipelineBuilder`]: the results' queue.
pub struct Results<T> {
    receiver: Receiver<T>,
    stats: Box<dyn Fn() -> QueueStats + Send + Sync>,
}

/// In a [`PipelineBuilder`]: there is nothing to come.
#[derive(Debug)]
pub struct Ended;

/// In a [`PipelineBuilder`]: what a stage may take from. Sealed.
pub trait Feed: sealed::Feed {}

pub(super) type StartPool = Box<dyn FnOnce() -> Result<Box<dyn StagePool>, StartError> + Send>;

/// A stage that is described to its end.
pub(super) struct Starter {
    name: Arc<str>,
    tap: Option<Box<dyn Tap>>,
    tally: Arc<StageTally>,
    start: StartPool,
}

/// The hooks of a queue, which is made before they are known.
struct Hooks<T> {
    undelivered: OnceLock<Hook<dyn Fn(T) + Send + Sync>>,
    dead_letter: OnceLock<Hook<dyn Fn(T, String) + Send + Sync>>,
}

/// The destructor of its state is code of others, too.
type Hook<F> = Contained<Box<F>>;

pub(super) mod sealed {
    use std::sync::Arc;

    use forebay_queue::Source;

    use super::{Resubmit, StageTally, Tap};

    pub trait Feed {
        type Item: Send + 'static;

        fn open(self) -> Opened<Self::Item>;
    }

    /// What a stage takes from, and the counts that go along.
    #[expect(missing_debug_implementations, reason = "nobody outside can have one")]
    pub struct Opened<T> {
        pub(in super::super) source: Box<dyn Source<Item = T>>,
        pub(in super::super) way: Option<Resubmit<T>>,
        pub(in super::super) tap: Option<Box<dyn Tap>>,
        pub(in super::super) tally: Arc<StageTally>,
    }
}

// === impl PipelineBuilder ===

impl PipelineBuilder<Start> {
    pub(super) fn new() -> Self {
        Self { state: Start, producer: (), starters: Vec::new() }
    }

    /// The first queue, with room for `capacity` items, which [`Pipeline::produce`] fills. 0 is a rendezvous.
    pub fn queue<T: Send + 'static>(self, capacity: usize) -> PipelineBuilder<Queued<T>, Sender<T>> {
        let (producer, state) = queue(capacity);
        PipelineBuilder { state, producer, starters: self.starters }
    }

    /// Takes from `source`: the receiver of a queue, a log on disk, a broker. Of a source that redelivers, an item is
    /// acked when its result is in the next queue: what memory holds is lost in a crash.
    pub fn source<S: Source>(self, source: S) -> PipelineBuilder<Sourced<S::Item>> {
        PipelineBuilder { state: Sourced(Box::new(source)), producer: (), starters: self.starters }
    }
}

impl<T: Send + 'static, P> PipelineBuilder<Queued<T>, P> {
    /// Given the items that this queue still has when its stage ends: those that were not started at the deadline, and
    /// those that went back. Without it they are dropped. Either way they are counted, and a panic of the hook is
    /// contained. The first hook counts.
    pub fn on_undelivered(self, hook: impl Fn(T) + Send + Sync + 'static) -> Self {
        let _ = self.state.hooks.undelivered.set(Contained::new(Box::new(hook)));
        self
    }

    /// Given the items of this queue that the next stage dead-lettered, with the reason. Without it they are dropped,
    /// and counted. A panic of the hook is contained. The first hook counts.
    pub fn on_dead_letter(self, hook: impl Fn(T, String) + Send + Sync + 'static) -> Self {
        let _ = self.state.hooks.dead_letter.set(Contained::new(Box::new(hook)));
        self
    }
}

impl<T: Send + 'static, P> PipelineBuilder<Staged<T>, P> {
    /// The queue before the next stage, with room for `capacity` items. When it is full, the stage before waits. At 0 a
    /// result is handed on when a worker of the next stage takes it.
    pub fn queue(self, capacity: usize) -> PipelineBuilder<Queued<T>, P> {
        let (tx, state) = queue(capacity);
        self.leading_to(To::Queue(tx), state)
    }

    /// Puts the results into a queue with room for `capacity`, whose receiver [`start`](PipelineBuilder::start)
    /// returns. `when_full` says what happens when nobody reads them; the
    /// [table](Pipeline#when-nobody-reads-the-results) has the choices.
    ///
    /// The receiver comes to its end when the last stage has ended.
    pub fn results(self, capacity: usize, when_full: WhenFull) -> PipelineBuilder<Results<T>, P> {
        let (tx, receiver) = forebay_queue::builder().capacity(capacity).when_full(when_full).build();
        let counts = tx.clone();
        // A user that wants results dropped when nobody takes them also wants that when nobody is left who could:
        // with one more receiver, which receives nothing, the queue is not closed for that.
        let drops =
            matches!(when_full, WhenFull::DropIncoming | WhenFull::DropYoungest | WhenFull::DropOldest);
        let keeps_open = drops.then(|| receiver.clone());
        let stats = move || {
            let _ = &keeps_open;
            counts.stats()
        };
        let state = Results { receiver, stats: Box::new(stats) };
        self.leading_to(To::Queue(tx), state)
    }

    /// Hands the results to `sink`: a store, a broker, a [`Tee`](crate::Tee). It is dropped when the last stage has
    /// ended. If it refuses a result, the item fails.
    pub fn sink(self, sink: impl ItemSink<T> + 'static) -> PipelineBuilder<Ended, P> {
        self.leading_to(To::Sink(Contained::new(Box::new(sink))), Ended)
    }

    fn leading_to<S>(self, to: To<T>, state: S) -> PipelineBuilder<S, P> {
        let Self { state: Staged { name, tap, tally, open }, producer, mut starters } = self;
        let start = open(Outlet::new(to, Arc::clone(&tally)));
        starters.push(Starter { name, tap, tally, start });
        PipelineBuilder { state, producer, starters }
    }
}

impl<P> PipelineBuilder<Staged<()>, P> {
    /// Starts the stages, within the caller's tokio runtime.
    ///
    /// Only for a last stage without results; others choose [`results`](PipelineBuilder::results) or
    /// [`sink`](PipelineBuilder::sink), so that no result is dropped by mistake.
    ///
    /// # Errors
    ///
    /// [`PipelineStartError`], which names the stage.
    pub fn start(self) -> Result<Pipeline<P>, PipelineStartError> {
        let described = self.leading_to(To::Nowhere, Ended);
        start(described.starters, described.producer, None)
    }
}

impl<P> PipelineBuilder<Ended, P> {
    /// Starts the stages, within the caller's tokio runtime.
    ///
    /// # Errors
    ///
    /// [`PipelineStartError`], which names the stage.
    pub fn start(self) -> Result<Pipeline<P>, PipelineStartError> {
        start(self.starters, self.producer, None)
    }
}

impl<T: Send + 'static, P> PipelineBuilder<Results<T>, P> {
    /// Starts the stages, within the caller's tokio runtime. Returns the results' receiver beside the handle.
    ///
    /// # Errors
    ///
    /// [`PipelineStartError`], which names the stage.
    pub fn start(self) -> Result<(Pipeline<P>, Receiver<T>), PipelineStartError> {
        let Results { receiver, stats } = self.state;
        Ok((start(self.starters, self.producer, Some(stats))?, receiver))
    }
}

impl<S: fmt::Debug, P> fmt::Debug for PipelineBuilder<S, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.starters.iter().map(|starter| &starter.name).collect();
        f.debug_struct("PipelineBuilder").field("stages", &names).field("next", &self.state).finish()
    }
}

fn start<P>(
    starters: Vec<Starter>,
    producer: P,
    results: Option<Box<dyn Fn() -> QueueStats + Send + Sync>>,
) -> Result<Pipeline<P>, PipelineStartError> {
    for (index, starter) in starters.iter().enumerate() {
        if starters[..index].iter().any(|other| other.name == starter.name) {
            return Err(PipelineStartError::SameName(Arc::clone(&starter.name)));
        }
    }
    let mut stages = Vec::with_capacity(starters.len());
    // From the last to the first: when one does not start, nothing has been taken from the source yet.
    for Starter { name, tap, tally, start } in starters.into_iter().rev() {
        // Events in a stage carry its name.
        let span = tracing::error_span!("stage", name = &*name);
        match span.in_scope(start) {
            Ok(pool) => stages.push(Running { name, pool, tap, tally }),
            Err(error) => return Err(PipelineStartError::Stage { stage: name, error }),
        }
    }
    stages.reverse();
    Ok(Pipeline { producer, stages, results, started: Instant::now() })
}

/// A queue before a stage, and what the stage needs of it.
fn queue<T: Send + 'static>(capacity: usize) -> (Sender<T>, Queued<T>) {
    let hooks = Arc::new(Hooks { undelivered: OnceLock::new(), dead_letter: OnceLock::new() });
    let tally = Arc::<StageTally>::default();
    let (left, counts, dead) = (Arc::clone(&hooks), Arc::clone(&tally), Arc::clone(&hooks));
    let (tx, source) = forebay_queue::builder()
        .capacity(capacity)
        .timed()
        .on_undelivered(move |item| {
            // Counted first and contained, so that neither the count nor the items after this one hang on the hook.
            counts.undelivered.fetch_add(1, Ordering::AcqRel);
            let heard = contain(|| match left.undelivered.get() {
                Some(hook) => hook(item),
                None => drop(item),
            });
            if let Err(panic) = heard {
                tracing::error!(%panic, "on_undelivered, or the destructor of its item, panicked");
            }
        })
        .on_dead_letter(move |item, reason| {
            let heard = contain(|| match dead.dead_letter.get() {
                Some(hook) => hook(item, reason),
                None => drop(item),
            });
            if let Err(panic) = heard {
                tracing::error!(%panic, "on_dead_letter, or the destructor of its item, panicked");
            }
        })
        .build();
    let way = Resubmit::to(&tx);
    (tx, Queued { source, way, hooks, tally })
}

// === impl Queued ===

impl<T: Send + 'static> Feed for Queued<T> {}

impl<T: Send + 'static> sealed::Feed for Queued<T> {
    type Item = T;

    fn open(self) -> sealed::Opened<T> {
        let tap: Box<dyn Tap> = Box::new(self.source.clone());
        let Self { source, way, tally, .. } = self;
        sealed::Opened { source: Box::new(Inlet(source)), way: Some(way), tap: Some(tap), tally }
    }
}

impl<T> fmt::Debug for Queued<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queued").field("capacity", &self.source.capacity()).finish_non_exhaustive()
    }
}

// === impl Sourced ===

impl<T: Send + 'static> Feed for Sourced<T> {}

impl<T: Send + 'static> sealed::Feed for Sourced<T> {
    type Item = T;

    fn open(self) -> sealed::Opened<T> {
        sealed::Opened { source: self.0, way: None, tap: None, tally: Arc::default() }
    }
}

impl<T> fmt::Debug for Sourced<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sourced").finish_non_exhaustive()
    }
}

// === impl Staged ===

impl<T> fmt::Debug for Staged<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Staged").field("name", &self.name).finish_non_exhaustive()
    }
}

// === impl Results ===

impl<T> fmt::Debug for Results<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Results").field("capacity", &self.receiver.capacity()).finish_non_exhaustive()
    }
}
