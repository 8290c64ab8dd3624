//! The textbook's blocking queue: capacity 5, a fast producer, a slow consumer.
//!
//! The producer is soon five items ahead, and from then on it goes at the consumer's pace: that is backpressure.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use tokio::time::{Instant, sleep};

#[tokio::main]
async fn main() {
    let (tx, mut rx) = forebay::bounded(5);

    let producer = tokio::spawn(async move {
        for item in 1..=12 {
            let asked = Instant::now();
            tx.send(item).await.expect("the consumer is there");
            println!("put item {item:>2} after {:>2} ms, {} waiting", asked.elapsed().as_millis(), tx.len());
        }
    });

    while let Some(item) = rx.recv().await {
        sleep(Duration::from_millis(50)).await;
        println!("                                  worked on item {item:>2}");
    }
    producer.await.expect("the producer does not panic");
}
