//! Shares by weight.

use std::collections::VecDeque;

use forebay_queue::{Discipline, Entry, Label, Tick, UnknownClass};

use crate::config::in_range;
use crate::lane::{Lane, Slot};
use crate::lines::{InLines, Lined, Lines};
use crate::{Class, Classes, ConfigError};

/// Deficit round robin: each class with items waiting gets a share in proportion to its weight, measured in what the
/// items cost; first in, first out within a class.
///
/// A round visits each non-empty class once, in the order in which they began to wait. At a visit the class's *deficit*
/// grows by its weight times the *quantum*; it is served while its next item costs no more than the deficit, which falls
/// by that cost. What is left is kept for the next round, unless the class is empty: an idle class saves up nothing.
///
/// # Bounds
///
/// **Fairness.** With `C` the highest cost of an item, a class that is never empty is served, after `m` rounds,
/// `m * weight * quantum` give or take `C`. Over any stretch, the services of two such classes, each divided by its weight,
/// differ by at most `2 C + quantum`.
///
/// **Nobody starves.** The next item of a class of weight `w` is served after `cost / (w * quantum)` rounds, rounded up,
/// at the latest.
///
/// **Time.** O(1) for the first and the next if no item costs more than a quantum, otherwise O(classes); O(log n) to
/// remove, reclass and put back, O(classes) if that empties a class; O(classes) to find the item to displace: the youngest
/// of the class with the most waiting for its weight.
///
/// # Source
///
/// M. Shreedhar and G. Varghese, *Efficient fair queuing using deficit round robin*, IEEE/ACM Transactions on Networking 4(3),
/// 1996. Where whole rounds would serve nothing, because items cost much more than the quantum, all those rounds are
/// skipped at once.
///
/// # Example
///
/// ```
/// use forebay_priority::WeightedFair;
/// use forebay_queue::{By, builder};
///
/// let shares = WeightedFair::new([("paid", 2), ("free", 1)])?;
/// let (tx, mut rx) = builder().line(By::label(shares)).build();
/// for n in 1..=4 {
///     tx.item(format!("free {n}")).class("free").try_send()?;
///     tx.item(format!("paid {n}")).class("paid").try_send()?;
/// }
/// let order: Vec<_> = std::iter::from_fn(|| rx.try_recv().ok()).collect();
/// assert_eq!(order[..6], ["free 1", "paid 1", "paid 2", "free 2", "paid 3", "paid 4"]);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct WeightedFair {
    rules: Rules,
    ids: WeightedLines<u32>,
}

/// The settings.
#[derive(Debug, Clone)]
pub struct Rules {
    classes: Classes,
    quantum: u64,
    /// The weight of each class.
    weights: Vec<u64>,
}

/// The waiting items.
#[derive(Debug, Clone)]
pub struct WeightedLines<P> {
    flows: Vec<Flow<P>>,
    waiting: usize,
    /// The classes that have items, in the order of the round. The first is being visited.
    round: VecDeque<usize>,
    /// Has the first class of the round had its quantum in this visit?
    visited: bool,
}

/// The class of an item, and what it costs to serve it.
///
/// ```
/// use forebay_priority::{Class, Share};
///
/// assert_eq!(Share::default(), Share::new(Class::DEFAULT, 1));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Share {
    /// The class from whose share it is served.
    pub class: Class,
    /// In a unit of your choice: calls, bytes, tokens. 0 counts as 1. From a label, its weight.
    pub cost: u32,
}

#[derive(Debug, Clone)]
struct Flow<P> {
    deficit: u64,
    /// The cost of all waiting items together.
    backlog: u64,
    served: u64,
    /// The items, each with its cost.
    lane: Lane<u32, P>,
}

// === impl WeightedFair ===

impl WeightedFair {
    /// Classes with their weights, 1 to 2^20 each. By default an item without a class belongs to the last one.
    ///
    /// # Errors
    ///
    /// See [`Classes::new`]; or a weight is out of its range.
    pub fn new<N: Into<String>>(shares: impl IntoIterator<Item = (N, u32)>) -> Result<Self, ConfigError> {
        let (names, weights): (Vec<String>, Vec<u32>) =
            shares.into_iter().map(|(name, weight)| (name.into(), weight)).unzip();
        let classes = Classes::new(names)?;
        let weights = weights.into_iter().map(|weight| check_weight(weight).map(|()| weight.into()));
        let rules = Rules { classes, quantum: 1, weights: weights.collect::<Result<_, _>>()? };
        Ok(Self { ids: WeightedLines::new(&rules), rules })
    }

