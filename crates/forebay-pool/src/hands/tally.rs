//! How many items ended in which way.

/// What became of an item that left the hands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Became {
    Completed,
    Failed,
    Returned,
    DeadLettered,
}

/// How many items went which way. Every item that was taken is in one of the others, or still held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) taken: u64,
    pub(crate) completed: u64,
    pub(crate) failed: u64,
    pub(crate) returned: u64,
    pub(crate) dead_lettered: u64,
    pub(crate) panics: u64,
    pub(crate) aborted: u64,
    pub(crate) timed_out: u64,
    pub(crate) retried: u64,
    pub(crate) cancelled: u64,
}

// === impl Became ===

impl Became {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Returned => "returned",
            Self::DeadLettered => "dead-lettered",
        }
    }
}

// === impl Tally ===

impl Tally {
    pub(super) fn count(&mut self, became: Became) {
        match became {
            Became::Completed => self.completed += 1,
            Became::Failed => self.failed += 1,
            Became::Returned => self.returned += 1,
            Became::DeadLettered => self.dead_lettered += 1,
        }
    }
}
