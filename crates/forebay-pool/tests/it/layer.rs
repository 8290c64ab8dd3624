use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use forebay_pool::layer::{PoolError, PoolLayer, PoolService, PoolWorker, WhenDropped};
use forebay_queue::WhenFull;
use forebay_testkit::Driver;
use proptest::prelude::*;
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout};
use tower::limit::ConcurrencyLimit;
use tower::load_shed::LoadShedLayer;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_test::mock::{self, Handle, Mock};

const SECOND: Duration = Duration::from_secs(1);

type Inner = Mock<&'static str, &'static str>;
type Answered = Result<&'static str, PoolError<tower::BoxError, &'static str>>;

/// A pool whose service the test drives.
struct Bench {
    service: PoolService<Inner, &'static str>,
    worker: JoinHandle<forebay_pool::Report>,
    inner: Handle<&'static str, &'static str>,
}

impl Bench {
    fn new(layer: PoolLayer<&'static str>) -> Self {
        let (service, inner) = mock::pair();
        let (service, worker) = layer.pair(service).unwrap();
        Self { service, worker: tokio::spawn(worker), inner }
    }

    /// Whose service is not ready.
    fn stopped(layer: PoolLayer<&'static str>) -> Self {
        let mut bench = Self::new(layer);
        bench.inner.allow(0);
        bench
    }

    fn call(
        &mut self,
        request: &'static str,
    ) -> Driver<<PoolService<Inner, &'static str> as Service<&'static str>>::Future> {
        Driver::new(self.service.call(request))
    }

    async fn next(&mut self) -> (&'static str, mock::SendResponse<&'static str>) {
        timeout(SECOND, self.inner.next_request()).await.expect("a request").expect("the service is there")
    }

    async fn nothing_comes(&mut self) {
        assert!(timeout(SECOND, self.inner.next_request()).await.is_err());
    }
}

/// Until nothing moves by itself. Time is paused and goes on only when all tasks wait.
async fn settle() {
    sleep(Duration::from_millis(1)).await;
}

// --- poll_ready

#[tokio::test(start_paused = true)]
async fn ready_is_never_pending_because_it_is_full() {
    let mut bench = Bench::stopped(PoolLayer::new(1, 1).max_waiting(1));
    let _calls = [bench.call("a"), bench.call("b")];
    settle().await;
    assert!(Driver::new(bench.service.ready()).assert_ready().is_ok());
    let refused: Answered = bench.call("c").assert_ready();
    assert!(matches!(refused, Err(PoolError::Full("c"))));
}

#[tokio::test(start_paused = true)]
async fn ready_fails_once_it_is_closed() {
    let mut bench = Bench::new(PoolLayer::new(1, 1));
    bench.service.close();
    assert!(matches!(Driver::new(bench.service.ready()).assert_ready(), Err(PoolError::Closed(None))));
    assert!(matches!(bench.call("late").assert_ready(), Err(PoolError::Closed(Some("late")))));
    assert!(timeout(SECOND, bench.worker).await.unwrap().unwrap().adds_up());
}

#[tokio::test(start_paused = true)]
async fn load_shed_over_it_sheds_nothing() {
    let service = ServiceBuilder::new()
        .layer(LoadShedLayer::new())
        .map_err(PoolError::<tower::BoxError, u32>::into_box)
        .layer(PoolLayer::new(2, 10))
        .service(service_fn(async |n: u32| {
            sleep(SECOND).await;
            Ok::<_, tower::BoxError>(n)
        }));
    let calls: Vec<_> = (0..100).map(|n| tokio::spawn(service.clone().oneshot(n))).collect();
    for (n, call) in calls.into_iter().enumerate() {
        assert_eq!(call.await.unwrap().unwrap(), n as u32);
    }
}

// --- call

