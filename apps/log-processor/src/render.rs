//! From a record to a line of JSON or logfmt.

use std::borrow::Cow;

use crate::filter::Fields;
use crate::parse::Format;
use crate::record::{Record, Value};

/// Which part of a line a record stands for. All but [`Piece::Whole`] are marked in what is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece {
    /// All of it.
    Whole,
    /// All of a record of several lines, which cannot be written as it came.
    Several,
    /// The first piece of an over-long line; marked `truncated`.
    First,
    /// A later piece; marked `continued`.
    Later,
}

/// Writes one JSON object and a line feed.
///
/// An object that came as JSON is written as it came, spelling and all. Of fields with one name the last is written,
/// the one that filters see: few readers take an object that has a name twice. Other values become strings,
/// except those that their format defines as numbers.
pub(crate) fn json(format: Format, line: &str, record: &Record<'_>, piece: Piece, out: &mut Vec<u8>) {
    if format == Format::Json && piece == Piece::Whole {
        out.extend_from_slice(line.trim_ascii().as_bytes());
        out.push(b'\n');
    } else {
        match format {
            Format::Json | Format::Logfmt | Format::Syslog => {
                json_object(record.distinct_fields().into_iter(), piece, out);
            }
            // Their names are ours.
            Format::Clf | Format::Cri | Format::Klog | Format::Python | Format::Timed | Format::Plain => {
                json_object(record.fields(), piece, out);
            }
        }
    }
}

/// Writes one JSON object of these fields, whose names differ, and a line feed.
pub(crate) fn json_object<'a>(
    fields: impl Iterator<Item = (&'a str, Value<'a>)>,
    piece: Piece,
    out: &mut Vec<u8>,
) {
    let mut before = b'{';
    for (name, value) in fields.chain(piece.mark()) {
        out.push(before);
        json_string(name, out);
        out.push(b':');
        match value {
            Value::Text(text) => json_string(text, out),
            Value::Quoted(_) => json_string(&value.text().unwrap_or_default(), out),
            Value::Json(raw) => out.extend_from_slice(raw.as_bytes()),
        }
        before = b',';
    }
    if before == b'{' {
        out.push(b'{');
    }
    out.extend_from_slice(b"}\n");
}

/// Writes `name=value` pairs and a line feed.
///
/// Values are quoted where a reader would otherwise misread them; nested JSON is one quoted value. What a
/// name cannot hold (spaces, quotes, `=`, control characters) becomes `_`.
pub(crate) fn logfmt<'a>(
    fields: impl Iterator<Item = (&'a str, Value<'a>)>,
    piece: Piece,
    out: &mut Vec<u8>,
) {
    let start = out.len();
    for (name, value) in fields.chain(piece.mark()) {
        if out.len() > start {
            out.push(b' ');
        }
        logfmt_name(name, out);
        out.push(b'=');
        logfmt_value(&value.text().unwrap_or(Cow::Borrowed("null")), out);
    }
    out.push(b'\n');
}

/// How many bytes the names of these fields, and what stands around them and their values, take at most.
pub(crate) fn most_of_names(fields: &Fields) -> usize {
    const AROUND: usize = b",:\"\"".len();
    let mut names = Vec::new();
    let mut count = 0;
    for name in fields.names() {
        json_string(name, &mut names);
        count += 1;
    }
    names.len() + count * AROUND
}

fn json_string(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, text)
        .expect("a Vec takes all that is written and a str is always a JSON string");
}

fn logfmt_name(name: &str, out: &mut Vec<u8>) {
    if name.is_empty() {
        out.push(b'_');
    }
    let misread = |byte: u8| byte <= b' ' || byte == 0x7f || byte == b'=' || byte == b'"';
    out.extend(name.bytes().map(|byte| if misread(byte) { b'_' } else { byte }));
}

