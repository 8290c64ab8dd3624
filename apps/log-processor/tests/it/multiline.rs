//! Records of several lines: kept, dropped, held and gone on with as a whole.

use std::fs;

use rustix::process::Signal;

#[cfg(feature = "fault-points")]
use crate::crash::crash_at_each_point;
use crate::crash::{Dice, kill_each};
use crate::place::{Place, Report as _, logs, until};

/// What `logging.exception` of Python 3 writes.
const PYTHON: &str = "\
2026-01-01 12:00:00,001 INFO started
2026-01-01 12:00:01,250 ERROR no such key
Traceback (most recent call last):
  File \"/srv/app.py\", line 7, in load
    return config[name]
           ~~~~~~^^^^^^
KeyError: 'x'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File \"/srv/app.py\", line 13, in <module>
    load('x')
    ~~~~^^^^^
ValueError: level=1
2026-01-01 12:00:02,000 INFO ended
";

/// What a JVM writes behind a line of its log.
const JAVA: &str = "\
2025-01-24T07:00:43,950 ERROR [main                     ] FarmApplication          : Cannot start
java.lang.IllegalStateException: no node
\tat com.example.farm.FarmApplication.main(FarmApplication.java:7)
Caused by: java.net.ConnectException: refused
\t... 3 more
";

/// Records in pieces, dropped ones and ones that are read anew: all that a checkpoint may not lie about.
const VARIANTS: [&str; 4] = [
    "--multiline ^[0-9]",
    "--multiline ^[0-9] --parse plain -f message=~\"^[0-9]*7\"",
    "--multiline ^[0-9] --parse plain -f message=~\"^[0-9]*7\" --max-line 2000",
    "--multiline indent --format json --max-line 2000 --workers 4",
];

/// Inputs of numbered records, some of them longer than 2000 bytes.
fn numbered_records() -> Place {
    let place = Place::new();
    let mut dice = Dice::new(7);
    let mut number = 0;
    for name in ["app.log", "old.log", "new.log"] {
        let mut content = Vec::new();
        while content.len() < 1 << 20 {
            content
                .extend_from_slice(format!("{number} {}\n", "x".repeat(dice.below(200) as usize)).as_bytes());
            let most = if number % 50 == 0 { 200 } else { 5 };
            for line in 0..dice.below(most) {
                content.extend_from_slice(format!("\tat {number}.{line}\n").as_bytes());
            }
            number += 1;
        }
        // The last line without its end, as one that is still being written.
        content.extend_from_slice(b"\tand");
        if name == "old.log" {
            place.write_gz("old.log.gz", content);
        } else {
            place.write(name, content);
        }
    }
    place
}

/// What an output holds by now, if it is there.
fn written(place: &Place, output: &str) -> String {
    fs::read_to_string(place.path(output)).unwrap_or_default()
}

#[test]
fn a_filter_keeps_traces_with_their_records() {
    let place = Place::new();
    let spring = fs::read_to_string(logs("multiline/java_spring.log")).unwrap();
    place.write("java.log", format!("{spring}{JAVA}{spring}"));
    place.write("python.log", PYTHON);
    let ended =
        place.done("run -i java.log python.log -o out --multiline time -f level==error --report json");
    let python: String = PYTHON.split_inclusive('\n').skip(1).take(14).collect();
    assert_eq!(place.text("out"), format!("{JAVA}{python}"), "byte for byte");
    let records = 2 * spring.lines().count() as u64 + 1 + 3;
    assert_eq!(ended.totals(), [records, 2, records - 2, 0]);
    assert_eq!(ended.report()["counted"], "records");

    let json = place.done("run -i java.log -o - --multiline time -f level==error --format json").stdout;
    let record: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(record["time"], "2025-01-24T07:00:43,950");
    let message = record["message"].as_str().unwrap();
    assert_eq!(message.lines().count(), JAVA.lines().count());
    assert!(JAVA.ends_with(&format!("{message}\n")));
}

#[test]
fn a_report_says_what_it_counts() {
    let place = Place::new();
    place.write("in", PYTHON);
    let report = place.done("run -i in -o out --multiline time").stdout;
    assert!(report.contains("read 3 records = written 3 + filtered 0"), "{report}");
    assert!(report.lines().next().unwrap().contains(" records "), "{report}");
}

#[test]
fn raw_output_is_the_input_whatever_the_records_are() {
    let place = numbered_records();
    let input = [place.read("app.log"), b"\n".to_vec(), place.read("new.log")].concat();
    for more in ["--multiline indent", "--multiline ^[0-9] --max-line 80", "--multiline time --max-line 4000"]
    {
        place.done(&format!("run -i app.log new.log -o out --overwrite {more}"));
        assert!(place.read("out") == input, "{more}");
    }
}

#[test]
fn kills_lose_no_line_of_a_record_and_double_none() {
    let kills = kill_each(&numbered_records(), &VARIANTS, 8);
    assert!(kills >= 20, "only {kills} kills between the first checkpoint and the end");
}

#[cfg(feature = "fault-points")]
#[test]
fn a_crash_at_each_fault_point_loses_no_line_of_a_record_and_doubles_none() {
    crash_at_each_point(&numbered_records(), &VARIANTS, &[1, 7]);
}

