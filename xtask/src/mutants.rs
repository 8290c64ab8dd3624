//! `cargo xtask mutants`: faults on purpose, and the tests that must see them.
//!
//! Each `mutants/*.patch` breaks the code in one place and names the test command that must fail
//! then. A fault that survives means that a contract has no test. The patches are applied to a copy
//! of the tree, never to the tree somebody works in.
//!
//! 1. All tests are asked about healthy code, which is built once for as many of them as can share a build.
//! 2. Each fault is made, its test is built and run, and the files are written back as they were.

mod hunk;
mod outcome;
mod patch;
mod scratch;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

use self::{outcome::Outcome, patch::Patch, scratch::Scratch};
use crate::workspace;

/// Applies each fault of mutants/*.patch to a copy of the tree and checks that its test fails.
#[derive(Debug, clap::Args)]
#[command(after_help = "A patch begins with two lines, then comes the output of `git diff`:\n  \
    # <one sentence: the fault>\n  \
    # test: cargo test -p <package> [--test it] -- <name of the test that must fail>\n\n\
    Outcomes: red = the test failed, as it must. hung = it did not end, which counts as red.\n\
    SURVIVED = the test passed. stale = the patch no longer applies or builds, or may be meant for\n\
    another place than where it landed, or its test does not pass without it; the log says why.\n\
    Exit code 1 if anything is neither red nor hung.")]
pub(crate) struct Mutants {
    /// Only patches whose file name contains one of these.
    filter: Vec<String>,
}

// === impl Mutants ===

impl Mutants {
    pub(crate) fn run(self) -> Result<()> {
        let patches = self.patches()?;
        if patches.is_empty() {
            println!("no patch in mutants/ matches");
            return Ok(());
        }
        let scratch = Scratch::create()?;
        let outcomes = outcomes(&patches, &scratch)?;
        let seen = outcomes.iter().filter(|outcome| outcome.was_seen()).count();
        println!("\n{seen} of {} faults seen; logs in {}", outcomes.len(), workspace::shown(scratch.logs()));
        if seen < outcomes.len() {
            let survived = outcomes.iter().filter(|outcome| **outcome == Outcome::Survived).count();
            bail!("{survived} survived, {} stale", outcomes.len() - seen - survived);
        }
        Ok(())
    }

    fn patches(&self) -> Result<Vec<Patch>> {
        let folder = workspace::root().join("mutants");
        let entries = fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
        let mut paths: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "patch"));
        paths.sort();
        let mut patches = paths.iter().map(|path| Patch::read(path)).collect::<Result<Vec<_>>>()?;
        patches.retain(|patch| {
            self.filter.is_empty() || self.filter.iter().any(|part| patch.name.contains(part))
        });
        Ok(patches)
    }
}

/// Tries each fault, and tells what became of it.
fn outcomes(patches: &[Patch], scratch: &Scratch) -> Result<Vec<Outcome>> {
    println!("asking the tests of {} faults about healthy code first", patches.len());
    let green = outcome::green(patches, scratch)?;
    let width = patches.iter().map(|patch| patch.name.len()).max().unwrap_or_default();
    let mut outcomes = Vec::new();
    for patch in patches {
        let outcome = outcome::of(patch, scratch, &green)?;
        println!("{:<width$}  {outcome:<8}  {}", patch.name, patch.fault);
        outcomes.push(outcome);
    }
    Ok(outcomes)
}
