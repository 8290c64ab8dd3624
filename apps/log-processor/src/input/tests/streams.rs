use std::{
    process::Command,
    sync::mpsc::{Sender, channel},
    thread,
};

use super::*;
use crate::input::{InputError, Wake};

/// Writes what it is sent to a named pipe, and closes the pipe when the sender is dropped.
///
/// Opening a pipe waits for the other end, so that happens on a thread.
fn pipe(logs: &Logs) -> Sender<&'static str> {
    let path = logs.path("pipe");
    assert!(Command::new("mkfifo").arg(&path).status().expect("mkfifo is part of every Unix").success());
    let (tx, rx) = channel::<&str>();
    thread::spawn(move || {
        let mut pipe = OpenOptions::new().write(true).open(path).expect("the folder is ours");
        while let Ok(text) = rx.recv() {
            pipe.write_all(text.as_bytes()).expect("the reader is there");
        }
    });
    tx
}

#[test]
fn lines_of_a_pipe_come_as_they_are_written() {
    let logs = Logs::new();
    let writer = pipe(&logs);
    let mut run = logs.run(&["pipe"], Options::default());
    writer.send("first\nsec").expect("the thread is there");
    assert_eq!(run.step().as_deref(), Some("first\n"), "the pipe is still open");
    writer.send("ond\nthird").expect("the thread is there");
    assert_eq!(run.step().as_deref(), Some("second\n"));
    drop(writer);
    assert_eq!(run.read(), "third");
}

#[test]
fn stop_ends_the_wait_for_a_pipe() {
    let logs = Logs::new();
    let writer = pipe(&logs);
    let mut run = logs.run(&["pipe"], Options::default());
    let stopper = run.inputs.stopper();
    let reader = thread::spawn(move || run.step());
    stopper.stop();
    assert_eq!(reader.join().expect("the reader does not panic"), None);
    drop(writer);
}

#[test]
fn pipe_beside_files_is_followed_too() {
    let logs = Logs::new();
    let writer = pipe(&logs);
    logs.write("a.log", "a\n");
    let mut run = logs.follow(&["a.log", "pipe"]);
    let mut said = run.read();
    writer.send("from the pipe\n").expect("the thread is there");
    while !said.contains("pipe") {
        assert_eq!(run.inputs.wait(), Wake::Look);
        said += &run.read();
    }
    assert_eq!(said, "a\nfrom the pipe\n");
}

#[test]
fn pipe_is_refused_where_a_state_promises_to_read_again() {
    let logs = Logs::new();
    let _writer = pipe(&logs);
    for pattern in [logs.path("pipe").display().to_string(), "-".to_owned()] {
        let opened = Inputs::open(&[pattern], None, Options { resumable: true, ..Options::default() });
        assert!(matches!(opened, Err(InputError::NotResumable { .. })));
    }
}
