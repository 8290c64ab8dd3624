use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use forebay_pool::Pool;
use forebay_testkit::RecordingSource;
use tokio::sync::Semaphore;
use tokio::time::sleep;

/// A pool of `workers` whose handlers wait for a permit each.
fn gated(workers: usize, source: RecordingSource<u32>) -> (Pool<u32>, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let pool = Pool::builder()
        .workers(workers)
        .source(source)
        .handler_with(Arc::clone(&gate), |gate, _| async move {
            gate.acquire().await.unwrap().forget();
        })
        .start()
        .unwrap();
    (pool, gate)
}

#[tokio::test]
async fn takes_no_more_than_its_workers_can_start_on() {
    let (source, script) = RecordingSource::new(0..100);
    let (pool, gate) = gated(4, source);
    script.until(|record| record.handed_out >= 4).await;
    assert_eq!(script.outstanding(), 4);
    let stats = pool.stats();
    assert_eq!((stats.idle, stats.busy, stats.held), (0, 4, 4));

    for done in 1..=96 {
        gate.add_permits(1);
        script.until(|record| record.handed_out >= 4 + done).await;
        let record = script.record();
        assert_eq!(record.demands.last(), Some(&1), "one worker became free");
        assert_eq!(record.most_outstanding, 4);
    }
    gate.add_permits(4);
    let report = pool.finish().await;
    assert_eq!(report.completed, 100);
    assert!(script.record().most_demanded() <= 4);
}

#[tokio::test]
async fn idle_workers_are_asked_for_in_one_demand() {
    let (source, script) = RecordingSource::builder().never_ending().build();
    let (pool, gate) = gated(3, source);
    script.until(|record| record.demands.len() == 3).await;
    assert_eq!(script.record().demands, [1, 2, 3]);
    assert_eq!(pool.stats().idle, 3);

    // Only the lead is with the source. Each of these must find a worker all the same.
    for item in 0..3 {
        script.push(item);
        script.until(|record| record.handed_out == item as usize + 1).await;
    }
    gate.add_permits(3);
    script.end();
    assert_eq!(pool.finish().await.completed, 3);
}

#[tokio::test]
async fn as_many_more_are_taken_as_are_to_be_fetched_before() {
    let (source, script) = RecordingSource::builder().items(0..100).never_ending().build();
    let gate = Arc::new(Semaphore::new(0));
    let pool = Pool::builder()
        .workers(2)
        .prefetch(3)
        .source(source)
        .handler_with(Arc::clone(&gate), |gate, _| async move {
            gate.acquire().await.unwrap().forget();
        })
        .start()
        .unwrap();
    script.until(|record| record.handed_out == 5).await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let stats = pool.stats();
    assert_eq!((stats.busy, stats.held, stats.set_aside, stats.taken), (2, 5, 3, 5));
    gate.add_permits(95);
    script.until(|record| record.handed_out == 100).await;
    assert_eq!(script.record().most_outstanding, 5);
    script.push(100);
    gate.add_permits(6);
    script.until(|record| record.settlements.len() == 101).await;

    // What comes while nobody asks for it is fetched as well: the supervisor is with the source then.
    for item in 0..5 {
        script.push(item);
    }
    script.until(|record| record.handed_out == 106).await;
    let report = pool.shutdown(std::time::Duration::ZERO).await;
    assert_eq!((report.held, report.taken), (0, 106));
    assert!(report.adds_up());
}

/// Workers that never wait must not keep others from running.
#[tokio::test]
async fn gives_way_to_other_tasks_while_there_is_always_an_item() {
    let (source, script) = RecordingSource::new(0..10_000_u32);
    let pool = Pool::builder().workers(1).source(source).handler(|_| async {}).start().unwrap();
    let mut turns = 0;
    while script.remaining() > 0 {
        turns += 1;
        tokio::task::yield_now().await;
    }
    assert!(turns > 10, "this task got {turns} turns beside 10000 items");
    pool.finish().await;
}

/// No worker comes by to ask for what is to be fetched before.
#[tokio::test(start_paused = true)]
async fn what_comes_while_all_are_busy_is_fetched_before_its_time() {
    let (source, script) = RecordingSource::builder().items([0]).never_ending().build();
    let pool = Pool::builder()
        .workers(1)
        .prefetch(3)
        .source(source)
        .handler(|_: u32| sleep(Duration::from_secs(60)))
        .start()
        .unwrap();
    sleep(Duration::from_secs(1)).await;
    assert_eq!((pool.stats().busy, pool.stats().set_aside), (1, 0));
    for item in 1..=5 {
        script.push(item);
    }
    sleep(Duration::from_secs(1)).await;
    assert_eq!((pool.stats().busy, pool.stats().set_aside, script.remaining()), (1, 3, 2));
    script.end();
    assert_eq!(pool.finish().await.completed, 6);
}

/// Nor must handlers that compute for long: not each other's, and not the runtime's timers.
#[tokio::test]
async fn gives_way_after_an_item_that_computes_for_long() {
    let turns = Arc::new(AtomicUsize::new(0));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (tx, rx) = forebay_queue::bounded(20);
    (0..20).for_each(|item| assert!(tx.try_send(item).is_ok()));
    drop(tx);
    let pool = Pool::builder()
        .workers(1)
        .source(rx)
        .handler_with((Arc::clone(&turns), Arc::clone(&seen)), |(turns, seen), _: u32| async move {
            seen.lock().unwrap().push(turns.load(Ordering::SeqCst));
            let began = Instant::now();
            while began.elapsed() < Duration::from_millis(2) {
                std::hint::spin_loop();
            }
        })
        .start()
        .unwrap();
    while seen.lock().unwrap().len() < 20 {
        tokio::task::yield_now().await;
        turns.fetch_add(1, Ordering::SeqCst);
    }
    pool.finish().await;
    let seen = seen.lock().unwrap();
    assert!(seen.windows(2).all(|pair| pair[0] < pair[1]), "{seen:?}");
}

/// What is fetched without a bound adds to what workers wait for.
#[tokio::test]
async fn all_there_is_may_be_fetched_before() {
    let (source, script) = RecordingSource::builder().items(0..100).never_ending().build();
    let gate = Arc::new(Semaphore::new(0));
    let pool = Pool::builder()
        .workers(2)
        .prefetch(usize::MAX)
        .source(source)
        .handler_with(Arc::clone(&gate), |gate, _| async move {
            gate.acquire().await.unwrap().forget();
        })
        .start()
        .unwrap();
    script.until(|record| record.handed_out == 100).await;
    gate.add_permits(100);
    script.end();
    let report = pool.finish().await;
    assert_eq!((report.completed, report.restarts), (100, 0));
}
