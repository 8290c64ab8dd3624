//! `cargo xtask ci`: all that must hold before a change lands.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::{fuzz::Fuzz, lint::Lint, loom::Loom, sanitize::Sanitize, test::Test};

/// Runs lint, test, loom, sanitize and fuzz, and stops at the first that fails.
///
/// Faults on purpose (`mutants`) and comparisons (`bench`) are apart: they take long, and the
/// second needs a machine that does nothing else.
#[derive(Debug, clap::Args)]
pub(crate) struct Ci {}

/// What a command does when it is given no arguments.
type Step = fn() -> Result<()>;

// === impl Ci ===

impl Ci {
    pub(crate) fn run(self) -> Result<()> {
        let steps: [(&str, Step); 5] = [
            ("lint", || Lint {}.run()),
            ("test", || Test::all().run()),
            ("loom", || Loom::all().run()),
            ("sanitize", || Sanitize {}.run()),
            ("fuzz", || Fuzz::short().run()),
        ];
        let mut times = Vec::new();
        for (name, step) in steps {
            println!("\n=== {name} ===");
            let start = Instant::now();
            let outcome = step();
            times.push((name, start.elapsed()));
            if outcome.is_err() {
                print_times(&times);
            }
            outcome.with_context(|| format!("step `{name}` failed; alone it is `cargo xtask {name}`"))?;
        }
        print_times(&times);
        println!("ci: all {} steps passed", times.len());
        Ok(())
    }
}

fn print_times(times: &[(&str, Duration)]) {
    println!();
    for (name, time) in times {
        println!("{name:<10} {:>7.1} s", time.as_secs_f64());
    }
    println!("{:<10} {:>7.1} s", "total", times.iter().map(|(_, time)| time.as_secs_f64()).sum::<f64>());
}
