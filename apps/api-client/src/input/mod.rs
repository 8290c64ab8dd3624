//! What is to be requested: lines of a file or of standard input, as they come.
//!
//! A line is a URL, or a JSON object:
//!
//! ```text
//! https://api.example/items/17
//! {"url": "https://api.example/items", "method": "POST", "body": {"name": "x"}, "id": "new-x", "deadline": "30s"}
//! ```
//!
//! Blank lines and lines that begin with `#` are passed over. A line that is neither is told with its number, and the
//! rest is read all the same. What is in memory is one line and what waits in the queue, whatever the length of the input.

mod line;
mod read;

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use reqwest::Url;

pub(crate) use line::{FIELDS, without_value};
pub use line::{LineError, parse};
pub(crate) use read::count;
pub use read::{Line, MAX_LINE, ReadError, read};

use crate::Class;
use crate::identity::Key;

/// One request, as a line asked for it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Job {
    /// The line that it stands in, from 1.
    pub line: u64,
    /// What it is called in results, if the line says so.
    pub id: Option<String>,
    /// Where it goes: `http` or `https`.
    pub url: Url,
    /// `GET` unless the line says otherwise, or has a body: then it is `POST`.
    pub method: Method,
    /// Of this request alone.
    pub headers: HeaderMap,
    /// What is sent.
    pub body: Option<Bytes>,
    /// Its class, if the line says so.
    pub class: Option<Class>,
    /// From when its turn comes, all attempts and pauses together.
    pub deadline: Option<Duration>,
}

// === impl Job ===

impl Job {
    /// What makes it the same request in another run.
    pub fn key(&self) -> Key {
        Key::of(self)
    }

    /// About how much memory it takes while it is requested, in bytes. Its body is shared, and all else is copied: for the request, its
    /// step and its attempt, and what is told of it.
    pub(crate) fn weight_in_hand(&self) -> usize {
        let body = self.body.as_ref().map_or(0, Bytes::len);
        body + 8 * (self.weight() - body)
    }

    /// About how much memory it takes, in bytes.
    pub(crate) fn weight(&self) -> usize {
        let headers: usize =
            self.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 64).sum();
        let id = self.id.as_ref().map_or(0, String::len);
        let class = self.class.as_ref().map_or(0, |class| class.0.len());
        256 + self.url.as_str().len() + id + class + headers + self.body.as_ref().map_or(0, Bytes::len)
    }
}
