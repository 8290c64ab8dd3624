use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use forebay_pool::{Backoff, Pool};
use forebay_queue::{Delivery, End, Source, SourceError};
use forebay_testkit::RecordingSource;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tracing::Level;

use crate::events::Events;

/// The waits with which a pool that never acks gives its one item back, and what becomes of the item.
async fn waits_of(pool: impl FnOnce(RecordingSource<u8>) -> Pool<u8>) -> (Vec<u128>, String) {
    let (source, script) = RecordingSource::builder().redelivers().items([7]).build();
    let report = pool(source).finish().await;
    assert!(report.adds_up());
    assert_eq!(report.dead_lettered, 1);
    let mut ends = script.record().ends();
    let Some(End::DeadLetter { reason }) = ends.pop() else { panic!("not dead-lettered: {ends:?}") };
    let waits = ends.into_iter().map(|end| match end {
        End::Nack { after } => after.as_millis(),
        other => panic!("{other:?}"),
    });
    (waits.collect(), reason)
}

#[tokio::test]
async fn waits_grow_and_attempts_are_bounded() {
    let (waits, reason) = waits_of(|source| {
        Pool::builder().source(source).handler_delivery(|_| async { Err("no luck") }).start().unwrap()
    })
    .await;
    assert_eq!(waits, [0, 10, 20, 40]);
    assert_eq!(reason, "attempt 5 of 5: failed: no luck");
}

#[tokio::test]
async fn by_value_from_a_source_that_redelivers_it_is_the_same() {
    let (waits, reason) = waits_of(|source| {
        Pool::builder().source(source).handler(|_| async { Err("no luck") }).start().unwrap()
    })
    .await;
    assert_eq!(waits, [0, 10, 20, 40]);
    assert_eq!(reason, "attempt 5 of 5: failed: no luck");
}

#[tokio::test]
async fn both_can_be_chosen() {
    let events = Events::keep();
    let (waits, reason) = waits_of(|source| {
        Pool::builder()
            .workers(1)
            .return_backoff(Backoff::new(Duration::from_millis(3), Duration::from_millis(5)))
            .max_attempts(4)
            .source(source)
            .handler_delivery(|_| async {})
            .start()
            .unwrap()
    })
    .await;
    assert_eq!(waits, [0, 3, 5]);
    assert_eq!(reason, "attempt 4 of 4: handed back");
    assert_eq!(
        events.at(Level::WARN),
        ["item was handed back too often, and is dead-lettered worker=0 attempt=4"]
    );
}

#[tokio::test]
async fn a_handler_may_ask_for_a_longer_wait() {
    let (waits, _) = waits_of(|source| {
        Pool::builder()
            .max_attempts(3)
            .source(source)
            .handler_delivery(|delivery: Delivery<u8>| async { delivery.nack(Duration::from_millis(15)) })
            .start()
            .unwrap()
    })
    .await;
    assert_eq!(waits, [15, 15], "15 ms is longer than nothing and than 10 ms");
}

#[tokio::test]
async fn a_panic_is_named_in_the_reason() {
    let (_, reason) = waits_of(|source| {
        Pool::builder()
            .max_attempts(1)
            .source(source)
            .handler_delivery(|delivery| async move { assert!(delivery.attempt() > 1, "no luck") })
            .start()
            .unwrap()
    })
    .await;
    assert_eq!(reason, "attempt 1 of 1: panicked: no luck");
}

