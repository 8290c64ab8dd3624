//! The output: one file, or standard output.
//!
//! What is there is never harmed by accident: an output that holds something is refused unless a state knows it or
//! the caller says what to do with it, and so is one that is also an input, under whatever name.

mod error;
mod opened;
#[cfg(test)]
mod tests;

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Seek, Write},
    os::{fd::AsFd, unix::fs::FileTypeExt},
    path::{self, Path, PathBuf},
};

use forebay_program::fault;
use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
};

pub use self::error::OutputError;
use self::opened::{Opened, refuse_input};
use crate::{checkpoint::OutputMark, input::FileKey};

/// Where the output goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// `-`.
    Stdout,
    /// A file; or a device or named pipe, which are written as they are.
    File(PathBuf),
}

/// What to do with an output that holds something already: all of it, if no state knows it, or what others added
/// since a run with a state ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Existing {
    /// Refuse.
    #[default]
    Refuse,
    /// Write behind it.
    Append,
    /// Cut it off first.
    Overwrite,
}

/// An open output. Buffers: what is written is out after [`flush`](Output::flush).
#[derive(Debug)]
pub struct Output {
    name: String,
    file: File,
    /// None for devices and pipes.
    key: Option<FileKey>,
    /// None for standard output, devices and pipes, which have no length to go back to.
    regular: Option<Regular>,
    pending: Vec<u8>,
    written: u64,
}

#[derive(Debug)]
struct Regular {
    path: PathBuf,
    key: FileKey,
    /// How long the file is, without what is pending and without what is to be cut.
    length: u64,
    /// It was cut to that length, if it was longer when it was opened.
    is_cut: bool,
    /// What it held when it was opened, up to that length, has a last line without a line end.
    ends_in_a_line: bool,
}

/// Below this many bytes, writes are gathered: a filter may leave a line of each batch.
const GATHER: usize = 128 * 1024;

// === impl Target ===

impl Target {
    /// Whether this is standard output, under whatever name: `-`, `/dev/stdout`, the file it was redirected to.
    ///
    /// Opened a second time under that name, a file would be written from two places at once. A device has no
    /// place: it is what its name says.
    pub fn is_stdout(&self) -> bool {
        let Self::File(path) = self else { return true };
        let same = || -> io::Result<bool> {
            let named = fs::metadata(path)?;
            let stdout = File::from(io::stdout().as_fd().try_clone_to_owned()?).metadata()?;
            let is_placed = named.is_file() || named.file_type().is_fifo();
            Ok(is_placed && FileKey::of(&named) == FileKey::of(&stdout))
        };
        same().unwrap_or(false)
    }
}

// === impl Output ===

