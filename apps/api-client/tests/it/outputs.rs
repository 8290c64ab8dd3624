//! Files and lines of results.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::place::{Place, Report as _};
use crate::server::Server;

#[test]
fn each_body_has_a_file_and_nothing_lies_beside_them() {
    let (server, place) = (Server::free(), Place::new());
    let base = server.url();
    let port = base.rsplit(':').next().unwrap();
    place.write(
        "urls",
        format!(
            "{base}/item/1\n{base}/status/404\n{base}/bytes\n{{\"url\": \"{base}/item/2\", \"id\": \"../two\"}}\n{{\"url\": \"{base}/slow\", \"id\": \"slow\"}}\n"
        ),
    );
    let ended = place.done("fetch --urls urls --out out --jsonl results --report json");
    let here = format!("http~127.0.0.1%3A{port}");
    let item = format!("{here}_item_1");
    assert_eq!(
        place.files("out"),
        [
            "%2E.%2Ftwo".to_owned(),
            format!("{here}_bytes"),
            item.clone(),
            format!("{here}_status_404~404"),
            "slow".to_owned()
        ]
    );
    assert_eq!(place.text(&format!("out/{item}")), "item 1\n");
    assert_eq!(fs::read(place.path(&format!("out/{here}_bytes"))).unwrap(), [0, 0xff, 0xfe]);
    assert_eq!(place.text("out/slow"), "0123456789");
    assert_eq!(ended.report()["by_status"], serde_json::json!({ "200": 4, "404": 1 }));
    let results = place.results("results");
    let of = |file: &str| {
        results.iter().find(|result| result["file"] == file).unwrap_or_else(|| panic!("no {file}"))
    };
    assert_eq!((&of(&item)["bytes"], &of(&item)["headers"]["etag"]), (&7.into(), &"\"1\"".into()));
    assert_eq!(of(&item)["body"], serde_json::Value::Null);
}

#[test]
fn a_line_has_all_of_a_result() {
    let (server, place) = (Server::free(), Place::new());
    let base = server.url();
    place.write(
        "urls",
        format!("{{\"url\": \"{base}/item/1\", \"id\": \"a\"}}\n{base}/bytes\n{base}/to/{base}/item/3\n{base}/status/500\n"),
    );
    let ended = place.done("fetch --urls urls --concurrency 1 --rate 1000/s");
    let mut lines: Vec<_> = ended.stdout.lines().map(|line| line.replace(&base, "BASE")).collect();
    lines.sort_by_key(|line| line.split("\"line\":").nth(1).map(ToOwned::to_owned));
    insta::with_settings!({ filters => vec![(r#"seconds":[0-9.]+"#, r#"seconds":N"#)] }, {
        insta::assert_snapshot!(lines.join("\n"));
    });
}

#[test]
fn the_same_request_twice_replaces_its_file_and_is_counted() {
    let (server, place) = (Server::free(), Place::new());
    place.write("urls", format!("{0}/item/1\n{0}/item/1\n", server.url()));
    let report = place.done("fetch --urls urls --out out --report json").report();
    assert_eq!((&report["answered"], &report["replaced"]), (&2.into(), &1.into()));
    assert_eq!(place.files("out").len(), 1);
}

#[test]
fn whose_answer_replaced_another_is_named() {
    let (server, place) = (Server::free(), Place::new());
    let line = |n| format!("{{\"url\": \"{}/item/{n}\", \"id\": \"same\"}}\n", server.url());
    place.write("urls", (1..=25).map(line).collect::<String>());
    let ended = place.done("fetch --urls urls --out out --jsonl results --concurrency 1 --rate 1000/s");
    let said: Vec<_> = ended.stdout.lines().filter(|line| line.starts_with("replaced")).collect();
    assert_eq!(said[0], "replaced 24 files of answers with the same id or the same request");
    assert_eq!(said[1], format!("replaced by line 2: same ({}/item/2)", server.url()));
    assert_eq!((said.len(), said[21]), (22, "replaced by 4 more"));
    assert_eq!(place.text("out/same"), "item 25\n");

    let report = place.done("fetch --urls urls --out out --concurrency 1 --report json").report();
    assert_eq!(
        (&report["replaced"], &report["replacing"][0]["line"]),
        (&25.into(), &1.into()),
        "an earlier run's"
    );
}

/// One of them ended the run.
#[test]
fn a_file_that_cannot_be_written_fails_its_own_request_and_is_named() {
    let (server, place) = (Server::free(), Place::new());
    let base = server.url();
    fs::create_dir_all(place.path("out/a")).unwrap();
    let in_the_way = format!("{{\"url\": \"{base}/item/1\", \"method\": \"POST\", \"id\": \"a\"}}\n");
    place.write(
        "urls",
        in_the_way + &format!("{base}/large/1\n{{\"url\": \"{base}/item/2\", \"id\": \"b\"}}\n"),
    );
    let program = place
        .command("fetch --urls urls --out out --jsonl results --journal journal --rate 5/s --report json");
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -f 4096; exec \"$0\" \"$@\""]).arg(program.get_program());
    shell.args(program.get_args()).current_dir(place.path(""));
    let ended: crate::place::Ended = shell.output().unwrap().into();
    assert_eq!(ended.code(), Some(1), "{ended:#?}");
    let report = ended.report();
    assert_eq!(
        [&report["ended"], &report["answered"], &report["by_reason"]["store"]],
        [&Value::from("done"), &1.into(), &2.into()],
        "{report}"
    );
    for part in ["cannot write out/a: Is a directory", "cannot store the answer: File too large"] {
        assert!(ended.stderr.contains(part), "{ended:#?}");
    }
    assert_eq!((place.files("out"), place.results("results").len()), (vec!["b".to_owned()], 3));

    fs::remove_dir(place.path("out/a")).unwrap();
    let report =
        place.done("fetch --urls urls --out out --jsonl results --journal journal --report json").report();
    assert_eq!((&report["answered"], &report["answered_before"]), (&2.into(), &1.into()), "{report}");
    assert_eq!(
        report["repeated"].as_array().unwrap().len(),
        1,
        "the POST may have been done twice: {report}"
    );
}

