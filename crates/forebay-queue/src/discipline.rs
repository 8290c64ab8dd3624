//! Which waiter is next.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::OnceLock;
use std::time::Duration;

use crate::{Shelf, UnknownClass};

/// Nanoseconds since a moment that the caller chose; in a queue, since its start.
///
/// ```
/// use std::time::Duration;
/// use forebay_queue::Tick;
///
/// let second: Tick = 1_000_000_000;
/// assert_eq!(Duration::from_nanos(second), Duration::from_secs(1));
/// ```
pub type Tick = u64;

/// A waiter, as a [`Discipline`] sees it. Its `seq` and `since` stay the same until it has ended, and so does its rank
/// unless that is changed; only its `id` may differ when it comes back. So a discipline can find what it knows of a
/// waiter by them, and need not remember those that are out.
///
/// ```
/// use forebay_queue::Entry;
///
/// let entry = Entry::new(7, "high", 42, 0);
/// assert_eq!((entry.id, entry.rank, entry.seq, entry.since), (7, "high", 42, 0));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry<R> {
    /// Identifies it while it waits. Ids are small and reused, so a discipline may index by them; a waiter that came
    /// back may have another id.
    pub id: u32,
    /// Class, cost or deadline.
    pub rank: R,
    /// Grows with arrival. Among equals the lower one goes first.
    pub seq: u64,
    /// When it came; 0 where the discipline does not [need the time](Discipline::uses_time).
    pub since: Tick,
}

/// What a sender says about an item, in terms that every discipline understands; each uses what it needs.
///
/// ```
/// use forebay_queue::Label;
///
/// assert!(Label::default().is_empty());
/// assert!(!Label::class("high").is_empty());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Label<'a> {
    /// The name of its class.
    pub class: Option<&'a str>,
    /// Its owner: tenant, user, host.
    pub key: Option<Key>,
    /// What it costs.
    pub weight: Option<usize>,
    /// How long it may take.
    pub ttl: Option<Duration>,
}

/// A key of any type, as disciplines know it: its hash, with a seed that each process chooses at random.
///
/// So keys need no allocation and no cleanup. Two keys that share one of the 2^64 hashes are treated as one; nobody can
/// provoke that, since the seed is not known.
///
/// ```
/// use forebay_queue::Key;
///
/// assert_eq!(Key::of("tenant 7"), Key::of(&"tenant 7".to_owned()));
/// assert_ne!(Key::of("tenant 7"), Key::of("tenant 8"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Key(u64);

/// Decides which waiter is next.
///
/// It orders ids, not items, so that waiters can be removed, moved to another class, displaced and put back, and so that
/// the same code orders items, senders that wait for room, calls and sources. A queue keeps its items on the
/// discipline's [`Shelf`]. An id is in use from `insert` (or `put_back`) until `next` (or `overdue`, `remove`) gives it.
/// To change its class is to `remove` it with the old rank and `put_back` it with the new one.
///
/// A discipline is pure: the time comes in as an argument, which is 0 for one that does not
/// [need it](Self::uses_time). It is called under a lock, so each method should take O(log n) or better.
///
/// The methods with a default are for disciplines that have classes, look at labels, or give up late items.
///
/// ```
/// use std::collections::BTreeSet;
/// use forebay_queue::{ById, Discipline, Entry, Tick};
///
/// /// The lower the rank, the earlier; first come, first served within a rank.
/// #[derive(Default)]
/// struct ByRank(BTreeSet<(u8, u64, u32)>);
///
/// impl Discipline for ByRank {
///     type Rank = u8;
///     type Shelf<P: Send> = ById<P, Self>;
///     fn insert(&mut self, entry: Entry<u8>) {
///         self.0.insert((entry.rank, entry.seq, entry.id));
///     }
///     fn next(&mut self, _: Tick) -> Option<u32> {
///         self.0.pop_first().map(|(_, _, id)| id)
///     }
///     fn put_back(&mut self, entry: Entry<u8>) {
///         self.insert(entry);
///     }
///     fn remove(&mut self, entry: Entry<u8>) -> bool {
///         self.0.remove(&(entry.rank, entry.seq, entry.id))
///     }
///     fn last(&self) -> Option<u32> {
///         self.0.last().map(|&(_, _, id)| id)
///     }
/// }
///
/// let mut line = ByRank::default();
/// line.insert(Entry::new(10, 1, 0, 0));
/// line.insert(Entry::new(11, 0, 1, 0));
/// line.insert(Entry::new(12, 0, 2, 0));
/// assert_eq!(line.last(), Some(10));
/// assert_eq!(line.next(0), Some(11));
/// line.put_back(Entry::new(11, 0, 1, 0)); // it came back, and takes its old place
/// assert_eq!([line.next(0), line.next(0), line.next(0), line.next(0)], [Some(11), Some(12), Some(10), None]);
/// ```
pub trait Discipline: Send + Sync + Sized {
    /// Class, cost or deadline: what a classifier makes of an item.
    type Rank: Copy + Send;

