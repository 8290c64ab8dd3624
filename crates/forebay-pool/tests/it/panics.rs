use std::future::{pending, poll_fn};
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use forebay_pool::{
    BoxError, EndedBy, Load, OnFailure, Ordered, Pipeline, Pool, Report, Retry, ScalePolicy, WorkContext,
};
use forebay_queue::{
    Delivery, End, ItemSink, Receipt, Settle, SinkError, Source, SourceError, WhenFull, bounded, builder,
};
use forebay_testkit::RecordingSource;
use tower::retry::budget::Budget;
use tracing::Level;

use crate::events::Events;

/// Panics when it is dropped, as long as it is armed.
struct Bomb {
    armed: bool,
}

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(!self.armed, "dropped");
    }
}

impl Clone for Bomb {
    fn clone(&self) -> Self {
        Self { armed: false }
    }
}

/// Item 0 is the one that goes wrong; the others must be done all the same.
async fn finish(pool: Pool<u32>) -> Report {
    let report = pool.finish().await;
    assert!(report.adds_up());
    assert_eq!((report.taken, report.held), (10, 0), "{report:?}");
    report
}

#[tokio::test]
async fn in_the_call_of_the_handler() {
    let (source, _script) = RecordingSource::new(0..10);
    let pool = Pool::builder()
        .workers(2)
        .source(source)
        .handler(|item| {
            assert!(item != 0, "in the call");
            async {}
        })
        .start()
        .unwrap();
    let report = finish(pool).await;
    assert_eq!((report.completed, report.failed, report.panics), (9, 1, 1));
}

#[tokio::test]
async fn in_the_first_poll_and_in_a_later_one() {
    for polls_before in [0, 1] {
        let (source, _script) = RecordingSource::new(0..10);
        let pool = Pool::builder()
            .workers(2)
            .source(source)
            .handler(move |item| async move {
                for _ in 0..polls_before {
                    tokio::task::yield_now().await;
                }
                assert!(item != 0, "in a poll");
            })
            .start()
            .unwrap();
        let report = finish(pool).await;
        assert_eq!((report.completed, report.failed, report.panics), (9, 1, 1));
    }
}

/// Workers take from a queue in memory themselves.
#[tokio::test]
async fn of_workers_that_take_their_items_themselves() {
    for place in ["call", "poll", "end"] {
        let events = Events::keep();
        let pool = Pool::builder()
            .workers(2)
            .queue(10)
            .handler(move |item| {
                assert!(item != 0 || place != "call");
                let at_the_end = Bomb { armed: item == 0 && place == "end" };
                poll_fn(move |_| {
                    let _ = &at_the_end;
                    assert!(item != 0 || place != "poll");
                    Poll::Ready(())
                })
            })
            .start()
            .unwrap();
        for item in 0..10 {
            pool.produce(item).await.unwrap();
        }
        let report = pool.finish().await;
        assert!(report.adds_up());
        assert_eq!((report.completed, report.failed, report.panics), (9, 1, 1), "in the {place}");
        // No worker's task ended by it, which would be told as well.
        let told = events.at(Level::ERROR);
        assert!(told.len() == 1 && told[0].starts_with("handler panicked"), "in the {place}: {told:?}");
    }
}

#[tokio::test]
async fn in_the_destructor_of_the_item() {
    let (source, _script) = RecordingSource::new((0..10).map(|n| Bomb { armed: n == 0 }));
    let pool = Pool::builder().workers(2).source(source).handler(|_| async {}).start().unwrap();
    let report = pool.finish().await;
    assert_eq!((report.completed, report.failed, report.panics), (9, 1, 1));

    // A delivery's item is dropped by the delivery.
    let (source, _script) = RecordingSource::new((0..10).map(|n| Bomb { armed: n == 0 }));
    let pool = Pool::builder()
        .workers(2)
        .source(source)
        .handler_delivery(|delivery: Delivery<Bomb>| async { delivery.ack() })
        .start()
        .unwrap();
    let report = pool.finish().await;
    assert!(report.adds_up());
    assert_eq!((report.completed, report.panics), (10, 1), "what was acked is done");
}

