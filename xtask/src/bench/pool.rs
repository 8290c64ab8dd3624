//! `bench pool`: workers of a runtime with two threads, and what people write instead of a pool.
//!
//! The contenders live in crates/forebay-bench, one small file each. This side decides who runs when, and judges.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;
use serde::Deserialize;
use serde_json::json;

use super::pool_keys::{Keys, Timers};
use super::program::{self, ask};
use super::{Measurements, statistics::Spread};

const OURS: &str = "forebay";
const BARE_LOOP: &str = "loop";
/// The work with nothing handed out.
const ALONE: &str = "alone";

/// What each item takes, and how many items a run has for each worker or in all.
const WORK: [Work; 4] = [
    Work { word: "none", items: 400_000, quick: 40_000, for_each_worker: false },
    Work { word: "spin:1us", items: 200_000, quick: 20_000, for_each_worker: false },
    Work { word: "spin:100us", items: 6_000, quick: 600, for_each_worker: false },
    Work { word: "sleep:10ms", items: 30, quick: 5, for_each_worker: true },
];
const WORKERS: [usize; 3] = [1, 4, 64];
const PRODUCERS: [usize; 2] = [1, 4];
const ROUNDS: usize = 5;
/// Where there is no work, what is measured is the cores and the way between them, and a shared machine changes these more
/// often than five rounds can tell.
const ROUNDS_OF_NONE: usize = 15;
const QUICK_ROUNDS: usize = 3;

/// A run lasts at least so many seconds. Most of a shorter one would be what happens once: threads and queues that
/// come into being.
const LONG: f64 = 0.2;

/// What the pool must reach where an item takes so long, and in how many rows it did.
const GOALS: [Goal; 5] = [
    Goal { work: "none", than: Than::TaskPerItem, least: 4.0 },
    Goal { work: "spin:1us", than: Than::TaskPerItem, least: 1.2 },
    Goal { work: "none", than: Than::Loop, least: 0.85 },
    Goal { work: "spin:1us", than: Than::Loop, least: 0.85 },
    Goal { work: "spin:100us", than: Than::Ideal, least: 1.0 / 1.02 },
];

struct Goal {
    work: &'static str,
    than: Than,
    /// Of its rate.
    least: f64,
}

enum Than {
    TaskPerItem,
    Loop,
    Ideal,
}

struct Work {
    word: &'static str,
    items: usize,
    quick: usize,
    for_each_worker: bool,
}

/// As `forebay-bench pool-contenders` lists them.
#[derive(Debug, Deserialize)]
struct Contender {
    name: String,
    package: String,
    task_per_item: bool,
    many_producers: bool,
    sleeps: bool,
}

#[derive(Debug, Deserialize)]
struct Measured {
    items: f64,
    seconds: f64,
}

/// One row of the table.
struct Cell {
    work: &'static str,
    workers: usize,
    producers: usize,
    /// How many items a run of each contender has.
    items: Vec<usize>,
    /// Thousand items a second of each contender, once a round; empty where it cannot take part.
    rates: Vec<Vec<f64>>,
}

pub(super) fn measure(quick: bool) -> Result<Measurements> {
    let program = program::build()?;
    let contenders: Vec<Contender> = ask(&program, &["pool-contenders"])?;
    let rounds = if quick { QUICK_ROUNDS } else { ROUNDS };

    let mut cells = Vec::new();
    for work in &WORK {
        let rounds = if work.word == "none" && !quick { ROUNDS_OF_NONE } else { rounds };
        for workers in WORKERS {
            for producers in PRODUCERS {
                let mut items = if quick { work.quick } else { work.items };
                if work.for_each_worker {
                    items *= workers;
                }
                println!(
                    "{}, {workers} workers, {producers} producers: {rounds} rounds of {items} items or more",
                    work.word
                );
                let (items, rates) = (vec![items; contenders.len()], vec![Vec::new(); contenders.len()]);
                let mut cell = Cell { work: work.word, workers, producers, items, rates };
                if !quick {
                    cell.lengthen(&program, &contenders)?;
                }
                for _ in 0..rounds {
                    cell.round(&program, &contenders)?;
                }
                cells.push(cell);
            }
        }
    }

    let keys = Keys::measure(&program, quick, rounds)?;
    let timers = Timers::measure(&program, quick, rounds)?;
    let runs = if quick {
        format!(", {rounds} rounds")
    } else {
        format!(" and at least {LONG} s long, {rounds} rounds, and {ROUNDS_OF_NONE} where there is no work")
    };
    let mut body = body(&contenders, &cells, &runs) + "\n";
    for goal in &GOALS {
        body += &goal.outcome(&contenders, &cells);
    }
    body += "\n- Goal, no allocation for an item once the pool has its size: counted by the test `allocations` of \
             forebay-pool, for each form of handler.";
    for table in [keys.table(), timers.table()] {
        body += "\n\n";
        body += &table;
    }

    Ok(Measurements {
        title: "pool: workers, and what people write instead",
        body,
        versions: program::versions(contenders.iter().map(|contender| contender.package.as_str()))?,
        raw: json!({ "pools": raw(&contenders, &cells), "keys": keys, "timers": timers }),
    })
}

