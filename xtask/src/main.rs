//! Every command that CI runs, and that a person runs: `cargo xtask --help`.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for people at a terminal: printing is what it does"
)]

mod ci;
mod lint;
mod loom;
mod mutants;
mod sanitize;
mod shell;
mod test;
mod tools;
mod workspace;

use std::process::ExitCode;

use clap::Parser;

/// Forebay's commands, one file each under xtask/src.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask")]
enum Xtask {
    Test(test::Test),
    Lint(lint::Lint),
    Loom(loom::Loom),
    Sanitize(sanitize::Sanitize),
    Mutants(mutants::Mutants),
    Tools(tools::Tools),
    Ci(ci::Ci),
}

fn main() -> ExitCode {
    let outcome = match Xtask::parse() {
        Xtask::Test(command) => command.run(),
        Xtask::Lint(command) => command.run(),
        Xtask::Loom(command) => command.run(),
        Xtask::Sanitize(command) => command.run(),
        Xtask::Mutants(command) => command.run(),
        Xtask::Tools(command) => command.run(),
        Xtask::Ci(command) => command.run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
