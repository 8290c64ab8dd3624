//! `bench logs`: real lines from file to file, beside the programs that people use for it.
//!
//! The shipped logs are repeated to a fixed size; every contender must write the very same bytes.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::json;

use super::{Measurements, machine, statistics::Spread};
use crate::{demo, shell, tools, workspace};

const OURS: &str = "log-processor";
/// Bytes to copy, rounded up to whole repetitions of the shipped lines.
const SIZE: u64 = 330_000_000;
const ROUNDS: usize = 7;
const QUICK_SIZE: u64 = 66_000_000;
const QUICK_ROUNDS: usize = 3;

/// How often a contender is looked at; a run takes at least a hundred times as long.
const POLL: Duration = Duration::from_millis(1);
/// No contender needs a tenth of it.
const LIMIT: Duration = Duration::from_secs(300);

/// At most this many times `cat`'s wall time.
const WALL_GOAL: f64 = 2.5;
/// At least this many times rsyslog's rate.
const RATE_GOAL: f64 = 6.0;

/// Where a run reads and writes.
struct Files {
    folder: PathBuf,
    input: PathBuf,
    output: PathBuf,
    bytes: u64,
    lines: u64,
}

/// One program that copies lines.
struct Contender {
    name: &'static str,
    /// How it is started; the error says why it cannot be.
    command: Start,
    /// A server goes on watching its input, and is stopped when the output is complete.
    is_server: bool,
    version: String,
}

/// Prepares one run.
type Start = Box<dyn Fn(&Files) -> Result<Command>>;

/// One run.
struct Run {
    seconds: f64,
    peak_bytes: u64,
}

pub(super) fn measure(quick: bool) -> Result<Measurements> {
    let (size, rounds) = if quick { (QUICK_SIZE, QUICK_ROUNDS) } else { (SIZE, ROUNDS) };
    let folder = workspace::target("bench/logs")?;
    let files = Files::create(&folder, size)?;
    let contenders = contenders(&files)?;
    let mut runs: Vec<Vec<Run>> = contenders.iter().map(|_| Vec::new()).collect();
    println!("{} lines, {} bytes; {rounds} rounds", files.lines, files.bytes);
    for _ in 0..rounds {
        for (contender, runs) in contenders.iter().zip(&mut runs) {
            let run = contender.run(&files)?;
            println!("{:<14} {:>6.3} s", contender.name, run.seconds);
            runs.push(run);
        }
    }
    for file in [&files.input, &files.output] {
        fs::remove_file(file).with_context(|| format!("cannot remove {}", file.display()))?;
    }
    Ok(Measurements {
        title: "logs: real lines from file to file",
        body: body(&files, rounds, &contenders, &runs),
        versions: contenders.iter().map(|contender| contender.version.clone()).collect(),
        raw: raw(&files, &contenders, &runs),
    })
}

/// Ours, and those peers that are there.
fn contenders(files: &Files) -> Result<Vec<Contender>> {
    let program = demo::build("log-processor")?;
    let mut contenders = vec![
        Contender {
            name: "cat",
            command: Box::new(|files| {
                let mut command = Command::new("cat");
                command.arg(&files.input).stdout(File::create(&files.output)?);
                Ok(command)
            }),
            is_server: false,
            version: machine::version(Command::new("cat").arg("--version"))?,
        },
        Contender {
            name: "grep",
            command: Box::new(|files| {
                let mut command = Command::new("grep");
                // Bytes, not characters; and a byte that is no text does not end the copy.
                command
                    .env("LC_ALL", "C")
                    .args(["-a", ""])
                    .arg(&files.input)
                    .stdout(File::create(&files.output)?);
                Ok(command)
            }),
            is_server: false,
            version: machine::version(Command::new("grep").arg("--version"))?,
        },
        Contender {
            name: OURS,
            version: machine::version(Command::new(&program).arg("--version"))?,
            command: Box::new(move |files| {
                let mut command = Command::new(&program);
                command.arg("run").arg("--input").arg(&files.input).arg("--output").arg(&files.output);
                command.args(["--overwrite", "--parse", "plain", "--format", "raw", "--report", "json"]);
                command.stdout(File::create(files.folder.join("report.json"))?);
                Ok(command)
            }),
            is_server: false,
        },
    ];
    match rsyslog(files) {
        Ok(rsyslog) => contenders.push(rsyslog),
        Err(error) => println!("NOTICE: {error:#}"),
    }
    Ok(contenders)
}

