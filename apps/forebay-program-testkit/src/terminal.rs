//! The program with a terminal before it.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::process::{Command, Stdio};
use std::thread;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::Ended;

/// Runs it to its end with a terminal of 120 columns as its standard error, and with the standard output that is made of
/// that. Returns how it ended, and all that was shown.
pub(crate) fn run(mut command: Command, stdout: impl FnOnce(&File) -> Stdio) -> (Ended, String) {
    let (mut seen, written) = terminal();
    let reading = thread::spawn(move || {
        let mut bytes = Vec::new();
        // Ends with an error when nobody has the other end any more.
        let _ = seen.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    });
    command.stdout(stdout(&written)).stderr(written);
    let child = command.spawn().unwrap();
    // It holds the terminal, too.
    drop(command);
    let ended = child.wait_with_output().unwrap().into();
    (ended, reading.join().unwrap())
}

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
