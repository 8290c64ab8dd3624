//! The thread that writes, and what it tells at its end.

use std::fmt;
use std::io::{self, Write};
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use forebay::queue::{Receiver, Sender};

use super::{ByLevel, LEVELS, Line, moment};
use crate::level::Level;
use crate::record::{Record, Value};
use crate::render::{self, Piece};

/// How many lines are written at once: as many an urgent line may find on their way before it.
pub(super) const AT_ONCE: usize = 64;

/// What was shed is told no more often than this: under overload, lines about it must not add to it.
const TELL_AFTER: Duration = Duration::from_secs(1);

/// The thread that writes. Dropped, or told to [`finish`](Self::finish), it writes what waits and ends; what is logged after
/// that is refused. Both block until it is done.
#[must_use = "dropped, it ends the logging"]
pub struct Writing {
    lines: Sender<Line, ByLevel>,
    refused: Arc<AtomicU64>,
    thread: Option<JoinHandle<Written>>,
}

/// What became of the lines: logged = written + shed + lost.
///
/// ```
/// use log_processor::level::Level;
/// use log_processor::logger::{Logger, LoggerOptions};
///
/// let (logger, writing) = Logger::start(std::io::sink(), LoggerOptions::default())?;
/// (0..100).for_each(|n| logger.log(Level::Debug, format!("step {n}")));
/// let report = writing.finish();
/// assert_eq!(report.written + report.shed_in_all() + report.lost, 100);
/// assert!(report.error.is_none());
/// # Ok::<_, std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct LoggerReport {
    /// Lines that were written, without those about shedding.
    pub written: u64,
    /// Lines of each level that gave way to more urgent or older ones, the most urgent level first.
    pub shed: [(Level, u64); LEVELS.len()],
    /// Lines that were longer than all that may wait, logged after the end, or not written since the output failed.
    pub lost: u64,
    /// Why the output could not be written any more.
    pub error: Option<io::Error>,
}

/// What the thread knows at its end.
pub(super) struct Written {
    written: u64,
    /// Taken to be written when the output failed.
    lost: u64,
    error: Option<io::Error>,
}

/// How many lines of each level were shed.
type Shed = [u64; LEVELS.len()];

/// Lines on their way to the output.
struct Out<W> {
    output: W,
    text: Vec<u8>,
    /// How much of what was shed has been told.
    told: Shed,
    told_at: Option<Instant>,
}

// === impl Writing ===

impl Writing {
    pub(super) fn new(
        lines: Sender<Line, ByLevel>,
        refused: Arc<AtomicU64>,
        thread: JoinHandle<Written>,
    ) -> Self {
        Self { lines, refused, thread: Some(thread) }
    }

    /// Writes what waits, ends the logging, and tells what became of all lines. Blocks.
    pub fn finish(mut self) -> LoggerReport {
        let ended = self.end();
        let Written { written, lost, error } = ended.unwrap_or_else(|| Written {
            written: 0,
            lost: 0,
            error: Some(io::Error::other("the output panicked")),
        });
        let shed = shed(&self.lines.class_stats());
        let lost = lost + self.lines.stats().returned + self.refused.load(Ordering::Relaxed);
        LoggerReport { written, shed: std::array::from_fn(|at| (LEVELS[at], shed[at])), lost, error }
    }

    fn end(&mut self) -> Option<Written> {
        self.lines.close();
        self.thread.take()?.join().ok()
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for Writing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writing").field("lines", &self.lines).finish_non_exhaustive()
    }
}

// === impl LoggerReport ===

impl LoggerReport {
    /// Lines of all levels that were shed.
    pub fn shed_in_all(&self) -> u64 {
        self.shed.iter().map(|(_, lines)| lines).sum()
    }
}

// === impl Out ===

impl<W: Write> Out<W> {
    /// Writes what is in `lines`, and what was shed meanwhile.
    fn write(&mut self, lines: &mut Vec<Line>, waiting: &Receiver<Line, ByLevel>) -> io::Result<()> {
        for line in lines.iter() {
            render(line.logged, line.level, &[("message", &line.message)], &mut self.text);
        }
        let is_due = self.told_at.is_none_or(|told| told.elapsed() >= TELL_AFTER);
        if is_due && waiting.stats().dropped > self.told.iter().sum() {
            self.tell(shed(&waiting.class_stats()));
        }
        self.flush()?;
        lines.clear();
        Ok(())
    }

    /// Renders a line about what was shed since the last one.
    fn tell(&mut self, shed: Shed) {
        let before = mem::replace(&mut self.told, shed);
        let counts: Vec<_> = LEVELS
            .iter()
            .zip(shed.iter().zip(before))
            .filter(|(_, (now, before))| **now > *before)
            .map(|(level, (now, before))| (level.name(), (now - before).to_string()))
            .collect();
        let counts = counts.iter().map(|(level, lines)| (*level, lines.as_str()));
        let fields: Vec<_> = [("message", "lines shed")].into_iter().chain(counts).collect();
        render(SystemTime::now(), Level::Warn, &fields, &mut self.text);
        self.told_at = Some(Instant::now());
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.write_all(&self.text)?;
        self.text.clear();
        self.output.flush()
    }
}

/// Writes until nobody logs any more, or the output fails.
pub(super) fn write(mut waiting: Receiver<Line, ByLevel>, output: impl Write) -> Written {
    let mut out = Out { output, text: Vec::new(), told: Shed::default(), told_at: None };
    let mut written = Written { written: 0, lost: 0, error: None };
    let mut lines = Vec::with_capacity(AT_ONCE);
    while let Some(line) = waiting.blocking_recv() {
        lines.push(line);
        let more = std::iter::from_fn(|| waiting.try_recv().ok());
        lines.extend(more.take(AT_ONCE - 1));
        let count = lines.len() as u64;
        if let Err(error) = out.write(&mut lines, &waiting) {
            return Written { lost: count, error: Some(error), ..written };
        }
        written.written += count;
    }
    let shed = shed(&waiting.class_stats());
    if shed != out.told {
        out.tell(shed);
        written.error = out.flush().err();
    }
    written
}

fn shed(classes: &[forebay::queue::ClassStats]) -> Shed {
    std::array::from_fn(|at| classes[at].displaced)
}

/// One logfmt line.
fn render(logged: SystemTime, level: Level, fields: &[(&str, &str)], text: &mut Vec<u8>) {
    let time = moment::utc(logged);
    let mut record = Record::default();
    record.push("time", Value::Text(&time));
    record.push("level", Value::Text(level.name()));
    fields.iter().for_each(|(name, value)| record.push(*name, Value::Text(value)));
    render::logfmt(record.fields(), Piece::Whole, text);
}
