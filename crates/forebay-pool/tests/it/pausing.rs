use std::sync::{Arc, Mutex};
use std::time::Duration;

use forebay_pool::{EndedBy, OnFailure, Pool, Retry, WorkContext};
use forebay_queue::TrySendError;
use forebay_testkit::RecordingSource;
use tokio::time::{Instant, sleep};

#[tokio::test(start_paused = true)]
async fn nothing_is_started_and_what_is_in_work_is_finished() {
    let (source, script) = RecordingSource::new(0..10);
    let pool =
        Pool::builder().workers(2).source(source).handler(|_| sleep(Duration::from_secs(1))).start().unwrap();
    script.until(|record| record.handed_out == 2).await;
    pool.pause();
    let demands = script.record().demands.len();
    sleep(Duration::from_secs(60)).await;
    let stats = pool.stats();
    assert_eq!((stats.completed, stats.held, stats.idle, stats.paused), (2, 0, 2, true));
    assert_eq!(script.record().demands.len(), demands, "the source is left alone");

    pool.resume();
    assert!(!pool.stats().paused);
    let report = pool.finish().await;
    assert_eq!((report.completed, report.elapsed.as_secs()), (10, 64));
}

#[tokio::test(start_paused = true)]
async fn senders_meet_a_full_queue() {
    let pool = Pool::builder().workers(1).queue(2).handler(|_: u32| async {}).start().unwrap();
    pool.pause();
    for item in 0..2 {
        pool.produce(item).await.unwrap();
    }
    sleep(Duration::from_secs(1)).await;
    assert!(matches!(pool.try_produce(2), Err(TrySendError::Full(2))));
    pool.resume();
    assert_eq!(pool.finish().await.completed, 2);
}

/// When each of four items was started, in seconds, where `first` runs in the handler of the first.
async fn starts(first: impl Fn(&WorkContext<u32>) + Send + Sync + 'static) -> Vec<u64> {
    let (source, _script) = RecordingSource::new(0..4);
    let begun = Instant::now();
    let started = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&started);
    let pool = Pool::builder()
        .workers(1)
        .source(source)
        .handler_in(move |cx, item| {
            seen.lock().unwrap().push(begun.elapsed().as_secs());
            if item == 0 {
                first(&cx);
            }
            async {}
        })
        .start()
        .unwrap();
    assert_eq!(pool.finish().await.completed, 4);
    std::mem::take(&mut *started.lock().unwrap())
}

