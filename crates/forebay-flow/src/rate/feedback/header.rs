//! Quotas in the headers of HTTP.
//!
//! Pure, and of no HTTP library: the values are given. What is not understood is left out, as a header must never fail
//! a call that has succeeded.

use std::time::Duration;

use super::Quota;

impl Quota {
    /// From the values of `RateLimit` and `RateLimit-Policy`, either of which may be absent, as in
    /// draft-ietf-httpapi-ratelimit-headers-10:
    /// lists of named policies with whole numbers as parameters, `q` in each `w` seconds, and `r` left until `t` seconds
    /// from now. One for each policy that either names, in the order in which they come: all of them hold at once.
    ///
    /// Draft 7 has the numbers themselves, `limit=100, remaining=50, reset=30`, and policies without names, `100;w=60`: the policy of
    /// as many is the one that the numbers are about.
    ///
    /// ```
    /// use std::time::Duration;
    /// use forebay_flow::rate::Quota;
    ///
    /// let quotas = Quota::from_rate_limit(r#""burst";r=50;t=30"#, r#""burst";q=100;w=60,"daily";q=1000;w=86400"#);
    /// assert_eq!(quotas[0].remaining, Some(50));
    /// assert_eq!(quotas[0].window, Some(Duration::from_secs(60)));
    /// assert_eq!((quotas[1].limit, quotas[1].remaining), (Some(1000), None));
    /// let quotas = Quota::from_rate_limit("limit=100, remaining=50, reset=30", "10;w=1, 100;w=60");
    /// assert_eq!((quotas[0].remaining, quotas[0].window), (Some(50), Some(Duration::from_secs(60))));
    /// assert_eq!((quotas[1].limit, quotas[1].window), (Some(10), Some(Duration::from_secs(1))));
    /// assert!(Quota::from_rate_limit("nothing of the kind", "").iter().all(|quota| *quota == Quota::default()));
    /// ```
    pub fn from_rate_limit(rate_limit: &str, policy: &str) -> Vec<Self> {
        let mut quotas: Vec<(&str, Self)> = Vec::new();
        let mut unnamed = Self::default();
        for member in split(rate_limit, b',').chain(split(policy, b',')) {
            let mut parts = split(member, b';');
            let name = parts.next().unwrap_or_default();
            if name.is_empty() || number(name).is_some() || unnamed.reads(name) {
                continue;
            }
            let index = quotas.iter().position(|&(known, _)| known == name).unwrap_or_else(|| {
                quotas.push((name, Self::default()));
                quotas.len() - 1
            });
            let quota = &mut quotas[index].1;
            for (key, value) in parts.filter_map(|part| part.split_once('=')) {
                let Some(number) = number(value) else { continue };
                match key {
                    "q" => quota.limit = Some(number),
                    "w" => quota.window = Some(Duration::from_secs(number)),
                    "r" => quota.remaining = Some(number),
                    "t" => quota.reset = Some(Duration::from_secs(number)),
                    _ => {}
                }
            }
        }
        let named = quotas.into_iter().map(|(_, quota)| quota);
        unnamed.with_policies(policy).into_iter().chain(named).collect()
    }

    /// Whether that is one of the numbers of draft 7.
    fn reads(&mut self, member: &str) -> bool {
        let Some((key, value)) = member.split_once('=') else { return false };
        match key {
            "limit" => self.limit = number(value),
            "remaining" => self.remaining = number(value),
            "reset" => self.reset = number(value).map(Duration::from_secs),
            _ => return false,
        }
        true
    }

    /// With the policies of a `RateLimit-Policy` that have no names, first the one that this is about.
    pub(super) fn with_policies(mut self, policy: &str) -> Vec<Self> {
        let mut others: Vec<Self> = split(policy, b',').filter_map(Self::unnamed).collect();
        if let Some(index) = others.iter().position(|other| other.limit == self.limit) {
            self.window = others.remove(index).window;
        }
        if self != Self::default() {
            others.insert(0, self);
        }
        others
    }

    /// From a policy that is a number and its window.
    fn unnamed(policy: &str) -> Option<Self> {
        let mut parts = split(policy, b';');
        let limit = number(parts.next()?)?;
        let window = parts.find_map(|part| number(part.strip_prefix("w=")?)).map(Duration::from_secs);
        Some(Self { limit: Some(limit), window, ..Self::default() })
    }

