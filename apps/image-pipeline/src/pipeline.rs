//! The pipeline: pictures in, outcomes out.
//!
//! ```text
//! add_image ─▶ queue ─▶ process ─▶ queue ─▶ upload ─▶ results
//!              (10)     on threads  (10)    tasks (2)
//!                       (the cores)
//! ```
//!
//! [`Builder::start`] is this picture as one function.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use forebay::pool::{Pipeline, PipelineStartError};
use forebay::queue::{Receiver, Sender, WhenFull};
use tokio::sync::watch;

use crate::Name;
use crate::budget::Budget;
use crate::outcome::{End, Outcome};
use crate::picture::{Limits, Settings};
use crate::process::{Claims, Content, Job, Processor, Rendered, Step};
use crate::store::{Existing, Store, Stored};
use crate::totals::Totals;

/// Processes pictures and stores the results; made by [`builder`](Self::builder).
///
/// ```no_run
/// use std::path::Path;
///
/// use image_pipeline::picture::{Settings, Size};
/// use image_pipeline::store::Folder;
/// use image_pipeline::{End, ImagePipeline, Input, Name};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (pipeline, mut results) = ImagePipeline::builder(Folder::create(Path::new("small"))?)
///     .settings(Settings { size: Size::Fit(400, 400), ..Settings::default() })
///     .memory(256_000_000)
///     .start()?;
/// let reader = tokio::spawn(async move {
///     while let Some(outcome) = results.recv().await {
///         if let End::Failed(failure) = outcome.end {
///             eprintln!("{}: {failure}", outcome.input.display());
///         }
///     }
/// });
/// pipeline.add_image(Input::file("photos/beach.jpg", Name::new("beach.jpg")?)).await?;
/// let totals = pipeline.finish().await;
/// reader.await?;
/// println!("{} written", totals.written);
/// # Ok(())
/// # }
/// ```
///
/// Dropped, it ends at the next await of each stage: no result is half-written, and pictures in work have no outcome.
#[derive(Debug)]
#[must_use = "a pipeline that is dropped is aborted"]
pub struct ImagePipeline {
    pipeline: Pipeline<Sender<Job>>,
    shared: Arc<Shared>,
    stopper: Stopper,
}

/// Describes an [`ImagePipeline`].
#[derive(Debug)]
#[must_use = "a builder does nothing until `start`"]
pub struct Builder {
    store: Store,
    settings: Settings,
    limits: Limits,
    existing: Existing,
    workers: usize,
    uploaders: usize,
    memory: u64,
    results: usize,
    when_full: WhenFull,
    claims: Option<Claims>,
}

/// A picture to process.
#[derive(Debug)]
pub struct Input {
    origin: PathBuf,
    name: Name,
    bytes: Option<Bytes>,
    modified: Option<SystemTime>,
}

/// Tells a pipeline to begin nothing more. Clones tell the same one.
#[derive(Debug, Clone)]
pub struct Stopper(watch::Sender<bool>);

/// Why a picture was not added. It comes back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AddError {
    /// The pipeline has ended.
    #[error("the pipeline has ended")]
    Closed(Box<Input>),
    /// A picture in memory may be a quarter of the memory for pictures.
    #[error("a picture of {} bytes in memory is over {most}, a quarter of the memory for pictures; give a file, or raise the memory budget", input.bytes.as_ref().map_or(0, Bytes::len))]
    TooLarge {
        /// The picture.
        input: Box<Input>,
        /// In bytes.
        most: u64,
    },
}

/// What the stages share.
#[derive(Debug)]
struct Shared {
    processor: Processor,
    totals: Mutex<Totals>,
}

/// What the process takes beside the pictures: code, stacks, connections, and what the allocator keeps. Measured: see the
/// README.
pub(crate) const BESIDE: u64 = 40 << 20;

/// The least memory that a pipeline can be given, in bytes: 64 MiB.
pub const LEAST_MEMORY: u64 = 64 << 20;

/// The most bytes of a picture that is given in memory, of a pipeline with this memory.
pub(crate) fn most_given(memory: u64) -> u64 {
    Budget::new(memory.max(LEAST_MEMORY) - BESIDE).most_held_waiting()
}

/// How many pictures may wait before each of the two stages.
const WAITING: usize = 10;

// === impl ImagePipeline ===

