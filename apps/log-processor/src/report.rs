//! What a run did, as a table for people or as one JSON object for programs.

use std::fmt::{self, Write as _};
use std::time::Duration;

use bytesize::ByteSize;
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::process::Counts;

/// What a run did. `Display` is the table, which marks inputs that failed; serializing gives the JSON
/// form, which says why.
///
/// The lines add up: `read = written + filtered + not_written`, counted apart from one another by
/// the workers and the writer.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// What became of each input, in the order in which they were first read.
    pub inputs: Vec<InputReport>,
    /// All inputs together.
    pub totals: Totals,
    /// What is counted wherever lines are.
    #[serde(skip_serializing_if = "Counted::is_lines")]
    pub counted: Counted,
    /// Why the run ended.
    pub ended: Ended,
    /// What went wrong with the run as a whole, with the remedy. What concerns a single input stands there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How long the run took, in seconds.
    #[serde(serialize_with = "seconds")]
    pub seconds: Duration,
    /// Lines read per second.
    pub lines_per_second: u64,
    /// Bytes read per second, unpacked.
    pub bytes_per_second: u64,
}

/// What became of one input.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct InputReport {
    /// The path, or `-`.
    pub path: String,
    /// What was read and chosen; bytes are counted unpacked.
    pub counts: Counts,
    /// Why this input could not be read, or not to its end.
    pub error: Option<String>,
}

/// Lines and bytes of all inputs together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Totals {
    /// Lines read.
    pub read: u64,
    /// Lines that reached the output.
    pub written: u64,
    /// Lines that the filter, `--since` or `--until` refused.
    pub filtered: u64,
    /// Lines that passed the filter and did not reach the output, or not for certain: all of a batch of which only a part
    /// was written.
    pub not_written: u64,
    /// Bytes read, unpacked.
    pub bytes_read: u64,
    /// Bytes written.
    pub bytes_written: u64,
}

/// What counts as one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Counted {
    /// Each line.
    #[default]
    Lines,
    /// Each record, however many lines it has.
    Records,
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Ended {
    /// All inputs were read to their end.
    InputEnded,
    /// It was told to stop; what had been read was written.
    Stopped,
    /// Whoever read the output went away.
    OutputClosed,
    /// [`Report::error`] says what went wrong.
    Failed,
}

/// Sixty-four columns of path are enough for a table; the rest is cut in front.
const WIDEST_PATH: usize = 64;

// === impl Report ===

impl Report {
    /// Puts a report together and works out the rates.
    pub(crate) fn new(
        inputs: Vec<InputReport>,
        totals: Totals,
        ended: Ended,
        error: Option<String>,
        seconds: Duration,
    ) -> Self {
        let per_second = |amount: u64| (amount as f64 / seconds.as_secs_f64().max(1e-9)) as u64;
        Self {
            lines_per_second: per_second(totals.read),
            bytes_per_second: per_second(totals.bytes_read),
            inputs,
            totals,
            counted: Counted::Lines,
            ended,
            error,
            seconds,
        }
    }

    /// The same of a run that counts that.
    pub(crate) fn counting(self, counted: Counted) -> Self {
        Self { counted, ..self }
    }

