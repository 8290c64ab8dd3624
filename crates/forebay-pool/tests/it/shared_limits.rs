use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{self, Context, Poll};
use std::time::Duration;

use forebay_pool::{
    Builder, FromSource, Handled, Missing, OnFailure, Pipeline, Pool, PoolHandle, PoolLayer, Rate, Retry,
};
use forebay_queue::{WhenFull, bounded, unbounded};
use forebay_testkit::RecordingSource;
use proptest::prelude::*;
use tokio::task::coop::{has_budget_remaining, poll_proceed, unconstrained};
use tokio::time::{Instant, sleep, timeout};
use tower::limit::ConcurrencyLimit;
use tower::{Layer, Service, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);

/// A second of work for each item, and so many at once.
fn limited(
    limit: usize,
) -> impl Service<u32, Response = u32, Error = Infallible, Future: Send + 'static> + Clone + Send + 'static {
    let second = service_fn(async |n: u32| {
        sleep(SECOND).await;
        Ok::<_, Infallible>(n)
    });
    ConcurrencyLimit::new(second, limit)
}

type Option = fn(Builder<FromSource<u32>, Missing>) -> Builder<FromSource<u32>, Missing>;

/// All ways in which a worker comes to its items.
const WAYS: [(&str, Option); 3] = [
    ("alone", |pool| pool),
    ("with a timeout", |pool| pool.timeout(Duration::from_secs(60))),
    ("from a stock", |pool| pool.prefetch(1)),
];

#[tokio::test(start_paused = true)]
async fn idle_workers_of_one_pool_keep_nothing_from_another() {
    for (what, option) in WAYS {
        for others in [false, true] {
            let service = limited(2);
            let (tx, rx) = bounded(10);
            let idle =
                option(Pool::builder().workers(2).source(rx)).service(service.clone()).start().unwrap();
            if others {
                // They have worked, and wait again.
                for n in 0..4 {
                    tx.send(n).await.unwrap();
                }
            }
            sleep(5 * SECOND).await;
            assert_eq!(idle.stats().idle, 2, "{what}");
            let other = Pool::builder().workers(2).queue(10).service(service).start().unwrap();
            for n in 0..4 {
                other.produce(n).await.unwrap();
            }
            let report = timeout(3 * SECOND, other.finish()).await.expect(what);
            assert_eq!(report.completed, 4, "{what}");
            tx.send(7).await.unwrap();
            drop(tx);
            let report = timeout(2 * SECOND, idle.finish()).await.expect(what);
            assert_eq!((report.completed, report.restarts), (if others { 5 } else { 1 }, 0), "{what}");
        }
    }
}

/// Readiness leaves nothing of the budget, after so many quick items that a look at the source costs nothing.
#[derive(Clone)]
struct Spending<S>(S);

impl<S: Service<u32>> Service<u32> for Spending<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        task::ready!(self.0.poll_ready(cx))?;
        let (tx, _rx) = unbounded();
        let quick = pin!(unconstrained(async {
            for _ in 0..1000 {
                tx.send(()).await.unwrap();
            }
        }));
        assert!(quick.poll(cx).is_ready());
        while has_budget_remaining() {
            task::ready!(poll_proceed(cx)).made_progress();
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, n: u32) -> S::Future {
        self.0.call(n)
    }
}

#[tokio::test(start_paused = true)]
async fn who_finds_nothing_with_a_spent_budget_keeps_nothing_either() {
    for (what, option) in WAYS {
        let service = limited(1);
        let (tx, rx) = bounded(10);
        let spending = Spending(service.clone());
        let idle = option(Pool::builder().workers(1).source(rx)).service(spending).start().unwrap();
        for n in 0..20 {
            // The second one finds its worker at work, and is taken without a wait.
            tx.send(n).await.unwrap();
            tx.send(n).await.unwrap();
            sleep(5 * SECOND).await;
            let mut other = service.clone();
            let ready = timeout(SECOND, other.ready()).await;
            assert!(ready.is_ok(), "{what}, after {n}: {:?}", idle.stats());
        }
    }
}

/// A source that says nothing but that it may be worth asking again.
#[tokio::test(start_paused = true)]
async fn idle_workers_before_any_source_keep_nothing_either() {
    let service = limited(1);
    let (source, script) = RecordingSource::builder().never_ending().build();
    let idle = Pool::builder().workers(3).source(source).service(service.clone()).start().unwrap();
    sleep(SECOND).await;
    assert_eq!(idle.stats().idle, 3);
    let other = Pool::builder().workers(3).queue(10).service(service).start().unwrap();
    other.produce(1).await.unwrap();
    assert_eq!(timeout(2 * SECOND, other.finish()).await.expect("it has the permit").completed, 1);

    // Of those that come at once each finds its worker.
    for n in 0..5 {
        script.push(n);
    }
    sleep(6 * SECOND).await;
    let record = script.record();
    assert_eq!((record.most_demanded(), record.most_outstanding), (1, 1), "it has one permit");
    script.end();
    assert_eq!(timeout(SECOND, idle.finish()).await.expect("it learns of the end").completed, 5);
}

