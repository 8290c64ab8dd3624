use std::error::Error;
use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use forebay_pool::pipeline::{PipelineReport, StageReport};
use forebay_pool::{
    BoxError, EndedBy, OnFailure, Pipeline, PipelineStartError, Retry, StartError, Tee, WhenSlow, WorkContext,
};
use forebay_queue::{Delivery, End, Receiver, SendError, WhenFull, bounded};
use forebay_testkit::{Driver, RecordingSource};
use proptest::prelude::*;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};

const SECOND: Duration = Duration::from_secs(1);

/// Hands its item on.
async fn pass<T: Send + 'static>(item: T) -> Result<T, BoxError> {
    Ok(item)
}

fn all<T>(receiver: &mut Receiver<T>) -> Vec<T> {
    std::iter::from_fn(|| receiver.try_recv().ok()).collect()
}

/// Runs until nothing moves by itself. Time is paused and goes on only when all tasks wait.
async fn settle() {
    sleep(Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn nobody_reads_and_the_producer_waits() {
    let (pipeline, mut results) = Pipeline::builder()
        .queue(2)
        .stage("first", pass::<u32>, |pool| pool.workers(1))
        .queue(3)
        .stage("second", pass::<u32>, |pool| pool.workers(2))
        .results(4, WhenFull::Wait)
        .start()
        .unwrap();
    let mut accepted = 0;
    while timeout(SECOND, pipeline.produce(accepted)).await.is_ok() {
        accepted += 1;
    }
    assert_eq!(accepted, 2 + 1 + 3 + 2 + 4, "every queue and every worker has one, and nobody more");
    settle().await;
    let stats = pipeline.stats();
    assert_eq!((stats.stage("first").unwrap().pool.busy, stats.stage("second").unwrap().pool.busy), (1, 2));
    assert_eq!(stats.results.unwrap().held, 4);

    // As soon as somebody reads, all goes on.
    assert!(results.recv().await.is_some());
    timeout(SECOND, pipeline.produce(accepted)).await.expect("there is room").unwrap();
    let reading = async { while results.recv().await.is_some() {} };
    let (report, ()) = tokio::join!(pipeline.finish(), reading);
    assert_eq!((report.accepted, report.delivered), (13, 13));
    assert!(report.adds_up());
}

#[tokio::test]
async fn a_failed_item_does_not_go_on_and_is_counted_by_its_stage() {
    let (pipeline, mut results) = Pipeline::builder()
        .queue(100)
        .stage(
            "first",
            async |item: u32| match item % 10 {
                3 => Err(BoxError::from("it failed")),
                4 => panic!("it panicked"),
                _ => Ok(u64::from(item)),
            },
            |pool| pool.workers(3),
        )
        .queue(5)
        .stage("second", async |item: u64| if item % 10 == 5 { Err("odd") } else { Ok(item) }, |pool| pool)
        .results(100, WhenFull::Wait)
        .start()
        .unwrap();
    for item in 0..50 {
        pipeline.produce(item).await.unwrap();
    }
    let report = pipeline.finish().await;
    assert!(report.adds_up(), "{report:?}");
    let (first, second) = (report.stage("first").unwrap(), report.stage("second").unwrap());
    assert_eq!((first.pool.taken, first.pool.failed, first.pool.panics, first.emitted), (50, 10, 5, 40));
    assert_eq!((second.pool.taken, second.pool.failed, second.emitted), (40, 5, 35));
    assert_eq!((report.accepted, report.failed, report.delivered), (50, 15, 35));
    let mut got = all(&mut results);
    got.sort_unstable();
    assert_eq!(got, (0..50).filter(|item| ![3, 4, 5].contains(&(item % 10))).collect::<Vec<_>>());
    assert_eq!(
        report.to_string(),
        "source ended: accepted 50, delivered 35, failed 15\n  \
         first: took 50, completed 40, failed 10; 5 panicked\n  \
         second: took 40, completed 35, failed 5"
    );
}

#[tokio::test(start_paused = true)]
async fn shutdown_drains_from_the_top() {
    let slow = |millis| {
        move |item: u32| async move {
            sleep(Duration::from_millis(millis)).await;
            Ok::<_, BoxError>(item)
        }
    };
    let (pipeline, mut results) = Pipeline::builder()
        .queue(100)
        .stage("first", slow(100), |pool| pool.workers(1))
        .queue(2)
        .stage("second", slow(10), |pool| pool.workers(1))
        .queue(2)
        .stage("third", slow(300), |pool| pool.workers(2))
        .results(100, WhenFull::Wait)
        .start()
        .unwrap();
    for item in 0..20 {
        pipeline.produce(item).await.unwrap();
    }
    let producer = pipeline.producer();
    let (report, refused) = tokio::join!(pipeline.shutdown(100 * SECOND), async {
        settle().await;
        producer.send(20).await
    });
    assert_eq!(refused, Err(SendError::Closed(20)));
    assert!(report.adds_up(), "{report:?}");
    assert!(matches!(report.ended_by, EndedBy::Shutdown));
    assert_eq!((report.accepted, report.delivered, report.undelivered), (20, 20, 0));
    assert!(report.elapsed < 4 * SECOND, "the stages worked at the same time: {:?}", report.elapsed);
    assert_eq!(all(&mut results).len(), 20);
    assert_eq!(results.recv().await, None);
}

#[tokio::test(start_paused = true)]
async fn at_the_deadline_the_rest_comes_back() {
    let back = Arc::new(Mutex::new(Vec::new()));
    let to = |stage: &'static str| {
        let back = Arc::clone(&back);
        move |item: u32| back.lock().unwrap().push((stage, item))
    };
    let pipeline = Pipeline::builder()
        .queue(10)
        .on_undelivered(to("first"))
        .stage("first", pass::<u32>, |pool| pool.workers(1))
        .queue(2)
        .on_undelivered(to("second"))
        .stage("second", async |_: u32| pending::<Result<(), BoxError>>().await, |pool| pool.workers(1))
        .start()
        .unwrap();
    for item in 0..10 {
        pipeline.produce(item).await.unwrap();
    }
    settle().await;
    let report = pipeline.shutdown(5 * SECOND).await;
    assert!(report.adds_up(), "{report:?}");
    assert_eq!(report.elapsed.as_secs(), 5);
    assert!(matches!(report.ended_by, EndedBy::Deadline));
    // 0 hangs in the second stage, 1 and 2 wait for it, 3 waits for room with its worker.
    let (first, second) = (&report.stages[0].pool, &report.stages[1].pool);
    assert_eq!((first.failed, first.aborted, first.undelivered), (1, 1, 6));
    assert_eq!((second.failed, second.aborted, second.undelivered), (1, 1, 2));
    let mut back = back.lock().unwrap().clone();
    back.sort_unstable();
    let expected = (4..10).map(|item| ("first", item)).chain([("second", 1), ("second", 2)]);
    assert_eq!(back, expected.collect::<Vec<_>>());
    assert_eq!(
        report.to_string(),
        "aborted at the deadline: accepted 10, delivered 0, failed 2, undelivered 8\n  \
         first: took 4, completed 3, failed 1, undelivered 6; 1 aborted\n  \
         second: took 1, completed 0, failed 1, undelivered 2; 1 aborted"
    );
}

#[tokio::test(start_paused = true)]
async fn waiting_for_room_is_not_the_handlers_time() {
    let (pipeline, mut results) = Pipeline::builder()
        .queue(10)
        .stage(
            "work",
            async |seconds: u64| {
                sleep(Duration::from_secs(seconds)).await;
                Ok::<_, BoxError>(seconds)
            },
            |pool| pool.workers(1).timeout(5 * SECOND),
        )
        .results(1, WhenFull::Wait)
        .start()
        .unwrap();
    for seconds in [1, 2, 3, 9] {
        pipeline.produce(seconds).await.unwrap();
    }
    sleep(1000 * SECOND).await;
    assert_eq!(results.len(), 1);
    let reading = async {
        let mut got = Vec::new();
        while let Some(result) = results.recv().await {
            got.push(result);
        }
        got
    };
    let (report, got) = tokio::join!(pipeline.finish(), reading);
    assert_eq!(got, [1, 2, 3]);
    assert_eq!((report.failed, report.stages[0].pool.timed_out), (1, 1), "{report:?}");
    assert!(report.adds_up());

    let pipeline = Pipeline::builder()
        .queue(1)
        .stage("none", async |_: u32| Ok::<(), BoxError>(()), |pool| pool.timeout(Duration::ZERO))
        .start()
        .unwrap();
    pipeline.produce(1).await.unwrap();
    // As in a pool: what need not wait is done in time.
    assert_eq!(pipeline.finish().await.failed, 0);
}

#[tokio::test(start_paused = true)]
async fn what_happens_when_nobody_reads_is_chosen() {
    async fn run(when_full: WhenFull) -> (PipelineReport, Vec<u32>) {
        let (pipeline, mut results) = Pipeline::builder()
            .queue(10)
            .stage("pass", pass::<u32>, |pool| pool.workers(1))
            .results(2, when_full)
            .start()
            .unwrap();
        for item in 0..5 {
            pipeline.produce(item).await.unwrap();
        }
        let report = pipeline.shutdown(SECOND).await;
        assert!(report.adds_up(), "{report:?}");
        (report, all(&mut results))
    }
    let (report, got) = run(WhenFull::Wait).await;
    assert!(matches!(report.ended_by, EndedBy::Deadline));
    assert_eq!((got, report.failed, report.undelivered), (vec![0, 1], 1, 2));
    let (report, got) = run(WhenFull::DropOldest).await;
    assert_eq!((got, report.delivered, report.dropped), (vec![3, 4], 5, 3));
    assert!(report.to_string().starts_with("shut down: accepted 5, delivered 5, results dropped 3\n"));
    let (report, got) = run(WhenFull::DropIncoming).await;
    assert_eq!((got, report.delivered, report.dropped), (vec![0, 1], 5, 3));
    let (report, got) = run(WhenFull::Refuse).await;
    assert_eq!((got, report.delivered, report.failed), (vec![0, 1], 2, 3));
}

#[tokio::test]
async fn without_a_reader_items_fail() {
    let (pipeline, results) = Pipeline::builder()
        .queue(10)
        .stage("pass", pass::<u32>, |pool| pool.workers(1))
        .results(2, WhenFull::Wait)
        .start()
        .unwrap();
    drop(results);
    for item in 0..5 {
        pipeline.produce(item).await.unwrap();
    }
    let report = pipeline.finish().await;
    assert_eq!((report.accepted, report.failed, report.delivered), (5, 5, 0));
    assert!(report.adds_up());
}

#[tokio::test]
async fn without_a_reader_results_are_dropped_where_that_was_chosen() {
    for when_full in [WhenFull::DropOldest, WhenFull::DropYoungest, WhenFull::DropIncoming] {
        for capacity in [0, 2] {
            let (pipeline, results) = Pipeline::builder()
                .queue(10)
                .stage("pass", pass::<u32>, |pool| pool.workers(1))
                .results(capacity, when_full)
                .start()
                .unwrap();
            drop(results);
            for item in 0..5 {
                pipeline.produce(item).await.unwrap();
            }
            let report = pipeline.finish().await;
            let dropped = 5 - capacity as u64;
            assert_eq!((report.delivered, report.dropped, report.failed), (5, dropped, 0), "{when_full:?}");
            assert!(report.adds_up(), "{report:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_source_passes_through_all_stages() {
    let (tx, rx) = bounded(1);
    let (pipeline, mut results) = Pipeline::builder()
        .source(rx)
        .stage("first", pass::<u32>, |pool| pool)
        .queue(0)
        .stage("second", pass::<u32>, |pool| pool)
        .queue(1)
        .stage("third", pass::<u32>, |pool| pool)
        .results(10, WhenFull::Wait)
        .start()
        .unwrap();
    for item in 0..5 {
        tx.send(item).await.unwrap();
    }
    drop(tx);
    // Without anybody who would drive it.
    timeout(SECOND, pipeline.closed()).await.unwrap();
    assert_eq!(all(&mut results).len(), 5);
    let end = timeout(SECOND, results.recv()).await.expect("their end has come");
    assert_eq!(end, None, "although the handle is still there");
    let report = pipeline.finish().await;
    assert!(matches!(report.ended_by, EndedBy::Source));
    assert_eq!((report.accepted, report.delivered), (5, 5));
    assert!(report.adds_up());
}

#[tokio::test(start_paused = true)]
async fn a_source_is_acked_when_the_result_is_in_the_next_queue() {
    let (source, script) = RecordingSource::builder().items(1..=4).never_ending().redelivers().build();
    let (pipeline, mut results) = Pipeline::builder()
        .source(source)
        .stage("pass", pass::<u32>, |pool| pool.workers(1))
        .results(2, WhenFull::Wait)
        .start()
        .unwrap();
    settle().await;
    assert_eq!((script.record().settlements.len(), script.outstanding()), (2, 1), "the third has no room");
    results.recv().await.unwrap();
    settle().await;
    assert_eq!(script.record().settlements.len(), 3);

    // The fourth waits for room, and goes back.
    let report = pipeline.shutdown(Duration::ZERO).await;
    assert_eq!((report.accepted, report.delivered, report.failed), (3, 3, 0));
    assert_eq!(report.stages[0].pool.returned, 1);
    assert!(report.adds_up());
}

#[tokio::test]
async fn what_is_wrong_with_a_stage_is_told_by_name() {
    let (source, script) = RecordingSource::new(1..10);
    let started = Pipeline::builder()
        .source(source)
        .stage("first", pass::<u32>, |_| {
            unreachable!("it is started last, on another thread it might take an item")
        })
        .queue(1)
        .stage("second", pass::<u32>, |pool| pool.on_failure(OnFailure::Retry(Retry::default())))
        .queue(1)
        .stage("third", async |_: u32| Ok::<(), BoxError>(()), |pool| pool)
        .start();
    let error = started.unwrap_err();
    assert_eq!(error.to_string(), "stage `second` did not start");
    assert!(error.source().unwrap().to_string().starts_with("OnFailure::Retry needs the item"));
    tokio::task::yield_now().await;
    assert!(script.record().demands.is_empty(), "and nothing was taken");

    let started = Pipeline::builder()
        .queue(1)
        .stage("twice", pass::<u32>, |pool| pool)
        .queue(1)
        .stage("twice", async |_: u32| Ok::<(), BoxError>(()), |pool| pool)
        .start();
    assert_eq!(started.unwrap_err(), PipelineStartError::SameName("twice".into()));
}

#[test]
fn needs_a_runtime() {
    let started = Pipeline::builder()
        .queue(1)
        .stage("alone", async |_: u32| Ok::<(), BoxError>(()), |pool| pool)
        .start();
    let expected = PipelineStartError::Stage { stage: "alone".into(), error: StartError::NoRuntime };
    assert_eq!(started.unwrap_err(), expected);
}

#[tokio::test(start_paused = true)]
async fn dropped_handle_leaves_no_task() {
    let working = Arc::new(());
    let kept = Arc::clone(&working);
    let (pipeline, mut results) = Pipeline::builder()
        .queue(10)
        .stage("pass", pass::<u32>, |pool| pool)
        .queue(1)
        .stage(
            "hang",
            move |_: u32| {
                let kept = Arc::clone(&kept);
                async move {
                    let _kept = kept;
                    pending::<Result<u32, BoxError>>().await
                }
            },
            |pool| pool.workers(2),
        )
        .results(1, WhenFull::Wait)
        .start()
        .unwrap();
    for item in 0..10 {
        pipeline.produce(item).await.unwrap();
    }
    settle().await;
    assert_eq!(Arc::strong_count(&working), 1 + 1 + 2);
    // In the middle of a shutdown, too.
    assert!(timeout(SECOND, pipeline.shutdown(100 * SECOND)).await.is_err());
    settle().await;
    assert_eq!(Arc::strong_count(&working), 1, "handlers and workers are gone");
    assert_eq!(results.recv().await, None);
}

#[tokio::test(start_paused = true)]
async fn stages_are_paused_and_resized_by_the_handle() {
    let most = Arc::new(AtomicUsize::new(0));
    let at_once = Arc::new(AtomicUsize::new(0));
    let (seen, now) = (Arc::clone(&most), Arc::clone(&at_once));
    let pipeline = Pipeline::builder()
        .queue(100)
        .stage("pass", pass::<u32>, |pool| pool.workers(1))
        .queue(100)
        .stage(
            "work",
            move |_: u32| {
                let (seen, now) = (Arc::clone(&seen), Arc::clone(&now));
                async move {
                    seen.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    sleep(SECOND).await;
                    now.fetch_sub(1, Ordering::SeqCst);
                    Ok::<(), BoxError>(())
                }
            },
            |pool| pool.workers(1),
        )
        .start()
        .unwrap();
    pipeline.pause();
    for item in 0..20 {
        pipeline.produce(item).await.unwrap();
    }
    sleep(10 * SECOND).await;
    assert_eq!(pipeline.stats().stage("pass").unwrap().pool.taken, 0);
    assert!(pipeline.resize("work", 4) && !pipeline.resize("nobody", 4));
    pipeline.resume();
    let report = pipeline.finish().await;
    assert_eq!((report.delivered, most.load(Ordering::SeqCst)), (20, 4));
}

#[tokio::test]
async fn results_go_to_a_tee() {
    let mut tee = Tee::builder();
    let mut archive = tee.branch("archive", 100, WhenSlow::Hold);
    let mut screen = tee.branch("screen", 1, WhenSlow::Drop);
    let tee = tee.build().unwrap();
    let pipeline = Pipeline::builder()
        .queue(10)
        .stage("pass", pass::<u32>, |pool| pool.workers(1))
        .sink(tee.clone())
        .start()
        .unwrap();
    for item in 0..5 {
        pipeline.produce(item).await.unwrap();
    }
    let report = pipeline.finish().await;
    assert_eq!((report.delivered, report.failed), (5, 0));
    assert_eq!((all(&mut archive), all(&mut screen)), (vec![0, 1, 2, 3, 4], vec![0]));
    assert!(tee.stats().adds_up());
    drop(tee);
    assert_eq!(archive.recv().await, None, "the stage's own handle went with the stage");
}

#[tokio::test(start_paused = true)]
async fn a_stage_of_batches_hands_on_what_its_handler_gives_back_and_no_more() {
    let (source, script) = RecordingSource::builder().redelivers().items(1..=6).build();
    let sizes = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&sizes);
    let (pipeline, mut results) = Pipeline::builder()
        .source(source)
        .stage_batch(
            "insert",
            move |batch: Vec<Delivery<u32>>| {
                kept.lock().unwrap().push(batch.len());
                async move {
                    let mut done = Vec::new();
                    for delivery in batch {
                        match (*delivery.item().unwrap(), delivery.attempt()) {
                            // Dropped, it goes back; set aside, it does not.
                            (2, 1) => {}
                            (3, _) => delivery.dead_letter("no use"),
                            (n, _) => done.push((delivery, n * 10)),
                        }
                    }
                    Ok::<_, BoxError>(done)
                }
            },
            |pool| pool.workers(1).batch(3, SECOND),
        )
        .results(1, WhenFull::Wait)
        .start()
        .unwrap();
    // The result of the second batch finds no room. What is not handed on is not acked.
    sleep(10 * SECOND).await;
    assert_eq!(sizes.lock().unwrap().len(), 2);
    assert_eq!(script.record().ends().iter().filter(|end| matches!(end, End::Ack)).count(), 1);
    let mut seen = Vec::new();
    while let Some(result) = results.recv().await {
        seen.push(result);
    }
    seen.sort_unstable();
    assert_eq!(seen, [10, 20, 40, 50, 60]);
    assert_eq!(sizes.lock().unwrap().iter().sum::<usize>(), 7);
    let report = pipeline.finish().await;
    let insert = &report.stage("insert").unwrap().pool;
    assert_eq!((insert.completed, insert.returned, insert.dead_lettered), (5, 1, 1));
    assert!(report.adds_up() && script.remaining() == 0, "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_fails_or_is_cut_short_comes_again() {
    let tries = AtomicUsize::new(0);
    let (pipeline, mut results) = Pipeline::builder()
        .queue(10)
        .stage_batch(
            "insert",
            move |batch: Vec<Delivery<u32>>| {
                let first = tries.fetch_add(1, Ordering::SeqCst) == 0;
                async move {
                    if first {
                        pending::<()>().await;
                    }
                    Ok::<_, BoxError>(batch.into_iter().map(|delivery| (delivery, ())).collect::<Vec<_>>())
                }
            },
            |pool| pool.workers(1).batch(2, SECOND).timeout(SECOND),
        )
        .results(10, WhenFull::Wait)
        .start()
        .unwrap();
    pipeline.produce(1).await.unwrap();
    pipeline.produce(2).await.unwrap();
    let report = pipeline.finish().await;
    let insert = &report.stage("insert").unwrap().pool;
    assert_eq!((insert.timed_out, insert.returned, insert.completed, report.delivered), (1, 2, 2, 2));
    assert_eq!(all(&mut results).len(), 2);
}

/// A service that can take one request at a time, whoever has a clone of it.
#[tokio::test(start_paused = true)]
async fn a_stage_of_a_service_takes_no_item_before_it_is_ready() {
    let service = tower::ServiceBuilder::new().concurrency_limit(1).service_fn(async |n: u32| {
        sleep(SECOND).await;
        if n == 2 { Err("it failed") } else { Ok(n * 10) }
    });
    let (pipeline, mut results) = Pipeline::builder()
        .queue(10)
        .stage_service("ask", service, |pool| pool.workers(3))
        .results(0, WhenFull::Wait)
        .start()
        .unwrap();
    for n in 1..=4 {
        pipeline.produce(n).await.unwrap();
    }
    sleep(SECOND / 2).await;
    let stats = pipeline.stats();
    let asking = &stats.stage("ask").unwrap().pool;
    assert_eq!((asking.held, asking.failed), (1, 0));
    let began = Instant::now();
    assert_eq!(
        (results.recv().await, results.recv().await, results.recv().await),
        (Some(10), Some(30), Some(40))
    );
    assert_eq!(began.elapsed().as_secs(), 3);
    let report = pipeline.finish().await;
    assert_eq!((report.delivered, report.failed, report.adds_up()), (3, 1, true));
}

#[tokio::test(start_paused = true)]
async fn a_stage_may_have_a_handler_for_each_worker() {
    let made = Arc::new(AtomicUsize::new(0));
    let making = Arc::clone(&made);
    let (pipeline, mut results) = Pipeline::builder()
        .queue(10)
        .stage_per_worker(
            "count",
            move |worker| {
                making.fetch_add(1, Ordering::SeqCst);
                let mut so_far = 0;
                move |item: u32| {
                    so_far += 1;
                    assert!(item != 3, "it panicked");
                    std::future::ready(Ok::<_, BoxError>((worker.index(), so_far)))
                }
            },
            |pool| pool.workers(1),
        )
        .results(10, WhenFull::Wait)
        .start()
        .unwrap();
    for item in 1..=4 {
        pipeline.produce(item).await.unwrap();
    }
    assert_eq!(pipeline.finish().await.failed, 1);
    // After the panic it is a new one.
    assert_eq!(all(&mut results), [(0, 1), (0, 2), (0, 1)]);
    assert_eq!(made.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn retries_stay_in_their_stage() {
    let turns = Arc::new(Semaphore::new(0));
    let budget = Arc::clone(&turns);
    let (pipeline, mut results) = Pipeline::builder()
        .queue(10)
        .stage(
            "flaky",
            move |item: u32| {
                let budget = Arc::clone(&budget);
                async move {
                    budget.add_permits(1);
                    if budget.available_permits().is_multiple_of(3) { Ok(item) } else { Err("not yet") }
                }
            },
            |pool| pool.workers(1).keep_copies().on_failure(OnFailure::Retry(Retry::default())),
        )
        .results(10, WhenFull::Wait)
        .start()
        .unwrap();
    for item in 0..4 {
        pipeline.produce(item).await.unwrap();
    }
    let report = pipeline.finish().await;
    assert!(report.adds_up(), "{report:?}");
    assert_eq!((report.delivered, report.stages[0].pool.retried), (4, 8));
    assert_eq!(all(&mut results), [0, 1, 2, 3], "each once");
}

/// Nothing waits, nothing is in hand, in any stage, and nobody else may produce.
#[tokio::test(start_paused = true)]
async fn is_idle_when_all_stages_are_and_nobody_else_may_produce() {
    let gates = [Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0))];
    let behind = |gate: &Arc<Semaphore>| {
        let gate = Arc::clone(gate);
        move |item: u32| {
            let gate = Arc::clone(&gate);
            async move {
                gate.acquire().await?.forget();
                Ok::<_, BoxError>(item)
            }
        }
    };
    let (pipeline, mut results) = Pipeline::builder()
        .queue(10)
        .stage("first", behind(&gates[0]), |pool| pool.workers(1))
        .queue(10)
        .stage("second", behind(&gates[1]), |pool| pool.workers(1))
        .results(10, WhenFull::Wait)
        .start()
        .unwrap();
    pipeline.idle().await;
    let producer = pipeline.producer();
    pipeline.produce(1).await.unwrap();
    let mut idle = Driver::new(pipeline.idle());
    for gate in &gates {
        settle().await;
        idle.assert_pending();
        gate.add_permits(2);
    }
    settle().await;
    idle.assert_pending();
    producer.send(2).await.unwrap();
    drop(producer);
    settle().await;
    idle.assert_ready();
    assert_eq!(all(&mut results), [1, 2]);
    drop(idle);
    assert_eq!(pipeline.finish_when_idle().await.delivered, 2);
}

/// The second stage was busy with the first item until after the second came.
#[tokio::test(start_paused = true)]
async fn is_not_idle_while_what_came_meanwhile_is_in_its_first_stage() {
    let slow = async |item: u32| {
        sleep(10 * SECOND).await;
        Ok::<_, BoxError>(item)
    };
    let (pipeline, results) = Pipeline::builder()
        .queue(10)
        .stage("first", slow, |pool| pool.workers(1))
        .queue(10)
        .stage("second", slow, |pool| pool.workers(1))
        .results(10, WhenFull::Wait)
        .start()
        .unwrap();
    let begun = Instant::now();
    pipeline.produce(1).await.unwrap();
    let late = async {
        sleep(15 * SECOND).await;
        pipeline.produce(2).await.unwrap();
    };
    tokio::join!(pipeline.idle(), late);
    assert_eq!((begun.elapsed().as_secs(), results.len()), (35, 2));
}

#[tokio::test(start_paused = true)]
async fn all_stages_are_paused_until_a_time() {
    let pipeline = Pipeline::builder()
        .queue(10)
        .stage("first", pass::<u32>, |pool| pool)
        .queue(10)
        .stage("second", async |_| Ok::<(), BoxError>(()), |pool| pool)
        .start()
        .unwrap();
    pipeline.pause_until(Instant::now() + 60 * SECOND);
    assert!(pipeline.stats().stages.iter().all(|stage| stage.pool.paused));
    pipeline.produce(1).await.unwrap();
    let report = pipeline.finish().await;
    assert_eq!((report.delivered, report.elapsed.as_secs()), (1, 60));
}

#[tokio::test(start_paused = true)]
async fn cancels_by_key_in_whatever_stage_it_is() {
    let stuck = async |item: (&'static str, u32)| {
        if item.1 == 1 { pending().await } else { Ok::<_, BoxError>(item) }
    };
    let (pipeline, mut results) = Pipeline::builder()
        .queue(10)
        .stage("first", pass, |pool| pool.workers(2).key(|&(name, _)| name))
        .queue(10)
        .stage("second", stuck, |pool| pool.workers(2).key(|&(name, _)| name))
        .queue(10)
        .stage("third", pass, |pool| pool)
        .results(10, WhenFull::Wait)
        .start()
        .unwrap();
    for item in [("ada", 1), ("grace", 1), ("ada", 2)] {
        pipeline.produce(item).await.unwrap();
        settle().await;
    }
    assert_eq!((pipeline.cancel("nobody"), pipeline.cancel("ada"), pipeline.cancel("grace")), (0, 1, 1));
    let report = pipeline.finish_when_idle().await;
    assert!(report.adds_up(), "{report:?}");
    assert_eq!(report.stage("second").unwrap().pool.cancelled, 2);
    // The third waited in the queue before the stage, and had not come to it.
    assert_eq!(all(&mut results), [("ada", 2)]);
}

/// It stays where it is until its result is handed on.
#[tokio::test(start_paused = true)]
async fn an_item_that_is_borrowed_survives_its_failure_and_the_deadline() {
    let left = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&left);
    let (pipeline, mut results) = Pipeline::builder()
        .queue(10)
        .on_undelivered(move |item: Vec<u32>| keep.lock().unwrap().push(item))
        .stage_mut(
            "first",
            |item: &mut Vec<u32>| {
                Box::pin(async move {
                    item.push(0);
                    match (item[0], item.len()) {
                        (1, 2) => Err("it failed"),
                        (2, 2) => panic!("it panicked"),
                        (3, _) => pending().await,
                        _ => Ok(item.len()),
                    }
                })
            },
            |pool| pool.workers(1).on_failure(OnFailure::Retry(Retry::default())),
        )
        .results(10, WhenFull::Wait)
        .start()
        .unwrap();
    for item in 0..4 {
        pipeline.produce(vec![item]).await.unwrap();
    }
    let report = pipeline.shutdown(SECOND).await;
    assert!(report.adds_up(), "{report:?}");
    assert_eq!((report.delivered, report.failed, report.undelivered), (3, 0, 1));
    assert_eq!(all(&mut results), [2, 3, 3]);
    assert_eq!(*left.lock().unwrap(), [vec![3, 0]]);
}

#[tokio::test]
async fn a_stage_makes_work_for_itself() {
    let (pipeline, mut results) = Pipeline::builder()
        .queue(1000)
        .stage("first", pass::<u32>, |pool| pool)
        .queue(1000)
        .stage_in(
            "halve",
            async |cx: WorkContext<u32>, number: u32| {
                for half in [number / 2, number - number / 2] {
                    if number > 1 {
                        cx.resubmit(half).map_err(|error| error.to_string())?;
                    }
                }
                Ok::<_, BoxError>(number)
            },
            |pool| pool.workers(3),
        )
        .results(1000, WhenFull::Wait)
        .start()
        .unwrap();
    pipeline.produce(40).await.unwrap();
    let report = pipeline.finish_when_idle().await;
    assert!(report.failed == 0 && report.stages.iter().all(|stage| stage.pool.adds_up()));
    assert_eq!((report.delivered, all(&mut results).len()), (79, 79));
}

/// What a stage does with an item.
#[derive(Debug, Clone, Copy)]
enum Act {
    Pass,
    Fail,
    Panic,
    Never,
    Sleep(u16),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        10 => Just(Act::Pass),
        2 => Just(Act::Fail),
        1 => Just(Act::Panic),
        1 => Just(Act::Never),
        4 => (0..200_u16).prop_map(Act::Sleep),
    ]
}

#[derive(Debug, Clone)]
struct Plan {
    queues: [usize; 3],
    workers: [usize; 3],
    keep_copies: bool,
    timeout: Option<u64>,
    split: usize,
    results: (usize, WhenFull),
    /// How many results are read, and then no more.
    reads: usize,
    items: Vec<[Act; 3]>,
    shutdown_at: u64,
    deadline: u64,
}

prop_compose! {
    fn plan()(
        queues in prop::array::uniform3(0..4_usize),
        workers in prop::array::uniform3(1..4_usize),
        keep_copies: bool,
        timeout in prop::option::of(1..150_u64),
        split in 0..3_usize,
        results in (0..5_usize, prop_oneof![
            Just(WhenFull::Wait),
            Just(WhenFull::Refuse),
            Just(WhenFull::DropOldest),
            Just(WhenFull::DropIncoming),
        ]),
        reads in 0..40_usize,
        items in prop::collection::vec(prop::array::uniform3(act()), 0..40),
        shutdown_at in 0..1_000_u64,
        deadline in prop_oneof![Just(0), 0..1_000_u64],
    ) -> Plan {
        Plan { queues, workers, keep_copies, timeout, split, results, reads, items, shutdown_at, deadline }
    }
}

type Item = [Act; 3];

async fn perform(stage: usize, item: Item) -> Result<Item, BoxError> {
    match item[stage] {
        Act::Pass => {}
        Act::Fail => return Err("it failed".into()),
        Act::Panic => panic!("it panicked"),
        Act::Never => pending().await,
        Act::Sleep(millis) => sleep(Duration::from_millis(millis.into())).await,
    }
    Ok(item)
}

async fn conserves(plan: Plan) {
    let lost = Arc::new(AtomicUsize::new(0));
    let count = || {
        let lost = Arc::clone(&lost);
        move |_: Item| {
            lost.fetch_add(1, Ordering::Relaxed);
        }
    };
    let Plan { keep_copies, timeout, split, workers, .. } = plan;
    let (pipeline, mut results) = Pipeline::builder()
        .queue(plan.queues[0])
        .on_undelivered(count())
        .stage(
            "first",
            |item| perform(0, item),
            move |pool| {
                let pool = pool.workers(workers[0]).max_attempts(2);
                let pool = if keep_copies { pool.keep_copies() } else { pool };
                if let Some(millis) = timeout { pool.timeout(Duration::from_millis(millis)) } else { pool }
            },
        )
        .queue(plan.queues[1])
        .on_undelivered(count())
        .stage_many(
            "second",
            move |item| async move { perform(1, item).await.map(|item| vec![item; split]) },
            move |pool| pool.workers(workers[1]),
        )
        .queue(plan.queues[2])
        .on_undelivered(count())
        .stage("third", |item| perform(2, item), move |pool| pool.workers(workers[2]))
        .results(plan.results.0, plan.results.1)
        .start()
        .unwrap();

    let producer = pipeline.producer();
    let items = plan.items.clone();
    let producing = tokio::spawn(async move {
        let mut accepted = 0;
        for item in items {
            if producer.send(item).await.is_err() {
                break;
            }
            accepted += 1;
        }
        accepted
    });
    let reads = plan.reads;
    let reading = tokio::spawn(async move {
        let mut read = 0;
        while read < reads && results.recv().await.is_some() {
            read += 1;
        }
        (read, results)
    });
    for _ in 0..10 {
        sleep(Duration::from_millis(plan.shutdown_at / 10)).await;
        let stats = pipeline.stats();
        assert!(stats.stages.iter().all(|stage| stage.pool.adds_up()), "{stats:?}");
        let Plan { queues, .. } = &plan;
        for (stage, (capacity, workers)) in stats.stages.iter().zip(queues.iter().zip(workers)) {
            assert!(stage.queue.unwrap().held <= capacity + workers, "{stats:?}");
        }
    }
    let start = Instant::now();
    let report = pipeline.shutdown(Duration::from_millis(plan.deadline)).await;
    assert!(start.elapsed() <= Duration::from_millis(plan.deadline + 1));
    assert!(report.adds_up(), "{report:?}");

    let accepted: u64 = producing.await.unwrap();
    assert_eq!(report.accepted, accepted);
    assert_eq!(report.undelivered, lost.load(Ordering::Relaxed) as u64);
    let (read, mut results) = reading.await.unwrap();
    let left = all(&mut results).len();
    assert_eq!(report.delivered, read as u64 + left as u64 + report.dropped, "{report:?}");
    // Over all: what came in and what was made of it is where the report says. Each stage makes what it hands on of what
    // it completes: also at a rendezvous, where an item may be cut short in the moment in which its result is taken.
    let sum = |of: fn(&StageReport) -> u64| report.stages.iter().map(of).sum::<u64>();
    assert_eq!(
        report.accepted + sum(|stage| stage.emitted),
        report.delivered
            + report.failed
            + report.dead_lettered
            + report.undelivered
            + sum(|stage| stage.pool.completed),
        "{report:?}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Random stages with failures, panics and handlers that never end, shut down at a random time.
    #[test]
    fn every_item_is_accounted_for_across_stages(plan in plan()) {
        std::panic::set_hook(Box::new(|info| {
            // Handlers panic on purpose, by the hundred.
            if info.payload().downcast_ref::<&str>() != Some(&"it panicked") {
                eprintln!("{info}");
            }
        }));
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap()
            .block_on(conserves(plan));
    }
}

/// A stage measures its time by itself, so the pool's own context does not know of it.
#[tokio::test(start_paused = true)]
async fn the_context_of_a_stage_knows_its_time() {
    let contexts = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&contexts);
    let began = Instant::now();
    let pipeline = Pipeline::builder()
        .queue(10)
        .stage_in(
            "late",
            move |cx: WorkContext<u32>, _| {
                kept.lock().unwrap().push(cx);
                pending::<Result<(), BoxError>>()
            },
            |pool| pool.workers(1).timeout(3 * SECOND),
        )
        .start()
        .unwrap();
    pipeline.produce(1).await.unwrap();
    sleep(SECOND).await;
    let cx = contexts.lock().unwrap().pop().expect("it has begun");
    assert_eq!(cx.deadline().map(|at| at - began), Some(3 * SECOND));
    let report = pipeline.finish().await;
    assert_eq!((report.failed, report.stages[0].pool.timed_out), (1, 1));
}

/// Of any stage, also of one that is not closed yet, since the one before waits for room in its queue.
#[tokio::test(start_paused = true)]
async fn a_pause_from_inside_does_not_hold_up_a_shutdown() {
    let pipeline = Pipeline::builder()
        .queue(10)
        .stage(
            "slow",
            async |item: u32| {
                sleep(SECOND).await;
                Ok::<_, BoxError>(item)
            },
            |pool| pool.workers(1),
        )
        .queue(1)
        .stage_in(
            "pauses",
            async |cx: WorkContext<u32>, _| {
                cx.pool().pause_until(Instant::now() + 60 * SECOND);
                Ok::<_, BoxError>(())
            },
            |pool| pool.workers(1),
        )
        .start()
        .unwrap();
    for item in 0..5 {
        pipeline.produce(item).await.unwrap();
    }
    let report = pipeline.shutdown(10 * SECOND).await;
    assert!(matches!(report.ended_by, EndedBy::Shutdown), "{report}");
    assert_eq!((report.delivered, report.elapsed.as_secs()), (5, 5));
}

/// An item that panics when it is dropped, as long as it is armed.
#[derive(Debug)]
struct Bomb {
    armed: bool,
}

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(!std::mem::take(&mut self.armed), "dropped");
    }
}

