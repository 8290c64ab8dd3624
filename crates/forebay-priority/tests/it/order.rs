//! Each discipline agrees with its model after every random step.

use std::time::Duration;

use forebay_priority::{ById, Class, Classes, Discipline, Entry, Missed, Share, Tick, Within};
use proptest::prelude::*;

use crate::harness::{Step, agree, steps};
use crate::models;

fn class() -> impl Strategy<Value = Class> + Clone {
    prop_oneof![Just(Class::HIGH), Just(Class::MEDIUM), Just(Class::LOW), Just(Class::DEFAULT)]
}

fn share() -> impl Strategy<Value = Share> + Clone {
    // Some cost a multiple of the quantum, and wait for rounds.
    (class(), prop_oneof![4 => 0_u32..5, 1 => 20_u32..60]).prop_map(|(class, cost)| Share::new(class, cost))
}

fn tenant() -> impl Strategy<Value = forebay_priority::Tenant> + Clone {
    (0..models::TENANTS, 0..=models::MOST_COST).prop_map(|(number, cost)| models::tenant(number, cost))
}

/// Of several keys, each at a cost and a weight of 1.
fn alike() -> impl Strategy<Value = forebay_priority::Tenant> + Clone {
    (0..models::TENANTS / 3, 0_u32..2).prop_map(|(number, cost)| models::tenant(3 * number, cost))
}

/// Takes its ranks as numbers, as the model does.
#[derive(Clone)]
struct InTicks(forebay_priority::Deadline);

impl InTicks {
    fn entry(entry: Entry<Tick>) -> Entry<Within> {
        Entry::new(entry.id, Within::of(Duration::from_nanos(entry.rank)), entry.seq, entry.since)
    }
}

impl Discipline for InTicks {
    type Rank = Tick;
    type Shelf<P: Send> = ById<P, Self>;

    fn insert(&mut self, entry: Entry<Tick>) {
        self.0.insert(Self::entry(entry));
    }

    fn next(&mut self, now: Tick) -> Option<u32> {
        self.0.next(now)
    }

    fn put_back(&mut self, entry: Entry<Tick>) {
        self.0.put_back(Self::entry(entry));
    }

    fn remove(&mut self, entry: Entry<Tick>) -> bool {
        self.0.remove(Self::entry(entry))
    }

    fn last(&self) -> Option<u32> {
        self.0.last()
    }

    fn overdue(&mut self, now: Tick) -> Option<u32> {
        self.0.overdue(now)
    }

    fn overdue_from(&self) -> Option<Tick> {
        self.0.overdue_from()
    }

    fn gives_up(&self) -> bool {
        self.0.gives_up()
    }
}

/// As many classes as are not looked at one by one to find the oldest item.
const MANY: u16 = 20;

fn many_classes() -> forebay_priority::Strict {
    let names = (0..MANY).map(|class| class.to_string());
    forebay_priority::Strict::new(Classes::new(names).expect("named once each"))
}

fn one_of(classes: u16) -> impl Strategy<Value = Class> + Clone {
    prop_oneof![9 => (0..classes).prop_map(Class::new), 1 => Just(Class::DEFAULT)]
}

/// Hundreds come, and then some come and go.
fn steps_of_many(
    class: impl Strategy<Value = Class> + Clone + 'static,
) -> impl Strategy<Value = Vec<Step<Class>>> {
    let first = proptest::collection::vec(class.clone().prop_map(Step::Insert), 0..400);
    let then = proptest::collection::vec(steps(class), 1..8);
    (first, then).prop_map(|(first, then)| [vec![first], then].concat().concat())
}

/// With this number of overtakings and this patience, and its model.
fn strict(
    line: forebay_priority::Strict,
    after: u64,
    patience: Option<Tick>,
) -> (forebay_priority::Strict, models::Strict) {
    let classes = line.class_names();
    let model = models::Strict::new(
        (classes.names().len() as u16, classes.index(Class::DEFAULT) as u16),
        after,
        patience,
    );
    let line = line.promote_after(after).expect("not 0");
    let line = match patience {
        Some(patience) => line.promote_after_waiting(Duration::from_nanos(patience)),
        None => line,
    };
    (line, model)
}

