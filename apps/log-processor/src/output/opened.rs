//! The file that an output is, opened and checked, and not changed by that.

use std::{
    fs::{self, File, Metadata, OpenOptions, TryLockError},
    io::{self, ErrorKind},
    os::{
        fd::AsFd,
        unix::{
            ffi::OsStrExt,
            fs::{FileExt, FileTypeExt},
        },
    },
    path::{Path, PathBuf},
};

use rustix::fs::{Access, access};

use super::{Existing, OutputError};
use crate::{
    checkpoint::OutputMark,
    input::{FileKey, folder_of, is_stored, reach_with_metadata, would_reach},
};

/// An output file before anything is written.
pub(super) struct Opened {
    pub(super) file: File,
    pub(super) key: FileKey,
    pub(super) is_new: bool,
    /// None for devices and pipes.
    length: Option<u64>,
}

/// As many links as Linux follows, one after the other.
const MOST_LINKS: usize = 40;

// === impl Opened ===

impl Opened {
    /// Opens or makes the file, without a change to what it holds.
    pub(super) fn at(path: &Path, resume: Option<&OutputMark>) -> Result<Self, OutputError> {
        let place = place_of(path);
        let folder = folder_of(&place);
        let failed = |source: io::Error| match source.kind() {
            ErrorKind::IsADirectory => OutputError::Folder { path: path.to_owned() },
            // Folders such as /proc are there and say so, too, of what cannot be made in them.
            ErrorKind::NotFound if !folder.is_dir() => {
                OutputError::NoFolder { path: path.to_owned(), folder: folder.clone() }
            }
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                OutputError::Full { name: format!("output {}", path.display()), source }
            }
            _ => OutputError::Open { path: path.to_owned(), source },
        };
        let (file, is_new) = match OpenOptions::new().write(true).open(path) {
            Ok(file) => (file, false),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                if let Some(OutputMark { length, .. }) = resume {
                    return Err(OutputError::Gone { path: path.to_owned(), length: *length });
                }
                (OpenOptions::new().write(true).create_new(true).open(&place).map_err(failed)?, true)
            }
            Err(error) => return Err(failed(error)),
        };
        let metadata = file.metadata().map_err(failed)?;
        // The system unlocks it when the process ends, however it ends. Where nothing can be locked, nothing is.
        if metadata.is_file() && matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
            return Err(OutputError::InUse { path: path.to_owned() });
        }
        let length = metadata.is_file().then_some(metadata.len());
        Ok(Self { file, key: FileKey::of(&metadata), is_new, length })
    }

    /// Whether the byte in front of `length` is no line end. Who may write and not read does not learn it.
    pub(super) fn ends_in_a_line(&self, path: &Path, length: u64) -> bool {
        let Some(last) = length.checked_sub(1) else { return false };
        let mut byte = [0];
        let read = File::open(path).and_then(|file| file.read_at(&mut byte, last));
        read.is_ok_and(|read| read == 1 && byte != *b"\n")
    }

    /// The length that the file is to have before the first write, if it has one.
    pub(super) fn check(
        &self,
        path: &Path,
        existing: Existing,
        resume: Option<&OutputMark>,
        patterns: &[String],
    ) -> Result<Option<u64>, OutputError> {
        // Only now that the file exists is it known whether a pattern leads to it.
        refuse_input(path, self.key, patterns)?;
        let Some(found) = self.length else { return Ok(None) };
        if let Some(mark) = resume {
            return self.check_mark(path, existing, mark, found).map(Some);
        }
        match existing {
            Existing::Refuse if found > 0 => {
                Err(OutputError::Exists { path: path.to_owned(), length: found })
            }
            Existing::Overwrite => Ok(Some(0)),
            Existing::Refuse | Existing::Append => Ok(Some(found)),
        }
    }

    /// The length that a file is to have that a state knows and that is `found` bytes long.
    fn check_mark(
        &self,
        path: &Path,
        existing: Existing,
        mark: &OutputMark,
        found: u64,
    ) -> Result<u64, OutputError> {
        let OutputMark { key, length, ended, .. } = *mark;
        if key != self.key {
            return Err(OutputError::Replaced { path: path.to_owned() });
        }
        let whole = ended.unwrap_or(length);
        if found < whole {
            return Err(OutputError::Shorter { path: path.to_owned(), found, length: whole });
        }
        // Behind the mark of a run that was cut off lie its own lines, which are read again.
        let is_grown = ended.is_some() && found > whole;
        match existing {
            Existing::Refuse if is_grown => {
                Err(OutputError::Grown { path: path.to_owned(), found, length: whole })
            }
            Existing::Append if is_grown => Ok(found),
            Existing::Refuse | Existing::Append | Existing::Overwrite => Ok(length),
        }
    }
}

/// What opening and checking would come to, without making anything or waiting for the reader of a pipe.
pub(super) fn check(
    path: &Path,
    existing: Existing,
    resume: Option<&OutputMark>,
    patterns: &[String],
) -> Result<(), OutputError> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() || metadata.is_dir() || metadata.file_type().is_socket() => {
            Opened::at(path, resume)?.check(path, existing, resume, patterns)?;
        }
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {
            if let Some(OutputMark { length, .. }) = resume {
                return Err(OutputError::Gone { path: path.to_owned(), length: *length });
            }
            let place = place_of(path);
            let folder = folder_of(&place);
            if !folder.is_dir() {
                return Err(OutputError::NoFolder { path: path.to_owned(), folder });
            }
            if place.as_os_str().as_bytes().ends_with(b"/") {
                return Err(OutputError::Folder { path: path.to_owned() });
            }
            access(&folder, Access::WRITE_OK)
                .map_err(|source| OutputError::Open { path: path.to_owned(), source: source.into() })?;
            // What it will be reached by once it is there.
            if patterns.iter().any(|pattern| would_reach(pattern, path)) {
                return Err(OutputError::IsInput { path: path.to_owned(), input: path.to_owned() });
            }
        }
        Err(source) => return Err(OutputError::Open { path: path.to_owned(), source }),
    }
    Ok(())
}

/// The place that is written to, if links lead there.
fn place_of(path: &Path) -> PathBuf {
    let mut place = path.to_owned();
    for _ in 0..MOST_LINKS {
        let Ok(target) = fs::read_link(&place) else { break };
        place = place.with_file_name(target);
    }
    place
}

/// An output among the inputs would be read while it is written, for ever.
pub(super) fn refuse_input(path: &Path, output: FileKey, patterns: &[String]) -> Result<(), OutputError> {
    for pattern in patterns {
        let reached = if pattern == "-" { Vec::new() } else { reach_with_metadata(pattern)? };
        let is_output = |(path, metadata): &(PathBuf, io::Result<Metadata>)| {
            metadata.as_ref().is_ok_and(|it| FileKey::of(it) == output && is_stored(path, it))
        };
        let of_file = reached.into_iter().find(is_output).map(|(path, _)| path);
        let of_stdin = || (pattern == "-" && stdin() == Some(output)).then(|| PathBuf::from("-"));
        if let Some(input) = of_file.or_else(of_stdin) {
            return Err(OutputError::IsInput { path: path.to_owned(), input });
        }
    }
    Ok(())
}

/// The file that standard input is redirected from.
fn stdin() -> Option<FileKey> {
    let stdin = File::from(io::stdin().as_fd().try_clone_to_owned().ok()?);
    stdin.metadata().ok().map(|metadata| FileKey::of(&metadata))
}
