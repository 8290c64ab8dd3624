//! A folder of results: each there as a whole or not at all.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use http::StatusCode;
use rustix::fs::{Access, CWD, RenameFlags, access};

use super::name::{file_name, may_be_called};
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
    /// Names of files that the run itself uses, with how they were given.
    own: Vec<(OsString, PathBuf)>,
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
}

// === impl Folder ===

impl Folder {
    /// Opens the folder, or makes it, and removes what a run that was killed has left half-written.
    ///
    /// With `syncs`, a result is forced to the disk before it has its name. No result may be called like one of `own` that is in the folder.
    ///
    /// # Errors
    ///
    /// [`FolderError`].
    pub fn open(path: &Path, syncs: bool, own: &[&Path]) -> Result<Self, FolderError> {
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
        let own = names_in(path, own).map_err(failed)?;
        Ok(Self { path: path.to_owned(), parts, own, syncs, _lock: lock })
    }

    /// Whether an answer to `job` may have a file.
    ///
    /// # Errors
    ///
    /// The run's own file that would be replaced.
    pub(crate) fn admits(&self, job: &Job) -> io::Result<()> {
        let is_meant = |name: &OsString| name.to_str().is_some_and(|name| may_be_called(job, name));
        match self.own.iter().find(|(name, _)| is_meant(name)) {
            None => Ok(()),
            Some((_, file)) => Err(io::Error::new(
                ErrorKind::InvalidFilename,
                format!(
                    "its file would be {}, which this run uses itself; give the request another id",
                    file.display()
                ),
            )),
        }
    }

    /// Whether an answer with another name, or a shorter one, may be kept, although this one could not be.
    pub(crate) fn takes_others(&self, error: &io::Error) -> bool {
        use ErrorKind::{
            FileTooLarge, InvalidFilename, InvalidInput, IsADirectory, PermissionDenied, ResourceBusy,
        };
        let is_writable = |folder| access(folder, Access::WRITE_OK | Access::EXEC_OK).is_ok();
        match error.kind() {
            FileTooLarge | InvalidFilename | InvalidInput | IsADirectory | ResourceBusy => true,
            // Whose file it is that may not be replaced.
            PermissionDenied => is_writable(&self.path) && is_writable(&self.parts),
            _ => false,
        }
    }

    /// Where bodies are to be written until they are whole.
    pub(crate) fn parts(&self) -> &Path {
        &self.parts
    }

    /// Gives a body its name. The error names the file; nothing is left of the body then.
    pub(crate) fn place(&self, job: &Job, status: StatusCode, body: &Body) -> io::Result<Placed> {
        let name = file_name(job, status);
        let to = self.path.join(&name);
        let part = match body {
            Body::File { path, .. } => path.clone(),
            // Nobody else is in the folder, and no other result has this line.
            Body::Memory(_) => self.parts.join(format!("line-{}", job.line)),
        };
        match self.put(body, &part, &to) {
            Ok(replaced) => Ok(Placed { name, bytes: body.len(), replaced }),
            Err(error) => {
                // What cannot be removed either is left for the next run.
                let _ = fs::remove_file(part);
                Err(io::Error::new(error.kind(), format!("cannot write {}: {error}", to.display())))
            }
        }
    }

    /// Says whether there was such a file.
    fn put(&self, body: &Body, part: &Path, to: &Path) -> io::Result<bool> {
        fault::room("full-folder")?;
        if let Body::Memory(bytes) = body {
            fs::write(part, bytes)?;
        }
        if self.syncs {
            File::open(part)?.sync_data()?;
        }
        fault::point("before-rename");
        match rustix::fs::renameat_with(CWD, part, CWD, to, RenameFlags::NOREPLACE) {
            Ok(()) => Ok(false),
            Err(rustix::io::Errno::EXIST) => {
                fs::rename(part, to)?;
                Ok(true)
            }
            // Some file systems cannot do that. Only the count suffers if somebody comes between the two.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::OPNOTSUPP) => {
                let replaced = to.symlink_metadata().is_ok();
                fs::rename(part, to)?;
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

/// Which of `files` are in that folder, by the names that they have there: a link, and what it leads to, have two.
fn names_in(folder: &Path, files: &[&Path]) -> io::Result<Vec<(OsString, PathBuf)>> {
    let folder = folder.canonicalize()?;
    let mut names = Vec::new();
    for file in files {
        let beside =
            file.parent().map(|parent| if parent.as_os_str().is_empty() { Path::new(".") } else { parent });
        let as_given = beside.and_then(|parent| Some(parent.canonicalize().ok()?.join(file.file_name()?)));
        for path in as_given.into_iter().chain(file.canonicalize().ok()) {
            if path.parent() == Some(&folder)
                && let Some(name) = path.file_name()
            {
                names.push((name.to_owned(), file.to_path_buf()));
            }
        }
    }
    Ok(names)
}
