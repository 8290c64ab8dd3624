//! What the policies do in front of a simulated server: `cargo xtask simulate` runs this.
//!
//! - `scenario NAME SEED [FILE]`: one scenario with each policy, as a table, and as a plot in a file.
//! - `plots FOLDER`: the plots of the docs.
//! - `goals [WORD..]`: what was aimed at and what came of it, as Markdown; of goals and policies with these words only.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for people: printing is what it does"
)]

mod docs;
mod goals;
mod policies;
mod scenario;

use std::error::Error;
use std::process::ExitCode;

use forebay_testkit::simulator::plot;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Result<(), Box<dyn Error>> {
    match arguments {
        ["scenario", name, seed, file @ ..] => {
            let records = scenario::run(name.parse()?, seed.parse()?);
            print!("{}", scenario::table(&records));
            if let [file] = file {
                std::fs::write(file, plot(&format!("{name}, seed {seed}"), &scenario::labelled(&records)))?;
                println!("\nplot: {file}");
            }
        }
        ["plots", folder] => {
            for (name, svg) in docs::plots() {
                std::fs::write(format!("{folder}/{name}"), svg)?;
            }
        }
        ["goals", words @ ..] => print!("{}", docs::goals(words)),
        _ => return Err("scenario NAME SEED [FILE], plots FOLDER or goals [WORD..]".into()),
    }
    Ok(())
}
