//! `bench priority`: numbers of several classes or keys through a queue that puts them in order.
//!
//! The contenders live in crates/forebay-bench, one small file each. This side decides who runs when.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;
use serde::Deserialize;
use serde_json::json;

use super::program::{self, ask};
use super::{Measurements, statistics::Spread};

/// Our queue without an order: what a discipline is measured by.
const PLAIN: &str = "forebay-fifo";
/// Who keeps less than a queue that serves by class: the least that an order costs, and a line that has none.
const FLOORS: [&str; 2] = ["lanes", "tower-buffer"];

/// Items of one run. At some million a second a run takes a good part of a second.
const ITEMS: usize = 1_000_000;
const ROUNDS: usize = 5;
const QUICK_ITEMS: usize = 100_000;
const QUICK_ROUNDS: usize = 1;
/// So many are looked at for their order.
const ORDERED: usize = 2000;

/// As `forebay-bench priority-contenders` lists them.
#[derive(Debug, Deserialize)]
struct Contender {
    name: String,
    package: String,
    classes: bool,
    keys: bool,
    receives: bool,
    slow: bool,
}

#[derive(Debug, Deserialize)]
struct Measured {
    items: f64,
    seconds: f64,
    hung: bool,
    out_of_order: usize,
}

#[derive(Debug, Deserialize)]
struct RoundTrip {
    nanoseconds: f64,
}

/// What is put in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ranks {
    Classes(usize),
    Keys(usize),
}

/// What is done.
#[derive(Debug, Clone, Copy)]
struct Load {
    ranks: Ranks,
    depth: usize,
    /// `turns` or `stream`, as forebay-bench knows them.
    shape: &'static str,
    tasks: usize,
}

/// One row of the table.
struct Row {
    load: Load,
    /// Nanoseconds between the cores, once a round.
    round_trips: Vec<f64>,
    /// Million items a second of each contender, once a round; empty where it does not take part.
    rates: Vec<Vec<f64>>,
    /// Who hung, and how often.
    hung: Vec<usize>,
}

pub(super) fn measure(quick: bool) -> Result<Measurements> {
    let program = program::build()?;
    let contenders: Vec<Contender> = ask(&program, &["priority-contenders"])?;
    let (items, rounds) = if quick { (QUICK_ITEMS, QUICK_ROUNDS) } else { (ITEMS, ROUNDS) };

    let mut rows = Vec::new();
    for load in loads() {
        let mut row = Row::new(load, contenders.len());
        println!("{}: {rounds} rounds of {items} items", load.words());
        for _ in 0..rounds {
            row.round(&program, &contenders, items)?;
        }
        rows.push(row);
    }
    let orders = orders(&program, &contenders)?;

    Ok(Measurements {
        title: "priority: numbers in the order of a discipline",
        body: body(&contenders, &rows, &orders, items, rounds),
        versions: program::versions(contenders.iter().map(|contender| contender.package.as_str()))?,
        raw: raw(&contenders, &rows),
    })
}

/// What is measured, in the order of the table.
fn loads() -> Vec<Load> {
    let mut loads = Vec::new();
    let mut add = |ranks, depth, shape, tasks| loads.push(Load { ranks, depth, shape, tasks });
    for ranks in [Ranks::Classes(3), Ranks::Classes(8), Ranks::Classes(256), Ranks::Keys(1000)] {
        for depth in [10, 1000, 100_000] {
            add(ranks, depth, "stream", 1);
            add(ranks, depth, "stream", 4);
            // Depth is what it says there, so one of the ranks is enough to see what it costs.
            if depth == 1000 || ranks == Ranks::Classes(8) {
                add(ranks, depth, "turns", 1);
                add(ranks, depth, "turns", 4);
            }
        }
    }
    loads
}

/// How many of those that are equal each contender gives out of order.
fn orders(program: &Path, contenders: &[Contender]) -> Result<Vec<(String, usize)>> {
    let load = Load { ranks: Ranks::Classes(8), depth: ORDERED, shape: "order", tasks: 1 };
    let classes = contenders.iter().filter(|contender| contender.classes && contender.receives);
    classes
        .map(|contender| Ok((contender.name.clone(), load.run(program, contender, 0)?.out_of_order)))
        .collect()
}

// === impl Ranks ===

impl Ranks {
    fn are_known_to(self, contender: &Contender) -> bool {
        match self {
            Self::Classes(_) => contender.classes,
            Self::Keys(_) => contender.keys,
        }
    }

