//! The textbook's worker pool: four workers, a queue of 100, two producers of 50 items each.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::time::Duration;

use forebay::Pool;
use tokio::time::{Instant, sleep};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let pool = Pool::builder()
        .workers(4)
        .queue(100)
        .handler(async |(producer, item): (&'static str, u32)| {
            sleep(Duration::from_millis(10)).await;
            if item % 25 == 0 {
                println!("{producer}: item {item} is done");
            }
        })
        .start()?;

    let start = Instant::now();
    let produce = async |name| {
        for item in 1..=50 {
            pool.produce((name, item)).await?;
        }
        Ok::<_, Box<dyn Error>>(())
    };
    tokio::try_join!(produce("first"), produce("second"))?;
    println!("100 items accepted after {} ms", start.elapsed().as_millis());

    let report = pool.shutdown(Duration::from_secs(10)).await;
    println!("after {} ms {report}", start.elapsed().as_millis());
    Ok(())
}