/// Only one of the workers is with the source, and none is ready.
#[tokio::test(start_paused = true)]
async fn items_that_come_at_once_find_a_worker_each() {
    for prefetch in [0, 1] {
        let (source, script) = RecordingSource::builder().never_ending().build();
        let pool = Pool::builder().workers(3).prefetch(prefetch).source(source).service(limited(3));
        let pool = pool.start().unwrap();
        sleep(SECOND).await;
        for n in 0..3 {
            script.push(n);
        }
        sleep(SECOND / 2).await;
        assert_eq!((pool.stats().busy, pool.stats().idle), (3, 0));
        script.end();
        assert_eq!(pool.finish().await.completed, 3);
    }
}

#[tokio::test(start_paused = true)]
async fn stages_of_a_pipeline_share_one_permit() {
    for timed in [false, true] {
        let options = move |pool: Builder<FromSource<u32>, Handled<u32>>| {
            let pool = pool.workers(2);
            if timed { pool.timeout(60 * SECOND) } else { pool }
        };
        let service = limited(1);
        let (pipeline, mut results) = Pipeline::builder()
            .queue(10)
            .stage_service("first", service.clone(), options)
            .queue(10)
            .stage_service("second", service, options)
            .results(10, WhenFull::Wait)
            .start()
            .unwrap();
        let began = Instant::now();
        for n in 0..5 {
            pipeline.produce(n).await.unwrap();
            // The first stage has nothing to do meanwhile, nor has the second before.
            assert_eq!(timeout(3 * SECOND, results.recv()).await, Ok(Some(n)));
        }
        assert_eq!(began.elapsed(), 10 * SECOND);
        assert_eq!(timeout(SECOND, pipeline.finish()).await.unwrap().delivered, 5);
    }
}

#[tokio::test(start_paused = true)]
async fn pools_behind_services_share_one_permit() {
    let service = limited(1);
    let layer = PoolLayer::new(2, 10);
    let (one, other) = (layer.layer(service.clone()), layer.layer(service));
    sleep(SECOND).await;
    for n in 0..3 {
        for pooled in [&one, &other] {
            assert_eq!(timeout(2 * SECOND, pooled.clone().oneshot(n)).await.expect("an answer").unwrap(), n);
        }
    }
    sleep(SECOND).await;
    for pooled in [&one, &other] {
        assert_eq!((pooled.len(), pooled.pool_stats().unwrap().idle), (0, 2));
    }
    let calls: Vec<_> =
        (0..8).map(|n| tokio::spawn(if n % 2 == 0 { &one } else { &other }.clone().oneshot(n))).collect();
    let began = Instant::now();
    for call in calls {
        assert!(call.await.unwrap().is_ok());
    }
    assert_eq!(began.elapsed(), 8 * SECOND, "one at a time");
}

/// Its worker has made its service ready by then, and does not call it.
#[tokio::test(start_paused = true)]
async fn a_call_that_leaves_on_its_way_to_a_worker_keeps_nothing_from_others() {
    let service = limited(1);
    let call = Arc::new(Mutex::new(None));
    let leaving = Arc::clone(&call);
    let layer = PoolLayer::new(1, 10).on_wait(move |_| drop(leaving.lock().unwrap().take()));
    let (mut one, other) = (layer.layer(service.clone()), PoolLayer::new(1, 10).layer(service));
    sleep(SECOND).await;
    *call.lock().unwrap() = Some(one.call(1));
    sleep(SECOND).await;
    assert!(call.lock().unwrap().is_none(), "it left");
    assert_eq!(one.pool_stats().unwrap().idle, 1);
    assert_eq!(timeout(2 * SECOND, other.oneshot(2)).await.expect("nobody has the permit").unwrap(), 2);
    assert_eq!(one.oneshot(3).await.unwrap(), 3);
}

/// The same where it is the item that is not begun, and nothing more is taken for now.
#[tokio::test(start_paused = true)]
async fn an_item_that_comes_too_late_keeps_nothing_from_others() {
    let service = limited(1);
    let (tx, rx) = bounded(10);
    let handle = Arc::new(OnceLock::<PoolHandle<u32>>::new());
    let pauses = Arc::clone(&handle);
    let too_late = move |_: &u32| {
        // By now its worker is ready for it.
        pauses.get().unwrap().pause();
        Some(Instant::now())
    };
    let pool =
        Pool::builder().workers(1).source(rx).service(service.clone()).deadline(too_late).start().unwrap();
    handle.set(pool.handle()).unwrap();
    sleep(SECOND).await;
    tx.send(1).await.unwrap();
    sleep(SECOND).await;
    assert_eq!((pool.stats().timed_out, pool.stats().idle, pool.stats().paused), (1, 1, true));
    let ready = timeout(SECOND, service.ready_oneshot()).await;
    drop(ready.expect("nobody has the permit"));
    pool.resume();
    tx.send(2).await.unwrap();
    sleep(SECOND).await;
    assert_eq!(pool.stats().timed_out, 2);
}

