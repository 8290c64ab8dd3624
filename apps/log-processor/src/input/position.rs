//! Where an input stands: what a checkpoint saves for each file.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::identity::{FileKey, Fingerprint};

/// A place in one file, and enough about the file to find it again under another name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Under which name the file was opened. For standard input `-`.
    #[serde(with = "any_path")]
    pub path: PathBuf,
    /// Its place on disk; none for a pipe, which cannot be found again.
    pub key: Option<FileKey>,
    /// Of its first line.
    pub head: Fingerprint,
    /// How many bytes were handed on, counted after decompression.
    pub offset: u64,
    /// Of the bytes just before `offset`.
    pub tail: Fingerprint,
    /// The byte before `offset` is no line end: the rest of that line is still to come.
    pub inside_line: bool,
    /// Whether more is expected.
    pub phase: Phase,
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
            key: None,
            head: Fingerprint::EMPTY,
            offset: 0,
            tail: Fingerprint::EMPTY,
            inside_line: false,
            phase: Phase::Reading,
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
            path,
            key: Some(FileKey { device: 1, inode: u64::MAX }),
            head: Fingerprint::of_first_line(b"first\n"),
            offset: u64::MAX,
            tail: Fingerprint::EMPTY,
            inside_line: true,
            phase: Phase::Finished,
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