#[tokio::test(start_paused = true)]
async fn workers_drive_as_many_calls_as_there_are_workers() {
    let bound = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let (now, seen) = (Arc::clone(&bound), Arc::clone(&most));
    let mut service = PoolLayer::new(3, 2).layer(service_fn(move |n: u64| {
        let (now, seen) = (Arc::clone(&now), Arc::clone(&seen));
        async move {
            seen.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            sleep(SECOND).await;
            now.fetch_sub(1, Ordering::SeqCst);
            Ok::<_, String>(n)
        }
    }));
    let start = Instant::now();
    let calls: Vec<_> = (0..12).map(|n| service.call(n)).collect();
    // Nobody polls the calls, and still they are driven.
    sleep(10 * SECOND).await;
    assert_eq!((most.load(Ordering::SeqCst), bound.load(Ordering::SeqCst), service.len()), (3, 0, 0));
    for (n, call) in calls.into_iter().enumerate() {
        assert_eq!(call.await.unwrap(), n as u64);
    }
    assert_eq!(start.elapsed(), 10 * SECOND, "they were done before");
    assert_eq!(service.pool_stats().unwrap().completed, 12);
}

#[tokio::test(start_paused = true)]
async fn a_request_leaves_the_line_only_for_a_worker_that_is_free() {
    let mut bench = Bench::new(PoolLayer::new(1, 10));
    let mut calls = ["a", "b", "c"].map(|request| bench.call(request));
    let (first, reply) = bench.next().await;
    bench.nothing_comes().await;
    assert_eq!((first, bench.service.len()), ("a", 2));
    reply.send_response("A");
    let (second, reply) = bench.next().await;
    assert_eq!(second, "b");
    reply.send_response("B");
    let (third, reply) = bench.next().await;
    reply.send_response("C");
    assert_eq!(third, "c");
    settle().await;
    let answers = calls.each_mut().map(|call| call.assert_ready().ok());
    assert_eq!(answers, [Some("A"), Some("B"), Some("C")]);
}

#[tokio::test(start_paused = true)]
async fn full_line_does_what_its_owner_chose() {
    for (when_full, ends) in [
        (WhenFull::Refuse, "Full(..)"),
        (WhenFull::DropIncoming, "Displaced(..)"),
        (WhenFull::DropYoungest, "Displaced(..)"),
        (WhenFull::DropOldest, "Displaced(..)"),
    ] {
        let mut bench = Bench::stopped(PoolLayer::new(1, 2).when_full(when_full));
        let mut calls = ["a", "b", "c"].map(|request| bench.call(request));
        let ended: Vec<_> = calls
            .iter_mut()
            .filter_map(|call| match call.poll() {
                Poll::Ready(answer) => Some(format!("{:?}", answer.unwrap_err())),
                Poll::Pending => None,
            })
            .collect();
        assert_eq!(ended, [ends], "{when_full:?}");
    }
}

// --- drop

#[tokio::test(start_paused = true)]
async fn dropped_while_it_waits_leaves_the_line_and_is_never_seen() {
    for when_dropped in [WhenDropped::Cancel, WhenDropped::Detach] {
        let mut bench = Bench::stopped(PoolLayer::new(2, 10).when_dropped(when_dropped));
        let [first, second, third] = ["a", "b", "c"].map(|request| bench.call(request));
        settle().await;
        drop(second);
        assert_eq!(bench.service.len(), 2, "its place is free at once");
        bench.inner.allow(10);
        assert_eq!((bench.next().await.0, bench.next().await.0), ("a", "c"));
        bench.nothing_comes().await;
        drop((first, third));
    }
}

/// A service whose calls say when they end, well or because they are dropped.
#[derive(Clone, Default)]
struct Watched {
    begun: Arc<AtomicUsize>,
    done: Arc<AtomicUsize>,
    gone: Arc<AtomicUsize>,
}

struct Gone(Arc<AtomicUsize>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Watched {
    fn run(&self, seconds: u64) -> impl Future<Output = Result<u64, String>> + Send + use<> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        let (gone, done) = (Gone(Arc::clone(&self.gone)), Arc::clone(&self.done));
        async move {
            let _gone = gone;
            sleep(Duration::from_secs(seconds)).await;
            done.fetch_add(1, Ordering::SeqCst);
            Ok(seconds)
        }
    }

    fn counts(&self) -> [usize; 3] {
        [&self.begun, &self.done, &self.gone].map(|count| count.load(Ordering::SeqCst))
    }
}

