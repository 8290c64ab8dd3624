use std::error::Error as _;
use std::future::{pending, poll_fn};
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use forebay_pool::{EndedBy, OnFailure, Pool, PoolHandle, PoolStats, Retry};
use forebay_queue::{Delivery, Receiver, Sender, Source, SourceError, Tap, Tapped, bounded, unbounded};
use forebay_testkit::Driver;
use proptest::prelude::*;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, sleep, timeout};

use crate::settle_down;

fn fill(tx: &Sender<u32>, items: Range<u32>) {
    items.for_each(|item| assert!(tx.try_send(item).is_ok()));
}

/// A queue that counts how its items are taken.
struct Counted {
    queue: Receiver<u32>,
    ways: Arc<Ways>,
}

#[derive(Default)]
struct Ways {
    /// How often a tap was asked.
    asked: AtomicUsize,
    by_taps: AtomicUsize,
    by_the_intake: AtomicUsize,
    /// A tap that is asked panics.
    panics: AtomicBool,
    /// Once something was taken a tap panics that is emptied, and one that is dropped.
    fails: AtomicBool,
    /// Who took something through a tap does not come back with it while this is set.
    holds: AtomicBool,
    /// Who looks how much there is waits until so many were taken.
    looks_after: AtomicUsize,
    /// Somebody waits so.
    is_looking: AtomicBool,
    /// What is paused when a tap is asked for the time of this number.
    pauses: OnceLock<(usize, PoolHandle<u32>)>,
}

impl Ways {
    fn has_failed(&self) -> bool {
        self.fails.load(Ordering::Relaxed) && self.by_taps.load(Ordering::Relaxed) > 0
    }
}

/// Until the other threads have made it so.
fn wait_until(is_so: impl Fn() -> bool) {
    while !is_so() {
        std::thread::yield_now();
    }
}

struct CountedTap(Box<dyn Tap<Item = u32>>, Arc<Ways>);

impl Source for Counted {
    type Item = u32;

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        demand: NonZeroUsize,
        out: &mut Vec<Delivery<u32>>,
    ) -> Poll<Result<usize, SourceError>> {
        let polled = self.queue.poll_next(cx, demand, out);
        if let Poll::Ready(Ok(count)) = polled {
            self.ways.by_the_intake.fetch_add(count, Ordering::Relaxed);
        }
        polled
    }

    fn poll_settled(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SourceError>> {
        self.queue.poll_settled(cx)
    }

    fn close(&mut self) {
        Source::close(&mut self.queue);
    }

    fn redelivers(&self) -> bool {
        false
    }

    fn tap(&self) -> Option<Box<dyn Tap<Item = u32>>> {
        Some(Box::new(CountedTap(self.queue.tap()?, Arc::clone(&self.ways))))
    }
}

impl Tap for CountedTap {
    type Item = u32;

    fn poll_take(&mut self, cx: &mut Context<'_>, open: &AtomicBool) -> Poll<Tapped<u32>> {
        assert!(!self.1.panics.load(Ordering::Relaxed), "the tap broke off");
        let asked = self.1.asked.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some((_, pool)) = self.1.pauses.get().filter(|(at, _)| *at == asked) {
            pool.pause();
        }
        let polled = self.0.poll_take(cx, open);
        if let Poll::Ready(Tapped::Plain(_) | Tapped::Item { .. }) = polled {
            self.1.by_taps.fetch_add(1, Ordering::Relaxed);
            wait_until(|| !self.1.holds.load(Ordering::Relaxed));
        }
        polled
    }

    fn wake_senders(&mut self) {
        self.0.wake_senders();
    }

    fn empty(&mut self, done: bool) {
        self.0.empty(done);
        assert!(!self.1.has_failed(), "the tap was emptied");
    }

    fn step_back(&mut self) {
        self.0.step_back();
    }

    fn waiting(&self) -> usize {
        let taken = self.1.looks_after.load(Ordering::Relaxed);
        self.1.is_looking.store(taken > 0, Ordering::Relaxed);
        wait_until(|| self.1.by_taps.load(Ordering::Relaxed) >= taken);
        self.0.waiting()
    }
}

impl Drop for CountedTap {
    fn drop(&mut self) {
        assert!(!self.1.has_failed(), "the tap was dropped");
    }
}

