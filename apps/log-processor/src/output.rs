//! The output: one file, or standard output.

use std::{io, path::PathBuf};

use crate::{checkpoint::OutputMark, input::FileKey};

/// Where the output goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// `-`.
    Stdout,
    /// A file; or a device or named pipe, which are written as they are.
    File(PathBuf),
}

/// What to do with an output that holds something already and that no state knows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Existing {
    /// Refuse.
    #[default]
    Refuse,
    /// Write behind it.
    Append,
    /// Empty it first.
    Overwrite,
}

/// An open output. Buffers: what is written is out after [`flush`](Output::flush).
#[derive(Debug)]
pub struct Output {}

/// Why an output cannot be used, or not further.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutputError {
    /// Whoever read standard output went away. No fault of ours: the run ends quietly.
    #[error("standard output was closed by its reader")]
    Closed,
    /// A write failed.
    #[error("writing failed: {source}")]
    Write {
        /// What the system says.
        source: io::Error,
    },
}

// === impl Output ===

impl Output {
    /// Opens the output: behind `resume`, if there is one, or as `existing` says.
    ///
    /// `patterns` are the run's inputs: an output among them is refused.
    ///
    /// # Errors
    ///
    /// Nothing was changed on disk in any of these cases.
    pub fn open(
        target: &Target,
        existing: Existing,
        resume: Option<&OutputMark>,
        patterns: &[String],
    ) -> Result<Self, OutputError> {
        let _ = (target, existing, resume, patterns);
        todo!()
    }

    /// Its place on disk, if it is a file: for [`Options::except`](crate::input::Options::except).
    pub fn key(&self) -> Option<FileKey> {
        todo!()
    }

    /// Takes `bytes` into the buffer, or writes them if they are many.
    ///
    /// # Errors
    ///
    /// [`OutputError::Closed`] or [`OutputError::Write`]; some of the bytes may have been written.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), OutputError> {
        let _ = bytes;
        todo!()
    }

    /// Hands everything to the system; with `sync`, to the disk.
    ///
    /// # Errors
    ///
    /// As [`write`](Output::write).
    pub fn flush(&mut self, sync: bool) -> Result<(), OutputError> {
        let _ = sync;
        todo!()
    }

    /// What a checkpoint saves after a flush: none for what cannot be cut.
    pub fn mark(&self) -> Option<OutputMark> {
        todo!()
    }

    /// How many bytes were handed to the system by this run.
    pub fn written(&self) -> u64 {
        todo!()
    }
}
