//! A configuration as a drawing of its pipeline, for `log-processor check`.

use std::fmt;

use bytesize::ByteSize;
use clap::ValueEnum;

use crate::config::{Config, ReportFormat};
use crate::multiline::FirstLine;
use crate::output::{Existing, Target};

/// Draws a [`Config`] as the pipeline it describes, one stage a line.
///
/// ```
/// use log_processor::config::{Config, Settings};
/// use log_processor::picture::Picture;
///
/// let settings: Settings = toml::from_str("input = 'app.log'\noutput = '-'\nfilter = 'level >= warn'")?;
/// let picture = Picture(&Config::new(settings)?).to_string();
/// assert!(picture.contains("filter    level >= warn"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Picture<'a>(pub &'a Config);

// === impl Picture ===

impl fmt::Display for Picture<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = self.0;

        let mut label = "read";
        for input in &config.inputs {
            let input = if input == "-" { "standard input" } else { input };
            writeln!(f, "{label:<9} {input}")?;
            label = "";
        }
        let until = if config.follow { "until a signal comes" } else { "to the end" };
        let unit = if config.multiline.is_some() { "record" } else { "line" };
        writeln!(f, "{:<9} {until}; a {unit} of more than {} is cut", "", ByteSize(config.max_line as u64))?;

        if let Some(multiline) = &config.multiline {
            let of = match &multiline.first_line {
                FirstLine::Time => "time: one begins with a time or level in front".to_owned(),
                FirstLine::Indent => "indent: one begins with a line that is not indented".to_owned(),
                FirstLine::Pattern(pattern) => format!("a first line like {pattern}"),
            };
            writeln!(f, "records   of several lines, by {of}; the last waits {:?}", multiline.wait)?;
        }
        let unit = if config.multiline.is_some() { "records" } else { "lines" };
        writeln!(f, "   |      batches of whole {unit}")?;
        writeln!(f, "   v      {} at once", count(config.workers.get(), "batch", "batches"))?;
        writeln!(f, "parse     as {}", described(&config.parse))?;
        if let Some(period) = &config.period {
            writeln!(f, "time      {period}; a record without a time is left out")?;
        }
        match &config.filter {
            Some(filter) => writeln!(f, "filter    {filter}")?,
            None => writeln!(f, "filter    none: every record is kept")?,
        }
        writeln!(f, "format    as {}", described(&config.format))?;
        if let Some(fields) = &config.fields {
            writeln!(f, "          with these fields only: {fields}")?;
        }

        writeln!(f, "   |")?;
        writeln!(f, "   v      in the order of arrival")?;
        let existing = match (&config.output, config.existing, &config.state) {
            (Target::Stdout, ..) => "",
            (_, Existing::Refuse, None) => ", which must not exist yet",
            (_, Existing::Refuse, Some(_)) => ", which must not exist yet or be that of the last checkpoint",
            (_, Existing::Append, _) => ", behind what it holds",
            (_, Existing::Overwrite, None) => ", replacing what it holds",
            (_, Existing::Overwrite, Some(_)) => ", replacing what no checkpoint knows of",
        };
        writeln!(f, "write     {}{existing}", target(&config.output))?;

        match &config.state {
            Some(folder) => {
                let against = if config.sync { "and power losses" } else { "but not power losses (--sync)" };
                let every = ByteSize(config.checkpoint_every);
                writeln!(
                    f,
                    "state     {}, saved every {every}: survives crashes {against}",
                    folder.display()
                )?;
            }
            None => writeln!(f, "state     none: nothing is promised after a crash (--state DIR)")?,
        }
        let stream = if config.output == Target::Stdout { "standard error" } else { "standard output" };
        let form = match config.report {
            ReportFormat::Text => "a table",
            ReportFormat::Json => "JSON",
        };
        writeln!(f, "report    {form}, to {stream}")
    }
}

/// Where the output goes, for people.
pub(crate) fn target(target: &Target) -> String {
    match target {
        Target::Stdout => "standard output".to_owned(),
        Target::File(path) => path.display().to_string(),
    }
}

/// A value as flags and files name it.
pub(crate) fn name<V: ValueEnum>(value: &V) -> String {
    value.to_possible_value().expect("every value has a name").get_name().to_owned()
}

/// A value's name and what it means, as `--help` says it.
fn described<V: ValueEnum>(value: &V) -> String {
    let help = value.to_possible_value().and_then(|value| value.get_help().cloned());
    name(value) + &help.map(|help| format!(": {help}")).unwrap_or_default()
}

fn count(n: usize, one: &str, many: &str) -> String {
    if n == 1 { format!("{n} {one}") } else { format!("{n} {many}") }
}
