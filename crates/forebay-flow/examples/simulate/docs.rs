//! What is generated into the docs.

use std::fmt::Write as _;

use forebay_testkit::simulator::{Scenario, plot};

use crate::goals::{Bound, Goal, Off};
use crate::policies::Policy;
use crate::scenario;

/// The plots that are kept, with the names of their files.
pub(crate) fn plots() -> Vec<(String, String)> {
    const KEPT: [Scenario; 6] = [
        Scenario::Constant,
        Scenario::StepUp,
        Scenario::StepDown,
        Scenario::LatencySpike,
        Scenario::TenClients,
        Scenario::TimeoutsOnly,
    ];
    let plot_of = |scenario: Scenario| {
        let records = scenario::run(scenario, 1);
        (format!("{scenario}.svg"), plot(&format!("{scenario}, seed 1"), &scenario::labelled(&records)))
    };
    KEPT.into_iter().map(plot_of).collect()
}

/// The table of goals, each over 20 seeds and servers whose parameters are off by up to 30 %.
pub(crate) fn goals() -> String {
    let mut table =
        String::from("| goal | policy | asked | median | worst | |\n| --- | --- | --- | --- | --- | --- |\n");
    let offs = Off::each();
    for goal in Goal::ALL {
        for policy in Policy::ALL {
            let outcome = goal.outcome(policy, &offs, 1..21);
            let bound = goal.bound(policy);
            let asked = match bound {
                Some(Bound::AtLeast(least)) => format!("at least {least}"),
                Some(Bound::AtMost(most)) => format!("at most {most}"),
                None => String::new(),
            };
            let verdict = match bound {
                Some(bound) if bound.holds(outcome.worst) => "kept",
                Some(bound) if bound.holds(outcome.median) => "**missed by the worst**",
                Some(_) => "**missed**",
                None => "",
            };
            // Writing into a string cannot fail.
            let _ = writeln!(
                table,
                "| {} | `{}` | {asked} | {:.2} | {:.2} | {verdict} |",
                goal.says(),
                policy.name(),
                outcome.median,
                outcome.worst,
            );
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_plots_in_the_docs_are_what_the_policies_do() {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
        for (name, svg) in plots() {
            let kept = std::fs::read_to_string(docs.join(&name)).unwrap_or_default();
            assert!(kept == svg, "docs/{name} is stale: `cargo xtask simulate --plots` makes it anew");
        }
    }
}
