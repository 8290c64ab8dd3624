//! Checkpoints that are taken up again, and those that are refused.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::place::{Ended, Place, Report as _, until};

const ARGUMENTS: &str = "run -i in -o out --state state --report json";

/// A place where a run with a state was done.
fn done_once() -> Place {
    let place = Place::new();
    place.write("in", "one\ntwo\n");
    place.done(ARGUMENTS);
    assert_eq!(place.text("out"), "one\ntwo\n");
    place
}

/// The file that holds the checkpoint.
fn checkpoint(place: &Place) -> PathBuf {
    place.path("state/checkpoint.json")
}

/// What the refusal says; output and state must be as they were.
fn refused(place: &Place, arguments: &str) -> String {
    let (output, state) = (place.read("out"), fs::read(checkpoint(place)).unwrap());
    let ended = place.run(arguments);
    assert_eq!(ended.code(), Some(2), "{ended:#?}");
    assert_eq!((place.read("out"), fs::read(checkpoint(place)).unwrap()), (output, state));
    ended.stderr
}

#[test]
fn what_was_done_is_not_done_again() {
    let place = done_once();
    assert_eq!(place.done(ARGUMENTS).totals(), [0, 0, 0, 0]);
    assert_eq!(place.text("out"), "one\ntwo\n");
}

#[test]
fn a_checkpoint_counts_what_it_speaks_of() {
    let place = done_once();
    let state: serde_json::Value = serde_json::from_slice(&fs::read(checkpoint(&place)).unwrap()).unwrap();
    assert_eq!(
        state["checkpoint"]["counts"],
        serde_json::json!({ "read": 2, "written": 2, "filtered": 0 }),
        "lines that were flushed for this checkpoint are written"
    );
}

#[test]
fn a_state_that_may_not_be_written_is_refused_by_a_check_too() {
    use std::os::unix::fs::PermissionsExt;

    let place = done_once();
    let permit =
        |name: &str, mode| fs::set_permissions(place.path(name), PermissionsExt::from_mode(mode)).unwrap();
    // The administrator may write everywhere, so the program runs as somebody else.
    let is_root = rustix::process::geteuid().is_root();
    let program = PathBuf::from(place.command("").get_program());
    fs::copy(program, place.path("program")).unwrap();
    let run = |command: &str| -> Ended {
        let user = if is_root { "setpriv --reuid 65534 --regid 65534 --clear-groups " } else { "" };
        let script = format!("exec {user}./program {command}");
        let mut shell = Command::new("sh");
        shell.args(["-c", &script]).current_dir(place.path("")).output().unwrap().into()
    };
    fs::create_dir(place.path("closed")).unwrap();
    for name in ["in", "state/checkpoint.json", "state/lock"] {
        permit(name, 0o444);
    }
    for name in ["closed", "state", "program"] {
        permit(name, 0o555);
    }
    permit("", 0o755);
    fs::create_dir(place.path("open")).unwrap();
    permit("open", 0o777);
    let mut said = String::new();
    for arguments in [
        "-i in -o open/out --state closed",
        "-i in -o open/out --state closed/state",
        "-i in -o out --state state",
    ] {
        let (checked, ran) = (run(&format!("check {arguments}")), run(&format!("run {arguments}")));
        assert_eq!((checked.code(), ran.code()), (Some(2), Some(2)), "{checked:#?} {ran:#?}");
        assert_eq!(checked.stderr, ran.stderr, "{arguments}");
        said += &checked.stderr;
    }
    insta::assert_snapshot!(said);
}

#[test]
fn what_was_added_since_is_done() {
    let place = done_once();
    place.append("in", "three\n");
    assert_eq!(place.done(ARGUMENTS).totals(), [1, 1, 0, 0]);
    assert_eq!(place.text("out"), "one\ntwo\nthree\n");
}

#[test]
fn what_a_killed_run_wrote_behind_its_checkpoint_is_cut_off() {
    let place = done_once();
    place.append("in", "three\n");
    let running = place.start("run -i in -o out --state state --follow");
    until("the run has begun", || place.len("out") == 14);
    running.signal(Signal::KILL);
    running.wait();
    place.append("out", "half a li");
    place.done("run -i in -o out --state state --append");
    assert_eq!(place.text("out"), "one\ntwo\nthree\n");
}

#[test]
fn what_others_added_since_a_run_ended_is_not_cut_off_unasked() {
    let place = done_once();
    place.append("out", "precious\n");
    place.append("in", "three\n");
    insta::assert_snapshot!(refused(&place, ARGUMENTS), @"error: output out holds 17 bytes, and the run before ended with 8: somebody else wrote to it; use --append to keep that and write behind it, or --overwrite to cut it off");
    place.done("run -i in -o out --state state --append");
    assert_eq!(place.text("out"), "one\ntwo\nprecious\nthree\n");
    place.append("out", "worthless\n");
    place.done("run -i in -o out --state state --overwrite");
    assert_eq!(place.text("out"), "one\ntwo\nprecious\nthree\n");
}