/// A queue of a hundred items that has come to its end, and the ways in which they are taken.
fn counted() -> (Counted, Arc<Ways>) {
    let (tx, queue) = bounded(100);
    fill(&tx, 0..100);
    let ways = Arc::<Ways>::default();
    (Counted { queue, ways: Arc::clone(&ways) }, ways)
}

fn ways(ways: &Ways) -> (usize, usize) {
    (ways.by_taps.load(Ordering::Relaxed), ways.by_the_intake.load(Ordering::Relaxed))
}

#[tokio::test]
async fn are_used_where_an_item_is_nothing_but_its_value() {
    let (source, seen) = counted();
    let pool = Pool::builder().workers(3).source(source).handler(|_| async {}).start().unwrap();
    assert_eq!(pool.finish().await.completed, 100);
    assert_eq!(ways(&seen), (100, 0));

    let (source, seen) = counted();
    let pool = Pool::builder().workers(3).source(source).handler_in(|_, _| async {}).start().unwrap();
    assert_eq!(pool.finish().await.completed, 100);
    assert_eq!(ways(&seen), (100, 0));
}

/// One that was called for an item is also a turn of the runtime.
#[tokio::test]
async fn of_many_who_idle_few_are_called_for_what_one_can_do() {
    let (tx, queue) = bounded(100);
    let ways = Arc::<Ways>::default();
    let source = Counted { queue, ways: Arc::clone(&ways) };
    let pool = Pool::builder().workers(64).source(source).handler(|_| async {}).start().unwrap();
    settle_down().await;
    let before = ways.asked.load(Ordering::Relaxed);
    fill(&tx, 0..100);
    settle_down().await;
    assert_eq!(pool.stats().completed, 100);
    let in_vain = ways.asked.load(Ordering::Relaxed) - before - 100;
    assert!(in_vain <= 3, "{in_vain} were asked for nothing");
    drop(tx);
    pool.finish().await;
}

/// An item comes back from a consumer that took it as a delivery.
#[tokio::test]
async fn know_of_attempts_before_theirs() {
    let (tx, mut rx) = bounded(10);
    let by_hand = rx.clone();
    fill(&tx, 0..3);
    let mut taken = Vec::new();
    poll_fn(|cx| rx.poll_next(cx, NonZeroUsize::MIN, &mut taken)).await.unwrap();
    taken.remove(0).nack(Duration::ZERO);
    let (seen, mut was_seen) = mpsc::unbounded_channel();
    let pool = Pool::builder()
        .workers(1)
        .source(by_hand)
        .handler_in(move |cx, item: u32| {
            seen.send((item, cx.attempt())).unwrap();
            async {}
        })
        .start()
        .unwrap();
    drop((tx, rx));
    assert_eq!(pool.finish().await.completed, 3);
    let mut all = Vec::new();
    was_seen.recv_many(&mut all, 10).await;
    assert_eq!(all, [(0, 2), (1, 1), (2, 1)]);
}

#[tokio::test]
async fn are_not_used_where_something_stands_between_source_and_worker() {
    let of = |prefetch| Pool::builder().workers(3).prefetch(prefetch);
    let (source, seen) = counted();
    let pool = of(0).source(source).handler_delivery(async |item| Delivery::ack(item)).start().unwrap();
    assert_eq!(pool.finish().await.completed, 100);
    assert_eq!(ways(&seen), (0, 100), "a delivery may come back");

    let (source, seen) = counted();
    let pool = of(5).source(source).handler(|_| async {}).start().unwrap();
    assert_eq!(pool.finish().await.completed, 100);
    assert_eq!(ways(&seen), (0, 100), "it is fetched before its time");

    let (source, seen) = counted();
    let retry = OnFailure::Retry(Retry::default());
    let pool = of(0).on_failure(retry).source(source).handler(|_| async {}).keep_copies().start().unwrap();
    assert_eq!(pool.finish().await.completed, 100);
    assert_eq!(ways(&seen), (0, 100), "it is kept to be tried again");

    let (source, seen) = counted();
    let pool = of(0).source(source).handler(|_| async {}).key(|item| *item).start().unwrap();
    assert_eq!(pool.finish().await.completed, 100);
    assert_eq!(ways(&seen), (0, 100), "it may have to wait for its key");
}

