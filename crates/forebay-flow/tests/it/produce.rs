//! A whole stream, at the pace of its consumer. Time is paused.

use std::time::Duration;

use forebay_flow::{Level, LevelRate, LevelRateConfig, NoLevel, Producer};
use forebay_queue::{SinkError, bounded, builder, unbounded};
use forebay_testkit::Driver;
use futures_util::stream;
use tokio::time::{Instant, advance, sleep, timeout};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn steady(per_second: f64) -> LevelRate {
    let config =
        LevelRateConfig { start: per_second, min: per_second, max: per_second, ..LevelRateConfig::default() };
    LevelRate::try_new(config).expect("in range")
}

#[tokio::test(start_paused = true)]
async fn what_has_no_bound_is_refused() {
    let (tx, _rx) = unbounded::<u32>();
    assert_eq!(Producer::try_new(LevelRate::default(), tx).expect_err("no level"), NoLevel);
}

#[tokio::test(start_paused = true)]
async fn a_stream_arrives_as_a_whole_in_its_order_at_the_pace_of_the_consumer() {
    let (tx, mut rx) = bounded(100);
    let level = tx.clone();
    let mut producer = Producer::try_new(LevelRate::default(), tx).expect("a level");
    let consumer = tokio::spawn(async move {
        let (mut expected, mut fullest) = (0, 0.0_f64);
        while let Some(n) = rx.recv().await {
            assert_eq!(n, expected);
            expected += 1;
            fullest = fullest.max(rx.level().expect("it has a bound"));
            sleep(SECOND / if (2000..4000).contains(&n) { 40 } else { 300 }).await;
        }
        (expected, fullest)
    });
    let start = Instant::now();
    let sent = producer.produce(stream::iter(0..8000)).await.expect("somebody receives");
    assert_eq!((sent, producer.take_in_hand()), (8000, None));
    drop((producer, level));
    let (received, fullest) = consumer.await.expect("no panic");
    // 6000 at 300 and 2000 at 40 a second are 70 seconds.
    let took = start.elapsed();
    assert!(took <= 90 * SECOND, "{took:?}");
    assert_eq!(received, 8000);
    assert!(fullest < 1.0, "it never ran into a full queue: {fullest}");
}

#[tokio::test(start_paused = true)]
async fn a_high_rate_is_kept_though_timers_are_coarse() {
    let (tx, mut rx) = bounded(20_000);
    let mut producer = Producer::try_new(steady(20_000.0), tx).expect("a level");
    let start = Instant::now();
    producer.produce(stream::iter(0..20_000)).await.expect("there is room");
    let took = start.elapsed();
    assert!((SECOND - 12 * MS..SECOND + 2 * MS).contains(&took), "{took:?}");
    assert_eq!(rx.recv().await, Some(0));
}

#[tokio::test(start_paused = true)]
async fn silence_of_the_stream_saves_nothing_up() {
    let (tx, rx) = bounded(100);
    let mut producer = Producer::try_new(steady(10.0), tx).expect("a level");
    producer.produce(stream::iter(0..1)).await.expect("there is room");
    advance(60 * SECOND).await;
    let mut items = stream::iter(1..100);
    let over = timeout(985 * MS, producer.produce(&mut items)).await;
    assert!(over.is_err(), "there are more");
    assert_eq!(rx.len(), 11);
}

#[tokio::test(start_paused = true)]
async fn dropped_at_each_await_it_loses_and_doubles_nothing() {
    let (tx, mut rx) = bounded(2);
    let mut producer = Producer::try_new(steady(100.0), tx).expect("a level");
    let mut items = stream::iter(0..1000);
    let mut received = Vec::new();
    let mut random = 1_u64;
    loop {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut producing = Driver::new(producer.produce(&mut items));
        if producing.poll().is_ready() {
            break;
        }
        // It sleeps, or waits for room; in both cases it is dropped.
        drop(producing);
        if random >> 62 == 0 {
            received.extend(rx.try_recv());
        }
        advance(Duration::from_millis((random >> 33) % 12)).await;
    }
    drop(producer);
    while let Some(item) = rx.recv().await {
        received.push(item);
    }
    assert_eq!(received, (0..1000).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn dropped_again_and_again_it_is_no_faster() {
    let (tx, rx) = bounded(1000);
    let mut producer = Producer::try_new(steady(10.0), tx).expect("a level");
    let mut items = stream::iter(0..1000);
    for _ in 0..2000 {
        drop(Driver::new(producer.produce(&mut items)).poll());
        advance(MS).await;
    }
    assert_eq!(rx.len(), 20);
}

#[tokio::test(start_paused = true)]
async fn what_was_not_taken_is_in_hand_and_the_rest_in_the_stream() {
    let (tx, rx) = bounded(10);
    let mut producer = Producer::try_new(steady(100.0), tx).expect("a level");
    let mut items = stream::iter(1..5);
    drop(rx);
    let error = producer.produce(&mut items).await.expect_err("nobody receives");
    assert!(matches!(error, SinkError::Closed(None)));
    assert_eq!(producer.take_in_hand(), Some(1));
    producer.produce(&mut items).await.expect_err("still nobody");
    assert_eq!(producer.take_in_hand(), Some(2));
}

#[tokio::test(start_paused = true)]
async fn a_rendezvous_is_met() {
    let (tx, mut rx) = builder().capacity(0).build();
    let mut producer = Producer::try_new(steady(100.0), tx).expect("a level");
    let producing = tokio::spawn(async move { producer.produce(stream::iter(0..5)).await });
    for n in 0..5 {
        assert_eq!(rx.recv().await, Some(n));
    }
    assert_eq!(producing.await.expect("no panic").expect("it was met"), 5);
}