#[tokio::test(start_paused = true)]
async fn dropped_while_it_runs_it_ends_or_goes_on_as_chosen() {
    for (when_dropped, done) in [(WhenDropped::Cancel, 0), (WhenDropped::Detach, 1)] {
        let watched = Watched::default();
        let inner = watched.clone();
        let mut service =
            PoolLayer::new(1, 10).when_dropped(when_dropped).layer(service_fn(move |n| inner.run(n)));
        let mut call = Driver::new(service.call(5));
        call.assert_pending();
        settle().await;
        assert_eq!(watched.counts(), [1, 0, 0]);
        drop(call);
        settle().await;
        assert_eq!(watched.counts(), [1, 0, 1 - done], "{when_dropped:?}");
        assert_eq!(
            timeout(9 * SECOND, service.call(1)).await.unwrap().unwrap(),
            1,
            "the worker is free again"
        );
        assert_eq!(watched.counts(), [2, done + 1, 2]);
    }
}

// --- failures

#[tokio::test(start_paused = true)]
async fn errors_keep_their_type_and_panics_cost_one_call() {
    #[derive(Debug, PartialEq)]
    struct Odd(u32); // not even an error
    let mut service = PoolLayer::new(1, 10).layer(service_fn(async |n: u32| match n {
        13 => panic!("unlucky"),
        n if n % 2 == 1 => Err(Odd(n)),
        n => Ok(n),
    }));
    assert!(matches!(service.call(7).await, Err(PoolError::Inner(Odd(7)))));
    assert!(matches!(service.call(13).await, Err(PoolError::Panicked(panic)) if panic == "unlucky"));
    assert!(matches!(service.call(8).await, Ok(8)));
    let stats = service.pool_stats().unwrap();
    assert_eq!((stats.completed, stats.failed, stats.panics), (2, 1, 1));
}

/// A service that does what it is told by numbers, each of its clones once.
struct Moody {
    mood: usize,
}

impl Service<&'static str> for Moody {
    type Response = usize;
    type Error = &'static str;
    type Future = std::future::Ready<Result<usize, &'static str>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        match self.mood {
            0 => Poll::Ready(Err("not today")),
            1 => panic!("not ever"),
            _ => Poll::Ready(Ok(())),
        }
    }

    fn call(&mut self, _: &'static str) -> Self::Future {
        assert!(self.mood > 2, "in the call");
        std::future::ready(Ok(self.mood))
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_not_ready_for_good_costs_the_call_that_met_it() {
    let made = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&made);
    let make = move || Moody { mood: count.fetch_add(1, Ordering::SeqCst) };
    let (mut service, worker) = PoolLayer::new(1, 10).pair_with(make).unwrap();
    let worker = tokio::spawn(worker);
    // A worker that waits asks the service only when there is a call.
    settle().await;
    let start = Instant::now();
    assert!(matches!(service.call("first").await, Err(PoolError::Inner("not today"))));
    assert!(matches!(service.call("second").await, Err(PoolError::Panicked(panic)) if panic == "not ever"));
    assert!(matches!(service.call("third").await, Err(PoolError::Panicked(panic)) if panic == "in the call"));
    assert!(matches!(service.call("fourth").await, Ok(3)));
    assert_eq!(start.elapsed(), Duration::ZERO, "nobody waits for a backoff");
    drop(service);
    assert_eq!(worker.await.unwrap().panics, 1);
    assert_eq!(made.load(Ordering::SeqCst), 4);
}

// --- the end

