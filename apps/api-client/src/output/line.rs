//! One result as a line of JSON.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::{CONTENT_TYPE, ETAG, HeaderName, LAST_MODIFIED, LINK, LOCATION};
use serde::{Serialize, Serializer};

use super::folder::Placed;
use crate::input::Job;
use crate::{Body, Failure, Reason, Response};

/// The headers that a result shows: what a body is, whether it has changed, and where to go on. None of them is a
/// secret by its purpose.
const SHOWN: [HeaderName; 5] = [CONTENT_TYPE, ETAG, LAST_MODIFIED, LINK, LOCATION];

/// A result that is to be written.
#[derive(Debug)]
pub(crate) enum Unwritten {
    Line(Vec<u8>),
    /// An answer whose body makes a long line. Whoever writes it makes it, so that nobody else waits for that.
    Long(Arc<Job>, Response),
}

/// A longer body makes a long line.
const SHORT: usize = 64 << 10;

/// A result. Serializing gives the object of its line.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    line: u64,
    /// As it was given: this is for whoever gave it.
    url: &'a str,
    #[serde(flatten)]
    end: End<'a>,
    attempts: u32,
    refused: u32,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum End<'a> {
    Answered {
        status: u16,
        /// Where the answer came from, if that is another place.
        #[serde(skip_serializing_if = "Option::is_none")]
        answered_by: Option<&'a str>,
        headers: ShownHeaders<'a>,
        #[serde(flatten)]
        body: ShownBody<'a>,
        queued_seconds: f64,
        seconds: f64,
    },
    Failed {
        error: &'a str,
        reason: &'static str,
    },
}

/// Those headers of an answer that are [`SHOWN`]. What comes in several lines is one list (RFC 9110, section 5.3).
#[derive(Debug)]
struct ShownHeaders<'a>(&'a HeaderMap);

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum ShownBody<'a> {
    File { file: &'a str, bytes: u64 },
    Text { body: &'a str },
    Bytes { body_base64: String },
}

// === impl Unwritten ===

impl Unwritten {
    /// Of an answer, whose body has a file if it is `placed`. A body that is in the line already comes back beside it.
    pub(crate) fn answered(
        job: &Arc<Job>,
        response: Response,
        placed: Option<&Placed>,
    ) -> (Self, Option<Body>) {
        if response.body.bytes().is_some_and(|body| body.len() > SHORT) && placed.is_none() {
            return (Self::Long(Arc::clone(job), response), None);
        }
        (Self::Line(Outcome::answered(job, &response, placed).to_line()), Some(response.body))
    }

    pub(crate) fn append_to(&self, lines: &mut Vec<u8>) {
        match self {
            Self::Line(line) => lines.extend_from_slice(line),
            Self::Long(job, response) => Outcome::answered(job, response, None).append_to(lines),
        }
    }
}

// === impl Outcome ===

impl<'a> Outcome<'a> {
    /// Of an answer, whose body has a file if it is `placed`.
    fn answered(job: &'a Job, response: &'a Response, placed: Option<&'a Placed>) -> Self {
        let body = match (placed, &response.body) {
            (Some(placed), _) => ShownBody::File { file: &placed.name, bytes: placed.bytes },
            (None, Body::Memory(bytes)) => match str::from_utf8(bytes) {
                Ok(body) => ShownBody::Text { body },
                Err(_) => ShownBody::Bytes { body_base64: STANDARD.encode(bytes) },
            },
            (None, Body::File { .. }) => {
                unreachable!("bodies go to files where there is a folder, and are placed there")
            }
        };
        Self {
            id: job.id.as_deref(),
            line: job.line,
            url: job.url.as_str(),
            end: End::Answered {
                status: response.status.as_u16(),
                answered_by: Some(response.url.as_str())
                    .filter(|url| *url != job.url.as_str() && *url != crate::redacted(&job.url)),
                headers: ShownHeaders(&response.headers),
                body,
                queued_seconds: rounded(response.queued),
                seconds: rounded(response.took),
            },
            attempts: response.attempts,
            refused: response.refused,
        }
    }

    /// Of a request without an answer.
    pub(crate) fn failed(job: &'a Job, failure: &Failure, why: &'a str) -> Self {
        Self {
            id: job.id.as_deref(),
            line: job.line,
            url: job.url.as_str(),
            end: End::Failed { error: why, reason: kind(&failure.reason) },
            attempts: failure.attempts,
            refused: failure.refused,
        }
    }

    /// How long the body is in the line, at least.
    fn body_len(&self) -> usize {
        match &self.end {
            End::Answered { body: ShownBody::Text { body }, .. } => body.len(),
            End::Answered { body: ShownBody::Bytes { body_base64 }, .. } => body_base64.len(),
            _ => 0,
        }
    }

    /// The line, with its end.
    pub(crate) fn to_line(&self) -> Vec<u8> {
        let mut line = Vec::new();
        self.append_to(&mut line);
        line
    }

    fn append_to(&self, lines: &mut Vec<u8>) {
        lines.reserve(512 + self.body_len());
        serde_json::to_writer(&mut *lines, self).expect("a result is plain data");
        lines.push(b'\n');
    }
}

impl Serialize for ShownHeaders<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let shown = SHOWN.iter().filter_map(|name| {
            let mut lines =
                self.0.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
            let first = lines.next()?;
            Some((name.as_str(), lines.fold(first, |all, line| all + ", " + line)))
        });
        serializer.collect_map(shown)
    }
}

/// In milliseconds, as nobody needs more digits.
fn rounded(time: std::time::Duration) -> f64 {
    time.as_millis() as f64 / 1e3
}

/// A word for programs.
pub(crate) fn kind(reason: &Reason) -> &'static str {
    match reason {
        Reason::Refused { .. } => "refused",
        Reason::WaitTooLong { .. } => "wait_too_long",
        Reason::Deadline | Reason::TooLate { .. } => "deadline",
        Reason::Timeout { .. } => "timeout",
        Reason::NoHost { .. } => "no_host",
        Reason::Certificate { .. } => "certificate",
        Reason::Tls { .. } => "tls",
        Reason::Connect(_) => "connect",
        Reason::Broken(_) => "broken",
        Reason::TooLarge { .. } | Reason::HeadTooLarge => "too_large",
        Reason::Redirect { .. } => "redirect",
        Reason::Class(_) => "class",
        Reason::Url { .. } => "url",
        Reason::Length { .. } => "length",
        Reason::Store(_) => "store",
        Reason::Closed => "closed",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_of_several_lines_is_shown_as_a_whole() {
        let mut headers = HeaderMap::new();
        for (name, value) in [(LINK, "</1>; rel=\"prev\""), (ETAG, "\"a\""), (LINK, "</3>; rel=\"next\"")] {
            headers.append(name, value.parse().unwrap());
        }
        let shown = serde_json::to_value(ShownHeaders(&headers)).unwrap();
        let link = "</1>; rel=\"prev\", </3>; rel=\"next\"";
        assert_eq!(shown, serde_json::json!({ "etag": "\"a\"", "link": link }));
    }
}