    /// Its classes.
    pub fn class_names(&self) -> &Classes {
        &self.rules.classes
    }

    /// How much a class of weight 1 is served in a round, in the unit of the costs: 1 to 2^32 - 1. Default: 1, which is
    /// right if every item costs 1.
    ///
    /// The higher it is, the longer the runs of one class; below the usual cost of an item, each item takes several
    /// rounds.
    ///
    /// # Errors
    ///
    /// If it is 0.
    pub fn quantum(mut self, quantum: u32) -> Result<Self, ConfigError> {
        in_range("quantum", quantum.into(), 1, u32::MAX.into())?;
        self.rules.quantum = quantum.into();
        Ok(self)
    }

    /// The class of items that name none.
    ///
    /// # Errors
    ///
    /// There is no class of that name.
    pub fn with_default(mut self, class: &str) -> Result<Self, ConfigError> {
        self.rules.classes = self.rules.classes.with_default(class)?;
        Ok(self)
    }

    /// Changes a weight, also while it is in use ([`retune`](forebay_queue::Sender::retune)). It counts from the next visit
    /// on.
    ///
    /// # Errors
    ///
    /// There is no class of that name, or the weight is out of its range.
    pub fn set_weight(&mut self, class: &str, weight: u32) -> Result<(), ConfigError> {
        check_weight(weight)?;
        let Rules { classes, weights, .. } = &mut self.rules;
        weights[classes.index(classes.named(class)?)] = weight.into();
        Ok(())
    }
}

// === impl WeightedLines ===

impl<P> WeightedLines<P> {
    fn join(&mut self, rules: &Rules, entry: Entry<Share>, what: P) {
        let class = rules.classes.index(entry.rank.class);
        let flow = &mut self.flows[class];
        if flow.lane.is_empty() {
            self.round.push_back(class);
        }
        let cost = entry.rank.cost.max(1);
        flow.backlog += u64::from(cost);
        flow.lane.insert(entry.seq, entry.since, cost, what);
        self.waiting += 1;
    }

    /// Ends the visit of a class that is empty, or whose deficit is too small.
    fn end_visit(&mut self) -> Option<usize> {
        self.visited = false;
        self.round.pop_front()
    }

    /// Called when a whole round served nothing: skips the rounds in which nothing can be served.
    fn pass_rounds(&mut self, rules: &Rules) {
        let given = |class: usize| rules.weights[class] * rules.quantum;
        let missing = |class: usize| {
            let flow = &self.flows[class];
            let cost = flow.lane.first().map_or(0, |slot| u64::from(slot.more));
            cost.saturating_sub(flow.deficit).div_ceil(given(class))
        };
        let rounds = self.round.iter().map(|&class| missing(class)).min().unwrap_or(0);
        for &class in &self.round {
            self.flows[class].deficit += rounds.saturating_sub(1) * given(class);
        }
    }

    /// Notes that an item of this cost has left this class.
    fn left(&mut self, class: usize, cost: u64) {
        self.waiting -= 1;
        let flow = &mut self.flows[class];
        flow.backlog -= cost;
        if flow.lane.is_empty() {
            flow.deficit = 0;
            if self.round.front() == Some(&class) {
                self.end_visit();
            } else {
                self.round.retain(|other| *other != class);
            }
        }
    }
}

impl<P: Send> Lines<P> for WeightedLines<P> {
    type Rank = Share;
    type Rules = Rules;

    fn new(rules: &Rules) -> Self {
        let flows =
            rules.weights.iter().map(|_| Flow { deficit: 0, backlog: 0, served: 0, lane: Lane::new() });
        Self { flows: flows.collect(), waiting: 0, round: VecDeque::new(), visited: false }
    }

    fn len(&self) -> usize {
        self.waiting
    }

    fn len_of(&self, class: usize) -> usize {
        self.flows[class].lane.len()
    }

    #[inline]
    fn insert(&mut self, rules: &Rules, entry: Entry<Share>, what: P) {
        self.join(rules, entry, what);
    }

