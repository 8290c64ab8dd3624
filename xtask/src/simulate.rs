//! `cargo xtask simulate`: what the policies of forebay-flow do in front of a simulated server.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::{shell, workspace};

/// Runs a scenario with each policy, prints a table and draws a plot.
///
/// The simulator is forebay-testkit's; the program is an example of forebay-flow, since xtask must build without either.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cargo xtask simulate step-down            a table, and a plot below target/simulate\n  \
    cargo xtask simulate constant --seed 7    with other chances\n  \
    cargo xtask simulate --plots              the plots in crates/forebay-flow/docs, made anew\n  \
    cargo xtask simulate --goals              the table of goals there, made anew\n\n\
    A scenario that does not exist is answered with those that do.")]
pub(crate) struct Simulate {
    /// Which one.
    #[arg(required_unless_present_any = ["goals", "plots"])]
    scenario: Option<String>,
    /// Another seed has other chances.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the plot goes.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Makes the plots of the docs anew.
    #[arg(long, conflicts_with = "scenario")]
    plots: bool,
    /// Makes the table of goals anew.
    #[arg(long, conflicts_with = "scenario")]
    goals: bool,
}

// === impl Simulate ===

impl Simulate {
    pub(crate) fn run(self) -> Result<()> {
        let docs = workspace::root().join("crates/forebay-flow/docs");
        if self.plots {
            shell::run(program().arg("plots").arg(&docs))?;
        }
        if self.goals {
            write(&docs.join("goals.md"), &shell::capture(program().arg("goals"))?)?;
        }
        let Some(scenario) = self.scenario else { return Ok(()) };
        let svg = match self.svg {
            // The program runs in the root, and not where the name was typed.
            Some(svg) => std::path::absolute(svg)?,
            None => {
                let folder = workspace::root().join("target/simulate");
                fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
                folder.join(format!("{scenario}.svg"))
            }
        };
        shell::run(program().args(["scenario", &scenario, &self.seed.to_string()]).arg(svg))
    }
}

/// With optimizations: a thousand clients make millions of events.
fn program() -> Command {
    let mut program = shell::cargo();
    program.args(["run", "--quiet", "--release", "--package", "forebay-flow", "--example", "simulate", "--"]);
    program
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    println!("written to {}", workspace::shown(path));
    Ok(())
}
