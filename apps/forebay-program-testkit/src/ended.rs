//! How the program ended and what it said.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Output};

use rustix::process::Signal;
use serde_json::Value;

/// How the program ended and what it said.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code, or the signal that ended it.
    pub status: ExitStatus,
    /// All of standard output; bytes that are no text are replaced.
    pub stdout: String,
    /// All of standard error; bytes that are no text are replaced.
    pub stderr: String,
}

// === impl Ended ===

impl Ended {
    /// Its exit code; none if a signal ended it.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Whether `SIGKILL` ended it.
    pub fn was_killed(&self) -> bool {
        self.status.signal() == Some(Signal::KILL.as_raw())
    }

    /// The report that `--report json` asked for, on whichever stream it is.
    pub fn json_report(&self) -> Value {
        let lines = self.stdout.lines().chain(self.stderr.lines());
        let values = lines.rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut reports = values.filter(|value| value.get("ended").is_some());
        reports.next().unwrap_or_else(|| panic!("no report in {self:#?}"))
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self { status: output.status, stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}
