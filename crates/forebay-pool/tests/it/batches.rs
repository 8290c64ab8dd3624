use std::future::pending;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use forebay_pool::{Backoff, OnFailure, Pool, PoolHandle, Rate, Retry, StartError};
use forebay_queue::{Delivery, End, Sender, Source, SourceError, bounded, builder};
use forebay_testkit::RecordingSource;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, timeout};
use tracing::Level;

use crate::events::Events;
use crate::settle_down;

const SECOND: Duration = Duration::from_secs(1);

type Seen = Arc<Mutex<Vec<Vec<u32>>>>;

fn numbers(batch: &[Delivery<u32>]) -> Vec<u32> {
    batch.iter().map(|delivery| *delivery.item().expect("it has its item")).collect()
}

fn ack_all(batch: Vec<Delivery<u32>>) {
    batch.into_iter().for_each(Delivery::ack);
}

/// A handler that keeps what it sees and acks it.
fn keeps(seen: &Seen) -> impl Fn(Vec<Delivery<u32>>) -> std::future::Ready<()> + Send + Sync + 'static {
    let seen = Arc::clone(seen);
    move |batch| {
        seen.lock().unwrap().push(numbers(&batch));
        ack_all(batch);
        std::future::ready(())
    }
}

async fn send_all(tx: &Sender<u32>, items: Range<u32>) {
    for item in items {
        tx.send(item).await.expect("the pool is there");
    }
}

#[tokio::test(start_paused = true)]
async fn are_complete_by_their_size_or_when_the_first_item_waited_long_enough() {
    let (source, script) = RecordingSource::builder().items(0..7).never_ending().build();
    let seen = Seen::default();
    let pool = Pool::builder()
        .workers(2)
        .batch(3, SECOND)
        .source(source)
        .handler_batch(keeps(&seen))
        .start()
        .unwrap();
    sleep(SECOND / 2).await;
    assert_eq!(*seen.lock().unwrap(), [vec![0, 1, 2], vec![3, 4, 5]]);
    let stats = pool.stats();
    assert_eq!((stats.held, stats.set_aside, stats.busy, stats.idle), (1, 1, 0, 2));
    assert!(stats.adds_up());
    script.push(7);
    sleep(SECOND).await;
    assert_eq!(seen.lock().unwrap()[2..], [vec![6, 7]]);
    script.end();
    let report = pool.finish().await;
    assert_eq!((report.taken, report.completed), (8, 8));
}

/// Only one is formed at a time: items are not spread over the workers.
#[tokio::test]
async fn without_a_wait_are_what_is_there() {
    let (tx, rx) = bounded(100);
    for item in 0..25 {
        tx.send(item).await.unwrap();
    }
    let seen = Seen::default();
    let pool = Pool::builder()
        .workers(4)
        .batch(10, Duration::ZERO)
        .source(rx)
        .handler_batch(keeps(&seen))
        .start()
        .unwrap();
    drop(tx);
    assert_eq!(pool.finish().await.completed, 25);
    let sizes: Vec<_> = seen.lock().unwrap().iter().map(Vec::len).collect();
    assert_eq!(sizes, [10, 10, 5]);
}

#[tokio::test(start_paused = true)]
async fn that_are_incomplete_are_not_waited_for_while_draining() {
    let seen = Seen::default();
    let pool = Pool::builder()
        .workers(1)
        .batch(4, 60 * SECOND)
        .queue(10)
        .handler_batch(keeps(&seen))
        .start()
        .unwrap();
    for item in 1..=2 {
        pool.produce(item).await.unwrap();
    }
    sleep(SECOND).await;
    assert_eq!(pool.stats().set_aside, 2);
    let report = pool.shutdown(3600 * SECOND).await;
    assert_eq!((report.completed, report.elapsed.as_secs()), (2, 1));
    assert_eq!(*seen.lock().unwrap(), [vec![1, 2]]);
}

/// The senders are gone, which the pool cannot know before the last batch is done.
#[tokio::test(start_paused = true)]
async fn that_are_incomplete_at_the_end_wait_their_time() {
    let (source, _script) = RecordingSource::new(0..5);
    let seen = Seen::default();
    let pool = Pool::builder()
        .workers(1)
        .batch(4, SECOND)
        .source(source)
        .handler_batch(keeps(&seen))
        .start()
        .unwrap();
    let report = pool.finish().await;
    assert_eq!((report.completed, report.elapsed.as_secs()), (5, 1));
}

