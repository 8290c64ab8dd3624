//! Records by format: real logs of each kind, parsed, filtered, rewritten.

use std::fs;

use rustix::process::Signal;

use crate::assert_reads;
use crate::place::{Place, Report as _, logs, until};

/// Time zones as rules, since not every machine knows them by name.
const BERLIN: &str = "CET-1CEST,M3.5.0,M10.5.0/3";
const NEW_YORK: &str = "EST5EDT,M3.2.0,M11.1.0";

/// A place with some of the real logs in it.
fn place_with(names: &[&str]) -> Place {
    let place = Place::new();
    for name in names {
        place.write(name, fs::read(logs(name)).unwrap());
    }
    place
}

#[test]
fn each_real_log_is_recognised_and_reported() {
    let place = place_with(&[
        "access/apache_common.log",
        "container/cri.log",
        "json/gitlab.log",
        "logfmt/authelia.log",
        "other/utf8_stress.txt",
        "syslog/rfc3164_centos.log",
    ]);
    let ended =
        place.done("run -i access/*.log container/* json/* logfmt/* syslog/* other/* -o out --format json");
    assert_reads!(ended.stdout);
}

#[test]
fn the_json_report_says_the_same() {
    let place = place_with(&["json/gitlab.log", "logfmt/authelia.log"]);
    let ended = place.done("run -i json/* logfmt/* -o out --report json");
    assert_reads!(ended.stdout);
    let [read, written, ..] = ended.totals();
    assert_eq!(read, written);
}

#[test]
fn an_empty_input_is_in_the_report() {
    let place = Place::new();
    for name in ["a.log", "c.log"] {
        place.write(name, "");
    }
    place.write("b.log", "one\n");
    place.write_gz("d.gz", "");
    let paths = |report: serde_json::Value| -> Vec<String> {
        let inputs = report["inputs"].as_array().unwrap();
        inputs.iter().map(|input| format!("{} {}", input["path"].as_str().unwrap(), input["lines"])).collect()
    };
    assert_reads!(place.done("run -i *.log d.gz - -o out").stdout);
    let report = place.done("run -i c.log -o out --overwrite --report json").report();
    assert_eq!(paths(report), ["c.log 0"]);
    // The runs that follow find them again, empty as they were or longer by now.
    for lines in [0, 1] {
        let state = "run -i a.log b.log c.log -o out2 --state state --report json";
        let report = place.done(state).report();
        let inputs = paths(report);
        let names: Vec<_> = inputs.iter().map(|input| input.rsplit('/').next().unwrap()).collect();
        assert_eq!(inputs.len(), 3, "{inputs:?}");
        assert!(names.contains(&"a.log 0"), "{names:?}");
        assert!(names.contains(&format!("c.log {lines}").as_str()), "{names:?}");
        place.append("c.log", "two\n");
    }
}

#[test]
fn a_filter_keeps_what_it_says() {
    let place = Place::new();
    place.write(
        "app.log",
        "{\"level\":\"info\",\"msg\":\"started\"}\n\
         {\"level\":\"error\",\"msg\":\"disk full\",\"disk\":\"sda\"}\n\
         {\"level\":\"warn\",\"msg\":\"slow\"}\n",
    );
    let mut command = place.command("run -i app.log -o out --report json -f");
    command.arg("level >= warn and not msg contains \"slow\"");
    let ended = place.start_command(command).wait();
    assert_eq!(ended.totals(), [3, 1, 2, 0]);
    assert_eq!(place.text("out"), "{\"level\":\"error\",\"msg\":\"disk full\",\"disk\":\"sda\"}\n");
}

#[test]
fn formats_can_be_changed() {
    let place = Place::new();
    place.write("app.log", "level=info msg=\"it started\" port=80\n");
    place.done("run -i app.log -o app.json --parse logfmt --format json");
    let record: serde_json::Value = serde_json::from_str(&place.text("app.json")).unwrap();
    assert_eq!((&record["level"], &record["msg"]), (&"info".into(), &"it started".into()));
    place.done("run -i app.json -o app.fmt --parse json --format logfmt");
    assert!(place.text("app.fmt").contains("msg=\"it started\""), "{}", place.text("app.fmt"));
}