#[test]
fn a_signal_ends_a_run_in_order() {
    let place = Place::new();
    place.write("in", "one\n");
    let running = place.start("run -i in -o out --state state --follow");
    until("the run has begun", || place.len("out") == 4);
    running.signal(Signal::TERM);
    running.wait();
    place.append("out", "precious\n");
    assert!(refused(&place, "run -i in -o out --state state").contains("holds 13 bytes"));
}

#[test]
fn a_checkpoint_can_be_made_durable() {
    let place = Place::new();
    place.write("in", "one\ntwo\n");
    let arguments = "run -i in -o out --state state --sync";
    place.done(arguments);
    place.append("in", "three\n");
    place.done(arguments);
    assert_eq!(place.text("out"), "one\ntwo\nthree\n");
}

#[test]
fn a_damaged_state_is_refused() {
    let place = done_once();
    let damaged = fs::read_to_string(checkpoint(&place)).unwrap().replace("\"length\":8", "\"length\":9");
    fs::write(checkpoint(&place), damaged).unwrap();
    insta::assert_snapshot!(refused(&place, ARGUMENTS));
}

#[test]
fn a_state_that_was_cut_short_is_refused() {
    let place = done_once();
    let damaged = fs::read(checkpoint(&place)).unwrap();
    fs::write(checkpoint(&place), &damaged[..damaged.len() / 2]).unwrap();
    // Where the cut is depends on the length of the folder's name.
    insta::with_settings!({filters => vec![(r"EOF while [^;]*", "[where it ends]")]}, {
        insta::assert_snapshot!(refused(&place, ARGUMENTS));
    });
}

#[test]
fn a_state_of_another_pipeline_is_refused() {
    let place = done_once();
    insta::assert_snapshot!(refused(&place, "run -i in -o out --state state --format json"));
}

#[test]
fn an_output_that_is_shorter_than_the_checkpoint_says_is_refused() {
    let place = done_once();
    place.write("out", "one\n");
    insta::assert_snapshot!(refused(&place, ARGUMENTS));
}

#[test]
fn an_output_that_is_gone_is_refused() {
    let place = done_once();
    fs::remove_file(place.path("out")).unwrap();
    let ended = place.run(ARGUMENTS);
    assert_eq!(ended.code(), Some(2), "{ended:#?}");
    insta::assert_snapshot!(ended.stderr);
}

#[test]
fn a_pipe_cannot_have_a_checkpoint() {
    let place = Place::new();
    let mut command = place.command("run -i - -o out --state state");
    command.stdin(Stdio::piped());
    let ended = place.start_command(command).wait();
    assert_eq!(ended.code(), Some(2), "{ended:#?}");
    insta::assert_snapshot!(ended.stderr);
}

#[test]
fn a_state_belongs_to_one_run_at_a_time() {
    let place = Place::new();
    place.write("in", "one\n");
    let running = place.start("run -i in -o out --state state --follow");
    until("the first run has begun", || place.len("out") == 4);
    let second = place.run("run -i in -o out --state state --follow");
    assert_eq!(second.code(), Some(2), "{second:#?}");
    insta::with_settings!({filters => vec![(r"process \d+", "process [pid]")]}, {
        insta::assert_snapshot!(second.stderr);
    });
    running.signal(Signal::TERM);
    assert_eq!(running.wait().code(), Some(0));
}

#[test]
fn a_state_knows_its_files_in_whatever_folder_a_run_is_started() {
    let place = done_once();
    place.append("in", "three\n");
    place.write("other/in", "another\n");
    let command = |input: &str| {
        let from = place.path("").display().to_string();
        let mut command = place.command(&format!("run -i {input} -o {from}/out --state {from}/state"));
        command.current_dir(place.path("other"));
        place.start_command(command).wait()
    };
    let ended = command("in");
    assert_eq!(ended.code(), Some(2), "{ended:#?}");
    assert!(ended.stderr.contains("belongs to another pipeline: input was `[\""), "{ended:#?}");
    let ended = command(&place.path("in").display().to_string());
    assert_eq!(ended.code(), Some(0), "{ended:#?}");
    assert_eq!(place.text("out"), "one\ntwo\nthree\n");
}

#[test]
fn two_inputs_are_not_taken_for_one_with_a_blank() {
    let place = Place::new();
    place.write("a", "one\n");
    place.write("b", "two\n");
    place.done("run -i a b -o out --state state");
    place.write("a b", "three\n");
    let mut command = place.command("run -o out --state state -i");
    command.arg("a b");
    let ended = place.start_command(command).wait();
    assert_eq!(ended.code(), Some(2), "{ended:#?}");
}

