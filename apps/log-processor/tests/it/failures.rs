//! Inputs that cannot be read, beside others that can.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::assert_reads;
use crate::place::{Place, Report as _};

#[test]
fn a_missing_input_is_named() {
    let ended = Place::new().run("run -i no/such.log -o out");
    assert_eq!(ended.code(), Some(1), "{ended:#?}");
    insta::assert_snapshot!(ended.stderr);
}

#[test]
fn a_glob_that_matches_nothing_is_named() {
    let ended = Place::new().run("run -i *.log -o out");
    assert_eq!(ended.code(), Some(1), "{ended:#?}");
    insta::assert_snapshot!(ended.stderr);
}

#[test]
fn a_folder_is_no_input() {
    let place = Place::new();
    place.write("logs/a", "one\n");
    let ended = place.run("run -i logs -o out");
    assert_eq!(ended.code(), Some(1), "{ended:#?}");
    insta::assert_snapshot!(ended.stderr);
}

#[test]
fn a_glob_that_cannot_be_understood_is_a_usage_error() {
    let ended = Place::new().run("run -i a[ -o out");
    assert_eq!(ended.code(), Some(2), "{ended:#?}");
    insta::assert_snapshot!(ended.stderr);
}

#[test]
fn a_damaged_gz_is_named_and_the_others_are_processed() {
    let place = Place::new();
    let good: String = (0..2000).map(|n| format!("line {n} of many\n")).collect();
    place.write_gz("bad.gz", &good);
    let bad = place.read("bad.gz");
    place.write("bad.gz", &bad[..bad.len() / 2]);
    place.write("good", "one\ntwo\n");
    let ended = place.run("run -i bad.gz good -o out --report json");
    assert_eq!(ended.code(), Some(1), "{ended:#?}");
    assert!(place.text("out").ends_with("\none\ntwo\n") || place.text("out").ends_with("one\ntwo\n"));
    let report = ended.report();
    assert!(report["inputs"][0]["error"].as_str().unwrap().contains("bad.gz"), "{report}");
    assert!(report["inputs"][1]["error"].is_null(), "{report}");
    let [read, written, ..] = ended.totals();
    assert!(read == written && read > 2);
}

#[test]
fn an_unreadable_input_is_named_and_the_others_are_processed() {
    let place = Place::new();
    // A link to itself: not even the administrator can read it.
    symlink("secret", place.path("secret")).unwrap();
    place.write("open", "one\n");
    let ended = place.run("run -i secret open -o out");
    assert_eq!(ended.code(), Some(1), "{ended:#?}");
    assert_eq!(place.text("out"), "one\n");
    insta::assert_snapshot!(ended.stderr, @"error: input secret cannot be opened: Too many levels of symbolic links (os error 40); check where its links lead");
}

#[test]
fn a_missing_input_is_named_and_the_others_are_processed() {
    let place = Place::new();
    place.write("a.log", "one\n");
    symlink("nowhere", place.path("broken.log")).unwrap();
    let ended = place.run("run -i missing *.log -o out");
    assert_eq!(ended.code(), Some(1), "{ended:#?}");
    assert_eq!(place.text("out"), "one\n");
    assert_reads!(ended.stderr + &ended.stdout);
}

#[test]
fn when_all_inputs_are_missing_each_is_named_and_the_output_is_left_alone() {
    let place = Place::new();
    place.write("out", "precious\n");
    let ended = place.run("run -i one two -o out --overwrite");
    assert_eq!(ended.code(), Some(1), "{ended:#?}");
    assert_eq!(place.text("out"), "precious\n");
    insta::assert_snapshot!(ended.stderr);
}

#[test]
fn with_a_state_a_run_does_not_forget_an_input_that_is_missing_for_a_while() {
    let place = Place::new();
    place.write("a", "a1\n");
    place.write("b", "b1\n");
    let arguments = "run -i a b -o out --state state";
    place.done(arguments);
    fs::rename(place.path("a"), place.path("elsewhere")).unwrap();
    assert_eq!(place.run(arguments).code(), Some(1));
    fs::rename(place.path("elsewhere"), place.path("a")).unwrap();
    place.append("a", "a2\n");
    place.done(arguments);
    assert_eq!(place.text("out"), "a1\nb1\na2\n");
}

#[test]
fn a_folder_that_a_glob_cannot_look_into_is_named_and_the_others_are_processed() {
    let place = Place::new();
    place.write("logs/a/app.log", "one\n");
    symlink("loop", place.path("logs/loop")).unwrap();
    let ended = place.run("run -i logs/*/app.log -o out");
    assert_eq!((ended.code(), place.text("out")), (Some(1), "one\n".to_owned()), "{ended:#?}");
    assert!(ended.stderr.contains("input logs/loop/app.log cannot be opened: Too many levels"), "{ended:#?}");

    place.write("logs/b/app.log", "two\n");
    fs::set_permissions(place.path("logs/b"), Permissions::from_mode(0o0)).unwrap();
    // Whoever may do everything may look there, too.
    let is_root = fs::read_dir(place.path("logs/b")).is_ok();
    let ended = place.run("run -i logs/*/*.log -o more");
    fs::set_permissions(place.path("logs/b"), Permissions::from_mode(0o755)).unwrap();
    if is_root {
        assert_eq!((ended.code(), place.text("more")), (Some(0), "one\ntwo\n".to_owned()), "{ended:#?}");
    } else {
        assert_eq!((ended.code(), place.text("more")), (Some(1), "one\n".to_owned()), "{ended:#?}");
        assert!(ended.stderr.contains("input logs/b cannot be opened: Permission denied"), "{ended:#?}");
    }
}
