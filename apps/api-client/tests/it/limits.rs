//! Limits: told, found, changed; and answers that break off. Refusals are counted by the servers.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::nginx::Nginx;
use crate::place::{Place, Report as _, until};
use crate::server::{Allowed, Says, Server};

#[test]
fn a_limit_that_is_told_is_kept_without_a_refusal() {
    // Slow enough that what is kept in reserve, one request, outlasts a machine that stands still for a tenth of a second.
    let nginx = Nginx::limited(10, 10);
    let place = Place::with_items(&nginx.url(), 30);
    let report =
        place.done("fetch --urls urls --jsonl results --rate 10/s --burst 10 --report json").report();
    assert_eq!((nginx.counts(), &report["refused"]), ((30, 0), &0.into()));
    let seconds = report["seconds"].as_f64().unwrap();
    // The burst is used, too.
    assert!((1.8..4.0).contains(&seconds), "{report}");
    assert_eq!(place.results("results").len(), 30);
}

#[test]
fn a_limit_that_is_not_told_is_found_and_nothing_is_lost() {
    // Slow enough that a busy machine is faster: from one that is not, nobody learns how much is allowed.
    let nginx = Nginx::limited(10, 10);
    let place = Place::with_items(&nginx.url(), 80);
    let report = place.done("fetch --urls urls --jsonl results --rate auto --report json").report();
    let (answered, refused) = nginx.counts();
    assert_eq!((answered, report["answered"].as_u64()), (80, Some(80)), "{report}");
    assert_eq!(report["refused"], refused, "what is reported is what the server saw: {report}");
    assert!((1..=10).contains(&refused), "{refused} refusals: {report}");
    let limit = report["hosts"][0]["limit"].as_f64().unwrap();
    assert!((7.0..13.0).contains(&limit), "{report}");
    let mut bodies = place.results("results");
    bodies.retain(|result| result["status"] == 200 && result["body"] == "a page\n");
    assert_eq!(bodies.len(), 80);
}

/// All of so many requests are answered, whatever the limit and what the server says of it.
#[track_caller]
fn all_are_answered(server: &Server, count: usize, more: &str) -> serde_json::Value {
    let place = Place::with_items(&server.url(), count);
    let report = place.done(&format!("fetch --urls urls --jsonl results --report json {more}")).report();
    let counts = server.counts();
    assert_eq!(
        (counts.answered, report["answered"].as_u64()),
        (count as u64, Some(count as u64)),
        "{report}"
    );
    assert_eq!(counts.paths.len(), count);
    assert!(counts.paths.values().all(|&times| times == 1), "nothing that was answered is asked again");
    assert_eq!(report["refused"], counts.refused, "{report}");
    report
}

#[test]
fn a_wait_is_taken_from_seconds_and_from_dates() {
    for says in [Says::Seconds, Says::Date] {
        let server = Server::start(Allowed::Fixed { count: 20, per: Duration::from_secs(1) }, says);
        let report = all_are_answered(&server, 50, "");
        assert!(report["refused"].as_u64().unwrap() <= 10, "{report}");
    }
}

#[test]
fn a_date_is_by_the_clock_of_the_server() {
    // By the clock here each refusal says to wait for an hour.
    let says = Says::DateByAnotherClock(3600);
    let server = Server::start(Allowed::Fixed { count: 20, per: Duration::from_secs(1) }, says);
    all_are_answered(&server, 50, "--max-wait 60s");
}

#[test]
fn a_quota_that_is_told_needs_no_refusal_to_be_found() {
    for says in [Says::RateLimit, Says::RateLimitLines, Says::RateLimitUnnamed, Says::XRateLimit] {
        let server = Server::start(Allowed::Sliding { count: 40, per: Duration::from_secs(1) }, says);
        let report = all_are_answered(&server, 100, "");
        assert!(report["refused"].as_u64().unwrap() <= 4, "{report}");
    }
}

#[test]
fn a_window_that_says_nothing_is_lived_with() {
    let server = Server::start(Allowed::Sliding { count: 40, per: Duration::from_secs(1) }, Says::Nothing);
    let report = all_are_answered(&server, 120, "");
    // Ideal is 2 s: 40 at once, and 40 in each second from then on.
    assert!(report["seconds"].as_f64().unwrap() < 20.0, "{report}");
}

#[test]
fn a_limit_that_is_cut_midway_is_found_again() {
    let server = Server::start(Allowed::Changing { first: 120.0, then: 40.0, after: 150 }, Says::Nothing);
    let report = all_are_answered(&server, 250, "");
    assert!(report["refused"].as_u64().unwrap() <= 30, "{report}");
}

#[test]
fn another_status_may_be_a_refusal() {
    let server = Server::free();
    let place = Place::new();
    place.write("urls", format!("{}/status/509\n", server.url()));
    let ended = place.run("fetch --urls urls --jsonl results --retries 1 --refused-when 509 --report json");
    assert_eq!(ended.code(), Some(1), "{ended:#?}");
    assert_eq!(ended.report()["by_reason"]["refused"], 1);
    assert_eq!(server.counts().paths["/status/509"], 2);
}

