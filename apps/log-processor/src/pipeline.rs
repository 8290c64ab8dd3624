//! The run: from inputs to output, as a pipeline of forebay queues and a forebay pool.
//!
//! ```text
//!            thread              Pool: n workers                 thread
//!          ┌────────┐ batches  ┌───────────────────┐ in order  ┌────────┐ commits
//!  files ─▶│ reader │─────────▶│ parse, filter,    │──────────▶│ writer │─────────▶ output, state
//!          └────────┘          │ format            │           └────────┘
//!              ▲               └───────────────────┘               │
//!              └──────────────── spare buffers ◀───────────────────┘
//! ```
//!
//! **Memory** is bounded by the reader: there are a fixed number of buffers, each of which holds at most
//! a batch, and it reads only into one that came back. So no stage can run ahead of a slow one, not even
//! past a single batch that takes long while those behind it are done already. Long lines make large
//! batches, and what is written of a batch may be larger still: a batch goes its way only when the most
//! that it may take has room in a budget beside those before it.
//!
//! **Shutdown** has one direction, whatever the reason. The reader ends (end of the inputs, a stop, or
//! an output that cannot be written any more), so the batches end, so the pool ends, so its results end,
//! so the writer commits and ends. What was read is always either written or counted as
//! not written.

use std::any::Any;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::num::NonZero;
use std::panic::{self, AssertUnwindSafe};
use std::path;
use std::pin::pin;
use std::slice;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use forebay::pool::Pool;
use forebay::queue;
use forebay_program::fault;
use tokio::{select, task};

use crate::batch::Batch;
use crate::checkpoint::{StateDir, StateError};
use crate::commit::{CommitError, Committer};
use crate::config::Config;
use crate::input::{self, InputError, Inputs, Notice};
use crate::output::{Output, OutputError, Target};
use crate::picture;
use crate::process::{Edges, Processor, ProcessorOptions};
use crate::reader::Reader;
use crate::report::{Counted, Ended, Report, Totals};
use crate::writer::{Failure, Finished, Writer};

/// What a run tells while it goes, each with nothing to do by default.
///
/// Called on the run's own threads: what takes long here holds up the run.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use log_processor::pipeline::Observer;
///
/// /// Knows how much was dealt with so far.
/// #[derive(Default)]
/// struct Meter(AtomicU64);
///
/// impl Observer for Meter {
///     fn advanced(&self, bytes: u64) {
///         self.0.fetch_add(bytes, Ordering::Relaxed);
///     }
/// }
/// ```
pub trait Observer: Send + Sync + 'static {
    /// Something a person may want to know; nothing is wrong.
    fn notice(&self, _notice: &Notice) {}

    /// An input failed. The report says so again at the end.
    fn failed(&self, _error: &InputError) {}

    /// So many more bytes of input were dealt with.
    fn advanced(&self, _bytes: u64) {}
}

/// The observer that looks away.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

/// Why a run did not start. Nothing was read, an output that was there holds what it held, and so does a state.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The inputs cannot be found or watched.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The output cannot be opened, or must not be.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The state cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// The first checkpoint cannot be saved.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// All that a run needs of the world outside.
struct Opened {
    inputs: Inputs,
    /// Inputs that cannot be read, beside those that can.
    missing: Vec<InputError>,
    committer: Committer,
}

/// Threads that parse, at the most, for each core: more are no faster, and each takes memory of its own.
const THREADS_PER_CORE: usize = 2;

/// Batches that may wait between reader and workers: enough that a worker never waits for a reader
/// that is merely slow to be scheduled.
const WAITING: usize = 4;

// === impl Silent ===

impl Observer for Silent {}

// === impl Opened ===

