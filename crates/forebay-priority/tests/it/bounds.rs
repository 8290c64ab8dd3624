//! Nobody starves: what each discipline promises at the worst, over a million random steps.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use forebay_priority::{
    Aging, Class, Classes, Deadline, Discipline, Entry, FairByKey, Key, Nested, Share, Strict, Tenant,
    WeightedFair, Within,
};

const STEPS: u64 = 1_000_000;

/// Numbers that look random and are the same each time (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// Two thirds of all are of the most urgent class, and alone more than are served.
fn class(random: &mut Random) -> Class {
    [Class::HIGH, Class::HIGH, Class::HIGH, Class::HIGH, Class::MEDIUM, Class::LOW][random.below(6) as usize]
}

/// Comes and goes in waves, so that lines grow to hundreds and empty again. Says how many come, before one is served.
fn comers(step: u64, random: &mut Random) -> u64 {
    if step / 1000 % 3 < 2 { random.below(3) } else { u64::from(random.below(4) == 0) }
}

#[test]
fn nobody_is_overtaken_more_often_than_strict_allows() {
    const AFTER: u64 = 47;
    let many = || Classes::new((0..200).map(|class| class.to_string())).expect("named once each");
    assert_eq!(most_overtakings(Strict::levels(), AFTER), AFTER, "the bound is kept, and reached");
    assert_eq!(most_overtakings(Strict::new(many()), AFTER), AFTER, "the bound is kept, and reached");
    for line in [Strict::levels(), Strict::new(many())] {
        let most = most_overtakings(line, 500);
        assert!((438..=500).contains(&most), "the bound is kept, and nearly reached: {most}");
    }
}

fn most_overtakings(line: Strict, after: u64) -> u64 {
    let mut line = line.promote_after(after).expect("not 0");
    let mut random = Random(1);
    let (mut seq, mut worst) = (0, 0);
    // By number, those that wait, each with how often it was overtaken.
    let mut waiting: VecDeque<(u64, u64)> = VecDeque::new();
    for step in 0..STEPS {
        for _ in 0..comers(step, &mut random) {
            line.insert(Entry::new((seq % (1 << 20)) as u32, class(&mut random), seq, 0));
            waiting.push_back((seq, 0));
            seq += 1;
        }
        let Some(id) = line.next(0) else { continue };
        let at = waiting.iter().position(|(seq, _)| (seq % (1 << 20)) as u32 == id).expect("it waits");
        waiting.remove(at);
        // Whoever is older than the one that was served has been overtaken; the oldest most often.
        waiting.iter_mut().take(at).for_each(|(_, overtaken)| *overtaken += 1);
        worst = worst.max(waiting.front().map_or(0, |(_, overtaken)| *overtaken));
    }
    worst
}

#[test]
fn one_that_comes_back_again_and_again_holds_up_no_other_class() {
    let mut line = Strict::levels().promote_after(10).expect("not 0");
    let (returned, behind, low) = (Class::HIGH, Class::HIGH, Class::LOW);
    for (id, class) in [returned, behind, low].into_iter().enumerate() {
        line.insert(Entry::new(id as u32, class, id as u64, 0));
    }
    let rounds = (0..100).take_while(|_| match line.next(0) {
        Some(0) => {
            line.put_back(Entry::new(0, returned, 0, 0));
            true
        }
        other => other != Some(2),
    });
    // The turn of the last is after the two others.
    assert_eq!(rounds.count(), 12);
}

#[test]
fn cheap_item_in_front_of_a_costly_one_gives_no_head_start_to_a_new_key() {
    let mut line = FairByKey::new();
    let tenant = |key: &str, cost| Tenant::of(Key::of(key)).cost(cost);
    line.insert(Entry::new(0, tenant("a", 1), 0, 0));
    line.insert(Entry::new(1, tenant("a", 100), 1, 0));
    (2..300).for_each(|id| line.insert(Entry::new(id, tenant("b", 1), id.into(), 0)));
    assert_eq!(line.next(0), Some(0));
    (0..90).for_each(|_| assert!(line.next(0) >= Some(2)));
    // What comes back goes before what it was in front of, and has its old place among all.
    line.put_back(Entry::new(0, tenant("a", 1), 0, 0));
    assert_eq!(line.next(0), Some(0));
    (300..600).for_each(|id| line.insert(Entry::new(id, tenant("c", 1), id.into(), 0)));
    let in_a_row = std::iter::from_fn(|| line.next(0)).take_while(|id| *id >= 300).count();
    assert!(in_a_row <= 2, "{in_a_row} of a new key, while an old one waited");
}

