use std::future::{Ready, pending, ready};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use forebay_pool::{Backoff, BoxError, OnFailure, Pool, Report, Retry, WorkContext};
use forebay_queue::{Delivery, End};
use forebay_testkit::RecordingSource;
use tokio::time::{Instant, sleep};
use tower::retry::budget::Budget;
use tracing::Level;

use crate::events::Events;

const SECOND: Duration = Duration::from_secs(1);

fn retry() -> OnFailure {
    OnFailure::Retry(Retry::new(Backoff::new(SECOND, 4 * SECOND)))
}

/// Each attempt: which item, which attempt of it, after how many seconds.
type Attempts = Arc<Mutex<Vec<(u32, u32, u64)>>>;

/// One worker, two items; the first fails `failures` times.
async fn attempts_of(failures: u32) -> (Vec<(u32, u32, u64)>, Report) {
    let begun = Instant::now();
    let (source, _script) = RecordingSource::new([0, 1]);
    let attempts = Attempts::default();
    let seen = Arc::clone(&attempts);
    let pool = Pool::builder()
        .workers(1)
        .on_failure(retry())
        .source(source)
        .handler_in(move |cx: WorkContext<u32>, item| {
            seen.lock().unwrap().push((item, cx.attempt(), begun.elapsed().as_secs()));
            async move { if item == 0 && cx.attempt() <= failures { Err("no luck") } else { Ok(()) } }
        })
        .keep_copies()
        .start()
        .unwrap();
    let report = pool.finish().await;
    assert!(report.adds_up());
    let attempts = std::mem::take(&mut *attempts.lock().unwrap());
    (attempts, report)
}

#[tokio::test(start_paused = true)]
async fn nothing_overtakes_what_is_tried_again() {
    let (attempts, report) = attempts_of(3).await;
    assert_eq!(attempts, [(0, 1, 0), (0, 2, 1), (0, 3, 3), (0, 4, 7), (1, 1, 7)]);
    assert_eq!((report.taken, report.completed, report.retried, report.returned), (2, 2, 3, 0));
    assert_eq!(report.to_string(), "source ended: took 2, completed 2; 3 retried");
}

#[tokio::test(start_paused = true)]
async fn the_last_attempt_is_dead_lettered() {
    let (attempts, report) = attempts_of(9).await;
    assert_eq!(attempts.len(), 6, "five of the first and one of the second");
    assert_eq!((report.completed, report.dead_lettered, report.retried), (1, 1, 4));
}

/// A worker whose handler panicked is rebuilt, and has its item still.
#[tokio::test(start_paused = true)]
async fn a_panic_is_tried_again_with_a_new_handler() {
    let (source, script) = RecordingSource::new([7]);
    let built = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&built);
    let pool = Pool::builder()
        .workers(1)
        .on_failure(retry())
        .source(source)
        .handler_per_worker(move |_| {
            let handler = count.fetch_add(1, Ordering::Relaxed);
            move |_: u32| async move { assert!(handler > 0, "the first handler is no good") }
        })
        .keep_copies()
        .start()
        .unwrap();
    let report = pool.finish().await;
    assert_eq!((report.completed, report.panics, report.retried, report.restarts), (1, 1, 1, 1));
    assert_eq!(built.load(Ordering::Relaxed), 2);
    assert_eq!(script.record().settlements.len(), 1, "the source knows nothing of it");
}

/// Every third retry is allowed.
#[derive(Default)]
struct Third {
    deposits: AtomicU32,
    withdrawals: AtomicU32,
}

struct Shared(Arc<Third>);

impl Budget for Shared {
    fn deposit(&self) {
        self.0.deposits.fetch_add(1, Ordering::Relaxed);
    }