// === impl Cell ===

impl Cell {
    /// Gives each contender as many items as take it long enough, by a run that does not count.
    fn lengthen(&mut self, program: &Path, contenders: &[Contender]) -> Result<()> {
        for (at, contender) in contenders.iter().enumerate() {
            if let Some(Measured { seconds, .. }) = self.run(program, contender, self.items[at])? {
                self.items[at] *= (LONG / seconds).ceil().max(1.0) as usize;
            }
        }
        Ok(())
    }

    fn round(&mut self, program: &Path, contenders: &[Contender]) -> Result<()> {
        for (at, contender) in contenders.iter().enumerate() {
            if let Some(measured) = self.run(program, contender, self.items[at])? {
                self.rates[at].push(measured.items / measured.seconds / 1e3);
            }
        }
        Ok(())
    }

    /// `None`: the contender cannot take part.
    fn run(&self, program: &Path, contender: &Contender, items: usize) -> Result<Option<Measured>> {
        let too_many = self.producers > 1 && !contender.many_producers;
        if too_many || self.work.starts_with("sleep") && !contender.sleeps {
            return Ok(None);
        }
        let load = [
            ("--contender", contender.name.clone()),
            ("--work", self.work.to_owned()),
            ("--workers", self.workers.to_string()),
            ("--producers", self.producers.to_string()),
            ("--items", items.to_string()),
        ];
        let arguments: Vec<&str> =
            ["pool"].into_iter().chain(load.iter().flat_map(|(key, value)| [*key, value.as_str()])).collect();
        ask(program, &arguments).map(Some)
    }

    fn rates_of(&self, contenders: &[Contender], name: &str) -> Option<&[f64]> {
        let at = contenders.iter().position(|contender| contender.name == name)?;
        Some(&self.rates[at]).filter(|rates| !rates.is_empty()).map(Vec::as_slice)
    }

    fn relative_to(&self, contenders: &[Contender], name: &str) -> Option<Spread> {
        Some(Spread::of_ratios(self.rates_of(contenders, OURS)?, self.rates_of(contenders, name)?))
    }

    /// The best of those who start a task for each item.
    fn best_task_per_item(&self, contenders: &[Contender]) -> Option<Spread> {
        let peers = contenders.iter().filter(|contender| contender.task_per_item);
        let rates = peers.filter_map(|peer| self.rates_of(contenders, &peer.name));
        let best = rates.max_by(|a, b| {
            let median = |rates: &[f64]| Spread::of(rates.iter().copied()).median;
            median(a).total_cmp(&median(b))
        })?;
        Some(Spread::of_ratios(self.rates_of(contenders, OURS)?, best))
    }

    /// How long ours takes relative to what the work alone takes, where an item takes so long that this matters.
    fn makespan(&self, contenders: &[Contender]) -> Option<Spread> {
        if !["spin:100us", "sleep:10ms"].contains(&self.work) {
            return None;
        }
        Some(Spread::of_ratios(self.rates_of(contenders, ALONE)?, self.rates_of(contenders, OURS)?))
    }
}

// === impl Goal ===

impl Goal {
    fn outcome(&self, contenders: &[Contender], cells: &[Cell]) -> String {
        let Self { work, than, least } = self;
        let words = match than {
            Than::TaskPerItem => format!("at least {least} times the best task per item"),
            Than::Loop => format!("at least {least} of the loop"),
            Than::Ideal => format!("at most {:.2} of the ideal makespan", 1.0 / least),
        };
        let rows = cells.iter().filter(|cell| cell.work == *work);
        let ratios = rows.filter_map(|cell| {
            let ratio = match than {
                Than::TaskPerItem => cell.best_task_per_item(contenders)?.median,
                Than::Loop => cell.relative_to(contenders, BARE_LOOP)?.median,
                Than::Ideal => 1.0 / cell.makespan(contenders)?.median,
            };
            Some((ratio, cell))
        });
        let ratios: Vec<_> = ratios.collect();
        let Some((lowest, cell)) = ratios.iter().min_by(|(a, _), (b, _)| a.total_cmp(b)) else {
            return format!("\n- Goal, {work}: {words}: not measured.");
        };
        let met = ratios.iter().filter(|(ratio, _)| ratio >= least).count();
        let worst = if let Than::Ideal = than { 1.0 / lowest } else { *lowest };
        format!(
            "\n- Goal, {work}: {words}: {} in {met} of {} rows, the worst {worst:.2} ({} workers, {} producers).",
            if met == ratios.len() { "met" } else { "missed; met" },
            ratios.len(),
            cell.workers,
            cell.producers,
        )
    }
}