    #[inline]
    fn next(&mut self, rules: &Rules, _: Tick) -> Option<(Entry<Share>, P)> {
        let mut in_vain = 0;
        loop {
            let &class = self.round.front()?;
            let flow = &mut self.flows[class];
            if !self.visited {
                self.visited = true;
                flow.deficit += rules.weights[class] * rules.quantum;
            }
            let cost = u64::from(flow.lane.first()?.more);
            if cost <= flow.deficit {
                flow.deficit -= cost;
                let slot = flow.lane.pop_first()?;
                flow.served += 1;
                self.left(class, cost);
                return Some((slot.entry(class), slot.what));
            }
            let class = self.end_visit()?;
            self.round.push_back(class);
            in_vain += 1;
            if in_vain == self.round.len() {
                self.pass_rounds(rules);
                in_vain = 0;
            }
        }
    }

    fn put_back(&mut self, rules: &Rules, entry: Entry<Share>, what: P) {
        self.join(rules, entry, what);
    }

    fn remove(&mut self, rules: &Rules, entry: Entry<Share>) -> Option<P> {
        let class = rules.classes.index(entry.rank.class);
        let removed = self.flows[class].lane.remove(entry.seq)?;
        self.left(class, removed.more.into());
        Some(removed.what)
    }

    /// The youngest item of the class with the most waiting for its weight; of several such classes, of the last one.
    fn last(&self, rules: &Rules) -> Option<(Entry<Share>, &P)> {
        let filled = self.flows.iter().enumerate().filter(|(_, flow)| !flow.lane.is_empty());
        let share = |class: usize, flow: &Flow<P>| {
            (u128::from(flow.backlog) << 20) / u128::from(rules.weights[class])
        };
        let (class, flow) = filled.max_by_key(|&(class, flow)| share(class, flow))?;
        flow.lane.last().map(|last| (last.entry(class), last.what))
    }

    fn served(&self, class: usize) -> u64 {
        self.flows[class].served
    }

    fn for_each(&self, see: &mut dyn FnMut(Entry<Share>)) {
        for (class, flow) in self.flows.iter().enumerate() {
            flow.lane.iter().for_each(|slot| see(slot.entry(class)));
        }
    }
}

impl<P> Slot<u32, P> {
    fn entry(&self, class: usize) -> Entry<Share> {
        Entry::new(0, Share::new(Class::new(class as u16), self.more), self.seq, self.since)
    }
}

impl Lined for WeightedFair {
    type Rules = Rules;
    type Lines<P: Send> = WeightedLines<P>;

    fn rules(&self) -> &Rules {
        &self.rules
    }
}

impl Discipline for WeightedFair {
    type Rank = Share;
    type Shelf<P: Send> = InLines<P, Self>;

    fn insert(&mut self, entry: Entry<Share>) {
        self.ids.insert(&self.rules, entry, entry.id);
    }

    fn next(&mut self, now: Tick) -> Option<u32> {
        self.ids.next(&self.rules, now).map(|(_, id)| id)
    }

    fn put_back(&mut self, entry: Entry<Share>) {
        self.ids.put_back(&self.rules, entry, entry.id);
    }

    fn remove(&mut self, entry: Entry<Share>) -> bool {
        self.ids.remove(&self.rules, entry).is_some()
    }

    fn last(&self) -> Option<u32> {
        self.ids.last(&self.rules).map(|(_, id)| *id)
    }

    fn classes(&self) -> &[String] {
        self.rules.classes.names()
    }

    fn class(&self, rank: Share) -> usize {
        self.rules.classes.index(rank.class)
    }

    fn relabel(&self, rank: Share, label: &Label<'_>) -> Result<Share, UnknownClass> {
        let class = self.rules.classes.relabel(rank.class, label.class)?;
        Ok(Share { class, cost: label.weight.map_or(rank.cost, cost) })
    }
}

// === impl Share ===

impl Share {
    /// An item of this class, at this cost.
    pub fn new(class: Class, cost: u32) -> Self {
        Self { class, cost }
    }
}

impl Default for Share {
    fn default() -> Self {
        Self::new(Class::DEFAULT, 1)
    }
}

/// The cost for a weight; one that does not fit is the highest cost.
pub(crate) fn cost(weight: usize) -> u32 {
    u32::try_from(weight).unwrap_or(u32::MAX)
}

/// The highest weight.
pub(crate) const MAX_WEIGHT: u32 = 1 << 20;

fn check_weight(weight: u32) -> Result<(), ConfigError> {
    in_range("a weight", weight.into(), 1, MAX_WEIGHT.into())
}
