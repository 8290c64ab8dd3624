//! The table in the crate's docs, "What becomes of an item": each form of handler, with each end.

use std::future::{Pending, Ready, pending, ready};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use forebay_pool::{Backoff, Builder, OnFailure, Pool, Report, Retry};
use forebay_queue::{Delivery, End};
use forebay_testkit::{RecordingSource, Script};
use tower_service::Service;

use crate::numbers::Numbers;

/// How the handler's run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Done,
    Error,
    Panic,
    Timeout,
    Abort,
}

const ALL: [How; 5] = [How::Done, How::Error, How::Panic, How::Timeout, How::Abort];

/// With a time limit where the run is to meet it.
fn builder(how: How) -> Builder {
    let builder = Pool::builder().workers(2);
    if how == How::Timeout { builder.timeout(Duration::from_millis(1)) } else { builder }
}

async fn end(how: How) -> Result<(), &'static str> {
    match how {
        How::Done => Ok(()),
        How::Error => Err("it failed"),
        How::Panic => panic!("it panicked"),
        How::Timeout | How::Abort => pending().await,
    }
}

/// What a pool did with its one item, which was tried once.
struct Seen {
    report: Report,
    end: End,
    with_item: bool,
}

async fn see<P>(pool: Pool<How, P>, script: &Script<How>) -> Seen {
    // One attempt: either it is settled, or only an abort ends it.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let report = pool.shutdown(Duration::from_secs(1)).await;
    assert!(report.adds_up(), "{report:?}");
    assert_eq!(report.held, 0);
    assert_eq!((script.outstanding(), report.taken), (0, 1));
    let record = script.record();
    let settlement = record.settlements.first().expect("the item was settled");
    Seen { report, end: settlement.end.clone(), with_item: settlement.with_item }
}

/// One item; what comes back is not delivered again before the pool is gone.
fn one(how: How, redelivers: bool) -> (Once<How>, Script<How>) {
    let builder = RecordingSource::builder().items([how]).never_ending();
    let (source, script) = if redelivers { builder.redelivers().build() } else { builder.build() };
    (Once { source, taken: false }, script)
}

/// Hands out one delivery and no second.
struct Once<T> {
    source: RecordingSource<T>,
    taken: bool,
}

impl<T: Send + 'static> forebay_queue::Source for Once<T> {
    type Item = T;

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        max: std::num::NonZeroUsize,
        out: &mut Vec<Delivery<T>>,
    ) -> Poll<Result<usize, forebay_queue::SourceError>> {
        if self.taken {
            return Poll::Pending;
        }
        let polled = self.source.poll_next(cx, max, out);
        self.taken = polled.is_ready();
        polled
    }

    fn poll_settled(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), forebay_queue::SourceError>> {
        self.source.poll_settled(cx)
    }

    fn close(&mut self) {
        self.source.close();
    }

    fn redelivers(&self) -> bool {
        self.source.redelivers()
    }
}

/// Which of the counters an item went to.
fn counted(report: &Report) -> &'static str {
    match (report.completed, report.failed, report.returned, report.dead_lettered) {
        (1, 0, 0, 0) => "completed",
        (0, 1, 0, 0) => "failed",
        (0, 0, 1, 0) => "returned",
        (0, 0, 0, 1) => "dead-lettered",
        other => panic!("one item counts once, but: {other:?}"),
    }
}

fn back() -> End {
    End::Nack { after: Duration::ZERO }
}

/// The forms that take the item share their row.
async fn by_value(form: &str, how: How, redelivers: bool) -> Seen {
    let (source, script) = one(how, redelivers);
    let builder = builder(how).source(source);
    let builder = match form {
        "handler_in" => builder.handler_in(|_, how| end(how)),
        "handler" => builder.handler(end),
        "handler_with" => builder.handler_with((), |(), how| end(how)),
        "handler_per_worker" => builder.handler_per_worker(|_| end),
        "service" => builder.service(EndService),
        "service_per_worker" => builder.service_per_worker(|_| EndService),
        other => unreachable!("no form {other}"),
    };
    see(builder.start().unwrap(), &script).await
}

const BY_VALUE: [&str; 6] =
    ["handler", "handler_with", "handler_in", "handler_per_worker", "service", "service_per_worker"];

