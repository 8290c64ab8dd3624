//! Classes in a strict order, where nobody starves.

use std::time::Duration;

use forebay_queue::{Discipline, Entry, Label, Tick, UnknownClass};

use crate::config::{in_range, nanos};
use crate::lane::Lane;
use crate::tree::{Lowest, NONE};
use crate::{Class, Classes, ConfigError};

/// The most urgent class first, first in, first out within a class; whoever was overtaken often enough is promoted: it
/// goes before all others.
///
/// To be *overtaken* is to see one served that came later. It is counted for each that waits, by looking at the one that has
/// waited longest alone: whoever overtakes one overtakes all that are older, so that one was overtaken most.
///
/// # Bounds
///
/// **Nobody starves.** No item is overtaken more than `k` times ([`promote_after`](Self::promote_after), 1000 unless told
/// otherwise), so one that finds `n` others waiting is served after `n + k` others at the latest. The price: where the
/// more urgent alone are more than can be served, the less urgent come through at the rate at which they come, only
/// later. For shares under lasting overload take [`WeightedFair`](crate::WeightedFair). An item that comes back counts as if
/// it had waited all the time.
///
/// **Time.** O(log classes) for the first and the next, O(log n) to remove, reclass and put back.
///
/// # Source
///
/// Head-of-the-line priorities (A. Cobham, *Priority assignment in waiting line problems*, Operations Research 2, 1954).
/// The bound on overtaking is ours; kernels promote by time instead, which needs a clock, and is here by
/// [`promote_after_waiting`](Self::promote_after_waiting).
///
/// # Example
///
/// ```
/// use forebay_priority::Strict;
/// use forebay_queue::{By, builder};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (tx, mut rx) = builder().line(By::label(Strict::levels())).build();
/// tx.item("clean up").class("low").send().await?;
/// tx.send("reply").await?; // medium, since nothing is said
/// tx.item("page somebody").class("high").send().await?;
/// assert!(tx.item("?").class("urgent").send().await.is_err(), "there is no such class");
/// assert_eq!(rx.recv().await, Some("page somebody"));
/// assert_eq!(rx.recv().await, Some("reply"));
/// assert_eq!(rx.recv().await, Some("clean up"));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Strict {
    classes: Classes,
    /// With when they came.
    lanes: Vec<Lane<Tick>>,
    /// Which lanes have somebody, a bit for each.
    filled: Vec<u64>,
    /// The number of the oldest of each lane.
    oldest: Lowest,
    promote_after: Option<u64>,
    patience: Option<u64>,
    /// The numbers of those who overtook the oldest of all: they were served, and are higher. No more than
    /// `promote_after`, since then the oldest is next.
    overtakers: Lane,
    promoted: Vec<u64>,
}

// === impl Strict ===

impl Strict {
    /// After how many overtakings one is promoted, unless told otherwise.
    pub const PROMOTE_AFTER: u64 = 1000;

    /// The order of these classes.
    pub fn new(classes: Classes) -> Self {
        let len = classes.names().len();
        Self {
            classes,
            lanes: vec![Lane::new(); len],
            filled: vec![0; len.div_ceil(64)],
            oldest: Lowest::new(len),
            promote_after: Some(Self::PROMOTE_AFTER),
            patience: None,
            overtakers: Lane::new(),
            promoted: vec![0; len],
        }
    }

    /// `high`, `medium`, `low`, see [`Classes::levels`].
    pub fn levels() -> Self {
        Self::new(Classes::levels())
    }

    /// Its classes.
    pub fn class_names(&self) -> &Classes {
        &self.classes
    }

    /// After how many overtakings one is promoted: 1 or more. A small number is nearly first in, first out. Default:
    /// [`PROMOTE_AFTER`](Self::PROMOTE_AFTER).
    ///
    /// # Errors
    ///
    /// If it is 0.
    pub fn promote_after(mut self, overtakings: u64) -> Result<Self, ConfigError> {
        in_range("promote_after", overtakings, 1, u64::MAX)?;
        self.promote_after = Some(overtakings);
        Ok(self)
    }

