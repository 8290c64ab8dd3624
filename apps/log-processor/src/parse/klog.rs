//! glog and klog, the log lines of Kubernetes' own programs: `I0915 21:17:10.220731    1234 file.go:12] text`.

use winnow::ascii::space1;
use winnow::combinator::preceded;
use winnow::prelude::*;
use winnow::token::{one_of, rest, take_while};

use super::date::of_klog;
use super::token::{Parsed, up_to};
use crate::record::{Record, Value};

/// Reads a klog line into the record. On `false` the record holds nothing.
pub(super) fn parse<'a>(line: &'a str, record: &mut Record<'a>) -> bool {
    let Ok((level, time, thread, source, message)) = header.parse_next(&mut &*line) else { return false };
    record.push("level", Value::Text(level));
    record.push("time", Value::Text(time));
    record.push("thread", Value::Text(thread));
    record.push("source", Value::Text(source));
    record.push("message", Value::Text(message.strip_prefix(' ').unwrap_or(message)));
    true
}

/// Level, time without a year, thread, source file and line, text.
fn header<'a>(input: &mut &'a str) -> Parsed<(&'a str, &'a str, &'a str, &'a str, &'a str)> {
    let level = one_of(['I', 'W', 'E', 'F']).take();
    let thread = preceded(space1, take_while(1.., '0'..='9'));
    let source = preceded(' ', up_to(b']').verify(|source: &str| source.contains(':')));
    (level, of_klog, thread, source, rest).parse_next(input)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::level::Level;

    #[test]
    fn klog_lines_are_read() {
        let mut record = Record::default();
        assert!(parse("E0915 21:17:10.220731    1234 file.go:12] some text", &mut record));
        assert_eq!(record.get("level").and_then(Value::level), Some(Level::Error));
        assert_eq!(record.get("time"), Some(Value::Text("0915 21:17:10.220731")));
        assert_eq!(record.get("source"), Some(Value::Text("file.go:12")));
        assert_eq!(record.get("message"), Some(Value::Text("some text")));
        assert!(!parse("E0915 is not a time", &mut Record::default()));
    }
}