#[tokio::test(start_paused = true)]
async fn that_are_being_formed_go_back_at_the_deadline() {
    let (source, script) = RecordingSource::new(0..5);
    let pool = Pool::builder()
        .workers(2)
        .batch(3, 60 * SECOND)
        .source(source)
        .handler_batch(|batch: Vec<Delivery<u32>>| async move {
            let _batch = batch;
            pending::<()>().await;
        })
        .start()
        .unwrap();
    sleep(SECOND).await;
    assert_eq!((pool.stats().busy, pool.stats().held, pool.stats().set_aside), (1, 5, 2));
    pool.pause();
    let report = pool.shutdown(Duration::ZERO).await;
    assert_eq!((report.taken, report.returned, report.held), (5, 5, 0));
    assert!(report.adds_up());
    assert_eq!((script.remaining(), script.outstanding()), (5, 0));
}

/// Nothing closes the pool before, which would hand the batch to a worker.
#[tokio::test(start_paused = true)]
async fn that_are_being_formed_go_back_when_the_source_breaks() {
    let (source, script) = RecordingSource::builder().items(0..2).never_ending().build();
    let pool = Pool::builder()
        .workers(1)
        .batch(3, 60 * SECOND)
        .source(source)
        .handler_batch(async |batch| ack_all(batch))
        .start()
        .unwrap();
    sleep(SECOND).await;
    assert_eq!((pool.stats().held, pool.stats().set_aside), (2, 2));
    script.fail(SourceError::Broken("the disk is gone".into()));
    let report = timeout(SECOND, pool.finish()).await.expect("nothing is held for ever");
    assert_eq!((report.taken, report.returned, report.held), (2, 2, 0), "{report}");
    assert_eq!(script.outstanding(), 0);
}

#[tokio::test]
async fn each_delivery_is_settled_by_itself() {
    let (source, script) = RecordingSource::new(0..4);
    let pool = Pool::builder()
        .workers(1)
        .batch(4, Duration::ZERO)
        .max_attempts(1)
        .source(source)
        .handler_batch(|batch: Vec<Delivery<u32>>| async move {
            for delivery in batch {
                match delivery.item() {
                    Some(0 | 3) => delivery.ack(),
                    Some(1) => delivery.dead_letter("no use"),
                    _ => drop(delivery),
                }
            }
        })
        .start()
        .unwrap();
    let report = pool.finish().await;
    assert_eq!((report.completed, report.dead_lettered), (2, 2));
    let dead = |reason: &str| End::DeadLetter { reason: reason.to_owned() };
    let ends = script.record().ends();
    assert_eq!(ends, [End::Ack, dead("no use"), End::Ack, dead("attempt 1 of 1: handed back")]);
}

/// What was acked stays acked; the rest comes back.
#[tokio::test(start_paused = true)]
async fn that_fail_return_what_was_not_acked() {
    for how in ["error", "panic", "timeout", "abort"] {
        let (source, script) = RecordingSource::builder().items(0..4).never_ending().build();
        let pool = Pool::builder()
            .workers(1)
            .batch(4, Duration::ZERO)
            .return_backoff(Backoff::new(Duration::ZERO, Duration::ZERO))
            .timeout(if how == "timeout" { SECOND } else { 3600 * SECOND })
            .source(source)
            .handler_batch(move |mut batch: Vec<Delivery<u32>>| async move {
                if batch[0].attempt() > 1 {
                    ack_all(batch);
                    return Ok(());
                }
                batch.remove(1).ack();
                match how {
                    "error" => Err("it failed"),
                    "panic" => {
                        assert!(batch.is_empty(), "it panicked");
                        Ok(())
                    }
                    _ => pending().await,
                }
            })
            .start()
            .unwrap();
        sleep(2 * SECOND).await;
        script.end();
        let report = pool.shutdown(Duration::from_millis(1)).await;
        assert!(report.adds_up());
        assert_eq!(report.held, 0);
        if how == "abort" {
            assert_eq!((report.completed, report.returned, report.aborted), (1, 3, 3));
        } else {
            assert_eq!((report.completed, report.returned), (4, 3), "{how}");
        }
    }
}

