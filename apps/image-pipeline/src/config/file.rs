//! A file of settings, and where in it something stands.

use std::fs;
use std::path::{Path, PathBuf};

use super::error::ConfigError;
use super::settings::Settings;

/// A configuration file.
pub(super) struct File {
    path: PathBuf,
    text: String,
    pub(super) settings: Settings,
}

// === impl File ===

impl File {
    /// Reads a file, each key of which has a value of its kind. Whether the values make sense is not asked here: a
    /// flag may replace them.
    pub(super) fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        let settings = toml::from_str(&text).map_err(|error| {
            let message = with_nearest(in_plain_words(error.message()));
            error_at(path, &text, error.span().map_or(0, |span| span.start), message)
        })?;
        Ok(Self { path: path.to_owned(), text, settings })
    }

    /// Adds to an error of `flags` over this file where in the file the cause is, if it is there.
    pub(super) fn place(&self, error: ConfigError, flags: &Settings) -> ConfigError {
        match error.key().filter(|key| !flags.has(key)).and_then(|key| self.position(key)) {
            Some(offset) => error_at(&self.path, &self.text, offset, error.to_string()),
            None => error,
        }
    }

    /// Where the value of a key begins.
    fn position(&self, key: &str) -> Option<usize> {
        let table = toml::de::DeTable::parse(&self.text).expect("the same text was read before");
        Some(table.get_ref().get(key)?.span().start)
    }
}

fn error_at(path: &Path, text: &str, offset: usize, message: String) -> ConfigError {
    let before = &text[..offset];
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    ConfigError::File {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted() {
        assert_eq!([edits("fliter", "filter"), edits("input", "input"), edits("", "sync")], [2, 0, 4]);
        assert_eq!([edits("outputs", "output"), edits("kitten", "sitting")], [1, 3]);
    }
}
