//! Which outputs are refused, appended to, replaced.

use std::fs::File;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

use crate::place::{Ended, Place, until};

/// Two lines to read, and an output that holds something.
fn place() -> Place {
    let place = Place::new();
    place.write("in", "one\ntwo\n");
    place.write("out", "precious\n");
    place
}

/// What the refusal says; the output must be as it was.
#[track_caller]
fn refused(place: &Place, arguments: &str) -> String {
    let ended = place.run(arguments);
    assert_eq!(ended.code(), Some(2), "{ended:#?}");
    assert_eq!(ended.stdout, "");
    assert_eq!(place.text("out"), "precious\n");
    assert_eq!(place.text("in"), "one\ntwo\n");
    ended.stderr
}

#[test]
fn an_existing_output_is_refused() {
    insta::assert_snapshot!(refused(&place(), "run -i in -o out"));
}

#[test]
fn an_existing_output_is_refused_with_a_new_state_too() {
    insta::assert_snapshot!(refused(&place(), "run -i in -o out --state state"));
}

#[test]
fn append_writes_behind() {
    let place = place();
    place.done("run -i in -o out --append");
    assert_eq!(place.text("out"), "precious\none\ntwo\n");
}

#[test]
fn overwrite_replaces() {
    let place = place();
    place.done("run -i in -o out --overwrite");
    assert_eq!(place.text("out"), "one\ntwo\n");
}

#[test]
fn an_output_that_is_an_input_is_refused() {
    insta::assert_snapshot!(refused(&place(), "run -i in -o in --overwrite"));
}

#[test]
fn an_output_that_is_an_input_by_another_name_is_refused() {
    let place = place();
    symlink(place.path("in"), place.path("link")).unwrap();
    insta::assert_snapshot!(refused(&place, "run -i in -o link --append"));
}

#[test]
fn an_output_among_the_files_of_a_glob_is_refused() {
    insta::assert_snapshot!(refused(&place(), "run -i * -o out --append"));
}

#[test]
fn an_output_in_a_folder_that_does_not_exist_is_refused() {
    insta::assert_snapshot!(refused(&place(), "run -i in -o no/such/folder/out"));
}

#[test]
fn an_output_in_a_folder_that_takes_no_files_is_refused() {
    let said = refused(&place(), "run -i in -o /proc/out");
    // Whoever is no administrator may not even try.
    if !said.contains("Permission denied") {
        insta::assert_snapshot!(said);
    }
}

#[test]
fn what_is_no_place_for_an_output_is_told_with_the_remedy() {
    let place = place();
    symlink("round", place.path("round")).unwrap();
    let _socket = UnixListener::bind(place.path("socket")).unwrap();
    let long = "long".repeat(64);
    let said = ["round", "in/out", "socket", &long].map(|it| refused(&place, &format!("run -i in -o {it}")));
    insta::assert_snapshot!(said.concat().replace(&long, "[too long]"));
}

#[test]
fn an_output_is_made_where_links_lead() {
    let place = place();
    place.write("folder/file", "");
    symlink("folder/link", place.path("link")).unwrap();
    symlink("../made", place.path("folder/link")).unwrap();
    place.done("run -i in -o link");
    assert_eq!(place.text("made"), "one\ntwo\n");
}

#[test]
fn a_folder_is_no_output() {
    let place = place();
    place.write("folder/file", "");
    insta::assert_snapshot!(refused(&place, "run -i in -o folder --overwrite"));
}

#[test]
fn an_output_is_not_replaced_by_a_run_that_cannot_read() {
    let place = place();
    place.write_gz("in.gz", "one\n");
    insta::assert_snapshot!(refused(&place, "run -i in.gz -o out --follow --overwrite"));
    insta::assert_snapshot!(refused(&place, "run -i - -o out --state state --overwrite"));
}

#[test]
fn what_the_system_says_is_said_once() {
    let said = refused(&place(), "run -i in -o in/out");
    insta::assert_snapshot!(said, @"error: output in/out cannot be opened: Not a directory (os error 20); check the spelling: a file has nothing below it");
}

#[test]
fn standard_output_that_is_an_input_is_refused() {
    let place = place();
    let file = File::options().append(true).open(place.path("in")).unwrap();
    let ended: Ended = place.command("run -i in -o -").stdout(file).output().unwrap().into();
    assert_eq!(ended.code(), Some(2), "{ended:#?}");
    assert_eq!(place.text("in"), "one\ntwo\n");
    insta::assert_snapshot!(ended.stderr, @"error: output - is also an input, as in; write to another file");
}

