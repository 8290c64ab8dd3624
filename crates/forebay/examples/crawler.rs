//! A crawler that ends by itself: each page leads to others, and nobody knows beforehand how many there are.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use forebay::pool::{BoxError, Pool, WorkContext};

/// The links on a page. In a program this is a request.
async fn links(page: u32) -> Vec<u32> {
    tokio::task::yield_now().await;
    if page < 50 { vec![2 * page, 2 * page + 1, page / 2] } else { Vec::new() }
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let seen = Arc::new(Mutex::new(HashSet::from([1])));
    let pool = Pool::builder()
        .workers(8)
        .queue(10_000)
        .handler_in(move |cx: WorkContext<u32>, page| {
            let seen = Arc::clone(&seen);
            async move {
                for link in links(page).await {
                    if seen.lock().expect("nobody panics with it").insert(link) {
                        cx.resubmit(link)?;
                    }
                }
                Ok::<(), BoxError>(())
            }
        })
        .start()?;
    pool.produce(1).await?;
    let report = pool.finish_when_idle().await;
    println!("{} pages", report.completed);
    assert_eq!(report.completed, 100);
    Ok(())
}
