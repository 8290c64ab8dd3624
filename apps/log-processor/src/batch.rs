//! What travels through the pipeline: a run of whole lines from one input.

use std::sync::Arc;

use crate::input::Position;

/// A run of lines from one input, in bytes.
///
/// At most the larger of [`input::BATCH_BYTES`](crate::input::BATCH_BYTES) and
/// [`Options::max_line`](crate::input::Options::max_line) long; mostly the former. Lines keep their line ends.
/// The last line of an input may lack one. A line longer than `max_line` travels in pieces, each a batch of its
/// own, marked by `starts_inside` and `ends_inside`. Where records have several lines
/// ([`Options::multiline`](crate::input::Options::multiline)), so does a record that is longer, and otherwise they are whole.
///
/// A batch may be empty: then it carries nothing but `end`, the news that an input is finished.
#[derive(Debug)]
pub struct Batch {
    /// Which input it came from: an index that [`Inputs`](crate::input::Inputs) gave out, one per file.
    pub input: usize,
    /// The lines.
    pub bytes: Vec<u8>,
    /// The first byte continues a line, or record, that the batch before it began.
    pub starts_inside: bool,
    /// The last line goes on in the next batch of this input; or its record may, which another one that begins there
    /// shows to be over.
    pub ends_inside: bool,
    /// Where the input stands behind this batch: what a checkpoint saves once it is written.
    pub end: Arc<Position>,
}