#[test]
fn order_is_that_of_the_input_however_many_workers_there_are() {
    let place = Place::new();
    // Pieces of very different cost, so that workers overtake one another: JSON is parsed and written
    // anew, plain text hardly.
    let mut log = String::new();
    for block in 0..40 {
        for line in 0..3000 {
            let number = block * 3000 + line;
            if block % 2 == 0 {
                log += &format!(
                    "{{\"n\":{number},\"msg\":\"{}\",\"a\":[1,2,3],\"b\":{{\"c\":1}}}}\n",
                    "x".repeat(60)
                );
            } else {
                log += &format!("{{\"n\":{number}}}\n");
            }
        }
    }
    place.write("app.log", &log);
    let ended = place.done("run -i app.log -o out --parse json --format json --workers 8 --report json");
    assert_eq!(ended.totals()[1], 120_000);
    let numbers = place.text("out");
    let numbers = numbers.lines().map(|line| {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        record["n"].as_u64().unwrap()
    });
    assert!(numbers.eq(0..120_000), "lines changed places");
}

#[test]
fn lines_that_were_cut_are_in_the_report() {
    let place = Place::new();
    place.write("in", format!("short\n{}\n{}\nshort\n", "a".repeat(300), "b".repeat(100)));
    for format in ["raw", "raw --parse plain", "json"] {
        let arguments = format!("run -i in -o out --overwrite --max-line 80B --format {format}");
        let report = place.done(&arguments).stdout;
        let said = "2 lines were longer than --max-line: the first piece of each was parsed and decided for all of it";
        assert_eq!(report.lines().nth(2), Some(said), "{format}: {report}");
        let report = place.done(&format!("{arguments} --report json")).report();
        assert_eq!(
            (&report["inputs"][0]["lines"], &report["inputs"][0]["long_lines"]),
            (&4.into(), &2.into())
        );
    }
}

#[test]
fn only_the_fields_that_are_named_are_written() {
    let place = Place::new();
    let line = "{\"ts\":1.5,\"severity\":\"WARN\",\"msg\":\"slow\",\"request\":{\"method\":\"GET\",\"path\":\"/\"}}\n";
    place.write("app.log", format!("{line}2026-11-29T14:00:00Z INFO started\n"));
    let fields = "level,request.method,message";
    let wanted = "{\"level\":\"WARN\",\"request.method\":\"GET\",\"message\":\"slow\"}\n\
                  {\"level\":\"INFO\",\"message\":\"started\"}\n";
    place.done(&format!("run -i app.log -o flag.json --format json --fields {fields}"));
    assert_eq!(place.text("flag.json"), wanted);
    // What was written so is found again by the same names.
    place.done(&format!("run -i flag.json -o again.json --format json --fields {fields}"));
    assert_eq!(place.text("again.json"), wanted);
    place.done(&format!("run -i app.log -o app.fmt --format logfmt --fields {fields}"));
    assert_eq!(
        place.text("app.fmt"),
        "level=WARN request.method=GET message=slow\nlevel=INFO message=started\n"
    );
    for (name, key) in
        [("text", "'level,request.method,message'"), ("list", "['level', 'request.method', 'message']")]
    {
        let toml = format!("input = 'app.log'\noutput = '{name}.json'\nformat = 'json'\nfields = {key}\n");
        place.write("pipeline.toml", toml);
        place.done("run -c pipeline.toml");
        assert_eq!(place.text(&format!("{name}.json")), wanted, "{key}");
    }
    place.done("run -c pipeline.toml --fields message -o won.json");
    assert_eq!(place.text("won.json"), "{\"message\":\"slow\"}\n{\"message\":\"started\"}\n");
}

