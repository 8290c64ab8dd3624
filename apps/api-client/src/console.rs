//! Everything that the program says to a person: errors, notices, progress, the report.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _};
use std::time::Duration;

use api_client::config::{Config, ReportFormat};
use api_client::progress::Progress;
use api_client::report::{Named, Report, often};
use api_client::run::Observer;
use forebay_program::streams;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Shows how a run goes: on standard error, with a progress bar if that is a terminal.
pub(crate) struct Console {
    bar: ProgressBar,
    is_watched: bool,
}

// === impl Console ===

impl Console {
    pub(crate) fn new() -> Self {
        if !io::stderr().is_terminal() {
            return Self { bar: ProgressBar::hidden(), is_watched: false };
        }
        let bar = ProgressBar::no_length();
        bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        bar.set_style(ProgressStyle::with_template("{spinner} {msg}").expect("it is valid"));
        // The clock goes on when nothing ends.
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar, is_watched: true }
    }

    /// Says that the first signal was heard.
    pub(crate) fn stopping(&self) {
        self.line("note: stopping; what is in flight is finished, another signal ends it at once\n");
    }

    /// Prints the report: on standard output, unless that is where the results went. Says whether it could.
    pub(crate) fn report(&self, config: &Config, report: &Report) -> bool {
        self.bar.finish_and_clear();
        if let Some(message) = &report.error {
            streams::tell(&format!("error: {message}\n"));
        }
        let text = match config.report {
            ReportFormat::Text => report.to_string(),
            ReportFormat::Json => serde_json::to_string(report).expect("a report is plain data") + "\n",
        };
        if config.is_stdout_taken() {
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
    fn is_watched(&self) -> bool {
        self.is_watched
    }

    fn progress(&self, progress: &Progress) {
        let mut text = match progress.total {
            Some(total) => format!("{} of {total}", progress.done),
            None => progress.done.to_string(),
        };
        // Writing to a string does not fail.
        let _ = write!(text, "  {:.1}/s", progress.rate);
        if let Some(limit) = progress.limit {
            let _ = write!(text, "  limit {}", often(limit));
        }
        let _ = write!(text, "  refused {}", progress.refused);
        if progress.failed > 0 {
            let _ = write!(text, "  failed {}", progress.failed);
        }
        if let Some(paused) = progress.paused {
            let _ = write!(text, "  paused {} s", paused.as_secs() + 1);
        }
        if let Some(remaining) = progress.remaining {
            let _ = write!(text, "  {} left", indicatif::HumanDuration(remaining));
        }
        self.bar.set_message(text);
    }

    fn notice(&self, notice: &str) {
        self.line(&format!("note: {notice}\n"));
    }

    fn bad_line(&self, place: &str, reason: &str) {
        self.line(&format!("error: {place}: {}\n", one_line(reason)));
    }

    fn failed(&self, request: &Named, reason: &str) {
        self.line(&format!("error: {request}: {}\n", one_line(reason)));
    }
}

/// On one line, and without what a terminal would obey: lines of the input may be anybody's.
fn one_line(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.replace(char::is_control, "\u{fffd}")
}
