//! kill -9 and what the next run does.

use std::collections::HashSet;

use rustix::process::Signal;
use serde_json::Value;

use crate::place::{Place, Report as _, until, values};
use crate::server::{Allowed, Says, Server};

const ARGUMENTS: &str =
    "fetch --urls urls --jsonl results --journal journal --rate 2000/s --concurrency 8 --report json";

/// The lines of requests that have a result.
fn answered(place: &Place) -> Vec<u64> {
    let results = place.results("results");
    let mut lines: Vec<_> = results.iter().map(|result| result["line"].as_u64().unwrap()).collect();
    lines.sort_unstable();
    lines
}

fn repeated(report: &Value) -> HashSet<u64> {
    let repeated = report["repeated"].as_array().unwrap();
    repeated.iter().map(|repeated| repeated["line"].as_u64().unwrap()).collect()
}

/// Every request has a result; twice have only those whose repetition a report named.
#[track_caller]
fn assert_whole(place: &Place, count: u64, named: &HashSet<u64>) {
    let lines = answered(place);
    assert_eq!(lines.iter().collect::<HashSet<_>>().len() as u64, count);
    for twice in lines.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]) {
        assert!(named.contains(&twice), "line {twice} has two results and was not named");
    }
}

#[test]
fn after_kill_9_the_next_run_goes_on_and_names_what_was_in_flight() {
    const COUNT: u64 = 400;
    let server = Server::free();
    let place = Place::with_items(&server.url(), COUNT as usize);
    let mut kills = 0;
    for so_far in [20, 120, 250, 330] {
        let mut running = place.start(ARGUMENTS);
        let is_there = || place.path("results").exists();
        until("something more was answered", || {
            (is_there() && place.text("results").lines().count() > so_far) || running.has_ended()
        });
        if !running.has_ended() {
            running.signal(Signal::KILL);
            kills += 1;
        }
        until("it is gone", || running.has_ended());
    }
    let report = place.done(ARGUMENTS).report();
    let named = repeated(&report);
    assert!(kills >= 2, "{kills} kills");
    assert_eq!(report["requests"], COUNT, "{report}");
    // Also what was repeated by runs that were killed themselves.
    assert_whole(&place, COUNT, &named);
    for (path, times) in server.counts().paths {
        let line = path.rsplit('/').next().unwrap().parse().unwrap();
        assert!(times == 1 || named.contains(&line), "{path} was sent {times} times, and is not named");
    }
    assert!(named.len() <= 8 * kills, "{named:?} are named after {kills} kills with 8 in flight");

    let report = place.done(ARGUMENTS).report();
    assert_eq!((&report["answered"], &report["answered_before"]), (&0.into(), &COUNT.into()), "{report}");
}

#[cfg(feature = "fault-points")]
#[test]
fn a_crash_at_each_point_loses_nothing_and_repeats_only_what_is_named() {
    // Of what is written together no more than 8 are starts, and no more than 8 are results. So each point is passed 20 times at the least.
    const COUNT: usize = 20 * 8;
    for point in ["after-start", "after-result", "after-record"] {
        for passing in [1, 7, 20] {
            let server = Server::free();
            let place = Place::with_items(&server.url(), COUNT);
            let mut command = place.command(ARGUMENTS);
            command.env("FAULT_POINT", format!("{point}:{passing}"));
            assert_eq!(command.output().unwrap().status.code(), None, "{point}:{passing}");
            let before: HashSet<_> = if place.path("results").exists() {
                // The last line may be cut off.
                let text = place.text("results");
                text.lines()
                    .filter_map(|line| serde_json::from_str::<Value>(line).ok()?["line"].as_u64())
                    .collect()
            } else {
                HashSet::new()
            };
            let report = place.done(ARGUMENTS).report();
            let named = repeated(&report);
            assert!(named.len() <= 8, "{point}:{passing}: {report}");
            assert_whole(&place, COUNT as u64, &named);
            let skipped = report["answered_before"].as_u64().unwrap();
            assert!(skipped <= before.len() as u64, "a record without a result: {point}:{passing}: {report}");
            for (path, times) in &server.counts().paths {
                let line = path.rsplit('/').next().unwrap().parse().unwrap();
                assert!(
                    *times == 1 || named.contains(&line),
                    "{point}:{passing}: {path} was sent {times} times"
                );
            }
        }
    }
}

