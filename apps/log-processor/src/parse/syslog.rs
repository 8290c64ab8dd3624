//! Syslog headers: RFC 5424, and RFC 3164 with and without priority as it lies in files.
//!
//! Written here rather than taken from a crate: the ones there are turn times into dates, for which
//! RFC 3164 (which has no year) needs a clock, and the record should hold what the line says.
//!
//! | field | from |
//! | --- | --- |
//! | `facility`, `severity` | the priority, by their usual names |
//! | `time`, `host`, `app`, `pid`, `msgid` | the header; `-` leaves the field out |
//! | `ID.NAME` | each structured data parameter, such as `meta.sequenceId` |
//! | `message` | the rest |

use winnow::combinator::{alt, delimited, opt, preceded, terminated};
use winnow::prelude::*;
use winnow::token::take_while;

use super::date::{of_syslog, timestamp};
use super::token::{Parsed, quoted, word};
use crate::level::Level;
use crate::record::{Record, Value};

const SEVERITIES: [&str; 8] = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];

const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
    "ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6",
    "local7",
];

/// Reads a line that begins with a priority or with an RFC 3164 time. On `false` the record holds some of
/// the fields.
pub(super) fn parse<'a>(line: &'a str, record: &mut Record<'a>) -> bool {
    header(&mut &*line, record).is_ok()
}

fn header<'a>(input: &mut &'a str, record: &mut Record<'a>) -> Parsed<()> {
    let time = match opt(priority).parse_next(input)? {
        Some(priority) => {
            record.push("facility", Value::Text(FACILITIES[priority >> 3]));
            record.push("severity", Value::Text(SEVERITIES[priority & 7]));
            if opt("1 ").parse_next(input)?.is_some() {
                return rfc5424(input, record);
            }
            match opt(terminated(alt((of_syslog, timestamp)), ' ')).parse_next(input)? {
                Some(time) => time,
                // Devices that leave out the rest: RFC 3164 takes everything behind the priority.
                None => {
                    record.push("message", Value::Text(input));
                    return Ok(());
                }
            }
        }
        // A modern time without priority is also how many other lines begin: `timed` looks closer.
        None => terminated(of_syslog, ' ').parse_next(input)?,
    };
    record.push("time", Value::Text(time));
    sender(input)?.fill(record);
    Ok(())
}

/// Who sent an RFC 3164 line, and what.
pub(super) struct Sender<'a> {
    host: &'a str,
    app: Option<(&'a str, Option<&'a str>)>,
    message: &'a str,
}

/// `host app[pid]: message`, where the middle may be missing.
pub(super) fn sender<'a>(input: &'a str) -> Parsed<Sender<'a>> {
    let mut rest = input;
    let host = word.parse_next(&mut rest)?;
    let mut message = rest;
    let app = opt(tag).parse_next(&mut message)?;
    Ok(Sender { host, app, message: message.strip_prefix(' ').unwrap_or(message) })
}

/// `app[pid]:` or `app:`
fn tag<'a>(input: &mut &'a str) -> Parsed<(&'a str, Option<&'a str>)> {
    let name = take_while(1..=64, |c: char| c.is_ascii_graphic() && !matches!(c, '[' | ']' | ':'));
    (name, opt(delimited('[', take_while(1..=64, |c: char| c != ']'), ']')), ':')
        .map(|(app, pid, _)| (app, pid))
        .parse_next(input)
}

/// `<38>`, at most 191.
pub(super) fn priority(input: &mut &str) -> Parsed<usize> {
    delimited('<', take_while(1..=3, '0'..='9'), '>')
        .verify_map(|digits: &str| digits.parse().ok())
        .verify(|&priority| priority < FACILITIES.len() << 3)
        .parse_next(input)
}