/// Two at once would end the process.
#[tokio::test]
async fn in_the_destructors_of_ordered_results_that_nobody_got() {
    let (output, _results) = bounded(1);
    let first_hangs = |n: u32| async move {
        if n == 0 {
            pending::<()>().await;
        }
        Ok::<_, BoxError>(Bomb { armed: true })
    };
    let pool = Pool::builder().workers(4).queue(4).handler_ordered(output, first_hangs).start().unwrap();
    for item in 0..4 {
        pool.produce(item).await.unwrap();
    }
    while pool.stats().completed < 3 {
        tokio::task::yield_now().await;
    }
    let report = pool.shutdown(Duration::ZERO).await;
    assert_eq!((report.completed, report.failed, report.unsent), (3, 1, 4), "{report:?}");
}

/// It is asked by the task that hands results on, which all others wait for.
#[tokio::test]
async fn in_the_weigher_of_the_queue_of_ordered_results() {
    let (output, mut results) = forebay_queue::builder()
        .capacity(10)
        .max_weight(100)
        .weigher(|ordered: &Ordered<u32>| {
            assert_ne!(*ordered, Ordered::Done(3), "weighed");
            1
        })
        .build();
    let pool = Pool::builder()
        .workers(2)
        .queue(10)
        .handler_ordered(output, async |item: u32| Ok::<_, BoxError>(item))
        .ordered_window(2)
        .start()
        .unwrap();
    for item in 0..8 {
        pool.produce(item).await.unwrap();
    }
    let report = tokio::time::timeout(Duration::from_secs(10), pool.finish()).await.expect("it ends");
    assert_eq!((report.completed, report.unsent), (8, 1), "{report}");
    let mut read = Vec::new();
    while let Some(Ordered::Done(result)) = results.recv().await {
        read.push(result);
    }
    assert_eq!(read, [0, 1, 2, 4, 5, 6, 7]);
}

/// Two panics at once would end the process.
#[tokio::test]
async fn in_the_weigher_and_then_in_the_destructor_of_an_ordered_result() {
    let (output, mut results) = forebay_queue::builder()
        .capacity(10)
        .weigher(|ordered: &Ordered<Bomb>| {
            assert!(!matches!(ordered, Ordered::Done(Bomb { armed: true })), "weighed");
            1
        })
        .build();
    let handler = async |item: u32| Ok::<_, BoxError>(Bomb { armed: item == 1 });
    let pool = Pool::builder().workers(1).queue(3).handler_ordered(output, handler).start().unwrap();
    for item in 0..3 {
        pool.produce(item).await.unwrap();
    }
    let report = pool.finish().await;
    assert_eq!((report.completed, report.unsent), (3, 1), "{report}");
    for _ in 0..2 {
        assert!(matches!(results.recv().await, Some(Ordered::Done(Bomb { armed: false }))));
    }
    assert!(results.recv().await.is_none());
}

/// Hands out three where one is wanted, and panics at the end of each; or panics before it says so.
#[derive(Clone, Copy, Default)]
struct Generous {
    is_done: bool,
    panics: bool,
    lease: Option<Duration>,
}

impl Source for Generous {
    type Item = u64;

    fn poll_next(
        &mut self,
        _: &mut Context<'_>,
        _: NonZeroUsize,
        out: &mut Vec<Delivery<u64>>,
    ) -> Poll<Result<usize, SourceError>> {
        if std::mem::replace(&mut self.is_done, true) {
            return Poll::Ready(Ok(0));
        }
        out.extend((0..3).map(|n| Delivery::new(n, Receipt::new(n), Arc::new(Unkind))));
        assert!(!self.panics, "asked");
        Poll::Ready(Ok(3))
    }

    fn poll_settled(&mut self, _: &mut Context<'_>) -> Poll<Result<(), SourceError>> {
        Poll::Ready(Ok(()))
    }

    fn close(&mut self) {}

    fn redelivers(&self) -> bool {
        true
    }

    fn lease(&self) -> Option<Duration> {
        self.lease
    }
}

struct Unkind;

impl Settle<u64> for Unkind {
    fn settle(&self, _: Receipt, _: Option<u64>, _: End) {
        panic!("settled");
    }

    fn extend(&self, _: Receipt, _: Duration) {}
}

