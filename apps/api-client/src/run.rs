//! A run: from lines of requests to a report.
//!
//! ```text
//! reader thread ─▶ queue ─▶ a task for each request in hand ─▶ scribe thread
//! file or stdin    8 MiB    the client, which writes a start   results, then
//!                           when it sends; the body's file     the journal
//! ```
//!
//! So much is in hand as the client makes use of, and a little more; long lines have a bound of their own.

use std::collections::HashMap;
use std::future::pending;
use std::mem::take;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use forebay::queue::Receiver;
use forebay_program::fault;
use tokio::runtime::Handle;
use tokio::select;
use tokio::task::{self, JoinHandle, JoinSet, spawn_blocking};
use tokio::time::{MissedTickBehavior, interval};

use crate::HostStats;
use crate::config::Config;
use crate::fetch::{self, Desk, End, Fatal};
use crate::headers::{Headers, host_of};
use crate::input::{Job, Line, ReadError};
use crate::journal::{Past, Record};
pub use crate::opening::StartError;
use crate::opening::{self, Opened};
use crate::progress::{Meter, Progress};
use crate::report::{Ended, Named, Report};
use crate::room::Room;
use crate::scribe::{self, Scribe, ScribeError, Written};

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

/// So many bytes of bodies that become lines may be in memory, and one body beyond that.
const MOST_OF_BODIES: u32 = 64 << 20;
/// How often the run looks at the client.
const LOOK: Duration = Duration::from_millis(50);
/// Requests beside those in flight, for each host, so that none ever waits for the next look.
const AHEAD: usize = 64;
/// So many lines are taken from the queue at once, if they are there.
const AT_ONCE: usize = 64;
/// The most that is in hand.
const MOST_IN_HAND: usize = 1024;
/// So long after one batch of results comes the next at the soonest: each wakes the scribe, and then that wakes this.
const PACE: Duration = Duration::from_millis(5);
/// A batch of so many need not wait.
const ENOUGH: usize = 256;
/// So many bytes of requests are in hand, and the one that comes on top of them.
const MOST_OF_REQUESTS: usize = 64 << 20;

/// A run while it goes.
struct Run<'a> {
    config: &'a Config,
    desk: Arc<Desk>,
    headers: Headers,
    past: Past,
    tasks: JoinSet<fetch::Ended>,
    begun: HashMap<task::Id, Begun>,
    /// What is in hand, in bytes.
    weight: usize,
    /// Ended, and not with the scribe yet.
    ended: Vec<Settled>,
    /// With the scribe. One batch at a time, and what ends meanwhile is the next one: so the faster they end, the more are written at
    /// once.
    batch: Option<Batch>,
    /// From when on the next one may be small.
    next_batch: Instant,
    report: Report,
    observer: &'a dyn Observer,
    is_stopping: bool,
    /// Of the input nobody knows the rest, and it may never end.
    is_stream: bool,
    has_held_back: bool,
    /// What the journal knows of each host.
    recorded: HashMap<String, f64>,
}

/// A request that has a task.
struct Begun {
    job: Arc<Job>,
    /// In bytes, as it counts among what is in hand.
    weight: usize,
    /// An earlier run was cut off while it was in flight.
    was_in_flight: bool,
}

/// A request that has ended, and counts when what there is of it is written.
struct Settled {
    begun: Begun,
    ended: fetch::Ended,
}

struct Batch {
    settled: Vec<Settled>,
    written: Written,
}

