//! One line of the input.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, InvalidHeaderName, InvalidHeaderValue};
use http::method::InvalidMethod;
use http::{HeaderMap, Method};
use reqwest::Url;
use serde::de::value::MapDeserializer;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::Job;
use crate::Class;
use crate::request::wrong_length;
use crate::span::{self, SpanError};

/// Why a line is no request.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LineError {
    /// It is longer than [`MAX_LINE`](super::MAX_LINE).
    #[error("the line is longer than {} bytes", super::MAX_LINE)]
    TooLong,
    /// It is no text.
    #[error("the line is not UTF-8")]
    NotText,
    /// It is neither a URL nor an object.
    #[error("this is no URL ({0}); a line is a URL or a JSON object with a url")]
    Url(String),
    /// Only these two can be requested.
    #[error("the scheme {0} is not requested: give http or https")]
    Scheme(String),
    /// What begins with `{` is not the object that was meant.
    #[error("this is no request: {0}")]
    Json(String),
    /// There is no such method.
    #[error("method is no name of a method: {0}")]
    Method(InvalidMethod),
    /// A header that cannot be sent.
    #[error("headers: {name:?} is no name of a header: {source}")]
    HeaderName {
        /// As it was given.
        name: String,
        /// Why.
        source: InvalidHeaderName,
    },
    /// A header that cannot be sent. Its value may be a secret, and is not shown.
    #[error("headers: the value of {name} cannot be sent: {source}")]
    HeaderValue {
        /// The header.
        name: HeaderName,
        /// Why.
        source: InvalidHeaderValue,
    },
    /// Its header `Content-Length` contradicts its body.
    #[error(
        "headers: content-length is {told}, and the body has {is} bytes: leave it out, it is sent by itself"
    )]
    Length {
        /// What the header says.
        told: String,
        /// What the body has.
        is: usize,
    },
    /// No span of time.
    #[error("deadline: {0}")]
    Deadline(SpanError),
    /// A class that is none, in the field of this name.
    #[error("{0} is a class: text or a number")]
    Class(String),
    /// An id that is none.
    #[error("id is empty: leave it out")]
    EmptyId,
}

/// The object that a line may be. Values of any form are there as they are written: who reads a number keeps some of its digits only,
/// and then two ids are one, and a body is another.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Object<'l> {
    url: String,
    method: Option<String>,
    #[serde(default)]
    headers: Fields<String>,
    #[serde(borrow)]
    body: Option<&'l RawValue>,
    #[serde(borrow)]
    id: Option<&'l RawValue>,
    #[serde(borrow)]
    deadline: Option<&'l RawValue>,
}

/// An object of which each field stands there once, as it is with those of a struct. A map takes the last of those with the same name.
#[derive(Debug)]
struct Fields<V>(BTreeMap<String, V>);

/// The fields that have a meaning of their own.
pub(crate) const FIELDS: [&str; 6] = ["url", "method", "headers", "body", "id", "deadline"];

/// Reads a line; `None` if there is nothing in it, or a comment. `class_field` is where an object says its class.
///
/// # Errors
///
/// [`LineError`] says what is wrong with it, without naming the place.
pub fn parse(number: u64, line: &[u8], class_field: Option<&str>) -> Result<Option<Job>, LineError> {
    let line = str::from_utf8(line).map_err(|_| LineError::NotText)?;
    // What some editors begin a file with.
    let line = if number == 1 { line.trim_start_matches('\u{feff}') } else { line }.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let job = if line.starts_with('{') { object(number, line, class_field)? } else { plain(number, line)? };
    Ok(Some(job))
}

fn plain(number: u64, line: &str) -> Result<Job, LineError> {
    Ok(Job {
        line: number,
        id: None,
        url: url(line)?,
        method: Method::GET,
        headers: HeaderMap::new(),
        body: None,
        class: None,
        deadline: None,
    })
}