#[tokio::test]
async fn in_the_settling_of_what_was_too_much() {
    for lease in [None, Some(Duration::from_secs(60))] {
        let source = Generous { lease, ..Generous::default() };
        let pool = Pool::builder().workers(1).source(source).handler(async |_| {}).start().unwrap();
        assert_eq!(pool.finish().await.completed, 1);
    }
}

/// One by one, too: two at once would end the process.
#[tokio::test]
async fn in_the_settling_of_what_a_source_left_that_panicked() {
    for lease in [None, Some(Duration::from_secs(60))] {
        let source = Generous { panics: true, lease, ..Generous::default() };
        let pool = Pool::builder().workers(1).source(source).handler(async |_| {}).start().unwrap();
        let report = pool.finish().await;
        assert!(matches!(report.ended_by, EndedBy::Broken(_)), "{report}");
        assert_eq!((report.taken, report.held), (0, 0), "{report}");
    }
}

/// Their last user is whoever ends the pool, and is to get the report.
#[tokio::test(start_paused = true)]
async fn in_the_state_of_handler_key_deadline_and_hooks() {
    let armed = || Bomb { armed: true };
    for place in 0..5 {
        let bomb = move |here: usize| (here == place).then(armed);
        let (handler, key, deadline) = (Arc::new(bomb(0)), bomb(1), bomb(2));
        let (undelivered, dead) = (bomb(3), bomb(4));
        let pool = Pool::builder()
            .workers(1)
            .queue(10)
            .on_undelivered(move |_| _ = &undelivered)
            .on_dead_letter(move |_, _| _ = &dead)
            .handler(move |_: u32| {
                let _ = &handler;
                async {}
            })
            .key(move |item| {
                let _ = &key;
                *item
            })
            .deadline(move |_| {
                let _ = &deadline;
                None
            })
            .start()
            .unwrap();
        pool.produce(1).await.unwrap();
        let report = pool.shutdown(Duration::from_secs(1)).await;
        assert!(matches!(report.ended_by, EndedBy::Shutdown), "{place}: {report}");
        assert_eq!(report.completed, 1, "{place}: {report}");
    }
}

/// However it is dropped, the source is told what was decided.
#[tokio::test]
async fn in_the_destructor_of_an_item_that_the_pool_has_kept() {
    for (policy, error) in [(None, false), (Some(OnFailure::Fail), true)] {
        let (source, script) =
            RecordingSource::builder().items((0..3).map(|n| Bomb { armed: n == 0 })).redelivers().build();
        let mut pool = Pool::builder().workers(1).source(source);
        if let Some(policy) = policy {
            pool = pool.on_failure(policy);
        }
        let handler = move |_: Bomb| async move { if error { Err("it failed") } else { Ok(()) } };
        let report = pool.handler(handler).keep_copies().start().unwrap().finish().await;
        assert_eq!(if error { report.failed } else { report.completed }, 3, "{report}");
        assert_eq!(script.record().ends(), [End::Ack, End::Ack, End::Ack]);
    }
}

#[tokio::test]
async fn in_the_destructor_of_the_future() {
    /// Ready at once, and panics when it is dropped after that.
    struct Trap {
        _bomb: Bomb,
    }
    impl Future for Trap {
        type Output = ();
        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            Poll::Ready(())
        }
    }
    let (source, _script) = RecordingSource::new(0..10_u32);
    let pool = Pool::builder()
        .workers(2)
        .source(source)
        .handler(|item| Trap { _bomb: Bomb { armed: item == 0 } })
        .start()
        .unwrap();
    let report = finish(pool).await;
    assert_eq!((report.completed, report.failed, report.panics), (9, 1, 1));
}

#[tokio::test]
async fn in_the_destructor_of_the_handler_or_in_its_making() {
    let _events = Events::keep();
    let (source, _script) = RecordingSource::new(0..10_u32);
    let made = AtomicU64::new(0);
    let pool = Pool::builder()
        .workers(1)
        .source(source)
        .handler_per_worker(move |_| {
            let made = made.fetch_add(1, Ordering::Relaxed);
            assert!(made != 1, "the second one cannot be built");
            let bomb = Bomb { armed: made == 0 };
            move |item| {
                let _ = &bomb;
                assert!(item != 0, "so the first one is dropped");
                async {}
            }
        })
        .start()
        .unwrap();
    let report = finish(pool).await;
    // That of the call and that of the destructor.
    assert_eq!((report.completed, report.failed, report.panics, report.restarts), (9, 1, 2, 1));
}

