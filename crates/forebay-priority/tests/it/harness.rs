//! Random steps on a discipline and on a naive model of it, which must agree after each.

use std::collections::HashMap;

use forebay_priority::{Discipline, Entry, Shelf, Tick};
use proptest::prelude::*;

/// A model is a discipline itself, as simple as it can be.
pub(crate) trait Model: Discipline {
    /// Whether this one may be displaced, where there are several of which any will do.
    fn agrees_on_last(&self, id: Option<u32>) -> bool {
        self.last() == id
    }
}

/// One step; `at` chooses among those who wait or among those who were taken out.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step<R> {
    Insert(R),
    Next,
    PutBack { at: usize, rank: Option<R> },
    Remove { at: usize },
    Rerank { at: usize, rank: R },
    Wait(Tick),
}

pub(crate) fn steps<R: Clone + std::fmt::Debug + 'static>(
    rank: impl Strategy<Value = R> + Clone + 'static,
) -> impl Strategy<Value = Vec<Step<R>>> {
    let step = prop_oneof![
        8 => rank.clone().prop_map(Step::Insert),
        6 => Just(Step::Next),
        2 => (any::<usize>(), proptest::option::of(rank.clone())).prop_map(|(at, rank)| Step::PutBack { at, rank }),
        2 => any::<usize>().prop_map(|at| Step::Remove { at }),
        2 => (any::<usize>(), rank).prop_map(|(at, rank)| Step::Rerank { at, rank }),
        2 => (1_u64..20).prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 1..250)
}

/// The shelf of a discipline, where each that waits is an id, and by what entries they are removed, by number.
struct Shelved<D: Discipline> {
    shelf: D::Shelf<u32>,
    entries: HashMap<u64, Entry<D::Rank>>,
}

impl<D: Discipline> Shelved<D> {
    fn insert(&mut self, Entry { rank, seq, since, id, .. }: Entry<D::Rank>) {
        self.entries.insert(seq, self.shelf.insert(rank, seq, since, id));
    }

    fn put_back(&mut self, Entry { rank, seq, since, id, .. }: Entry<D::Rank>) {
        self.entries.insert(seq, self.shelf.put_back(rank, seq, since, id));
    }

    /// Who has left, if it is who should.
    fn left(left: Option<(Entry<D::Rank>, u32)>, waiting: &[Entry<D::Rank>]) -> Option<u32> {
        let (entry, id) = left?;
        let known = waiting.iter().find(|known| known.id == id).expect("it was inserted");
        assert_eq!((entry.seq, entry.since), (known.seq, known.since));
        Some(id)
    }

    fn next(&mut self, now: Tick, waiting: &[Entry<D::Rank>]) -> Option<u32> {
        Self::left(self.shelf.next(now), waiting)
    }

    fn overdue(&mut self, now: Tick, waiting: &[Entry<D::Rank>]) -> Option<u32> {
        Self::left(self.shelf.overdue(now), waiting)
    }

    fn pop_last(&mut self, waiting: &[Entry<D::Rank>]) -> Option<u32> {
        Self::left(self.shelf.pop_last(), waiting)
    }

    fn remove(&mut self, seq: u64) -> Option<u32> {
        self.shelf.remove(self.entries[&seq])
    }

    fn numbers(&self) -> Vec<u64> {
        let mut numbers = Vec::new();
        self.shelf.for_each(&mut |entry| numbers.push(entry.seq));
        numbers.sort_unstable();
        numbers
    }
}

