use std::collections::BTreeMap;
use std::future::pending;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use forebay_pool::{Backoff, OnFailure, Pool, PoolHandle, Rate, Retry, WorkContext};
use forebay_queue::{Delivery, End, bounded};
use forebay_testkit::{RecordingSource, Script};
use proptest::prelude::*;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, sleep, timeout};

use crate::events::Events;
use crate::settle_down;

const SECOND: Duration = Duration::from_secs(1);

/// A key and a number.
type Item = (u8, u32);

fn key((key, _): &Item) -> u8 {
    *key
}

/// A pool with `per_key(1)` whose handlers tell of their start and wait for a permit.
fn gated(
    workers: usize,
    items: &[Item],
) -> (Pool<Item>, Script<Item>, mpsc::UnboundedReceiver<Item>, Arc<Semaphore>) {
    let (source, script) = RecordingSource::new(items.iter().copied());
    let (started, starts) = mpsc::unbounded_channel();
    let gate = Arc::new(Semaphore::new(0));
    let pool = Pool::builder()
        .workers(workers)
        .per_key(1)
        .source(source)
        .handler_with(Arc::clone(&gate), move |gate, item| {
            started.send(item).unwrap();
            async move { gate.acquire().await.unwrap().forget() }
        })
        .key(key)
        .start()
        .unwrap();
    (pool, script, starts, gate)
}

fn so_far(starts: &mut mpsc::UnboundedReceiver<Item>) -> Vec<Item> {
    std::iter::from_fn(|| starts.try_recv().ok()).collect()
}

#[tokio::test]
async fn a_key_that_is_busy_holds_up_no_worker() {
    let (pool, _script, mut starts, gate) =
        gated(3, &[(1, 0), (1, 1), (1, 2), (2, 3), (1, 4), (3, 5), (4, 6)]);
    settle_down().await;
    assert_eq!(so_far(&mut starts), [(1, 0), (2, 3), (3, 5)]);
    let stats = pool.stats();
    assert_eq!((stats.busy, stats.set_aside, stats.held, stats.taken), (3, 3, 6, 6));
    assert!(stats.adds_up());
    gate.add_permits(7);
    assert_eq!(pool.finish().await.completed, 7);
    let rest = so_far(&mut starts);
    let of_key_1: Vec<_> = rest.iter().filter(|(key, _)| *key == 1).collect();
    assert_eq!(of_key_1, [&(1, 1), &(1, 2), &(1, 4)]);
}

#[tokio::test]
async fn no_more_is_set_aside_than_was_allowed() {
    let (source, script) = RecordingSource::new((0..100).map(|n| (1_u8, n)));
    let pool = Pool::builder()
        .workers(4)
        .per_key(1)
        .look_aside(10)
        .source(source)
        .handler(|_: Item| async { tokio::task::yield_now().await })
        .key(key)
        .start()
        .unwrap();
    assert_eq!(pool.finish().await.completed, 100);
    // One in work, ten aside.
    assert_eq!(script.record().most_outstanding, 11);
}

#[tokio::test]
async fn several_of_a_key_are_in_work_where_that_is_allowed() {
    let (source, _script) = RecordingSource::new((0..100).map(|n| (1_u8, n)));
    let seen = Arc::new(Mutex::new((0, 0)));
    let pool = Pool::builder()
        .workers(8)
        .per_key(3)
        .source(source)
        .handler_with(Arc::clone(&seen), |seen, _: Item| async move {
            {
                let (now, most) = &mut *seen.lock().unwrap();
                *now += 1;
                *most = (*most).max(*now);
            }
            tokio::task::yield_now().await;
            seen.lock().unwrap().0 -= 1;
        })
        .key(key)
        .start()
        .unwrap();
    assert_eq!(pool.finish().await.completed, 100);
    assert_eq!(*seen.lock().unwrap(), (0, 3));
}