/// However many items it had.
#[tokio::test]
async fn that_fail_are_told_once() {
    let events = Events::keep();
    let (source, _script) = RecordingSource::new(0..4);
    let pool = Pool::builder()
        .workers(1)
        .batch(4, Duration::ZERO)
        .max_attempts(1)
        .source(source)
        .handler_batch(|_: Vec<Delivery<u32>>| async { Err("it failed") })
        .start()
        .unwrap();
    assert_eq!(pool.finish().await.dead_lettered, 4);
    assert_eq!(
        events.at(Level::WARN),
        ["handler failed worker=0 attempt=1 error=it failed item=dead-lettered"]
    );
}

#[tokio::test(start_paused = true)]
async fn that_fail_are_tried_again_without_what_was_acked() {
    let (source, script) = RecordingSource::new(0..4);
    let seen = Seen::default();
    let kept = Arc::clone(&seen);
    let pool = Pool::builder()
        .workers(1)
        .batch(4, Duration::ZERO)
        .on_failure(OnFailure::Retry(Retry::default()))
        .source(source)
        .handler_batch(move |mut batch: Vec<Delivery<u32>>| {
            let mut tried = numbers(&batch);
            tried.sort_unstable();
            kept.lock().unwrap().push(tried);
            async move {
                batch.pop().expect("a batch has items").ack();
                if batch.is_empty() { Ok(()) } else { Err("one at a time") }
            }
        })
        .start()
        .unwrap();
    let report = pool.finish().await;
    assert_eq!((report.completed, report.retried, report.taken), (4, 6, 4));
    let sizes: Vec<_> = seen.lock().unwrap().iter().map(Vec::len).collect();
    assert_eq!(sizes, [4, 3, 2, 1]);
    assert_eq!(script.record().settlements.len(), 4);
}

/// A batch holds at most one item of a key, and its keys until it is done.
#[tokio::test(start_paused = true)]
async fn keep_the_bounds_of_keys() {
    let (source, _script) = RecordingSource::new([10, 11, 12, 20, 21, 30]);
    let seen = Seen::default();
    let kept = Arc::clone(&seen);
    let pool = Pool::builder()
        .workers(2)
        .batch(3, Duration::ZERO)
        .per_key(1)
        .source(source)
        .handler_batch(move |batch: Vec<Delivery<u32>>| {
            kept.lock().unwrap().push(numbers(&batch));
            async move {
                sleep(SECOND).await;
                ack_all(batch);
            }
        })
        .key(|number| number / 10)
        .start()
        .unwrap();
    let report = pool.finish().await;
    assert_eq!((report.completed, report.elapsed.as_secs()), (6, 3));
    assert_eq!(*seen.lock().unwrap(), [vec![10, 20, 30], vec![11, 21], vec![12]]);
}

#[tokio::test(start_paused = true)]
async fn that_are_being_formed_can_be_cancelled_by_key() {
    let (source, _script) = RecordingSource::builder().items([10, 20, 11]).never_ending().build();
    let seen = Seen::default();
    let pool = Pool::builder()
        .workers(1)
        .batch(9, SECOND)
        .source(source)
        .handler_batch(keeps(&seen))
        .key(|number| number / 10)
        .start()
        .unwrap();
    sleep(SECOND / 2).await;
    assert_eq!(pool.cancel(&1_u32), 2);
    let report = pool.shutdown(SECOND).await;
    assert_eq!((report.completed, report.dead_lettered, report.cancelled), (1, 2, 2));
    assert_eq!(*seen.lock().unwrap(), [vec![20]]);
}

