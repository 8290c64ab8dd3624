//! Lines from a stream, one at a time.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::Path;

use forebay::queue::Sender;

use super::{Job, LineError, parse};

/// The longest line that is read, in bytes. The rest of a longer one is passed over, so memory has a bound even
/// where a line has no end.
pub const MAX_LINE: usize = 1 << 20;

/// What a line is.
#[derive(Debug)]
pub enum Line {
    /// A request.
    Job(Box<Job>),
    /// Nothing that can be requested.
    Bad {
        /// Which line, from 1.
        line: u64,
        /// Why.
        error: LineError,
    },
}

/// The input cannot be read on.
#[derive(Debug, thiserror::Error)]
#[error("cannot be read on after line {line}: {source}")]
pub struct ReadError {
    /// The last one that was read.
    pub line: u64,
    /// Why.
    pub source: io::Error,
}

/// Reads all lines into a queue, and waits while that is full. Ends early when nobody receives any more.
///
/// Blocks, for as long as the source likes.
///
/// # Errors
///
/// When the source fails. What is wrong with a line is a [`Line::Bad`] in its place.
pub fn read(mut source: impl BufRead, class_field: Option<&str>, to: &Sender<Line>) -> Result<(), ReadError> {
    let mut text = Vec::new();
    let mut number = 0;
    loop {
        let error = |source| ReadError { line: number, source };
        text.clear();
        // One more than may be, which tells that it is too long.
        if source.by_ref().take(MAX_LINE as u64 + 1).read_until(b'\n', &mut text).map_err(error)? == 0 {
            return Ok(());
        }
        let is_too_long = text.len() > MAX_LINE && text.last() != Some(&b'\n');
        while is_too_long && text.last() != Some(&b'\n') {
            text.clear();
            if source.by_ref().take(1 << 16).read_until(b'\n', &mut text).map_err(error)? == 0 {
                break;
            }
        }
        number += 1;
        let parsed = if is_too_long { Err(LineError::TooLong) } else { parse(number, &text, class_field) };
        let line = match parsed {
            Ok(None) => continue,
            Ok(Some(job)) => Line::Job(Box::new(job)),
            Err(error) => Line::Bad { line: number, error },
        };
        if to.blocking_send(line).is_err() {
            // The run has ended.
            return Ok(());
        }
    }
}

/// How many lines a plain file has that are not blank and no comments; `None` for what can be read once only. Blocks.
pub(crate) fn count(path: &Path) -> io::Result<Option<u64>> {
    let file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Ok(None);
    }
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let (mut count, mut is_begun) = (0, false);
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Ok(Some(count));
        }
        // The first byte of a line that is not blank tells what it is.
        for &byte in buffer {
            if byte == b'\n' {
                is_begun = false;
            } else if !is_begun && !byte.is_ascii_whitespace() {
                is_begun = true;
                count += u64::from(byte != b'#');
            }
        }
        let length = buffer.len();
        reader.consume(length);
    }
}

// === impl Line ===

impl Line {
    /// About how much memory it takes, in bytes.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Self::Job(job) => job.weight(),
            // It may say what is wrong with a name that takes up the whole line.
            Self::Bad { error, .. } => 256 + error.to_string().len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[u8]) -> Vec<String> {
        let (tx, mut rx) = forebay::queue::bounded(100);
        read(text, None, &tx).unwrap();
        drop(tx);
        let shown = |line| match line {
            Line::Job(job) => format!("{} {}", job.line, job.url),
            Line::Bad { line, error } => format!("{line} {error}"),
        };
        std::iter::from_fn(|| rx.try_recv().ok()).map(shown).collect()
    }

    #[test]
    fn lines_keep_their_numbers() {
        let text = b"http://h/1\n\n# no\nnonsense\nhttp://h/5";
        let nonsense =
            "4 this is no URL (relative URL without a base); a line is a URL or a JSON object with a url";
        assert_eq!(lines(text), ["1 http://h/1", nonsense, "5 http://h/5"]);
    }

    #[test]
    fn a_line_without_end_is_passed_over() {
        let mut text = b"http://h/".to_vec();
        text.resize(MAX_LINE, b'a');
        text.extend(b"\nhttp://h/2\nhttp://h/");
        text.resize(text.len() + 3 * MAX_LINE, b'a');
        text.extend(b"\nhttp://h/4\nhttp://h/");
        text.resize(text.len() + 2 * MAX_LINE, b'a');
        let lines = lines(&text);
        let too_long = format!("the line is longer than {MAX_LINE} bytes");
        assert_eq!(lines[0].len(), MAX_LINE + 2);
        assert_eq!(
            lines[1..],
            ["2 http://h/2", &format!("3 {too_long}"), "4 http://h/4", &format!("5 {too_long}")]
        );
    }

    /// A thousand of them waited, with a gigabyte of names.
    #[test]
    fn a_bad_line_weighs_what_there_is_to_say_of_it() {
        let line = format!("{{\"url\": \"http://h/\", \"{}\": 1}}", "x".repeat(MAX_LINE / 2));
        let error = parse(1, line.as_bytes(), None).unwrap_err();
        assert!(Line::Bad { line: 1, error }.weight() > MAX_LINE / 2);
    }

    #[test]
    fn nobody_left_to_receive_ends_it() {
        let (tx, rx) = forebay::queue::bounded(1);
        drop(rx);
        read(&b"http://h/1\nhttp://h/2"[..], None, &tx).unwrap();
    }
}
