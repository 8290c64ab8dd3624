//! Records by format: real logs of each kind, parsed, filtered, rewritten.

use std::fs;

use crate::assert_reads;
use crate::place::{Place, Report as _, logs};

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
