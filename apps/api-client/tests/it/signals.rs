//! Signals: drain, count, report; the second one aborts.

use std::io::Write as _;
use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::place::{Place, Report as _, until};
use crate::server::Server;

#[test]
fn a_signal_finishes_what_is_in_flight_and_counts_the_rest() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let server = Server::free();
        let place = Place::new();
        let urls: String = (0..100).map(|n| format!("{}/held/{n}\n", server.url())).collect();
        place.write("urls", urls);
        let arguments =
            "fetch --urls urls --jsonl results --journal journal --concurrency 4 --rate 1000/s --report json";
        let running = place.start(arguments);
        until("four are in flight", || server.counts().in_flight == 4);
        running.signal(signal);
        until("it has heard", || place.text(".stderr").contains("note: stopping"));
        server.release(4);
        let ended = running.wait();
        assert_eq!(ended.code(), Some(1), "{ended:#?}");
        let report = ended.report();
        assert_eq!(report["ended"], "stopped");
        assert_eq!(
            [&report["requests"], &report["answered"], &report["failed"], &report["not_started"]],
            [100, 4, 0, 96],
            "{report}"
        );
        assert_eq!((place.results("results").len(), server.counts().paths.len()), (4, 4));

        server.release(1000);
        let report = place.done(arguments).report();
        assert_eq!((&report["answered"], &report["answered_before"]), (&96.into(), &4.into()), "{report}");
        assert_eq!(report["repeated"].as_array().unwrap().len(), 0, "{report}");
        assert_eq!(place.results("results").len(), 100);
        assert!(server.counts().paths.values().all(|&times| times == 1));
    }
}

#[test]
fn a_terminal_that_goes_means_nothing_after_nohup() {
    let server = Server::free();
    let place = Place::new();
    place.write("urls", format!("{}/held/1\n", server.url()));
    let program = place.command("fetch --urls urls --jsonl results --report json");
    let mut nohup = Command::new("sh");
    nohup.args(["-c", "trap '' HUP; exec \"$0\" \"$@\""]).arg(program.get_program()).args(program.get_args());
    nohup.current_dir(place.path(""));
    let running = place.start_command(nohup);
    until("it is in flight", || server.counts().in_flight == 1);
    assert!(!running.handles(Signal::HUP));
    running.signal(Signal::HUP);
    server.release(1);
    let ended = running.wait();
    assert_eq!((ended.code(), &ended.report()["ended"]), (Some(0), &"done".into()), "{ended:#?}");
}

#[test]
fn after_a_signal_redirects_are_followed_and_nothing_fails_for_want_of_another_try() {
    let server = Server::free();
    let place = Place::new();
    let base = server.url();
    place.write("urls", format!("{base}/held-to/{base}/item/1\n{base}/held-status/500\n"));
    let arguments =
        "fetch --urls urls --jsonl results --journal journal --retries 1 --rate 1000/s --report json";
    let running = place.start(arguments);
    until("both are in flight", || server.counts().in_flight == 2);
    running.signal(Signal::INT);
    until("it has heard", || place.text(".stderr").contains("note: stopping"));
    server.release(2);
    let ended = running.wait();
    let report = ended.report();
    assert_eq!([&report["answered"], &report["failed"], &report["not_started"]], [1, 0, 1], "{ended:#?}");
    assert!(!ended.stderr.contains("error:"), "{ended:#?}");
    let results = place.results("results");
    assert_eq!((results.len(), &results[0]["body"]), (1, &"item 1\n".into()));

    server.release(2);
    let report = place.done(arguments).report();
    assert_eq!((&report["answered"], &report["answered_before"]), (&1.into(), &1.into()), "{report}");
    assert_eq!(report["repeated"].as_array().unwrap().len(), 0, "{report}");
    let results = place.results("results");
    assert_eq!((results.len(), &results[1]["status"]), (2, &500.into()));
}

#[test]
fn what_found_no_connection_before_a_signal_has_not_been_started() {
    let place = Place::new();
    // Nobody listens there.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    place.write("urls", format!("{{\"url\": \"http://{free}/\", \"method\": \"POST\"}}\n"));
    let running = place.start(
        "fetch --urls urls --jsonl results --journal journal --retries 50 --rate 1000/s --report json",
    );
    until("it is tried", || place.path("journal").exists() && place.text("journal").contains("\"start\""));
    running.signal(Signal::INT);
    let report = running.wait().report();
    assert_eq!([&report["failed"], &report["not_started"]], [0, 1], "{report}");
    assert!(place.text("journal").contains("withdrawn"), "{}", place.text("journal"));
}

#[test]
fn a_second_signal_ends_the_process_at_once() {
    let server = Server::free();
    let place = Place::new();
    place.write("urls", format!("{}/held/1\n", server.url()));
    let mut running = place.start("fetch --urls urls --jsonl results --journal journal");
    until("it is in flight", || server.counts().in_flight == 1);
    until("the process ended", || {
        running.signal(Signal::INT);
        running.has_ended()
    });
    assert_eq!(running.wait().code(), Some(130));
    server.release(2);
    let ended = place.done("fetch --urls urls --jsonl results --journal journal --report json");
    assert_eq!(ended.report()["repeated"].as_array().unwrap().len(), 1, "{ended:#?}");
}

#[test]
fn a_signal_ends_a_run_over_a_pipe_with_a_name() {
    let server = Server::free();
    let place = Place::new();
    rustix::fs::mkfifoat(
        rustix::fs::CWD,
        place.path("pipe"),
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
    )
    .unwrap();
    let running = place.start("fetch --urls pipe --jsonl results --report json");
    let mut pipe = std::fs::OpenOptions::new().write(true).open(place.path("pipe")).unwrap();
    writeln!(pipe, "{}/item/1", server.url()).unwrap();
    until("it is answered", || server.counts().answered == 1);
    running.signal(Signal::INT);
    let ended = running.wait();
    assert_eq!((ended.code(), &ended.report()["ended"]), (Some(0), &"stopped".into()), "{ended:#?}");
}

#[test]
fn a_signal_ends_a_run_that_waits_for_its_input() {
    let server = Server::free();
    let place = Place::new();
    let mut command = place.command("fetch --urls - --jsonl results --report json");
    command.stdin(Stdio::piped());
    let mut running = place.start_command(command);
    let mut stdin = running.child.stdin.take().unwrap();
    writeln!(stdin, "{}/item/1", server.url()).unwrap();
    until("it is answered", || server.counts().answered == 1);
    running.signal(Signal::INT);
    let ended = running.wait();
    assert_eq!(ended.code(), Some(0), "all that was asked for is answered: {ended:#?}");
    assert_eq!((&ended.report()["ended"], &ended.report()["requests"]), (&"stopped".into(), &1.into()));
}

#[test]
fn a_signal_ends_a_run_that_waits_for_the_other_end_of_a_pipe() {
    let place = Place::new();
    rustix::fs::mkfifoat(rustix::fs::CWD, place.path("pipe"), rustix::fs::Mode::RWXU).unwrap();
    place.write("urls", "http://127.0.0.1:1/\n");
    for arguments in ["--urls pipe --jsonl results", "--urls urls --jsonl pipe"] {
        let running = place.start(&format!("fetch {arguments} --report json"));
        until("signals are handled", || running.handles(Signal::TERM));
        running.signal(Signal::TERM);
        let ended = running.wait();
        assert_eq!(ended.code(), Some(1), "{arguments}: {ended:#?}");
        assert!(ended.report()["error"].as_str().unwrap().contains("nothing was sent"), "{ended:#?}");
    }
}