    /// Ours that is measured.
    fn ours(self) -> &'static str {
        match self {
            Self::Classes(_) => "forebay-strict",
            Self::Keys(_) => "forebay-fair",
        }
    }

    fn words(self) -> String {
        match self {
            Self::Classes(classes) => format!("{classes} classes"),
            Self::Keys(keys) => format!("{keys} keys"),
        }
    }
}

// === impl Load ===

impl Load {
    fn words(&self) -> String {
        let Self { ranks, depth, tasks, .. } = self;
        let shape = self.shape_words();
        format!("{}, depth {depth}, {tasks} {shape}", ranks.words())
    }

    fn shape_words(&self) -> String {
        if self.shape == "turns" { "in turns".to_owned() } else { format!("to {}", self.tasks) }
    }

    fn is_for(&self, contender: &Contender) -> bool {
        self.ranks.are_known_to(contender) && (contender.receives || self.shape == "stream")
    }

    fn run(&self, program: &Path, contender: &Contender, items: usize) -> Result<Measured> {
        let items = if contender.slow { items / 10 } else { items };
        let (ranks, keys) = match self.ranks {
            Ranks::Classes(classes) => (classes, None),
            Ranks::Keys(keys) => (keys, Some("--keys")),
        };
        let numbers = [
            ("--contender", contender.name.clone()),
            ("--ranks", ranks.to_string()),
            ("--depth", self.depth.to_string()),
            ("--shape", self.shape.to_owned()),
            ("--tasks", self.tasks.to_string()),
            ("--items", items.to_string()),
        ];
        let arguments: Vec<&str> = ["priority"]
            .into_iter()
            .chain(keys)
            .chain(numbers.iter().flat_map(|(key, value)| [*key, value.as_str()]))
            .collect();
        ask(program, &arguments)
    }
}

// === impl Row ===

impl Row {
    fn new(load: Load, contenders: usize) -> Self {
        Self { load, round_trips: Vec::new(), rates: vec![Vec::new(); contenders], hung: vec![0; contenders] }
    }

    fn round(&mut self, program: &Path, contenders: &[Contender], items: usize) -> Result<()> {
        self.round_trips.push(ask::<RoundTrip>(program, &["ping-pong"])?.nanoseconds);
        for (at, contender) in contenders.iter().enumerate() {
            if !self.load.is_for(contender) {
                continue;
            }
            let measured = self.load.run(program, contender, items)?;
            if measured.hung {
                self.hung[at] += 1;
                self.rates[at].push(0.0);
            } else {
                self.rates[at].push(measured.items / measured.seconds / 1e6);
            }
        }
        Ok(())
    }

    fn rates(&self, contenders: &[Contender], name: &str) -> &[f64] {
        let at = contenders.iter().position(|contender| contender.name == name);
        at.map_or(&[], |at| &self.rates[at])
    }

    fn ours<'a>(&'a self, contenders: &[Contender]) -> &'a [f64] {
        self.rates(contenders, self.load.ranks.ours())
    }

    /// Our rate relative to that of our queue without an order.
    fn to_plain(&self, contenders: &[Contender]) -> Spread {
        Spread::of_ratios(self.ours(contenders), self.rates(contenders, PLAIN))
    }

    /// The peer with the best median, and our rate relative to it.
    fn best_peer(&self, contenders: &[Contender]) -> Option<(String, Spread)> {
        let median = |rates: &[f64]| Spread::of(rates.iter().copied()).median;
        let peers = contenders
            .iter()
            .zip(&self.rates)
            .zip(&self.hung)
            .filter(|((peer, rates), hung)| {
                !is_ours(&peer.name)
                    && !FLOORS.contains(&peer.name.as_str())
                    && !rates.is_empty()
                    && **hung == 0
            })
            .map(|(peer, _)| peer);
        let (peer, rates) = peers.max_by(|(_, a), (_, b)| median(a).total_cmp(&median(b)))?;
        Some((peer.name.clone(), Spread::of_ratios(self.ours(contenders), rates)))
    }
}

fn is_ours(name: &str) -> bool {
    name.starts_with("forebay-")
}

