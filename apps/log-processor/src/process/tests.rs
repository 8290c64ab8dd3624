//! The domain step on real logs and on hostile bytes.

use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::*;

const WHOLE: Edges = Edges { starts_inside: false, ends_inside: false };

fn processor(parse: ParseMode, filter: Option<&str>, format: OutputFormat) -> Processor {
    let filter = filter.map(|text| text.parse().unwrap());
    Processor::new(ProcessorOptions { parse, filter, format, ..ProcessorOptions::default() })
}

fn auto(filter: Option<&str>, format: OutputFormat, input: impl Into<Vec<u8>>) -> Processed {
    processor(ParseMode::Auto, filter, format).process(input.into(), WHOLE)
}

fn text(processed: &Processed) -> &str {
    str::from_utf8(&processed.bytes).unwrap()
}

/// The logs that real services wrote, by name.
fn logs() -> Vec<(String, Vec<u8>)> {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/logs"));
    let mut logs = Vec::new();
    for folder in fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir())
    {
        for file in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            logs.push((file.strip_prefix(root).unwrap().display().to_string(), fs::read(file).unwrap()));
        }
    }
    assert!(logs.len() >= 20);
    logs.sort();
    logs
}

// --- real logs ---

#[test]
fn formats_of_real_logs_are_recognised() {
    let mut table = String::new();
    for (name, bytes) in logs() {
        let counts = auto(None, OutputFormat::Raw, bytes).counts;
        let found: Vec<_> =
            counts.formats.found().iter().map(|(format, n)| format!("{format} {n}")).collect();
        table += &format!(
            "{name:<36} {:>5} lines {:>5} parsed: {}\n",
            counts.lines,
            counts.parsed,
            found.join(", ")
        );
    }
    insta::assert_snapshot!(table);
}