#[test]
fn the_report_does_not_overwrite_records_in_a_file_that_is_standard_output() {
    let place = place();
    for output in ["/dev/stdout", "both"] {
        let file = File::create(place.path("both")).unwrap();
        let command = format!("run -i in -o {output} --report json");
        let ended: Ended = place.command(&command).stdout(file).output().unwrap().into();
        assert_eq!(ended.code(), Some(0), "{ended:#?}");
        assert_eq!(place.text("both"), "one\ntwo\n", "{output}");
        assert!(ended.stderr.starts_with('{'), "{ended:#?}");
    }
}

#[test]
fn an_output_is_not_replaced_by_a_run_that_cannot_save_its_state() {
    let place = place();
    // The name under which the first state is written is taken.
    place.write("state/checkpoint.json.new/file", "");
    refused(&place, "run -i in -o out --overwrite --state state");
}

#[test]
fn what_is_appended_is_not_glued_to_a_last_line_without_an_end() {
    let place = place();
    place.write("out", "precious");
    place.done("run -i in -o out --append");
    assert_eq!(place.text("out"), "precious\none\ntwo\n");
}

#[test]
fn a_resumed_output_does_not_glue_lines_of_two_inputs() {
    let place = Place::new();
    place.write_gz("a.gz", "a1\na2");
    place.write("b", "");
    let arguments = "run -i a.gz b -o out --state state";
    place.done(arguments);
    assert_eq!(place.text("out"), "a1\na2");
    place.append("b", "b1\n");
    place.done(arguments);
    assert_eq!(place.text("out"), "a1\na2\nb1\n");
}

#[test]
fn standard_output_that_is_standard_input_is_refused() {
    let place = place();
    let open = || File::options().read(true).append(true).open(place.path("in")).unwrap();
    for output in ["-", "in", "/dev/stdout"] {
        let mut command = place.command(&format!("run -i - -o {output} --append"));
        let ended: Ended = command.stdin(open()).stdout(open()).output().unwrap().into();
        assert_eq!(ended.code(), Some(2), "{ended:#?}");
        assert!(ended.stderr.contains("is also an input, as -"), "{ended:#?}");
        assert_eq!(place.text("in"), "one\ntwo\n");
    }
}

#[test]
fn a_state_refuses_an_output_that_the_shell_empties() {
    let place = place();
    let file = File::create(place.path("both")).unwrap();
    let ended: Ended = place.command("run -i in -o both --state state").stdout(file).output().unwrap().into();
    assert_eq!(ended.code(), Some(2), "{ended:#?}");
    insta::assert_snapshot!(ended.stderr, @"error: output both is where standard output goes, too; with --state give it by its name only, without `> both`");
}

#[test]
fn an_output_belongs_to_one_run_at_a_time() {
    let place = place();
    let running = place.start("run -i in -o shared --follow");
    until("the first run has begun", || place.len("shared") == 8);
    for more in ["--append", "--overwrite", "--state state --append"] {
        let second = place.run(&format!("run -i in -o shared {more}"));
        assert_eq!(second.code(), Some(2), "{second:#?}");
        assert_eq!(
            second.stderr,
            "error: output shared is being written by another run; wait for its end, or write to another file\n"
        );
    }
    running.signal(rustix::process::Signal::TERM);
    assert_eq!(running.wait().code(), Some(0));
    assert_eq!(place.text("shared"), "one\ntwo\n");
}

#[test]
fn an_output_that_somebody_empties_ends_the_run_and_gets_no_zeros() {
    let place = place();
    let running = place.start("run -i in -o emptied --follow");
    until("the run has begun", || place.len("emptied") == 8);
    File::create(place.path("emptied")).unwrap();
    place.append("in", "three\n");
    let ended = running.wait();
    assert_eq!(ended.code(), Some(1), "{ended:#?}");
    let error = ended.stderr.lines().find(|line| line.starts_with("error"));
    insta::assert_snapshot!(error.unwrap_or_default(), @"error: output emptied holds 0 bytes, and 8 were written: somebody else emptied or cut it; it cannot be rotated while a run writes it: stop the run, move the output away, and start with another --state");
    assert_eq!(place.text("emptied"), "");
}
