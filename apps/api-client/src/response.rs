//! What comes back.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use crate::unrecorded::Unrecorded;

/// An answer: any that is not a refusal, also one that says that there is nothing, or that something went wrong.
#[derive(Debug)]
#[non_exhaustive]
pub struct Response {
    /// How it was answered.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// What answered, after redirects; without credentials.
    pub url: String,
    /// The whole body, decompressed.
    pub body: Body,
    /// How often it was sent; the requests that followed a redirect among them.
    pub attempts: u32,
    /// How often it was refused, among these.
    pub refused: u32,
    /// It is a failure of the server that would have been tried again, but too many others were: the budget for retries is spent.
    pub out_of_budget: bool,
    /// How long it waited before its last attempt: in the line, for its turn, in pauses.
    pub queued: Duration,
    /// How long it took in all, from the call to the end of the body.
    pub took: Duration,
    /// Its place among those that are sent and not recorded, where there is a record.
    pub(crate) unrecorded: Option<Unrecorded>,
}

/// The whole body of an answer.
#[derive(Debug)]
#[non_exhaustive]
pub enum Body {
    /// In memory.
    Memory(Bytes),
    /// In a file, which belongs to whoever has this: it stays where it is until somebody moves or removes it.
    File {
        /// The file, in the folder that was named.
        path: PathBuf,
        /// Its length in bytes.
        bytes: u64,
    },
}

// === impl Response ===

impl Response {
    /// The body, if it is in memory and UTF-8.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(self.body.bytes()?).ok()
    }
}

// === impl Body ===

impl Body {
    /// How many bytes it has.
    pub fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File { bytes, .. } => *bytes,
        }
    }

    /// Has it none?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes, if they are in memory.
    pub fn bytes(&self) -> Option<&Bytes> {
        match self {
            Self::Memory(bytes) => Some(bytes),
            Self::File { .. } => None,
        }
    }

    /// The file, if it is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Memory(_) => None,
            Self::File { path, .. } => Some(path),
        }
    }
}