impl ImagePipeline {
    /// Describes a pipeline that stores its results in `store`.
    pub fn builder(store: impl Into<Store>) -> Builder {
        Builder {
            store: store.into(),
            settings: Settings::default(),
            limits: Limits::default(),
            existing: Existing::Keep,
            workers: thread::available_parallelism().map_or(1, usize::from),
            uploaders: 2,
            memory: 512 << 20,
            results: 1000,
            when_full: WhenFull::DropOldest,
            claims: None,
        }
    }

    /// Adds a picture, waiting while ten are waiting; one that is given as bytes waits for room in memory, too.
    ///
    /// # Errors
    ///
    /// [`AddError`], with the picture.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the picture was not added, and is dropped with it.
    pub async fn add_image(&self, input: Input) -> Result<(), AddError> {
        let Input { origin, name, bytes, modified } = input;
        let content = match bytes {
            None => Content::File,
            Some(bytes) => {
                let budget = &self.shared.processor.budget;
                match budget.take_and_hold(bytes.len() as u64).await {
                    Some((share, held)) => Content::Given(bytes, share, held),
                    None => {
                        let input = Box::new(Input { origin, name, bytes: Some(bytes), modified });
                        return Err(AddError::TooLarge { input, most: budget.most_held_waiting() });
                    }
                }
            }
        };
        match self.pipeline.produce(Job { input: origin, name, content, modified }).await {
            Ok(_) => Ok(()),
            Err(refused) => {
                let Job { input: origin, name, content, modified } = refused.into_inner();
                let bytes = match content {
                    Content::File => None,
                    Content::Given(bytes, ..) => Some(bytes),
                };
                Err(AddError::Closed(Box::new(Input { origin, name, bytes, modified })))
            }
        }
    }

    /// A handle that can stop it, also while [`finish`](Self::finish) is under way.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// What it has done so far.
    pub fn totals(&self) -> Totals {
        self.shared.totals()
    }

    /// Lets it finish what was added, and says what it did.
    ///
    /// After [`Stopper::stop`], pictures that are not in work end as [`End::NotStarted`]. With results that
    /// [wait](Builder::results), somebody must read them meanwhile.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it aborts the pipeline.
    pub async fn finish(self) -> Totals {
        let Self { pipeline, shared, stopper } = self;
        let report = pipeline.finish().await;
        drop(stopper);
        let mut totals = shared.totals();
        totals.lost = report.accepted.saturating_sub(totals.ended());
        totals
    }
}

// === impl Builder ===

impl Builder {
    /// What is asked of each picture. Default: as it is, without metadata.
    pub fn settings(self, settings: Settings) -> Self {
        Self { settings, ..self }
    }

    /// How much a file may ask for. Its bound on memory is that of [`memory`](Self::memory).
    pub fn limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// What to do with results that are there already. Default: they are kept.
    pub fn existing(self, existing: Existing) -> Self {
        Self { existing, ..self }
    }

    /// How many pictures are processed at once, each on a thread of its own, 1 or more. Default: one for each core.
    pub fn workers(self, workers: usize) -> Self {
        Self { workers, ..self }
    }

    /// How many results are stored at once, 1 or more. Default: 2.
    pub fn uploaders(self, uploaders: usize) -> Self {
        Self { uploaders, ..self }
    }

    /// The memory that the whole process should take at the most, in bytes; less than [`LEAST_MEMORY`] counts as that.
    /// Default: 512 MiB.
    ///
    /// 40 MiB of it are for the process itself, the rest is shared by files that are read, pictures in work, and results
    /// that wait to be stored. One that would need more than that alone is decoded smaller, or refused.
    ///
    /// The allocator has its part in it: on Linux with glibc, `MALLOC_MMAP_THRESHOLD_=131072` in the environment makes it
    /// give back what is freed. The program sees to that itself.
    pub fn memory(self, bytes: u64) -> Self {
        Self { memory: bytes, ..self }
    }

    /// How many outcomes may wait to be read, and what happens when nobody reads them: with `Wait` the pipeline waits too,
    /// with one of the others outcomes are dropped, which [`ImagePipeline::totals`] counts all the same. Default: the
    /// oldest are dropped beyond 1000.
    pub fn results(self, capacity: usize, when_full: WhenFull) -> Self {
        Self { results: capacity, when_full, ..self }
    }

