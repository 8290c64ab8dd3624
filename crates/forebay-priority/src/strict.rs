//! Classes in strict order, without starvation.

use std::iter;
use std::time::Duration;

use forebay_queue::{Discipline, Entry, Label, Tick, UnknownClass};

use crate::arrivals::{Arrivals, Returned, Turn};
use crate::config::{in_range, nanos};
use crate::lane::Lane;
use crate::lines::{InLines, Lined, Lines};
use crate::tree::{Lowest, NONE};
use crate::{Class, Classes, ConfigError};

/// The most urgent class first, and first in, first out within a class; an item that would be overtaken too often is
/// promoted: it goes before all that are not.
///
/// Each item has a *turn*, its place in plain order of arrival: how many would leave before it if there were no classes.
/// An item that leaves later than that was overtaken, by as many.
///
/// # Bounds
///
/// **Nobody starves.** No item is overtaken more than `k` times ([`promote_after`](Self::promote_after), 1000 unless told
/// otherwise), so one that finds `n` others waiting is served after `n + k` others at the latest. To keep that, it is
/// promoted once it was overtaken `k` times, or, since nobody looks after each item that leaves, up to an eighth of `k`
/// earlier if that is 48 or more. Of those that are promoted together, 64 at the most, the most urgent go first. An item that
/// is taken out of the line (cancelled, displaced, moved to another class) counts as served. No order can keep a bound
/// against any number of those, so each that is taken out while an item waits may come on top of `k`.
///
/// The price: where urgent items alone are more than can be served, less urgent ones still come through at the rate at which
/// they arrive, only later. For shares under lasting overload use [`WeightedFair`](crate::WeightedFair).
///
/// An item that comes back, or changes its class, may be overtaken `k` more times. Each time it is served counts for those
/// that wait, so an item that keeps coming back holds up nobody.
///
/// **Time.** O(1) for the first and, amortised, for the next; and once for every `k` / 24 that leave, 64 at the most, a look at
/// the classes that have items. After a change of `k`, and where many were taken out, there may be a look for each of the next
/// until those are served that are overdue. O(log n) to remove, reclass and put back.
///
/// # Source
///
/// Head-of-the-line priorities (A. Cobham, *Priority assignment in waiting line problems*, Operations Research 2, 1954).
/// The bound on overtaking is ours; kernels promote by time instead, which needs a clock, and is available as
/// [`promote_after_waiting`](Self::promote_after_waiting).
///
/// # Example
///
/// ```
/// use forebay_priority::Strict;
/// use forebay_queue::{By, builder};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (tx, mut rx) = builder().line(By::label(Strict::levels())).build();
/// tx.item("clean up").class("low").send().await?;
/// tx.send("reply").await?; // medium, since nothing is said
/// tx.item("page somebody").class("high").send().await?;
/// assert!(tx.item("?").class("urgent").send().await.is_err(), "there is no such class");
/// assert_eq!(rx.recv().await, Some("page somebody"));
/// assert_eq!(rx.recv().await, Some("reply"));
/// assert_eq!(rx.recv().await, Some("clean up"));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Strict {
    rules: Rules,
    ids: StrictLines<u32>,
}

/// The settings.
#[derive(Debug, Clone)]
pub struct Rules {
    classes: Classes,
    promote_after: Option<u64>,
    patience: Option<u64>,
}

/// The waiting items.
#[derive(Debug, Clone)]
pub struct StrictLines<P> {
    arrivals: Arrivals,
    rows: Vec<Row<P>>,
    /// When the first item of each row came, where that matters.
    came: Option<Came>,
    /// The items that came back to before others.
    returned: Returned,
}

/// What changes with each item of a class: one cache line, which moves from core to core with the queue.
#[derive(Debug, Clone)]
#[repr(align(64))]
pub(crate) struct Row<P> {
    /// The items, each with its *turn*, the number of its arrival.
    pub(crate) lane: Lane<Turn, P>,
    /// How many of them were served.
    served: u64,
    /// How many of these were promoted.
    promoted: u64,
}

/// When the first item of each row came.
#[derive(Debug, Clone)]
struct Came {
    firsts: Lowest,
    /// After so many items had come or left.
    moves: u64,
}

/// After how many overtakings an item is promoted at most: before its turn is so long ago that the lower half no longer
/// tells it.
const MOST: u64 = 1 << 31;

// === impl Strict ===

