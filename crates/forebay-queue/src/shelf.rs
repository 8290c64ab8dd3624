//! How a queue keeps its items in the order of a discipline.

use slab::Slab;

use crate::{Discipline, Entry, Tick};

/// Keeps the waiters, each with a `P`, in the order of a [`Discipline`].
///
/// [`ById`] works for every discipline. A shelf of its own, which keeps the items where it orders them, saves a
/// discipline the lookup from id to item: a fifth or more of the instructions that an order costs, and a cache miss
/// where more wait than fit into the processor's cache.
///
/// The rules for its order, and what its methods may cost, are those of the [`Discipline`]. It is made
/// [`From`] an empty discipline, and asks that for everything that can be set.
///
/// ```
/// # use std::collections::BTreeSet;
/// # use forebay_queue::{Discipline, Entry, Tick};
/// # #[derive(Default)]
/// # struct ByRank(BTreeSet<(u8, u64, u32)>);
/// # impl Discipline for ByRank {
/// #     type Rank = u8;
/// #     type Shelf<P: Send> = ById<P, Self>;
/// #     fn insert(&mut self, entry: Entry<u8>) { self.0.insert((entry.rank, entry.seq, entry.id)); }
/// #     fn next(&mut self, _: Tick) -> Option<u32> { self.0.pop_first().map(|(_, _, id)| id) }
/// #     fn put_back(&mut self, entry: Entry<u8>) { self.insert(entry); }
/// #     fn remove(&mut self, entry: Entry<u8>) -> bool { self.0.remove(&(entry.rank, entry.seq, entry.id)) }
/// #     fn last(&self) -> Option<u32> { self.0.last().map(|&(_, _, id)| id) }
/// # }
/// use forebay_queue::{ById, Shelf};
///
/// // Whatever the lower rank is on goes first.
/// let mut shelf = ById::from(ByRank::default());
/// shelf.insert(2, 0, 0, "came first");
/// shelf.insert(1, 1, 0, "is more urgent");
/// let removed = shelf.insert(1, 2, 0, "is not wanted any more");
/// assert_eq!(shelf.remove(removed), Some("is not wanted any more"));
/// let (first, what) = shelf.next(0).expect("two wait");
/// assert_eq!((first.rank, first.seq, what), (1, 1, "is more urgent"));
/// assert_eq!(shelf.len(), 1);
/// ```
pub trait Shelf<P, D: Discipline>: From<D> + Send {
    /// The discipline's settings. Only the shelf need know what waits.
    fn discipline(&self) -> &D;

    /// The settings, to be changed.
    fn discipline_mut(&mut self) -> &mut D;

    /// How many wait.
    fn len(&self) -> usize;

    /// Does nobody wait?
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many of a [class](Discipline::class) wait.
    fn len_of(&self, class: usize) -> usize;

    /// Adds a waiter; `seq` is higher than all before, and `since` says when. Returns the entry by which to
    /// [remove](Self::remove) it.
    fn insert(&mut self, rank: D::Rank, seq: u64, since: Tick, what: P) -> Entry<D::Rank>;

    /// Takes out the next waiter.
    fn next(&mut self, now: Tick) -> Option<(Entry<D::Rank>, P)>;

    /// Puts back a waiter that was taken out. Returns the entry by which to remove it now.
    fn put_back(&mut self, rank: D::Rank, seq: u64, since: Tick, what: P) -> Entry<D::Rank>;

    /// Takes out a waiter, wherever it is; `None` if it is not there.
    fn remove(&mut self, entry: Entry<D::Rank>) -> Option<P>;

    /// Takes out the last waiter in the order.
    fn pop_last(&mut self) -> Option<(Entry<D::Rank>, P)>;

    /// Takes out a waiter that is too late to be served at all, if the discipline [gives up](Discipline::gives_up) any.
    fn overdue(&mut self, now: Tick) -> Option<(Entry<D::Rank>, P)>;

    /// How many of a class [`next`](Self::next) has returned.
    fn served(&self, class: usize) -> u64;

    /// How many of a class were served out of their turn.
    fn promoted(&self, class: usize) -> u64;

    /// Shows every waiter, in any order.
    fn for_each(&self, see: &mut dyn FnMut(Entry<D::Rank>));
}

