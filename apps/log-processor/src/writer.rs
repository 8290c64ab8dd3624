//! The last stage: writes what is kept of each batch, in the order in which they were read, and commits from time
//! to time.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use forebay::pool::Ordered;
use forebay::queue::{Receiver, RecvTimeoutError, Sender};
use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::commit::{CommitError, Committer};
use crate::config::Config;
use crate::input::{BATCH_BYTES, Position, Stopper};
use crate::pipeline::Observer;
use crate::process::{Edges, Processed};
use crate::report::{InputReport, Totals};

/// A batch that a worker is done with.
#[derive(Debug)]
pub(crate) struct Finished {
    /// Which input it came from.
    pub(crate) input: usize,
    /// Whether it begins or ends inside a line.
    pub(crate) edges: Edges,
    /// How many bytes it had.
    pub(crate) length: usize,
    /// Where its input stands behind it.
    pub(crate) end: Arc<Position>,
    /// What became of it, or how the worker panicked.
    pub(crate) outcome: Result<Processed, String>,
}

/// Writes on the thread that calls [`run`](Writer::run).
pub(crate) struct Writer {
    committer: Committer,
    stopper: Stopper,
    observer: Arc<dyn Observer>,
    schedule: Schedule,
    /// Files are never at their end: what a last line without a line end is has been waited for.
    follows: bool,
    /// By the index of the input.
    inputs: Vec<Input>,
    totals: Totals,
    unflushed: Unflushed,
    /// Once set, nothing more is written: what comes is only counted.
    failure: Option<Failure>,
}

/// What the writer did.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) inputs: Vec<InputReport>,
    pub(crate) totals: Totals,
    pub(crate) failure: Option<Failure>,
}

/// Why the run cannot go on.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The output or the state.
    Commit(CommitError),
    /// A fault of this program, contained to its batch.
    Panic { path: String, from: u64, to: u64, panic: String },
    /// A fault of this program: a batch that nobody has heard of again.
    Lost,
}

/// One input, as far as it came through.
#[derive(Debug, Default)]
struct Input {
    report: InputReport,
    /// Whether the line is kept that goes on in the next batch of this input; none if no line does.
    open_line: Option<bool>,
}

/// When to commit.
#[derive(Debug)]
enum Schedule {
    /// Without a state a commit only flushes: that is worth it when there is nothing else to do, so
    /// that whoever reads the output sees what there is.
    WhenIdle,
    /// After so many bytes, or a second, whichever is first.
    Every { bytes: u64, since_bytes: u64, since: Option<Instant> },
}

/// Lines that the output has taken into its buffer and not yet handed to the system: if that fails,
/// they were not written.
#[derive(Debug, Default)]
struct Unflushed {
    /// How many bytes the output was given.
    given: u64,
    /// For each batch where it ends, as a number of bytes given, and how many lines it wrote.
    batches: VecDeque<(u64, u64)>,
}

/// [`Committer::commit`], or [`Committer::finish`] at the end.
type Settle = fn(&mut Committer, &BTreeMap<String, u64>) -> Result<(), CommitError>;

/// The longest time that lines stay uncommitted with a state. A restart after a crash does the work of
/// this time again; each commit costs one small file. What is [urgent](Committer::is_urgent) waits only for what is on its way.
const COMMIT_AFTER: Duration = Duration::from_secs(1);

// === impl Writer ===

impl Writer {
    pub(crate) fn new(
        committer: Committer,
        config: &Config,
        stopper: Stopper,
        observer: Arc<dyn Observer>,
    ) -> Self {
        let schedule = match config.state {
            None => Schedule::WhenIdle,
            Some(_) => Schedule::Every { bytes: config.checkpoint_every, since_bytes: 0, since: None },
        };
        Self {
            committer,
            stopper,
            observer,
            schedule,
            follows: config.follow,
            inputs: Vec::new(),
            totals: Totals::default(),
            unflushed: Unflushed::default(),
            failure: None,
        }
    }

