//! Dates and times as logs write them: recognised and taken as they stand, never turned into moments.
//!
//! What tells a format is mostly how it writes the time, so each of them is a whole here, made of the same parts.

use winnow::combinator::{alt, opt, preceded};
use winnow::error::EmptyError;
use winnow::prelude::*;
use winnow::token::{one_of, take_while};

use super::token::Parsed;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// `2025-01-24T07:00:30`, also with `/` in the date or a space for the `T`; then a fraction behind `.` or
/// `,` and a zone (`Z`, `UTC`, `+01:00`, `+0100`, perhaps behind a space), where there are any.
pub(super) fn timestamp<'a>(input: &mut &'a str) -> Parsed<&'a str> {
    let date = (digits(4), alt((('-', digits(2), '-', digits(2)), ('/', digits(2), '/', digits(2)))));
    let fraction = (one_of(['.', ',']), take_while(1.., '0'..='9'));
    let offset = (one_of(['+', '-']), digits(2), opt(':'), digits(2));
    let zone = (opt(' '), alt(("Z".void(), "UTC".void(), offset.void())));
    (date, one_of(['T', ' ']), clock, opt(fraction), opt(zone)).take().parse_next(input)
}

/// `Apr 28 04:02:03` of RFC 3164, the day padded with a space; rsyslog and others may put a year behind the day.
pub(super) fn of_syslog<'a>(input: &mut &'a str) -> Parsed<&'a str> {
    let day = alt((digits(2), preceded(' ', digits(1)), digits(1)));
    (month, ' ', day, ' ', opt((digits(4), ' ')), clock).take().parse_next(input)
}

/// `22/Jan/2019:03:56:14` of access logs. A zone follows, and in some a fraction before it.
pub(super) fn of_access_log<'a>(input: &mut &'a str) -> Parsed<&'a str> {
    (digits(2), '/', month, '/', digits(4), ':', clock).take().parse_next(input)
}

/// `Fri Sep 09 10:42:29.902022 2011` of Apache's error log; older ones have no fraction.
pub(super) fn of_apache<'a>(input: &mut &'a str) -> Parsed<&'a str> {
    let fraction = ('.', take_while(1.., '0'..='9'));
    let weekday = take_while(3, 'A'..='z');
    (weekday, ' ', month, ' ', digits(2), ' ', clock, opt(fraction), ' ', digits(4)).take().parse_next(input)
}

/// `0915 21:17:10.220731` of klog.
pub(super) fn of_klog<'a>(input: &mut &'a str) -> Parsed<&'a str> {
    (digits(4), ' ', clock, '.', digits(6)).take().parse_next(input)
}

/// A month by the first three letters of its English name.
fn month<'a>(input: &mut &'a str) -> Parsed<&'a str> {
    take_while(3, 'A'..='z').verify(|month: &str| MONTHS.contains(&month)).parse_next(input)
}

/// `07:00:30`
fn clock<'a>(input: &mut &'a str) -> Parsed<&'a str> {
    (digits(2), ':', digits(2), ':', digits(2)).take().parse_next(input)
}

/// Exactly so many decimal digits.
fn digits<'a>(count: usize) -> impl Parser<&'a str, &'a str, EmptyError> {
    take_while(count, '0'..='9')
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn older_formats_write_the_month_in_letters() {
        for text in ["Apr 28 04:02:03", "Apr  8 04:02:03", "Apr 8 04:02:03", "Apr 28 2021 04:02:03"] {
            assert_eq!(of_syslog(&mut &*text), Ok(text));
        }
        assert_eq!(of_access_log(&mut "22/Jan/2019:03:56:14 +0330"), Ok("22/Jan/2019:03:56:14"));
        for text in ["", "22/Jan/2019", "22/Jam/2019:03:56:14", "2/Jan/2019:03:56:14", "22/Jan/2019 03:56:14"]
        {
            assert!(of_access_log(&mut &*text).is_err(), "{text:?}");
        }
    }
}
