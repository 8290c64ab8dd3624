//! Why a state cannot be used.

use std::{io, path::PathBuf};

use rustix::io::Errno;

use super::VERSION;

/// Why a state cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The folder above is missing.
    #[error("state folder {} cannot be made: {} does not exist; make that first", dir.display(), parent.display())]
    NoParent {
        /// The state's folder.
        dir: PathBuf,
        /// The one above.
        parent: PathBuf,
    },
    /// The system refused something.
    #[error("state folder {}: cannot {action}: {source}{}", dir.display(), remedy(source))]
    Io {
        /// The state's folder.
        dir: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// Another run is using it.
    #[error("state folder {} is in use by another run; wait for its end, or give this one a folder of its own", dir.display())]
    InUse {
        /// The state's folder.
        dir: PathBuf,
    },
    /// It is not what was written.
    #[error(
        "state {} is damaged: {reason}; restore it, or remove it and the output to start from the beginning",
        path.display()
    )]
    Damaged {
        /// The state's file.
        path: PathBuf,
        /// How that was seen.
        reason: String,
    },
    /// A later version of this program wrote it.
    #[error(
        "state {} is of version {found}, this program knows {VERSION}; use the program that wrote it, or a later one",
        path.display()
    )]
    Newer {
        /// The state's file.
        path: PathBuf,
        /// Its version.
        found: u64,
    },
    /// An earlier version of this program wrote it, and saved less than this one needs.
    #[error(
        "state {} is of version {found}, this program writes {VERSION} and cannot go on from there; finish with the \
         program that wrote it, or remove the state and the output to start from the beginning", path.display()
    )]
    Older {
        /// The state's file.
        path: PathBuf,
        /// Its version.
        found: u64,
    },
    /// It belongs to a pipeline with other settings.
    #[error(
        "state {} belongs to another pipeline: {setting} was {}, now it is {}; give this one a folder of its own",
        path.display(), quoted(was), quoted(is)
    )]
    Foreign {
        /// The state's file.
        path: PathBuf,
        /// The first setting that differs.
        setting: String,
        /// Its value in the state.
        was: Option<String>,
        /// Its value now.
        is: Option<String>,
    },
}

/// What to do about what the system refused, behind its word.
fn remedy(refused: &io::Error) -> &'static str {
    match Errno::from_io_error(refused) {
        Some(Errno::ACCESS | Errno::PERM) => "; check who may write it and the folder above",
        Some(Errno::NOENT) => "; it was removed, or is a link that leads nowhere",
        Some(Errno::LOOP) => "; check where its links lead",
        Some(Errno::NOTDIR) => "; give a folder, or a name that is still free",
        Some(Errno::ROFS) => "; give a folder on another disk",
        Some(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) => {
            "; make room and start again: the run goes on where it was"
        }
        Some(Errno::MFILE | Errno::NFILE) => "; allow more open files (ulimit -n)",
        _ => "",
    }
}

fn quoted(value: &Option<String>) -> String {
    value.as_ref().map_or_else(|| "not given".to_owned(), |value| format!("`{value}`"))
}