#[cfg(feature = "fault-points")]
#[test]
fn a_full_disk_ends_the_run_and_with_room_it_goes_on() {
    const ARGUMENTS: &str =
        "fetch --urls urls --out out --journal journal --rate 1000/s --concurrency 2 --report json";
    let server = Server::free();
    let place = Place::with_items(&server.url(), 50);
    let mut command = place.command(ARGUMENTS);
    let ended: crate::place::Ended = command.env("FAULT_POINT", "full-folder:11").output().unwrap().into();
    assert_eq!(ended.code(), Some(1), "{ended:#?}");
    let report = ended.report();
    assert_eq!((&report["ended"], &report["answered"]), (&"failed".into(), &10.into()), "{report}");
    assert!(
        ended.stderr.contains("No space left on device (os error 28); mend that, and give the same command")
    );
    let report = place.done(ARGUMENTS).report();
    assert_eq!((&report["answered"], &report["answered_before"]), (&40.into(), &10.into()), "{report}");
    assert_eq!(place.files("out").len(), 50);
}

/// Its answer took the place of the results or the journal, and what these had was lost.
#[test]
fn no_answer_takes_the_place_of_a_file_of_the_run() {
    let (server, place) = (Server::free(), Place::new());
    let own = ["urls", "run.journal", "results.jsonl", "results", "other"];
    let line = |id| format!("{{\"url\": \"{}/item/1\", \"id\": \"{id}\"}}\n", server.url());
    place.write("out/urls", own.map(line).concat());
    let arguments = "fetch --urls out/urls --out ./out --jsonl out/results.jsonl --journal out/../out/run.journal --report json";
    let ended = place.run(arguments);
    assert_eq!(ended.code(), Some(1), "{ended:#?}");
    assert_eq!((server.counts().answered, &ended.report()["failed"]), (2, &3.into()), "{ended:#?}");
    let why = "its file would be out/results.jsonl, which this run uses itself; give the request another id";
    assert!(ended.stderr.contains(why), "{ended:#?}");
    assert_eq!(place.files("out"), ["other", "results", "results.jsonl", "run.journal", "urls"]);
    assert_eq!((place.results("out/results.jsonl").len(), place.text("out/urls").lines().count()), (5, 5));
    let report = place.run(arguments).report();
    assert_eq!((&report["answered_before"], &report["failed"]), (&2.into(), &3.into()), "{report}");
}

