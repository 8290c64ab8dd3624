//! Access logs: the common log format, the combined one, and what servers put behind it.
//!
//! ```text
//! host ident user [time] "method path protocol" status bytes ["referer" "user agent"] [extra]
//! ```
//! A `-` means that there is none, so the field is left out. `status` and `bytes` are numbers. A request
//! that is not three words (scanners send such) stays whole, as `request`. What follows the known fields
//! is kept as written, as `extra`.

use winnow::combinator::{alt, opt, preceded};
use winnow::error::EmptyError;
use winnow::prelude::*;

use super::date::of_access_log;
use super::token::{Parsed, quoted, up_to, word};
use crate::record::{Record, Value};

/// Reads an access log line into the record. On `false` the record holds some of the fields.
pub(super) fn parse<'a>(line: &'a str, record: &mut Record<'a>) -> bool {
    access.parse_next(&mut &*line).map(|access| access.fill(record)).is_ok()
}

struct Access<'a> {
    host: &'a str,
    ident: &'a str,
    user: &'a str,
    time: &'a str,
    request: &'a str,
    status: &'a str,
    bytes: &'a str,
    agent: Option<(&'a str, &'a str)>,
    extra: &'a str,
}

fn access<'a>(input: &mut &'a str) -> Parsed<Access<'a>> {
    let (host, ident, user, time) = time(input)?;
    let (request, (status, bytes)) =
        preceded(' ', alt(((quoted, answer), (request_with_quotes, answer)))).parse_next(input)?;
    let agent = opt((quoted, preceded(' ', quoted))).parse_next(input)?;
    let extra = input.trim_ascii();
    Ok(Access { host, ident, user, time, request, status, bytes, agent, extra })
}

/// `host ident user [time]`, what a line begins with.
pub(super) fn time<'a>(input: &mut &'a str) -> Parsed<(&'a str, &'a str, &'a str, &'a str)> {
    let host = word.parse_next(input)?;
    let ident = word.parse_next(input)?;
    // A user name may hold spaces: it ends where the time begins.
    let user = up_to(b'[').parse_next(input)?.strip_suffix(' ').ok_or(EmptyError)?;
    let time = up_to(b']').verify(|time: &str| of_access_log(&mut &*time).is_ok()).parse_next(input)?;
    Ok((host, ident, user, time))
}

/// ` status bytes`
fn answer<'a>(input: &mut &'a str) -> Parsed<(&'a str, &'a str)> {
    let status = preceded(' ', word).verify(is_status);
    let bytes = word.verify(|bytes: &str| bytes == "-" || is_digits(bytes));
    (status, bytes).parse_next(input)
}

/// A request with quotes in it that the server did not escape, as some let attackers write. It ends at the
/// first quote with an answer behind it.
fn request_with_quotes<'a>(input: &mut &'a str) -> Parsed<&'a str> {
    let inner = input.strip_prefix('"').ok_or(EmptyError)?;
    let ends = |end: &usize| answer.parse_next(&mut &inner[end + 1..]).is_ok();
    let end = memchr::memchr_iter(b'"', inner.as_bytes()).find(ends).ok_or(EmptyError)?;
    *input = &inner[end + 1..];
    Ok(&inner[..end])
}

fn is_status(text: &str) -> bool {
    text == "-" || (text.len() == 3 && is_digits(text))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

// === impl Access ===

impl<'a> Access<'a> {
    fn fill(self, record: &mut Record<'a>) {
        let mut push = |name: &'static str, value: Value<'a>| {
            if value != Value::Text("-") {
                record.push(name, value);
            }
        };
        push("host", Value::Text(self.host));
        push("ident", Value::Text(self.ident));
        push("user", Value::Text(self.user));
        push("time", Value::Text(self.time));
        match request_parts(self.request) {
            Some((method, path, protocol)) => {
                push("method", Value::Text(method));
                push("path", Value::quoted(path));
                push("protocol", Value::Text(protocol));
            }
            None => push("request", Value::quoted(self.request)),
        }
        push("status", digits(self.status));
        push("bytes", digits(self.bytes));
        if let Some((referer, user_agent)) = self.agent {
            push("referer", Value::quoted(referer));
            push("user_agent", Value::quoted(user_agent));
        }
        if !self.extra.is_empty() {
            push("extra", Value::Text(self.extra));
        }
    }
}

/// `GET /a b HTTP/1.1`: the path may hold spaces, since what stands around it cannot.
fn request_parts(request: &str) -> Option<(&str, &str, &str)> {
    let (method, rest) = request.split_once(' ')?;
    let (path, protocol) = rest.rsplit_once(' ')?;
    let is_method =
        !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
    (is_method && protocol.starts_with("HTTP/")).then_some((method, path, protocol))
}

/// A number as JSON spells it; text where JSON has no such number (`007`, `-`).
fn digits(text: &str) -> Value<'_> {
    match text.as_bytes() {
        b"0" | [b'1'..=b'9', ..] => Value::Json(text),
        _ => Value::Text(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &str) -> Option<String> {
        let mut record = Record::default();
        parse(line, &mut record).then(|| {
            record
                .fields()
                .map(|(name, value)| format!("{name}={} ", value.text().unwrap_or_default()))
                .collect()
        })
    }

    #[test]
    fn common_and_combined_lines_are_read() {
        assert_eq!(
            shown(r#"h - ann b [22/Jan/2019:03:56:14 +0330] "GET /a b HTTP/1.1" 404 -"#).as_deref(),
            Some(
                "host=h user=ann b time=22/Jan/2019:03:56:14 +0330 method=GET path=/a b protocol=HTTP/1.1 status=404 "
            )
        );
        assert_eq!(
            shown(r#"h - - [22/Jan/2019:03:56:14 +0330] "\x16\x03" 400 0 "-" "a \"b\"" 502 0.001"#)
                .as_deref(),
            Some(
                "host=h time=22/Jan/2019:03:56:14 +0330 request=\u{16}\u{3} status=400 bytes=0 user_agent=a \"b\" extra=502 0.001 "
            )
        );
    }

    #[test]
    fn a_request_may_hold_bare_quotes() {
        let line = r#"h - - [25/Apr/2021:06:15:33 +0000] "GET /?a=<b>alert("x" 1)</b> HTTP/1.0" 404 1164"#;
        let shown = shown(line).unwrap();
        assert!(shown.contains(r#"path=/?a=<b>alert("x" 1)</b> "#), "{shown}");
        assert!(shown.contains("status=404 bytes=1164"), "{shown}");
    }

    #[test]
    fn other_lines_are_refused() {
        for line in [
            "",
            "h - - [22/Jan/2019:03:56:14 +0330]",
            r#"h - - [22/Jan/2019:03:56:14 +0330] "GET / HTTP/1.1" 4040 1"#,
            r#"h - - [22/Jan/2019:03:56:14 +0330] "GET / HTTP/1.1" 404 x"#,
            r#"h - - [some text of that size] "GET / HTTP/1.1" 404 1"#,
            r#"2021/09/30 09:23:53 [error] 1#1: *17 user "foo" was not found"#,
        ] {
            assert_eq!(shown(line), None, "{line:?}");
        }
    }
}