impl Strict {
    /// After how many overtakings an item is promoted, by default.
    pub const PROMOTE_AFTER: u64 = 1000;

    /// The order of these classes.
    pub fn new(classes: Classes) -> Self {
        let rules = Rules { classes, promote_after: Some(Self::PROMOTE_AFTER), patience: None };
        Self { ids: StrictLines::new(&rules), rules }
    }

    /// `high`, `medium`, `low`, see [`Classes::levels`].
    pub fn levels() -> Self {
        Self::new(Classes::levels())
    }

    /// Its classes.
    pub fn class_names(&self) -> &Classes {
        &self.rules.classes
    }

    /// After how many overtakings an item is promoted: 1 or more. A small number is nearly first in, first out; one above
    /// 2 147 483 648 counts as that. Where it is changed while in use, the few that were to be promoted next still are. Default:
    /// [`PROMOTE_AFTER`](Self::PROMOTE_AFTER).
    ///
    /// # Errors
    ///
    /// If it is 0.
    pub fn promote_after(mut self, overtakings: u64) -> Result<Self, ConfigError> {
        in_range("promote_after", overtakings, 1, u64::MAX)?;
        self.rules.promote_after = Some(overtakings.min(MOST));
        self.ids.retuned();
        Ok(self)
    }

    /// Also promotes items that have waited this long. Costs a clock read for each arrival and each departure. Default:
    /// no clock is read.
    #[must_use]
    pub fn promote_after_waiting(mut self, patience: Duration) -> Self {
        self.rules.patience = Some(nanos(patience));
        self
    }

    /// Promotes no item for being overtaken. Then less urgent items starve while there are enough urgent ones, unless
    /// [`promote_after_waiting`](Self::promote_after_waiting) says otherwise.
    ///
    /// If this is taken back while it is in use ([`retune`](forebay_queue::Sender::retune)), an item after which 2^32 others
    /// came may count as one that came just now, and those behind it in its class wait for it.
    #[must_use]
    pub fn promote_nobody(mut self) -> Self {
        self.rules.promote_after = None;
        self.ids.retuned();
        self
    }
}

// === impl StrictLines ===

impl<P> StrictLines<P> {
    /// Notes when the first item of this class came, after one of it came or left.
    #[cold]
    fn note_came(&mut self, class: usize) {
        let moves = self.arrivals.moves();
        let first = self.first_came(class);
        match &mut self.came {
            Some(came) if came.moves + 1 == moves => {
                came.firsts.set(class, first);
                came.moves = moves;
            }
            // Others came or left meanwhile, while it did not matter.
            came => *came = None,
        }
    }

    fn first_came(&self, class: usize) -> Tick {
        self.rows[class].lane.first().map_or(NONE, |first| first.since)
    }

    /// Takes out the next, whatever there is to be looked at. `first`: the first class that has items.
    #[inline(never)]
    fn next_of_all(&mut self, rules: &Rules, now: Tick, first: usize) -> Option<(Entry<Class>, P)> {
        let due = self.first_due();
        let class = match (due, rules.patience) {
            (Some((class, _)), _) => class,
            (None, Some(patience)) => self.waited_for(now, patience).unwrap_or(first),
            (None, None) => first,
        };
        let row = &mut self.rows[class];
        // Where it is first, it leaves as others do.
        let is_first = |seq: &u64| row.lane.first().is_some_and(|first| first.seq == *seq);
        let behind = due.map(|(_, seq)| seq).filter(|seq| !is_first(seq));
        let slot = behind.and_then(|seq| row.lane.remove(seq)).or_else(|| row.lane.pop_first())?;
        row.served += 1;
        row.promoted += u64::from(class != first);
        self.left(class, slot.seq, slot.more);
        Some((entry(class, slot.seq, slot.since), slot.what))
    }

    /// Of the first class of which items are due, the one that came first: the class, and what it is known by there.
    fn first_due(&mut self) -> Option<(usize, u64)> {
        loop {
            let class = self.arrivals.first_due()?;
            if let Some((_, seq)) = self.due_of(class) {
                return Some((class, seq));
            }
            // It has left as one whose number seems to be another.
            self.arrivals.pass_due(false);
        }
    }

