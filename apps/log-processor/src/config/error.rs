//! Why a run cannot be configured as somebody wants it.

use bytesize::ByteSize;
use forebay_program::config_file::ConfigFileError;

use super::MOST_WORKERS;
use crate::filter::FilterError;
use crate::multiline::FirstLineError;
use crate::period::PeriodError;

/// Why a run cannot be configured like this. Names the place and what would be right.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read, or something in it is wrong.
    #[error(transparent)]
    File(#[from] ConfigFileError),
    /// Nothing to read.
    #[error("no input: name files with --input PATH, or - for standard input (`input = [\"..\"]` in a file)")]
    NoInput,
    /// A name that is none.
    #[error("{key} is empty: give it a path, or - for standard {stream}")]
    EmptyPath {
        /// The key.
        key: &'static str,
        /// What `-` means there.
        stream: &'static str,
    },
    /// Checkpoints nowhere.
    #[error("state is empty: give it a folder, or leave it out")]
    EmptyState,
    /// Nowhere to write.
    #[error(
        "no output: name a file with --output PATH, or - for standard output (`output = \"..\"` in a file)"
    )]
    NoOutput,
    /// Two answers to one question.
    #[error("append and overwrite exclude each other: give one of them")]
    AppendAndOverwrite,
    /// The filter is not one.
    #[error("the filter cannot be read:\n{0}")]
    Filter(FilterError),
    /// No lines begin a record like this.
    #[error("multiline cannot be read: {0}")]
    Multiline(FirstLineError),
    /// The fields are not a list of them.
    #[error("--fields cannot be read:\n{0}")]
    Fields(FilterError),
    /// There are no records of such a time.
    #[error(transparent)]
    Period(PeriodError),
    /// Raw output has lines, not fields.
    #[error(
        "--fields has nothing to choose in raw output, where a line is written as it came: add --format json or logfmt"
    )]
    FieldsOfRaw,
    /// A size outside its range.
    #[error("{key} is {given}, which is outside {least} to {most}")]
    Size {
        /// The key.
        key: &'static str,
        /// What was given.
        given: ByteSize,
        /// The smallest that works.
        least: ByteSize,
        /// The largest that works.
        most: ByteSize,
    },
    /// Each worker has a batch in memory and a thread.
    #[error("workers is {given}, which is outside 1 to {MOST_WORKERS}; leave it out for one for each core")]
    Workers {
        /// What was given.
        given: usize,
    },
    /// `sync` makes checkpoints durable, and there are none.
    #[error("--sync has nothing to make durable without --state DIR: give a folder for the checkpoints too")]
    SyncWithoutState,
    /// `checkpoint-every` says how often, and there are none.
    #[error("--checkpoint-every has no checkpoints to save without --state DIR: give a folder for them too")]
    CheckpointsWithoutState,
    /// `multiline-wait` says how long, and no line is waited for.
    #[error(
        "--multiline-wait has no records to wait for without --multiline HOW: say how lines are joined too"
    )]
    WaitWithoutMultiline,
    /// Standard output is whatever it was connected to.
    #[error(
        "--overwrite has nothing to replace in standard output: name a file with --output PATH, or leave it out"
    )]
    OverwriteOfStdout,
}

// === impl ConfigError ===

impl ConfigError {
    /// The key whose value is at fault.
    pub(super) fn key(&self) -> Option<&'static str> {
        match self {
            Self::File(_) => None,
            Self::NoInput => Some("input"),
            Self::NoOutput => Some("output"),
            Self::EmptyPath { key, .. } | Self::Size { key, .. } => Some(key),
            // The one that is more likely to do harm.
            Self::AppendAndOverwrite | Self::OverwriteOfStdout => Some("overwrite"),
            Self::Filter(_) => Some("filter"),
            Self::Multiline(_) => Some("multiline"),
            Self::WaitWithoutMultiline => Some("multiline-wait"),
            Self::Period(PeriodError::NoTime { key, .. }) => Some(key),
            Self::Period(_) => Some("since"),
            Self::Fields(_) | Self::FieldsOfRaw => Some("fields"),
            Self::EmptyState => Some("state"),
            Self::Workers { .. } => Some("workers"),
            Self::SyncWithoutState => Some("sync"),
            Self::CheckpointsWithoutState => Some("checkpoint-every"),
        }
    }
}