fn body(
    contenders: &[Contender],
    rows: &[Row],
    orders: &[(String, usize)],
    items: usize,
    rounds: usize,
) -> String {
    let mut body = format!(
        "Million `usize` items a second through a bounded queue that serves them by class, or fairly by key, as tasks of \
         a tokio runtime with two threads.\n\
         {items} items a run, each run in a process of its own, {rounds} rounds, contenders interleaved; median \
         (min-max).\n\
         Ratios are ours to theirs, taken round by round; `round trip` as above.\n\n\
         `n in turns`: so many tasks that each send one and then receive one, so that the queue is as deep as the table \
         says all the time, and nobody waits.\n\
         `n to n`: so many senders and as many receivers, and the queue, which begins full, has that many places; where \
         the receivers are faster, it is less deep.\n\n\
         `forebay-fifo` is our queue without an order, at the same capacity; it finds out the class of each item, too, and \
         does nothing with it. \
         `heap` and `lanes` are what one writes by hand: a binary heap, or a line for each class with a bit for each \
         that has somebody, in a parking_lot mutex with a notification for each side; `heap-tokio` has tokio's mutex. \
         For keys the heap is ordered by how much a key has had, and never forgets one. \
         None of them serves those who wait as they came, promotes anybody, lets a waiting item be removed, \
         put back or given another class, or but for tokio's mutex spends the runtime's cooperative budget; `lanes` is the least that an order can cost, and not among the peers.\n\
         `ractor` is its factory with a queue of priorities, which hands items to workers instead of receivers, and is given a tenth \
         of the items; its queue has no bound that waits, so a semaphore holds the depth. \
         `tower-buffer` has no order at all, and one worker: a floor, and not among the peers.\n\n\
         | ranks | depth | tasks | round trip, ns |"
    );
    let header = contenders.iter().map(|contender| contender.name.as_str());
    let columns = header.chain(["ours to forebay-fifo", "ours to the best peer"]);
    let count = columns.clone().count() + 4;
    for column in columns {
        write!(body, " {column} |").expect("a string takes all");
    }
    body += "\n|";
    body += &" --- |".repeat(count);
    for row in rows {
        let round_trip = Spread::of(row.round_trips.iter().copied());
        let Load { ranks, depth, tasks, .. } = row.load;
        let (ranks, shape) = (ranks.words(), row.load.shape_words());
        write!(body, "\n| {ranks} | {depth} | {tasks} {shape} | {round_trip:.0} |")
            .expect("a string takes all");
        for (rates, hung) in row.rates.iter().zip(&row.hung) {
            body += &match rates.as_slice() {
                [] => " - |".to_owned(),
                _ if *hung > 0 => format!(" hung in {hung} of {rounds} |"),
                rates => format!(" {:.1} |", Spread::of(rates.iter().copied())),
            };
        }
        write!(body, " {} |", row.to_plain(contenders)).expect("a string takes all");
        body += &row
            .best_peer(contenders)
            .map_or(" not measured |".to_owned(), |(peer, ratio)| format!(" {ratio} {peer} |"));
    }
    body += "\n\n";
    body += &goals(contenders, rows);
    body += &out_of_order(orders);
    body
}

fn goals(contenders: &[Contender], rows: &[Row]) -> String {
    let few = rows.iter().filter(|row| matches!(row.load.ranks, Ranks::Classes(..=8)));
    let plain: Vec<f64> = few.map(|row| row.to_plain(contenders).median).collect();
    let met = plain.iter().filter(|ratio| **ratio >= 1.0 / 1.3).count();
    let mut goals = format!(
        "- Goal: at up to 8 classes within 1.3 of our queue without an order, so a ratio of 0.77 or more: met in {met} of \
         {} rows, the lowest {:.2}.\n",
        plain.len(),
        plain.iter().copied().fold(f64::INFINITY, f64::min),
    );
    let many = rows.iter().filter(|row| !matches!(row.load.ranks, Ranks::Classes(..=8)));
    let peers: Vec<f64> =
        many.filter_map(|row| row.best_peer(contenders)).map(|(_, ratio)| ratio.median).collect();
    let met = peers.iter().filter(|ratio| **ratio >= 1.5).count();
    writeln!(
        goals,
        "- Goal: elsewhere at least 1.5 times the best peer: met in {met} of {} rows, the lowest {:.2}.",
        peers.len(),
        peers.iter().copied().fold(f64::INFINITY, f64::min),
    )
    .expect("a string takes all");
    goals
}