#[test]
fn class_has_its_turn_in_each_round_of_weighted_fair() {
    const WEIGHTS: [u32; 3] = [4, 2, 1];
    let names = ["a", "b", "c"];
    let mut line =
        WeightedFair::new(names.into_iter().zip(WEIGHTS)).expect("in range").quantum(10).expect("not 0");
    let mut random = Random(2);
    let mut costs = HashMap::new();
    let mut since_turn = [0_u64; 3];
    let mut waiting = [0_u64; 3];
    let mut worst = [0_u64; 3];
    let mut seq = 0_u64;
    for step in 0..STEPS {
        for _ in 0..comers(step, &mut random) {
            let (class, cost) = (random.below(3) as usize, 1 + random.below(10) as u32);
            line.insert(Entry::new(seq as u32, Share::new(Class::new(class as u16), cost), seq, 0));
            costs.insert(seq as u32, (class, cost));
            if waiting[class] == 0 {
                since_turn[class] = 0;
            }
            waiting[class] += 1;
            seq += 1;
        }
        let Some(id) = line.next(0) else { continue };
        let (class, cost) = costs.remove(&id).expect("it waits");
        waiting[class] -= 1;
        for other in 0..3 {
            since_turn[other] += u64::from(cost);
            if other == class || waiting[other] == 0 {
                since_turn[other] = 0;
            }
            worst[other] = worst[other].max(since_turn[other]);
        }
    }
    // No item costs more than a quantum: between two turns of a class each other one has a visit, in which it is served
    // its quantum and what it had left, which is less than the highest cost.
    for (class, worst) in worst.into_iter().enumerate() {
        let others = (0..3).filter(|other| *other != class);
        let bound: u64 = others.map(|other| u64::from(WEIGHTS[other]) * 10 + 10).sum();
        assert!(worst <= bound, "class {class} waited while {worst} were served");
        assert!(worst * 2 > bound, "class {class} was never near its bound: {worst} of {bound}");
    }
}

#[test]
fn key_waits_for_no_more_than_two_of_each_other_key() {
    const KEYS: u64 = 20;
    let mut line = FairByKey::new();
    let mut random = Random(3);
    // Of each key those that wait, and how often each other key was served since its last turn.
    let mut waiting = vec![0_u64; KEYS as usize];
    let mut since = vec![vec![0_u64; KEYS as usize]; KEYS as usize];
    let mut keys = HashMap::new();
    let (mut seq, mut worst) = (0_u64, 0);
    for step in 0..STEPS {
        for _ in 0..comers(step, &mut random) {
            // The low ones much more often.
            let key = random.below(KEYS).min(random.below(KEYS)).min(random.below(KEYS));
            line.insert(Entry::new(seq as u32, Tenant::of(Key::of(&key)), seq, 0));
            keys.insert(seq as u32, key as usize);
            if waiting[key as usize] == 0 {
                since[key as usize].fill(0);
            }
            waiting[key as usize] += 1;
            seq += 1;
        }
        let Some(id) = line.next(0) else { continue };
        let key = keys.remove(&id).expect("it waits");
        waiting[key] -= 1;
        since[key].fill(0);
        for (other, since) in since.iter_mut().enumerate().filter(|(other, _)| *other != key) {
            since[key] += u64::from(waiting[other] > 0);
            worst = worst.max(since[key]);
        }
    }
    assert!((1..=2).contains(&worst), "{worst} of one key while another waited");
}

/// Costs and weights differ, and items leave and come back: behind a costly one that leaves there may be many cheap ones,
/// which have waited with it. They used to be promised to be one.
#[test]
fn key_waits_for_as_much_as_it_costs_and_the_costliest_item_of_each_other_key() {
    const KEYS: usize = 6;
    const COSTLIEST: u64 = 100;
    let weight = |key: usize| 1 << (key % 3);
    let tenant = |key: usize, cost: u64| Tenant::of(Key::of(&key)).cost(cost as u32).weight(weight(key));
    let mut line = FairByKey::new();
    let mut random = Random(7);
    // Of each key those that wait, by their numbers, with their costs; and what each other key was served since another one
    // became the first of it.
    let mut waiting = vec![BTreeMap::<u64, u64>::new(); KEYS];
    let mut since = [[0_u64; KEYS]; KEYS];
    let mut taken: Vec<(u64, usize, u64)> = Vec::new();
    let (mut seq, mut most_items) = (0_u64, 0);
    let mut in_a_row = [[0_u64; KEYS]; KEYS];
    for step in 0..STEPS / 10 {
        let firsts: Vec<_> = waiting.iter().map(|key| key.first_key_value().map(|(seq, _)| *seq)).collect();
        for _ in 0..comers(step, &mut random) {
            let key = random.below(KEYS as u64) as usize;
            let cost = if random.below(20) == 0 { COSTLIEST } else { 1 + random.below(3) };
            line.insert(Entry::new(seq as u32, tenant(key, cost), seq, 0));
            waiting[key].insert(seq, cost);
            seq += 1;
        }
        let key = random.below(KEYS as u64) as usize;
        match random.below(8) {
            0 => {
                // The first of a key leaves.
                if let Some((seq, cost)) = waiting[key].pop_first() {
                    assert!(line.remove(Entry::new(seq as u32, tenant(key, cost), seq, 0)));
                }
            }
            1 if !taken.is_empty() => {
                let (seq, key, cost) = taken.swap_remove(random.below(taken.len() as u64) as usize);
                line.put_back(Entry::new(seq as u32, tenant(key, cost), seq, 0));
                waiting[key].insert(seq, cost);
            }
            _ => {}
        }
        for key in 0..KEYS {
            if waiting[key].first_key_value().map(|(seq, _)| *seq) != firsts[key] {
                (since[key], in_a_row[key]) = ([0; KEYS], [0; KEYS]);
            }
        }
        let Some(id) = line.next(0) else { continue };
        let of_it =
            |key: &BTreeMap<u64, u64>| key.first_key_value().is_some_and(|(seq, _)| *seq as u32 == id);
        let key = waiting.iter().position(of_it).expect("it is the first of its key");
        let (seq, cost) = waiting[key].pop_first().expect("it waits");
        if taken.len() < 100 {
            taken.push((seq, key, cost));
        }
        (since[key], in_a_row[key]) = ([0; KEYS], [0; KEYS]);
        for other in (0..KEYS).filter(|other| *other != key) {
            let Some((_, own)) = waiting[other].first_key_value() else { continue };
            since[other][key] += cost;
            in_a_row[other][key] += 1;
            let bound = own * u64::from(weight(key)) / u64::from(weight(other)) + COSTLIEST;
            assert!(since[other][key] <= bound, "{} of {bound}", since[other][key]);
            if *own == 1 {
                most_items = most_items.max(in_a_row[other][key]);
            }
        }
    }
    assert!(most_items > 10, "cheap ones that waited behind a costly one were never seen: {most_items}");
}