/// Plays the steps on the discipline, its shelf and the model.
pub(crate) fn agree<D, M>(mut discipline: D, mut model: M, steps: &[Step<D::Rank>])
where
    D: Discipline<Rank: std::fmt::Debug> + Clone,
    M: Model<Rank = D::Rank>,
{
    let mut shelved = Shelved::<D> { shelf: discipline.clone().into(), entries: HashMap::new() };
    let (mut now, mut seq) = (0, 0);
    let mut waiting: Vec<Entry<D::Rank>> = Vec::new();
    let mut taken: Vec<Entry<D::Rank>> = Vec::new();
    let mut free = Vec::new();
    let mut ids = 0..;
    let mut new_id = |free: &mut Vec<u32>| free.pop().or_else(|| ids.next()).expect("enough ids");
    for step in steps {
        while discipline.gives_up() {
            let from = discipline.overdue_from();
            let late = discipline.overdue(now);
            assert_eq!(late.is_some(), from.is_some_and(|from| from <= now), "{from:?} before {step:?}");
            assert_eq!(late, model.overdue(now), "overdue before {step:?}");
            assert_eq!(late, shelved.overdue(now, &waiting));
            let Some(id) = late else { break };
            waiting.retain(|entry| entry.id != id);
            free.push(id);
        }
        match *step {
            Step::Insert(rank) => {
                let entry = Entry::new(new_id(&mut free), rank, seq, now);
                seq += 1;
                discipline.insert(entry);
                model.insert(entry);
                shelved.insert(entry);
                waiting.push(entry);
            }
            Step::Next => {
                let next = discipline.next(now);
                assert_eq!(next, model.next(now), "next of {waiting:?}");
                assert_eq!(next, shelved.next(now, &waiting), "next on the shelf");
                assert_eq!(next.is_none(), waiting.is_empty());
                if let Some(id) = next {
                    let at = waiting.iter().position(|entry| entry.id == id).expect("it was inserted");
                    taken.push(waiting.remove(at));
                    free.push(id);
                }
            }
            Step::PutBack { at, rank } if !taken.is_empty() => {
                let mut entry = taken.remove(at % taken.len());
                entry.id = new_id(&mut free);
                entry.rank = rank.unwrap_or(entry.rank);
                discipline.put_back(entry);
                model.put_back(entry);
                shelved.put_back(entry);
                waiting.push(entry);
            }
            Step::Remove { at } if !waiting.is_empty() => {
                let entry = waiting.remove(at % waiting.len());
                assert!(discipline.remove(entry), "it waits");
                assert!(model.remove(entry));
                assert!(!discipline.remove(entry), "it does not wait any more");
                assert_eq!([shelved.remove(entry.seq), shelved.remove(entry.seq)], [Some(entry.id), None]);
                free.push(entry.id);
            }
            Step::Rerank { at, rank } if !waiting.is_empty() => {
                let at = at % waiting.len();
                let entry = &mut waiting[at];
                assert!(discipline.remove(*entry) && model.remove(*entry));
                assert!(shelved.remove(entry.seq).is_some());
                entry.rank = rank;
                discipline.put_back(*entry);
                model.put_back(*entry);
                shelved.put_back(*entry);
            }
            Step::Wait(ticks) => now += ticks,
            Step::PutBack { .. } | Step::Remove { .. } | Step::Rerank { .. } => {}
        }
        let last = discipline.last();
        assert_eq!(last.is_none(), waiting.is_empty());
        assert!(model.agrees_on_last(last), "{last:?} is not the last of {waiting:?} after {step:?}");
    }
    let mut numbers: Vec<_> = waiting.iter().map(|entry| entry.seq).collect();
    numbers.sort_unstable();
    assert_eq!((shelved.numbers(), shelved.shelf.len()), (numbers, waiting.len()));
    let last = shelved.pop_last(&waiting);
    assert!(model.agrees_on_last(last), "{last:?} is not the last of {waiting:?}");
    if let Some(last) = waiting.iter().find(|entry| Some(entry.id) == last) {
        assert!(discipline.remove(*last) && model.remove(*last));
    }
    // What is left leaves in the same order.
    while let Some(id) = discipline.next(now) {
        assert_eq!(Some(id), model.next(now));
        assert_eq!(Some(id), shelved.next(now, &waiting));
    }
    assert_eq!(model.next(now), None);
}
