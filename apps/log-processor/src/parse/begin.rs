//! Whether a line begins as those do that have a format, told without reading it to its end: it may be cut.

use winnow::combinator::terminated;
use winnow::prelude::*;

use super::date::of_syslog;
use super::{clf, klog, python, syslog, timed};
use crate::filter;
use crate::record::Record;

/// Whether the line begins with a time or level, or with that in front of which the other formats have theirs.
pub(crate) fn begins_as_parsed(line: &str) -> bool {
    match line.as_bytes() {
        // Most lines that do not, as those of a stack trace.
        [] | [b' ' | b'\t', ..] => false,
        [b'{', b'"', ..] => true,
        [b'[' | b'0'..=b'9', ..] if timed::time(&mut &*line).is_ok() => true,
        [b'<', ..] if syslog::priority(&mut &*line).is_ok() => true,
        [b'I' | b'W' | b'E' | b'F', b'0'..=b'1', ..] if klog::parse(line, &mut Record::default()) => true,
        [b'C' | b'D' | b'E' | b'I' | b'W', ..] if python::parse(line, &mut Record::default()) => true,
        [b'A'..=b'Z', ..] if terminated(of_syslog, ' ').parse_next(&mut &*line).is_ok() => true,
        _ => clf::time(&mut &*line).is_ok() || begins_with_a_pair(line),
    }
}

/// `time=` or `level=`, or another name of these.
fn begins_with_a_pair(line: &str) -> bool {
    line.split_once('=').is_some_and(|(name, _)| filter::is_time_or_level(name))
}