    /// Of the items of this class that are due, the one that came first: its number, and what it is known by there.
    fn due_of(&self, class: usize) -> Option<(u64, u64)> {
        let due_below = self.arrivals.due_below();
        let in_order = self.rows[class].lane.first_in_order();
        let in_order = in_order.map(|(seq, turn)| (self.arrivals.number(turn), seq));
        let returned = self.returned.range(..due_below).find(|(_, (other, _))| *other == class);
        let returned = returned.map(|(&number, &(_, seq))| (number, seq));
        in_order.into_iter().chain(returned).min().filter(|(number, _)| *number < due_below)
    }

    /// Notes what is unusual about an item that has come.
    #[cold]
    fn note(&mut self, class: usize, seq: u64, turn: Turn) {
        let lane = &self.rows[class].lane;
        if lane.is_aside(seq) {
            self.returned.insert(self.arrivals.number(turn), (class, seq));
        }
        self.note_came(class);
    }

    /// Notes that an item of this class left, wherever it was.
    fn left(&mut self, class: usize, seq: u64, turn: Turn) {
        let mut number = self.arrivals.number(turn);
        if !self.returned.is_empty() {
            // It may have waited while 2^32 others came, or several times as many.
            let first = self.returned.keys().next().copied().unwrap_or(0);
            let numbers = iter::successors(Some(number), |number| number.checked_sub(1 << 32));
            let mut numbers = numbers.take_while(|number| *number >= first);
            let known = numbers.find(|number| self.returned.get(number) == Some(&(class, seq)));
            if let Some(known) = known {
                self.returned.remove(&known);
                number = known;
            }
        }
        let is_empty = self.rows[class].lane.is_empty();
        self.arrivals.leave_from(class, number, is_empty);
        self.note_came(class);
    }

    /// The class of the first item that waited for so long.
    fn waited_for(&mut self, now: Tick, patience: u64) -> Option<usize> {
        let moves = self.arrivals.moves();
        if self.came.as_ref().is_none_or(|came| came.moves != moves) {
            let mut firsts = Lowest::new(self.rows.len());
            (0..self.rows.len()).for_each(|class| firsts.set(class, self.first_came(class)));
            self.came = Some(Came { firsts, moves });
        }
        let (class, since) = self.came.as_ref()?.firsts.lowest()?;
        (now.saturating_sub(since) >= patience).then_some(class)
    }
}

// Joining and being next are short, and a call that passes the item would cost a tenth more.
impl<P: Send> Lines<P> for StrictLines<P> {
    type Rank = Class;
    type Rules = Rules;

    fn new(rules: &Rules) -> Self {
        let classes = rules.classes.names().len();
        let rows = (0..classes).map(|_| Row { lane: Lane::new(), served: 0, promoted: 0 });
        Self { rows: rows.collect(), arrivals: Arrivals::new(classes), came: None, returned: Returned::new() }
    }

    fn retuned(&mut self) {
        self.arrivals.look_again();
    }

    fn len(&self) -> usize {
        self.arrivals.waiting()
    }

    fn len_of(&self, class: usize) -> usize {
        self.rows[class].lane.len()
    }

    #[inline(always)]
    fn insert(&mut self, rules: &Rules, entry: Entry<Class>, what: P) {
        let class = rules.classes.index(entry.rank);
        let turn = self.arrivals.join(class);
        if !self.rows[class].lane.push(entry.seq, entry.since, turn, what) {
            self.note(class, entry.seq, turn);
        }
    }

    #[inline(always)]
    fn next(&mut self, rules: &Rules, now: Tick) -> Option<(Entry<Class>, P)> {
        // Those that are due leave one after the other, so this can be predicted.
        let is_usual = self.arrivals.is_usual();
        if !is_usual && self.arrivals.is_time() {
            self.arrivals.look(rules.promote_after, &self.rows, &self.returned);
        }
        let first = self.arrivals.first_class()?;
        let due = if is_usual { None } else { self.arrivals.first_due() };
        let class = due.unwrap_or(first);
        let row = &mut self.rows[class];
        if rules.patience.is_some() || !row.lane.is_plain() {
            return self.next_of_all(rules, now, first);
        }
        row.served += 1;
        let (seq, _, what, is_empty) = row.lane.pop_first_of_plain()?;
        self.arrivals.leave(class, is_empty);
        if due.is_some() {
            row.promoted += u64::from(class != first);
            self.arrivals.pass_due(is_empty);
        }
        Some((entry(class, seq, 0), what))
    }

