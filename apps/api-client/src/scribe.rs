//! One thread writes results and the journal, so that they are in order and nobody else waits for a disk.
//!
//! What comes together is written together: first all results, then all records. So a record that says "answered" is
//! never there without its result, whenever the process is killed.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use forebay::queue::{Receiver, Sender, bounded};
use forebay_program::fault;
use tokio::sync::oneshot;

use crate::journal::{Journal, Record};
use crate::output::{Folder, Lines, LinesError, Unwritten};

/// The thread, until it is [finished](Scribe::finish).
#[derive(Debug)]
pub(crate) struct Scribe {
    notes: Sender<Note>,
    has_journal: bool,
    thread: JoinHandle<Result<(), ScribeError>>,
}

/// Somebody who has something to write.
#[derive(Debug, Clone)]
pub(crate) struct Pen {
    notes: Sender<Note>,
    has_journal: bool,
}

/// Why nothing can be written any more. Shared: all that wait are told the same.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum ScribeError {
    #[error(transparent)]
    Lines(Arc<LinesError>),
    #[error("cannot write the journal {path}: {source}; mend that, and give the same command to go on")]
    Journal { path: String, source: Arc<std::io::Error> },
    #[error("cannot keep the results: {0}")]
    Folder(Arc<std::io::Error>),
}

#[derive(Debug)]
struct Note {
    /// What becomes lines of results; may be none.
    results: Vec<Unwritten>,
    /// Lines of the journal; may be none.
    records: Vec<Vec<u8>>,
    written: oneshot::Sender<Result<(), ScribeError>>,
}

/// The scribe's answer to a note; see [`answer`].
pub(crate) type Written = oneshot::Receiver<Result<(), ScribeError>>;

struct Desk {
    lines: Lines,
    journal: Option<Journal>,
    folder: Option<Arc<Folder>>,
    synced: Instant,
    /// What is written together.
    buffer: Vec<u8>,
}

/// Whoever writes waits for its end, so more notes than requests in flight do not come.
const MOST_NOTES: usize = 1024;
/// So many bytes are written at once, or one line that is longer.
const TOGETHER: usize = 64 << 10;
/// How often what is written is forced to the disk.
const SYNC: Duration = Duration::from_secs(1);

// === impl Scribe ===

impl Scribe {
    /// Starts the thread.
    pub(crate) fn start(
        lines: Lines,
        journal: Option<Journal>,
        folder: Option<Arc<Folder>>,
    ) -> std::io::Result<Self> {
        let (tx, rx) = bounded(MOST_NOTES);
        let has_journal = journal.is_some();
        let desk =
            Desk { lines, journal, folder, synced: Instant::now(), buffer: Vec::with_capacity(TOGETHER) };
        let thread = thread::Builder::new().name("scribe".to_owned()).spawn(move || desk.work(rx))?;
        Ok(Self { notes: tx, has_journal, thread })
    }

    /// For somebody who writes.
    pub(crate) fn pen(&self) -> Pen {
        Pen { notes: self.notes.clone(), has_journal: self.has_journal }
    }

