//! A discipline inside each class.

use forebay_queue::{ById, Discipline, Entry, Label, Tick, UnknownClass};

use crate::config::in_range;
use crate::filled::Filled;
use crate::tree::{Lowest, NONE};
use crate::{Class, Classes, ConfigError, FairByKey};

/// The most urgent class first, and within a class the order of another discipline: fair by key, by deadline, youngest
/// first.
///
/// # Bounds
///
/// **No class starves.** A non-empty class gets a turn after at most `k` items of other classes were served since its last
/// one ([`promote_after`](Self::promote_after), 1000 unless told otherwise), and as many more as there are other classes
/// for which that holds. Within the class the other discipline's bounds hold. [`Strict`](crate::Strict) bounds the
/// overtaking of each item instead; it can, since it knows which item of a class is next.
///
/// **Time.** O(log classes), plus that of the other discipline.
///
/// # Example
///
/// ```
/// use forebay_priority::{Classes, FairByKey, Nested};
/// use forebay_queue::{By, builder};
///
/// let line = Nested::new(Classes::levels(), FairByKey::new()); // by class, inside a class fair by tenant
/// let (tx, mut rx) = builder().line(By::label(line)).build();
/// for n in 1..=2 {
///     tx.item(("acme", n)).class("high").key("acme").try_send().expect("there is room");
/// }
/// tx.item(("tiny", 1)).class("low").key("tiny").try_send().expect("there is room");
/// tx.item(("tiny", 2)).class("high").key("tiny").try_send().expect("there is room");
/// let order: Vec<_> = std::iter::from_fn(|| rx.try_recv().ok()).collect();
/// assert_eq!(order, [("acme", 1), ("tiny", 2), ("acme", 2), ("tiny", 1)]);
/// ```
#[derive(Debug, Clone)]
pub struct Nested<I = FairByKey> {
    classes: Classes,
    inner: Vec<I>,
    waiting: Vec<usize>,
    /// Which classes have items.
    filled: Filled,
    promote_after: Option<u64>,
    /// How many items all classes together have served.
    served: u64,
    /// For each class that has items, what `served` was at its last turn, or when the first of them came.
    turns: Lowest,
    promoted: Vec<u64>,
}

// === impl Nested ===

impl<I: Discipline + Clone> Nested<I> {
    /// After how many items of other classes a class gets a turn, by default.
    pub const PROMOTE_AFTER: u64 = 1000;

    /// The order of these classes, and inside each that of `inner`, which must be empty. Its own classes, if it has any,
    /// cannot be named by labels.
    pub fn new(classes: Classes, inner: I) -> Self {
        let len = classes.names().len();
        Self {
            classes,
            inner: vec![inner; len],
            waiting: vec![0; len],
            filled: Filled::new(len),
            promote_after: Some(Self::PROMOTE_AFTER),
            served: 0,
            turns: Lowest::new(len),
            promoted: vec![0; len],
        }
    }

    /// After how many items of other classes a class gets a turn, 1 or more. Default: [`PROMOTE_AFTER`](Self::PROMOTE_AFTER).
    ///
    /// # Errors
    ///
    /// If it is 0.
    pub fn promote_after(mut self, others: u64) -> Result<Self, ConfigError> {
        in_range("promote_after", others, 1, u64::MAX)?;
        self.promote_after = Some(others);
        Ok(self)
    }

    /// No class gets a turn while a more urgent one has items.
    #[must_use]
    pub fn promote_nobody(mut self) -> Self {
        self.promote_after = None;
        self
    }

    /// The discipline inside a class, for a change of its settings.
    ///
    /// # Errors
    ///
    /// There is no class of that name.
    pub fn inside(&mut self, class: &str) -> Result<&mut I, ConfigError> {
        let class = self.classes.index(self.classes.named(class)?);
        Ok(&mut self.inner[class])
    }

    fn joined(&mut self, class: usize) {
        if self.filled.add(class) {
            self.turns.set(class, self.served);
        }
        self.waiting[class] += 1;
    }

    fn left(&mut self, class: usize) {
        self.waiting[class] -= 1;
        if self.waiting[class] == 0 {
            self.filled.remove_if(class, true);
            self.turns.set(class, NONE);
        }
    }
}

impl<I: Discipline + Clone> Discipline for Nested<I> {
    type Rank = (Class, I::Rank);
    type Shelf<P: Send> = ById<P, Self>;

    fn insert(&mut self, entry: Entry<Self::Rank>) {
        let (class, entry) = self.inside_of(entry);
        self.inner[class].insert(entry);
        self.joined(class);
    }

    fn next(&mut self, now: Tick) -> Option<u32> {
        let first = self.filled.first()?;
        let (longest, turn) = self.turns.lowest()?;
        let due = self.promote_after.is_some_and(|most| self.served - turn >= most);
        let class = if due { longest } else { first };
        let id = self.inner[class].next(now)?;
        self.promoted[class] += u64::from(class != first);
        self.served += 1;
        self.turns.set(class, self.served);
        self.left(class);
        Some(id)
    }

    fn put_back(&mut self, entry: Entry<Self::Rank>) {
        let (class, entry) = self.inside_of(entry);
        self.inner[class].put_back(entry);
        self.joined(class);
    }

    fn remove(&mut self, entry: Entry<Self::Rank>) -> bool {
        let (class, entry) = self.inside_of(entry);
        let known = self.inner[class].remove(entry);
        if known {
            self.left(class);
        }
        known
    }

    /// The last item inside the least urgent class.
    fn last(&self) -> Option<u32> {
        self.inner[self.filled.last()?].last()
    }

    fn uses_time(&self) -> bool {
        self.inner.iter().any(Discipline::uses_time)
    }

    fn overdue(&mut self, now: Tick) -> Option<u32> {
        let (class, id) = self
            .inner
            .iter_mut()
            .enumerate()
            .find_map(|(class, inner)| Some((class, inner.overdue(now)?)))?;
        self.left(class);
        Some(id)
    }

    fn overdue_from(&self) -> Option<Tick> {
        self.inner.iter().filter_map(I::overdue_from).min()
    }

    fn gives_up(&self) -> bool {
        self.inner.iter().any(Discipline::gives_up)
    }

    fn classes(&self) -> &[String] {
        self.classes.names()
    }

    fn class(&self, rank: Self::Rank) -> usize {
        self.classes.index(rank.0)
    }

    fn promoted(&self, class: usize) -> u64 {
        self.promoted[class]
    }

    fn relabel(&self, rank: Self::Rank, label: &Label<'_>) -> Result<Self::Rank, UnknownClass> {
        let class = self.classes.relabel(rank.0, label.class)?;
        let mut rest = *label;
        rest.class = None;
        Ok((class, self.inner[0].relabel(rank.1, &rest)?))
    }
}

impl<I: Discipline + Clone> Nested<I> {
    fn inside_of(&self, entry: Entry<(Class, I::Rank)>) -> (usize, Entry<I::Rank>) {
        let (class, rank) = entry.rank;
        (self.classes.index(class), Entry::new(entry.id, rank, entry.seq, entry.since))
    }
}