/// The [`Shelf`] of any discipline: a slab holds the waiters, and the discipline orders their ids.
#[derive(Debug)]
pub struct ById<P, D: Discipline> {
    held: Slab<Waiting<P, D::Rank>>,
    /// The counts of each class.
    counts: Vec<Count>,
    discipline: D,
}

#[derive(Debug, Clone, Copy, Default)]
struct Count {
    waiting: usize,
    served: u64,
}

#[derive(Debug)]
struct Waiting<P, R> {
    rank: R,
    seq: u64,
    since: Tick,
    what: P,
}

// === impl ById ===

impl<P, D: Discipline> ById<P, D> {
    #[inline]
    fn lay_in(&mut self, rank: D::Rank, seq: u64, since: Tick, what: P) {
        self.count(rank).waiting += 1;
        self.held.insert(Waiting { rank, seq, since, what });
    }

    /// Takes out a waiter that the discipline has given already.
    #[inline]
    fn take_out(&mut self, id: u32) -> (Entry<D::Rank>, P) {
        let Waiting { rank, seq, since, what } = self.held.remove(id as usize);
        self.count(rank).waiting -= 1;
        (Entry::new(id, rank, seq, since), what)
    }

    #[inline]
    fn count(&mut self, rank: D::Rank) -> &mut Count {
        &mut self.counts[self.discipline.class(rank)]
    }

    /// The entry of the waiter that joins next.
    #[inline]
    fn entry(&self, rank: D::Rank, seq: u64, since: Tick) -> Entry<D::Rank> {
        let id = u32::try_from(self.held.vacant_key()).expect("four thousand million items do not fit");
        Entry::new(id, rank, seq, since)
    }
}

impl<P, D: Discipline> From<D> for ById<P, D> {
    fn from(discipline: D) -> Self {
        Self {
            held: Slab::new(),
            counts: vec![Count::default(); discipline.classes().len().max(1)],
            discipline,
        }
    }
}

impl<P: Send, D: Discipline> Shelf<P, D> for ById<P, D> {
    fn discipline(&self) -> &D {
        &self.discipline
    }

    fn discipline_mut(&mut self) -> &mut D {
        &mut self.discipline
    }

    fn len(&self) -> usize {
        self.held.len()
    }

    fn len_of(&self, class: usize) -> usize {
        self.counts[class].waiting
    }

    #[inline]
    fn insert(&mut self, rank: D::Rank, seq: u64, since: Tick, what: P) -> Entry<D::Rank> {
        let entry = self.entry(rank, seq, since);
        // Before anything else, since this may be user code.
        self.discipline.insert(entry);
        self.lay_in(rank, seq, since, what);
        entry
    }

    #[inline]
    fn next(&mut self, now: Tick) -> Option<(Entry<D::Rank>, P)> {
        let id = self.discipline.next(now)?;
        let next = self.take_out(id);
        self.count(next.0.rank).served += 1;
        Some(next)
    }

    fn put_back(&mut self, rank: D::Rank, seq: u64, since: Tick, what: P) -> Entry<D::Rank> {
        let entry = self.entry(rank, seq, since);
        self.discipline.put_back(entry);
        self.lay_in(rank, seq, since, what);
        entry
    }

    fn remove(&mut self, entry: Entry<D::Rank>) -> Option<P> {
        self.discipline.remove(entry).then(|| self.take_out(entry.id).1)
    }

    fn pop_last(&mut self) -> Option<(Entry<D::Rank>, P)> {
        let id = self.discipline.last()?;
        let &Waiting { rank, seq, since, .. } = self.held.get(id as usize)?;
        let entry = Entry::new(id, rank, seq, since);
        self.remove(entry).map(|what| (entry, what))
    }

    fn overdue(&mut self, now: Tick) -> Option<(Entry<D::Rank>, P)> {
        let id = self.discipline.overdue(now)?;
        Some(self.take_out(id))
    }

    fn served(&self, class: usize) -> u64 {
        self.counts[class].served
    }

    fn promoted(&self, class: usize) -> u64 {
        self.discipline.promoted(class)
    }

    fn for_each(&self, see: &mut dyn FnMut(Entry<D::Rank>)) {
        for (id, waiting) in &self.held {
            see(Entry::new(id as u32, waiting.rank, waiting.seq, waiting.since));
        }
    }
}