#[test]
fn real_lines_become_records() {
    let mut shown = String::new();
    for (name, bytes) in logs() {
        // The first line of each format in the file, unless it came as JSON and so goes out as it came.
        let mut seen = Vec::new();
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            let processed = auto(None, OutputFormat::Json, line);
            let format = processed.counts.formats.found()[0].0;
            if format != Format::Json && !seen.contains(&format) {
                seen.push(format);
                shown += &format!("{name}: {format}\n  {}", text(&processed));
            }
        }
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn every_real_line_comes_out_as_valid_json_and_as_logfmt() {
    for (name, bytes) in logs() {
        let json = auto(None, OutputFormat::Json, bytes.clone());
        let lines = json.counts.lines;
        for line in text(&json).lines() {
            serde_json::from_str::<serde_json::Value>(line)
                .unwrap_or_else(|error| panic!("{name}: {error}: {line}"));
        }
        assert_eq!(text(&json).lines().count() as u64, lines, "{name}");

        let logfmt = auto(None, OutputFormat::Logfmt, bytes);
        let again = processor(ParseMode::Logfmt, None, OutputFormat::Json).process(logfmt.bytes, WHOLE);
        assert_eq!((again.counts.lines, again.counts.parsed), (lines, lines), "{name}");
    }
}

#[test]
fn raw_output_keeps_real_logs_byte_for_byte() {
    for (name, bytes) in logs() {
        let all = auto(Some("message exists or not message exists"), OutputFormat::Raw, bytes.clone());
        assert!(all.bytes == bytes, "{name}");
        let kept = auto(Some(r#"message contains "a""#), OutputFormat::Raw, bytes.clone());
        let dropped = auto(Some(r#"not message contains "a""#), OutputFormat::Raw, bytes.clone());
        assert_eq!(kept.bytes.len() + dropped.bytes.len(), bytes.len(), "{name}");
        assert_eq!(kept.counts.kept, dropped.counts.dropped, "{name}");
        assert_eq!(kept.counts.lines, kept.counts.kept + kept.counts.dropped, "{name}");
    }
}

#[test]
fn levels_of_real_logs_are_found() {
    let mut table = String::new();
    for (name, bytes) in logs() {
        let kept = |filter| auto(Some(filter), OutputFormat::Raw, bytes.clone()).counts.kept;
        let with_level = kept("level >= trace");
        if with_level > 0 {
            table += &format!(
                "{name:<36} {with_level:>5} with level {:>5} at warn or above\n",
                kept("level >= warn")
            );
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn times_of_real_logs_are_found() {
    let mut table = String::new();
    for (name, bytes) in logs() {
        let counts = |since, until| {
            let period = Some(Period::new(since, until).unwrap());
            Processor::new(ProcessorOptions { period, ..ProcessorOptions::default() })
                .process(bytes.clone(), WHOLE)
                .counts
        };
        // In a zone of its own, a time without one is at most a day off; no log ends or begins there.
        let (all, later) =
            (counts(Some("1970-01-01T00:00:00Z"), None), counts(Some("2022-01-01T00:00:00Z"), None));
        let earlier = counts(None, Some("2022-01-01T00:00:00Z"));
        assert_eq!(later.kept + earlier.kept, all.kept, "{name}");
        table += &format!(
            "{name:<36} {:>5} with time {:>5} without {:>5} since 2022\n",
            all.kept, all.untimed, later.kept
        );
    }
    insta::assert_snapshot!(table);
}

// --- lines with an edge to them ---

#[test]
fn line_ends_and_strange_bytes_stay_in_raw_output() {
    let input = b"one\r\n\n  \ntwo\0\xff\xfe\r\r\nlast \xc3".to_vec();
    for filter in [None, Some("message exists")] {
        let processed = auto(filter, OutputFormat::Raw, input.clone());
        assert_eq!(processed.bytes, input);
        assert_eq!((processed.counts.lines, processed.counts.kept), (5, 5));
    }
    let processed = auto(Some(r#"message contains "t""#), OutputFormat::Raw, input);
    assert_eq!(processed.bytes, b"two\0\xff\xfe\r\r\nlast \xc3");
}

#[test]
fn strange_bytes_are_escaped_or_replaced_in_json() {
    let processed = auto(
        None,
        OutputFormat::Json,
        b"\xef\xbb\xbf{\"a\":1}\r\n\n  \ntwo\0\xff\r\r\n{\"a\":\"\xe9\"}".to_vec(),
    );
    insta::assert_snapshot!(text(&processed), @r#"
    {"a":1}
    {"message":""}
    {"message":"  "}
    {"message":"two\u0000�\r"}
    {"a":"�"}
    "#);
}

#[test]
fn nothing_kept_is_an_empty_vec_and_nothing_in_is_nothing_out() {
    for format in [OutputFormat::Raw, OutputFormat::Json, OutputFormat::Logfmt] {
        let none = auto(Some("a exists"), format, "one\ntwo\n");
        assert_eq!((none.bytes.capacity(), none.counts.dropped), (0, 2));
        assert_eq!(auto(None, format, ""), Processed::default());
    }
}

#[test]
fn nested_or_huge_json_costs_no_stack_and_no_digit() {
    let deep =
        format!("{{\"a\":{}{},\"n\":1{}}}\n", "[".repeat(200_000), "]".repeat(200_000), "0".repeat(5000));
    let processed = auto(Some("n > 5 and a exists and not a.0.b exists"), OutputFormat::Json, deep.clone());
    assert_eq!(text(&processed), deep);
    assert_eq!(processed.counts.formats.get(Format::Json), 1);
}

#[test]
fn a_mode_that_does_not_fit_takes_lines_as_plain_text() {
    let input = "{\"a\":1}\na=1\nhello\n";
    for (mode, parsed) in [
        (ParseMode::Auto, 1),
        (ParseMode::Json, 1),
        (ParseMode::Logfmt, 1),
        (ParseMode::Clf, 0),
        (ParseMode::Plain, 3),
    ] {
        let counts = processor(mode, None, OutputFormat::Json).process(input.into(), WHOLE).counts;
        assert_eq!((counts.parsed, counts.unparsed()), (parsed, 3 - parsed), "{mode:?}");
    }
}

// --- some of the fields ---

fn with_fields(fields: &str, format: OutputFormat, input: impl Into<Vec<u8>>, edges: Edges) -> Processed {
    let fields = Some(fields.parse().unwrap_or_else(|error| panic!("{error}")));
    Processor::new(ProcessorOptions { fields, format, ..ProcessorOptions::default() })
        .process(input.into(), edges)
}

#[test]
fn fields_of_real_logs_are_chosen() {
    let mut shown = String::new();
    for (name, bytes) in logs() {
        let line = bytes.split_inclusive(|&byte| byte == b'\n').next().unwrap();
        let fields = "level,time,status,request.method,tags.0,message";
        for format in [OutputFormat::Json, OutputFormat::Logfmt] {
            shown += &format!("{name}: {}", text(&with_fields(fields, format, line, WHOLE)));
        }
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn chosen_fields_keep_their_spelling_and_what_is_missing_is_left_out() {
    let lines = br#"{"a":{"b":[1.50, {"c":"\u00e9"}]},"n":1e400,"z":null,"a":{"b":[2.50e0]},"x.y":{"z":true}}
{"b":"other"}
user="a \"b\"" n=7 n=8
"#;
    let fields = "n,z,a.b.0,x.y.z,user,a.b";
    insta::assert_snapshot!(text(&with_fields(fields, OutputFormat::Json, lines, WHOLE)), @r#"
    {"n":1e400,"z":null,"a.b.0":2.50e0,"x.y.z":true,"a.b":[2.50e0]}
    {}
    {"n":"8","user":"a \"b\""}
    "#);
    insta::assert_snapshot!(text(&with_fields(fields, OutputFormat::Logfmt, lines, WHOLE)), @r#"
    n=1e400 z=null a.b.0=2.50e0 x.y.z=true a.b=[2.50e0]

    n=8 user="a \"b\""
    "#);
}

#[test]
fn chosen_fields_of_pieces_stand_beside_their_mark() {
    let inside = Edges { starts_inside: true, ends_inside: false };
    let open = Edges { starts_inside: false, ends_inside: true };
    for (fields, first, later) in [
        ("message", r#"{"message":"long","truncated":true}"#, r#"{"message":"end","continued":true}"#),
        ("level", r#"{"truncated":true}"#, r#"{"continued":true}"#),
    ] {
        let shown =
            |input: &str, edges| text(&with_fields(fields, OutputFormat::Json, input, edges)).to_owned();
        assert_eq!(shown("long", open).trim_end(), first);
        assert_eq!(shown("end\n", inside).trim_end(), later);
    }
}

#[test]
fn room_is_counted_for_fields_within_fields() {
    let line = "{\"a\":{\"b\":{\"c\":\"".to_owned() + &"\\\"".repeat(10_000) + "\"}}}\n";
    for (fields, format) in [("a,a.b,a.b.c", OutputFormat::Json), ("a,a.b,a.b.c", OutputFormat::Logfmt)] {
        let fields = Some(fields.parse().unwrap());
        let processor = Processor::new(ProcessorOptions { fields, format, ..ProcessorOptions::default() });
        let most = processor.most_memory(line.as_bytes());
        let processed = processor.process(line.clone().into(), WHOLE);
        assert!(processed.bytes.len() > 2 * line.len());
        assert!(line.len() + processed.bytes.len() <= most, "{} of {most}", processed.bytes.len());
    }
}

// --- an over-long line in pieces ---

#[test]
fn pieces_of_an_over_long_line_follow_the_first() {
    let pieces = [
        ("short\nlong \u{1F600} {", false, true),
        ("more", true, true),
        ("end\r\n", true, false),
        ("next\n", false, false),
    ];
    let run = |filter, format| -> Vec<Processed> {
        pieces
            .iter()
            .map(|&(text, starts_inside, ends_inside)| {
                processor(ParseMode::Auto, filter, format)
                    .process(text.into(), Edges { starts_inside, ends_inside })
            })
            .collect()
    };
    // What the ordered writer makes of it.
    let written = |processed: &[Processed]| {
        let mut is_kept = true;
        let mut out = String::new();
        for batch in processed {
            let skipped = if is_kept { 0 } else { batch.continued };
            out += &text(batch)[skipped..];
            is_kept = batch.kept_last.unwrap_or(is_kept);
        }
        out
    };

    for (filter, raw) in [
        (None, "short\nlong \u{1F600} {moreend\r\nnext\n"),
        (Some(r#"message contains "long""#), "long \u{1F600} {moreend\r\n"),
        (Some(r#"not message contains "long""#), "short\nnext\n"),
        (Some(r#"message contains "more""#), ""),
    ] {
        let processed = run(filter, OutputFormat::Raw);
        assert_eq!(written(&processed), raw, "{filter:?}");
        let mut counts = Counts::default();
        processed.iter().for_each(|batch| counts += batch.counts);
        assert_eq!((counts.lines, counts.kept + counts.dropped), (3, 3), "a line counts once");
    }
    insta::assert_snapshot!(written(&run(None, OutputFormat::Json)), @r#"
    {"message":"short"}
    {"message":"long 😀 {","truncated":true}
    {"message":"more","continued":true}
    {"message":"end","continued":true}
    {"message":"next"}
    "#);

    let plain = processor(ParseMode::Plain, None, OutputFormat::Raw);
    for (batch, &(text, starts_inside, ends_inside)) in run(None, OutputFormat::Raw).iter().zip(&pieces) {
        let passed = plain.process(text.into(), Edges { starts_inside, ends_inside });
        assert_eq!(
            (&passed.bytes, passed.continued, passed.kept_last),
            (&batch.bytes, batch.continued, batch.kept_last)
        );
        assert_eq!(passed.counts.lines, batch.counts.lines);
    }
}

// --- records of several lines ---

fn joined(first_line: &str, filter: Option<&str>, format: OutputFormat) -> Processor {
    let (filter, first_line) = (filter.map(|text| text.parse().unwrap()), first_line.parse().unwrap());
    Processor::new(ProcessorOptions {
        parse: ParseMode::Auto,
        filter,
        format,
        first_line: Some(first_line),
        ..ProcessorOptions::default()
    })
}

/// What a JVM, Python's `logging.exception`, a server written in Go and one that logs JSON write, one after the other.
const TRACES: &str = "\
2025-01-24T07:00:43,950 ERROR [main] Farm : cannot start\r
java.lang.IllegalStateException: no \"node\" = x\r
\tat com.example.Farm.main(Farm.java:7)\r
Caused by: java.net.ConnectException: refused
\t... 3 more
2025-01-24T07:00:44,001 INFO [main] Farm : trying again
ERROR:root:no such key
Traceback (most recent call last):
  File \"app.py\", line 7, in <module>
    config[name]
KeyError: 'x'
2025/01/24 07:00:45 http: panic serving: boom

goroutine 19 [running]:
main.handle(...)
\t/src/main.go:9 +0x1d
{\"level\":\"error\",\"msg\":\"disk \\\"sda\\\"\"}
  is full
level=warn msg=slow
 indeed
";

#[test]
fn lines_of_a_record_share_its_fate() {
    let lines: Vec<_> = TRACES.split_inclusive('\n').collect();
    for (filter, kept, records) in [
        ("level >= error", [&lines[..5], &lines[6..11], &lines[16..18]].concat().concat(), 3),
        ("not level >= error", [&lines[5..6], &lines[11..16], &lines[18..]].concat().concat(), 3),
        ("message contains \"ConnectException\"", lines[..5].concat(), 1),
        ("message =~ \"full$\"", lines[16..18].concat(), 1),
    ] {
        let processed = joined("time", Some(filter), OutputFormat::Raw).process(TRACES.into(), WHOLE);
        assert_eq!(text(&processed), kept, "{filter}");
        let counts = processed.counts;
        assert_eq!((counts.lines, counts.parsed, counts.kept), (6, 6, records), "a record counts once");
    }
}

#[test]
fn the_message_of_a_record_has_all_its_lines() {
    insta::assert_snapshot!(text(&joined("time", None, OutputFormat::Json).process(TRACES.into(), WHOLE)), @r#"
    {"time":"2025-01-24T07:00:43,950","level":"ERROR","message":"[main] Farm : cannot start\r\njava.lang.IllegalStateException: no \"node\" = x\r\n\tat com.example.Farm.main(Farm.java:7)\r\nCaused by: java.net.ConnectException: refused\n\t... 3 more"}
    {"time":"2025-01-24T07:00:44,001","level":"INFO","message":"[main] Farm : trying again"}
    {"level":"ERROR","logger":"root","message":"no such key\nTraceback (most recent call last):\n  File \"app.py\", line 7, in <module>\n    config[name]\nKeyError: 'x'"}
    {"time":"2025/01/24 07:00:45","message":"http: panic serving: boom\n\ngoroutine 19 [running]:\nmain.handle(...)\n\t/src/main.go:9 +0x1d"}
    {"level":"error","msg":"disk \"sda\"\n  is full"}
    {"level":"warn","msg":"slow\n indeed"}
    "#);
    insta::assert_snapshot!(text(&joined("time", None, OutputFormat::Logfmt).process(TRACES.into(), WHOLE)), @r#"
    time=2025-01-24T07:00:43,950 level=ERROR message="[main] Farm : cannot start\r\njava.lang.IllegalStateException: no \"node\" = x\r\n\tat com.example.Farm.main(Farm.java:7)\r\nCaused by: java.net.ConnectException: refused\n\t... 3 more"
    time=2025-01-24T07:00:44,001 level=INFO message="[main] Farm : trying again"
    level=ERROR logger=root message="no such key\nTraceback (most recent call last):\n  File \"app.py\", line 7, in <module>\n    config[name]\nKeyError: 'x'"
    time="2025/01/24 07:00:45" message="http: panic serving: boom\n\ngoroutine 19 [running]:\nmain.handle(...)\n\t/src/main.go:9 +0x1d"
    level=error msg="disk \"sda\"\n  is full"
    level=warn msg="slow\n indeed"
    "#);
    let strange = b"\xef\xbb\xbfone\xff\n two\xff\r\n\n".to_vec();
    assert_eq!(
        text(&joined("indent", None, OutputFormat::Json).process(strange, WHOLE)),
        "{\"message\":\"one\u{fffd}\\n two\u{fffd}\\r\\n\"}\n"
    );
    // An access log has no message, so that is all that the other lines can be.
    let access = "h - - [22/Jan/2019:03:56:14 +0330] \"GET / HTTP/1.1\" 200 7\nand more\n";
    let processed = joined("time", None, OutputFormat::Json).process(access.into(), WHOLE);
    assert!(text(&processed).ends_with(",\"message\":\"and more\"}\n"), "{}", text(&processed));
}

#[test]
fn pieces_of_a_record_are_marked_if_it_was_too_long_and_not_if_it_was_waited_for() {
    let pieces = [
        // Too long: cut within a line, which on its own would begin a record.
        ("one\n 1\nx", false, true),
        ("yz\n 2\n", true, false),
        // Waited for: ends behind a line.
        ("two\n 3\n", false, true),
        (" 4\n", true, true),
        ("three\n", false, false),
    ];
    let processor = joined("indent", None, OutputFormat::Json);
    let (mut written, mut counts) = (String::new(), Counts::default());
    for (piece, starts_inside, ends_inside) in pieces {
        let processed = processor.process(piece.into(), Edges { starts_inside, ends_inside });
        assert_eq!(processed.kept_last.is_some(), ends_inside && !starts_inside);
        assert_eq!(processed.continued > 0, starts_inside);
        written += text(&processed);
        counts += processed.counts;
    }
    insta::assert_snapshot!(written, @r#"
    {"message":"one\n 1\nx","truncated":true}
    {"message":"yz\n 2","continued":true}
    {"message":"two\n 3"}
    {"message":" 4","continued":true}
    {"message":"three"}
    "#);
    assert_eq!((counts.lines, counts.kept, counts.long), (3, 3, 1), "each counts once, with its first piece");
}

// --- any bytes ---

/// Bytes that look enough like logs to get deep into the parsers.
fn log_like() -> impl Strategy<Value = Vec<u8>> {
    let fragment = prop_oneof![
        prop::sample::select(vec![
            "{\"a\":",
            "\"msg\":\"",
            "}",
            "]",
            "[",
            "\"",
            "\\",
            "\\u12",
            "\\x",
            "=",
            " ",
            "\t",
            "level=",
            "error",
            "<38>1 ",
            "<13>",
            "Apr 28 04:02:03 ",
            "2025-01-24T07:00:30",
            ".123Z",
            " stdout F ",
            "I0915 21:17:10.220731 7 f.go:1] ",
            "h - - [22/Jan/2019:03:56:14 +0330] \"GET / HTTP/1.1\" 200 ",
            "-",
            " [a b=\"c\"]",
            ":",
            "\u{feff}",
            "é",
            "null",
            "1e9",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        prop::sample::select(vec![
            b"\n".to_vec(),
            b"\r\n".to_vec(),
            b"\0".to_vec(),
            b"\xff".to_vec(),
            b"\xc3".to_vec()
        ]),
        prop::collection::vec(any::<u8>(), 0..6),
    ];
    prop::collection::vec(fragment, 0..24).prop_map(|fragments| fragments.concat())
}

fn edges() -> impl Strategy<Value = Edges> {
    any::<(bool, bool)>().prop_map(|(starts_inside, ends_inside)| Edges { starts_inside, ends_inside })
}

fn mode() -> impl Strategy<Value = ParseMode> {
    use ParseMode::{Auto, Clf, Json, Logfmt, Plain};
    prop::sample::select(vec![Auto, Json, Logfmt, Clf, Plain])
}

proptest! {
    #[test]
    fn raw_output_keeps_any_bytes(bytes in log_like(), edges in edges(), mode in mode()) {
        for filter in [None, Some("exists(nothing) or not exists(nothing)")] {
            let processed = processor(mode, filter, OutputFormat::Raw).process(bytes.clone(), edges);
            prop_assert_eq!(&processed.bytes, &bytes);
            prop_assert_eq!(processed.counts.dropped, 0);
        }
    }

    #[test]
    fn the_way_through_counts_like_the_way_around(bytes in log_like(), edges in edges()) {
        let passed = processor(ParseMode::Plain, None, OutputFormat::Raw).process(bytes.clone(), edges);
        let filtered = processor(ParseMode::Plain, Some("message exists"), OutputFormat::Raw).process(bytes, edges);
        prop_assert_eq!(passed, filtered);
    }

    #[test]
    fn records_of_several_lines_keep_any_bytes(bytes in log_like(), edges in edges(), how in prop::sample::select(vec!["time", "indent", "^.e"])) {
        let raw = joined(how, Some("exists(nothing) or not exists(nothing)"), OutputFormat::Raw);
        prop_assert_eq!(&raw.process(bytes.clone(), edges).bytes, &bytes);
        let json = joined(how, None, OutputFormat::Json).process(bytes, edges);
        let pieces = u64::from(json.continued > 0);
        prop_assert_eq!(text(&json).lines().count() as u64, json.counts.lines + pieces);
        for line in text(&json).lines() {
            let parsed = serde_json::from_str::<serde::de::IgnoredAny>(line);
            prop_assert!(parsed.is_ok(), "{}", line);
        }
    }

    #[test]
    fn json_output_always_parses(bytes in log_like(), edges in edges(), mode in mode()) {
        let processed = processor(mode, None, OutputFormat::Json).process(bytes, edges);
        let pieces = u64::from(processed.continued > 0);
        prop_assert_eq!(text(&processed).lines().count() as u64, processed.counts.lines + pieces);
        for line in text(&processed).lines() {
            let parsed = serde_json::from_str::<serde::de::IgnoredAny>(line);
            prop_assert!(parsed.is_ok(), "{}", line);
        }
    }

    #[test]
    fn chosen_fields_take_the_room_that_was_counted(bytes in log_like(), edges in edges(), mode in mode()) {
        for fields in ["message,log,level,time,s", "a,a.b,a.b.c,\"\u{1}\\\"\"", "message,msg,body,host,user"] {
            for format in [OutputFormat::Json, OutputFormat::Logfmt] {
                let fields = Some(fields.parse().unwrap());
                let processor = Processor::new(ProcessorOptions { parse: mode, fields, format, ..Default::default() });
                let most = processor.most_memory(&bytes);
                let processed = processor.process(bytes.clone(), edges);
                // A last line without an end has its own name as well.
                let name = if bytes.is_empty() { 0 } else { processor.most_memory(b"\n") };
                prop_assert!(bytes.len() + processed.bytes.len() <= most + name);
            }
        }
    }

    #[test]
    fn logfmt_output_is_read_back(bytes in log_like(), mode in mode()) {
        let processed = processor(mode, None, OutputFormat::Logfmt).process(bytes, WHOLE);
        for line in text(&processed).lines().filter(|line| !line.is_empty()) {
            let again = processor(ParseMode::Logfmt, None, OutputFormat::Logfmt).process(line.into(), WHOLE);
            prop_assert_eq!(text(&again).trim_end_matches('\n'), line);
        }
    }

    #[test]
    fn where_batches_are_cut_does_not_matter(bytes in log_like(), cut in any::<prop::sample::Index>()) {
        let ends: Vec<_> = memchr::memchr_iter(b'\n', &bytes).map(|at| at + 1).collect();
        let cut = if ends.is_empty() { 0 } else { *cut.get(&ends) };
        for format in [OutputFormat::Raw, OutputFormat::Json] {
            let whole = auto(Some("level >= info or message contains \"e\""), format, bytes.clone());
            let first = auto(Some("level >= info or message contains \"e\""), format, &bytes[..cut]);
            let second = auto(Some("level >= info or message contains \"e\""), format, &bytes[cut..]);
            // A byte order mark is only looked for at the start of a line, so it is no exception.
            prop_assert_eq!(whole.bytes, [first.bytes, second.bytes].concat());
        }
    }
}
