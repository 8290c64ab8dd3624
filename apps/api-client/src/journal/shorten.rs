//! A journal that says the same in fewer lines.
//!
//! Of a request that was answered the next run has to know just that, and of what has failed nothing, unless it may have been done. So the answers are copied, and
//! behind them comes what is unfinished, what was repeated and not told, and what was learnt. The new file has another name until
//! it is on the disk as a whole, and then takes the place of the old one, so at any moment there is a whole journal under its name.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{
    self, BufRead as _, BufReader, BufWriter, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _,
};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use forebay_program::fault;

use super::record::Header;
use super::{Past, Record, Unfinished};

/// Puts a shorter journal, which is open and locked, into the place of `old` at `path`, of which `past` was read, and whose last line
/// ends at `end`. None, if something else has the name that is needed meanwhile.
pub(super) fn shortened(path: &Path, old: &File, end: u64, past: &Past) -> io::Result<Option<File>> {
    // A link stays where it is.
    let path = fs::canonicalize(path)?;
    let beside = beside(&path);
    let Some(file) = create(&beside)? else { return Ok(None) };
    let written = write(&file, old, end, past).and_then(|()| {
        fault::point("before-shorter");
        fs::rename(&beside, &path)
    });
    if let Err(error) = written {
        let _ = fs::remove_file(&beside);
        return Err(error);
    }
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(Some(file))
}

/// Whether that file is the one at `path`.
pub(super) fn is_at(file: &File, path: &Path) -> bool {
    let of = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    file.metadata().ok().map(of) == path.metadata().ok().map(of)
}

/// Where the new one is until it is whole.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().map_or_else(OsString::new, ToOwned::to_owned);
    name.push(".new");
    path.with_file_name(name)
}

fn create(path: &Path) -> io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create_new(true).mode(0o600);
    let file = match options.open(path) {
        // Of a run that was killed meanwhile, or something else, which is left alone.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            if !begins_like_ours(path)? {
                return Ok(None);
            }
            fs::remove_file(path)?;
            options.open(path)?
        }
        opened => opened?,
    };
    file.try_lock()?;
    Ok(Some(file))
}

fn begins_like_ours(path: &Path) -> io::Result<bool> {
    let header = Header::line();
    let mut text = Vec::new();
    File::open(path)?.take(header.len() as u64).read_to_end(&mut text)?;
    Ok(header.starts_with(&text))
}

fn write(new: &File, mut old: &File, end: u64, past: &Past) -> io::Result<()> {
    let mut to = BufWriter::with_capacity(1 << 16, new);
    to.write_all(&Header::line())?;
    // There was a run, whatever is left of it.
    let results = past.results().map(Into::into);
    to.write_all(&Record::Run { unix_seconds: 0, results }.line())?;
    old.seek(SeekFrom::Start(0))?;
    let mut from = BufReader::with_capacity(1 << 16, old.take(end));
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line)? > 0 {
        if serde_json::from_slice::<Record<'_>>(&line).is_ok_and(|record| record.is_needed()) {
            to.write_all(&line)?;
        }
        line.clear();
    }
    for Unfinished { line, id, url } in past.repeated() {
        to.write_all(&Record::Repeated { line: *line, id: shared(id), url: url.into() }.line())?;
    }
    for (key, Unfinished { line, id, url }) in past.unfinished_by_key() {
        to.write_all(&Record::Start { key, line: *line, id: shared(id), url: url.into() }.line())?;
    }
    for (host, per_second) in past.rates() {
        to.write_all(&Record::Rate { host: host.into(), per_second }.line())?;
    }
    to.flush()?;
    drop(to);
    new.sync_all()
}

fn shared(id: &Option<String>) -> Option<std::borrow::Cow<'_, str>> {
    id.as_deref().map(Into::into)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::{Journal, Key};
    use super::*;

    fn key(n: u64) -> Key {
        format!("{n:032x}").parse().unwrap()
    }

    fn start(n: u64) -> Vec<u8> {
        let url = format!("https://api.example/some/where/{n}").into();
        Record::Start { key: key(n), line: n, id: None, url }.line()
    }

    fn opened(path: &Path) -> (Journal, Past) {
        let (mut journal, past) = Journal::open(path).unwrap();
        journal.begin(&past, "-").unwrap();
        (journal, past)
    }

    /// What the next run has to know.
    #[derive(Debug, PartialEq)]
    struct Known {
        answered: Vec<bool>,
        unfinished: HashSet<u64>,
        repeated: Vec<u64>,
        rates: Vec<(String, f64)>,
    }

    fn known(past: &mut Past) -> Known {
        Known {
            answered: (0..300).map(|n| past.take_answered(key(n))).collect(),
            unfinished: past.unfinished().map(|one| one.line).collect(),
            repeated: past.repeated().map(|one| one.line).collect(),
            rates: past.rates().map(|(host, rate)| (host.to_owned(), rate)).collect(),
        }
    }

    /// A journal of three runs that were cut off, with 200 requests answered, one of them by each run; four are unfinished, of which
    /// one was sent by each run.
    fn long(path: &Path) {
        let mut journal = Header::line();
        for run in 0..3 {
            journal.extend(Record::Run { unix_seconds: 1_790_000_000 + run, results: None }.line());
            for n in (0..200).filter(|n| n % 3 == run || *n == 7) {
                journal.extend(start(n));
                journal.extend(Record::Answered { key: key(n), status: 200 }.line());
            }
            journal.extend(start(250));
            journal.extend(start(260 + run));
            journal.extend(Record::Rate { host: "h".into(), per_second: 40.0 + run as f64 }.line());
        }
        fs::write(path, journal).unwrap();
    }

    #[test]
    fn a_shorter_journal_says_the_same() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("journal");
        long(&path);
        let before = fs::metadata(&path).unwrap().len();
        let (journal, mut past) = Journal::open(&path).unwrap();
        drop(journal);
        let said = known(&mut past);
        assert_eq!((said.unfinished.len(), said.repeated.len()), (4, 2));

        let (journal, _) = opened(&path);
        drop(journal);
        let after = fs::metadata(&path).unwrap().len();
        assert!(2 * after < before, "{after} of {before} bytes are left");
        let (_journal, mut past) = Journal::open(&path).unwrap();
        assert!(past.is_resumed());
        assert_eq!(known(&mut past), said);
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_has_the_name_meanwhile_is_left_alone_unless_it_is_ours() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("journal");
        let beside = place.path().join("journal.new");
        long(&path);
        let before = fs::metadata(&path).unwrap().len();
        fs::write(&beside, "precious").unwrap();
        drop(opened(&path));
        assert_eq!(fs::read(&beside).unwrap(), b"precious");
        assert!(fs::metadata(&path).unwrap().len() > before);

        fs::write(&beside, &Header::line()[..10]).unwrap();
        drop(opened(&path));
        assert!(!beside.exists() && 2 * fs::metadata(&path).unwrap().len() < before);
    }

    #[test]
    fn who_opened_the_long_one_does_not_get_it_when_a_shorter_one_is_there() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("journal");
        long(&path);
        let long = File::open(&path).unwrap();
        let (journal, _) = opened(&path);
        assert!(!is_at(&long, &path));
        assert!(Journal::open(&path).is_err(), "the shorter one is locked, too");
        drop(journal);
    }
}
