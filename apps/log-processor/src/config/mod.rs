//! What a run is told: the keys, where they come from, and what a checked set of them is.
//!
//! [`Settings`] is what a person writes, on the command line or in a file: one struct for both, so
//! the keys cannot drift apart. [`Config`] is what the pipeline reads: complete, and checked for
//! everything that can be checked without touching an input or the output.

mod error;
mod names;
mod settings;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use bytesize::ByteSize;
use forebay_program::config_file::ConfigFile;

pub use self::{error::ConfigError, settings::Settings};
use crate::filter::{Fields, Filter};
use crate::multiline::Multiline;
use crate::output::{Existing, Target};
use crate::parse::ParseMode;
use crate::period::Period;
use crate::process::OutputFormat;

/// The most batches that may be in work at once: the bound on memory grows with their number.
pub const MOST_WORKERS: NonZeroUsize = NonZeroUsize::new(64).expect("64 is not 0");

/// A complete and consistent set of [`Settings`].
#[derive(Debug, Clone)]
pub struct Config {
    /// Paths, globs, and `-` for standard input, in the order given. At least one.
    pub inputs: Vec<String>,
    /// Where kept records go.
    pub output: Target,
    /// What to do with an output file that holds something already.
    pub existing: Existing,
    /// How lines are read.
    pub parse: ParseMode,
    /// How lines are joined to records; `None` makes each line a record.
    pub multiline: Option<Multiline>,
    /// Which records are kept; `None` keeps all.
    pub filter: Option<Filter>,
    /// The span of time whose records are kept; `None` keeps all.
    pub period: Option<Period>,
    /// How kept records are written.
    pub format: OutputFormat,
    /// Which of their fields are written; `None` writes all.
    pub fields: Option<Fields>,
    /// Where checkpoints live; `None` keeps none, and a crash may lose or double lines.
    pub state: Option<PathBuf>,
    /// Whether checkpoints are made durable against power loss.
    pub sync: bool,
    /// Whether the run waits for more at the end of the files.
    pub follow: bool,
    /// How the report is written.
    pub report: ReportFormat,
    /// How many batches are in work at once, at most [`MOST_WORKERS`].
    pub workers: NonZeroUsize,
    /// The longest line, or record of several, that travels in one piece, in bytes.
    pub max_line: usize,
    /// How many bytes of input lie between two checkpoints, at most, give or take a batch.
    pub checkpoint_every: u64,
}

/// How the report is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ReportFormat {
    /// A table for people.
    #[default]
    Text,
    /// One JSON object on one line.
    Json,
}

// === impl Config ===

impl Config {
    /// Completes `flags` with the TOML file at `path`, whose keys are those of [`Settings`], and both with the
    /// defaults.
    ///
    /// # Errors
    ///
    /// [`ConfigError::File`] for what is wrong with the file or in it, also if only the combination
    /// with a flag makes it so; else as [`new`](Self::new).
    pub fn load(path: &Path, flags: Settings) -> Result<Self, ConfigError> {
        let file = ConfigFile::<Settings>::read(path)?;
        Self::new(flags.clone().over(file.settings.clone())).map_err(|error| {
            let placed = match error.key() {
                Some(key) if !flags.has(key) => file.place(key, error.to_string()),
                _ => None,
            };
            placed.map_or(error, ConfigError::File)
        })
    }

