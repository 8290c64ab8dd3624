//! The output: one file, or standard output.
//!
//! What is there is never harmed by accident: an output that holds something is refused unless a state knows it or
//! the caller says what to do with it, and so is one that is also an input, under whatever name.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Seek, Write},
    os::{fd::AsFd, unix::fs::FileTypeExt},
    path::{Path, PathBuf},
};

use crate::{
    checkpoint::OutputMark,
    fault,
    input::{FileKey, InputError, InputSpec, expand},
};

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
}

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
    /// The inputs, looked at again for that, cannot be used.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The system refused to open it.
    #[error("output {} cannot be opened: {source}; check who may write it and its folder", path.display())]
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
        let regular =
            length.map(|length| Regular { path: path.clone(), key: opened.key, length, is_cut: false });
        Ok(Self { name, file: opened.file, key, regular, pending: Vec::new(), written: 0 })
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
            self.file.sync_data().map_err(|source| self.failure(source))?;
        }
        Ok(())
    }

    /// What a checkpoint saves after a flush: none for what cannot be cut.
    pub fn mark(&self) -> Option<OutputMark> {
        let Regular { path, key, length, .. } = self.regular.as_ref()?;
        Some(OutputMark { path: path.clone(), key: *key, length: *length })
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
        while !bytes.is_empty() {
            match self.file.write(bytes) {
                Ok(0) => return Err(self.failure(ErrorKind::WriteZero.into())),
                Ok(written) => {
                    bytes = &bytes[written..];
                    self.written += written as u64;
                    if let Some(regular) = &mut self.regular {
                        regular.length += written as u64;
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failure(error)),
            }
        }
        fault::point("after-write");
        Ok(())
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

struct Opened {
    file: File,
    key: FileKey,
    is_new: bool,
    /// None for devices and pipes.
    length: Option<u64>,
}

// === impl Opened ===

impl Opened {
    /// Opens or makes the file, without a change to what it holds.
    fn at(path: &Path, resume: Option<&OutputMark>) -> Result<Self, OutputError> {
        // The place that is written to, if a link leads there.
        let folder = path.parent().unwrap_or(path);
        let place = fs::read_link(path).map_or(path.to_owned(), |target| folder.join(target));
        let failed = |source: io::Error| match source.kind() {
            ErrorKind::IsADirectory => OutputError::Folder { path: path.to_owned() },
            ErrorKind::NotFound => OutputError::NoFolder {
                path: path.to_owned(),
                folder: place.parent().unwrap_or(&place).to_owned(),
            },
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
        let length = metadata.is_file().then_some(metadata.len());
        Ok(Self { file, key: FileKey::of(&metadata), is_new, length })
    }

    /// The length that the file is to have before the first write, if it has one.
    fn check(
        &self,
        path: &Path,
        existing: Existing,
        resume: Option<&OutputMark>,
        patterns: &[String],
    ) -> Result<Option<u64>, OutputError> {
        // Only now that the file exists is it known whether a pattern leads to it.
        refuse_input(path, self.key, patterns)?;
        let Some(found) = self.length else { return Ok(None) };
        if let Some(OutputMark { key, length, .. }) = resume {
            return match () {
                () if *key != self.key => Err(OutputError::Replaced { path: path.to_owned() }),
                () if found < *length => {
                    Err(OutputError::Shorter { path: path.to_owned(), found, length: *length })
                }
                () => Ok(Some(*length)),
            };
        }
        match existing {
            Existing::Refuse if found > 0 => {
                Err(OutputError::Exists { path: path.to_owned(), length: found })
            }
            Existing::Overwrite => Ok(Some(0)),
            Existing::Refuse | Existing::Append => Ok(Some(found)),
        }
    }
}

/// An output among the inputs would be read while it is written, for ever.
fn refuse_input(path: &Path, output: FileKey, patterns: &[String]) -> Result<(), OutputError> {
    let input = expand(patterns, true)?.into_iter().find_map(|spec| match spec {
        InputSpec::File { path, key } if key == output => Some(path),
        _ => None,
    });
    match input {
        Some(input) => Err(OutputError::IsInput { path: path.to_owned(), input }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use insta::assert_snapshot;

    use super::*;

    struct Fixture {
        folder: tempfile::TempDir,
    }

    impl Fixture {
        fn new() -> Self {
            Self { folder: tempfile::tempdir().expect("the tests need a folder to write to") }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn file(&self, name: &str, content: &str) -> PathBuf {
            fs::write(self.path(name), content).expect("the folder is ours");
            self.path(name)
        }

        fn open(
            &self,
            name: &str,
            existing: Existing,
            resume: Option<&OutputMark>,
        ) -> Result<Output, OutputError> {
            let inputs = self.path("*.in").display().to_string();
            Output::open(&Target::File(self.path(name)), existing, resume, &[inputs])
        }

        fn refusal(&self, name: &str, existing: Existing, resume: Option<&OutputMark>) -> String {
            let error = self.open(name, existing, resume).expect_err("this output is to be refused");
            error.to_string().replace(&self.folder.path().display().to_string(), "FOLDER")
        }

        /// The content of the file after `text` was written to it.
        fn written(&self, name: &str, existing: Existing, resume: Option<&OutputMark>, text: &str) -> String {
            let mut output = self.open(name, existing, resume).expect("this output can be used");
            output.write(text.as_bytes()).expect("there is room");
            output.flush(true).expect("there is room");
            let content = fs::read_to_string(self.path(name)).expect("it was just written");
            let mark = output.mark().expect("a file has a length");
            assert_eq!(mark.length, content.len() as u64);
            content
        }

        fn mark(&self, name: &str, length: u64) -> OutputMark {
            let metadata = fs::metadata(self.path(name)).expect("the file exists");
            OutputMark { path: self.path(name), key: FileKey::of(&metadata), length }
        }
    }

    #[test]
    fn outputs_that_would_harm_something_are_refused_and_left_alone() {
        let fixture = Fixture::new();
        fixture.file("full", "precious\n");
        let input = fixture.file("a.in", "a line\n");
        symlink("no/out", fixture.path("astray")).expect("the folder is ours");
        symlink(&input, fixture.path("link")).expect("the folder is ours");
        fs::hard_link(&input, fixture.path("hard")).expect("the folder is ours");
        let mark = fixture.mark("full", 100);
        let other = OutputMark { key: FileKey { device: 0, inode: 0 }, ..mark.clone() };
        use Existing::{Append, Overwrite, Refuse};
        let said = [
            ("holds something", fixture.refusal("full", Refuse, None)),
            ("its folder is missing", fixture.refusal("no/out", Refuse, None)),
            ("its folder is missing behind a link", fixture.refusal("astray", Refuse, None)),
            ("is a folder", fixture.refusal("", Overwrite, None)),
            ("is an input", fixture.refusal("a.in", Append, None)),
            ("is an input through a link", fixture.refusal("link", Overwrite, None)),
            ("is an input through a hard link", fixture.refusal("hard", Overwrite, None)),
            ("would be an input once it exists", fixture.refusal("new.in", Refuse, None)),
            ("is shorter than the state says", fixture.refusal("full", Refuse, Some(&mark))),
            ("is another file than the state says", fixture.refusal("full", Overwrite, Some(&other))),
            ("is gone", fixture.refusal("gone", Refuse, Some(&mark))),
        ];
        let said: Vec<String> = said.iter().map(|(what, error)| format!("{what}:\n  {error}")).collect();
        assert_snapshot!(said.join("\n"), @r"
        holds something:
          output FOLDER/full holds 9 bytes already; use --append to write behind them, --overwrite to replace them, or another name
        its folder is missing:
          output FOLDER/no/out cannot be made: the folder FOLDER/no does not exist; make it first
        its folder is missing behind a link:
          output FOLDER/astray cannot be made: the folder FOLDER/no does not exist; make it first
        is a folder:
          output FOLDER/ is a folder; name a file in it
        is an input:
          output FOLDER/a.in is also an input, as FOLDER/a.in; write to another file
        is an input through a link:
          output FOLDER/link is also an input, as FOLDER/a.in; write to another file
        is an input through a hard link:
          output FOLDER/hard is also an input, as FOLDER/a.in; write to another file
        would be an input once it exists:
          output FOLDER/new.in is also an input, as FOLDER/new.in; write to another file
        is shorter than the state says:
          output FOLDER/full holds 9 bytes, and the state says that it holds 100; restore it, or remove the state and the output to start from the beginning
        is another file than the state says:
          output FOLDER/full is not the file that the state speaks of: it was replaced; put that file back, or remove the state to start from the beginning
        is gone:
          output FOLDER/gone is gone, and the state says that it holds 100 bytes; restore it, or remove the state to start from the beginning
        ");

        assert_eq!(fs::read_to_string(fixture.path("full")).expect("it is there"), "precious\n");
        assert_eq!(fs::read_to_string(input).expect("it is there"), "a line\n");
        assert!(!fixture.path("new.in").exists() && !fixture.path("gone").exists());
    }

    #[test]
    fn append_overwrite_and_resume_begin_where_they_should() {
        let fixture = Fixture::new();
        fixture.file("out", "before\n");
        assert_eq!(fixture.written("out", Existing::Append, None, "new\n"), "before\nnew\n");
        assert_eq!(fixture.written("out", Existing::Overwrite, None, "new\n"), "new\n");
        assert_eq!(fixture.written("fresh", Existing::Refuse, None, "new\n"), "new\n");
        fixture.file("empty", "");
        assert_eq!(fixture.written("empty", Existing::Refuse, None, "new\n"), "new\n");
    }

    #[test]
    fn link_without_a_file_leads_to_a_new_one() {
        let fixture = Fixture::new();
        symlink("target", fixture.path("link")).expect("the folder is ours");
        assert_eq!(fixture.written("link", Existing::Refuse, None, "new\n"), "new\n");
        assert_eq!(fs::read_to_string(fixture.path("target")).expect("it was made"), "new\n");
    }

    #[test]
    fn opening_alone_changes_nothing() {
        let fixture = Fixture::new();
        let path = fixture.file("out", "precious\n");
        let mut output = fixture.open("out", Existing::Overwrite, None).expect("this output can be used");
        output.flush(true).expect("there is nothing to write");
        assert_eq!(fs::read_to_string(&path).expect("it is there"), "precious\n");
        assert_eq!(output.mark().map(|mark| mark.length), Some(0));
        output.cut().expect("the file is ours");
        assert_eq!(fs::read_to_string(&path).expect("it is there"), "");
    }

    #[test]
    fn resume_cuts_what_was_not_settled() {
        let fixture = Fixture::new();
        fixture.file("out", "settled\nnot settl");
        let mark = fixture.mark("out", 8);
        assert_eq!(fixture.written("out", Existing::Refuse, Some(&mark), "again\n"), "settled\nagain\n");
    }

    #[test]
    fn small_writes_are_gathered_and_large_ones_are_not_copied() {
        let fixture = Fixture::new();
        let mut output = fixture.open("out", Existing::Refuse, None).expect("a new file can be used");
        output.write(b"small\n").expect("there is room");
        assert_eq!(output.written(), 0);
        output.write(&[b'x'; 2 * GATHER]).expect("there is room");
        assert_eq!(output.written(), 6 + 2 * GATHER as u64);
        assert_eq!(output.pending.len(), 0);
    }

    #[test]
    fn full_disk_is_said_with_the_remedy() {
        let target = Target::File(PathBuf::from("/dev/full"));
        let mut output =
            Output::open(&target, Existing::Refuse, None, &[]).expect("the device can be opened");
        assert_eq!(output.mark(), None, "a device has no length to go back to");
        output.write(b"line\n").expect("it is gathered first");
        let error = output.flush(false).expect_err("this device is always full");
        assert_snapshot!(error.to_string(), @"output /dev/full has no more room: No space left on device (os error 28); make room and start again: with --state the run goes on where it was");
    }

    #[test]
    fn reader_that_goes_away_is_told_from_a_failure() {
        let (reader, writer) = io::pipe().expect("the system gives pipes");
        let file = File::from(std::os::fd::OwnedFd::from(writer));
        let mut output = Output {
            name: "standard output".to_owned(),
            file,
            key: None,
            regular: None,
            pending: Vec::new(),
            written: 0,
        };
        drop(reader);
        output.write(b"line\n").expect("it is gathered first");
        assert!(matches!(output.flush(false), Err(OutputError::Closed)));
    }
}
