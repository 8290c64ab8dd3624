//! The pieces that several line formats share. All of them fail cheaply: failing is how formats are told
//! apart. Texts may be long, so they are cut with `memchr`; the short fixed parts are grammar.

use winnow::error::EmptyError;
use winnow::prelude::*;

/// Line formats do not explain why a line is not theirs.
pub(super) type Parsed<T> = winnow::Result<T, EmptyError>;

/// Text up to a space or the end, at least one byte of it. Takes the space as well.
pub(super) fn word<'a>(input: &mut &'a str) -> Parsed<&'a str> {
    let (word, rest) = match memchr::memchr(b' ', input.as_bytes()) {
        Some(end) => (&input[..end], &input[end + 1..]),
        None => (*input, ""),
    };
    if word.is_empty() {
        return Err(EmptyError);
    }
    *input = rest;
    Ok(word)
}

/// Text up to a byte of ASCII, which is taken as well.
pub(super) fn up_to<'a>(end: u8) -> impl Parser<&'a str, &'a str, EmptyError> {
    move |input: &mut &'a str| {
        let at = memchr::memchr(end, input.as_bytes()).ok_or(EmptyError)?;
        let text = &input[..at];
        *input = &input[at + 1..];
        Ok(text)
    }
}

/// What stands between double quotes, undecoded: a backslash keeps the quote behind it inside.
pub(super) fn quoted<'a>(input: &mut &'a str) -> Parsed<&'a str> {
    let inner = input.strip_prefix('"').ok_or(EmptyError)?;
    let bytes = inner.as_bytes();
    let mut at = 0;
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..).ok_or(EmptyError)?).ok_or(EmptyError)?;
        if bytes[at] == b'"' {
            break;
        }
        at += 2;
    }
    *input = &inner[at + 1..];
    Ok(&inner[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_text_ends_at_the_first_bare_quote() {
        let mut input = r#""a \"b\" \\" rest"#;
        assert_eq!(quoted(&mut input), Ok(r#"a \"b\" \\"#));
        assert_eq!(input, " rest");
        for unclosed in ["", "a", "\"", "\"a", "\"a\\\"", "\"a\\", "\"\\é"] {
            assert!(quoted(&mut &*unclosed).is_err(), "{unclosed:?}");
        }
    }
}
