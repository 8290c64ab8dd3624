//! Where kept lines go.

use std::ops::Range;

use super::lines::Line;
use super::{OutputFormat, ProcessorOptions};
use crate::input::BATCH_BYTES;
use crate::parse::Format;
use crate::record::Record;
use crate::render;

/// Takes the lines that are kept, in order.
pub(super) trait Kept {
    /// Keeps a line: `text` is its content as UTF-8, `record` what was read from it.
    fn keep(&mut self, line: &Line<'_>, format: Format, text: &str, record: &Record<'_>);

    /// Bytes of output so far.
    fn len(&self) -> usize;
}

/// Raw output: which bytes of the batch stay, neighbours joined.
#[derive(Default)]
pub(super) struct Ranges {
    ranges: Vec<Range<usize>>,
    len: usize,
}

/// Records written anew, as JSON or logfmt.
pub(super) struct Rendered<'a> {
    options: &'a ProcessorOptions,
    bytes: Vec<u8>,
}

/// A block of this size is a mapping of its own for glibc, given back when it is dropped. A smaller one stays with the
/// thread that made it, and there are many threads. How much of it is never touched does not matter.
pub(super) const OWN_MAPPING: usize = 33 << 20;

// === impl Ranges ===

impl Kept for Ranges {
    fn keep(&mut self, line: &Line<'_>, _: Format, _: &str, _: &Record<'_>) {
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
    /// Cuts everything else out of the batch, in place.
    pub(super) fn cut(self, mut bytes: Vec<u8>) -> Vec<u8> {
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

impl<'a> Rendered<'a> {
    /// For `length` bytes of input, of which not more than `most` comes.
    pub(super) fn new(options: &'a ProcessorOptions, length: usize, most: impl FnOnce() -> usize) -> Self {
        // A buffer that grows is copied, and takes twice its size meanwhile. Room that is not used costs nothing.
        let room = if length > BATCH_BYTES { most().max(OWN_MAPPING) } else { 0 };
        Self { options, bytes: Vec::with_capacity(room) }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

impl Kept for Rendered<'_> {
    fn keep(&mut self, line: &Line<'_>, format: Format, text: &str, record: &Record<'_>) {
        let out = &mut self.bytes;
        match (self.options.format, &self.options.fields) {
            (OutputFormat::Logfmt, None) => render::logfmt(record.fields(), line.piece, out),
            (OutputFormat::Logfmt, Some(fields)) => render::logfmt(fields.of(record), line.piece, out),
            (_, None) => render::json(format, text, record, line.piece, out),
            (_, Some(fields)) => render::json_object(fields.of(record), line.piece, out),
        }
    }

    fn len(&self) -> usize {
        self.bytes.len()
    }
}
