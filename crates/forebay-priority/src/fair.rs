//! Fair between any number of keys.

use forebay_queue::{Discipline, Entry, Key, Label, Tick, UnknownClass};

use crate::flows::{Asked, Flows};
use crate::lines::{InLines, Lined, Lines};
use crate::rounds::{Rounds, Waiting};
use crate::weighted::{MAX_WEIGHT, cost};

/// Each key with items waiting gets the same share, or one by its weight; first in, first out within a key. Keys (tenants,
/// users, hosts) need not be known in advance.
///
/// The shares are max-min fair: a key that needs less than its share gets all that it needs, and the others share what is
/// left.
///
/// It is self-clocked fair queueing: each item has a *finish*, which is its cost divided by its weight, plus the finish of
/// the item before it of its key or of the item served last, whichever is later; the lowest finish is next. Of items with
/// the same finish, the one that came first is first, or the one that has been its key's first for longer.
///
/// # Bounds
///
/// **Fairness.** While two keys have items waiting, their services, each divided by its weight, differ over any stretch by
/// at most the sum of their highest costs, each divided by its weight. So keys of equal costs and weights differ by at
/// most two items.
///
/// **Nobody starves.** Before the next item of a key is served, each other key is served at most that item's cost, times
/// the other's weight by its own, plus the cost of the other key's costliest item. That is one item more; but if a costly
/// item is taken out or another comes back in front of it, cheaper ones behind it may have waited as long, and then it is
/// as many of them. A key that was away has saved up nothing, and one that comes back owes nothing.
///
/// **Memory.** That of the waiting items, and a small slot for each non-empty key, for as many others that were non-empty
/// lately, and for 1024 more. A key need not be remembered when its last item leaves: then its finish is that of the item
/// served last, and so the same as a new key's.
///
/// **Time.** O(1) to join and to be next, while all items cost and weigh 1 and leave by being served: then a key has one
/// item in each round, and the round of an item is known when it comes. The first item that costs or weighs more, is taken
/// out or comes back moves all waiting items into lines by key, where they stay until nobody waits: O(1) for each item
/// once, but O(n) for that one call, and under the lock of a queue. In these lines it is O(1) to join and to be next if
/// all items cost and weigh the same, O(log keys) otherwise; O(log n) to remove and put back; O(1) to find the item to
/// displace, the youngest of the key with the most items waiting.
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

/// The waiting items.
#[derive(Debug, Clone)]
pub struct FairLines<P> {
    /// Used while all items cost and weigh 1, and leave only by being served: then an item's place is known when it comes.
    rounds: Rounds<P>,
    /// Used otherwise, from then on until nobody waits.
    flows: Option<Box<Flows<P>>>,
    served: u64,
}

/// An item's key, its cost, and the weight of the key's share.
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

// === impl FairByKey ===

impl FairByKey {
    /// Fair between keys.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many keys have items waiting, not counting those of a queue, which keeps its items on a
    /// [`Shelf`](forebay_queue::Shelf). May look at every waiting item.
    pub fn keys(&self) -> usize {
        self.ids.in_flows().map_or_else(|| self.ids.rounds.keys(), Flows::keys)
    }
}

// === impl FairLines ===

impl<P> FairLines<P> {
    fn in_flows(&self) -> Option<&Flows<P>> {
        self.flows.as_deref().filter(|flows| flows.len() > 0)
    }

    /// Moves all items from rounds to flows, for what cannot be done in rounds.
    #[cold]
    fn leave_rounds(&mut self) -> &mut Flows<P> {
        let flows = self.flows.get_or_insert_with(|| Box::new(Flows::new()));
        if !self.rounds.is_empty() {
            flows.take_over(&mut self.rounds);
        }
        flows
    }

    /// The flows, while any item waits in them.
    #[inline]
    fn flows(&mut self) -> Option<&mut Flows<P>> {
        self.flows.as_deref_mut().filter(|flows| flows.len() > 0)
    }
}

// In rounds, joining and being next are short, and a call that passes the item would cost a tenth more.
impl<P: Send> Lines<P> for FairLines<P> {
    type Rank = Tenant;
    /// There are no settings.
    type Rules = ();

    fn new((): &()) -> Self {
        Self { rounds: Rounds::new(), flows: None, served: 0 }
    }

    fn len(&self) -> usize {
        self.in_flows().map_or_else(|| self.rounds.len(), Flows::len)
    }

    /// All items are of one class.
    fn len_of(&self, _class: usize) -> usize {
        self.len()
    }

    #[inline(always)]
    fn insert(&mut self, (): &(), entry: Entry<Tenant>, what: P) {
        match self.flows() {
            Some(flows) => flows.insert(entry, what),
            None if entry.rank.asked() == Asked::ONE => {
                self.rounds.push(entry.rank.key, entry.seq, entry.since, what);
            }
            None => self.leave_rounds().insert(entry, what),
        }
    }

    #[inline(always)]
    fn next(&mut self, (): &(), _: Tick) -> Option<(Entry<Tenant>, P)> {
        let next = match self.flows() {
            Some(flows) => flows.next(),
            None => self.rounds.pop().map(|waiting| (waiting.entry(), waiting.what)),
        };
        self.served += u64::from(next.is_some());
        next
    }

    fn put_back(&mut self, (): &(), entry: Entry<Tenant>, what: P) {
        self.leave_rounds().insert(entry, what);
    }

    fn remove(&mut self, (): &(), entry: Entry<Tenant>) -> Option<P> {
        self.leave_rounds().remove(entry)
    }

    /// The youngest item of the key with the most items waiting.
    fn last(&self, (): &()) -> Option<(Entry<Tenant>, &P)> {
        match self.in_flows() {
            Some(flows) => flows.last(),
            None => self.rounds.last().map(|last| (last.entry(), &last.what)),
        }
    }

    fn served(&self, _class: usize) -> u64 {
        self.served
    }

    fn for_each(&self, see: &mut dyn FnMut(Entry<Tenant>)) {
        match self.in_flows() {
            Some(flows) => flows.for_each(see),
            None => self.rounds.iter().for_each(|waiting| see(waiting.entry())),
        }
    }
}

impl<P> Waiting<P> {
    fn entry(&self) -> Entry<Tenant> {
        Entry::new(0, Tenant::of(self.key), self.seq, self.since)
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

// === impl Tenant ===

impl Tenant {
    pub(crate) fn asking(key: Key, Asked { cost, weight }: Asked) -> Self {
        Self { key, cost, weight }
    }

    pub(crate) fn key(self) -> Key {
        self.key
    }

    /// Its cost and weight, in range.
    pub(crate) fn asked(self) -> Asked {
        Asked { cost: self.cost.max(1), weight: self.weight.clamp(1, MAX_WEIGHT) }
    }

    /// An item of this key that costs 1, at a weight of 1.
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
