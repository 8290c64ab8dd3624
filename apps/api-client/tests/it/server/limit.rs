//! Limits that servers have, and what they say of them.

use std::collections::VecDeque;
use std::time::{Duration, Instant, SystemTime};

use axum::http::{HeaderMap, HeaderName, HeaderValue};

/// What is allowed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Allowed {
    /// Everything.
    Free,
    /// So many in each period, which begins with its first request.
    Fixed { count: u64, per: Duration },
    /// So many in any period.
    Sliding { count: usize, per: Duration },
    /// So many a second, none at once, and another rate after so many answers.
    Changing { first: f64, then: f64, after: u64 },
}

/// What is said of it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum Says {
    /// Nothing.
    #[default]
    Nothing,
    /// `Retry-After` in seconds, on refusals.
    Seconds,
    /// `Retry-After` as a date, on refusals.
    Date,
    /// The same by a clock that is so many seconds ahead, as its `Date` tells.
    DateByAnotherClock(u64),
    /// `RateLimit` and `RateLimit-Policy`, on everything.
    RateLimit,
    /// The same in two lines each, the first of them of a quota that nobody uses up.
    RateLimitLines,
    /// The same in the form of the seventh draft.
    RateLimitUnnamed,
    /// `X-RateLimit-Limit`, `-Remaining` and `-Reset`, on everything.
    XRateLimit,
}

/// A limit while it is used.
pub(crate) struct Limit {
    allowed: Allowed,
    says: Says,
    tokens: f64,
    filled: Instant,
    answered: u64,
    period: Option<(Instant, u64)>,
    recent: VecDeque<Instant>,
}

/// What came of asking.
pub(crate) struct Decision {
    pub(crate) is_allowed: bool,
    pub(crate) headers: HeaderMap,
}

// === impl Limit ===

impl Limit {
    pub(crate) fn new(allowed: Allowed, says: Says) -> Self {
        let filled = Instant::now();
        Self { allowed, says, tokens: 1.0, filled, answered: 0, period: None, recent: VecDeque::new() }
    }

    /// Whether one more is allowed now.
    pub(crate) fn ask(&mut self) -> Decision {
        let now = Instant::now();
        let (is_allowed, remaining, wait, quota) = match self.allowed {
            Allowed::Free => (true, 1, Duration::ZERO, None),
            Allowed::Changing { first, then, after } => {
                let rate = if self.answered < after { first } else { then };
                self.bucket(rate, now)
            }
            Allowed::Fixed { count, per } => {
                let (began, used) = self.period.filter(|(began, _)| now - *began < per).unwrap_or((now, 0));
                let is_allowed = used < count;
                let used = used + u64::from(is_allowed);
                self.period = Some((began, used));
                (is_allowed, count - used, per - (now - began), Some((count, per)))
            }
            Allowed::Sliding { count, per } => {
                while self.recent.front().is_some_and(|first| now - *first >= per) {
                    self.recent.pop_front();
                }
                let is_allowed = self.recent.len() < count;
                if is_allowed {
                    self.recent.push_back(now);
                }
                let wait = self.recent.front().map_or(Duration::ZERO, |first| per - (now - *first));
                (is_allowed, (count - self.recent.len()) as u64, wait, Some((count as u64, per)))
            }
        };
        self.answered += u64::from(is_allowed);
        Decision { is_allowed, headers: self.headers(is_allowed, remaining, wait, quota) }
    }

    fn bucket(&mut self, rate: f64, now: Instant) -> (bool, u64, Duration, Option<(u64, Duration)>) {
        self.tokens = (self.tokens + rate * (now - self.filled).as_secs_f64()).min(1.0);
        self.filled = now;
        let is_allowed = self.tokens >= 1.0;
        if is_allowed {
            self.tokens -= 1.0;
        }
        let wait = Duration::from_secs_f64((1.0 - self.tokens).max(0.0) / rate);
        (is_allowed, self.tokens as u64, wait, Some((rate as u64, Duration::from_secs(1))))
    }

    fn headers(
        &self,
        is_allowed: bool,
        remaining: u64,
        wait: Duration,
        quota: Option<(u64, Duration)>,
    ) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let mut say = |name: &'static str, value: String| {
            headers.append(HeaderName::from_static(name), HeaderValue::from_str(&value).unwrap());
        };
        // All of them have whole seconds only.
        let seconds = wait.as_secs_f64().ceil() as u64;
        match (self.says, quota) {
            (Says::Seconds, _) if !is_allowed => say("retry-after", seconds.to_string()),
            (Says::Date, _) if !is_allowed => {
                // A date has no fraction, so it is the next whole second from which on it is allowed.
                let date = httpdate::fmt_http_date(SystemTime::now() + wait + Duration::from_secs(1));
                say("retry-after", date);
            }
            (Says::DateByAnotherClock(ahead), _) => {
                let now = SystemTime::now() + Duration::from_secs(ahead);
                say("date", httpdate::fmt_http_date(now));
                if !is_allowed {
                    say("retry-after", httpdate::fmt_http_date(now + wait + Duration::from_secs(1)));
                }
            }
            (Says::RateLimitLines, Some((count, per))) => {
                say("ratelimit-policy", "\"day\";q=1000000;w=86400".to_owned());
                say("ratelimit-policy", format!("\"all\";q={count};w={}", per.as_secs()));
                say("ratelimit", "\"day\";r=999999;t=86400".to_owned());
                say("ratelimit", format!("\"all\";r={remaining};t={seconds}"));
            }
            (Says::RateLimitUnnamed, Some((count, per))) => {
                say("ratelimit-policy", format!("{count};w={}", per.as_secs()));
                say("ratelimit", format!("limit={count}, remaining={remaining}, reset={seconds}"));
            }
            (Says::RateLimit, Some((count, per))) => {
                say("ratelimit-policy", format!("\"all\";q={count};w={}", per.as_secs()));
                say("ratelimit", format!("\"all\";r={remaining};t={seconds}"));
            }
            (Says::XRateLimit, Some((count, _))) => {
                say("x-ratelimit-limit", count.to_string());
                say("x-ratelimit-remaining", remaining.to_string());
                say("x-ratelimit-reset", seconds.to_string());
            }
            _ => {}
        }
        headers
    }
}