#[tokio::test(start_paused = true)]
async fn in_the_hooks_of_its_queue() {
    let events = Events::keep();
    let (given, undelivered) = std::sync::mpsc::channel();
    let pool = Pool::builder()
        .workers(1)
        .queue(8)
        .on_undelivered(move |item| {
            given.send(item).unwrap();
            assert!(item != 2, "undelivered");
        })
        .on_dead_letter(|item, _| panic!("dead letter {item}"))
        .handler_delivery(|delivery: Delivery<u32>| async move {
            match delivery.item() {
                Some(0) => delivery.dead_letter("no use"),
                _ => pending().await,
            }
        })
        .start()
        .unwrap();
    for item in 0..5 {
        pool.produce(item).await.unwrap();
    }
    let report = pool.shutdown(Duration::from_secs(1)).await;
    assert_eq!((report.dead_lettered, report.returned, report.undelivered), (1, 1, 4));
    assert_eq!(undelivered.iter().collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(
        events.at(Level::ERROR),
        [
            "on_dead_letter panicked panic=dead letter 0",
            "on_undelivered, or the destructor of its item, panicked panic=undelivered",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_cannot_be_built_rests_before_each_try() {
    let (tried, tries) = std::sync::mpsc::channel();
    let pool = Pool::builder()
        .workers(1)
        .queue(1)
        .handler_per_worker(move |_| {
            tried.send(tokio::time::Instant::now()).unwrap();
            assert!(tried_enough(), "not yet");
            |_: u32| async {}
        })
        .start()
        .unwrap();
    fn tried_enough() -> bool {
        static TRIES: AtomicU64 = AtomicU64::new(0);
        TRIES.fetch_add(1, Ordering::Relaxed) == 3
    }
    pool.produce(1).await.unwrap();
    assert_eq!(pool.finish().await.completed, 1);
    let tries: Vec<_> = tries.iter().collect();
    let rests: Vec<_> = tries.windows(2).map(|pair| (pair[1] - pair[0]).as_millis()).collect();
    // Timers of a runtime may be a millisecond late each.
    assert!(
        rests.iter().zip([10, 20, 40]).all(|(rest, asked)| (asked..=asked + 1).contains(rest)),
        "{rests:?}"
    );
}

/// An error that cannot even be shown.
#[tokio::test]
async fn in_the_display_of_an_error() {
    #[derive(Debug)]
    struct Unspeakable;
    impl std::fmt::Display for Unspeakable {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic!("unspeakable")
        }
    }
    impl std::error::Error for Unspeakable {}

    let (source, _script) = RecordingSource::new(0..10_u32);
    let pool = Pool::builder()
        .workers(2)
        .source(source)
        .handler(|item| async move { if item == 0 { Err(Unspeakable) } else { Ok(()) } })
        .start()
        .unwrap();
    let report = finish(pool).await;
    assert_eq!((report.completed, report.failed), (9, 1));
}

/// Cancelling drops the handler's future, whose destructor may panic as well.
#[tokio::test(start_paused = true)]
async fn in_a_destructor_while_aborting() {
    let events = Events::keep();
    let (source, script) = RecordingSource::new(0..4_u32);
    let pool = Pool::builder()
        .workers(4)
        .source(source)
        .handler_delivery(|delivery: Delivery<u32>| async move {
            let _bomb = Bomb { armed: true };
            let _delivery = delivery;
            pending::<()>().await;
        })
        .start()
        .unwrap();
    script.until(|record| record.handed_out == 4).await;
    let report = pool.shutdown(Duration::from_secs(1)).await;
    assert_eq!((report.taken, report.returned, report.aborted, report.held), (4, 4, 4, 0));
    assert_eq!((report.panics, script.outstanding()), (4, 0));
    assert_eq!(events.at(Level::ERROR).len(), 4);
}

/// The second would be a panic while unwinding, which ends the process.
#[tokio::test(start_paused = true)]
async fn in_two_destructors_while_aborting() {
    let events = Events::keep();
    let (source, script) = RecordingSource::new([1_u32]);
    let pool = Pool::builder()
        .workers(1)
        .source(source)
        .handler_per_worker(|_| {
            let of_the_handler = Bomb { armed: true };
            move |_| {
                let _ = &of_the_handler;
                let of_the_future = Bomb { armed: true };
                async move {
                    let _of_the_future = of_the_future;
                    pending::<()>().await;
                }
            }
        })
        .start()
        .unwrap();
    script.until(|record| record.handed_out == 1).await;
    let report = pool.shutdown(Duration::from_secs(1)).await;
    assert_eq!((report.failed, report.aborted, report.panics), (1, 1, 2));
    assert_eq!(
        events.at(Level::ERROR),
        [
            "handler panicked in a destructor worker=0 panic=dropped place=the handler's future was dropped",
            "handler panicked in a destructor worker=0 panic=dropped place=the handler was dropped",
        ]
    );
}

#[tokio::test]
async fn in_the_destructor_of_the_handler_at_the_end() {
    let events = Events::keep();
    let (source, _script) = RecordingSource::new(0..10_u32);
    let pool = Pool::builder()
        .workers(1)
        .source(source)
        .handler_per_worker(|_| {
            let bomb = Bomb { armed: true };
            move |_| {
                let _ = &bomb;
                async {}
            }
        })
        .start()
        .unwrap();
    let report = finish(pool).await;
    assert_eq!((report.completed, report.panics, report.restarts), (10, 1, 0));
    assert_eq!(events.at(Level::ERROR).len(), 1);
}

/// One panic while unwinding from the other is told as well, and the first names the reason.
#[tokio::test]
async fn in_a_poll_and_then_in_the_destructor_of_the_future() {
    struct Trap {
        _bomb: Bomb,
    }
    impl Future for Trap {
        type Output = ();
        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            panic!("in a poll")
        }
    }
    let events = Events::keep();
    let (source, _script) = RecordingSource::new([1_u32]);
    let pool = Pool::builder()
        .workers(1)
        .source(source)
        .handler(|_| Trap { _bomb: Bomb { armed: true } })
        .start()
        .unwrap();
    let report = pool.finish().await;
    assert_eq!((report.failed, report.panics), (1, 2));
    assert_eq!(events.at(Level::ERROR)[1], "handler panicked worker=0 attempt=1 panic=in a poll item=failed");
}

#[tokio::test]
async fn each_is_told_once_with_worker_and_attempt() {
    let events = Events::keep();
    let (source, _script) = RecordingSource::builder().redelivers().items([0]).build();
    let pool = Pool::builder()
        .workers(1)
        .max_attempts(2)
        .source(source)
        .handler(|item: u8| async move { assert!(item != 0, "ouch") })
        .start()
        .unwrap();
    let report = pool.finish().await;
    assert_eq!((report.panics, report.restarts), (2, 2));
    assert_eq!(
        events.at(Level::ERROR),
        [
            "handler panicked worker=0 attempt=1 panic=ouch item=returned",
            "handler panicked worker=0 attempt=2 panic=ouch item=dead-lettered",
        ]
    );
}

#[tokio::test]
async fn a_worker_that_panicked_gets_a_new_handler() {
    let (source, _script) = RecordingSource::new([1, 2, 0, 3, 4]);
    let built = Arc::new(AtomicU64::new(0));
    let seen = Arc::new(AtomicU64::new(0));
    let (building, seeing) = (Arc::clone(&built), Arc::clone(&seen));
    let pool = Pool::builder()
        .workers(1)
        .source(source)
        .handler_per_worker(move |id| {
            assert_eq!((id.index(), id.to_string().as_str()), (0, "0"));
            building.fetch_add(1, Ordering::Relaxed);
            let seeing = Arc::clone(&seeing);
            let mut handled_by_this_one = 0;
            move |item: u32| {
                assert!(item != 0, "ouch");
                handled_by_this_one += 1;
                seeing.fetch_max(handled_by_this_one, Ordering::Relaxed);
                async {}
            }
        })
        .start()
        .unwrap();
    let report = pool.finish().await;
    assert_eq!((report.completed, report.restarts), (4, 1));
    assert_eq!((built.load(Ordering::Relaxed), seen.load(Ordering::Relaxed)), (2, 2));
}

/// A policy, a budget or a hook may have state whose destructor panics.
#[tokio::test]
async fn in_the_destructor_of_a_policy_or_a_budget_at_the_end() {
    struct Policy(Bomb);
    impl ScalePolicy for Policy {
        fn workers(&mut self, load: &Load, _: Duration) -> usize {
            load.workers
        }
    }
    struct Purse(Bomb);
    impl Budget for Purse {
        fn deposit(&self) {}
        fn withdraw(&self) -> bool {
            !self.0.armed
        }
    }
    let events = Events::keep();
    let (source, _script) = RecordingSource::new(0..10_u32);
    let policy = Policy(Bomb { armed: true });
    assert!(policy.0.armed);
    let retry = Retry::default().with_budget(Purse(Bomb { armed: true }));
    let pool = Pool::builder()
        .scale(1..=2, policy)
        .on_failure(OnFailure::Retry(retry))
        .source(source)
        .handler_delivery(|delivery: Delivery<u32>| async { delivery.ack() })
        .start()
        .unwrap();
    let report = finish(pool).await;
    assert_eq!((report.completed, report.ended_by.to_string()), (10, "source ended".to_owned()));
    assert_eq!(events.at(Level::ERROR).len(), 2);
}

#[tokio::test]
async fn in_the_destructor_of_a_pipelines_hooks() {
    let events = Events::keep();
    let bomb = || Bomb { armed: true };
    let (undelivered, second, dead_letter) = (bomb(), bomb(), bomb());
    let pipeline = Pipeline::builder()
        .queue(10)
        .on_undelivered(move |_: u32| drop(undelivered.clone()))
        .on_undelivered(move |_| drop(second.clone()))
        .on_dead_letter(move |_, _| drop(dead_letter.clone()))
        .stage("only", async |_| Ok::<(), BoxError>(()), |pool| pool)
        .start()
        .unwrap();
    pipeline.produce(1).await.unwrap();
    let report = pipeline.finish().await;
    assert_eq!((report.delivered, report.adds_up()), (1, true));
    assert_eq!(events.at(Level::ERROR).len(), 3);
}

/// They go together, with the last worker: two panics at once would end the process.
#[tokio::test]
async fn in_the_destructors_of_a_stages_handler_and_of_its_sink() {
    struct Sink(Bomb);
    #[async_trait::async_trait]
    impl ItemSink<u32> for Sink {
        async fn send(&self, _: u32) -> Result<(), SinkError<u32>> {
            let _ = &self.0;
            Ok(())
        }

        async fn send_many(&self, _: &mut Vec<u32>) -> Result<(), SinkError<u32>> {
            unreachable!("results are handed on one by one")
        }
    }
    let bomb = Bomb { armed: true };
    let pipeline = Pipeline::builder()
        .queue(10)
        .stage(
            "only",
            move |item: u32| {
                let _ = &bomb;
                async move { Ok::<_, BoxError>(item) }
            },
            |pool| pool.workers(1),
        )
        .sink(Sink(Bomb { armed: true }))
        .start()
        .unwrap();
    pipeline.produce(1).await.unwrap();
    let report = pipeline.finish().await;
    assert_eq!((report.delivered, report.adds_up()), (1, true), "{report}");
}

/// It is not the fault of the one that displaced it.
#[tokio::test]
async fn in_the_destructor_of_what_is_displaced_by_what_is_resubmitted() {
    let (tx, rx) = builder().capacity(1).when_full(WhenFull::DropOldest).build();
    let feed = tx.clone();
    let pool = Pool::builder()
        .workers(1)
        .source(rx)
        .resubmit_to(&tx)
        .handler_in(move |cx: WorkContext<(u32, Bomb)>, (n, _bomb)| {
            if n == 1 {
                // The only worker is here.
                feed.try_send((2, Bomb { armed: true })).unwrap();
                cx.resubmit((3, Bomb { armed: false })).unwrap();
            }
            async {}
        })
        .start()
        .unwrap();
    tx.send((1, Bomb { armed: false })).await.unwrap();
    while pool.stats().completed + pool.stats().failed < 2 {
        tokio::task::yield_now().await;
    }
    let report = pool.shutdown(Duration::from_secs(1)).await;
    assert_eq!((report.completed, report.failed, report.panics), (2, 0, 0), "{report}");
}
