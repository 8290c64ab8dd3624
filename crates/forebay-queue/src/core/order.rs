//! Which of the senders that wait for room is next.

use std::mem;

use super::moment::{Clock, Moment};
use super::waiters::Key;
use crate::{Discipline, Entry, RetuneError, Tick};

/// Orders the senders that wait, by their keys.
pub trait Waiting<R> {
    /// Adds `key`; `seq` grows from one sender to the next. Returns when that was, where it matters.
    fn insert(&mut self, key: Key, rank: R, seq: u64) -> Tick;

    /// Takes out the next sender; `first` is the one that has waited longest.
    fn next(&mut self, first: Key) -> Option<Key>;

    /// Takes out a sender that is too late to be served at all, if there is any.
    fn overdue(&mut self) -> Option<Key> {
        None
    }

    /// When the first sender will be too late, as far as that is known.
    fn overdue_from(&self) -> Option<Moment> {
        None
    }

    /// The last sender in the order; `last` is the one that came last.
    fn last(&self, last: Key) -> Option<Key> {
        Some(last)
    }

    /// The names of the classes.
    fn classes(&self) -> &[String] {
        &[]
    }

    fn class(&self, _rank: R) -> usize {
        0
    }

    fn promoted(&self, _class: usize) -> u64 {
        0
    }

    /// Removes `key`.
    fn remove(&mut self, key: Key, rank: R, seq: u64, since: Tick);
}

/// First come, first served. The line itself knows which sender came first.
pub struct Arrival;

/// In the order of a discipline.
pub struct ByDiscipline<D> {
    discipline: D,
    clock: Clock,
}

// === impl Arrival ===

impl Waiting<()> for Arrival {
    fn insert(&mut self, _: Key, (): (), _: u64) -> Tick {
        0
    }

    fn next(&mut self, first: Key) -> Option<Key> {
        Some(first)
    }

    fn remove(&mut self, _: Key, (): (), _: u64, _: Tick) {}
}

// === impl ByDiscipline ===

impl<D: Discipline> ByDiscipline<D> {
    pub(crate) fn new(discipline: D) -> Self {
        Self { clock: Clock::new(discipline.uses_time()), discipline }
    }

    pub(crate) fn discipline(&self) -> &D {
        &self.discipline
    }

    /// Puts a [changed](changed) copy of the discipline in its place. Returns the old one.
    pub(crate) fn retune(&mut self, new: D) -> D {
        self.clock.begin_if(new.uses_time());
        mem::replace(&mut self.discipline, new)
    }
}

impl<D: Discipline> Waiting<D::Rank> for ByDiscipline<D> {
    fn insert(&mut self, key: Key, rank: D::Rank, seq: u64) -> Tick {
        let since = self.clock.now();
        self.discipline.insert(Entry::new(id(key), rank, seq, since));
        since
    }

    fn next(&mut self, _: Key) -> Option<Key> {
        self.discipline.next(self.clock.now()).map(|id| id as Key)
    }

    fn overdue(&mut self) -> Option<Key> {
        if !self.discipline.gives_up() {
            return None;
        }
        self.discipline.overdue(self.clock.now()).map(|id| id as Key)
    }

    fn overdue_from(&self) -> Option<Moment> {
        self.clock.moment(self.discipline.overdue_from()?)
    }

    fn last(&self, _: Key) -> Option<Key> {
        self.discipline.last().map(|id| id as Key)
    }

    fn classes(&self) -> &[String] {
        self.discipline.classes()
    }

    fn class(&self, rank: D::Rank) -> usize {
        self.discipline.class(rank)
    }

    fn promoted(&self, class: usize) -> u64 {
        self.discipline.promoted(class)
    }

    fn remove(&mut self, key: Key, rank: D::Rank, seq: u64, since: Tick) {
        self.discipline.remove(Entry::new(id(key), rank, seq, since));
    }
}

/// A copy of a discipline, with other settings.
pub(crate) fn changed<D: Discipline + Clone>(old: &D, change: impl FnOnce(&mut D)) -> Result<D, RetuneError> {
    let mut new = old.clone();
    change(&mut new);
    if new.classes() != old.classes() {
        return Err(RetuneError::OtherClasses);
    }
    if new.last().is_none() && old.last().is_some() {
        return Err(RetuneError::Forgotten);
    }
    Ok(new)
}

fn id(key: Key) -> u32 {
    u32::try_from(key).expect("four thousand million waiting tasks do not fit")
}