impl Opened {
    /// Opens state, inputs and output, and saves the first checkpoint. Blocks.
    fn open(config: &Config, observer: &dyn Observer) -> Result<Self, StartError> {
        let config = &from_root(config);
        // The state says where the output ends and where the inputs go on.
        let settings = identity(config);
        let state = config.state.as_deref().map(|dir| StateDir::open(dir, config.sync)).transpose()?;
        let mut resume = state.as_ref().map(|state| state.load(&settings)).transpose()?.flatten();
        if let Some(resume) = &mut resume
            && !input::all_found(resume.inputs.iter().filter(|position| position.unended.is_some()))
        {
            // What cannot be read again must not be taken back.
            resume.leave();
        }
        let mut missing = Vec::new();
        let mut globs = Vec::new();
        let patterns = readable(config, &mut globs, &mut missing)
            .inspect_err(|_| missing.iter().for_each(|error| observer.failed(error)))?;
        let mut options = input::Options {
            follow: config.follow,
            max_line: config.max_line,
            multiline: config.multiline.clone(),
            resumable: state.is_some(),
            globs,
            unended_last: false,
            except: None,
        };
        // Checked before the output is opened, because that may empty it, which must not happen for a run that
        // cannot read; and opened after it, because no input may be the file that the output is.
        let found = Inputs::check(&patterns, resume.as_ref(), &options)?;
        refuse_stdout(config)?;
        let mark = resume.as_ref().and_then(|resume| resume.output.as_ref());
        let output = Output::open(&config.output, config.existing, mark, &patterns)?;
        options.except = output.key();
        options.unended_last = state.is_some() && !config.follow && output.length().is_some();
        if let Some(resume) = &mut resume {
            // Told to write behind what others added, a run cannot take back what lies in front of that.
            let is_appending = output.length() > resume.output.as_ref().map(|mark| mark.length);
            if is_appending { resume.leave() } else { resume.take_back() }
        }
        let inputs = Inputs::open_found(&found, &patterns, resume.as_ref(), options)?;
        let committer = Committer::begin(output, state, settings, inputs.positions(), config.sync)?;
        Ok(Self { inputs, missing, committer })
    }
}

/// Runs `config` until its inputs end, or with `follow` until `stop` completes.
///
/// After `stop`, what was read is written and, with a state, the checkpoint saved. A stop that comes before
/// anything was read ends the run at once (an output that is being opened is given up, on its own thread), and
/// one that comes after everything was read changes nothing. Must be called in a multi-thread tokio runtime
/// with time.
///
/// # Errors
///
/// Only before anything was read. What happens later is in the [`Report`].
///
/// # Cancel safety
///
/// A run that is dropped is cut off like one that is killed: with a state, the next one goes on from the
/// last checkpoint; without, lines that were read may be missing from the output.
pub async fn run(
    config: &Config,
    stop: impl Future<Output = ()>,
    observer: Arc<dyn Observer>,
) -> Result<Report, StartError> {
    let started = Instant::now();
    let counted = if config.multiline.is_some() { Counted::Records } else { Counted::Lines };

    let mut stop = pin!(stop);
    // Opening may block for long: a named pipe as output waits for its reader.
    let mut opening = task::spawn_blocking({
        let (config, observer) = (config.clone(), Arc::clone(&observer));
        move || Opened::open(&config, &*observer)
    });
    let Opened { inputs, missing, committer } = select! {
        opened = &mut opening => opened.expect("opening does not panic")?,
        () = &mut stop => {
            let report = Report::new(Vec::new(), Totals::default(), Ended::Stopped, None, started.elapsed());
            return Ok(report.counting(counted));
        }
    };
    let stopper = inputs.stopper();

    // One buffer in the reader's hands, one in the writer's, one with each worker, and those that wait.
    let buffers = config.workers.get() + WAITING + 2;
    // Goes round: what the writer is done with is what the reader may fill. This is the bound on memory.
    let (spare, spares) = queue::bounded(buffers);
    // Holds the reader back while all workers are busy.
    let (batch, batches) = queue::bounded(WAITING);
    // Never full, as there are only so many buffers.
    let (done, finished) = queue::bounded(buffers);

    let processor = Arc::new(Processor::new(ProcessorOptions {
        parse: config.parse,
        filter: config.filter.clone(),
        period: config.period.clone(),
        format: config.format,
        first_line: config.multiline.as_ref().map(|multiline| multiline.first_line.clone()),
        fields: config.fields.clone(),
    }));

    // Reading blocks: a thread of its own.
    let reader = Reader::new(inputs, missing, Arc::clone(&processor), Arc::clone(&observer));
    let mut reader = task::spawn_blocking(move || reader.run(buffers, spares, batch));
    // Workers take batches by demand and finish them in any order, and the pool hands on what they made in the order
    // of reading. Parsing computes: each worker is a thread. Counting lines takes less time than the way to one.
    let (workers, counts) = (config.workers.get(), processor.only_counts());
    let pool = if counts {
        Pool::builder().workers(workers)
    } else {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        Pool::builder().cpu(workers.min(THREADS_PER_CORE * cores))
    };
    let pool = pool
        .source(batches)
        // As many as there can be: the buffers are the bound.
        .ordered_window(buffers)
        .handler_ordered(done, move |batch| {
            let processor = Arc::clone(&processor);
            async move { Ok::<_, Infallible>(process(&processor, batch)) }
        })
        .start()
        .expect("a pool with workers and a source starts");
    // Writing blocks, and its order is that of reading: one thread.
    let writer = Writer::new(committer, config, stopper.clone(), observer);
    let writer = task::spawn_blocking(move || writer.run(finished, spare));

    // The stages end in their order, each because the one before it did.
    let mut stopped = false;
    let read = loop {
        select! {
            read = &mut reader => break read.expect("the reader does not panic"),
            () = &mut stop, if !stopped => {
                stopper.stop();
                stopped = true;
            }
        }
    };
    let worked = pool.finish().await;
    let mut written = writer.await.expect("the writer does not panic");

    if worked.completed < read.batches {
        written.failure.get_or_insert(Failure::Lost);
    }
    let (ended, error) = match written.failure {
        Some(Failure::Commit(CommitError::Output(OutputError::Closed))) => (Ended::OutputClosed, None),
        Some(failure) => (Ended::Failed, Some(failure.to_string())),
        None if stopped => (Ended::Stopped, None),
        None => (Ended::InputEnded, None),
    };
    let inputs = read.complete(written.inputs);
    Ok(Report::new(inputs, written.totals, ended, error, started.elapsed()).counting(counted))
}

