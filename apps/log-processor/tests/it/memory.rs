//! Memory stays flat: peaks of the program itself, as Linux counts them, over inputs of any size and content.

use std::fs;
use std::io::{Read, Write};
use std::process::Stdio;
use std::thread;

use crate::place::Place;

const MIB: usize = 1 << 20;

/// The most that the program may ever take, in bytes.
const MOST: u64 = 64_000_000;

/// Sends `portion` through so often that it makes `total` bytes, and says what the peak was, in bytes.
#[track_caller]
fn peak(portion: Vec<u8>, total: usize, more: &str) -> u64 {
    let place = Place::new();
    let mut command = place.command(&format!("run -i - -o - --report json {more}"));
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let feeder = thread::spawn(move || {
        for _ in 0..total.div_ceil(portion.len()) {
            stdin.write_all(&portion).unwrap();
        }
        stdin.write_all(b"the end\n").unwrap();
        // Open: the program must still be there when it is asked.
        stdin
    });
    let mut stdout = child.stdout.take().unwrap();
    let (mut buffer, mut last) = (vec![0; MIB], Vec::new());
    // Behind it there is at most the rest of a record.
    while !last.windows(7).any(|bytes| bytes == b"the end") || !last.ends_with(b"\n") {
        let read = stdout.read(&mut buffer).unwrap();
        assert!(read > 0, "the program ended early");
        last.extend_from_slice(&buffer[read.saturating_sub(64)..read]);
        last.drain(..last.len().saturating_sub(64));
    }
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux counts the peak");
    let peak = 1024 * peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap();
    drop(feeder.join().unwrap());
    let ended: crate::place::Ended = child.wait_with_output().unwrap().into();
    assert_eq!(ended.code(), Some(0), "{ended:#?}");
    peak
}

/// A line of so many bytes, all the same.
fn line(byte: u8, length: usize) -> Vec<u8> {
    let mut line = vec![byte; length - 1];
    line.push(b'\n');
    line
}

/// A record of so many bytes, of which the message must be made anew: its first line is quoted.
fn quoted_record(length: usize) -> Vec<u8> {
    let mut record = b"level=info msg=\"\\\"\"\n".to_vec();
    while record.len() < length {
        record.extend_from_slice(&line(0xff, 100.min(length - record.len())));
    }
    record
}

#[test]
fn two_gigabytes_take_no_more_memory_than_a_little() {
    let lines = b"2026-01-01T00:00:00Z host app[1]: an ordinary line of a log\n".repeat(4000);
    let peak = peak(lines, 2_000_000_000, "--parse plain");
    assert!(peak < MOST, "{peak} bytes");
}

#[test]
fn lines_that_grow_as_records_stay_within_the_bound_however_many_workers_there_are() {
    for (portion, total, more) in [
        (line(1, 1000), 20 * MIB, "--format json --workers 64"),
        (line(b'\n', 10_000), 2 * MIB, "--format json"),
        (line(1, MIB - 1), 8 * MIB, "--format json --workers 64"),
        (line(0xff, MIB - 1), 6 * MIB, "--format logfmt --workers 8"),
        (line(1, 3 * MIB - 1), 9 * MIB, "--format json --max-line 3MiB --workers 8"),
        (line(0xff, 3 * MIB - 1), 6 * MIB, "--format raw --max-line 3MiB"),
        (vec![1; MIB], 8 * MIB, "--format json"),
        (line(1, 1000), 9 * MIB, "--format json --max-line 3MiB --workers 8 --multiline ^x"),
        (line(0xff, 1000), 6 * MIB, "--format logfmt --max-line 3MiB --multiline ^x"),
        (line(0xff, 1000), 6 * MIB, "--format raw --max-line 3MiB --multiline ^x -f message!=\"y\""),
        (quoted_record(3 * MIB - 1), 9 * MIB, "--format json --max-line 3MiB --multiline time"),
    ] {
        // More than there may be on the way at once.
        let peak = peak(portion, total, more);
        assert!(peak < MOST, "{peak} bytes: {more}");
    }
}
