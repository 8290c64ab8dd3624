//! The earliest deadline first.

use std::collections::BTreeSet;
use std::time::Duration;

use forebay_queue::{ById, Discipline, Entry, Label, Tick, UnknownClass};

use crate::config::nanos;

/// The earliest deadline first; among equal ones first in, first out.
///
/// [`Missed`] chooses what becomes of an item that missed its deadline. As long as all deadlines can be met, all are.
///
/// # Bounds
///
/// An item is overtaken only by those that arrive before its deadline, since a deadline is later than its item's arrival.
/// So nobody starves, as every item has a deadline, the default if none is given. Under [`Missed::Last`] items that have
/// missed their deadlines starve while there are enough that can still meet theirs; that is what it is for.
///
/// **Time.** O(log n) for all; each missed deadline costs O(log n) once more.
///
/// # Source
///
/// C. L. Liu and J. W. Layland, *Scheduling algorithms for multiprogramming in a hard-real-time environment*, Journal of the
/// ACM 20, 1973: on one server, if any order meets all deadlines, this one does.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use forebay_priority::{Deadline, Missed, Within};
/// use forebay_queue::{By, builder};
///
/// let soon = Deadline::new(Duration::from_secs(60)).missed(Missed::Last);
/// let (tx, mut rx) = builder().line(By::label(soon)).build();
/// tx.try_send("in a minute").expect("there is room");
/// tx.item("in a second").rank(Within::of(Duration::from_secs(1))).try_send().expect("there is room");
/// assert_eq!((rx.try_recv(), rx.try_recv()), (Ok("in a second"), Ok("in a minute")));
/// ```
#[derive(Debug, Clone)]
pub struct Deadline {
    default: u64,
    lead: u64,
    missed: Missed,
    /// By deadline, the items that are not known to be late.
    due: BTreeSet<(u64, u64, u32)>,
    /// By deadline, the items that go last because they are late.
    late: BTreeSet<(u64, u64, u32)>,
}

/// How long an item may take from its arrival; by default as its [`Deadline`] says.
///
/// An item that is sent with a [time to live](forebay_queue::Outgoing::ttl) has that as its deadline, and the queue drops
/// it when that is over. To have it served late rather than never, give it this as its rank.
///
/// ```
/// use std::time::Duration;
/// use forebay_priority::Within;
///
/// assert!(Within::of(Duration::from_secs(1)) < Within::of(Duration::from_secs(2)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Within(Option<u64>);

/// What becomes of an item that can no longer meet its deadline.
///
/// ```
/// use forebay_priority::Missed;
///
/// assert_eq!(Missed::default(), Missed::First);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Missed {
    /// It goes on in the order of deadlines, so before all that can still be met. In an overload each then makes the next
    /// one late.
    #[default]
    First,
    /// It goes behind all that can still be met.
    Last,
    /// It is given up. A queue drops it, counts it as expired, and tells [`on_expired`](forebay_queue::Builder::on_expired),
    /// when somebody next looks at what waits. Before a service (`PriorityLayer`, feature `tower`)
    /// it ends as `Expired` at that moment, though no seat is free.
    GiveUp,
}

// === impl Deadline ===

impl Deadline {
    /// The order of deadlines. Items without a deadline of their own should be served within `default`.
    pub fn new(default: Duration) -> Self {
        Self {
            default: nanos(default),
            lead: 0,
            missed: Missed::First,
            due: BTreeSet::new(),
            late: BTreeSet::new(),
        }
    }

    /// What becomes of an item that can no longer meet its deadline. Default: [`Missed::First`].
    #[must_use]
    pub fn missed(mut self, missed: Missed) -> Self {
        self.missed = missed;
        self.judge_anew();
        self
    }

    /// How long it takes to serve an item: one with less time left can no longer meet its deadline. Default: 0.
    #[must_use]
    pub fn lead(mut self, lead: Duration) -> Self {
        self.lead = nanos(lead);
        self.judge_anew();
        self
    }

    /// Called when a setting has changed: items that were late may no longer be, or have another place.
    fn judge_anew(&mut self) {
        self.due.append(&mut self.late);
    }

    fn key(&self, entry: Entry<Within>) -> (u64, u64, u32) {
        (entry.since.saturating_add(entry.rank.0.unwrap_or(self.default)), entry.seq, entry.id)
    }

    /// The first item, if it can no longer meet its deadline.
    fn first_late(&self, now: Tick) -> Option<(u64, u64, u32)> {
        let earliest = now.saturating_add(self.lead);
        self.due.first().copied().filter(|&(deadline, ..)| deadline < earliest)
    }
}

impl Discipline for Deadline {
    type Rank = Within;
    type Shelf<P: Send> = ById<P, Self>;

    fn insert(&mut self, entry: Entry<Within>) {
        self.due.insert(self.key(entry));
    }

    fn next(&mut self, now: Tick) -> Option<u32> {
        if self.missed == Missed::Last {
            while let Some(late) = self.first_late(now) {
                self.due.pop_first();
                self.late.insert(late);
            }
        }
        self.due.pop_first().or_else(|| self.late.pop_first()).map(|(.., id)| id)
    }

    fn put_back(&mut self, entry: Entry<Within>) {
        self.insert(entry);
    }

    fn remove(&mut self, entry: Entry<Within>) -> bool {
        let key = self.key(entry);
        self.due.remove(&key) || self.late.remove(&key)
    }

    fn last(&self) -> Option<u32> {
        self.late.last().or_else(|| self.due.last()).map(|&(.., id)| id)
    }

    fn uses_time(&self) -> bool {
        true
    }

    fn gives_up(&self) -> bool {
        self.missed == Missed::GiveUp
    }

    fn overdue(&mut self, now: Tick) -> Option<u32> {
        let late = self.first_late(now).filter(|_| self.gives_up())?;
        self.due.remove(&late);
        Some(late.2)
    }

    fn overdue_from(&self) -> Option<Tick> {
        let &(deadline, ..) = self.due.first().filter(|_| self.gives_up())?;
        // An item that is served at the last moment is in time; later ones are not.
        Some(deadline.saturating_add(1).saturating_sub(self.lead))
    }

    fn relabel(&self, rank: Within, label: &Label<'_>) -> Result<Within, UnknownClass> {
        match label.class {
            Some(class) => Err(UnknownClass::new(class, self.classes().iter().map(String::as_str))),
            None => Ok(label.ttl.map_or(rank, Within::of)),
        }
    }
}

// === impl Within ===

impl Within {
    /// This long from when the item comes.
    pub fn of(patience: Duration) -> Self {
        Self(Some(nanos(patience)))
    }
}
