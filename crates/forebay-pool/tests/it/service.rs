use std::convert::Infallible;
use std::future::{Ready, ready};
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use forebay_pool::{EndedBy, OnFailure, Pool, Rate, WorkerId};
use forebay_queue::{Delivery, Receiver, Sender, Source, SourceError, bounded};
use forebay_testkit::{Driver, RecordingSource};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, Sleep, sleep, timeout};
use tower_service::Service;

/// Is ready while the switch is on, and counts its clones and calls.
struct Switched {
    on: watch::Receiver<bool>,
    ready: bool,
    calls: Arc<AtomicU64>,
    /// Kept while it is not ready.
    turned_on: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Switched {
    fn new(on: &watch::Receiver<bool>) -> Self {
        Self { on: on.clone(), ready: false, calls: Arc::default(), turned_on: None }
    }
}

impl Clone for Switched {
    fn clone(&self) -> Self {
        Self { calls: Arc::clone(&self.calls), ..Self::new(&self.on) }
    }
}

impl Service<u32> for Switched {
    type Response = &'static str;
    type Error = std::convert::Infallible;
    type Future = Ready<Result<&'static str, Self::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        while !*self.on.borrow_and_update() {
            let mut on = self.on.clone();
            let turned_on = self.turned_on.get_or_insert_with(|| {
                Box::pin(async move {
                    let _ = on.wait_for(|on| *on).await;
                })
            });
            std::task::ready!(turned_on.as_mut().poll(cx));
            self.turned_on = None;
        }
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: u32) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "poll_ready comes before each call");
        self.calls.fetch_add(1, Ordering::Relaxed);
        ready(Ok("an answer that is dropped"))
    }
}

#[tokio::test]
async fn no_item_is_taken_before_the_service_is_ready() {
    let (source, script) = RecordingSource::new(0..10);
    let (switch, on) = watch::channel(false);
    let service = Switched::new(&on);
    let calls = Arc::clone(&service.calls);
    let pool = Pool::builder().workers(2).source(source).service(service).start().unwrap();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(script.record().demands.is_empty(), "nobody is ready, so nothing is asked for");
    let stats = pool.stats();
    assert_eq!((stats.workers, stats.idle, stats.busy, stats.taken), (2, 0, 0, 0));

    switch.send_replace(true);
    assert_eq!(pool.finish().await.completed, 10);
    assert_eq!(calls.load(Ordering::Relaxed), 10);
}

/// The end reaches workers that wait for their service, not only those that wait for an item.
#[tokio::test]
async fn a_service_that_is_never_ready_does_not_hold_up_the_end() {
    let (source, script) = RecordingSource::new(0..10);
    let (_switch, off) = watch::channel(false);
    let (_other, on) = watch::channel(true);
    let pool = Pool::builder()
        .workers(2)
        .source(source)
        .service_per_worker(move |id| Switched::new(if id.index() == 0 { &off } else { &on }))
        .start()
        .unwrap();
    assert_eq!(pool.finish().await.completed, 10);
    assert_eq!(script.record().most_outstanding, 1);
}

/// Fails its first `failures` readiness checks, over all that were built.
struct Failing {
    failures: Arc<AtomicU64>,
    /// By a panic.
    panics: bool,
}

impl Service<u32> for Failing {
    type Response = ();
    type Error = &'static str;
    type Future = Ready<Result<(), &'static str>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
        let left =
            self.failures.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        assert!(left.is_err() || !self.panics, "no connection");
        Poll::Ready(if left.is_ok() { Err("connection refused") } else { Ok(()) })
    }

    fn call(&mut self, item: u32) -> Self::Future {
        ready(if item == 3 { Err("no such thing") } else { Ok(()) })
    }
}

