//! From a line's text to a record.

use std::fmt;

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
    /// A container runtime's line (Kubernetes CRI): time, stream, tag, text.
    Cri,
    /// glog and klog: `I0915 21:17:10.220731 1234 file.go:12] text`.
    Klog,
    /// A time in front, and mostly a level behind it: nginx's error log, log4j, logback and the like.
    Timed,
    /// Anything else: the whole line is the message.
    #[default]
    Plain,
}

// === impl Format ===

impl Format {
    /// Every format, in the order of their discriminants.
    pub const ALL: [Format; 8] = [
        Format::Json,
        Format::Logfmt,
        Format::Clf,
        Format::Syslog,
        Format::Cri,
        Format::Klog,
        Format::Timed,
        Format::Plain,
    ];

    /// The name used in reports.
    pub fn name(self) -> &'static str {
        match self {
            Format::Json => "json",
            Format::Logfmt => "logfmt",
            Format::Clf => "clf",
            Format::Syslog => "syslog",
            Format::Cri => "cri",
            Format::Klog => "klog",
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
