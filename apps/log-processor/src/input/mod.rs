//! Inputs: files, patterns, compressed files and standard input, as one sequence of [`Batch`](crate::batch::Batch)es.
//!
//! ```text
//! patterns ──expand──▶ files ──open──▶ Read ──Framer──▶ whole lines ──▶ Batch { bytes, end: Position }
//!                        ▲                                                          │
//!                        └── resume: find each saved Position again ◀── checkpoint ◀┘
//! ```
//!
//! An input is one *file*, not one path: when a log is rotated, the file that takes its place is a new input.
//! So what a checkpoint saves never mixes two files, and a file is known again under whatever name it has by then.
//!
//! Everything here blocks and belongs on a thread of its own. The reader does no work per line: it looks for the
//! last line end of a quarter of a megabyte and hands the rest on to the next batch.

mod compressed;
mod error;
mod file;
mod follow;
mod framing;
mod identity;
mod inputs;
mod locate;
mod notice;
mod pattern;
mod plan;
mod position;
mod reader;
mod signal;
mod start;
mod stream;
mod table;
#[cfg(test)]
mod tests;
mod unpacked;
mod watch;

pub use self::{
    error::InputError,
    identity::{FileKey, Fingerprint},
    inputs::{Inputs, Options, Step},
    notice::Notice,
    pattern::{InputSpec, expand},
    position::{LineStart, Phase, Position},
    signal::{Stopper, Wake},
};
pub(crate) use self::{
    locate::all_found,
    pattern::{folder_of, from_root, is_stored, reach, reach_with_metadata, would_reach},
    position::any_path,
};

/// How many bytes a batch has when lines are of ordinary length.
///
/// Large enough that the cost of passing a batch between threads vanishes beside the work on its lines, small
/// enough to stay in a core's second-level cache.
pub const BATCH_BYTES: usize = 256 * 1024;

/// The longest line that travels whole unless [`Options::max_line`] says otherwise.
pub const MAX_LINE: usize = 1024 * 1024;
