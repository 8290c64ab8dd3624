//! What each gets in the long run.

use std::collections::HashMap;

use forebay_priority::{Class, Discipline, Entry, FairByKey, Key, Share, Tenant, WeightedFair};

/// Numbers that look random and are the same each time.
pub(crate) fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

#[test]
fn weights_of_1_2_4_are_kept_within_one_percent() {
    for most_cost in [1, 9] {
        let mut line = WeightedFair::new([("a", 1), ("b", 2), ("c", 4)]).expect("in range");
        let (mut state, mut known, mut served) = (7, Vec::new(), [0_u64; 3]);
        let mut send = |line: &mut WeightedFair, known: &mut Vec<(usize, u64)>, class: usize| {
            let cost = 1 + random(&mut state) % most_cost;
            let seq = known.len();
            known.push((class, cost));
            line.insert(Entry::new(
                seq as u32,
                Share::new(Class::new(class as u16), cost as u32),
                seq as u64,
                0,
            ));
        };
        (0..3).for_each(|class| (0..10).for_each(|_| send(&mut line, &mut known, class)));
        for _ in 0..100_000 {
            let (class, cost) = known[line.next(0).expect("all have somebody") as usize];
            served[class] += cost;
            send(&mut line, &mut known, class);
        }
        let total = served.iter().sum::<u64>() as f64;
        for (sum, weight) in served.into_iter().zip([1.0, 2.0, 4.0]) {
            let (share, fair) = (sum as f64 / total, weight / 7.0);
            assert!((share / fair - 1.0).abs() < 0.01, "{share} instead of {fair}");
        }
    }
}

/// A hundred keys, of which the n-th asks in proportion to 1/n, and twice as many in all as can be served.
#[test]
fn hundred_keys_under_zipf_load_get_their_max_min_shares_within_three_percent() {
    const KEYS: usize = 100;
    const SERVED: f64 = 0.5;
    let weights: Vec<f64> = (1..=KEYS).map(|n| 1.0 / n as f64).collect();
    let all: f64 = weights.iter().sum();
    let wanted: Vec<f64> = weights.iter().map(|weight| weight / all).collect();
    // Max-min: who wants less than an equal part of what is left gets it, the least first.
    let mut fair = vec![0.0; KEYS];
    let mut left = SERVED;
    for (done, key) in (0..KEYS).rev().enumerate() {
        fair[key] = wanted[key].min(left / (KEYS - done) as f64);
        left -= fair[key];
    }

    let mut line = FairByKey::new();
    let (mut debts, mut served) = (vec![0.0; KEYS], vec![0_u64; KEYS]);
    let mut keys: HashMap<u32, usize> = HashMap::new();
    let (mut seq, mut due, mut total) = (0_u64, 0.0, 0_u64);
    for _ in 0..400_000 {
        // Whoever is owed one most sends, so that each sends as it should, evenly.
        for (debt, wanted) in debts.iter_mut().zip(&wanted) {
            *debt += wanted;
        }
        let key = (0..KEYS).max_by(|one, other| debts[*one].total_cmp(&debts[*other])).expect("a hundred");
        debts[key] -= 1.0;
        line.insert(Entry::new(seq as u32, Tenant::of(Key::of(&key)), seq, 0));
        keys.insert(seq as u32, key);
        seq += 1;
        due += SERVED;
        while due >= 1.0 {
            due -= 1.0;
            let key = keys[&line.next(0).expect("more come than go")];
            served[key] += 1;
            total += 1;
        }
    }
    for (key, (served, fair)) in served.iter().zip(&fair).enumerate() {
        let (share, fair) = (*served as f64 / total as f64, fair / SERVED);
        assert!((share / fair - 1.0).abs() < 0.03, "key {key} got {share} instead of {fair}");
    }
}
