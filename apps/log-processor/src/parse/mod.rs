//! From a line's text to a record.
//!
//! Each format has its file. Under [`ParseMode::Auto`] the first bytes of a line say which few formats it
//! can be, and the formats exclude each other: what a line is taken for never depends on the lines around
//! it, so it does not matter where batches are cut.
//!
//! | format | a line looks like | fields |
//! | --- | --- | --- |
//! | json | `{"level":"info", ..}` | the object's members |
//! | logfmt | `level=info msg="text"` | the pairs |
//! | clf | `host - user [time] "GET / HTTP/1.1" 200 13` | `host`, `ident`, `user`, `time`, `method`, `path`, `protocol`, `status`, `bytes`, `referer`, `user_agent`, `extra` |
//! | syslog | `<38>1 time host app ..`, `Apr 28 04:02:03 host app[7]: ..` | `facility`, `severity`, `time`, `host`, `app`, `pid`, `msgid`, `message`, structured data |
//! | cri | `2022-01-28T16:04:05Z stdout F text` | `time`, `stream`, `tag`, `message` |
//! | klog | `I0915 21:17:10.220731 7 file.go:12] text` | `level`, `time`, `thread`, `source`, `message` |
//! | python | `ERROR:app.db:text` | `level`, `logger`, `message` |
//! | timed | `2021/09/30 09:23:53 [error] text`, `[Fri Sep 09 10:42:29 2011] [core:error] text` | `time`, `level`, `message` |
//! | plain | anything else | `message`: the whole line |
//!
//! Parsers read text. Where a line is not UTF-8 they see U+FFFD for each bad sequence; raw output still
//! writes the bytes that came.

mod begin;
mod clf;
mod date;
pub(crate) mod json;
mod klog;
mod logfmt;
mod python;
mod syslog;
mod timed;
mod token;

use std::fmt;

use crate::record::{Record, Value};
use logfmt::Strictness;

pub(crate) use begin::begins_as_parsed;

/// How lines are read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ParseMode {
    /// Each line is recognised by its looks; what is not recognised is plain text.
    #[default]
    Auto,
    /// JSON objects, one a line.
    Json,
    /// `key=value` pairs.
    Logfmt,
    /// Access logs in the common or combined log format.
    Clf,
    /// Nothing is parsed: the line is the message.
    Plain,
}

/// What a line turned out to be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// A JSON object.
    Json,
    /// `key=value` pairs.
    Logfmt,
    /// An access log line in the common or combined log format, perhaps with more fields behind.
    Clf,
    /// Syslog, RFC 5424 or RFC 3164, with or without priority.
    Syslog,
    /// A container runtime's line (Kubernetes CRI).
    Cri,
    /// glog and klog.
    Klog,
    /// Python's `logging` where no format was chosen.
    Python,
    /// A time in front, and mostly a level behind it.
    Timed,
    /// Anything else: the whole line is the message.
    #[default]
    Plain,
}

/// Reads one line, without its line end, into an empty record.
///
/// Always succeeds: a line that does not have the format asked for is [`Format::Plain`], with the whole
/// line as its `message`.
///
/// ```
/// use log_processor::parse::{Format, ParseMode, parse};
/// use log_processor::record::{Record, Value};
///
/// let mut record = Record::default();
/// let line = "Apr 28 04:04:01 web1 sshd[2467]: session opened";
/// assert_eq!(parse(ParseMode::Auto, line, &mut record), Format::Syslog);
/// assert_eq!(record.get("app"), Some(Value::Text("sshd")));
/// ```
pub fn parse<'a>(mode: ParseMode, line: &'a str, record: &mut Record<'a>) -> Format {
    let format = match mode {
        ParseMode::Auto => recognise(line, record),
        ParseMode::Json => json::parse(line, record).then_some(Format::Json),
        ParseMode::Logfmt => logfmt::parse(line, Strictness::Told, record).then_some(Format::Logfmt),
        ParseMode::Clf => clf::parse(line, record).then_some(Format::Clf),
        ParseMode::Plain => None,
    };
    format.unwrap_or_else(|| {
        record.clear();
        record.push("message", Value::Text(line));
        Format::Plain
    })
}

/// Finds a line's format by its looks. On `None` the record holds remains.
fn recognise<'a>(line: &'a str, record: &mut Record<'a>) -> Option<Format> {
    let first = match line.as_bytes() {
        [b'{' | b' ' | b'\t', ..] if json::parse(line, record) => Some(Format::Json),
        [b'<' | b'A'..=b'Z', ..] if syslog::parse(line, record) => Some(Format::Syslog),
        [b'I' | b'W' | b'E' | b'F', b'0'..=b'1', ..] if klog::parse(line, record) => Some(Format::Klog),
        [b'C' | b'D' | b'E' | b'I' | b'W', ..] if python::parse(line, record) => Some(Format::Python),
        [b'[' | b'0'..=b'9', ..] => timed::parse(line, record),
        _ => None,
    };
    first
        .or_else(|| {
            record.clear();
            clf::parse(line, record).then_some(Format::Clf)
        })
        .or_else(|| {
            record.clear();
            logfmt::parse(line, Strictness::Guessing, record).then_some(Format::Logfmt)
        })
}

// === impl ParseMode ===

impl ParseMode {
    /// The name in commands and configuration.
    pub fn name(self) -> &'static str {
        match self {
            ParseMode::Auto => "auto",
            ParseMode::Json => "json",
            ParseMode::Logfmt => "logfmt",
            ParseMode::Clf => "clf",
            ParseMode::Plain => "plain",
        }
    }

    /// Whether a line of that format was what this mode asks for.
    pub(crate) fn expects(self, format: Format) -> bool {
        self == ParseMode::Plain || format != Format::Plain
    }
}

// === impl Format ===

impl Format {
    /// Every format, in the order of their discriminants.
    pub const ALL: [Format; 9] = [
        Format::Json,
        Format::Logfmt,
        Format::Clf,
        Format::Syslog,
        Format::Cri,
        Format::Klog,
        Format::Python,
        Format::Timed,
        Format::Plain,
    ];

    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Format::Json => "json",
            Format::Logfmt => "logfmt",
            Format::Clf => "clf",
            Format::Syslog => "syslog",
            Format::Cri => "cri",
            Format::Klog => "klog",
            Format::Python => "python",
            Format::Timed => "timed",
            Format::Plain => "plain",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
