//! The program while it runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin};

use rustix::process::{Pid, Signal, kill_process};

use crate::{Ended, until};

/// The program while it runs. Killed when dropped.
#[derive(Debug)]
pub struct Running {
    /// Its process.
    pub child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

// === impl Running ===

impl Running {
    pub(crate) fn new(child: Child, stdout: PathBuf, stderr: PathBuf) -> Self {
        Self { child, stdout, stderr }
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        // Fails when it has ended, which the test sees by itself.
        let _ = kill_process(Pid::from_child(&self.child), signal);
    }

    /// Whether it handles a signal already, instead of being ended by it.
    pub fn handles(&self, signal: Signal) -> bool {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
        u64::from_str_radix(caught.trim(), 16).unwrap() & (1 << (signal.as_raw() - 1)) != 0
    }

    /// Whether it ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Its standard input, which must be a pipe.
    pub fn stdin(&mut self) -> ChildStdin {
        self.child.stdin.take().expect("standard input is a pipe")
    }

    /// Waits until it has ended.
    pub fn wait(mut self) -> Ended {
        until("the program ends", || self.has_ended());
        let read = |path: &Path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
        Ended { status: self.child.wait().unwrap(), stdout: read(&self.stdout), stderr: read(&self.stderr) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails when it has ended, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
