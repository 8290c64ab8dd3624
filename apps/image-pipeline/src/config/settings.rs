//! The keys as a person writes them, on the command line or in a file.

use std::fmt;
use std::path::PathBuf;

use bytesize::ByteSize;
use clap::ValueEnum;
use serde::{Deserialize, Deserializer, de};

use super::ReportFormat;
use super::names::{If, parse_filter, parse_fit, parse_pixels, parse_sides, parse_size};
use crate::picture::{Filter, Size, Target};

/// The keys of a run, each of them optional: flags of the command line and keys of a file.
///
/// ```
/// use image_pipeline::config::{Config, Settings};
/// use image_pipeline::picture::Size;
///
/// let settings: Settings = toml::from_str(
///     r#"
///     input = ["photos", "more/*.jpg"]
///     output = "small"
///     fit = "1600x1600"
///     format = "webp"
///     filter = ["sharpen"]
///     memory = "256MB"
///     "#,
/// )?;
/// let config = Config::new(settings)?;
/// assert_eq!(config.picture.size, Size::Fit(1600, 1600));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, clap::Args, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// What to read: files, folders, globs, or - for a list of names, or one picture, on standard input
    #[arg(value_name = "INPUT")]
    #[serde(deserialize_with = "one_or_many")]
    pub input: Vec<PathBuf>,

    /// Where results go: a folder, which is made if it is not there, or s3://BUCKET/PREFIX; of one picture also a file,
    /// whose ending is its format, or - for standard output
    #[arg(short, long, value_name = "DIR|FILE|s3://…")]
    pub output: Option<PathBuf>,

    /// The largest of its shape inside this width and height, in pixels, such as 1600x1600, or inside one of them, such as
    /// 1600x or x1200; what is smaller stays as it is
    #[arg(long, value_name = "WxH|Wx|xH", value_parser = parse_fit)]
    #[serde(deserialize_with = "fit")]
    pub fit: Option<Size>,

    /// The whole of this width and height; what stands out is cut off. What is smaller is cut to that shape, not enlarged
    #[arg(long, value_name = "WxH", value_parser = parse_sides)]
    #[serde(deserialize_with = "sides")]
    pub fill: Option<(u32, u32)>,

    /// This width; the height follows. What is narrower stays as it is
    #[arg(long, value_name = "W")]
    pub width: Option<u32>,

    /// This height; the width follows. What is lower stays as it is
    #[arg(long, value_name = "H")]
    pub height: Option<u32>,

    /// The format of the results [default: keep]
    #[arg(long, value_enum, value_name = "FORMAT", ignore_case = true)]
    #[serde(deserialize_with = "by_name")]
    pub format: Option<Target>,

    /// Of JPEG and WebP, 1 (smallest file) to 100 (best picture) [default: 80]
    #[arg(long, value_name = "Q", value_parser = clap::value_parser!(u8).range(1..=100))]
    pub quality: Option<u8>,

    /// sharpen, blur:S (S pixels wide) or grayscale; may be given several times, applied in that order
    #[arg(long, value_name = "FILTER", value_parser = parse_filter)]
    #[serde(deserialize_with = "filters")]
    pub filter: Vec<Filter>,

    /// Keep EXIF data; without this, position, camera and all else is stripped
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    #[arg(hide_possible_values = true)]
    pub keep_metadata: Option<bool>,

    /// Which results that are there already are made anew: those whose input is newer, or only missing ones, which is the default
    #[arg(long = "if", value_enum, value_name = "WHEN")]
    #[serde(rename = "if", deserialize_with = "by_name")]
    pub if_: Option<If>,

    /// Replace all results that are there already
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    #[arg(hide_possible_values = true)]
    pub overwrite: Option<bool>,

    /// Results keep the path of their input below this folder, in which all inputs must lie
    #[arg(long, value_name = "DIR")]
    pub base: Option<PathBuf>,

    /// Names on standard input end with NUL, as those of find -print0, and not with a line end
    #[arg(short = '0', long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    #[arg(hide_possible_values = true)]
    pub null: Option<bool>,

    /// How many pictures are processed at once [default: one for each core, at most 256]
    #[arg(long, value_name = "N")]
    pub workers: Option<usize>,

    /// How many results are stored at once [default: 2, at most 256]
    #[arg(long, value_name = "N")]
    pub uploaders: Option<usize>,

    /// Refuse pictures with more pixels, such as 50MP or 50000000 [default: 100MP]
    #[arg(long, value_name = "N", value_parser = parse_pixels)]
    #[serde(deserialize_with = "pixels")]
    pub max_pixels: Option<u64>,

    /// The memory that the whole process takes at the most [default: 512MiB, at least 64MiB]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    #[serde(deserialize_with = "size")]
    pub memory: Option<ByteSize>,

    /// Make each result survive a power loss too (fsync), not only the death of the process
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    #[arg(hide_possible_values = true)]
    pub sync: Option<bool>,

    /// Where the object storage is, if it is not that of AWS, such as http://127.0.0.1:9000
    #[arg(long, value_name = "URL")]
    pub endpoint: Option<String>,

    /// The region of the bucket [default: AWS_REGION, or us-east-1]
    #[arg(long, value_name = "NAME")]
    pub region: Option<String>,

    /// How the report at the end is written [default: text]
    #[arg(long, value_enum, value_name = "HOW")]
    #[serde(deserialize_with = "by_name")]
    pub report: Option<ReportFormat>,
}

