//! The textbook's adaptive producer: its rate falls while the queue is nearly full, and rises while it is nearly empty.
//!
//! The consumer manages 300 items a second, then 40, then 300 again, and nobody tells the producer. Time is simulated, so it
//! runs in a moment: `cargo run -p forebay-flow --example adaptive_producer`

#![expect(clippy::print_stdout, reason = "it shows something to a person")]

use std::time::Duration;

use forebay_flow::layer::RateLimitLayer;
use forebay_flow::{Level, LevelBucket, LevelRate};
use tokio::time::{Instant, sleep};
use tower::{Service, ServiceBuilder, ServiceExt};

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (tx, mut rx) = forebay_queue::bounded(100);

    // Above 80 % times 0.9, below 20 % times 1.1, from 100 within 10 and 1000 a second.
    let rate = RateLimitLayer::new(LevelBucket::try_new(LevelRate::default(), tx.clone())?);
    let (handle, level) = (rate.handle(), tx.clone());
    let mut producer = ServiceBuilder::new().layer(rate).service(tx);

    let start = Instant::now();
    tokio::spawn(async move {
        while rx.recv().await.is_some() {
            let slow = (20..40).contains(&start.elapsed().as_secs());
            sleep(Duration::from_secs(1) / if slow { 40 } else { 300 }).await;
        }
    });

    println!("second  produced  a second  level");
    let mut produced = 0;
    for second in (4..=60).step_by(4) {
        let mut now = 0;
        while start.elapsed() < Duration::from_secs(second) {
            producer.ready().await?.call(produced).await?;
            produced += 1;
            now += 1;
        }
        let per_second = handle.update(|bucket, _| bucket.per_second());
        let filled = level.level().unwrap_or_default() * 100.0;
        println!("{second:6}  {now:8}  {per_second:8.0}  {filled:4.0}%");
    }
    Ok(())
}