fn rsyslog(files: &Files) -> Result<Contender> {
    let template = workspace::root().join("crates/forebay-bench/peers/rsyslog.conf.in");
    let template =
        fs::read_to_string(&template).with_context(|| format!("cannot read {}", template.display()))?;
    let configuration = files.folder.join("rsyslog.conf");
    let work = files.folder.join("rsyslog");
    let shown = |path: &Path| path.display().to_string();
    let text = template
        .replace("@WORK@", &shown(&work))
        .replace("@INPUT@", &shown(&files.input))
        .replace("@OUTPUT@", &shown(&files.output));
    fs::write(&configuration, text).with_context(|| format!("cannot write {}", configuration.display()))?;
    let version = machine::version(tools::rsyslogd()?.arg("-v"))?;
    Ok(Contender {
        name: "rsyslog",
        command: Box::new(move |_| {
            // It remembers how far it read, and would copy nothing the second time.
            fs::remove_dir_all(&work).ok();
            fs::create_dir_all(&work).with_context(|| format!("cannot create {}", work.display()))?;
            let mut command = tools::rsyslogd()?;
            command.arg("-n").arg("-i").arg(work.join("pid")).arg("-f").arg(&configuration);
            Ok(command)
        }),
        is_server: true,
        version: version.split_whitespace().take(2).collect::<Vec<_>>().join(" "),
    })
}

// === impl Files ===

impl Files {
    /// Writes the input: the shipped lines in the order of their paths, again and again.
    fn create(folder: &Path, size: u64) -> Result<Self> {
        let once = shipped_lines(&demo::shipped_logs()?)?;
        let repetitions = size.div_ceil(once.len() as u64);
        let input = folder.join("input.log");
        let file = File::create(&input).with_context(|| format!("cannot create {}", input.display()))?;
        let mut writer = BufWriter::new(file);
        for _ in 0..repetitions {
            writer.write_all(&once)?;
        }
        writer.flush()?;
        let lines = once.iter().filter(|byte| **byte == b'\n').count() as u64;
        Ok(Self {
            folder: folder.to_owned(),
            output: folder.join("output.log"),
            input,
            bytes: once.len() as u64 * repetitions,
            lines: lines * repetitions,
        })
    }

    fn is_complete(&self) -> bool {
        fs::metadata(&self.output).is_ok_and(|output| output.len() >= self.bytes)
    }
}

/// All lines of the files, each ending in a newline. rsyslog's file input skips empty lines, so there are none.
fn shipped_lines(paths: &[PathBuf]) -> Result<Vec<u8>> {
    let mut lines = Vec::new();
    for path in paths {
        let content = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        for line in content.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            lines.extend_from_slice(line);
            lines.push(b'\n');
        }
    }
    Ok(lines)
}

// === impl Contender ===

impl Contender {
    fn run(&self, files: &Files) -> Result<Run> {
        fs::remove_file(&files.output).ok();
        // What the run before left to be written to the disk must not slow this one.
        shell::capture(&mut Command::new("sync"))?;
        let mut command = (self.command)(files)?;
        let start = Instant::now();
        let mut child = command.spawn().with_context(|| format!("cannot start {}", self.name))?;
        let run = self.watch(&mut child, start, files);
        // A server is alive, and so is anything that was too slow. Whoever has ended by itself is not.
        if child.try_wait()?.is_none() {
            shell::capture(Command::new("kill").arg(child.id().to_string()))?;
            child.wait()?;
        }
        let run = run.with_context(|| format!("{} failed", self.name))?;
        if !shell::answers(Command::new("cmp").arg("-s").arg(&files.input).arg(&files.output)) {
            bail!("{} did not write the bytes it read", self.name);
        }
        Ok(run)
    }

    fn watch(&self, child: &mut Child, start: Instant, files: &Files) -> Result<Run> {
        let mut peak_bytes = 0;
        loop {
            peak_bytes = peak_bytes.max(peak(child.id()));
            if let Some(status) = child.try_wait()? {
                if !status.success() || self.is_server {
                    bail!("ended with {status}");
                }
                return Ok(Run { seconds: start.elapsed().as_secs_f64(), peak_bytes });
            }
            if self.is_server && files.is_complete() {
                return Ok(Run { seconds: start.elapsed().as_secs_f64(), peak_bytes });
            }
            if start.elapsed() > LIMIT {
                bail!("not done after {} s", LIMIT.as_secs());
            }
            thread::sleep(POLL);
        }
    }
}