#[tokio::test(start_paused = true)]
async fn one_whose_readiness_fails_is_built_again_after_a_pause() {
    let (source, script) = RecordingSource::new(0..10);
    let failures = Arc::new(AtomicU64::new(4));
    let pool = Pool::builder()
        .workers(1)
        .source(source)
        .service_per_worker(move |_| Failing { failures: Arc::clone(&failures), panics: false })
        .start()
        .unwrap();
    let report = pool.finish().await;
    assert_eq!((report.completed, report.failed), (9, 1), "only the call that failed lost its item");
    assert_eq!((report.restarts, report.panics), (4, 0));
    // 10, 20, 40 and 80 ms; timers of a runtime may be a millisecond late each.
    assert!(report.elapsed >= Duration::from_millis(150), "{:?}", report.elapsed);
    assert!(report.elapsed <= Duration::from_millis(155), "{:?}", report.elapsed);
    assert_eq!(script.record().ends().len(), 10);
}

/// The source, whose items its worker takes itself, is not to blame.
#[tokio::test(start_paused = true)]
async fn one_that_panics_when_it_is_asked_is_built_again_too() {
    let failures = Arc::new(AtomicU64::new(4));
    let pool = Pool::builder()
        .workers(1)
        .queue(10)
        .service_per_worker(move |_| Failing { failures: Arc::clone(&failures), panics: true })
        .start()
        .unwrap();
    for item in 0..10 {
        pool.produce(item).await.unwrap();
    }
    let report = pool.finish().await;
    assert_eq!((report.completed, report.failed, report.restarts), (9, 1, 4), "{report:?}");
}

const SECOND: Duration = Duration::from_secs(1);

#[derive(Clone)]
struct NeverReady;

impl Service<u32> for NeverReady {
    type Response = ();
    type Error = std::convert::Infallible;
    type Future = Ready<Result<(), Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Pending
    }

    fn call(&mut self, _: u32) -> Self::Future {
        unreachable!("it is not ready")
    }
}

/// Nobody asks for an item, and all the same somebody must learn that there will be none.
#[tokio::test(start_paused = true)]
async fn a_pool_ends_though_no_worker_is_ready() {
    for copies in [false, true] {
        let start = || {
            let builder = Pool::builder().workers(1);
            if copies {
                builder.queue(10).service(NeverReady).keep_copies().start().unwrap()
            } else {
                builder.queue(10).service(NeverReady).start().unwrap()
            }
        };
        let report = start().shutdown(10 * SECOND).await;
        assert!(matches!(report.ended_by, EndedBy::Shutdown), "{report}");
        assert_eq!((report.taken, report.elapsed), (0, Duration::ZERO));

        // The last sender goes later.
        let pool = start();
        let producer = pool.producer();
        let finish = tokio::spawn(pool.finish());
        sleep(SECOND).await;
        assert!(!finish.is_finished());
        drop(producer);
        let report = timeout(SECOND, finish).await.expect("it learns of that").unwrap();
        assert!(matches!(report.ended_by, EndedBy::Source), "{report}");
    }
    let pool = Pool::builder().workers(1).queue(10).service(NeverReady).start().unwrap();
    timeout(SECOND, pool.finish_when_idle()).await.expect("there is nothing to do");
}

/// Nobody asks the source, which then has nobody to wake when it ends.
#[tokio::test(start_paused = true)]
async fn a_source_that_ends_ends_the_pool_though_no_worker_is_ready() {
    for letters in [false, true] {
        let (tx, rx) = bounded::<u32>(10);
        let builder = Pool::builder().workers(1).source(rx).service(NeverReady).keep_copies();
        let builder = if letters { builder.dead_letters_to(bounded(1).0) } else { builder };
        let pool = builder.start().unwrap();
        timeout(SECOND, pool.closed()).await.expect_err("there may be items");
        drop(tx);
        timeout(SECOND, pool.closed()).await.expect("it learns of that");
        let report = pool.finish().await;
        assert!(matches!(report.ended_by, EndedBy::Source), "{report}");
    }
}

/// Who waits for the end of a queue is called for its items as well, and passes that on.
#[tokio::test(start_paused = true)]
async fn who_waits_for_the_end_keeps_no_item_from_others() {
    let (tx, rx) = bounded::<u32>(1);
    let waits = Pool::builder().workers(1).source(rx.clone()).service(NeverReady).keep_copies();
    let waits = waits.start().unwrap();
    sleep(SECOND).await;
    let works = Pool::builder().workers(1).source(rx).handler(|_| async {}).start().unwrap();
    for item in 0..10 {
        tx.send(item).await.unwrap();
        timeout(SECOND, works.idle()).await.expect("it takes it");
    }
    drop(tx);
    let (waits, works) =
        timeout(SECOND, async { (waits.finish().await, works.finish().await) }).await.unwrap();
    assert_eq!((waits.taken, works.completed), (0, 10));
}

