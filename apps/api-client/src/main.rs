//! The program `api-client`: parses its command line, runs, maps the outcome to an exit code.

mod cli;
mod console;

use std::process::ExitCode;
use std::sync::Arc;

use api_client::run;
use clap::Parser;
use forebay_program::{open_files, signals, streams};
use tokio::runtime::Builder;

use crate::cli::{Cli, Command, Keys};
use crate::console::Console;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Every request was answered.
const DONE: u8 = 0;
/// Some request was not, or results could not be written.
const FAILED: u8 = 1;
/// Usage or configuration: nothing was sent. Clap ends with the same code.
const USAGE: u8 = 2;
/// A fault in this program, as Rust has it.
const FAULT: u8 = 101;

fn main() -> ExitCode {
    let Command::Fetch(keys) = Cli::parse().command;
    ExitCode::from(fetch(keys).unwrap_or_else(|error| {
        streams::error(&error);
        USAGE
    }))
}

fn fetch(keys: Keys) -> anyhow::Result<u8> {
    let config = keys.resolve()?;
    open_files::raise();
    // Listens for signals, and gathers long bodies.
    let workers = Builder::new_multi_thread().enable_all().build()?;
    let first = {
        let _workers = workers.enter();
        signals::first()?
    };
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let code = runtime.block_on(async {
        let console = Arc::new(Console::new());
        let stop = {
            let console = Arc::clone(&console);
            async move {
                first.await;
                console.stopping();
            }
        };
        let run = {
            let (config, workers, observer) =
                (config.clone(), workers.handle().clone(), Arc::clone(&console) as _);
            async move { run::run(&config, &workers, stop, observer).await }
        };
        // A task has its turn among the others, while what is waited for here would have it when they have nothing to do.
        let Ok(report) = tokio::spawn(run).await else {
            // What it was is told already.
            streams::tell("error: this is a fault in api-client, please report it\n");
            return Ok(FAULT);
        };
        let report = report?;
        let is_reported = console.report(&config, &report);
        anyhow::Ok(if report.is_success() && is_reported { DONE } else { FAILED })
    })?;
    // Standard input cannot be told to end: a thread that waits for it must not hold up the exit.
    runtime.shutdown_background();
    workers.shutdown_background();
    Ok(code)
}
