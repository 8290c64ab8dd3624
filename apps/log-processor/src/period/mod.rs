//! Records of a span of time: those at or after one moment and before another.
//!
//! A time without a zone is local time, the one a person gives as well as the one a record has: so what a log shows can
//! be typed as it stands there, and `TZ=UTC` makes both UTC. A record that has no time, or none that can be read, is in
//! no span; its reader counts it.
//!
//! ```text
//! --since TEXT ─▶ told  ─▶ moment ─┐
//!                                  ├─▶ Period::has
//! record.time  ─▶ found ─▶ moment ─┘
//! ```

mod found;
mod told;

use std::fmt;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::filter::Lookup;
use crate::record::Record;

/// The records at or after a moment and before another, either of them perhaps left open.
///
/// ```
/// use log_processor::parse::{ParseMode, parse};
/// use log_processor::period::Period;
/// use log_processor::record::Record;
///
/// let period = Period::new(Some("2026-11-29T14:00:00Z"), None)?;
/// let has = |line| {
///     let mut record = Record::default();
///     parse(ParseMode::Auto, line, &mut record);
///     period.has(&record)
/// };
/// assert_eq!(has("2026-11-29T15:00:00+01:00 INFO started"), Some(true));
/// assert_eq!(has(r#"{"ts":1700000000,"msg":"long ago"}"#), Some(false));
/// assert_eq!(has("no time at all"), None);
/// # Ok::<(), log_processor::period::PeriodError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Period {
    since: Option<Bound>,
    until: Option<Bound>,
    reading: Reading,
    time: Lookup,
}

/// What it takes to make a moment of a written time that lacks something.
#[derive(Debug, Clone)]
struct Reading {
    /// Of times without one.
    zone: TimeZone,
    /// Times without a year are at most a day in its future. A record needs it, so it goes on while a run follows.
    clock: fn() -> Timestamp,
}

#[derive(Debug, Clone)]
struct Bound {
    /// In the words of the person who gave it.
    given: String,
    at: Timestamp,
}

/// Why there are no records of such a span.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PeriodError {
    /// A bound is no time.
    #[error(
        "--{key}: {given:?} is no time\nhelp: write 2026-11-29T14:00:00Z, or local time as in \"2026-11-29 14:00\", \
         2026-11-29, 14:00, now, today or yesterday, or how long ago, as in 90m, 1h30m or \"2 days\""
    )]
    NoTime {
        /// The bound's key.
        key: &'static str,
        /// What was given.
        given: String,
    },
    /// Nothing lies between the bounds.
    #[error(
        "no time is both since {since} and until {until}: give --since the earlier one, or leave one of them out"
    )]
    Empty {
        /// The first moment, if there were any.
        since: Timestamp,
        /// The moment behind the last.
        until: Timestamp,
    },
}

// === impl Period ===

impl Period {
    /// Makes a span of what a person wrote. Looks at the clock, for what is told by how long ago it was, and at the
    /// time zone of the system (`TZ`).
    ///
    /// # Errors
    ///
    /// When a text is no time, or nothing lies between the two.
    pub fn new(since: Option<&str>, until: Option<&str>) -> Result<Self, PeriodError> {
        Self::read(since, until, Reading { zone: TimeZone::system(), clock: Timestamp::now })
    }

    /// Whether the record lies in the span; `None` if it has no time that can be read.
    pub fn has(&self, record: &Record<'_>) -> Option<bool> {
        let at = self.time.all(record).find_map(|value| found::moment(value, &self.reading))?;
        let is_since = self.since.as_ref().is_none_or(|since| since.at <= at);
        let is_until = self.until.as_ref().is_none_or(|until| at < until.at);
        Some(is_since && is_until)
    }

    /// The bounds by their keys, in the words of the person who gave them.
    pub(crate) fn given(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [("since", &self.since), ("until", &self.until)]
            .into_iter()
            .filter_map(|(key, bound)| Some((key, bound.as_ref()?.given.as_str())))
    }

    fn read(since: Option<&str>, until: Option<&str>, reading: Reading) -> Result<Self, PeriodError> {
        let now = (reading.clock)().to_zoned_datetime(reading.zone.clone());
        let bound = |key, given: Option<&str>| {
            given.map(|given| {
                let at = told::moment(given, &now, &reading);
                let given = given.to_owned();
                at.map(|at| Bound { given: given.clone(), at }).ok_or(PeriodError::NoTime { key, given })
            })
        };
        let (since, until) = (bound("since", since).transpose()?, bound("until", until).transpose()?);
        match (&since, &until) {
            (Some(since), Some(until)) if since.at >= until.at => {
                Err(PeriodError::Empty { since: since.at, until: until.at })
            }
            _ => Ok(Self { since, until, reading, time: Lookup::time() }),
        }
    }
}

/// The moments as they were understood, in UTC.
impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bounds = [("since", &self.since), ("until", &self.until)];
        let mut before = "";
        for (key, bound) in bounds {
            if let Some(bound) = bound {
                write!(f, "{before}{key} {}", bound.at)?;
                before = " ";
            }
        }
        Ok(())
    }
}

// === impl Reading ===

impl Reading {
    /// For tests: Sunday the 29th of November 2026, an hour ahead of UTC.
    #[cfg(test)]
    fn fixed() -> Self {
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        Self { zone, clock: || "2026-11-29T14:00:00Z".parse().expect("this is a time") }
    }
}

#[cfg(test)]
mod tests;
