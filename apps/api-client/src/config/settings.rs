//! The keys as a person writes them, on the command line or in a file.

use std::convert::Infallible;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use clap::ValueEnum as _;
use http::StatusCode;
use serde::{Deserialize, Deserializer, de};

use super::ReportFormat;
use super::names::{
    Header, parse_classes, parse_concurrency, parse_header, parse_rate, parse_size, parse_status,
};
use crate::{Classes, ConcurrencyChoice, RateChoice, span};

/// The keys of a run, each of them optional: flags of the command line and keys of a file.
///
/// ```
/// use api_client::config::{Config, Settings};
///
/// let settings: Settings = toml::from_str(
///     r#"
///     urls = "urls.txt"
///     out = "pages"
///     rate = "50/s"
///     timeout = "10s"
///     header = ["Accept: application/json"]
///     "#,
/// )?;
/// assert_eq!(Config::new(settings)?.timeout.as_secs(), 10);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, clap::Args, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// What to request: a file with a URL or a JSON object in each line, or - for standard input
    #[arg(short, long, value_name = "FILE|-")]
    pub urls: Option<PathBuf>,

    /// Put the body of each answer into a file of its own in this folder, which is made if it is not there
    #[arg(short, long, value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// Write each result as a line of JSON to this file [default: standard output, if there is no --out]
    #[arg(short, long, value_name = "FILE")]
    pub jsonl: Option<PathBuf>,

    /// How often requests start, for each host: 50/s, 600/m, or auto, which finds the limit [default: auto]
    #[arg(short, long, value_name = "N/s|N/m|auto", value_parser = parse_rate)]
    #[serde(deserialize_with = "rate")]
    pub rate: Option<RateChoice>,

    /// How many the server takes at once after silence; one of them is kept in reserve [default: 1]
    #[arg(long, value_name = "N")]
    pub burst: Option<u64>,

    /// How many requests are on their way at once, for each host [default: auto, at most 200]
    #[arg(long, value_name = "N|auto", value_parser = parse_concurrency)]
    #[serde(deserialize_with = "concurrency")]
    pub concurrency: Option<ConcurrencyChoice>,

    /// How often a request is sent again after a failure, and as often after a refusal [default: 8]
    #[arg(long, value_name = "N")]
    pub retries: Option<u32>,

    /// How long an attempt may take, to the end of its body [default: 30s]
    #[arg(long, value_name = "T", value_parser = span::parse)]
    #[serde(deserialize_with = "time")]
    pub timeout: Option<Duration>,

    /// The longest wait that a server may ask for; one that asks for more fails the request [default: 5m]
    #[arg(long, value_name = "T", value_parser = span::parse)]
    #[serde(deserialize_with = "time")]
    pub max_wait: Option<Duration>,

    /// Statuses that are refusals too, beside 429, 503, and 403 with a time to wait or with nothing left
    #[arg(long, value_name = "STATUS", num_args = 1.., value_parser = parse_status)]
    #[serde(deserialize_with = "statuses")]
    pub refused_when: Vec<StatusCode>,

    /// Remember in this file what is done; the same command goes on where a killed or stopped one has ended
    #[arg(long, value_name = "FILE")]
    pub journal: Option<PathBuf>,

    /// Send this header with all requests, or with those to one host; may be given several times
    #[arg(short = 'H', long, value_name = "K[@HOST]: V", value_parser = given_header)]
    #[serde(deserialize_with = "headers")]
    pub header: Vec<GivenHeader>,

    /// Go by this proxy, http://, https:// or socks5h://, but to what NO_PROXY names directly [default: HTTP_PROXY,
    /// HTTPS_PROXY or ALL_PROXY, if they are set]
    #[arg(long, value_name = "URL")]
    pub proxy: Option<String>,

    /// Trust the certificate authorities in this PEM file, too, beside the system's
    #[arg(long, value_name = "FILE")]
    pub cacert: Option<PathBuf>,

    /// The largest answer, decompressed [default: 64MiB]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    #[serde(deserialize_with = "size")]
    pub max_body: Option<ByteSize>,

    /// The field of a JSON line that says the class of its request: high, medium or low, or one of --classes
    #[arg(long, value_name = "NAME")]
    pub class_field: Option<String>,

    /// The classes: the most urgent first, or with their shares of what a host is sent [default: high,medium,low]
    #[arg(long, value_name = "A,B,…|A=N,B=N,…", value_parser = parse_classes)]
    #[serde(deserialize_with = "classes")]
    pub classes: Option<Classes>,

    /// Follow redirects from public to private addresses
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    #[arg(hide_possible_values = true)]
    pub allow_private: Option<bool>,

    /// How the report at the end is written [default: text]
    #[arg(long, value_enum, value_name = "HOW")]
    #[serde(deserialize_with = "report")]
    pub report: Option<ReportFormat>,
}