#[tokio::test(start_paused = true)]
async fn the_last_handle_ends_it_when_all_is_answered() {
    let watched = Watched::default();
    let inner = watched.clone();
    let layer = PoolLayer::new(1, 10).when_dropped(WhenDropped::Detach);
    let (mut service, worker) = layer.pair(service_fn(move |n| inner.run(n))).unwrap();
    let worker = tokio::spawn(worker);
    let calls = [service.call(1), service.call(2)];
    let left = service.call(3);
    settle().await;
    drop(service);
    for (n, call) in [1, 2].into_iter().zip(calls) {
        assert_eq!(call.await.unwrap(), n);
    }
    settle().await;
    assert_eq!(watched.counts(), [3, 2, 2]);
    assert!(!worker.is_finished());
    drop(left);
    let report = timeout(3 * SECOND, worker).await.unwrap().unwrap();
    assert_eq!((report.completed, watched.counts()), (3, [3, 3, 3]), "also what runs on without its caller");
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_is_dropped_leaves_nobody_waiting() {
    let watched = Watched::default();
    let inner = watched.clone();
    let (mut service, worker) = PoolLayer::new(1, 10).pair(service_fn(move |n| inner.run(n))).unwrap();
    let running = service.call(100);
    let waiting = service.call(200);
    // A shutdown with a deadline.
    assert!(timeout(SECOND, worker).await.is_err());
    assert!(matches!(waiting.await, Err(PoolError::Closed(Some(200)))), "it was not begun");
    assert!(matches!(timeout(SECOND, running).await.unwrap(), Err(PoolError::Aborted)));
    assert!(matches!(service.ready().await, Err(PoolError::Closed(None))));
    assert_eq!(watched.counts(), [1, 0, 1]);
}

#[test]
fn needs_a_runtime() {
    let pair = PoolLayer::new(1, 1).pair(service_fn(async |n: u32| Ok::<_, ()>(n)));
    assert_eq!(pair.map(drop).unwrap_err(), forebay_pool::StartError::NoRuntime);
}

#[test]
fn handles_can_be_sent_and_shared() {
    fn check<T: Send + Sync>() {}
    fn sent<T: Send>() {}
    check::<PoolService<Inner, &'static str>>();
    check::<PoolLayer<std::rc::Rc<()>>>();
    sent::<PoolWorker<Inner, &'static str>>();
    sent::<<PoolService<Inner, &'static str> as Service<&'static str>>::Future>();
}

/// What a caller does.
#[derive(Debug, Clone, Copy)]
struct Caller {
    at: u16,
    /// What its call takes; 3 panics, 5 fails, 7 never ends.
    takes: u16,
    /// How long it waits for the answer.
    patience: u16,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    /// Random callers, some of whom leave, before workers that are dropped at a random time.
    #[test]
    fn every_call_is_answered_or_given_back(
        workers in 1..4_usize,
        capacity in 0..4_usize,
        max_waiting in 0..4_usize,
        detach: bool,
        callers in prop::collection::vec((0..200_u16, 0..60_u16, 0..120_u16), 0..40),
        lives in 100..600_u64,
    ) {
        std::panic::set_hook(Box::new(|info| {
            if info.payload().downcast_ref::<&str>() != Some(&"it panicked") {
                eprintln!("{info}");
            }
        }));
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async move {
            let when_dropped = if detach { WhenDropped::Detach } else { WhenDropped::Cancel };
            let layer = PoolLayer::new(workers, capacity).max_waiting(max_waiting).when_dropped(when_dropped);
            let running = Arc::new(Semaphore::new(workers));
            let seats = Arc::clone(&running);
            let inner = service_fn(move |takes: u16| {
                let seat = Arc::clone(&seats).try_acquire_owned().expect("as many as there are workers");
                async move {
                    let _seat = seat;
                    sleep(Duration::from_millis(takes.into())).await;
                    match takes {
                        3 => panic!("it panicked"),
                        5 => Err("it failed"),
                        7 => pending().await,
                        _ => Ok(takes),
                    }
                }
            });
            let (service, worker) = layer.pair(inner).unwrap();
            let worker = tokio::spawn(timeout(Duration::from_millis(lives), worker));
            let mut calls = Vec::new();
            for (at, takes, patience) in callers {
                let caller = Caller { at, takes, patience };
                let mut service = service.clone();
                calls.push(tokio::spawn(async move {
                    sleep(Duration::from_millis(caller.at.into())).await;
                    let call = service.call(caller.takes);
                    // Who is still there when the workers are gone is told at once.
                    let patience = Duration::from_millis(caller.patience.into());
                    match timeout(patience, call).await {
                        Ok(Ok(answer)) => assert_eq!(answer, caller.takes),
                        Ok(Err(PoolError::Inner(_))) => assert_eq!(caller.takes, 5),
                        Ok(Err(PoolError::Panicked(_))) => assert_eq!(caller.takes, 3),
                        Ok(Err(PoolError::Aborted)) | Err(_) => {}
                        Ok(Err(refused)) => assert!(refused.into_request().is_none_or(|r| r == caller.takes)),
                    }
                }));
            }
            let probe = service.clone();
            drop(service);
            for call in calls {
                call.await.unwrap();
            }
            let stats = probe.stats();
            assert_eq!(
                stats.accepted,
                stats.completed + stats.failed + stats.dropped + stats.returned + stats.held as u64,
                "{stats:?}"
            );
            if let Some(pool) = probe.pool_stats() {
                assert!(pool.adds_up(), "{pool:?}");
            }
            drop(probe);
            if let Ok(report) = worker.await.unwrap() {
                assert!(report.adds_up() && report.held == 0, "{report:?}");
            }
            assert_eq!(running.available_permits(), workers, "nothing runs any more");
        });
    }
}

