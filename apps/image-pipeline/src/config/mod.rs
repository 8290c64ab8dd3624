//! What a run is told: the keys, where they come from, and what a checked set of them is.
//!
//! [`Settings`] is what a person writes, on the command line or in a file: one struct for both, so
//! the keys cannot drift apart. [`Config`] is what the run reads: complete, and checked for
//! everything that can be checked without touching an input or the output.

mod error;
mod names;
mod settings;

use std::fmt;
use std::path::{Path, PathBuf};
use std::thread;

use bytesize::ByteSize;
use forebay_program::config_file::ConfigFile;

pub use self::{error::ConfigError, names::If, settings::Settings};
use crate::picture::{self, Limits, Size};
use crate::store::{BucketOptions, Existing};
use crate::{LEAST_MEMORY, Name, shown};

/// The most workers, and the most uploaders.
pub const MOST_AT_ONCE: usize = 256;

/// A complete and consistent set of [`Settings`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// Files, folders and globs, in the order given.
    pub inputs: Vec<PathBuf>,
    /// Standard input is read too, if this is set: a list of names that end with NUL if it is `true`, and if it is `false`
    /// a list of lines, or a picture.
    pub list: Option<bool>,
    /// What names in the output are relative to.
    pub base: Option<PathBuf>,
    /// Where results go.
    pub output: Output,
    /// What is asked of each picture.
    pub picture: picture::Settings,
    /// How much a file may ask for.
    pub limits: Limits,
    /// What to do with results that are there already.
    pub existing: Existing,
    /// How many pictures are processed at once, 1 to [`MOST_AT_ONCE`].
    pub workers: usize,
    /// How many results are stored at once, 1 to [`MOST_AT_ONCE`].
    pub uploaders: usize,
    /// The memory of the whole process, in bytes.
    pub memory: u64,
    /// How the report is written.
    pub report: ReportFormat,
}

/// Where results go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// A folder. A run takes one that is named as a picture, and is not there, for a file.
    Folder {
        /// Where it is, or will be.
        path: PathBuf,
        /// Whether results survive a loss of power, too.
        sync: bool,
    },
    /// A file, for one input. The format of the [picture](Config::picture) must be that of its ending.
    File {
        /// Where it is, or will be.
        folder: PathBuf,
        /// What it is called there.
        name: Name,
        /// Whether the result survives a loss of power, too.
        sync: bool,
    },
    /// Standard output, for one input.
    Stdout,
    /// A bucket in object storage.
    Bucket(BucketOptions),
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
    /// What is missing, contradictory or out of range.
    pub fn new(settings: Settings) -> Result<Self, ConfigError> {
        let (list, inputs): (Vec<_>, Vec<_>) =
            settings.input.iter().cloned().partition(|input| input.as_os_str() == "-");
        if settings.input.is_empty() {
            return Err(ConfigError::NoInput);
        }
        if inputs.iter().any(|input| input.as_os_str().is_empty()) {
            return Err(ConfigError::EmptyPath { key: "input" });
        }
        let list = (!list.is_empty()).then(|| settings.null.unwrap_or_default());
        if settings.null.is_some() && list.is_none() {
            return Err(ConfigError::NullWithoutList);
        }
        let quality = u64::from(settings.quality.unwrap_or(80));
        if !(1..=100).contains(&quality) {
            return Err(ConfigError::Range { key: "quality", given: quality, least: 1, most: 100 });
        }
        let memory = settings.memory.unwrap_or(ByteSize::mib(512));
        if memory.as_u64() < LEAST_MEMORY {
            return Err(ConfigError::Memory { given: memory, least: ByteSize::b(LEAST_MEMORY) });
        }
        let mut limits = Limits::default();
        if let Some(given) = settings.max_pixels {
            if given == 0 {
                return Err(ConfigError::Range { key: "max-pixels", given, least: 1, most: u64::MAX });
            }
            limits.max_pixels = given;
        }
        Ok(Self {
            inputs,
            list,
            base: settings.base.clone(),
            output: output(&settings)?,
            picture: picture::Settings {
                size: size(&settings)?,
                format: settings.format.unwrap_or(picture::Target::Keep),
                quality: u8::try_from(quality).expect("it is at most 100"),
                filters: settings.filter.clone(),
                keep_metadata: settings.keep_metadata.unwrap_or_default(),
            },
            limits,
            existing: existing(&settings)?,
            workers: at_once("workers", settings.workers, cores())?,
            uploaders: at_once("uploaders", settings.uploaders, 2)?,
            memory: memory.as_u64(),
            report: settings.report.unwrap_or_default(),
        })
    }
}

