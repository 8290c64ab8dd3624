//! Signals: drain, checkpoint, report; the second one aborts.

use std::io::Read;
use std::process::Stdio;

use rustix::process::Signal;

use crate::place::{Ended, Place, until};

#[test]
fn a_signal_ends_the_run_in_order_and_the_next_run_goes_on_there() {
    let place = Place::new();
    let content: String = (0..400_000).map(|n| format!("line number {n}\n")).collect();
    place.write("in", &content);
    let arguments = "run -i in -o out --state state --workers 2 --report json";
    for signal in [Signal::INT, Signal::TERM] {
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
fn a_run_that_was_stopped_inside_a_long_line_reads_that_line_again_from_its_beginning() {
    let place = Place::new();
    let line = |first: &str| format!("{first} {}\n", "x".repeat(30 << 20));
    let content = line("keep") + &line("drop") + &line("keep");
    place.write("in", &content);
    let start = || {
        let mut command = place.command("run -i in -o out --state state --max-line 10000 --report json -f");
        command.arg("message contains \"keep\"");
        place.start_command(command)
    };
    for _ in 0..6 {
        let before = place.len("out");
        let mut running = start();
        until("a piece was written", || running.has_ended() || place.len("out") != before);
        if !running.has_ended() {
            running.signal(Signal::TERM);
        }
        assert_eq!(running.wait().code(), Some(0));
    }
    assert_eq!(start().wait().code(), Some(0));
    assert!(place.text("out") == line("keep") + &line("keep"), "pieces were lost, doubled or kept");
}
