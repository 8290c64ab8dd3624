//! Everything that the program says to a person: errors, notices, progress, the report.

use std::fs;
use std::io::{self, IsTerminal};
use std::time::Duration;

use forebay_program::streams;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use log_processor::config::{Config, ReportFormat};
use log_processor::input::{self, InputError, InputSpec, Notice};
use log_processor::output::Target;
use log_processor::picture::Picture;
use log_processor::pipeline::Observer;
use log_processor::report::Report;

/// Shows how a run goes: on standard error, with a progress bar if that is a terminal.
pub(crate) struct Console {
    bar: ProgressBar,
}

// === impl Console ===

impl Console {
    /// A bar that knows its end where all inputs are plain files that are only read to their end; none where the records
    /// go to a terminal, too.
    pub(crate) fn new(config: &Config) -> Self {
        // Records on the same terminal would stand in the line of the bar, which then would erase what they left there.
        let has_records = config.output == Target::Stdout && io::stdout().is_terminal();
        if !io::stderr().is_terminal() || has_records {
            return Self { bar: ProgressBar::hidden() };
        }
        let (bar, template) = match total_bytes(config) {
            Some(total) => (
                ProgressBar::new(total),
                "{bar:30} {percent:>3} %  {decimal_bytes} of {decimal_total_bytes}  {decimal_bytes_per_sec}  {eta}",
            ),
            None => {
                (ProgressBar::no_length(), "{spinner} {decimal_bytes}  {decimal_bytes_per_sec}  {elapsed}")
            }
        };
        bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        bar.set_style(ProgressStyle::with_template(template).expect("the template is valid"));
        // The clock and the spinner go on when no lines come.
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar }
    }

    /// Prints the report: on standard output, unless that is where the records went. Says whether it could.
    pub(crate) fn report(&self, config: &Config, report: &Report) -> bool {
        self.bar.finish_and_clear();
        if let Some(message) = &report.error {
            streams::tell(&format!("error: {message}\n"));
        }
        let text = match config.report {
            ReportFormat::Text => report.to_string(),
            ReportFormat::Json => serde_json::to_string(report).expect("a report is plain data") + "\n",
        };
        if config.output.is_stdout() {
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
    fn notice(&self, notice: &Notice) {
        self.line(&format!("note: {notice}\n"));
    }

    fn failed(&self, error: &InputError) {
        self.line(&format!("error: {error}\n"));
    }

    fn advanced(&self, bytes: u64) {
        self.bar.inc(bytes);
    }
}

/// Shows what fails, on standard error, and nothing else.
pub(crate) struct Plain;

impl Observer for Plain {
    fn failed(&self, error: &InputError) {
        streams::tell(&format!("error: {error}\n"));
    }
}

/// Shows the pipeline of a configuration, on standard output. Says whether it could.
pub(crate) fn show(config: &Config) -> bool {
    streams::print("picture", &Picture(config).to_string())
}

/// What there is to read; `None` where that cannot be known.
fn total_bytes(config: &Config) -> Option<u64> {
    if config.follow {
        return None;
    }
    let inputs = input::expand(&config.inputs, false).ok()?;
    inputs
        .iter()
        .map(|input| match input {
            InputSpec::File { path, .. }
                if path.extension().is_none_or(|extension| extension != "gz" && extension != "zst") =>
            {
                fs::metadata(path).ok().filter(fs::Metadata::is_file).map(|metadata| metadata.len())
            }
            _ => None,
        })
        .sum()
}
