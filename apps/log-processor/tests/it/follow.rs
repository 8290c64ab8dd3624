//! Following: growth, rotation, truncation.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::place::{Place, Report as _, until};

#[test]
fn what_is_added_is_passed_on() {
    let place = Place::new();
    place.write("app.log", "one\n");
    let running = place.start("run -i app.log -o out --follow --report json");
    until("the first line is there", || place.len("out") == 4);
    place.append("app.log", "two\nthr");
    until("the second line is there", || place.text("out") == "one\ntwo\n");
    place.append("app.log", "ee\n");
    until("the third line is there, whole", || place.text("out") == "one\ntwo\nthree\n");
    running.signal(Signal::TERM);
    let ended = running.wait();
    assert_eq!(ended.code(), Some(0), "{ended:#?}");
    assert_eq!(ended.totals(), [3, 3, 0, 0]);
    assert_eq!(ended.report()["ended"], "stopped");
}

#[test]
fn a_file_that_stays_empty_is_in_the_report() {
    let place = Place::new();
    place.write("app.log", "one\n");
    place.write("quiet.log", "");
    let running = place.start("run -i app.log quiet.log -o out --follow --report json");
    until("the line is there", || place.len("out") == 4);
    running.signal(Signal::TERM);
    let report = running.wait().report();
    assert_eq!(
        (&report["inputs"][1]["path"], &report["inputs"][1]["lines"]),
        (&"quiet.log".into(), &0.into())
    );
}

#[test]
fn more_files_are_followed_than_a_shell_allows_to_be_open() {
    let place = Place::new();
    (0..200).for_each(|n| place.write(&format!("{n}.log"), "line\n"));
    let program = place.command("run -i *.log -o out --follow --report json");
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -Sn 100 && exec \"$0\" \"$@\""]).arg(program.get_program());
    shell.args(program.get_args()).current_dir(place.path(""));
    let running = place.start_command(shell);
    until("each of them was read", || place.len("out") == 200 * 5);
    running.signal(Signal::TERM);
    let ended = running.wait();
    assert_eq!((ended.code(), ended.stderr.as_str()), (Some(0), ""), "{ended:#?}");
}

/// Then the first checkpoint was one file too many, and the run ended.
#[test]
fn where_no_more_files_may_be_open_the_others_are_followed_and_the_state_is_saved() {
    let place = Place::new();
    (0..100).for_each(|n| place.write(&format!("{n}.log"), "line\n"));
    let arguments = "run -i *.log -o out --state state --follow --report json";
    let limited = |most: u32| {
        let program = place.command(arguments);
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("ulimit -n {most} && exec \"$0\" \"$@\"")]).arg(program.get_program());
        shell.args(program.get_args()).current_dir(place.path(""));
        place.start_command(shell)
    };
    let running = limited(64);
    let is_saved = |lines: usize| {
        place.path("state/checkpoint.json").exists()
            && place.text("state/checkpoint.json").matches("\"offset\":5").count() >= lines
    };
    until("what may be open was read, and that is saved", || is_saved(30));
    running.signal(Signal::TERM);
    let ended = running.wait();
    assert_eq!(ended.code(), Some(1), "{ended:#?}");
    let said =
        ended.stderr.lines().filter(|line| line.contains("Too many open files (os error 24); allow more"));
    assert!(said.count() > 30, "each that cannot be followed is named: {ended:#?}");
    assert!(!ended.stderr.contains("state"), "{ended:#?}");

    let code_of = |most: u32, bytes: u64| {
        let running = limited(most);
        until("so much was written", || place.len("out") >= bytes);
        running.signal(Signal::TERM);
        running.wait().code()
    };
    assert_eq!((code_of(1000, 500), place.len("out")), (Some(0), 500), "none twice");
    (0..100).for_each(|n| place.append(&format!("{n}.log"), "more\n"));
    // What cannot be open now was read before.
    assert_eq!(code_of(64, 600), Some(1));
    assert_eq!((code_of(1000, 1000), place.len("out")), (Some(0), 1000), "none twice");
}

/// It was read to the end of the first writer's lines, and the second waited for ever.
#[test]
fn a_named_pipe_is_opened_again_for_its_next_writer() {
    let place = Place::new();
    rustix::fs::mkfifoat(rustix::fs::CWD, place.path("pipe"), rustix::fs::Mode::RWXU).unwrap();
    let running = place.start("run -i pipe -o out --follow --report json");
    for (writer, lines) in [("one\ntw", 4), ("o\nthree\n", 14), ("four\n", 19)] {
        fs::write(place.path("pipe"), writer).unwrap();
        until("they are there", || place.len("out") == lines);
    }
    running.signal(Signal::TERM);
    let ended = running.wait();
    assert_eq!((ended.code(), ended.totals()[0]), (Some(0), 4), "{ended:#?}");
    assert_eq!(place.text("out"), "one\ntwo\nthree\nfour\n");
}

#[test]
fn a_rotated_file_is_read_to_its_end_and_then_the_new_one() {
    let place = Place::new();
    place.write("app.log", "one\n");
    let running = place.start("run -i app.log -o out --follow --report json");
    until("the first line is there", || place.len("out") == 4);
    fs::rename(place.path("app.log"), place.path("app.log.1")).unwrap();
    // The writer of the log has not noticed yet.
    place.append("app.log.1", "two\n");
    place.write("app.log", "three\n");
    until("both files were read", || place.text("out") == "one\ntwo\nthree\n");
    place.append("app.log", "four\n");
    until("the new one is followed", || place.text("out") == "one\ntwo\nthree\nfour\n");
    running.signal(Signal::TERM);
    let ended = running.wait();
    assert_eq!(ended.totals(), [4, 4, 0, 0]);
}

