//! Peaks of memory, as Linux counts them.

use std::io::{BufWriter, Write as _};
use std::process::Stdio;
use std::thread;

use rustix::process::Signal;

use crate::place::{Place, Report as _, until};
use crate::server::Server;

fn peak(report: &serde_json::Value) -> u64 {
    report["peak_memory"].as_u64().unwrap_or_else(|| panic!("no peak in {report}"))
}

#[test]
fn ten_times_the_requests_take_no_more_memory() {
    let server = Server::free();
    let peak_of = |count| {
        let place = Place::with_items(&server.url(), count);
        let report = place
            .done("fetch --urls urls --jsonl results --rate 100000/s --concurrency 20 --report json")
            .report();
        assert_eq!(report["answered"], count, "{report}");
        peak(&report)
    };
    let (few, many) = (peak_of(1000), peak_of(10_000));
    assert!(many < few + (8 << 20), "{few} bytes at the most for 1000 requests, {many} for 10 000");
}

#[test]
fn bodies_that_become_lines_share_a_bound() {
    let server = Server::free();
    let place = Place::new();
    // 400 MB in all, and all of them at once if that were allowed.
    place.write("urls", (0..50).map(|n| format!("{}/large/{n}\n", server.url())).collect::<String>());
    let arguments =
        "fetch --urls urls --jsonl results --rate 1000/s --burst 50 --concurrency 50 --report json";
    let report = place.done(arguments).report();
    assert_eq!(report["answered"], 50, "{report}");
    // 64 MiB of bodies and one beyond that, each with its line while that is written, and what connections have read.
    assert!(peak(&report) < 250 << 20, "{report}");
}

#[test]
fn an_endless_pipe_is_read_as_fast_as_it_is_requested() {
    let server = Server::free();
    let place = Place::new();
    let mut command = place.command("fetch --urls - --jsonl results --rate 20/s --report json");
    let mut running = place.start_command({
        command.stdin(Stdio::piped());
        command
    });
    let mut stdin = BufWriter::new(running.child.stdin.take().unwrap());
    let url = format!("{}/item/", server.url());
    let writer = thread::spawn(move || {
        let mut written = 0_u64;
        // Ends when nobody reads any more.
        while writeln!(stdin, "{url}{written}?{}", "x".repeat(4000)).is_ok() {
            written += 1;
        }
        written
    });
    until("some are answered", || server.counts().answered >= 40);
    running.signal(Signal::INT);
    let report = running.wait().report();
    let written = writer.join().unwrap();
    assert!(peak(&report) < 64 << 20, "{report}");
    assert!(written < 3000, "{written} lines of 4 kB were taken for 40 requests");
}

#[test]
fn long_lines_have_a_bound_of_their_own() {
    let text = "x".repeat(900_000);
    // Where there are classes, a thousand are in hand so that the urgent is first; without them, as many as are of use.
    for (field, more) in [
        (r#","urgency":"low""#, "--rate 10/s --class-field urgency"),
        ("", "--rate 100/s --concurrency 1000"),
    ] {
        let server = Server::free();
        let place = Place::new();
        let mut command = place.command(&format!("fetch --urls - --jsonl results --report json {more}"));
        command.stdin(Stdio::piped());
        let mut running = place.start_command(command);
        let mut stdin = BufWriter::new(running.child.stdin.take().unwrap());
        let line = format!("{{\"url\":\"{}/late/1\",\"body\":\"{text}\"{field}}}\n", server.url());
        let writer = thread::spawn(move || while stdin.write_all(line.as_bytes()).is_ok() {});
        until("some are answered", || server.counts().answered >= 25);
        running.signal(Signal::INT);
        let report = running.wait().report();
        writer.join().unwrap();
        // 64 MiB of requests, two times 8 MiB of lines that wait, and one of each beyond that.
        assert!(peak(&report) < 160 << 20, "{more}: {report}");
    }
}
