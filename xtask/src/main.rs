//! Every command that CI runs, and that a person runs: `cargo xtask --help`.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for people at a terminal: printing is what it does"
)]

mod bench;
mod ci;
mod demo;
mod fuzz;
mod lint;
mod loom;
mod mutants;
mod nginx;
mod sanitize;
mod sheet;
mod shell;
mod simulate;
mod test;
mod tools;
mod workspace;

use std::process::ExitCode;

use clap::Parser;

/// Forebay's commands, one file each under xtask/src.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask")]
enum Xtask {
    Demo(demo::Demo),
    Test(test::Test),
    Lint(lint::Lint),
    Loom(loom::Loom),
    Sanitize(sanitize::Sanitize),
    Fuzz(fuzz::Fuzz),
    Ci(ci::Ci),
    Mutants(mutants::Mutants),
    Bench(bench::Bench),
    Sheet(sheet::Sheet),
    Simulate(simulate::Simulate),
    Tools(tools::Tools),
}

fn main() -> ExitCode {
    let outcome = match Xtask::parse() {
        Xtask::Demo(command) => command.run(),
        Xtask::Test(command) => command.run(),
        Xtask::Lint(command) => command.run(),
        Xtask::Loom(command) => command.run(),
        Xtask::Sanitize(command) => command.run(),
        Xtask::Fuzz(command) => command.run(),
        Xtask::Mutants(command) => command.run(),
        Xtask::Bench(command) => command.run(),
        Xtask::Sheet(command) => command.run(),
        Xtask::Simulate(command) => command.run(),
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
