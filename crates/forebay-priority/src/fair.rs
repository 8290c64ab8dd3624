//! Fair between any number of keys.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Place;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::OnceLock;

use forebay_queue::{Discipline, Entry, Key, Label, Tick, UnknownClass};

use crate::lane::{Lane, Slot};
use crate::lines::{InLines, Lined, Lines};
use crate::longest::Longest;
use crate::turns::Turns;
use crate::weighted::{MAX_WEIGHT, cost};

/// Each key that has somebody waiting gets the same share, or one by its weight; first in, first out within a key. Keys need
/// not be known before: tenants, users, hosts.
///
/// The shares are max-min fair: a key that wants less than its share gets all that it wants, and what it leaves is shared by
/// the others.
///
/// Self-clocked fair queueing: each item has a *finish*, the finish of the one before it of its key, but not before the one
/// that was served last, plus its cost divided by its weight; the lowest is next. Keys whose next items finish at the same time
/// take turns.
///
/// # Bounds
///
/// **Fairness.** While two keys have somebody waiting, what they are served, each divided by its weight, differs over any stretch by
/// the sum of their highest costs, each divided by its weight, at the most. So between keys of equal costs and weights by two
/// items.
///
/// **Nobody starves.** The next item of a key is served after each other key was served, at the most, what it costs, times the
/// other's weight by its own, and what the costliest item of that other key costs. That is one item more; but behind a costly
/// one that is taken out, or in front of which one comes back, cheaper ones may have waited as long, and then it is as many
/// of them. Who was away has saved up nothing, and who comes back owes nothing.
///
/// **Memory.** That of what waits, and a small place for each key that has somebody, for as many others that had somebody lately,
/// and for 1024. A key need not be remembered when its last item leaves: then its finish is that of the item which was served
/// last, and so the same as a new key's.
///
/// **Time.** O(1) for the first and the next where all cost and weigh the same, O(log keys) otherwise; O(log n) to remove and put
/// back; O(1) to find whom to displace, the youngest of the key of which most wait, but O(keys) when that is asked for
/// the first time since nobody waited.
///
/// # Source
///
/// S. J. Golestani, *A self-clocked fair queueing scheme for broadband applications*, INFOCOM 1994. Whom to displace: P. E.
/// McKenney, *Stochastic fairness queueing*, INFOCOM 1990; keys are not thrown together by their hash as there.
///
/// # Example
///
/// ```
/// use forebay_priority::FairByKey;
/// use forebay_queue::{By, builder};
///
/// let (tx, mut rx) = builder().line(By::label(FairByKey::new())).build();
/// for page in 1..=3 {
///     tx.item(("crawler", page)).key("crawler").try_send().expect("there is room");
/// }
/// tx.item(("visitor", 1)).key("visitor").try_send().expect("there is room");
/// assert_eq!(rx.try_recv(), Ok(("crawler", 1)));
/// assert_eq!(rx.try_recv(), Ok(("visitor", 1)), "the crawler had its turn");
/// ```
#[derive(Debug, Clone)]
pub struct FairByKey {
    ids: FairLines<u32>,
}

/// Those that wait.
#[derive(Debug, Clone)]
pub struct FairLines<P> {
    flows: Vec<Flow<P>>,
    /// How many wait.
    waiting: usize,
    served: u64,
    /// Places in `flows` that no key has.
    unused: Vec<usize>,
    /// Also of keys that had somebody lately.
    by_key: HashMap<Key, usize, BuildHasherDefault<AsItIs>>,
    /// How many keys have somebody.
    busy: usize,
    /// Each flow that has somebody, by the finish of its first; and turns that hold no longer.
    turns: Turns,
    /// How many wait in each flow, from when somebody asks whom to displace until nobody waits.
    lengths: OnceLock<Longest>,
    /// The highest finish of those that were served.
    clock: u128,
}

/// Whose one is, what it costs, and what a share of its key weighs.
///
/// ```
/// use forebay_priority::Tenant;
/// use forebay_queue::Key;
///
/// let tenant = Tenant::of(Key::of("acme")).cost(700).weight(3);
/// assert_ne!(tenant, Tenant::default(), "which is the key of all that have none");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tenant {
    key: Key,
    cost: u32,
    weight: u32,
}

#[derive(Debug, Clone)]
struct Flow<P> {
    key: Key,
    /// The finish of the one before the first.
    start: u128,
    /// The number of its turn, or `NO_TURN` while it has nobody.
    turn: u64,
    lane: Lane<Asked, P>,
}

/// What is known of one that waits.
#[derive(Debug, Clone, Copy)]
struct Asked {
    cost: u32,
    weight: u32,
}

/// The number of no turn.
const NO_TURN: u64 = 0;

/// For how many keys that have nobody the places are kept, at least.
const KEPT: usize = 1024;

/// A key is a hash already, by a seed that nobody knows.
#[derive(Debug, Clone, Default)]
struct AsItIs(u64);