#[test]
fn a_wait_that_is_too_long_fails_and_names_the_time() {
    let server = Server::start(Allowed::Fixed { count: 1, per: Duration::from_secs(3600) }, Says::Seconds);
    let place = Place::with_items(&server.url(), 3);
    let ended = place.run("fetch --urls urls --jsonl results --max-wait 2s --report json");
    assert_eq!(ended.code(), Some(1), "{ended:#?}");
    let report = ended.report();
    assert_eq!(
        (&report["answered"], &report["by_reason"]["wait_too_long"]),
        (&1.into(), &2.into()),
        "{report}"
    );
    assert!(
        ended.stderr.contains("for another 59 min") || ended.stderr.contains("for another 60 min"),
        "{ended:#?}"
    );
}

#[test]
fn bodies_that_break_off_and_connections_that_are_reset_are_asked_again() {
    let server = Server::free();
    let place = Place::new();
    let urls: String = (1..=5).map(|n| format!("{}/broken/{n}\n", server.url())).collect();
    let resets: String = (1..=300).map(|n| format!("{}/reset/{n}\n", server.url())).collect();
    place.write("urls", urls + &resets);
    let report = place.done("fetch --urls urls --jsonl results --rate 2000/s --report json").report();
    assert_eq!(report["answered"], 305, "{report}");
    assert!(
        place.results("results").iter().all(|result| result["body"].as_str().unwrap().starts_with("item "))
    );
    assert_eq!(server.counts().paths.values().sum::<u64>(), 305 + 5 + 3);
}

#[test]
fn what_the_budget_for_retries_did_not_pay_for_is_told() {
    let server = Server::free();
    let place = Place::new();
    place.write("urls", format!("{}/status/500\n", server.url()).repeat(300));
    let report =
        place.done("fetch --urls urls --jsonl results --retries 1 --rate 5000/s --report json").report();
    let again = server.counts().paths["/status/500"] - 300;
    assert_eq!(report["by_status"]["500"], 300, "{report}");
    assert_eq!(report["not_retried"], 300 - again, "{again} were sent again: {report}");
    assert!(again < 300, "the budget paid for all");
    let text = place.done("fetch --urls urls --jsonl more --retries 1 --rate 5000/s --report text").stdout;
    assert!(text.contains("requests were not sent again, since too many others were"), "{text}");
}

#[test]
fn as_many_files_are_open_as_the_system_allows() {
    let server = Server::free();
    let place = Place::new();
    place.write("urls", (1..=100).map(|n| format!("{}/held/{n}\n", server.url())).collect::<String>());
    let arguments =
        "fetch --urls urls --jsonl results --rate 10000/s --burst 100 --concurrency 100 --retries 0";
    let bounded = |flag: &str| {
        let program = place.command(arguments);
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", &format!("ulimit {flag} 60; exec \"$0\" \"$@\"")]).arg(program.get_program());
        shell.args(program.get_args()).current_dir(program.get_current_dir().unwrap());
        shell
    };
    let running = place.start_command(bounded("-S -n"));
    until("all are in flight", || server.counts().in_flight == 100);
    server.release(1000);
    let ended = running.wait();
    assert_eq!(ended.code(), Some(0), "{ended:#?}");
    std::fs::remove_file(place.path("results")).unwrap();
    let ended: crate::place::Ended = bounded("-n").output().unwrap().into();
    assert_eq!(ended.code(), Some(1), "{ended:#?}");
    assert!(
        ended.stderr.contains("allow more by ulimit -n, or send fewer at once with --concurrency"),
        "{ended:#?}"
    );
}

#[test]
fn a_reset_is_no_end() {
    let server = Server::free();
    let mut connection = TcpStream::connect(server.url().trim_start_matches("http://")).unwrap();
    connection.write_all(b"GET /reset/50 HTTP/1.1\r\nhost: h\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    assert_eq!(connection.read_to_end(&mut answer).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert!(answer.is_empty(), "{}", String::from_utf8_lossy(&answer));
}

#[test]
fn what_may_not_be_sent_twice_is_not() {
    let server = Server::free();
    let place = Place::new();
    let line = |n: u8, headers: &str| {
        format!(
            "{{\"url\": \"{}/broken/{n}\", \"method\": \"POST\", \"body\": \"x\"{headers}}}\n",
            server.url()
        )
    };
    place.write("urls", line(1, "") + &line(2, ", \"headers\": {\"Idempotency-Key\": \"k\"}"));
    let ended = place.run("fetch --urls urls --jsonl results --report json");
    assert_eq!(ended.code(), Some(1), "{ended:#?}");
    assert_eq!((&ended.report()["answered"], &ended.report()["by_reason"]["broken"]), (&1.into(), &1.into()));
    let paths = server.counts().paths;
    assert_eq!((paths["/broken/1"], paths["/broken/2"]), (1, 2));
}