/// A sentence about the order among equals.
fn out_of_order(orders: &[(String, usize)]) -> String {
    let mut said = format!(
        "\nOf {ORDERED} items of 8 classes, sent before any is received, these came after an equal that was sent later:"
    );
    for (at, (name, out_of_order)) in orders.iter().filter(|(name, _)| name != PLAIN).enumerate() {
        let comma = if at == 0 { "" } else { "," };
        write!(said, "{comma} {name} {out_of_order}").expect("a string takes all");
    }
    said + ".\n"
}

fn raw(contenders: &[Contender], rows: &[Row]) -> serde_json::Value {
    let rows = rows.iter().map(|row| {
        let rates: serde_json::Map<_, _> = contenders
            .iter()
            .zip(&row.rates)
            .map(|(contender, rates)| (contender.name.clone(), json!(rates)))
            .collect();
        json!({
            "load": row.load.words(),
            "round_trip_nanoseconds": row.round_trips,
            "million_items_per_second": rates,
        })
    });
    json!(rows.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contenders() -> Vec<Contender> {
        serde_json::from_str(
            r#"[{"name":"forebay-fifo","package":"forebay-queue","classes":true,"keys":true,"receives":true,"slow":false},
                {"name":"forebay-strict","package":"forebay-priority","classes":true,"keys":false,"receives":true,"slow":false},
                {"name":"heap","package":"parking_lot","classes":true,"keys":true,"receives":true,"slow":false},
                {"name":"lanes","package":"parking_lot","classes":true,"keys":false,"receives":true,"slow":false},
                {"name":"ractor","package":"ractor","classes":true,"keys":false,"receives":false,"slow":true}]"#,
        )
        .unwrap()
    }

    fn row_of(classes: usize, rates: [f64; 4]) -> Row {
        let load = Load { ranks: Ranks::Classes(classes), depth: 10, shape: "turns", tasks: 4 };
        let mut row = Row::new(load, 5);
        row.round_trips = vec![60.0];
        rates.into_iter().zip(&mut row.rates).for_each(|(rate, rates)| rates.push(rate));
        row
    }

    fn row(rates: [f64; 4]) -> Row {
        row_of(8, rates)
    }

    fn shown(row: Row) -> String {
        let table = body(&contenders(), &[row], &[("heap".to_owned(), 3)], 1, 1);
        table.lines().find(|line| line.starts_with("| 8 classes")).unwrap().to_owned()
    }

    #[test]
    fn the_least_that_an_order_can_cost_is_shown_and_is_no_peer() {
        assert_eq!(
            shown(row([4.0, 3.0, 2.0, 8.0])),
            "| 8 classes | 10 | 4 in turns | 60 (60-60) | 4.0 (4.0-4.0) | 3.0 (3.0-3.0) | 2.0 (2.0-2.0) | \
             8.0 (8.0-8.0) | - | 0.75 (0.75-0.75) | 1.50 (1.50-1.50) heap |"
        );
    }

    #[test]
    fn a_peer_that_hangs_is_reported() {
        let mut hung = row([4.0, 3.0, 0.0, 8.0]);
        hung.hung[2] = 1;
        assert!(shown(hung).contains("| hung in 1 of 1 |"));
    }

    #[test]
    fn a_goal_says_in_how_many_rows_it_is_met() {
        let of_many = [row_of(256, [4.0, 3.0, 2.0, 8.0]), row_of(256, [4.0, 4.0, 3.0, 8.0])];
        let rows: Vec<_> =
            [row([4.0, 3.0, 2.0, 8.0]), row([4.0, 4.0, 3.0, 8.0])].into_iter().chain(of_many).collect();
        let goals = goals(&contenders(), &rows);
        assert!(goals.contains("met in 1 of 2 rows, the lowest 0.75"), "{goals}");
        assert!(goals.contains("met in 1 of 2 rows, the lowest 1.33"), "{goals}");
    }

    #[test]
    fn who_has_nobody_that_receives_takes_part_in_streams_alone() {
        let contenders = contenders();
        let stream = Load { ranks: Ranks::Classes(8), depth: 10, shape: "stream", tasks: 1 };
        let turns = Load { shape: "turns", ..stream };
        assert!(contenders.iter().all(|contender| stream.is_for(contender)));
        let left_out: Vec<_> = contenders.iter().filter(|contender| !turns.is_for(contender)).collect();
        assert!(matches!(left_out[..], [contender] if contender.name == "ractor"));
    }
}
