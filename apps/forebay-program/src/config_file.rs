//! A file of settings, and where in it something stands.

use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::de::DeserializeOwned;

/// A TOML file whose keys are those of `S`.
///
/// ```
/// use forebay_program::config_file::ConfigFile;
///
/// #[derive(serde::Deserialize)]
/// #[serde(deny_unknown_fields)]
/// struct Settings {
///     workers: Option<u32>,
/// }
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("run.toml");
/// std::fs::write(&path, "worker = 4\n")?;
/// let error = ConfigFile::<Settings>::read(&path).err().unwrap().to_string();
/// assert!(error.ends_with(
///     "run.toml:1:1: unknown key `worker`, expected `workers`; did you mean `workers`?\n1 | worker = 4\n  | ^"
/// ), "{error}");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct ConfigFile<S> {
    path: PathBuf,
    text: String,
    /// What the file says.
    pub settings: S,
}

/// What is wrong with a configuration file, and where in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigFileError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {}; check the path given to --config", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not TOML, or a key or a value in it is not one of the program's.
    #[error("{}:{line}:{column}: {message}\n{}", path.display(), excerpt(text, *line, *column))]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column, from 1, in characters.
        column: usize,
        /// What is wrong, and what the valid keys or values are.
        message: String,
        /// The line itself.
        text: String,
    },
}

// === impl ConfigFile ===

impl<S: DeserializeOwned> ConfigFile<S> {
    /// Reads a file, each key of which has a value of its kind. Whether the values make sense is not asked here: a
    /// flag may replace them. Blocks.
    ///
    /// # Errors
    ///
    /// [`ConfigFileError`].
    pub fn read(path: &Path) -> Result<Self, ConfigFileError> {
        let text = fs::read_to_string(path)
            .map_err(|source| ConfigFileError::Unreadable { path: path.to_owned(), source })?;
        let settings = toml::from_str(&text).map_err(|error| {
            let message = with_nearest(in_plain_words(error.message()));
            error_at(path, &text, error.span().map_or(0, |span| span.start), message)
        })?;
        Ok(Self { path: path.to_owned(), text, settings })
    }
}

impl<S> ConfigFile<S> {
    /// The same `message` about the value of `key`, with the place in this file where it stands; none if the key is not in
    /// it.
    pub fn place(&self, key: &str, message: String) -> Option<ConfigFileError> {
        let table = toml::de::DeTable::parse(&self.text).expect("the same text was read before");
        let offset = table.get_ref().get(key)?.span().start;
        Some(error_at(&self.path, &self.text, offset, message))
    }
}

fn error_at(path: &Path, text: &str, offset: usize, message: String) -> ConfigFileError {
    let before = &text[..offset];
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    ConfigFileError::Invalid {
        path: path.to_owned(),
        line: before.matches('\n').count() + 1,
        column: text[start..offset].chars().count() + 1,
        message,
        text: text[start..].lines().next().unwrap_or_default().to_owned(),
    }
}

/// Without the names that things have in programs.
fn in_plain_words(message: &str) -> String {
    [
        ("unknown field", "unknown key"),
        ("floating point `", "number `"),
        ("expected usize", "expected a whole number from 1 on"),
        ("expected u8", "expected a whole number from 1 to 100"),
        ("expected u32", "expected a whole number from 1 on"),
        ("expected path string", "expected a path in quotes"),
        ("expected a string", "expected text in quotes"),
        ("expected a boolean", "expected true or false"),
    ]
    .into_iter()
    .fold(message.to_owned(), |message, (technical, plain)| message.replace(technical, plain))
}

/// Adds to "unknown key `x`, expected one of `a`, `b`" which of them was meant, if one is near.
fn with_nearest(message: String) -> String {
    let mut names = message.split('`').skip(1).step_by(2);
    let Some(given) = names.next().filter(|_| message.starts_with("unknown key")) else { return message };
    match names.map(|name| (edits(given, name), name)).min() {
        Some((edits, name)) if edits <= 2 => format!("{message}; did you mean `{name}`?"),
        _ => message,
    }
}

/// How many bytes must be put in, taken out or replaced to make `one` the `other` (Levenshtein's distance).
fn edits(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (above, mine) in one.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], above + 1);
        for (place, theirs) in other.bytes().enumerate() {
            let replaced = diagonal + usize::from(mine != theirs);
            diagonal = row[place + 1];
            row[place + 1] = replaced.min(diagonal + 1).min(row[place] + 1);
        }
    }
    row[other.len()]
}

/// The line with a caret under the column.
fn excerpt(text: &str, line: usize, column: usize) -> String {
    let margin = line.to_string().len();
    format!("{line} | {text}\n{:margin$} | {:>column$}", "", "^")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted() {
        assert_eq!([edits("fliter", "filter"), edits("input", "input"), edits("", "sync")], [2, 0, 4]);
        assert_eq!([edits("outputs", "output"), edits("kitten", "sitting")], [1, 3]);
    }
}