// === impl Settings ===

impl Settings {
    /// These settings, and where they say nothing, those of `base`.
    #[must_use]
    pub fn over(self, base: Self) -> Self {
        // One answer to a question replaces all others.
        let size = if self.has("fit") { &self } else { &base };
        let existing = if self.has("overwrite") { &self } else { &base };
        Self {
            fit: size.fit,
            fill: size.fill,
            width: size.width,
            height: size.height,
            if_: existing.if_,
            overwrite: existing.overwrite,
            input: if self.input.is_empty() { base.input } else { self.input },
            output: self.output.or(base.output),
            format: self.format.or(base.format),
            quality: self.quality.or(base.quality),
            filter: if self.filter.is_empty() { base.filter } else { self.filter },
            keep_metadata: self.keep_metadata.or(base.keep_metadata),
            base: self.base.or(base.base),
            null: self.null.or(base.null),
            workers: self.workers.or(base.workers),
            uploaders: self.uploaders.or(base.uploaders),
            max_pixels: self.max_pixels.or(base.max_pixels),
            memory: self.memory.or(base.memory),
            sync: self.sync.or(base.sync),
            endpoint: self.endpoint.or(base.endpoint),
            region: self.region.or(base.region),
            report: self.report.or(base.report),
        }
    }

    /// Whether these settings say something of a key, or of one that it is an answer together with.
    pub(super) fn has(&self, key: &str) -> bool {
        match key {
            "input" => !self.input.is_empty(),
            "output" => self.output.is_some(),
            "fit" | "fill" | "width" | "height" => {
                let (fit, fill) = (self.fit.is_some(), self.fill.is_some());
                fit || fill || self.width.is_some() || self.height.is_some()
            }
            "if" | "overwrite" => self.if_.is_some() || self.overwrite.is_some(),
            "quality" => self.quality.is_some(),
            "workers" => self.workers.is_some(),
            "uploaders" => self.uploaders.is_some(),
            "max-pixels" => self.max_pixels.is_some(),
            "memory" => self.memory.is_some(),
            "sync" => self.sync.is_some(),
            "null" => self.null.is_some(),
            "endpoint" => self.endpoint.is_some(),
            "region" => self.region.is_some(),
            _ => false,
        }
    }
}

/// Deserializes a list of paths, or one path that stands for a list of one.
fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PathBuf>, D::Error> {
    let many = texts(deserializer, "a path in quotes, or a list of them")?;
    Ok(many.into_iter().map(PathBuf::from).collect())
}

/// Deserializes a list of filters, or one filter that stands for a list of one.
fn filters<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Filter>, D::Error> {
    let many = texts(deserializer, "a filter in quotes, or a list of them")?;
    many.iter().map(|text| parse_filter(text).map_err(de::Error::custom)).collect()
}

fn texts<'de, D: Deserializer<'de>>(
    deserializer: D,
    expected: &'static str,
) -> Result<Vec<String>, D::Error> {
    struct OneOrMany(&'static str);
    impl<'de> de::Visitor<'de> for OneOrMany {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }

        fn visit_str<E>(self, one: &str) -> Result<Vec<String>, E> {
            Ok(vec![one.to_owned()])
        }

        fn visit_seq<A: de::SeqAccess<'de>>(self, many: A) -> Result<Vec<String>, A::Error> {
            Deserialize::deserialize(de::value::SeqAccessDeserializer::new(many))
        }
    }
    deserializer.deserialize_any(OneOrMany(expected))
}

/// Deserializes a value by the name that its flag knows it by.
fn by_name<'de, D, V>(deserializer: D) -> Result<Option<V>, D::Error>
where
    D: Deserializer<'de>,
    V: ValueEnum,
{
    let name = String::deserialize(deserializer)?;
    V::from_str(&name, true).map(Some).map_err(|_| {
        let names: Vec<_> = V::value_variants().iter().filter_map(V::to_possible_value).collect();
        let names: Vec<_> = names.iter().map(|value| format!("`{}`", value.get_name())).collect();
        de::Error::custom(format!("`{name}` is not one of {}", names.join(", ")))
    })
}

fn fit<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Size>, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_fit(&text).map(Some).map_err(de::Error::custom)
}

fn sides<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<(u32, u32)>, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_sides(&text).map(Some).map_err(de::Error::custom)
}

/// Deserializes a number of pixels, as a number or with a unit.
fn pixels<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a number of pixels or a text such as \"50MP\"")]
    enum Written {
        Number(u64),
        Text(String),
    }
    match Written::deserialize(deserializer)? {
        Written::Number(pixels) => Ok(Some(pixels)),
        Written::Text(text) => parse_pixels(&text).map(Some).map_err(de::Error::custom),
    }
}

/// Deserializes a size written as a number of bytes or as a string with a unit.
fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ByteSize>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a number of bytes or a size such as \"256MB\"")]
    enum Written {
        Number(u64),
        Text(String),
    }
    match Written::deserialize(deserializer)? {
        Written::Number(bytes) => Ok(Some(ByteSize::b(bytes))),
        Written::Text(text) => parse_size(&text).map(Some).map_err(de::Error::custom),
    }
}