    /// Writes until no more batches come, then commits for the last time.
    ///
    /// Each buffer goes back to the reader through `spare`.
    pub(crate) fn run(
        mut self,
        mut finished: Receiver<Ordered<Finished>>,
        spare: Sender<Vec<u8>>,
    ) -> Written {
        let runtime = Handle::current();
        loop {
            let next = match self.schedule.deadline().filter(|_| self.can_commit()) {
                Some(deadline) => runtime.block_on(finished.recv_deadline(deadline)),
                None => runtime.block_on(finished.recv()).ok_or(RecvTimeoutError::Closed),
            };
            match next {
                Ok(ordered) => {
                    let mut buffer = match ordered {
                        Ordered::Done(batch) => self.take(batch),
                        // Behind it nothing can be written: there would be lines missing in between.
                        _ => {
                            self.fail(Failure::Lost);
                            Vec::new()
                        }
                    };
                    // What was once long is not kept at that size while it waits.
                    if buffer.capacity() > 2 * BATCH_BYTES {
                        buffer = Vec::new();
                    }
                    // It fails only when the reader has ended and wants no more buffers.
                    let _ = spare.try_send(buffer);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(_) => break,
            }
            let is_idle = finished.is_empty();
            if self.schedule.is_due(is_idle) || is_idle && self.committer.is_urgent() {
                self.settle(Committer::commit);
            }
        }
        self.settle(Committer::finish);
        self.totals.not_written += self.unflushed.drop_rest();
        self.totals.bytes_written = self.committer.output().written();
        Written {
            inputs: self.inputs.into_iter().map(|input| input.report).collect(),
            totals: self.totals,
            failure: self.failure,
        }
    }

    /// Deals with the batch that is next in order, and gives back its buffer.
    fn take(&mut self, batch: Finished) -> Vec<u8> {
        self.observer.advanced(batch.length as u64);
        let mut processed = match batch.outcome {
            Ok(processed) => processed,
            Err(panic) => {
                let to = batch.end.offset;
                let from = to.saturating_sub(batch.length as u64);
                self.fail(Failure::Panic { path: batch.end.path.display().to_string(), from, to, panic });
                return Vec::new();
            }
        };
        self.count(batch.input, &batch.end, &processed);

        // A line that goes on over batches shares the fate of its first piece, which only that batch could
        // tell. A run that begins inside a line was not told, and keeps it: see below.
        let input = &mut self.inputs[batch.input];
        let kept = !batch.edges.starts_inside || input.open_line.unwrap_or(true);
        let continued = if kept { 0 } else { processed.continued };
        input.open_line = batch.edges.ends_inside.then(|| processed.kept_last.unwrap_or(kept));
        // The rest of a last line without a line end may still come. The next run cannot take it back if it is
        // long, and must not go on in it if it was dropped.
        let is_unended = !self.follows && batch.end.is_inside() && batch.end.unended.is_none();
        let keeps_last = if batch.edges.starts_inside { kept } else { processed.counts.kept > 0 };
        let inside_a_dropped_line = match input.open_line {
            Some(kept) => !kept,
            None => is_unended && !keeps_last,
        };

        if processed.bytes.len() > continued {
            // Else the first line of this input would be glued to the last one of another, or of who wrote before.
            if self.committer.has_open_line_of_another(batch.input) {
                processed.bytes.insert(continued, b'\n');
            }
        }

        let lines = processed.counts.kept;
        let bytes = &processed.bytes[continued..];
        if self.failure.is_some() {
            self.totals.not_written += lines;
        } else if inside_a_dropped_line {
            // There is nothing to write, and the input's position stays in front of the line: a restart
            // inside of it would keep the rest.
            debug_assert!(
                bytes.is_empty(),
                "a piece of a long line is a batch of its own, and so is a last line"
            );
        } else if let Err(error) = self.committer.write(batch.input, &batch.end, bytes) {
            self.totals.not_written += lines;
            self.fail(Failure::Commit(error));
        } else {
            self.unflushed.add(bytes.len() as u64, lines);
            self.totals.written += self.unflushed.flushed(self.committer.output().written());
            self.schedule.add(batch.length as u64);
        }
        processed.bytes
    }

    /// Settles what was written, if that is possible now.
    fn settle(&mut self, how: Settle) {
        if !self.can_commit() {
            return;
        }
        let counts = self.counts();
        match how(&mut self.committer, &counts) {
            Ok(()) => {
                self.totals.written += self.unflushed.flushed(self.committer.output().written());
                self.schedule.reset();
            }
            Err(error) => self.fail(Failure::Commit(error)),
        }
    }

    /// A failed write leaves nothing to commit; in front of a failed batch all is as it should be.
    fn can_commit(&self) -> bool {
        !matches!(self.failure, Some(Failure::Commit(_)))
    }

    fn count(&mut self, index: usize, end: &Position, processed: &Processed) {
        if index >= self.inputs.len() {
            self.inputs.resize_with(index + 1, Input::default);
        }
        let report = &mut self.inputs[index].report;
        if report.path.is_empty() {
            report.path = end.path.display().to_string();
        }
        report.counts += processed.counts;
        self.totals.read += processed.counts.lines;
        self.totals.filtered += processed.counts.dropped;
        self.totals.bytes_read += processed.counts.bytes;
    }

    /// What this run has done when what is on its way to the system is there, for people who look into a state file:
    /// a commit flushes before it saves.
    fn counts(&self) -> BTreeMap<String, u64> {
        let Totals { read, written, filtered, .. } = self.totals;
        [("read", read), ("written", written + self.unflushed.lines()), ("filtered", filtered)]
            .map(|(name, lines)| (name.to_owned(), lines))
            .into()
    }

    /// Ends the run: the reader stops, and what is on its way is only counted.
    fn fail(&mut self, failure: Failure) {
        self.stopper.stop();
        // The first failure is the reason; later ones follow from it.
        self.failure.get_or_insert(failure);
    }
}

// === impl Failure ===

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Commit(error) => error.fmt(f),
            Failure::Panic { path, from, to, panic } => write!(
                f,
                "a worker failed on bytes {from} to {to} of {path} ({panic}): nothing from there on was \
                 written; this is a fault in log-processor, please report it with those bytes"
            ),
            Failure::Lost => f.write_str(
                "a batch was lost on the way to the output: nothing behind it was written; this is a fault in \
                 log-processor, please report it",
            ),
        }
    }
}