/// What has begun and not ended where a journal is cut off would be sent again. Answers are recorded some at a time, and it once had
/// twice as many of them as may be in flight.
#[test]
fn wherever_a_journal_ends_no_more_are_unfinished_than_may_be_in_flight() {
    for results in ["--jsonl results", "--out out"] {
        let server = Server::free();
        let place = Place::with_items(&server.url(), 500);
        place.done(&format!("fetch --urls urls {results} --journal journal --rate 100000/s --concurrency 3"));
        let (mut unfinished, mut ended) = (HashSet::new(), 0);
        for record in values(&place.text("journal")) {
            if let Some(key) = record["start"]["key"].as_str() {
                unfinished.insert(key.to_owned());
            } else if let Some(key) = record["answered"]["key"].as_str() {
                ended += usize::from(unfinished.remove(key));
            }
            assert!(unfinished.len() <= 3, "{results}: after {ended}: {unfinished:?}");
        }
        assert_eq!((unfinished.len(), ended), (0, 500));
    }
}

/// One is in flight at a time, and asks the same host again.
#[test]
fn what_is_redirected_needs_no_second_place() {
    let server = Server::free();
    let place = Place::new();
    place.write("urls", (1..=5).map(|n| format!("{0}/to//item/{n}\n", server.url())).collect::<String>());
    let arguments = "fetch --urls urls --jsonl results --journal journal --concurrency 1 --report json";
    assert_eq!(place.done(arguments).report()["answered"], 5);
}

/// Four are in flight, and others wait for their turn.
#[test]
fn what_waits_is_not_taken_for_what_was_sent() {
    let server = Server::free();
    let place = Place::new();
    place.write("urls", (1..=40).map(|n| format!("{}/held/{n}\n", server.url())).collect::<String>());
    let arguments =
        "fetch --urls urls --jsonl results --journal journal --concurrency 4 --rate 1000/s --report json";
    let mut running = place.start(arguments);
    until("four are in flight", || server.counts().in_flight == 4);
    running.signal(Signal::KILL);
    until("it is gone", || running.has_ended());
    let sent: HashSet<u64> =
        server.counts().paths.keys().map(|path| path.rsplit('/').next().unwrap().parse().unwrap()).collect();
    server.release(1000);
    assert_eq!(repeated(&place.done(arguments).report()), sent);
    // It was told, and is not told again.
    place.write("urls", format!("{}/held/41\n", server.url()));
    assert_eq!(repeated(&place.done(arguments).report()), HashSet::new());
}

#[test]
fn a_run_that_could_not_begin_is_none_to_be_resumed() {
    let server = Server::free();
    let place = Place::with_items(&server.url(), 3);
    place.write("results", "precious");
    for _ in 0..2 {
        let ended = place.run("fetch --urls urls --jsonl results --journal journal");
        assert_eq!(ended.code(), Some(2), "{ended:#?}");
        assert_eq!(place.text("results"), "precious");
    }
    assert_eq!(server.counts().answered, 0);
}

#[test]
fn what_failed_and_may_have_been_done_is_named_when_it_is_sent_again() {
    let server = Server::free();
    let place = Place::new();
    let line =
        |method| format!("{{\"url\": \"{}/broken/{method}\", \"method\": \"{method}\"}}\n", server.url());
    place.write("urls", line("POST") + &line("PUT"));
    let arguments = "fetch --urls urls --jsonl results --journal journal --retries 0 --report json";
    let ended = place.run(arguments);
    assert_eq!(ended.report()["by_reason"]["broken"], 2, "{ended:#?}");
    let report = place.done(arguments).report();
    assert_eq!(repeated(&report), HashSet::from([1]), "to put a thing twice does no harm: {report}");
    place.write("urls", "");
    assert_eq!(repeated(&place.done(arguments).report()), HashSet::new());
}

