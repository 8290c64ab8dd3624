//! The domain step: a plain function from a run of lines to what should be written of it.
//!
//! No runtime, no state between calls, and no clock but that of a [`Period`], for records without a year: batches may be
//! processed on any worker in any order.
//! The one thing that ties batches together, an over-long line that travels in pieces, is settled by
//! whoever puts the batches back in order (see [`Processed::continued`]).

mod counts;
mod kept;
mod lines;

use std::borrow::Cow;
use std::str::Utf8Chunk;

use crate::filter::{self, Fields, Filter};
use crate::input::BATCH_BYTES;
use crate::multiline::FirstLine;
use crate::parse::{Format, ParseMode, parse};
use crate::period::Period;
use crate::record::{Record, Value};
use crate::render::{self, Piece};

use counts::Verdict;
pub use counts::{Counts, FormatCounts};
use kept::{Kept, OWN_MAPPING, Ranges, Rendered};
use lines::{Line, lines, records};

/// How a [`Processor`] reads, chooses and writes lines.
#[derive(Debug, Default)]
pub struct ProcessorOptions {
    /// How lines are read.
    pub parse: ParseMode,
    /// Which records are kept; `None` keeps all.
    pub filter: Option<Filter>,
    /// The span of time whose records are kept; `None` keeps all, those without a time too.
    pub period: Option<Period>,
    /// How kept records are written.
    pub format: OutputFormat,
    /// Which lines begin a record, if it may have several: the first of them is parsed, and the others are added to its
    /// message. None: each line is a record.
    pub first_line: Option<FirstLine>,
    /// Which of their fields JSON and logfmt have; `None` writes all. Raw output is the line, whatever stands here.
    pub fields: Option<Fields>,
}

/// How kept records are written.
///
/// Bytes that are not UTF-8 stay as they are in raw output and become U+FFFD in the others. Of an over-long
/// line, JSON and logfmt make several records: the first piece is parsed, as far as that goes, and marked
/// `truncated`; each later piece is a `message` marked `continued`. Filters decide on the first piece.
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

/// Whether a batch begins or ends in the middle of an over-long line, or record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Edges {
    /// The first byte continues a line that the batch before it began.
    pub starts_inside: bool,
    /// The last line goes on in the next batch of the same input. A record of several lines may go on there, if it ends
    /// behind a line.
    pub ends_inside: bool,
}

/// Parses, filters and renders batches of lines.
///
/// `Send + Sync` and without interior state: workers share one behind an `Arc`.
///
/// ```
/// use log_processor::process::{Edges, Processor, ProcessorOptions};
///
/// let filter = Some("level >= warn".parse()?);
/// let processor = Processor::new(ProcessorOptions { filter, ..ProcessorOptions::default() });
///
/// let lines = b"level=info msg=started\nlevel=error msg=\"disk full\"\n".to_vec();
/// let processed = processor.process(lines, Edges::default());
/// assert_eq!(processed.bytes, b"level=error msg=\"disk full\"\n");
/// assert_eq!((processed.counts.kept, processed.counts.dropped), (1, 1));
/// # Ok::<(), log_processor::filter::FilterError>(())
/// ```
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

// === impl Processor ===

impl Processor {
    /// Makes a processor. What can be wrong in the options was refused when they were parsed.
    pub fn new(options: ProcessorOptions) -> Self {
        Self { options }
    }

    /// Whether lines are only counted: some microseconds for a batch, where parsing takes milliseconds.
    pub fn only_counts(&self) -> bool {
        let ProcessorOptions { parse, filter, period, format, first_line, fields: _ } = &self.options;
        let chooses = filter.is_some() || period.is_some() || first_line.is_some();
        *format == OutputFormat::Raw && *parse == ParseMode::Plain && !chooses
    }