#[tokio::test(start_paused = true)]
async fn a_pool_ends_though_no_worker_can_be_built() {
    let start = || {
        let make = |_: WorkerId| -> fn(u32) -> Ready<()> { panic!("no worker today") };
        Pool::builder().workers(2).queue(10).handler_per_worker(make)
    };
    for pool in [start().start().unwrap(), start().keep_copies().start().unwrap()] {
        sleep(SECOND / 2).await;
        let began = Instant::now();
        let report = pool.shutdown(10 * SECOND).await;
        assert!(matches!(report.ended_by, EndedBy::Shutdown), "{report}");
        assert_eq!((report.taken, began.elapsed()), (0, Duration::ZERO));
    }
}

/// Looking for the end may find an item, where it cannot be seen otherwise. It is there for who is ready first, or goes
/// back at the deadline.
#[tokio::test(start_paused = true)]
async fn what_is_found_instead_of_the_end_is_not_lost() {
    for (taps, gets_ready) in [(false, false), (false, true), (true, false), (true, true)] {
        let (switch, on) = watch::channel(false);
        let (tx, rx) = bounded(10);
        let source: Box<dyn Source<Item = u32>> =
            if taps { Box::new(rx) } else { Box::new(WithoutTaps(rx, false)) };
        let pool = Pool::builder()
            .workers(2)
            .source(source)
            .service(Switched::new(&on))
            .keep_copies()
            .on_failure(OnFailure::Return)
            .start()
            .unwrap();
        for item in 0..3 {
            tx.send(item).await.unwrap();
        }
        sleep(SECOND).await;
        assert_eq!(pool.stats().taken, 0, "it is not closed");
        let handle = pool.handle();
        let shutdown = tokio::spawn(pool.shutdown(10 * SECOND));
        sleep(SECOND).await;
        let stats = handle.stats().unwrap();
        let found = usize::from(!taps);
        assert_eq!((stats.taken, stats.set_aside, stats.held), (found as u64, found, found));
        if gets_ready {
            switch.send_replace(true);
        }
        let report = shutdown.await.unwrap();
        assert!(report.adds_up());
        let left = tx.stats().returned;
        if gets_ready {
            assert_eq!((report.completed, left, report.elapsed.as_secs()), (3, 0, 2));
        } else {
            assert!(matches!(report.ended_by, EndedBy::Deadline), "{report}");
            assert_eq!((report.returned, left), (found as u64, 3));
        }
    }
}

/// Ready again a while after each call.
struct Slow {
    rests: Option<Pin<Box<Sleep>>>,
    pause: Duration,
}

impl Slow {
    fn of(pause: Duration) -> Self {
        Self { rests: None, pause }
    }
}

impl<T> Service<T> for Slow {
    type Response = ();
    type Error = Infallible;
    type Future = Ready<Result<(), Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.rests.as_mut().map_or(Poll::Ready(Ok(())), |rests| rests.as_mut().poll(cx).map(Ok))
    }

    fn call(&mut self, _: T) -> Self::Future {
        self.rests = Some(Box::pin(sleep(self.pause)));
        ready(Ok(()))
    }
}

