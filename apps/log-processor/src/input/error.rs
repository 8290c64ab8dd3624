//! What can go wrong with an input, for people: the thing, the place, the remedy.

use std::{io, path::PathBuf};

use notify::ErrorKind;
use rustix::io::Errno;

/// Why an input could not be used, or could not be read to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// A pattern that cannot be understood.
    #[error(
        "input pattern `{pattern}`: {reason} at character {column}; write `[*]` for a literal `*`, `[[]` for a literal `[`"
    )]
    BadPattern {
        /// As given.
        pattern: String,
        /// Counted from 1.
        column: usize,
        /// What the pattern library says.
        reason: &'static str,
    },
    /// A pattern that reaches no file.
    #[error("input pattern `{pattern}` matches no file; check the folder and the spelling")]
    NoMatch {
        /// As given.
        pattern: String,
    },
    /// A path without a file.
    #[error("input {} does not exist; check the spelling, or use --follow to wait for it", path.display())]
    Missing {
        /// As given.
        path: PathBuf,
    },
    /// A file that may not be opened.
    #[error("input {} cannot be opened: {source}{}", path.display(), path_remedy(source))]
    Unreadable {
        /// As given.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A folder where a file is needed.
    #[error("input {} is a folder; name the files in it, for example `{}`", path.display(), path.join("*.log").display())]
    Folder {
        /// As given.
        path: PathBuf,
    },
    /// Reading stopped before the end.
    #[error("input {} could be read up to byte {offset} only: {source}", path.display())]
    Read {
        /// As opened.
        path: PathBuf,
        /// How many bytes were handed on.
        offset: u64,
        /// What the system says.
        source: io::Error,
    },
    /// Compressed data that ends early or is damaged.
    #[error(
        "input {} is damaged {format}: {offset} bytes could be decompressed, then {source}; \
         they were passed on, get a complete copy for the rest", path.display()
    )]
    Damaged {
        /// As opened.
        path: PathBuf,
        /// How it is compressed.
        format: String,
        /// How many decompressed bytes were handed on.
        offset: u64,
        /// What the decompressor says.
        source: io::Error,
    },
    /// A file that a checkpoint knows, which is nowhere to be found.
    #[error(
        "input {} was read up to byte {offset} by the run before, and neither it nor a copy is at that place or in \
         its folder any more: lines behind that byte, if there were any, are missing from the output", path.display()
    )]
    Lost {
        /// Under which name it was read.
        path: PathBuf,
        /// How many bytes had been handed on.
        offset: u64,
    },
    /// A pipe, or a file that is read like one, under a checkpoint.
    #[error(
        "input {} is a pipe or the like, which cannot be read again after a crash; \
         use a file, or leave out --state", path.display()
    )]
    NotResumable {
        /// As given; `-` for standard input.
        path: PathBuf,
    },
    /// A compressed file under `--follow`.
    #[error("input {} is compressed and does not grow; read it in a run without --follow", path.display())]
    CompressedFollow {
        /// As given.
        path: PathBuf,
    },
    /// The system would not tell about changes.
    #[error("changes in {} cannot be watched: {}; {}", folder.display(), reason(error), watch_remedy(error))]
    Watch {
        /// The folder to be watched.
        folder: PathBuf,
        /// What the system says. No `source`, since the message says it all.
        error: notify::Error,
    },
}

// === impl InputError ===

impl InputError {
    /// The file is not there any more, and under no name that it could have by now.
    pub(super) fn is_of_a_missing_one(&self) -> bool {
        match self {
            Self::Lost { .. } => true,
            Self::Unreadable { source, .. } => source.kind() == io::ErrorKind::NotFound,
            _ => false,
        }
    }
}

/// What to do about what the system refused, behind its word.
fn path_remedy(refused: &io::Error) -> &'static str {
    match Errno::from_io_error(refused) {
        Some(Errno::ACCESS | Errno::PERM) => "; check who may read it and its folders",
        Some(Errno::LOOP) => "; check where its links lead",
        Some(Errno::NOTDIR) => "; check the spelling: a file has nothing below it",
        // It was there when the run began.
        Some(Errno::NOENT) => "; it was removed or renamed meanwhile",
        Some(Errno::NAMETOOLONG) => "; check the spelling",
        Some(Errno::MFILE | Errno::NFILE) => "; allow more open files (ulimit -n)",
        Some(Errno::NXIO) => "; if it is a socket, read from it with another program, through a pipe",
        _ => "",
    }
}

fn reason(error: &notify::Error) -> String {
    match &error.kind {
        // The library's own words repeat the path, which is named already.
        ErrorKind::PathNotFound => "it does not exist".to_owned(),
        ErrorKind::Io(error) => error.to_string(),
        _ => error.to_string(),
    }
}

fn watch_remedy(error: &notify::Error) -> &'static str {
    match &error.kind {
        ErrorKind::PathNotFound => "make it first, or check the spelling",
        ErrorKind::Io(error) if error.kind() == io::ErrorKind::PermissionDenied => "check who may read it",
        // Too many watches, or too many programs that watch: Linux sets a bound on both.
        _ => "on Linux, look at the limits fs.inotify.max_user_watches and fs.inotify.max_user_instances",
    }
}