proptest! {
    #[test]
    fn strict_agrees_with_its_model(steps in steps(class()), after in 1_u64..6, patience in proptest::option::of(1_u64..60)) {
        let (strict, model) = strict(forebay_priority::Strict::levels(), after, patience);
        agree(strict, model, &steps);
    }

    #[test]
    fn strict_of_many_classes_agrees_with_its_model(
        steps in steps(one_of(MANY)),
        after in 1_u64..6,
        patience in proptest::option::of(1_u64..60),
    ) {
        let (strict, model) = strict(many_classes(), after, patience);
        agree(strict, model, &steps);
    }

    #[test]
    fn strict_agrees_with_its_model_where_many_wait(steps in steps_of_many(class()), after in 1_u64..300) {
        let (strict, model) = strict(forebay_priority::Strict::levels(), after, None);
        agree(strict, model, &steps);
    }

    #[test]
    fn strict_of_many_classes_agrees_with_its_model_where_many_wait(
        steps in steps_of_many(one_of(MANY)),
        after in 1_u64..300,
    ) {
        let (strict, model) = strict(many_classes(), after, None);
        agree(strict, model, &steps);
    }

    #[test]
    fn weighted_fair_agrees_with_its_model(steps in steps(share()), weights in [1_u32..5, 1..5, 1..5], quantum in 1_u32..4) {
        let [a, b, c] = weights;
        let shares = forebay_priority::WeightedFair::new([("a", a), ("b", b), ("c", c)]).expect("in range");
        let quanta = weights.map(|weight| u64::from(weight * quantum));
        agree(shares.quantum(quantum).expect("not 0"), models::WeightedFair::new(&quanta), &steps);
    }

    #[test]
    fn fair_by_key_agrees_with_its_model(steps in steps(tenant())) {
        agree(forebay_priority::FairByKey::new(), models::FairByKey::default(), &steps);
    }

    #[test]
    fn fair_by_key_agrees_with_its_model_where_all_cost_the_same(
        parts in proptest::collection::vec((steps(alike()), any::<bool>()), 1..6),
    ) {
        // Some parts without anybody that leaves otherwise than by being served, or comes back.
        let plain = |step: &Step<_>| matches!(step, Step::Insert(_) | Step::Next);
        let steps: Vec<_> =
            parts.into_iter().flat_map(|(steps, all)| steps.into_iter().filter(move |step| all || plain(step))).collect();
        agree(forebay_priority::FairByKey::new(), models::FairByKey::default(), &steps);
    }

    #[test]
    fn deadline_agrees_with_its_model(steps in steps(1_u64..60), lead in 0_u64..10, missed in 0_usize..3) {
        let missed = [Missed::First, Missed::Last, Missed::GiveUp][missed];
        let deadline = forebay_priority::Deadline::new(Duration::from_secs(1)).missed(missed);
        agree(InTicks(deadline.lead(Duration::from_nanos(lead))), models::Deadline::new(missed, lead), &steps);
    }

    #[test]
    fn aging_agrees_with_its_model(steps in steps(class()), step in 1_u64..30, by_time: bool) {
        let aging = if by_time {
            forebay_priority::Aging::by_time(Classes::levels(), Duration::from_nanos(step))
        } else {
            forebay_priority::Aging::by_arrivals(Classes::levels(), step).expect("not 0")
        };
        agree(aging, models::Aging::new(step, by_time), &steps);
    }

    #[test]
    fn lifo_agrees_with_its_model(steps in steps(Just(()))) {
        agree(forebay_priority::Lifo::new(), models::Lifo::default(), &steps);
    }

    #[test]
    fn nested_agrees_with_its_model(steps in steps((class(), tenant())), after in 1_u64..6) {
        let nested = forebay_priority::Nested::new(Classes::levels(), forebay_priority::FairByKey::new());
        agree(nested.promote_after(after).expect("not 0"), models::Nested::new(after), &steps);
    }
}

#[test]
fn equals_are_first_in_first_out() {
    fn order<D: Discipline<Rank: Default>>(mut line: D) -> Vec<u32> {
        (0..50).for_each(|n| line.insert(Entry::new(n, D::Rank::default(), n.into(), 0)));
        std::iter::from_fn(|| line.next(0)).collect()
    }
    let all: Vec<u32> = (0..50).collect();
    assert_eq!(order(forebay_priority::Strict::levels()), all);
    assert_eq!(order(forebay_priority::WeightedFair::new([("only", 3)]).expect("in range")), all);
    assert_eq!(order(forebay_priority::FairByKey::new()), all);
    assert_eq!(order(forebay_priority::Deadline::new(Duration::from_secs(1))), all);
    assert_eq!(order(forebay_priority::Aging::by_arrivals(Classes::levels(), 10).expect("not 0")), all);
    assert_eq!(
        order(forebay_priority::Nested::new(Classes::levels(), forebay_priority::FairByKey::new())),
        all
    );
    assert_eq!(order(forebay_priority::Lifo::new()), all.into_iter().rev().collect::<Vec<_>>());
}
