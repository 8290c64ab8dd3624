//! Moments as records have them: numbers since 1970, and times as many formats write them.

use jiff::Timestamp;
use jiff::civil::{DateTime, Time};
use jiff::fmt::strtime::BrokenDownTime;
use jiff::fmt::{rfc2822, temporal::Pieces};
use jiff::tz::{Offset, TimeZone};

use super::Reading;
use crate::number::Number;
use crate::record::Value;

/// How far a clock may be behind that of a record without a year: that of any zone, or of a machine that is badly set.
const AHEAD: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);

/// Years that are looked through for one that has the day of a record: the 29th of February is missing in up to seven
/// of them, one after the other.
const YEARS: i16 = 9;

/// When that was, if the value is a time.
pub(super) fn moment(value: Value<'_>, reading: &Reading) -> Option<Timestamp> {
    match value.number() {
        Some(number) => since_1970(number),
        None => written(value.text()?.trim(), reading),
    }
}

/// A number's size tells its unit: seconds until the year 5138, milliseconds from 1973 on, then micro- and nanoseconds.
/// What is less than seconds of 1973 is no time but some other number, such as how long a request took.
fn since_1970(number: Number) -> Option<Timestamp> {
    let nanoseconds = |size: f64| match size {
        ..1e8 => None,
        ..1e11 => Some(1_000_000_000),
        ..1e14 => Some(1_000_000),
        ..1e17 => Some(1000),
        ..1e20 => Some(1),
        _ => None,
    };
    let nanoseconds = match number {
        #[expect(clippy::cast_precision_loss, reason = "only its order of magnitude matters")]
        Number::Int(whole) => whole * nanoseconds(whole as f64)?,
        #[expect(clippy::cast_possible_truncation, reason = "what is less than a nanosecond does not matter")]
        Number::Float(number) => (number * nanoseconds(number)? as f64) as i128,
    };
    Timestamp::from_nanosecond(nanoseconds).ok()
}

/// A date and a time, with what they lack taken from `reading`.
pub(super) fn written(text: &str, reading: &Reading) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    match (bytes.get(..5)?, bytes.first()?) {
        ([_, _, _, _, b'-' | b'/'], b'0'..=b'9') => iso(text, reading),
        ([_, _, b'/', ..], b'0'..=b'9') => {
            let (time, zone) = text.split_once(' ').unwrap_or((text, ""));
            placed(with("%d/%b/%Y:%H:%M:%S%.f", time)?.to_datetime().ok()?, zone, reading)
        }
        // klog
        ([.., b' '], b'0'..=b'9') => without_year(with("%m%d %H:%M:%S%.f", text)?, reading),
        ([.., b','] | [_, _, _, b',', _], _) => {
            Some(rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?)
        }
        (_, b'A'..=b'Z') => [
            // Syslog, and there with a year; Apache's errors.
            "%b %d %H:%M:%S%.f",
            "%b %d %Y %H:%M:%S%.f",
            "%a %b %d %H:%M:%S%.f %Y",
        ]
        .into_iter()
        .find_map(|format| without_year(with(format, text)?, reading)),
        _ => None,
    }
}

/// `2025-01-24T07:00:30.139+01:00`, in all the ways in which it is written: see `parse::date::timestamp`.
fn iso(text: &str, reading: &Reading) -> Option<Timestamp> {
    // Only in front of the zone may a space stand that is not the one in front of the time.
    let (when, zone) = match text.get(11..).unwrap_or_default().split_once(' ') {
        Some((time, zone)) => (&text[..11 + time.len()], zone),
        None => (text, ""),
    };
    let mut when = std::borrow::Cow::Borrowed(when);
    if when.as_bytes()[4] == b'/' {
        when = when.replacen('/', "-", 2).into();
    }
    let pieces = Pieces::parse(when.as_ref()).ok()?;
    let at = pieces.date().to_datetime(pieces.time().unwrap_or(Time::midnight()));
    match pieces.to_numeric_offset() {
        Some(offset) => offset.to_timestamp(at).ok(),
        None => placed(at, zone, reading),
    }
}

/// A time in its zone. What follows the zone is not looked at: some write its name there, too.
fn placed(at: DateTime, zone: &str, reading: &Reading) -> Option<Timestamp> {
    let zone = zone.split(' ').next().unwrap_or_default();
    let offset = match zone {
        "" => return reading.zone.to_timestamp(at).ok(),
        "Z" | "UTC" | "GMT" => Offset::UTC,
        zone => with("%z", zone).or_else(|| with("%:z", zone))?.offset()?,
    };
    offset.to_timestamp(at).ok()
}

/// A time in the last year in which it was, or its own year if it has one.
fn without_year(mut time: BrokenDownTime, reading: &Reading) -> Option<Timestamp> {
    if time.year().is_some() {
        return placed(time.to_datetime().ok()?, "", reading);
    }
    let latest = (reading.clock)().checked_add(AHEAD).ok()?;
    let year = latest.to_zoned_datetime(TimeZone::UTC).year() + 1;
    (0..YEARS).find_map(|back| {
        time.set_year(Some(year - back)).ok()?;
        placed(time.to_datetime().ok()?, "", reading).filter(|at| *at <= latest)
    })
}

fn with(format: &str, text: &str) -> Option<BrokenDownTime> {
    BrokenDownTime::parse(format, text).ok()
}