impl Output {
    /// Opens the output: behind `resume`, if there is one, or as `existing` says.
    ///
    /// `patterns` are the run's inputs: an output among them is refused. What lies behind the place where writing
    /// begins stays there until [`cut`](Self::cut).
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
        let path = match target {
            Target::File(path) if resume.is_some() || !target.is_stdout() => path,
            Target::File(_) | Target::Stdout => return Self::stdout(patterns),
        };
        let opened = Opened::at(path, resume)?;
        let ready = opened.check(path, existing, resume, patterns);
        if ready.is_err() && opened.is_new {
            // A new file that is refused must not be in the way of the next attempt. If it stays, it is empty.
            let _ = fs::canonicalize(path).and_then(fs::remove_file);
        }
        let length = ready?;
        let name = format!("output {}", path.display());
        let key = length.map(|_| opened.key);
        let ends_in_a_line = length.is_some_and(|length| opened.ends_in_a_line(path, length));
        let regular = length.map(|length| Regular {
            path: path.clone(),
            key: opened.key,
            length,
            is_cut: false,
            ends_in_a_line,
        });
        Ok(Self { name, file: opened.file, key, regular, pending: Vec::new(), written: 0 })
    }

    /// What [`open`](Self::open) would fail with, without making, changing or waiting for anything.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn check(
        target: &Target,
        existing: Existing,
        resume: Option<&OutputMark>,
        patterns: &[String],
    ) -> Result<(), OutputError> {
        match target {
            Target::File(path) if resume.is_some() || !target.is_stdout() => {
                opened::check(path, existing, resume, patterns)
            }
            Target::File(_) | Target::Stdout => Self::stdout(patterns).map(drop),
        }
    }

    /// Its place on disk, if it is a file: for [`Options::except`](crate::input::Options::except).
    pub fn key(&self) -> Option<FileKey> {
        self.key
    }

    /// Cuts off what is not to be kept: all of it to overwrite it, or what was not settled.
    ///
    /// The first write does so too. Called before, when nothing else can keep the run from starting, it empties the
    /// output of a run without lines.
    ///
    /// # Errors
    ///
    /// [`OutputError::Write`].
    pub fn cut(&mut self) -> Result<(), OutputError> {
        let Some(regular) = self.regular.as_mut().filter(|regular| !regular.is_cut) else { return Ok(()) };
        let begin = io::SeekFrom::Start(regular.length);
        if let Err(source) = self.file.set_len(regular.length).and_then(|()| self.file.seek(begin)) {
            return Err(self.failure(source));
        }
        regular.is_cut = true;
        Ok(())
    }

    /// Takes `bytes` into the buffer, or writes them if they are many.
    ///
    /// # Errors
    ///
    /// [`OutputError::Closed`], [`OutputError::Full`] or [`OutputError::Write`]; some of the bytes may have been
    /// written.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), OutputError> {
        if self.pending.len() + bytes.len() < GATHER {
            self.pending.extend_from_slice(bytes);
            return Ok(());
        }
        self.write_pending()?;
        self.write_out(bytes)
    }

    /// Hands everything to the system; with `sync`, to the disk.
    ///
    /// # Errors
    ///
    /// As [`write`](Output::write).
    pub fn flush(&mut self, sync: bool) -> Result<(), OutputError> {
        self.write_pending()?;
        if sync && self.regular.is_some() {
            let synced = fault::room("full-sync").and_then(|()| self.file.sync_data());
            synced.map_err(|source| self.failure(source))?;
        }
        Ok(())
    }

    /// What a checkpoint saves after a flush: none for what cannot be cut.
    pub fn mark(&self) -> Option<OutputMark> {
        let Regular { path, key, length, .. } = self.regular.as_ref()?;
        let path = path::absolute(path).unwrap_or_else(|_| path.clone());
        Some(OutputMark { path, key: *key, length: *length, ended: None })
    }

    /// How long the file is, with what is pending: where the next write goes. None for what cannot be cut.
    pub fn length(&self) -> Option<u64> {
        Some(self.regular.as_ref()?.length + self.pending.len() as u64)
    }

    /// Whether what it held when it was opened, as far as that stays, has a last line without a line end.
    pub fn ends_in_a_line(&self) -> bool {
        self.regular.as_ref().is_some_and(|regular| regular.ends_in_a_line)
    }

    /// How many bytes were handed to the system by this run.
    pub fn written(&self) -> u64 {
        self.written
    }

    fn stdout(patterns: &[String]) -> Result<Self, OutputError> {
        let failed = |source| OutputError::Open { path: PathBuf::from("-"), source };
        // The standard library's handle would look for line ends and flush at each.
        let file = File::from(io::stdout().as_fd().try_clone_to_owned().map_err(failed)?);
        let metadata = file.metadata().map_err(failed)?;
        let key = metadata.is_file().then(|| FileKey::of(&metadata));
        if let Some(key) = key {
            refuse_input(Path::new("-"), key, patterns)?;
        }
        let name = "standard output".to_owned();
        Ok(Self { name, file, key, regular: None, pending: Vec::new(), written: 0 })
    }

    fn write_pending(&mut self) -> Result<(), OutputError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let mut pending = std::mem::take(&mut self.pending);
        self.write_out(&pending)?;
        pending.clear();
        self.pending = pending;
        Ok(())
    }

    fn write_out(&mut self, mut bytes: &[u8]) -> Result<(), OutputError> {
        self.cut()?;
        self.refuse_cut_by_others()?;
        while !bytes.is_empty() {
            match fault::room("full-output").and_then(|()| self.file.write(bytes)) {
                Ok(0) => return Err(self.failure(ErrorKind::WriteZero.into())),
                Ok(written) => {
                    bytes = &bytes[written..];
                    self.written += written as u64;
                    if let Some(regular) = &mut self.regular {
                        regular.length += written as u64;
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // A pipe that was made so by somebody else who has it, too.
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.wait()?,
                Err(error) => return Err(self.failure(error)),
            }
        }
        fault::point("after-write");
        Ok(())
    }

    /// Waits until there is room in a pipe that does not block.
    fn wait(&self) -> Result<(), OutputError> {
        match poll(&mut [PollFd::new(&self.file, PollFlags::OUT)], None) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(self.failure(error.into())),
        }
    }

    /// Behind the end of a file that somebody else emptied, as rotation by copying does, a write would leave zeros.
    fn refuse_cut_by_others(&self) -> Result<(), OutputError> {
        let Some(Regular { path, length, .. }) = &self.regular else { return Ok(()) };
        match self.file.metadata() {
            Ok(metadata) if metadata.len() < *length => {
                Err(OutputError::CutShort { path: path.clone(), found: metadata.len(), length: *length })
            }
            _ => Ok(()),
        }
    }

    fn failure(&self, source: io::Error) -> OutputError {
        let name = self.name.clone();
        match source.kind() {
            ErrorKind::BrokenPipe => OutputError::Closed,
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                OutputError::Full { name, source }
            }
            _ => OutputError::Write { name, source },
        }
    }
}