    /// From the values of `X-RateLimit-Limit`, `-Remaining` and `-Reset`, which nobody has defined. A reset is taken for
    /// seconds from now, or, from 10⁹ on, for a Unix time, and is then compared with `unix_now`; from 10¹¹ on that is in milliseconds.
    /// Some servers (Reddit's, Discord's) have decimal points in these numbers; of a limit and of what is left only whole ones count.
    ///
    /// ```
    /// use std::time::Duration;
    /// use forebay_flow::rate::Quota;
    ///
    /// let now = Duration::from_secs(1_800_000_000);
    /// let quota = Quota::from_x_rate_limit("60", "12", "1800000030", now);
    /// assert_eq!((quota.limit, quota.remaining), (Some(60), Some(12)));
    /// assert_eq!(quota.reset, Some(Duration::from_secs(30)));
    /// ```
    pub fn from_x_rate_limit(limit: &str, remaining: &str, reset: &str, unix_now: Duration) -> Self {
        // Some older drafts have the policies behind it.
        let limit = limit.split(',').next().unwrap_or_default();
        let reset = seconds(reset).map(|reset| match reset.as_secs() {
            // In seconds that would be the year 5138, and in milliseconds it is 1973.
            millis @ 100_000_000_000.. => Duration::from_millis(millis).saturating_sub(unix_now),
            1_000_000_000.. => reset.saturating_sub(unix_now),
            _ => reset,
        });
        let whole = |value| decimal(value).map(|(whole, _)| whole);
        Self { limit: whole(limit), window: None, remaining: whole(remaining), reset }
    }
}

/// How long to wait, from the value of `Retry-After`: seconds, or a date of HTTP, which is compared with `unix_now`. A date
/// that is over is no time at all.
///
/// RFC 9110 has whole seconds only. Shopify's `2.0` and Sentry's `292.052427053` are read all the same: who takes them for
/// nothing comes back too soon.
///
/// ```
/// use std::time::Duration;
/// use forebay_flow::rate::retry_after;
///
/// let now = Duration::from_secs(784_111_770);
/// assert_eq!(retry_after("120", now), Some(Duration::from_secs(120)));
/// assert_eq!(retry_after("1.5", now), Some(Duration::from_millis(1500)));
/// assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT", now), Some(Duration::from_secs(7)));
/// assert_eq!(retry_after("soon", now), None);
/// ```
pub fn retry_after(value: &str, unix_now: Duration) -> Option<Duration> {
    if let Some(seconds) = seconds(value) {
        return Some(seconds);
    }
    let date = httpdate::parse_http_date(value.trim()).ok()?;
    let unix = date.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Some(unix.saturating_sub(unix_now))
}

/// What time it is where an answer comes from, since 1970, from the values of its `Date` and `Age`.
pub(super) fn unix_time(date: &str, age: Option<&str>) -> Option<Duration> {
    let date = httpdate::parse_http_date(date.trim()).ok()?;
    let age = age.and_then(number).map(Duration::from_secs).unwrap_or_default();
    Some(date.duration_since(std::time::UNIX_EPOCH).ok()? + age)
}

/// Seconds that may have a decimal point, to the nanosecond.
fn seconds(value: &str) -> Option<Duration> {
    let (whole, fraction) = decimal(value)?;
    let digits = fraction.bytes().chain(std::iter::repeat(b'0')).take(9);
    let nanos = digits.fold(0, |nanos, digit| 10 * nanos + u64::from(digit - b'0'));
    Some(Duration::from_secs(whole) + Duration::from_nanos(nanos))
}

/// A number that is not negative: what is whole of it, and the digits behind its decimal point.
fn decimal(value: &str) -> Option<(u64, &str)> {
    let value = value.trim();
    let (whole, fraction) = value.split_once('.').unwrap_or((value, "0"));
    let is_fraction = !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
    number(whole).filter(|_| is_fraction).map(|whole| (whole, fraction))
}

/// A whole number that is not negative; up to 15 digits, as structured fields have them.
fn number(value: &str) -> Option<u64> {
    let value = value.trim();
    let is_number = (1..=15).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| value.parse().ok()).flatten()
}

