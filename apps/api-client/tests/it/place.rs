//! A folder for each test, and the program in it.

use std::ops::Deref;

pub(crate) use forebay_program_testkit::{Ended, until};
use serde_json::Value;

/// A folder of its own for one test.
pub(crate) struct Place(forebay_program_testkit::Place);

/// What a report says.
pub(crate) trait Report {
    /// The report, checked to add up.
    fn report(&self) -> Value;
}

// === impl Place ===

impl Place {
    pub(crate) fn new() -> Self {
        Self(forebay_program_testkit::Place::new(env!("CARGO_BIN_EXE_api-client")))
    }

    /// With `urls`, a file of so many requests `{base}/item/1` and so on.
    pub(crate) fn with_items(base: &str, count: usize) -> Self {
        let place = Self::new();
        let urls: String = (1..=count).map(|n| format!("{base}/item/{n}\n")).collect();
        place.write("urls", urls);
        place
    }

    /// The lines of a file of results.
    pub(crate) fn results(&self, name: &str) -> Vec<Value> {
        values(&self.text(name))
    }
}

impl Deref for Place {
    type Target = forebay_program_testkit::Place;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

// === impl Report ===

impl Report for Ended {
    fn report(&self) -> Value {
        let report = self.json_report();
        let sum: u64 = ["answered", "answered_before", "failed", "not_started"]
            .iter()
            .map(|name| report[name].as_u64().unwrap_or_else(|| panic!("no {name} in {report}")))
            .sum();
        assert_eq!(report["requests"], sum, "{report}");
        report
    }
}

/// Lines of JSON.
pub(crate) fn values(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))
        .collect()
}