/// The same while the item is to be tried again and a pause comes: it is not begun before that is over.
#[tokio::test(start_paused = true)]
async fn an_item_that_waits_for_its_next_attempt_keeps_nothing_from_others_in_a_pause() {
    for cancels in [false, true] {
        let fails = service_fn(async |_: u32| {
            sleep(SECOND).await;
            Err::<(), _>("no luck")
        });
        let service = ConcurrencyLimit::new(fails, 1);
        let (tx, rx) = bounded(10);
        let pool = Pool::builder()
            .workers(1)
            .max_attempts(3)
            .on_failure(OnFailure::Retry(Retry::default()))
            .source(rx)
            .service(service.clone())
            .keep_copies()
            .key(|n: &u32| *n)
            .start()
            .unwrap();
        tx.send(1).await.unwrap();
        sleep(SECOND / 2).await;
        let permit = service.clone().ready_oneshot().await.unwrap();
        sleep(SECOND).await;
        pool.pause();
        assert_eq!(pool.cancel(&(1 + u32::from(!cancels))), usize::from(cancels));
        sleep(SECOND).await;
        // Its turn comes.
        drop(permit);
        sleep(SECOND).await;
        assert_eq!(pool.stats().retried, 1);
        let ready = timeout(SECOND, service.ready_oneshot()).await;
        drop(ready.expect("nobody has the permit").unwrap());
        let resumed = Instant::now();
        pool.resume();
        drop(tx);
        let report = pool.finish().await;
        let (retried, seconds) = if cancels { (1, 0) } else { (2, 2) };
        assert_eq!((report.retried, report.restarts, report.adds_up()), (retried, 0, true));
        assert_eq!(resumed.elapsed().as_secs(), seconds);
    }
}

/// Counts how many were built.
struct Counted;

impl Counted {
    fn new(built: &AtomicUsize) -> Self {
        built.fetch_add(1, Ordering::SeqCst);
        Self
    }
}

impl Service<u32> for Counted {
    type Response = ();
    type Error = Infallible;
    type Future = Ready<Result<(), Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: u32) -> Self::Future {
        ready(Ok(()))
    }
}

/// A service that was not asked keeps nothing, and may be dear to build.
#[tokio::test(start_paused = true)]
async fn who_waits_for_each_item_does_not_build_its_service_for_each() {
    for timed in [false, true] {
        let built = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&built);
        let pool = Pool::builder().workers(1);
        let pool = if timed { pool.timeout(SECOND) } else { pool };
        let pool = pool.queue(10).service_per_worker(move |_| Counted::new(&count)).start().unwrap();
        for n in 0..100 {
            sleep(SECOND).await;
            pool.produce(n).await.unwrap();
        }
        sleep(SECOND).await;
        // Of many at once it asks for one too many.
        for n in 0..10 {
            pool.produce(n).await.unwrap();
        }
        sleep(SECOND).await;
        assert_eq!(pool.finish().await.completed, 110);
        assert!(built.load(Ordering::SeqCst) <= 3, "{built:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Nobody is left waiting who could go on, whatever else happens.
    #[test]
    fn whatever_they_share_all_is_done(
        limit in 1..4_usize,
        pools in prop::collection::vec((1..5_usize, 0..7_u8, 0..20_u32), 1..4),
        pauses: bool,
        sizes in prop::collection::vec(1..5_usize, 0..4),
    ) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async move {
            let service = limited(limit);
            let mut running = Vec::new();
            for (workers, how, items) in pools {
                let (tx, rx) = bounded(3);
                let new = || Pool::builder().workers(workers).source(rx);
                let key = |n: &u32| n % 3;
                let pool = match how {
                    0 => new().service(service.clone()).start(),
                    1 => new().timeout(60 * SECOND).service(service.clone()).start(),
                    2 => new().prefetch(2).service(service.clone()).start(),
                    3 => new().per_key(1).service(service.clone()).key(key).start(),
                    4 => new().service(service.clone()).keep_copies().start(),
                    5 => {
                        let rate = Rate::new(1, 2 * SECOND);
                        new().rate_per_key(rate).service(service.clone()).key(key).start()
                    }
                    _ => new().service(service.clone()).deadline(|_| None).start(),
                };
                let (pool, sizes) = (pool.unwrap(), sizes.clone());
                running.push(tokio::spawn(async move {
                    for n in 0..items {
                        tx.send(n).await.unwrap();
                        sleep(Duration::from_millis(u64::from(n % 4) * 400)).await;
                        if n % 5 == 4 && let Some(&size) = sizes.get(n as usize / 5) {
                            pool.resize(size);
                        }
                        if pauses && n % 7 == 3 {
                            pool.pause_until(Instant::now() + SECOND);
                        }
                    }
                    drop(tx);
                    let report = pool.finish().await;
                    assert_eq!((report.completed, report.restarts), (items.into(), 0), "{how}");
                }));
            }
            for pool in running {
                timeout(600 * SECOND, pool).await.expect("nobody waits for ever").unwrap();
            }
        });
    }
}
