//! The program `log-processor`: parses its command line, runs the pipeline, maps the outcome to an
//! exit code.

mod cli;
mod console;

use std::io::{self, ErrorKind};
use std::process::ExitCode;
use std::sync::Arc;

use forebay_program::{open_files, signals, streams};
use log_processor::input::InputError;
use log_processor::output::OutputError;
use log_processor::pipeline::{self, StartError};

use crate::cli::{Cli, Command, Keys};
use crate::console::Console;

/// Everything was done.
const DONE: u8 = 0;
/// Some input failed, or the output could not be written.
const FAILED: u8 = 1;
/// Usage or configuration: nothing was read. Clap ends with the same code.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let outcome = match Cli::of_process().command {
        Command::Check(keys) => check(keys),
        Command::Run(keys) => run(keys),
    };
    ExitCode::from(outcome.unwrap_or_else(|error| {
        streams::error(&error);
        if is_missing_input(&error) || is_full_disk(&error) { FAILED } else { USAGE }
    }))
}

/// None of the inputs can be read: the same failure as when some cannot.
fn is_missing_input(error: &anyhow::Error) -> bool {
    use InputError::{Folder, Missing, NoMatch, Unreadable};
    let Some(StartError::Input(error) | StartError::Output(OutputError::Input(error))) = error.downcast_ref()
    else {
        return false;
    };
    matches!(error, Missing { .. } | NoMatch { .. } | Unreadable { .. } | Folder { .. })
}

/// There is no room for the output or the state: the same failure as when it is used up later.
fn is_full_disk(error: &anyhow::Error) -> bool {
    use ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    let mut refused = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
    refused.any(|error| matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge))
}

fn check(keys: Keys) -> anyhow::Result<u8> {
    let config = keys.resolve()?;
    let is_complete = pipeline::check(&config, &console::Plain)?;
    let is_shown = console::show(&config);
    Ok(if is_complete && is_shown { DONE } else { FAILED })
}

fn run(keys: Keys) -> anyhow::Result<u8> {
    let config = keys.resolve()?;
    // Each file that is followed is held open.
    open_files::raise();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let is_success = runtime.block_on(async {
        let first = signals::first()?;
        let stop = async {
            first.await;
        };
        let console = Arc::new(Console::new(&config));
        let report = pipeline::run(&config, stop, Arc::clone(&console) as _).await?;
        let is_reported = console.report(&config, &report);
        anyhow::Ok(report.is_success() && is_reported)
    })?;
    // Standard input cannot be told to end: a thread that waits for it must not hold up the exit.
    runtime.shutdown_background();
    Ok(if is_success { DONE } else { FAILED })
}
