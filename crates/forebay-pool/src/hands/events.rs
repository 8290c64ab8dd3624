//! What is told about items that do not end well.

use super::terms::RunEnd;
use super::{Became, Hands};

// === impl Hands ===

impl<T> Hands<T> {
    pub(super) fn report(&self, attempt: u32, run_end: &RunEnd, item: &'static str) {
        let worker = self.id.index();
        match run_end {
            RunEnd::Failed(error) => tracing::warn!(worker, attempt, %error, item, "handler failed"),
            RunEnd::Panicked(panic) => tracing::error!(worker, attempt, %panic, item, "handler panicked"),
            RunEnd::Cancelled => tracing::debug!(worker, attempt, item, "handler cancelled"),
            RunEnd::Lost => tracing::warn!(worker, attempt, item, "lease of the item was lost"),
            RunEnd::Aborted => tracing::debug!(worker, attempt, item, "handler aborted"),
            RunEnd::TimedOut => tracing::warn!(worker, attempt, item, "handler timed out"),
            RunEnd::Expired => tracing::warn!(worker, attempt, item, "deadline of the item passed"),
            RunEnd::Done if item == Became::DeadLettered.as_str() => self.report_last_attempt(attempt),
            RunEnd::Done => {}
        }
    }

    pub(super) fn report_settling(&self, panic: &str) {
        let worker = self.id.index();
        tracing::error!(
            worker,
            panic,
            "source, or the destructor of the item, panicked while it was settled"
        );
    }

    pub(super) fn report_last_attempt(&self, attempt: u32) {
        tracing::warn!(
            worker = self.id.index(),
            attempt,
            "item was handed back too often, and is dead-lettered"
        );
    }
}
