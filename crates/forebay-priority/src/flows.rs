//! A line for each key, and which of their first items is next.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Place;
use std::sync::OnceLock;

use forebay_queue::{Entry, Key};

use crate::Tenant;
use crate::by_key::ByKey;
use crate::lane::{Lane, Slot};
use crate::longest::Longest;
use crate::rounds::{Rounds, Waiting};
use crate::turns::Turns;

/// The waiting items, whatever each costs and weighs.
#[derive(Debug, Clone)]
pub(crate) struct Flows<P> {
    flows: Vec<Flow<P>>,
    /// How many items wait.
    waiting: usize,
    /// Places in `flows` that belong to no key.
    unused: Vec<usize>,
    /// The place of each key in `flows`; also for keys that had items lately.
    by_key: ByKey<usize>,
    /// How many keys have items.
    busy: usize,
    /// A turn for each flow that has items, by the finish of its first; and turns that no longer hold.
    turns: Turns,
    /// How many items wait in each flow, from when somebody asks which to displace until nothing waits.
    lengths: OnceLock<Longest>,
    /// The highest finish of the items that were served.
    clock: u128,
}

#[derive(Debug, Clone)]
struct Flow<P> {
    key: Key,
    /// The finish of the item before the first.
    start: u128,
    /// The number of its turn, or `NO_TURN` while it is empty.
    turn: u64,
    lane: Lane<Asked, P>,
}

/// The cost of an item, and the weight of its key's share.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) cost: u32,
    pub(crate) weight: u32,
}

/// The number of no turn.
const NO_TURN: u64 = 0;

/// For how many keys without items the places are kept, at least.
const KEPT: usize = 1024;

/// What a cost of 1 is at a weight of 1: high, so that little is lost by rounding.
const SCALE: u128 = 1 << 40;

/// The cost of an item divided by the weight of its share. Division of 128 bits is slow, and most items need none.
#[inline]
fn share(cost: u32, weight: u32) -> u128 {
    let cost = u128::from(cost) * SCALE;
    if weight == 1 { cost } else { cost / u128::from(weight) }
}

// === impl Flows ===

impl<P> Flows<P> {
    pub(crate) fn new() -> Self {
        Self {
            flows: Vec::new(),
            waiting: 0,
            unused: Vec::new(),
            by_key: HashMap::default(),
            busy: 0,
            turns: Turns::default(),
            lengths: OnceLock::new(),
            clock: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting
    }

    /// How many keys have items.
    pub(crate) fn keys(&self) -> usize {
        self.busy
    }

    /// Takes over the items that waited in rounds, while nothing waits here.
    pub(crate) fn take_over(&mut self, rounds: &mut Rounds<P>) {
        // So that there is a time before the round that is being served.
        self.clock += SCALE;
        for (later, waiting) in rounds.drain() {
            let Waiting { key, seq, since, what, .. } = waiting;
            let at = self.flow(key);
            let flow = &mut self.flows[at];
            let is_first = flow.lane.is_empty();
            flow.lane.insert(seq, since, Asked::ONE, what);
            self.waiting += 1;
            if is_first {
                flow.start = self.clock + u128::from(later) * SCALE - SCALE;
                self.busy += 1;
                self.take_turn(at);
            }
            self.measure(at);
        }
    }

    #[inline(never)]
    pub(crate) fn insert(&mut self, entry: Entry<Tenant>, what: P) {
        let (key, asked) = (entry.rank.key(), entry.rank.asked());
        let at = self.flow(key);
        let flow = &mut self.flows[at];
        let first = flow.lane.first().map(|first| first.seq);
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

    /// Called when another item is the first of this flow, or none is. The turn that the flow had no longer holds.
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

    /// Called when few of the keys with a place have items: the others lose theirs.
    #[cold]
    fn forget(&mut self) {
        if self.busy == 0 {
            self.lengths.take();
            if self.flows.len() > KEPT {
                *self = Self { clock: self.clock, ..Self::new() };
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

    /// Notes how many items wait in a flow, where somebody wants to know.
    #[inline]
    fn measure(&mut self, at: usize) {
        if let Some(lengths) = self.lengths.get_mut() {
            lengths.set(at, self.flows[at].lane.len());
        }
    }

    #[inline(never)]
    pub(crate) fn next(&mut self) -> Option<(Entry<Tenant>, P)> {
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
            // An item that came back, or behind which a costlier one has left, may finish before items served since.
            self.clock = self.clock.max(turn.time);
            self.waiting -= 1;
            self.measure(at);
            self.take_turn(at);
            return Some((entry, slot.what));
        }
    }

    pub(crate) fn remove(&mut self, entry: Entry<Tenant>) -> Option<P> {
        let &at = self.by_key.get(&entry.rank.key())?;
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

    /// The youngest item of the key with the most items waiting.
    pub(crate) fn last(&self) -> Option<(Entry<Tenant>, &P)> {
        let lengths = self.lengths.get_or_init(|| {
            let mut lengths = Longest::default();
            self.flows.iter().enumerate().for_each(|(at, flow)| lengths.set(at, flow.lane.len()));
            lengths
        });
        let flow = &self.flows[lengths.longest()?];
        flow.lane.last().map(|last| (last.entry(flow.key), last.what))
    }

    pub(crate) fn for_each(&self, see: &mut dyn FnMut(Entry<Tenant>)) {
        for flow in &self.flows {
            flow.lane.iter().for_each(|slot| see(slot.entry(flow.key)));
        }
    }
}

// === impl Asked ===

impl Asked {
    pub(crate) const ONE: Self = Self { cost: 1, weight: 1 };
}

impl<P> Slot<Asked, P> {
    fn entry(&self, key: Key) -> Entry<Tenant> {
        Entry::new(0, Tenant::asking(key, self.more), self.seq, self.since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_that_of_who_waits_and_of_a_fixed_number_of_keys() {
        let entry = |number: u64| Entry::new(0, Tenant::of(Key::of(&number)), number, 0);
        let mut flows = Flows::new();
        // Some item always waits, each of a key of its own.
        flows.insert(entry(0), ());
        for number in 1..20_000 {
            flows.insert(entry(number), ());
            if number % 2 == 0 || number > 10_000 {
                assert!(flows.remove(entry(number)).is_some());
            } else {
                assert!(flows.next().is_some());
            }
            assert_eq!(flows.keys(), 1);
            let places = [flows.by_key.len(), flows.flows.len(), flows.turns.len()];
            // Two keys have items for a moment.
            assert!(places.iter().all(|places| *places <= KEPT + 2 * 2), "{places:?}");
        }
        assert!(flows.next().is_some());
        assert!(flows.next().is_none());
    }
}
