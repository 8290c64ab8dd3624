//! What a run did, as text for people or as one JSON object for programs.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use bytesize::ByteSize;
use serde::{Serialize, Serializer};

use crate::input::Job;
use crate::journal::Unfinished;
use crate::{HostStats, redacted, span};

/// What a run did. `Display` is for people, serializing gives the JSON form.
///
/// The requests add up: `requests = answered + answered_before + failed + not_started`.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// Why the run ended.
    pub ended: Ended,
    /// What went wrong with the run as a whole. What concerns a single request is in [`failures`](Self::failures).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How many requests were read. After a signal those of standard input that were not read are not among them.
    pub requests: u64,
    /// Requests that were answered, with whatever status.
    pub answered: u64,
    /// Requests that the journal knows an answer of.
    pub answered_before: u64,
    /// Requests without an answer.
    pub failed: u64,
    /// Requests that were not sent.
    pub not_started: u64,
    /// Lines of the input that are no requests.
    pub bad_lines: u64,
    /// Answers by their status.
    pub by_status: BTreeMap<u16, u64>,
    /// Requests without an answer, by the kind of reason.
    pub by_reason: BTreeMap<&'static str, u64>,
    /// How many requests were refused by the servers, and sent again or not.
    pub refused: u64,
    /// How many requests would have been sent again after a failure, had not too many others been. Those whose last answer was a failure
    /// of the server are answered.
    pub not_retried: u64,
    /// Files of earlier answers that were replaced, because of the same id or the same request.
    pub replaced: u64,
    /// The first [`MOST_REPLACING`] requests whose answers did that. What had the file before has the same id or is the same in all, or
    /// is of an earlier run.
    pub replacing: Vec<Named>,
    /// Each host, in the order of their names.
    pub hosts: Vec<HostReport>,
    /// What was in flight when an earlier run was cut off, or has failed there after it may have been acted upon, and was sent again, by
    /// this run or by one that was cut off itself: it may have been acted upon twice.
    pub repeated: Vec<Named>,
    /// The first requests without an answer, and why: [`MOST_FAILURES`] of them, or as many as say 1 MiB.
    pub failures: Vec<FailureReport>,
    /// What these say, in bytes.
    #[serde(skip)]
    pub(crate) said: usize,
    /// How long the run took, in seconds.
    #[serde(serialize_with = "seconds")]
    pub seconds: Duration,
    /// The most memory that the process had, in bytes, where the system tells (Linux).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_memory: Option<u64>,
    /// What encrypts and what unpacks.
    pub transport: &'static str,
}

/// So many failures are listed in a report, so that its memory has a bound; the others are counted, and all are told as
/// they happen, and are among the results.
pub const MOST_FAILURES: usize = 1000;

/// And no more when these say so much, in bytes: a URL may be as long as a line.
const MOST_SAID: usize = 1 << 20;

/// So many requests are listed whose answers replaced others.
pub const MOST_REPLACING: usize = 20;

/// What the library is built with.
pub(crate) const TRANSPORT: &str =
    "HTTP/1.1 and HTTP/2, TLS by rustls with ring, gzip, deflate, brotli and zstd";

/// One host.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct HostReport {
    /// Its name, and its port where that is not the usual one.
    pub host: String,
    /// Its limit, in requests a second, as far as it was found or told.
    pub limit: Option<f64>,
    /// How many requests it refused.
    pub refused: u64,
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Named {
    /// The line that it stands in, from 1.
    pub line: u64,
    /// Its id, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Where it goes, [redacted](crate::redacted()).
    pub url: String,
}

/// A request without an answer.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct FailureReport {
    /// Which one.
    #[serde(flatten)]
    pub request: Named,
    /// Why.
    pub error: String,
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Ended {
    /// All requests were dealt with.
    #[default]
    Done,
    /// It was told to stop; what was in flight was finished.
    Stopped,
    /// [`Report::error`] says what went wrong.
    Failed,
}

// === impl Report ===

impl Report {
    pub(crate) fn failed(&mut self, request: Named, kind: &'static str, error: String) {
        self.failed += 1;
        *self.by_reason.entry(kind).or_default() += 1;
        if self.failures.len() < MOST_FAILURES && self.said < MOST_SAID {
            self.said += request.url.len() + request.id.as_ref().map_or(0, String::len) + error.len();
            self.failures.push(FailureReport { request, error });
        }
    }

    /// Its answer has the file of an earlier one.
    pub(crate) fn replaced_by(&mut self, job: &Job) {
        self.replaced += 1;
        if self.replacing.len() < MOST_REPLACING {
            self.replacing.push(Named::of(job));
        }
    }

    /// There is no use in going on. The first reason counts.
    pub(crate) fn stopped_by(&mut self, error: String) {
        self.ended = Ended::Failed;
        self.error.get_or_insert(error);
    }

    /// Adds what is known at the end only, and checks that nothing is lost.
    pub(crate) fn complete(&mut self, hosts: &[HostStats], took: Duration) {
        self.hosts = hosts
            .iter()
            .map(|host| HostReport { host: host.host.clone(), limit: host.limit, refused: host.refused })
            .collect();
        self.failures.sort_by_key(|failure| failure.request.line);
        self.repeated.sort_by_key(|repeated| repeated.line);
        self.replacing.sort_by_key(|replacing| replacing.line);
        self.seconds = took;
        self.peak_memory = peak_memory();
        self.transport = TRANSPORT;
        let ended = self.answered + self.answered_before + self.failed + self.not_started;
        if ended != self.requests {
            self.stopped_by(format!(
                "{} requests were read and {ended} ended; this is a fault in api-client, please report it",
                self.requests
            ));
        }
    }

