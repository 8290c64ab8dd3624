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
    Run { unix_seconds: u64 },
    /// A request may be sent from now on.
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
    Failed { key: Key, why: Cow<'a, str> },
    /// It was not sent after all.
    Withdrawn { key: Key },
    /// What was learnt of a host.
    Rate { host: Cow<'a, str>, per_second: f64 },
}

// === impl Record ===

impl Record<'_> {
    /// The line, with its end.
    pub(crate) fn line(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self).expect("a record is plain data");
        line.push(b'\n');
        line
    }
}