#[test]
fn a_last_record_is_judged_as_a_whole_when_the_next_run_finds_more_of_it() {
    let place = Place::new();
    place.write("in", "keep 1\n a\ndrop 2\n b\n");
    let run = |more: &str| {
        place.done(&format!(
            "run -i in -o out --state state --multiline indent --parse plain -f message=~\"^keep\" {more}"
        ));
        place.text("out")
    };
    assert_eq!(run(""), "keep 1\n a\n");
    place.append("in", " c\nkeep 3\n");
    assert_eq!(run(""), "keep 1\n a\nkeep 3\n", "the rest of what was dropped is dropped");
    place.append("in", " d\n e");
    assert_eq!(run(""), "keep 1\n a\nkeep 3\n d\n e", "the rest of what was kept is kept");
    place.append("in", "e\n");
    assert_eq!(run(""), "keep 1\n a\nkeep 3\n d\n ee\n");
    // Others wrote behind it: it stays, and its rest follows.
    place.append("out", "precious\n");
    place.append("in", " f\ndrop 4\n g\n");
    assert_eq!(run("--append"), "keep 1\n a\nkeep 3\n d\n ee\nprecious\n f\n");
    place.append("in", " h\n");
    assert_eq!(run(""), "keep 1\n a\nkeep 3\n d\n ee\nprecious\n f\n");
}

#[test]
fn the_whole_last_record_decides_when_it_has_grown() {
    for (filter, before, after) in
        [("message=~\"more\"", "", "one\n a\n more\n"), ("message!~\"more\"", "one\n a\n", "")]
    {
        let place = Place::new();
        place.write("in", "one\n a\n");
        let run = || {
            place.done(&format!(
                "run -i in -o out --state state --multiline indent --parse plain -f {filter}"
            ));
            place.text("out")
        };
        assert_eq!(run(), before);
        place.append("in", " more\n");
        assert_eq!(run(), after);
    }
}

#[test]
fn a_long_last_record_that_is_dropped_is_dropped_as_a_whole() {
    let place = Place::new();
    place.write("in", format!("keep 1\ndrop\n{}", " x\n".repeat(20_000)));
    let run = || {
        place.done(
            "run -i in -o out --state state --max-line 10000 --multiline indent --parse plain \
             -f message=~\"^keep\"",
        );
        place.text("out")
    };
    assert_eq!(run(), "keep 1\n");
    place.append("in", " keep\nkeep 2\n");
    assert_eq!(run(), "keep 1\nkeep 2\n", "its first piece decides");
}

#[test]
fn following_waits_for_the_rest_of_a_record_and_not_for_ever() {
    let place = Place::new();
    place.write("in", "one\n a\n");
    // Whatever this machine is busy with, no line is late by that much.
    let running =
        place.start("run -i in -o out --follow --multiline indent --multiline-wait 60m --report json");
    place.append("in", " b\ntwo\n c\n");
    until("the first record is there", || written(&place, "out") == "one\n a\n b\n");
    running.signal(Signal::TERM);
    let ended = running.wait();
    assert_eq!((ended.code(), ended.totals()), (Some(0), [2, 2, 0, 0]), "{ended:#?}");
    assert_eq!(place.text("out"), "one\n a\n b\ntwo\n c\n", "nothing that was read is held back at the end");

    let running = place.start("run -i in -o waited --follow --multiline indent --multiline-wait 1ms");
    until("the last record is there", || written(&place, "waited") == place.text("in"));
    running.signal(Signal::TERM);
    assert_eq!(running.wait().code(), Some(0));
}

#[test]
fn late_lines_share_the_fate_of_their_record_through_a_restart() {
    let place = Place::new();
    place.write("in", "");
    let arguments = "run -i in -o out --state state --multiline indent --multiline-wait 1ms --parse plain \
                     -f message=~\"^keep\" --follow";
    let read = || {
        let state = fs::read_to_string(place.path("state/checkpoint.json")).unwrap_or_default();
        state.contains("\"inside_record\":true")
    };
    let running = place.start(arguments);
    place.append("in", "drop 1\n a\nkeep 2\n b\n");
    until("the last record is there", || written(&place, "out") == "keep 2\n b\n" && read());
    running.signal(Signal::KILL);
    running.wait();
    let running = place.start(arguments);
    place.append("in", " c\n");
    until("its rest is there", || place.text("out") == "keep 2\n b\n c\n");
    place.append("in", "drop 3\n d\n");
    place.append("in", " e\n");
    running.signal(Signal::KILL);
    running.wait();
    let running = place.start(arguments);
    place.append("in", " f\nkeep 4\n");
    until("the next record is there", || place.text("out").ends_with("keep 4\n"));
    running.signal(Signal::TERM);
    assert_eq!(running.wait().code(), Some(0));
    assert_eq!(place.text("out"), "keep 2\n b\n c\nkeep 4\n");
}

#[test]
fn a_state_of_other_records_is_refused() {
    let place = Place::new();
    place.write("in", "one\n");
    place.done("run -i in -o out --state state");
    let ended = place.run("run -i in -o out --state state --multiline time");
    assert_eq!(ended.code(), Some(2), "{ended:#?}");
    assert!(ended.stderr.contains("multiline was not given, now it is `time`"), "{ended:#?}");
}
