//! The pieces that several line formats share. All of them fail cheaply: failing is how formats are told
//! apart. Texts may be long, so they are cut with `memchr`; the short fixed parts are grammar.

use winnow::combinator::{alt, opt};
use winnow::error::EmptyError;
use winnow::prelude::*;
use winnow::token::{one_of, take_while};

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

/// `2025-01-24T07:00:30`, also with `/` in the date or a space for the `T`; then a fraction behind `.` or
/// `,` and a zone (`Z`, `UTC`, `+01:00`, `+0100`, perhaps behind a space), where there are any.
pub(super) fn timestamp<'a>(input: &mut &'a str) -> Parsed<&'a str> {
    let date = (digits(4), alt((('-', digits(2), '-', digits(2)), ('/', digits(2), '/', digits(2)))));
    let fraction = (one_of(['.', ',']), take_while(1.., '0'..='9'));
    let offset = (one_of(['+', '-']), digits(2), opt(':'), digits(2));
    let zone = (opt(' '), alt(("Z".void(), "UTC".void(), offset.void())));
    (date, one_of(['T', ' ']), clock, opt(fraction), opt(zone)).take().parse_next(input)
}

/// `07:00:30`
pub(super) fn clock<'a>(input: &mut &'a str) -> Parsed<&'a str> {
    (digits(2), ':', digits(2), ':', digits(2)).take().parse_next(input)
}

/// Exactly so many decimal digits.
pub(super) fn digits<'a>(count: usize) -> impl Parser<&'a str, &'a str, EmptyError> {
    take_while(count, '0'..='9')
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

    #[test]
    fn timestamps_are_taken_with_fraction_and_zone() {
        for (text, rest) in [
            ("2025-01-24T07:00:30,139 INFO", " INFO"),
            ("2021/09/30 09:23:53 [error]", " [error]"),
            ("2022-01-28T16:04:05.413656027Z stdout", " stdout"),
            ("2022-01-19T14:23:55+00:00 host", " host"),
            ("2022-01-19 14:23:55.1-0330", ""),
            ("2018-01-24 18:25:08,454 -0800 INFO", " INFO"),
            ("2022-04-12 00:16:05.526 UTC [7755]", " [7755]"),
            ("2023-01-01 12:00:00,123 - app", " - app"),
        ] {
            let mut input = text;
            assert!(timestamp(&mut input).is_ok(), "{text:?}");
            assert_eq!(input, rest);
        }
        for text in ["", "2025-01-24", "2025-01/24 07:00:30", "12025-01-24T07:00:30", "2025-1-24T07:00:30"] {
            assert!(timestamp(&mut &*text).is_err(), "{text:?}");
        }
    }
}
