use std::sync::Arc;
use std::time::Duration;

use forebay_pool::{Pool, WorkContext};
use forebay_testkit::{RecordingSource, Script};
use tokio::sync::Semaphore;

use crate::settle_down;

/// A pool over items without end, whose handlers wait for a permit each.
fn gated(workers: usize) -> (Pool<u32>, Script<u32>, Arc<Semaphore>) {
    let (source, script) = RecordingSource::new(0..100);
    let gate = Arc::new(Semaphore::new(0));
    let pool = Pool::builder()
        .workers(workers)
        .source(source)
        .handler_with(Arc::clone(&gate), |gate, _| async move {
            gate.acquire().await.unwrap().forget();
        })
        .start()
        .unwrap();
    (pool, script, gate)
}

#[tokio::test]
async fn more_workers_begin_at_once() {
    let (pool, script, gate) = gated(2);
    settle_down().await;
    assert_eq!(script.outstanding(), 2);
    pool.resize(5);
    assert_eq!(pool.stats().workers, 5);
    settle_down().await;
    assert_eq!((script.outstanding(), pool.stats().busy), (5, 5));
    gate.add_permits(100);
    let report = pool.finish().await;
    assert_eq!((report.completed, report.taken), (100, 100));
}

#[tokio::test]
async fn who_leaves_finishes_its_item_and_takes_no_other() {
    let (pool, script, gate) = gated(4);
    settle_down().await;
    pool.resize(1);
    let stats = pool.stats();
    assert_eq!((stats.workers, stats.leaving, stats.busy), (1, 3, 4));
    settle_down().await;
    assert_eq!((script.outstanding(), pool.stats().busy), (4, 4), "nothing was cut short");

    gate.add_permits(4);
    settle_down().await;
    let stats = pool.stats();
    assert_eq!((stats.completed, stats.busy, stats.leaving), (4, 1, 0));
    gate.add_permits(96);
    let report = pool.finish().await;
    assert_eq!((report.completed, report.restarts), (100, 0));
}

/// A worker that was told to leave and is wanted again, before or after it has gone.
#[tokio::test]
async fn shrinking_and_growing_again_leaves_nobody_out() {
    let (pool, script, gate) = gated(3);
    settle_down().await;
    pool.resize(1);
    pool.resize(3);
    settle_down().await;
    gate.add_permits(3);
    settle_down().await;
    assert_eq!(script.outstanding(), 3);

    pool.resize(1);
    gate.add_permits(3);
    settle_down().await;
    assert_eq!(script.outstanding(), 1);
    pool.resize(3);
    settle_down().await;
    assert_eq!(script.outstanding(), 3);
    gate.add_permits(100);
    assert_eq!(pool.finish().await.completed, 100);
}

#[tokio::test]
async fn no_workers_count_as_one() {
    let (pool, script, gate) = gated(3);
    pool.resize(0);
    settle_down().await;
    assert_eq!((pool.stats().workers, script.outstanding()), (1, 1));
    gate.add_permits(100);
    assert_eq!(pool.finish().await.completed, 100);
}

#[tokio::test(start_paused = true)]
async fn while_draining_it_still_counts() {
    let (tx, rx) = forebay_queue::bounded(100);
    for item in 0..100 {
        tx.try_send(item).unwrap();
    }
    let pool = Pool::builder()
        .workers(1)
        .source(rx)
        .handler_in(|cx: WorkContext<u32>, item| async move {
            if item == 9 {
                cx.pool().resize(10);
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        })
        .start()
        .unwrap();
    let report = pool.shutdown(Duration::from_secs(3600)).await;
    // Ten by one, ninety by ten.
    assert_eq!((report.completed, report.elapsed.as_secs()), (100, 19));
}

/// Whatever the moment, on more than one thread, no item is lost and none is done twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loses_nothing_that_races_with_it() {
    let pool = Pool::builder()
        .workers(4)
        .queue(4)
        .handler(|_: u32| async { tokio::task::yield_now().await })
        .start()
        .unwrap();
    let handle = pool.handle();
    let resizing = tokio::spawn(async move {
        for round in 0..2_000 {
            handle.resize(1 + round % 7);
            tokio::task::yield_now().await;
        }
    });
    for item in 0..10_000 {
        pool.produce(item).await.unwrap();
    }
    resizing.await.unwrap();
    let report = pool.finish().await;
    assert_eq!((report.taken, report.completed, report.held), (10_000, 10_000, 0));
}

#[tokio::test]
async fn more_than_a_pool_can_have_count_as_the_most() {
    let (source, script) = RecordingSource::builder().never_ending().build();
    let pool = Pool::builder().workers(1).source(source).handler(|_: u32| async {}).start().unwrap();
    pool.resize(usize::MAX);
    assert_eq!(pool.stats().workers, 1 << 16);
    pool.resize(0);
    assert_eq!(pool.stats().workers, 1);
    script.end();
    pool.finish().await;
}