fn logfmt_value(text: &str, out: &mut Vec<u8>) {
    let misread = |byte: u8| byte <= b' ' || byte == 0x7f || matches!(byte, b'=' | b'"' | b'\\');
    if !text.is_empty() && !text.bytes().any(misread) {
        out.extend_from_slice(text.as_bytes());
    } else {
        // JSON's escapes are all ones that logfmt readers know.
        json_string(text, out);
    }
}

// === impl Piece ===

impl Piece {
    fn mark(self) -> Option<(&'static str, Value<'static>)> {
        match self {
            Piece::Whole | Piece::Several => None,
            Piece::First => Some(("truncated", Value::Json("true"))),
            Piece::Later => Some(("continued", Value::Json("true"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::{ParseMode, parse};

    fn rendered(line: &str, piece: Piece) -> (String, String) {
        let mut record = Record::default();
        let format = parse(ParseMode::Auto, line, &mut record);
        let (mut as_json, mut as_logfmt) = (Vec::new(), Vec::new());
        json(format, line, &record, piece, &mut as_json);
        logfmt(record.fields(), piece, &mut as_logfmt);
        (String::from_utf8(as_json).unwrap(), String::from_utf8(as_logfmt).unwrap())
    }

    #[test]
    fn json_is_written_as_it_came() {
        let line = r#" {"n": 1.50e400, "n":00000000000000000000000000001e0, "s":"\u00e9", "o":{"a": [1]}, "z":null} "#
            .replace("00000000000000000000000000001", "10000000000000000000000000001");
        let (as_json, as_logfmt) = rendered(&line, Piece::Whole);
        assert_eq!(as_json.trim_end(), line.trim());
        assert_eq!(
            as_logfmt,
            "n=1.50e400 n=10000000000000000000000000001e0 s=é o=\"{\\\"a\\\": [1]}\" z=null\n"
        );
    }

    #[test]
    fn a_name_that_comes_twice_is_written_once_with_its_last_value() {
        assert_eq!(rendered("a=1 b=2 a=3", Piece::Whole).0, "{\"b\":\"2\",\"a\":\"3\"}\n");
        let many: String = (0..100).map(|n| format!("k{}={n} ", n % 40)).collect();
        let (as_json, _) = rendered(many.trim(), Piece::Whole);
        assert_eq!(as_json.matches("\"k5\":").count(), 1);
        assert!(as_json.contains("\"k5\":\"85\""), "{as_json}");
    }

    #[test]
    fn pieces_are_marked() {
        let (as_json, as_logfmt) = rendered(r#"{"a":1}"#, Piece::First);
        assert_eq!(as_json, "{\"a\":1,\"truncated\":true}\n");
        assert_eq!(as_logfmt, "a=1 truncated=true\n");
        let (as_json, _) = rendered("{}", Piece::Later);
        assert_eq!(as_json, "{\"continued\":true}\n");
        assert_eq!(rendered("{}", Piece::Whole), ("{}\n".into(), "\n".into()));
    }

    #[test]
    fn what_would_be_misread_is_quoted_or_replaced() {
        let (as_json, as_logfmt) =
            rendered(r#"{"a b=\"":"x y","":"","e":"=","q":"\"","c":"\u0000\r"}"#, Piece::First);
        assert_eq!(
            as_json,
            "{\"a b=\\\"\":\"x y\",\"\":\"\",\"e\":\"=\",\"q\":\"\\\"\",\"c\":\"\\u0000\\r\",\"truncated\":true}\n"
        );
        assert_eq!(as_logfmt, "a_b__=\"x y\" _=\"\" e=\"=\" q=\"\\\"\" c=\"\\u0000\\r\" truncated=true\n");
    }

    #[test]
    fn logfmt_is_read_back_as_it_was_meant() {
        let line = r#"time=1 msg="say \"hi\"\tC:\\x" e= path=C:\dir"#;
        let (as_json, as_logfmt) = rendered(line, Piece::Whole);
        assert_eq!(rendered(as_logfmt.trim_end(), Piece::Whole).0, as_json);
    }
}
