use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use forebay_pool::{EndedBy, OnFailure, Phase, Pool, WorkerId};
use forebay_queue::{Delivery, SourceError};
use forebay_testkit::RecordingSource;
use tokio::time::{Instant, sleep};

use super::{MS, Seen, batcher, settled};

const SECOND: Duration = Duration::from_secs(1);

/// Works on 1, an outage, and 2; returns what was handled and how often a handler was made.
async fn through_an_outage() -> (Vec<u64>, u64) {
    let away = SourceError::Unavailable("gone".into());
    let (source, _script) = RecordingSource::builder().items([1]).fail(away).items([2]).build();
    let seen = Seen::nothing();
    let see = seen.clone();
    let handler = move |n| {
        see.see(n);
        async {}
    };
    let pool = Pool::builder().workers(1).source(source).handler(handler).start().unwrap();
    let report = pool.finish().await;
    (seen.all(), report.restarts)
}

#[tokio::test(start_paused = true)]
async fn producer_crash_restarts_only_the_producer() {
    // A source comes back by itself; the pool asks it again, and no worker is concerned.
    assert_eq!(through_an_outage().await.1, 0);
}

#[tokio::test(start_paused = true)]
async fn workers_resubscribe_to_a_restarted_producer() {
    assert_eq!(through_an_outage().await.0, [1, 2]);
}

#[tokio::test]
async fn worker_is_restarted() {
    let (handled, made) = (Seen::nothing(), Seen::nothing());
    let (see, make) = (handled.clone(), made.clone());
    let pool = Pool::builder()
        .workers(1)
        .queue(10)
        .handler_per_worker(move |worker: WorkerId| {
            make.see(worker.index());
            let see = see.clone();
            move |n: u64| {
                assert_ne!(n, 0, "killed");
                see.see(n);
                async {}
            }
        })
        .start()
        .unwrap();
    for n in [1, 0, 2] {
        pool.produce(n).await.unwrap();
    }
    let report = pool.finish().await;
    assert_eq!((handled.all(), made.all(), report.restarts), (vec![1, 2], vec![0, 0], 1));
}

#[tokio::test]
async fn worker_crash_loses_what_it_held() {
    // There, 3 is lost with the worker, which held it. Here no worker holds what it does not work on.
    let (source, script) = RecordingSource::builder().items(1..=6).build();
    let batches = Seen::nothing();
    let second = batcher(2, Duration::MAX, &batches);
    let first = Pool::builder()
        .workers(1)
        .prefetch(1)
        .on_failure(OnFailure::DeadLetter)
        .source(source)
        .handler_with(second.producer(), async |tx, n| {
            assert_ne!(n, 3, "killed");
            tx.send(n).await.unwrap();
        })
        .keep_copies()
        .start()
        .unwrap();
    first.finish().await;
    second.finish().await;
    assert_eq!(batches.all(), [vec![1, 2], vec![4, 5], vec![6]]);
    assert_eq!(settled(&script), (vec![1, 2, 4, 5, 6], vec![3]));
}

/// Batches of two, of which that with 3 panics before it has settled any.
async fn batches_with_a_killer(items: u64) -> (Vec<u64>, Vec<u64>, u64) {
    let (source, script) = RecordingSource::builder().items(1..=items).build();
    let pool = Pool::builder()
        .workers(1)
        .on_failure(OnFailure::DeadLetter)
        .batch(2, Duration::MAX)
        .source(source)
        .handler_batch(|batch: Vec<Delivery<u64>>| {
            assert!(batch.iter().all(|delivery| delivery.item() != Some(&3)), "killed");
            batch.into_iter().for_each(Delivery::ack);
            async {}
        })
        .start()
        .unwrap();
    let report = pool.finish().await;
    let (ok, failed) = settled(&script);
    (ok, failed, report.restarts)
}

#[tokio::test]
async fn batcher_is_restarted() {
    assert_eq!(batches_with_a_killer(6).await, (vec![1, 2, 5, 6], vec![3, 4], 1));
}

#[tokio::test]
async fn batcher_crash_loses_what_it_held() {
    // There, the batch after the killer's is lost. Here the source heard of each item.
    let (ok, failed, _) = batches_with_a_killer(8).await;
    assert_eq!([ok, failed].concat().len(), 8);
}