/// What is set aside waits for its key and for nothing else, however the one before it ended.
#[tokio::test(start_paused = true)]
async fn a_key_is_free_again_after_every_end() {
    let (source, script) = RecordingSource::new((0..8).map(|n| (1_u8, n)));
    let pool = Pool::builder()
        .workers(2)
        .per_key(1)
        .max_attempts(1)
        .timeout(SECOND)
        .source(source)
        .handler_delivery(|delivery: Delivery<Item>| async move {
            match delivery.item().expect("it has its item").1 {
                0 => delivery.ack(),
                1 => return Err("it failed"),
                2 => delivery.nack(SECOND),
                3 => pending().await,
                4 => delivery.dead_letter("no use"),
                5 => assert_eq!(delivery.attempt(), 0, "it panicked"),
                6 => drop(delivery),
                _ => delivery.ack(),
            }
            Ok(())
        })
        .key(key)
        .start()
        .unwrap();
    let report = pool.finish().await;
    assert_eq!((report.completed, report.dead_lettered, report.held), (2, 6, 0), "{report:?}");
    assert_eq!(script.record().settlements.len(), 8);
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_is_moved_elsewhere_occupies_its_key_until_it_is_settled() {
    let begun = Instant::now();
    let (source, _script) = RecordingSource::new([(1, 0), (1, 1), (2, 2)]);
    let starts = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&starts);
    let pool = Pool::builder()
        .workers(2)
        .per_key(1)
        .source(source)
        .handler_delivery(move |delivery: Delivery<Item>| {
            let number = delivery.item().expect("it has its item").1;
            seen.lock().unwrap().push((number, begun.elapsed().as_secs()));
            tokio::spawn(async move {
                sleep(5 * SECOND).await;
                delivery.ack();
            });
            async {}
        })
        .key(key)
        .start()
        .unwrap();
    assert_eq!(pool.finish().await.completed, 3);
    assert_eq!(*starts.lock().unwrap(), [(0, 0), (2, 0), (1, 5)]);
}

/// To ack early is to be done with the item, not with the work.
#[tokio::test(start_paused = true)]
async fn a_handler_that_acked_occupies_the_key_until_it_returns() {
    let begun = Instant::now();
    let (source, _script) = RecordingSource::new([(1, 0), (1, 1)]);
    let starts = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&starts);
    let pool = Pool::builder()
        .workers(2)
        .per_key(1)
        .source(source)
        .handler_delivery(move |delivery: Delivery<Item>| {
            seen.lock().unwrap().push(begun.elapsed().as_secs());
            delivery.ack();
            sleep(5 * SECOND)
        })
        .key(key)
        .start()
        .unwrap();
    pool.finish().await;
    assert_eq!(*starts.lock().unwrap(), [0, 5]);
}

/// Tried again in place, a key keeps its order whatever fails.
#[tokio::test(start_paused = true)]
async fn a_key_keeps_its_order_through_retries() {
    let (source, _script) = RecordingSource::new((0..6).map(|n| (1_u8, n)));
    let done = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&done);
    let pool = Pool::builder()
        .workers(3)
        .per_key(1)
        .on_failure(OnFailure::Retry(Retry::default()))
        .source(source)
        .handler_in(move |cx: WorkContext<Item>, (_, number)| {
            let seen = Arc::clone(&seen);
            async move {
                if number % 2 == 0 && cx.attempt() < 3 {
                    return Err("no luck");
                }
                seen.lock().unwrap().push(number);
                Ok(())
            }
        })
        .keep_copies()
        .key(key)
        .start()
        .unwrap();
    assert_eq!(pool.finish().await.retried, 6);
    assert_eq!(*done.lock().unwrap(), [0, 1, 2, 3, 4, 5]);
}