/// What was not started is no start.
#[tokio::test(start_paused = true)]
async fn what_is_cancelled_before_its_batch_is_complete_uses_up_no_rate() {
    let pool = Pool::builder()
        .workers(1)
        .batch(10, 600 * SECOND)
        .rate_per_key(Rate::new(2, 60 * SECOND))
        .burst_per_key(2)
        .queue(10)
        .handler_batch(async |batch: Vec<Delivery<u32>>| ack_all(batch))
        .key(|n| n % 10)
        .start()
        .unwrap();
    let produce = async |items: [u32; 3]| {
        for item in items {
            pool.produce(item).await.unwrap();
        }
        settle_down().await;
    };
    produce([1, 11, 2]).await;
    assert_eq!((pool.stats().set_aside, pool.cancel(&1_u32)), (3, 2));
    produce([21, 31, 41]).await;
    let handle = pool.handle();
    let report = tokio::spawn(pool.finish());
    settle_down().await;
    assert_eq!(handle.stats().unwrap().completed, 3, "one of them comes too early");
    let report = report.await.unwrap();
    assert_eq!((report.completed, report.cancelled, report.elapsed.as_secs()), (4, 2, 30));
}

#[tokio::test]
async fn are_for_handlers_that_take_them() {
    let error = Pool::builder().batch(9, SECOND).queue(1).handler(|_: u32| async {}).start().unwrap_err();
    assert_eq!(error, StartError::NoBatches);
    let error = Pool::builder()
        .queue(1)
        .handler_batch(|_: Vec<Delivery<u32>>| async {})
        .deadline(|_| Some(Instant::now()))
        .start()
        .unwrap_err();
    assert_eq!(error, StartError::NoDeadlines);
}

/// Whoever forms it and goes away leaves it to the next one.
#[tokio::test(start_paused = true)]
async fn that_are_being_formed_survive_a_resize() {
    let (source, script) = RecordingSource::builder().items(0..2).never_ending().build();
    let seen = Seen::default();
    let pool = Pool::builder()
        .workers(3)
        .batch(4, 60 * SECOND)
        .source(source)
        .handler_batch(keeps(&seen))
        .start()
        .unwrap();
    sleep(SECOND).await;
    pool.resize(1);
    sleep(SECOND).await;
    script.push(2);
    script.push(3);
    sleep(SECOND).await;
    assert_eq!(*seen.lock().unwrap(), [vec![0, 1, 2, 3]]);
    script.end();
    assert_eq!(pool.finish().await.completed, 4);
}

/// Who forms a batch by itself is served when nothing more is there, and then somebody else must be with the source.
#[tokio::test(start_paused = true)]
async fn the_next_worker_is_called_for_the_next_one() {
    let (source, script) = RecordingSource::builder().never_ending().build();
    let pool = Pool::builder()
        .workers(3)
        .batch(4, Duration::ZERO)
        .source(source)
        .handler_batch(|batch: Vec<Delivery<u32>>| async move {
            let _batch = batch;
            pending::<()>().await;
        })
        .start()
        .unwrap();
    for item in 0..3 {
        sleep(SECOND).await;
        script.push(item);
    }
    sleep(SECOND).await;
    assert_eq!((pool.stats().busy, pool.stats().held), (3, 3));
    assert_eq!(pool.shutdown(Duration::ZERO).await.returned, 3);
}

/// Its first item has no attempt left, the others do.
#[tokio::test(start_paused = true)]
async fn are_tried_again_item_by_item_as_far_as_their_attempts_go() {
    let (source, script) = RecordingSource::new(0..2);
    // The first comes for the last time, as it would from a source that counts.
    let source = Aged { source, attempt: 5 };
    let pool = Pool::builder()
        .workers(1)
        .batch(2, SECOND)
        .on_failure(OnFailure::Retry(Retry::default()))
        .source(source)
        .handler_batch(async |batch: Vec<Delivery<u32>>| {
            if batch[0].attempt() != 2 {
                return Err("not yet");
            }
            ack_all(batch);
            Ok(())
        })
        .start()
        .unwrap();
    let report = pool.finish().await;
    assert_eq!(
        (report.dead_lettered, report.retried, report.completed, report.returned),
        (1, 1, 1, 0),
        "{report}"
    );
    let End::DeadLetter { reason } = &script.record().ends()[0] else { panic!("the first is set aside") };
    assert!(reason.starts_with("attempt 5 of 5"), "{reason}");
}

/// Says of the first item of another source that it was tried before.
struct Aged {
    source: RecordingSource<u32>,
    attempt: u32,
}

