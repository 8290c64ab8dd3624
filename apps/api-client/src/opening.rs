//! What is opened before anything is sent, and why that may fail.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use forebay::queue::Receiver;
use tokio::runtime::Handle;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::config::{Config, LinesTo};
use crate::input::{self, Line, ReadError};
use crate::journal::{Journal, JournalError, Past};
use crate::output::{Folder, FolderError, Lines, LinesError};
use crate::run::Observer;
use crate::{BuildError, Client};

/// So many bytes of requests may wait.
const MOST_WAITING: usize = 8 << 20;

/// What is opened before anything is sent.
pub(crate) struct Opened {
    pub(crate) input: Box<dyn BufRead + Send>,
    /// Nobody knows the rest of it, and it may never end.
    pub(crate) is_stream: bool,
    pub(crate) journal: Option<Journal>,
    pub(crate) past: Past,
    pub(crate) folder: Option<Arc<Folder>>,
    pub(crate) lines: Lines,
    pub(crate) client: Client,
}

/// Why a run did not start: nothing was sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The requests cannot be read.
    #[error("cannot read the requests from {}: {source}", path.display())]
    Urls {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// One file for two purposes, under two names: of the requests, the journal and the results.
    #[error("{} and {} are the same file: give each a file of its own", files[0].display(), files[1].display())]
    SameFile {
        /// What it is called for each.
        files: [PathBuf; 2],
    },
    /// The journal is that of a run whose results are elsewhere.
    #[error("by the journal {} the results of {answered} requests are in {before}, and new ones would go to {results}; give the same names, or another journal to begin anew", journal.display())]
    OtherResults {
        /// The journal.
        journal: PathBuf,
        /// How many were answered.
        answered: u64,
        /// Where their results are.
        before: String,
        /// Where new ones would go.
        results: String,
    },
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The folder of bodies cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Results cannot be written.
    #[error(transparent)]
    Lines(#[from] LinesError),
    /// The certificates to trust cannot be used.
    #[error("cannot use the certificates in {}: {why}", path.display())]
    Certificates {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// There is no client.
    #[error(transparent)]
    Client(#[from] BuildError),
    /// The system has no thread for it.
    #[error("cannot start the thread that writes: {0}")]
    Thread(io::Error),
}

/// Opens everything, and changes nothing before all of it could be opened that may be wrong. Blocks.
pub(crate) fn open(config: &Config, workers: Handle) -> Result<Opened, StartError> {
    let (input, is_stream): (Box<dyn BufRead + Send>, _) = match &config.urls {
        None => (Box::new(BufReader::new(io::stdin())), true),
        Some(path) => {
            let error = |source| StartError::Urls { path: path.clone(), source };
            let file = File::open(path).map_err(error)?;
            let metadata = file.metadata().map_err(error)?;
            if metadata.is_dir() {
                return Err(error(io::ErrorKind::IsADirectory.into()));
            }
            (Box::new(BufReader::with_capacity(1 << 16, file)), !metadata.is_file())
        }
    };
    let (mut journal, past) = match &config.journal {
        None => (None, Past::default()),
        Some(path) => {
            let (journal, past) = Journal::open(path)?;
            (Some(journal), past)
        }
    };
    each_has_its_own(config)?;
    let results = results(config);
    if let (Some(path), Some(before)) = (&config.journal, past.results())
        && past.answered() > 0
        && before != results
    {
        let (journal, before) = (path.clone(), before.to_owned());
        return Err(StartError::OtherResults { journal, answered: past.answered(), before, results });
    }
    // Reads certificates, and so blocks, too.
    let client = client(config, &past, workers)?;
    let lines = match &config.lines {
        LinesTo::File(path) => Lines::file(path, past.is_resumed())?,
        LinesTo::Stdout => Lines::stdout(),
        LinesTo::Nowhere => Lines::nowhere(),
    };
    let jsonl = if let LinesTo::File(path) = &config.lines { Some(path) } else { None };
    let own = [config.urls.as_ref(), config.journal.as_ref(), jsonl, config.cacert.as_ref()];
    let own: Vec<_> = own.into_iter().flatten().map(PathBuf::as_path).collect();
    let folder = config.out.as_deref().map(|path| Folder::open(path, journal.is_some(), &own)).transpose()?;
    // Last: from here on there was a run, which may be resumed.
    if let Some(journal) = &mut journal {
        journal.begin(&past, &results)?;
    }
    Ok(Opened { input, is_stream, journal, past, folder: folder.map(Arc::new), lines, client })
}

fn client(config: &Config, past: &Past, workers: Handle) -> Result<Client, StartError> {
    let mut builder = Client::builder()
        .rate(config.rate)
        .burst(config.burst)
        .concurrency(config.concurrency)
        .timeout(config.timeout)
        .max_wait(config.max_wait)
        .refused_when(config.refused_when.iter().copied())
        .max_body(config.max_body)
        .classes(config.classes.clone())
        .allow_private_redirects(config.allow_private)
        .workers(workers);
    builder = match config.proxy.clone() {
        Some(proxy) => builder.connections(move |http| http.proxy(proxy.clone())),
        None => builder.proxies_of_environment(true),
    };
    if let Some(retries) = config.retries {
        builder = builder.retries(retries);
    }
    let unusable = |path: &PathBuf, why| StartError::Certificates { path: path.clone(), why };
    if let Some(path) = &config.cacert {
        builder = builder.trust(std::fs::read(path).map_err(|error| unusable(path, error.to_string()))?);
    }
    let built = past.rates().fold(builder, |builder, (host, rate)| builder.seed_rate(host, rate)).build();
    built.map_err(|error| match (error, &config.cacert) {
        (BuildError::Trust(why), Some(path)) => unusable(path, why),
        (error, _) => error.into(),
    })
}

/// Where results go, as a journal has it. Links stay as they are given: whoever moves one means it.
fn results(config: &Config) -> String {
    let whole = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
    let lines = match &config.lines {
        LinesTo::File(path) => Some(whole(path).display().to_string()),
        LinesTo::Stdout => Some("standard output".to_owned()),
        LinesTo::Nowhere => None,
    };
    let folder = config.out.as_ref().map(|path| whole(path).display().to_string());
    lines.into_iter().chain(folder).collect::<Vec<_>>().join(" and ")
}

/// The requests, the journal and the results are files of their own, whatever they are called. A journal is there by now.
fn each_has_its_own(config: &Config) -> Result<(), StartError> {
    let results = if let LinesTo::File(path) = &config.lines { Some(path) } else { None };
    let of = |path: &PathBuf| path.metadata().ok().map(|file| (file.dev(), file.ino()));
    let files = [config.urls.as_ref(), config.journal.as_ref(), results].into_iter().flatten();
    let files: Vec<_> = files.filter_map(|path| Some((path, of(path)?))).collect();
    for (at, (path, file)) in files.iter().enumerate() {
        if let Some((other, _)) = files[..at].iter().find(|(_, other)| other == file) {
            return Err(StartError::SameFile { files: [(*other).clone(), (*path).clone()] });
        }
    }
    Ok(())
}

/// Reads on a thread of its own, which nobody waits for if it waits for standard input.
pub(crate) fn read(
    input: Box<dyn BufRead + Send>,
    class_field: Option<String>,
) -> (Receiver<Line>, JoinHandle<Result<(), ReadError>>) {
    let (tx, rx) =
        forebay::queue::builder().capacity(1024).max_weight(MOST_WAITING).weigher(Line::weight).build();
    (rx, spawn_blocking(move || input::read(input, class_field.as_deref(), &tx)))
}

/// Counts the lines of a file beside its reading, if somebody wants to know.
pub(crate) fn count(config: &Config, observer: &dyn Observer) -> JoinHandle<Option<u64>> {
    let path = config.urls.clone().filter(|_| observer.is_watched());
    spawn_blocking(move || input::count(&path?).ok().flatten())
}