/// A header, or what is wrong with it, which is told without the value: whoever shows what was given would show a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenHeader(pub(super) Result<Header, String>);

// === impl Settings ===

impl Settings {
    /// These settings, and where they say nothing, those of `base`.
    #[must_use]
    pub fn over(self, base: Self) -> Self {
        Self {
            urls: self.urls.or(base.urls),
            out: self.out.or(base.out),
            jsonl: self.jsonl.or(base.jsonl),
            rate: self.rate.or(base.rate),
            burst: self.burst.or(base.burst),
            concurrency: self.concurrency.or(base.concurrency),
            retries: self.retries.or(base.retries),
            timeout: self.timeout.or(base.timeout),
            max_wait: self.max_wait.or(base.max_wait),
            refused_when: if self.refused_when.is_empty() { base.refused_when } else { self.refused_when },
            journal: self.journal.or(base.journal),
            header: if self.header.is_empty() { base.header } else { self.header },
            proxy: self.proxy.or(base.proxy),
            cacert: self.cacert.or(base.cacert),
            max_body: self.max_body.or(base.max_body),
            class_field: self.class_field.or(base.class_field),
            classes: self.classes.or(base.classes),
            allow_private: self.allow_private.or(base.allow_private),
            report: self.report.or(base.report),
        }
    }

    /// Whether these settings say something of a key that may be wrong.
    pub(super) fn has(&self, key: &str) -> bool {
        match key {
            "urls" => self.urls.is_some(),
            "out" => self.out.is_some(),
            "jsonl" => self.jsonl.is_some(),
            "rate" => self.rate.is_some(),
            "burst" => self.burst.is_some(),
            "concurrency" => self.concurrency.is_some(),
            "timeout" => self.timeout.is_some(),
            "journal" => self.journal.is_some(),
            "class-field" => self.class_field.is_some(),
            "classes" => self.classes.is_some(),
            "max-body" => self.max_body.is_some(),
            _ => false,
        }
    }
}

/// A value as a file has it: what is a number need not stand in quotes.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a text in quotes or a number")]
enum Written {
    Whole(u64),
    Number(f64),
    Text(String),
}

// === impl Written ===

impl Written {
    fn text(self) -> String {
        match self {
            Self::Whole(number) => number.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text,
        }
    }
}

fn parsed<'de, D: Deserializer<'de>, V, E: ToString>(
    deserializer: D,
    parse: fn(&str) -> Result<V, E>,
) -> Result<Option<V>, D::Error> {
    let text = Written::deserialize(deserializer)?.text();
    parse(&text).map(Some).map_err(|error| de::Error::custom(error.to_string()))
}

fn all_parsed<'de, D: Deserializer<'de>, V>(
    deserializer: D,
    parse: fn(&str) -> Result<V, String>,
) -> Result<Vec<V>, D::Error> {
    let many = Vec::<Written>::deserialize(deserializer)?;
    many.into_iter().map(|one| parse(&one.text()).map_err(de::Error::custom)).collect()
}

fn rate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<RateChoice>, D::Error> {
    parsed(deserializer, parse_rate)
}

fn concurrency<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ConcurrencyChoice>, D::Error> {
    parsed(deserializer, parse_concurrency)
}

fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    parsed(deserializer, span::parse)
}

fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ByteSize>, D::Error> {
    parsed(deserializer, parse_size)
}

fn classes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Classes>, D::Error> {
    parsed(deserializer, parse_classes)
}

fn statuses<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<StatusCode>, D::Error> {
    all_parsed(deserializer, parse_status)
}

fn headers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<GivenHeader>, D::Error> {
    all_parsed(deserializer, |text| Ok::<_, String>(GivenHeader(parse_header(text))))
}

fn given_header(text: &str) -> Result<GivenHeader, Infallible> {
    Ok(GivenHeader(parse_header(text)))
}

fn report<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ReportFormat>, D::Error> {
    let name = String::deserialize(deserializer)?;
    ReportFormat::from_str(&name, false)
        .map(Some)
        .map_err(|_| de::Error::custom(format!("`{name}` is not one of `text`, `json`")))
}
