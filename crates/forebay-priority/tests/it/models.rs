//! Naive models of the disciplines: a list, and a search for who is next.

use std::collections::HashMap;
use std::mem;

use forebay_priority::{ById, Class, Discipline, Entry, Key, Missed, Share, Tenant, Tick};

use crate::harness::Model;

/// The list that each model is, and what goes the same way in all.
macro_rules! discipline {
    ($Model:ty, $Rank:ty { $($rest:tt)* }) => {
        impl Discipline for $Model {
            type Rank = $Rank;
            type Shelf<P: Send> = ById<P, Self>;

            fn insert(&mut self, entry: Entry<$Rank>) {
                self.join(entry);
            }

            fn next(&mut self, now: Tick) -> Option<u32> {
                self.choose(now).map(|entry| entry.id)
            }

            fn put_back(&mut self, entry: Entry<$Rank>) {
                self.join(entry);
            }

            fn remove(&mut self, entry: Entry<$Rank>) -> bool {
                self.leave(entry.seq).is_some()
            }

            $($rest)*
        }
    };
}

fn take<R: Copy>(list: &mut Vec<Entry<R>>, seq: u64) -> Option<Entry<R>> {
    let at = list.iter().position(|entry| entry.seq == seq)?;
    Some(list.remove(at))
}

fn index(class: Class, classes: u16, default: u16) -> u16 {
    (0..classes).find(|at| Class::new(*at) == class).unwrap_or(default)
}

/// [`Strict`](forebay_priority::Strict). Each that waits has its turn beside it.
pub(crate) struct Strict {
    classes: u16,
    default: u16,
    list: Vec<Waiting>,
    came: u64,
    promotion: Promotion,
    promote_after: u64,
    patience: Option<Tick>,
}

/// Who is due to be promoted, since otherwise it would be overtaken too often.
#[derive(Default)]
pub(crate) struct Promotion {
    /// When it is found out again: once so many have left.
    pub(crate) look_at: u64,
    /// Whose turn is lower is due.
    pub(crate) due_below: u64,
}

