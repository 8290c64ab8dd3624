//! The stream of results: a file, or standard output.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

/// Where lines of results go. Its methods block.
#[derive(Debug)]
pub struct Lines {
    to: To,
}

#[derive(Debug)]
enum To {
    File { path: PathBuf, file: File },
    Stdout(io::Stdout),
    Nowhere,
}

/// Why results cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinesError {
    /// The file cannot be opened.
    #[error("cannot open {} for results: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There are results of another run.
    #[error("{} has content already; remove it or name another file, or name the journal of the run that is to be resumed", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// What is to be removed is not of this program.
    #[error("{} ends with a line that is no result; mend it, or name another file", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Writing failed.
    #[error("cannot write results to {}: {source}", place(path.as_deref()))]
    Write {
        /// The file; none: standard output.
        path: Option<PathBuf>,
        /// Why.
        source: io::Error,
    },
    /// Nobody reads any more.
    #[error("the reader of the results went away")]
    ReaderGone,
}

// === impl Lines ===

impl Lines {
    /// Appends to a file. There must be nothing in it unless an earlier run is `resumed`; then a last line that is
    /// cut off is removed.
    ///
    /// # Errors
    ///
    /// [`LinesError::Open`], [`LinesError::Exists`], and [`LinesError::Foreign`] if what would be removed is no result.
    pub fn file(path: &Path, resumed: bool) -> Result<Self, LinesError> {
        let failed = |source| LinesError::Open { path: path.to_owned(), source };
        // A pipe or a device cannot be read back, and has nothing to be cut.
        let is_regular = path.metadata().map_or(true, |metadata| metadata.is_file());
        let mut file =
            OpenOptions::new().read(is_regular).append(true).create(true).open(path).map_err(failed)?;
        if is_regular && file.metadata().map_err(failed)?.len() > 0 {
            if !resumed {
                return Err(LinesError::Exists { path: path.to_owned() });
            }
            let end = end_of_last_line(&mut file).map_err(failed)?;
            if !begins_like_ours(&mut file, end).map_err(failed)? {
                return Err(LinesError::Foreign { path: path.to_owned() });
            }
            file.set_len(end).map_err(failed)?;
        }
        Ok(Self { to: To::File { path: path.to_owned(), file } })
    }

    /// Writes to standard output.
    pub fn stdout() -> Self {
        Self { to: To::Stdout(io::stdout()) }
    }

    /// Writes nothing: there are files for the bodies, and nobody asked for more.
    pub fn nowhere() -> Self {
        Self { to: To::Nowhere }
    }

    /// Writes lines. They are with the operating system when this returns.
    pub(crate) fn write(&mut self, lines: &[u8]) -> Result<(), LinesError> {
        let (path, written) = match &mut self.to {
            To::Nowhere => return Ok(()),
            To::File { path, file } => (Some(path.clone()), file.write_all(lines)),
            To::Stdout(stdout) => (None, stdout.write_all(lines).and_then(|()| stdout.flush())),
        };
        written.map_err(|source| match source.kind() {
            io::ErrorKind::BrokenPipe => LinesError::ReaderGone,
            _ => LinesError::Write { path, source },
        })
    }

    /// Forces a file to the disk.
    pub(crate) fn sync(&mut self) -> Result<(), LinesError> {
        match &mut self.to {
            To::File { path, file } if file.metadata().is_ok_and(|metadata| metadata.is_file()) => {
                file.sync_data().map_err(|source| LinesError::Write { path: Some(path.clone()), source })
            }
            _ => Ok(()),
        }
    }
}

/// Where the last line ends that has an end.
fn end_of_last_line(file: &mut File) -> io::Result<u64> {
    let length = file.metadata()?.len();
    // Results have no bound that is known here, so the search goes back further and further.
    let mut window = 1 << 16;
    loop {
        let start = length.saturating_sub(window);
        file.seek(SeekFrom::Start(start))?;
        let mut reader = BufReader::new(&mut *file).take(length - start);
        let (mut end, mut at, mut line) = (None, start, Vec::new());
        loop {
            line.clear();
            let read = reader.read_until(b'\n', &mut line)?;
            if line.last() != Some(&b'\n') {
                break;
            }
            at += read as u64;
            end = Some(at);
        }
        match end {
            Some(end) => return Ok(end),
            None if start == 0 => return Ok(0),
            None => window *= 4,
        }
    }
}

/// Whether what is cut off behind the last whole line may be the beginning of a result.
fn begins_like_ours(file: &mut File, end: u64) -> io::Result<bool> {
    let mut rest = Vec::new();
    file.seek(SeekFrom::Start(end))?;
    file.take(64).read_to_end(&mut rest)?;
    let begins = |with: &str| rest.starts_with(with.as_bytes()) || with.as_bytes().starts_with(&rest);
    Ok(begins("{\"id\":") || begins("{\"line\":"))
}

fn place(path: Option<&Path>) -> String {
    path.map_or_else(|| "standard output".to_owned(), |path| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_another_run_has_written_is_not_touched() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("results");
        fs::write(&path, "precious").unwrap();
        assert!(matches!(Lines::file(&path, false), Err(LinesError::Exists { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"precious");
    }

    #[test]
    fn what_is_cut_off_is_not_removed_unless_it_is_a_result() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("notes");
        for content in ["precious", "one\ntwo", "{}\n{\"name\": 1"] {
            fs::write(&path, content).unwrap();
            assert!(matches!(Lines::file(&path, true), Err(LinesError::Foreign { .. })), "{content}");
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
        }
    }

    #[test]
    fn a_resumed_run_goes_on_after_the_last_whole_line() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("results");
        let long = "x".repeat(300_000);
        for (content, kept) in [
            ("".to_owned(), "".to_owned()),
            ("{}\n{}\n".to_owned(), "{}\n{}\n".to_owned()),
            ("{}\n{\"li".to_owned(), "{}\n".to_owned()),
            ("{\"id\":\"a".to_owned(), "".to_owned()),
            (format!("{{}}\n{{\"id\":\"{long}"), "{}\n".to_owned()),
        ] {
            fs::write(&path, &content).unwrap();
            Lines::file(&path, true).unwrap().write(b"new\n").unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), kept + "new\n");
        }
    }
}
