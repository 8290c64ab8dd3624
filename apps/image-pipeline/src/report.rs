//! What a run did, as text for people or as one JSON object for programs.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytesize::ByteSize;
use serde::{Serialize, Serializer};

use crate::config::Config;
use crate::picture::codecs;
use crate::shown;
use crate::totals::{Limit, Steps, Totals, seconds};

/// What a run did. `Display` is for people, serializing gives the JSON form.
///
/// The pictures add up: `pictures = written + kept + failed + not_started`.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// Why the run ended.
    pub ended: Ended,
    /// What went wrong with the run as a whole. What concerns a single input is in [`failures`](Self::failures).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How many inputs were found, or named in vain.
    pub pictures: u64,
    /// Results that are stored.
    pub written: u64,
    /// Of those, how many were decoded smaller for want of memory.
    pub reduced: u64,
    /// Of those, how many are the first frame of an animation, or the first page: the others are left out.
    pub first_of_several: u64,
    /// Results that were there already.
    pub kept: u64,
    /// Inputs without a result.
    pub failed: u64,
    /// Inputs that were not begun.
    pub not_started: u64,
    /// Files in folders that are not named as pictures.
    pub ignored: u64,
    /// Bytes that were read.
    pub bytes_in: u64,
    /// Bytes of results that are stored.
    pub bytes_out: u64,
    /// Pixels of the inputs of stored results, as their headers claim them.
    pub pixels: u64,
    /// How long the run took, in seconds.
    #[serde(serialize_with = "seconds")]
    pub seconds: Duration,
    /// How long each step took, in seconds over all workers or uploaders.
    pub spent: Steps,
    /// How many pictures were processed at once.
    pub workers: usize,
    /// How many results were stored at once.
    pub uploaders: usize,
    /// What held the run up the most.
    pub limited_by: Option<Limit>,
    /// The memory of the whole process that was allowed, in bytes.
    pub memory: u64,
    /// The most memory for pictures that was in use at once, in bytes, as it is counted.
    pub peak_in_flight: u64,
    /// What decodes and encodes, with versions.
    #[serde(serialize_with = "codecs_by_name")]
    pub codecs: Vec<(&'static str, String)>,
    /// Inputs without a result, and why.
    pub failures: Vec<FailureReport>,
    /// Inputs with more frames or pages than the one that was taken.
    #[serde(serialize_with = "all_shown")]
    pub first_of_several_inputs: Vec<PathBuf>,
    /// Inputs that were not begun.
    #[serde(serialize_with = "all_shown")]
    pub not_started_inputs: Vec<PathBuf>,
}

/// An input without a result.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct FailureReport {
    /// Its path.
    #[serde(serialize_with = "one_shown")]
    pub input: PathBuf,
    /// Why, in one line.
    pub reason: String,
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Ended {
    /// All inputs were dealt with.
    Done,
    /// It was told to stop; what was in work was finished.
    Stopped,
    /// [`Report::error`] says what went wrong.
    Failed,
}

// === impl Report ===

impl Report {
    pub(crate) fn new(config: &Config, ignored: u64) -> Self {
        Self {
            ended: Ended::Done,
            error: None,
            pictures: 0,
            written: 0,
            reduced: 0,
            first_of_several: 0,
            kept: 0,
            failed: 0,
            not_started: 0,
            ignored,
            bytes_in: 0,
            bytes_out: 0,
            pixels: 0,
            seconds: Duration::ZERO,
            spent: Steps::default(),
            workers: config.workers,
            uploaders: config.uploaders,
            limited_by: None,
            memory: config.memory,
            peak_in_flight: 0,
            codecs: codecs(),
            failures: Vec::new(),
            first_of_several_inputs: Vec::new(),
            not_started_inputs: Vec::new(),
        }
    }

    /// Of a run that was stopped before it knew its inputs.
    pub(crate) fn stopped_early(config: &Config, seconds: Duration) -> Self {
        Self { ended: Ended::Stopped, seconds, ..Self::new(config, 0) }
    }

    pub(crate) fn failed(&mut self, input: PathBuf, reason: String) {
        self.failures.push(FailureReport { input, reason });
    }

    pub(crate) fn not_started(&mut self, input: PathBuf) {
        self.not_started_inputs.push(input);
    }

    pub(crate) fn first_of_several(&mut self, input: PathBuf) {
        self.first_of_several_inputs.push(input);
    }

    /// There is no use in going on. The first reason counts.
    pub(crate) fn stopped_by(&mut self, reason: &str) {
        self.ended = Ended::Failed;
        self.error.get_or_insert_with(|| format!("{reason}; nothing more was begun"));
    }

