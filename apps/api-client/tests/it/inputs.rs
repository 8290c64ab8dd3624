//! Lines of the input: good ones, bad ones, and endless ones.

use std::io::Write as _;
use std::process::Stdio;

use crate::place::{Place, Report as _, values};
use crate::server::Server;

#[test]
fn a_bad_line_is_named_and_the_others_are_requested() {
    let (server, place) = (Server::free(), Place::new());
    let base = server.url();
    place.write(
        "urls",
        format!(
            "# a comment\n{base}/item/1\n\nnonsense\n  {base}/item/2\n{{\"url\": 3}}\nfile:///etc/passwd\n{{\"\\u001b[31m\": 1}}\n{{\"url\": \"{base}/item/3\", \"id\": \"three\"}}"
        ),
    );
    let ended = place.run("fetch --urls urls --jsonl results --report json");
    assert_eq!(ended.code(), Some(1), "{ended:#?}");
    let report = ended.report();
    assert_eq!([&report["requests"], &report["answered"], &report["bad_lines"]], [3, 3, 4]);
    insta::assert_snapshot!(ended.stderr);
    let mut lines: Vec<_> =
        place.results("results").iter().map(|result| result["line"].as_u64().unwrap()).collect();
    lines.sort_unstable();
    assert_eq!(lines, [2, 5, 9]);
}

#[test]
fn an_object_says_all_of_a_request() {
    let (server, place) = (Server::free(), Place::new());
    let base = server.url();
    place.write(
        "urls",
        format!(
            "{{\"url\": \"{base}/item/1\", \"method\": \"PUT\", \"headers\": {{\"authorization\": \"mine\"}}, \"body\": {{\"a\": 1}}, \"id\": 7}}"
        ),
    );
    place.done("fetch --urls urls --jsonl results");
    let result = &place.results("results")[0];
    assert_eq!((&result["id"], &result["body"]), (&"7".into(), &"item 1: {\"a\": 1}\n".into()));
    assert_eq!(server.counts().authorizations["/item/1"].as_deref(), Some("mine"));
}

#[test]
fn numbers_name_and_are_sent_as_they_stand() {
    let (server, place) = (Server::free(), Place::new());
    let body = r#"{"z": 12345678901234567890123, "a":0.10000000000000000555, "e": 1e400}"#;
    // No two of them are the same, and no machine's number tells all of them apart.
    let ids = ["1.5", "1.50", "18446744073709551617", "18446744073709551618"];
    let url = format!("{}/item/1", server.url());
    place
        .write("urls", ids.map(|id| format!("{{\"url\":\"{url}\",\"id\":{id},\"body\":{body}}}\n")).concat());
    for (out, more) in [("plain", ""), ("classed", "--class-field urgency")] {
        let arguments = format!("fetch --urls urls --out {out} --journal {out}.journal --report json {more}");
        let report = place.done(&arguments).report();
        assert_eq!((&report["answered"], &report["replaced"]), (&4.into(), &0.into()), "{report}");
        assert_eq!(place.files(out), ids);
        assert!(ids.iter().all(|id| place.text(&format!("{out}/{id}")) == format!("item 1: {body}\n")));
        assert_eq!(place.done(&arguments).report()["answered_before"], 4);
    }
}

#[test]
fn a_deadline_fails_its_request_alone() {
    let (server, place) = (Server::free(), Place::new());
    let base = server.url();
    place.write("urls", format!("{{\"url\": \"{base}/held/1\", \"deadline\": \"200ms\"}}\n{base}/item/2\n"));
    let ended = place.run("fetch --urls urls --out out --report json");
    assert_eq!(ended.code(), Some(1), "{ended:#?}");
    let report = ended.report();
    assert_eq!(report["by_reason"]["deadline"], 1, "{report}");
    assert_eq!(report["answered"], 1, "{report}");
    assert!(ended.stderr.contains(&format!("error: {base}/held/1: the deadline is over")), "{ended:#?}");
}

#[test]
fn the_urgent_overtake_what_waits_before_them_in_the_input() {
    let (server, place) = (Server::free(), Place::new());
    let base = server.url();
    let low: String =
        (0..60).map(|n| format!("{{\"url\": \"{base}/item/{n}\", \"urgency\": \"low\"}}\n")).collect();
    let high = format!("{{\"url\": \"{base}/item/now\", \"urgency\": \"high\"}}\n");
    let unknown = format!("{{\"url\": \"{base}/item/x\", \"urgency\": \"never\"}}\n");
    place.write("urls", low + &high + &unknown);
    let ended = place.run(
        "fetch --urls urls --jsonl results --class-field urgency --rate 20/s --concurrency 1 --report json",
    );
    assert_eq!(ended.code(), Some(1), "{ended:#?}");
    assert_eq!(ended.report()["by_reason"]["class"], 1, "{ended:#?}");
    let unknown = "error: URL/item/x: unknown class \"never\", known are: high, medium, low";
    assert!(ended.stderr.contains(&unknown.replace("URL", &base)), "{ended:#?}");
    let results = place.results("results");
    let urls: Vec<_> = results.iter().filter_map(|result| result["url"].as_str()).collect();
    let high = urls.iter().position(|url| url.ends_with("/now")).expect("it was answered");
    // It takes less than a second and a half to read so many lines.
    assert!(high < 30, "it was the {high}th: {urls:?}");
}

#[test]
fn requests_come_from_a_pipe_and_results_leave_by_one() {
    let (server, place) = (Server::free(), Place::new());
    let mut command = place.command("fetch --urls -");
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The results come while the pipe is open.
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "{}/item/1", server.url()).unwrap();
    let mut results = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    std::io::BufRead::read_line(&mut results, &mut first).unwrap();
    assert_eq!(values(&first)[0]["body"], "item 1\n");
    writeln!(stdin, "{}/item/2", server.url()).unwrap();
    drop(stdin);
    let mut second = String::new();
    std::io::BufRead::read_line(&mut results, &mut second).unwrap();
    assert_eq!(values(&second)[0]["body"], "item 2\n");
    let stderr = String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap();
    assert!(stderr.starts_with("requests 2: 2 answered"), "the report gives way to the results: {stderr}");
}

#[test]
fn an_empty_input_is_done_at_once() {
    let place = Place::new();
    place.write("urls", "# nothing\n\n");
    assert_eq!(place.done("fetch --urls urls --out out --report json").report()["requests"], 0);
    assert_eq!(place.files("out"), [""; 0]);
}
