//! Two pools with queues between them, as a user would build it from the facade.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use forebay::Pool;
use forebay::queue::{self, Delivery, Sender};

const ITEMS: u64 = 20_000;

/// Some fail, some panic, some come back twice; whatever happens, each item ends once, and all counts agree.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_item_ends_once_in_a_pipeline_of_two_pools() {
    let (raw, raws) = queue::bounded::<u64>(32);
    let (cooked, cookeds) = queue::bounded::<u64>(8);
    let first = Pool::builder()
        .workers(4)
        .source(raws.clone())
        .handler(move |item| cook(item, cooked.clone()))
        .start()
        .unwrap();
    let served = Arc::new(Mutex::new(Vec::new()));
    let second = {
        let served = served.clone();
        Pool::builder()
            .workers(3)
            .source(cookeds.clone())
            .handler_delivery(move |delivery: Delivery<u64>| serve(delivery, served.clone()))
            .start()
            .unwrap()
    };

    let producers = (0..4).map(|producer| {
        let raw = raw.clone();
        tokio::spawn(async move {
            for item in (producer..ITEMS).step_by(4) {
                raw.send(item).await.unwrap();
            }
        })
    });
    let producers: Vec<_> = producers.collect();
    drop(raw);
    for producer in producers {
        producer.await.unwrap();
    }

    let first = first.finish().await;
    let second = second.finish().await;
    let unlucky = (0..ITEMS).filter(|item| item % 100 == 13).count() as u64;
    let panicking = (0..ITEMS).filter(|item| item % 1000 == 500).count() as u64;
    assert_eq!((first.taken, first.failed, first.panics), (ITEMS, unlucky + panicking, panicking));
    let cooked = ITEMS - unlucky - panicking;
    assert_eq!(first.completed, cooked);
    assert_eq!(second.completed, cooked);
    let mut served = served.lock().unwrap().clone();
    served.sort_unstable();
    let expected: Vec<_> = (0..ITEMS).filter(|item| item % 100 != 13 && item % 1000 != 500).collect();
    assert_eq!(served, expected);
    for stats in [raws.stats(), cookeds.stats()] {
        let ends = stats.completed + stats.failed + stats.dropped + stats.returned + stats.dead_lettered;
        assert_eq!((stats.accepted, stats.held), (ends, 0));
    }
}

async fn cook(item: u64, cooked: Sender<u64>) -> Result<(), &'static str> {
    assert_ne!(item % 1000, 500, "a panic on purpose");
    if item % 100 == 13 {
        return Err("unlucky");
    }
    cooked.send(item).await.map_err(|_| "nobody is served any more")?;
    Ok(())
}

/// Gives some back twice before it serves them.
async fn serve(delivery: Delivery<u64>, served: Arc<Mutex<Vec<u64>>>) {
    let Some(&item) = delivery.item() else { return };
    if item % 200 == 7 && delivery.attempt() < 3 {
        delivery.nack(Duration::ZERO);
        return;
    }
    served.lock().unwrap().push(item);
    delivery.ack();
}

/// A shutdown in the middle: what was not worked on comes back, and nothing is missing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutdown_in_the_middle_loses_nothing() {
    let returned = Arc::new(AtomicU64::new(0));
    let hook = returned.clone();
    let (tx, rx) = queue::builder()
        .capacity(500)
        .on_undelivered(move |_: u64| {
            hook.fetch_add(1, Ordering::Relaxed);
        })
        .build();
    let started = Arc::new(tokio::sync::Notify::new());
    let pool = {
        let started = started.clone();
        Pool::builder()
            .workers(2)
            .source(rx)
            .handler_delivery(move |delivery: Delivery<u64>| {
                let started = started.clone();
                async move {
                    if delivery.item() == Some(&400) {
                        started.notify_one();
                        std::future::pending::<()>().await;
                    }
                    delivery.ack();
                }
            })
            .start()
            .unwrap()
    };
    let producer = tokio::spawn(async move {
        let mut accepted = 0;
        for item in 0.. {
            match tx.send(item).await {
                Ok(_) => accepted += 1,
                Err(refused) => {
                    assert_eq!(refused.into_inner(), item);
                    break;
                }
            }
        }
        (accepted, tx.stats())
    });
    started.notified().await;
    let report = pool.shutdown(Duration::from_millis(50)).await;
    let (accepted, stats) = producer.await.unwrap();
    assert_eq!(stats.accepted, accepted);
    assert_eq!(accepted, report.completed + returned.load(Ordering::Relaxed), "{report}");
    assert_eq!(report.aborted, 1, "{report}");
}
