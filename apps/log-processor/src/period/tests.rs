//! Times as people and records write them, on a day that stands still.

use super::*;
use crate::parse::{ParseMode, parse};
use crate::record::Value;

fn read(since: Option<&str>, until: Option<&str>) -> Result<Period, PeriodError> {
    Period::read(since, until, Reading::fixed())
}

fn told(text: &str) -> String {
    read(Some(text), None).map_or_else(|error| error.to_string(), |period| period.to_string())
}

fn found(value: Value<'_>) -> Option<String> {
    found::moment(value, &Reading::fixed()).map(|at| at.to_string())
}

#[test]
fn a_time_is_told_in_many_ways() {
    // It is 15:00 local time.
    for (text, at) in [
        ("2026-11-29T13:30:00Z", "2026-11-29T13:30:00Z"),
        ("2026-11-29T13:30:00.25+02:00", "2026-11-29T11:30:00.25Z"),
        ("2026-11-29 14:00", "2026-11-29T13:00:00Z"),
        ("2026-11-29T14:00:30", "2026-11-29T13:00:30Z"),
        (" 2026-11-29 ", "2026-11-28T23:00:00Z"),
        ("14:00", "2026-11-29T13:00:00Z"),
        ("14:00:05", "2026-11-29T13:00:05Z"),
        ("now", "2026-11-29T14:00:00Z"),
        ("Today", "2026-11-28T23:00:00Z"),
        ("yesterday", "2026-11-27T23:00:00Z"),
        ("1h", "2026-11-29T13:00:00Z"),
        ("-1h", "2026-11-29T13:00:00Z"),
        ("1h ago", "2026-11-29T13:00:00Z"),
        ("1 hour ago", "2026-11-29T13:00:00Z"),
        ("1h30m", "2026-11-29T12:30:00Z"),
        ("90m", "2026-11-29T12:30:00Z"),
        ("30s", "2026-11-29T13:59:30Z"),
        ("2 days", "2026-11-27T14:00:00Z"),
        ("1w", "2026-11-22T14:00:00Z"),
        // As it stands in a log.
        ("29/Nov/2026:14:00:00 +0100", "2026-11-29T13:00:00Z"),
        ("Nov 29 14:00:00", "2026-11-29T13:00:00Z"),
    ] {
        assert_eq!(told(text), format!("since {at}"), "{text:?}");
    }
}