#[tokio::test]
async fn give_way_to_other_tasks_while_there_is_always_an_item() {
    let (tx, rx) = unbounded();
    fill(&tx, 0..100_000);
    let pool = Pool::builder().workers(1).source(rx).handler(|_| async {}).start().unwrap();
    let mut turns = 0;
    while !tx.is_empty() {
        turns += 1;
        tokio::task::yield_now().await;
    }
    // A budget is 128 units, each of them for 128 items at the most, however fast these are.
    assert!(turns > 5, "this task got {turns} turns beside 100000 items");
    drop(tx);
    assert_eq!(pool.finish().await.completed, 100_000);
}

/// A handler may wait for what a sender does once it has room.
#[tokio::test(start_paused = true)]
async fn wake_the_senders_they_made_room_for_before_a_handler_waits() {
    for time in [None, Some(Duration::from_hours(1))] {
        let (tx, rx) = bounded(100);
        fill(&tx, 0..100);
        let sent = Arc::new(Semaphore::new(0));
        for item in 100..103 {
            let (tx, sent) = (tx.clone(), Arc::clone(&sent));
            tokio::spawn(async move {
                tx.send(item).await.expect("it is open");
                sent.add_permits(1);
            });
        }
        drop(tx);
        settle_down().await;
        let builder = Pool::builder().workers(1).source(rx);
        let builder = if let Some(time) = time { builder.timeout(time) } else { builder };
        let handler = move |item| {
            let sent = Arc::clone(&sent);
            async move {
                // There is much to be taken.
                if item < 2 {
                    sent.acquire().await.expect("it is open").forget();
                }
            }
        };
        let pool = builder.handler(handler).start().unwrap();
        let report = timeout(Duration::from_secs(1), pool.finish()).await.expect("nobody waits for ever");
        assert_eq!(report.completed, 103);
    }
}

/// Many who wait for room, and workers that leave it for later to tell them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lose_no_sender_of_many_who_wait_for_room() {
    let (tx, rx) = bounded(32);
    for producer in 0..8 {
        let tx = tx.clone();
        tokio::spawn(async move {
            for item in 0..2000 {
                tx.send(producer * 2000 + item).await.expect("it is open");
            }
        });
    }
    drop(tx);
    let handler = async |item: u32| {
        if item.is_multiple_of(61) {
            tokio::task::yield_now().await;
        }
    };
    let pool = Pool::builder().workers(3).source(rx).handler(handler).start().unwrap();
    let report = timeout(Duration::from_secs(60), pool.finish()).await.expect("all are woken");
    assert_eq!(report.completed, 16_000);
}

/// What a paused pool was called for, another consumer of the same queue gets.
#[tokio::test]
async fn in_a_pause_leave_their_items_to_others() {
    let (tx, mut rx) = bounded(10);
    let source = rx.clone();
    let pool = Pool::builder().workers(1).source(source).handler(|_: u32| async {}).start().unwrap();
    settle_down().await;
    assert_eq!(pool.stats().idle, 1);
    let mut other = Driver::new(rx.recv());
    other.assert_pending();
    pool.pause();
    tx.try_send(1).unwrap();
    settle_down().await;
    assert!(other.is_woken(), "the worker was called first, and cannot take");
    assert_eq!(other.assert_ready(), Some(1));
    tx.try_send(2).unwrap();
    pool.resume();
    settle_down().await;
    assert_eq!((pool.stats().completed, tx.len()), (1, 0));
}

/// Nothing comes that would wake them.
#[tokio::test]
async fn of_those_who_leave_are_given_up_at_once() {
    let (_tx, rx) = bounded(10);
    let pool = Pool::builder().workers(3).source(rx).handler(|_: u32| async {}).start().unwrap();
    settle_down().await;
    pool.resize(1);
    settle_down().await;
    let stats = pool.stats();
    assert_eq!((stats.workers, stats.leaving, stats.idle), (1, 0, 1));
}

/// Of two that wait, the one that is to leave is next for an item.
#[tokio::test]
async fn of_one_that_leaves_pass_their_call_on() {
    let (tx, rx) = bounded(10);
    let pool = Pool::builder().workers(2).source(rx).handler(|_: u32| async {}).start().unwrap();
    settle_down().await;
    tx.try_send(1).unwrap();
    settle_down().await;
    pool.resize(1);
    tx.try_send(2).unwrap();
    settle_down().await;
    let stats = pool.stats();
    assert_eq!((stats.completed, stats.workers, stats.leaving, stats.idle), (2, 1, 0, 1));
}