    fn put_back(&mut self, rules: &Rules, entry: Entry<Class>, what: P) {
        let class = rules.classes.index(entry.rank);
        // It gets a newcomer's turn: with its old one it would win over the waiting items each time that it comes back.
        let turn = self.arrivals.join(class);
        self.rows[class].lane.insert(entry.seq, entry.since, turn, what);
        self.note(class, entry.seq, turn);
    }

    fn remove(&mut self, rules: &Rules, entry: Entry<Class>) -> Option<P> {
        let class = rules.classes.index(entry.rank);
        let removed = self.rows[class].lane.remove(entry.seq)?;
        self.left(class, removed.seq, removed.more);
        Some(removed.what)
    }

    /// The youngest item of the least urgent class.
    fn last(&self, _: &Rules) -> Option<(Entry<Class>, &P)> {
        let class = self.arrivals.last_class()?;
        self.rows[class].lane.last().map(|last| (entry(class, last.seq, last.since), last.what))
    }

    fn served(&self, class: usize) -> u64 {
        self.rows[class].served
    }

    fn promoted(&self, class: usize) -> u64 {
        self.rows[class].promoted
    }

    fn for_each(&self, see: &mut dyn FnMut(Entry<Class>)) {
        for (class, row) in self.rows.iter().enumerate() {
            row.lane.iter().for_each(|slot| see(entry(class, slot.seq, slot.since)));
        }
    }
}

#[inline]
fn entry(class: usize, seq: u64, since: Tick) -> Entry<Class> {
    Entry::new(0, Class::new(class as u16), seq, since)
}

impl Lined for Strict {
    type Rules = Rules;
    type Lines<P: Send> = StrictLines<P>;

    fn rules(&self) -> &Rules {
        &self.rules
    }
}

impl Discipline for Strict {
    type Rank = Class;
    type Shelf<P: Send> = InLines<P, Self>;

    fn insert(&mut self, entry: Entry<Class>) {
        self.ids.insert(&self.rules, entry, entry.id);
    }

    fn next(&mut self, now: Tick) -> Option<u32> {
        self.ids.next(&self.rules, now).map(|(_, id)| id)
    }

    fn put_back(&mut self, entry: Entry<Class>) {
        self.ids.put_back(&self.rules, entry, entry.id);
    }

    fn remove(&mut self, entry: Entry<Class>) -> bool {
        self.ids.remove(&self.rules, entry).is_some()
    }

    fn last(&self) -> Option<u32> {
        self.ids.last(&self.rules).map(|(_, id)| *id)
    }

    fn uses_time(&self) -> bool {
        self.rules.patience.is_some()
    }

    fn classes(&self) -> &[String] {
        self.rules.classes.names()
    }

    #[inline]
    fn class(&self, rank: Class) -> usize {
        self.rules.classes.index(rank)
    }

    fn promoted(&self, class: usize) -> u64 {
        self.ids.promoted(class)
    }

