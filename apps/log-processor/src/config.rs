//! What a run is told: the keys, where they come from, and what a checked set of them is.
//!
//! [`Settings`] is what a person writes, on the command line or in a file: one struct for both, so
//! the keys cannot drift apart. [`Config`] is what the pipeline reads: complete, and checked for
//! everything that can be checked without touching an input or the output.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::{fmt, fs, io, thread};

use bytesize::ByteSize;
use clap::ValueEnum;
use clap::builder::PossibleValue;
use serde::{Deserialize, Deserializer, de};

use crate::filter::{Filter, FilterError};
use crate::output::{Existing, Target};
use crate::parse::ParseMode;
use crate::process::OutputFormat;

/// The keys of a run, each of them optional: flags of the command line and keys of a file.
///
/// ```
/// use log_processor::config::{Config, Settings};
///
/// let settings: Settings = toml::from_str(
///     r#"
///     input = ["logs/*.log"]
///     output = "errors.json"
///     filter = 'level >= error'
///     format = "json"
///     "#,
/// )?;
/// let config = Config::new(settings)?;
/// assert_eq!(config.inputs, ["logs/*.log"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, clap::Args, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// What to read: files, globs, or - for standard input; gzip files are unpacked
    #[arg(short, long, value_name = "PATH", num_args = 1..)]
    #[serde(deserialize_with = "one_or_many")]
    pub input: Vec<String>,

    /// Where to write: a file, or - for standard output
    #[arg(short, long, value_name = "PATH")]
    pub output: Option<PathBuf>,

    /// Write behind what the output file holds already, or what others added to it since a run with --state ended
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    #[arg(hide_possible_values = true)]
    pub append: Option<bool>,

    /// Replace what the output file holds already, or cut off what others added to it since a run with --state ended
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    #[arg(hide_possible_values = true)]
    pub overwrite: Option<bool>,

    /// How lines are read [default: auto, each line by its looks]
    #[arg(short, long, value_enum, value_name = "HOW")]
    #[serde(deserialize_with = "by_name")]
    pub parse: Option<ParseMode>,

    /// Keep only records for which this is true, such as 'level >= warn and not path contains "/health"'
    #[arg(short, long, value_name = "EXPR")]
    pub filter: Option<String>,

    /// How records are written [default: raw, each line byte for byte]
    #[arg(long, value_enum, value_name = "HOW")]
    #[serde(deserialize_with = "by_name")]
    pub format: Option<OutputFormat>,

    /// Keep checkpoints in this folder: a run that was killed goes on where it was
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,

    /// Make each checkpoint survive a power loss too (fsync), not only the death of the process
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    #[arg(hide_possible_values = true)]
    pub sync: Option<bool>,

    /// Go on with what is added to the files, across rotation and truncation, until a signal comes
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    #[arg(hide_possible_values = true)]
    pub follow: Option<bool>,

    /// How the report at the end is written [default: text]
    #[arg(long, value_enum, value_name = "HOW")]
    #[serde(deserialize_with = "by_name")]
    pub report: Option<ReportFormat>,

    /// How many batches are parsed and filtered at once [default: one for each core, at most 64]
    #[arg(long, value_name = "N")]
    pub workers: Option<usize>,

    /// A longer line is cut into pieces of this size, and counted as long [default: 1MiB, at most 3MiB]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    #[serde(deserialize_with = "size")]
    pub max_line: Option<ByteSize>,

    /// With --state, save a checkpoint after this much was read, and after a second [default: 16MiB]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    #[serde(deserialize_with = "size")]
    pub checkpoint_every: Option<ByteSize>,
}

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
    /// Which records are kept; `None` keeps all.
    pub filter: Option<Filter>,
    /// How kept records are written.
    pub format: OutputFormat,
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
    /// The longest line that travels in one piece, in bytes.
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