#[test]
fn only_records_of_the_time_that_is_asked_for_are_kept() {
    let names = [
        "access/shop_access.log",
        "container/cri.log",
        "json/mongodb.log",
        "json/zeek_conn.log",
        "logfmt/authelia.log",
        "multiline/java_spring.log",
        "other/utf8_stress.txt",
        "syslog/rfc5424_opnsense_sshd.log",
    ];
    let place = place_with(&names);
    let inputs = names.join(" ");
    // Halves of each log, by a time in the middle of one of them.
    for (at, zone) in [
        ("2019-01-22T00:26:30Z", "UTC"),
        ("2019-12-03T22:44:57Z", "UTC"),
        ("2022-07-28T18:00:00.903+02:00", "UTC"),
        ("22/Jan/2019:03:56:30 +0330", NEW_YORK),
    ] {
        let run = |key: &str, output: &str| {
            let mut command = place.command(&format!("run -i {inputs} -o {output} --report json --{key}"));
            command.arg(at).env("TZ", zone);
            place.start_command(command).wait()
        };
        let (since, until) = (run("since", "since"), run("until", "until"));
        let [read, later, ..] = since.totals();
        let [_, earlier, ..] = until.totals();
        let without: u64 = since.report()["inputs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|input| input["without_time"].as_u64().unwrap())
            .sum();
        assert_eq!((later + earlier + without, without), (read, 300), "{at}");
        assert!(later > 0 && earlier > 0, "{at}: {later} {earlier}");
        let both = format!("{}{}", place.text("since"), place.text("until"));
        assert_eq!(both.lines().count() as u64, later + earlier);
        for output in ["since", "until"] {
            fs::remove_file(place.path(output)).unwrap();
        }
    }
    let mut command = place.command("run -i other/utf8_stress.txt container/cri.log -o out --since");
    command.arg("2022-01-28").env("TZ", "UTC");
    assert_reads!(place.start_command(command).wait().stdout);
}

#[test]
fn a_time_without_a_zone_is_local_time_where_the_run_is() {
    let place = Place::new();
    place.write(
        "app.log",
        "2026-07-01 11:59:59 INFO a\n2026-07-01 12:00:00 INFO b\n{\"ts\":\"2026-07-01T10:30:00Z\"}\n",
    );
    let kept = |zone: &str, since: &str| {
        let mut command = place.command("run -i app.log -o out --overwrite --since");
        command.arg(since).env("TZ", zone);
        assert_eq!(place.start_command(command).wait().code(), Some(0));
        place.text("out").lines().map(|line| line.chars().nth_back(0).unwrap()).collect::<String>()
    };
    // What stands in a log can be typed as it stands there, in summer, too.
    for zone in ["UTC", BERLIN, NEW_YORK] {
        assert_eq!(kept(zone, "2026-07-01 12:00").replace('}', ""), "b", "{zone}");
    }
    assert_eq!(kept("UTC", "2026-07-01T12:00:00Z"), "b");
    assert_eq!(kept(BERLIN, "2026-07-01T10:00:00Z"), "b}");
    assert_eq!(kept(BERLIN, "2026-07-01 12:00"), "b}");
}

#[test]
fn a_time_goes_with_a_filter_a_state_and_following() {
    let place = Place::new();
    place.write(
        "in",
        "2026-11-29T10:00:00Z INFO a\n2026-11-29T12:00:00Z INFO b\n2026-11-29T12:00:00Z WARN c\n",
    );
    place.write(
        "pipeline.toml",
        "input = 'in'\noutput = 'out'\nstate = 'state'\nfilter = 'level >= warn'\nsince = '2026-11-29T11:00:00Z'\n",
    );
    place.done("run -c pipeline.toml");
    place.append("in", "2026-11-29T10:00:00Z WARN d\n2026-11-29T13:00:00Z WARN e\n");
    let running = place.start("run -c pipeline.toml --follow --report json");
    until("the last line is there", || place.text("out").ends_with("e\n"));
    running.signal(Signal::TERM);
    assert_eq!(running.wait().totals(), [2, 1, 1, 0]);
    assert_eq!(place.text("out"), "2026-11-29T12:00:00Z WARN c\n2026-11-29T13:00:00Z WARN e\n");
    let other = place.run("run -c pipeline.toml --since 2d");
    assert_eq!(other.code(), Some(2));
    assert!(other.stderr.contains("since was `2026-11-29T11:00:00Z`, now it is `2d`"), "{other:#?}");
}
