use std::num::NonZeroUsize;
use std::task::{Context, Poll};
use std::time::Duration;

use forebay_pool::Pool;
use forebay_queue::{Delivery, Source, SourceError};
use forebay_testkit::RecordingSource;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// A pool whose one worker acks its item and then goes on until the sender is used or dropped.
fn acks_early(source: RecordingSource<u8>) -> (Pool<u8>, oneshot::Sender<()>) {
    let (release, released) = oneshot::channel::<()>();
    let released = std::sync::Mutex::new(Some(released));
    let pool = Pool::builder()
        .workers(1)
        .source(source)
        .handler_delivery(move |delivery: Delivery<u8>| {
            let released = released.lock().unwrap().take();
            async move {
                delivery.ack();
                if let Some(released) = released {
                    let _ = released.await;
                }
            }
        })
        .start()
        .unwrap();
    (pool, release)
}

#[tokio::test(start_paused = true)]
async fn goes_on_while_all_workers_are_busy() {
    let (source, script) = RecordingSource::builder().never_ending().build();
    script.hold_settlements();
    let (pool, release) = acks_early(source);
    // Time is paused and goes on when nothing else does: a pool that stands still fails here, it does not hang.
    let polled = async |times| {
        timeout(Duration::from_secs(1), script.until(|record| record.settled_polls == times)).await.unwrap();
    };
    polled(1).await;
    script.until(|record| record.demands.len() == 1).await;
    script.push(1);
    polled(2).await;
    assert_eq!(script.record().settlements.len(), 1);
    assert_eq!((pool.stats().busy, pool.stats().idle), (1, 0));

    // The disk is ready: whoever it wakes must go on with it, and no worker can.
    script.release_settlements();
    polled(3).await;
    assert_eq!(pool.stats().busy, 1);

    drop(release);
    script.end();
    assert!(pool.finish().await.settled);
}

#[tokio::test]
async fn a_burst_of_settlements_is_one_poll() {
    let (source, script) = RecordingSource::builder().items(0..100).never_ending().build();
    let (elsewhere, mut deliveries) = tokio::sync::mpsc::unbounded_channel();
    let pool = Pool::builder()
        .workers(4)
        .source(source)
        .handler_delivery(move |delivery: Delivery<u8>| {
            elsewhere.send(delivery).unwrap();
            async {}
        })
        .start()
        .unwrap();
    let mut out = Vec::new();
    while out.len() < 100 {
        out.push(deliveries.recv().await.unwrap());
    }
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let polls = script.record().settled_polls;
    out.into_iter().for_each(Delivery::ack);
    script.until(|record| record.settled_polls > polls).await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(script.record().settled_polls, polls + 1);
    script.end();
    assert!(pool.finish().await.settled);
}

#[tokio::test]
async fn the_end_waits_until_the_source_has_confirmed() {
    let (source, script) = RecordingSource::new([1]);
    script.hold_settlements();
    let pool = Pool::builder().workers(1).source(source).handler(|_| async {}).start().unwrap();
    script.until(|record| record.settlements.len() == 1).await;
    {
        let mut closed = std::pin::pin!(pool.closed());
        for _ in 0..100 {
            tokio::select! {
                biased;
                () = &mut closed => panic!("closed with an unconfirmed settlement"),
                () = tokio::task::yield_now() => {}
            }
        }
        assert!(!script.record().dropped);
        script.release_settlements();
        closed.await;
    }
    assert!(pool.finish().await.settled);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_does_not_wait_for_it() {
    let (source, script) = RecordingSource::new([1]);
    script.hold_settlements();
    let pool = Pool::builder().workers(1).source(source).handler(|_| async {}).start().unwrap();
    script.until(|record| record.settlements.len() == 1).await;
    let report = pool.shutdown(Duration::from_secs(1)).await;
    assert!(!report.settled);
    assert_eq!(
        report.to_string(),
        "aborted at the deadline: took 1, completed 1; not all settlements confirmed"
    );
}

#[tokio::test(start_paused = true)]
async fn what_the_source_never_confirms_may_be_delivered_again() {
    let (source, script) = RecordingSource::builder().redelivers().items([1, 2, 3]).build();
    let pool = Pool::builder()
        .workers(1)
        .max_attempts(1)
        .source(source)
        .handler(|item| async move { if item == 2 { Err("it failed") } else { Ok(()) } })
        .start()
        .unwrap();
    script.hold_settlements();
    let report = pool.shutdown(Duration::from_secs(60)).await;
    assert_eq!((report.completed, report.dead_lettered, report.settled), (2, 1, false));
    assert_eq!(report.maybe_redelivered, 2);
    assert!(
        report.to_string().ends_with("; not all settlements confirmed, 2 may be delivered again"),
        "{report}"
    );

    let (source, _script) = RecordingSource::builder().redelivers().items([1, 2, 3]).build();
    let pool = Pool::builder().workers(1).source(source).handler(|_| async {}).start().unwrap();
    assert_eq!(pool.finish().await.maybe_redelivered, 0);
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_tried_again() {
    let (source, script) = RecordingSource::new([1, 2, 3]);
    let pool = Pool::builder().workers(1).source(source).handler(|_| async {}).start().unwrap();
    for _ in 0..3 {
        script.fail_settling(SourceError::Unavailable("disk full".into()));
    }
    let report = pool.finish().await;
    assert_eq!(report.completed, 3);
    assert!(report.settled);
    // 10, 20 and 40 ms; timers of a runtime may be a millisecond late each.
    assert!((70..=75).contains(&report.elapsed.as_millis()), "{:?}", report.elapsed);
}

/// Confirms all, but for one poll.
struct Moody {
    items: RecordingSource<u8>,
    polls: usize,
    /// Which poll for settlements it is.
    bad: usize,
    fails: bool,
}

impl Source for Moody {
    type Item = u8;

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        max: NonZeroUsize,
        out: &mut Vec<Delivery<u8>>,
    ) -> Poll<Result<usize, SourceError>> {
        self.items.poll_next(cx, max, out)
    }

    fn poll_settled(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SourceError>> {
        self.polls += 1;
        if self.polls != self.bad {
            return self.items.poll_settled(cx);
        }
        if self.fails {
            return Poll::Ready(Err(SourceError::Unavailable("one moment".into())));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn close(&mut self) {
        self.items.close();
    }

    fn redelivers(&self) -> bool {
        true
    }
}

/// The last poll of all among them, which comes when all is confirmed.
#[tokio::test(start_paused = true)]
async fn what_was_confirmed_stays_so_whichever_poll_fails() {
    for fails in [false, true] {
        for bad in 0..12 {
            let (items, script) = RecordingSource::new([1, 2]);
            let source = Moody { items, polls: 0, bad, fails };
            let pool = Pool::builder().workers(1).source(source).handler(|_| async {}).start().unwrap();
            let report = pool.finish().await;
            assert_eq!(script.record().ends().len(), 2);
            assert_eq!((report.completed, report.maybe_redelivered), (2, 0));
            assert!(report.settled, "poll {bad}, fails: {fails}: {report}");
        }
    }
}
