//! What an answer says: was it refused, for how long, what is left?

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use forebay::flow::CallEnd;
use forebay::flow::rate::{Answer, Quota};
use http::{HeaderMap, StatusCode};

use crate::Reason;

/// Which answers are refusals.
#[derive(Debug, Clone, Default)]
pub(crate) struct Refusals {
    /// Besides those that are known.
    pub(crate) told: Vec<StatusCode>,
}

/// A quota for longer than this is not spread over its time: who has few requests need not wait for what others might have used. It
/// counts when it is used up.
const LONGEST_SPREAD: Duration = Duration::from_secs(60);

// === impl Refusals ===

impl Refusals {
    pub(crate) fn is_refusal(&self, status: StatusCode, headers: &HeaderMap) -> bool {
        self.read(status, headers).end == CallEnd::Overload
    }

    /// For the rate: an answer, or an error, which says nothing about it.
    pub(crate) fn judge<B>(&self, result: Result<&http::Response<B>, &Reason>) -> Answer {
        match result {
            Ok(response) => self.read(response.status(), response.headers()),
            Err(_) => Answer::says_nothing(),
        }
    }

    /// For the number of calls at once: an overload is to be refused, or to take too long.
    pub(crate) fn classify<B>(&self, result: Result<&http::Response<B>, &Reason>) -> CallEnd {
        match result {
            Ok(response) => self.read(response.status(), response.headers()).end,
            Err(Reason::Timeout { .. }) => CallEnd::Overload,
            Err(_) => CallEnd::Ignore,
        }
    }

    fn read(&self, status: StatusCode, headers: &HeaderMap) -> Answer {
        let is_told = self.told.contains(&status);
        // Most answers say nothing of limits, and are asked for that several times.
        if status.as_u16() < 400 && !is_told && !headers.keys().any(|name| is_about_limits(name.as_str())) {
            return Answer::served();
        }
        let has_failed = !is_told && is_failure(status);
        // Any refusal that is known serves for one that was told, and for a failure, which may say as well when to come again.
        let code = if is_told || has_failed { StatusCode::TOO_MANY_REQUESTS } else { status };
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut answer = Answer::from_headers(code.as_u16(), headers, since_1970);
        answer.quotas.retain(|quota| {
            let span = quota.window.or(quota.reset).unwrap_or_default();
            quota.remaining == Some(0) || span <= LONGEST_SPREAD
        });
        if has_failed {
            // It says nothing of how often it may be asked, and until then nothing gets through.
            answer.end = CallEnd::Ignore;
            let until = answer.retry_after.take();
            answer.quotas.extend(until.map(|_| Quota {
                remaining: Some(0),
                reset: until,
                ..Quota::default()
            }));
        }
        answer
    }
}

/// The server, or one before it, has failed; it may have acted before.
pub(crate) fn is_failure(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 500 | 502 | 504)
}

/// Whether [`Answer::from_headers`] reads that one; names are in lower case.
fn is_about_limits(name: &str) -> bool {
    // Most begin with another letter, which is a shorter look.
    match name.as_bytes() {
        [b'r', ..] => name == "retry-after" || name.starts_with("ratelimit"),
        [b'x', ..] => name.starts_with("x-ratelimit"),
        _ => false,
    }
}

/// For how long that lets nothing through: as long as it says, or until there is something left.
pub(crate) fn wait(answer: &Answer) -> Option<Duration> {
    let used_up = answer.quotas.iter().filter(|quota| quota.remaining == Some(0));
    used_up.filter_map(|quota| quota.reset).chain(answer.retry_after).max()
}
