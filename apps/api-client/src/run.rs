//! A run: from lines of requests to a report.
//!
//! ```text
//! reader thread ─▶ queue ─▶ a task for each request in hand ─▶ scribe thread
//! file or stdin    8 MiB    the client, which writes a start   results, then
//!                           when it sends; the body's file     the journal
//! ```
//!
//! So much is in hand as the client makes use of, and a little more.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use forebay::queue::Receiver;
use tokio::select;
use tokio::task::{self, JoinHandle, JoinSet, spawn_blocking};
use tokio::time::{MissedTickBehavior, interval};

use crate::config::{Config, LinesTo};
use crate::fetch::{self, Desk, End, Fatal};
use crate::headers::{Headers, host_of};
use crate::input::{self, Job, Line, ReadError};
use crate::journal::{Journal, JournalError, Past, Record};
use crate::output::{Folder, FolderError, Lines, LinesError};
use crate::progress::{Meter, Progress};
use crate::report::{Ended, Named, Report};
use crate::room::Room;
use crate::scribe::Scribe;
use crate::{BuildError, Client, HostStats};

/// What a run tells while it goes, each with nothing to do by default.
///
/// Called on the runtime's threads: what takes long here holds up the run.
pub trait Observer: Send + Sync + 'static {
    /// Whether [`progress`](Self::progress) has a reader, for whom the lines of the input are worth counting.
    fn is_watched(&self) -> bool {
        false
    }

    /// How far it is, ten times a second.
    fn progress(&self, _progress: &Progress) {}

    /// Something a person may want to know; nothing is wrong.
    fn notice(&self, _notice: &str) {}

    /// A line of the input is no request: `place` is its file and line.
    fn bad_line(&self, _place: &str, _reason: &str) {}

    /// There is no answer to a request, and why.
    fn failed(&self, _request: &Named, _reason: &str) {}
}

/// The observer that looks away.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Observer for Silent {}

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

/// So many bytes of requests may wait.
const MOST_WAITING: usize = 8 << 20;
/// So many bytes of bodies that become lines may be in memory, and one body beyond that.
const MOST_OF_BODIES: u32 = 64 << 20;
/// How often the run looks at the client.
const LOOK: Duration = Duration::from_millis(50);
/// Requests beside those in flight, for each host, so that none ever waits for the next look.
const AHEAD: usize = 16;
/// The most tasks.
const MOST_IN_HAND: usize = 1024;

/// What is opened before anything is sent.
struct Opened {
    input: Box<dyn BufRead + Send>,
    journal: Option<Journal>,
    past: Past,
    folder: Option<Arc<Folder>>,
    lines: Lines,
    client: Client,
}

/// A run while it goes.
struct Run<'a> {
    config: &'a Config,
    desk: Arc<Desk>,
    headers: Headers,
    past: Past,
    tasks: JoinSet<fetch::Ended>,
    named: HashMap<task::Id, Begun>,
    report: Report,
    observer: &'a dyn Observer,
    is_stopping: bool,
    has_held_back: bool,
    /// What the journal knows of each host.
    recorded: HashMap<String, f64>,
}

/// A request that has a task.
struct Begun {
    named: Named,
    /// An earlier run was cut off while it was in flight.
    was_in_flight: bool,
}

/// Requests all that `config` names, until `stop` completes: then what is in flight is finished.
///
/// Must be called in a multi-thread tokio runtime.
///
/// # Errors
///
/// [`StartError`]; what happens later is in the [`Report`].
///
/// # Cancel safety
///
/// Dropped, it is cut off as by `kill -9`.
pub async fn run(
    config: &Config,
    stop: impl Future<Output = ()>,
    observer: Arc<dyn Observer>,
) -> Result<Report, StartError> {
    let started = Instant::now();
    let opening = spawn_blocking({
        let config = config.clone();
        move || open(&config)
    });
    let Opened { input, journal, past, folder, lines, client } =
        opening.await.expect("opening does not panic")?;
    let scribe = Scribe::start(lines, journal, folder.clone()).map_err(StartError::Thread)?;
    let (lines, reading) = read(input, config.class_field.clone());
    let total = count(config, &*observer);

    // What runs have repeated that were cut off themselves, so that nobody was told.
    let repeated = past.repeated().map(Named::again).collect();
    let mut run = Run {
        config,
        desk: Arc::new(Desk { client, pen: scribe.pen(), folder, room: Room::new(MOST_OF_BODIES) }),
        headers: Headers::new(config.headers.clone()),
        recorded: past.rates().map(|(host, rate)| (host.to_owned(), rate)).collect(),
        past,
        tasks: JoinSet::new(),
        named: HashMap::new(),
        report: Report { repeated, ..Report::default() },
        observer: &*observer,
        is_stopping: false,
        has_held_back: false,
    };
    run.go(lines, reading, stop, total).await;
    let hosts = run.desk.client.hosts();
    run.learn(&hosts).await;
    // As above.
    let _ = run.desk.pen.record(&Record::Reported {}).await;
    let Run { desk, mut report, .. } = run;
    drop(desk);
    let finished = spawn_blocking(|| scribe.finish()).await.expect("the scribe does not panic");
    if let Err(error) = finished
        && !error.is_reader_gone()
    {
        report.stopped_by(error.to_string());
    }
    report.complete(&hosts, started.elapsed());
    Ok(report)
}