#[test]
fn results_of_a_resumed_run_go_where_they_are() {
    let server = Server::free();
    let place = Place::with_items(&server.url(), 3);
    place.done("fetch --urls urls --jsonl results --journal journal");
    place.write("notes", "{\"id\":");
    for elsewhere in ["--jsonl notes", "--out out", "--jsonl results --out out", ""] {
        let ended = place.run(&format!("fetch --urls urls --journal journal {elsewhere}"));
        assert_eq!(ended.code(), Some(2), "{elsewhere}: {ended:#?}");
        assert!(ended.stderr.contains("give the same names"), "{elsewhere}: {ended:#?}");
    }
    assert_eq!(place.text("notes"), "{\"id\":");
    place.done("fetch --urls urls --jsonl ./results --journal journal");
}

#[test]
fn results_do_not_go_into_the_list() {
    let place = Place::with_items("http://127.0.0.1:1", 3);
    let list = place.text("urls");
    std::fs::hard_link(place.path("urls"), place.path("linked")).unwrap();
    for same in ["./urls", "linked"] {
        let ended = place.run(&format!("fetch --urls urls --jsonl {same} --journal journal"));
        assert_eq!(ended.code(), Some(2), "{ended:#?}");
        let error = format!("error: urls and {same} are the same file: give each a file of its own\n");
        assert_eq!(ended.stderr, error);
    }
    assert_eq!(place.text("urls"), list);
}

/// The lines of both were in it, and nobody could resume it.
#[test]
fn the_journal_is_neither_the_list_nor_the_results() {
    let place = Place::new();
    for (name, arguments) in [
        ("results", "fetch --urls list --jsonl ./results --journal results"),
        ("urls", "fetch --urls urls --journal ./urls"),
    ] {
        place.write("list", "http://127.0.0.1:1/\n");
        place.write(name, "");
        let ended = place.run(arguments);
        assert_eq!(ended.code(), Some(2), "{ended:#?}");
        assert!(ended.stderr.contains("are the same file: give each a file of its own"), "{ended:#?}");
        assert_eq!(place.text(name), "");
    }
}

#[test]
fn a_rate_that_was_told_is_not_taken_for_one_that_was_found() {
    let server = Server::free();
    let place = Place::with_items(&server.url(), 3);
    place.done("fetch --urls urls --jsonl results --journal journal --rate 100/s");
    assert!(!place.text("journal").contains("per_second"), "{}", place.text("journal"));
}

#[test]
fn a_journal_does_not_grow_with_the_runs() {
    let server = Server::free();
    let place = Place::new();
    let urls: String = (1..=100).map(|n| format!("{}/item/{n}\n", server.url())).collect();
    // Nobody listens there.
    place.write("urls", urls + &"http://127.0.0.1:1/\n".repeat(100));
    let mut lengths = Vec::new();
    for run in 0..4 {
        let ended =
            place.run("fetch --urls urls --jsonl results --journal journal --retries 0 --report json");
        assert_eq!(ended.report()["answered"], if run == 0 { 100 } else { 0 }, "{ended:#?}");
        lengths.push(place.text("journal").len());
    }
    assert!(lengths[3] <= lengths[0], "{lengths:?}");
}

#[cfg(feature = "fault-points")]
#[test]
fn a_crash_while_the_journal_is_shortened_leaves_a_whole_one() {
    let server = Server::free();
    let place = Place::with_items(&server.url(), 60);
    place.done(ARGUMENTS);
    let before = place.text("journal");
    let mut command = place.command(ARGUMENTS);
    command.env("FAULT_POINT", "before-shorter:1");
    assert_eq!(command.output().unwrap().status.code(), None);
    assert_eq!(place.text("journal"), before);
    let report = place.done(ARGUMENTS).report();
    assert_eq!(report["answered_before"], 60, "{report}");
    assert!(2 * place.text("journal").len() < before.len());
    assert!(!place.path("journal.new").exists());
}