    fn withdraw(&self) -> bool {
        self.0.withdrawals.fetch_add(1, Ordering::Relaxed) % 3 == 2
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_budget_does_not_allow_goes_back_to_the_source() {
    for form in ["copies", "delivery"] {
        let (source, script) = RecordingSource::new([7, 8]);
        let budget = Arc::new(Third::default());
        let builder = Pool::builder()
            .workers(1)
            .on_failure(OnFailure::Retry(Retry::default().with_budget(Shared(Arc::clone(&budget)))))
            .source(source);
        let attempts = AtomicU32::new(0);
        let builder = match form {
            "copies" => builder
                .handler(move |item| {
                    let fails = item == 7 && attempts.fetch_add(1, Ordering::Relaxed) < 3;
                    async move { if fails { Err("no luck") } else { Ok(()) } }
                })
                .keep_copies(),
            _ => builder.handler_delivery(move |delivery: Delivery<i32>| {
                let fails = delivery.item() == Some(&7) && attempts.fetch_add(1, Ordering::Relaxed) < 3;
                async move {
                    if fails {
                        return Err("no luck");
                    }
                    delivery.ack();
                    Ok(())
                }
            }),
        };
        let report = builder.start().unwrap().finish().await;
        assert_eq!((report.completed, report.returned, report.retried), (2, 2, 1), "{form}");
        assert_eq!(script.record().settlements.len(), 4);
        assert_eq!(
            (budget.deposits.load(Ordering::Relaxed), budget.withdrawals.load(Ordering::Relaxed)),
            (2, 3)
        );
    }
}

/// What waits to be tried again is in hand: it counts, and goes back at the deadline.
#[tokio::test(start_paused = true)]
async fn what_waits_to_be_tried_again_goes_back_at_the_deadline() {
    let (source, script) = RecordingSource::new([7]);
    let pool = Pool::builder()
        .workers(1)
        .on_failure(OnFailure::Retry(Retry::new(Backoff::new(60 * SECOND, 60 * SECOND))))
        .source(source)
        .handler(|_| async { Err("no luck") })
        .keep_copies()
        .start()
        .unwrap();
    sleep(SECOND).await;
    let stats = pool.stats();
    assert_eq!((stats.held, stats.busy, stats.retried, stats.taken), (1, 1, 1, 1));
    let report = pool.shutdown(SECOND).await;
    assert_eq!((report.returned, report.held), (1, 0));
    let record = script.record();
    assert_eq!(record.ends(), [End::Nack { after: Duration::ZERO }]);
    assert!(record.settlements[0].with_item);
}

/// A worker that is told to leave is done with its item first, however many attempts that takes.
#[tokio::test(start_paused = true)]
async fn who_leaves_tries_again_before() {
    let (source, script) = RecordingSource::builder().items(0..2).never_ending().build();
    let pool = Pool::builder()
        .workers(2)
        .on_failure(retry())
        .source(source)
        .handler_in(|cx: WorkContext<u32>, _| async move {
            if cx.attempt() < 3 { Err("no luck") } else { Ok(()) }
        })
        .keep_copies()
        .start()
        .unwrap();
    script.until(|record| record.handed_out == 2).await;
    pool.resize(1);
    script.end();
    let report = pool.finish().await;
    assert_eq!((report.completed, report.retried, report.returned), (2, 4, 0));
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_moved_its_delivery_elsewhere_is_not_tried_again() {
    let (source, _script) = RecordingSource::new([7]);
    let pool = Pool::builder()
        .workers(1)
        .on_failure(retry())
        .source(source)
        .handler_delivery(|delivery: Delivery<i32>| async move {
            tokio::spawn(async move {
                sleep(SECOND).await;
                delivery.ack();
            });
            Err("that it is elsewhere is no reason to succeed")
        })
        .start()
        .unwrap();
    let report = pool.finish().await;
    assert_eq!((report.completed, report.retried), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn each_attempt_is_told() {
    let events = Events::keep();
    attempts_of(1).await;
    assert_eq!(events.at(Level::WARN), ["handler failed worker=0 attempt=1 error=no luck item=tried again"]);
}

/// A copy is made by code that is not ours.
#[tokio::test]
async fn a_clone_that_panics_costs_its_item_an_attempt() {
    struct Fragile(u32);
    impl Clone for Fragile {
        fn clone(&self) -> Self {
            assert!(self.0 != 0, "it cannot be cloned");
            Self(self.0)
        }
    }
    let (source, script) = RecordingSource::new([Fragile(0), Fragile(1)]);
    let pool = Pool::builder()
        .workers(1)
        .max_attempts(2)
        .source(source)
        .handler(|_| async {})
        .keep_copies()
        .start()
        .unwrap();
    let report = pool.finish().await;
    assert_eq!((report.completed, report.returned, report.dead_lettered, report.panics), (1, 1, 1, 2));
    assert!(script.record().settlements.iter().filter(|settlement| settlement.with_item).count() >= 2);
}

/// A factory that never succeeds again leaves nobody waiting, and is seen.
#[tokio::test(start_paused = true)]
async fn a_worker_that_cannot_be_built_is_visible_and_gives_its_item_back() {
    let (source, script) = RecordingSource::new([7]);
    let built = AtomicU32::new(0);
    let pool = Pool::builder()
        .workers(1)
        .on_failure(retry())
        .source(source)
        .handler_per_worker(move |_| {
            assert!(built.fetch_add(1, Ordering::Relaxed) == 0, "no more handlers");
            |item: i32| async move { assert_eq!(item, 0, "it panicked") }
        })
        .keep_copies()
        .start()
        .unwrap();
    assert_eq!(pool.stats().failing, 0);
    sleep(60 * SECOND).await;
    let stats = pool.stats();
    assert_eq!((stats.failing, stats.held, stats.idle), (1, 1, 0));
    let report = pool.shutdown(SECOND).await;
    assert_eq!((report.held, report.returned, report.taken), (0, 1, 1), "{report:?}");
    assert_eq!(script.outstanding(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_abort_is_not_tried_again() {
    let (source, _script) = RecordingSource::new([7]);
    let pool = Pool::builder()
        .workers(1)
        .on_failure(retry())
        .source(source)
        .handler(|_| pending::<()>())
        .keep_copies()
        .start()
        .unwrap();
    sleep(SECOND).await;
    let report = pool.shutdown(SECOND).await;
    assert_eq!((report.returned, report.aborted, report.retried), (1, 1, 0));
}

/// Ready once, and then no more.
#[derive(Clone)]
struct ReadyOnce(Arc<AtomicU32>);

impl tower_service::Service<u32> for ReadyOnce {
    type Response = ();
    type Error = BoxError;
    type Future = Ready<Result<(), BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        if self.0.fetch_add(1, Ordering::Relaxed) == 0 { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn call(&mut self, _: u32) -> Self::Future {
        ready(Err("it failed".into()))
    }
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_its_service_hears_of_a_cancel_and_of_its_deadline() {
    for cancels in [true, false] {
        let (source, _script) = RecordingSource::new([7]);
        let begun = Instant::now();
        let pool = Pool::builder()
            .workers(1)
            .on_failure(retry())
            .source(source)
            .service(ReadyOnce(Arc::default()))
            .keep_copies()
            .key(|item| *item)
            .deadline(move |_| Some(begun + 60 * SECOND))
            .start()
            .unwrap();
        sleep(5 * SECOND).await;
        assert_eq!(pool.stats().held, 1);
        if cancels {
            assert_eq!(pool.cancel(&7_u32), 1);
            sleep(SECOND).await;
        } else {
            sleep(60 * SECOND).await;
        }
        let stats = pool.stats();
        assert_eq!((stats.held, stats.dead_lettered), (0, 1), "{stats:?}");
        assert_eq!((stats.cancelled, stats.timed_out), (u64::from(cancels), u64::from(!cancels)));
        drop(pool);
    }
}

/// It counts as an attempt, wherever it is asked.
#[tokio::test(start_paused = true)]
async fn a_deadline_that_panics_costs_its_item_an_attempt_each_time() {
    let (source, _script) = RecordingSource::new([7, 8]);
    let pool = Pool::builder()
        .workers(1)
        .on_failure(retry())
        .source(source)
        .handler(|_: u32| async {})
        .keep_copies()
        .deadline(|item| if *item == 7 { panic!("no deadline") } else { None })
        .start()
        .unwrap();
    let report = pool.finish().await;
    assert_eq!((report.dead_lettered, report.completed, report.panics), (1, 1, 5), "{report}");
}
