//! `bench queue`: numbers through a queue, between tasks of a runtime with two threads.
//!
//! The contenders live in crates/forebay-bench, one small file each. This side decides who runs when.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;
use serde::Deserialize;
use serde_json::json;

use super::program::{self, ask};
use super::{Measurements, statistics::Spread};

const OURS: &str = "forebay";
/// Senders and receivers.
const SHAPES: [(usize, usize); 3] = [(1, 1), (4, 1), (4, 4)];
const CAPACITIES: [usize; 4] = [1, 10, 100, 1000];

/// Items of one run. At some million a second a run takes a good part of a second.
const ITEMS: usize = 2_000_000;
const ROUNDS: usize = 9;
const QUICK_ITEMS: usize = 200_000;
const QUICK_ROUNDS: usize = 3;

/// As `forebay-bench contenders` lists them.
#[derive(Debug, Deserialize)]
struct Contender {
    name: String,
    package: String,
    many_receivers: bool,
}

#[derive(Debug, Deserialize)]
struct Measured {
    items: f64,
    seconds: f64,
}

#[derive(Debug, Deserialize)]
struct RoundTrip {
    nanoseconds: f64,
}

/// One row of the table: a shape and a capacity.
struct Cell {
    senders: usize,
    receivers: usize,
    capacity: usize,
    /// Nanoseconds between the cores, once a round.
    round_trips: Vec<f64>,
    /// Million items a second of each contender, once a round; empty where it cannot take part.
    rates: Vec<Vec<f64>>,
}

pub(super) fn measure(quick: bool) -> Result<Measurements> {
    let program = program::build()?;
    let contenders: Vec<Contender> = ask(&program, &["contenders"])?;
    let (items, rounds) = if quick { (QUICK_ITEMS, QUICK_ROUNDS) } else { (ITEMS, ROUNDS) };

    let mut cells = Vec::new();
    for (senders, receivers) in SHAPES {
        for capacity in CAPACITIES {
            let mut cell = Cell::new(senders, receivers, capacity, contenders.len());
            println!("{senders} to {receivers}, capacity {capacity}: {rounds} rounds of {items} items");
            for _ in 0..rounds {
                cell.round(&program, &contenders, items)?;
            }
            cells.push(cell);
        }
    }

    Ok(Measurements {
        title: "queue: numbers between tasks",
        body: body(&contenders, &cells, items, rounds),
        versions: program::versions(contenders.iter().map(|contender| contender.package.as_str()))?,
        raw: raw(&contenders, &cells),
    })
}

// === impl Cell ===

impl Cell {
    fn new(senders: usize, receivers: usize, capacity: usize, contenders: usize) -> Self {
        Self { senders, receivers, capacity, round_trips: Vec::new(), rates: vec![Vec::new(); contenders] }
    }

    fn round(&mut self, program: &Path, contenders: &[Contender], items: usize) -> Result<()> {
        self.round_trips.push(ask::<RoundTrip>(program, &["ping-pong"])?.nanoseconds);
        for (contender, rates) in contenders.iter().zip(&mut self.rates) {
            if self.receivers > 1 && !contender.many_receivers {
                continue;
            }
            let load = [
                ("--contender", contender.name.clone()),
                ("--capacity", self.capacity.to_string()),
                ("--senders", self.senders.to_string()),
                ("--receivers", self.receivers.to_string()),
                ("--items", items.to_string()),
            ];
            let arguments: Vec<&str> = ["queue"]
                .into_iter()
                .chain(load.iter().flat_map(|(key, value)| [*key, value.as_str()]))
                .collect();
            let measured: Measured = ask(program, &arguments)?;
            rates.push(measured.items / measured.seconds / 1e6);
        }
        Ok(())
    }

    /// The peer with the best median, and our rate relative to it.
    fn best_peer(&self, contenders: &[Contender]) -> Option<(String, Spread)> {
        let ours = &self.rates[contenders.iter().position(|contender| contender.name == OURS)?];
        let peers =
            contenders.iter().zip(&self.rates).filter(|(peer, rates)| peer.name != OURS && !rates.is_empty());
        let median = |rates: &[f64]| Spread::of(rates.iter().copied()).median;
        let (peer, rates) = peers.max_by(|(_, a), (_, b)| median(a).total_cmp(&median(b)))?;
        Some((peer.name.clone(), Spread::of_ratios(ours, rates)))
    }

