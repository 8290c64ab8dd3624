//! Classes in a strict order, where nobody starves.

use std::time::Duration;

use forebay_queue::{ById, Discipline, Entry, Label, Tick, UnknownClass};

use crate::arrivals::Arrivals;
use crate::config::{in_range, nanos};
use crate::filled::Filled;
use crate::lane::Lane;
use crate::tree::{Lowest, NONE};
use crate::{Class, Classes, ConfigError};

/// The most urgent class first, first in, first out within a class; whoever was overtaken often enough is promoted: it
/// goes before all others.
///
/// Each has a *turn*, its place in the plain order of arrival: how many would leave before it if there were no classes.
/// Whoever leaves later than that was overtaken, by as many.
///
/// # Bounds
///
/// **Nobody starves.** No item is overtaken more than `k` times ([`promote_after`](Self::promote_after), 1000 unless told
/// otherwise), so one that finds `n` others waiting is served after `n + k` others at the latest. Whoever is taken out of the line (cancelled, displaced, moved to another class) counts as served. The
/// price: where the more urgent alone are more than can be served, the less urgent come through at the rate at which they
/// come, only later. For shares under lasting overload take [`WeightedFair`](crate::WeightedFair).
///
/// An item that comes back, or changes its class, may be overtaken `k` times more, and so may those of its class that are
/// behind it. Each time that it is served counts for those that wait, so one that comes back again and again holds up no
/// other class.
///
/// **Time.** O(1) for the first and the next, and another comparison for each 64 classes; O(log n) to remove, reclass and put back.
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
    lanes: Vec<Lane<Came>>,
    /// Which lanes have somebody.
    filled: Filled,
    waiting: usize,
    arrivals: Arrivals,
    /// When the first of each lane came, where that matters.
    came: Option<Lowest>,
    promote_after: Option<u64>,
    patience: Option<u64>,
    promoted: Vec<u64>,
}

/// What is known of one that waits.
#[derive(Debug, Clone, Copy)]
struct Came {
    /// The number of its arrival, which is how many would leave before it if all were equal.
    turn: u64,
    since: Tick,
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
            filled: Filled::new(len),
            waiting: 0,
            arrivals: Arrivals::default(),
            came: None,
            promote_after: Some(Self::PROMOTE_AFTER),
            patience: None,
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
        self.came = Some(Lowest::new(self.lanes.len()));
        (0..self.lanes.len()).for_each(|class| self.note_came(class));
        self
    }

    /// Promotes nobody by overtakings. Then the less urgent starve while there is enough of the more urgent, unless
    /// [`promote_after_waiting`](Self::promote_after_waiting) says otherwise.
    #[must_use]
    pub fn promote_nobody(mut self) -> Self {
        self.promote_after = None;
        self
    }

    /// Who is first in a class may not be who it was, whose turn was `old`.
    #[inline]
    fn note_first(&mut self, class: usize, old: Option<u64>) {
        self.arrivals.first_changed(class, old, self.lanes[class].first_turn());
        if self.came.is_some() {
            self.note_came(class);
        }
    }

    fn note_came(&mut self, class: usize) {
        if let Some(came) = &mut self.came {
            came.set(class, self.lanes[class].first().map_or(NONE, |first| first.more.since));
        }
    }

    /// The class of one that is to be promoted.
    #[inline]
    fn late(&mut self, now: Tick) -> Option<usize> {
        let left = self.arrivals.count() - self.waiting as u64;
        let overtaken = self.promote_after.and_then(|most| left.checked_sub(most));
        if let Some(turn) = overtaken
            && let Some(class) = self.arrivals.up_to(turn, |class| self.lanes[class].first_turn())
        {
            return Some(class);
        }
        let (class, since) = self.came.as_ref()?.lowest()?;
        self.patience.is_some_and(|patience| now.saturating_sub(since) >= patience).then_some(class)
    }

    #[inline]
    fn join(&mut self, entry: Entry<Class>, class: usize) {
        let turn = self.arrivals.join(class, self.waiting, |class| self.lanes[class].first_turn());
        self.lanes[class].insert(entry.seq, entry.id, Came { turn, since: entry.since });
        self.waiting += 1;
    }

    /// One has left this class, whose first was `old`.
    #[inline]
    fn left(&mut self, class: usize, old: Option<u64>) {
        self.waiting -= 1;
        if self.lanes[class].is_empty() {
            self.emptied(class);
        }
        self.note_first(class, old);
    }

    #[inline]
    fn emptied(&mut self, class: usize) {
        self.filled.clear(class);
        if self.waiting == 0 {
            self.arrivals.rest();
        }
    }
}

impl Lane<Came> {
    /// The turn of the first.
    #[inline]
    fn first_turn(&self) -> Option<u64> {
        self.first().map(|first| first.more.turn)
    }
}

impl Discipline for Strict {
    type Rank = Class;
    type Shelf<P: Send> = ById<P, Self>;

    #[inline]
    fn insert(&mut self, entry: Entry<Class>) {
        let class = self.classes.index(entry.rank);
        self.join(entry, class);
        if self.filled.set(class) {
            self.note_first(class, None);
        }
    }

    #[inline]
    fn next(&mut self, now: Tick) -> Option<u32> {
        let first = self.filled.first()?;
        let class = self.late(now).unwrap_or(first);
        let lane = &mut self.lanes[class];
        let in_order = lane.is_in_order();
        let slot = lane.pop_first()?;
        self.promoted[class] += u64::from(class != first);
        self.waiting -= 1;
        if lane.is_empty() {
            self.emptied(class);
        }
        if !in_order || self.arrivals.is_passed(slot.more.turn) || self.came.is_some() {
            self.note_first(class, Some(slot.more.turn));
        }
        Some(slot.id)
    }

    fn put_back(&mut self, entry: Entry<Class>) {
        let class = self.classes.index(entry.rank);
        let old = self.lanes[class].first_turn();
        // Its turn is that of one who comes anew: an older one would win over those who wait each time that it comes back.
        self.join(entry, class);
        self.filled.set(class);
        self.note_first(class, old);
    }

    fn remove(&mut self, entry: Entry<Class>) -> bool {
        let class = self.classes.index(entry.rank);
        let old = self.lanes[class].first_turn();
        let known = self.lanes[class].remove(entry.seq).is_some();
        if known {
            self.left(class, old);
        }
        known
    }

    /// The youngest of the least urgent.
    fn last(&self) -> Option<u32> {
        self.lanes[self.filled.last()?].last().map(|slot| slot.id)
    }

    fn uses_time(&self) -> bool {
        self.patience.is_some()
    }

    fn classes(&self) -> &[String] {
        self.classes.names()
    }

    #[inline]
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
