use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use forebay_pool::{Phase, Pool, WorkContext};
use forebay_queue::Delivery;
use forebay_testkit::RecordingSource;
use tokio::sync::mpsc;

#[tokio::test]
async fn says_who_works_and_on_which_attempt() {
    let (source, _script) = RecordingSource::new(["a"]);
    let (seen, mut was_seen) = mpsc::unbounded_channel();
    let pool = Pool::builder()
        .workers(1)
        .source(source)
        .handler_delivery_in(move |cx: WorkContext<&str>, delivery: Delivery<&str>| {
            seen.send((cx.worker().index(), cx.attempt(), cx.pool().phase())).unwrap();
            async move {
                if cx.attempt() == 3 {
                    delivery.ack();
                }
            }
        })
        .start()
        .unwrap();
    pool.finish().await;
    let mut all = Vec::new();
    while let Some(seen) = was_seen.recv().await {
        all.push(seen);
    }
    assert_eq!(all, [(0, 1, Phase::Open), (0, 2, Phase::Open), (0, 3, Phase::Open)]);
}

/// Each run has its own end, though a worker's runs share what tells of it.
#[tokio::test]
async fn is_cancelled_when_its_own_run_is_over() {
    let (source, _script) = RecordingSource::new(0..3);
    let contexts = Arc::new(Mutex::new(Vec::<WorkContext<u32>>::new()));
    let kept = Arc::clone(&contexts);
    let pool = Pool::builder()
        .workers(1)
        .source(source)
        .handler_in(move |cx, item| {
            let kept = Arc::clone(&kept);
            async move {
                assert!(!cx.is_cancelled());
                let mut kept = kept.lock().unwrap();
                assert!(kept.iter().all(WorkContext::is_cancelled), "those before are over");
                kept.push(cx);
                assert!(item < 2, "a panic is an end like any other");
            }
        })
        .start()
        .unwrap();
    assert_eq!(pool.finish().await.panics, 1);
    let contexts = contexts.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
    assert_eq!(contexts.len(), 3);
    for cx in contexts {
        assert!(cx.is_cancelled());
        cx.cancelled().await;
        assert_eq!((cx.pool().phase(), cx.pool().stats()), (Phase::Closed, None));
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_handler_spawned_learns_of_the_abort() {
    let (source, script) = RecordingSource::new([1]);
    let (heard, was_heard) = tokio::sync::oneshot::channel();
    let heard = Mutex::new(Some(heard));
    let pool = Pool::builder()
        .workers(1)
        .source(source)
        .handler_in(move |cx, _| {
            let heard = heard.lock().unwrap().take().unwrap();
            tokio::spawn(async move {
                cx.cancelled().await;
                heard.send(()).unwrap();
            });
            pending::<()>()
        })
        .start()
        .unwrap();
    script.until(|record| record.handed_out == 1).await;
    let report = pool.shutdown(Duration::from_secs(1)).await;
    assert_eq!(report.aborted, 1);
    was_heard.await.unwrap();
}

#[tokio::test]
async fn does_not_keep_the_pool() {
    let pool = Pool::builder().workers(1).queue(1).handler(|_: u32| pending::<()>()).start().unwrap();
    let handle = pool.handle();
    pool.produce(1).await.unwrap();
    drop(pool);
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(handle.phase(), Phase::Closed);
    handle.resize(7);
    handle.pause();
    handle.resume();
    handle.close();
}