#[test]
fn head_start_of_a_class_is_bounded_by_aging() {
    const STEP: u64 = 100;
    let mut line = Aging::by_arrivals(Classes::levels(), STEP).expect("not 0");
    let mut random = Random(4);
    let mut waiting: BTreeSet<u64> = BTreeSet::new();
    let (mut seq, mut worst) = (0_u64, 0);
    for step in 0..STEPS {
        for _ in 0..comers(step, &mut random) {
            line.insert(Entry::new(seq as u32, class(&mut random), seq, 0));
            waiting.insert(seq);
            seq += 1;
        }
        let Some(id) = line.next(0) else { continue };
        waiting.remove(&u64::from(id));
        // It goes before nobody who came two steps earlier.
        if let Some(oldest) = waiting.first().filter(|oldest| **oldest < u64::from(id)) {
            worst = worst.max(u64::from(id) - oldest);
        }
    }
    assert!(worst < 2 * STEP, "{worst}");
    assert!(worst > STEP, "the head start was never used: {worst}");
}

#[test]
fn nobody_is_overtaken_by_those_that_come_after_its_deadline() {
    let mut line = Deadline::new(Duration::from_nanos(500));
    let mut random = Random(5);
    let mut waiting: HashMap<u32, u64> = HashMap::new();
    let mut seq = 0_u64;
    for now in 0..STEPS {
        for _ in 0..comers(now, &mut random) {
            let within = 1 + random.below(400);
            line.insert(Entry::new(seq as u32, Within::of(Duration::from_nanos(within)), seq, now));
            waiting.insert(seq as u32, now + within);
            seq += 1;
        }
        let Some(id) = line.next(now) else { continue };
        let served = waiting.remove(&id).expect("it waits");
        // The steps are many and the line is long: a sample will do.
        if now % 64 == 0 {
            assert!(
                waiting.values().all(|deadline| served <= *deadline),
                "{id} went before an earlier deadline"
            );
        }
    }
}

#[test]
fn class_is_passed_over_only_so_often() {
    const AFTER: u64 = 50;
    let mut line = Nested::new(Classes::levels(), FairByKey::new()).promote_after(AFTER).expect("not 0");
    let mut random = Random(6);
    let (mut seq, mut worst) = (0_u64, 0);
    let (mut waiting, mut passed) = ([0_u64; 3], [0_u64; 3]);
    let mut classes = HashMap::new();
    for step in 0..STEPS {
        for _ in 0..comers(step, &mut random) {
            let at = random.below(3).min(random.below(3));
            let tenant = Tenant::of(Key::of(&random.below(10)));
            line.insert(Entry::new(seq as u32, (Class::new(at as u16), tenant), seq, 0));
            classes.insert(seq as u32, at as usize);
            if waiting[at as usize] == 0 {
                passed[at as usize] = 0;
            }
            waiting[at as usize] += 1;
            seq += 1;
        }
        let Some(id) = line.next(0) else { continue };
        let class = classes.remove(&id).expect("it waits");
        waiting[class] -= 1;
        (0..3).filter(|other| waiting[*other] > 0).for_each(|other| passed[other] += 1);
        passed[class] = 0;
        worst = worst.max(passed.into_iter().max().unwrap_or(0));
    }
    // Of two others both may be due at once.
    assert!((AFTER..=AFTER + 2).contains(&worst), "{worst}");
}
