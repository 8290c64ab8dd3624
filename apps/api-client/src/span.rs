//! Spans of time as people write them: `1500ms`, `30s`, `2m`, `1h`; a number alone is seconds.

use std::time::Duration;

/// Why a text is no span of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no span of time: write it like 1500ms, 30s, 2m or 1h")]
pub struct SpanError(pub String);

/// A year: nobody waits longer, and sums of a few of them are far from any bound.
const LONGEST: f64 = 365.0 * 24.0 * 3600.0;

/// Reads a span. Fractions are allowed; what is negative or longer than a year is none.
///
/// # Errors
///
/// [`SpanError`] names the forms that there are.
///
/// ```
/// use std::time::Duration;
///
/// assert_eq!(api_client::span::parse("1.5s"), Ok(Duration::from_millis(1500)));
/// assert_eq!(api_client::span::parse("2m"), Ok(Duration::from_secs(120)));
/// assert!(api_client::span::parse("soon").is_err());
/// ```
pub fn parse(text: &str) -> Result<Duration, SpanError> {
    let wrong = || SpanError(text.to_owned());
    let end = text.find(|char: char| !(char.is_ascii_digit() || char == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = match unit {
        "ms" => 1e-3,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(wrong()),
    };
    let seconds = number.parse::<f64>().map_err(|_| wrong())? * unit;
    if seconds > LONGEST { Err(wrong()) } else { Ok(Duration::from_secs_f64(seconds)) }
}

/// A span for people, with the unit that suits it.
pub(crate) fn shown(span: Duration) -> String {
    let seconds = span.as_secs_f64();
    match seconds {
        s if s < 10.0 => format!("{s:.2} s"),
        s if s < 120.0 => format!("{s:.1} s"),
        s if s < 7200.0 => format!("{} min {} s", s as u64 / 60, s as u64 % 60),
        s => format!("{} h {} min", s as u64 / 3600, s as u64 % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_read() {
        let millis = ["1500ms", "30s", "2m", "0.5h", "7", "0"].map(|text| parse(text).unwrap().as_millis());
        assert_eq!(millis, [1500, 30_000, 120_000, 1_800_000, 7000, 0]);
    }

    #[test]
    fn what_is_no_span_is_refused() {
        for text in ["", "s", "-1s", "1 s", "1d", "1e3s", "inf", "nan", "1.2.3s", "9000h"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse("8760h").is_ok());
    }
}