impl Source for Aged {
    type Item = u32;

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        max: NonZeroUsize,
        out: &mut Vec<Delivery<u32>>,
    ) -> Poll<Result<usize, SourceError>> {
        let polled = self.source.poll_next(cx, max, out);
        for delivery in std::mem::take(out) {
            out.push(delivery.with_attempt(std::mem::replace(&mut self.attempt, 1)));
        }
        polled
    }

    fn poll_settled(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SourceError>> {
        self.source.poll_settled(cx)
    }

    fn close(&mut self) {
        self.source.close();
    }

    fn redelivers(&self) -> bool {
        self.source.redelivers()
    }
}

/// What is in hand holds up the end of the queue, so the batch must not wait for that.
#[tokio::test(start_paused = true)]
async fn that_wait_for_ever_are_handed_over_when_all_senders_are_gone() {
    let seen = Seen::default();
    let pool = Pool::builder()
        .workers(2)
        .batch(3, Duration::MAX)
        .queue(10)
        .handler_batch(keeps(&seen))
        .start()
        .unwrap();
    for item in 0..5 {
        pool.produce(item).await.unwrap();
    }
    sleep(SECOND).await;
    assert_eq!(pool.stats().set_aside, 2);
    let report = timeout(SECOND, pool.finish()).await.unwrap();
    assert_eq!(report.completed, 5);
    assert_eq!(*seen.lock().unwrap(), [vec![0, 1, 2], vec![3, 4]]);

    let (tx, rx) = bounded(10);
    let pool = Pool::builder()
        .workers(1)
        .batch(3, Duration::MAX)
        .source(rx)
        .handler_batch(ack_all_later)
        .start()
        .unwrap();
    tx.send(1).await.unwrap();
    sleep(SECOND).await;
    let other = tx.clone();
    drop(tx);
    sleep(SECOND).await;
    assert_eq!(pool.stats().set_aside, 1);
    drop(other);
    timeout(SECOND, pool.closed()).await.unwrap();
    assert_eq!(pool.finish().await.completed, 1);
}

async fn ack_all_later(batch: Vec<Delivery<u32>>) {
    tokio::task::yield_now().await;
    ack_all(batch);
}

/// What leads to more is itself in a batch that may never be full.
#[tokio::test(start_paused = true)]
async fn that_wait_for_ever_are_handed_over_when_the_pool_is_to_finish_when_idle() {
    let seen = Seen::default();
    let pool = Pool::builder()
        .workers(1)
        .batch(3, Duration::MAX)
        .queue(10)
        .handler_batch(keeps(&seen))
        .start()
        .unwrap();
    let producer = pool.producer();
    pool.produce(0).await.unwrap();
    let finish = tokio::spawn(pool.finish_when_idle());
    sleep(SECOND).await;
    assert!(seen.lock().unwrap().is_empty(), "another sender may still fill it");
    producer.send(1).await.unwrap();
    drop(producer);
    let report = timeout(SECOND, finish).await.unwrap().unwrap();
    assert_eq!((report.completed, &*seen.lock().unwrap()), (2, &vec![vec![0, 1]]));
}

/// Each that fails is told by itself, and meanwhile the one that the handler moved elsewhere is dropped. It was not part of
/// the run any more, and must go back at once: nobody comes by for it later.
#[tokio::test(start_paused = true)]
async fn what_was_moved_out_of_one_comes_back_while_the_rest_is_seen_to() {
    let moved = Arc::new(Mutex::new(None));
    let (kept, dropped) = (Arc::clone(&moved), Arc::clone(&moved));
    let pool = Pool::builder()
        .workers(1)
        .batch(3, SECOND)
        .on_failure(OnFailure::DeadLetter)
        .queue(10)
        .on_dead_letter(move |_: u32, _| {
            let delivery: Option<Delivery<u32>> = dropped.lock().unwrap().take();
            drop(delivery);
        })
        .handler_batch(move |mut batch: Vec<Delivery<u32>>| {
            let kept = Arc::clone(&kept);
            async move {
                if batch[0].attempt() > 1 {
                    ack_all(batch);
                    return Ok(());
                }
                *kept.lock().unwrap() = Some(batch.remove(0));
                Err("the others failed")
            }
        })
        .start()
        .unwrap();
    for item in 0..3 {
        pool.produce(item).await.unwrap();
    }
    let report = timeout(60 * SECOND, pool.finish()).await.expect("nothing is held for ever");
    assert_eq!((report.dead_lettered, report.returned, report.completed), (2, 1, 1), "{report}");
    assert!(report.adds_up());
}