/// What a cost of 1 is at a weight of 1: high, so that little is lost by rounding.
const SCALE: u128 = 1 << 40;

/// What serving one of this cost is to a share of this weight. The division of what has 128 bits is slow, and most need none.
#[inline]
fn share(cost: u32, weight: u32) -> u128 {
    let cost = u128::from(cost) * SCALE;
    if weight == 1 { cost } else { cost / u128::from(weight) }
}

// === impl FairByKey ===

impl FairByKey {
    /// Fair between keys.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many keys have somebody waiting; of the items of a queue, which it keeps on its [`Shelf`](forebay_queue::Shelf),
    /// it does not know.
    pub fn keys(&self) -> usize {
        self.ids.busy
    }
}

// === impl FairLines ===

impl<P: Send> FairLines<P> {
    #[inline]
    fn join(&mut self, entry: Entry<Tenant>, what: P) {
        let Tenant { key, cost, weight } = entry.rank;
        let at = self.flow(key);
        let flow = &mut self.flows[at];
        let first = flow.lane.first().map(|first| first.seq);
        let asked = Asked { cost: cost.max(1), weight: weight.clamp(1, MAX_WEIGHT) };
        flow.lane.insert(entry.seq, entry.since, asked, what);
        self.waiting += 1;
        if first.is_none() {
            flow.start = self.clock;
            self.busy += 1;
        }
        if first.is_none_or(|first| first > entry.seq) {
            self.take_turn(at);
        }
        self.measure(at);
    }

    /// The flow of a key.
    #[inline]
    fn flow(&mut self, key: Key) -> usize {
        let place = match self.by_key.entry(key) {
            Place::Occupied(known) => return *known.get(),
            Place::Vacant(place) => place,
        };
        let at = self.unused.pop().unwrap_or(self.flows.len());
        place.insert(at);
        match self.flows.get_mut(at) {
            Some(flow) => flow.key = key,
            None => self.flows.push(Flow { key, start: 0, turn: NO_TURN, lane: Lane::new() }),
        }
        at
    }

    /// Another one is the first of this flow, or nobody is. The turn that it had holds no longer.
    #[inline]
    fn take_turn(&mut self, at: usize) {
        let flow = &mut self.flows[at];
        match flow.lane.first() {
            Some(first) => {
                let Asked { cost, weight, .. } = first.more;
                flow.turn = self.turns.push(flow.start + share(cost, weight), at);
                if self.turns.len() > 2 * self.busy + KEPT {
                    self.turns.retain(|turn| self.flows[turn.whose].turn == turn.number);
                }
            }
            None => {
                flow.turn = NO_TURN;
                flow.lane.rest();
                self.busy -= 1;
                if self.busy == 0 || self.by_key.len() > 2 * self.busy + KEPT {
                    self.forget();
                }
            }
        }
    }

    /// Few of the keys that have a place have somebody: the others lose theirs.
    #[cold]
    fn forget(&mut self) {
        if self.busy == 0 {
            self.lengths.take();
            if self.flows.len() > KEPT {
                *self = Self { clock: self.clock, served: self.served, ..Self::new(&()) };
            }
            return;
        }
        let Self { by_key, flows, unused, .. } = self;
        by_key.retain(|_, at| {
            let is_busy = flows[*at].turn != NO_TURN;
            unused.extend((!is_busy).then_some(*at));
            is_busy
        });
    }

    /// Notes how many wait in a flow, where somebody wants to know.
    #[inline]
    fn measure(&mut self, at: usize) {
        if let Some(lengths) = self.lengths.get_mut() {
            lengths.set(at, self.flows[at].lane.len());
        }
    }
}

impl<P: Send> Lines<P> for FairLines<P> {
    type Rank = Tenant;
    /// Nothing can be set.
    type Rules = ();

    fn new((): &()) -> Self {
        Self {
            flows: Vec::new(),
            waiting: 0,
            served: 0,
            unused: Vec::new(),
            by_key: HashMap::default(),
            busy: 0,
            turns: Turns::default(),
            lengths: OnceLock::new(),
            clock: 0,
        }
    }

    fn len(&self) -> usize {
        self.waiting
    }

    /// All are of one class.
    fn len_of(&self, _class: usize) -> usize {
        self.waiting
    }

    #[inline]
    fn insert(&mut self, (): &(), entry: Entry<Tenant>, what: P) {
        self.join(entry, what);
    }

    #[inline]
    fn next(&mut self, (): &(), _: Tick) -> Option<(Entry<Tenant>, P)> {
        loop {
            let turn = self.turns.pop()?;
            let at = turn.whose;
            let flow = &mut self.flows[at];
            if flow.turn != turn.number {
                continue;
            }
            let slot = flow.lane.pop_first()?;
            let entry = slot.entry(flow.key);
            flow.start = turn.time;
            // One that came back, or behind which a costlier one has left, may finish before what was served since.
            self.clock = self.clock.max(turn.time);
            self.waiting -= 1;
            self.served += 1;
            self.measure(at);
            self.take_turn(at);
            return Some((entry, slot.what));
        }
    }

