//! What a run is told: the keys, where they come from, and what a checked set of them is.
//!
//! [`Settings`] is what a person writes, on the command line or in a file: one struct for both, so the keys cannot drift
//! apart. [`Config`] is what the run reads: complete, and checked for everything that can be checked without touching a
//! file.

mod error;
mod names;
mod settings;

use std::path::{Path, PathBuf};
use std::time::Duration;

use forebay_program::config_file::{ConfigFile, ConfigFileError};
use http::StatusCode;
use reqwest::Proxy;

pub(crate) use self::names::is_secret;
pub use self::{
    error::ConfigError,
    names::Header,
    settings::{GivenHeader, Settings},
};
use crate::redacted::HIDDEN;
use crate::{Classes, ConcurrencyChoice, RateChoice, input};

/// A complete and consistent set of [`Settings`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// What to request: this file, or standard input.
    pub urls: Option<PathBuf>,
    /// The folder for bodies.
    pub out: Option<PathBuf>,
    /// Where the lines of results go.
    pub lines: LinesTo,
    /// How often requests start.
    pub rate: RateChoice,
    /// How many the server takes at once after silence, from 1 on.
    pub burst: u64,
    /// How many are on their way at once.
    pub concurrency: ConcurrencyChoice,
    /// How often one is sent again; `None`: as often as the library does by default.
    pub retries: Option<u32>,
    /// How long an attempt may take.
    pub timeout: Duration,
    /// The longest wait that a server may ask for.
    pub max_wait: Duration,
    /// Statuses that are refusals too.
    pub refused_when: Vec<StatusCode>,
    /// The journal.
    pub journal: Option<PathBuf>,
    /// Headers for all requests, or for those to one host.
    pub headers: Vec<Header>,
    /// The proxy; none: those that the environment names.
    pub proxy: Option<Proxy>,
    /// Certificate authorities that are trusted beside the system's.
    pub cacert: Option<PathBuf>,
    /// The largest answer, in bytes.
    pub max_body: u64,
    /// Whether redirects from public to private addresses are followed.
    pub allow_private: bool,
    /// The field of a JSON line that says the class of its request.
    pub class_field: Option<String>,
    /// The classes, and who is sent first.
    pub classes: Classes,
    /// How the report is written.
    pub report: ReportFormat,
}

/// Where the lines of results go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinesTo {
    /// To a file.
    File(PathBuf),
    /// To standard output.
    Stdout,
    /// There are none: the folder of bodies is all that was asked for.
    Nowhere,
}

/// How the report is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ReportFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object on one line.
    Json,
}

// === impl Config ===

impl Config {
    /// Completes `flags` with the TOML file at `path`, whose keys are those of [`Settings`], and both with the defaults.
    /// Blocks.
    ///
    /// # Errors
    ///
    /// [`ConfigError::File`] for what is wrong in the file, also if only the combination with a flag makes it so; else as
    /// [`new`](Self::new).
    pub fn load(path: &Path, flags: Settings) -> Result<Self, ConfigError> {
        let file = ConfigFile::<Settings>::read(path).map_err(without_secret)?;
        Self::new(flags.clone().over(file.settings.clone())).map_err(|error| {
            let key = error.key().filter(|key| !flags.has(key));
            match key.and_then(|key| file.place(key, error.to_string())) {
                Some(placed) => placed.into(),
                None => error,
            }
        })
    }

    /// Completes `settings` with the defaults and checks them against each other.
    ///
    /// # Errors
    ///
    /// What is missing, contradictory or out of range.
    pub fn new(settings: Settings) -> Result<Self, ConfigError> {
        let is_stream = |path: &PathBuf| path.as_os_str() == "-";
        let urls = settings.urls.ok_or(ConfigError::NoUrls)?;
        let urls = (!is_stream(&urls)).then_some(urls);
        let lines = match settings.jsonl {
            Some(path) if is_stream(&path) => LinesTo::Stdout,
            Some(path) => LinesTo::File(path),
            None if settings.out.is_some() => LinesTo::Nowhere,
            None => LinesTo::Stdout,
        };
        if settings.out.as_ref().is_some_and(is_stream) {
            return Err(ConfigError::OutToStdout);
        }
        if settings.journal.as_ref().is_some_and(is_stream) {
            return Err(ConfigError::JournalToStdout);
        }
        let jsonl = if let LinesTo::File(path) = &lines { Some(path) } else { None };
        let files = [("urls", urls.as_ref()), ("jsonl", jsonl), ("journal", settings.journal.as_ref())];
        for (at, (key, path)) in files.iter().enumerate() {
            if let Some((other, _)) = files[..at].iter().find(|(_, other)| path.is_some() && other == path) {
                let path = path.cloned().unwrap_or_default();
                return Err(ConfigError::SameFile { keys: [other, key], path });
            }
        }
        let rate = settings.rate.unwrap_or(RateChoice::Auto);
        if settings.burst.is_some() && rate == RateChoice::Auto {
            return Err(ConfigError::BurstWithoutRate);
        }
        if settings.classes.is_some() && settings.class_field.is_none() {
            return Err(ConfigError::ClassesWithoutField);
        }
        if let Some(field) = settings.class_field.as_ref().filter(|field| input::FIELDS.contains(&&***field))
        {
            return Err(ConfigError::FieldTaken { field: field.clone() });
        }
        let headers = settings.header.into_iter().zip(1..);
        let headers = headers
            .map(|(GivenHeader(given), number)| given.map_err(|why| ConfigError::Header { number, why }))
            .collect::<Result<_, _>>()?;
        let proxy = settings.proxy.map(|proxy| names::parse_proxy(&proxy)).transpose();
        let proxy = proxy.map_err(|why| ConfigError::Proxy { why })?;
        let max_body = settings.max_body.map_or(64 << 20, |size| size.as_u64());
        let concurrency = settings.concurrency.unwrap_or(ConcurrencyChoice::Auto);
        let timeout = settings.timeout.unwrap_or(Duration::from_secs(30));
        for (key, is_zero) in [
            ("burst", settings.burst == Some(0)),
            ("concurrency", concurrency == ConcurrencyChoice::Fixed(0)),
            ("timeout", timeout.is_zero()),
            ("max-body", max_body == 0),
        ] {
            if is_zero {
                return Err(ConfigError::Zero { key });
            }
        }
        Ok(Self {
            urls,
            out: settings.out,
            lines,
            rate,
            burst: settings.burst.unwrap_or(1),
            concurrency,
            retries: settings.retries,
            timeout,
            max_wait: settings.max_wait.unwrap_or(Duration::from_secs(300)),
            refused_when: settings.refused_when,
            journal: settings.journal,
            headers,
            proxy,
            cacert: settings.cacert,
            max_body,
            allow_private: settings.allow_private.unwrap_or_default(),
            class_field: settings.class_field,
            classes: settings.classes.unwrap_or_default(),
            report: settings.report.unwrap_or_default(),
        })
    }

    /// Whether results take standard output, so that nothing else may.
    pub fn is_stdout_taken(&self) -> bool {
        self.lines == LinesTo::Stdout
    }
}

/// Without what stands in its line, if that has to do with a credential: what is told is kept in logs.
fn without_secret(mut error: ConfigFileError) -> ConfigFileError {
    if let ConfigFileError::Invalid { message, text, .. } = &mut error
        && names::has_secret_name(&text.to_ascii_lowercase())
    {
        *message = input::without_value(message);
        *text = text.split([':', '"', '\'']).next().unwrap_or_default().to_owned() + HIDDEN;
    }
    error
}