/// What it would be ready for does not exist. Where workers take items themselves, where they do not, and where only
/// the source can tell that it has nothing.
#[tokio::test(start_paused = true)]
async fn a_pool_is_idle_though_no_worker_is_ready() {
    let of = || Pool::builder().workers(1);
    let slow = |_: WorkerId| Slow::of(3600 * SECOND);
    let taps = of().queue(10).service_per_worker(slow).start().unwrap();
    let prefetch = of().prefetch(1).queue(10).service_per_worker(slow).start().unwrap();
    let keys = of().per_key(1).queue(10).service_per_worker(slow).key(|n: &u32| *n).start().unwrap();
    for pool in [taps, prefetch, keys] {
        pool.produce(1).await.unwrap();
        let report = timeout(SECOND, pool.finish_when_idle()).await.expect("there is nothing to do");
        assert_eq!(report.completed, 1);
    }

    let (tx, rx) = bounded(10);
    let pool = of().prefetch(1).source(rx).service_per_worker(slow).start().unwrap();
    tx.send(1).await.unwrap();
    timeout(SECOND, pool.idle()).await.expect("the source has nothing");
    assert_eq!(pool.stats().completed, 1);
    tx.send(2).await.unwrap();
    assert!(timeout(SECOND, pool.idle()).await.is_err());
    // It is worked on when the hour is over.
    timeout(3600 * SECOND, pool.idle()).await.expect("it is ready again");
    assert_eq!(pool.stats().completed, 2);
}

#[tokio::test(start_paused = true)]
async fn a_pool_is_idle_though_no_worker_can_be_built() {
    let make = |_: WorkerId| -> fn(u32) -> Ready<()> { panic!("no worker today") };
    let pool = Pool::builder().workers(2).queue(10).handler_per_worker(make).keep_copies().start().unwrap();
    let report = timeout(SECOND, pool.finish_when_idle()).await.expect("there is nothing to do");
    assert_eq!(report.taken, 0);

    // Only the source can tell, and it has something.
    let (tx, rx) = bounded(10);
    let pool = Pool::builder().workers(2).source(rx).handler_per_worker(make).keep_copies().start().unwrap();
    timeout(SECOND, pool.idle()).await.expect("the source has nothing");
    tx.send(1).await.unwrap();
    assert!(timeout(SECOND, pool.idle()).await.is_err());
    // It was looked at, and not taken for that: another consumer may have it.
    let report = pool.shutdown(Duration::ZERO).await;
    assert_eq!((report.taken, report.held, report.adds_up()), (0, 0, true));

    // Only by asking can it be seen whether there is anything.
    let (tx, rx) = bounded(10);
    let source = WithoutTaps(rx, false);
    let pool =
        Pool::builder().workers(2).source(source).handler_per_worker(make).keep_copies().start().unwrap();
    timeout(SECOND, pool.idle()).await.expect("the source has nothing");
    tx.send(1).await.unwrap();
    assert!(timeout(SECOND, pool.idle()).await.is_err());
    let report = pool.shutdown(Duration::ZERO).await;
    assert_eq!((report.taken, report.held, report.adds_up()), (1, 0, true));
}

/// Nobody takes what waits, and when it has expired nobody needs to.
#[tokio::test(start_paused = true)]
async fn a_pool_whose_worker_is_not_ready_is_idle_once_what_waits_has_expired() {
    for copies in [false, true] {
        let own = Pool::builder().workers(1).queue(10).service(NeverReady);
        let own = if copies { own.keep_copies().start().unwrap() } else { own.start().unwrap() };
        let tx = own.producer();
        is_idle_once_it_has_expired(own, tx).await;

        let (tx, rx) = bounded(10);
        let shared = Pool::builder().workers(1).source(rx).service(NeverReady);
        let shared = if copies { shared.keep_copies().start().unwrap() } else { shared.start().unwrap() };
        let _open = tx.clone();
        is_idle_once_it_has_expired(shared, tx).await;

        let (tx, rx) = bounded(10);
        let known = Pool::builder().workers(1).source(rx).resubmit_to(&tx).service(NeverReady);
        let known = if copies { known.keep_copies().start().unwrap() } else { known.start().unwrap() };
        is_idle_once_it_has_expired(known, tx).await;
    }
}

async fn is_idle_once_it_has_expired<P>(pool: Pool<u32, P>, tx: Sender<u32>) {
    let began = Instant::now();
    timeout(SECOND, tx.closed()).await.expect_err("the worker waits now");
    // The last expires while somebody waits for that, the others while nobody looks.
    for seconds in [1, 2, 4] {
        assert!(tx.item(seconds).ttl(seconds * SECOND).send().await.is_ok());
    }
    drop(tx);
    sleep(3 * SECOND).await;
    timeout(10 * SECOND, pool.idle()).await.expect("nothing waits any more");
    assert_eq!(began.elapsed(), 5 * SECOND);
    let report = timeout(SECOND, pool.finish_when_idle()).await.expect("nothing came");
    assert_eq!(report.taken, 0);
}