// === impl Output ===

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder { path, .. } => f.write_str(&shown(path)),
            Self::File { folder, name, .. } => f.write_str(&shown(&name.below(folder))),
            Self::Stdout => f.write_str("standard output"),
            Self::Bucket(options) => write!(f, "s3://{}/{}", options.bucket, options.prefix),
        }
    }
}

fn size(settings: &Settings) -> Result<Size, ConfigError> {
    for (key, side) in [("width", settings.width), ("height", settings.height)] {
        if let Some(given @ 0) = side {
            let (given, most) = (u64::from(given), u64::from(u32::MAX));
            return Err(ConfigError::Range { key, given, least: 1, most });
        }
    }
    let answers = [
        ("fit", settings.fit),
        ("fill", settings.fill.map(|(width, height)| Size::Fill(width, height))),
        ("width", settings.width.map(Size::Width)),
        ("height", settings.height.map(Size::Height)),
    ];
    let given: Vec<_> = answers.into_iter().filter_map(|(key, size)| Some((key, size?))).collect();
    match given.as_slice() {
        [] => Ok(Size::Keep),
        [(_, size)] => Ok(*size),
        several => Err(ConfigError::Contradiction { keys: several.iter().map(|(key, _)| *key).collect() }),
    }
}

fn existing(settings: &Settings) -> Result<Existing, ConfigError> {
    match (settings.overwrite.unwrap_or_default(), settings.if_) {
        (true, Some(_)) => Err(ConfigError::Contradiction { keys: vec!["if", "overwrite"] }),
        (true, None) => Ok(Existing::Replace),
        (false, Some(If::Newer)) => Ok(Existing::Newer),
        (false, Some(If::Missing) | None) => Ok(Existing::Keep),
    }
}

fn output(settings: &Settings) -> Result<Output, ConfigError> {
    let path = settings.output.clone().ok_or(ConfigError::NoOutput)?;
    if path.as_os_str().is_empty() {
        return Err(ConfigError::EmptyPath { key: "output" });
    }
    if path.as_os_str() == "-" {
        let given = [
            ("if", settings.if_.is_some()),
            ("overwrite", settings.overwrite.is_some()),
            ("sync", settings.sync.is_some()),
            ("endpoint", settings.endpoint.is_some()),
            ("region", settings.region.is_some()),
        ];
        return match given.into_iter().find(|(_, is_given)| *is_given) {
            Some((key, _)) => Err(ConfigError::Meaningless { key, what: "standard output" }),
            None => Ok(Output::Stdout),
        };
    }
    let Some(place) = path.to_str().and_then(|text| text.strip_prefix("s3://")) else {
        // A folder of that name is meant by nobody, and would be made.
        if let Some(given) = path.to_str().filter(|text| is_address(text)) {
            return Err(ConfigError::Place { given: given.to_owned() });
        }
        for (key, given) in [("endpoint", &settings.endpoint), ("region", &settings.region)] {
            if given.is_some() {
                return Err(ConfigError::Meaningless { key, what: "a folder" });
            }
        }
        return Ok(Output::Folder { path, sync: settings.sync.unwrap_or_default() });
    };
    if settings.sync.is_some() {
        return Err(ConfigError::Meaningless { key: "sync", what: "object storage" });
    }
    let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
    let prefix = prefix.trim_end_matches('/');
    let is_plain = |part: &str| !part.is_empty() && part != "." && part != "..";
    if bucket.is_empty() || !(prefix.is_empty() || prefix.split('/').all(is_plain)) {
        return Err(ConfigError::Place { given: format!("s3://{place}") });
    }
    let settings = [("aws_endpoint_url", &settings.endpoint), ("aws_region", &settings.region)];
    let settings = settings.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value.clone()?)));
    Ok(Output::Bucket(BucketOptions {
        bucket: bucket.to_owned(),
        prefix: prefix.to_owned(),
        settings: settings.collect(),
    }))
}

