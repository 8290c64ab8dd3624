//! One line of the journal.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::Key;

/// The version that is written, and the only one that is read.
pub(super) const VERSION: u32 = 1;
/// What the first line says the file is.
pub(super) const KIND: &str = "api-client";

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Header<'a> {
    #[serde(borrow)]
    pub(super) journal: Cow<'a, str>,
    pub(super) version: u32,
}

/// Every other line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Record<'a> {
    /// A run begins: what has no end before this was cut off.
    Run {
        unix_seconds: u64,
        /// Where its results go, if that is known.
        #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
        results: Option<Cow<'a, str>>,
    },
    /// A request is about to be sent.
    Start {
        key: Key,
        line: u64,
        #[serde(borrow, skip_serializing_if = "Option::is_none")]
        id: Option<Cow<'a, str>>,
        url: Cow<'a, str>,
    },
    /// There is an answer, and its result is written.
    Answered { key: Key, status: u16 },
    /// There is none.
    Failed {
        key: Key,
        why: Cow<'a, str>,
        /// It may have been acted upon, and is not one that may be sent twice without harm.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        done: bool,
    },
    /// It is as if it had not been sent: nobody has acted upon it, or somebody may do so again.
    Withdrawn { key: Key },
    /// A request was sent again after a run that was cut off, by a run that was cut off itself.
    Repeated {
        line: u64,
        #[serde(borrow, skip_serializing_if = "Option::is_none")]
        id: Option<Cow<'a, str>>,
        url: Cow<'a, str>,
    },
    /// A run has come to its end, and its report has named all that was repeated so far.
    Reported {},
    /// What was learnt of a host.
    Rate { host: Cow<'a, str>, per_second: f64 },
}

// === impl Header ===

impl Header<'_> {
    /// The first line of what is written now, with its end.
    pub(super) fn line() -> Vec<u8> {
        line_of(&Header { journal: KIND.into(), version: VERSION })
    }
}

// === impl Record ===

impl Record<'_> {
    /// Whether the next run has to know of it, whatever comes after it.
    pub(super) fn is_needed(&self) -> bool {
        matches!(self, Self::Answered { .. })
    }

    /// The line, with its end.
    pub(crate) fn line(&self) -> Vec<u8> {
        line_of(self)
    }
}

fn line_of(record: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(record).expect("a record is plain data");
    line.push(b'\n');
    line
}
