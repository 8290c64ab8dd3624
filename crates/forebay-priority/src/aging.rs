//! Classes whose head start is bounded.

use std::collections::BTreeSet;
use std::time::Duration;

use forebay_queue::{ById, Discipline, Entry, Label, Tick, UnknownClass};

use crate::config::{in_range, nanos};
use crate::{Class, Classes, ConfigError};

/// First in, first out, but as if less urgent items had arrived later, by a *step* for each class.
///
/// So a waiting item becomes more urgent relative to new ones, although nothing is changed while it waits: the order of
/// two items never flips.
///
/// # Bounds
///
/// **Nobody starves.** An item of class `c` (the most urgent is 0) is overtaken only by those of a class `b < c` that arrive
/// within `(c - b)` steps after it. By arrivals that bounds their number: fewer than `c` steps overtake it.
///
/// **Time.** O(log n) for all.
///
/// # Source
///
/// The key `arrival + class * step` is J. R. Jackson's, *Some problems in queueing with dynamic priorities*, Naval Research
/// Logistics Quarterly 7, 1960, where it is called the urgency number.
///
/// # Example
///
/// ```
/// use forebay_priority::{Aging, Class, Classes};
/// use forebay_queue::{ById, Discipline, Entry};
///
/// let mut line = Aging::by_arrivals(Classes::levels(), 10)?;
/// line.insert(Entry::new(0, Class::LOW, 0, 0)); // as if it were number 20
/// for n in 1..=25 {
///     line.insert(Entry::new(n, Class::HIGH, u64::from(n), 0));
/// }
/// let order: Vec<_> = std::iter::from_fn(|| line.next(0)).collect();
/// assert_eq!(order.iter().position(|id| *id == 0), Some(19));
/// # Ok::<_, forebay_priority::ConfigError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Aging {
    classes: Classes,
    step: u64,
    by_time: bool,
    /// The items by key, and among equals by number.
    line: BTreeSet<(u64, u64, u32)>,
}

// === impl Aging ===

impl Aging {
    /// A class is worth a head start of this much time. Costs a clock read for each arrival.
    pub fn by_time(classes: Classes, step: Duration) -> Self {
        Self { classes, step: nanos(step), by_time: true, line: BTreeSet::new() }
    }

    /// A class is worth a head start of this many arrivals: 1 or more. No clock is read.
    ///
    /// # Errors
    ///
    /// If it is 0.
    pub fn by_arrivals(classes: Classes, step: u64) -> Result<Self, ConfigError> {
        in_range("step", step, 1, u64::MAX)?;
        Ok(Self { classes, step, by_time: false, line: BTreeSet::new() })
    }

    fn key(&self, entry: Entry<Class>) -> (u64, u64, u32) {
        let came = if self.by_time { entry.since } else { entry.seq };
        let class = self.classes.index(entry.rank) as u64;
        (came.saturating_add(class.saturating_mul(self.step)), entry.seq, entry.id)
    }
}

impl Discipline for Aging {
    type Rank = Class;
    type Shelf<P: Send> = ById<P, Self>;

    fn insert(&mut self, entry: Entry<Class>) {
        self.line.insert(self.key(entry));
    }

    fn next(&mut self, _: Tick) -> Option<u32> {
        self.line.pop_first().map(|(.., id)| id)
    }

    fn put_back(&mut self, entry: Entry<Class>) {
        self.insert(entry);
    }

    fn remove(&mut self, entry: Entry<Class>) -> bool {
        self.line.remove(&self.key(entry))
    }

    fn last(&self) -> Option<u32> {
        self.line.last().map(|&(.., id)| id)
    }

    fn uses_time(&self) -> bool {
        self.by_time
    }

    fn classes(&self) -> &[String] {
        self.classes.names()
    }

    fn class(&self, rank: Class) -> usize {
        self.classes.index(rank)
    }

    fn relabel(&self, rank: Class, label: &Label<'_>) -> Result<Class, UnknownClass> {
        self.classes.relabel(rank, label.class)
    }
}