    /// How many bytes a batch may take in memory while it is in work and until it is written, itself included.
    ///
    /// JSON spells a control byte with six (`\u0001`). A byte that is no UTF-8 becomes the three of U+FFFD, in the
    /// text that is parsed and again in what is written. And each line gets a name and quotes around it, or the names
    /// of all fields that were asked for, of which several may have the same text in them. Of a record of several lines the
    /// message may be made anew, from a text that has that of them.
    pub(crate) fn most_memory(&self, bytes: &[u8]) -> usize {
        const NAMED: usize = b"{\"message\":\"\",\"continued\":true}\n".len();
        let message = if self.options.first_line.is_some() { 3 } else { 0 };
        match self.options.format {
            OutputFormat::Raw if self.only_counts() => bytes.len(),
            OutputFormat::Raw => bytes.len() * (1 + 3 + message),
            OutputFormat::Json | OutputFormat::Logfmt => {
                let (times, named) = match &self.options.fields {
                    Some(fields) => (fields.shared(), NAMED + render::most_of_names(fields)),
                    None => (1, NAMED),
                };
                bytes.len() * (1 + 6 * times + message) + memchr::memchr_iter(b'\n', bytes).count() * named
            }
        }
    }

    /// Takes a batch's bytes and gives back what to write of them.
    pub fn process(&self, bytes: Vec<u8>, edges: Edges) -> Processed {
        let is_cut = bytes.last() != Some(&b'\n');
        let mut processed = self.render(bytes, edges);
        // Whoever began a line that goes on counts it.
        processed.counts.long = u64::from(processed.kept_last.is_some() && is_cut);
        processed
    }

    fn render(&self, bytes: Vec<u8>, edges: Edges) -> Processed {
        let format = self.options.format;
        match format {
            OutputFormat::Raw if self.only_counts() => pass(bytes, edges),
            OutputFormat::Raw => {
                let mut kept = Ranges::default();
                let processed = self.run(&bytes, edges, &mut kept);
                Processed { bytes: kept.cut(bytes), ..processed }
            }
            OutputFormat::Json | OutputFormat::Logfmt => {
                let mut kept = Rendered::new(&self.options, bytes.len(), || self.most_memory(&bytes));
                let processed = self.run(&bytes, edges, &mut kept);
                Processed { bytes: kept.into_bytes(), ..processed }
            }
        }
    }

    /// Parses and filters each line and hands `kept` those that pass. The result lacks its bytes.
    fn run(&self, bytes: &[u8], edges: Edges, kept: &mut impl Kept) -> Processed {
        match &self.options.first_line {
            None => self.run_over(bytes, lines(bytes, edges), kept),
            Some(first_line) => self.run_over(bytes, records(bytes, edges, first_line), kept),
        }
    }

    /// The same with the lines, or records, of these `bytes`.
    fn run_over<'a>(
        &self,
        bytes: &'a [u8],
        lines: impl Iterator<Item = Line<'a>>,
        kept: &mut impl Kept,
    ) -> Processed {
        let mut processed = Processed::default();
        processed.counts.bytes = bytes.len() as u64;
        // The records of one batch share its lifetime, so one record's memory serves them all.
        let mut record = Record::default();
        for line in lines {
            if line.piece == Piece::Later {
                keep_piece(&line, kept);
                processed.continued = kept.len();
                continue;
            }
            let (format, verdict) = match str::from_utf8(line.content) {
                // Its message is made for it alone.
                Ok(text) if line.has_several() => self.decide_several(&line, text, kept),
                Err(_) if line.has_several() => self.decide_several(&line, &lossy(line.content), kept),
                Ok(text) => {
                    record.clear();
                    self.decide(&line, text, &mut record, kept)
                }
                Err(_) => {
                    let text = lossy(line.content);
                    self.decide(&line, &text, &mut Record::default(), kept)
                }
            };
            processed.counts.add(format, self.options.parse, verdict);
            if line.goes_on {
                processed.kept_last = Some(verdict == Verdict::Kept);
            }
        }
        processed
    }

    /// Parses and filters one line.
    fn decide<'a>(
        &self,
        line: &Line<'_>,
        text: &'a str,
        record: &mut Record<'a>,
        kept: &mut impl Kept,
    ) -> (Format, Verdict) {
        let text = without_mark(text);
        let format = parse(self.options.parse, text, record);
        (format, self.choose(line, format, text, record, kept))
    }

    /// Parses the first of several lines, adds the others to its message, and filters what that makes.
    fn decide_several(&self, line: &Line<'_>, text: &str, kept: &mut impl Kept) -> (Format, Verdict) {
        let text = without_mark(text);
        let first = text.split('\n').next().unwrap_or_default();
        let first = first.strip_suffix('\r').unwrap_or(first);
        let mut record = Record::default();
        let format = parse(self.options.parse, first, &mut record);
        let name = filter::message_names().find(|name| record.get(name).is_some()).unwrap_or("message");
        let message = whole_message(record.get(name), first, text);
        let record = record.with(name, Value::Text(&message));
        (format, self.choose(line, format, text, &record, kept))
    }

    fn choose(
        &self,
        line: &Line<'_>,
        format: Format,
        text: &str,
        record: &Record<'_>,
        kept: &mut impl Kept,
    ) -> Verdict {
        let verdict = self.judge(record);
        if verdict == Verdict::Kept {
            kept.keep(line, format, text, record);
        }
        verdict
    }

    fn judge(&self, record: &Record<'_>) -> Verdict {
        if let Some(period) = &self.options.period {
            match period.has(record) {
                Some(true) => {}
                Some(false) => return Verdict::Refused,
                None => return Verdict::Untimed,
            }
        }
        match &self.options.filter {
            Some(filter) if !filter.matches(record) => Verdict::Refused,
            _ => Verdict::Kept,
        }
    }
}