/// Opens everything, and changes nothing before all of it could be opened that may be wrong. Blocks.
fn open(config: &Config) -> Result<Opened, StartError> {
    let input: Box<dyn BufRead + Send> = match &config.urls {
        None => Box::new(BufReader::new(io::stdin())),
        Some(path) => {
            let error = |source| StartError::Urls { path: path.clone(), source };
            let file = File::open(path).map_err(error)?;
            if file.metadata().map_err(error)?.is_dir() {
                return Err(error(io::ErrorKind::IsADirectory.into()));
            }
            Box::new(BufReader::with_capacity(1 << 16, file))
        }
    };
    let (mut journal, past) = match &config.journal {
        None => (None, Past::default()),
        Some(path) => {
            let (journal, past) = Journal::open(path)?;
            (Some(journal), past)
        }
    };
    // Reads certificates, and so blocks, too.
    let client = client(config, &past)?;
    let lines = match &config.lines {
        LinesTo::File(path) => Lines::file(path, past.is_resumed())?,
        LinesTo::Stdout => Lines::stdout(),
        LinesTo::Nowhere => Lines::nowhere(),
    };
    let folder = config.out.as_deref().map(|path| Folder::open(path, journal.is_some())).transpose()?;
    // Last: from here on there was a run, which may be resumed.
    if let Some(journal) = &mut journal {
        journal.begin(&past)?;
    }
    Ok(Opened { input, journal, past, folder: folder.map(Arc::new), lines, client })
}

