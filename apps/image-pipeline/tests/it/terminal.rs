//! What a terminal shows while the program runs.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::process::Stdio;
use std::thread;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::place::{Ended, Place};

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
    let place = Place::with_photos(30);
    place.write("in/broken.jpg", "not a picture");
    let (mut seen, written) = terminal();
    let reading = thread::spawn(move || {
        let mut bytes = Vec::new();
        // Ends with an error when nobody has the other end any more.
        let _ = seen.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    });
    let mut command = place.command("run in --output out --fit 300x300 --report json");
    command.stdout(Stdio::piped()).stderr(written);
    let child = command.spawn().unwrap();
    // It holds the terminal, too.
    drop(command);
    let ended: Ended = child.wait_with_output().unwrap().into();
    let shown = reading.join().unwrap();
    assert_eq!((ended.code(), ended.counts()), (Some(1), [30, 0, 1, 0]), "{ended:#?}");
    for part in [" of 31 pictures", "/s", " megapixels", " left"] {
        assert!(shown.contains(part), "no {part} in {shown:?}");
    }
    assert!(shown.contains("error: in/broken.jpg: not a picture"), "{shown:?}");
    // The bar is cleared, so the last that is left on its line is nothing.
    let last = shown.rsplit(['\r', '\n']).next().unwrap_or_default();
    assert!(!last.contains("pictures"), "{last:?}");
}

#[test]
fn what_is_no_terminal_gets_no_progress() {
    let place = Place::with_photos(3);
    let ended = place.done("run in --output out --fit 300x300");
    assert_eq!(ended.stderr, "");
    assert!(!ended.stdout.contains('\x1b'), "{ended:#?}");
}
