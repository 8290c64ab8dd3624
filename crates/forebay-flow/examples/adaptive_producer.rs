//! The textbook's adaptive producer: its rate falls while the queue is nearly full, and rises while it is nearly empty.
//!
//! The consumer manages 300 items a second, then 40, then 300 again, and nobody tells the producer. Time is simulated, so it
//! runs in a moment: `cargo run -p forebay-flow --features stream --example adaptive_producer`

#![expect(clippy::print_stdout, reason = "it shows something to a person")]

use std::cell::Cell;
use std::time::Duration;

use forebay_flow::{Level, LevelRate, Producer};
use futures_util::{StreamExt as _, stream};
use tokio::time::{Instant, sleep, timeout};

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (tx, mut rx) = forebay_queue::bounded(100);

    // Above 80 % times 0.9, below 20 % times 1.1, from 100 within 10 and 1000 a second.
    let mut producer = Producer::try_new(LevelRate::default(), tx)?;

    let start = Instant::now();
    tokio::spawn(async move {
        while rx.recv().await.is_some() {
            let slow = (20..40).contains(&start.elapsed().as_secs());
            sleep(Duration::from_secs(1) / if slow { 40 } else { 300 }).await;
        }
    });

    println!("second  produced  a second  level");
    let taken = Cell::new(0);
    let mut items = stream::iter(0..).inspect(|_| taken.set(taken.get() + 1));
    for second in (4..=60).step_by(4) {
        // It is stopped in the middle of an item, and goes on with that one.
        if let Ok(ended) = timeout(Duration::from_secs(4), producer.produce(&mut items)).await {
            ended?;
        }
        let filled = producer.get_ref().level().unwrap_or_default() * 100.0;
        println!("{second:6}  {:8}  {:8.0}  {filled:4.0}%", taken.take(), producer.per_second());
    }
    Ok(())
}