fn object(number: u64, line: &str, class_field: Option<&str>) -> Result<Job, LineError> {
    let json = |error| LineError::Json(in_plain_words(&error));
    let (object, class): (Object<'_>, _) = match class_field {
        None => (serde_json::from_str(line).map_err(json)?, None),
        Some(field) => {
            // Taken out first, since it may be called anything.
            let Fields(mut fields) = serde_json::from_str::<Fields<&RawValue>>(line).map_err(json)?;
            let class = fields.remove(field);
            let object = Object::deserialize(MapDeserializer::new(fields.into_iter()));
            (object.map_err(|error| LineError::Json(without_place(&error)))?, class)
        }
    };
    let class = match class.filter(|class| class.get() != "null").map(text) {
        None => None,
        Some(Some(name)) => Some(Class(name?.into())),
        Some(None) => return Err(LineError::Class(class_field.unwrap_or_default().to_owned())),
    };
    let Fields(given) = object.headers;
    let mut headers = HeaderMap::with_capacity(given.len());
    for (name, value) in given {
        let name = match name.parse::<HeaderName>() {
            Ok(name) => name,
            Err(source) => return Err(LineError::HeaderName { name, source }),
        };
        match HeaderValue::from_str(&value) {
            Ok(value) => headers.append(name, value),
            Err(source) => return Err(LineError::HeaderValue { name, source }),
        };
    }
    let body = match object.body {
        Some(value) if !value.get().starts_with('"') => {
            headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
            Some(Bytes::copy_from_slice(value.get().as_bytes()))
        }
        value => value.and_then(text).transpose()?.map(Bytes::from),
    };
    if let Some((told, is)) = wrong_length(&headers, body.as_deref().unwrap_or_default()) {
        return Err(LineError::Length { told, is });
    }
    let method = match object.method {
        // Curl's rule, which people know: what has something to send posts it.
        None if body.is_some() => Method::POST,
        None => Method::GET,
        Some(method) => Method::from_bytes(method.as_bytes()).map_err(LineError::Method)?,
    };
    let wrong = |what: &str| LineError::Json(what.to_owned());
    let id = match object.id {
        None => None,
        Some(id) => Some(text(id).ok_or_else(|| wrong("id is text or a number"))??),
    };
    if id.as_ref().is_some_and(String::is_empty) {
        return Err(LineError::EmptyId);
    }
    let deadline = match object.deadline {
        None => None,
        Some(deadline) => {
            let deadline = text(deadline).ok_or_else(|| wrong("deadline is like \"30s\""))??;
            Some(span::parse(&deadline).map_err(LineError::Deadline)?)
        }
    };
    Ok(Job { line: number, id, url: url(&object.url)?, method, headers, body, class, deadline })
}

/// What a text says, or a number as it is written; ids and classes are names to us, and numbers to many.
fn text(value: &RawValue) -> Option<Result<String, LineError>> {
    match value.get().as_bytes()[0] {
        b'"' => {
            Some(serde_json::from_str(value.get()).map_err(|error| LineError::Json(without_place(&error))))
        }
        b'-' | b'0'..=b'9' => Some(Ok(value.get().to_owned())),
        _ => None,
    }
}

fn url(text: &str) -> Result<Url, LineError> {
    let url = Url::parse(text).map_err(|error| LineError::Url(error.to_string()))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        scheme => Err(LineError::Scheme(scheme.to_owned())),
    }
}

/// With its place in the line.
fn in_plain_words(error: &serde_json::Error) -> String {
    let (message, column) = (without_place(error), error.column());
    if column == 0 { message } else { format!("{message}, in column {column}") }
}

/// Without "at line 1", which others say better, and of a value in the line alone its place in that.
fn without_place(error: &serde_json::Error) -> String {
    let message = error.to_string();
    without_value(message.split(" at line 1").next().unwrap_or_default())
}

/// "invalid type: string "s3cret", expected a map" without what was given, which may be a secret.
pub(crate) fn without_value(message: &str) -> String {
    let parts = message.strip_prefix("invalid type: ").and_then(|rest| rest.rsplit_once(", expected "));
    parts.map_or_else(
        || message.to_owned(),
        |(given, expected)| {
            let kind = given.split([' ', '`']).next().unwrap_or_default();
            format!("invalid type: {kind}, expected {expected}")
        },
    )
}

// === impl Fields ===