    /// Refuses results that would have a name that is taken, or replace a file that must stay.
    pub(crate) fn claims(self, claims: Claims) -> Self {
        Self { claims: Some(claims), ..self }
    }

    /// Starts it, within the caller's tokio runtime. Outcomes come through the receiver, which is a `Stream` too; it ends
    /// after [`ImagePipeline::finish`] when all were read.
    ///
    /// # Errors
    ///
    /// Without workers or uploaders, or outside of a runtime.
    pub fn start(self) -> Result<(ImagePipeline, Receiver<Outcome>), PipelineStartError> {
        let (stop, stopped) = watch::channel(false);
        let memory = self.memory.max(LEAST_MEMORY);
        let shared = Arc::new(Shared {
            processor: Processor {
                store: self.store,
                settings: self.settings,
                limits: Limits { max_weight: u64::MAX, ..self.limits },
                existing: self.existing,
                memory,
                budget: Budget::new(memory - BESIDE),
                stop: stopped,
                claims: self.claims,
            },
            totals: Mutex::default(),
        });
        let (process, upload) = (Arc::clone(&shared), Arc::clone(&shared));
        let (workers, uploaders) = (self.workers, self.uploaders);

        let (pipeline, results) = Pipeline::builder()
            // Names wait here. Whoever adds them waits when there are ten.
            .queue(WAITING)
            // Computing, each on a thread of its own. A worker reads a file when it has room for it in memory.
            .stage("process", move |job| process.clone().process(job), move |pool| pool.cpu(workers))
            // Results wait here, and count in the memory that the workers share: full means that storing is what is slow.
            .queue(WAITING)
            // Waiting for disk or network.
            .stage("upload", move |step| upload.clone().upload(step), move |pool| pool.workers(uploaders))
            // What happens when nobody reads them, the owner has chosen.
            .results(self.results, self.when_full)
            .start()?;
        Ok((ImagePipeline { pipeline, shared, stopper: Stopper(stop) }, results))
    }
}

// === impl Shared ===

impl Shared {
    async fn process(self: Arc<Self>, job: Job) -> Result<Step, Infallible> {
        Ok(self.processor.process(job).await)
    }

    /// Stores a result. Whatever happened, there is one outcome.
    async fn upload(self: Arc<Self>, step: Step) -> Result<Outcome, Infallible> {
        let outcome = match step {
            Step::Ended(outcome) => *outcome,
            Step::Rendered(rendered) => {
                let Rendered { input, name, bytes, written, replaces, mut spent, share } = *rendered;
                let started = Instant::now();
                let stored = self.processor.store.put(&name, bytes, written.format, replaces).await;
                spent.upload = started.elapsed();
                drop(share);
                let end = match stored {
                    Ok(Stored::Written) => End::Written(written),
                    Ok(Stored::WasThere) => End::Kept,
                    Err(error) => End::Failed(error.into()),
                };
                Outcome { input, name, end, spent }
            }
        };
        self.totals.lock().unwrap_or_else(PoisonError::into_inner).add(&outcome);
        Ok(outcome)
    }

    fn totals(&self) -> Totals {
        let mut totals = *self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        totals.peak_in_flight = self.processor.budget.peak();
        totals
    }
}

// === impl Input ===

impl Input {
    /// A file, and what its result is called, but for the ending. It is read when its turn comes.
    pub fn file(path: impl Into<PathBuf>, name: Name) -> Self {
        Self { origin: path.into(), name, bytes: None, modified: None }
    }

    /// The content of a file, in memory.
    pub fn bytes(bytes: impl Into<Bytes>, name: Name) -> Self {
        Self { origin: name.as_path().to_owned(), name, bytes: Some(bytes.into()), modified: None }
    }

    /// Where it came from, for its outcome.
    pub(crate) fn origin(self, origin: PathBuf) -> Self {
        Self { origin, ..self }
    }

    /// When it was last changed, for [`Existing::Newer`].
    #[must_use]
    pub fn modified(self, modified: Option<SystemTime>) -> Self {
        Self { modified, ..self }
    }
}

// === impl Stopper ===

impl Stopper {
    /// From now on nothing is begun any more; what is in work is finished. More than once is the same as once.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }

    /// Whether it was told to stop.
    pub fn is_stopped(&self) -> bool {
        *self.0.borrow()
    }
}
