//! Which of those who wait for room is next.

use super::moment::Clock;
use super::waiters::Key;
use crate::Discipline;

/// Orders the senders that wait, by their keys.
pub trait Waiting<R> {
    /// `key` joins; `seq` grows from one to the next.
    fn insert(&mut self, key: Key, rank: R, seq: u64);

    /// Takes out who is next, `first` being who has waited longest.
    fn next(&mut self, first: Key) -> Option<Key>;

    /// `key` goes away.
    fn remove(&mut self, key: Key, rank: R, seq: u64);
}

/// First come, first served. Who came first is known anyway.
pub struct Arrival;

/// As a discipline says.
pub struct ByDiscipline<D> {
    discipline: D,
    clock: Clock,
}

// === impl Arrival ===

impl Waiting<()> for Arrival {
    fn insert(&mut self, _: Key, (): (), _: u64) {}

    fn next(&mut self, first: Key) -> Option<Key> {
        Some(first)
    }

    fn remove(&mut self, _: Key, (): (), _: u64) {}
}

// === impl ByDiscipline ===

impl<D: Discipline> ByDiscipline<D> {
    pub(crate) fn new(discipline: D) -> Self {
        Self { clock: Clock::new(discipline.uses_time()), discipline }
    }
}

impl<D: Discipline> Waiting<D::Rank> for ByDiscipline<D> {
    fn insert(&mut self, key: Key, rank: D::Rank, seq: u64) {
        self.discipline.insert(id(key), rank, seq, self.clock.now());
    }

    fn next(&mut self, _: Key) -> Option<Key> {
        self.discipline.next(self.clock.now()).map(|id| id as Key)
    }

    fn remove(&mut self, key: Key, rank: D::Rank, seq: u64) {
        self.discipline.remove(id(key), rank, seq);
    }
}

fn id(key: Key) -> u32 {
    u32::try_from(key).expect("four thousand million waiting tasks do not fit")
}