#[tokio::test(start_paused = true)]
async fn until_a_time_from_inside_a_handler() {
    let after = |secs| Instant::now() + Duration::from_secs(secs);
    assert_eq!(starts(move |cx| cx.pool().pause_until(after(60))).await, [0, 60, 60, 60]);
    // The last of several calls counts, be it longer, shorter, or the end.
    let longer = move |cx: &WorkContext<_>| {
        cx.pool().pause_until(after(10));
        cx.pool().pause_until(after(90));
    };
    assert_eq!(starts(longer).await, [0, 90, 90, 90]);
    let shorter = move |cx: &WorkContext<_>| {
        cx.pool().pause();
        cx.pool().pause_until(after(5));
    };
    assert_eq!(starts(shorter).await, [0, 5, 5, 5]);
    let ended = move |cx: &WorkContext<_>| {
        cx.pool().pause_until(after(90));
        cx.pool().resume();
    };
    assert_eq!(starts(ended).await, [0, 0, 0, 0]);
    assert_eq!(starts(|cx| cx.pool().pause_until(Instant::now())).await, [0, 0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_it() {
    let pool = Pool::builder().workers(1).queue(10).handler(|_: u32| async {}).start().unwrap();
    pool.pause();
    for item in 0..5 {
        pool.produce(item).await.unwrap();
    }
    let handle = pool.handle();
    pool.close();
    handle.pause();
    assert!(!pool.stats().paused, "what is closed is on its way to the end");
    let report = pool.shutdown(Duration::from_secs(10)).await;
    assert_eq!((report.completed, report.undelivered), (5, 0));
    assert!(matches!(report.ended_by, EndedBy::Shutdown));
}

#[tokio::test(start_paused = true)]
async fn without_time_a_shutdown_leaves_everything_where_it_is() {
    let pool = Pool::builder().workers(1).queue(10).handler(|_: u32| async {}).start().unwrap();
    // Once the supervisor runs, so that a worker waits.
    sleep(Duration::from_millis(1)).await;
    pool.pause();
    for item in 0..5 {
        pool.produce(item).await.unwrap();
    }
    sleep(Duration::from_secs(1)).await;
    assert_eq!(pool.stats().taken, 0);
    let report = pool.shutdown(Duration::ZERO).await;
    assert!(report.adds_up());
    assert_eq!(report.completed + report.undelivered, 5);
}

/// What runs inside a poll of the source has the intake's lock on its own thread.
#[tokio::test]
async fn from_inside_a_poll_of_the_source() {
    let handle = Arc::new(Mutex::new(None::<forebay_pool::PoolHandle<u32>>));
    let steer = Arc::clone(&handle);
    let (tx, rx) = forebay_queue::builder()
        .capacity(10)
        .watermarks(0.8, 0.2)
        .on_pressure(move |_| {
            if let Some(handle) = &*steer.lock().unwrap() {
                handle.pause();
                handle.resize(3);
                handle.resume();
            }
        })
        .build();
    for item in 0..10 {
        tx.try_send(item).unwrap();
    }
    let pool = Pool::builder().workers(1).source(rx).handler(|_| async {}).start().unwrap();
    *handle.lock().unwrap() = Some(pool.handle());
    drop(tx);
    pool.closed().await;
    let stats = pool.stats();
    assert_eq!((stats.completed, stats.workers, stats.paused), (10, 3, false));
}

/// A pool whose handler pauses it at the first attempt of its one item, and fails; and when attempts were made.
fn pauses_and_fails(
    steer: impl Fn(&WorkContext<u32>) + Send + Sync + 'static,
) -> (Pool<u32>, Arc<Mutex<Vec<u64>>>) {
    let begun = Instant::now();
    let (source, _script) = RecordingSource::new([7]);
    let attempts = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&attempts);
    let pool = Pool::builder()
        .workers(1)
        .on_failure(OnFailure::Retry(Retry::default()))
        .source(source)
        .handler_in(move |cx: WorkContext<u32>, _| {
            seen.lock().unwrap().push(begun.elapsed().as_secs());
            let first = cx.attempt() == 1;
            if first {
                steer(&cx);
            }
            async move { if first { Err("the server said: wait") } else { Ok(()) } }
        })
        .keep_copies()
        .key(|item| *item)
        .deadline(move |_| Some(begun + Duration::from_secs(3600)))
        .start()
        .unwrap();
    (pool, attempts)
}

#[tokio::test(start_paused = true)]
async fn what_failed_is_not_tried_again_before_its_end() {
    let (pool, attempts) = pauses_and_fails(|cx| cx.pool().pause());
    sleep(Duration::from_secs(60)).await;
    let stats = pool.stats();
    assert_eq!((stats.held, stats.busy, stats.paused), (1, 1, true));
    pool.resume();
    assert_eq!(pool.finish().await.completed, 1);
    assert_eq!(*attempts.lock().unwrap(), [0, 60]);

    let a_minute = |cx: &WorkContext<_>| cx.pool().pause_until(Instant::now() + Duration::from_secs(60));
    let (pool, attempts) = pauses_and_fails(a_minute);
    assert_eq!(pool.finish().await.completed, 1);
    assert_eq!(*attempts.lock().unwrap(), [0, 60]);

    let (pool, attempts) = pauses_and_fails(|cx| cx.pool().pause());
    sleep(Duration::from_secs(60)).await;
    assert_eq!(pool.shutdown(Duration::from_secs(1)).await.completed, 1, "a shutdown ends it");
    assert_eq!(*attempts.lock().unwrap(), [0, 60]);
}

#[tokio::test(start_paused = true)]
async fn what_waits_in_it_hears_of_a_cancel_its_deadline_and_the_end() {
    let (pool, attempts) = pauses_and_fails(|cx| cx.pool().pause());
    sleep(Duration::from_secs(60)).await;
    assert_eq!(pool.cancel(&7_u32), 1);
    sleep(Duration::from_secs(1)).await;
    let stats = pool.stats();
    assert_eq!((stats.cancelled, stats.dead_lettered, stats.held), (1, 1, 0));
    assert_eq!(attempts.lock().unwrap().len(), 1);
    drop(pool);

    let (pool, _attempts) = pauses_and_fails(|cx| cx.pool().pause());
    sleep(Duration::from_secs(3601)).await;
    let stats = pool.stats();
    assert_eq!((stats.timed_out, stats.dead_lettered, stats.held), (1, 1, 0));
    drop(pool);

    let (pool, _attempts) = pauses_and_fails(|cx| cx.pool().pause());
    sleep(Duration::from_secs(60)).await;
    let report = pool.shutdown(Duration::ZERO).await;
    assert_eq!((report.held, report.returned + report.completed), (0, 1), "{report}");
}
