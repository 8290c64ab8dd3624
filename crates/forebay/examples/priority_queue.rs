//! The textbook's priority queue: three classes, `medium` where nothing is said, a class that does not exist is refused,
//! and the size is that of all classes together.
//!
//! What the textbook's leaves out: `low` does not starve. Whoever was overtaken a thousand times goes first, or as often
//! as [`Strict::promote_after`] says.

use std::error::Error;
use std::io::{self, Write};

use forebay::priority::Strict;
use forebay::queue::{By, SendError, builder};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    work(io::stdout()).await
}

async fn work(mut out: impl Write) -> Result<(), Box<dyn Error>> {
    let (queue, mut worker) = builder().capacity(100).line(By::label(Strict::levels())).build();

    queue.item("tidy up").class("low").send().await?;
    queue.send("answer a letter").await?;
    queue.item("put out a fire").class("high").send().await?;

    match queue.item("paint the door").class("urgent").send().await {
        Err(SendError::Unclassified(item, reason)) => writeln!(out, "refused: {item} ({reason})")?,
        other => writeln!(out, "unexpected: {other:?}")?,
    }
    writeln!(out, "size: {}", queue.len())?;
    for class in queue.class_stats() {
        writeln!(out, "  {}: {}", class.class, class.waiting)?;
    }

    drop(queue);
    while let Some(job) = worker.recv().await {
        writeln!(out, "doing: {job}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[tokio::test]
    async fn classes_are_served_in_their_order_and_one_that_does_not_exist_is_refused() {
        let mut out = Vec::new();
        super::work(&mut out).await.expect("nothing is closed");
        let said = String::from_utf8(out).expect("it is text");
        let expected = [
            "refused: paint the door (unknown class \"urgent\", known are: high, medium, low)",
            "size: 3",
            "  high: 1",
            "  medium: 1",
            "  low: 1",
            "doing: put out a fire",
            "doing: answer a letter",
            "doing: tidy up",
        ];
        assert_eq!(said.lines().collect::<Vec<_>>(), expected);
    }
}
