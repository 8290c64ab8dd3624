//! Why a run cannot be configured as somebody wants it.

use std::path::PathBuf;

use forebay_program::config_file::ConfigFileError;

/// Why a run cannot be configured like this. Names the place and what would be right.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read, or something is wrong in it.
    #[error(transparent)]
    File(#[from] ConfigFileError),
    /// Nothing to request.
    #[error(
        "no requests: name a file of URLs with --urls, or - for standard input (`urls = \"..\"` in a file)"
    )]
    NoUrls,
    /// A number that nothing works with.
    #[error("{key} is 0, and must be more")]
    Zero {
        /// The key.
        key: &'static str,
    },
    /// A limit that is found has no burst that is told.
    #[error("burst means nothing while the rate is found: give the limit with --rate, or leave burst out")]
    BurstWithoutRate,
    /// One file for two purposes.
    #[error("{} and {} are both {}; give each a file of its own", keys[0], keys[1], path.display())]
    SameFile {
        /// The keys.
        keys: [&'static str; 2],
        /// The file.
        path: PathBuf,
    },
    /// Classes that no request can be of.
    #[error("classes mean nothing unless lines say theirs: name the field with --class-field")]
    ClassesWithoutField,
    /// The field says something else already.
    #[error(
        "class-field cannot be {field}, which says something else of a request; call it class, for example"
    )]
    FieldTaken {
        /// The field.
        field: String,
    },
    /// A header that is none. What was given may hold a secret, and is not shown.
    #[error("header {number} of those given cannot be sent: {why}")]
    Header {
        /// Which of them, from 1.
        number: usize,
        /// What is wrong with it.
        why: String,
    },
    /// A proxy that is none. What was given may hold a password, and is not shown.
    #[error("the proxy cannot be used: {why}")]
    Proxy {
        /// What is wrong with it.
        why: String,
    },
    /// Results go there without a folder.
    #[error(
        "out is a folder, which standard output is not: without out, results go there as lines of JSON; a folder of that name is ./-"
    )]
    OutToStdout,
    /// A journal cannot be read back from there.
    #[error("the journal cannot be standard output: name a file")]
    JournalToStdout,
}

// === impl ConfigError ===

impl ConfigError {
    /// The key whose value is at fault.
    pub(super) fn key(&self) -> Option<&'static str> {
        match self {
            // Its line is not shown.
            Self::File(_) | Self::Header { .. } | Self::Proxy { .. } => None,
            Self::NoUrls => Some("urls"),
            Self::Zero { key } => Some(key),
            Self::BurstWithoutRate => Some("burst"),
            Self::SameFile { keys, .. } => Some(keys[1]),
            Self::ClassesWithoutField => Some("classes"),
            Self::FieldTaken { .. } => Some("class-field"),
            Self::OutToStdout => Some("out"),
            Self::JournalToStdout => Some("journal"),
        }
    }
}
