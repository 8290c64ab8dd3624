//! The textbook's backpressure queue: room for 100 items, `slow_down` when it is full, `resume` when it is below 70 %.
//!
//! The textbook's producer obeys the two events, and one that does not overruns the queue. Here the queue holds its
//! senders back from the first signal until the second, so the producer need not know; whoever is further upstream may
//! listen too.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::{Duration, Instant};

use forebay::queue::{Pressure, builder};
use tokio::time::sleep;

#[tokio::main]
async fn main() {
    let start = Instant::now();
    let (tx, mut rx) = builder()
        .capacity(100)
        .watermarks(1.0, 0.7) // full, and below 70 %
        .hold_senders()
        .on_pressure(move |pressure| {
            let signal = match pressure {
                Pressure::High => "slow_down",
                Pressure::Normal => "resume",
            };
            println!("{:>4} ms: {signal}", start.elapsed().as_millis());
        })
        .build();

    tokio::spawn(async move {
        for item in 1..=250 {
            tx.send(item).await.expect("the consumer is there"); // waits from slow_down until resume
        }
        println!("{:>4} ms: the producer is done", start.elapsed().as_millis());
    }); // the sender goes with its task, and that ends the loop below

    let mut consumed = 0;
    while rx.recv().await.is_some() {
        consumed += 1;
        sleep(Duration::from_millis(1)).await; // slower than the producer
    }
    println!("{:>4} ms: {consumed} items consumed", start.elapsed().as_millis());
}
