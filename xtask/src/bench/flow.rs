//! `bench flow`: what it costs to ask for a permit, or for a start, where there is room.
//!
//! The contenders live in crates/forebay-bench, one small file each. This side decides who runs when, and judges.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;
use serde::Deserialize;
use serde_json::json;

use super::program::{self, ask};
use super::{Measurements, statistics::Spread};

/// Our crate, and the contender that nothing is laid around.
const OURS: &str = "forebay-flow";
const BARE: &str = "none";
/// One task that has it to itself, and some that share it.
const TASKS: [usize; 2] = [1, 4];
/// Alone, at most the best peer's time; shared, at least so much of the best peer's rate.
const ALONE: f64 = 1.0;
const SHARED: f64 = 1.2;

/// Turns of one run. At some tens of nanoseconds a run takes a good part of a second.
const TURNS: usize = 5_000_000;
const ROUNDS: usize = 9;
const QUICK_TURNS: usize = 500_000;
const QUICK_ROUNDS: usize = 3;

/// What is compared: ours, and those that decide about the same, as whole calls or as decisions.
const GOALS: [Goal; 4] = [
    Goal { ours: "concurrency", about: "permit", call: true },
    Goal { ours: "permit", about: "permit", call: false },
    Goal { ours: "rate", about: "rate", call: true },
    Goal { ours: "bucket", about: "rate", call: false },
];

struct Goal {
    ours: &'static str,
    about: &'static str,
    call: bool,
}

/// As `forebay-bench flow-contenders` lists them.
#[derive(Debug, Deserialize)]
struct Contender {
    name: String,
    package: String,
    about: String,
    call: bool,
    shared: bool,
}

#[derive(Debug, Deserialize)]
struct Measured {
    turns: f64,
    seconds: f64,
}

/// Nanoseconds that a turn took, for each contender, once a round; empty where it cannot take part.
#[derive(Debug)]
struct Cell {
    tasks: usize,
    times: Vec<Vec<f64>>,
}

pub(super) fn measure(quick: bool) -> Result<Measurements> {
    let program = program::build()?;
    let contenders: Vec<Contender> = ask(&program, &["flow-contenders"])?;
    let (turns, rounds) = if quick { (QUICK_TURNS, QUICK_ROUNDS) } else { (TURNS, ROUNDS) };

    let mut cells = Vec::new();
    for tasks in TASKS {
        println!("{tasks} tasks: {rounds} rounds of {turns} turns");
        let mut cell = Cell { tasks, times: vec![Vec::new(); contenders.len()] };
        for _ in 0..rounds {
            cell.round(&program, &contenders, turns)?;
        }
        cells.push(cell);
    }

    let peers = contenders.iter().filter(|contender| contender.name != BARE);
    Ok(Measurements {
        title: "flow: the price of asking",
        body: body(&contenders, &cells, turns, rounds),
        versions: program::versions(peers.map(|contender| contender.package.as_str()))?,
        raw: raw(&contenders, &cells),
    })
}

// === impl Cell ===

impl Cell {
    fn round(&mut self, program: &Path, contenders: &[Contender], turns: usize) -> Result<()> {
        let (tasks, turns) = (self.tasks.to_string(), turns.to_string());
        for (contender, times) in contenders.iter().zip(&mut self.times) {
            if self.tasks > 1 && !contender.shared {
                continue;
            }
            let arguments = ["flow", "--contender", &contender.name, "--tasks", &tasks, "--turns", &turns];
            let measured: Measured = ask(program, &arguments)?;
            times.push(measured.seconds / measured.turns * 1e9);
        }
        Ok(())
    }

    fn times_of(&self, contenders: &[Contender], name: &str) -> Option<&[f64]> {
        let at = contenders.iter().position(|contender| contender.name == name)?;
        Some(self.times[at].as_slice()).filter(|times| !times.is_empty())
    }

    /// What is laid around a service adds so much to its call.
    fn added(&self, contenders: &[Contender], name: &str) -> Option<Spread> {
        let bare = self.times_of(contenders, BARE)?;
        let times = self.times_of(contenders, name)?;
        Some(Spread::of(times.iter().zip(bare).map(|(time, bare)| time - bare)))
    }

    /// The peer with the shortest median, and our time relative to its.
    fn best_peer<'a>(&self, contenders: &'a [Contender], goal: &Goal) -> Option<(&'a str, Spread)> {
        let ours = self.times_of(contenders, goal.ours)?;
        let peers = contenders.iter().filter(|peer| {
            peer.package != OURS && peer.name != BARE && peer.about == goal.about && peer.call == goal.call
        });
        let times = peers.filter_map(|peer| Some((peer, self.times_of(contenders, &peer.name)?)));
        let median = |times: &[f64]| Spread::of(times.iter().copied()).median;
        let (peer, theirs) = times.min_by(|(_, a), (_, b)| median(a).total_cmp(&median(b)))?;
        Some((&peer.name, Spread::of_ratios(ours, theirs)))
    }

    /// The same as rates, so more is better.
    fn best_peer_by_rate<'a>(&self, contenders: &'a [Contender], goal: &Goal) -> Option<(&'a str, Spread)> {
        let (peer, Spread { median, min, max }) = self.best_peer(contenders, goal)?;
        Some((peer, Spread { median: 1.0 / median, min: 1.0 / max, max: 1.0 / min }))
    }
}