/// What it cannot begin may go another way, and is not kept from that for a look.
#[tokio::test(start_paused = true)]
async fn a_pool_whose_worker_is_not_ready_is_idle_once_others_took_what_waits() {
    for copies in [false, true] {
        let (tx, rx) = bounded::<u32>(10);
        let pool = Pool::builder().workers(1).source(rx.clone()).service(NeverReady);
        let pool = if copies { pool.keep_copies().start().unwrap() } else { pool.start().unwrap() };
        let mut other = rx;
        sleep(SECOND).await;
        for item in 0..2 {
            tx.send(item).await.unwrap();
        }
        let mut idle = Driver::new(pool.idle());
        for item in 0..2 {
            // The first look comes before those that were called for the items have come.
            idle.assert_pending();
            sleep(SECOND).await;
            idle.assert_pending();
            assert_eq!(other.try_recv(), Ok(item));
        }
        sleep(SECOND).await;
        assert!(idle.is_woken(), "copies {copies}");
        idle.assert_ready();
        drop(idle);
        assert_eq!(pool.shutdown(Duration::ZERO).await.taken, 0);
    }
}

/// Its worker only looks whether there is something, and the one on whose behalf the time was watched is gone.
#[tokio::test(start_paused = true)]
async fn what_a_rate_holds_back_starts_in_time_though_nobody_asks() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let began = Instant::now();
    let make = move |worker: WorkerId| {
        let tell = tell.clone();
        tower::service_fn(move |(key, pause): (char, Duration)| {
            tell.send((worker.index(), key, began.elapsed().as_millis())).unwrap();
            async move {
                sleep(pause).await;
                Ok::<_, Infallible>(())
            }
        })
    };
    let (tx, rx) = bounded(10);
    let pool = Pool::builder()
        .workers(2)
        .look_aside(1)
        .rate_per_key(Rate::new(1, SECOND))
        .source(rx)
        .service_per_worker(make)
        .key(|(key, _)| *key)
        .start()
        .unwrap();
    // The last one is set aside, on behalf of the second worker.
    for (key, millis) in [('a', 0), ('b', 0), ('c', 500), ('a', 0)] {
        sleep(SECOND / 10).await;
        tx.send((key, Duration::from_millis(millis))).await.unwrap();
    }
    sleep(SECOND / 10).await;
    assert_eq!((pool.stats().set_aside, pool.stats().busy), (1, 1));
    pool.resize(1);
    sleep(5 * SECOND).await;
    let starts: Vec<_> = std::iter::from_fn(|| told.try_recv().ok()).collect();
    assert_eq!(starts, [(0, 'a', 100), (1, 'b', 200), (0, 'c', 300), (0, 'a', 1100)]);
    assert_eq!(pool.shutdown(SECOND).await.completed, 4);
}