    /// How a queue keeps items in this order: `type Shelf<P: Send> = ById<P, Self>;`, with [`ById`](crate::ById), unless there
    /// is something faster.
    type Shelf<P: Send>: Shelf<P, Self>;

    /// Adds a waiter. Its number is higher than all before.
    fn insert(&mut self, entry: Entry<Self::Rank>);

    /// Takes out the next waiter; `None` only if nothing waits.
    fn next(&mut self, now: Tick) -> Option<u32>;

    /// Puts back a waiter that was taken out, in the place that its number gives it among its equals.
    fn put_back(&mut self, entry: Entry<Self::Rank>);

    /// Takes out a waiter, wherever it is. `false` if it is not there.
    fn remove(&mut self, entry: Entry<Self::Rank>) -> bool;

    /// The last waiter in the order: the one to displace.
    fn last(&self) -> Option<u32>;

    /// Does the order depend on the time? If not, nobody reads a clock, which costs more than an item.
    fn uses_time(&self) -> bool {
        false
    }

    /// Takes out a waiter that is too late to be served at all, if this discipline gives up any. The caller drops it, and
    /// counts it as expired.
    fn overdue(&mut self, _now: Tick) -> Option<u32> {
        None
    }

    /// The time from which [`overdue`](Self::overdue) returns a waiter, if nothing changes before; so that a caller that
    /// waits for an answer can be told in time. `None` if no waiter will ever be too late, or if that is not known.
    fn overdue_from(&self) -> Option<Tick> {
        None
    }

    /// Does it give up waiters that are too late? Then [`overdue`](Self::overdue) is asked before each `next`.
    fn gives_up(&self) -> bool {
        false
    }

    /// The names of its classes, the most urgent first where one is. None, the default: all waiters are of one class.
    fn classes(&self) -> &[String] {
        &[]
    }

    /// The class of a rank, as its index in [`classes`](Self::classes).
    fn class(&self, _rank: Self::Rank) -> usize {
        0
    }

    /// How many waiters of a class were served out of turn, so that they would not starve.
    fn promoted(&self, _class: usize) -> u64 {
        0
    }

    /// The rank after a label was applied to it. A discipline ignores the parts that it has no use for, but never a class.
    ///
    /// # Errors
    ///
    /// The class is none of [`classes`](Self::classes).
    fn relabel(&self, rank: Self::Rank, label: &Label<'_>) -> Result<Self::Rank, UnknownClass> {
        match label.class {
            Some(class) => Err(UnknownClass::new(class, self.classes().iter().map(String::as_str))),
            None => Ok(rank),
        }
    }
}

// === impl Entry ===

impl<R> Entry<R> {
    /// A waiter that came as number `seq`, at `since`.
    pub fn new(id: u32, rank: R, seq: u64, since: Tick) -> Self {
        Self { id, rank, seq, since }
    }
}

// === impl Label ===

impl<'a> Label<'a> {
    /// A label that names only the class.
    pub fn class(class: &'a str) -> Self {
        Self { class: Some(class), ..Self::default() }
    }

    /// Does the label say nothing?
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

// === impl Key ===

impl Key {
    /// The key of whatever can be hashed.
    pub fn of<K: Hash + ?Sized>(key: &K) -> Self {
        static SEED: OnceLock<RandomState> = OnceLock::new();
        Self(SEED.get_or_init(RandomState::new).hash_one(key))
    }
}