#[tokio::test]
async fn of_those_who_leave_take_nothing_after_their_item() {
    let (tx, rx) = bounded(10);
    let gate = Arc::new(Semaphore::new(0));
    let pool = Pool::builder()
        .workers(4)
        .source(rx)
        .handler_with(Arc::clone(&gate), |gate, _: u32| async move {
            gate.acquire().await.unwrap().forget();
        })
        .start()
        .unwrap();
    fill(&tx, 0..10);
    settle_down().await;
    pool.resize(1);
    gate.add_permits(4);
    settle_down().await;
    let stats = pool.stats();
    assert_eq!((stats.completed, stats.busy, stats.leaving, tx.len()), (4, 1, 0, 5));
    pool.resize(3);
    settle_down().await;
    assert_eq!((pool.stats().busy, tx.len()), (3, 3));
    gate.add_permits(10);
    drop(tx);
    assert_eq!(pool.finish().await.completed, 10);
}

/// Whatever the workers are doing at that moment, on other threads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn take_nothing_once_a_pause_has_begun() {
    let (tx, rx) = unbounded();
    fill(&tx, 0..200_000);
    let pool = Pool::builder().workers(3).source(rx).handler(|_: u32| async {}).start().unwrap();
    let mut pauses = 0;
    while !tx.is_empty() {
        pool.pause();
        let left = tx.len();
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        assert_eq!(tx.len(), left, "in pause {pauses}");
        pauses += 1;
        pool.resume();
        tokio::task::yield_now().await;
    }
    assert!(pauses > 10, "only {pauses}");
    drop(tx);
    assert_eq!(pool.finish().await.completed, 200_000);
}

/// The pause comes between a worker's look at its gate and the source: at its first item, and at one that it goes on with.
#[tokio::test(start_paused = true)]
async fn that_are_shut_while_they_are_asked_go_on_after_the_pause() {
    for at in [1, 3] {
        let (source, ways) = counted();
        let pool = Pool::builder().workers(1).source(source).handler(|_| async {}).start().unwrap();
        assert!(ways.pauses.set((at, pool.handle())).is_ok());
        settle_down().await;
        let (stats, asked) = (pool.stats(), ways.asked.load(Ordering::Relaxed));
        assert_eq!((stats.completed, stats.idle, asked), (at as u64 - 1, 1, at), "paused at {at}");
        pool.resume();
        let report = timeout(Duration::from_secs(1), pool.finish()).await;
        assert_eq!(report.map(|report| report.completed), Ok(100), "paused at {at}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lose_nothing_that_races_with_a_pause() {
    let pool = Pool::builder()
        .workers(4)
        .queue(4)
        .handler(|_: u32| async { tokio::task::yield_now().await })
        .start()
        .unwrap();
    let handle = pool.handle();
    let pausing = tokio::spawn(async move {
        for _ in 0..2_000 {
            handle.pause();
            tokio::task::yield_now().await;
            handle.resume();
            tokio::task::yield_now().await;
        }
    });
    let racing = async {
        for item in 0..10_000 {
            pool.produce(item).await.unwrap();
        }
        pausing.await.unwrap();
        pool.finish().await
    };
    let report = timeout(Duration::from_secs(10), racing).await.expect("no worker waits for ever");
    assert_eq!((report.taken, report.completed, report.held), (10_000, 10_000, 0));
}

/// Read at any moment, the counters are those of one moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn are_counted_right_whoever_reads() {
    const ITEMS: u32 = 50_000;
    let (tx, rx) = unbounded();
    fill(&tx, 0..ITEMS);
    let builder = Pool::builder().workers(2).source(rx);
    let builder = builder.handler(async |item| if item % 3 == 0 { Err("it failed") } else { Ok(()) });
    let pool = Arc::new(builder.start().unwrap());
    let read = Arc::clone(&pool);
    let reading = std::thread::spawn(move || {
        let mut last = read.stats();
        while last.taken < u64::from(ITEMS) || last.held > 0 {
            let now = read.stats();
            assert!(now.adds_up(), "{now:?}");
            let grows =
                now.taken >= last.taken && now.completed >= last.completed && now.failed >= last.failed;
            assert!(grows, "{now:?} after {last:?}");
            last = now;
        }
        last
    });
    pool.idle().await;
    let last = reading.join().unwrap();
    assert_eq!((last.completed, last.failed), (33_333, 16_667));
    assert_eq!((tx.stats().completed, tx.stats().failed, tx.stats().held), (33_333, 16_667, 0));
}

#[tokio::test(start_paused = true)]
async fn that_are_cut_off_lose_the_item_in_work_and_no_other() {
    let (tx, rx) = bounded(10);
    fill(&tx, 0..10);
    let pool = Pool::builder().workers(2).source(rx).handler(|_: u32| pending::<()>()).start().unwrap();
    settle_down().await;
    let report = pool.shutdown(Duration::from_secs(1)).await;
    assert_eq!((report.taken, report.failed, report.aborted, report.held), (2, 2, 2, 0), "{report}");
    let stats = tx.stats();
    assert_eq!((stats.failed, stats.completed, stats.returned, stats.held), (2, 0, 8, 0));
}

/// It is in nobody's account yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keep_a_pool_from_being_idle_that_have_just_taken_something() {
    let (tx, queue) = bounded(1);
    let ways = Arc::<Ways>::default();
    let source = Counted { queue, ways: Arc::clone(&ways) };
    let pool = Pool::builder().workers(1).source(source).handler(|_: u32| async {}).start().unwrap();
    wait_until(|| pool.stats().idle == 1);
    ways.holds.store(true, Ordering::Relaxed);
    tx.try_send(1).unwrap();
    wait_until(|| ways.by_taps.load(Ordering::Relaxed) == 1);
    let is_idle = Driver::new(pool.idle()).poll().is_ready();
    ways.holds.store(false, Ordering::Relaxed);
    assert!(!is_idle, "an item is on its way to the worker");
    pool.idle().await;
    assert_eq!(pool.stats().completed, 1);
}