#[tokio::test(start_paused = true)]
async fn what_is_set_aside_goes_back_at_the_deadline() {
    let left = Arc::new(Mutex::new(Vec::new()));
    let undelivered = Arc::clone(&left);
    let pool = Pool::builder()
        .workers(2)
        .per_key(1)
        .queue(10)
        .on_undelivered(move |item| undelivered.lock().unwrap().push(item))
        .handler_delivery(|delivery: Delivery<Item>| async move {
            let _delivery = delivery;
            pending::<()>().await;
        })
        .key(key)
        .start()
        .unwrap();
    for number in 0..5 {
        pool.produce((1, number)).await.unwrap();
    }
    sleep(SECOND).await;
    assert_eq!((pool.stats().busy, pool.stats().set_aside), (1, 4));
    let report = pool.shutdown(SECOND).await;
    assert_eq!((report.taken, report.returned, report.undelivered, report.held), (5, 5, 5, 0));
    let mut left = left.lock().unwrap().clone();
    left.sort_unstable();
    assert_eq!(left, (0..5).map(|number| (1, number)).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn what_is_set_aside_is_worked_on_while_draining() {
    let pool = Pool::builder()
        .workers(4)
        .per_key(1)
        .queue(10)
        .handler(|_: Item| sleep(SECOND))
        .key(key)
        .start()
        .unwrap();
    for number in 0..5 {
        pool.produce((1, number)).await.unwrap();
    }
    let report = pool.shutdown(60 * SECOND).await;
    assert_eq!((report.completed, report.elapsed.as_secs()), (5, 5));
}

/// A worker that leaves does not take the key with it.
#[tokio::test]
async fn a_key_survives_who_leaves() {
    let (pool, _script, mut starts, gate) = gated(3, &[(1, 0), (1, 1), (2, 2), (2, 3), (3, 4), (3, 5)]);
    settle_down().await;
    assert_eq!(so_far(&mut starts), [(1, 0), (2, 2), (3, 4)]);
    pool.resize(1);
    gate.add_permits(6);
    assert_eq!(pool.finish().await.completed, 6);
}

#[tokio::test(start_paused = true)]
async fn a_pause_holds_what_is_set_aside_too() {
    let (pool, _script, mut starts, gate) = gated(2, &[(1, 0), (1, 1)]);
    settle_down().await;
    pool.pause();
    gate.add_permits(2);
    sleep(SECOND).await;
    assert_eq!(so_far(&mut starts), [(1, 0)]);
    pool.resume();
    assert_eq!(pool.finish().await.completed, 2);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_breaks_gets_back_what_is_set_aside() {
    let (source, script) = RecordingSource::builder()
        .items([(1, 0), (1, 1), (1, 2)])
        .fail(forebay_queue::SourceError::Broken("disk gone".into()))
        .build();
    let pool = Pool::builder()
        .workers(2)
        .per_key(1)
        .source(source)
        .handler(|_: Item| sleep(SECOND))
        .key(key)
        .start()
        .unwrap();
    let report = pool.finish().await;
    assert_eq!((report.completed, report.returned, report.held), (1, 2, 0), "{report:?}");
    assert_eq!(script.outstanding(), 0);
}

#[tokio::test(start_paused = true)]
async fn starts_of_a_key_are_spaced_and_others_go_on() {
    let begun = Instant::now();
    let starts = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&starts);
    let (source, _script) = RecordingSource::new([(1, 0), (1, 1), (1, 2), (2, 3), (1, 4), (2, 5)]);
    let pool = Pool::builder()
        .workers(2)
        .rate_per_key(Rate::new(1, 10 * SECOND))
        .burst_per_key(2)
        .source(source)
        .handler(move |item: Item| {
            seen.lock().unwrap().push((item.1, begun.elapsed().as_secs()));
            async {}
        })
        .key(key)
        .start()
        .unwrap();
    assert_eq!(pool.finish().await.completed, 6);
    assert_eq!(*starts.lock().unwrap(), [(0, 0), (1, 0), (3, 0), (5, 0), (2, 10), (4, 20)]);
}

#[tokio::test]
async fn a_key_that_panics_costs_its_item_only() {
    let (source, script) = RecordingSource::new([(1, 0), (9, 1), (1, 2)]);
    let pool = Pool::builder()
        .workers(2)
        .per_key(1)
        .source(source)
        .handler(|_: Item| async {})
        .key(|item| {
            assert!(item.0 != 9, "it has no key");
            item.0
        })
        .start()
        .unwrap();
    let report = pool.finish().await;
    assert_eq!((report.completed, report.dead_lettered, report.panics), (2, 1, 1));
    let ends = script.record().ends();
    assert!(ends.contains(&End::DeadLetter { reason: "its key panicked: it has no key".to_owned() }));
}

#[tokio::test(start_paused = true)]
async fn cancels_what_is_in_work_and_what_is_set_aside() {
    let (tx, rx) = bounded(10);
    // The third worker looks for something that it may start.
    let pool = Pool::builder()
        .workers(3)
        .per_key(1)
        .source(rx)
        .handler(|_: (String, u32)| pending::<()>())
        .key(|(key, _)| key.clone())
        .start()
        .unwrap();
    for (key, number) in [("a", 0), ("a", 1), ("b", 2), ("a", 3)] {
        tx.send((key.to_owned(), number)).await.unwrap();
    }
    sleep(SECOND).await;
    assert_eq!((pool.stats().busy, pool.stats().set_aside), (2, 2));
    assert_eq!(pool.cancel("nobody"), 0);
    assert_eq!(pool.cancel("a"), 3);
    assert_eq!(pool.cancel("a"), 0, "it is on its way out");
    settle_down().await;
    let stats = pool.stats();
    assert_eq!((stats.failed, stats.dead_lettered, stats.cancelled, stats.held), (1, 2, 3, 1));
    assert_eq!(pool.handle().cancel("b"), 1);
    drop(tx);
    let report = pool.finish().await;
    assert!(report.adds_up());
    assert_eq!(
        report.to_string(),
        "source ended: took 4, completed 0, failed 2, dead-lettered 2; 4 cancelled"
    );
}

/// An item that waits to be tried again is in work, and so can be cancelled.
#[tokio::test(start_paused = true)]
async fn cancels_what_waits_to_be_tried_again() {
    let (source, script) = RecordingSource::new([(1, 0)]);
    let pool = Pool::builder()
        .workers(1)
        .on_failure(OnFailure::Retry(Retry::new(Backoff::new(3600 * SECOND, 3600 * SECOND))))
        .source(source)
        .handler_delivery(|_: Delivery<Item>| async { Err("no luck") })
        .key(key)
        .start()
        .unwrap();
    sleep(SECOND).await;
    assert_eq!(pool.cancel(&1_u8), 1);
    let report = pool.finish().await;
    assert_eq!((report.dead_lettered, report.cancelled, report.elapsed.as_secs()), (1, 1, 1));
    assert_eq!(script.record().ends(), [End::DeadLetter { reason: "attempt 2: cancelled".to_owned() }]);
}

/// What one item does, in each attempt.
#[derive(Debug, Clone, Copy)]
enum Act {
    Done,
    Yield(u8),
    Sleep(u8),
    Fail,
    Panic,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => Just(Act::Done),
        2 => (1..4_u8).prop_map(Act::Yield),
        2 => (1..60_u8).prop_map(Act::Sleep),
        1 => Just(Act::Fail),
        1 => Just(Act::Panic),
    ]
}

/// Starts and ends of each key, as the handlers see them.
#[derive(Default)]
struct Watch {
    in_work: BTreeMap<u8, usize>,
    started: BTreeMap<u8, Vec<u32>>,
    too_many: bool,
}

struct InWork {
    watch: Arc<Mutex<Watch>>,
    key: u8,
}

impl InWork {
    fn begin(watch: &Arc<Mutex<Watch>>, (key, number): Item, limit: usize) -> Self {
        let mut seen = watch.lock().unwrap();
        let now = seen.in_work.entry(key).or_default();
        *now += 1;
        let too_many = *now > limit;
        seen.too_many |= too_many;
        seen.started.entry(key).or_default().push(number);
        Self { watch: Arc::clone(watch), key }
    }
}

impl Drop for InWork {
    fn drop(&mut self) {
        *self.watch.lock().unwrap().in_work.entry(self.key).or_default() -= 1;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    /// Random keys, failures, panics and resizes: no key is ever in more hands than it may be, one at a time starts in
    /// the order in which the items came, and every item is done.
    #[test]
    fn bounds_and_order_hold_whatever_happens(
        items in prop::collection::vec((0..5_u8, act()), 0..60),
        limit in 1..4_usize,
        look_aside in 1..12_usize,
        resizes in prop::collection::vec((0..400_u64, 1..7_usize), 0..5),
    ) {
        std::panic::set_hook(Box::new(|_| {}));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let watch = Arc::new(Mutex::new(Watch::default()));
        let seen = Arc::clone(&watch);
        let count = items.len() as u64;
        let acts: Vec<_> = items.iter().map(|(_, act)| *act).collect();
        let report = runtime.block_on(async move {
            let numbered = items.iter().zip(0..).map(|((key, _), number)| (*key, number));
            let (source, _script) = RecordingSource::new(numbered.collect::<Vec<Item>>());
            let pool = Pool::builder()
                .workers(3)
                .per_key(limit)
                .look_aside(look_aside)
                .source(source)
                .handler(move |item: Item| {
                    let begun = InWork::begin(&seen, item, limit);
                    let act = acts[item.1 as usize];
                    async move {
                        let _begun = begun;
                        match act {
                            Act::Done => {}
                            Act::Yield(times) => {
                                for _ in 0..times {
                                    tokio::task::yield_now().await;
                                }
                            }
                            Act::Sleep(millis) => sleep(Duration::from_millis(millis.into())).await,
                            Act::Fail => return Err("it failed"),
                            Act::Panic => panic!("it panicked"),
                        }
                        Ok(())
                    }
                })
                .key(key)
                .start()
                .unwrap();
            for (at, workers) in resizes {
                let handle = pool.handle();
                tokio::spawn(async move {
                    sleep(Duration::from_millis(at)).await;
                    handle.resize(workers);
                });
            }
            pool.finish().await
        });
        prop_assert!(report.adds_up());
        prop_assert_eq!((report.taken, report.held), (count, 0));
        let watch = watch.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        prop_assert!(!watch.too_many);
        if limit == 1 {
            prop_assert!(watch.started.values().all(|numbers| numbers.is_sorted()));
        }
    }
}

/// What cannot be given to anybody lessens no demand, so nothing else would end the asking.
#[tokio::test(start_paused = true)]
async fn a_key_that_always_panics_holds_up_nobody() {
    let (source, script) = RecordingSource::new((0..1000).map(|n| (1_u8, n)));
    let pool = Pool::builder()
        .workers(2)
        .source(source)
        .handler(|_: Item| async {})
        .key(|_| -> u8 { panic!("no key") })
        .start()
        .unwrap();
    // A task among others, which has its turn between those of the workers.
    let other = tokio::spawn(async move {
        script.until(|record| record.handed_out > 0).await;
        script.record().handed_out
    });
    let met = other.await.unwrap();
    assert!(met <= 64 * 4, "{met} items in a turn or two");
    let report = timeout(SECOND, pool.finish()).await.expect("somebody asks on");
    assert_eq!(report.dead_lettered, 1000);
}

/// It is done already, and only its handler is cut short.
#[tokio::test(start_paused = true)]
async fn what_was_acked_before_is_not_counted_as_cancelled() {
    let (source, script) = RecordingSource::new([(1, 0)]);
    let pool = Pool::builder()
        .workers(1)
        .source(source)
        .handler_delivery(|delivery: Delivery<Item>| {
            delivery.ack();
            pending::<()>()
        })
        .key(key)
        .start()
        .unwrap();
    script.until(|record| record.settlements.len() == 1).await;
    settle_down().await;
    pool.cancel(&1_u8);
    let report = pool.finish().await;
    assert_eq!((report.completed, report.cancelled), (1, 0), "{report}");
}

/// What is looked at for its deadline or its span, or is copied, is in nobody's hands for that moment.
#[tokio::test(start_paused = true)]
async fn cancels_what_is_being_looked_at() {
    /// Cancels its key when it is cloned.
    struct Cancels(Arc<OnceLock<PoolHandle<Cancels>>>);

    fn cancel(item: &Cancels) {
        assert_eq!(item.0.get().unwrap().cancel(&1_u8), 1);
    }

    impl Clone for Cancels {
        fn clone(&self) -> Self {
            cancel(self);
            Self(Arc::clone(&self.0))
        }
    }

    let seen = Arc::new(AtomicU32::new(0));
    for how in ["deadline", "span", "copy"] {
        let _events = Events::keep();
        let called = Arc::clone(&seen);
        let builder = Pool::builder()
            .workers(1)
            .queue(10)
            .handler_in(move |cx: WorkContext<Cancels>, _| {
                called.fetch_add(1, Ordering::Relaxed);
                assert!(cx.is_cancelled());
                pending::<()>()
            })
            .key(|_| 1_u8);
        let builder = match how {
            "deadline" => builder.deadline(|item| {
                cancel(item);
                None
            }),
            "span" => builder.span(|delivery| {
                cancel(delivery.item().unwrap());
                tracing::Span::none()
            }),
            _ => builder.keep_copies(),
        };
        let pool = builder.start().unwrap();
        let handle = Arc::new(OnceLock::new());
        assert!(handle.set(pool.handle()).is_ok());
        assert!(pool.produce(Cancels(handle)).await.is_ok());
        let report = timeout(SECOND, pool.finish()).await.expect(how);
        assert_eq!((report.taken, report.cancelled), (1, 1), "{how}: {report}");
    }
    assert_eq!(seen.load(Ordering::Relaxed), 1, "only what is copied is on its way to the handler");
}

#[tokio::test(start_paused = true)]
async fn without_a_rate_are_as_many_as_there_are() {
    const KEYS: u32 = 70_000;
    let (source, _script) = RecordingSource::builder().items(0..KEYS).never_ending().build();
    let seen = Arc::new(AtomicU32::new(0));
    let batch = {
        let seen = Arc::clone(&seen);
        move |batch: Vec<Delivery<u32>>| {
            seen.fetch_add(batch.len() as u32, Ordering::Relaxed);
            batch.into_iter().for_each(Delivery::ack);
            std::future::ready(())
        }
    };
    let pool = Pool::builder().workers(1).per_key(1).batch(KEYS as usize, 3600 * SECOND).source(source);
    let pool = pool.handler_batch(batch).key(|number| *number).start().expect("it starts");
    sleep(SECOND).await;
    assert_eq!(seen.load(Ordering::Relaxed), KEYS);
    drop(pool);
}
