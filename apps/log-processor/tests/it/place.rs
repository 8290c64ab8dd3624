//! A folder for each test, the program started in it, and conditions that are awaited.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// A condition that does not come true in this time never will. Far longer than any of them takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// A folder of its own for one test. The program runs in it, so its paths are short and always the same.
pub(crate) struct Place(TempDir);

/// The program while it runs. Killed when dropped.
pub(crate) struct Running {
    child: Child,
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

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("it is in the folder")).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Adds to a file with a single write.
    pub(crate) fn append(&self, name: &str, content: impl AsRef<[u8]>) {
        File::options().append(true).open(self.path(name)).unwrap().write_all(content.as_ref()).unwrap();
    }

    pub(crate) fn write_gz(&self, name: &str, content: impl AsRef<[u8]>) {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(content.as_ref()).unwrap();
        self.write(name, encoder.finish().unwrap());
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub(crate) fn text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).expect("the file is text")
    }

    /// Bytes in a file; 0 if it is not there.
    pub(crate) fn len(&self, name: &str) -> u64 {
        fs::metadata(self.path(name)).map_or(0, |metadata| metadata.len())
    }

    /// The program with arguments as a shell would split them at spaces (no quotes), not started yet.
    pub(crate) fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_log-processor"));
        command.args(arguments.split_whitespace()).current_dir(self.0.path()).stdin(Stdio::null());
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, arguments: &str) -> Ended {
        self.command(arguments).output().expect("the program starts").into()
    }

    /// Runs the program to its end, which must be exit code 0.
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
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("the process was not waited for yet");
    }

    /// Whether it handles a signal already, instead of being ended by it.
    pub(crate) fn handles(&self, signal: Signal) -> bool {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
        u64::from_str_radix(caught.trim(), 16).unwrap() & (1 << (signal.as_raw() - 1)) != 0
    }

    /// Whether it ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    pub(crate) fn stdin(&mut self) -> std::process::ChildStdin {
        self.child.stdin.take().expect("standard input is a pipe")
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

    pub(crate) fn was_killed(&self) -> bool {
        self.status.signal() == Some(Signal::KILL.as_raw())
    }

    /// The report, which `--report json` asked for, wherever it went.
    pub(crate) fn report(&self) -> serde_json::Value {
        let json = [&self.stdout, &self.stderr]
            .into_iter()
            .flat_map(|text| text.lines())
            .find(|line| line.starts_with('{'));
        serde_json::from_str(json.unwrap_or_else(|| panic!("no report in {self:#?}")))
            .expect("the report is JSON")
    }

    /// Lines read, written, filtered, not written: checked to add up.
    pub(crate) fn totals(&self) -> [u64; 4] {
        let report = self.report();
        let totals = ["read", "written", "filtered", "not_written"]
            .map(|name| report["totals"][name].as_u64().unwrap_or_else(|| panic!("no {name} in {report}")));
        assert_eq!(totals[0], totals[1] + totals[2] + totals[3], "{report}");
        totals
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self { status: output.status, stdout: text(output.stdout), stderr: text(output.stderr) }
    }
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

/// The real logs in the repository.
pub(crate) fn logs(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/logs").join(name)
}

/// A snapshot of what people read, with times, rates and sizes made equal on every machine.
#[macro_export]
macro_rules! assert_reads {
    ($text:expr) => {
        insta::with_settings!({filters => vec![
            (r"in \d+\.\d+ s: \d+ lines/s, [0-9.]+ \w+/s", "in [seconds] s: [rate] lines/s, [rate]/s"),
            (r#""seconds":[0-9.e-]+"#, r#""seconds":"[seconds]""#),
            (r#"_per_second":\d+"#, r#"_per_second":"[rate]""#),
        ]}, {
            insta::assert_snapshot!($text)
        })
    };
}