    /// Waits until all is on the disk. Blocks; the pens must be gone or never written with again.
    pub(crate) fn finish(self) -> Result<(), ScribeError> {
        self.notes.close();
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

// === impl Pen ===

impl Pen {
    /// Whether anybody keeps records.
    pub(crate) fn has_journal(&self) -> bool {
        self.has_journal
    }

    /// Completes when the record, if there is a journal, is with the operating system.
    pub(crate) async fn record(&self, record: &Record<'_>) -> Result<(), ScribeError> {
        if !self.has_journal {
            return Ok(());
        }
        self.record_line(record.line()).await
    }

    /// The same of a record that is a line already, where there is a journal.
    pub(crate) async fn record_line(&self, line: Vec<u8>) -> Result<(), ScribeError> {
        answer(self.write(Vec::new(), vec![line]).await).await
    }

    /// Hands over results and lines of the journal. What comes back has the answer when all of the first and then all of the second
    /// are with the operating system.
    pub(crate) async fn write(&self, results: Vec<Unwritten>, records: Vec<Vec<u8>>) -> Written {
        let (written, end) = oneshot::channel();
        self.notes
            .send(Note { results, records, written })
            .await
            .expect("the scribe works until all who write are done");
        end
    }
}

/// Waits for the scribe's answer.
pub(crate) async fn answer(
    written: impl Future<Output = Result<Result<(), ScribeError>, oneshot::error::RecvError>>,
) -> Result<(), ScribeError> {
    written.await.expect("the scribe answers every note")
}

// === impl Desk ===

impl Desk {
    fn work(mut self, mut notes: Receiver<Note>) -> Result<(), ScribeError> {
        let mut outcome = Ok(());
        while let Some(first) = notes.blocking_recv() {
            let mut batch = vec![first];
            batch.extend(std::iter::from_fn(|| notes.try_recv().ok()));
            // After a failure half a line may be there: whatever is appended to it would be lost with it.
            if outcome.is_ok() {
                outcome = self.write(&batch);
            }
            for note in batch {
                // Who does not wait any more need not know.
                let _ = note.written.send(outcome.clone());
            }
        }
        outcome.and_then(|()| self.sync())
    }

    fn write(&mut self, batch: &[Note]) -> Result<(), ScribeError> {
        if batch.iter().any(|note| !note.results.is_empty()) {
            fault::room("full-results").map_err(|source| LinesError::Write { path: None, source })?;
            let lines = &mut self.lines;
            let results = batch.iter().flat_map(|note| &note.results);
            together(&mut self.buffer, results, Unwritten::append_to, |some| lines.write(some))?;
            fault::point("after-result");
        }
        if let Some(journal) = &mut self.journal
            && batch.iter().any(|note| !note.records.is_empty())
        {
            let records = batch.iter().flat_map(|note| &note.records);
            let append = |record: &Vec<u8>, buffer: &mut Vec<u8>| buffer.extend_from_slice(record);
            let written = fault::room("full-journal")
                .and_then(|()| together(&mut self.buffer, records, append, |some| journal.append(some)));
            written.map_err(|source| journal_error(journal, source))?;
            fault::point("after-record");
        }
        if self.synced.elapsed() >= SYNC { self.sync() } else { Ok(()) }
    }

    /// Results first: the journal must not know more than there is.
    fn sync(&mut self) -> Result<(), ScribeError> {
        let Some(journal) = &mut self.journal else { return Ok(()) };
        self.lines.sync()?;
        if let Some(folder) = &self.folder {
            folder.sync().map_err(|error| ScribeError::Folder(Arc::new(error)))?;
        }
        journal.sync().map_err(|source| journal_error(journal, source))?;
        self.synced = Instant::now();
        Ok(())
    }
}

/// Writes lines together, as many at once as are there, up to a bound.
fn together<'a, T: 'a, E>(
    buffer: &mut Vec<u8>,
    parts: impl Iterator<Item = &'a T>,
    append: impl Fn(&T, &mut Vec<u8>),
    mut write: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        append(part, buffer);
        if buffer.len() >= TOGETHER || parts.peek().is_none() {
            let written = if buffer.is_empty() { Ok(()) } else { write(buffer) };
            buffer.clear();
            // What a long line needed is not kept for all that follow.
            buffer.shrink_to(2 * TOGETHER);
            written?;
        }
    }
    Ok(())
}

fn journal_error(journal: &Journal, source: std::io::Error) -> ScribeError {
    ScribeError::Journal { path: journal.path().display().to_string(), source: Arc::new(source) }
}

impl From<LinesError> for ScribeError {
    fn from(error: LinesError) -> Self {
        Self::Lines(Arc::new(error))
    }
}

impl ScribeError {
    /// Nobody reads the results any more: there is nothing to complain of.
    pub(crate) fn is_reader_gone(&self) -> bool {
        matches!(self, Self::Lines(error) if matches!(**error, LinesError::ReaderGone))
    }
}