/// Some editors put a byte order mark in front of a file; it is no part of the first line.
fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// The message of a record of several lines, of which the `first` says `message`: with the others behind it, line ends
/// as they came.
fn whole_message<'a>(message: Option<Value<'_>>, first: &str, text: &'a str) -> Cow<'a, str> {
    let rest = &text[first.len()..];
    let Some(message) = message else {
        let line_end = if rest.starts_with('\r') { 2 } else { 1 };
        return Cow::Borrowed(&rest[line_end..]);
    };
    let message = message.text().unwrap_or_default();
    // Mostly it is the end of its line, and so all of it is one piece of the text.
    let start = first.len().saturating_sub(message.len());
    if let Some(end) = first.get(start..)
        && end == message
    {
        return Cow::Borrowed(&text[start..]);
    }
    let mut whole = with_room(message.len() + rest.len());
    whole.push_str(&message);
    whole.push_str(rest);
    Cow::Owned(whole)
}

/// An empty text with room for so many bytes.
fn with_room(length: usize) -> String {
    String::with_capacity(if length > BATCH_BYTES { OWN_MAPPING.max(length) } else { length })
}

/// A later piece of an over-long line is no record by itself, and whether it stays is not known here.
fn keep_piece(line: &Line<'_>, kept: &mut impl Kept) {
    let text = lossy(line.content);
    let mut record = Record::default();
    record.push("message", Value::Text(&text));
    kept.keep(line, Format::Plain, &text, &record);
}

/// A line as text, with U+FFFD for what is no UTF-8.
///
/// As `String::from_utf8_lossy`, which makes room as it goes and so may take twice as much: a line may be long.
fn lossy(line: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = str::from_utf8(line) {
        return Cow::Borrowed(text);
    }
    let replacement = |chunk: &Utf8Chunk<'_>| if chunk.invalid().is_empty() { "" } else { "\u{fffd}" };
    let length = line.utf8_chunks().map(|chunk| chunk.valid().len() + replacement(&chunk).len()).sum();
    let mut text = with_room(length);
    for chunk in line.utf8_chunks() {
        text.push_str(chunk.valid());
        text.push_str(replacement(&chunk));
    }
    Cow::Owned(text)
}

/// The way through when there is nothing to decide: the lines are counted and that is all.
fn pass(bytes: Vec<u8>, edges: Edges) -> Processed {
    let continued = match memchr::memchr(b'\n', &bytes) {
        _ if !edges.starts_inside => 0,
        Some(end) => end + 1,
        None => bytes.len(),
    };
    let own = &bytes[continued..];
    let is_open = own.last().is_some_and(|&last| last != b'\n');
    let lines = memchr::memchr_iter(b'\n', own).count() as u64 + u64::from(is_open);
    let kept_last = (edges.ends_inside && is_open).then_some(true);
    let counts = Counts::all_kept(bytes.len() as u64, lines);
    Processed { bytes, continued, kept_last, counts }
}

#[cfg(test)]
mod tests;