/// Tells what a run of `config` would fail with before it reads, and makes, changes and waits for nothing.
///
/// Returns whether all inputs can be read; those that cannot, beside others that can, are told to `observer`.
///
/// # Errors
///
/// As [`run`].
pub fn check(config: &Config, observer: &dyn Observer) -> Result<bool, StartError> {
    let config = &from_root(config);
    let settings = identity(config);
    let resume = config.state.as_deref().map(|dir| StateDir::check(dir, &settings)).transpose()?.flatten();
    let (mut missing, mut globs) = (Vec::new(), Vec::new());
    let patterns = readable(config, &mut globs, &mut missing);
    missing.iter().for_each(|error| observer.failed(error));
    let (follow, max_line, resumable) = (config.follow, config.max_line, config.state.is_some());
    let options = input::Options { follow, max_line, resumable, globs, ..input::Options::default() };
    let patterns = patterns?;
    Inputs::check(&patterns, resume.as_ref(), &options)?;
    refuse_stdout(config)?;
    let mark = resume.as_ref().and_then(|resume| resume.output.as_ref());
    Output::check(&config.output, config.existing, mark, &patterns)?;
    Ok(missing.is_empty())
}

/// A state cannot go back in what a shell empties at each start.
fn refuse_stdout(config: &Config) -> Result<(), OutputError> {
    match &config.output {
        Target::File(path) if config.state.is_some() && config.output.is_stdout() && path.is_file() => {
            Err(OutputError::IsStdout { path: path.clone() })
        }
        _ => Ok(()),
    }
}

