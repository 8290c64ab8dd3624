use std::future::pending;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use forebay_pool::layer::PoolLayer;
use forebay_pool::{BoxError, EndedBy, Pipeline};
use forebay_queue::{SendError, TrySendError, WhenFull};
use forebay_testkit::Driver;
use tokio::runtime::{Builder, Runtime};
use tokio::task::yield_now;
use tower::Service;

use crate::cancelling::{Answer, End, FORMS, Log, Seen, answer_of, noting};

const LONG: Duration = Duration::from_secs(1000);

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

/// Lets all tasks run until they wait.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// Each queue has a receiver that only reads its counts, and is no reason to wait for room.
#[test]
fn a_pipeline_without_its_runtime_gives_items_back() {
    let undelivered = Arc::new(Mutex::new(Vec::new()));
    let (first, second) = (Arc::clone(&undelivered), Arc::clone(&undelivered));
    let runtime = runtime();
    let (pipeline, mut results) = runtime.block_on(async {
        Pipeline::builder()
            .queue(1)
            .on_undelivered(move |item| first.lock().unwrap().push(("first", item)))
            .stage("pass", async |item: u32| Ok::<_, BoxError>(item), |pool| pool.workers(1))
            .queue(1)
            .on_undelivered(move |item| second.lock().unwrap().push(("second", item)))
            .stage("hang", async |_: u32| pending::<Result<u32, BoxError>>().await, |pool| pool.workers(1))
            .results(1, WhenFull::Wait)
            .start()
            .unwrap()
    });
    // One hangs, one is in the second queue, one waits for room there, one is in the first queue.
    for item in 1..=4 {
        pipeline.try_produce(item).unwrap();
        runtime.block_on(settle());
    }
    let mut waiting = Driver::new(pipeline.produce(5));
    waiting.assert_pending();
    drop(runtime);
    assert!(matches!(waiting.assert_ready(), Err(SendError::Closed(5))));
    drop(waiting);
    assert!(matches!(pipeline.try_produce(6), Err(TrySendError::Closed(6))));
    assert_eq!(Driver::new(results.recv()).assert_ready(), None);
    Driver::new(pipeline.idle()).assert_ready();
    Driver::new(pipeline.closed()).assert_ready();
    let report = Driver::new(pipeline.shutdown(LONG)).assert_ready();
    assert!(matches!(report.ended_by, EndedBy::Runtime), "{report}");
    assert!(report.adds_up(), "{report}");
    assert_eq!((report.accepted, report.failed, report.undelivered), (4, 2, 2), "{report}");
    assert_eq!(*undelivered.lock().unwrap(), [("first", 4), ("second", 2)]);
}

/// In so many of the smallest steps, or with the clock, which is paused, going on.
async fn steps(steps: usize) {
    for step in 0..steps {
        if step < 30 { yield_now().await } else { settle().await }
    }
}

#[test]
fn a_pool_without_its_runtime_is_over_whatever_it_was_doing() {
    for form in FORMS {
        for so_far in 0..60 {
            let (log, runtime) = (Log::default(), runtime());
            let pool = runtime.block_on(async { form.start(3) });
            for id in 0..3 {
                pool.try_produce(log.item(id)).unwrap();
            }
            runtime.block_on(steps(so_far / 2));
            let mut waiting: Vec<_> = (3..7).map(|id| Driver::new(pool.produce(log.item(id)))).collect();
            let mut accepted = 3;
            for waiting in &mut waiting {
                accepted += u64::from(waiting.poll().is_ready());
            }
            waiting.drain(..accepted as usize - 3);
            let (mut idle, mut closed) = (Driver::new(pool.idle()), Driver::new(pool.closed()));
            let (idles, _) = (idle.poll(), closed.poll());
            runtime.block_on(steps(so_far - so_far / 2));
            drop(runtime);
            for mut waiting in waiting {
                match waiting.assert_ready() {
                    Ok(_) => accepted += 1,
                    Err(refused) => refused.into_inner().end(End::Refused),
                }
            }
            if idles == Poll::Pending {
                idle.assert_ready();
            }
            closed.assert_ready();
            drop((idle, closed));
            let report = Driver::new(async move {
                match so_far % 3 {
                    0 => pool.finish().await,
                    1 => pool.finish_when_idle().await,
                    _ => pool.shutdown(LONG).await,
                }
            })
            .assert_ready();
            let what = format!("{form:?} {so_far} {log:?} {report:?}");
            log.assert_all((0..7).collect());
            assert!(matches!(report.ended_by, EndedBy::Runtime), "{what}");
            assert!(report.adds_up() && report.held == 0, "{what}");
            assert_eq!(report.completed, log.count(End::Done), "{what}");
            assert_eq!(report.failed, log.count(End::Dropped), "{what}");
            assert_eq!(report.undelivered, log.count(End::Back), "{what}");
            assert_eq!(report.completed + report.failed + report.undelivered, accepted, "{what}");
            assert!(form.moves_items() || report.failed == 0, "{what}");
        }
    }
}

#[test]
fn callers_of_a_layer_without_its_runtime_are_told() {
    for spawned in [false, true] {
        for so_far in 0..40 {
            let (log, seen, runtime) = (Log::default(), Seen::default(), runtime());
            let (mut service, mut worker) = runtime.block_on(async {
                let (service, worker) = PoolLayer::new(2, 1).pair(noting(&seen)).unwrap();
                (service, Some(worker))
            });
            if spawned {
                runtime.spawn(worker.take().unwrap());
            }
            let mut calls: Vec<_> = (0..6).map(|id| Driver::new(service.call(log.item(id)))).collect();
            for _ in 0..so_far {
                runtime.block_on(steps(1));
                worker.iter_mut().for_each(|worker| drop(Driver::new(worker).poll()));
                let mut answered = Vec::new();
                calls.retain_mut(|call| match call.poll() {
                    Poll::Ready(answer) => {
                        answered.push(answer_of(answer));
                        false
                    }
                    Poll::Pending => true,
                });
                assert!(answered.iter().all(|answer| *answer == Answer::Ok));
            }
            drop(runtime);
            // It is its owner's, who learns that it is over.
            worker.iter_mut().for_each(|worker| drop(Driver::new(worker).assert_ready()));
            let left = calls.iter_mut().map(|call| answer_of(call.assert_ready()));
            let back = left.filter(|answer| *answer == Answer::Back).count();
            assert_eq!(back + seen.lock().unwrap().len(), 6, "{so_far} {seen:?} {log:?}");
            drop(calls);
            log.assert_all((0..6).collect());
        }
    }
}