impl<V> Default for Fields<V> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Fields<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each<V>(PhantomData<V>);

        impl<'de, V: Deserialize<'de>> Visitor<'de> for Each<V> {
            type Value = Fields<V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<V>, A::Error> {
                let mut fields = BTreeMap::new();
                while let Some(name) = map.next_key::<String>()? {
                    if fields.contains_key(&name) {
                        return Err(A::Error::custom(format!("duplicate field `{name}`")));
                    }
                    fields.insert(name, map.next_value()?);
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(Each(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn job(line: &str) -> Job {
        parse(7, line.as_bytes(), None).unwrap().unwrap()
    }

    fn error(line: &str) -> String {
        parse(7, line.as_bytes(), None).unwrap_err().to_string()
    }

    #[test]
    fn a_mark_at_the_beginning_of_the_first_line_is_no_part_of_it() {
        let parsed = |number| parse(number, "\u{feff}http://h/".as_bytes(), None);
        assert_eq!(parsed(1).unwrap().unwrap().url.as_str(), "http://h/");
        assert!(parsed(2).is_err());
    }

    #[test]
    fn a_line_is_a_url() {
        let job = job("  https://api.example/items?page=2 \r");
        assert_eq!((job.line, job.url.as_str()), (7, "https://api.example/items?page=2"));
        assert_eq!((job.method, job.id, job.body), (Method::GET, None, None));
    }

    #[test]
    fn a_line_is_an_object() {
        let job = job(
            r#"{"url": "http://h/", "method": "PUT", "headers": {"X-A": "b"}, "body": "text", "id": 17, "deadline": "1m"}"#,
        );
        assert_eq!((job.method.as_str(), job.id.as_deref()), ("PUT", Some("17")));
        assert_eq!(
            (&job.headers["x-a"], job.body.as_deref()),
            (&HeaderValue::from_static("b"), Some(&b"text"[..]))
        );
        assert_eq!(job.deadline, Some(Duration::from_secs(60)));
    }

    #[test]
    fn what_has_a_body_is_posted_and_a_value_is_sent_as_json() {
        let job = job(r#"{"url": "http://h/", "body": {"a": [1]}, "deadline": 1.5}"#);
        assert_eq!(
            (job.method, &job.headers[CONTENT_TYPE]),
            (Method::POST, &HeaderValue::from_static("application/json"))
        );
        assert_eq!(
            (job.body.as_deref(), job.deadline),
            (Some(&br#"{"a": [1]}"#[..]), Some(Duration::from_millis(1500)))
        );
    }

    #[test]
    fn numbers_stay_as_they_are_written() {
        let body = r#"{"z": 12345678901234567890123, "a":0.10000000000000000555, "e":1e400, "\u0061": -0}"#;
        for class in [None, Some("urgency")] {
            let job = |id: &str| {
                let line =
                    format!(r#"{{"url": "http://h/", "id": {id}, "body": {body} , "deadline": 1.50}}"#);
                parse(7, line.as_bytes(), class).unwrap().unwrap()
            };
            for id in ["18446744073709551617", "18446744073709551618", "1.50", "-0", "1e5"] {
                let job = job(id);
                assert_eq!(job.id.as_deref(), Some(id), "{class:?}");
                assert_eq!(str::from_utf8(&job.body.unwrap()).unwrap(), body, "{class:?}");
                assert_eq!(job.deadline, Some(Duration::from_millis(1500)));
            }
            assert_eq!(job(r#""1\u002e50""#).id.as_deref(), Some("1.50"), "{class:?}");
        }
    }

    #[test]
    fn a_class_is_in_the_field_that_was_named() {
        let class = |line: &str| {
            let job = parse(7, line.as_bytes(), Some("urgency"))?;
            Ok::<_, LineError>(job.unwrap().class.map(|class| class.0.to_string()))
        };
        assert_eq!(class(r#"{"url": "http://h/", "urgency": "high"}"#).unwrap().as_deref(), Some("high"));
        for number in ["3", "1.50", "18446744073709551617"] {
            let line = format!(r#"{{"url": "http://h/", "urgency": {number}}}"#);
            assert_eq!(class(&line).unwrap().as_deref(), Some(number));
        }
        for none in [r#"{"url": "http://h/", "urgency": null}"#, r#"{"url": "http://h/"}"#, "http://h/"] {
            assert_eq!(class(none).unwrap(), None, "{none}");
        }
        let errors = [
            r#"{"url": "http://h/", "urgency": [1]}"#,
            r#"{"url": "http://h/", "class": "high"}"#,
            r#"{"url": "http://h/", "headers": {"x-key": 5318008}}"#,
            r#"{"url": "http://h/", "urgency": "\ud800"}"#,
        ]
        .map(|line| class(line).unwrap_err().to_string());
        insta::assert_snapshot!(errors.join("\n"));
    }

    #[test]
    fn a_field_that_stands_there_twice_is_an_error() {
        for class in [None, Some("urgency")] {
            for (line, field) in [
                (r#"{"url": "http://h/a", "url": "http://h/b"}"#, "url"),
                (r#"{"url": "http://h/", "id": 1, "\u0069d": 1}"#, "id"),
                (r#"{"url": "http://h/", "headers": {"x-a": "1", "x-a": "2"}}"#, "x-a"),
            ] {
                let error = parse(7, line.as_bytes(), class).unwrap_err().to_string();
                assert!(error.contains(&format!("duplicate field `{field}`")), "{class:?}: {error}");
            }
        }
        let line = br#"{"urgency": "high", "url": "http://h/", "urgency": "low"}"#;
        let error = parse(7, line, Some("urgency")).unwrap_err().to_string();
        assert_eq!(error, "this is no request: duplicate field `urgency`, in column 49");
    }

    #[test]
    fn a_length_that_is_not_the_bodys_is_an_error() {
        let of = |headers: &str, body: &str| {
            format!(r#"{{"url": "http://h/", "headers": {{{headers}}}, "body": {body}}}"#)
        };
        assert_eq!(
            error(&of(r#""Content-Length": "3""#, r#""hello""#)),
            "headers: content-length is 3, and the body has 5 bytes: leave it out, it is sent by itself"
        );
        for (headers, body) in [
            (r#""Content-Length": "9""#, r#""hello""#),
            (r#""Content-Length": "5, 5""#, r#""hello""#),
            (r#""Content-Length": "5""#, "null"),
            (r#""Content-Length": "5", "Transfer-Encoding": "chunked""#, "null"),
        ] {
            assert!(error(&of(headers, body)).contains("content-length"), "{headers} {body}");
        }
        for (length, body) in [("5", r#""hello""#), ("10", r#"{"a": [1]}"#), ("0", "null")] {
            let job = job(&of(&format!(r#""Content-Length": "{length}""#), body));
            assert_eq!(job.headers["content-length"], length);
        }
    }

    #[test]
    fn blank_lines_and_comments_are_passed_over() {
        for line in ["", "  \t", "# http://h/", "\r"] {
            assert!(parse(1, line.as_bytes(), None).unwrap().is_none(), "{line:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_in_plain_words() {
        let errors: Vec<_> = [
            "api.example/items",
            "file:///etc/passwd",
            r#"{"url": "http://h/", "metod": "GET"}"#,
            r#"{"url": "http://h/""#,
            r#"{"method": "GET"}"#,
            r#"{"url": "http://h/", "method": "GE T"}"#,
            r#"{"url": "http://h/", "headers": {"a b": "c"}}"#,
            r#"{"url": "http://h/", "headers": {"authorization": "secret\n"}}"#,
            r#"{"url": "http://h/", "headers": "authorization: secret"}"#,
            r#"{"url": "http://h/", "headers": {"x-key": 5318008}}"#,
            r#"{"url": "http://h/", "id": ["a"]}"#,
            r#"{"url": "http://h/", "id": ""}"#,
            r#"{"url": "http://h/", "id": "\ud800"}"#,
            r#"{"url": "http://h/", "id": 01}"#,
            r#"{"url": "http://h/", "body": {"a": 1,}}"#,
            r#"{"url": "http://h/", "deadline": [1]}"#,
            r#"{"url": "http://h/", "deadline": "soon"}"#,
        ]
        .map(error)
        .into();
        insta::assert_snapshot!(errors.join("\n"));
        assert_eq!(parse(1, b"http://h/\xff", None).unwrap_err().to_string(), "the line is not UTF-8");
    }
}