/// Why a run cannot be configured like this. Names the place and what would be right.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {}; check the path given to --config", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not TOML, or a key or a value in it is not one of ours.
    #[error("{}:{line}:{column}: {message}\n{}", path.display(), excerpt(text, *line, *column))]
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column, from 1, in characters.
        column: usize,
        /// What is wrong, and what the valid keys or values are.
        message: String,
        /// The line itself.
        text: String,
    },
    /// Nothing to read.
    #[error("no input: name files with --input PATH, or - for standard input (`input = [\"..\"]` in a file)")]
    NoInput,
    /// A name that is none.
    #[error("{key} is empty: give it a path, or - for standard {stream}")]
    EmptyPath {
        /// The key.
        key: &'static str,
        /// What `-` means there.
        stream: &'static str,
    },
    /// Nowhere to write.
    #[error(
        "no output: name a file with --output PATH, or - for standard output (`output = \"..\"` in a file)"
    )]
    NoOutput,
    /// Two answers to one question.
    #[error("append and overwrite exclude each other: give one of them")]
    AppendAndOverwrite,
    /// The filter is not one.
    #[error("the filter cannot be read:\n{0}")]
    Filter(FilterError),
    /// A size outside its range.
    #[error("{key} is {given}, which is outside {least} to {most}")]
    Size {
        /// The key.
        key: &'static str,
        /// What was given.
        given: ByteSize,
        /// The smallest that works.
        least: ByteSize,
        /// The largest that works.
        most: ByteSize,
    },
    /// Each worker has a batch in memory and a thread.
    #[error("workers is {given}, which is outside 1 to {MOST_WORKERS}; leave it out for one for each core")]
    Workers {
        /// What was given.
        given: usize,
    },
    /// `sync` makes checkpoints durable, and there are none.
    #[error("--sync has nothing to make durable without --state DIR: give a folder for the checkpoints too")]
    SyncWithoutState,
}

// === impl Settings ===

impl Settings {
    /// Reads a TOML file of settings.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Unreadable`] and [`ConfigError::File`].
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        let settings: Self = toml::from_str(&text).map_err(|error| {
            let message = with_nearest(error.message().replace("unknown field", "unknown key"));
            error_at(path, &text, error.span().map_or(0, |span| span.start), message)
        })?;
        // Checked here too, although `Config::new` does it: only here is the place in the file known.
        if let Some(Err(error)) = settings.filter.as_deref().map(str::parse::<Filter>) {
            let message = format!("the filter cannot be read:\n{error}");
            return Err(error_at(path, &text, key_position(&text, "filter"), message));
        }
        Ok(settings)
    }

    /// These settings, and where they say nothing, those of `base`.
    #[must_use]
    pub fn over(self, base: Self) -> Self {
        // Either of the two answers to "what about an existing output" replaces both.
        let existing = if self.append.is_some() || self.overwrite.is_some() { &self } else { &base };
        Self {
            append: existing.append,
            overwrite: existing.overwrite,
            input: if self.input.is_empty() { base.input } else { self.input },
            output: self.output.or(base.output),
            parse: self.parse.or(base.parse),
            filter: self.filter.or(base.filter),
            format: self.format.or(base.format),
            state: self.state.or(base.state),
            sync: self.sync.or(base.sync),
            follow: self.follow.or(base.follow),
            report: self.report.or(base.report),
            workers: self.workers.or(base.workers),
            max_line: self.max_line.or(base.max_line),
            checkpoint_every: self.checkpoint_every.or(base.checkpoint_every),
        }
    }
}

// === impl Config ===

impl Config {
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
        Ok(Self {
            inputs: settings.input,
            output: if output == Path::new("-") { Target::Stdout } else { Target::File(output) },
            existing,
            parse: settings.parse.unwrap_or_default(),
            filter: settings.filter.as_deref().map(str::parse).transpose().map_err(ConfigError::Filter)?,
            format: settings.format.unwrap_or_default(),
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
            checkpoint_every: within(
                "checkpoint-every",
                settings.checkpoint_every.unwrap_or(ByteSize::mib(16)),
                ByteSize::b(1),
                ByteSize::tib(1),
            )?,
        })
    }
}

// === impl ParseMode, OutputFormat, ReportFormat: their names, here because flags and files share them ===

impl ValueEnum for ParseMode {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Auto, Self::Json, Self::Logfmt, Self::Clf, Self::Plain]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Auto => PossibleValue::new("auto").help("each line by its looks"),
            Self::Json => PossibleValue::new("json").help("one object a line"),
            Self::Logfmt => PossibleValue::new("logfmt").help("key=value pairs"),
            Self::Clf => PossibleValue::new("clf").help("access logs in the common or combined log format"),
            Self::Plain => PossibleValue::new("plain").help("nothing is parsed: the line is the message"),
        })
    }
}

impl ValueEnum for OutputFormat {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Json, Self::Logfmt, Self::Raw]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Json => PossibleValue::new("json").help("one object a line"),
            Self::Logfmt => PossibleValue::new("logfmt").help("key=value pairs"),
            Self::Raw => PossibleValue::new("raw").help(
                "the line as it came, byte for byte; a line end that is missing between two inputs is added",
            ),
        })
    }
}

impl ValueEnum for ReportFormat {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Text, Self::Json]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Text => PossibleValue::new("text").help("a table for people"),
            Self::Json => PossibleValue::new("json").help("one object on one line"),
        })
    }
}