// === impl Schedule ===

impl Schedule {
    /// When to commit if nothing comes before.
    fn deadline(&self) -> Option<Instant> {
        match self {
            Schedule::WhenIdle => None,
            Schedule::Every { since, .. } => since.map(|since| since + COMMIT_AFTER),
        }
    }

    fn is_due(&self, idle: bool) -> bool {
        match self {
            Schedule::WhenIdle => idle,
            Schedule::Every { bytes, since_bytes, since } => {
                since_bytes >= bytes || since.is_some_and(|since| since.elapsed() >= COMMIT_AFTER)
            }
        }
    }

    fn add(&mut self, length: u64) {
        if let Schedule::Every { since_bytes, since, .. } = self {
            *since_bytes += length;
            since.get_or_insert_with(Instant::now);
        }
    }

    fn reset(&mut self) {
        if let Schedule::Every { since_bytes, since, .. } = self {
            *since_bytes = 0;
            *since = None;
        }
    }
}

// === impl Unflushed ===

impl Unflushed {
    fn add(&mut self, bytes: u64, lines: u64) {
        self.given += bytes;
        self.batches.push_back((self.given, lines));
    }

    /// How many lines have reached the system, now that `written` bytes have.
    fn flushed(&mut self, written: u64) -> u64 {
        let mut flushed = 0;
        while let Some((end, lines)) = self.batches.front()
            && *end <= written
        {
            flushed += lines;
            self.batches.pop_front();
        }
        flushed
    }

    /// How many lines there are.
    fn lines(&self) -> u64 {
        self.batches.iter().map(|(_, lines)| lines).sum()
    }

    /// How many lines never will.
    fn drop_rest(&mut self) -> u64 {
        self.batches.drain(..).map(|(_, lines)| lines).sum()
    }
}