    /// Adds what the pipeline counted.
    pub(crate) fn complete(&mut self, totals: &Totals, seconds: Duration) {
        self.failures.sort_by(|one, other| one.input.cmp(&other.input));
        self.first_of_several_inputs.sort();
        self.not_started_inputs.sort();
        let Totals {
            written, reduced, kept, bytes_in, bytes_out, pixels, spent, peak_in_flight, lost, ..
        } = *totals;
        self.failed = self.failures.len() as u64 + lost;
        self.not_started = self.not_started_inputs.len() as u64;
        self.pictures = written + kept + self.failed + self.not_started;
        if lost > 0 {
            self.ended = Ended::Failed;
            self.error.get_or_insert_with(|| {
                format!("{lost} pictures were lost; this is a fault in image-pipeline, please report it")
            });
        }
        self.limited_by = totals.limited_by(self.workers, self.uploaders);
        (self.written, self.reduced, self.kept) = (written, reduced, kept);
        self.first_of_several = totals.first_of_several;
        (self.bytes_in, self.bytes_out, self.pixels) = (bytes_in, bytes_out, pixels);
        (self.spent, self.peak_in_flight, self.seconds) = (spent, peak_in_flight, seconds);
    }

    /// Whether every input has a result: the exit code 0 of the program.
    pub fn is_success(&self) -> bool {
        self.ended != Ended::Failed && self.failed == 0 && self.not_started == 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pictures, written, kept, failed, not_started, seconds, spent, .. } = self;
        let noun = if *pictures == 1 { "picture" } else { "pictures" };
        write!(f, "{pictures} {noun} = written {written} + kept {kept} + failed {failed}")?;
        writeln!(f, " + not started {not_started}")?;
        if self.reduced > 0 {
            writeln!(f, "{} of the written were decoded smaller, for want of memory", self.reduced)?;
        }
        if self.first_of_several > 0 {
            let (first, verb) =
                (self.first_of_several, if self.first_of_several == 1 { "shows" } else { "show" });
            writeln!(f, "{first} of the written {verb} only the first frame or page, listed below")?;
        }
        if self.ignored > 0 {
            let verb = if self.ignored == 1 { "was" } else { "were" };
            let files = count(self.ignored, "other file");
            writeln!(f, "{files} {verb} passed over: hidden, or not named as a picture")?;
        }
        let took = seconds.as_secs_f64();
        let per_second = |amount: u64| amount as f64 / took.max(1e-9);
        let ended = match self.ended {
            Ended::Done => "done in",
            Ended::Stopped => "stopped after",
            Ended::Failed => "failed after",
        };
        writeln!(
            f,
            "{ended} {took:.3} s: {:.1} pictures/s, {:.1} megapixels/s; {} in, {} out",
            per_second(*written),
            per_second(self.pixels) / 1e6,
            size(self.bytes_in),
            size(self.bytes_out),
        )?;
        let share =
            |spent: Duration, of: usize| 100.0 * spent.as_secs_f64() / (took.max(1e-9) * of.max(1) as f64);
        let process = |spent| share(spent, self.workers);
        writeln!(
            f,
            "{:<12} decode {:.0} %, resize {:.0} %, encode {:.0} %, read {:.0} %, wait for memory {:.0} %",
            count(self.workers as u64, "worker"),
            process(spent.decode),
            process(spent.resize),
            process(spent.encode),
            process(spent.read),
            process(spent.wait),
        )?;
        let uploaders = count(self.uploaders as u64, "uploader");
        writeln!(f, "{uploaders:<12} upload {:.0} %", share(spent.upload, self.uploaders))?;
        if let Some(limit) = self.limited_by {
            writeln!(f, "limited by   {limit}")?;
        }
        writeln!(
            f,
            "memory       {} in flight at the most, of {} in all",
            size(self.peak_in_flight),
            size(self.memory)
        )?;
        let codecs: Vec<_> = self.codecs.iter().map(|(what, codec)| format!("{what} {codec}")).collect();
        writeln!(f, "codecs       {}", codecs.join(", "))?;
        if !self.failures.is_empty() {
            writeln!(f, "failed:")?;
        }
        for FailureReport { input, reason } in &self.failures {
            writeln!(f, "  {}: {}", shown(input), reason)?;
        }
        if !self.first_of_several_inputs.is_empty() {
            writeln!(f, "only the first frame or page:")?;
        }
        self.first_of_several_inputs.iter().try_for_each(|input| writeln!(f, "  {}", shown(input)))?;
        if !self.not_started_inputs.is_empty() {
            writeln!(f, "not started:")?;
        }
        self.not_started_inputs.iter().try_for_each(|input| writeln!(f, "  {}", shown(input)))
    }
}

// === impl Limit ===

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "reading: a faster disk would help",
            Self::Memory => "memory: a higher --memory would help",
            Self::Decode => "decoding: more cores would help",
            Self::Resize => "resizing: more cores would help",
            Self::Encode => "encoding: more cores would help",
            Self::Upload => "upload: more --uploaders would help, if the other side can take more",
        })
    }
}

fn size(bytes: u64) -> impl fmt::Display {
    ByteSize(bytes).display().si()
}

fn count(n: u64, what: &str) -> String {
    if n == 1 { format!("{n} {what}") } else { format!("{n} {what}s") }
}

fn codecs_by_name<S: Serializer>(
    codecs: &[(&'static str, String)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(codecs.iter().map(|(what, codec)| (what, codec)))
}

fn one_shown<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&shown(path))
}

fn all_shown<S: Serializer>(paths: &[PathBuf], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(paths.iter().map(|path| shown(path)))
}