    /// Promotes whoever has waited so long, besides who was overtaken so often. Costs a look at the clock for each that
    /// comes and for each that goes. Default: nobody looks at a clock.
    #[must_use]
    pub fn promote_after_waiting(mut self, patience: Duration) -> Self {
        self.patience = Some(nanos(patience));
        self
    }

    /// Promotes nobody by overtakings. Then the less urgent starve while there is enough of the more urgent, unless
    /// [`promote_after_waiting`](Self::promote_after_waiting) says otherwise.
    #[must_use]
    pub fn promote_nobody(mut self) -> Self {
        self.promote_after = None;
        self
    }

    /// The class of the one that is next, and whether it is promoted.
    fn choose(&self, now: Tick) -> Option<(usize, bool)> {
        let word = self.filled.iter().position(|word| *word != 0)?;
        let first = 64 * word + self.filled[word].trailing_zeros() as usize;
        // Most of the time nobody is to be promoted, and who the oldest is need not be known.
        if self.oldest.get(first) == self.oldest.number() || !self.was_overtaken() && self.patience.is_none()
        {
            return Some((first, false));
        }
        let (oldest, _) = self.oldest.lowest()?;
        let promoted = self.was_overtaken() || self.was_patient(oldest, now);
        Some((if promoted { oldest } else { first }, promoted))
    }

    fn was_overtaken(&self) -> bool {
        self.promote_after.is_some_and(|most| self.overtakers.len() as u64 >= most)
    }

    fn was_patient(&self, class: usize, now: Tick) -> bool {
        let waited =
            |since: Tick| self.patience.is_some_and(|patience| now.saturating_sub(since) >= patience);
        self.patience.is_some() && self.lanes[class].first().is_some_and(|slot| waited(slot.more))
    }

    fn join(&mut self, entry: Entry<Class>) {
        let class = self.classes.index(entry.rank);
        self.lanes[class].insert(entry.seq, entry.id, entry.since);
        self.filled[class / 64] |= 1 << (class % 64);
        if entry.seq < self.oldest.get(class) {
            self.oldest.set(class, entry.seq);
        }
    }

    /// Somebody has left this class.
    fn left(&mut self, class: usize) {
        if self.lanes[class].is_empty() {
            self.filled[class / 64] &= !(1 << (class % 64));
        }
        self.oldest.set(class, self.lanes[class].first().map_or(NONE, |slot| slot.seq));
        // Who is older than all that wait has overtaken none of them.
        let oldest = self.oldest.number();
        while self.overtakers.first().is_some_and(|slot| slot.seq < oldest) {
            self.overtakers.pop_first();
        }
    }
}

impl Discipline for Strict {
    type Rank = Class;

    fn insert(&mut self, entry: Entry<Class>) {
        self.join(entry);
    }

    fn next(&mut self, now: Tick) -> Option<u32> {
        let (class, promoted) = self.choose(now)?;
        let slot = self.lanes[class].pop_first()?;
        self.left(class);
        self.promoted[class] += u64::from(promoted);
        if self.promote_after.is_some() && self.oldest.number() < slot.seq {
            self.overtakers.insert(slot.seq, 0, ());
        }
        Some(slot.id)
    }

    fn put_back(&mut self, entry: Entry<Class>) {
        // It waits again, and has overtaken nobody.
        self.overtakers.remove(entry.seq);
        self.join(entry);
    }

    fn remove(&mut self, entry: Entry<Class>) -> bool {
        let class = self.classes.index(entry.rank);
        let known = self.lanes[class].remove(entry.seq).is_some();
        self.left(class);
        known
    }

    /// The youngest of the least urgent.
    fn last(&self) -> Option<u32> {
        let word = self.filled.iter().rposition(|word| *word != 0)?;
        let class = 64 * word + 63 - self.filled[word].leading_zeros() as usize;
        self.lanes[class].last().map(|slot| slot.id)
    }

    fn uses_time(&self) -> bool {
        self.patience.is_some()
    }

    fn classes(&self) -> &[String] {
        self.classes.names()
    }

    fn class(&self, rank: Class) -> usize {
        self.classes.index(rank)
    }

    fn promoted(&self, class: usize) -> u64 {
        self.promoted[class]
    }

    fn relabel(&self, rank: Class, label: &Label<'_>) -> Result<Class, UnknownClass> {
        self.classes.relabel(rank, label.class)
    }
}