/// The worker was at rest when it was looked at, and has the item when the source is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keep_a_pool_from_being_idle_that_take_something_between_two_looks() {
    let (tx, queue) = bounded(1);
    let ways = Arc::<Ways>::default();
    let source = Counted { queue, ways: Arc::clone(&ways) };
    let gate = Arc::new(Semaphore::new(0));
    let builder = Pool::builder().workers(1).source(source);
    let handler = |gate: Arc<Semaphore>, _: u32| async move { gate.acquire_owned().await.unwrap().forget() };
    let pool = builder.handler_with(Arc::clone(&gate), handler).start().unwrap();
    // Not before it waits for nothing but an item: who looks here holds a lock of the pool's.
    wait_until(|| pool.stats().idle == 1);
    ways.looks_after.store(1, Ordering::Relaxed);
    let sending = std::thread::spawn(move || {
        wait_until(|| ways.is_looking.load(Ordering::Relaxed));
        tx.try_send(1).unwrap();
        tx
    });
    let mut idle = Driver::new(pool.idle());
    idle.assert_pending();
    gate.add_permits(1);
    drop(idle);
    pool.idle().await;
    assert_eq!(pool.stats().completed, 1);
    drop(sending.join().unwrap());
}

#[tokio::test]
async fn that_break_off_break_the_pool() {
    let (source, seen) = counted();
    seen.panics.store(true, Ordering::Relaxed);
    let pool = Pool::builder().workers(2).source(source).handler(|_| async {}).start().unwrap();
    pool.closed().await;
    let report = pool.finish().await;
    let EndedBy::Broken(error) = &report.ended_by else { panic!("{report}") };
    assert_eq!(
        format!("{:?}", error.source().map(ToString::to_string)),
        r#"Some("it panicked: the tap broke off")"#
    );
}

/// What the handler does with an item.
#[derive(Debug, Clone, Copy)]
enum Act {
    Done,
    Fail,
    Panic,
    Never,
    Sleep(u16),
}

#[derive(Debug, Clone, Copy)]
enum Steer {
    Resize(usize),
    Pause,
    PauseFor(u64),
    Resume,
}

#[derive(Debug, Clone)]
struct Run {
    workers: usize,
    /// In milliseconds.
    timeout: Option<u64>,
    /// When an item is sent, in milliseconds after the one before it, and what is done with it.
    items: Vec<(u64, Act)>,
    steer: Vec<(u64, Steer)>,
    shutdown_at: u64,
    deadline: u64,
}

