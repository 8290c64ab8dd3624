//! Records of several lines: which lines begin one. All others belong to the record before them.
//!
//! A line is told by its own first bytes and nothing else, never by the lines around it: so the records of an input
//! are the same wherever its bytes are cut on their way, and the reader, which cuts them into batches of whole
//! records, agrees with the workers, who cut a batch into records. The first line of an input begins a record
//! whatever it looks like.
//!
//! The names of others for the same: `firstline` (Promtail), `start_pattern` (Vector), a `pattern` that is negated and
//! matches `after` (Filebeat), `log_processing_rules` (Datadog).

use std::{fmt, str::FromStr, sync::Arc, time::Duration};

use regex::bytes::Regex;

use crate::parse;

/// How lines become records of several.
#[derive(Debug, Clone)]
pub struct Multiline {
    /// Which lines begin a record.
    pub first_line: FirstLine,
    /// Of an input that may have more, a pipe or a file that is followed: how long the last record is waited for when
    /// nothing comes, before it goes on its way. What of it comes later still shares its fate, but is a piece by itself
    /// as the rest of a record that is too long is. Zero waits for nothing, and [`Duration::MAX`] for ever.
    pub wait: Duration,
}

/// Which lines begin a record.
///
/// ```
/// use log_processor::multiline::FirstLine;
///
/// let time: FirstLine = "time".parse()?;
/// assert!(time.begins(b"2025-01-24T07:00:30 ERROR cannot connect"));
/// assert!(!time.begins(b"java.net.ConnectException: refused"));
///
/// let pattern: FirstLine = r"^\[\d+\]".parse()?;
/// assert!(pattern.begins(b"[17] cannot connect"));
/// # Ok::<(), log_processor::multiline::FirstLineError>(())
/// ```
#[derive(Debug, Clone)]
pub enum FirstLine {
    /// A line that begins as those that are parsed do: with a time, with the level and name of a logger that writes no
    /// time or writes it later, with a JSON object, or with a time or level as `name=value`.
    Time,
    /// A line that begins with neither a blank nor a tab, and is not empty.
    Indent,
    /// A line that the pattern matches.
    Pattern(Arc<Regex>),
}

/// Why a word tells no first lines.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FirstLineError {
    /// Neither a known word nor what a pattern looks like.
    #[error(
        "`{word}` is neither `time` nor `indent`, nor a pattern: one that is a mere word is written `^{word}`"
    )]
    Word {
        /// What was given.
        word: String,
    },
    /// Not a regular expression.
    #[error("{reason}")]
    Pattern {
        /// Where and why.
        reason: String,
    },
}

/// So many bytes of a line are looked at, at most: the reader must have them in hand, beside the record before.
const LOOK: usize = 1024;

// === impl FirstLine ===

impl FirstLine {
    /// Whether a record begins with `line`, which has no line end, or a carriage return.
    pub fn begins(&self, line: &[u8]) -> bool {
        let head = &line[..line.len().min(self.look())];
        let head = head.strip_suffix(b"\r").unwrap_or(head);
        match self {
            Self::Time => parse::begins_as_parsed(text(head)),
            Self::Indent => head.first().is_some_and(|first| !first.is_ascii_whitespace()),
            Self::Pattern(pattern) => pattern.is_match(head),
        }
    }

    /// How many bytes of a line it looks at, at most: what is behind them changes nothing.
    pub(crate) fn look(&self) -> usize {
        match self {
            Self::Time | Self::Pattern(_) => LOOK,
            Self::Indent => 1,
        }
    }
}

impl FromStr for FirstLine {
    type Err = FirstLineError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "time" => Ok(Self::Time),
            "indent" => Ok(Self::Indent),
            // A misspelt word would be a pattern that no line matches, and so make one record of all of them.
            word if word.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_')) => {
                Err(FirstLineError::Word { word: word.to_owned() })
            }
            pattern => match Regex::new(pattern) {
                Ok(pattern) => Ok(Self::Pattern(Arc::new(pattern))),
                Err(error) => Err(FirstLineError::Pattern { reason: error.to_string() }),
            },
        }
    }
}

/// As it is written on the command line.
impl fmt::Display for FirstLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Time => "time",
            Self::Indent => "indent",
            Self::Pattern(pattern) => pattern.as_str(),
        })
    }
}

/// What of `bytes` is text, from their start.
fn text(bytes: &[u8]) -> &str {
    let valid = bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    // Some editors put a byte order mark in front of a file.
    valid.strip_prefix('\u{feff}').unwrap_or(valid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_line(text: &str) -> FirstLine {
        text.parse().expect("the patterns of a test are valid")
    }

    #[test]
    fn a_time_or_what_else_is_parsed_begins_a_record() {
        let time = first_line("time");
        for line in [
            "2025-01-24T07:00:30,139 INFO [main] Version : 1",
            "[2023-01-01 12:00:00] production.ERROR: text",
            "[Fri Sep 09 10:42:29.902022 2011] [core:error] text",
            "Apr 28 04:02:03 host app[7]: text",
            "<13>text of a device",
            "E0915 21:17:10.220731    1234 file.go:12] text",
            "ERROR:root:text",
            "10.0.0.1 - - [22/Jan/2019:03:56:14 +0330] \"GET /",
            "{\"level\":\"error\"",
            "level=error msg=\"cannot connect\"",
            "ts=2025-01-24T07:00:30Z caller=main.go:7 msg=x",
        ] {
            assert!(time.begins(line.as_bytes()), "{line}");
        }
        for line in [
            "",
            "\r",
            "  ",
            "\tat com.example.App.main(App.java:7)",
            "java.lang.IllegalStateException: a=b",
            "Caused by: java.net.ConnectException: refused [22/Jan/2019]",
            "Traceback (most recent call last):",
            "  File \"app.py\", line 7, in <module>",
            "ValueError: invalid literal",
            "KeyError: 'x'",
            "goroutine 1 [running]:",
            "panic: runtime error",
            "}",
            "{",
            "x=1",
            "2025-01-24 is a date",
        ] {
            assert!(!time.begins(line.as_bytes()), "{line}");
        }
    }

    #[test]
    fn what_is_indented_or_empty_goes_on() {
        let indent = first_line("indent");
        assert!(indent.begins(b"panic:") && indent.begins(b"\xff"));
        for line in ["", "\r", " x", "\tx"] {
            assert!(!indent.begins(line.as_bytes()), "{line:?}");
        }
    }

    #[test]
    fn patterns_see_the_first_bytes_alone() {
        let pattern = first_line("x$");
        assert!(pattern.begins(b"x") && pattern.begins(b"x\r") && !pattern.begins(b"xy"));
        let long = vec![b'x'; LOOK + 1];
        assert!(pattern.begins(&long) && pattern.begins(&long[..LOOK]));
        assert!(!first_line("y$").begins(&[&long[..LOOK], b"y"].concat()));
        // Bytes that are no text are no reason to see nothing of the rest.
        assert!(first_line("^.*x").begins(b"\xc3\xa4 x") && first_line("(?-u)^\\xff").begins(b"\xff x"));
    }

    #[test]
    fn a_word_is_no_pattern() {
        let error = |text: &str| text.parse::<FirstLine>().expect_err("this is to be refused").to_string();
        insta::assert_snapshot!(error("times"), @"`times` is neither `time` nor `indent`, nor a pattern: one that is a mere word is written `^times`");
        insta::assert_snapshot!(error("^("), @"
        regex parse error:
            ^(
             ^
        error: unclosed group
        ");
        assert_eq!(first_line("^time").to_string(), "^time");
    }
}
