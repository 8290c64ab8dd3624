use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use forebay_pool::Pool;
use forebay_queue::bounded;
use forebay_testkit::RecordingSource;

#[tokio::test]
async fn handles_every_item_of_its_source_once() {
    let (source, script) = RecordingSource::new(1..=100_u64);
    let sum = Arc::new(AtomicU64::new(0));
    let pool = Pool::builder()
        .workers(4)
        .source(source)
        .handler_with(Arc::clone(&sum), |sum, item| async move {
            sum.fetch_add(item, Ordering::Relaxed);
        })
        .start()
        .unwrap();
    let report = pool.finish().await;
    assert_eq!(sum.load(Ordering::Relaxed), 5050);
    assert_eq!((report.taken, report.completed), (100, 100));
    assert!(report.adds_up());
    assert!(script.record().dropped);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handles_every_item_of_a_queue_once() {
    let (tx, rx) = bounded(10);
    let sum = Arc::new(AtomicU64::new(0));
    let pool = Pool::builder()
        .workers(4)
        .source(rx)
        .handler_with(Arc::clone(&sum), |sum, item| async move {
            sum.fetch_add(item, Ordering::Relaxed);
            tokio::task::yield_now().await;
        })
        .start()
        .unwrap();
    for item in 1..=10_000_u64 {
        tx.send(item).await.unwrap();
    }
    drop(tx);
    let report = pool.finish().await;
    assert_eq!(sum.load(Ordering::Relaxed), 50_005_000);
    assert_eq!((report.taken, report.completed), (10_000, 10_000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn produces_into_its_own_queue() {
    let pool = Pool::builder()
        .workers(4)
        .queue(10)
        .handler(|_: u32| async { tokio::task::yield_now().await })
        .start()
        .unwrap();
    let second = pool.producer();
    let producing = tokio::spawn(async move {
        for item in 0..500 {
            second.send(item).await.unwrap();
        }
    });
    for item in 0..500 {
        pool.produce(item).await.unwrap();
    }
    producing.await.unwrap();
    let report = pool.shutdown(Duration::from_secs(60)).await;
    assert_eq!((report.taken, report.completed, report.undelivered), (1000, 1000, 0));
}
