//! Everything that the program says to a person: errors, notices, progress, the report.

use std::io::{self, IsTerminal};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use clap::ValueEnum;
use forebay_program::streams;
use image_pipeline::config::{Config, Output, ReportFormat};
use image_pipeline::picture::{Size, Target};
use image_pipeline::report::Report;
use image_pipeline::run::{Checked, CheckedFile, Observer};
use image_pipeline::store::Existing;
use image_pipeline::{Outcome, shown};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Shows how a run goes: on standard error, with a progress bar if that is a terminal.
pub(crate) struct Console {
    bar: ProgressBar,
    pixels: AtomicU64,
    has_failures: AtomicBool,
}

const PROGRESS: &str = "{bar:30} {pos} of {len} pictures  {per_sec}  {msg}  {eta} left";

// === impl Console ===

impl Console {
    pub(crate) fn new() -> Self {
        if !io::stderr().is_terminal() {
            return Self::plain();
        }
        let bar = ProgressBar::no_length();
        bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        bar.set_style(ProgressStyle::with_template("{spinner} looking for pictures").expect("it is valid"));
        // The clock goes on when no picture ends.
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar, ..Self::plain() }
    }

    /// Without a bar.
    pub(crate) fn plain() -> Self {
        Self { bar: ProgressBar::hidden(), pixels: AtomicU64::new(0), has_failures: AtomicBool::new(false) }
    }

    /// Whether there was something that failed.
    pub(crate) fn has_failures(&self) -> bool {
        self.has_failures.load(Relaxed)
    }

    /// Says that the first signal was heard.
    pub(crate) fn stopping(&self) {
        self.line("note: stopping; what is in work is finished, another signal ends it at once\n");
    }

    /// Prints the report on standard output, or on standard error if the other one has the result. Says whether it could.
    pub(crate) fn report(&self, config: &Config, report: &Report) -> bool {
        self.bar.finish_and_clear();
        if let Some(message) = &report.error {
            streams::tell(&format!("error: {message}\n"));
        }
        let text = match config.report {
            ReportFormat::Text => report.to_string(),
            ReportFormat::Json => serde_json::to_string(report).expect("a report is plain data") + "\n",
        };
        if config.output == Output::Stdout {
            streams::tell(&text);
            return true;
        }
        streams::print("report", &text)
    }

    fn line(&self, text: &str) {
        self.bar.suspend(|| streams::tell(text));
    }
}

impl Observer for Console {
    fn found(&self, pictures: u64) {
        self.bar.set_style(ProgressStyle::with_template(PROGRESS).expect("it is valid"));
        self.bar.set_length(pictures);
        self.bar.reset();
    }

    fn notice(&self, notice: &str) {
        self.line(&format!("note: {notice}\n"));
    }

    fn ended(&self, outcome: &Outcome) {
        let pixels = self.pixels.fetch_add(outcome.spent.pixels, Relaxed) + outcome.spent.pixels;
        self.bar.set_message(format!("{} megapixels", pixels / 1_000_000));
        self.bar.inc(1);
    }

    fn failed(&self, input: &Path, reason: &str) {
        self.has_failures.store(true, Relaxed);
        self.line(&format!("error: {}: {reason}\n", shown(input)));
    }
}

/// Shows what a run would do, on standard output.
pub(crate) fn show(checked: &Checked) {
    let Checked { config, files, .. } = checked;
    let bytes: u64 = files.iter().map(|checked| checked.file.bytes).sum();
    let size = |bytes| bytesize::ByteSize(bytes).display().si();
    let picture = &config.picture;
    let resized = match picture.size {
        Size::Keep => "as large as they are".to_owned(),
        Size::Fit(width, height) => format!("to fit into {width}x{height}"),
        Size::Fill(width, height) => format!("to fill {width}x{height}"),
        Size::Width(width) => format!("to a width of {width}"),
        Size::Height(height) => format!("to a height of {height}"),
    };
    let format = picture.format.to_possible_value().map(|value| value.get_name().to_owned());
    let kept = files.iter().filter(|checked| checked.is_kept).count();
    let kept = (kept > 0).then(|| format!("{kept} of {}", files.len()));
    let existing = match (config.existing, kept) {
        (Existing::Keep, Some(kept)) => format!("what is there is kept: {kept}"),
        (Existing::Keep, None) => "what is there is kept".to_owned(),
        (Existing::Newer, Some(kept)) => {
            format!("what is there is replaced where its input is newer: not {kept}")
        }
        (Existing::Newer, None) => "what is there is replaced where its input is newer".to_owned(),
        (Existing::Replace, _) => "what is there is replaced".to_owned(),
    };
    let upload = match config.output {
        Output::Stdout => String::new(),
        _ => format!(", {} at once; {existing}", config.uploaders),
    };
    let mut text = format!(
        "read     {}, {}\nprocess  {resized}, format {}, quality {}, {} at once in {}\nupload   to {}{upload}\n",
        if files.len() == 1 { "1 picture".to_owned() } else { format!("{} pictures", files.len()) },
        size(bytes),
        format.unwrap_or_default(),
        picture.quality,
        config.workers,
        size(config.memory),
        config.output,
    );
    for CheckedFile { file, is_kept, .. } in files {
        let name = match file.name.expected(picture.format) {
            _ if config.output == Output::Stdout => config.output.to_string(),
            Some(name) => name.to_string(),
            // It would have a name in a format that is told.
            None if file.name.expected(Target::Png).is_some() => {
                format!("{}, with the ending of its format", file.name)
            }
            None => "nothing: the format of that ending is not read".to_owned(),
        };
        let kept = if *is_kept { ", which is there and kept" } else { "" };
        text += &format!("  {} -> {name}{kept}\n", shown(&file.path));
    }
    streams::print("plan", &text);
}
