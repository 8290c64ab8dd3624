//! The domain step: a plain function from a run of lines to what should be written of it.
//!
//! No clock, no runtime, no state between calls: batches may be processed on any worker in any order.
//! The one thing that ties batches together, an over-long line that travels in pieces, is settled by
//! whoever puts the batches back in order (see [`Processed::continued`]).

use std::ops::{AddAssign, Range};

use crate::filter::Filter;
use crate::parse::{Format, ParseMode, parse};
use crate::record::{Record, Value};
use crate::render::{self, Piece};

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

/// The lines of a batch, in order.
struct Lines<'a> {
    bytes: &'a [u8],
    next: usize,
    edges: Edges,
}

/// One line: where it lies in the batch, line end included.
struct Line {
    whole: Range<usize>,
    piece: Piece,
}

/// Where kept lines go.
trait Output {
    fn keep(&mut self, line: &Line, format: Format, text: &str, record: &Record<'_>);

    /// Bytes of output so far.
    fn len(&self) -> usize;
}

/// Raw output: which bytes of the batch stay, neighbours joined.
#[derive(Default)]
struct Ranges {
    ranges: Vec<Range<usize>>,
    len: usize,
}

/// Records written anew.
struct Rendered {
    format: OutputFormat,
    bytes: Vec<u8>,
}

// === impl Processor ===

impl Processor {
    /// Makes a processor. What can be wrong in the options was refused when they were parsed.
    pub fn new(options: ProcessorOptions) -> Self {
        Self { options }
    }

    /// Takes a batch's bytes and gives back what to write of them.
    pub fn process(&self, bytes: Vec<u8>, edges: Edges) -> Processed {
        let ProcessorOptions { parse, filter, format } = &self.options;
        match format {
            OutputFormat::Raw if *parse == ParseMode::Plain && filter.is_none() => pass(bytes, edges),
            OutputFormat::Raw => {
                let mut kept = Ranges::default();
                let done = self.run(&bytes, edges, &mut kept);
                Processed { bytes: kept.cut(bytes), ..done }
            }
            OutputFormat::Json | OutputFormat::Logfmt => {
                let mut lines = Rendered { format: *format, bytes: Vec::new() };
                let done = self.run(&bytes, edges, &mut lines);
                Processed { bytes: lines.bytes, ..done }
            }
        }
    }

    /// Parses and filters each line and hands those kept to `out`. The result lacks its bytes.
    fn run(&self, bytes: &[u8], edges: Edges, out: &mut impl Output) -> Processed {
        let mut done = Processed::default();
        done.counts.bytes = bytes.len() as u64;
        let mut record = Record::default();
        for line in Lines::new(bytes, edges) {
            if line.piece == Piece::Later {
                // Filters decide on the first piece; the writer knows how.
                let text = String::from_utf8_lossy(line.content(bytes));
                let mut record = Record::default();
                record.push("message", Value::Text(&text));
                out.keep(&line, Format::Plain, &text, &record);
                done.continued = out.len();
                continue;
            }
            let (format, kept) = match str::from_utf8(line.content(bytes)) {
                Ok(text) => {
                    record.clear();
                    self.line(&line, text, &mut record, out)
                }
                Err(_) => {
                    let text = String::from_utf8_lossy(line.content(bytes));
                    self.line(&line, &text, &mut Record::default(), out)
                }
            };
            done.counts.add(format, self.options.parse, kept);
            if line.piece == Piece::First {
                done.kept_last = Some(kept);
            }
        }
        done
    }

    fn line<'a>(
        &self,
        line: &Line,
        text: &'a str,
        record: &mut Record<'a>,
        out: &mut impl Output,
    ) -> (Format, bool) {
        // Some editors put a byte order mark in front of a file; it is no part of the first line.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let format = parse(self.options.parse, text, record);
        let kept = self.options.filter.as_ref().is_none_or(|filter| filter.matches(record));
        if kept {
            out.keep(line, format, text, record);
        }
        (format, kept)
    }
}

/// The way through when nothing is to be decided: the lines are counted and that is all.
fn pass(bytes: Vec<u8>, edges: Edges) -> Processed {
    let mut counts = Counts { bytes: bytes.len() as u64, ..Counts::default() };
    let newlines = memchr::memchr_iter(b'\n', &bytes);
    let begun = !bytes.is_empty() && bytes.last() != Some(&b'\n');
    let continued = match edges.starts_inside {
        true => memchr::memchr(b'\n', &bytes).map_or(bytes.len(), |end| end + 1),
        false => 0,
    };
    let lines = newlines.count() as u64 + u64::from(begun) - u64::from(continued > 0);
    counts.lines = lines;
    counts.parsed = lines;
    counts.kept = lines;
    counts.formats.0[Format::Plain as usize] = lines;
    let kept_last = (edges.ends_inside && begun && lines > 0).then_some(true);
    Processed { bytes, continued, kept_last, counts }
}

// === impl Lines ===

impl<'a> Lines<'a> {
    fn new(bytes: &'a [u8], edges: Edges) -> Self {
        Self { bytes, next: 0, edges }
    }
}

impl Iterator for Lines<'_> {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        let start = self.next;
        let rest = self.bytes.get(start..).filter(|rest| !rest.is_empty())?;
        let newline = memchr::memchr(b'\n', rest);
        self.next = newline.map_or(self.bytes.len(), |at| start + at + 1);
        let piece = match newline {
            _ if start == 0 && self.edges.starts_inside => Piece::Later,
            None if self.edges.ends_inside => Piece::First,
            _ => Piece::Whole,
        };
        Some(Line { whole: start..self.next, piece })
    }
}

// === impl Line ===

impl Line {
    /// The line without its line end.
    fn content<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        let whole = &bytes[self.whole.clone()];
        match whole.strip_suffix(b"\n") {
            Some(line) => line.strip_suffix(b"\r").unwrap_or(line),
            None => whole,
        }
    }
}

// === impl Ranges ===

impl Output for Ranges {
    fn keep(&mut self, line: &Line, _: Format, _: &str, _: &Record<'_>) {
        self.len += line.whole.len();
        match self.ranges.last_mut() {
            Some(last) if last.end == line.whole.start => last.end = line.whole.end,
            _ => self.ranges.push(line.whole.clone()),
        }
    }

    fn len(&self) -> usize {
        self.len
    }
}

impl Ranges {
    /// Cuts everything else out, in place.
    fn cut(self, mut bytes: Vec<u8>) -> Vec<u8> {
        if self.len == 0 {
            return Vec::new();
        }
        let mut end = 0;
        for range in self.ranges {
            let len = range.len();
            if range.start > end {
                bytes.copy_within(range, end);
            }
            end += len;
        }
        bytes.truncate(end);
        bytes
    }
}

// === impl Rendered ===

impl Output for Rendered {
    fn keep(&mut self, line: &Line, format: Format, text: &str, record: &Record<'_>) {
        match self.format {
            OutputFormat::Logfmt => render::logfmt(record, line.piece, &mut self.bytes),
            _ => render::json(format, text, record, line.piece, &mut self.bytes),
        }
    }

    fn len(&self) -> usize {
        self.bytes.len()
    }
}

// === impl Counts ===

impl Counts {
    /// Lines that did not have the format asked for and were taken as plain text.
    pub fn unparsed(&self) -> u64 {
        self.lines - self.parsed
    }

    fn add(&mut self, format: Format, mode: ParseMode, kept: bool) {
        self.lines += 1;
        self.parsed += u64::from(mode.expects(format));
        self.kept += u64::from(kept);
        self.dropped += u64::from(!kept);
        self.formats.0[format as usize] += 1;
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