    /// Whether everything that was asked for was done: the exit code 0 of the program.
    ///
    /// A closed output counts as done: whoever closed it had enough.
    pub fn is_success(&self) -> bool {
        self.ended != Ended::Failed && self.inputs.iter().all(|input| input.error.is_none())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (one, many) = self.counted.names();
        let mut rows = vec![["input", "format", many, "parsed", "kept", "bytes", ""].map(str::to_owned)];
        rows.extend(self.inputs.iter().map(InputReport::row));
        let widths = [0, 1, 2, 3, 4, 5, 6].map(|column| {
            rows.iter().map(|row: &[String; 7]| row[column].chars().count()).max().unwrap_or_default()
        });
        for row in &rows {
            let mut line = String::new();
            for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
                // Words to the left, numbers to the right.
                match column {
                    0 | 1 => write!(line, "{cell:<width$}  ")?,
                    _ => write!(line, "{cell:>width$}  ")?,
                }
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        match self.inputs.iter().map(|input| input.counts.long).sum() {
            0 => {}
            1 => writeln!(
                f,
                "1 {one} was longer than --max-line: its first piece was parsed and decided for all of it"
            )?,
            long => writeln!(
                f,
                "{long} {many} were longer than --max-line: the first piece of each was parsed and decided for all of it"
            )?,
        }
        match self.inputs.iter().map(|input| input.counts.untimed).sum() {
            0 => {}
            1 => writeln!(f, "1 line had no time that can be read: --since and --until leave it out")?,
            untimed => {
                writeln!(
                    f,
                    "{untimed} lines had no time that can be read: --since and --until leave them out"
                )?;
            }
        }
        let Totals { read, written, filtered, not_written, bytes_read, bytes_written } = self.totals;
        writeln!(
            f,
            "read {read} {many} = written {written} + filtered {filtered} + not written {not_written}; \
             {} in, {} out",
            ByteSize(bytes_read).display().si(),
            ByteSize(bytes_written).display().si(),
        )?;
        writeln!(
            f,
            "{} {:.3} s: {} {many}/s, {}/s",
            match self.ended {
                Ended::InputEnded => "done in",
                Ended::Stopped => "stopped after",
                Ended::OutputClosed => "ended, as the reader of the output went away, after",
                Ended::Failed => "failed after",
            },
            self.seconds.as_secs_f64(),
            self.lines_per_second,
            ByteSize(self.bytes_per_second).display().si(),
        )
    }
}

// === impl Counted ===

impl Counted {
    /// One of them, and several.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Lines => ("line", "lines"),
            Self::Records => ("record", "records"),
        }
    }

    fn is_lines(&self) -> bool {
        *self == Self::Lines
    }
}

// === impl InputReport ===

impl InputReport {
    fn row(&self) -> [String; 7] {
        let length = self.path.chars().count();
        let path = if length > WIDEST_PATH {
            let tail: String = self.path.chars().skip(length - WIDEST_PATH + 1).collect();
            format!("…{tail}")
        } else {
            self.path.clone()
        };
        [
            path,
            self.format(),
            self.counts.lines.to_string(),
            self.counts.parsed.to_string(),
            self.counts.kept.to_string(),
            ByteSize(self.counts.bytes).display().si().to_string(),
            if self.error.is_some() { "failed".to_owned() } else { String::new() },
        ]
    }

    /// The format of nearly all lines by its name, and a mixture by its two largest parts.
    fn format(&self) -> String {
        match self.counts.formats.found().as_slice() {
            [] => "-".to_owned(),
            [(format, _)] => format.to_string(),
            [(first, lines), (second, _), ..] => {
                let share = 100 * lines / self.counts.lines.max(1);
                format!("{first} {share} %, {second}")
            }
        }
    }
}

impl Serialize for InputReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Counts { bytes, lines, parsed, kept, dropped, untimed, long, formats } = self.counts;
        let formats: serde_json::Map<_, _> =
            formats.found().into_iter().map(|(format, lines)| (format.to_string(), lines.into())).collect();
        let mut input = serializer.serialize_struct("InputReport", 10)?;
        input.serialize_field("path", &self.path)?;
        input.serialize_field("formats", &formats)?;
        input.serialize_field("lines", &lines)?;
        input.serialize_field("parsed", &parsed)?;
        input.serialize_field("kept", &kept)?;
        input.serialize_field("filtered", &dropped)?;
        input.serialize_field("without_time", &untimed)?;
        input.serialize_field("long_lines", &long)?;
        input.serialize_field("bytes", &bytes)?;
        input.serialize_field("error", &self.error)?;
        input.end()
    }
}

fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}
