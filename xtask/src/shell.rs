//! Starts other programs: shown before they run, waited for, and named when they fail.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::workspace;

/// How often a child with a time limit is asked whether it has ended.
const POLL: Duration = Duration::from_millis(20);

/// How a program with a time limit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// By itself, with exit code 0.
    Well,
    /// By itself, in any other way.
    Badly,
    /// It was killed, with all it had started, because its time was over.
    Hung,
}

/// The cargo that runs this program, in the root of the workspace.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace::root());
    command
}

/// A program from PATH, in the root of the workspace.
pub(crate) fn program(name: impl AsRef<Path>) -> Command {
    let mut command = Command::new(name.as_ref());
    command.current_dir(workspace::root());
    command
}

/// Shows the command, runs it, and fails unless it succeeds.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    println!("$ {}", describe(command));
    let status = command.status().with_context(|| format!("cannot start {}", describe(command)))?;
    succeeded(command, status)
}

/// Like [`run`], and kills the command with all it started when `limit` is over.
pub(crate) fn run_within(limit: Duration, command: &mut Command) -> Result<()> {
    println!("$ {}", describe(command));
    match wait_within(limit, start_group(command)?)? {
        Ended::Well => Ok(()),
        Ended::Badly => bail!("failed: {}", describe(command)),
        Ended::Hung => bail!("not done after {} s, killed: {}", limit.as_secs(), describe(command)),
    }
}

/// Runs the command without showing it and returns what it wrote to stdout.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start {}", describe(command)))?;
    succeeded(command, output.status)?;
    String::from_utf8(output.stdout).with_context(|| format!("output of {} is not UTF-8", describe(command)))
}

/// Whether the command can be started and succeeds; its output is dropped.
pub(crate) fn answers(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|s| s.success())
}

/// Starts the command in a process group of its own, so that [`wait_within`] can end all of it.
pub(crate) fn start_group(command: &mut Command) -> Result<Child> {
    command.process_group(0).spawn().with_context(|| format!("cannot start {}", describe(command)))
}

/// Waits for a child of [`start_group`]; kills its whole group when `limit` is over.
pub(crate) fn wait_within(limit: Duration, mut child: Child) -> Result<Ended> {
    let end = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(if status.success() { Ended::Well } else { Ended::Badly });
        }
        if Instant::now() >= end {
            // A test binary is cargo's child: the group holds both, and a negative id names the group.
            run_quiet(Command::new("kill").args(["-KILL", "--", &format!("-{}", child.id())]))?;
            child.wait()?;
            return Ok(Ended::Hung);
        }
        std::thread::sleep(POLL);
    }
}

/// The command as a person would type it, with the variables that were set for it.
pub(crate) fn describe(command: &Command) -> String {
    let variables = command
        .get_envs()
        .filter_map(|(key, value)| Some(format!("{}={}", key.display(), quote(&value?.to_string_lossy()))));
    let program = Path::new(command.get_program());
    let name = match program.file_stem() {
        // cargo is started by its full path, which tells a reader nothing.
        Some(stem) if stem == "cargo" => "cargo".to_owned(),
        _ => quote(&program.to_string_lossy()),
    };
    let arguments = command.get_args().map(|argument| quote(&argument.to_string_lossy()));
    variables.chain([name]).chain(arguments).collect::<Vec<_>>().join(" ")
}

fn run_quiet(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {}", describe(command)))?;
    succeeded(command, status)
}

fn succeeded(command: &Command, status: ExitStatus) -> Result<()> {
    if !status.success() {
        bail!("failed ({status}): {}", describe(command));
    }
    Ok(())
}

fn quote(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_=+./:,@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_described_as_it_would_be_typed() {
        let mut command = Command::new("/opt/rust/bin/cargo");
        command.env("RUSTFLAGS", "--cfg loom").args(["test", "-p", "forebay-queue"]);
        assert_eq!(describe(&command), "RUSTFLAGS='--cfg loom' cargo test -p forebay-queue");
    }

    #[test]
    fn a_command_that_never_ends_is_killed_with_its_children() {
        let mut command = Command::new("sh");
        // The inner `sleep` holds the pipe open: reading to its end proves that it is gone too.
        let mut child = start_group(command.args(["-c", "sleep 600 & wait"]).stdout(Stdio::piped())).unwrap();
        let mut stdout = child.stdout.take().unwrap();
        assert_eq!(wait_within(Duration::from_millis(50), child).unwrap(), Ended::Hung);
        assert_eq!(std::io::Read::read_to_string(&mut stdout, &mut String::new()).unwrap(), 0);
    }

    #[test]
    fn how_a_command_ended_is_told_apart() {
        let ended = |script| {
            let child = start_group(Command::new("sh").args(["-c", script])).unwrap();
            wait_within(Duration::from_secs(60), child).unwrap()
        };
        assert_eq!(ended("exit 0"), Ended::Well);
        assert_eq!(ended("exit 7"), Ended::Badly);
        assert_eq!(ended("kill -ABRT $$"), Ended::Badly);
    }
}