prop_compose! {
    fn run()(
        workers in 1..5_usize,
        timeout in prop::option::of(1..250_u64),
        items in prop::collection::vec(
            (
                prop_oneof![3 => Just(0), 1 => 0..30_u64],
                prop_oneof![
                    6 => Just(Act::Done),
                    2 => Just(Act::Fail),
                    1 => Just(Act::Panic),
                    1 => Just(Act::Never),
                    3 => (0..300_u16).prop_map(Act::Sleep),
                ],
            ),
            0..40,
        ),
        steer in prop::collection::vec(
            (
                0..700_u64,
                prop_oneof![
                    (1..7_usize).prop_map(Steer::Resize),
                    Just(Steer::Pause),
                    (0..200_u64).prop_map(Steer::PauseFor),
                    Just(Steer::Resume),
                ],
            ),
            0..6,
        ),
        shutdown_at in 0..700_u64,
        deadline in prop_oneof![Just(0), 0..1_000_u64],
    ) -> Run {
        Run { workers, timeout, items, steer, shutdown_at, deadline }
    }
}

async fn act(act: Act) -> Result<(), &'static str> {
    match act {
        Act::Done => {}
        Act::Fail => return Err("it failed"),
        Act::Panic => panic!("it panicked"),
        Act::Never => pending().await,
        Act::Sleep(millis) => sleep(Duration::from_millis(millis.into())).await,
    }
    Ok(())
}

fn check(pool: &Pool<Act>) -> PoolStats {
    let stats = pool.stats();
    assert!(stats.adds_up(), "{stats:?}");
    assert!(stats.busy + stats.idle <= stats.workers + stats.leaving, "{stats:?}");
    stats
}

async fn conserves(run: Run) {
    let (tx, rx) = bounded(3);
    let mut builder = Pool::builder().workers(run.workers);
    if let Some(millis) = run.timeout {
        builder = builder.timeout(Duration::from_millis(millis));
    }
    let pool = builder.source(rx).handler(act).start().unwrap();
    for (at, steer) in run.steer {
        let handle = pool.handle();
        tokio::spawn(async move {
            sleep(Duration::from_millis(at)).await;
            match steer {
                Steer::Resize(workers) => handle.resize(workers),
                Steer::Pause => handle.pause(),
                Steer::PauseFor(millis) => handle.pause_until(Instant::now() + Duration::from_millis(millis)),
                Steer::Resume => handle.resume(),
            }
        });
    }
    let sender = tx.clone();
    let sending = tokio::spawn(async move {
        let mut sent = 0_u64;
        for (after, act) in run.items {
            sleep(Duration::from_millis(after)).await;
            sent += u64::from(sender.send(act).await.is_ok());
        }
        sent
    });
    let shutdown_at = Instant::now() + Duration::from_millis(run.shutdown_at);
    while Instant::now() < shutdown_at {
        check(&pool);
        sleep(Duration::from_millis(7)).await;
    }
    let report = pool.shutdown(Duration::from_millis(run.deadline)).await;
    let sent = sending.await.unwrap();
    assert!(report.adds_up(), "{report:?}");
    assert_eq!((report.held, report.taken), (0, report.completed + report.failed), "{report:?}");
    let queue = tx.stats();
    assert_eq!((queue.accepted, queue.held), (sent, 0), "{queue:?}");
    assert_eq!(queue.returned, sent - report.taken, "{queue:?}, {report:?}");
    assert_eq!((queue.completed, queue.failed), (report.completed, report.failed), "{queue:?}, {report:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Random handlers over a queue in memory, and pauses, resizes and a shutdown at random times.
    #[test]
    fn account_for_every_item(run in run()) {
        // Handlers panic on purpose, by the hundred.
        std::panic::set_hook(Box::new(|info| {
            if info.payload().downcast_ref::<&str>() != Some(&"it panicked") {
                eprintln!("{info}");
            }
        }));
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap()
            .block_on(conserves(run));
    }
}

/// While workers leave, too: a panic there, and another one of the tap that goes with it, would end the process.
#[tokio::test]
async fn tap_that_fails_whenever_it_is_emptied_breaks_its_source() {
    for hangs in [false, true] {
        let (source, counts) = counted();
        counts.fails.store(true, Ordering::Relaxed);
        let handler = move |item| async move {
            if hangs {
                pending::<()>().await;
            }
            if item == 0 { Err("no luck") } else { Ok(()) }
        };
        let pool = Pool::builder().workers(2).source(source).handler(handler).start().unwrap();
        settle_down().await;
        let report = pool.shutdown(Duration::ZERO).await;
        let EndedBy::Broken(error) = &report.ended_by else { panic!("{report:?}") };
        assert!(error.source().unwrap().to_string().contains("the tap was emptied"), "{error}");
        assert_eq!((report.held, report.failed, report.adds_up()), (0, 1, true), "{report:?}");
    }
}
