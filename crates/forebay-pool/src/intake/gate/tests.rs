//! Random calls, beside a model that keeps everything in one list and looks through all of it.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Call {
    /// If there is room.
    Insert(KeyHash),
    Next,
    /// One of the items in work.
    Release(prop::sample::Index),
    Remove(KeyHash),
    Advance(u64),
}

/// What the rules say, as directly as they can be said.
struct Model {
    limits: GateLimits,
    waiting: Vec<(KeyHash, u32)>,
    in_work: Vec<KeyHash>,
    next_start: HashMap<KeyHash, u64>,
}

impl Model {
    fn may_start(&self, hash: KeyHash, now: u64) -> bool {
        let free = self.in_work.iter().filter(|&&at| at == hash).count() < self.limits.at_once;
        let (_, slack) = self.limits.spacing.unwrap_or_default();
        free && self.next_start.get(&hash).is_none_or(|&next| next <= now + slack)
    }

    fn next(&mut self, now: u64) -> Option<(KeyHash, u32)> {
        let index = self.waiting.iter().position(|&(hash, _)| self.may_start(hash, now))?;
        let (hash, value) = self.waiting.remove(index);
        self.in_work.push(hash);
        if let Some((interval, _)) = self.limits.spacing {
            let next = self.next_start.entry(hash).or_default();
            *next = (*next).max(now) + interval;
        }
        Some((hash, value))
    }

    fn keys(&self, now: u64) -> usize {
        let mut keys: Vec<_> =
            self.waiting.iter().map(|&(hash, _)| hash).chain(self.in_work.clone()).collect();
        let remembered = self.next_start.iter().filter(|&(_, &next)| next > now);
        keys.extend(remembered.map(|(&hash, _)| hash));
        keys.sort_unstable();
        keys.dedup();
        keys.len()
    }
}

fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        6 => (0..6_u64).prop_map(Call::Insert),
        6 => Just(Call::Next),
        5 => any::<prop::sample::Index>().prop_map(Call::Release),
        1 => (0..6_u64).prop_map(Call::Remove),
        3 => (0..8_u64).prop_map(Call::Advance),
    ]
}