#[tokio::test]
async fn the_reason_holds_every_cause() {
    #[derive(Debug, thiserror::Error)]
    #[error("cannot send")]
    struct CannotSend(#[source] std::num::ParseIntError);

    let (_, reason) = waits_of(|source| {
        Pool::builder()
            .max_attempts(1)
            .source(source)
            .handler(|_| async { "x".parse::<u8>().map(drop).map_err(CannotSend) })
            .start()
            .unwrap()
    })
    .await;
    assert_eq!(reason, "attempt 1 of 1: failed: cannot send: invalid digit found in string");
}

/// The pool's own queue keeps the waits that the pool asks for.
#[tokio::test(start_paused = true)]
async fn the_queue_in_memory_keeps_an_item_back() {
    let started = Instant::now();
    let (tried, mut tries) = mpsc::unbounded_channel();
    let dead = Arc::new(Mutex::new(Vec::new()));
    let dead_letters = Arc::clone(&dead);
    let pool = Pool::builder()
        .queue(1)
        .on_dead_letter(move |item, reason| dead_letters.lock().unwrap().push((item, reason)))
        .handler_delivery(move |delivery: Delivery<&str>| {
            let _ = tried.send((delivery.attempt(), started.elapsed().as_millis()));
            async {}
        })
        .start()
        .unwrap();
    pool.produce("again and again").await.unwrap();
    let report = pool.shutdown(Duration::from_secs(60)).await;

    let mut seen = Vec::new();
    while let Some(tried) = tries.recv().await {
        seen.push(tried);
    }
    let attempts: Vec<u32> = seen.iter().map(|(attempt, _)| *attempt).collect();
    assert_eq!(attempts, [1, 2, 3, 4, 5]);
    // 0, 10, 20 and 40 ms; timers of a runtime may be a millisecond late each.
    let last = seen[4].1;
    assert!((70..=75).contains(&last), "the fifth attempt came after {last} ms");
    assert_eq!((report.taken, report.returned, report.dead_lettered), (5, 4, 1));
    assert_eq!(*dead.lock().unwrap(), [("again and again", "attempt 5 of 5: handed back".to_owned())]);
}

#[tokio::test]
async fn what_is_nacked_is_not_delivered_again_while_its_handler_runs() {
    let (source, script) = RecordingSource::new([1]);
    let (nacked, was_nacked) = oneshot::channel();
    let (go_on, may_go_on) = oneshot::channel::<()>();
    let first = Mutex::new(Some((nacked, may_go_on)));
    let pool = Pool::builder()
        .workers(2)
        .source(source)
        .handler_delivery(move |delivery: Delivery<u8>| {
            let first = first.lock().unwrap().take();
            async move {
                let Some((nacked, may_go_on)) = first else { return delivery.ack() };
                delivery.nack(Duration::ZERO);
                nacked.send(()).unwrap();
                may_go_on.await.unwrap();
            }
        })
        .start()
        .unwrap();
    was_nacked.await.unwrap();
    assert_eq!((script.outstanding(), pool.stats().held), (1, 1));
    go_on.send(()).unwrap();
    let report = pool.finish().await;
    assert_eq!((report.taken, report.returned, report.completed), (2, 1, 1));
}

/// Moves each delivery out of its handler, to the test.
fn moved_elsewhere(source: impl Source<Item = u8>) -> (Pool<u8>, mpsc::UnboundedReceiver<Delivery<u8>>) {
    let (elsewhere, deliveries) = mpsc::unbounded_channel();
    let pool = Pool::builder()
        .workers(1)
        .source(source)
        .handler_delivery(move |delivery| {
            elsewhere.send(delivery).unwrap();
            async {}
        })
        .start()
        .unwrap();
    (pool, deliveries)
}

#[tokio::test]
async fn a_delivery_that_is_moved_elsewhere_stays_held() {
    let (source, script) = RecordingSource::new([1, 2, 3, 4]);
    let (pool, mut deliveries) = moved_elsewhere(source);
    let mut out = Vec::new();
    for _ in 0..4 {
        out.push(deliveries.recv().await.unwrap());
    }
    script.until(|record| record.demands.len() > 4).await;
    let stats = pool.stats();
    assert_eq!((stats.held, stats.busy, stats.idle), (4, 0, 1));
    assert!(stats.adds_up());

    out.remove(0).ack();
    out.remove(0).dead_letter("no use");
    out.remove(0).extend(Duration::from_secs(30));
    assert_eq!(script.record().extensions.len(), 1);
    // Item 3 was dropped just now: it comes again, to the handler.
    assert_eq!(deliveries.recv().await.unwrap().attempt(), 2);
    out.remove(0).ack();
    // And again, for the receiver above dropped it; this time it is done.
    deliveries.recv().await.unwrap().ack();
    let report = pool.finish().await;
    assert_eq!((report.taken, report.completed, report.dead_lettered, report.returned), (6, 3, 1, 2));
    assert!(report.adds_up());
}

/// Acks each delivery a second after it came.
async fn ack_late(mut deliveries: mpsc::UnboundedReceiver<Delivery<u8>>) {
    while let Some(delivery) = deliveries.recv().await {
        tokio::time::sleep(Duration::from_secs(1)).await;
        delivery.ack();
    }
}

/// Its source has no account of what is out, so it is up to the pool to wait.
#[tokio::test(start_paused = true)]
async fn a_delivery_that_is_moved_elsewhere_is_waited_for_when_the_source_ends() {
    struct Unsettled(std::ops::Range<u8>);
    impl Source for Unsettled {
        type Item = u8;
        fn poll_next(
            &mut self,
            _: &mut Context<'_>,
            max: NonZeroUsize,
            out: &mut Vec<Delivery<u8>>,
        ) -> Poll<Result<usize, SourceError>> {
            let before = out.len();
            out.extend(self.0.by_ref().take(max.get()).map(Delivery::unsettled));
            Poll::Ready(Ok(out.len() - before))
        }
        fn poll_settled(&mut self, _: &mut Context<'_>) -> Poll<Result<(), SourceError>> {
            Poll::Ready(Ok(()))
        }
        fn close(&mut self) {}
        fn redelivers(&self) -> bool {
            false
        }
    }
    let (pool, deliveries) = moved_elsewhere(Unsettled(0..3));
    tokio::spawn(ack_late(deliveries));
    let report = pool.finish().await;
    assert_eq!(report.to_string(), "source ended: took 3, completed 3");
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_is_moved_elsewhere_is_waited_for_when_the_source_breaks() {
    let (source, script) =
        RecordingSource::builder().items([1, 2]).fail(SourceError::Broken("disk gone".into())).build();
    let (pool, deliveries) = moved_elsewhere(source);
    tokio::spawn(ack_late(deliveries));
    let report = pool.shutdown(Duration::from_secs(60)).await;
    assert_eq!((report.completed, report.elapsed.as_secs()), (2, 2));
    assert_eq!(script.record().ends(), [End::Ack, End::Ack]);
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_is_moved_elsewhere_is_ended_at_the_deadline() {
    for redelivers in [false, true] {
        let builder = RecordingSource::builder().items([1]);
        let (source, script) = if redelivers { builder.redelivers().build() } else { builder.build() };
        let (pool, mut deliveries) = moved_elsewhere(source);
        let delivery = deliveries.recv().await.unwrap();
        let report = pool.shutdown(Duration::from_secs(1)).await;
        assert_eq!((report.held, report.aborted), (0, 1));
        assert_eq!((report.failed, report.returned), if redelivers { (0, 1) } else { (1, 0) });
        assert!(report.adds_up());

        delivery.ack();
        let settlements = script.record().settlements;
        assert_eq!(settlements.len(), 1, "what its holder says later is not heard");
        assert!(!settlements[0].with_item);
    }
}
