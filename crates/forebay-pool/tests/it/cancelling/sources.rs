use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use forebay_pool::{BoxError, OnFailure, Pool, Report, Retry};
use forebay_queue::{Delivery, End, Receipt, SourceError};
use forebay_testkit::{RecordingSource, Script};

use super::handles::{ENDINGS, Ending, WORKERS};
use super::{MILLI, at_each_await, dropped_after, settle, work};

/// What the handler takes, and what stands before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Value,
    Copies,
    Delivery,
    Keyed,
    Batch,
    Retried,
    Prefetched,
}

const FORMS: [Form; 7] =
    [Form::Value, Form::Copies, Form::Delivery, Form::Keyed, Form::Batch, Form::Retried, Form::Prefetched];

/// A source that is unavailable once, of six items.
fn source(redelivers: bool, leased: bool) -> (RecordingSource<u32>, Script<u32>) {
    let source =
        RecordingSource::builder().items(0..4).fail(SourceError::Unavailable("away".into())).items(4..6);
    let source = if redelivers { source.redelivers() } else { source };
    if leased { source.lease(6 * MILLI).build() } else { source.build() }
}

impl Form {
    /// The pool, and how often handlers were done.
    fn start(self, source: RecordingSource<u32>) -> (Pool<u32>, Arc<AtomicU64>) {
        let done = Arc::new(AtomicU64::new(0));
        let note = Arc::clone(&done);
        let by_value = move |_: u32| {
            let note = Arc::clone(&note);
            async move {
                work().await;
                note.fetch_add(1, Ordering::Relaxed);
            }
        };
        let note = Arc::clone(&done);
        let by_delivery = move |delivery: Delivery<u32>| {
            let note = Arc::clone(&note);
            async move {
                work().await;
                note.fetch_add(1, Ordering::Relaxed);
                delivery.ack();
            }
        };
        let pool = Pool::builder().workers(WORKERS).source(source);
        let pool = match self {
            Self::Value => pool.handler(by_value).start(),
            Self::Copies => pool.handler(by_value).keep_copies().start(),
            Self::Prefetched => pool.handler(by_value).prefetch(2).start(),
            Self::Delivery => pool.handler_delivery(by_delivery).start(),
            Self::Keyed => pool.handler_delivery(by_delivery).key(|item| item % 2).per_key(1).start(),
            Self::Retried => {
                let handler = move |delivery: Delivery<u32>| {
                    let done = by_delivery.clone();
                    async move {
                        work().await;
                        if delivery.attempt() < 3 {
                            return Err("not yet");
                        }
                        done(delivery).await;
                        Ok(())
                    }
                };
                pool.handler_delivery(handler).on_failure(OnFailure::Retry(Retry::default())).start()
            }
            Self::Batch => {
                let handler = move |batch: Vec<Delivery<u32>>| {
                    let done = by_delivery.clone();
                    async move {
                        for delivery in batch {
                            done(delivery).await;
                        }
                        Ok::<(), BoxError>(())
                    }
                };
                pool.handler_batch(handler).batch(4, 3 * MILLI).start()
            }
        };
        (pool.unwrap(), done)
    }
}

/// What the source saw of a pool, and what the pool says.
#[track_caller]
fn assert_told(what: &str, script: &Script<u32>, done: u64, lost: usize, report: Option<&Report>) {
    let record = script.record();
    let what = format!("{what} {done} {report:?} {record:?}");
    assert_eq!(script.outstanding(), 0, "{what}");
    assert_eq!(record.late, [], "{what}");
    let receipts: BTreeSet<_> = record.settlements.iter().map(|settled| settled.receipt.get()).collect();
    assert_eq!(receipts.len(), record.settlements.len(), "{what}");
    assert_eq!(record.settlements.len() + lost, record.handed_out, "{what}");
    let acks = record.ends().iter().filter(|end| **end == End::Ack).count() as u64;
    // Of one that was lost just before its handler was done the source hears nothing.
    assert!(acks <= done && done <= acks + lost as u64, "{what}");
    assert!(record.dropped, "{what}");
    if let Some(report) = report {
        assert!(report.adds_up() && report.held == 0, "{what}");
        assert_eq!(report.taken, record.handed_out as u64, "{what}");
        assert_eq!(report.leases_lost, lost as u64, "{what}");
        assert!(acks <= report.completed && report.completed <= done, "{what}");
        assert!(report.settled, "{what}");
    }
}

/// Each delivery is settled once, and acked if its handler was done and not else.
#[test]
fn each_delivery_is_settled_once() {
    for form in FORMS {
        for ending in ENDINGS {
            for (redelivers, leased) in [(false, false), (true, false), (true, true)] {
                at_each_await(async |polls| {
                    let (source, script) = source(redelivers, leased);
                    let (pool, done) = form.start(source);
                    let report = dropped_after(polls, ending.of(pool), |_| {}).await;
                    settle().await;
                    let what = format!("{form:?} {ending:?} {redelivers} {leased} {polls}");
                    assert_told(&what, &script, done.load(Ordering::Relaxed), 0, report.as_ref());
                    report.is_some()
                });
            }
        }
    }
}

/// The same where the source takes some back meanwhile: of those it hears nothing.
#[test]
fn each_delivery_is_settled_once_or_was_lost() {
    for form in FORMS {
        for ending in [Ending::Finish, Ending::Shutdown(4 * MILLI), Ending::Shutdown(Duration::from_secs(60))]
        {
            for often in [3, 7] {
                at_each_await(async |polls| {
                    let (source, script) = source(true, true);
                    let (pool, done) = form.start(source);
                    let lost = Mutex::new(0);
                    let report = dropped_after(polls, ending.of(pool), |polled| {
                        let mut lost = lost.lock().unwrap();
                        if polled % often == often - 1 && *lost < 4 {
                            let record = script.record();
                            let receipts = (0..record.handed_out as u64).map(Receipt::new);
                            *lost += receipts.rev().filter(|at| script.lose(*at)).take(1).count();
                        }
                    });
                    let report = report.await;
                    settle().await;
                    let lost = *lost.lock().unwrap();
                    let what = format!("{form:?} {ending:?} {often} {polls} lost {lost}");
                    let done = done.load(Ordering::Relaxed);
                    assert_told(&what, &script, done, lost, report.as_ref());
                    report.is_some()
                });
            }
        }
    }
}
