use std::{
    io::{self, PipeReader, PipeWriter, Read},
    os::fd::AsRawFd,
    thread,
};

use flate2::{Compression, write::GzEncoder};

use super::*;
use crate::input::{InputError, Wake};

/// A pipe as a shell passes it with `<(command)`: a path to its reading end, which is held as long as the path is used.
///
/// No program is started for it: what a fork holds for a moment are the locks of the tests beside this one.
fn pipe() -> (String, PipeReader, PipeWriter) {
    let (reader, writer) = io::pipe().expect("the system gives pipes");
    (format!("/dev/fd/{}", reader.as_raw_fd()), reader, writer)
}

#[test]
fn lines_of_a_pipe_come_as_they_are_written() {
    let logs = Logs::new();
    let (path, _reader, mut writer) = pipe();
    let mut run = logs.run(&[&path], Options::default());
    writer.write_all(b"first\nsec").expect("the reader is there");
    assert_eq!(run.step().as_deref(), Some("first\n"), "the pipe is still open");
    writer.write_all(b"ond\nthird").expect("the reader is there");
    assert_eq!(run.step().as_deref(), Some("second\n"));
    drop(writer);
    assert_eq!(run.read(), "third");
}

#[test]
fn stop_ends_the_wait_for_a_pipe() {
    let logs = Logs::new();
    let (path, _reader, _writer) = pipe();
    let mut run = logs.run(&[&path], Options::default());
    let stopper = run.inputs.stopper();
    let reader = thread::spawn(move || run.step());
    stopper.stop();
    assert_eq!(reader.join().expect("the reader does not panic"), None);
}

#[test]
fn what_was_taken_from_a_pipe_comes_before_the_end_of_a_stopped_run() {
    let logs = Logs::new();
    let (path, mut reader, mut writer) = pipe();
    let mut run = logs.run(&[&path], Options::default());
    // More than the thread takes ahead, so that it waits with a chunk in hand, and the last line without its end.
    let content = "a line of the pipe\n".repeat(40_000) + "its last one";
    let written = content.clone();
    let written = thread::spawn(move || {
        // The pipe holds what the thread does not take.
        let _ = writer.write_all(written.as_bytes());
    });
    let mut said = run.step().expect("there is a first batch");
    run.inputs.stopper().stop();
    said += &run.read();
    drop(run);
    let mut left = String::new();
    reader.read_to_string(&mut left).expect("the pipe can be read");
    written.join().expect("the writer does not panic");
    assert!(said + &left == content, "what was taken and what was left are all there is");
}

#[test]
fn begin_of_a_line_comes_before_the_end_of_a_stopped_run() {
    for follow in [false, true] {
        let logs = Logs::new();
        let (path, _reader, mut writer) = pipe();
        let mut run = logs.run(&[&path], Options { follow, ..Options::default() });
        writer.write_all(b"first\nsec").expect("the reader is there");
        let said = run.read_some();
        run.inputs.stopper().stop();
        assert_eq!(said + &run.read(), "first\nsec");
    }
}

#[test]
fn pipe_beside_files_is_followed_too() {
    let logs = Logs::new();
    let (path, _reader, mut writer) = pipe();
    logs.write("a.log", "a\n");
    let mut run = logs.follow(&["a.log", &path]);
    let mut said = run.read();
    writer.write_all(b"from the pipe\n").expect("the reader is there");
    while !said.contains("pipe") {
        assert_eq!(run.inputs.wait(), Wake::Look);
        said += &run.read();
    }
    assert_eq!(said, "a\nfrom the pipe\n");
}

#[test]
fn pipe_is_refused_where_a_state_promises_to_read_again() {
    let (path, _reader, _writer) = pipe();
    for pattern in [path, "-".to_owned()] {
        let opened = Inputs::open(&[pattern], None, Options { resumable: true, ..Options::default() });
        assert!(matches!(opened, Err(InputError::NotResumable { .. })));
    }
}

/// They were taken for lines. (`unpacked.rs` tests how the bytes come.)
#[test]
fn a_pipe_that_begins_so_is_decompressed() {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(b"one\ntwo\n").expect("memory does not fail");
    let gzip = gzip.finish().expect("memory does not fail");
    let zstd = zstd::encode_all(&b"one\ntwo\n"[..], 3).expect("memory does not fail");
    for packed in [&gzip, &zstd, &b"one\ntwo\n".to_vec()] {
        let logs = Logs::new();
        let (path, _reader, mut writer) = pipe();
        let mut run = logs.run(&[&path], Options::default());
        writer.write_all(packed).expect("the reader is there");
        drop(writer);
        assert_eq!(run.read(), "one\ntwo\n");
    }
}

#[test]
fn what_only_begins_like_a_compressed_pipe_comes_as_it_is() {
    for content in ["(", "\u{1f}", "(a line in parentheses)\n", ""] {
        let logs = Logs::new();
        let (path, _reader, mut writer) = pipe();
        let mut run = logs.run(&[&path], Options::default());
        writer.write_all(content.as_bytes()).expect("the reader is there");
        drop(writer);
        assert_eq!(run.read(), content);
    }
}

#[test]
fn a_compressed_pipe_may_be_stopped_anywhere_and_is_damaged_if_it_ends_so() {
    let content = "a line of the pipe\n".repeat(1000);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::none());
    gzip.write_all(content.as_bytes()).expect("memory does not fail");
    let packed = gzip.finish().expect("memory does not fail");
    for stopped in [false, true] {
        let logs = Logs::new();
        let (path, _reader, mut writer) = pipe();
        let mut run = logs.run(&[&path], Options::default());
        writer.write_all(&packed[..10_000]).expect("the reader is there");
        let mut said = run.step().expect("there is a first batch");
        if stopped {
            run.inputs.stopper().stop();
        } else {
            drop(writer);
        }
        said += &run.read();
        let (lines, rest) = said.split_at(said.find('[').unwrap_or(said.len()));
        assert!(content.starts_with(lines) && lines.len() > 9000, "{said}");
        assert_eq!(rest.is_empty(), stopped, "{rest}");
        assert!(stopped || rest.contains("is damaged gzip"), "{rest}");
    }
}

/// Each time that nothing came counted for zstd as a call without progress, and after sixteen of them the input was damaged.
#[test]
fn a_compressed_pipe_may_be_quiet_while_others_are_not() {
    let logs = Logs::new();
    logs.write("app.log", "");
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(b"one\ntwo\n").expect("memory does not fail");
    let gzip = gzip.finish().expect("memory does not fail");
    let zstd = zstd::encode_all(&b"one\ntwo\n"[..], 3).expect("memory does not fail");
    for packed in [gzip, zstd] {
        let (path, _reader, mut writer) = pipe();
        let mut run = logs.follow(&[&path, "app.log"]);
        writer.write_all(&packed[..packed.len() - 6]).expect("the reader is there");
        let mut said = String::new();
        for line in 0..100 {
            logs.append("app.log", &format!("{line}\n"));
            said += &run.read_some();
        }
        assert!(!said.contains("failed"), "{said}");
        writer.write_all(&packed[packed.len() - 6..]).expect("the reader is there");
        drop(writer);
        while !said.contains("two\n") {
            said += &run.read_some();
            assert!(!said.contains("failed"), "{said}");
        }
        assert!(said.contains("one\ntwo\n"), "{said}");
    }
}