/// Splits where the separator is not within quotes.
fn split(text: &str, separator: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let (mut quoted, mut escaped) = (false, false);
        let end = text.bytes().position(|byte| {
            let is_end = byte == separator && !quoted;
            quoted ^= byte == b'"' && !escaped;
            escaped = byte == b'\\' && quoted && !escaped;
            is_end
        });
        // The separator is one byte, so both are at the edges of characters.
        let (part, after) = match end {
            Some(end) => (&text[..end], Some(&text[end + 1..])),
            None => (text, None),
        };
        rest = after;
        Some(part.trim())
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_may_hold_what_separates() {
        let quotas = Quota::from_rate_limit(r#""a,b;\"c";r=1;t=2;pk=:YWJj:, other ; r=0"#, "");
        assert_eq!(quotas.len(), 2);
        assert_eq!((quotas[0].remaining, quotas[0].reset), (Some(1), Some(Duration::from_secs(2))));
        assert_eq!(quotas[1].remaining, Some(0));
    }

    #[test]
    fn policies_without_names_stand_beside_the_numbers() {
        let quotas = |rate_limit, policy| -> Vec<_> {
            let quotas = Quota::from_rate_limit(rate_limit, policy).into_iter();
            quotas
                .map(|quota| (quota.limit, quota.remaining, quota.window.map(|window| window.as_secs())))
                .collect()
        };
        let numbers = "limit=100, remaining=0,reset=30";
        assert_eq!(quotas(numbers, "100;w=60"), [(Some(100), Some(0), Some(60))]);
        assert_eq!(quotas(numbers, ""), [(Some(100), Some(0), None)]);
        let both = [(Some(100), Some(0), None), (Some(50), None, Some(1))];
        assert_eq!(quotas(numbers, "50;comment=\"a, b\";w=1"), both);
        assert_eq!(quotas("", "100;w=60"), [(Some(100), None, Some(60))]);
        assert_eq!(quotas("\"limit=1\";r=3", ""), [(None, Some(3), None)]);
    }

    #[test]
    fn what_is_no_number_is_left_out() {
        for value in ["", "-1", "1.5", "1e3", "99999999999999999999", "x", "+1"] {
            let header = format!("\"a\";r={value};q=7");
            let quota = Quota::from_rate_limit(&header, "")[0];
            assert_eq!((quota.remaining, quota.limit), (None, Some(7)), "{value}");
        }
        for value in [
            "",
            "-1",
            "-1.5",
            "1e3",
            "1.5e3",
            "1.",
            ".5",
            ".",
            "1.5.2",
            "1. 5",
            "99999999999999999999",
            "x",
            "+1",
        ] {
            assert_eq!(retry_after(value, Duration::ZERO), None, "{value}");
            let quota = Quota::from_x_rate_limit(value, value, value, Duration::ZERO);
            assert_eq!(quota, Quota::default(), "{value}");
        }
    }

    /// `Retry-After: 2.0` was not understood, and what had waited for it was asked for again after a tenth of a second.
    #[test]
    fn headers_that_nobody_has_defined_and_a_wait_may_have_a_decimal_point() {
        let wait = |value| retry_after(value, Duration::ZERO);
        assert_eq!(wait("2.0"), Some(Duration::from_secs(2)));
        assert_eq!(wait(" 0.503 "), Some(Duration::from_millis(503)));
        assert_eq!(wait("292.052427053"), Some(Duration::new(292, 52_427_053)));
        let now = Duration::from_secs(1_800_000_000);
        let quota = |remaining, reset| Quota::from_x_rate_limit("1000.0", remaining, reset, now);
        let left = quota("3.0", "64.57");
        assert_eq!((left.limit, left.remaining), (Some(1000), Some(3)));
        assert_eq!(left.reset, Some(Duration::from_millis(64_570)));
        assert_eq!(quota("0.9", "7").remaining, Some(0), "less than one is none");
        assert_eq!(quota("0", "1800000030.25").reset, Some(Duration::from_millis(30_250)));
    }

    #[test]
    fn a_unix_time_may_be_in_milliseconds() {
        let now = Duration::from_secs(1_800_000_000);
        let reset = |value| Quota::from_x_rate_limit("60", "0", value, now).reset;
        assert_eq!(reset("1800000030"), Some(Duration::from_secs(30)));
        assert_eq!(reset("1800000030500"), Some(Duration::from_millis(30_500)));
    }

    #[test]
    fn the_three_forms_of_dates_are_the_same_and_what_is_over_is_no_wait() {
        let now = Duration::from_secs(784_111_777);
        for date in
            ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
        {
            assert_eq!(retry_after(date, now - Duration::from_secs(9)), Some(Duration::from_secs(9)));
            assert_eq!(retry_after(date, now + Duration::from_secs(9)), Some(Duration::ZERO));
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(one in ".{0,40}", other in "[\";,=\\\\qrtw0-9é ]{0,40}") {
            let _ = Quota::from_rate_limit(&one, &other);
            let _ = Quota::from_rate_limit(&other, &one);
            let _ = Quota::from_x_rate_limit(&one, &other, &other, Duration::MAX);
            let _ = retry_after(&other, Duration::ZERO);
        }
    }
}