/// The inputs that can be read, and in `missing` those that cannot: they must not keep the rest from being
/// processed.
///
/// Except with a state, if it was named itself: whoever names a file expects it to be there. Of a glob, a file that
/// cannot be read is remembered by the checkpoints, and gone on with once it can be.
///
/// A run that follows goes on to look at a glob of which a file cannot be read: such globs are in `globs`, and
/// their looks say which file it is.
fn readable(
    config: &Config,
    globs: &mut Vec<String>,
    missing: &mut Vec<InputError>,
) -> Result<Vec<String>, InputError> {
    let mut patterns = Vec::new();
    for pattern in &config.inputs {
        let Err(error) = input::expand(slice::from_ref(pattern), config.follow) else {
            patterns.push(pattern.clone());
            continue;
        };
        if matches!(error, InputError::BadPattern { .. }) {
            return Err(error);
        }
        // One file of a glob is not the whole glob.
        let paths =
            input::reach(pattern)?.into_iter().filter_map(|path| path.into_os_string().into_string().ok());
        let paths: Vec<_> = paths.filter(|path| path != pattern).collect();
        if paths.is_empty() && config.state.is_some() {
            return Err(error);
        }
        if paths.is_empty() {
            missing.push(error);
        } else if config.follow {
            globs.push(pattern.clone());
        }
        for path in paths {
            match input::expand(slice::from_ref(&path), config.follow) {
                Ok(_) => patterns.push(path),
                Err(_) if config.follow => {}
                Err(error) => missing.push(error),
            }
        }
    }
    match missing.pop_if(|_| patterns.is_empty() && globs.is_empty()) {
        Some(error) => Err(error),
        None => Ok(patterns),
    }
}

/// What one worker does with one batch.
///
/// A panic is part of the outcome: the pool would contain it, but a gap in its results does not say which bytes of
/// which input are missing there.
fn process(processor: &Processor, batch: Batch) -> Finished {
    let Batch { input, bytes, starts_inside, ends_inside, end } = batch;
    let edges = Edges { starts_inside, ends_inside };
    let length = bytes.len();
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| {
        fault::point("panic-in-worker");
        processor.process(bytes, edges)
    }));
    Finished { input, edges, length, end, outcome: outcome.map_err(|panic| said(&*panic)) }
}

/// What a panic said, if it was in words.
fn said(panic: &(dyn Any + Send)) -> String {
    let words = panic.downcast_ref::<String>().map(String::as_str);
    let words = words.or_else(|| panic.downcast_ref::<&str>().copied());
    words.map_or_else(|| "it panicked".to_owned(), |words| format!("it panicked: {words}"))
}

/// With a state, inputs are named from the root on: the next run may be started in another folder.
fn from_root(config: &Config) -> Config {
    let mut config = config.clone();
    if config.state.is_some() {
        config.inputs.iter_mut().for_each(|input| *input = input::from_root(input));
    }
    config
}

/// What makes a pipeline this pipeline, so that a checkpoint of another one is not taken for its own.
///
/// In the words of the command line, because a person reads them when two differ.
fn identity(config: &Config) -> BTreeMap<String, String> {
    let filter = config.filter.as_ref().map_or_else(String::new, ToString::to_string);
    let output = match &config.output {
        Target::Stdout => picture::target(&config.output),
        Target::File(path) => path::absolute(path).unwrap_or_else(|_| path.clone()).display().to_string(),
    };
    let mut identity: BTreeMap<_, _> = [
        // A name may have a blank in it.
        ("input", serde_json::to_string(&config.inputs).expect("names are plain data")),
        ("output", output),
        ("parse", picture::name(&config.parse)),
        ("filter", filter),
        ("format", picture::name(&config.format)),
        ("max-line", config.max_line.to_string()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into();
    // Not otherwise: so states that were saved before there was such a key still are the pipeline's.
    if let Some(multiline) = &config.multiline {
        identity.insert("multiline".to_owned(), multiline.first_line.to_string());
    }
    if let Some(fields) = &config.fields {
        identity.insert("fields".to_owned(), fields.to_string());
    }
    if let Some(period) = &config.period {
        // As they were given: "an hour ago" is another time at each start, and the same wish.
        identity.extend(period.given().map(|(key, given)| (key.to_owned(), given.to_owned())));
    }
    identity
}
