//! What the tests of all programs need: a folder for each test, a program started in it, and how that ended.
//!
//! A helper that cannot do its part fails the test, so everything here panics in that case.

#![expect(clippy::unwrap_used, reason = "a helper that cannot do its part has failed the test")]
#![expect(clippy::missing_panics_doc, reason = "everything here panics when the test has failed")]

mod ended;
mod place;
mod running;
mod terminal;

use std::thread;
use std::time::{Duration, Instant};

pub use ended::Ended;
pub use place::Place;
pub use running::Running;
pub use rustix::process::Signal;

/// A condition that does not come true in this time never will. Far longer than any of them takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until a condition holds that another process brings about.
#[track_caller]
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "not in {PATIENCE:?}: {what}");
        // Another process cannot wake us, so we look again; how often decides only how soon we see it.
        thread::park_timeout(Duration::from_millis(1));
    }
}
