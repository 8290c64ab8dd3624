//! What became of the items, for each branch.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a tee did so far.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use forebay_pool::{Tee, WhenSlow};
///
/// let mut tee = Tee::builder();
/// let _screen = tee.branch("screen", 1, WhenSlow::Drop);
/// let tee = tee.build()?;
/// tee.send(1).await?;
/// tee.send(2).await?;
/// let stats = tee.stats();
/// assert_eq!((stats.accepted, stats.branches[0].sent, stats.branches[0].dropped), (2, 1, 1));
/// assert!(stats.adds_up());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TeeStats {
    /// Items that every branch which may not lose has taken.
    pub accepted: u64,
    /// In the order in which they were described.
    pub branches: Vec<BranchStats>,
}

/// What a branch of a tee did so far; see [`TeeStats`] for an example.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BranchStats {
    /// What it is called.
    pub name: Arc<str>,
    /// Accepted items that it has taken.
    pub sent: u64,
    /// Accepted items that it did not get: it was slow, failed, or is detached.
    pub dropped: u64,
    /// Items that it has taken in a send that failed elsewhere or was dropped. It gets them again if they are sent
    /// again. 0 for queues of the tee's own, unless their reader goes away at that very moment.
    pub unconfirmed: u64,
    /// How many items wait in its queue now. 0 for sinks, and after it was detached.
    pub len: usize,
    /// Why it gets nothing more, if so.
    pub detached: Option<Detached>,
}

/// Why a branch of a tee gets nothing more. Only branches that may lose are detached.
///
/// ```
/// use forebay_pool::{Detached, Tee, WhenSlow};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut tee = Tee::builder();
/// let _file = tee.branch("file", 10, WhenSlow::Hold);
/// let screen = tee.branch("screen", 10, WhenSlow::Drop);
/// let tee = tee.build()?;
/// drop(screen);
/// tee.send(1).await?;
/// assert_eq!(tee.stats().branches[1].detached, Some(Detached::Closed));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Detached {
    /// An item waited for it as long as [`WhenSlow::Detach`](super::WhenSlow::Detach) allows.
    Slow,
    /// Its reader is gone.
    Closed,
}

/// What one branch did with one item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    NotYet,
    Sent,
    Dropped,
}

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    pub(super) sent: u64,
    pub(super) dropped: u64,
    pub(super) unconfirmed: u64,
}

/// All counts change together, so that they add up for every reader.
#[derive(Debug)]
pub(super) struct Tallies(Mutex<Counts>);

#[derive(Debug)]
struct Counts {
    accepted: u64,
    branches: Vec<Tally>,
}

/// One item on its way to all branches. Counted when it is dropped, so also where the send is dropped in the middle.
pub(super) struct Round<'a> {
    tallies: &'a Tallies,
    pub(super) taken: Vec<Taken>,
    accepted: bool,
}

// === impl TeeStats ===

impl TeeStats {
    /// The branch of that name.
    pub fn branch(&self, name: &str) -> Option<&BranchStats> {
        self.branches.iter().find(|branch| &*branch.name == name)
    }

    /// Is every accepted item accounted for, at each branch?
    pub fn adds_up(&self) -> bool {
        self.branches.iter().all(|branch| branch.sent + branch.dropped == self.accepted)
    }
}

// === impl Tallies ===

impl Tallies {
    pub(super) fn new(branches: usize) -> Self {
        Self(Mutex::new(Counts { accepted: 0, branches: vec![Tally::default(); branches] }))
    }

    pub(super) fn read(&self) -> (u64, Vec<Tally>) {
        let counts = self.lock();
        (counts.accepted, counts.branches.clone())
    }

    pub(super) fn round(&self, branches: usize) -> Round<'_> {
        Round { tallies: self, taken: vec![Taken::NotYet; branches], accepted: false }
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Round ===

impl Round<'_> {
    pub(super) fn accept(mut self) {
        self.accepted = true;
    }
}

impl Drop for Round<'_> {
    fn drop(&mut self) {
        let mut counts = self.tallies.lock();
        counts.accepted += u64::from(self.accepted);
        for (tally, taken) in counts.branches.iter_mut().zip(&self.taken) {
            match (self.accepted, taken) {
                (true, Taken::Sent) => tally.sent += 1,
                (true, Taken::Dropped | Taken::NotYet) => tally.dropped += 1,
                (false, Taken::Sent) => tally.unconfirmed += 1,
                (false, _) => {}
            }
        }
    }
}
