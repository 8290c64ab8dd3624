//! `cargo xtask demo`: the main job, on the real logs in the repository.

mod api;
mod images;

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::{shell, workspace};

/// What the demo keeps: what an operator would look at first, in every format.
const FILTER: &str = "level >= warn or status >= 400";

/// Builds log-processor and runs it over real logs; prints what it found and kept.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cargo xtask demo                      the logs in tests/data/logs\n  \
    cargo xtask demo /var/log/*.log       your own; they are only read\n  \
    cargo xtask demo images               image-pipeline, on photographs\n  \
    cargo xtask demo api                  api-client, against a limited server")]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Demo {
    #[command(subcommand)]
    other: Option<Other>,
    /// Files or globs; without any, the shipped logs.
    logs: Vec<String>,
    /// Which lines to keep.
    #[arg(long, default_value = FILTER)]
    filter: String,
}

/// What else can be shown.
#[derive(Debug, clap::Subcommand)]
enum Other {
    Images(images::Images),
    Api(api::Api),
}

/// The part of log-processor's JSON report that is shown.
#[derive(Debug, Deserialize)]
struct Report {
    inputs: Vec<Input>,
    totals: Totals,
    seconds: f64,
}

#[derive(Debug, Deserialize)]
struct Input {
    path: PathBuf,
    /// Lines by the format they were found to be in.
    formats: BTreeMap<String, u64>,
    lines: u64,
    parsed: u64,
    kept: u64,
    error: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Totals {
    read: u64,
    bytes_read: u64,
}

// === impl Demo ===

impl Demo {
    pub(crate) fn run(self) -> Result<()> {
        match self.other {
            Some(Other::Images(images)) => return images.run(),
            Some(Other::Api(api)) => return api.run(),
            None => {}
        }
        let program = build("log-processor")?;
        let logs = if self.logs.is_empty() { vec!["tests/data/logs/*/*".to_owned()] } else { self.logs };
        let folder = workspace::target("demo")?;
        let (output, report) = (folder.join("kept.json"), folder.join("report.json"));
        // What an earlier demo kept must not be taken for this one's, should it not even start.
        match fs::remove_file(&output) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot remove {}", output.display()));
            }
            _ => {}
        }

        let mut run = shell::program("log-processor");
        // Each log is one more value of the same flag.
        run.arg("run").arg("--input").args(&logs).arg("--output").arg(&output).arg("--overwrite");
        run.args(["--parse", "auto", "--filter", &self.filter, "--format", "json", "--report", "json"]);
        println!("$ {}", shell::describe(&run));
        let arguments: Vec<_> = run.get_args().map(ToOwned::to_owned).collect();
        let file =
            fs::File::create(&report).with_context(|| format!("cannot create {}", report.display()))?;
        let status = Command::new(&program)
            .current_dir(workspace::root())
            .args(arguments)
            .stdout(file)
            .status()
            .with_context(|| format!("cannot start {}", program.display()))?;

        let json =
            fs::read_to_string(&report).with_context(|| format!("cannot read {}", report.display()))?;
        // A run that could not begin has no report, and log-processor has said why.
        anyhow::ensure!(!json.is_empty(), "log-processor ended with {status}");
        let report: Report =
            serde_json::from_str(&json).context("cannot read the report of log-processor")?;
        print!("{}", report.table());
        println!("kept lines, as JSON: {}", workspace::shown(&output));
        anyhow::ensure!(status.success(), "log-processor ended with {status}");
        Ok(())
    }
}

// === impl Report ===

impl Report {
    fn table(&self) -> String {
        let shown = |input: &Input| {
            let path = input.path.strip_prefix("tests/data/logs").unwrap_or(&input.path);
            workspace::shown(path)
        };
        let width =
            self.inputs.iter().map(|input| shown(input).len()).max().unwrap_or_default().max("all".len());
        let row = |path: &str, format: &str, lines: u64, parsed: u64, kept: u64| {
            format!("{path:<width$}  {format:<12} {lines:>8} {parsed:>8} {kept:>8}\n")
        };
        let mut table =
            format!("\n{:<width$}  {:<12} {:>8} {:>8} {:>8}\n", "file", "format", "lines", "parsed", "kept");
        for input in &self.inputs {
            table += &row(&shown(input), input.format(), input.lines, input.parsed, input.kept);
            if let Some(error) = &input.error {
                table += &format!("  {error}\n");
            }
        }
        let sum = |count: fn(&Input) -> u64| self.inputs.iter().map(count).sum();
        table += &row("all", "", self.totals.read, sum(|input| input.parsed), sum(|input| input.kept));
        table
            + &format!(
                "{:.1} MB in {:.3} s: {:.0} thousand lines a second\n",
                self.totals.bytes_read as f64 / 1e6,
                self.seconds,
                self.totals.read as f64 / self.seconds / 1e3,
            )
    }
}

// === impl Input ===

impl Input {
    /// The format of most lines.
    fn format(&self) -> &str {
        self.formats.iter().max_by_key(|(_, lines)| **lines).map_or("-", |(format, _)| format)
    }
}

/// Builds one of the programs as users run it, and tells where it is.
pub(crate) fn build(name: &str) -> Result<PathBuf> {
    shell::run(shell::cargo().args(["build", "--release", "--package", name]))?;
    Ok(workspace::target("release")?.join(name))
}

/// The real logs of the repository, in the order of their paths.
pub(crate) fn shipped_logs() -> Result<Vec<PathBuf>> {
    let root = workspace::root().join("tests/data/logs");
    let mut logs = Vec::new();
    for entry in fs::read_dir(&root).with_context(|| format!("cannot list {}", root.display()))? {
        let folder = entry?.path();
        if folder.is_dir() {
            let files = fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
            logs.extend(files.map(|file| Ok(file?.path())).collect::<Result<Vec<_>>>()?);
        }
    }
    logs.sort();
    Ok(logs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_shows_each_file_and_the_sum() {
        let report: Report = serde_json::from_str(
            r#"{ "seconds": 0.5, "totals": { "read": 12, "bytes_read": 2000000, "written": 3 }, "inputs": [
                { "path": "tests/data/logs/json/a.log", "formats": { "json": 9, "plain": 1 },
                  "lines": 10, "parsed": 9, "kept": 3, "error": null },
                { "path": "/var/log/b", "formats": {}, "lines": 2, "parsed": 0, "kept": 0, "error": "cut short" } ] }"#,
        )
        .unwrap();
        let expected = "
file        format          lines   parsed     kept
json/a.log  json               10        9        3
/var/log/b  -                   2        0        0
  cut short
all                            12        9        3
2.0 MB in 0.500 s: 0 thousand lines a second
";
        assert_eq!(report.table(), expected);
    }
}
