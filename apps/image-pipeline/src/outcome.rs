//! What becomes of a picture.

use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;

use crate::input::InputError;
use crate::picture::{Format, Refused, Times};
use crate::store::StoreError;
use crate::{Name, shown};

/// What became of one picture. Every one that was added ends as exactly one of these.
#[derive(Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// Where it came from: its path, or its name if it was given as bytes.
    pub input: PathBuf,
    /// What it is called in the output, or would have been.
    pub name: Name,
    /// How it ended.
    pub end: End,
    /// What it cost.
    pub spent: Spent,
}

/// How a picture ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum End {
    /// Its result is stored.
    Written(Written),
    /// There was a result already, which was kept.
    Kept,
    /// It was not begun before the pipeline was told to stop.
    NotStarted,
    /// There is no result.
    Failed(Failure),
}

/// A stored result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Written {
    /// Of the result.
    pub bytes: u64,
    /// Of the result, in pixels.
    pub width: u32,
    /// Of the result, in pixels.
    pub height: u32,
    /// Of the result.
    pub format: Format,
    /// It was decoded smaller than it should have been, for want of memory: it may be less sharp, or smaller.
    pub is_reduced: bool,
    /// The input is an animation or has several pages, of which this is the first.
    pub is_first_of_several: bool,
}

/// What a picture cost.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct Spent {
    /// Bytes that were read, or given.
    pub bytes: u64,
    /// Pixels, as the header claims them.
    pub pixels: u64,
    /// Reading the file, and looking for a result that is there.
    pub read: Duration,
    /// Waiting for room in memory.
    pub wait: Duration,
    /// Decoding, resizing, encoding.
    pub times: Times,
    /// Storing the result.
    pub upload: Duration,
}

/// Why there is no result. Said behind the name of the input.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The file cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The picture cannot be processed, or must not be.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// It needs more memory than there is, and cannot be decoded smaller.
    #[error(
        "needs {} MB of memory with the program, over the budget of {}; raise the memory budget (memory)",
        // Rounded up: with what is said here it works.
        needs.div_ceil(1_000_000),
        ByteSize(*memory).display().si()
    )]
    TooHeavy {
        /// The least [memory](crate::Builder::memory) for it, in bytes. Of a file that alone is more than there is, and whose
        /// first MiB does not say how large its picture is (as a TIFF's may not), the least for the file.
        needs: u64,
        /// What the pipeline was given, in bytes.
        memory: u64,
    },
    /// Another input has become this result.
    #[error("would be {name}, which {} has become; rename one of them", shown(other))]
    Taken {
        /// Below the output.
        name: Name,
        /// The other one.
        other: PathBuf,
    },
    /// The result would replace an input.
    #[error("would be {name}, which would replace an input; write to another folder")]
    IsInput {
        /// Below the output.
        name: Name,
    },
    /// The result cannot be stored.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A fault of a decoder or of this program.
    #[error(
        "a panic while it was processed ({0}); this is a fault in image-pipeline, please report it with the file"
    )]
    Panicked(String),
}