/// So no worker asks for a request, and learns that there will be none.
#[tokio::test(start_paused = true)]
async fn ends_with_its_last_handle_though_the_service_is_not_ready() {
    let Bench { service, worker, inner: _inner } = Bench::stopped(PoolLayer::new(2, 10));
    settle().await;
    drop(service);
    let report = timeout(SECOND, worker).await.expect("nobody is left to call").unwrap();
    assert_eq!(report.taken, 0);
}

/// Nobody is left who waits, and so nobody who says that he does not.
#[tokio::test(start_paused = true)]
async fn workers_that_are_sent_away_want_no_request() {
    // Which worker has which call is not said, so any two of the four end first.
    for short in [[0, 1], [2, 3], [0, 3], [1, 2], [0, 2], [1, 3]] {
        let service = service_fn(move |n: u32| async move {
            sleep(if short.contains(&n) { SECOND } else { 1000 * SECOND }).await;
            Ok::<_, String>(n)
        });
        let (pooled, worker) = PoolLayer::new(4, 10).pair(service).unwrap();
        let worker = tokio::spawn(worker);
        let calls = |range: std::ops::Range<u32>| {
            let calls = range.map(|n| tokio::spawn(pooled.clone().oneshot(n)));
            calls.collect::<Vec<_>>()
        };
        let first = calls(0..4);
        sleep(2 * SECOND).await;
        assert_eq!(pooled.pool_stats().unwrap().busy, 2);
        pooled.resize(2);
        settle().await;
        let free = pooled.pool_stats().unwrap().idle;
        let more = calls(10..14);
        sleep(SECOND).await;
        assert_eq!((pooled.len(), pooled.stats().completed), (4 - free, 4 + free as u64), "{short:?}");
        assert_eq!(pooled.pool_stats().unwrap().taken, pooled.stats().completed);

        // There is a worker for each in the end.
        pooled.resize(4);
        sleep(SECOND).await;
        assert_eq!(pooled.len(), 2, "{short:?}");
        worker.abort();
        drop(first);
        for call in more {
            let answer = call.await.unwrap();
            assert!(matches!(answer, Err(PoolError::Closed(Some(_)) | PoolError::Aborted)), "{answer:?}");
        }
    }
}

/// On threads: who is called, who is sent away, and who waits for a permit of another pool race with each other. A resize
/// withdraws nothing that was asked for, since a request leaves the line in the poll of the worker that is to have it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_request_finds_a_worker_whoever_is_sent_away() {
    let inner = service_fn(async |n: u32| {
        tokio::task::yield_now().await;
        Ok::<_, String>(n)
    });
    let limited = ConcurrencyLimit::new(inner, 2);
    let layer = PoolLayer::new(3, 4);
    let pairs = [layer.pair(limited.clone()).unwrap(), layer.pair(limited).unwrap()];
    let [one, other] = pairs.map(|(pooled, worker)| (pooled, tokio::spawn(worker)));
    let mut callers = JoinSet::new();
    for caller in 0..8 {
        let pooled = if caller % 2 == 0 { &one.0 } else { &other.0 }.clone();
        callers.spawn(async move {
            for n in 0..500 {
                assert_eq!(pooled.clone().oneshot(n).await.unwrap(), n);
            }
        });
    }
    let mut sizes = [1, 4, 2, 3].iter().cycle();
    let all = async {
        while let Some(caller) = callers.join_next().await {
            caller.unwrap();
        }
    };
    let resizes = async {
        loop {
            for pooled in [&one.0, &other.0] {
                pooled.resize(*sizes.next().unwrap());
            }
            sleep(Duration::from_micros(200)).await;
        }
    };
    tokio::select! {
        done = timeout(60 * SECOND, all) => done.expect("nobody waits for ever"),
        () = resizes => {}
    }
    for (pooled, worker) in [one, other] {
        assert_eq!((pooled.len(), pooled.stats().completed), (0, 2000));
        drop(pooled);
        let report = timeout(60 * SECOND, worker).await.expect("it ends with its last handle").unwrap();
        assert_eq!((report.taken, report.completed, report.restarts), (2000, 2000, 0));
    }
}