#[tokio::test(start_paused = true)]
async fn the_item_from_a_source_in_memory() {
    for form in BY_VALUE {
        for how in ALL {
            let seen = by_value(form, how, false).await;
            let (end, count) = match how {
                How::Done => (End::Ack, "completed"),
                // The source has no copy and the value is gone, which a nack without the value says.
                How::Error | How::Panic | How::Timeout | How::Abort => (back(), "failed"),
            };
            assert_eq!((seen.end, counted(&seen.report)), (end, count), "{form}, {how:?}");
            assert!(!seen.with_item, "{form}, {how:?}: the handler had the value");
            side_effects(&seen.report, how);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_item_from_a_source_that_redelivers() {
    for form in BY_VALUE {
        for how in ALL {
            let seen = by_value(form, how, true).await;
            let (end, count) = match how {
                How::Done => (End::Ack, "completed"),
                How::Error | How::Panic | How::Timeout | How::Abort => (back(), "returned"),
            };
            assert_eq!((seen.end, counted(&seen.report)), (end, count), "{form}, {how:?}");
            side_effects(&seen.report, how);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_delivery_unsettled_so_far() {
    for redelivers in [false, true] {
        for how in ALL {
            let (source, script) = one(how, redelivers);
            let pool = builder(how)
                .source(source)
                .handler_delivery(|delivery: Delivery<How>| async move {
                    let how = *delivery.item().expect("nobody took it");
                    end(how).await
                })
                .start()
                .unwrap();
            let seen = see(pool, &script).await;
            assert_eq!((seen.end, counted(&seen.report)), (back(), "returned"), "{how:?}");
            assert!(seen.with_item, "{how:?}: it went back with its value");
            side_effects(&seen.report, how);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_delivery_settled_before_the_end() {
    for how in ALL {
        let (source, script) = one(how, false);
        let pool = builder(how)
            .source(source)
            .handler_delivery(|mut delivery: Delivery<How>| async move {
                let how = delivery.take().expect("nobody took it");
                delivery.ack();
                end(how).await
            })
            .start()
            .unwrap();
        let seen = see(pool, &script).await;
        assert_eq!((seen.end, counted(&seen.report)), (End::Ack, "completed"), "{how:?}");
        side_effects(&seen.report, how);

        let (source, script) = one(how, false);
        let pool = builder(how)
            .source(source)
            .handler_delivery(|delivery: Delivery<How>| async move {
                let how = *delivery.item().expect("nobody took it");
                delivery.dead_letter("no use");
                end(how).await
            })
            .start()
            .unwrap();
        let seen = see(pool, &script).await;
        let dead = End::DeadLetter { reason: "no use".to_owned() };
        assert_eq!((seen.end, counted(&seen.report)), (dead, "dead-lettered"), "{how:?}");
        assert!(seen.with_item);
        side_effects(&seen.report, how);

        let (source, script) = one(how, false);
        let pool = builder(how)
            .source(source)
            .handler_delivery(|delivery: Delivery<How>| async move {
                let how = *delivery.item().expect("nobody took it");
                delivery.nack(Duration::from_secs(7));
                end(how).await
            })
            .start()
            .unwrap();
        let seen = see(pool, &script).await;
        let later = End::Nack { after: Duration::from_secs(7) };
        assert_eq!((seen.end, counted(&seen.report)), (later, "returned"), "{how:?}");
        side_effects(&seen.report, how);
    }
}

/// A delivery whose item was taken out has no value to give back.
#[tokio::test(start_paused = true)]
async fn the_delivery_without_its_item() {
    for (redelivers, count) in [(false, "failed"), (true, "returned")] {
        let (source, script) = one(How::Error, redelivers);
        let pool = Pool::builder()
            .source(source)
            .handler_delivery(|mut delivery: Delivery<How>| async move {
                end(delivery.take().expect("nobody took it")).await
            })
            .start()
            .unwrap();
        let seen = see(pool, &script).await;
        assert_eq!((seen.end, counted(&seen.report)), (back(), count));
    }
}

#[tokio::test(start_paused = true)]
async fn the_item_where_copies_are_kept() {
    for redelivers in [false, true] {
        for how in ALL {
            let (source, script) = one(how, redelivers);
            let pool = builder(how).source(source).handler(end).keep_copies().start().unwrap();
            let seen = see(pool, &script).await;
            let (end, count) = if how == How::Done { (End::Ack, "completed") } else { (back(), "returned") };
            assert_eq!((seen.end, counted(&seen.report)), (end, count), "{how:?}");
            assert_eq!(seen.with_item, how != How::Done, "{how:?}");
            side_effects(&seen.report, how);
        }
    }
}

/// There is nobody to give anything back to.
#[tokio::test(start_paused = true)]
async fn the_item_of_a_source_that_is_told_nothing() {
    let fails = || Pool::builder().workers(1).source(Numbers(0..3));
    let failing = async |_: u32| Err::<(), _>("it failed");
    for policy in [OnFailure::Return, OnFailure::DeadLetter, OnFailure::Fail] {
        let about = format!("{policy:?}");
        let pool = fails().on_failure(policy.clone()).handler(failing).keep_copies();
        let report = pool.start().unwrap().finish().await;
        assert_eq!((report.taken, report.failed), (3, 3), "{about}: {report}");
        let pool =
            fails().on_failure(policy).handler_delivery(async |_: Delivery<u32>| Err::<(), _>("it failed"));
        let report = pool.start().unwrap().finish().await;
        assert_eq!((report.taken, report.failed), (3, 3), "{about}: {report}");
    }
    let pool = fails().on_failure(OnFailure::Retry(Retry::default())).max_attempts(2).handler(failing);
    let report = pool.keep_copies().start().unwrap().finish().await;
    assert_eq!((report.failed, report.retried), (3, 3), "{report}");

    // What no handler had is no exception.
    let pool = Pool::builder().workers(1).prefetch(2).source(Numbers(0..5)).handler(|_: u32| pending::<()>());
    let pool = pool.key(|number| if *number == 1 { panic!("no key") } else { *number }).start().unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(pool.cancel(&2_u32), 1);
    let report = pool.shutdown(Duration::ZERO).await;
    assert!(report.adds_up());
    assert_eq!((report.failed, report.cancelled, report.aborted), (report.taken, 1, 1), "{report}");
}

#[tokio::test(start_paused = true)]
async fn the_item_that_is_lent() {
    for how in ALL {
        let (source, script) = one(how, false);
        let pool = builder(how).source(source).handler_mut(|how| Box::pin(end(*how))).start().unwrap();
        let seen = see(pool, &script).await;
        let (end, count) = if how == How::Done { (End::Ack, "completed") } else { (back(), "returned") };
        assert_eq!((seen.end, counted(&seen.report)), (end, count), "{how:?}");
        side_effects(&seen.report, how);
    }
}

/// A pool that is dropped does with its items what it does at the deadline of a shutdown.
#[tokio::test(start_paused = true)]
async fn a_handle_that_is_dropped_aborts() {
    let start = |form: &str, redelivers| {
        let (source, script) = one(How::Abort, redelivers);
        let builder = builder(How::Abort).source(source);
        let pool = match form {
            "handler" => builder.handler(end).start(),
            "handler_in" => builder.handler_in(|_, how| end(how)).start(),
            "service" => builder.service(EndService).start(),
            "copies" => builder.handler(end).keep_copies().start(),
            "mut" => builder.handler_mut(|how| Box::pin(end(*how))).start(),
            "delivery" => builder.handler_delivery(unsettled).start(),
            "batch" => builder.handler_batch(async |_batch| pending::<()>().await).start(),
            // Not begun.
            "forming" => builder
                .handler_batch(async |_batch| pending::<()>().await)
                .batch(2, Duration::from_secs(3600))
                .start(),
            "between two attempts" => builder
                .on_failure(OnFailure::Retry(Retry::new(Backoff::new(
                    Duration::from_secs(3600),
                    Duration::from_secs(3600),
                ))))
                .handler(async |_| Err::<(), _>("it failed"))
                .keep_copies()
                .start(),
            other => unreachable!("no form {other}"),
        };
        (pool.unwrap(), script)
    };
    let forms = [
        "handler",
        "handler_in",
        "service",
        "copies",
        "mut",
        "delivery",
        "batch",
        "forming",
        "between two attempts",
    ];
    for form in forms {
        for redelivers in [false, true] {
            let (pool, script) = start(form, redelivers);
            let aborted = see(pool, &script).await;
            let (pool, script) = start(form, redelivers);
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            drop(pool);
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            let record = script.record();
            let ends: Vec<_> =
                record.settlements.iter().map(|settled| (&settled.end, settled.with_item)).collect();
            assert_eq!(ends, [(&aborted.end, aborted.with_item)], "{form}, {redelivers}");
            assert!(record.dropped, "{form}, {redelivers}");
        }
    }
}

/// The second table: what is chosen with `on_failure`, for what fails by itself. An abort is nobody's failure.
#[tokio::test(start_paused = true)]
async fn what_is_chosen_for_failures() {
    for form in ["delivery", "copies", "item"] {
        for redelivers in [false, true] {
            for how in [How::Error, How::Panic, How::Timeout] {
                for policy in [OnFailure::Fail, OnFailure::Return, OnFailure::DeadLetter] {
                    let about = format!("{form}, {how:?}, {policy:?}, {redelivers}");
                    let (source, script) = one(how, redelivers);
                    let builder = builder(how).on_failure(policy.clone()).source(source);
                    let builder = match form {
                        "delivery" => builder.handler_delivery(unsettled),
                        "copies" => builder.handler(end).keep_copies(),
                        _ => builder.handler(end),
                    };
                    if form == "item" && !redelivers && !matches!(policy, OnFailure::Fail) {
                        assert!(builder.start().is_err(), "{about}");
                        continue;
                    }
                    let seen = see(builder.start().unwrap(), &script).await;
                    let (end, count, with_item) = match policy {
                        // Told in the way that makes this source forget it.
                        OnFailure::Fail if redelivers => (End::Ack, "failed", false),
                        OnFailure::Fail => (back(), "failed", false),
                        OnFailure::Return => (back(), "returned", form != "item"),
                        _ => (dead(how), "dead-lettered", form != "item"),
                    };
                    assert_eq!((seen.end, counted(&seen.report)), (end, count), "{about}");
                    assert_eq!(seen.with_item, with_item, "{about}");
                    side_effects(&seen.report, how);
                }
            }
        }
    }
}

async fn unsettled(delivery: Delivery<How>) -> Result<(), &'static str> {
    end(*delivery.item().expect("nobody took it")).await
}

fn dead(how: How) -> End {
    let why = match how {
        How::Error => "failed: it failed",
        How::Panic => "panicked: it panicked",
        _ => "timed out",
    };
    End::DeadLetter { reason: format!("attempt 1: {why}") }
}

/// A pool that tries again where it is: the last attempt decides.
#[tokio::test(start_paused = true)]
async fn what_is_tried_again_in_place() {
    for form in ["delivery", "copies"] {
        for how in [How::Error, How::Panic, How::Timeout] {
            let (source, script) = one(how, false);
            let builder =
                builder(how).max_attempts(3).on_failure(OnFailure::Retry(Retry::default())).source(source);
            let builder = match form {
                "delivery" => builder.handler_delivery(unsettled),
                _ => builder.handler(end).keep_copies(),
            };
            let seen = see(builder.start().unwrap(), &script).await;
            let End::DeadLetter { reason } = &seen.end else { panic!("{form}, {how:?}: {:?}", seen.end) };
            assert!(reason.starts_with("attempt 3 of 3: "), "{reason}");
            assert!(seen.with_item);
            assert_eq!((counted(&seen.report), seen.report.retried), ("dead-lettered", 2));
        }
    }
}

/// What the run was, whatever became of the item.
fn side_effects(report: &Report, how: How) {
    assert_eq!(report.panics, u64::from(how == How::Panic), "{how:?}");
    assert_eq!(report.timed_out, u64::from(how == How::Timeout), "{how:?}");
    let settled_before = report.completed + report.dead_lettered > 0;
    assert_eq!(report.aborted, u64::from(how == How::Abort && !settled_before), "{how:?}");
    assert_eq!(report.restarts, u64::from(how == How::Panic), "{how:?}");
}

#[derive(Clone)]
struct EndService;

enum EndFuture {
    Ready(Ready<Result<(), &'static str>>),
    Pending(Pending<Result<(), &'static str>>),
    Panic,
}

impl Service<How> for EndService {
    type Response = ();
    type Error = &'static str;
    type Future = EndFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, how: How) -> EndFuture {
        match how {
            How::Done => EndFuture::Ready(ready(Ok(()))),
            How::Error => EndFuture::Ready(ready(Err("it failed"))),
            How::Panic => EndFuture::Panic,
            How::Timeout | How::Abort => EndFuture::Pending(pending()),
        }
    }
}

impl Future for EndFuture {
    type Output = Result<(), &'static str>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Ready(future) => Pin::new(future).poll(cx),
            Self::Pending(future) => Pin::new(future).poll(cx),
            Self::Panic => panic!("it panicked"),
        }
    }
}
