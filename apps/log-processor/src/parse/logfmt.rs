//! logfmt: `key=value key="quoted value"`, separated by spaces.
//!
//! Values stay text: `status=200` is the text 200, so a field has one type whatever the line holds.
//! (Filters compare it as a number all the same.)

use winnow::combinator::opt;
use winnow::error::EmptyError;
use winnow::prelude::*;

use super::token::{Parsed, quoted};
use crate::record::{Record, Value};

/// What counts as logfmt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strictness {
    /// The user said it is logfmt: one pair is enough, and a word without `=` is a flag, true.
    Told,
    /// It must be told from prose: at least two pairs and nothing else.
    Guessing,
}

/// Reads pairs into the record. On `false` the record holds some of them.
pub(super) fn parse<'a>(line: &'a str, strictness: Strictness, record: &mut Record<'a>) -> bool {
    let mut input = line.trim_start_matches([' ', '\t']);
    let (mut pairs, mut flags) = (0, 0);
    while !input.is_empty() {
        match pair.parse_next(&mut input) {
            Ok((name, Some(value))) => {
                record.push(name, value);
                pairs += 1;
            }
            Ok((name, None)) => {
                record.push(name, Value::Json("true"));
                flags += 1;
            }
            Err(EmptyError) => return false,
        }
        if strictness == Strictness::Guessing && flags > 0 {
            return false;
        }
        input = input.trim_start_matches([' ', '\t']);
    }
    match strictness {
        Strictness::Told => pairs >= 1,
        Strictness::Guessing => pairs >= 2,
    }
}

/// A name and its value, if a `=` follows the name.
fn pair<'a>(input: &mut &'a str) -> Parsed<(&'a str, Option<Value<'a>>)> {
    let name = name.parse_next(input)?;
    if opt('=').parse_next(input)?.is_none() {
        return Ok((name, None));
    }
    if input.starts_with('"') {
        let inner = quoted.parse_next(input)?;
        // `a="b"c` is not a pair but something else that has quotes in it.
        return match input.as_bytes().first() {
            None | Some(b' ' | b'\t') => Ok((name, Some(Value::quoted(inner)))),
            Some(_) => Err(EmptyError),
        };
    }
    let end = memchr::memchr3(b' ', b'\t', b'"', input.as_bytes()).unwrap_or(input.len());
    if input.as_bytes().get(end) == Some(&b'"') {
        return Err(EmptyError);
    }
    let value = &input[..end];
    *input = &input[end..];
    Ok((name, Some(Value::Text(value))))
}

/// Letters, digits and what names are put together with. Not quotes, braces or the like, which would make
/// code and prose look like logfmt.
fn name<'a>(input: &mut &'a str) -> Parsed<&'a str> {
    let end = input
        .bytes()
        .position(|byte| !(byte.is_ascii_alphanumeric() || byte >= 0x80 || b"_.-@/$:#".contains(&byte)))
        .unwrap_or(input.len());
    if end == 0 {
        return Err(EmptyError);
    }
    let name = &input[..end];
    *input = &input[end..];
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(line: &str, strictness: Strictness) -> Option<String> {
        let mut record = Record::default();
        parse(line, strictness, &mut record).then(|| {
            record
                .fields()
                .map(|(name, value)| format!("{name}:{} ", value.text().unwrap_or_default()))
                .collect()
        })
    }

    #[test]
    fn pairs_are_read() {
        assert_eq!(
            fields(r#"  level=info  msg="a \"b\"" reason= n=1"#, Strictness::Guessing).as_deref(),
            Some(r#"level:info msg:a "b" reason: n:1 "#)
        );
    }

    #[test]
    fn prose_is_not_guessed_to_be_logfmt() {
        for line in
            ["", "hello", "a=1", "set a=1 and b=2", "x = 1", r#"a="b"c d=1"#, r#"a="b d=1"#, "if (a=1) b=2"]
        {
            assert_eq!(fields(line, Strictness::Guessing), None, "{line:?}");
        }
    }

    #[test]
    fn told_logfmt_may_have_flags_and_a_single_pair() {
        assert_eq!(fields("a=1", Strictness::Told).as_deref(), Some("a:1 "));
        assert_eq!(fields("debug a=1", Strictness::Told).as_deref(), Some("debug:true a:1 "));
        assert_eq!(fields("only words", Strictness::Told), None);
        assert_eq!(fields("   ", Strictness::Told), None);
    }
}