fn body(contenders: &[Contender], cells: &[Cell], runs: &str) -> String {
    let mut body = format!(
        "Thousand items a second on a tokio runtime with two threads; each run in a process of its own{runs}, \
         contenders interleaved; median (min-max).\n\
         `loop` is a bare loop over forebay-queue for each worker, `async-channel` the same over that; `spawn` is a task \
         for each item and a semaphore, `join-set` a task for each item in a bounded `JoinSet`, `buffer-unordered` many \
         futures in one task; rayon computes on two threads whatever the number of workers. \
         `alone` is the work with nothing handed out: a task for each worker, which has its share from the beginning.\n\
         Ratios are ours to theirs, taken round by round; the makespan is ours relative to what the work alone takes.\n\n\
         | work | workers | producers |"
    );
    let names = contenders.iter().map(|contender| contender.name.as_str());
    let columns = names.chain(["ours to the loop", "ours to the best task per item", "makespan"]);
    let count = columns.clone().count() + 3;
    for column in columns {
        write!(body, " {column} |").expect("a string takes all");
    }
    body += "\n|";
    body += &" --- |".repeat(count);
    for cell in cells {
        write!(body, "\n| {} | {} | {} |", cell.work, cell.workers, cell.producers)
            .expect("a string takes all");
        for rates in &cell.rates {
            body += &match rates.as_slice() {
                [] => " - |".to_owned(),
                rates => format!(" {:.1} |", Spread::of(rates.iter().copied())),
            };
        }
        let ratios = [
            cell.relative_to(contenders, BARE_LOOP),
            cell.best_task_per_item(contenders),
            cell.makespan(contenders),
        ];
        for ratio in ratios {
            body += &ratio.map_or(" - |".to_owned(), |ratio| format!(" {ratio} |"));
        }
    }
    body
}

fn raw(contenders: &[Contender], cells: &[Cell]) -> serde_json::Value {
    let cells = cells.iter().map(|cell| {
        let rates: serde_json::Map<_, _> = contenders
            .iter()
            .zip(&cell.rates)
            .map(|(contender, rates)| (contender.name.clone(), json!(rates)))
            .collect();
        json!({
            "work": cell.work,
            "workers": cell.workers,
            "producers": cell.producers,
            "thousand_items_per_second": rates,
        })
    });
    json!(cells.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contenders() -> Vec<Contender> {
        serde_json::from_str(
            r#"[{"name":"forebay","package":"forebay-pool","task_per_item":false,"many_producers":true,"sleeps":true},
                {"name":"loop","package":"forebay-queue","task_per_item":false,"many_producers":true,"sleeps":true},
                {"name":"spawn","package":"tokio","task_per_item":true,"many_producers":true,"sleeps":true},
                {"name":"alone","package":"tokio","task_per_item":false,"many_producers":true,"sleeps":true}]"#,
        )
        .unwrap()
    }

    #[test]
    fn goals_say_in_how_many_rows_they_are_met() {
        let cell = |work, producers, rates: [f64; 4]| Cell {
            items: Vec::new(),
            work,
            workers: 4,
            producers,
            rates: rates.map(|rate| vec![rate]).into(),
        };
        let cells = [
            cell("none", 1, [9.0, 10.0, 2.0, 90.0]),
            cell("none", 4, [8.0, 10.0, 2.0, 90.0]),
            cell("spin:100us", 1, [19.7, 19.8, 19.0, 19.9]),
        ];
        let outcomes: String = GOALS.iter().map(|goal| goal.outcome(&contenders(), &cells)).collect();
        assert_eq!(
            outcomes,
            "\n- Goal, none: at least 4 times the best task per item: met in 2 of 2 rows, the worst 4.00 (4 workers, 4 \
             producers).\
             \n- Goal, spin:1us: at least 1.2 times the best task per item: not measured.\
             \n- Goal, none: at least 0.85 of the loop: missed; met in 1 of 2 rows, the worst 0.80 (4 workers, 4 producers).\
             \n- Goal, spin:1us: at least 0.85 of the loop: not measured.\
             \n- Goal, spin:100us: at most 1.02 of the ideal makespan: met in 1 of 1 rows, the worst 1.01 (4 workers, 1 \
             producers)."
        );
    }

    #[test]
    fn ours_is_compared_with_the_loop_and_with_tasks() {
        let contenders = contenders();
        let rates = vec![vec![9.0], vec![10.0], vec![3.0], vec![9.9]];
        let cell = Cell { work: "spin:100us", workers: 1, producers: 1, items: Vec::new(), rates };
        let table = body(&contenders, &[cell], "");
        assert_eq!(
            table.lines().last().unwrap(),
            "| spin:100us | 1 | 1 | 9.0 (9.0-9.0) | 10.0 (10.0-10.0) | 3.0 (3.0-3.0) | \
             9.9 (9.9-9.9) | 0.90 (0.90-0.90) | 3.00 (3.00-3.00) | 1.10 (1.10-1.10) |"
        );
    }
}