    fn relabel(&self, rank: Class, label: &Label<'_>) -> Result<Class, UnknownClass> {
        self.rules.classes.relabel(rank, label.class)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Classes of both kinds: few, and many.
    fn few_and_many() -> [Strict; 2] {
        let many = Classes::new((0..200).map(|class| class.to_string())).expect("named once each");
        [Strict::levels(), Strict::new(many)]
    }

    /// Was it served in time: before it was overtaken more than `after` times, and not much earlier?
    #[track_caller]
    fn assert_in_time(served: Option<usize>, turn: u64, after: u64) {
        let served = served.expect("it was served") as u64;
        assert!(
            (turn + after - after / 8..=turn + after).contains(&served),
            "{served}, of {turn} and {after}"
        );
    }

    #[test]
    fn who_waits_for_long_is_promoted_in_time() {
        const AFTER: u64 = 10_000;
        for line in few_and_many() {
            let mut line = line.promote_after(AFTER).expect("not 0");
            let entry = |id, class| Entry::new(id, class, id.into(), 0);
            // The second item is not the first of its class yet when it is passed.
            (0..2).for_each(|id| line.insert(entry(id, Class::LOW)));
            let mut served = Vec::new();
            for id in 2..2 + 2 * AFTER as u32 {
                line.insert(entry(id, Class::HIGH));
                served.extend(line.next(0));
            }
            let when = |id| served.iter().position(|served| *served == id);
            [0, 1].into_iter().for_each(|id| assert_in_time(when(id), id.into(), AFTER));
        }
    }

    #[test]
    fn turns_are_known_by_their_lower_halves() {
        const AFTER: u64 = 100;
        for line in few_and_many() {
            let mut line = line.promote_after(AFTER).expect("not 0");
            line.ids.arrivals.pass(3 * (1 << 32) - 50);
            let seq = |id: u32| 7 * (1 << 32) - 70 + u64::from(id);
            let entry = |id, class| Entry::new(id, class, seq(id), 0);
            (0..3).for_each(|id| line.insert(entry(id, Class::LOW)));
            let mut served = Vec::new();
            for id in 3..1000 {
                let is_low = id == 20 || id == 500;
                line.insert(entry(id, if is_low { Class::LOW } else { Class::HIGH }));
                if !is_low {
                    served.extend(line.next(0));
                }
            }
            let when = |id| served.iter().position(|served| *served == id);
            [0, 1, 2, 20, 500].into_iter().for_each(|id| assert_in_time(when(id), id.into(), AFTER));
        }
    }

    #[test]
    fn who_comes_later_is_promoted_in_time_too() {
        for mut line in few_and_many() {
            let entry = |id, class| Entry::new(id, class, id.into(), 0);
            let mut served = Vec::new();
            for id in 0..5000 {
                let is_low = id == 1500;
                line.insert(entry(id, if is_low { Class::LOW } else { Class::HIGH }));
                if !is_low {
                    served.extend(line.next(0));
                }
            }
            let when = served.iter().position(|served| *served == 1500);
            assert_in_time(when, 1500, Strict::PROMOTE_AFTER);
        }
    }

    /// Where nobody was promoted while 2^32 others came, a turn cannot be told any more from a later one.
    #[test]
    fn who_waited_for_more_than_a_turn_tells_is_promoted_later() {
        const AFTER: u64 = 100;
        for line in few_and_many() {
            let mut line = line.promote_nobody();
            let entry = |id, class| Entry::new(id, class, id.into(), 0);
            (0..5).for_each(|id| line.insert(entry(id, Class::LOW)));
            line.ids.arrivals.pass((1 << 32) - 50);
            (5..10).for_each(|id| line.insert(entry(id, Class::LOW)));
            line.ids.arrivals.pass(90);
            assert_eq!(line.next(0), Some(0));
            // The next one seems to have come after those behind it.
            let mut line = line.promote_after(AFTER).expect("not 0");
            let mut served = Vec::new();
            for id in 10..1000 {
                line.insert(entry(id, Class::HIGH));
                served.extend(line.next(0));
            }
            let when = |id| served.iter().position(|served| *served == id);
            let when: Vec<_> = (1..10).map_while(when).collect();
            assert_eq!(when.len(), 9, "{when:?}");
            assert!(when.is_sorted() && when[8] < 2 * AFTER as usize, "{when:?}");
        }
    }

    /// Those that became due together are a batch at the most, also where nobody looked for long.
    #[test]
    fn however_many_are_due_the_oldest_are_next() {
        for line in few_and_many() {
            let mut line = line.promote_nobody();
            let entry = |id, class| Entry::new(id, class, id.into(), 0);
            // The older, the less urgent.
            (0..3000).for_each(|id| line.insert(entry(id, Class::new(2 - (id / 1000) as u16))));
            line.ids.arrivals.pass(5000);
            let mut line = line.promote_after(1000).expect("not 0");
            let served: Vec<_> = (0..2900).filter_map(|_| line.next(0)).collect();
            assert!(served.iter().enumerate().all(|(at, id)| at.abs_diff(*id as usize) < 62), "{served:?}");
        }
    }

    /// Who is served, in order, where three of low class wait among 20 000 of high class that come and are served one by one.
    /// After each, `then` may do something to the line.
    fn served_beside(
        low: [u32; 3],
        line: Strict,
        mut then: impl FnMut(Strict, &mut Vec<u32>) -> Strict,
    ) -> Vec<u32> {
        let mut line = line.promote_after(1000).expect("not 0");
        let mut served = Vec::new();
        for id in 0..20_000 {
            let class = if low.contains(&id) { Class::LOW } else { Class::HIGH };
            line.insert(Entry::new(id, class, id.into(), 0));
            if class == Class::HIGH {
                served.extend(line.next(0));
            }
            line = then(line, &mut served);
        }
        served
    }

    #[test]
    fn due_ones_are_found_again_after_nobody_was_promoted() {
        for line in few_and_many() {
            let served = served_beside([100, 101, 600], line, |line, served| match served.len() {
                1300 => line.promote_after(1000).expect("not 0"),
                ..1200 if served.ends_with(&[100]) => line.promote_nobody(),
                _ => line,
            });
            let when = [100, 101, 600].map(|id| served.iter().position(|served| *served == id));
            assert!(when.iter().all(|when| when.is_some_and(|when| when <= 1700)), "{when:?}");
        }
    }

    #[test]
    fn due_ones_are_found_again_at_once() {
        for line in few_and_many() {
            let served = served_beside([0, 1, 600], line, |line, served| {
                if !served.ends_with(&[0]) {
                    return line;
                }
                let mut line = line.promote_nobody();
                line.insert(Entry::new(100_000, Class::HIGH, 100_000, 0));
                served.extend(line.next(0));
                line.promote_after(1000).expect("not 0")
            });
            let when = served.iter().position(|served| *served == 1);
            assert!(when.is_some_and(|when| when <= 1001), "{when:?}");
        }
    }

    #[test]
    fn returned_one_that_outlived_a_turn_leaves_nothing() {
        for line in few_and_many() {
            let mut line = line.promote_nobody();
            let entry = |id, class| Entry::new(id, class, id.into(), 0);
            (0..2).for_each(|id| line.insert(entry(id, Class::LOW)));
            assert_eq!(line.next(0), Some(0));
            line.put_back(entry(0, Class::LOW));
            line.ids.arrivals.pass(1 << 32);
            assert_eq!((line.next(0), line.next(0)), (Some(0), Some(1)));
            assert!(line.ids.returned.is_empty(), "it has left");
            let mut line = line.promote_after(100).expect("not 0");
            (10..12).for_each(|id| line.insert(entry(id, Class::HIGH)));
            assert_eq!((line.next(0), line.next(0)), (Some(10), Some(11)));
        }
    }

    #[test]
    fn returned_one_that_outlived_a_turn_is_promoted_and_all_go_on() {
        for line in few_and_many() {
            let mut line = line.promote_nobody();
            let entry = |id, class| Entry::new(id, class, id.into(), 0);
            (0..2).for_each(|id| line.insert(entry(id, Class::LOW)));
            assert_eq!(line.next(0), Some(0));
            line.put_back(entry(0, Class::LOW));
            line.ids.arrivals.pass(1 << 32);
            let mut line = line.promote_after(100).expect("not 0");
            (10..13).for_each(|id| line.insert(entry(id, Class::HIGH)));
            let served: Vec<_> = (0..5).map(|_| line.next(0)).collect();
            assert_eq!(served, [0, 10, 11, 12, 1].map(Some));
        }
    }

    #[test]
    fn one_that_is_older_by_a_turn_strikes_no_other() {
        for line in few_and_many() {
            let mut line = line.promote_nobody();
            let entry = |id, class| Entry::new(id, class, id.into(), 0);
            line.insert(entry(0, Class::HIGH));
            (1..3).for_each(|id| line.insert(entry(id, Class::LOW)));
            line.ids.arrivals.pass((1 << 32) - 3);
            assert!(line.remove(entry(1, Class::LOW)));
            line.put_back(entry(1, Class::LOW));
            // Its turn seems to be that of the other one.
            assert!(line.remove(entry(0, Class::HIGH)));
            let mut line = line.promote_after(100).expect("not 0");
            let mut served = Vec::new();
            for id in 10..1000 {
                line.insert(entry(id, Class::HIGH));
                served.extend(line.next(0));
            }
            let when = served.iter().position(|served| *served == 1);
            assert!(when.is_some_and(|when| when < 110), "{when:?}");
        }
    }

    #[test]
    fn who_is_in_a_class_that_was_never_empty_is_found() {
        for line in few_and_many() {
            let mut line = line.promote_nobody();
            let entry = |id, class| Entry::new(id, class, id.into(), 0);
            line.insert(entry(0, Class::LOW));
            line.ids.arrivals.pass((1 << 32) - 2000);
            line.insert(entry(1, Class::LOW));
            assert!(line.remove(entry(0, Class::LOW)));
            line.ids.arrivals.pass(2500);
            let mut line = line.promote_after(1000).expect("not 0");
            let mut served = Vec::new();
            for id in 10..3000 {
                line.insert(entry(id, Class::HIGH));
                served.extend(line.next(0));
            }
            let when = served.iter().position(|served| *served == 1);
            assert!(when.is_some_and(|when| when < 2), "{when:?}");
        }
    }

    /// How often one is overtaken, of a class of which there are others that came just behind, if so many are removed at once a
    /// while before it is to be promoted; looks fall so many departures later.
    fn overtaken(after: u64, removals: u64, shift: u64) -> u64 {
        let mut line = Strict::levels().promote_after(after).expect("not 0");
        let entry = |seq: u64, class| Entry::new(seq as u32, class, seq, 0);
        let (mut left, mut came) = (0, 0);
        let mut join = |line: &mut Strict, class| {
            line.insert(entry(came, class));
            came += 1;
        };
        let turn = 200 + shift;
        loop {
            if left == turn {
                join(&mut line, Class::LOW);
                (0..60).for_each(|_| join(&mut line, Class::MEDIUM));
            }
            if left == turn + after - after / 12 {
                // They come, and are taken out again.
                for _ in 0..removals {
                    join(&mut line, Class::HIGH);
                    left += 1;
                }
                let newest = left + 61;
                (0..removals).for_each(|nth| assert!(line.remove(entry(newest - 1 - nth, Class::HIGH))));
            }
            join(&mut line, Class::HIGH);
            if line.next(0) == Some(turn as u32) {
                return left - turn;
            }
            left += 1;
        }
    }

    #[test]
    fn removals_between_two_looks_make_nobody_late() {
        const AFTER: u64 = 1000;
        for removals in [0, 1, 2, 10, 40] {
            for shift in 0..=AFTER / 24 {
                let overtaken = overtaken(AFTER, removals, shift);
                assert!((AFTER - AFTER / 8..=AFTER).contains(&overtaken), "{removals}, {shift}: {overtaken}");
            }
        }
    }

    #[test]
    fn patience_that_is_given_again_knows_at_once_who_came_meanwhile() {
        let mut line = Strict::levels().promote_nobody();
        line.rules.patience = Some(10);
        line.insert(Entry::new(0, Class::LOW, 0, 1));
        line.insert(Entry::new(1, Class::HIGH, 1, 1));
        assert_eq!(line.next(1), Some(1));
        line.rules.patience = None;
        assert_eq!(line.next(30), Some(0));
        line.insert(Entry::new(2, Class::LOW, 2, 31));
        line.insert(Entry::new(3, Class::HIGH, 3, 32));
        line.rules.patience = Some(10);
        assert_eq!(line.next(50), Some(2), "the low one has waited for long");
    }

    #[test]
    fn patience_that_is_given_again_knows_who_came_meanwhile() {
        let mut line = Strict::levels().promote_nobody();
        let set = |line: &mut Strict, patience: bool| line.rules.patience = patience.then_some(10);
        set(&mut line, true);
        line.insert(Entry::new(0, Class::LOW, 0, 1));
        line.insert(Entry::new(1, Class::HIGH, 1, 1));
        assert_eq!(line.next(1), Some(1));
        set(&mut line, false);
        assert_eq!(line.next(30), Some(0));
        line.insert(Entry::new(2, Class::LOW, 2, 31));
        set(&mut line, true);
        line.insert(Entry::new(3, Class::HIGH, 3, 32));
        assert_eq!(line.next(33), Some(3), "the low one has not waited for long");
        line.insert(Entry::new(4, Class::HIGH, 4, 33));
        assert_eq!((line.next(41), line.next(41)), (Some(2), Some(4)));
    }

    #[test]
    fn who_came_before_as_many_as_a_turn_tells_is_not_one_to_come() {
        for line in few_and_many() {
            let mut line = line.promote_nobody();
            let entry = |id, class| Entry::new(id, class, id.into(), 0);
            line.insert(entry(0, Class::LOW));
            line.ids.arrivals.pass((1 << 32) - 2);
            let mut line = line.promote_after(1000).expect("not 0");
            let mut served = Vec::new();
            for id in 1..5000 {
                line.insert(entry(id, Class::HIGH));
                served.extend(line.next(0));
            }
            assert_eq!((served.len(), served[0]), (4999, 0));
        }
    }

    #[test]
    fn row_is_one_line_of_the_cache() {
        assert_eq!(size_of::<Row<[u64; 4]>>(), 64);
    }
}
