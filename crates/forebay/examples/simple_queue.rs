//! The textbook's simple queue: a producer makes ten items, 100 ms apart; a consumer takes them as they come.
//!
//! The textbook's consumer looks every 10 ms whether something is there. This one is woken.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use tokio::time::{Instant, sleep};

#[tokio::main]
async fn main() {
    let (tx, mut rx) = forebay::bounded(10);
    let start = Instant::now();

    tokio::spawn(async move {
        for item in 1..=10 {
            tx.send(item).await.expect("the consumer is there");
            sleep(Duration::from_millis(100)).await;
        }
    }); // the sender goes with its task, and that ends the loop below

    while let Some(item) = rx.recv().await {
        println!("{:>4} ms: item {item}", start.elapsed().as_millis());
    }
    println!("closed, and nothing is left");
}
