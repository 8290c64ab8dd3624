//! The program `image-pipeline`: parses its command line, runs, maps the outcome to an exit code.

mod allocator;
mod cli;
mod console;

use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::bail;
use clap::Parser;
use forebay_program::{open_files, signals, streams};
use image_pipeline::config::Output;
use image_pipeline::run;
use tokio::sync::oneshot;

use crate::cli::{Cli, Command, Keys};
use crate::console::Console;

/// Every input has a result.
const DONE: u8 = 0;
/// Some input has no result, or the output could not be written.
const FAILED: u8 = 1;
/// Usage or configuration: nothing was processed. Clap ends with the same code.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    allocator::settle();
    open_files::raise();
    let outcome = match Cli::parse().command {
        Command::Check(keys) => check(keys),
        Command::Run(keys) => run(keys),
    };
    ExitCode::from(outcome.unwrap_or_else(|error| {
        streams::error(&error);
        USAGE
    }))
}

fn check(keys: Keys) -> anyhow::Result<u8> {
    let config = keys.resolve()?;
    let console = Console::plain();
    let checked = run::check(&config, &console)?;
    console::show(&checked);
    Ok(if console.has_failures() { FAILED } else { DONE })
}

fn run(keys: Keys) -> anyhow::Result<u8> {
    let config = keys.resolve()?;
    if config.output == Output::Stdout && io::stdout().is_terminal() {
        bail!(
            "a terminal cannot show a picture: send standard output to a file or another program, or name a file with --output"
        );
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let code = runtime.block_on(async {
        let first = signals::first()?;
        let (came, mut signal) = oneshot::channel();
        let console = Arc::new(Console::new());
        let stop = {
            let console = Arc::clone(&console);
            async move {
                // The receiver waits below.
                let _ = came.send(first.await);
                console.stopping();
            }
        };
        let report = run::run(&config, stop, Arc::clone(&console) as _).await?;
        let is_reported = console.report(&config, &report);
        let code = match signal.try_recv() {
            // Somebody who waits for the result must not take a part for the whole.
            Ok(signal) if report.not_started > 0 || report.pictures == 0 => signal,
            _ if report.is_success() && is_reported => DONE,
            _ => FAILED,
        };
        anyhow::Ok(code)
    })?;
    // Standard input cannot be told to end: a thread that waits for it must not hold up the exit.
    runtime.shutdown_background();
    Ok(code)
}
