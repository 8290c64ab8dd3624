//! One scenario with each policy.

use std::fmt::Write as _;
use std::time::Duration;

use forebay_testkit::simulator::{Record, Scenario};

use crate::policies::Policy;

/// What was seen with each policy.
pub(crate) fn run(scenario: Scenario, seed: u64) -> Vec<(Policy, Record)> {
    Policy::ALL.map(|policy| (policy, scenario.run(seed, &mut policy.clients(seed)))).into()
}

/// For a plot.
pub(crate) fn labelled(records: &[(Policy, Record)]) -> Vec<(&'static str, &Record)> {
    records.iter().map(|(policy, record)| (policy.name(), record)).collect()
}

/// Over all of the time.
pub(crate) fn table(records: &[(Policy, Record)]) -> String {
    let mut table = format!(
        "{:12} {:>9} {:>11} {:>7} {:>8} {:>10} {:>9} {:>7}\n",
        "policy", "goodput/s", "latency, ms", "limit", "refused", "timed out", "fairness", "took, s"
    );
    for (policy, record) in records {
        let (from, to) = (Duration::ZERO, record.ended);
        let limit = match policy {
            Policy::FeedbackRate => "none".to_owned(),
            _ => format!("{:.1}", record.limit(from, to)),
        };
        // Writing into a string cannot fail.
        let _ = writeln!(
            table,
            "{:12} {:9.1} {:11.1} {limit:>7} {:8} {:10} {:9.3} {:7.1}",
            policy.name(),
            record.goodput(from, to),
            record.latency(from, to).as_secs_f64() * 1e3,
            record.refused(),
            record.timed_out(),
            record.fairness(from, to),
            to.as_secs_f64(),
        );
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_a_row_for_each_policy() {
        let table = table(&run(Scenario::Constant, 1));
        assert_eq!(table.lines().count(), 1 + Policy::ALL.len());
        assert!(table.lines().all(|line| line.split_whitespace().count() >= 7), "{table}");
    }
}