#[test]
fn a_file_of_a_glob_that_is_away_for_a_run_is_not_written_again() {
    for follow in [false, true] {
        let place = Place::new();
        place.write("a.log", "a1\n");
        place.write("b.log", "b1\n");
        place.write("away/other", "");
        let run = || place.done("run -i *.log -o out --state state");
        run();
        fs::rename(place.path("a.log"), place.path("away/a.log")).unwrap();
        place.append("b.log", "b2\n");
        assert!(run().stderr.contains("a.log of the run before, read to its end at byte 3, is gone"));
        assert_eq!(run().stderr, "", "that is said once");
        fs::rename(place.path("away/a.log"), place.path("a.log")).unwrap();
        place.append("a.log", "a2\n");
        if follow {
            let running = place.start("run -i *.log -o out --state state --follow");
            until("the new line is there", || place.len("out") >= 12);
            running.signal(Signal::TERM);
            assert_eq!(running.wait().code(), Some(0));
        } else {
            run();
        }
        assert_eq!(place.text("out"), "a1\nb1\nb2\na2\n");
    }
}

#[test]
fn a_file_of_a_glob_that_cannot_be_read_is_named_and_goes_on_when_it_can() {
    let place = Place::new();
    place.write("a.log", "a1\n");
    place.write("b.log", "b1\n");
    place.write("away/other", "");
    let arguments = "run -i *.log -o out --state state";
    place.done(arguments);
    fs::rename(place.path("a.log"), place.path("away/a.log")).unwrap();
    // A link to itself: not even the administrator can read it.
    std::os::unix::fs::symlink("a.log", place.path("a.log")).unwrap();
    place.append("b.log", "b2\n");
    let ended = place.run(arguments);
    assert_eq!(ended.code(), Some(1), "{ended:#?}");
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:#?}");
    assert!(ended.stderr.contains("a.log cannot be opened"), "{ended:#?}");
    fs::rename(place.path("away/a.log"), place.path("a.log")).unwrap();
    place.append("a.log", "a2\n");
    place.done(arguments);
    assert_eq!(place.text("out"), "a1\nb1\nb2\na2\n");
}

#[test]
fn a_file_that_was_empty_and_then_rotated_is_not_lost() {
    let place = Place::new();
    place.write("app.log", "one\n");
    let arguments = "run -i app.log -o out --state state";
    place.done(arguments);
    fs::rename(place.path("app.log"), place.path("app.log.1")).unwrap();
    place.write("app.log", "");
    // Finishes the old file, and finds nothing in the new one.
    place.done(arguments);
    place.append("app.log", "two\n");
    fs::rename(place.path("app.log.1"), place.path("app.log.2")).unwrap();
    fs::rename(place.path("app.log"), place.path("app.log.1")).unwrap();
    place.write("app.log", "three\n");
    place.done(arguments);
    assert_eq!(place.text("out"), "one\ntwo\nthree\n");
}

#[test]
fn a_rotated_file_that_is_compressed_under_its_next_name_is_not_written_again() {
    let place = Place::new();
    let content: String = (0..1000).map(|n| format!("line number {n}\n")).collect();
    place.write("app.log", &content);
    let arguments = "run -i app.log* -o out --state state";
    place.done(arguments);
    fs::rename(place.path("app.log"), place.path("app.log.1")).unwrap();
    place.write("app.log", "");
    place.done(arguments);
    // As logrotate does with `delaycompress`.
    place.write_gz("app.log.2.gz", &content);
    fs::remove_file(place.path("app.log.1")).unwrap();
    fs::rename(place.path("app.log"), place.path("app.log.1")).unwrap();
    place.write("app.log", "new\n");
    place.done(arguments);
    assert!(place.text("out") == content + "new\n", "{}", place.text("out").len());
}

#[test]
fn the_fields_that_are_written_belong_to_the_pipeline() {
    let place = Place::new();
    place.write("in", "a=1 b=2\n");
    let arguments = "run -i in -o out --state state --format json";
    place.done(&format!("{arguments} --fields b,a"));
    place.append("in", "a=3 b=4\n");
    for (others, said) in [("", "fields was `b,a`"), (" --fields b", "fields was `b,a`, now it is `b`")] {
        let ended = place.run(&format!("{arguments}{others}"));
        assert_eq!(ended.code(), Some(2));
        assert!(ended.stderr.contains(said), "{ended:#?}");
    }
    place.done(&format!("{arguments} --fields b,a"));
    assert_eq!(place.text("out"), "{\"b\":\"2\",\"a\":\"1\"}\n{\"b\":\"4\",\"a\":\"3\"}\n");
}