/// Only an answer that is no success would have that name.
#[test]
fn a_name_with_a_status_is_one_of_its_answers_too() {
    let (server, place) = (Server::free(), Place::new());
    place.write("urls", format!("{{\"url\": \"{}/status/404\", \"id\": \"a\"}}\n", server.url()));
    std::fs::create_dir(place.path("out")).unwrap();
    let ended = place.run("fetch --urls urls --out out --jsonl out/a~404");
    assert_eq!((ended.code(), server.counts().answered), (Some(1), 0), "{ended:#?}");
    assert_eq!(place.results("out/a~404").len(), 1);
}

#[test]
fn results_of_another_run_are_not_touched() {
    let (server, place) = (Server::free(), Place::with_items("http://127.0.0.1:1", 1));
    place.write("results", "precious\n");
    let ended = place.run("fetch --urls urls --jsonl results");
    assert_eq!(ended.code(), Some(2), "{ended:#?}");
    assert!(ended.stderr.starts_with("error: results has content already"), "{ended:#?}");
    assert_eq!(place.text("results"), "precious\n");
    assert_eq!(server.counts().answered, 0);
}

#[test]
fn results_are_there_while_others_are_on_their_way() {
    let (server, place) = (Server::free(), Place::new());
    let items: String = (1..=100).map(|n| format!("{}/item/{n}\n", server.url())).collect();
    place.write("urls", format!("{}/held/1\n", server.url()) + &items);
    let running = place.start("fetch --urls urls --jsonl results --rate 1000/s --burst 100");
    let written = || fs::read_to_string(place.path("results")).unwrap_or_default().lines().count();
    crate::place::until("all but one are written", || written() == 100);
    server.release(1);
    assert_eq!(running.wait().code(), Some(0));
    assert_eq!(written(), 101);
}

#[test]
fn a_folder_belongs_to_one_run_at_a_time_and_leftovers_are_removed() {
    let (server, place) = (Server::free(), Place::new());
    place.write("urls", format!("{}/held/1\n", server.url()));
    place.write("out/.api-client-parts/left", "half");
    let running = place.start("fetch --urls urls --out out");
    crate::place::until("it is in flight", || server.counts().in_flight == 1);
    assert!(!place.path("out/.api-client-parts/left").exists());
    // Were it not refused, it would end, too.
    let ended = place.run("fetch --urls urls --out out --timeout 1s --retries 0");
    assert_eq!(ended.code(), Some(2), "{ended:#?}");
    assert!(ended.stderr.contains("the folder out is in use by another run"), "{ended:#?}");
    server.release(1);
    assert_eq!(running.wait().code(), Some(0));
    assert_eq!(place.files("out").len(), 1);
}

#[test]
fn parts_are_not_written_through_a_link() {
    let (server, place) = (Server::free(), Place::new());
    place.write("urls", format!("{}/item/1\n", server.url()));
    place.write("elsewhere/precious", "precious");
    fs::create_dir(place.path("out")).unwrap();
    std::os::unix::fs::symlink("../elsewhere", place.path("out/.api-client-parts")).unwrap();
    assert_eq!(place.run("fetch --urls urls --out out").code(), Some(2));
    assert_eq!(place.files("elsewhere"), ["precious"]);
}

#[test]
fn a_reader_that_has_had_enough_ends_the_run_without_complaint() {
    let (server, place) = (Server::free(), Place::with_items("http://127.0.0.1:1", 0));
    let urls: String = (0..2000).map(|n| format!("{}/item/{n}\n", server.url())).collect();
    place.write("urls", urls);
    let mut command = place.command("fetch --urls urls --report json");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let ended: crate::place::Ended = child.wait_with_output().unwrap().into();
    assert_eq!(ended.code(), Some(1), "{ended:#?}");
    assert!(!ended.stderr.contains("error:"), "{ended:#?}");
    let report = ended.report();
    assert!(report["not_started"].as_u64().unwrap() > 0, "{report}");
}

#[test]
fn an_answer_that_has_no_end_is_a_failure_and_leaves_nothing() {
    let (server, place) = (Server::free(), Place::new());
    place.write("urls", format!("{0}/endless\n{0}/item/1\n", server.url()));
    let ended = place.run("fetch --urls urls --out out --max-body 1MB --retries 0 --report json");
    assert_eq!(ended.code(), Some(1), "{ended:#?}");
    assert_eq!(ended.report()["by_reason"]["too_large"], 1);
    assert_eq!(place.files("out").len(), 1, "{:?}", place.files("out"));
}