/// The most memory the process has held so far, in bytes; 0 when the system does not say.
fn peak(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok())
        .map_or(0, |kilobytes| kilobytes * 1024)
}

fn seconds(runs: &[Run]) -> Vec<f64> {
    runs.iter().map(|run| run.seconds).collect()
}

fn body(files: &Files, rounds: usize, contenders: &[Contender], runs: &[Vec<Run>]) -> String {
    let times = |name: &str| {
        let at = contenders.iter().position(|contender| contender.name == name)?;
        Some(seconds(&runs[at]))
    };
    let mut table =
        "| program | wall, s | million lines a second | wall relative to cat | peak memory, MB |\n\
                     | --- | --- | --- | --- | --- |"
            .to_owned();
    for (contender, runs) in contenders.iter().zip(runs) {
        let wall = seconds(runs);
        let rate = Spread::of(wall.iter().map(|seconds| files.lines as f64 / seconds / 1e6));
        let to_cat = times("cat").map_or("-".to_owned(), |cat| Spread::of_ratios(&wall, &cat).to_string());
        let peak = runs.iter().map(|run| run.peak_bytes).max().unwrap_or_default() as f64 / 1e6;
        table += &format!("\n| {} | {} | {rate} | {to_cat} | {peak:.0} |", contender.name, Spread::of(wall));
    }
    let ours = times(OURS).unwrap_or_default();
    let wall = times("cat").map(|cat| Spread::of_ratios(&ours, &cat));
    let rate = times("rsyslog").map(|rsyslog| Spread::of_ratios(&rsyslog, &ours));
    format!(
        "The {lines} shipped real lines ({bytes} bytes, {mean} a line; tests/data/logs repeated, empty lines left \
         out), copied from file to file.\n\
         {rounds} rounds, contenders interleaved; median (min-max); every output was compared with the input, byte \
         for byte.\n\
         grep is `grep -a ''`, log-processor `--parse plain --format raw`, and rsyslog is configured as in \
         crates/forebay-bench/peers/rsyslog.conf.in; its time ends when its output is complete.\n\n\
         {table}\n\n\
         - Goal: at most {WALL_GOAL} times cat's wall time: {wall_goal}.\n\
         - Goal: at least {RATE_GOAL} times rsyslog's rate: {rate_goal}.",
        lines = files.lines,
        bytes = files.bytes,
        mean = files.bytes / files.lines.max(1),
        wall_goal = verdict(wall, |ratio| ratio <= WALL_GOAL),
        rate_goal = verdict(rate, |ratio| ratio >= RATE_GOAL),
    )
}

/// A goal is met by its median; without the peer it is not measured, and never met.
fn verdict(ratio: Option<Spread>, is_met: impl Fn(f64) -> bool) -> String {
    match ratio {
        None => "not measured, the peer is not there".to_owned(),
        Some(ratio) if is_met(ratio.median) => format!("met, {ratio}"),
        Some(ratio) => format!("MISSED, {ratio}"),
    }
}

fn raw(files: &Files, contenders: &[Contender], runs: &[Vec<Run>]) -> serde_json::Value {
    let contenders = contenders.iter().zip(runs).map(|(contender, runs)| {
        json!({
            "name": contender.name,
            "version": contender.version,
            "seconds": seconds(runs),
            "peak_bytes": runs.iter().map(|run| run.peak_bytes).collect::<Vec<_>>(),
        })
    });
    json!({ "bytes": files.bytes, "lines": files.lines, "contenders": contenders.collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_without_its_peer_is_not_measured() {
        assert!(verdict(None, |_| true).starts_with("not measured"));
    }

    #[test]
    fn a_goal_is_judged_by_the_median() {
        let ratio = |median| Some(Spread { median, min: 0.0, max: 9.0 });
        assert!(verdict(ratio(2.4), |ratio| ratio <= 2.5).starts_with("met, 2.40"));
        assert!(verdict(ratio(2.6), |ratio| ratio <= 2.5).starts_with("MISSED, 2.60"));
    }

    #[test]
    fn the_input_has_no_empty_line_and_ends_each_line() {
        let folder = workspace::target("tmp/xtask-lines").unwrap();
        let (first, second) = (folder.join("a"), folder.join("b"));
        fs::write(&first, "one\n\ntwo").unwrap();
        fs::write(&second, "three\n").unwrap();
        assert_eq!(shipped_lines(&[first, second]).unwrap(), b"one\ntwo\nthree\n");
    }
}