#[cfg(feature = "fault-points")]
#[test]
fn a_crash_before_the_renaming_leaves_no_file_and_no_leftover_stays() {
    let server = Server::free();
    let place = Place::with_items(&server.url(), 5);
    let arguments =
        "fetch --urls urls --out out --journal journal --concurrency 1 --rate 1000/s --report json";
    let mut command = place.command(arguments);
    command.env("FAULT_POINT", "before-rename:3");
    assert_eq!(command.output().unwrap().status.code(), None);
    assert!(!place.files("out/.api-client-parts").is_empty(), "what was not renamed is there");
    let report = place.done(arguments).report();
    assert!(report["answered"].as_u64().unwrap() >= 3, "{report}");
    assert_eq!(place.files("out").len(), 5);
}

#[cfg(feature = "fault-points")]
#[test]
fn a_full_disk_stops_the_run_and_with_room_it_goes_on() {
    for point in ["full-results", "full-journal"] {
        let server = Server::free();
        let place = Place::with_items(&server.url(), 60);
        let mut command = place.command(ARGUMENTS);
        command.env("FAULT_POINT", format!("{point}:3"));
        let ended: crate::place::Ended = command.output().unwrap().into();
        assert_eq!(ended.code(), Some(1), "{point}: {ended:#?}");
        let report = ended.report();
        assert_eq!((&report["ended"], &report["requests"]), (&"failed".into(), &60.into()), "{report}");
        assert!(report["error"].as_str().unwrap().contains("No space left on device"), "{report}");
        let written = place.results("results").len() as u64;
        assert!(report["answered"].as_u64().unwrap() <= written, "{written} are written: {report}");
        let report = place.done(ARGUMENTS).report();
        assert_whole(&place, 60, &repeated(&report));
    }
}

#[test]
fn failures_are_tried_again_and_answers_are_not() {
    let server = Server::free();
    let place = Place::new();
    place.write("urls", format!("{0}/item/1\nhttp://127.0.0.1:1/item/2\n{0}/status/404\n", server.url()));
    let arguments = "fetch --urls urls --jsonl results --journal journal --retries 0 --report json";
    for (answered, before) in [(2, 0), (0, 2)] {
        let ended = place.run(arguments);
        assert_eq!(ended.code(), Some(1), "{ended:#?}");
        let report = ended.report();
        assert_eq!(
            [&report["answered"], &report["answered_before"], &report["failed"]],
            [answered, before, 1]
        );
        assert_eq!(report["by_reason"]["connect"], 1, "{report}");
    }
}

#[test]
fn what_was_learnt_of_a_host_is_where_the_next_run_begins() {
    let server = Server::start(Allowed::Changing { first: 20.0, then: 20.0, after: 0 }, Says::Nothing);
    let place = Place::with_items(&server.url(), 60);
    let arguments = "fetch --urls urls --jsonl results --journal journal --report json";
    place.done(arguments);
    let journal = place.text("journal");
    let mut rates = journal
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).unwrap()["rate"]["per_second"].as_f64());
    let rate = rates.next_back().expect("a limit was found");
    let more: String = (61..=120).map(|n| format!("{}/item/{n}\n", server.url())).collect();
    place.write("urls", more);
    // Whoever knows nothing is as fast as that server now is, and a busy machine is only slower.
    server.allow(Allowed::Free);
    let seconds = place.done(arguments).report()["seconds"].as_f64().unwrap();
    assert!(seconds > 0.5 * 60.0 / rate, "{seconds} s for 60 requests at {rate} a second");
}

#[test]
fn a_journal_belongs_to_one_run_at_a_time() {
    let server = Server::free();
    let place = Place::new();
    place.write("urls", format!("{}/held/1\n", server.url()));
    let running = place.start("fetch --urls urls --jsonl results --journal journal");
    until("it is in flight", || server.counts().in_flight == 1);
    let ended = place.run("fetch --urls urls --jsonl other --journal journal --timeout 1s --retries 0");
    assert_eq!(ended.code(), Some(2), "{ended:#?}");
    assert!(ended.stderr.contains("the journal journal is in use by another run"), "{ended:#?}");
    server.release(1);
    assert_eq!(running.wait().code(), Some(0));
}
