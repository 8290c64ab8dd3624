//! The textbook's priority queue: three classes, `medium` where nothing is said, a class that does not exist is refused,
//! and the size is that of all classes together.
//!
//! What the textbook's leaves out: `low` does not starve. Whoever was overtaken a thousand times goes first, or as often
//! as [`Strict::promote_after`] says.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use forebay::priority::Strict;
use forebay::queue::{By, SendError, builder};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (queue, mut worker) = builder().capacity(100).line(By::label(Strict::levels())).build();

    queue.item("tidy up").class("low").send().await?;
    queue.send("answer a letter").await?;
    queue.item("put out a fire").class("high").send().await?;

    match queue.item("paint the door").class("urgent").send().await {
        Err(SendError::Unclassified(item, reason)) => println!("refused: {item} ({reason})"),
        other => println!("unexpected: {other:?}"),
    }
    println!("size: {}", queue.len());
    for class in queue.class_stats() {
        println!("  {}: {}", class.class, class.waiting);
    }

    drop(queue);
    while let Some(job) = worker.recv().await {
        println!("doing: {job}");
    }
    Ok(())
}
