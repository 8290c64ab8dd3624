//! Lines that begin with a full date and time: container runtimes, syslog in its modern file form, and
//! the many formats of application logs (log4j, logback, Python, the error logs of nginx and Apache).

use winnow::combinator::{alt, delimited};
use winnow::error::EmptyError;
use winnow::prelude::*;
use winnow::token::rest;

use super::Format;
use super::date::{of_apache, timestamp};
use super::syslog::sender;
use super::token::{Parsed, word};
use crate::level::Level;
use crate::record::{Record, Value};

/// How many words behind the time are searched for a level.
const WORDS_TO_A_LEVEL: usize = 5;

/// Reads a line that begins with a time. On `None` the record holds nothing.
pub(super) fn parse<'a>(line: &'a str, record: &mut Record<'a>) -> Option<Format> {
    let mut input = line;
    let time = time(&mut input).ok()?;
    record.push("time", Value::Text(time));
    let rest = input.trim_start_matches([' ', '\t', ':']);
    if let Ok((stream, _, tag, message)) = cri.parse_next(&mut &*rest) {
        record.push("stream", Value::Text(stream));
        record.push("tag", Value::Text(tag));
        record.push("message", Value::Text(message));
        return Some(Format::Cri);
    }
    if let Some(sender) = sender(rest).ok().filter(|sender| time.contains('T') && sender.is_plain_to_see()) {
        sender.fill(record);
        return Some(Format::Syslog);
    }
    application(rest, record);
    Some(Format::Timed)
}

/// The time in front, with a blank, a tab, a colon or nothing behind it.
pub(super) fn time<'a>(input: &mut &'a str) -> Parsed<&'a str> {
    let time = alt((timestamp, delimited('[', alt((timestamp, of_apache)), ']'))).parse_next(input)?;
    if input.is_empty() || input.starts_with([' ', '\t', ':']) { Ok(time) } else { Err(EmptyError) }
}

/// `stdout F text`: F is a full line, P a part of one.
fn cri<'a>(input: &mut &'a str) -> Parsed<(&'a str, char, &'a str, &'a str)> {
    (alt(("stdout", "stderr")), ' ', word.verify(|tag: &str| matches!(tag, "F" | "P")), rest)
        .parse_next(input)
}

/// The level, if one of the first words is one, and the message: everything behind the time, or behind
/// the level where that comes first.
fn application<'a>(text: &'a str, record: &mut Record<'a>) {
    let mut message = text;
    for (place, word) in text.split_ascii_whitespace().take(WORDS_TO_A_LEVEL).enumerate() {
        let Some((bare, level)) = level(word) else { continue };
        record.push("level", Value::Text(level));
        if place == 0 && bare == level {
            message = text[word.len()..].trim_ascii_start();
        }
        break;
    }
    record.push("message", Value::Text(message));
}

/// A level that is set off from prose: in capitals, in brackets, or with a colon behind it. What it is set off from
/// comes first, without what sets it off: Apache names a module within the brackets (`[core:error]`).
fn level(word: &str) -> Option<(&str, &str)> {
    let bare = word.trim_matches(['[', ']', '(', ')', '<', '>', ':', '|', '-']);
    let is_set_off = bare.len() < word.len() || bare.bytes().all(|byte| byte.is_ascii_uppercase());
    let level = match bare.split_once(':') {
        Some((_, level)) if word.starts_with('[') && word.ends_with(']') => level,
        _ => bare,
    };
    (is_set_off && Level::from_word(level).is_some()).then_some((bare, level))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level_and_message(line: &str) -> (String, String) {
        let mut record = Record::default();
        assert!(parse(line, &mut record).is_some(), "{line:?}");
        let text = |name| record.get(name).and_then(Value::text).unwrap_or_default().into_owned();
        (text("level"), text("message"))
    }

    #[test]
    fn levels_are_found_where_loggers_put_them() {
        for (line, level, message) in [
            ("2025-01-24T07:00:30,139 INFO [main] Version : 1", "INFO", "[main] Version : 1"),
            ("2021/09/30 09:23:53 [error] 1#1: *17 text", "error", "1#1: *17 text"),
            (
                "[Fri Sep 09 10:42:29.902022 2011] [core:error] [pid 3] text",
                "error",
                "[core:error] [pid 3] text",
            ),
            ("[Fri Sep 09 10:42:29 2011] [error] [client ::1] text", "error", "[client ::1] text"),
            ("2023-01-01 12:00:00,123 - app.web - WARNING - text", "WARNING", "- app.web - WARNING - text"),
            (
                "2023-01-01 12:00:00.123  WARN 1 --- [main] c.e.App : text",
                "WARN",
                "1 --- [main] c.e.App : text",
            ),
            ("[2023-01-01 12:00:00] production.ERROR: text", "", "production.ERROR: text"),
            ("2023-01-01 12:00:00 error: text", "error", "text"),
            ("2023-01-01 12:00:00 an error occurred", "", "an error occurred"),
            ("2023-01-01T12:00:00.1Z ERROR main: text", "ERROR", "main: text"),
            ("2023-01-01T12:00:00Z", "", ""),
        ] {
            assert_eq!(level_and_message(line), (level.to_owned(), message.to_owned()), "{line:?}");
        }
    }

    #[test]
    fn lines_with_a_time_are_told_apart() {
        let format = |line| parse(line, &mut Record::default());
        assert_eq!(format("2022-01-28T16:04:05.4Z stdout F text"), Some(Format::Cri));
        assert_eq!(format("2022-01-28T16:04:05.4Z stdout text"), Some(Format::Timed));
        assert_eq!(format("2022-01-28T16:04:05+00:00 web1 sshd[12]: text"), Some(Format::Syslog));
        assert_eq!(format("2022-01-28T16:04:05Z INFO main: text"), Some(Format::Timed));
        assert_eq!(format("2022-01-28 is a date"), None);
        assert_eq!(format("2022-01-28T16:04:05Zzz"), None);
    }
}
