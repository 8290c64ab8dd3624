//! Logging from inside a program: who logs never waits, and under overload the least urgent lines are shed first.
//!
//! ```text
//!  log(level, message)    queue, the most urgent first         thread
//!  any thread or task ───▶ full: the last one gives way ───▶ ┌────────┐
//!                                                            │ writer │───▶ output, one logfmt line each
//!                                                            └────────┘
//! ```
//!
//! While the output keeps up, lines are written in the order in which they were logged. Once it does not, those that wait are
//! written by level, `fatal` first and `trace` last, so each line says when it was logged. When as many wait as may,
//! the youngest of the least urgent is shed for a more urgent one: how many of which level is told in the report and, at
//! most once a second, in a line of the output itself.
//!
//! ```
//! use log_processor::level::Level;
//! use log_processor::logger::{Logger, LoggerOptions};
//!
//! # let folder = tempfile::tempdir()?;
//! let file = std::fs::File::create(folder.path().join("app.log"))?;
//! let (logger, writing) = Logger::start(file, LoggerOptions::default())?;
//! logger.log(Level::Info, "started");
//! logger.log(Level::Error, "disk full");
//! let report = writing.finish();
//! assert_eq!((report.written, report.shed_in_all()), (2, 0));
//! # let text = std::fs::read_to_string(folder.path().join("app.log"))?;
//! # assert!(text.contains(" level=error message=\"disk full\"\n"), "{text}");
//! # Ok::<_, std::io::Error>(())
//! ```

mod moment;
mod writing;

use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::SystemTime;

use forebay::priority::{Class, Classes, Strict, UnknownClass};
use forebay::queue::{self, By, Sender, WhenFull};

pub use self::writing::{LoggerReport, Writing};
use crate::level::Level;

/// All levels, the most urgent first: the classes of the queue.
const LEVELS: [Level; 7] =
    [Level::Fatal, Level::Error, Level::Warn, Level::Notice, Level::Info, Level::Debug, Level::Trace];

/// The way in: cheap to clone, and shared by all threads and tasks that log.
#[derive(Clone)]
pub struct Logger {
    lines: Sender<Line, ByLevel>,
    /// Lines that were refused: too long for the queue, or logged after its end.
    refused: Arc<AtomicU64>,
}

/// How much may wait.
///
/// ```
/// use log_processor::logger::LoggerOptions;
///
/// let options = LoggerOptions { lines: 1000, ..LoggerOptions::default() };
/// assert_eq!(options.bytes, 4 << 20);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct LoggerOptions {
    /// Most lines that wait to be written; 1 or more. Default: 8192.
    pub lines: usize,
    /// Most bytes of their messages; 1 or more. Default: 4 MiB. A message that is longer than this is refused.
    pub bytes: usize,
}

/// A line on its way.
struct Line {
    level: Level,
    logged: SystemTime,
    message: String,
}

type ByLevel = By<Strict, fn(&Line) -> Result<Class, UnknownClass>>;

// === impl Logger ===

impl Logger {
    /// Starts the thread that writes lines to `output`, which need not be buffered.
    ///
    /// # Errors
    ///
    /// The thread cannot be started.
    pub fn start(output: impl Write + Send + 'static, options: LoggerOptions) -> io::Result<(Self, Writing)> {
        let classes = Classes::new(LEVELS.map(Level::name)).expect("levels have names of their own");
        let by_level: ByLevel = By::new(Strict::new(classes), |line| Ok(class(line.level)));
        let (lines, waiting) = queue::builder()
            .capacity(options.lines.max(1))
            .max_weight(options.bytes.max(1))
            .weigher(|line: &Line| line.message.len().max(1))
            // The most urgent is written first, and among equals the oldest.
            .line(by_level)
            // Who logs never waits: the youngest of the least urgent gives way.
            .when_full(WhenFull::DropYoungest)
            .build();
        let refused = Arc::new(AtomicU64::new(0));
        let writer = thread::Builder::new().name("logger".to_owned());
        let thread = writer.spawn(move || writing::write(waiting, output))?;
        let writing = Writing::new(lines.clone(), Arc::clone(&refused), thread);
        Ok((Self { lines, refused }, writing))
    }

    /// Logs a line. Never waits, and never fails: what cannot be written is counted in the report.
    ///
    /// May be called from any thread and any task.
    pub fn log(&self, level: Level, message: impl Into<String>) {
        let line = Line { level, logged: SystemTime::now(), message: message.into() };
        // One that is displaced is counted by its class.
        if self.lines.try_send(line).is_err() {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many lines of each level wait, the most urgent first.
    pub fn waiting(&self) -> [(Level, usize); LEVELS.len()] {
        let stats = self.lines.class_stats();
        std::array::from_fn(|at| (LEVELS[at], stats[at].waiting))
    }
}

impl fmt::Debug for Logger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logger").field("lines", &self.lines).finish_non_exhaustive()
    }
}

// === impl LoggerOptions ===

impl Default for LoggerOptions {
    fn default() -> Self {
        Self { lines: 8192, bytes: 4 << 20 }
    }
}

fn class(level: Level) -> Class {
    let at = LEVELS.iter().position(|known| *known == level).expect("all levels are listed");
    Class::new(at as u16)
}

#[cfg(test)]
mod tests;