fn client(config: &Config, past: &Past) -> Result<Client, StartError> {
    let mut builder = Client::builder()
        .rate(config.rate)
        .burst(config.burst)
        .concurrency(config.concurrency)
        .timeout(config.timeout)
        .max_wait(config.max_wait)
        .refused_when(config.refused_when.iter().copied())
        .max_body(config.max_body)
        .classes(config.classes.clone())
        .allow_private_redirects(config.allow_private);
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

/// Reads on a thread of its own, which nobody waits for if it waits for standard input.
fn read(
    input: Box<dyn BufRead + Send>,
    class_field: Option<String>,
) -> (Receiver<Line>, JoinHandle<Result<(), ReadError>>) {
    let (tx, rx) =
        forebay::queue::builder().capacity(1024).max_weight(MOST_WAITING).weigher(Line::weight).build();
    (rx, spawn_blocking(move || input::read(input, class_field.as_deref(), &tx)))
}

/// Counts the lines of a file beside its reading, if somebody wants to know.
fn count(config: &Config, observer: &dyn Observer) -> JoinHandle<Option<u64>> {
    let path = config.urls.clone().filter(|_| observer.is_watched());
    spawn_blocking(move || input::count(&path?).ok().flatten())
}

// === impl Run ===

impl Run<'_> {
    async fn go(
        &mut self,
        mut lines: Receiver<Line>,
        reading: JoinHandle<Result<(), ReadError>>,
        stop: impl Future<Output = ()>,
        mut total: JoinHandle<Option<u64>>,
    ) {
        let mut stop = pin!(stop);
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut meter = Meter::new();
        // Who is first is decided among those in hand, so where there are classes there are many.
        let least = if self.config.class_field.is_some() { MOST_IN_HAND } else { AHEAD };
        let (mut most, mut is_read, mut is_counted) = (least, false, false);
        while !(is_read && self.tasks.is_empty()) {
            select! {
                () = &mut stop, if !self.is_stopping => {
                    self.report.ended = Ended::Stopped;
                    self.stop();
                }
                line = lines.recv(), if !is_read && (self.is_stopping || self.tasks.len() < most) => match line {
                    Some(Line::Job(job)) => self.begin(*job),
                    Some(Line::Bad { line, error }) => {
                        self.report.bad_lines += 1;
                        self.observer.bad_line(&self.place(line), &error.to_string());
                    }
                    None => is_read = true,
                },
                Some(ended) = self.tasks.join_next_with_id() => self.end(ended),
                counted = &mut total, if !is_counted => {
                    is_counted = true;
                    meter.total(counted.ok().flatten());
                }
                _ = look.tick() => {
                    let hosts = self.desk.client.hosts();
                    let in_flight: usize = hosts.iter().map(|host| host.in_flight).sum();
                    most = (2 * in_flight + AHEAD * hosts.len().max(1)).clamp(least, MOST_IN_HAND);
                    self.learn(&hosts).await;
                    if let Some(progress) = meter.look(&self.report, &hosts) {
                        self.observer.progress(&progress);
                    }
                }
            }
            // Of standard input nobody knows the rest, and it may never end.
            is_read |= self.is_stopping && self.config.urls.is_none();
        }
        drop(lines);
        if !(self.is_stopping && self.config.urls.is_none())
            && let Err(error) = reading.await.expect("reading does not panic")
        {
            self.report.stopped_by(format!("{}: {error}", self.input()));
        }
    }

    fn begin(&mut self, job: Job) {
        self.report.requests += 1;
        let mut was_in_flight = false;
        if self.desk.pen.has_journal() {
            let key = job.key();
            if self.past.take_answered(key) {
                self.report.answered_before += 1;
                return;
            }
            was_in_flight = !self.is_stopping && self.past.take_unfinished(key);
        }
        if self.is_stopping {
            self.report.not_started += 1;
            return;
        }
        let (request, held_back) = self.headers.request(&job);
        if held_back && !self.has_held_back {
            self.has_held_back = true;
            let host = host_of(&job.url);
            self.observer.notice(&format!(
                "credentials of --header go to the first request's host only, and not to {host}; name it, as in -H 'Authorization@{host}: …'"
            ));
        }
        let (desk, named) = (Arc::clone(&self.desk), Named::of(&job));
        let task = self.tasks.spawn(async move { desk.fetch(&job, request).await });
        self.named.insert(task.id(), Begun { named, was_in_flight });
    }

    fn end(&mut self, ended: Result<(task::Id, fetch::Ended), task::JoinError>) {
        let id = ended.as_ref().map_or_else(task::JoinError::id, |(id, _)| *id);
        let Begun { named, was_in_flight } =
            self.named.remove(&id).expect("every task was named when it was spawned");
        let fetch::Ended { end, attempts, refused, fatal } = match ended {
            Ok((_, ended)) => ended,
            Err(error) => {
                let why = format!("{error}; this is a fault in api-client, please report it");
                fetch::Ended { end: End::Failed { kind: "panic", why }, attempts: 1, refused: 0, fatal: None }
            }
        };
        self.report.refused += u64::from(refused);
        if was_in_flight && attempts > 0 {
            self.report.repeated.push(named.clone());
        }
        match end {
            End::Answered { status, replaced } => {
                self.report.answered += 1;
                *self.report.by_status.entry(status).or_default() += 1;
                self.report.replaced += u64::from(replaced);
            }
            End::NotStarted => self.report.not_started += 1,
            End::Failed { kind, why } => {
                self.observer.failed(&named, &why);
                self.report.failed(named, kind, why);
            }
        }
        match fatal {
            Some(Fatal::Scribe(error)) if error.is_reader_gone() => {
                self.report.ended = Ended::Stopped;
                self.stop();
            }
            Some(fatal) => {
                self.report.stopped_by(fatal.to_string());
                self.stop();
            }
            None => {}
        }
    }

    /// Sends nothing more. What is in flight goes on to its end.
    fn stop(&mut self) {
        self.is_stopping = true;
        self.desk.client.close();
    }

    /// Records what was learnt, where it is news.
    async fn learn(&mut self, hosts: &[HostStats]) {
        for (host, limit) in hosts.iter().filter_map(|host| Some((&host.host, host.limit?))) {
            let known = self.recorded.get(host).copied().unwrap_or_default();
            if (limit - known).abs() > 0.02 * known {
                self.recorded.insert(host.clone(), limit);
                let record = Record::Rate { host: host.into(), per_second: limit };
                // A journal that cannot be written is told by whoever has a result for it.
                let _ = self.desk.pen.record(&record).await;
            }
        }
    }

    fn input(&self) -> String {
        self.config
            .urls
            .as_ref()
            .map_or_else(|| "standard input".to_owned(), |path| path.display().to_string())
    }

    fn place(&self, line: u64) -> String {
        format!("{}:{line}", self.input())
    }
}