prop_compose! {
    fn limits()(
        at_once in 1..4_usize,
        spacing in prop::option::of((0..10_u64, 0..30_u64)),
        waiting in 1..12_usize,
        keys in 1..8_usize,
    ) -> GateLimits {
        GateLimits { at_once, spacing, waiting, keys }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn does_as_the_model(limits in limits(), calls in prop::collection::vec(call(), 0..120)) {
        let mut gate = Gate::new(limits);
        let mut model =
            Model { limits, waiting: Vec::new(), in_work: Vec::new(), next_start: HashMap::new() };
        let (mut now, mut inserted) = (0, 0);
        for call in calls {
            match call {
                Call::Insert(hash) if gate.room() > 0 => {
                    gate.insert(hash, inserted);
                    model.waiting.push((hash, inserted));
                    inserted += 1;
                }
                Call::Insert(_) => {}
                Call::Next => {
                    let next = gate.next(now);
                    prop_assert_eq!(next, model.next(now));
                    if next.is_none() {
                        // When there is something to wait for, the time is right: not too early, not too late.
                        let due = gate.due();
                        prop_assert!(due.is_none_or(|due| due > now));
                        let waits = model.waiting.iter().filter_map(|&(hash, _)| {
                            let free = model.in_work.iter().filter(|&&at| at == hash).count() < limits.at_once;
                            let (_, slack) = limits.spacing?;
                            free.then(|| model.next_start[&hash] - slack)
                        });
                        if let Some(earliest) = waits.min() {
                            prop_assert!(due.is_some_and(|due| due <= earliest));
                        }
                    }
                }
                Call::Release(index) if !model.in_work.is_empty() => {
                    let index = index.index(model.in_work.len());
                    gate.release(model.in_work.swap_remove(index));
                }
                Call::Release(_) => {}
                Call::Remove(hash) => {
                    let mut out = Vec::new();
                    gate.remove(hash, &mut out);
                    let expected: Vec<_> =
                        model.waiting.iter().filter(|(at, _)| *at == hash).map(|&(_, value)| value).collect();
                    model.waiting.retain(|(at, _)| *at != hash);
                    prop_assert_eq!(out, expected);
                }
                Call::Advance(by) => now += by,
            }
            prop_assert_eq!(gate.len(), model.waiting.len());
            prop_assert!(gate.keys.len() >= model.keys(now));
            prop_assert!(gate.ready.len() <= gate.keys.len() && gate.timers.len() <= gate.keys.len());
            prop_assert!(gate.keys.len() <= limits.keys, "what is remembered is bounded");
        }
        let drained = gate.drain();
        prop_assert_eq!(drained, model.waiting.into_iter().map(|(_, value)| value).collect::<Vec<_>>());
        model.in_work.into_iter().for_each(|hash| gate.release(hash));
        gate.mind_timers(u64::MAX);
        prop_assert!(gate.keys.is_empty() && gate.ready.is_empty() && gate.timers.is_empty());
    }
}

const LIMITS: GateLimits = GateLimits { at_once: 1, spacing: None, waiting: 8, keys: 8 };

#[test]
fn a_blocked_key_holds_up_nobody_else() {
    let mut gate = Gate::new(LIMITS);
    for (hash, value) in [(1, "1a"), (1, "1b"), (2, "2a"), (1, "1c"), (3, "3a")] {
        gate.insert(hash, value);
    }
    let started: Vec<_> = std::iter::from_fn(|| gate.next(0)).map(|(_, value)| value).collect();
    assert_eq!(started, ["1a", "2a", "3a"]);
    gate.release(1);
    assert_eq!(gate.next(0), Some((1, "1b")));
    assert_eq!(gate.next(0), None);
}

#[test]
fn starts_of_a_key_are_spaced_and_slack_is_saved_up() {
    let mut gate = Gate::new(GateLimits { at_once: 9, spacing: Some((10, 20)), ..LIMITS });
    for value in 0..6 {
        gate.insert(7, value);
    }
    let mut starts = Vec::new();
    for now in 0..100 {
        while gate.next(now).is_some() {
            starts.push(now);
        }
    }
    assert_eq!(starts, [0, 0, 0, 10, 20, 30]);
}

/// A clock that jumps back, for whatever reason, makes nobody wait longer than its period.
#[test]
fn a_clock_that_jumps_back_does_no_harm() {
    let mut gate = Gate::new(GateLimits { spacing: Some((10, 0)), ..LIMITS });
    gate.insert(1, 'a');
    gate.insert(2, 'b');
    assert!(gate.next(1_000).is_some());
    assert!(gate.next(0).is_some(), "another key is not concerned");
}

#[test]
fn knows_who_alone_holds_back_what_waits() {
    let mut gate = Gate::new(GateLimits { at_once: 2, spacing: None, waiting: 100, keys: 100 });
    assert!(!gate.is_held_back_by([7].into_iter()), "nothing waits");
    (0..3).for_each(|value| gate.insert(7, value));
    assert!(!gate.is_held_back_by([].into_iter()), "it may start");
    assert!(gate.next(0).is_some() && gate.next(0).is_some());
    assert!(gate.is_held_back_by([7, 7].into_iter()));
    assert!(!gate.is_held_back_by([7].into_iter()), "the end of the other one frees it, too");
    assert!(gate.is_held_back_by([5, 7, 7].into_iter()));

    (0..3).for_each(|value| gate.insert(8, value));
    assert!(!gate.is_held_back_by([7, 7].into_iter()), "another key may start");
    assert!(gate.next(0).is_some() && gate.next(0).is_some());
    assert!(!gate.is_held_back_by([7, 7, 9].into_iter()));
    assert!(gate.is_held_back_by([7, 8, 7, 8].into_iter()));
    gate.remove(8, &mut Vec::new());
    assert!(gate.is_held_back_by([7, 7].into_iter()));
    gate.drain();
    assert!(!gate.is_held_back_by([7, 7].into_iter()));
}
