//! Why an output cannot be used, for people: the thing, the place, the remedy.

use std::{io, path::PathBuf};

use rustix::io::Errno;

use crate::input::InputError;

/// Why an output cannot be used, or not further.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutputError {
    /// It holds something.
    #[error(
        "output {} holds {length} bytes already; use --append to write behind them, --overwrite to replace them, \
         or another name", path.display()
    )]
    Exists {
        /// As given.
        path: PathBuf,
        /// In bytes.
        length: u64,
    },
    /// Its folder is missing.
    #[error("output {} cannot be made: the folder {} does not exist; make it first", path.display(), folder.display())]
    NoFolder {
        /// As given.
        path: PathBuf,
        /// The folder.
        folder: PathBuf,
    },
    /// It is a folder.
    #[error("output {} is a folder; name a file in it", path.display())]
    Folder {
        /// As given.
        path: PathBuf,
    },
    /// It would read what it writes.
    #[error("output {} is also an input, as {}; write to another file", path.display(), input.display())]
    IsInput {
        /// As given.
        path: PathBuf,
        /// The name that the input has.
        input: PathBuf,
    },
    /// Another run writes it.
    #[error("output {} is being written by another run; wait for its end, or write to another file", path.display())]
    InUse {
        /// As given.
        path: PathBuf,
    },
    /// A state cannot go back in what a shell empties at each start.
    #[error(
        "output {} is where standard output goes, too; with --state give it by its name only, without `> {}`",
        path.display(), path.display()
    )]
    IsStdout {
        /// As given.
        path: PathBuf,
    },
    /// The inputs, looked at again for that, cannot be used.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The system refused to open it.
    #[error("output {} cannot be opened: {source}{}", path.display(), remedy(source))]
    Open {
        /// As given.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file that the state speaks of is gone.
    #[error(
        "output {} is gone, and the state says that it holds {length} bytes; restore it, or remove the state to \
         start from the beginning", path.display()
    )]
    Gone {
        /// As given.
        path: PathBuf,
        /// In bytes.
        length: u64,
    },
    /// Another file stands in its place.
    #[error(
        "output {} is not the file that the state speaks of: it was replaced; put that file back, or remove the \
         state to start from the beginning", path.display()
    )]
    Replaced {
        /// As given.
        path: PathBuf,
    },
    /// It lost something.
    #[error(
        "output {} holds {found} bytes, and the state says that it holds {length}; restore it, or remove the state \
         and the output to start from the beginning", path.display()
    )]
    Shorter {
        /// As given.
        path: PathBuf,
        /// In bytes.
        found: u64,
        /// In bytes, as the state says.
        length: u64,
    },
    /// Somebody wrote to it since.
    #[error(
        "output {} holds {found} bytes, and the run before ended with {length}: somebody else wrote to it; use \
         --append to keep that and write behind it, or --overwrite to cut it off", path.display()
    )]
    Grown {
        /// As given.
        path: PathBuf,
        /// In bytes.
        found: u64,
        /// In bytes, as the state says.
        length: u64,
    },
    /// It lost something while it was written.
    #[error(
        "output {} holds {found} bytes, and {length} were written: somebody else emptied or cut it; it cannot be \
         rotated while a run writes it: stop the run, move the output away, and start with another --state",
        path.display()
    )]
    CutShort {
        /// As given.
        path: PathBuf,
        /// In bytes.
        found: u64,
        /// In bytes, as far as this run wrote it.
        length: u64,
    },
    /// Whoever read standard output went away. No fault of ours: the run ends quietly.
    #[error("the output was closed by its reader")]
    Closed,
    /// The disk, a quota or a limit on file sizes is full.
    #[error(
        "{name} has no more room: {source}; make room and start again: with --state the run goes on where it was"
    )]
    Full {
        /// What was written to.
        name: String,
        /// What the system says.
        source: io::Error,
    },
    /// A write failed.
    #[error("{name} cannot be written: {source}")]
    Write {
        /// What was written to.
        name: String,
        /// What the system says.
        source: io::Error,
    },
}

/// What to do about what the system refused, behind its word.
fn remedy(refused: &io::Error) -> &'static str {
    match Errno::from_io_error(refused) {
        Some(Errno::ACCESS | Errno::PERM) => "; check who may write it and its folder",
        Some(Errno::LOOP) => "; check where its links lead",
        Some(Errno::NOTDIR) => "; check the spelling: a file has nothing below it",
        Some(Errno::NOENT) => "; files cannot be made in that folder: name another one",
        Some(Errno::NAMETOOLONG) => "; give it a shorter name",
        Some(Errno::ROFS) => "; name a file on another disk",
        Some(Errno::NXIO) => "; if it is a socket, write to it with another program, through a pipe",
        _ => "",
    }
}
