//! What an answer says, in the words of its reader.

use std::time::Duration;

use forebay_queue::CallEnd;

use super::header::unix_time;
use super::{Quota, retry_after};

/// What an answer says about the limit of the server that gave it.
///
/// The reader of answers makes one of these of each: see `layer::Judge`.
/// [`FeedbackRate::learn`](super::FeedbackRate::learn) takes it in.
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

    /// From a status and headers of HTTP, of whatever library: `header` gives the value of the header of that name, in lower
    /// case, if it is text; of several lines the first, or better all with commas between them. Dates are compared with the
    /// answer's own `Date`, since the clock of a server may be wrong, and with `unix_now` where it has none.
    ///
    /// | status | is |
    /// | --- | --- |
    /// | 429, 503 | refused, with `Retry-After` where there is one |
    /// | 403 with `Retry-After`, or with nothing left of a quota, as GitHub has it | refused |
    /// | 408, and the other 5xx | nothing: they are about the call or the server, not about a limit |
    /// | everything else | served |
    ///
    /// Quotas are read from `RateLimit` and `RateLimit-Policy`, else from `RateLimit-Limit`, `-Remaining` and `-Reset`
    /// of older drafts, with `RateLimit-Policy`, else from those with `X-`.
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
    /// `http::Response` and `reqwest::Response` have both at hand, and with the feature `http` `Answer::from_headers` takes them. Of
    /// errors, those of a timeout are [`refused`](Self::refused), and others [say nothing](Self::says_nothing).
    pub fn from_http<'h>(status: u16, header: impl Fn(&str) -> Option<&'h str>, unix_now: Duration) -> Self {
        let now = || header("date").and_then(|date| unix_time(date, header("age"))).unwrap_or(unix_now);
        let quotas = quotas(&header, now);
        let waits = header("retry-after").and_then(|value| retry_after(value, now()));
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

    /// The same from the headers as the crate `http` has them. Quotas that come in several lines are one list.
    ///
    /// ```
    /// use std::time::Duration;
    /// use forebay_flow::rate::Answer;
    ///
    /// let response = http::Response::builder()
    ///     .header("RateLimit", r#""burst";r=3;t=1"#)
    ///     .header("RateLimit", r#""hour";r=90;t=1800"#)
    ///     .body(())?;
    /// let answer = Answer::from_headers(response.status().as_u16(), response.headers(), Duration::ZERO);
    /// assert_eq!(answer.quotas[1].remaining, Some(90));
    /// # Ok::<(), http::Error>(())
    /// ```
    #[cfg(feature = "http")]
    pub fn from_headers(status: u16, headers: &http::HeaderMap, unix_now: Duration) -> Self {
        // RFC 9110, section 5.3.
        let lists = ["ratelimit", "ratelimit-policy"].map(|name| {
            let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
            (name, lines.collect::<Vec<_>>().join(","))
        });
        let header = |name: &str| match lists.iter().find(|(list, _)| *list == name) {
            Some((_, lines)) => Some(lines.as_str()).filter(|lines| !lines.is_empty()),
            None => headers.get(name)?.to_str().ok(),
        };
        Self::from_http(status, header, unix_now)
    }
}

fn quotas<'h>(header: &impl Fn(&str) -> Option<&'h str>, now: impl Fn() -> Duration) -> Vec<Quota> {
    let read = |names: [&str; 3]| {
        let values = names.map(header);
        // Most answers have none, and need not be asked for the time.
        if values.iter().all(Option::is_none) {
            return Quota::default();
        }
        let [limit, remaining, reset] = values.map(Option::unwrap_or_default);
        Quota::from_x_rate_limit(limit, remaining, reset, now())
    };
    let policy = header("ratelimit-policy").unwrap_or_default();
    if let Some(rate_limit) = header("ratelimit") {
        let quotas = Quota::from_rate_limit(rate_limit, policy);
        if !quotas.is_empty() {
            return quotas;
        }
    }
    let older = read(["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"]);
    if older != Quota::default() {
        return older.with_policies(policy);
    }
    let policies = Quota::from_rate_limit("", policy);
    if !policies.is_empty() {
        return policies;
    }
    let oldest = read(["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"]);
    Some(oldest).filter(|quota| *quota != Quota::default()).into_iter().collect()
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
    fn dates_are_by_the_clock_of_whoever_gave_them() {
        let retry = ("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT");
        let waits =
            |headers: &[(&str, &'static str)]| read(429, headers).retry_after.map(|wait| wait.as_secs());
        assert_eq!(waits(&[retry, ("date", "Sun, 06 Nov 1994 08:49:30 GMT")]), Some(7));
        assert_eq!(waits(&[retry, ("date", "Sun, 06 Nov 1994 08:49:30 GMT"), ("age", "5")]), Some(2));
        // Without one, and with one that is none, by the clock that is at hand.
        assert_eq!(waits(&[retry]), Some(0));
        assert_eq!(waits(&[retry, ("date", "now")]), Some(0));
        let date = ("date", "Fri, 15 Jan 2027 07:59:00 GMT");
        let reset = read(200, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1800000000"), date]);
        assert_eq!(reset.quotas[0].reset, Some(Duration::from_secs(60)));
    }

    #[test]
    fn a_policy_goes_with_the_numbers_of_older_drafts() {
        let headers = [
            ("ratelimit-policy", "100;w=60"),
            ("ratelimit-limit", "100, 100;w=60"),
            ("ratelimit-remaining", "0"),
            ("ratelimit-reset", "9"),
        ];
        let [quota] = read(200, &headers).quotas[..] else { panic!("it is one") };
        let of = |seconds| Some(Duration::from_secs(seconds));
        let whole = Quota { limit: Some(100), window: of(60), remaining: Some(0), reset: of(9) };
        assert_eq!(quota, whole);
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
