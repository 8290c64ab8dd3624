//! The program `api-client`: parses its command line, runs, maps the outcome to an exit code.

mod cli;
mod console;

use std::process::ExitCode;
use std::sync::Arc;

use api_client::run;
use clap::Parser;
use forebay_program::{signals, streams};

use crate::cli::{Cli, Command, Keys};
use crate::console::Console;

/// Every request was answered.
const DONE: u8 = 0;
/// Some request was not, or results could not be written.
const FAILED: u8 = 1;
/// Usage or configuration: nothing was sent. Clap ends with the same code.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let Command::Fetch(keys) = Cli::parse().command;
    ExitCode::from(fetch(keys).unwrap_or_else(|error| {
        streams::error(&error);
        USAGE
    }))
}

fn fetch(keys: Keys) -> anyhow::Result<u8> {
    let config = keys.resolve()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let code = runtime.block_on(async {
        let first = signals::first()?;
        let console = Arc::new(Console::new());
        let stop = {
            let console = Arc::clone(&console);
            async move {
                first.await;
                console.stopping();
            }
        };
        let run = {
            let (config, observer) = (config.clone(), Arc::clone(&console) as _);
            async move { run::run(&config, stop, observer).await }
        };
        // Not on this thread, which a worker would have to wake for each request that has ended.
        let report = tokio::spawn(run).await??;
        let is_reported = console.report(&config, &report);
        anyhow::Ok(if report.is_success() && is_reported { DONE } else { FAILED })
    })?;
    // Standard input cannot be told to end: a thread that waits for it must not hold up the exit.
    runtime.shutdown_background();
    Ok(code)
}
