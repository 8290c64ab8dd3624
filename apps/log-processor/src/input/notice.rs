//! What a run lives through without harm, for people.

use std::path::PathBuf;

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
    /// A file was copied before it was truncated, and the copy holds what was not read yet.
    #[error("{} was truncated: going on from byte {offset} in its copy {}", path.display(), copy.display())]
    CopiedAndTruncated {
        /// Its name.
        path: PathBuf,
        /// The name of the copy.
        copy: PathBuf,
        /// How far it had been read.
        offset: u64,
    },
    /// A file appeared that a pattern reaches.
    #[error("{} appeared: reading it from its start", path.display())]
    Appeared {
        /// Its name.
        path: PathBuf,
    },
    /// A file that is being read is copied, as it is before a truncation, or compressed: its lines are taken from the original.
    #[error("{} is a copy of {}: leaving it out", path.display(), of.display())]
    Copied {
        /// The name of the copy.
        path: PathBuf,
        /// The name of the file that is read.
        of: PathBuf,
    },
    /// A compressed file does not grow, so a pattern that leads to it passes it over.
    #[error("{} is compressed and cannot be followed: leaving it out", path.display())]
    Compressed {
        /// Its name.
        path: PathBuf,
    },
    /// A file that was rotated while nobody read, between the one that the run before was reading and the present.
    #[error("{} was rotated in the meantime: reading it from its start", path.display())]
    CaughtUp {
        /// Its name.
        path: PathBuf,
    },
    /// A file that is read was moved into another folder, under a name that does not tell what came after it.
    #[error(
        "{} was moved to {}: were there others before the present one, their lines are missing",
        path.display(), to.display()
    )]
    Moved {
        /// Its name.
        path: PathBuf,
        /// Its name by now.
        to: PathBuf,
    },
    /// A file that the run before finished was removed since, which is in order unless it grew in between.
    #[error(
        "{} of the run before, read to its end at byte {offset}, is gone: if it grew or was rotated since, lines are missing",
        path.display()
    )]
    Gone {
        /// Its name in the run before.
        path: PathBuf,
        /// Where it ended.
        offset: u64,
    },
    /// A file of the run before was found under another name, and is finished first.
    #[error("{} of the run before is now {}: going on there from byte {offset}", was.display(), is.display())]
    Found {
        /// Its name in the run before.
        was: PathBuf,
        /// Where it, or a copy of it, is now.
        is: PathBuf,
        /// From where on it is read.
        offset: u64,
    },
}
