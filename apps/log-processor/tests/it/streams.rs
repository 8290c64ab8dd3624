//! Standard input and output, and a reader that goes away.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::Stdio;

use crate::place::{Ended, Place, Report as _, until};

#[test]
fn standard_input_goes_to_standard_output_and_the_report_to_standard_error() {
    let place = Place::new();
    let mut command = place.command("run -i - -o - --report json");
    command.stdin(Stdio::piped());
    let mut running = place.start_command(command);
    running.stdin().write_all(b"one\ntwo\n").unwrap();
    let ended = running.wait();
    assert_eq!(ended.code(), Some(0), "{ended:#?}");
    assert_eq!(ended.stdout, "one\ntwo\n");
    assert!(ended.stderr.starts_with('{'), "{}", ended.stderr);
    assert_eq!(ended.totals(), [2, 2, 0, 0]);
}

#[test]
fn standard_input_and_files_are_unpacked() {
    let place = Place::new();
    place.write("in.zst", zstd::encode_all(&b"two\n"[..], 3).unwrap());
    let mut command = place.command("run -i - in.zst -o -");
    command.stdin(Stdio::piped());
    let mut running = place.start_command(command);
    running.stdin().write_all(&zstd::encode_all(&b"one\n"[..], 3).unwrap()).unwrap();
    let ended = running.wait();
    assert_eq!((ended.code(), &*ended.stdout), (Some(0), "one\ntwo\n"), "{ended:#?}");
}

#[test]
fn a_line_is_passed_on_before_the_next_one_comes() {
    let place = Place::new();
    let mut command = place.command("run -i - -o -");
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    for question in ["first\n", "second\n"] {
        stdin.write_all(question.as_bytes()).unwrap();
        let mut answer = String::new();
        stdout.read_line(&mut answer).unwrap();
        assert_eq!(answer, question);
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_reader_that_goes_away_ends_the_run_quietly_and_the_rest_is_counted() {
    let place = Place::new();
    let lines = 200_000;
    place.write("in", "a line that somebody could have read\n".repeat(lines));
    let mut child = place
        .command("run -i in -o - --report json")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    drop(stdout);
    let ended: Ended = child.wait_with_output().unwrap().into();
    assert_eq!(ended.code(), Some(0), "{ended:#?}");
    assert_eq!(ended.stderr.lines().count(), 1, "nothing but the report: {}", ended.stderr);
    assert_eq!(ended.report()["ended"], "output_closed");
    let [read, _, filtered, not_written] = ended.totals();
    assert!(read > 0 && not_written > 0 && filtered == 0, "{ended:#?}");
}

#[test]
fn a_pipe_that_does_not_block_is_waited_for() {
    let place = Place::new();
    let lines = "a line that somebody reads later\n".repeat(20_000);
    place.write("in", &lines);
    let (mut reader, writer) = io::pipe().unwrap();
    // As programs make it that have the same pipe and do not want to wait themselves.
    rustix::io::ioctl_fionbio(&writer, true).unwrap();
    let mut command = place.command("run -i in -o - --report json");
    let child = command.stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
    // It holds the pipe, too.
    drop(command);
    until("the pipe is full", || rustix::io::ioctl_fionread(&reader).unwrap() > 60_000);
    let mut read = String::new();
    reader.read_to_string(&mut read).unwrap();
    let ended: Ended = child.wait_with_output().unwrap().into();
    assert_eq!((ended.code(), read == lines), (Some(0), true), "{ended:#?}");
}

#[test]
fn standard_input_can_be_stopped_while_it_is_silent() {
    let place = Place::new();
    let mut command = place.command("run -i - -o out --report json");
    command.stdin(Stdio::piped());
    let mut running = place.start_command(command);
    let mut stdin = running.stdin();
    stdin.write_all(b"one\n").unwrap();
    until("the line is there", || place.len("out") == 4);
    running.signal(rustix::process::Signal::TERM);
    let ended = running.wait();
    assert_eq!(ended.code(), Some(0), "{ended:#?}");
    assert_eq!(ended.totals(), [1, 1, 0, 0]);
    drop(stdin);
}

#[test]
fn following_standard_input_alone_ends_with_it() {
    let place = Place::new();
    let mut command = place.command("run -i - -o - --follow --report json");
    command.stdin(Stdio::piped());
    let mut running = place.start_command(command);
    running.stdin().write_all(b"one\ntwo").unwrap();
    let ended = running.wait();
    assert_eq!((ended.code(), ended.stdout.as_str()), (Some(0), "one\ntwo"), "{ended:#?}");
    assert_eq!(ended.report()["ended"], "input_ended");
}

#[test]
fn a_signal_in_the_middle_of_a_line_of_standard_input_loses_nothing_of_it() {
    let place = Place::new();
    let mut command = place.command("run -i - -o out --report json");
    command.stdin(Stdio::piped());
    let mut running = place.start_command(command);
    let mut stdin = running.stdin();
    stdin.write_all(b"one\ntw").unwrap();
    until("the whole line is there", || place.len("out") == 4);
    running.signal(rustix::process::Signal::TERM);
    let ended = running.wait();
    assert_eq!(ended.code(), Some(0), "{ended:#?}");
    assert_eq!(ended.totals(), [2, 2, 0, 0]);
    assert_eq!(place.text("out"), "one\ntw");
    drop(stdin);
}

#[test]
fn lines_that_never_left_the_buffer_were_not_written() {
    let place = Place::new();
    // A line of each batch is kept: far too little for the output to be written before its reader is gone.
    place.write("in", ("kept\n".to_owned() + &"filtered\n".repeat(40_000)).repeat(2));
    let mut command = place.command("run -i - -o - --report json --parse plain -f message==\"kept\"");
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    // It may end before it has taken everything.
    let _ = child.stdin.take().unwrap().write_all(&place.read("in"));
    let ended: Ended = child.wait_with_output().unwrap().into();
    assert_eq!(ended.code(), Some(0), "{ended:#?}");
    let [_, written, _, not_written] = ended.totals();
    assert!(written == 0 && not_written > 0, "{ended:#?}");
}

#[test]
fn a_report_that_cannot_be_written_is_a_failure() {
    let place = Place::new();
    place.write("in", "one\n");
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let ended: Ended = place.command("run -i in -o out").stdout(full).output().unwrap().into();
    assert_eq!(ended.code(), Some(1), "{ended:#?}");
    assert_eq!(place.text("out"), "one\n");
    assert_eq!(
        ended.stderr,
        "error: the report cannot be written to standard output: No space left on device (os error 28)\n"
    );
}
