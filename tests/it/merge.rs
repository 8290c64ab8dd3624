//! A pool over several sources, one of which goes wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use forebay::Pool;
use forebay::priority::{Merge, Strict};
use forebay::queue::{self, SourceError};
use forebay_testkit::RecordingSource;

#[tokio::test(start_paused = true)]
async fn source_that_breaks_while_it_is_settled_leaves_the_others_to_the_pool() {
    let (broken, script) = RecordingSource::builder().items([1]).never_ending().build();
    let (tx, healthy) = queue::bounded(10);
    let merge = Merge::new(Strict::levels()).source("high", broken).expect("a level");
    let merge = merge.source("low", healthy).expect("a level");
    let sum = Arc::new(AtomicU64::new(0));
    let pool = Pool::builder().workers(2).source(merge).handler({
        let sum = sum.clone();
        move |n: u64| {
            sum.fetch_add(n, Ordering::Relaxed);
            std::future::ready(Ok::<_, String>(()))
        }
    });
    let pool = pool.start().expect("all is set");
    for n in 2..=100 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        tx.send(n).await.expect("it is open");
        if n == 50 {
            script.fail_settling(SourceError::Broken("for good".into()));
        }
    }
    drop(tx);
    let report = pool.finish().await;
    assert_eq!((sum.load(Ordering::Relaxed), report.taken, report.completed), (5050, 100, 100));
    assert!(!report.settled, "one was not confirmed");
}
