//! Fair between any number of keys.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

use forebay_queue::{Discipline, Entry, Key, Label, Tick, UnknownClass};

use crate::lane::Lane;
use crate::longest::Longest;
use crate::weighted::{MAX_WEIGHT, cost};

/// Each key that has somebody waiting gets the same share, or one by its weight; first in, first out within a key. Keys need
/// not be known before: tenants, users, hosts.
///
/// The shares are max-min fair: a key that wants less than its share gets all that it wants, and what it leaves is shared by
/// the others.
///
/// Self-clocked fair queueing: each item has a *finish*, the finish of the one before it of its key, but not before the one
/// that was served last, plus its cost divided by its weight; the lowest is next.
///
/// # Bounds
///
/// **Fairness.** While two keys have somebody waiting, what they are served, each divided by its weight, differs over any stretch by
/// the sum of their highest costs, each divided by its weight, at the most. So between keys of equal costs and weights by two
/// items.
///
/// **Nobody starves.** The next item of a key is served after at most what it costs, times the sum of all weights by its own,
/// and one item more of each other key. Who was away has saved up nothing, and who comes back owes nothing.
///
/// **Memory.** That of what waits, and a small place for each of as many keys as have waited at once since there was none. A key is
/// forgotten when its last item leaves: then its finish is that of the item which was served last, and so the same as
/// a new key's.
///
/// **Time.** O(log keys) for the first and the next, O(log n) to remove and put back; O(1) to find whom to displace: the
/// youngest of the key of which most wait.
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
#[derive(Debug, Clone, Default)]
pub struct FairByKey {
    flows: Vec<Flow>,
    /// Places in `flows` that nobody has.
    unused: Vec<usize>,
    by_key: HashMap<Key, usize, BuildHasherDefault<AsItIs>>,
    /// Each flow by the finish of its first, and among equals by the number of that.
    order: BTreeSet<(u128, u64, usize)>,
    lengths: Longest,
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
struct Flow {
    key: Key,
    /// The finish of the one before the first.
    start: u128,
    /// The key under which it is in `order`.
    finish: (u128, u64),
    /// With what they cost and weigh.
    lane: Lane<(u32, u32)>,
}

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

    /// How many keys have somebody waiting.
    pub fn keys(&self) -> usize {
        self.by_key.len()
    }

    fn join(&mut self, entry: Entry<Tenant>) {
        let Tenant { key, cost, weight } = entry.rank;
        let at = match self.by_key.get(&key) {
            Some(&at) => at,
            None => self.open(key),
        };
        let flow = &mut self.flows[at];
        let first = flow.lane.first().map(|first| first.seq);
        flow.lane.insert(entry.seq, entry.id, (cost.max(1), weight.clamp(1, MAX_WEIGHT)));
        if first.is_some_and(|first| first < entry.seq) {
            // The first of its key is who it was.
            return self.lengths.set(at, flow.lane.len());
        }
        if first.is_some() {
            self.order.remove(&(flow.finish.0, flow.finish.1, at));
        }
        self.settle(at);
    }

    /// A place for a key that has nobody.
    fn open(&mut self, key: Key) -> usize {
        let flow = Flow { key, start: self.clock, finish: (0, 0), lane: Lane::new() };
        let at = match self.unused.pop() {
            Some(at) => {
                self.flows[at] = flow;
                at
            }
            None => {
                self.flows.push(flow);
                self.flows.len() - 1
            }
        };
        self.by_key.insert(key, at);
        at
    }

    /// A flow that is not in `order` goes there again by its first, or is forgotten if there is none.
    fn settle(&mut self, at: usize) {
        let flow = &mut self.flows[at];
        match flow.lane.first() {
            Some(first) => {
                let (cost, weight) = first.more;
                flow.finish = (flow.start + share(cost, weight), first.seq);
                self.order.insert((flow.finish.0, flow.finish.1, at));
            }
            None => {
                flow.lane.rest();
                self.by_key.remove(&flow.key);
                self.unused.push(at);
            }
        }
        self.lengths.set(at, self.flows[at].lane.len());
        if self.by_key.is_empty() {
            // A crowd of keys has gone; its places need not be kept.
            *self = Self { clock: self.clock, ..Self::default() };
        }
    }
}

impl Discipline for FairByKey {
    type Rank = Tenant;

    fn insert(&mut self, entry: Entry<Tenant>) {
        self.join(entry);
    }

    fn next(&mut self, _: Tick) -> Option<u32> {
        let (finish, _, at) = self.order.pop_first()?;
        let flow = &mut self.flows[at];
        let slot = flow.lane.pop_first()?;
        flow.start = finish;
        // One that came back, or behind which a costlier one has left, may finish before what was served since.
        self.clock = self.clock.max(finish);
        self.settle(at);
        Some(slot.id)
    }

    fn put_back(&mut self, entry: Entry<Tenant>) {
        self.join(entry);
    }

    fn remove(&mut self, entry: Entry<Tenant>) -> bool {
        let Some(&at) = self.by_key.get(&entry.rank.key) else { return false };
        let flow = &mut self.flows[at];
        if flow.lane.remove(entry.seq).is_none() {
            return false;
        }
        self.order.remove(&(flow.finish.0, flow.finish.1, at));
        self.settle(at);
        true
    }

    /// The youngest of the key of which most wait.
    fn last(&self) -> Option<u32> {
        self.flows[self.lengths.longest()?].lane.last().map(|slot| slot.id)
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
