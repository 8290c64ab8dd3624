//! What became of one fault.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use anyhow::Result;

use super::patch::{Patch, TestCommand};
use super::scratch::{Applied, Scratch};
use crate::shell::Ended;

/// A test that takes longer than this hangs: the named tests run for seconds.
const RUN_LIMIT: Duration = Duration::from_secs(120);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The test failed with the fault and passes without.
    Red,
    /// With the fault the test did not end, which a person would notice too.
    Hung,
    /// The test passed: nothing guards against this fault.
    Survived,
    /// The patch says nothing about today's code.
    Stale(Stale),
}

/// Why a patch says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stale {
    DoesNotApply,
    /// The lines it changes are in the file more than once, and not at the line that it names.
    Ambiguous,
    DoesNotBuild,
    /// The test fails, hangs or does not exist on healthy code.
    TestNotGreen,
}

// === impl Outcome ===

impl Outcome {
    pub(super) fn was_seen(self) -> bool {
        matches!(self, Self::Red | Self::Hung)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Red => "red",
            Self::Hung => "hung",
            Self::Survived => "SURVIVED",
            Self::Stale(Stale::DoesNotApply) => "stale: does not apply",
            Self::Stale(Stale::Ambiguous) => "stale: applies in several places, and not at its line",
            Self::Stale(Stale::DoesNotBuild) => "stale: does not build",
            Self::Stale(Stale::TestNotGreen) => "stale: its test is not green without it",
        })
    }
}

/// Which of the tests are green on healthy code.
///
/// Each is asked once, though many patches may name it, and all are asked before the first fault is
/// made: in between, nothing but what they name has to be built.
pub(super) fn green<'a>(patches: &'a [Patch], scratch: &Scratch) -> Result<BTreeSet<&'a TestCommand>> {
    let mut tests = BTreeMap::new();
    for patch in patches {
        tests.entry(&patch.test).or_insert(patch);
    }
    let mut green = BTreeSet::new();
    for (test, patch) in tests {
        if is_green(patch, scratch)? {
            green.insert(test);
        }
    }
    Ok(green)
}

/// Tries one fault; the copy is healthy again afterwards.
pub(super) fn of(patch: &Patch, scratch: &Scratch, green: &BTreeSet<&TestCommand>) -> Result<Outcome> {
    let log = format!("{}.log", patch.name);
    // Logs are appended to within a run and belong to one run only.
    std::fs::remove_file(scratch.logs().join(&log)).ok();
    if !green.contains(&patch.test) {
        return Ok(Outcome::Stale(Stale::TestNotGreen));
    }
    let healthy = match scratch.apply(patch)? {
        Applied::There(healthy) => healthy,
        Applied::Ambiguous => return Ok(Outcome::Stale(Stale::Ambiguous)),
        Applied::No => return Ok(Outcome::Stale(Stale::DoesNotApply)),
    };
    let outcome = broken(patch, scratch, &log);
    scratch.revert(&healthy)?;
    outcome
}

/// The word of the test on the broken code. A failure to build is no failure of a test.
fn broken(patch: &Patch, scratch: &Scratch, log: &str) -> Result<Outcome> {
    if scratch.build(&patch.test, log)? != Ended::Well {
        return Ok(Outcome::Stale(Stale::DoesNotBuild));
    }
    Ok(match scratch.run(&patch.test, log, RUN_LIMIT)? {
        Ended::Well => Outcome::Survived,
        Ended::Badly => Outcome::Red,
        Ended::Hung => Outcome::Hung,
    })
}

/// Whether the test exists and passes on healthy code; a filter that matches nothing passes always.
fn is_green(patch: &Patch, scratch: &Scratch) -> Result<bool> {
    let log = format!("{}.healthy.log", patch.name);
    std::fs::remove_file(scratch.logs().join(&log)).ok();
    let passes = scratch.build(&patch.test, &log)? == Ended::Well
        && scratch.run(&patch.test, &log, RUN_LIMIT)? == Ended::Well;
    Ok(passes && passed(&scratch.read_log(&log)?) > 0)
}

/// How many tests passed, over all binaries of one `cargo test`.
fn passed(output: &str) -> u64 {
    let summaries = output.lines().filter_map(|line| line.strip_prefix("test result: ok. "));
    summaries.filter_map(|rest| rest.split_once(" passed")?.0.parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_matches_nothing_is_not_taken_for_a_pass() {
        assert_eq!(passed("test result: ok. 0 passed; 0 failed; 0 ignored; 9 filtered out\n"), 0);
        assert_eq!(
            passed("x\ntest result: ok. 2 passed; 0 failed\n\ntest result: ok. 1 passed; 0 failed\n"),
            3
        );
    }
}
