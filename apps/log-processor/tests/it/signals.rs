//! Signals: drain, checkpoint, report; the second one aborts.

use std::io::Read;
use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::place::{Ended, Place, Report as _, until};

#[test]
fn a_signal_ends_the_run_in_order_and_the_next_run_goes_on_there() {
    let place = Place::new();
    let content: String = (0..400_000).map(|n| format!("line number {n}\n")).collect();
    place.write("in", &content);
    let arguments = "run -i in -o out --state state --workers 2 --report json";
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let before = place.len("out");
        let mut running = place.start(arguments);
        until("something was written", || place.len("out") > before || running.has_ended());
        running.signal(signal);
        let ended = running.wait();
        assert_eq!(ended.code(), Some(0), "{ended:#?}");
        let [read, written, ..] = ended.totals();
        assert_eq!(read, written, "what was read was written");
        assert!(place.len("out") > before);
        assert!(content.as_bytes().starts_with(&place.read("out")), "whole lines, in order");
    }
    place.done(arguments);
    assert!(place.text("out") == content, "nothing is missing or doubled");
}

#[test]
fn a_second_signal_aborts() {
    let place = Place::new();
    place.write("in", "a line that nobody reads\n".repeat(100_000));
    // The pipe is full and nobody reads: the run cannot drain.
    let mut child = place
        .command("run -i in -o - --report json")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut [0]).unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, Signal::TERM).unwrap();
    // Signals of one kind that are pending together count as one: repeat until it is over.
    until("the process ended", || {
        let _ = rustix::process::kill_process(pid, Signal::TERM);
        child.try_wait().unwrap().is_some()
    });
    let ended: Ended = child.wait_with_output().unwrap().into();
    assert_eq!(ended.code(), Some(143), "{ended:#?}");
    assert_eq!(ended.stderr, "", "no report of something unfinished");
}

#[test]
fn signals_that_come_at_once_are_one_request() {
    let place = Place::new();
    place.write("in", "a line that nobody reads yet\n".repeat(100_000));
    // What `timeout` does, which ended the process in the middle of its work.
    let mut child = place
        .command("run -i in -o - --report json")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    // Of two kinds, because signals of one kind that are pending together count as one anyway.
    for signal in [Signal::TERM, Signal::INT] {
        rustix::process::kill_process(pid, signal).unwrap();
    }
    let ended: Ended = child.wait_with_output().unwrap().into();
    assert_eq!(ended.code(), Some(0), "{ended:#?}");
    let [read, written, ..] = ended.totals();
    assert_eq!(read, written, "what was read was written");
}

#[test]
fn two_signals_abort_a_run_that_has_read_everything_and_cannot_write() {
    let place = Place::new();
    // Few enough batches that all are read although none can be written.
    place.write("in", "a line that nobody reads\n".repeat(20_000));
    let mut child = place.command("run -i in -o -").stdout(Stdio::piped()).spawn().unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut [0]).unwrap();
    until("the process ended", || {
        let _ = rustix::process::kill_process(pid, Signal::TERM);
        child.try_wait().unwrap().is_some()
    });
    assert_eq!(child.wait().unwrap().code(), Some(143));
}

#[test]
fn a_signal_ends_a_run_that_waits_for_a_reader_of_its_output() {
    let place = Place::new();
    place.write("in", "one\n");
    assert!(Command::new("mkfifo").arg(place.path("out")).status().unwrap().success());
    let running = place.start("run -i in -o out --report json");
    until("signals are handled", || running.handles(Signal::INT) && running.handles(Signal::TERM));
    running.signal(Signal::TERM);
    let ended = running.wait();
    assert_eq!(ended.code(), Some(0), "{ended:#?}");
    assert_eq!(ended.totals(), [0; 4]);
    assert_eq!(ended.report()["ended"], "stopped");
}

/// Stops a run while it follows a file that ends inside a long line, and says what is written when the next
/// run has read the rest.
#[track_caller]
fn stopped_inside(line: &str) -> String {
    let place = Place::new();
    let begin = &line[..line.len() / 2];
    place.write("in", "keep 1\n".to_owned() + begin);
    let arguments =
        "run -i in -o out --state state --max-line 10000 --report json --parse plain -f message=~\"keep\"";
    let running = place.start(&format!("{arguments} --follow"));
    until("there was a checkpoint", || place.len("out") > 0);
    running.signal(Signal::TERM);
    let ended = running.wait();
    assert!(
        ended.report()["totals"]["bytes_read"].as_u64() > Some(20_000),
        "some pieces were read: {ended:#?}"
    );

    place.append("in", line[begin.len()..].to_owned() + "keep 2\n");
    place.done(arguments);
    place.text("out")
}

#[test]
fn a_run_that_was_stopped_inside_a_line_that_it_keeps_goes_on_in_it() {
    let line = format!("keep {}\n", "x".repeat(60_000));
    assert!(stopped_inside(&line) == format!("keep 1\n{line}keep 2\n"), "pieces were lost or doubled");
}

#[test]
fn a_run_that_was_stopped_inside_a_line_that_it_drops_drops_the_rest() {
    let line = format!("drop {}\n", "x".repeat(60_000));
    assert_eq!(stopped_inside(&line), "keep 1\nkeep 2\n");
}
