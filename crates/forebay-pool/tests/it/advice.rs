use std::future::pending;
use std::time::Duration;

use forebay_pool::{BoxError, LimitedBy, OnFailure, Pipeline, Pool, PoolStats, Retry};
use forebay_queue::{WhenFull, bounded};
use insta::assert_snapshot;
use tokio::time::sleep;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn each_limit_has_a_line_of_advice() {
    let all = [
        LimitedBy::Idle,
        LimitedBy::Pause,
        LimitedBy::Workers { busy: 4, backlog: Some(31) },
        LimitedBy::Workers { busy: 4, backlog: Some(0) },
        LimitedBy::Workers { busy: 4, backlog: None },
        LimitedBy::Source { idle: 3 },
        LimitedBy::Sink { waiting: 64 },
        LimitedBy::Keys { set_aside: 7 },
        LimitedBy::Handler { workers: 2 },
    ];
    let lines: Vec<String> = all.iter().map(ToString::to_string).collect();
    assert_snapshot!(lines.join("\n"), @r"
    idle
    paused
    limited by workers: all 4 are busy and 31 items wait; more workers, or a faster handler, would help
    limited by workers: all 4 are busy, but nothing waits
    limited by workers: all 4 are busy
    limited by the source: 3 workers wait for items
    limited by the sink: 64 results or dead letters wait to be taken; a faster reader, or more room, would help
    limited by keys or batches: 7 items are set aside while workers wait
    limited by the handler: 2 workers cannot be built or wait for their service
    ");
}

/// One item after the other, each of which takes a second in the middle.
fn pipeline(
    writers: usize,
    room: usize,
) -> (Pipeline<forebay_queue::Sender<u32>>, forebay_queue::Receiver<u32>) {
    Pipeline::builder()
        .queue(10)
        .stage("read", async |n: u32| Ok::<_, BoxError>(n), |pool| pool.workers(3))
        .queue(2)
        .stage(
            "write",
            async |n: u32| {
                sleep(SECOND).await;
                Ok::<_, BoxError>(n)
            },
            move |pool| pool.workers(writers),
        )
        .results(room, WhenFull::Wait)
        .start()
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_pipeline_says_which_stage_limits_it() {
    let (pipeline, mut results) = pipeline(1, 2);
    assert_snapshot!(pipeline.stats(), @r"
    read: busy 0 %, idle
    write: busy 0 %, idle
    ");

    for n in 0..14 {
        pipeline.produce(n).await.unwrap();
    }
    sleep(SECOND / 2).await;
    let stats = pipeline.stats();
    assert_snapshot!(stats, @r"
    read: busy 100 %, limited by the sink: 3 results or dead letters wait to be taken; a faster reader, or more room, would help
    write: busy 100 %, limited by workers: all 1 are busy and 2 items wait; more workers, or a faster handler, would help
    ");
    assert_eq!(&*stats.limited_by().unwrap().0.name, "write");

    // Nobody reads the results, of which two have room.
    sleep(10 * SECOND).await;
    let stats = pipeline.stats();
    assert_snapshot!(stats, @r"
    read: busy 100 %, limited by the sink: 3 results or dead letters wait to be taken; a faster reader, or more room, would help
    write: busy 100 %, limited by the sink: 1 results or dead letters wait to be taken; a faster reader, or more room, would help
    ");
    assert!(
        matches!(stats.limited_by(), Some((stage, LimitedBy::Sink { waiting: 1 })) if &*stage.name == "write")
    );

    let reader = tokio::spawn(async move { while results.recv().await.is_some() {} });
    sleep(100 * SECOND).await;
    let stats = pipeline.stats();
    assert_snapshot!(stats, @r"
    read: busy 16 %, idle
    write: busy 19 %, idle
    ");
    assert_eq!(stats.limited_by().unwrap().1, LimitedBy::Idle);
    pipeline.finish().await;
    reader.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn results_in_order_that_nobody_takes_are_the_limit() {
    let (output, mut results) = bounded(1);
    let pool = Pool::builder()
        .workers(4)
        .ordered_window(6)
        .queue(100)
        .handler_ordered(output, async |n: u32| Ok::<_, BoxError>(n))
        .start()
        .unwrap();
    for n in 0..20 {
        pool.produce(n).await.unwrap();
    }
    sleep(SECOND).await;
    assert_eq!(pool.stats().limited_by(), LimitedBy::Sink { waiting: 6 });
    while pool.stats().completed < 20 {
        results.recv().await.unwrap();
        sleep(SECOND).await;
    }
    // There are fewer than the window has room for.
    results.recv().await.unwrap();
    sleep(SECOND).await;
    assert_eq!(pool.stats().limited_by(), LimitedBy::Idle);
}

#[tokio::test(start_paused = true)]
async fn who_waits_with_an_item_is_busy_and_who_has_none_is_not() {
    let pool = Pool::builder()
        .workers(2)
        .max_attempts(u32::MAX)
        .on_failure(OnFailure::Retry(Retry::default()))
        .queue(10)
        .handler(|_: u32| async { Err("not yet") })
        .keep_copies()
        .start()
        .unwrap();
    sleep(10 * SECOND).await;
    let before = pool.stats();
    assert_eq!((before.busy_share(), before.present), (0.0, 20 * SECOND));
    pool.produce(1).await.unwrap();
    sleep(10 * SECOND).await;
    let stats = pool.stats();
    assert_eq!((stats.busy_share(), stats.busy_share_since(&before)), (0.25, 0.5));
    // One that left was there until then.
    pool.resize(1);
    sleep(10 * SECOND).await;
    let later = pool.stats();
    let gone = later.present - stats.present;
    assert!(gone == 10 * SECOND || gone == 20 * SECOND, "{gone:?}: the busy one finishes first");
    pool.shutdown(Duration::ZERO).await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_is_never_free_was_busy_all_the_time() {
    let pool = Pool::builder().workers(1).queue(10).handler(|_: u32| pending::<()>()).start().unwrap();
    assert_eq!(PoolStats::busy_share(&pool.stats()), 0.0, "nobody was there yet");
    pool.produce(1).await.unwrap();
    sleep(10 * SECOND).await;
    assert_eq!(pool.stats().busy_share(), 1.0);
}
