//! What an answer says, in the words of whoever reads it.

use std::time::Duration;

use forebay_queue::CallEnd;

use super::{Quota, retry_after};

/// What an answer says about the limit of the server that gave it.
///
/// Whoever reads answers makes one of these of each: see `layer::Judge`. [`FeedbackRate::learn`](super::FeedbackRate::learn) takes it in.
///
/// ```
/// use std::time::Duration;
/// use forebay_flow::CallEnd;
/// use forebay_flow::rate::Answer;
///
/// let later = Answer::refused().after(Duration::from_secs(3));
/// assert_eq!((later.end, later.retry_after), (CallEnd::Overload, Some(Duration::from_secs(3))));
/// assert_eq!(Answer::served().end, CallEnd::Success);
/// assert_eq!(Answer::says_nothing().end, CallEnd::Ignore);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// How the call ended: an overload is a refusal, or a timeout; what says nothing about the server's limit is ignored.
    pub end: CallEnd,
    /// What a refusal said: how long to wait.
    pub retry_after: Option<Duration>,
    /// What the server says of its quotas; all of them hold at once. Clear it where the quota is of a day or a month, and is not
    /// to be spread over that.
    pub quotas: Vec<Quota>,
}

// === impl Answer ===

impl Answer {
    const fn of(end: CallEnd) -> Self {
        Self { end, retry_after: None, quotas: Vec::new() }
    }

    /// The server has done what was asked, or has answered that it will not: either way it did not refuse for its limit.
    pub const fn served() -> Self {
        Self::of(CallEnd::Success)
    }

    /// The server has refused for its limit, or has not answered in time.
    pub const fn refused() -> Self {
        Self::of(CallEnd::Overload)
    }

    /// Something that has nothing to do with a limit: no connection, or an error of the server's own.
    pub const fn says_nothing() -> Self {
        Self::of(CallEnd::Ignore)
    }

    /// The server said how long to wait.
    #[must_use]
    pub fn after(self, retry_after: Duration) -> Self {
        Self { retry_after: Some(retry_after), ..self }
    }

    /// The server said that of its quota.
    #[must_use]
    pub fn with_quota(mut self, quota: Quota) -> Self {
        self.quotas.push(quota);
        self
    }

    /// From a status and headers of HTTP, of whatever library: `header` gives the first value of the header of that name, in lower
    /// case, if it is text. Dates are compared with `unix_now`.
    ///
    /// | status | is |
    /// | --- | --- |
    /// | 429, 503 | refused, with `Retry-After` where there is one |
    /// | 403 with `Retry-After`, or with nothing left of a quota, as GitHub has it | refused |
    /// | 408, and the other 5xx | nothing: they are about the call or the server, not about a limit |
    /// | everything else | served |
    ///
    /// Quotas are read from `RateLimit` and `RateLimit-Policy`, else from `RateLimit-Limit`, `-Remaining` and `-Reset`
    /// of older drafts, else from those with `X-`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use forebay_flow::CallEnd;
    /// use forebay_flow::rate::Answer;
    ///
    /// let headers = [("retry-after", "7"), ("ratelimit", r#""default";r=0;t=7"#)];
    /// let header = |name: &str| headers.iter().find(|(known, _)| *known == name).map(|&(_, value)| value);
    /// let answer = Answer::from_http(429, header, Duration::ZERO);
    /// assert_eq!((answer.end, answer.retry_after), (CallEnd::Overload, Some(Duration::from_secs(7))));
    /// assert_eq!(answer.quotas[0].remaining, Some(0));
    /// assert_eq!(Answer::from_http(404, |_| None, Duration::ZERO), Answer::served());
    /// ```
    ///
    /// `http::Response` and `reqwest::Response` have both at hand:
    /// `Answer::from_http(response.status().as_u16(), |name| response.headers().get(name)?.to_str().ok(), unix_now)`. Of
    /// errors, those of a timeout are [`refused`](Self::refused), and others [say nothing](Self::says_nothing).
    pub fn from_http<'h>(status: u16, header: impl Fn(&str) -> Option<&'h str>, unix_now: Duration) -> Self {
        let quotas = quotas(&header, unix_now);
        let waits = header("retry-after").and_then(|value| retry_after(value, unix_now));
        let is_used_up = quotas.iter().any(|quota| quota.remaining == Some(0));
        let end = match status {
            429 | 503 => CallEnd::Overload,
            403 if waits.is_some() || is_used_up => CallEnd::Overload,
            408 | 500.. => CallEnd::Ignore,
            _ => CallEnd::Success,
        };
        let retry_after = waits.filter(|_| end == CallEnd::Overload);
        Self { end, retry_after, quotas }
    }
}

fn quotas<'h>(header: &impl Fn(&str) -> Option<&'h str>, unix_now: Duration) -> Vec<Quota> {
    let [now, policy] = ["ratelimit", "ratelimit-policy"].map(|name| header(name).unwrap_or_default());
    let quotas = Quota::from_rate_limit(now, policy);
    if !quotas.is_empty() {
        return quotas;
    }
    let older = [
        ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"],
        ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"],
    ];
    let read = |names: [&str; 3]| {
        let [limit, remaining, reset] = names.map(|name| header(name).unwrap_or_default());
        Quota::from_x_rate_limit(limit, remaining, reset, unix_now)
    };
    older.into_iter().map(read).find(|quota| *quota != Quota::default()).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, headers: &[(&str, &'static str)]) -> Answer {
        let header = |name: &str| headers.iter().find(|(known, _)| *known == name).map(|&(_, value)| value);
        Answer::from_http(status, header, Duration::from_secs(1_800_000_000))
    }

    #[test]
    fn a_status_is_a_refusal_where_it_is_about_a_limit() {
        let ends = |end, statuses: &[u16]| statuses.iter().all(|&status| read(status, &[]).end == end);
        assert!(ends(CallEnd::Overload, &[429, 503]));
        assert!(ends(CallEnd::Ignore, &[408, 500, 502, 504, 599]));
        assert!(ends(CallEnd::Success, &[200, 204, 301, 400, 401, 403, 404]));
    }

    #[test]
    fn a_ban_is_a_refusal_where_it_says_until_when_or_that_nothing_is_left() {
        let banned = read(403, &[("retry-after", "60")]);
        assert_eq!((banned.end, banned.retry_after), (CallEnd::Overload, Some(Duration::from_secs(60))));
        let used_up = read(403, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1800000030")]);
        assert_eq!(used_up.end, CallEnd::Overload);
        assert_eq!(used_up.quotas[0].reset, Some(Duration::from_secs(30)));
        assert_eq!(read(403, &[("x-ratelimit-remaining", "9")]).end, CallEnd::Success);
    }

    #[test]
    fn what_has_moved_is_not_taken_for_a_refusal_though_it_says_when() {
        let moved = read(301, &[("retry-after", "60")]);
        assert_eq!((moved.end, moved.retry_after), (CallEnd::Success, None));
    }

    #[test]
    fn the_newest_form_of_quotas_counts() {
        let headers =
            [("ratelimit", r#""a";r=5;t=10"#), ("ratelimit-remaining", "6"), ("x-ratelimit-remaining", "7")];
        let remaining = |from: usize| read(200, &headers[from..]).quotas[0].remaining;
        assert_eq!([0, 1, 2].map(remaining), [Some(5), Some(6), Some(7)]);
        assert!(read(200, &[]).quotas.is_empty());
    }
}
