//! A run: from what a person names to a report.
//!
//! Everything that can be known before the first picture is processed is settled first: what there is, what it will be
//! called, that no two become one, and that no input is replaced.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use forebay::pool::PipelineStartError;
use forebay::queue::{Receiver, WhenFull};
use tokio::{select, task};

use bytes::Bytes;

use crate::config::{Config, Output};
use crate::input::{self, FileKey, FindError, InputError, Search, Standard};
use crate::outcome::{End, Failure, Outcome};
use crate::output::{self, OutputError};
use crate::pipeline::{ImagePipeline, Input, Stopper, most_given};
use crate::process::Claims;
use crate::report::{Ended, Report};
use crate::store::{Bucket, Folder, Store, StoreError};
use crate::{Name, shown};

/// What a run tells while it goes, each with nothing to do by default.
///
/// Called on the runtime's threads: what takes long here holds up the run.
pub trait Observer: Send + Sync + 'static {
    /// So many pictures were found, each of which will end.
    fn found(&self, _pictures: u64) {}

    /// Something a person may want to know; nothing is wrong.
    fn notice(&self, _notice: &str) {}

    /// A picture has ended.
    fn ended(&self, _outcome: &Outcome) {}

    /// There is no result for an input, and why, in one line. The report says so again at the end.
    fn failed(&self, _input: &Path, _reason: &str) {}
}

/// The observer that looks away.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

