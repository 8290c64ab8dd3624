//! Signals: drain, list, report; the second one aborts. And `kill -9`.

use rustix::process::Signal;

use crate::place::{Place, Report as _, until};

const PHOTOS: usize = 40;
const ARGUMENTS: &str = "run in --output out --fit 300x300 --workers 2 --report json";

/// What an uninterrupted run writes is what lies in the output, file by file, and nothing half-written has the name of
/// a result.
#[track_caller]
fn assert_whole(place: &Place) {
    let whole = Place::with_photos(1);
    whole.done(ARGUMENTS);
    let expected = whole.read("out/0.jpg");
    for file in place.files("out").into_iter().filter(|file| file.ends_with(".jpg")) {
        assert!(place.read(&format!("out/{file}")) == expected, "{file} is not whole");
    }
}

/// Results in the output.
fn results(place: &Place) -> usize {
    place.files("out").iter().filter(|file| file.ends_with(".jpg")).count()
}

#[test]
fn a_signal_drains_and_what_was_not_begun_is_listed() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let place = Place::with_photos(PHOTOS);
        let mut running = place.start(ARGUMENTS);
        until("something was written", || results(&place) > 0 || running.has_ended());
        running.signal(signal);
        let ended = running.wait();
        let [written, _, failed, not_started] = ended.counts();
        assert_eq!((ended.code(), failed), (Some(code), 0), "{ended:#?}");
        assert!(written > 0 && not_started > 0, "{ended:#?}");
        assert_eq!(written + not_started, PHOTOS as u64);
        let report = ended.report();
        assert_eq!(report["ended"], "stopped");
        assert!(ended.stderr.contains("note: stopping; what is in work is finished"), "{ended:#?}");
        assert_eq!(report["not_started_inputs"].as_array().unwrap().len() as u64, not_started);
        assert_eq!(place.files("out").len() as u64, written, "nothing lies beside the results");
        assert_whole(&place);
        assert_eq!(
            place.done(ARGUMENTS).counts(),
            [not_started, written, 0, 0],
            "the next run does the rest"
        );
    }
}

#[test]
fn a_second_signal_aborts_and_leaves_nothing_half_written() {
    // Nobody opens the list's other end, so the run waits for its names and cannot drain.
    let place = Place::with_photos(2);
    let mut command = place.command("run - --output out");
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    until("the process ended", || {
        let _ = rustix::process::kill_process(pid, Signal::TERM);
        child.try_wait().unwrap().is_some()
    });
    let code = child.wait().unwrap();
    // Before it listens a signal ends it as it ends everything.
    assert!(code.code() == Some(143) || code.code().is_none(), "{code}");

    let place = Place::with_photos(PHOTOS);
    let mut running = place.start(ARGUMENTS);
    until("something was written", || results(&place) > 0);
    until("the process ended", || {
        running.signal(Signal::INT);
        running.has_ended()
    });
    assert_eq!(running.wait().code(), Some(130));
    assert_whole(&place);
}

#[test]
fn after_kill_9_nothing_is_half_written_and_the_next_run_does_the_rest() {
    let place = Place::with_photos(PHOTOS);
    let mut kills = 0;
    while results(&place) < PHOTOS {
        let before = results(&place);
        let mut running = place.start(ARGUMENTS);
        until("something more was written", || results(&place) > before + 2 || running.has_ended());
        if !running.has_ended() {
            running.signal(Signal::KILL);
            kills += 1;
        }
        drop(running.wait());
        assert_whole(&place);
    }
    assert!(kills >= 3, "{kills} kills");
    place.done(ARGUMENTS);
    assert_eq!(place.files("out").len(), PHOTOS, "leftovers are gone");
}

#[cfg(feature = "fault-points")]
#[test]
fn a_crash_at_each_fault_point_leaves_a_leftover_that_the_next_run_removes() {
    for (point, results) in [("after-write", 0), ("after-rename", 1)] {
        let place = Place::with_photos(2);
        let mut command = place.command("run in --output out --fit 300x300 --workers 1 --uploaders 1");
        command.env("FAULT_POINT", format!("{point}:1"));
        assert_eq!(command.status().unwrap().code(), None, "{point}");
        let files = place.files("out");
        let leftovers = files.iter().filter(|file| file.ends_with(".part")).count();
        assert_eq!((files.len() - leftovers, leftovers), (results, 1 - results), "{point}: {files:?}");
        let ended = place.done(ARGUMENTS);
        assert_eq!(ended.stderr.contains("removed 1 half-written files"), leftovers == 1, "{ended:#?}");
        assert_eq!(place.files("out"), ["0.jpg", "1.jpg"]);
        assert_whole(&place);
    }
}
