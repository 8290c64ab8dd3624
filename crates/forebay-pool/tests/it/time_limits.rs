use std::future::pending;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use forebay_pool::{Pool, WorkContext};
use forebay_queue::{Delivery, End};
use forebay_testkit::RecordingSource;
use tokio::time::{Instant, sleep};
use tracing::Level;

use crate::events::Events;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn cuts_an_attempt_short_and_goes_on_with_the_next() {
    let events = Events::keep();
    let (source, _script) = RecordingSource::new([60, 2, 5]);
    let pool = Pool::builder()
        .workers(1)
        .timeout(5 * SECOND)
        .source(source)
        .handler(|seconds| sleep(Duration::from_secs(seconds)))
        .start()
        .unwrap();
    let report = pool.finish().await;
    // What is done at that very moment is done in time.
    assert_eq!(report.to_string(), "source ended: took 3, completed 2, failed 1; 1 timed out");
    assert_eq!((report.elapsed.as_secs(), report.restarts), (12, 0));
    assert_eq!(events.at(Level::WARN), ["handler timed out worker=0 attempt=1 item=failed"]);
}

/// Each attempt has the whole time, and a delivery that comes back is delivered again.
#[tokio::test(start_paused = true)]
async fn each_attempt_has_its_own_time() {
    let (source, _script) = RecordingSource::new(["slow at first"]);
    let pool = Pool::builder()
        .workers(1)
        .timeout(5 * SECOND)
        .source(source)
        .handler_delivery(|delivery: Delivery<&str>| async move {
            sleep(SECOND * if delivery.attempt() == 1 { 6 } else { 4 }).await;
            delivery.ack();
        })
        .start()
        .unwrap();
    let report = pool.finish().await;
    assert_eq!((report.returned, report.completed, report.timed_out), (1, 1, 1));
    assert_eq!(report.elapsed.as_secs(), 9);
}

#[tokio::test(start_paused = true)]
async fn the_context_knows_the_earlier_of_both() {
    let begun = Instant::now();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&seen);
    let (source, _script) = RecordingSource::new([Some(3), Some(10), None]);
    let pool = Pool::builder()
        .workers(3)
        .timeout(5 * SECOND)
        .source(source)
        .handler_in(move |cx: WorkContext<Option<u64>>, _| {
            kept.lock().unwrap().push(cx.deadline().map(|at| (at - begun).as_secs()));
            pending::<()>()
        })
        .deadline(move |seconds| seconds.map(|seconds| begun + Duration::from_secs(seconds)))
        .start()
        .unwrap();
    let report = pool.finish().await;
    assert_eq!((report.timed_out, report.elapsed.as_secs()), (3, 5));
    let mut seen = seen.lock().unwrap().clone();
    seen.sort_unstable();
    assert_eq!(seen, [Some(3), Some(5), Some(5)]);
}

#[tokio::test(start_paused = true)]
async fn an_item_that_is_late_already_is_not_started() {
    let (source, script) = RecordingSource::new([1, 2, 3]);
    let called = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&called);
    let now = Instant::now();
    let pool = Pool::builder()
        .workers(1)
        .source(source)
        .handler_delivery(move |delivery: Delivery<u32>| {
            count.fetch_add(1, Ordering::Relaxed);
            async { delivery.ack() }
        })
        .deadline(move |item| (*item == 2).then_some(now))
        .start()
        .unwrap();
    let report = pool.finish().await;
    assert_eq!(called.load(Ordering::Relaxed), 2);
    assert_eq!((report.completed, report.dead_lettered, report.timed_out), (2, 1, 1));
    let settlement = &script.record().settlements[1];
    assert!(settlement.with_item, "nobody has touched it");
    assert_eq!(settlement.end, End::DeadLetter { reason: "attempt 1: its deadline passed".to_owned() });
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_panics_fails_its_item_only() {
    let (source, _script) = RecordingSource::new([1, 2, 3]);
    let pool = Pool::builder()
        .workers(1)
        .max_attempts(1)
        .source(source)
        .handler_delivery(|delivery: Delivery<u32>| async { delivery.ack() })
        .deadline(|item| {
            assert!(*item != 2, "it has no deadline");
            None
        })
        .start()
        .unwrap();
    let report = pool.finish().await;
    assert_eq!((report.completed, report.dead_lettered, report.panics), (2, 1, 1));
}

/// The run's end is told before the future is dropped, so what the handler left elsewhere may stop.
#[tokio::test(start_paused = true)]
async fn what_is_cut_short_is_cancelled_in_its_context() {
    let (source, _script) = RecordingSource::new([1]);
    let (heard, was_heard) = tokio::sync::oneshot::channel();
    let heard = Mutex::new(Some(heard));
    let pool = Pool::builder()
        .workers(1)
        .timeout(SECOND)
        .source(source)
        .handler_in(move |cx: WorkContext<u32>, _| {
            let heard = heard.lock().unwrap().take().unwrap();
            tokio::spawn(async move {
                cx.cancelled().await;
                heard.send(()).unwrap();
            });
            pending::<()>()
        })
        .start()
        .unwrap();
    assert_eq!(pool.finish().await.timed_out, 1);
    was_heard.await.unwrap();
}
