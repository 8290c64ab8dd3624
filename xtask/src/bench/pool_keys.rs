//! The part of `bench pool` that compares the pool with what could be: keys of which some are frequent, and timers beside a
//! pool that computes.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::program::ask;
use super::statistics::Spread;

const WORKERS: [usize; 3] = [2, 4, 16];

/// What workers with keys must reach of the ideal.
const GOAL: f64 = 0.95;

/// As `forebay-bench pool-keys` says it.
#[derive(Debug, Deserialize)]
struct Keyed {
    items: f64,
    of_hottest: f64,
    seconds: f64,
}

/// As `forebay-bench pool-timers` says it, in microseconds.
#[derive(Debug, Serialize, Deserialize)]
struct Late {
    median: f64,
    p99: f64,
    max: f64,
}

/// Workers with keys, round by round: what part of the ideal they reach.
#[derive(Debug, Serialize)]
pub(super) struct Keys(Vec<(usize, Vec<f64>)>);

/// How late a timer is beside what.
#[derive(Debug, Serialize)]
pub(super) struct Timers(Vec<(&'static str, Vec<Late>)>);

// === impl Keys ===

impl Keys {
    pub(super) fn measure(program: &Path, quick: bool, rounds: usize) -> Result<Self> {
        let (items, alone) = if quick { (200, 50) } else { (2_000, 200) };
        let run = |workers: usize, items: usize| -> Result<Keyed> {
            let (workers, items) = (workers.to_string(), items.to_string());
            ask(program, &["pool-keys", "--workers", &workers, "--items", &items])
        };
        let mut shares: Vec<(usize, Vec<f64>)> = WORKERS.map(|workers| (workers, Vec::new())).into();
        println!("keys: {rounds} rounds of {items}");
        for _ in 0..rounds {
            let one = run(1, alone)?;
            for (workers, shares) in &mut shares {
                shares.push(share_of_ideal(&one, &run(*workers, items)?, *workers));
            }
        }
        Ok(Self(shares))
    }

    pub(super) fn table(&self) -> String {
        let mut table = format!(
            "With `per_key(1)`, 1000 keys whose frequency falls with the power 1.1 (zipf) and 10 ms an item: items a second, \
             relative to min(W, 1/p1) times one worker, where p1 is the share of the most frequent key. Goal: {GOAL}.\n\n\
             | workers | of the ideal | |\n| --- | --- | --- |"
        );
        for (workers, shares) in &self.0 {
            let spread = Spread::of(shares.iter().copied());
            let met = if spread.median >= GOAL { "met" } else { "missed" };
            write!(table, "\n| {workers} | {spread} | {met} |").expect("a string takes all");
        }
        table
    }
}

/// One worker's rate times as many as can be busy is the ideal.
fn share_of_ideal(one: &Keyed, all: &Keyed, workers: usize) -> f64 {
    let at_once = (all.items / all.of_hottest).min(workers as f64);
    (all.items / all.seconds) / (one.items / one.seconds * at_once)
}

// === impl Timers ===

impl Timers {
    pub(super) fn measure(program: &Path, quick: bool, rounds: usize) -> Result<Self> {
        let ticks = if quick { "50" } else { "400" };
        let mut beside = [("nothing", Vec::new()), ("threads", Vec::new()), ("tasks", Vec::new())];
        println!("timers: {rounds} rounds of {ticks}");
        for _ in 0..rounds {
            for (word, late) in &mut beside {
                late.push(ask(program, &["pool-timers", "--beside", word, "--ticks", ticks])?);
            }
        }
        Ok(Self(beside.into()))
    }

    pub(super) fn table(&self) -> String {
        let mut table = "How late a timer of 5 ms is on a runtime with two threads, in microseconds, beside a pool whose two workers \
             compute for 50 ms at a time: with threads of their own (`cpu(2)`), as tasks of the runtime (`workers(2)`), and \
             where there is none. Each run ends after 5 s, however few timers have rung.\n\n\
             | beside | median | 99 % | max |\n| --- | --- | --- | --- |"
            .to_owned();
        for (word, late) in &self.0 {
            let spread = |of: fn(&Late) -> f64| Spread::of(late.iter().map(of));
            let [median, p99, max] =
                [spread(|late| late.median), spread(|late| late.p99), spread(|late| late.max)];
            write!(table, "\n| {word} | {median:.0} | {p99:.0} | {max:.0} |").expect("a string takes all");
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ideal_is_bounded_by_workers_and_by_the_most_frequent_key() {
        let one = Keyed { items: 100.0, of_hottest: 20.0, seconds: 1.0 };
        let four = Keyed { items: 400.0, of_hottest: 80.0, seconds: 1.0 };
        assert_eq!(share_of_ideal(&one, &four, 4), 1.0);
        let many = Keyed { items: 400.0, of_hottest: 80.0, seconds: 1.0 };
        assert_eq!(share_of_ideal(&one, &many, 16), 0.8);
    }

    #[test]
    fn tables_say_whether_the_goal_is_met() {
        let keys = Keys(vec![(4, vec![0.97]), (16, vec![0.9])]);
        let table = keys.table();
        assert!(
            table.ends_with("| 4 | 0.97 (0.97-0.97) | met |\n| 16 | 0.90 (0.90-0.90) | missed |"),
            "{table}"
        );
        let timers = Timers(vec![("threads", vec![Late { median: 900.0, p99: 1_900.0, max: 5_000.0 }])]);
        assert!(
            timers.table().ends_with("| threads | 900 (900-900) | 1900 (1900-1900) | 5000 (5000-5000) |")
        );
    }
}
