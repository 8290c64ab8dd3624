//! What a terminal shows while the program runs.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::place::{Ended, Place};
use crate::server::{Allowed, Says, Server};

/// The two ends of a terminal: what a person sees comes out of the first one.
fn terminal() -> (File, File) {
    let seen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&seen).unwrap();
    unlockpt(&seen).unwrap();
    tcsetwinsize(&seen, Winsize { ws_row: 24, ws_col: 120, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    let name = ptsname(&seen, Vec::new()).unwrap();
    let written = File::options().read(true).write(true).open(OsStr::from_bytes(name.to_bytes())).unwrap();
    (seen.into(), written)
}

#[test]
fn a_terminal_shows_progress_and_failures_and_keeps_only_these() {
    // It pauses for two seconds, so there is something to see.
    let server = Server::start(Allowed::Fixed { count: 25, per: Duration::from_secs(2) }, Says::Seconds);
    let place = Place::with_items(&server.url(), 30);
    let urls = place.read("urls");
    place.write("urls", format!("file:///etc/passwd\nhttp://-nobody-.example/\n{urls}"));
    let (mut seen, written) = terminal();
    let reading = thread::spawn(move || {
        let mut bytes = Vec::new();
        // Ends with an error when nobody has the other end any more.
        let _ = seen.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    });
    let mut command = place.command("fetch --urls urls --out out --rate 50/s --burst 30 --report json");
    command.stdout(Stdio::piped()).stderr(written);
    let child = command.spawn().unwrap();
    // It holds the terminal, too.
    drop(command);
    let ended: Ended = child.wait_with_output().unwrap().into();
    let shown = reading.join().unwrap();
    assert_eq!(ended.code(), Some(1), "{ended:#?}");
    let report = ended.report();
    assert_eq!([&report["answered"], &report["failed"], &report["bad_lines"]], [30, 1, 1], "{report}");
    // The limit is the sum of those of both hosts.
    for part in [" of 32", "/s", "  limit 100.0/s", "  refused ", "  failed 1", "  paused ", " left"] {
        assert!(shown.contains(part), "no {part:?} in {shown:?}");
    }
    for part in ["error: urls:1: the scheme file", "error: http://-nobody-.example/: there is no host"] {
        assert!(shown.contains(part), "no {part:?} in {shown:?}");
    }
    // The bar is cleared, so the last that is left on its line is nothing.
    let last = shown.rsplit(['\r', '\n']).next().unwrap_or_default();
    assert!(!last.contains("refused"), "{last:?}");
}

#[test]
fn what_is_no_terminal_gets_no_progress() {
    let server = Server::free();
    let place = Place::with_items(&server.url(), 3);
    let ended = place.done("fetch --urls urls --out out");
    assert_eq!(ended.stderr, "");
    assert!(!ended.stdout.contains('\x1b'), "{ended:#?}");
}