/// It is not the fault of the one whose result displaced it.
#[tokio::test]
async fn a_displaced_result_that_panics_when_it_is_dropped_costs_nothing() {
    for when_full in [WhenFull::DropOldest, WhenFull::DropIncoming] {
        let (pipeline, mut results) = Pipeline::builder()
            .queue(10)
            .stage("arm", async |armed| Ok::<_, BoxError>(Bomb { armed }), |pool| pool.workers(1))
            .results(1, when_full)
            .start()
            .unwrap();
        let oldest = when_full == WhenFull::DropOldest;
        for armed in [oldest, !oldest] {
            pipeline.produce(armed).await.unwrap();
        }
        let report = pipeline.finish().await;
        assert_eq!((report.delivered, report.dropped, report.failed), (2, 1, 0), "{report}");
        assert!(report.adds_up(), "{report:?}");
        assert!(!results.recv().await.unwrap().armed);
    }
}

/// Does something once, as soon as a span is left after that was asked for.
#[derive(Default)]
struct AtExit(Mutex<Option<Box<dyn FnOnce() + Send>>>);

impl tracing::Subscriber for AtExit {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, _: &tracing::Event<'_>) {}

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {
        let todo = self.0.lock().unwrap().take();
        todo.into_iter().for_each(|todo| todo());
    }
}

