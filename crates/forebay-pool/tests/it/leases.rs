use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use forebay_pool::{Backoff, DeadLetter, OnFailure, Pool, Retry, WorkContext};
use forebay_queue::{Delivery, End, ItemSink, Receipt, SinkError};
use forebay_testkit::{RecordingSource, Script};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout};
use tracing::Level;

use crate::events::Events;
use crate::settle_down;

const LEASE: Duration = Duration::from_secs(30);

/// A broker: it has a copy of each item, and gives it away for half a minute.
fn broker(items: impl IntoIterator<Item = u32>) -> (RecordingSource<u32>, Script<u32>) {
    RecordingSource::builder().redelivers().lease(LEASE).items(items).build()
}

fn receipt(number: u64) -> Receipt {
    Receipt::new(number)
}

/// Whose leases were extended so far.
fn extended(script: &Script<u32>) -> Vec<u64> {
    script.record().extensions.iter().map(|extension| extension.receipt.get()).collect()
}

/// Time is paused: whoever waits for what will not come fails here, and does not hang.
async fn soon<F: Future>(future: F) -> F::Output {
    timeout(Duration::from_secs(3600), future).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_extended_until_its_item_is_settled() {
    let (source, script) = broker([1]);
    let began = Instant::now();
    let pool = Pool::builder()
        .workers(1)
        .source(source)
        .handler(|_| async { sleep(Duration::from_secs(95)).await })
        .start()
        .unwrap();
    for times in 1..=9 {
        soon(script.until(|record| record.extensions.len() == times)).await;
        let after = began.elapsed().as_secs_f64();
        assert!((after - 10.0 * times as f64).abs() < 0.1, "extension {times} came after {after} s");
    }
    let report = soon(pool.finish()).await;
    sleep(LEASE * 3).await;
    let record = script.record();
    assert_eq!((report.completed, record.ends()), (1, vec![End::Ack]));
    assert_eq!(record.extensions.len(), 9);
    assert!(
        record.extensions.iter().all(|extension| (extension.lease, extension.receipt) == (LEASE, receipt(0)))
    );
    assert!(record.late.is_empty());
}

#[tokio::test(start_paused = true)]
async fn leases_are_extended_while_draining() {
    let (source, script) = broker([1]);
    let pool = Pool::builder()
        .workers(1)
        .source(source)
        .handler(|_| async { sleep(Duration::from_secs(45)).await })
        .start()
        .unwrap();
    soon(script.until(|record| record.handed_out == 1)).await;
    let report = soon(pool.shutdown(Duration::from_secs(60))).await;
    assert_eq!((report.completed, extended(&script).len()), (1, 4));
}

/// Waits for five extensions more, at most so long, and then releases what somebody waits for.
async fn release_once_extended(script: Script<u32>, release: std::sync::mpsc::Sender<()>, within: Duration) {
    let so_far = script.record().extensions.len();
    let came = timeout(within, script.until(|record| record.extensions.len() >= so_far + 5)).await;
    // Also if they did not come: whoever shuts down waits for it.
    release.send(()).unwrap();
    came.unwrap();
}

/// A computation cannot be cut short, and what it works on is its worker's until it comes to its end.
#[tokio::test(start_paused = true)]
async fn leases_are_extended_while_an_aborted_pool_waits_for_a_thread() {
    let (source, script) = broker([1]);
    let (release, released) = std::sync::mpsc::channel::<()>();
    let released = Mutex::new(released);
    let (begun, mut begins) = mpsc::unbounded_channel();
    let pool = Pool::builder()
        .cpu(1)
        .source(source)
        .handler(move |_| {
            begun.send(()).unwrap();
            let _ = released.lock().unwrap().recv();
            std::future::pending::<()>()
        })
        .start()
        .unwrap();
    begins.recv().await.unwrap();
    let watcher = tokio::spawn(release_once_extended(script.clone(), release, Duration::from_secs(3600)));
    let report = pool.shutdown(Duration::ZERO).await;
    watcher.await.unwrap();
    assert_eq!((report.returned, report.aborted), (1, 1));
}

/// A sink that blocks its thread, until it is released.
struct Blocks {
    begun: mpsc::UnboundedSender<()>,
    released: Mutex<std::sync::mpsc::Receiver<()>>,
}

#[async_trait]
impl ItemSink<DeadLetter<u32>> for Blocks {
    async fn send(&self, _: DeadLetter<u32>) -> Result<(), SinkError<DeadLetter<u32>>> {
        unreachable!("letters are sent together")
    }

    async fn send_many(&self, _: &mut Vec<DeadLetter<u32>>) -> Result<(), SinkError<DeadLetter<u32>>> {
        self.begun.send(()).unwrap();
        let _ = tokio::task::block_in_place(|| self.released.lock().unwrap().recv());
        Err(SinkError::Full(None))
    }
}

/// A poll cannot be cut short either, and the letters are the pool's until it is over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leases_are_extended_while_an_aborted_pool_waits_for_a_sink() {
    let lease = Duration::from_millis(30);
    let (source, script) = RecordingSource::builder().redelivers().lease(lease).items([1]).build();
    let (release, released) = std::sync::mpsc::channel();
    let (begun, mut begins) = mpsc::unbounded_channel();
    let pool = Pool::builder()
        .workers(1)
        .source(source)
        .on_failure(OnFailure::DeadLetter)
        .handler_delivery(|_| async { Err("no luck") })
        .dead_letters_to(Blocks { begun, released: Mutex::new(released) })
        .start()
        .unwrap();
    begins.recv().await.unwrap();
    let watcher = tokio::spawn(release_once_extended(script.clone(), release, Duration::from_secs(10)));
    let report = pool.shutdown(Duration::ZERO).await;
    watcher.await.unwrap();
    assert_eq!((report.returned, report.dead_lettered), (1, 0), "{report:?}");
    assert!(script.record().late.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_no_worker_has_yet_is_extended_too() {
    let (source, script) = broker(0..4);
    let pool = Pool::builder()
        .workers(1)
        .prefetch(2)
        .source(source)
        .handler(|_| async { sleep(Duration::from_secs(15)).await })
        .start()
        .unwrap();
    soon(script.until(|record| record.extensions.len() == 3)).await;
    assert_eq!(extended(&script), [0, 1, 2]);

    // Nothing is started in a pause, and what is held stays the pool's.
    pool.pause();
    sleep(Duration::from_secs(55)).await;
    let stats = pool.stats();
    assert_eq!((stats.busy, stats.set_aside), (0, 2));
    let since = extended(&script);
    assert_eq!(since.iter().filter(|&&of| of == 2).count(), 6);
    pool.resume();
    assert_eq!(soon(pool.finish()).await.completed, 4);
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_its_batch_is_extended() {
    let (source, script) =
        RecordingSource::builder().redelivers().lease(LEASE).items([1, 2]).never_ending().build();
    let pool = Pool::builder()
        .workers(1)
        .batch(3, Duration::from_secs(25))
        .source(source)
        .handler_batch(|batch: Vec<Delivery<u32>>| async move { batch.into_iter().for_each(Delivery::ack) })
        .start()
        .unwrap();
    soon(script.until(|record| record.settlements.len() == 2)).await;
    assert_eq!(extended(&script), [0, 1, 0, 1]);
    script.end();
    soon(pool.finish()).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_tried_again_is_extended_between_attempts() {
    let (source, script) = broker([1]);
    let pause = Duration::from_secs(50);
    let pool = Pool::builder()
        .workers(1)
        .on_failure(OnFailure::Retry(Retry::new(Backoff::new(pause, pause))))
        .source(source)
        .handler_in(|cx: WorkContext<u32>, _| async move {
            if cx.attempt() == 1 { Err("not yet") } else { Ok(()) }
        })
        .keep_copies()
        .start()
        .unwrap();
    let report = soon(pool.finish()).await;
    assert_eq!((report.completed, report.retried), (1, 1));
    assert_eq!(extended(&script), [0, 0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_was_moved_elsewhere_is_extended_there() {
    let (source, script) = broker([1]);
    let (elsewhere, mut moved) = mpsc::unbounded_channel();
    let pool = Pool::builder()
        .workers(1)
        .source(source)
        .handler_delivery(move |delivery: Delivery<u32>| {
            elsewhere.send(delivery).unwrap();
            async {}
        })
        .start()
        .unwrap();
    let delivery = moved.recv().await.unwrap();
    sleep(Duration::from_secs(25)).await;
    assert_eq!(extended(&script), [0, 0]);
    // Whoever has it may want more time at once, and gets that from then on.
    delivery.extend(LEASE * 2);
    sleep(Duration::from_secs(45)).await;
    let leases: Vec<_> = script.record().extensions.iter().map(|extension| extension.lease).collect();
    assert_eq!(leases, [LEASE, LEASE, LEASE * 2, LEASE * 2, LEASE * 2]);
    delivery.ack();
    assert_eq!(soon(pool.finish()).await.completed, 1);
    assert_eq!(script.record().ends(), [End::Ack]);
}

#[tokio::test(start_paused = true)]
async fn a_lost_lease_cancels_the_handler_and_is_not_settled() {
    let events = Events::keep();
    let (source, script) = broker([7]);
    let (told, tells) = oneshot::channel();
    let told = Mutex::new(Some(told));
    let pool = Pool::builder()
        .workers(1)
        .max_attempts(1) // it does not count as having failed
        .source(source)
        .handler_in(move |cx: WorkContext<u32>, item| {
            let told = told.lock().unwrap().take();
            async move {
                if cx.attempt() > 1 {
                    return;
                }
                // What works elsewhere on behalf of the item learns of it.
                tokio::spawn({
                    let cx = cx.clone();
                    async move {
                        cx.cancelled().await;
                        told.unwrap().send(cx.is_cancelled()).unwrap();
                    }
                });
                sleep(Duration::from_secs(1000 + u64::from(item))).await;
                unreachable!("it is cancelled");
            }
        })
        .start()
        .unwrap();
    soon(script.until(|record| record.handed_out == 1)).await;
    settle_down().await;
    let lost_at = Instant::now();
    assert!(script.lose(receipt(0)));
    assert!(soon(tells).await.unwrap());
    let report = soon(pool.finish()).await;
    assert!(lost_at.elapsed() < Duration::from_secs(1));
    assert_eq!((report.taken, report.returned, report.completed, report.leases_lost), (2, 1, 1, 1));
    assert_eq!((report.maybe_redelivered, report.cancelled), (0, 0));
    assert_eq!(report.to_string(), "source ended: took 2, completed 1, returned 1; 1 lost their lease");
    let record = script.record();
    assert_eq!((record.late, record.settlements.len()), (vec![], 1));
    assert_eq!(events.at(Level::WARN), ["lease of the item was lost worker=0 attempt=1 item=returned"]);
}

#[tokio::test(start_paused = true)]
async fn a_handler_of_a_lost_delivery_is_cancelled_whatever_it_takes() {
    let (source, script) = broker([7]);
    let pool = Pool::builder()
        .workers(1)
        .source(source)
        .handler_delivery(|delivery: Delivery<u32>| async move {
            if delivery.attempt() == 1 {
                std::future::pending::<()>().await;
            }
            delivery.ack();
        })
        .start()
        .unwrap();
    soon(script.until(|record| record.handed_out == 1)).await;
    settle_down().await;
    script.lose(receipt(0));
    let report = soon(pool.finish()).await;
    assert_eq!((report.returned, report.completed, report.leases_lost), (1, 1, 1));
    assert!(script.record().late.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_was_lost_before_it_was_begun_is_not_begun() {
    let (source, script) = broker(0..3);
    let begun = Arc::new(Mutex::new(Vec::new()));
    let pool = Pool::builder()
        .workers(1)
        .prefetch(2)
        .source(source)
        .handler_with(Arc::clone(&begun), |begun, item| async move {
            begun.lock().unwrap().push(item);
            sleep(Duration::from_secs(1)).await;
        })
        .start()
        .unwrap();
    soon(script.until(|record| record.handed_out == 3)).await;
    script.lose(receipt(1));
    let report = soon(pool.finish()).await;
    assert_eq!(*begun.lock().unwrap(), [0, 2, 1]);
    assert_eq!((report.taken, report.completed, report.returned), (4, 3, 1));
    assert!(script.record().late.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_was_lost_is_not_tried_again_by_its_worker() {
    let (source, script) = broker([1]);
    let attempts = Arc::new(AtomicUsize::new(0));
    let pause = Duration::from_secs(600);
    let pool = Pool::builder()
        .workers(1)
        .on_failure(OnFailure::Retry(Retry::new(Backoff::new(pause, pause))))
        .source(source)
        .handler_with(Arc::clone(&attempts), |attempts, _| async move {
            if attempts.fetch_add(1, Ordering::Relaxed) == 0 { Err("not yet") } else { Ok(()) }
        })
        .keep_copies()
        .start()
        .unwrap();
    soon(script.until(|record| record.extensions.len() == 3)).await;
    assert_eq!(pool.stats().retried, 1);
    script.lose(receipt(0));
    let report = soon(pool.finish()).await;
    // Its pause ended at once; the second attempt is the one that the source delivered.
    assert!(report.elapsed < Duration::from_secs(40), "{:?}", report.elapsed);
    assert_eq!((attempts.load(Ordering::Relaxed), report.completed, report.returned), (2, 1, 1));
    assert!(script.record().late.is_empty());
}

/// Failing is no reason to tell the source anything either.
#[tokio::test(start_paused = true)]
async fn what_was_lost_and_then_failed_is_neither_retried_nor_set_aside() {
    for policy in [OnFailure::DeadLetter, OnFailure::Retry(Retry::default()), OnFailure::Fail] {
        let (source, script) = broker([1]);
        let losing = script.clone();
        let pool = Pool::builder()
            .workers(1)
            .on_failure(policy)
            .source(source)
            .handler_in(move |cx: WorkContext<u32>, _| {
                let losing = losing.clone();
                async move {
                    if cx.attempt() > 1 {
                        return Ok(());
                    }
                    losing.lose(receipt(0));
                    // What is ready at the next poll is the handler's end, and comes before being stopped.
                    cx.cancelled().await;
                    Err("too late")
                }
            })
            .keep_copies()
            .start()
            .unwrap();
        let report = soon(pool.finish()).await;
        assert_eq!((report.returned, report.completed, report.leases_lost), (1, 1, 1));
        assert_eq!((report.retried, report.dead_lettered, report.failed), (0, 0, 0));
        assert!(script.record().late.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_done_before_it_could_be_stopped_may_be_delivered_again() {
    let (source, script) = broker([1]);
    let (elsewhere, mut moved) = mpsc::unbounded_channel();
    let pool = Pool::builder()
        .workers(1)
        .source(source)
        .handler_delivery(move |delivery: Delivery<u32>| {
            if delivery.attempt() == 1 {
                elsewhere.send(delivery).unwrap();
            } else {
                delivery.ack();
            }
            async {}
        })
        .start()
        .unwrap();
    let delivery = moved.recv().await.unwrap();
    script.lose(receipt(0));
    soon(script.until(|record| record.settlements.len() == 1)).await;
    delivery.ack();
    let report = soon(pool.finish()).await;
    assert_eq!((report.completed, report.leases_lost, report.maybe_redelivered), (2, 1, 1));
    assert_eq!(
        report.to_string(),
        "source ended: took 2, completed 2; 1 lost their lease; 1 may be delivered again"
    );
    assert!(script.record().late.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_batch_goes_without_what_was_lost_of_it() {
    let (source, script) =
        RecordingSource::builder().redelivers().lease(LEASE).items(0..3).never_ending().build();
    let batches = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&batches);
    let pool = Pool::builder()
        .workers(1)
        .batch(3, Duration::from_secs(5))
        .source(source)
        .handler_batch(move |batch: Vec<Delivery<u32>>| {
            kept.lock()
                .unwrap()
                .push(batch.iter().map(|delivery| *delivery.item().unwrap()).collect::<Vec<_>>());
            async move {
                sleep(Duration::from_secs(60)).await;
                batch.into_iter().for_each(Delivery::ack);
            }
        })
        .start()
        .unwrap();
    soon(script.until(|record| record.handed_out == 3)).await;
    settle_down().await;
    assert_eq!(*batches.lock().unwrap(), [[0, 1, 2]]);
    // In work: it ends with its batch, which has others. What is waiting for one does not begin.
    script.lose(receipt(1));
    soon(script.until(|record| record.settlements.len() == 2)).await;
    soon(script.until(|record| record.handed_out == 4)).await;
    script.lose(receipt(3));
    soon(script.until(|record| record.handed_out == 5)).await;
    soon(script.until(|record| record.settlements.len() == 3)).await;
    assert_eq!(*batches.lock().unwrap(), [vec![0, 1, 2], vec![1]]);
    script.end();
    let report = soon(pool.finish()).await;
    assert_eq!((report.completed, report.returned, report.leases_lost), (4, 1, 2));
    assert_eq!(report.maybe_redelivered, 1);
    assert!(script.record().late.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_loss_is_heard_of_during_an_outage() {
    let (source, script) = broker([1]);
    script.fail(forebay_queue::SourceError::Unavailable("away".into()));
    let (canceled, cancels) = oneshot::channel();
    let canceled = Mutex::new(Some(canceled));
    let pool = Pool::builder()
        .workers(2)
        .return_backoff(Backoff::new(Duration::from_secs(1000), Duration::from_secs(1000)))
        .source(source)
        .handler_in(move |cx: WorkContext<u32>, _| {
            let canceled = canceled.lock().unwrap().take();
            async move {
                if cx.attempt() == 1 {
                    tokio::spawn({
                        let cx = cx.clone();
                        async move {
                            cx.cancelled().await;
                            canceled.unwrap().send(()).unwrap();
                        }
                    });
                    std::future::pending::<()>().await;
                }
            }
        })
        .start()
        .unwrap();
    soon(script.until(|record| record.demands.len() >= 2)).await;
    settle_down().await;
    let lost_at = Instant::now();
    script.lose(receipt(0));
    soon(cancels).await.unwrap();
    assert!(lost_at.elapsed() < Duration::from_secs(1));
    soon(pool.finish()).await;
}

/// The worker had looked before, and nobody could find the item in its hands.
#[tokio::test]
async fn a_run_that_begins_after_the_loss_knows_of_it() {
    let (source, script) = broker([1]);
    let (reached, mut reaches) = mpsc::unbounded_channel();
    let (go_on, goes_on) = std::sync::mpsc::channel::<()>();
    let goes_on = Mutex::new(goes_on);
    let (seen, mut sees) = mpsc::unbounded_channel();
    let pool = Pool::builder()
        .cpu(1)
        .source(source)
        .handler_in(move |cx: WorkContext<u32>, _| {
            // As a computation that does not await would.
            seen.send((cx.attempt(), cx.is_cancelled())).unwrap();
            std::future::ready(())
        })
        .deadline(move |_| {
            reached.send(()).unwrap();
            goes_on.lock().unwrap().recv().unwrap();
            None
        })
        .start()
        .unwrap();
    reaches.recv().await.unwrap();
    script.lose(receipt(0));
    while pool.stats().leases_lost == 0 {
        tokio::task::yield_now().await;
    }
    settle_down().await;
    go_on.send(()).unwrap();
    assert_eq!(sees.recv().await.unwrap(), (1, true));
    go_on.send(()).unwrap();
    assert_eq!(sees.recv().await.unwrap(), (2, false));
    let report = pool.finish().await;
    assert_eq!((report.completed, report.maybe_redelivered), (2, 1));
}

/// A batch in work, and how often its handler was dropped.
struct BatchInWork {
    pool: Pool<u32>,
    script: Script<u32>,
    cx: WorkContext<u32>,
    batch: Vec<Delivery<u32>>,
    dropped: Arc<AtomicUsize>,
}

/// From a broker with so many items, of which the handler acks the first at once and moves the others elsewhere.
async fn batch_in_work(items: u32) -> BatchInWork {
    struct Dropped(Arc<AtomicUsize>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let (source, script) =
        RecordingSource::builder().redelivers().lease(LEASE).items(0..items).never_ending().build();
    let (begun, mut begins) = mpsc::unbounded_channel();
    let dropped = Arc::<AtomicUsize>::default();
    let counter = Arc::clone(&dropped);
    let pool = Pool::builder()
        .workers(1)
        .batch(items as usize, Duration::from_secs(5))
        .source(source)
        .handler_batch_in(move |cx: WorkContext<u32>, mut batch: Vec<Delivery<u32>>| {
            let guard = Dropped(Arc::clone(&counter));
            batch.remove(0).ack();
            begun.send((cx, batch)).unwrap();
            async move {
                let _guard = guard;
                std::future::pending::<()>().await;
            }
        })
        .start()
        .unwrap();
    let (cx, batch) = soon(begins.recv()).await.unwrap();
    BatchInWork { pool, script, cx, batch, dropped }
}

#[tokio::test(start_paused = true)]
async fn a_batch_in_work_is_stopped_when_all_of_it_was_lost() {
    let BatchInWork { pool, script, cx, batch, dropped } = batch_in_work(3).await;
    let lost = || batch.iter().map(Delivery::is_lost).collect::<Vec<_>>();
    assert_eq!(lost(), [false, false]);
    script.lose(receipt(1));
    settle_down().await;
    assert_eq!((lost(), cx.is_cancelled(), dropped.load(Ordering::SeqCst)), (vec![true, false], false, 0));
    script.lose(receipt(2));
    soon(cx.cancelled()).await;
    settle_down().await;
    assert_eq!((lost(), dropped.load(Ordering::SeqCst)), (vec![true, true], 1));
    // They were moved elsewhere, and are still there when the source gives them to somebody else.
    batch.into_iter().for_each(Delivery::ack);
    let report = pool.shutdown(Duration::ZERO).await;
    assert_eq!((report.leases_lost, report.maybe_redelivered), (2, 2));
    assert!(script.record().late.is_empty() && report.adds_up());
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_waits_to_be_tried_again_is_given_up_when_all_of_it_was_lost() {
    let (source, script) =
        RecordingSource::builder().redelivers().lease(LEASE).items(0..2).never_ending().build();
    let tried = Arc::<AtomicUsize>::default();
    let tries = Arc::clone(&tried);
    let pool = Pool::builder()
        .workers(1)
        .batch(2, Duration::from_secs(5))
        .on_failure(OnFailure::Retry(Retry::new(Backoff::new(LEASE, LEASE))))
        .source(source)
        .handler_batch(move |batch: Vec<Delivery<u32>>| {
            tries.fetch_add(1, Ordering::SeqCst);
            let fails = batch.iter().all(|delivery| delivery.attempt() == 1);
            async move {
                if fails {
                    return Err("not now");
                }
                batch.into_iter().for_each(Delivery::ack);
                Ok(())
            }
        })
        .start()
        .unwrap();
    while tried.load(Ordering::SeqCst) == 0 {
        sleep(Duration::from_secs(1)).await;
    }
    script.lose(receipt(0));
    script.lose(receipt(1));
    // The source gives both away again: to us, who have nothing in hand by then.
    soon(script.until(|record| record.settlements.len() == 2)).await;
    let report = pool.shutdown(Duration::from_secs(1)).await;
    assert_eq!((report.returned, report.completed, report.leases_lost, report.held), (2, 2, 2, 0));
    assert!(script.record().late.is_empty() && report.adds_up());
}

#[tokio::test(start_paused = true)]
async fn an_ack_of_what_was_lost_counts_once() {
    let (source, script) = broker([1]);
    let (elsewhere, mut moved) = mpsc::unbounded_channel();
    let pool = Pool::builder()
        .workers(1)
        .source(source)
        .handler_delivery(move |delivery: Delivery<u32>| {
            elsewhere.send(delivery).unwrap();
            async {}
        })
        .start()
        .unwrap();
    let delivery = moved.recv().await.unwrap();
    script.lose(receipt(0));
    let again = soon(moved.recv()).await.unwrap();
    // Of the first the source is told nothing; of the second it is, and does not confirm it.
    script.hold_settlements();
    delivery.ack();
    again.ack();
    let report = pool.shutdown(Duration::from_secs(60)).await;
    assert_eq!((report.completed, report.settled, report.maybe_redelivered), (2, false, 2));
}