/// Why a run did not start. Nothing was processed, and the output is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The inputs cannot be taken as they were named.
    #[error(transparent)]
    Find(#[from] FindError),
    /// The output is not one for these inputs.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The output cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The pipeline cannot be started.
    #[error(transparent)]
    Pipeline(#[from] PipelineStartError),
}

/// What a run would do.
#[derive(Debug)]
#[non_exhaustive]
pub struct Checked {
    /// As it was given, but for an output that is a file.
    pub config: Config,
    /// The pictures, in the order of the inputs.
    pub files: Vec<CheckedFile>,
}

/// What a run would do with a picture.
#[derive(Debug)]
#[non_exhaustive]
pub struct CheckedFile {
    /// Where it is, and what its result is called.
    pub file: input::File,
    /// Its result is there and would be kept, as far as names tell. Object storage is not asked.
    pub is_kept: bool,
}

/// What is to be done.
struct Prepared {
    files: Vec<input::File>,
    /// The only one of the files, if it is a picture on standard input.
    piped: Option<Bytes>,
    failed: Vec<(PathBuf, InputError)>,
    ignored: u64,
    /// Inputs that are the output, beside others.
    excepted: Vec<PathBuf>,
    claims: Claims,
}

/// So many uploads that fail one after the other are taken for a storage that is out of order.
const MOST_FAILURES_IN_A_ROW: u32 = 10;

// === impl Silent ===

impl Observer for Silent {}

/// Processes all that `config` names, until `stop` completes: then what is in work is finished.
///
/// Must be called in a multi-thread tokio runtime.
///
/// # Errors
///
/// [`StartError`]; what happens later is in the [`Report`].
///
/// # Cancel safety
///
/// Dropped, it is cut off: results are there or not, and files of results that were being written are removed by the next
/// run.
pub async fn run(
    config: &Config,
    stop: impl Future<Output = ()>,
    observer: Arc<dyn Observer>,
) -> Result<Report, StartError> {
    let started = Instant::now();
    let mut stop = pin!(stop);
    // Looking at files blocks, and standard input for as long as it likes.
    let mut preparing = task::spawn_blocking({
        let config = config.clone();
        move || {
            let config = output::settle(&config)?;
            let prepared = prepare(&config)?;
            let (store, leftovers) = open(&config, &prepared)?;
            Ok::<_, StartError>((config, prepared, store, leftovers))
        }
    });
    let (config, prepared, store, leftovers) = select! {
        prepared = &mut preparing => prepared.expect("preparing does not panic")?,
        () = &mut stop => return Ok(Report::stopped_early(config, started.elapsed())),
    };
    if leftovers > 0 {
        observer.notice(&format!("removed {leftovers} half-written files of a run that was killed"));
    }
    let Prepared { files, mut piped, failed, ignored, excepted, claims } = prepared;
    tell_of_excepted(&excepted, &*observer);
    if files.is_empty() && failed.is_empty() {
        observer.notice(&format!(
            "there are no pictures in what was named; {ignored} other files were passed over"
        ));
    }
    observer.found(files.len() as u64);
    let mut report = Report::new(&config, ignored);
    for (path, error) in failed {
        let reason = one_line(&error);
        observer.failed(&path, &reason);
        report.failed(path, reason);
    }

    let (pipeline, results) = ImagePipeline::builder(store)
        .settings(config.picture.clone())
        .limits(config.limits.clone())
        .existing(config.existing)
        .workers(config.workers)
        .uploaders(config.uploaders)
        .memory(config.memory)
        // They are read to the end below.
        .results(config.uploaders, WhenFull::Wait)
        .claims(claims)
        .start()?;
    let stopper = pipeline.stopper();

    let feeding = async {
        let mut left = Vec::new();
        for file in files {
            if stopper.is_stopped() {
                left.push(file.path);
                continue;
            }
            let input = match piped.take() {
                Some(bytes) => Input::bytes(bytes, file.name).origin(file.path),
                None => Input::file(file.path, file.name),
            };
            let added = pipeline.add_image(input.modified(file.modified)).await;
            added.expect("it is open, files have no weight, and what was piped is light enough");
        }
        (left, pipeline.finish().await)
    };
    let stopping = async {
        stop.await;
        stopper.stop();
        // The rest is up to the others.
        std::future::pending::<()>().await;
    };
    let (left, totals) = select! {
        (fed, ()) = async { tokio::join!(feeding, collect(results, &stopper, &mut report, &*observer)) } => fed,
        () = stopping => unreachable!("it never ends"),
    };
    left.into_iter().for_each(|path| report.not_started(path));
    if stopper.is_stopped() && report.ended == Ended::Done {
        report.ended = Ended::Stopped;
    }
    report.complete(&totals, started.elapsed());
    Ok(report)
}

/// Tells what a run of `config` would fail with before it processes anything, without making or changing anything, and
/// what it would do; `observer` is told what cannot be read. Blocks.
///
/// # Errors
///
/// As [`run`].
pub fn check(config: &Config, observer: &dyn Observer) -> Result<Checked, StartError> {
    let config = output::settle(config)?;
    let prepared = prepare(&config)?;
    let mut there = None;
    match &config.output {
        Output::Folder { path, .. } | Output::File { folder: path, .. } => there = Folder::look(path)?,
        Output::Stdout => {}
        Output::Bucket(options) => drop(Bucket::open(options)?),
    }
    let files = prepared.files.into_iter().map(|file| {
        let is_kept = there.as_ref().is_some_and(|folder| is_kept(&config, &file, folder));
        CheckedFile { file, is_kept }
    });
    let files: Vec<_> = files.collect();
    if let Output::Folder { path, .. } | Output::File { folder: path, .. } = &config.output {
        // Where every result is there already nothing will be written.
        if there.is_none() || files.iter().any(|file| !file.is_kept) {
            Folder::could_be_written(path)?;
        }
    }
    tell_of_excepted(&prepared.excepted, observer);
    for (path, error) in prepared.failed {
        observer.failed(&path, &one_line(&error));
    }
    Ok(Checked { config, files })
}

fn is_kept(config: &Config, file: &input::File, folder: &Folder) -> bool {
    let name = file.name.expected(config.picture.format);
    let there = name.and_then(|name| folder.present(&name).ok().flatten());
    there.is_some_and(|present| config.existing.keeps(present, file.modified))
}

fn tell_of_excepted(excepted: &[PathBuf], observer: &dyn Observer) {
    for path in excepted {
        observer.notice(&format!("{} is the output, and is not looked into", shown(path)));
    }
}

fn prepare(config: &Config) -> Result<Prepared, StartError> {
    let most = most_given(config.memory);
    let standard = config.list.map(|is_null| Standard::read(io::stdin().lock(), is_null, most)).transpose();
    let (listed, piped, is_too_long) = match standard.map_err(FindError::List)? {
        None => (Vec::new(), None, false),
        Some(Standard::Names(names)) => (names, None, false),
        Some(Standard::Picture(bytes)) => (Vec::new(), Some(bytes), false),
        Some(Standard::TooLong) => (Vec::new(), None, true),
    };
    let folder = match &config.output {
        Output::Folder { path, .. } | Output::File { folder: path, .. } => Folder::look(path)?,
        Output::Bucket(_) | Output::Stdout => None,
    };
    let is_for_all = matches!(config.output, Output::Folder { .. });
    let search = Search {
        inputs: config.inputs.clone(),
        listed,
        base: config.base.clone(),
        // Beside a single file there may lie anything.
        except: folder.as_ref().filter(|_| is_for_all).and_then(Folder::key),
    };
    let input::Found { mut files, mut failed, ignored, excepted } = input::find(&search)?;
    if let Some(bytes) = &piped {
        files.push(input::piped(bytes.len() as u64).map_err(FindError::List)?);
    }
    if is_too_long {
        failed.push((PathBuf::from("-"), InputError::TooLong { most }));
    }
    if let Some(path) = excepted.first()
        && files.is_empty()
        && failed.is_empty()
    {
        return Err(FindError::IsOutput { path: path.clone() }.into());
    }

    match &config.output {
        Output::Folder { .. } | Output::Bucket(_) if piped.is_some() => {
            return Err(OutputError::NoName.into());
        }
        Output::Folder { .. } | Output::Bucket(_) => {}
        Output::File { name, .. } => {
            takes_one(&config.output, files.len() + failed.len())?;
            files.iter_mut().for_each(|file| file.name = name.clone());
        }
        Output::Stdout => takes_one(&config.output, files.len() + failed.len())?,
    }

    let inputs: HashSet<FileKey> = files.iter().map(|file| file.key).collect();
    let mut names = HashMap::<Name, PathBuf>::with_capacity(files.len());
    let mut clashes = Vec::new();
    for file in &files {
        let Some(output) = file.name.expected(config.picture.format) else { continue };
        if let Some(folder) = &folder
            // What else is wrong there is told of this picture alone.
            && let Ok(Some((_, key))) = folder.look_for(&output)
            && inputs.contains(&key)
        {
            let output = output.below(folder.path());
            return Err(FindError::IsInput { output, input: file.path.clone() }.into());
        }
        match names.entry(output) {
            Entry::Occupied(first) => {
                clashes.push((first.get().clone(), file.path.clone(), first.key().clone()))
            }
            Entry::Vacant(place) => drop(place.insert(file.path.clone())),
        }
    }
    let others = clashes.len().saturating_sub(1);
    if let Some((first, second, output)) = clashes.into_iter().next() {
        return Err(FindError::OneOutput { first, second, output, others }.into());
    }
    let claims = Claims { names: Mutex::new(names), inputs };
    Ok(Prepared { files, piped, failed, ignored, excepted, claims })
}

/// An output for one result has one input.
fn takes_one(output: &Output, inputs: usize) -> Result<(), OutputError> {
    let (is_file, output) = (*output != Output::Stdout, output.to_string());
    match inputs {
        1 => Ok(()),
        0 => Err(OutputError::NoPicture { output }),
        _ => Err(OutputError::Several { output, is_file, inputs }),
    }
}

/// Opens the output, and says how many leftovers were removed from it.
fn open(config: &Config, prepared: &Prepared) -> Result<(Store, u64), StoreError> {
    match &config.output {
        Output::Folder { path, sync } | Output::File { folder: path, sync, .. } => {
            let folder = Folder::create(path)?.syncs(*sync);
            let removed = folder.remove_leftovers(prepared.files.iter().map(|file| file.name.clone()));
            Ok((folder.into(), removed))
        }
        Output::Bucket(options) => Ok((Bucket::open(options)?.into(), 0)),
        Output::Stdout => Ok((Store::Stdout, 0)),
    }
}

/// Reads all outcomes, and stops the run if there is no use in going on.
async fn collect(
    mut results: Receiver<Outcome>,
    stopper: &Stopper,
    report: &mut Report,
    observer: &dyn Observer,
) {
    let mut failures_in_a_row = 0;
    while let Some(outcome) = results.recv().await {
        observer.ended(&outcome);
        match outcome.end {
            End::Written(written) => {
                failures_in_a_row = 0;
                if written.is_first_of_several {
                    report.first_of_several(outcome.input);
                }
            }
            End::Kept => {}
            End::NotStarted => report.not_started(outcome.input),
            End::Failed(failure) => {
                let reason = one_line(&failure);
                if let Failure::Store(error) = &failure {
                    failures_in_a_row += u32::from(error.may_be_of_all());
                    if error.is_final() || failures_in_a_row >= MOST_FAILURES_IN_A_ROW {
                        report.stopped_by(&reason);
                        stopper.stop();
                    }
                }
                observer.failed(&outcome.input, &reason);
                report.failed(outcome.input, reason);
            }
        }
    }
}

/// What others say may have line ends in it; names have spaces, which stay as they are.
fn one_line(error: &impl std::error::Error) -> String {
    let said = error.to_string();
    said.split(char::is_control).map(str::trim).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}
