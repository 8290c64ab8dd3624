//! Last lines without a line end, which the next run may find longer: judged as a whole, written once.

use std::fs;

use rustix::process::Signal;

use crate::place::{Place, until};

/// Runs with a state and says what the output holds.
#[track_caller]
fn output(place: &Place, more: &str) -> String {
    place.done(&format!("run -o out --state state --parse plain {more}"));
    place.text("out")
}

#[test]
fn a_last_line_is_taken_back_when_the_rest_of_it_has_come() {
    let place = Place::new();
    place.write("in", "one\ntw");
    let run = || output(&place, "-i in --format json");
    assert_eq!(run(), "{\"message\":\"one\"}\n{\"message\":\"tw\"}\n");
    assert_eq!(run(), "{\"message\":\"one\"}\n{\"message\":\"tw\"}\n", "nothing has come");
    place.append("in", "o");
    assert_eq!(run(), "{\"message\":\"one\"}\n{\"message\":\"two\"}\n", "still without an end");
    place.append("in", "\nthree\n");
    assert_eq!(run(), "{\"message\":\"one\"}\n{\"message\":\"two\"}\n{\"message\":\"three\"}\n");
}

#[test]
fn a_last_line_is_judged_again_when_the_rest_of_it_has_come() {
    for (begin, rest, before, after) in [
        ("keep", " drop\n", "first\nkeep", "first\n"),
        ("drop", " keep\n", "first\n", "first\ndrop keep\n"),
        ("drop", "", "first\n", "first\n"),
    ] {
        let place = Place::new();
        place.write("in", "first\n".to_owned() + begin);
        let run = || output(&place, "-i in -f message=~\"^first|keep$\"");
        assert_eq!(run(), before);
        place.append("in", rest);
        assert_eq!(run(), after);
    }
}

#[test]
fn last_lines_of_several_inputs_come_behind_everything_else() {
    let place = Place::new();
    place.write("a", "a1\na2");
    place.write("b", "b1\nb2");
    place.write("c", "c1\n");
    let run = || output(&place, "-i a b c");
    assert_eq!(run(), "a1\nb1\nc1\na2\nb2");
    place.append("a", "+\na3\n");
    place.append("c", "c2\n");
    assert_eq!(run(), "a1\nb1\nc1\na2+\na3\nc2\nb2");
}

#[test]
fn a_last_line_that_cannot_be_read_again_stays() {
    let place = Place::new();
    place.write("a.log", "a1\na2");
    place.write("b.log", "b1\nb2");
    let run = || output(&place, "-i *.log");
    assert_eq!(run(), "a1\nb1\na2\nb2");
    fs::remove_file(place.path("a.log")).unwrap();
    place.append("b.log", "+\n");
    assert_eq!(run(), "a1\nb1\na2\nb2+\n", "both stay, and the rest of the other one follows");
}

#[test]
fn a_last_line_of_a_file_that_was_rotated_is_read_again_there() {
    let place = Place::new();
    place.write("app.log", "one\ntw");
    let run = || output(&place, "-i app.log");
    assert_eq!(run(), "one\ntw");
    place.append("app.log", "o\n");
    fs::rename(place.path("app.log"), place.path("app.log.1")).unwrap();
    place.write("app.log", "three\n");
    assert_eq!(run(), "one\ntwo\nthree\n");
}

#[test]
fn a_last_line_with_lines_of_others_behind_it_stays() {
    let place = Place::new();
    place.write("in", "one\ntw");
    assert_eq!(output(&place, "-i in"), "one\ntw");
    place.append("out", "\nprecious\n");
    place.append("in", "o\n");
    assert_eq!(output(&place, "-i in --append"), "one\ntw\nprecious\no\n");
}

#[test]
fn following_waits_for_the_rest_of_a_last_line_that_was_written() {
    let place = Place::new();
    place.write("in", "one\ntw");
    assert_eq!(output(&place, "-i in"), "one\ntw");
    let running = place.start("run -i in -o out --state state --parse plain --follow");
    until("the last line is taken back", || place.len("out") == 4);
    place.append("in", "o\n");
    until("the whole line is there", || place.text("out") == "one\ntwo\n");
    running.signal(Signal::TERM);
    assert_eq!(running.wait().code(), Some(0));
}

#[test]
fn a_long_last_line_that_is_dropped_is_dropped_as_a_whole() {
    let place = Place::new();
    place.write("in", format!("keep 1\ndrop {}", "x".repeat(60_000)));
    let run = || output(&place, "-i in --max-line 10000 -f message=~\"keep\"");
    assert_eq!(run(), "keep 1\n");
    place.append("in", " keep\nkeep 2\n");
    assert_eq!(run(), "keep 1\nkeep 2\n", "its first piece decides");
}

#[test]
fn a_long_last_line_that_is_kept_goes_on() {
    let place = Place::new();
    let long = format!("keep {}", "x".repeat(60_000));
    place.write("in", &long);
    place.write("other", "keep other\n");
    let run = || output(&place, "-i in other --max-line 10000 -f message=~\"keep\"");
    assert!(run() == format!("{long}\nkeep other\n"));
    place.append("in", "y\n");
    assert!(run() == format!("{long}\nkeep other\ny\n"));
}