    /// Completes `settings` with the defaults and checks them against each other.
    ///
    /// # Errors
    ///
    /// What is missing, contradictory, out of range, or not a filter.
    pub fn new(settings: Settings) -> Result<Self, ConfigError> {
        if settings.input.is_empty() {
            return Err(ConfigError::NoInput);
        }
        if settings.input.iter().any(String::is_empty) {
            return Err(ConfigError::EmptyPath { key: "input", stream: "input" });
        }
        let output = settings.output.ok_or(ConfigError::NoOutput)?;
        if output.as_os_str().is_empty() {
            return Err(ConfigError::EmptyPath { key: "output", stream: "output" });
        }
        if settings.state.as_ref().is_some_and(|state| state.as_os_str().is_empty()) {
            return Err(ConfigError::EmptyState);
        }
        let existing = match (settings.append.unwrap_or_default(), settings.overwrite.unwrap_or_default()) {
            (true, true) => return Err(ConfigError::AppendAndOverwrite),
            (true, false) => Existing::Append,
            (false, true) => Existing::Overwrite,
            (false, false) => Existing::Refuse,
        };
        let sync = settings.sync.unwrap_or_default();
        if sync && settings.state.is_none() {
            return Err(ConfigError::SyncWithoutState);
        }
        let checkpoint_every = within(
            "checkpoint-every",
            settings.checkpoint_every.unwrap_or(ByteSize::mib(16)),
            ByteSize::b(1),
            ByteSize::tib(1),
        )?;
        if settings.checkpoint_every.is_some() && settings.state.is_none() {
            return Err(ConfigError::CheckpointsWithoutState);
        }
        if settings.multiline_wait.is_some() && settings.multiline.is_none() {
            return Err(ConfigError::WaitWithoutMultiline);
        }
        let wait = settings.multiline_wait.unwrap_or(Duration::from_secs(1));
        let first_line =
            settings.multiline.as_deref().map(str::parse).transpose().map_err(ConfigError::Multiline)?;
        if existing == Existing::Overwrite && output == Path::new("-") {
            return Err(ConfigError::OverwriteOfStdout);
        }
        let format = settings.format.unwrap_or_default();
        let fields = settings.fields.as_deref().map(str::parse).transpose().map_err(ConfigError::Fields)?;
        if fields.is_some() && format == OutputFormat::Raw {
            return Err(ConfigError::FieldsOfRaw);
        }
        let period = match (settings.since.as_deref(), settings.until.as_deref()) {
            (None, None) => None,
            (since, until) => Some(Period::new(since, until).map_err(ConfigError::Period)?),
        };
        Ok(Self {
            inputs: settings.input,
            output: if output == Path::new("-") { Target::Stdout } else { Target::File(output) },
            existing,
            parse: settings.parse.unwrap_or_default(),
            multiline: first_line.map(|first_line| Multiline { first_line, wait }),
            filter: settings.filter.as_deref().map(str::parse).transpose().map_err(ConfigError::Filter)?,
            period,
            format,
            fields,
            state: settings.state,
            sync,
            follow: settings.follow.unwrap_or_default(),
            report: settings.report.unwrap_or_default(),
            workers: match settings.workers {
                Some(given) => NonZeroUsize::new(given)
                    .filter(|given| *given <= MOST_WORKERS)
                    .ok_or(ConfigError::Workers { given })?,
                None => {
                    thread::available_parallelism().map_or(NonZeroUsize::MIN, |cores| cores.min(MOST_WORKERS))
                }
            },
            max_line: usize::try_from(within(
                "max-line",
                settings.max_line.unwrap_or(ByteSize::mib(1)),
                ByteSize::b(80),
                // One line must fit into memory whatever it becomes: as JSON up to six times as much.
                ByteSize::mib(3),
            )?)
            .expect("3 MiB fit"),
            checkpoint_every,
        })
    }
}

fn within(key: &'static str, given: ByteSize, least: ByteSize, most: ByteSize) -> Result<u64, ConfigError> {
    if (least..=most).contains(&given) {
        Ok(given.as_u64())
    } else {
        Err(ConfigError::Size { key, given, least, most })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(toml: &str) -> Settings {
        toml::from_str(toml).expect("the settings of a test are valid")
    }

    #[test]
    fn flags_override_the_file() {
        let file = settings("input = ['a']\noutput = 'o'\nformat = 'json'\nappend = true");
        let flags = settings("input = ['b']\noverwrite = true");
        let merged = flags.over(file);
        assert_eq!(merged.input, ["b"]);
        assert_eq!(merged.format, Some(OutputFormat::Json));
        let config = Config::new(merged).expect("overwrite replaced append");
        assert_eq!(config.existing, Existing::Overwrite);
    }

    #[test]
    fn one_input_needs_no_list_and_a_dash_is_standard_output() {
        let config = Config::new(settings("input = '-'\noutput = '-'")).unwrap();
        assert_eq!(config.inputs, ["-"]);
        assert_eq!(config.output, Target::Stdout);
    }

    #[test]
    fn sizes_have_units_and_a_range() {
        let config = Config::new(settings("input = ['-']\noutput = '-'\nmax-line = '64KiB'")).unwrap();
        assert_eq!(config.max_line, 64 << 10);
        let error = Config::new(settings("input = ['-']\noutput = '-'\nmax-line = 7")).unwrap_err();
        insta::assert_snapshot!(error, @"max-line is 7 B, which is outside 80 B to 3.0 MiB");
    }

    #[test]
    fn workers_have_a_limit() {
        let config =
            |workers| Config::new(settings(&format!("input = '-'\noutput = '-'\nworkers = {workers}")));
        assert_eq!(config(64).unwrap().workers, MOST_WORKERS);
        insta::assert_snapshot!(config(65).unwrap_err(), @"workers is 65, which is outside 1 to 64; leave it out for one for each core");
        insta::assert_snapshot!(config(0).unwrap_err(), @"workers is 0, which is outside 1 to 64; leave it out for one for each core");
    }

    #[test]
    fn empty_names_are_refused() {
        let config = |toml: &str| Config::new(settings(toml)).unwrap_err();
        insta::assert_snapshot!(config("input = ['a', '']\noutput = '-'"), @"input is empty: give it a path, or - for standard input");
        insta::assert_snapshot!(config("input = 'a'\noutput = ''"), @"output is empty: give it a path, or - for standard output");
    }
}