#[test]
fn two_rotations_while_the_run_is_held_up_lose_nothing() {
    for input in ["app.log", "app.log*"] {
        let place = Place::new();
        place.write("app.log", "one\n");
        let running = place.start(&format!("run -i {input} -o out --state state --follow"));
        until("the first line is there", || place.len("out") == 4);
        running.signal(Signal::STOP);
        place.append("app.log", "two\n");
        fs::rename(place.path("app.log"), place.path("app.log.1")).unwrap();
        place.write("app.log", "three\n");
        fs::rename(place.path("app.log.1"), place.path("app.log.2")).unwrap();
        fs::rename(place.path("app.log"), place.path("app.log.1")).unwrap();
        place.write("app.log", "four\n");
        running.signal(Signal::CONT);
        until("the last line is there", || place.text("out").contains("four\n"));
        running.signal(Signal::TERM);
        assert_eq!(running.wait().code(), Some(0));
        assert_eq!(place.text("out"), "one\ntwo\nthree\nfour\n", "{input}");
    }
}

#[test]
fn a_truncated_file_is_read_again_from_its_start() {
    let place = Place::new();
    place.write("app.log", "one\ntwo\n");
    let running = place.start("run -i app.log -o out --follow");
    until("both lines are there", || place.len("out") == 8);
    place.write("app.log", "3\n");
    until("the new content is there", || place.text("out") == "one\ntwo\n3\n");
    running.signal(Signal::TERM);
    let ended = running.wait();
    assert_eq!(ended.code(), Some(0), "{ended:#?}");
    assert!(ended.stderr.contains("truncated"), "{}", ended.stderr);
}

#[test]
fn a_file_that_does_not_exist_yet_is_waited_for() {
    let place = Place::new();
    let running = place.start("run -i app.log -o out --follow");
    until("the run has begun", || place.path("out").exists());
    place.write("app.log", "one\n");
    until("the line is there", || place.len("out") == 4);
    running.signal(Signal::INT);
    assert_eq!(running.wait().code(), Some(0));
}

#[test]
fn a_run_with_state_goes_on_through_a_rotation_that_it_did_not_see() {
    let place = Place::new();
    place.write("app.log", "one\n");
    let arguments = "run -i app.log -o out --follow --state state";
    let running = place.start(arguments);
    until("the first line is there", || place.len("out") == 4);
    running.signal(Signal::TERM);
    assert_eq!(running.wait().code(), Some(0));

    place.append("app.log", "two\n");
    fs::rename(place.path("app.log"), place.path("app.log.1")).unwrap();
    place.write("app.log", "three\n");

    let running = place.start(arguments);
    until("nothing is missing", || place.text("out") == "one\ntwo\nthree\n");
    running.signal(Signal::TERM);
    assert_eq!(running.wait().code(), Some(0));
    assert_eq!(place.text("out"), "one\ntwo\nthree\n");
}

#[test]
fn every_line_of_standard_input_arrives() {
    let place = Place::new();
    // More than one read takes from a pipe, so that none of the chunks may go astray.
    let content: String = (0..100_000).map(|n| format!("line number {n}\n")).collect();
    let mut command = place.command("run -i - -o out --follow");
    command.stdin(Stdio::piped());
    let mut running = place.start_command(command);
    let mut stdin = running.stdin();
    stdin.write_all(content.as_bytes()).unwrap();
    until("as much is there as was written", || place.len("out") >= content.len() as u64);
    running.signal(Signal::TERM);
    assert_eq!(running.wait().code(), Some(0));
    assert!(place.text("out") == content, "nothing is missing or doubled");
}

#[test]
fn a_glob_with_a_file_that_cannot_be_read_still_finds_new_files() {
    let place = Place::new();
    place.write("a.log", "one\n");
    place.write_gz("old.log", "compressed\n");
    symlink("loop.log", place.path("loop.log")).unwrap();
    let running = place.start("run -i *.log -o out --follow --report json");
    until("the first line is there", || place.len("out") == 4);
    place.write("b.log", "two\n");
    until("the new file was found", || place.text("out") == "one\ntwo\n");
    running.signal(Signal::TERM);
    let ended = running.wait();
    assert_eq!(ended.code(), Some(1), "{ended:#?}");
    assert_eq!(ended.stderr.matches("loop.log").count(), 1, "{ended:#?}");
}

#[test]
fn a_folder_that_may_not_be_read_is_named_once_and_the_others_are_followed() {
    let place = Place::new();
    for name in ["a", "locked", "z/deep"] {
        place.write(&format!("logs/{name}/app.log"), "one\n");
    }
    fs::set_permissions(place.path("logs/locked"), Permissions::from_mode(0o0)).unwrap();
    // Whoever may do everything may look there, too.
    let is_root = fs::read_dir(place.path("logs/locked")).is_ok();
    let running = place.start("run -i logs/**/*.log logs/locked/*.log -o out --follow --report json");
    let lines = if is_root { 3 } else { 2 };
    until("the first lines are there", || place.len("out") == 4 * lines);
    // What is beside it is watched, whichever of them the system names first.
    place.append("logs/a/app.log", "two\n");
    until("one is followed", || place.text("out").ends_with("two\n"));
    place.append("logs/z/deep/app.log", "three\n");
    until("and the other one", || place.text("out").ends_with("three\n"));
    running.signal(Signal::TERM);
    let ended = running.wait();
    fs::set_permissions(place.path("logs/locked"), Permissions::from_mode(0o755)).unwrap();
    assert_eq!(ended.code(), Some(if is_root { 0 } else { 1 }), "{ended:#?}");
    let said = "logs/locked cannot be opened: Permission denied";
    assert_eq!(ended.stderr.matches(said).count(), usize::from(!is_root), "{ended:#?}");
}
