use std::time::Duration;

use forebay_pool::{EndedBy, Gap, OnFailure, Ordered, Pool, Retry, StartError};
use forebay_queue::{Receiver, bounded};
use forebay_testkit::RecordingSource;
use proptest::prelude::*;
use tokio::time::sleep;

const SECOND: Duration = Duration::from_secs(1);

async fn all<R>(mut results: Receiver<Ordered<R>>) -> Vec<Ordered<R>> {
    let mut all = Vec::new();
    while let Some(result) = results.recv().await {
        all.push(result);
    }
    all
}

/// Takes as many seconds as the item says.
async fn takes(seconds: u64) -> Result<u64, &'static str> {
    sleep(Duration::from_secs(seconds)).await;
    Ok(seconds)
}

#[tokio::test(start_paused = true)]
async fn results_come_in_the_order_of_their_items() {
    let (source, _script) = RecordingSource::new([5, 1, 3, 0, 2]);
    let (output, results) = bounded(10);
    let pool = Pool::builder().workers(3).source(source).handler_ordered(output, takes).start().unwrap();
    let report = pool.finish().await;
    assert_eq!((report.completed, report.unsent), (5, 0));
    assert_eq!(all(results).await, [5, 1, 3, 0, 2].map(Ordered::Done));
}

/// One that takes long holds up the others, but only so many.
#[tokio::test(start_paused = true)]
async fn no_more_are_taken_than_the_window_has_places() {
    let (source, script) = RecordingSource::new((0..20).map(|n| if n == 0 { 60 } else { 0 }));
    let (output, results) = bounded(100);
    let pool = Pool::builder()
        .workers(2)
        .ordered_window(5)
        .source(source)
        .handler_ordered(output, takes)
        .start()
        .unwrap();
    sleep(SECOND).await;
    let stats = pool.stats();
    assert_eq!((script.record().handed_out, stats.completed, stats.idle), (5, 4, 1));
    assert_eq!(results.len(), 0);
    let report = pool.finish().await;
    assert_eq!(report.completed, 20);
    assert_eq!(all(results).await.len(), 20);
}

/// Nothing is held beyond the window for a reader that is slow.
#[tokio::test(start_paused = true)]
async fn a_slow_reader_slows_the_source_down() {
    let (source, script) = RecordingSource::new((0..20).map(|_| 0));
    let (output, mut results) = bounded(1);
    let pool = Pool::builder()
        .workers(2)
        .ordered_window(3)
        .source(source)
        .handler_ordered(output, takes)
        .start()
        .unwrap();
    sleep(SECOND).await;
    assert_eq!(script.record().handed_out, 4, "one in the output, three in the window");
    for _ in 0..20 {
        sleep(SECOND).await;
        assert_eq!(results.recv().await, Some(Ordered::Done(0)));
    }
    assert_eq!(results.recv().await, None);
    assert_eq!(pool.finish().await.unsent, 0);
}