/// Whether it looks like `gs://bucket` or `S3:/bucket`.
fn is_address(text: &str) -> bool {
    let is_scheme =
        |scheme: &str| !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let scheme = text.split_once(':').filter(|(scheme, _)| is_scheme(scheme));
    scheme.is_some_and(|(scheme, rest)| rest.starts_with("//") || scheme.eq_ignore_ascii_case("s3"))
}

fn at_once(key: &'static str, given: Option<usize>, default: usize) -> Result<usize, ConfigError> {
    match given {
        None => Ok(default),
        Some(given) if (1..=MOST_AT_ONCE).contains(&given) => Ok(given),
        Some(given) => Err(ConfigError::AtOnce { key, given }),
    }
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, |cores| cores.get().min(MOST_AT_ONCE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(toml: &str) -> Settings {
        toml::from_str(toml).expect("the settings of a test are valid")
    }

    fn config(toml: &str) -> Result<Config, ConfigError> {
        Config::new(settings(&format!("{toml}\ninput = 'in'\noutput = 'out'")))
    }

    #[test]
    fn one_answer_of_the_flags_replaces_all_of_the_file() {
        let file =
            settings("input = ['a']\noutput = 'o'\nfit = '10x10'\noverwrite = true\nfilter = 'sharpen'");
        let flags = settings("input = 'b'\nwidth = 100\nif = 'newer'");
        let config = Config::new(flags.over(file)).unwrap();
        assert_eq!((config.picture.size, config.existing), (Size::Width(100), Existing::Newer));
        assert_eq!(config.inputs, [Path::new("b")]);
        assert_eq!(config.picture.filters, [picture::Filter::Sharpen]);
    }

    #[test]
    fn a_place_in_object_storage_is_taken_apart() {
        let place =
            |place: &str| match Config::new(settings(&format!("input = 'in'\noutput = '{place}'")))?.output {
                Output::Bucket(options) => Ok((options.bucket, options.prefix)),
                other => panic!("{other:?}"),
            };
        let both = |bucket: &str, prefix: &str| (bucket.to_owned(), prefix.to_owned());
        assert_eq!(place("s3://b").unwrap(), both("b", ""));
        assert_eq!(place("s3://b/c/d/").unwrap(), both("b", "c/d"));
        for bad in ["s3://", "s3:///c", "s3://b/../c", "s3://b//c", "s3:/b", "S3://b", "gs://b", "https://b"]
        {
            assert!(matches!(place(bad), Err(ConfigError::Place { .. })), "{bad}");
        }
        for folder in ["./s3:", "a/s3:/b", "2024: spring"] {
            assert!(!is_address(folder), "{folder}");
        }
    }

    #[test]
    fn values_out_of_range_and_contradictions_are_named() {
        let said: Vec<_> = [
            "quality = 0",
            "memory = '63MiB'",
            "workers = 0",
            "uploaders = 257",
            "max-pixels = 0",
            "fit = '1x1'\nwidth = 1",
            "width = 1\nheight = 1",
            "width = 0",
            "height = 0",
            "if = 'newer'\noverwrite = true",
            "region = 'here'",
            "null = true",
        ]
        .map(|toml| config(toml).unwrap_err().to_string())
        .into();
        insta::assert_snapshot!(said.join("\n"), @r"
        quality is 0, which is outside 1 to 100
        memory is 66.1 MB, which is below 67.1 MB (64.0 MiB): the program itself needs most of that
        workers is 0, which is outside 1 to 256; leave it out for the default
        uploaders is 257, which is outside 1 to 256; leave it out for the default
        max-pixels is 0, which is outside 1 to 18446744073709551615
        fit and width exclude each other: give one of them
        width and height exclude each other: give one of them
        width is 0, which is outside 1 to 4294967295
        height is 0, which is outside 1 to 4294967295
        if and overwrite exclude each other: give one of them
        region means nothing for a folder: leave it out
        null tells how names end on standard input, and - is not among the inputs: leave it out
        ");
    }

    #[test]
    fn a_list_is_read_where_a_dash_is_named() {
        let config = Config::new(settings("input = ['-', 'a']\noutput = 'out'\nnull = true")).unwrap();
        assert_eq!((config.list, config.inputs), (Some(true), vec![PathBuf::from("a")]));
    }
}
