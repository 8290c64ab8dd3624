use std::future::pending;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use forebay_pool::{EndedBy, Phase, Pool};
use forebay_queue::{Delivery, SendError, TrySendError, bounded};
use forebay_testkit::{Driver, RecordingSource};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::Instant;
use tracing::Level;

use crate::events::Events;

const LONG: Duration = Duration::from_secs(3600);

/// How many of its clones live: one in each handler's future, so it counts tasks that are alive.
#[derive(Clone, Default)]
struct Alive(Arc<()>);

impl Alive {
    /// Without this one.
    fn others(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }
}

/// On a runtime of one thread, where each task has had many turns by then.
async fn soon(mut condition: impl FnMut() -> bool) {
    for _ in 0..1_000 {
        if condition() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("it did not come to pass");
}

#[tokio::test(start_paused = true)]
async fn drains_what_was_accepted() {
    let events = Events::keep();
    let pool = Pool::builder()
        .workers(2)
        .queue(100)
        .handler(|_: u32| tokio::time::sleep(Duration::from_secs(1)))
        .start()
        .unwrap();
    for item in 0..20 {
        pool.produce(item).await.unwrap();
    }
    let report = pool.shutdown(LONG).await;
    assert_eq!(report.to_string(), "shut down: took 20, completed 20");
    assert!(matches!(report.ended_by, EndedBy::Shutdown));
    assert_eq!(
        events.at(Level::DEBUG),
        [
            "pool started workers=2",
            "pool goes on phase=Closing",
            "pool goes on phase=Draining",
            "pool goes on phase=Closed",
            "pool ended report=shut down: took 20, completed 20",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn gives_up_at_the_deadline_and_says_what_became_of_everything() {
    let undelivered = Arc::new(Mutex::new(Vec::new()));
    let left = Arc::clone(&undelivered);
    let pool = Pool::builder()
        .workers(2)
        .queue(100)
        .on_undelivered(move |item| left.lock().unwrap().push(item))
        .handler(|_: u32| tokio::time::sleep(Duration::from_secs(10)))
        .start()
        .unwrap();
    for item in 0..20 {
        pool.produce(item).await.unwrap();
    }
    let started = Instant::now();
    let report = pool.shutdown(Duration::from_secs(25)).await;
    assert_eq!(started.elapsed().as_secs(), 25);
    assert_eq!(
        report.to_string(),
        "aborted at the deadline: took 6, completed 4, failed 2, undelivered 14; 2 aborted"
    );
    assert!(report.adds_up());
    assert_eq!(*undelivered.lock().unwrap(), (6..20).collect::<Vec<_>>());
}

/// Deliveries go back by the abort, into the queue, and from there to the hook: nothing is lost.
#[tokio::test(start_paused = true)]
async fn what_is_aborted_as_a_delivery_is_handed_back() {
    let undelivered = Arc::new(Mutex::new(Vec::new()));
    let left = Arc::clone(&undelivered);
    let pool = Pool::builder()
        .workers(3)
        .queue(100)
        .on_undelivered(move |item| left.lock().unwrap().push(item))
        .handler_delivery(|delivery: Delivery<u32>| async move {
            let _delivery = delivery;
            pending::<()>().await;
        })
        .start()
        .unwrap();
    for item in 0..5 {
        pool.produce(item).await.unwrap();
    }
    let report = pool.shutdown(Duration::from_secs(1)).await;
    // Three were taken and went back, so they are among the five as well.
    assert_eq!((report.taken, report.returned, report.undelivered), (3, 3, 5));
    assert!(report.adds_up());
    let mut items = undelivered.lock().unwrap().clone();
    items.sort_unstable();
    assert_eq!(items, [0, 1, 2, 3, 4]);
}

#[tokio::test(start_paused = true)]
async fn ends_a_source_that_never_ends() {
    let (source, script) = RecordingSource::builder().items(0..10).never_ending().build();
    let pool = Pool::builder().workers(4).source(source).handler(|_| async {}).start().unwrap();
    let report = pool.shutdown(Duration::from_secs(1)).await;
    assert_eq!((report.taken, report.completed), (10, 10));
    assert!(matches!(report.ended_by, EndedBy::Deadline));
    let record = script.record();
    assert_eq!((record.closes, record.dropped), (1, true));
}

/// A queue has one end, whoever brings it about.
#[tokio::test]
async fn pools_that_share_a_queue_end_together() {
    let (tx, rx) = bounded(8);
    let one = Pool::builder().workers(1).source(rx.clone()).handler(|_: u32| async {}).start().unwrap();
    let other = Pool::builder().workers(1).source(rx).handler(|_: u32| async {}).start().unwrap();
    one.shutdown(LONG).await;
    assert!(matches!(tx.send(1).await, Err(SendError::Closed(1))));
    assert!(matches!(other.finish().await.ended_by, EndedBy::Source));
}

#[tokio::test(start_paused = true)]
async fn without_time_nothing_is_waited_for() {
    let pool = Pool::builder().workers(1).queue(10).handler(|_: u32| pending::<()>()).start().unwrap();
    for item in 0..5 {
        pool.produce(item).await.unwrap();
    }
    let started = Instant::now();
    let report = pool.shutdown(Duration::ZERO).await;
    assert_eq!(started.elapsed(), Duration::ZERO);
    assert!(report.adds_up());
    assert_eq!(report.taken + report.undelivered, 5);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_beyond_all_time_is_none() {
    let pool = Pool::builder().queue(10).handler(|_: u32| async {}).start().unwrap();
    pool.produce(1).await.unwrap();
    assert_eq!(pool.shutdown(Duration::MAX).await.completed, 1);
}

#[tokio::test]
async fn a_closed_pool_gives_items_back() {
    let pool = Pool::builder().queue(10).handler(|_: u32| async {}).start().unwrap();
    pool.produce(1).await.unwrap();
    let producer = pool.producer();
    pool.close();
    pool.close();
    assert!(matches!(pool.produce(2).await, Err(SendError::Closed(2))));
    assert!(matches!(pool.try_produce(3), Err(TrySendError::Closed(3))));
    assert!(matches!(producer.send(4).await, Err(SendError::Closed(4))));
    pool.closed().await;
    assert_eq!(pool.phase(), Phase::Closed);
    let report = pool.shutdown(Duration::ZERO).await;
    assert_eq!(report.completed, 1);
    assert!(matches!(report.ended_by, EndedBy::Shutdown), "it had ended before the deadline was set");
}

/// Whatever the instant: each item was either refused, and came back, or is in the report.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loses_nothing_that_races_with_it() {
    for round in 0..200 {
        let handled = Arc::new(AtomicU64::new(0));
        let pool = Pool::builder()
            .workers(3)
            .queue(4)
            .handler_with(Arc::clone(&handled), |handled, _: u64| async move {
                handled.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            })
            .start()
            .unwrap();
        let producers: Vec<_> = (0..3)
            .map(|_| {
                let producer = pool.producer();
                tokio::spawn(async move {
                    let mut accepted = 0_u64;
                    for item in 0..100_u64 {
                        match producer.send(item).await {
                            Ok(_) => accepted += 1,
                            Err(error) => {
                                assert_eq!(error.into_inner(), item, "what is refused comes back");
                                break;
                            }
                        }
                    }
                    accepted
                })
            })
            .collect();
        while handled.load(Ordering::Relaxed) < round {
            tokio::task::yield_now().await;
        }
        let deadline = if round % 2 == 0 { Duration::ZERO } else { LONG };
        let report = pool.shutdown(deadline).await;
        let mut accepted = 0;
        for producer in producers {
            accepted += producer.await.unwrap();
        }
        assert!(report.adds_up(), "{report:?}");
        assert_eq!(
            accepted,
            report.completed + report.failed + report.undelivered,
            "round {round}: {report}"
        );
        assert_eq!(report.held, 0);
    }
}

#[tokio::test]
async fn finish_waits_for_the_last_producer() {
    let pool = Pool::builder().workers(2).queue(1).handler(|_: u32| async {}).start().unwrap();
    let producer = pool.producer();
    pool.produce(0).await.unwrap();
    let finishing = tokio::spawn(pool.finish());
    for item in 1..10 {
        producer.send(item).await.unwrap();
    }
    assert!(!finishing.is_finished());
    drop(producer);
    let report = finishing.await.unwrap();
    assert_eq!(report.completed, 10);
    assert!(matches!(report.ended_by, EndedBy::Source));
}

#[tokio::test]
async fn closed_can_be_given_up_and_asked_again() {
    let (tx, rx) = bounded(1);
    let pool = Pool::builder().workers(1).source(rx).handler(|_: u32| async {}).start().unwrap();
    let mut closed = Driver::new(pool.closed());
    closed.assert_pending();
    drop(closed);
    tx.send(1).await.unwrap();
    drop(tx);
    pool.closed().await;
    assert_eq!(pool.stats().completed, 1);
    assert!(matches!(pool.finish().await.ended_by, EndedBy::Source));
}

/// A pool of 4 with as many handlers that never end.
async fn stuck(alive: &Alive) -> Pool<u32> {
    let (source, script) = RecordingSource::builder().items(0..10).never_ending().build();
    let pool = Pool::builder()
        .workers(4)
        .source(source)
        .handler_with(alive.clone(), |alive, _| async move {
            let _alive = alive;
            pending::<()>().await;
        })
        .start()
        .unwrap();
    script.until(|record| record.handed_out == 4).await;
    // The prototype, a clone in each worker, and one in each future.
    soon(|| alive.others() == 9).await;
    pool
}

#[tokio::test]
async fn no_task_outlives_its_handle() {
    let alive = Alive::default();
    let pool = stuck(&alive).await;
    drop(pool);
    soon(|| alive.others() == 0).await;
}

#[tokio::test(start_paused = true)]
async fn no_task_outlives_shutdown() {
    let alive = Alive::default();
    let pool = stuck(&alive).await;
    let report = pool.shutdown(Duration::from_secs(1)).await;
    assert_eq!((report.aborted, report.failed), (4, 4));
    assert_eq!(alive.others(), 0, "not even for a moment");
}

#[tokio::test]
async fn a_shutdown_that_is_given_up_aborts() {
    let alive = Alive::default();
    let pool = stuck(&alive).await;
    let mut shutdown = Driver::new(pool.shutdown(LONG));
    shutdown.assert_pending();
    drop(shutdown);
    soon(|| alive.others() == 0).await;

    let pool = stuck(&alive).await;
    let mut finish = Driver::new(pool.finish());
    finish.assert_pending();
    drop(finish);
    soon(|| alive.others() == 0).await;
}

/// The handle is there still, and nobody will take what waits.
#[test]
fn without_its_runtime_it_gives_items_back() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (started, was_started) = std::sync::mpsc::channel();
    let undelivered = Arc::new(Mutex::new(Vec::new()));
    let pool = {
        let _entered = runtime.enter();
        let undelivered = Arc::clone(&undelivered);
        Pool::builder()
            .workers(1)
            .queue(1)
            .on_undelivered(move |item| undelivered.lock().unwrap().push(item))
            .handler(move |_: u32| {
                started.send(()).unwrap();
                pending::<()>()
            })
            .start()
            .unwrap()
    };
    pool.try_produce(1).unwrap();
    was_started.recv().unwrap();
    pool.try_produce(2).unwrap();
    let mut waiting = Driver::new(pool.produce(3));
    waiting.assert_pending();
    drop(runtime);
    assert_eq!(pool.phase(), Phase::Closed);
    assert!(matches!(waiting.assert_ready(), Err(SendError::Closed(3))));
    assert!(matches!(pool.try_produce(4), Err(TrySendError::Closed(4))));
    assert_eq!(*undelivered.lock().unwrap(), [2]);
    let other = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    drop(waiting);
    let report = other.block_on(pool.shutdown(LONG));
    assert!(matches!(report.ended_by, EndedBy::Runtime));
    assert!(report.adds_up());
    assert_eq!((report.taken, report.failed, report.held, report.undelivered), (1, 1, 0, 1));
}

/// A worker that is busy finishes its item in peace while the pool drains.
#[tokio::test]
async fn draining_waits_for_what_is_in_hand() {
    let (begun, has_begun) = oneshot::channel();
    let begun = Mutex::new(Some(begun));
    let gate = Arc::new(Semaphore::new(0));
    let pool = Pool::builder()
        .workers(1)
        .queue(1)
        .handler_with(Arc::clone(&gate), move |gate, _: u32| {
            let begun = begun.lock().unwrap().take();
            async move {
                if let Some(begun) = begun {
                    begun.send(()).unwrap();
                }
                gate.acquire().await.unwrap().forget();
            }
        })
        .start()
        .unwrap();
    pool.produce(1).await.unwrap();
    has_begun.await.unwrap();
    let shutdown = tokio::spawn(pool.shutdown(LONG));
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!shutdown.is_finished());
    gate.add_permits(1);
    assert_eq!(shutdown.await.unwrap().completed, 1);
}
