//! Moments as people give them.

use jiff::civil::Time;
use jiff::fmt::friendly::SpanParser;
use jiff::{Timestamp, ZonedDateTime};

use super::{Reading, found};

/// The moment that a text means, seen from `now`: a time as records write it, one of today, a day, or how long ago it
/// was, with or without a minus in front or `ago` behind.
pub(super) fn moment(text: &str, now: &ZonedDateTime, reading: &Reading) -> Option<Timestamp> {
    let text = text.trim();
    let day = match text.to_ascii_lowercase().as_str() {
        "now" => return Some(now.timestamp()),
        "today" => Some(now.clone()),
        "yesterday" => now.yesterday().ok(),
        _ => None,
    };
    if let Some(day) = day {
        return day.start_of_day().ok().map(|start| start.timestamp());
    }
    if let Some(at) = found::written(text, reading) {
        return Some(at);
    }
    if text.get(2..3) == Some(":") {
        let time: Time = text.parse().ok()?;
        let today = now.date().to_datetime(time);
        return reading.zone.to_timestamp(today).ok();
    }
    // ISO 8601 has durations as well, and a plus means the future; nobody who wants either is told by a log.
    let is_ago = text.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    let span = SpanParser::new().parse_span(text).ok().filter(|_| is_ago)?;
    now.checked_sub(span.abs()).ok().map(|then| then.timestamp())
}
