//! Where an input stands: what a checkpoint saves for each file.

use std::{
    fs::{File, Metadata},
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use serde::{Deserialize, Serialize};

use super::{
    file,
    identity::{FileKey, Fingerprint, read_at},
};

/// A place in one file, and enough about the file to find it again under another name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Under which name the file was opened. For standard input `-`.
    #[serde(with = "any_path")]
    pub path: PathBuf,
    /// At which path it stood before it was rotated; empty if that is [`path`](Self::path).
    #[serde(default, with = "any_path")]
    pub home: PathBuf,
    /// Its place on disk; none for a pipe, which cannot be found again.
    pub key: Option<FileKey>,
    /// Only while nothing is known of its content: when the file was last changed. What was changed later, at its place or
    /// rotated from there, is what it became, or came after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<SystemTime>,
    /// Of its first line.
    pub head: Fingerprint,
    /// How many bytes were handed on, counted after decompression.
    pub offset: u64,
    /// Of the bytes just before `offset`.
    pub tail: Fingerprint,
    /// The byte before `offset` is no line end: the rest of that line is still to come.
    pub inside_line: bool,
    /// Only where records have several lines: lines behind `offset` belong to the record before it, until another one
    /// begins.
    #[serde(default)]
    pub inside_record: bool,
    /// The output ends with its line, which has no line end: only its rest may follow there as it is.
    pub ends_output: bool,
    /// A run did not find the file, and said so. It is remembered in case the file comes back.
    pub absent: bool,
    /// Whether more is expected.
    pub phase: Phase,
    /// Only behind a last line without a line end that was written and that the next run is to take back, because
    /// the rest of it may come: where that line begins.
    pub unended: Option<LineStart>,
}

/// Where a line begins, as a [`Position`] knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineStart {
    /// As [`Position::offset`].
    pub offset: u64,
    /// As [`Position::tail`].
    pub tail: Fingerprint,
}

/// How far the work on a file has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// There may be more behind the position. A file that is gone in this phase may have taken lines with it.
    Reading,
    /// The position is the end that the file had. It is remembered so that it is not read again under another name.
    Finished,
    /// Finished, and under no name that the patterns reach: a checkpoint need not remember it.
    Forgotten,
}

// === impl Position ===

impl Position {
    /// The start of the input at `path`, about which nothing is known yet.
    pub(crate) fn start(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            home: PathBuf::new(),
            key: None,
            changed: None,
            head: Fingerprint::EMPTY,
            offset: 0,
            tail: Fingerprint::EMPTY,
            inside_line: false,
            inside_record: false,
            ends_output: false,
            absent: false,
            phase: Phase::Reading,
            unended: None,
        }
    }

    /// At which path it stood before it was rotated.
    pub(crate) fn home(&self) -> &Path {
        if self.home.as_os_str().is_empty() { &self.path } else { &self.home }
    }

    /// The same place in the same file, of which it is known now that it is at `path`, under that `key`.
    pub(super) fn found(&self, path: &Path, key: FileKey) -> Self {
        let home = if path == self.home() { PathBuf::new() } else { self.home().to_owned() };
        Self { path: path.to_owned(), home, key: Some(key), absent: false, ..self.clone() }
    }

    /// The same, with what the system says of the file before anything else was learned of it.
    pub(super) fn opened(&self, path: &Path, metadata: &Metadata, head: Fingerprint) -> Self {
        let mut position = Self { head, ..self.found(path, FileKey::of(metadata)) };
        position.changed = metadata.modified().ok().filter(|_| position.is_of_nothing());
        position
    }

    /// Nothing was handed on, but it is known how the file begins.
    pub(super) fn is_at_known_start(&self) -> bool {
        self.offset == 0 && self.head.bytes > 0
    }

    /// Nothing is known of the content: it is the start of what was an empty file.
    pub(crate) fn is_of_nothing(&self) -> bool {
        self.offset == 0 && self.head.bytes == 0
    }

    /// The byte before it is no line end, or lines behind it belong to the record before it.
    pub(crate) fn is_inside(&self) -> bool {
        self.inside_line || self.inside_record
    }

    /// Reads `length` bytes behind this position, the begin of a line at the end of its plain file, and gives the
    /// position behind them; where lines are joined to records, a record that may go on. None if they are not there any
    /// more.
    pub(super) fn read_unended(
        &self,
        length: usize,
        joins_lines: bool,
        buffer: &mut Vec<u8>,
    ) -> io::Result<Option<Self>> {
        let file = File::open(&self.path)?;
        buffer.clear();
        buffer.resize(length, 0);
        let is_there = Some(FileKey::of(&file.metadata()?)) == self.key
            && file::holds(&file, self.offset, self.tail)?
            && read_at(&file, buffer, self.offset)? == length
            && (joins_lines || !buffer.contains(&b'\n'));
        let start = LineStart { offset: self.offset, tail: self.tail };
        Ok(is_there.then(|| Self {
            offset: self.offset + length as u64,
            tail: Fingerprint::of_last_bytes(buffer),
            inside_line: buffer.last() != Some(&b'\n'),
            inside_record: joins_lines,
            phase: Phase::Finished,
            unended: Some(start),
            ..self.clone()
        }))
    }

    /// This position, or the one in front of the last line if that is to be taken back.
    pub(crate) fn taken_back(self, phase: Phase) -> Self {
        match self.unended {
            Some(LineStart { offset, tail }) => {
                let (inside_line, inside_record, ends_output) = (false, false, false);
                Self { offset, tail, inside_line, inside_record, ends_output, phase, unended: None, ..self }
            }
            None => self,
        }
    }
}

/// Paths are bytes, JSON is text: a path that is not UTF-8 is saved as a list of its bytes.
pub(crate) mod any_path {
    use std::{
        ffi::OsString,
        os::unix::ffi::{OsStrExt, OsStringExt},
        path::{Path, PathBuf},
    };

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum AnyPath {
        Text(String),
        Bytes(Vec<u8>),
    }

    pub(crate) fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
        match path.to_str() {
            Some(text) => serializer.serialize_str(text),
            None => path.as_os_str().as_bytes().serialize(serializer),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
        Ok(match AnyPath::deserialize(deserializer)? {
            AnyPath::Text(text) => PathBuf::from(text),
            AnyPath::Bytes(bytes) => PathBuf::from(OsString::from_vec(bytes)),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{ffi::OsString, os::unix::ffi::OsStringExt};

    use super::*;

    fn round_trip(path: PathBuf) {
        let position = Position {
            home: path.clone(),
            path,
            key: Some(FileKey { device: 1, inode: u64::MAX }),
            changed: Some(SystemTime::UNIX_EPOCH),
            head: Fingerprint::of_first_line(b"first\n"),
            offset: u64::MAX,
            tail: Fingerprint::EMPTY,
            inside_line: true,
            inside_record: true,
            ends_output: true,
            absent: true,
            phase: Phase::Finished,
            unended: Some(LineStart { offset: 7, tail: Fingerprint::EMPTY }),
        };
        let text = serde_json::to_string(&position).expect("a position is plain data");
        assert_eq!(serde_json::from_str::<Position>(&text).expect("what was written is read"), position);
    }

    #[test]
    fn survives_json_with_any_path_and_the_largest_numbers() {
        round_trip(PathBuf::from("/var/log/äpp.log"));
        round_trip(PathBuf::from(OsString::from_vec(b"/var/log/\xff.log".to_vec())));
    }
}