#[tokio::test(start_paused = true)]
async fn an_item_without_a_result_leaves_a_gap() {
    let (source, _script) = RecordingSource::new(0..6);
    let (output, results) = bounded(10);
    let pool = Pool::builder()
        .workers(2)
        .on_failure(OnFailure::DeadLetter)
        .timeout(SECOND)
        .source(source)
        .handler_ordered(output, |number| async move {
            match number {
                1 => return Err("it failed"),
                2 => assert_eq!(number, 0, "it panicked"),
                4 => sleep(2 * SECOND).await,
                _ => {}
            }
            Ok(number)
        })
        .keep_copies()
        .start()
        .unwrap();
    let report = pool.finish().await;
    assert_eq!((report.completed, report.dead_lettered), (3, 3));
    let gap = || Ordered::Gap(Gap::DeadLettered);
    assert_eq!(
        all(results).await,
        [Ordered::Done(0), gap(), gap(), Ordered::Done(3), gap(), Ordered::Done(5)]
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_tried_again_in_place_keeps_its_place() {
    let (source, _script) = RecordingSource::new(0..4);
    let (output, results) = bounded(10);
    let attempts = std::sync::atomic::AtomicU32::new(0);
    let pool = Pool::builder()
        .workers(2)
        .on_failure(OnFailure::Retry(Retry::default()))
        .source(source)
        .handler_ordered(output, move |number| {
            let fails = number == 1 && attempts.fetch_add(1, std::sync::atomic::Ordering::Relaxed) < 3;
            async move { if fails { Err("no luck") } else { Ok(number) } }
        })
        .keep_copies()
        .start()
        .unwrap();
    assert_eq!(pool.finish().await.retried, 3);
    assert_eq!(all(results).await, [0, 1, 2, 3].map(Ordered::Done));
}

/// What goes back has another place when it comes again.
#[tokio::test(start_paused = true)]
async fn what_goes_back_leaves_a_gap_and_comes_again() {
    let (source, _script) = RecordingSource::new(0..3);
    let (output, results) = bounded(10);
    let attempts = std::sync::atomic::AtomicU32::new(0);
    let pool = Pool::builder()
        .workers(1)
        .source(source)
        .handler_ordered(output, move |number| {
            let fails = number == 1 && attempts.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0;
            async move { if fails { Err("no luck") } else { Ok(number) } }
        })
        .keep_copies()
        .start()
        .unwrap();
    pool.finish().await;
    let mut seen = all(results).await;
    assert_eq!(seen.remove(1), Ordered::Gap(Gap::Returned));
    assert_eq!(seen, [0, 1, 2].map(Ordered::Done));
}

/// A place that nobody fills would hold up all that come after it.
#[tokio::test(start_paused = true)]
async fn what_is_cancelled_while_it_is_set_aside_leaves_a_gap() {
    let (source, _script) = RecordingSource::new([10, 11, 20]);
    let (output, results) = bounded(10);
    let pool = Pool::builder()
        .workers(3)
        .per_key(1)
        .source(source)
        .handler_ordered(output, takes)
        .key(|number| number / 10)
        .start()
        .unwrap();
    sleep(SECOND).await;
    assert_eq!(pool.stats().set_aside, 1);
    assert_eq!(pool.cancel(&1_u64), 2);
    assert_eq!(pool.finish().await.cancelled, 2);
    assert_eq!(
        all(results).await,
        [Ordered::Gap(Gap::Failed), Ordered::Gap(Gap::DeadLettered), Ordered::Done(20)]
    );
}

#[tokio::test(start_paused = true)]
async fn what_nobody_takes_is_counted_and_holds_up_nothing() {
    /// Nobody reads it, and dropping it goes wrong.
    #[derive(Debug)]
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            assert!(std::thread::panicking(), "dropped");
        }
    }
    let (source, _script) = RecordingSource::new(0..20);
    let (output, results) = bounded::<Ordered<Bomb>>(1);
    drop(results);
    let pool = Pool::builder()
        .workers(2)
        .ordered_window(3)
        .source(source)
        .handler_ordered(output, |_| async { Ok::<_, &str>(Bomb) })
        .start()
        .unwrap();
    let report = pool.finish().await;
    assert_eq!((report.completed, report.unsent), (20, 20));
    assert_eq!(report.to_string(), "source ended: took 20, completed 20; 20 not handed on");
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_handed_on_before_the_deadline_is_counted() {
    let (source, _script) = RecordingSource::new([0, 0, 0, 60, 0]);
    let (output, results) = bounded(1);
    let pool = Pool::builder().workers(2).source(source).handler_ordered(output, takes).start().unwrap();
    sleep(SECOND).await;
    let report = pool.shutdown(SECOND).await;
    assert!(matches!(report.ended_by, EndedBy::Deadline));
    assert_eq!((report.completed, report.failed, report.held), (4, 1, 0));
    // One is in the output's queue.
    assert_eq!(report.unsent, 4);
    assert_eq!(all(results).await, [Ordered::Done(0)]);
}

#[tokio::test]
async fn a_window_is_for_results_that_are_ordered() {
    let error = Pool::builder().ordered_window(1).queue(1).handler(|_: u8| async {}).start().unwrap_err();
    assert_eq!(error, StartError::NotOrdered);
}

#[derive(Debug, Clone, Copy)]
enum Act {
    Done(u8),
    Fail(u8),
    Panic,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        5 => (0..50_u8).prop_map(Act::Done),
        1 => (0..50_u8).prop_map(Act::Fail),
        1 => Just(Act::Panic),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    /// Random times, failures, panics and resizes: each item has its result or its gap, in order.
    #[test]
    fn each_item_has_its_place_whatever_happens(
        acts in prop::collection::vec(act(), 0..60),
        window in 1..12_usize,
        capacity in 0..4_usize,
        resizes in prop::collection::vec((0..300_u64, 1..7_usize), 0..4),
    ) {
        std::panic::set_hook(Box::new(|_| {}));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let expected: Vec<_> = acts
            .iter()
            .zip(0..)
            .map(|(act, number)| match act {
                Act::Done(_) => Ordered::Done(number),
                Act::Fail(_) | Act::Panic => Ordered::Gap(Gap::Failed),
            })
            .collect();
        let (seen, most, report) = runtime.block_on(async move {
            let (source, script) = RecordingSource::new(acts.into_iter().zip(0_u32..).collect::<Vec<_>>());
            let (output, results) = bounded(capacity);
            let reading = tokio::spawn(all(results));
            let pool = Pool::builder()
                .workers(3)
                .ordered_window(window)
                .source(source)
                .handler_ordered(output, |(act, number)| async move {
                    match act {
                        Act::Done(millis) => sleep(Duration::from_millis(millis.into())).await,
                        Act::Fail(millis) => {
                            sleep(Duration::from_millis(millis.into())).await;
                            return Err("it failed");
                        }
                        Act::Panic => panic!("it panicked"),
                    }
                    Ok(number)
                })
                .start()
                .unwrap();
            for (at, workers) in resizes {
                let handle = pool.handle();
                tokio::spawn(async move {
                    sleep(Duration::from_millis(at)).await;
                    handle.resize(workers);
                });
            }
            let report = pool.finish().await;
            (reading.await.unwrap(), script.record().most_outstanding, report)
        });
        prop_assert_eq!(seen, expected);
        prop_assert!(most <= window);
        prop_assert!(report.adds_up());
        prop_assert_eq!(report.unsent, 0);
    }
}
