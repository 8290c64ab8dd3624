//! Why a run cannot be configured as somebody wants it.

use bytesize::ByteSize;
use forebay_program::config_file::ConfigFileError;

use super::MOST_AT_ONCE;

/// Why a run cannot be configured like this. Names the place and what would be right.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read, or something in it is wrong.
    #[error(transparent)]
    File(#[from] ConfigFileError),
    /// Nothing to read.
    #[error(
        "no input: name files, folders or globs, or - for a list or a picture on standard input (`input = [\"..\"]` in a file)"
    )]
    NoInput,
    /// Nowhere to write.
    #[error(
        "no output: name a folder, a file for one picture, or s3://BUCKET/PREFIX with --output (`output = \"..\"` in a file)"
    )]
    NoOutput,
    /// A name that is none.
    #[error("{key} is empty: give it a path")]
    EmptyPath {
        /// The key.
        key: &'static str,
    },
    /// No bucket can be called like that.
    #[error("{given} is no place in object storage: it looks like s3://BUCKET or s3://BUCKET/PREFIX")]
    Place {
        /// What was given.
        given: String,
    },
    /// Several answers to one question.
    #[error("{} exclude each other: give one of them", keys.join(" and "))]
    Contradiction {
        /// The keys.
        keys: Vec<&'static str>,
    },
    /// A number outside its range.
    #[error("{key} is {given}, which is outside {least} to {most}")]
    Range {
        /// The key.
        key: &'static str,
        /// What was given.
        given: u64,
        /// The smallest that works.
        least: u64,
        /// The largest that works.
        most: u64,
    },
    /// A size outside its range.
    #[error(
        "memory is {}, which is below {} ({least}): the program itself needs most of that",
        given.display().si(),
        least.display().si()
    )]
    Memory {
        /// What was given.
        given: ByteSize,
        /// The smallest that works.
        least: ByteSize,
    },
    /// Each worker has a thread.
    #[error("{key} is {given}, which is outside 1 to {MOST_AT_ONCE}; leave it out for the default")]
    AtOnce {
        /// The key.
        key: &'static str,
        /// What was given.
        given: usize,
    },
    /// A key that means something for object storage only, or for a folder only.
    #[error("{key} means nothing for {what}: leave it out")]
    Meaningless {
        /// The key.
        key: &'static str,
        /// The output.
        what: &'static str,
    },
    /// A list of names has an end of names.
    #[error("null tells how names end on standard input, and - is not among the inputs: leave it out")]
    NullWithoutList,
}

// === impl ConfigError ===

impl ConfigError {
    /// The key whose value is at fault.
    pub(super) fn key(&self) -> Option<&'static str> {
        match self {
            Self::File(_) => None,
            Self::NoInput => Some("input"),
            Self::NoOutput | Self::Place { .. } => Some("output"),
            Self::EmptyPath { key }
            | Self::Range { key, .. }
            | Self::AtOnce { key, .. }
            | Self::Meaningless { key, .. } => Some(key),
            Self::Contradiction { keys } => keys.last().copied(),
            Self::Memory { .. } => Some("memory"),
            Self::NullWithoutList => Some("null"),
        }
    }
}
