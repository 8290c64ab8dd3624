//! Python's own format where a program chose none: `ERROR:root:text`.

use super::token::up_to;
use crate::record::{Record, Value};
use winnow::prelude::*;

/// Reads such a line into the record. On `false` the record holds nothing.
pub(super) fn parse<'a>(line: &'a str, record: &mut Record<'a>) -> bool {
    let mut message = line;
    let level = up_to(b':').verify(|word: &str| is_level(word));
    let logger = up_to(b':').verify(|name: &str| is_logger(name));
    let Ok((level, logger)) = (level, logger).parse_next(&mut message) else { return false };
    record.push("level", Value::Text(level));
    record.push("logger", Value::Text(logger));
    record.push("message", Value::Text(message));
    true
}

fn is_level(word: &str) -> bool {
    matches!(word, "DEBUG" | "INFO" | "WARNING" | "ERROR" | "CRITICAL")
}

/// By convention the dotted name of a module, or `root`.
fn is_logger(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_python_are_told_from_prose() {
        let mut record = Record::default();
        assert!(parse("ERROR:app.db:cannot connect: refused", &mut record));
        let fields = ["level", "logger", "message"].map(|name| record.get(name));
        assert_eq!(
            fields,
            ["ERROR", "app.db", "cannot connect: refused"].map(|text| Some(Value::Text(text)))
        );
        for line in ["ERROR: a: b", "ERROR:root", "Error:root:text", "NOTE:root:text", "ERROR::text", "ERROR"]
        {
            assert!(!parse(line, &mut Record::default()), "{line}");
        }
    }
}
