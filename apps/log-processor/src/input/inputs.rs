//! The reader: all inputs of a run, one batch at a time.

use std::{path::PathBuf, sync::Arc};

use super::{
    error::InputError,
    identity::FileKey,
    position::Position,
    signal::{Stopper, Wake},
};
use crate::{batch::Batch, checkpoint::Checkpoint};

/// How inputs are read.
#[derive(Debug, Clone)]
pub struct Options {
    /// Go on when the end is reached: wait for more, through rotation and truncation.
    pub follow: bool,
    /// The longest line that travels whole, in bytes, at least 1. A longer one travels in pieces.
    pub max_line: usize,
    /// Every input must be able to be read again after a crash: pipes are refused.
    pub resumable: bool,
    /// A file that is never read although a pattern reaches it: the output.
    pub except: Option<FileKey>,
}

/// What the reader has to say next.
#[derive(Debug)]
pub enum Step {
    /// Lines, or the news that an input is finished.
    Batch(Batch),
    /// Something a person may want to know; nothing is wrong.
    Notice(Notice),
    /// An input could not be read, or not to its end. The others go on.
    Failed {
        /// Its index, if it got one.
        input: Option<usize>,
        /// What went wrong: names the input.
        error: InputError,
    },
    /// Only with `follow`: all is read for now. Call [`Inputs::wait`], then [`Inputs::next`] again.
    Idle,
    /// All is read, or the run was stopped. Every further call says so again.
    End,
}

/// Changes that a run lives through. Each displays as a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Notice {
    /// A file stands where another one stood, which was read to its end.
    #[error("{} was rotated: reading the new file from its start", path.display())]
    Rotated {
        /// The name they share.
        path: PathBuf,
    },
    /// A file holds less than was read of it.
    #[error("{} was truncated behind byte {offset}: reading it again from its start", path.display())]
    Truncated {
        /// Its name.
        path: PathBuf,
        /// How far it had been read.
        offset: u64,
    },
    /// A file to follow does not exist (yet, or for the moment).
    #[error("{} does not exist: waiting for it", path.display())]
    Missing {
        /// Its name.
        path: PathBuf,
    },
    /// A file appeared that a pattern reaches.
    #[error("{} appeared: reading it from its start", path.display())]
    Appeared {
        /// Its name.
        path: PathBuf,
    },
    /// A file of the run before was found under another name, and is finished first.
    #[error("{} is now {}: going on there from byte {offset}", was.display(), is.display())]
    Found {
        /// Its name in the run before.
        was: PathBuf,
        /// Where it, or a copy of it, is now.
        is: PathBuf,
        /// From where on it is read.
        offset: u64,
    },
}

/// All inputs of a run. Lives on the reader's thread.
#[derive(Debug)]
pub struct Inputs {}

// === impl Options ===

impl Default for Options {
    fn default() -> Self {
        Self { follow: false, max_line: super::MAX_LINE, resumable: false, except: None }
    }
}

// === impl Inputs ===

impl Inputs {
    /// Finds what `patterns` name, and where `resume` left off.
    ///
    /// # Errors
    ///
    /// As [`expand`](super::expand); with `follow` also when changes cannot be watched.
    pub fn open(
        patterns: &[String],
        resume: Option<&Checkpoint>,
        options: Options,
    ) -> Result<Self, InputError> {
        let _ = (patterns, resume, options);
        todo!()
    }

    /// Where each input stands before the first batch; the index is [`Batch::input`]. None means at its start.
    pub fn positions(&self) -> Vec<Option<Arc<Position>>> {
        todo!()
    }

    /// Ends this run from another thread.
    pub fn stopper(&self) -> Stopper {
        todo!()
    }

    /// Reads on. `recycle` is the buffer of an earlier batch, or an empty one; its content does not matter.
    pub fn next(&mut self, recycle: Vec<u8>) -> Step {
        let _ = recycle;
        todo!()
    }

    /// After [`Step::Idle`]: blocks until something may have changed, or the run is stopped.
    pub fn wait(&mut self) -> Wake {
        todo!()
    }
}
