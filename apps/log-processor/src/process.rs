//! The domain step: a plain function from a run of lines to what should be written of it.
//!
//! No clock, no runtime, no state between calls: batches may be processed on any worker in any order.
//! The one thing that ties batches together, an over-long line that travels in pieces, is settled by
//! whoever puts the batches back in order (see [`Processed::continued`]).

use std::ops::AddAssign;

use crate::filter::Filter;
use crate::parse::{Format, ParseMode};

/// How a [`Processor`] reads, chooses and writes lines.
#[derive(Debug, Default)]
pub struct ProcessorOptions {
    /// How lines are read.
    pub parse: ParseMode,
    /// Which records are kept; `None` keeps all.
    pub filter: Option<Filter>,
    /// How kept records are written.
    pub format: OutputFormat,
}

/// How kept records are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OutputFormat {
    /// The line as it came, byte for byte, with its own line end or without one.
    #[default]
    Raw,
    /// One JSON object a line.
    Json,
    /// `key=value` pairs, one record a line.
    Logfmt,
}

/// Whether a batch begins or ends in the middle of an over-long line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Edges {
    /// The first byte continues a line that the batch before it began.
    pub starts_inside: bool,
    /// The last line goes on in the next batch of the same input.
    pub ends_inside: bool,
}

/// Parses, filters and renders batches of lines.
///
/// `Send + Sync` and without interior state: workers share one behind an `Arc`.
#[derive(Debug)]
pub struct Processor {
    options: ProcessorOptions,
}

/// What became of one batch.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Processed {
    /// What to write. The batch's own allocation where nothing had to change.
    pub bytes: Vec<u8>,
    /// How many of the first `bytes` belong to the line that an earlier batch began. They must be
    /// written only if that line's first piece was kept, which this batch cannot know.
    pub continued: usize,
    /// Whether the line that goes on in the next batch was kept. `None`: no line goes on, or this
    /// batch is itself a middle piece and the answer is still that of the first piece.
    pub kept_last: Option<bool>,
    /// What was seen and done.
    pub counts: Counts,
}

/// Lines by what happened to them. An over-long line counts once, with its first piece.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Bytes taken in, line ends included.
    pub bytes: u64,
    /// Lines taken in: `kept + dropped`.
    pub lines: u64,
    /// Lines that had the format asked for; under [`ParseMode::Auto`], any format but plain text.
    pub parsed: u64,
    /// Lines that passed the filter.
    pub kept: u64,
    /// Lines that the filter refused.
    pub dropped: u64,
    /// Lines of each format.
    pub formats: FormatCounts,
}

/// Lines of each format; all zero until something was processed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FormatCounts([u64; Format::ALL.len()]);

// === impl Processor ===

impl Processor {
    /// Makes a processor. What can be wrong in the options was refused when they were parsed.
    pub fn new(options: ProcessorOptions) -> Self {
        Self { options }
    }

    /// Takes a batch's bytes and gives back what to write of them.
    pub fn process(&self, bytes: Vec<u8>, edges: Edges) -> Processed {
        let _ = &self.options;
        let lines = bytes.iter().filter(|&&byte| byte == b'\n').count() as u64;
        let counts = Counts { bytes: bytes.len() as u64, lines, kept: lines, ..Counts::default() };
        Processed { bytes, continued: 0, kept_last: edges.ends_inside.then_some(true), counts }
    }
}

// === impl Counts ===

impl Counts {
    /// Lines that did not have the format asked for and were taken as plain text.
    pub fn unparsed(&self) -> u64 {
        self.lines - self.parsed
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.lines += other.lines;
        self.parsed += other.parsed;
        self.kept += other.kept;
        self.dropped += other.dropped;
        for (mine, theirs) in self.formats.0.iter_mut().zip(other.formats.0) {
            *mine += theirs;
        }
    }
}

// === impl FormatCounts ===

impl FormatCounts {
    /// Lines of one format.
    pub fn get(&self, format: Format) -> u64 {
        self.0[format as usize]
    }

    /// The formats that were seen, each with its lines, most lines first.
    pub fn found(&self) -> Vec<(Format, u64)> {
        let mut found: Vec<_> =
            Format::ALL.iter().map(|&format| (format, self.get(format))).filter(|&(_, n)| n > 0).collect();
        found.sort_by_key(|&(_, lines)| std::cmp::Reverse(lines));
        found
    }
}