impl Promotion {
    /// `oldest`: the lowest turn of those that wait.
    pub(crate) fn look(&mut self, after: Option<u64>, came: u64, left: u64, oldest: Option<u64>) {
        if left < self.look_at {
            return;
        }
        match (after, oldest) {
            (None, _) => *self = Self { look_at: u64::MAX, due_below: 0 },
            // Those that are due come first.
            (Some(_), Some(oldest)) if oldest < self.due_below => {}
            (Some(after), _) => {
                let batch = (after / 24).clamp(1, 64);
                let all = (left + 3 * batch - 2).saturating_sub(after).min(came);
                let some = oldest.map_or(all, |oldest| all.min(oldest + batch));
                *self = Self { look_at: if some < all { left } else { left + batch }, due_below: some };
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Waiting {
    entry: Entry<Class>,
    class: u16,
    turn: u64,
}

impl Strict {
    /// Of this many classes, of which the default is one.
    pub(crate) fn new((classes, default): (u16, u16), promote_after: u64, patience: Option<Tick>) -> Self {
        Self {
            classes,
            default,
            list: Vec::new(),
            came: 0,
            promotion: Promotion::default(),
            promote_after,
            patience,
        }
    }

    /// The oldest of each class.
    fn firsts(&self) -> Vec<Waiting> {
        let mut firsts = vec![None; self.classes.into()];
        for waiting in &self.list {
            let first: &mut Option<Waiting> = &mut firsts[usize::from(waiting.class)];
            if first.is_none_or(|first| waiting.entry.seq < first.entry.seq) {
                *first = Some(*waiting);
            }
        }
        firsts.into_iter().flatten().collect()
    }

    fn join(&mut self, entry: Entry<Class>) {
        let class = index(entry.rank, self.classes, self.default);
        self.list.push(Waiting { entry, class, turn: self.came });
        self.came += 1;
    }
}

impl Discipline for Strict {
    type Rank = Class;
    type Shelf<P: Send> = ById<P, Self>;

    fn insert(&mut self, entry: Entry<Class>) {
        self.join(entry);
    }

    fn next(&mut self, now: Tick) -> Option<u32> {
        let left = self.came - self.list.len() as u64;
        let firsts = self.firsts();
        let oldest = self.list.iter().map(|waiting| waiting.turn).min();
        self.promotion.look(Some(self.promote_after), self.came, left, oldest);
        let due = self.list.iter().filter(|waiting| waiting.turn < self.promotion.due_below);
        let due = due.min_by_key(|waiting| (waiting.class, waiting.turn));
        let waited = firsts.iter().min_by_key(|first| first.entry.since);
        let waited =
            waited.filter(|first| self.patience.is_some_and(|patience| now - first.entry.since >= patience));
        let next = due.or(waited).or(firsts.first())?.entry;
        self.remove(next);
        Some(next.id)
    }

    fn put_back(&mut self, entry: Entry<Class>) {
        self.join(entry);
    }

    fn remove(&mut self, entry: Entry<Class>) -> bool {
        let at = self.list.iter().position(|other| other.entry.seq == entry.seq);
        at.map(|at| self.list.remove(at)).is_some()
    }

    fn last(&self) -> Option<u32> {
        let last = self.list.iter().max_by_key(|waiting| (waiting.class, waiting.entry.seq));
        last.map(|waiting| waiting.entry.id)
    }
}

impl Model for Strict {}

/// [`Lifo`](forebay_priority::Lifo).
#[derive(Default)]
pub(crate) struct Lifo(Vec<Entry<()>>);

impl Lifo {
    fn join(&mut self, entry: Entry<()>) {
        self.0.push(entry);
    }

    fn leave(&mut self, seq: u64) -> Option<Entry<()>> {
        take(&mut self.0, seq)
    }

    fn choose(&mut self, _: Tick) -> Option<Entry<()>> {
        let seq = self.0.iter().map(|entry| entry.seq).max()?;
        self.leave(seq)
    }
}

discipline!(Lifo, () {
    fn last(&self) -> Option<u32> {
        self.0.iter().min_by_key(|entry| entry.seq).map(|entry| entry.id)
    }
});
impl Model for Lifo {}

/// [`Aging`](forebay_priority::Aging), of three classes with the second as default.
pub(crate) struct Aging {
    list: Vec<Entry<Class>>,
    step: u64,
    by_time: bool,
}

impl Aging {
    pub(crate) fn new(step: u64, by_time: bool) -> Self {
        Self { list: Vec::new(), step, by_time }
    }

    fn key(&self, entry: &Entry<Class>) -> (u64, u64) {
        let came = if self.by_time { entry.since } else { entry.seq };
        (came + u64::from(index(entry.rank, 3, 1)) * self.step, entry.seq)
    }

    fn join(&mut self, entry: Entry<Class>) {
        self.list.push(entry);
    }

    fn leave(&mut self, seq: u64) -> Option<Entry<Class>> {
        take(&mut self.list, seq)
    }

    fn choose(&mut self, _: Tick) -> Option<Entry<Class>> {
        let seq = self.list.iter().min_by_key(|entry| self.key(entry))?.seq;
        self.leave(seq)
    }
}

discipline!(Aging, Class {
    fn last(&self) -> Option<u32> {
        self.list.iter().max_by_key(|entry| self.key(entry)).map(|entry| entry.id)
    }
});
impl Model for Aging {}

/// [`Deadline`](forebay_priority::Deadline), of items that all have one; the rank is how long they may take.
pub(crate) struct Deadline {
    list: Vec<Entry<Tick>>,
    missed: Missed,
    lead: Tick,
    /// When it was asked last: what was found late then is late.
    asked: Tick,
}

impl Deadline {
    pub(crate) fn new(missed: Missed, lead: Tick) -> Self {
        Self { list: Vec::new(), missed, lead, asked: 0 }
    }

    fn is_late(&self, entry: &Entry<Tick>, now: Tick) -> bool {
        entry.since + entry.rank < now + self.lead
    }

    fn key(&self, entry: &Entry<Tick>, now: Tick) -> (bool, u64, u64) {
        let last = self.missed == Missed::Last && self.is_late(entry, now);
        (last, entry.since + entry.rank, entry.seq)
    }

    fn join(&mut self, entry: Entry<Tick>) {
        self.list.push(entry);
    }

    fn leave(&mut self, seq: u64) -> Option<Entry<Tick>> {
        take(&mut self.list, seq)
    }

    fn choose(&mut self, now: Tick) -> Option<Entry<Tick>> {
        self.asked = now;
        let seq = self.list.iter().min_by_key(|entry| self.key(entry, now))?.seq;
        self.leave(seq)
    }
}

discipline!(Deadline, Tick {
    fn last(&self) -> Option<u32> {
        self.list.iter().max_by_key(|entry| self.key(entry, self.asked)).map(|entry| entry.id)
    }

    fn overdue(&mut self, now: Tick) -> Option<u32> {
        let late = self.list.iter().filter(|entry| self.is_late(entry, now));
        let seq = late.min_by_key(|entry| (entry.since + entry.rank, entry.seq))?.seq;
        self.leave(seq).map(|entry| entry.id)
    }
});
impl Model for Deadline {
    // Who became late since it was asked last, and has not been looked at, may still be in its old place.
    fn agrees_on_last(&self, id: Option<u32>) -> bool {
        self.missed == Missed::Last || self.last() == id
    }
}

/// [`WeightedFair`](forebay_priority::WeightedFair), of one class for each weight, with the last as default.
pub(crate) struct WeightedFair {
    list: Vec<Entry<Share>>,
    quanta: Vec<u64>,
    deficits: Vec<u64>,
    round: Vec<usize>,
    visited: bool,
}

impl WeightedFair {
    pub(crate) fn new(quanta: &[u64]) -> Self {
        Self {
            list: Vec::new(),
            quanta: quanta.to_vec(),
            deficits: vec![0; quanta.len()],
            round: Vec::new(),
            visited: false,
        }
    }

    fn class(&self, entry: &Entry<Share>) -> usize {
        let last = self.quanta.len() as u16 - 1;
        usize::from(index(entry.rank.class, last + 1, last))
    }

    fn of(&self, class: usize) -> impl Iterator<Item = &Entry<Share>> {
        self.list.iter().filter(move |entry| self.class(entry) == class)
    }

    fn join(&mut self, entry: Entry<Share>) {
        let class = self.class(&entry);
        if self.of(class).next().is_none() {
            self.round.push(class);
        }
        self.list.push(entry);
    }

    fn leave(&mut self, seq: u64) -> Option<Entry<Share>> {
        let entry = take(&mut self.list, seq)?;
        let class = self.class(&entry);
        if self.of(class).next().is_none() {
            self.deficits[class] = 0;
            self.visited &= self.round[0] != class;
            self.round.retain(|other| *other != class);
        }
        Some(entry)
    }

    /// One visit after the other, however many rounds it takes.
    fn choose(&mut self, _: Tick) -> Option<Entry<Share>> {
        loop {
            let &class = self.round.first()?;
            if !self.visited {
                self.deficits[class] += self.quanta[class];
            }
            self.visited = true;
            let first = *self.of(class).min_by_key(|entry| entry.seq)?;
            let cost = u64::from(first.rank.cost.max(1));
            if cost <= self.deficits[class] {
                self.deficits[class] -= cost;
                return self.leave(first.seq);
            }
            self.visited = false;
            self.round.rotate_left(1);
        }
    }
}

discipline!(WeightedFair, Share {
    fn last(&self) -> Option<u32> {
        let filled = (0..self.quanta.len()).filter(|class| self.of(*class).next().is_some());
        let backlog = |class| self.of(class).map(|entry| u128::from(entry.rank.cost.max(1))).sum::<u128>();
        let class = filled.max_by_key(|class| (backlog(*class) << 20) / u128::from(self.quanta[*class]))?;
        self.of(class).max_by_key(|entry| entry.seq).map(|entry| entry.id)
    }
});
impl Model for WeightedFair {}

/// [`FairByKey`](forebay_priority::FairByKey): finishes in whole numbers, which is exact for weights that divide 2^40.
///
/// As long as all cost and weigh 1, and leave by being served alone, one has its finish from the beginning, and of those that
/// finish at the same time who came first is first; otherwise who has been the first of its key for longer.
#[derive(Default)]
pub(crate) struct FairByKey {
    /// With key, cost and weight.
    list: Vec<(Entry<Tenant>, (Key, u32, u32))>,
    /// No longer so, until nobody waits.
    mixed: bool,
    /// The finish of each that waits, by its number, and of the last one of each key.
    finishes: HashMap<u64, u128>,
    last_of: HashMap<Key, u128>,
    newest: Option<u64>,
    starts: HashMap<Key, u128>,
    /// Of each key the first one, and the how manieth turn it has.
    turns: HashMap<Key, (u64, usize)>,
    made: usize,
    clock: u128,
}

/// What a [`Tenant`] was made from, which it does not tell; the tests make them by this alone.
pub(crate) fn tenant(number: u8, cost: u32) -> Tenant {
    Tenant::of(Key::of(&number)).cost(cost).weight(1 << (number % 3))
}

pub(crate) const TENANTS: u8 = 12;
pub(crate) const MOST_COST: u32 = 6;

fn known(rank: Tenant) -> (Key, u32, u32) {
    let all = (0..TENANTS).flat_map(|number| (0..=MOST_COST).map(move |cost| (number, cost)));
    let (number, cost) =
        all.into_iter().find(|&(number, cost)| tenant(number, cost) == rank).expect("made by `tenant`");
    (Key::of(&number), cost.max(1), 1 << (number % 3))
}

impl FairByKey {
    const ONE: u128 = 1 << 40;

    fn join(&mut self, entry: Entry<Tenant>) {
        let known = known(entry.rank);
        self.mixed &= !self.list.is_empty();
        let is_new = self.newest.is_none_or(|newest| newest < entry.seq);
        if !is_new || (known.1, known.2) != (1, 1) {
            self.mix();
        }
        self.newest = self.newest.max(Some(entry.seq));
        if self.mixed {
            if !self.list.iter().any(|(_, other)| other.0 == known.0) {
                self.starts.insert(known.0, self.clock);
            }
            self.list.push((entry, known));
            self.look_at(known.0);
        } else {
            let last = self.last_of.entry(known.0).or_default();
            *last = self.clock.max(*last) + Self::ONE;
            self.finishes.insert(entry.seq, *last);
            self.list.push((entry, known));
        }
    }

    /// From now on they are mixed.
    fn mix(&mut self) {
        if mem::replace(&mut self.mixed, true) {
            return;
        }
        self.turns.clear();
        self.last_of.clear();
        let mut by_finish = self.list.clone();
        by_finish.sort_by_key(|(entry, _)| (self.finishes[&entry.seq], entry.seq));
        for (entry, (key, ..)) in by_finish {
            if !self.turns.contains_key(&key) {
                self.starts.insert(key, self.finishes[&entry.seq] - Self::ONE);
                self.made += 1;
                self.turns.insert(key, (entry.seq, self.made));
            }
        }
    }

    fn leave(&mut self, seq: u64) -> Option<Entry<Tenant>> {
        if !self.list.is_empty() {
            self.mix();
        }
        self.take_out(seq)
    }

    fn take_out(&mut self, seq: u64) -> Option<Entry<Tenant>> {
        let at = self.list.iter().position(|(entry, _)| entry.seq == seq)?;
        let (entry, known) = self.list.remove(at);
        if self.mixed {
            self.look_at(known.0);
        }
        Some(entry)
    }

    /// Makes a turn if another one is the first of this key.
    fn look_at(&mut self, key: Key) {
        let of_key = self.list.iter().filter(|(_, known)| known.0 == key);
        let Some(first) = of_key.map(|(entry, _)| entry.seq).min() else {
            self.turns.remove(&key);
            return;
        };
        if self.turns.get(&key).is_none_or(|&(before, _)| before != first) {
            self.made += 1;
            self.turns.insert(key, (first, self.made));
        }
    }

    fn choose(&mut self, _: Tick) -> Option<Entry<Tenant>> {
        if !self.mixed {
            let (next, _) =
                self.list.iter().min_by_key(|(entry, _)| (self.finishes[&entry.seq], entry.seq))?;
            let seq = next.seq;
            self.clock = self.finishes[&seq];
            return self.take_out(seq);
        }
        let is_first =
            |(entry, (key, ..)): &&(Entry<Tenant>, (Key, u32, u32))| self.turns[key].0 == entry.seq;
        let finish = |&(_, (key, cost, weight)): &(Entry<Tenant>, (Key, u32, u32))| {
            (self.starts[&key] + u128::from(cost) * (1 << 40) / u128::from(weight), self.turns[&key].1)
        };
        let &next = self.list.iter().filter(is_first).min_by_key(|one| finish(one))?;
        let finish = finish(&next).0;
        self.clock = self.clock.max(finish);
        self.starts.insert(next.1.0, finish);
        self.take_out(next.0.seq)
    }
}

discipline!(FairByKey, Tenant {
    fn last(&self) -> Option<u32> {
        self.list.last().map(|(entry, _)| entry.id)
    }
});
impl Model for FairByKey {
    /// The youngest of any key of which as many wait as of no other.
    fn agrees_on_last(&self, id: Option<u32>) -> bool {
        let count = |key: Key| self.list.iter().filter(|(_, known)| known.0 == key).count();
        let most = self.list.iter().map(|(_, known)| count(known.0)).max();
        match self.list.iter().find(|(entry, _)| Some(entry.id) == id) {
            None => id.is_none() && most.is_none(),
            Some((last, (key, ..))) => {
                Some(count(*key)) == most
                    && !self.list.iter().any(|(other, known)| known.0 == *key && other.seq > last.seq)
            }
        }
    }
}

/// [`Nested`](forebay_priority::Nested) over [`FairByKey`], of three classes with the second as default.
pub(crate) struct Nested {
    inner: [FairByKey; 3],
    /// How many of others were served while this one waited, since its last turn.
    passed_over: [u64; 3],
    promote_after: u64,
}

impl Nested {
    pub(crate) fn new(promote_after: u64) -> Self {
        Self { inner: Default::default(), passed_over: [0; 3], promote_after }
    }
}

impl Discipline for Nested {
    type Rank = (Class, Tenant);
    type Shelf<P: Send> = ById<P, Self>;

    fn insert(&mut self, entry: Entry<Self::Rank>) {
        let class = usize::from(index(entry.rank.0, 3, 1));
        if self.inner[class].list.is_empty() {
            self.passed_over[class] = 0;
        }
        self.inner[class].insert(Entry::new(entry.id, entry.rank.1, entry.seq, entry.since));
    }

    fn next(&mut self, now: Tick) -> Option<u32> {
        let mut filled = (0..3).filter(|class| !self.inner[*class].list.is_empty());
        let first = filled.clone().next()?;
        let longest = filled.clone().max_by_key(|class| (self.passed_over[*class], 2 - class))?;
        let class = if self.passed_over[longest] >= self.promote_after { longest } else { first };
        filled.by_ref().for_each(|other| self.passed_over[other] += 1);
        self.passed_over[class] = 0;
        self.inner[class].next(now)
    }

    fn put_back(&mut self, entry: Entry<Self::Rank>) {
        self.insert(entry);
    }

    fn remove(&mut self, entry: Entry<Self::Rank>) -> bool {
        let class = usize::from(index(entry.rank.0, 3, 1));
        self.inner[class].remove(Entry::new(entry.id, entry.rank.1, entry.seq, entry.since))
    }

    fn last(&self) -> Option<u32> {
        self.inner.iter().rev().find_map(FairByKey::last)
    }
}

impl Model for Nested {
    fn agrees_on_last(&self, id: Option<u32>) -> bool {
        match self.inner.iter().rev().find(|inner| !inner.list.is_empty()) {
            None => id.is_none(),
            Some(inner) => inner.agrees_on_last(id),
        }
    }
}