/// Everything behind `<priority>1 `.
fn rfc5424<'a>(input: &mut &'a str, record: &mut Record<'a>) -> Parsed<()> {
    for name in ["time", "host", "app", "pid", "msgid"] {
        let value = word.parse_next(input)?;
        if value != "-" {
            record.push(name, Value::Text(value));
        }
    }
    if opt('-').parse_next(input)?.is_none() {
        while input.starts_with('[') {
            element(input, record)?;
        }
    }
    // The RFC lets a byte order mark say that the message is UTF-8.
    let message = input.strip_prefix(' ').unwrap_or(input);
    record.push("message", Value::Text(message.strip_prefix('\u{feff}').unwrap_or(message)));
    Ok(())
}

/// `[id name="value" ..]`
fn element<'a>(input: &mut &'a str, record: &mut Record<'a>) -> Parsed<()> {
    let name = |c: char| c.is_ascii_graphic() && !matches!(c, '=' | ']' | '"');
    let id = preceded('[', take_while(1.., name)).parse_next(input)?;
    while opt(' ').parse_next(input)?.is_some() {
        let (name, _, value) = (take_while(1.., name), '=', quoted).parse_next(input)?;
        record.push(format!("{id}.{name}"), Value::quoted(value));
    }
    ']'.void().parse_next(input)
}

// === impl Sender ===

impl<'a> Sender<'a> {
    /// Whether this is syslog for certain though no priority says so: a modern time is followed by many
    /// things, and `ERROR main: text` looks like a sender too.
    pub(super) fn is_plain_to_see(&self) -> bool {
        self.app.is_some() && Level::from_word(self.host).is_none() && !self.host.starts_with('[')
    }

    pub(super) fn fill(self, record: &mut Record<'a>) {
        record.push("host", Value::Text(self.host));
        if let Some((app, pid)) = self.app {
            record.push("app", Value::Text(app));
            if let Some(pid) = pid {
                record.push("pid", Value::Text(pid));
            }
        }
        record.push("message", Value::Text(self.message));
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
                .map(|(name, value)| format!("{name}={};", value.text().unwrap_or_default()))
                .collect()
        })
    }

    #[test]
    fn rfc5424_lines_are_read() {
        let line = r#"<165>1 2003-10-11T22:14:15.003Z web1 app - ID47 [a@1 x="1" y="\"2\]"][b] the message"#;
        assert_eq!(
            shown(line).as_deref(),
            Some(
                "facility=local4;severity=notice;time=2003-10-11T22:14:15.003Z;host=web1;app=app;msgid=ID47;a@1.x=1;a@1.y=\"2];message=the message;"
            )
        );
        assert_eq!(shown("<34>1 - - - - - -").as_deref(), Some("facility=auth;severity=crit;message=;"));
        assert_eq!(shown(r#"<34>1 - - - - - [a x="1" text"#), None, "never closed");
    }

    #[test]
    fn rfc3164_lines_are_read() {
        for (line, fields) in [
            (
                "Apr 28 04:02:03 web1 app[7]: text",
                "time=Apr 28 04:02:03;host=web1;app=app;pid=7;message=text;",
            ),
            ("Apr  8 04:02:03 web1 text: more", "time=Apr  8 04:02:03;host=web1;app=text;message=more;"),
            (
                "<13>Apr 28 04:02:03 web1 only text",
                "facility=user;severity=notice;time=Apr 28 04:02:03;host=web1;message=only text;",
            ),
            (
                "<13>2021-03-06T04:07:33+00:00 web1 app: x",
                "facility=user;severity=notice;time=2021-03-06T04:07:33+00:00;host=web1;app=app;message=x;",
            ),
            ("<13>only text", "facility=user;severity=notice;message=only text;"),
        ] {
            assert_eq!(shown(line).as_deref(), Some(fields));
        }
    }

    #[test]
    fn other_lines_are_refused() {
        for line in
            ["", "<192>text", "<x>text", "April 28", "Apr 28 04:02:03", "2021-03-06T04:07:33Z web1 app: x"]
        {
            assert_eq!(shown(line), None, "{line:?}");
        }
    }
}
