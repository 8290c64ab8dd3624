//! From what a person writes to the files that are meant.

use std::path::PathBuf;

use super::{error::InputError, identity::FileKey};

/// One input that exists now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InputSpec {
    /// `-`: what standard input brings.
    Stdin,
    /// A file, plain or compressed, or something that reads like one, such as a named pipe.
    File {
        /// As given, or as the pattern found it.
        path: PathBuf,
        /// Its place on disk when the pattern was expanded.
        key: FileKey,
    },
}

/// The inputs that `patterns` name: paths, globs and `-`, in the order given, each glob's files sorted by name.
///
/// A file that is reached twice, also through a link, is read once, under the first name that reached it.
/// A glob passes over folders. With `follow`, a path without a file is left out as long as its folder exists, and
/// so is a glob without files.
///
/// # Errors
///
/// A pattern that makes no sense or matches nothing, a file that is missing or may not be read, a folder.
pub fn expand(patterns: &[String], follow: bool) -> Result<Vec<InputSpec>, InputError> {
    let _ = (patterns, follow);
    todo!()
}