fn body(contenders: &[Contender], cells: &[Cell], turns: usize, rounds: usize) -> String {
    let [alone, shared] = cells else { unreachable!("one cell for each number of tasks") };
    let mut body = format!(
        "A turn asks for a permit or for a start, gets it, and is done; there is always room. Tasks of a tokio runtime \
         take turns as fast as they can: one alone on one thread, and four on two threads that share one limit, each by a \
         handle of its own.\n\
         {turns} turns a run, each run in a process of its own, {rounds} rounds, contenders interleaved; median (min-max).\n\
         A call is a whole one: `ready`, `call` and the answer of a service that answers at once, which alone is `{BARE}`; what \
         a layer adds is the difference to that. A decision is the mere asking.\n\
         The burst of `rate` is so large that most starts are on credit; `rate-without-credit` looks at the clock for each, as \
         where it is below 128.\n\n\
         | contender | crate | decides about | as | alone, ns | added to a call, ns | four tasks, million a second |\n\
         | --- | --- | --- | --- | --- | --- | --- |"
    );
    for contender in contenders {
        let Contender { name, package, about, call, .. } = contender;
        let kind = if *call { "call" } else { "decision" };
        let spread = |cell: &Cell, of: fn(f64) -> f64| {
            let times = cell.times_of(contenders, name)?;
            Some(Spread::of(times.iter().map(|time| of(*time))))
        };
        let added = if *call && name != BARE { alone.added(contenders, name) } else { None };
        let shown = |spread: Option<Spread>| spread.map_or("-".to_owned(), |spread| format!("{spread:.1}"));
        write!(
            body,
            "\n| {name} | {package} | {about} | {kind} | {} | {} | {} |",
            shown(spread(alone, |time| time)),
            shown(added),
            shown(spread(shared, |time| 1e3 / time)),
        )
        .expect("a string takes all");
    }
    body.push('\n');
    for goal in &GOALS {
        let what = format!("{}, {}", goal.about, if goal.call { "as a call" } else { "as a decision" });
        let alone =
            alone.best_peer(contenders, goal).map(|(peer, ratio)| (peer, ratio, ratio.median <= ALONE));
        let shared = shared
            .best_peer_by_rate(contenders, goal)
            .map(|(peer, ratio)| (peer, ratio, ratio.median >= SHARED));
        for (words, outcome) in [
            (format!("alone, at most {ALONE} times the best peer's time"), alone),
            (format!("four tasks, at least {SHARED} times the best peer's rate"), shared),
        ] {
            let outcome = outcome.map_or("not measured".to_owned(), |(peer, ratio, met)| {
                format!("{}, {ratio} of {peer}", if met { "met" } else { "missed" })
            });
            write!(body, "\n- Goal, {what}: {words}: {outcome}.").expect("a string takes all");
        }
    }
    body
}

fn raw(contenders: &[Contender], cells: &[Cell]) -> serde_json::Value {
    let cells = cells.iter().map(|cell| {
        let times: serde_json::Map<_, _> = contenders
            .iter()
            .zip(&cell.times)
            .map(|(contender, times)| (contender.name.clone(), json!(times)))
            .collect();
        json!({ "tasks": cell.tasks, "nanoseconds_per_turn": times })
    });
    json!(cells.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contender(name: &str, package: &str, about: &str, call: bool) -> Contender {
        Contender {
            name: name.to_owned(),
            package: package.to_owned(),
            about: about.to_owned(),
            call,
            shared: true,
        }
    }

    #[test]
    fn calls_are_compared_with_calls_and_decisions_with_decisions() {
        let contenders = [
            contender("none", "forebay-bench", "nothing", true),
            contender("concurrency", OURS, "permit", true),
            contender("concurrency-queued", OURS, "permit", true),
            contender("semaphore", "tokio", "permit", false),
            contender("tower", "tower", "permit", true),
            contender("slow", "slow", "permit", true),
        ];
        let times = |times: [f64; 6]| times.map(|time| vec![time]).to_vec();
        let cells = [
            Cell { tasks: 1, times: times([2.0, 30.0, 1.0, 10.0, 60.0, 90.0]) },
            Cell { tasks: 4, times: times([1.0, 50.0, 1.0, 10.0, 55.0, 90.0]) },
        ];
        let body = body(&contenders, &cells, 1, 1);
        let said = |line: &str| assert!(body.lines().any(|other| other == line), "{line} is not in\n{body}");
        said(
            "| concurrency | forebay-flow | permit | call | 30.0 (30.0-30.0) | 28.0 (28.0-28.0) | 20.0 (20.0-20.0) |",
        );
        said("| semaphore | tokio | permit | decision | 10.0 (10.0-10.0) | - | 100.0 (100.0-100.0) |");
        said("| none | forebay-bench | nothing | call | 2.0 (2.0-2.0) | - | 1000.0 (1000.0-1000.0) |");
        said(
            "- Goal, permit, as a call: alone, at most 1 times the best peer's time: met, 0.50 (0.50-0.50) of tower.",
        );
        said(
            "- Goal, permit, as a call: four tasks, at least 1.2 times the best peer's rate: missed, 1.10 (1.10-1.10) of tower.",
        );
        said("- Goal, rate, as a call: alone, at most 1 times the best peer's time: not measured.");
    }

    #[test]
    fn who_cannot_be_shared_has_no_rate() {
        let contenders = [contender("none", "forebay-bench", "nothing", true)];
        let cells = [Cell { tasks: 1, times: vec![vec![2.0]] }, Cell { tasks: 4, times: vec![Vec::new()] }];
        let body = body(&contenders, &cells, 1, 1);
        assert!(body.contains("| none | forebay-bench | nothing | call | 2.0 (2.0-2.0) | - | - |"), "{body}");
    }
}
