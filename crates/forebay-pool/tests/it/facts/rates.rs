use std::num::NonZeroUsize;
use std::time::Duration;

use forebay_pool::{BoxError, Pipeline, Pool, Rate};
use forebay_testkit::{RecordingSource, Script};
use tokio::time::{Instant, sleep};

use super::{MS, Seen};

/// A pool whose items all have the same key, so that its rate is that of the pool; and when each was started, in
/// milliseconds.
fn rated(rate: Rate, burst: u32, items: u64) -> (Pool<u64>, Script<u64>, Seen<(u64, u128)>) {
    let (source, script) = RecordingSource::builder().items(1..=items).build();
    let (seen, began) = (Seen::nothing(), Instant::now());
    let see = seen.clone();
    let pool = Pool::builder()
        .workers(1)
        .look_aside(1)
        .rate_per_key(rate)
        .burst_per_key(burst)
        .source(source)
        .handler(move |n| {
            see.see((n, began.elapsed().as_millis()));
            async {}
        })
        .key(|_| ())
        .start()
        .unwrap();
    (pool, script, seen)
}

#[tokio::test(start_paused = true)]
async fn exact_allowance() {
    let (pool, script, seen) = rated(Rate::new(1, 10_000 * MS), 1, 2);
    pool.finish().await;
    let started: Vec<u128> = seen.all().into_iter().map(|(_, at)| at).collect();
    assert!(started[0] < 5 && (10_000..10_005).contains(&started[1]), "{started:?}");
    assert_eq!(script.record().settlements.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn surplus_waits_for_the_next_intervals() {
    let (pool, _, seen) = rated(Rate::new(2, 50 * MS), 1, 5);
    pool.finish().await;
    let (items, at): (Vec<u64>, Vec<u128>) = seen.all().into_iter().unzip();
    assert_eq!(items, [1, 2, 3, 4, 5]);
    // Evenly, and not two at once.
    assert!(at.windows(2).all(|pair| (25..=27).contains(&(pair[1] - pair[0]))), "{at:?}");
    assert!(at[2] - at[0] >= 10 && at[4] - at[2] >= 10);
}

#[tokio::test(start_paused = true)]
async fn demand_is_held_back_too() {
    let (pool, script, seen) = rated(Rate::new(2, 10_000 * MS), 2, 5);
    sleep(4_000 * MS).await;
    assert_eq!(seen.all().len(), 2);
    // One is set aside, and no other is asked for.
    assert_eq!(script.record().handed_out, 3);
    sleep(2_000 * MS).await;
    assert_eq!((seen.all().len(), script.record().handed_out), (3, 4));
    pool.finish().await;
}

#[tokio::test(start_paused = true)]
async fn applies_while_draining() {
    let (pool, script, seen) = rated(Rate::new(2, 10_000 * MS), 2, 4);
    script.until(|record| record.settlements.len() == 2).await;
    let report = pool.shutdown(Duration::from_secs(60)).await;
    let (items, at): (Vec<u64>, Vec<u128>) = seen.all().into_iter().unzip();
    assert_eq!((items, report.completed), (vec![1, 2, 3, 4], 4));
    assert!(at[2] >= 5_000 && at[3] >= 10_000, "{at:?}");
}

#[tokio::test]
async fn defaults() {
    // As many as the machine runs at once, which is what suits handlers that compute.
    let pool = Pool::builder().queue(1).handler(async |_: u64| ()).start().unwrap();
    assert_eq!(pool.stats().workers, std::thread::available_parallelism().map_or(1, NonZeroUsize::get));
}

#[tokio::test]
async fn numbers_given() {
    let stage = async |n: u64| Ok::<_, BoxError>(n);
    let pipeline = Pipeline::builder()
        .queue(10)
        .stage("workers", stage, |pool| pool.workers(13))
        .queue(10)
        .stage("two", stage, |pool| pool.workers(2))
        .queue(10)
        .stage("three", async |_: u64| Ok::<_, BoxError>(()), |pool| pool.workers(3))
        .start()
        .unwrap();
    let workers: Vec<usize> = pipeline.stats().stages.iter().map(|stage| stage.pool.workers).collect();
    assert_eq!(workers, [13, 2, 3]);
}