/// Requests all that `config` names, until `stop` completes: then what is in flight is finished.
///
/// What is short is done by the runtime in which it is called, best one of a single thread: to hand a short answer to another thread takes
/// longer than to go on with it. Long bodies go on in `workers`, a runtime with threads of its own.
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
    workers: &Handle,
    stop: impl Future<Output = ()>,
    observer: Arc<dyn Observer>,
) -> Result<Report, StartError> {
    let started = Instant::now();
    let mut stop = pin!(stop);
    // A named pipe waits for whoever has its other end.
    let mut opening = spawn_blocking({
        let (config, workers) = (config.clone(), workers.clone());
        move || opening::open(&config, workers)
    });
    let opened = select! {
        opened = &mut opening => opened.expect("opening does not panic")?,
        () = &mut stop => {
            let mut report = Report::default();
            report.stopped_by("it was stopped before all that it needs was open; nothing was sent".to_owned());
            report.complete(&[], started.elapsed());
            return Ok(report);
        }
    };
    let Opened { input, is_stream, journal, past, folder, lines, client } = opened;
    let scribe = Scribe::start(lines, journal, folder.clone()).map_err(StartError::Thread)?;
    let (lines, reading) = opening::read(input, config.class_field.clone());
    let total = opening::count(config, &*observer);

    // What runs have repeated that were cut off themselves, so that nobody was told.
    let repeated = past.repeated().map(Named::again).collect();
    let mut run = Run {
        config,
        desk: Arc::new(Desk { client, pen: scribe.pen(), folder, room: Room::new(MOST_OF_BODIES) }),
        headers: Headers::new(config.headers.clone()),
        recorded: past.rates().map(|(host, rate)| (host.to_owned(), rate)).collect(),
        past,
        tasks: JoinSet::new(),
        begun: HashMap::new(),
        weight: 0,
        ended: Vec::new(),
        batch: None,
        next_batch: started,
        report: Report { repeated, ..Report::default() },
        observer: &*observer,
        is_stopping: false,
        is_stream,
        has_held_back: false,
    };
    run.go(lines, reading, stop, total).await;
    let hosts = run.desk.client.hosts();
    run.learn(&hosts).await;
    for unmet in run.headers.unmet().filter(|_| run.report.requests > 0) {
        run.observer.notice(&format!("--header {unmet} was not sent: there was no request to that host"));
    }
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

/// The scribe's answer to a batch; without one, there never is any.
async fn written(batch: &mut Option<Batch>) -> Result<(), ScribeError> {
    match batch {
        Some(batch) => scribe::answer(&mut batch.written).await,
        None => pending().await,
    }
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
        // As many lines at once as there are: the reader is not woken for each.
        let (mut coming, mut come) = (Vec::new(), Vec::new().into_iter());
        loop {
            while (self.is_stopping || self.has_room(most))
                && let Some(line) = come.next()
            {
                self.line(line);
            }
            let has_all_come = come.as_slice().is_empty();
            if is_read && has_all_come && self.in_hand() == 0 {
                break;
            }
            select! {
                () = &mut stop, if !self.is_stopping => {
                    self.report.ended = Ended::Stopped;
                    self.stop();
                }
                count = lines.recv_many(&mut coming, AT_ONCE),
                    if !is_read && has_all_come && (self.is_stopping || self.has_room(most)) =>
                {
                    is_read = count == 0;
                    come = take(&mut coming).into_iter();
                }
                Some(ended) = self.tasks.join_next_with_id() => self.end(ended),
                written = written(&mut self.batch) => self.settle(written),
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
            is_read |= self.is_stopping && self.is_stream;
            self.write().await;
        }
        drop(lines);
        if !(self.is_stopping && self.is_stream)
            && let Err(error) = reading.await.expect("reading does not panic")
        {
            self.report.stopped_by(format!("{}: {error}", self.input()));
        }
    }

    fn line(&mut self, line: Line) {
        match line {
            Line::Job(job) => self.begin(job.into()),
            Line::Bad { line, error } => {
                self.report.bad_lines += 1;
                self.observer.bad_line(&self.place(line), &error.to_string());
            }
        }
    }

    fn begin(&mut self, job: Arc<Job>) {
        fault::point("panic-in-run");
        self.report.requests += 1;
        self.headers.meet(&job);
        let mut was_in_flight = false;
        let key = self.desk.pen.has_journal().then(|| job.key());
        if let Some(key) = key {
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
        let desk = Arc::clone(&self.desk);
        let weight = job.weight_in_hand();
        self.weight += weight;
        let begun = Begun { job: Arc::clone(&job), weight, was_in_flight };
        // Large, and it would be copied several times on its way into a task.
        let fetch = Box::pin(async move { desk.fetch(&job, key, request).await });
        let task = self.tasks.spawn(fetch);
        self.begun.insert(task.id(), begun);
    }

    fn end(&mut self, ended: Result<(task::Id, fetch::Ended), task::JoinError>) {
        let id = ended.as_ref().map_or_else(task::JoinError::id, |(id, _)| *id);
        let begun = self.begun.remove(&id).expect("every task was noted when it was spawned");
        let mut ended = match ended {
            Ok((_, ended)) => ended,
            Err(error) => {
                let why = format!("{error}; this is a fault in api-client, please report it");
                fetch::Ended { attempts: 1, ..fetch::Ended::of(End::Failed { kind: "panic", why }) }
            }
        };
        self.fatal(ended.fatal.take());
        self.ended.push(Settled { begun, ended });
    }

    /// Hands what has ended to the scribe, unless it has something.
    async fn write(&mut self) {
        // What else has ended comes along.
        while let Some(ended) = self.tasks.try_join_next_with_id() {
            self.end(ended);
        }
        if self.batch.is_some() || self.ended.is_empty() {
            return;
        }
        // Nothing waits for others to end: it is handed over at the next look at the latest. And where a run may be resumed, nothing waits
        // at all, since what is not recorded would be sent again.
        let may_wait = self.ended.len() < ENOUGH && !self.tasks.is_empty() && !self.desk.pen.has_journal();
        let now = Instant::now();
        if may_wait && now < self.next_batch {
            return;
        }
        self.next_batch = now + PACE;
        let mut settled = take(&mut self.ended);
        let results = settled.iter_mut().filter_map(|one| one.ended.papers.result.take()).collect();
        let records = settled.iter_mut().map(|one| take(&mut one.ended.papers.record)).collect();
        let unrecorded: Vec<_> =
            settled.iter_mut().filter_map(|one| one.ended.papers.unrecorded.take()).collect();
        let written = self.desk.pen.write(results, records).await;
        // Whoever gets one of these places is recorded after this, and sent after that.
        drop(unrecorded);
        self.batch = Some(Batch { settled, written });
    }

    /// All of the batch is written, or none of it can be said to be.
    fn settle(&mut self, written: Result<(), ScribeError>) {
        let batch = self.batch.take().expect("it was written");
        // The reader of the results went away, and is told nothing more about them.
        let has_reader = !written.as_ref().is_err_and(ScribeError::is_reader_gone);
        for Settled { begun: Begun { job, weight, was_in_flight }, ended } in batch.settled {
            self.weight -= weight;
            self.report.refused += u64::from(ended.refused);
            self.report.not_retried += u64::from(ended.out_of_budget);
            if was_in_flight && ended.attempts > 0 {
                self.report.repeated.push(Named::of(&job));
            }
            match ended.end {
                End::Answered { status, replaced } if written.is_ok() => {
                    self.report.answered += 1;
                    *self.report.by_status.entry(status).or_default() += 1;
                    if replaced {
                        self.report.replaced_by(&job);
                    }
                }
                End::Answered { .. } => {
                    let why = "it was answered, but the result cannot be written".to_owned();
                    if has_reader {
                        self.observer.failed(&Named::of(&job), &why);
                    }
                    self.report.failed(Named::of(&job), "store", why);
                }
                End::NotStarted => self.report.not_started += 1,
                End::Failed { kind, why } => self.failed(&job, kind, why),
            }
        }
        self.fatal(written.err().map(Fatal::Scribe));
    }

    fn failed(&mut self, job: &Job, kind: &'static str, why: String) {
        let named = Named::of(job);
        self.observer.failed(&named, &why);
        self.report.failed(named, kind, why);
    }

    /// Whether another may begin, where so many tasks are of use.
    fn has_room(&self, most: usize) -> bool {
        self.tasks.len() < most && self.in_hand() < MOST_IN_HAND && self.weight < MOST_OF_REQUESTS
    }

    /// How many requests have begun and do not count yet.
    fn in_hand(&self) -> usize {
        self.tasks.len() + self.ended.len() + self.batch.as_ref().map_or(0, |batch| batch.settled.len())
    }

    /// What has come in the way of all others.
    fn fatal(&mut self, fatal: Option<Fatal>) {
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
        for (host, limit) in hosts.iter().filter_map(|host| Some((&host.host, host.found?))) {
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
