//! Disciplines that keep the waiters where they order them.

use std::fmt;

use forebay_queue::{Discipline, Entry, Shelf, Tick};

/// The lines of a discipline, in which anything can wait: ids, or a queue's items. Its settings are kept apart, in its
/// rules, which are passed as an argument.
pub trait Lines<P>: Send {
    /// What a classifier returns for an item.
    type Rank: Copy + Send;
    /// The settings.
    type Rules;

    /// New, empty lines.
    fn new(rules: &Self::Rules) -> Self;

    /// The rules may be other ones from now on.
    fn retuned(&mut self) {}

    /// How many wait.
    fn len(&self) -> usize;

    /// How many of a class wait.
    fn len_of(&self, class: usize) -> usize;

    /// Adds a waiter.
    fn insert(&mut self, rules: &Self::Rules, entry: Entry<Self::Rank>, what: P);

    /// Takes out the next waiter.
    fn next(&mut self, rules: &Self::Rules, now: Tick) -> Option<(Entry<Self::Rank>, P)>;

    /// Puts back a waiter that has come back.
    fn put_back(&mut self, rules: &Self::Rules, entry: Entry<Self::Rank>, what: P);

    /// Takes out a waiter, wherever it is.
    fn remove(&mut self, rules: &Self::Rules, entry: Entry<Self::Rank>) -> Option<P>;

    /// The last waiter in the order.
    fn last(&self, rules: &Self::Rules) -> Option<(Entry<Self::Rank>, &P)>;

    /// How many of a class were served.
    fn served(&self, class: usize) -> u64;

    /// How many of a class were served out of their turn.
    fn promoted(&self, _class: usize) -> u64 {
        0
    }

    /// Shows every waiter.
    fn for_each(&self, see: &mut dyn FnMut(Entry<Self::Rank>));
}

/// A discipline that is nothing but lines and their rules. No waiter in it is ever too late to be served.
pub trait Lined: Discipline {
    /// The settings.
    type Rules;
    /// What waits.
    type Lines<P: Send>: Lines<P, Rank = Self::Rank, Rules = Self::Rules>;

    /// The current settings.
    fn rules(&self) -> &Self::Rules;
}

/// The [`Shelf`] of a discipline that is made of lines.
pub struct InLines<P: Send, D: Lined> {
    lines: D::Lines<P>,
    /// Kept for its rules; always empty.
    discipline: D,
}

// === impl InLines ===

impl<P: Send, D: Lined> From<D> for InLines<P, D> {
    fn from(discipline: D) -> Self {
        Self { lines: Lines::new(discipline.rules()), discipline }
    }
}

// Joining and being next are short, and a call that passes the item would cost a tenth more.
impl<P: Send, D: Lined> Shelf<P, D> for InLines<P, D> {
    fn discipline(&self) -> &D {
        &self.discipline
    }

    fn discipline_mut(&mut self) -> &mut D {
        self.lines.retuned();
        &mut self.discipline
    }

    fn len(&self) -> usize {
        self.lines.len()
    }

    fn len_of(&self, class: usize) -> usize {
        self.lines.len_of(class)
    }

    #[inline(always)]
    fn insert(&mut self, rank: D::Rank, seq: u64, since: Tick, what: P) -> Entry<D::Rank> {
        let entry = Entry::new(0, rank, seq, since);
        self.lines.insert(self.discipline.rules(), entry, what);
        entry
    }

    #[inline(always)]
    fn next(&mut self, now: Tick) -> Option<(Entry<D::Rank>, P)> {
        self.lines.next(self.discipline.rules(), now)
    }

    fn put_back(&mut self, rank: D::Rank, seq: u64, since: Tick, what: P) -> Entry<D::Rank> {
        let entry = Entry::new(0, rank, seq, since);
        self.lines.put_back(self.discipline.rules(), entry, what);
        entry
    }

    fn remove(&mut self, entry: Entry<D::Rank>) -> Option<P> {
        self.lines.remove(self.discipline.rules(), entry)
    }

    fn pop_last(&mut self) -> Option<(Entry<D::Rank>, P)> {
        let (entry, _) = self.lines.last(self.discipline.rules())?;
        self.remove(entry).map(|what| (entry, what))
    }

    fn overdue(&mut self, _: Tick) -> Option<(Entry<D::Rank>, P)> {
        None
    }

    fn served(&self, class: usize) -> u64 {
        self.lines.served(class)
    }

    fn promoted(&self, class: usize) -> u64 {
        self.lines.promoted(class)
    }

    fn for_each(&self, see: &mut dyn FnMut(Entry<D::Rank>)) {
        self.lines.for_each(see);
    }
}

impl<P: Send, D: Lined> fmt::Debug for InLines<P, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InLines").field("len", &self.lines.len()).finish_non_exhaustive()
    }
}