    fn put_back(&mut self, (): &(), entry: Entry<Tenant>, what: P) {
        self.join(entry, what);
    }

    fn remove(&mut self, (): &(), entry: Entry<Tenant>) -> Option<P> {
        let &at = self.by_key.get(&entry.rank.key)?;
        let lane = &mut self.flows[at].lane;
        let first = lane.first().map(|first| first.seq);
        let removed = lane.remove(entry.seq)?;
        self.waiting -= 1;
        self.measure(at);
        if first == Some(entry.seq) {
            self.take_turn(at);
        }
        Some(removed.what)
    }

    /// The youngest of the key of which most wait.
    fn last(&self, (): &()) -> Option<(Entry<Tenant>, &P)> {
        let lengths = self.lengths.get_or_init(|| {
            let mut lengths = Longest::default();
            self.flows.iter().enumerate().for_each(|(at, flow)| lengths.set(at, flow.lane.len()));
            lengths
        });
        let flow = &self.flows[lengths.longest()?];
        flow.lane.last().map(|last| (last.entry(flow.key), last.what))
    }

    fn served(&self, _class: usize) -> u64 {
        self.served
    }

    fn for_each(&self, see: &mut dyn FnMut(Entry<Tenant>)) {
        for flow in &self.flows {
            flow.lane.iter().for_each(|slot| see(slot.entry(flow.key)));
        }
    }
}

impl<P> Slot<Asked, P> {
    fn entry(&self, key: Key) -> Entry<Tenant> {
        let Asked { cost, weight } = self.more;
        Entry::new(0, Tenant { key, cost, weight }, self.seq, self.since)
    }
}

impl Default for FairByKey {
    fn default() -> Self {
        Self { ids: FairLines::new(&()) }
    }
}

impl Lined for FairByKey {
    type Rules = ();
    type Lines<P: Send> = FairLines<P>;

    fn rules(&self) -> &() {
        &()
    }
}

impl Discipline for FairByKey {
    type Rank = Tenant;
    type Shelf<P: Send> = InLines<P, Self>;

    fn insert(&mut self, entry: Entry<Tenant>) {
        self.ids.insert(&(), entry, entry.id);
    }

    fn next(&mut self, now: Tick) -> Option<u32> {
        self.ids.next(&(), now).map(|(_, id)| id)
    }

    fn put_back(&mut self, entry: Entry<Tenant>) {
        self.ids.put_back(&(), entry, entry.id);
    }

    fn remove(&mut self, entry: Entry<Tenant>) -> bool {
        self.ids.remove(&(), entry).is_some()
    }

    fn last(&self) -> Option<u32> {
        self.ids.last(&()).map(|(_, id)| *id)
    }

    fn relabel(&self, rank: Tenant, label: &Label<'_>) -> Result<Tenant, UnknownClass> {
        if let Some(class) = label.class {
            return Err(UnknownClass::new(class, self.classes().iter().map(String::as_str)));
        }
        let Tenant { key, cost: known, weight } = rank;
        Ok(Tenant { key: label.key.unwrap_or(key), cost: label.weight.map_or(known, cost), weight })
    }
}

// === impl AsItIs ===

impl Hasher for AsItIs {
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("a key is one number")
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

// === impl Tenant ===

impl Tenant {
    /// One of this key, that costs 1, at a weight of 1.
    pub fn of(key: Key) -> Self {
        Self { key, cost: 1, weight: 1 }
    }

    /// In a unit of your choice: calls, bytes, tokens. 0 counts as 1. From a label, its weight.
    #[must_use]
    pub fn cost(mut self, cost: u32) -> Self {
        self.cost = cost;
        self
    }

    /// The weight of the share, 1 to 2^20; what is beyond counts as that. It should be the same for all of a key.
    #[must_use]
    pub fn weight(mut self, weight: u32) -> Self {
        self.weight = weight;
        self
    }
}

impl Default for Tenant {
    fn default() -> Self {
        Self::of(Key::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: u64) -> Entry<Tenant> {
        Entry::new(number as u32, Tenant::of(Key::of(&number)), number, 0)
    }

    #[test]
    fn memory_is_that_of_who_waits_and_of_a_fixed_number_of_keys() {
        let mut line = FairByKey::new();
        // Somebody always waits, each of a key of its own.
        line.insert(entry(0));
        for number in 1..20_000 {
            line.insert(entry(number));
            if number % 2 == 0 || number > 10_000 {
                assert!(line.remove(entry(number)));
            } else {
                assert!(line.next(0).is_some());
            }
            assert_eq!(line.keys(), 1);
            let places = [line.ids.by_key.len(), line.ids.flows.len(), line.ids.turns.len()];
            // Two have somebody for a moment.
            assert!(places.iter().all(|places| *places <= KEPT + 2 * 2), "{places:?}");
        }
        assert!(line.next(0).is_some());
        assert_eq!(line.next(0), None);
    }
}
