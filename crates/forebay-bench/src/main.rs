//! Forebay beside its peers: one run of one contender, and one JSON object on stdout.
//!
//! `cargo xtask bench` starts this program once a run, so that no contender inherits the heap, the
//! threads or the warm caches of another, and does the statistics. For one look by hand:
//!
//! ```text
//! cargo run --release -- contenders
//! cargo run --release -- queue --contender kanal --capacity 100 --senders 4 --receivers 4 --items 1000000
//! cargo run --release -- priority --contender strict --ranks 8 --depth 1000 --shape turns --tasks 4 --items 1000000
//! cargo run --release -- flow --contender governor --tasks 4 --turns 1000000
//! cargo run --release -- pool --contender spawn --work spin:1us --workers 4 --producers 1 --items 100000
//! ```

mod flow;
mod ping_pong;
mod pool;
mod priority;
mod queue;

use clap::Parser;

/// One run of one contender; prints one JSON object.
#[derive(Debug, Parser)]
enum Bench {
    /// List the contenders and the crates they come from.
    Contenders,
    /// The same for worker pools.
    PoolContenders,
    /// The same for limits and rates.
    FlowContenders,
    /// Ask whether one may, many times.
    Flow(flow::Load),
    /// Move numbers through one queue.
    Queue(queue::Load),
    /// Have workers work on numbers.
    Pool(pool::Load),
    /// Have workers work on items with keys, one at a time for each key.
    PoolKeys(pool::KeyedLoad),
    /// Ask timers to ring beside a pool that computes.
    PoolTimers(pool::TimerLoad),
    /// The same for queues that know priorities.
    PriorityContenders,
    /// Move numbers of several classes or keys through one queue.
    Priority(priority::Load),
    /// How long a word travels from one core to the other and back.
    PingPong,
}

fn main() {
    let result = match Bench::parse() {
        Bench::Contenders => serde_json::to_string(&queue::CONTENDERS),
        Bench::PoolContenders => serde_json::to_string(&pool::CONTENDERS),
        Bench::FlowContenders => serde_json::to_string(&flow::CONTENDERS),
        Bench::Flow(load) => serde_json::to_string(&load.measure()),
        Bench::Pool(load) => serde_json::to_string(&load.measure()),
        Bench::PoolKeys(load) => serde_json::to_string(&load.measure()),
        Bench::PoolTimers(load) => serde_json::to_string(&load.measure()),
        Bench::PriorityContenders => serde_json::to_string(&priority::CONTENDERS),
        Bench::Priority(load) => serde_json::to_string(&load.measure()),
        Bench::Queue(load) => serde_json::to_string(&load.measure()),
        Bench::PingPong => serde_json::to_string(&ping_pong::measure()),
    };
    println!("{}", result.expect("plain structs of numbers and names"));
}
