//! The journal's file: opened, locked, read and appended to.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::record::{Header, KIND, VERSION};
use super::{Past, Record, shorten};

/// A journal that is open for this run. Blocks.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    /// Where its last whole line ends.
    end: u64,
    /// How many bytes of it the next run has to know, about.
    needed: u64,
}

/// Why a journal cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// It cannot be opened.
    #[error("cannot open the journal {}: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Somebody else has it.
    #[error("the journal {} is in use by another run; wait for it, or give this run a journal of its own", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be read or written.
    #[error("cannot use the journal {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is something else.
    #[error("{} is no journal of api-client: give another name, or move it away", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Another release wrote it.
    #[error("the journal {} is of version {version}, and this program reads {VERSION}: use the release that wrote it, or move it away to begin anew", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// What it says.
        version: u32,
    },
    /// It was changed.
    #[error("{}:{line}: this is no record of a journal ({message}); mend or remove the line: what is missing is requested again", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        message: String,
    },
}

/// A first line that is ours is shorter, whatever its version.
const MOST_OF_HEADER: u64 = 1024;

// === impl Journal ===

impl Journal {
    /// Opens the journal at `path`, or makes an empty one, and says what earlier runs have done. Nothing is changed before
    /// [`begin`](Self::begin).
    ///
    /// # Errors
    ///
    /// [`JournalError`].
    pub fn open(path: &Path) -> Result<(Self, Past), JournalError> {
        let error = |source| JournalError::Open { path: path.to_owned(), source };
        let file = loop {
            let mut options = OpenOptions::new();
            options.read(true).append(true).create(true).mode(0o600);
            let file = options.open(path).map_err(error)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(JournalError::InUse { path: path.to_owned() }),
                Err(TryLockError::Error(source)) => {
                    return Err(JournalError::Io { path: path.to_owned(), source });
                }
            }
            // A run that has ended in between may have put a shorter one into its place.
            if shorten::is_at(&file, path) {
                break file;
            }
        };
        let mut journal = Self { path: path.to_owned(), file, end: 0, needed: 0 };
        let past = journal.load()?;
        Ok((journal, past))
    }

    /// Marks the beginning of this run. Before that, a last line that was cut off is removed, and if most of the journal is of no use to
    /// anybody any more, so is that. `past` is what [`open`](Self::open) has said, `results` where
    /// this run's results go.
    ///
    /// # Errors
    ///
    /// [`JournalError::Io`].
    pub fn begin(&mut self, past: &Past, results: &str) -> Result<(), JournalError> {
        let path = self.path.clone();
        let io = |source| JournalError::Io { path: path.clone(), source };
        if 2 * self.needed < self.end
            && let Ok(Some(shorter)) = shorten::shortened(&self.path, &self.file, self.end, past)
        {
            // Where that is not possible the long one is as good.
            self.file = shorter;
            self.end = self.file.metadata().map_err(io)?.len();
        }
        if self.end < self.file.metadata().map_err(io)?.len() {
            self.file.set_len(self.end).map_err(io)?;
        }
        if self.end == 0 {
            self.append(&Header::line()).map_err(io)?;
        }
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let begun = Record::Run { unix_seconds: now.as_secs(), results: Some(results.into()) };
        self.append(&begun.line()).map_err(io)?;
        self.file.sync_all().map_err(io)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends lines that [`Record::line`] made. They are with the operating system when this returns.
    pub(crate) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        self.file.write_all(lines)
    }

    /// Forces all of it to the disk.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// What it holds.
    fn load(&mut self) -> Result<Past, JournalError> {
        let io = |source| JournalError::Io { path: self.path.clone(), source };
        let mut past = Past::default();
        let mut file = &self.file;
        file.seek(SeekFrom::Start(0)).map_err(io)?;
        let mut reader = BufReader::with_capacity(1 << 16, file);
        let (mut text, mut line) = (Vec::new(), 0);
        loop {
            text.clear();
            // What is no journal may be a device, or all of a disk, without an end of a line.
            let most = if line == 0 { MOST_OF_HEADER } else { u64::MAX };
            let read = reader.by_ref().take(most).read_until(b'\n', &mut text).map_err(io)? as u64;
            line += 1;
            if text.last() != Some(&b'\n') {
                // A first line that is cut off is not ours to remove unless it is the beginning of ours.
                if line == 1 && !text.is_empty() && !Header::line().starts_with(&text) {
                    return Err(JournalError::Foreign { path: self.path.clone() });
                }
                past.end_of_run();
                return Ok(past);
            }
            if line == 1 {
                self.check_header(&text)?;
                self.needed += read;
            } else {
                match serde_json::from_slice::<Record<'_>>(&text) {
                    Ok(record) => {
                        if record.is_needed() {
                            self.needed += read;
                        }
                        past.add(record);
                    }
                    Err(error) => {
                        return Err(JournalError::Record {
                            path: self.path.clone(),
                            line,
                            message: error.to_string(),
                        });
                    }
                }
            }
            self.end += read;
        }
    }

    fn check_header(&self, text: &[u8]) -> Result<(), JournalError> {
        match serde_json::from_slice::<Header<'_>>(text) {
            Ok(header) if header.journal != KIND => Err(JournalError::Foreign { path: self.path.clone() }),
            Ok(Header { version: VERSION, .. }) => Ok(()),
            Ok(Header { version, .. }) => Err(JournalError::Version { path: self.path.clone(), version }),
            Err(_) => Err(JournalError::Foreign { path: self.path.clone() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::identity::Key;

    struct Place(tempfile::TempDir);

    impl Place {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn path(&self) -> PathBuf {
            self.0.path().join("journal")
        }

        /// Opened for a run that begins.
        fn open(&self) -> (Journal, Past) {
            let (mut journal, past) = Journal::open(&self.path()).unwrap();
            journal.begin(&past, "-").unwrap();
            (journal, past)
        }

        fn error(&self, content: &str) -> String {
            fs::write(self.path(), content).unwrap();
            let error = Journal::open(&self.path()).unwrap_err().to_string();
            assert_eq!(fs::read_to_string(self.path()).unwrap(), content, "it is as it was");
            error.replace(&self.0.path().display().to_string(), "PLACE")
        }
    }

    fn key(n: u8) -> Key {
        format!("{n:032x}").parse().unwrap()
    }

    fn start(n: u8) -> Vec<u8> {
        Record::Start { key: key(n), line: n.into(), id: None, url: format!("http://h/{n}").into() }.line()
    }

    fn answered(n: u8) -> Vec<u8> {
        Record::Answered { key: key(n), status: 200 }.line()
    }

    fn unfinished(past: &Past) -> Vec<u64> {
        let mut lines: Vec<_> = past.unfinished().map(|unfinished| unfinished.line).collect();
        lines.sort_unstable();
        lines
    }

    #[test]
    fn what_was_answered_and_what_was_in_flight_is_known_to_the_next_run() {
        let place = Place::new();
        let (mut journal, past) = place.open();
        assert_eq!((past.answered(), past.unfinished().count()), (0, 0));
        for record in [start(1), start(2), start(3), start(4), answered(2)] {
            journal.append(&record).unwrap();
        }
        journal.append(&Record::Failed { key: key(3), why: "it broke".into(), done: false }.line()).unwrap();
        journal.append(&Record::Rate { host: "h".into(), per_second: 49.5 }.line()).unwrap();
        drop(journal);

        let (mut journal, mut past) = place.open();
        assert_eq!(unfinished(&past), [1, 4]);
        assert_eq!(past.rates().collect::<Vec<_>>(), [("h", 49.5)]);
        assert!(past.take_answered(key(2)) && !past.take_answered(key(2)) && !past.take_answered(key(3)));
        assert!(past.take_unfinished(key(1)) && !past.take_unfinished(key(1)));
        journal.append(&start(1)).unwrap();
        journal.append(&answered(1)).unwrap();
        drop(journal);

        let (_journal, past) = place.open();
        assert_eq!(
            (unfinished(&past), past.answered()),
            (vec![4], 2),
            "what was not sent again is still unfinished"
        );
    }

    #[test]
    fn the_same_request_twice_needs_two_answers() {
        let place = Place::new();
        let (mut journal, _) = place.open();
        [start(1), start(1), answered(1)].iter().for_each(|record| journal.append(record).unwrap());
        drop(journal);
        let (_journal, mut past) = place.open();
        assert_eq!(unfinished(&past), [1]);
        assert!(past.take_answered(key(1)) && !past.take_answered(key(1)));
    }

    #[test]
    fn a_last_line_that_is_cut_off_is_removed_wherever_it_ends() {
        let place = Place::new();
        let (mut journal, _) = place.open();
        journal.append(&start(1)).unwrap();
        drop(journal);
        let whole = fs::read(place.path()).unwrap();
        for end in 0..=whole.len() {
            fs::write(place.path(), &whole[..end]).unwrap();
            let (journal, past) = place.open();
            assert_eq!(unfinished(&past).len(), usize::from(end == whole.len()), "cut at {end}");
            drop(journal);
            // What was appended stands on a line of its own.
            place.open();
        }
    }

    #[test]
    fn what_is_no_journal_is_left_alone() {
        let place = Place::new();
        let header = "{\"journal\":\"api-client\",\"version\":1}\n";
        let errors = [
            place.error("http://h/1\nhttp://h/2\n"),
            place.error("precious"),
            place.error("{\"journal\":\"api-client\",\"version\":2}\n"),
            place.error("{\"journal\":\"other\",\"version\":1}\n"),
            place.error(&format!("{header}{{\"start\":{{}}}}\n{{\"run\":{{\"unix_seconds\":1}}}}\n")),
        ];
        insta::assert_snapshot!(errors.join("\n"));
    }

    /// It was read into memory until there was none left.
    #[test]
    fn what_has_no_end_of_a_line_is_no_journal() {
        for endless in ["/dev/zero", "/dev/full"] {
            let opened = Journal::open(Path::new(endless));
            assert!(matches!(opened, Err(JournalError::Foreign { .. })), "{endless}: {opened:?}");
        }
    }

    #[test]
    fn two_runs_cannot_have_one_journal() {
        let place = Place::new();
        let (journal, _) = place.open();
        assert!(matches!(Journal::open(&place.path()), Err(JournalError::InUse { .. })));
        drop(journal);
        place.open();
    }

    #[test]
    fn it_is_for_its_owner_only() {
        let place = Place::new();
        let _journal = place.open();
        assert_eq!(fs::metadata(place.path()).unwrap().permissions().mode() & 0o077, 0);
    }
}