/// Deserializes a list of strings, or one string that stands for a list of one.
fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct OneOrMany;
    impl<'de> de::Visitor<'de> for OneOrMany {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a path in quotes, or a list of them")
        }

        fn visit_str<E>(self, one: &str) -> Result<Vec<String>, E> {
            Ok(vec![one.to_owned()])
        }

        fn visit_seq<A: de::SeqAccess<'de>>(self, many: A) -> Result<Vec<String>, A::Error> {
            Deserialize::deserialize(de::value::SeqAccessDeserializer::new(many))
        }
    }
    deserializer.deserialize_any(OneOrMany)
}

/// Deserializes a value by the name that its flag knows it by.
fn by_name<'de, D, V>(deserializer: D) -> Result<Option<V>, D::Error>
where
    D: Deserializer<'de>,
    V: ValueEnum,
{
    let name = String::deserialize(deserializer)?;
    V::from_str(&name, false).map(Some).map_err(|_| {
        let names: Vec<_> = V::value_variants().iter().filter_map(V::to_possible_value).collect();
        let names: Vec<_> = names.iter().map(|value| format!("`{}`", value.get_name())).collect();
        de::Error::custom(format!("`{name}` is not one of {}", names.join(", ")))
    })
}

/// Deserializes a size written as a number of bytes or as a string with a unit.
fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ByteSize>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a number of bytes or a size such as \"64KiB\"")]
    enum Written {
        Number(u64),
        Text(String),
    }
    match Written::deserialize(deserializer)? {
        Written::Number(bytes) => Ok(Some(ByteSize::b(bytes))),
        Written::Text(text) => parse_size(&text).map(Some).map_err(de::Error::custom),
    }
}

fn parse_size(text: &str) -> Result<ByteSize, String> {
    text.parse()
        .map_err(|_| format!("`{text}` is not a size such as \"64KiB\", \"1MB\" or a number of bytes"))
}

fn within(key: &'static str, given: ByteSize, least: ByteSize, most: ByteSize) -> Result<u64, ConfigError> {
    if (least..=most).contains(&given) {
        Ok(given.as_u64())
    } else {
        Err(ConfigError::Size { key, given, least, most })
    }
}

fn error_at(path: &Path, text: &str, offset: usize, message: String) -> ConfigError {
    let before = &text[..offset];
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    ConfigError::File {
        path: path.to_owned(),
        line: before.matches('\n').count() + 1,
        column: text[start..offset].chars().count() + 1,
        message,
        text: text[start..].lines().next().unwrap_or_default().to_owned(),
    }
}

/// Adds to "unknown key `x`, expected one of `a`, `b`" which of them was meant, if one is near.
fn with_nearest(message: String) -> String {
    let mut names = message.split('`').skip(1).step_by(2);
    let Some(given) = names.next().filter(|_| message.starts_with("unknown key")) else { return message };
    match names.map(|name| (edits(given, name), name)).min() {
        Some((edits, name)) if edits <= 2 => format!("{message}; did you mean `{name}`?"),
        _ => message,
    }
}

/// How many bytes must be put in, taken out or replaced to make `one` the `other` (Levenshtein's distance).
fn edits(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (above, mine) in one.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], above + 1);
        for (place, theirs) in other.bytes().enumerate() {
            let replaced = diagonal + usize::from(mine != theirs);
            diagonal = row[place + 1];
            row[place + 1] = replaced.min(diagonal + 1).min(row[place] + 1);
        }
    }
    row[other.len()]
}

/// Where a key of the top level stands in a file that was read without error.
fn key_position(text: &str, key: &str) -> usize {
    let table = toml::de::DeTable::parse(text).expect("the same text was read before");
    table.get_ref().get(key).map_or(0, |value| value.span().start)
}

/// The line with a caret under the column.
fn excerpt(text: &str, line: usize, column: usize) -> String {
    let margin = line.to_string().len();
    format!("{line} | {text}\n{:margin$} | {:>column$}", "", "^")
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
    fn edits_are_counted() {
        assert_eq!([edits("fliter", "filter"), edits("input", "input"), edits("", "sync")], [2, 0, 4]);
        assert_eq!([edits("outputs", "output"), edits("kitten", "sitting")], [1, 3]);
    }

    #[test]
    fn empty_names_are_refused() {
        let config = |toml: &str| Config::new(settings(toml)).unwrap_err();
        insta::assert_snapshot!(config("input = ['a', '']\noutput = '-'"), @"input is empty: give it a path, or - for standard input");
        insta::assert_snapshot!(config("input = 'a'\noutput = ''"), @"output is empty: give it a path, or - for standard output");
    }
}