/// A worker that is not ready may find an item that another consumer takes: it hears of the end all the same.
#[tokio::test(start_paused = true)]
async fn who_is_not_ready_hears_of_an_end_that_comes_after_items() {
    for (copies, closed_first) in [(false, false), (false, true), (true, false), (true, true)] {
        let (tx, rx) = bounded::<u32>(10);
        tx.send(1).await.unwrap();
        let builder = Pool::builder().workers(1).source(rx.clone()).service(NeverReady);
        let pool = if copies { builder.keep_copies().start().unwrap() } else { builder.start().unwrap() };
        let (mut tx, mut other) = (Some(tx), rx);
        sleep(SECOND).await;
        if closed_first {
            tx = None;
            sleep(SECOND).await;
        }
        assert_eq!(other.recv().await, Some(1));
        drop((tx, other));
        let ended = timeout(SECOND, pool.closed()).await;
        assert!(ended.is_ok(), "copies {copies}, closed first {closed_first}");
        let report = pool.finish().await;
        assert!(matches!(report.ended_by, EndedBy::Source), "{report}");
        assert_eq!(report.taken, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_not_ready_hears_of_an_end_that_comes_when_items_expire() {
    for copies in [false, true] {
        let (tx, rx) = bounded::<u32>(10);
        let builder = Pool::builder().workers(1).source(rx).service(NeverReady);
        let pool = if copies { builder.keep_copies().start().unwrap() } else { builder.start().unwrap() };
        assert!(tx.item(1).ttl(3 * SECOND).send().await.is_ok());
        drop(tx);
        timeout(2 * SECOND, pool.closed()).await.expect_err("there is an item");
        timeout(2 * SECOND, pool.closed()).await.expect("it has expired");
        assert_eq!(pool.finish().await.taken, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_panics_when_it_is_asked_whether_it_is_closed_is_broken() {
    let (_tx, rx) = bounded(10);
    let source = WithoutTaps(rx, true);
    let pool = Pool::builder().workers(1).source(source).service(NeverReady).start().unwrap();
    timeout(SECOND, pool.closed()).await.expect("there will be nothing");
    let report = pool.finish().await;
    assert!(matches!(report.ended_by, EndedBy::Broken(_)), "{report}");
}

/// It waits for the end by its tap, and so may be called for an item.
#[tokio::test(start_paused = true)]
async fn who_is_not_ready_keeps_nothing_from_others_in_a_pause() {
    let (tx, mut rx) = bounded::<u32>(10);
    let pool = Pool::builder().workers(2).source(rx.clone()).service(NeverReady).start().unwrap();
    sleep(SECOND).await;
    pool.pause();
    tx.send(1).await.unwrap();
    sleep(SECOND).await;
    assert_eq!(timeout(SECOND, rx.recv()).await, Ok(Some(1)));
    drop((tx, rx));
    pool.resume();
    timeout(SECOND, pool.closed()).await.expect("it learns of the end after that");
}

/// Others may do what such a worker cannot begin.
#[tokio::test(start_paused = true)]
async fn who_is_not_ready_keeps_nothing_from_others_at_the_end() {
    let (tx, rx) = bounded::<u32>(10);
    let waits = Pool::builder().workers(1).source(rx.clone()).service(NeverReady).keep_copies();
    let waits = waits.start().unwrap();
    let works = Pool::builder().workers(1).source(rx).handler(|_| sleep(SECOND)).start().unwrap();
    for item in 0..5 {
        tx.send(item).await.unwrap();
    }
    sleep(SECOND / 2).await;
    drop(tx);
    let (waits, works) = tokio::join!(timeout(10 * SECOND, waits.finish()), works.finish());
    assert_eq!((waits.unwrap().taken, works.completed), (0, 5));
}

/// A queue that can be asked in one place only. It panics when it is asked whether it is closed, if so told.
struct WithoutTaps(Receiver<u32>, bool);

impl Source for WithoutTaps {
    type Item = u32;

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        max: NonZeroUsize,
        out: &mut Vec<Delivery<u32>>,
    ) -> Poll<Result<usize, SourceError>> {
        self.0.poll_next(cx, max, out)
    }

    fn poll_settled(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SourceError>> {
        self.0.poll_settled(cx)
    }

    fn close(&mut self) {
        Source::close(&mut self.0);
    }

    fn is_closed(&self) -> bool {
        Source::is_closed(&self.0)
    }

    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        assert!(!self.1, "it does not know whether it is closed");
        self.0.poll_closed(cx)
    }

    fn redelivers(&self) -> bool {
        self.0.redelivers()
    }
}

/// Nobody asks such a source for an item, but the pool waits until it is closed.
#[tokio::test(start_paused = true)]
async fn a_source_without_taps_that_is_closed_ends_the_pool_though_no_worker_is_ready() {
    for copies in [false, true] {
        let (tx, rx) = bounded(10);
        let builder = Pool::builder().workers(1).source(WithoutTaps(rx, false)).service(NeverReady);
        let pool = if copies { builder.keep_copies().start().unwrap() } else { builder.start().unwrap() };
        timeout(SECOND, pool.closed()).await.expect_err("there may be items");
        drop(tx);
        timeout(SECOND, pool.closed()).await.expect("it learns of that");
        let report = pool.finish().await;
        assert!(matches!(report.ended_by, EndedBy::Source), "{report}");
    }
}