/// The rendezvous takes its result in the moment in which it is cut short.
#[tokio::test(start_paused = true)]
async fn a_result_that_is_taken_as_its_items_deadline_passes_is_accounted_for() {
    let at_exit = Arc::new(AtExit::default());
    let _default = tracing::subscriber::set_default(Arc::clone(&at_exit));
    let at = Instant::now() + SECOND;
    let (pipeline, mut results) = Pipeline::builder()
        .queue(10)
        .stage("pass", pass::<u32>, move |pool| {
            pool.workers(1).deadline(move |_| Some(at)).span(|_| tracing::info_span!("attempt"))
        })
        .results(0, WhenFull::Wait)
        .start()
        .unwrap();
    pipeline.produce(1).await.unwrap();
    sleep(Duration::from_millis(990)).await;
    let got = Arc::new(Mutex::new(None));
    let kept = Arc::clone(&got);
    *at_exit.0.lock().unwrap() = Some(Box::new(move || *kept.lock().unwrap() = results.try_recv().ok()));
    let report = pipeline.finish().await;
    assert_eq!(*got.lock().unwrap(), Some(1));
    assert_eq!((report.delivered, report.failed), (1, 1), "{report}");
    assert!(report.adds_up(), "{report:?}");
}

/// What leads into a source is named by the options of the first stage.
#[tokio::test(start_paused = true)]
async fn a_first_stage_makes_work_for_itself_by_way_of_its_source() {
    let (tx, rx) = bounded(10);
    let way = tx.clone();
    let (pipeline, mut results) = Pipeline::builder()
        .source(rx)
        .stage_in(
            "count down",
            async |cx: WorkContext<u32>, n: u32| match n {
                0 => Ok::<_, BoxError>(0),
                _ => cx.resubmit(n - 1).map(|()| n).map_err(|error| error.to_string().into()),
            },
            move |pool| pool.workers(1).resubmit_to(&way),
        )
        .results(10, WhenFull::Wait)
        .start()
        .unwrap();
    tx.send(3).await.unwrap();
    drop(tx);
    let report = timeout(SECOND, pipeline.finish_when_idle()).await.expect("nobody else may send");
    assert_eq!((report.delivered, all(&mut results)), (4, vec![3, 2, 1, 0]));
}