    /// Whether every request has an answer.
    pub fn is_success(&self) -> bool {
        self.ended != Ended::Failed && self.failed == 0 && self.not_started == 0 && self.bad_lines == 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = self.answered as f64 / self.seconds.as_secs_f64().max(1e-3);
        write!(f, "requests {}: {} answered", self.requests, self.answered)?;
        if self.answered_before > 0 {
            write!(f, ", {} answered before", self.answered_before)?;
        }
        write!(f, ", {} failed, {} not started", self.failed, self.not_started)?;
        writeln!(f, ", in {} ({rate:.1} a second)", span::shown(self.seconds))?;
        if !self.by_status.is_empty() {
            let by_status = self.by_status.iter().map(|(status, count)| format!("{status}: {count}"));
            writeln!(f, "answers  {}", by_status.collect::<Vec<_>>().join(", "))?;
        }
        if !self.by_reason.is_empty() {
            let by_reason = self.by_reason.iter().map(|(reason, count)| format!("{reason}: {count}"));
            writeln!(f, "failures {}", by_reason.collect::<Vec<_>>().join(", "))?;
        }
        writeln!(f, "refused  {}", self.refused)?;
        if self.not_retried > 0 {
            writeln!(
                f,
                "retries  {} requests were not sent again, since too many others were",
                self.not_retried
            )?;
        }
        for host in &self.hosts {
            match host.limit {
                Some(limit) => writeln!(f, "limit    {}: {}", host.host, often(limit))?,
                None => writeln!(f, "limit    {}: none found", host.host)?,
            }
        }
        if self.bad_lines > 0 {
            writeln!(f, "bad      lines that are no requests: {}", self.bad_lines)?;
        }
        if self.replaced > 0 {
            writeln!(f, "replaced {} files of answers with the same id or the same request", self.replaced)?;
        }
        for replacing in &self.replacing {
            writeln!(f, "replaced by line {}: {replacing}", replacing.line)?;
        }
        if self.replaced > self.replacing.len() as u64 {
            writeln!(f, "replaced by {} more", self.replaced - self.replacing.len() as u64)?;
        }
        for repeated in &self.repeated {
            writeln!(f, "repeated {repeated}, which an earlier run may have sent")?;
        }
        for failure in &self.failures {
            writeln!(f, "failed   {}: {}", failure.request, failure.error)?;
        }
        if self.failed > self.failures.len() as u64 {
            writeln!(f, "failed   and {} more", self.failed - self.failures.len() as u64)?;
        }
        if let Some(peak) = self.peak_memory {
            writeln!(f, "memory   {} at the most", ByteSize::b(peak).display().si())?;
        }
        writeln!(f, "by       {}", self.transport)
    }
}

// === impl Named ===

impl Named {
    pub(crate) fn again(unfinished: &Unfinished) -> Self {
        let Unfinished { line, id, url } = unfinished.clone();
        Self { line, id, url }
    }

    pub(crate) fn of(job: &Job) -> Self {
        Self { line: job.line, id: job.id.clone(), url: redacted(&job.url) }
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.id {
            // An id may hold anything.
            Some(id) => write!(f, "{} ({})", id.escape_debug(), self.url),
            None => write!(f, "{}", self.url),
        }
    }
}

/// How often something happens, by a span in which it does once at least.
///
/// ```
/// assert_eq!(api_client::report::often(0.1), "6.0 a minute");
/// ```
pub fn often(per_second: f64) -> String {
    match per_second {
        second if second >= 1.0 => format!("{second:.1} a second"),
        second if 60.0 * second >= 1.0 => format!("{:.1} a minute", 60.0 * second),
        second => format!("{:.1} an hour", 3600.0 * second),
    }
}

fn seconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_millis() as f64 / 1e3)
}

fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(1024 * line.trim().trim_end_matches(" kB").parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_limit_is_not_shown_as_none() {
        let shown = [97.23, 1.0, 30.0 / 60.0, 1.0 / 60.0, 10.0 / 3600.0].map(often);
        assert_eq!(shown, ["97.2 a second", "1.0 a second", "30.0 a minute", "1.0 a minute", "10.0 an hour"]);
    }

    /// A thousand URLs as long as lines may be took a gigabyte.
    #[test]
    fn failures_are_listed_within_a_bound_and_all_are_counted() {
        let listed = |url: String, count: u64| {
            let mut report = Report::default();
            for line in 1..=count {
                let request = Named { line, id: None, url: url.clone() };
                report.failed(request, "url", "it is too long".to_owned());
            }
            assert_eq!((report.failed, report.by_reason["url"]), (count, count));
            let more = format!("failed   and {} more", count - report.failures.len() as u64);
            assert!(report.to_string().contains(&more), "{report}");
            report.failures.len()
        };
        assert_eq!(listed("http://h/".to_owned(), 1001), 1000);
        assert_eq!(listed("x".repeat(300_000), 10), 4);
    }
}