/// The key is that of an item whose batch is over, and which is about to be told to its source.
#[tokio::test(start_paused = true)]
async fn a_cancel_while_one_is_seen_to_does_not_reach_the_next_one() {
    let handle = Arc::new(OnceLock::new());
    let in_hook: Arc<OnceLock<PoolHandle<u32>>> = Arc::clone(&handle);
    let seen = Seen::default();
    let kept = Arc::clone(&seen);
    let pool = Pool::builder()
        .workers(1)
        .batch(2, SECOND)
        .per_key(1)
        .on_failure(OnFailure::DeadLetter)
        .queue(10)
        .on_dead_letter(move |item: u32, _| {
            if item == 0 {
                assert_eq!(in_hook.get().unwrap().cancel(&1), 0);
            }
        })
        .handler_batch(move |batch: Vec<Delivery<u32>>| {
            kept.lock().unwrap().push(numbers(&batch));
            async move {
                if batch[0].item() == Some(&0) {
                    return Err("the first one fails");
                }
                ack_all(batch);
                Ok(())
            }
        })
        .key(|item| *item)
        .start()
        .unwrap();
    assert!(handle.set(pool.handle()).is_ok());
    for item in 0..4 {
        pool.produce(item).await.unwrap();
    }
    let report = timeout(60 * SECOND, pool.finish()).await.expect("no batch is left lying");
    assert_eq!((report.dead_lettered, report.completed, report.cancelled), (2, 2, 0), "{report}");
    assert_eq!(*seen.lock().unwrap(), [vec![0, 1], vec![2, 3]]);
}

/// A limit that no item keeps makes each a batch by itself, as one of 1 does.
#[tokio::test(start_paused = true)]
async fn without_any_weight_are_single_items() {
    let (source, _script) = RecordingSource::new(0..3);
    let seen = Seen::default();
    let pool = Pool::builder()
        .workers(1)
        .batch(9, SECOND)
        .batch_weight(0)
        .source(source)
        .handler_batch(keeps(&seen))
        .start()
        .unwrap();
    let report = timeout(60 * SECOND, pool.finish()).await.expect("it takes something");
    assert_eq!((report.completed, &*seen.lock().unwrap()), (3, &vec![vec![0], vec![1], vec![2]]));
}

#[tokio::test(start_paused = true)]
async fn without_end_may_be_fetched_before() {
    let seen = Seen::default();
    let pool = Pool::builder()
        .workers(1)
        .batch(usize::MAX, SECOND)
        .prefetch(1)
        .queue(10)
        .handler_batch(keeps(&seen))
        .start()
        .unwrap();
    for item in 0..3 {
        pool.produce(item).await.unwrap();
    }
    let report = timeout(60 * SECOND, pool.finish()).await.unwrap();
    assert_eq!((report.completed, report.restarts), (3, 0));
    assert_eq!(*seen.lock().unwrap(), [vec![0, 1, 2]]);
}

/// How long the batches of a pool were, and when it got them: of so many items whose keys `key` says, one of each key in
/// work at a time. Each batch is worked on for a second.
async fn by_keys(workers: usize, items: u32, key: fn(&u32) -> u32) -> Vec<(usize, u64)> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (tx, rx) = bounded(100);
    let pool = {
        let (seen, began) = (Arc::clone(&seen), Instant::now());
        Pool::builder()
            .workers(workers)
            .per_key(1)
            .batch(10, Duration::from_secs(60))
            .source(rx)
            .handler_batch(move |batch: Vec<Delivery<u32>>| {
                seen.lock().unwrap().push((batch.len(), began.elapsed().as_secs()));
                async move {
                    sleep(Duration::from_secs(1)).await;
                    batch.into_iter().for_each(Delivery::ack);
                }
            })
            .key(key)
            .start()
            .unwrap()
    };
    for item in 0..items {
        tx.send(item).await.unwrap();
    }
    while pool.stats().completed < u64::from(items) {
        sleep(Duration::from_millis(100)).await;
    }
    drop((tx, pool));
    let seen = seen.lock().unwrap();
    seen.clone()
}