#[tokio::test(start_paused = true)]
async fn supervisor_death_takes_the_pipeline_down() {
    // What owns the tasks is the handle.
    let alive = Arc::new(());
    let held = Arc::clone(&alive);
    let (source, script) = RecordingSource::builder().never_ending().items([1]).build();
    let pool = Pool::builder()
        .source(source)
        .handler(move |_: u64| {
            let held = Arc::clone(&held);
            async move {
                let _held = held;
                pending::<()>().await
            }
        })
        .start()
        .unwrap();
    let handle = pool.handle();
    script.until(|record| record.handed_out == 1).await;
    drop(pool);
    sleep(MS).await;
    assert_eq!((handle.phase(), Arc::strong_count(&alive)), (Phase::Closed, 1));
}

#[tokio::test(start_paused = true)]
async fn returns_only_when_everything_is_down() {
    let alive = Arc::new(());
    let held = Arc::clone(&alive);
    let pool = Pool::builder().workers(3).queue(10).handler_with(held, async |_, _: u64| ()).start().unwrap();
    pool.produce(1).await.unwrap();
    pool.shutdown(SECOND).await;
    assert_eq!(Arc::strong_count(&alive), 1);
}

#[tokio::test(start_paused = true)]
async fn drains_what_was_pushed() {
    let batches = Seen::nothing();
    let pool = batcher(4, Duration::MAX, &batches);
    pool.pause();
    for n in 1..=4 {
        pool.produce(n).await.unwrap();
    }
    sleep(SECOND).await;
    assert_eq!(batches.all().len(), 0);
    assert_eq!(pool.shutdown(SECOND).await.completed, 4);
    assert_eq!(batches.all(), [[1, 2, 3, 4]]);
}

#[tokio::test(start_paused = true)]
async fn drains_incomplete_batches() {
    let batches = Seen::nothing();
    let pool = batcher(4, Duration::MAX, &batches);
    for n in 1..=2 {
        pool.produce(n).await.unwrap();
    }
    let began = Instant::now();
    assert_eq!(pool.shutdown(SECOND).await.completed, 2);
    assert_eq!((batches.all(), began.elapsed()), (vec![vec![1, 2]], Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn drains_without_batchers() {
    let (source, script) = RecordingSource::builder().items(1..=4).never_ending().build();
    let pool = Pool::builder().workers(2).source(source).handler(async |_| sleep(MS).await).start().unwrap();
    script.until(|record| record.handed_out > 0).await;
    assert_eq!(pool.shutdown(SECOND).await.completed, 4);
    let (mut ok, failed) = settled(&script);
    ok.sort_unstable();
    assert_eq!((ok, failed), (vec![1, 2, 3, 4], vec![]));
}

#[tokio::test(start_paused = true)]
async fn producer_may_emit_while_draining_but_not_later() {
    // What the source has when it is told to close is worked on, and what comes after that it refuses itself.
    let (source, script) = RecordingSource::builder().items([1]).never_ending().build();
    let pool = Pool::builder()
        .workers(1)
        .source(source)
        .handler(async |_: u64| sleep(SECOND).await)
        .start()
        .unwrap();
    script.until(|record| record.handed_out == 1).await;
    script.push(2);
    let ending = tokio::spawn(pool.shutdown(10 * SECOND));
    script.until(|record| record.closes == 1).await;
    script.push(3);
    let report = ending.await.unwrap();
    assert_eq!((report.completed, script.record().refused), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn deadline_is_kept() {
    let pool = Pool::builder().queue(1).handler(|_: u64| pending::<()>()).start().unwrap();
    pool.produce(1).await.unwrap();
    sleep(MS).await;
    let began = Instant::now();
    let report = pool.shutdown(MS).await;
    assert!(matches!(report.ended_by, EndedBy::Deadline) && report.aborted == 1);
    assert!(began.elapsed() < 10 * MS);
}

#[tokio::test(start_paused = true)]
async fn stop_by_handle_or_name() {
    // By its handle: nothing of it has a name that others could find it by.
    let pool = Pool::builder().queue(1).handler(async |_: u64| ()).start().unwrap();
    let handle = pool.handle();
    pool.shutdown(SECOND).await;
    assert_eq!(handle.phase(), Phase::Closed);
}
