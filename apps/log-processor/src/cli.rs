//! The command line.

use std::path::PathBuf;

use clap::{
    Parser, Subcommand,
    error::{ContextKind, ContextValue, ErrorKind},
};
use log_processor::config::{Config, ConfigError, Settings};

/// Reads, parses, filters and rewrites logs, in order, in little memory
#[derive(Debug, Parser)]
#[command(version, after_help = OVERVIEW, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Process the inputs to their end, or with --follow until a signal comes
    #[command(after_help = EXAMPLES, max_term_width = 100)]
    Run(Keys),
    /// Check a configuration, its inputs, output and state, and show the pipeline, without running it
    #[command(max_term_width = 100)]
    Check(Keys),
}

/// The keys of a run: from flags, from a file, or both.
#[derive(Debug, clap::Args)]
pub(crate) struct Keys {
    /// Take the keys from this TOML file, named like the flags; flags given beside it win
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) settings: Settings,
}

const OVERVIEW: &str = "\
Start with:  log-processor run --input app.log --output errors.log --filter 'level >= error'
All flags and more examples:  log-processor run --help";

const EXAMPLES: &str = "\
Examples:
  The errors of some files, as JSON:
    log-processor run -i 'logs/*.log' old.log.gz -o errors.json --format json -f 'level >= error'
  A filter between two programs:
    journalctl -o json | log-processor run -i - -o - --parse json -f 'MESSAGE contains \"failed\"'
  Follow a log, and go on after a crash or a restart where it was:
    log-processor run -i /var/log/app.log -o app.kept --state app.state --follow -f 'not level == debug'
  The same from a file with the keys input, output, state, ...:
    log-processor run -c pipeline.toml

Filters:
  status >= 500                 also == != < <= >; a number, level >= warn, a \"text\", true, false, null
  message contains \"x\"          also starts_with, ends_with
  path =~ \"^/api/v\\d+\"          matches the regular expression; !~ does not
  status in [500, 502]          equals one of them
  exists(user)                  the record has that field
  not, and, or, ( )             not binds tightest, then and, then or
  A field that is missing makes every condition false, != and !~ too: 'not user == \"ann\"' keeps records
  without a user. request.method reaches into JSON. level, message and time are found under the other
  names that programs give them, too (severity, msg, ts, ...); the README has all of them.

Records of several lines:
  --multiline time              a record begins with a line with a time or a level in front, with JSON, or
                                with time=, level=; a stack trace behind it belongs to it
  --multiline indent            it begins with a line that is not indented
  --multiline '^[0-9]+:'        it begins with a line that matches (of 1024 bytes, at most)
  Its first line is parsed, and the others are added to its message: one filter, one output, one count
  for all of them. --max-line bounds a record. At the end of a pipe or of a file that is followed, the
  last one waits for --multiline-wait; lines that come later still share its fate.

Times:
  --since and --until take a time with its zone (2026-11-29T14:00:00Z), local time ('2026-11-29 14:00',
  2026-11-29, 14:00, now, today, yesterday), a time as a log has it, or how long ago (90m, -1h, '2 days
  ago'), seen from the start of the run. Records are kept from --since on and before --until; one without
  a time that can be read is left out, and the report counts it. A time without a zone is local time, in
  logs too: TZ=UTC in front of the command makes it UTC. One without a year is the last that there was.

Fields:
  --fields 'time,level,request.method' finds fields as filters do, and writes them under these names, in
  this order, a nested one as \"request.method\". Values stay as they are spelled; a field that a record
  lacks is left out.

After a crash:
  With --state DIR, input positions and the output's length are saved together. After kill -9 at any
  moment, start the same command again: no line is lost, and a file output holds no line twice.
  --sync promises the same for a power loss. Without --state nothing is promised after a crash.
  What others appended to the output since a run ended in order is kept with --append and cut off with
  --overwrite; without either of them the next run is refused. What is behind the last checkpoint of a
  run that was killed is always cut off: those lines are read again.
  With --state and without --follow, an unfinished last line is written at the very end; if the next
  run finds its rest, it replaces it with the whole line. So it is with a last --multiline record.
  With --state all inputs that are named must be there (or --follow waits for them).

Signals:
  SIGINT, SIGTERM and SIGHUP (unless nohup ignores it) end the reading; what was read is written, the
  checkpoint saved, the report printed. Another one, half a second later or more, ends the process at
  once (exit code 130, 143 or 129).

The report goes to standard output, or to standard error where the records go to standard output.

Exit codes:
  0  done: all inputs were read to their end, or a signal ended the run and all that was read is written
  1  an input could not be read (it is named; the others were processed, unless there is a --state),
     or the output could not be written
  2  usage or configuration: nothing was read";

// === impl Cli ===

impl Cli {
    /// The command line of this process, which ends here if that makes no sense.
    pub(crate) fn of_process() -> Self {
        Self::try_parse().unwrap_or_else(|error| with_remedy(error).exit())
    }
}

/// Most programs that read logs take their paths as they are.
fn with_remedy(mut error: clap::Error) -> clap::Error {
    let bare = [ContextKind::InvalidArg, ContextKind::InvalidSubcommand].map(|kind| error.get(kind));
    let tip = match (error.kind(), bare) {
        (ErrorKind::UnknownArgument, [Some(ContextValue::String(path)), _]) if !path.starts_with('-') => {
            format!("files to read follow --input: '--input {path}'")
        }
        // Else it is a misspelt command.
        (ErrorKind::InvalidSubcommand, [_, Some(ContextValue::String(path))])
            if path.contains(['.', '/']) =>
        {
            format!("files to read follow --input: 'run --input {path} --output -'")
        }
        _ => return error,
    };
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    error
}

// === impl Keys ===

impl Keys {
    /// The configuration that flags and file make together.
    pub(crate) fn resolve(self) -> Result<Config, ConfigError> {
        match self.config {
            Some(file) => Config::load(&file, self.settings),
            None => Config::new(self.settings),
        }
    }
}