/// It would wait its time for items that wait for it. The last one holds back nothing, and waits for what may come.
#[tokio::test(start_paused = true)]
async fn that_alone_hold_back_all_else_do_not_wait_for_it() {
    assert_eq!(by_keys(2, 4, |_| 0).await, [(1, 0), (1, 1), (1, 2), (1, 63)]);
    assert_eq!(by_keys(2, 9, |n| n % 3).await, [(3, 0), (3, 1), (3, 62)]);
    assert_eq!(by_keys(2, 5, |n| n % 3).await, [(3, 0), (2, 61)]);
}

/// The end of another batch frees some that fill this one.
#[tokio::test(start_paused = true)]
async fn that_can_be_filled_by_what_others_hold_back_wait_for_that() {
    // Ten keys, then one of those again, and two of an eleventh.
    let key = |n: &u32| if *n < 11 { *n % 10 } else { 11 };
    assert_eq!(by_keys(2, 13, key).await, [(10, 0), (2, 1), (1, 62)]);
}

#[tokio::test(start_paused = true)]
async fn whose_first_item_waited_for_a_worker_take_what_there_is() {
    let seen = Seen::default();
    let (tx, rx) = builder().capacity(100).weigher(|_: &u32| 3).build();
    send_all(&tx, 0..12).await;
    let slow = {
        let seen = Arc::clone(&seen);
        move |batch: Vec<Delivery<u32>>| {
            seen.lock().unwrap().push(numbers(&batch));
            async move {
                sleep(5 * SECOND).await;
                ack_all(batch);
            }
        }
    };
    let pool = Pool::builder().workers(1).batch(10, SECOND).batch_weight(10).source(rx);
    let pool = pool.handler_batch(slow).start().expect("it starts");
    sleep(60 * SECOND).await;
    // The first of each but the first was put off for its weight five seconds before.
    assert_eq!(*seen.lock().unwrap(), [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11]]);
    drop((tx, pool));
}

#[tokio::test(start_paused = true)]
async fn whose_time_was_over_in_a_pause_take_what_came_in_it() {
    let (seen, (tx, rx)) = (Seen::default(), bounded(100));
    let pool = Pool::builder().workers(1).batch(10, SECOND).source(rx);
    let pool = pool.handler_batch(keeps(&seen)).start().expect("it starts");
    tx.send(0).await.expect("it is open");
    sleep(SECOND / 2).await;
    pool.pause();
    send_all(&tx, 1..10).await;
    sleep(SECOND).await;
    pool.resume();
    sleep(SECOND / 2).await;
    assert_eq!(*seen.lock().unwrap(), [(0..10).collect::<Vec<_>>()]);
}

#[tokio::test]
async fn weighed_item_by_item_are_not_cut_short_by_a_spent_budget() {
    const ITEMS: u32 = 20_000;
    let seen = Seen::default();
    let (tx, rx) = builder().capacity(ITEMS as usize).weigher(|_: &u32| 1).build();
    send_all(&tx, 0..ITEMS).await;
    let pool = Pool::builder().workers(1).batch(100, Duration::ZERO).batch_weight(25).source(rx);
    let pool = pool.handler_batch(keeps(&seen)).start().expect("it starts");
    drop(tx);
    pool.finish().await;
    let seen = seen.lock().unwrap();
    let odd: Vec<_> = seen.iter().map(Vec::len).filter(|len| *len != 25).collect();
    assert!(odd.is_empty() && seen.len() == 800, "{} batches, of these {odd:?}", seen.len());
}

#[tokio::test(start_paused = true)]
async fn of_a_source_that_has_much_let_others_have_their_turn() {
    let (source, _script) = RecordingSource::builder().items(0..100_000).never_ending().build();
    let seen = Seen::default();
    // For its weight it is asked for one item at a time.
    let pool = Pool::builder().workers(1).batch(100_000, SECOND).batch_weight(usize::MAX).source(source);
    let pool = pool.handler_batch(keeps(&seen)).start().expect("it starts");
    // A runtime lets a task that gives way wait for a few dozen turns of others.
    yield_now().await;
    let taken = pool.stats().taken;
    assert!((64..50_000).contains(&taken), "{taken}");
    drop(pool);
}
