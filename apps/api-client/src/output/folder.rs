//! A folder of results: each there as a whole or not at all.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use http::StatusCode;
use rustix::fs::{CWD, RenameFlags};

use super::file_name;
use crate::Body;
use crate::input::Job;
use forebay_program::fault;

/// Where files lie until they are whole. No result is called like that: their names do not begin with a dot.
const PARTS: &str = ".api-client-parts";
/// In [`PARTS`], and locked while a run uses the folder.
const LOCK: &str = "lock";

/// A folder for results, which belongs to this run until it is dropped. Its methods block.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    parts: PathBuf,
    /// Whether a result survives a loss of power.
    syncs: bool,
    _lock: File,
}

/// A result that has a file.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) name: String,
    pub(crate) bytes: u64,
    /// There was a file of that name, which is gone.
    pub(crate) replaced: bool,
}

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// It cannot be made or opened.
    #[error("cannot use the folder {}: {source}", path.display())]
    Open {
        /// The folder, or what is in it.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Somebody else writes into it.
    #[error("the folder {} is in use by another run; wait for it, or give this run a folder of its own", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// A result cannot be put there.
    #[error("cannot write {}: {source}", path.display())]
    Place {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

// === impl Folder ===

impl Folder {
    /// Opens the folder, or makes it, and removes what a run that was killed has left half-written.
    ///
    /// With `syncs`, a result is forced to the disk before it has its name.
    ///
    /// # Errors
    ///
    /// [`FolderError`].
    pub fn open(path: &Path, syncs: bool) -> Result<Self, FolderError> {
        let parts = path.join(PARTS);
        let failed = |source| FolderError::Open { path: path.to_owned(), source };
        fs::create_dir_all(path).map_err(failed)?;
        match fs::create_dir(&parts) {
            // A link would lead parts, and the removal of leftovers, out of the folder.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                if !fs::symlink_metadata(&parts).map_err(failed)?.is_dir() {
                    let source = io::Error::new(ErrorKind::NotADirectory, "it is no folder");
                    return Err(FolderError::Open { path: parts, source });
                }
            }
            made => made.map_err(failed)?,
        }
        let lock = File::create(parts.join(LOCK)).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(FolderError::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        for entry in fs::read_dir(&parts).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if entry.file_name() != LOCK {
                fs::remove_file(entry.path()).map_err(failed)?;
            }
        }
        Ok(Self { path: path.to_owned(), parts, syncs, _lock: lock })
    }

    /// Where bodies are to be written until they are whole.
    pub(crate) fn parts(&self) -> &Path {
        &self.parts
    }

    /// Gives a body its name.
    pub(crate) fn place(&self, job: &Job, status: StatusCode, body: &Body) -> Result<Placed, FolderError> {
        let name = file_name(job, status);
        let to = self.path.join(&name);
        match self.put(job, body, &to) {
            Ok(replaced) => Ok(Placed { name, bytes: body.len(), replaced }),
            Err(source) => Err(FolderError::Place { path: to, source }),
        }
    }

    /// Says whether there was such a file.
    fn put(&self, job: &Job, body: &Body, to: &Path) -> io::Result<bool> {
        let part = match body {
            Body::File { path, .. } => path.clone(),
            Body::Memory(bytes) => {
                // Nobody else is in the folder, and no other result has this line.
                let part = self.parts.join(format!("line-{}", job.line));
                fs::write(&part, bytes)?;
                part
            }
        };
        if self.syncs {
            File::open(&part)?.sync_data()?;
        }
        fault::point("before-rename");
        match rustix::fs::renameat_with(CWD, &part, CWD, to, RenameFlags::NOREPLACE) {
            Ok(()) => Ok(false),
            Err(rustix::io::Errno::EXIST) => {
                fs::rename(&part, to)?;
                Ok(true)
            }
            // Some file systems cannot do that. Only the count suffers if somebody comes between the two.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::OPNOTSUPP) => {
                let replaced = to.symlink_metadata().is_ok();
                fs::rename(&part, to)?;
                Ok(replaced)
            }
            Err(errno) => Err(errno.into()),
        }
    }

    /// Forces the names to the disk.
    pub(crate) fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is left for the next run. The lock is held until after that, so nobody is in there.
        let _ = fs::remove_file(self.parts.join(LOCK));
        let _ = fs::remove_dir(&self.parts);
    }
}
