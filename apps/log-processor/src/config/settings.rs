//! The keys as a person writes them, on the command line or in a file.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use clap::ValueEnum;
use serde::{Deserialize, Deserializer, de};

use super::ReportFormat;
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
    /// What to read: files, globs, or - for standard input; what is gzip or zstd is unpacked
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

    /// Join lines to records of several: one begins with a line with a time or level in front (time), with one that is
    /// not indented (indent), or with one that matches a pattern such as '^[0-9]+:'; see below
    #[arg(long, value_name = "time|indent|REGEX")]
    pub multiline: Option<String>,

    /// With --multiline, how long the last record of a pipe or a file that is followed is waited for when nothing comes
    /// [default: 1s]
    #[arg(long, value_name = "T", value_parser = parse_time)]
    #[serde(deserialize_with = "time")]
    pub multiline_wait: Option<Duration>,

    /// Keep only records for which this is true, such as 'level >= warn and not path contains "/health"'; see below
    #[arg(short, long, value_name = "EXPR")]
    pub filter: Option<String>,

    /// Keep only records of this time or later: '2026-11-29 14:00', 2026-11-29T14:00:00Z, yesterday, 1h30m (ago); see below
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    #[serde(deserialize_with = "moment")]
    pub since: Option<String>,

    /// Keep only records from before this time
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    #[serde(deserialize_with = "moment")]
    pub until: Option<String>,

    /// How records are written [default: raw, each line byte for byte]
    #[arg(long, value_enum, value_name = "HOW")]
    #[serde(deserialize_with = "by_name")]
    pub format: Option<OutputFormat>,

    /// Write only these fields, in this order, such as 'time,level,request.method'; with --format json or logfmt
    #[arg(long, value_name = "NAMES")]
    #[serde(deserialize_with = "list")]
    pub fields: Option<String>,

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

    /// Longer lines are split at this size; the report counts them as long lines [default: 1MiB, at most 3MiB]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    #[serde(deserialize_with = "size")]
    pub max_line: Option<ByteSize>,

    /// With --state, save a checkpoint after this much was read, and after a second [default: 16MiB]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    #[serde(deserialize_with = "size")]
    pub checkpoint_every: Option<ByteSize>,
}

// === impl Settings ===

impl Settings {
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
            multiline: self.multiline.or(base.multiline),
            multiline_wait: self.multiline_wait.or(base.multiline_wait),
            filter: self.filter.or(base.filter),
            since: self.since.or(base.since),
            until: self.until.or(base.until),
            format: self.format.or(base.format),
            fields: self.fields.or(base.fields),
            state: self.state.or(base.state),
            sync: self.sync.or(base.sync),
            follow: self.follow.or(base.follow),
            report: self.report.or(base.report),
            workers: self.workers.or(base.workers),
            max_line: self.max_line.or(base.max_line),
            checkpoint_every: self.checkpoint_every.or(base.checkpoint_every),
        }
    }

    /// Whether these settings say something of a key, or of one that it is an answer together with.
    pub(super) fn has(&self, key: &str) -> bool {
        match key {
            "input" => !self.input.is_empty(),
            "output" => self.output.is_some(),
            "append" | "overwrite" => self.append.is_some() || self.overwrite.is_some(),
            "multiline" => self.multiline.is_some(),
            "multiline-wait" => self.multiline_wait.is_some(),
            "filter" => self.filter.is_some(),
            "since" => self.since.is_some(),
            "until" => self.until.is_some(),
            "fields" => self.fields.is_some(),
            "state" => self.state.is_some(),
            "sync" => self.sync.is_some(),
            "workers" => self.workers.is_some(),
            "max-line" => self.max_line.is_some(),
            "checkpoint-every" => self.checkpoint_every.is_some(),
            _ => false,
        }
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

/// Deserializes a list as the command line has it, with commas, from such a one or from a list of strings.
fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    one_or_many(deserializer).map(|names| Some(names.join(",")))
}

/// Deserializes a time as the command line has it; TOML knows others, without quotes, and has no words for the rest.
fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    struct Moment;
    const HELP: &str = "a time in quotes, such as \"2026-11-29 14:00\" or \"1h ago\"";
    impl<'de> de::Visitor<'de> for Moment {
        type Value = String;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(HELP)
        }

        /// This is how a date without quotes comes.
        fn visit_map<A: de::MapAccess<'de>>(self, _: A) -> Result<String, A::Error> {
            Err(de::Error::custom(format!("expected {HELP}")))
        }

        fn visit_str<E>(self, text: &str) -> Result<String, E> {
            Ok(text.to_owned())
        }
    }
    deserializer.deserialize_any(Moment).map(Some)
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

/// Deserializes a time written as a number of seconds or as a string with a unit.
fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a number of seconds or a time such as \"500ms\"")]
    enum Written {
        Number(u32),
        Text(String),
    }
    match Written::deserialize(deserializer)? {
        Written::Number(seconds) => Ok(Some(Duration::from_secs(seconds.into()))),
        Written::Text(text) => parse_time(&text).map(Some).map_err(de::Error::custom),
    }
}

fn parse_time(text: &str) -> Result<Duration, String> {
    let amount = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let milliseconds = match &text[amount.len()..] {
        "ms" => Some(1),
        "" | "s" => Some(1000),
        "m" => Some(60_000),
        _ => None,
    };
    let time = milliseconds.zip(amount.parse::<u32>().ok());
    time.map(|(unit, amount)| Duration::from_millis(unit * u64::from(amount)))
        .ok_or_else(|| format!("`{text}` is not a time such as \"500ms\", \"3s\" or \"1m\""))
}