    /// Our rate relative to the named peer, where that takes part.
    fn relative_to(&self, contenders: &[Contender], name: &str) -> Option<Spread> {
        let rates =
            |name| contenders.iter().position(|contender| contender.name == name).map(|at| &self.rates[at]);
        let theirs = rates(name).filter(|rates| !rates.is_empty())?;
        Some(Spread::of_ratios(rates(OURS)?, theirs))
    }
}

/// The peer that keeps the same promises as ours; the others are faster for not keeping them.
const SAME_PROMISES: &str = "tokio";

fn body(contenders: &[Contender], cells: &[Cell], items: usize, rounds: usize) -> String {
    let mut body = format!(
        "Million `usize` items a second through a bounded queue, senders and receivers as tasks of a tokio runtime \
         with two threads.\n\
         {items} items a run, each run in a process of its own, {rounds} rounds, contenders interleaved; median \
         (min-max).\n\
         Ratios are ours to theirs, taken round by round.\n\
         `round trip` is how long a word travels from one core to the other and back, measured in the same rounds: \
         a virtual machine's cores are at times near and at times far.\n\n\
         A peer's number counts with its guarantees. \
         tokio keeps first come first served and a dropped `send` that has not sent, as forebay does. \
         kanal may deliver a `send` that was dropped; async-channel and crossfire let newcomers overtake those who \
         wait.\n\n\
         | senders to receivers | capacity | round trip, ns |"
    );
    let header = contenders.iter().map(|contender| contender.name.as_str());
    let columns = header.chain(["ours to tokio", "ours to the best peer"]);
    let count = columns.clone().count() + 3;
    for column in columns {
        write!(body, " {column} |").expect("a string takes all");
    }
    body += "\n|";
    body += &" --- |".repeat(count);
    for cell in cells {
        let round_trip = Spread::of(cell.round_trips.iter().copied());
        write!(body, "\n| {} to {} | {} | {round_trip:.0} |", cell.senders, cell.receivers, cell.capacity)
            .expect("a string takes all");
        for rates in &cell.rates {
            body += &match rates.as_slice() {
                [] => " - |".to_owned(),
                rates => format!(" {:.1} |", Spread::of(rates.iter().copied())),
            };
        }
        body += &cell
            .relative_to(contenders, SAME_PROMISES)
            .map_or(" - |".to_owned(), |ratio| format!(" {ratio} |"));
        body += &cell
            .best_peer(contenders)
            .map_or(" not measured |".to_owned(), |(peer, ratio)| format!(" {ratio} {peer} |"));
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
            "senders": cell.senders,
            "receivers": cell.receivers,
            "capacity": cell.capacity,
            "round_trip_nanoseconds": cell.round_trips,
            "million_items_per_second": rates,
        })
    });
    json!(cells.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contenders() -> Vec<Contender> {
        serde_json::from_str(
            r#"[{"name":"forebay","package":"forebay-queue","many_receivers":true},
                {"name":"tokio","package":"tokio","many_receivers":false},
                {"name":"kanal","package":"kanal","many_receivers":true}]"#,
        )
        .unwrap()
    }

    #[test]
    fn a_peer_that_cannot_take_part_is_neither_shown_nor_compared() {
        let mut cell = Cell::new(4, 4, 10, 3);
        cell.round_trips = vec![60.0];
        cell.rates = vec![vec![2.0], vec![], vec![4.0]];
        let table = body(&contenders(), &[cell], 1, 1);
        let row = table.lines().last().unwrap();
        assert_eq!(
            row,
            "| 4 to 4 | 10 | 60 (60-60) | 2.0 (2.0-2.0) | - | 4.0 (4.0-4.0) | - | 0.50 (0.50-0.50) kanal |"
        );
    }
}
