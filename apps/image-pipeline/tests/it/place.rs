//! A folder for each test, the program started in it, and conditions that are awaited.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// A condition that does not come true in this time never will. Far longer than any of them takes.
const PATIENCE: Duration = Duration::from_secs(60);

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

    /// With so many copies of a photograph of two megapixels in the folder `in`.
    pub(crate) fn with_photos(count: usize) -> Self {
        let place = Self::new();
        (0..count).for_each(|n| place.copy("retina.jpg", &format!("in/{n}.jpg")));
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

    /// Puts one of the photographs in the repository here.
    pub(crate) fn copy(&self, photo: &str, name: &str) {
        self.write(name, fs::read(photos(photo)).unwrap());
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// All files below a folder, sorted; none if it is not there.
    pub(crate) fn files(&self, folder: &str) -> Vec<String> {
        let root = self.path(folder);
        let (mut files, mut folders) = (Vec::new(), vec![root.clone()]);
        while let Some(folder) = folders.pop() {
            let Ok(entries) = fs::read_dir(&folder) else { continue };
            for path in entries.map(|entry| entry.unwrap().path()) {
                match path.symlink_metadata() {
                    Ok(metadata) if metadata.is_dir() => folders.push(path),
                    // A file that vanishes meanwhile is not there.
                    Ok(_) => files.push(path.strip_prefix(&root).unwrap().display().to_string()),
                    Err(_) => {}
                }
            }
        }
        files.sort();
        files
    }

    /// The program with arguments as a shell would split them at spaces (no quotes), not started yet.
    pub(crate) fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_image-pipeline"));
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
        let mut command = self.command(arguments);
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

    /// The report, which `--report json` asked for.
    pub(crate) fn report(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("no report ({error}) in {self:#?}"))
    }

    /// Pictures that were written, kept, failed, not started: checked to add up.
    pub(crate) fn counts(&self) -> [u64; 4] {
        let report = self.report();
        let counts = ["written", "kept", "failed", "not_started"]
            .map(|name| report[name].as_u64().unwrap_or_else(|| panic!("no {name} in {report}")));
        assert_eq!(report["pictures"], counts.iter().sum::<u64>(), "{report}");
        counts
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

/// One of the photographs in the repository, or their folder.
pub(crate) fn photos(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/photos").join(name)
}