#[test]
fn what_is_no_time_is_refused_with_the_remedy() {
    for text in [
        "",
        " ",
        "soon",
        "yesterdya",
        "25:00",
        "2026-13-01",
        "2026-11-29 25:00",
        "2026-02-29",
        "1",
        "-",
        "ago",
        "+1h",
        "P1D",
        "1 hour from now",
        "2026-11-29T14:00:00Zzz",
        "29.11.2026",
        "99999999999999y",
        "h",
        "é\u{301}:00",
    ] {
        let error = read(None, Some(text)).expect_err(text);
        assert_eq!(error, PeriodError::NoTime { key: "until", given: text.to_owned() });
    }
    insta::assert_snapshot!(read(Some("soon"), None).unwrap_err(), @r#"
    --since: "soon" is no time
    help: write 2026-11-29T14:00:00Z, or local time as in "2026-11-29 14:00", 2026-11-29, 14:00, now, today or yesterday, or how long ago, as in 90m, 1h30m or "2 days"
    "#);
    insta::assert_snapshot!(read(Some("today"), Some("yesterday")).unwrap_err(), @"no time is both since 2026-11-28T23:00:00Z and until 2026-11-27T23:00:00Z: give --since the earlier one, or leave one of them out");
    assert!(read(Some("today"), Some("today")).is_err());
}

#[test]
fn times_of_records_are_read() {
    for (text, at) in [
        ("2025-01-24T07:00:30,139", "2025-01-24T06:00:30.139Z"),
        ("2021/09/30 09:23:53", "2021-09-30T08:23:53Z"),
        ("2022-01-28T16:04:05.413656027Z", "2022-01-28T16:04:05.413656027Z"),
        ("2022-01-19T14:23:55+00:00", "2022-01-19T14:23:55Z"),
        ("2022-01-19 14:23:55.1-0330", "2022-01-19T17:53:55.1Z"),
        ("2018-01-24 18:25:08,454 -0800", "2018-01-25T02:25:08.454Z"),
        ("2018/01/24 18:25:08,454 -08:00", "2018-01-25T02:25:08.454Z"),
        ("2022-04-12 00:16:05.526 UTC", "2022-04-12T00:16:05.526Z"),
        ("2022-04-12 00:16:05 +0200 CEST", "2022-04-11T22:16:05Z"),
        ("2022-07-10T23:50:05.533101+0000", "2022-07-10T23:50:05.533101Z"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z"),
        ("22/Jan/2019:03:56:14 +0330", "2019-01-22T00:26:14Z"),
        ("06/Feb/2009:12:14:14.655", "2009-02-06T11:14:14.655Z"),
        ("Apr 28 2021 04:02:03", "2021-04-28T03:02:03Z"),
        ("Fri Sep 09 10:42:29.902022 2011", "2011-09-09T09:42:29.902022Z"),
        ("Fri Sep 09 10:42:29 2011", "2011-09-09T09:42:29Z"),
        ("Mon, 02 Jan 2006 15:04:05 GMT", "2006-01-02T15:04:05Z"),
        // Without a year: the last that is not more than a day ahead.
        ("Apr 28 04:02:03", "2026-04-28T03:02:03Z"),
        ("Apr  8 04:02:03", "2026-04-08T03:02:03Z"),
        ("Nov 30 14:59:59", "2026-11-30T13:59:59Z"),
        ("Nov 30 15:00:01", "2025-11-30T14:00:01Z"),
        ("Dec 31 23:59:59", "2025-12-31T22:59:59Z"),
        ("Feb 29 00:00:00", "2024-02-28T23:00:00Z"),
        ("0915 21:17:10.220731", "2026-09-15T20:17:10.220731Z"),
        ("1534860261221373", "2018-08-21T14:04:21.221373Z"),
    ] {
        assert_eq!(found(Value::Text(text)).as_deref(), Some(at), "{text:?}");
        assert_eq!(found(Value::Json(&format!("\"{text}\""))).as_deref(), Some(at), "{text:?}");
    }
    for text in [
        "",
        "-",
        "now",
        "0.003",
        "12",
        "Apr 31 04:02:03",
        "2022-01-19T14:23:55 and more",
        "null",
        "true",
        "été 2025",
    ] {
        assert_eq!(found(Value::Text(text)), None, "{text:?}");
    }
}

#[test]
fn numbers_are_times_by_their_size() {
    for (number, at) in [
        ("1575413096", "2019-12-03T22:44:56Z"),
        ("1575413096.5", "2019-12-03T22:44:56.5Z"),
        ("1.5754130965e9", "2019-12-03T22:44:56.5Z"),
        ("1575413096052", "2019-12-03T22:44:56.052Z"),
        ("1575413096052279", "2019-12-03T22:44:56.052279Z"),
        ("1575413096052279001", "2019-12-03T22:44:56.052279001Z"),
    ] {
        assert_eq!(found(Value::Json(number)).as_deref(), Some(at), "{number}");
    }
    for number in
        ["0", "99999999", "-1575413096", "1e300", "99999999999999999999999", "null", "{}", "[1575413096]"]
    {
        assert_eq!(found(Value::Json(number)), None, "{number}");
    }
}

#[test]
fn a_year_changes_while_a_run_follows() {
    let zone = TimeZone::UTC;
    let reading = Reading { zone, clock: || "2027-01-01T00:00:10Z".parse().unwrap() };
    let at = |text| found::moment(Value::Text(text), &reading).unwrap().to_string();
    assert_eq!(at("Dec 31 23:59:59"), "2026-12-31T23:59:59Z");
    assert_eq!(at("Jan  1 00:00:11"), "2027-01-01T00:00:11Z");
    let reading = Reading { clock: || "2026-12-31T23:59:50Z".parse().unwrap(), ..reading };
    let at = |text| found::moment(Value::Text(text), &reading).unwrap().to_string();
    assert_eq!(at("Jan  1 00:00:11"), "2027-01-01T00:00:11Z", "the other clock is ahead");
}

#[test]
fn a_span_begins_with_its_first_moment_and_ends_before_its_last() {
    let period = read(Some("2026-11-29T10:00:00Z"), Some("2026-11-29T11:00:00Z")).unwrap();
    let has = |line: &str| {
        let mut record = Record::default();
        parse(ParseMode::Auto, line, &mut record);
        period.has(&record)
    };
    assert_eq!(has(r#"{"time":"2026-11-29T10:00:00Z"}"#), Some(true));
    assert_eq!(has(r#"{"time":"2026-11-29T09:59:59.999999999Z"}"#), Some(false));
    assert_eq!(has(r#"{"time":"2026-11-29T10:59:59.999999999Z"}"#), Some(true));
    assert_eq!(has(r#"{"time":"2026-11-29T11:00:00Z"}"#), Some(false));
    assert_eq!(has("2026-11-29 11:30:00 INFO local time"), Some(true));
    assert_eq!(has("<13>Nov 29 11:30:00 host app: text"), Some(true));
    assert_eq!(has(r#"{"time":0.012,"ts":"2026-11-29T10:30:00Z"}"#), Some(true), "the first that is a time");
    assert_eq!(has(r#"{"t":{"$date":"2026-11-29T12:30:00+02:00"}}"#), Some(true));
    assert_eq!(has(r#"{"msg":"no time"}"#), None);
    assert_eq!(has("ERROR:root:no time"), None);
}
