//! A folder for each test, and the program in it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// A condition that does not come true in this time never will. Far longer than any of them takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder of its own for one test. The program runs in it, so its paths are short and always the same.
pub(crate) struct Place(TempDir);

/// The program while it runs. Killed when dropped.
pub(crate) struct Running {
    pub(crate) child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

/// How the program ended and what it said.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

// === impl Place ===

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder can be made"))
    }

    /// With `urls`, a file of so many requests `{base}/item/1` and so on.
    pub(crate) fn with_items(base: &str, count: usize) -> Self {
        let place = Self::new();
        let urls: String = (1..=count).map(|n| format!("{base}/item/{n}\n")).collect();
        place.write("urls", urls);
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("it is in the folder")).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The lines of a file of results.
    pub(crate) fn results(&self, name: &str) -> Vec<Value> {
        values(&self.read(name))
    }

    /// The names in a folder, sorted.
    pub(crate) fn files(&self, folder: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path(folder)) else { return Vec::new() };
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The program with arguments as a shell would split them at spaces (no quotes), not started yet.
    pub(crate) fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_api-client"));
        command.args(arguments.split_whitespace()).current_dir(self.0.path()).stdin(Stdio::null());
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, arguments: &str) -> Ended {
        self.command(arguments).output().expect("the program starts").into()
    }

    /// Runs the program to its end, which must be exit code 0.
    #[track_caller]
    pub(crate) fn done(&self, arguments: &str) -> Ended {
        let ended = self.run(arguments);
        assert_eq!(ended.code(), Some(0), "{ended:#?}");
        ended
    }

    /// Starts the program.
    pub(crate) fn start(&self, arguments: &str) -> Running {
        self.start_command(self.command(arguments))
    }

    pub(crate) fn start_command(&self, mut command: Command) -> Running {
        // Into files: nobody has to read along for the program not to block.
        let (stdout, stderr) = (self.path(".stdout"), self.path(".stderr"));
        command.stdout(File::create(&stdout).unwrap()).stderr(File::create(&stderr).unwrap());
        Running { child: command.spawn().expect("the program starts"), stdout, stderr }
    }
}

// === impl Running ===

impl Running {
    pub(crate) fn signal(&self, signal: Signal) {
        // Fails when it has ended, which the test sees by itself.
        let _ = kill_process(Pid::from_child(&self.child), signal);
    }

    /// Whether it ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    pub(crate) fn wait(mut self) -> Ended {
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

// === impl Ended ===

impl Ended {
    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// The report, which `--report json` asked for: on standard output, or behind everything else on standard error.
    /// Checked to add up.
    pub(crate) fn report(&self) -> Value {
        let last = |text: &str| serde_json::from_str::<Value>(text.lines().last()?).ok();
        let is_report = |value: &Value| value.get("ended").is_some();
        let report = last(&self.stdout).filter(is_report).or_else(|| last(&self.stderr).filter(is_report));
        let report = report.unwrap_or_else(|| panic!("no report in {self:#?}"));
        let sum: u64 = ["answered", "answered_before", "failed", "not_started"]
            .iter()
            .map(|name| report[name].as_u64().unwrap_or_else(|| panic!("no {name} in {report}")))
            .sum();
        assert_eq!(report["requests"], sum, "{report}");
        report
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self { status: output.status, stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

/// Lines of JSON.
pub(crate) fn values(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))
        .collect()
}

/// Waits until a condition holds that another process brings about.
///
/// # Panics
///
/// When it does not come true: the test has failed.
#[track_caller]
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "not in {PATIENCE:?}: {what}");
        // Another process cannot wake us, so we look again; how often decides only how soon we see it.
        thread::park_timeout(Duration::from_millis(1));
    }
}
