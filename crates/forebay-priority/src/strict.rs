//! Classes in a strict order, where nobody starves.

use std::time::Duration;

use forebay_queue::{Discipline, Entry, Label, Tick, UnknownClass};

use crate::config::{in_range, nanos};
use crate::filled::Filled;
use crate::lane::Lane;
use crate::{Class, Classes, ConfigError};

/// The most urgent class first, first in, first out within a class; whoever was overtaken often enough is promoted: it
/// goes before all others.
///
/// Each has a *turn*: after how many others it would be served if all were equal. Whoever is served later than that was
/// overtaken, by as many.
///
/// # Bounds
///
/// **Nobody starves.** No item is overtaken more than `k` times ([`promote_after`](Self::promote_after), 1000 unless told
/// otherwise), so one that finds `n` others waiting is served after `n + k` others at the latest. Where some of those that
/// were before it are taken out of the line (cancelled, displaced, moved to another class), as many more may overtake it. The
/// price: where the more urgent alone are more than can be served, the less urgent come through at the rate at which they
/// come, only later. For shares under lasting overload take [`WeightedFair`](crate::WeightedFair).
///
/// An item that comes back, or changes its class, may be overtaken `k` times more; and each time that it is served counts
/// against those that wait, so that one which comes back again and again holds up nobody for ever.
///
/// **Time.** O(1) for the first and the next, up to 64 classes at a time, and O(classes) where one is promoted; O(log n) to
/// remove, reclass and put back.
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
    waiting: u64,
    served: u64,
    promote_after: Option<u64>,
    patience: Option<u64>,
    /// Before that nobody is to be promoted.
    due: Due,
    promoted: Vec<u64>,
}

/// What is known of one that waits.
#[derive(Debug, Clone, Copy)]
struct Came {
    /// What `served` would be at its turn, if all were equal.
    turn: u64,
    since: Tick,
}

/// When one is to be promoted, or the first of many: at the earlier of the two.
#[derive(Debug, Clone, Copy)]
struct Due {
    /// When so many were served.
    served: u64,
    at: Tick,
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
            served: 0,
            promote_after: Some(Self::PROMOTE_AFTER),
            patience: None,
            due: Due::NEVER,
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
        self.look();
        Ok(self)
    }

    /// Promotes whoever has waited so long, besides who was overtaken so often. Costs a look at the clock for each that
    /// comes and for each that goes. Default: nobody looks at a clock.
    #[must_use]
    pub fn promote_after_waiting(mut self, patience: Duration) -> Self {
        self.patience = Some(nanos(patience));
        self.look();
        self
    }

    /// Promotes nobody by overtakings. Then the less urgent starve while there is enough of the more urgent, unless
    /// [`promote_after_waiting`](Self::promote_after_waiting) says otherwise.
    #[must_use]
    pub fn promote_nobody(mut self) -> Self {
        self.promote_after = None;
        self.look();
        self
    }

    fn due(&self, came: Came) -> Due {
        Due {
            served: self.promote_after.map_or(u64::MAX, |most| came.turn.saturating_add(most)),
            at: self.patience.map_or(Tick::MAX, |patience| came.since.saturating_add(patience)),
        }
    }

    /// Who is first in a class is not who it was.
    #[inline]
    fn expect(&mut self, class: usize) {
        if let Some(first) = self.lanes[class].first() {
            self.due = self.due.or(self.due(first.more));
        }
    }

    /// Finds out when the next one is to be promoted.
    fn look(&mut self) {
        let firsts = self.filled.iter().filter_map(|class| self.lanes[class].first());
        self.due = firsts.map(|first| self.due(first.more)).fold(Due::NEVER, Due::or);
    }

    /// The class of the oldest of those that are to be promoted.
    #[cold]
    fn promote(&mut self, now: Tick) -> Option<usize> {
        let firsts = self.filled.iter().filter_map(|class| Some((self.lanes[class].first()?, class)));
        let late = firsts.filter(|(first, _)| self.due(first.more).is_past(self.served, now));
        let oldest = late.min_by_key(|(first, _)| first.seq).map(|(_, class)| class);
        if oldest.is_none() {
            self.look();
        }
        oldest
    }

    #[inline]
    fn join(&mut self, entry: Entry<Class>, class: usize, turn: u64) {
        self.lanes[class].insert(entry.seq, entry.id, Came { turn, since: entry.since });
        self.waiting += 1;
    }

    /// One has left this class.
    #[inline]
    fn left(&mut self, class: usize) {
        self.waiting -= 1;
        if self.lanes[class].is_empty() {
            self.filled.clear(class);
        } else {
            self.expect(class);
        }
    }
}

impl Discipline for Strict {
    type Rank = Class;

    #[inline]
    fn insert(&mut self, entry: Entry<Class>) {
        let class = self.classes.index(entry.rank);
        self.join(entry, class, self.served + self.waiting);
        if self.filled.set(class) {
            self.expect(class);
        }
    }

    #[inline]
    fn next(&mut self, now: Tick) -> Option<u32> {
        let first = self.filled.first()?;
        let late = if self.due.is_past(self.served, now) { self.promote(now) } else { None };
        let class = late.unwrap_or(first);
        let slot = self.lanes[class].pop_first()?;
        self.served += 1;
        self.promoted[class] += u64::from(class != first);
        self.left(class);
        Some(slot.id)
    }

    fn put_back(&mut self, entry: Entry<Class>) {
        let class = self.classes.index(entry.rank);
        // Its turn is now, or it would delay those behind it.
        let first = self.lanes[class].first();
        let turn = first.map_or(self.served, |first| first.more.turn.min(self.served));
        self.join(entry, class, turn);
        self.filled.set(class);
        self.expect(class);
    }

    fn remove(&mut self, entry: Entry<Class>) -> bool {
        let class = self.classes.index(entry.rank);
        let known = self.lanes[class].remove(entry.seq).is_some();
        if known {
            self.left(class);
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

// === impl Due ===

impl Due {
    const NEVER: Self = Self { served: u64::MAX, at: Tick::MAX };

    /// The earlier of each.
    fn or(self, other: Self) -> Self {
        Self { served: self.served.min(other.served), at: self.at.min(other.at) }
    }

    fn is_past(self, served: u64, now: Tick) -> bool {
        served >= self.served || now >= self.at
    }
}
