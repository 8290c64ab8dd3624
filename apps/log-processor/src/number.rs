//! Numbers as logs write them, comparable without losing digits.

use std::cmp::Ordering;

/// A number read from text. Integers of up to 38 digits are exact; anything else is a double.
#[derive(Debug, Clone, Copy)]
pub enum Number {
    /// A whole number.
    Int(i128),
    /// A fraction, an exponent, or a whole number too long for [`Number::Int`].
    Float(f64),
}

// === impl Number ===

impl Number {
    /// Reads the whole text as a decimal number, such as `404`, `-1`, `0.25` or `1e-3`.
    pub fn parse(text: &str) -> Option<Number> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        // Keeps out what `f64` would also take: "inf", "nan", ".5", "+1".
        if !digits.starts_with(|first: char| first.is_ascii_digit()) {
            return None;
        }
        // Most numbers in logs are short and whole.
        if digits.len() <= 18 && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse::<i64>().ok().map(|int| Number::Int(int.into()));
        }
        match text.parse::<i128>() {
            Ok(int) => Some(Number::Int(int)),
            Err(_) => text.parse().ok().map(Number::Float),
        }
    }

    fn as_float(self) -> f64 {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "only where the other side is a double already")]
            Number::Int(int) => int as f64,
            Number::Float(float) => float,
        }
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.partial_cmp(other) == Some(Ordering::Equal)
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Number::Int(mine), Number::Int(theirs)) => Some(mine.cmp(theirs)),
            _ => self.as_float().partial_cmp(&other.as_float()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(left: &str, right: &str) -> Option<Ordering> {
        Number::parse(left)?.partial_cmp(&Number::parse(right)?)
    }

    #[test]
    fn numbers_compare_by_value() {
        assert_eq!(compare("404", "404.0"), Some(Ordering::Equal));
        assert_eq!(compare("-1", "0.25"), Some(Ordering::Less));
        assert_eq!(compare("1e3", "999"), Some(Ordering::Greater));
        assert_eq!(compare("007", "7"), Some(Ordering::Equal));
    }

    #[test]
    fn long_whole_numbers_keep_their_digits() {
        assert_eq!(compare("9007199254740993", "9007199254740992"), Some(Ordering::Greater));
        assert_eq!(
            compare("99999999999999999999999999999999999998", "99999999999999999999999999999999999999"),
            Some(Ordering::Less)
        );
        let huge = "9".repeat(400);
        assert_eq!(compare(&huge, "1"), Some(Ordering::Greater), "infinite, but a number");
    }

    #[test]
    fn only_decimal_numbers_are_numbers() {
        for text in ["", "-", "inf", "NaN", "1_000", "0x1f", "5xx", " 1", "+1", ".5", "1.2.3"] {
            assert!(Number::parse(text).is_none(), "{text:?}");
        }
    }
}
