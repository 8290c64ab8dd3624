use std::time::Duration;

use forebay_pool::{BoxError, Pipeline, WorkContext};
use forebay_queue::{Receiver, Sender, WhenFull};
use tokio::task::yield_now;
use tower::service_fn;

use super::{End, Item, Log, MILLI, at_each_await, dropped_after, send_every_other, settle, work};

/// The form of a pipeline's first stage.
#[derive(Debug, Clone, Copy)]
enum First {
    Stage,
    InContext,
    Many,
    PerWorker,
    Service,
}

const FIRSTS: [First; 5] = [First::Stage, First::InContext, First::Many, First::PerWorker, First::Service];

async fn pass(item: Item) -> Result<Item, BoxError> {
    work().await;
    Ok(item)
}

impl First {
    fn start(self) -> (Pipeline<Sender<Item>>, Receiver<Item>) {
        let first = Pipeline::builder().queue(2).on_undelivered(|mut item: Item| item.end(End::Back));
        let staged = match self {
            Self::Stage => first.stage("first", pass, |pool| pool.workers(2)),
            Self::InContext => {
                first.stage_in("first", |_: WorkContext<Item>, item| pass(item), |pool| pool.workers(2))
            }
            Self::Many => {
                first.stage_many("first", async |item| pass(item).await.map(Some), |pool| pool.workers(2))
            }
            Self::PerWorker => first.stage_per_worker("first", |_| pass, |pool| pool.workers(2)),
            Self::Service => first.stage_service("first", service_fn(pass), |pool| pool.workers(2)),
        };
        staged
            .queue(1)
            .on_undelivered(|mut item: Item| item.end(End::Back))
            .stage("second", pass, |pool| pool.workers(1))
            .results(1, WhenFull::Wait)
            .start()
            .unwrap()
    }
}

/// All futures of a pipeline's handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Produce,
    Idle,
    Finish,
    FinishWhenIdle,
    Shutdown(Duration),
}

#[test]
fn each_future() {
    let all = [
        Of::Produce,
        Of::Idle,
        Of::Finish,
        Of::FinishWhenIdle,
        Of::Shutdown(Duration::ZERO),
        Of::Shutdown(3 * MILLI),
        Of::Shutdown(Duration::from_secs(3600)),
    ];
    for (of, first) in all.into_iter().flat_map(|of| FIRSTS.map(|first| (of, first))) {
        at_each_await(async |polls| {
            let log = Log::default();
            let (pipeline, mut results) = first.start();
            let reader = tokio::spawn(async move {
                while let Some(mut item) = results.recv().await {
                    item.end(End::Done);
                    yield_now().await;
                }
            });
            for id in 0..6 {
                pipeline.produce(log.item(id)).await.unwrap();
            }
            let (mut ids, nothing) = ((0..6).collect::<Vec<_>>(), |_| {});
            let (is_ready, report) = match of {
                Of::Produce => {
                    ids.push(99);
                    let sent = dropped_after(polls, pipeline.produce(log.item(99)), nothing).await;
                    assert_eq!(log.of(99), sent.is_none().then_some(End::Dropped), "{polls}");
                    (sent.is_some(), Some(pipeline.finish().await))
                }
                Of::Idle => {
                    let idle = dropped_after(polls, pipeline.idle(), nothing).await;
                    (idle.is_some(), Some(pipeline.finish().await))
                }
                Of::Finish => {
                    let report = dropped_after(polls, pipeline.finish(), nothing).await;
                    (report.is_some(), report)
                }
                Of::FinishWhenIdle => {
                    let report = dropped_after(polls, pipeline.finish_when_idle(), nothing).await;
                    (report.is_some(), report)
                }
                Of::Shutdown(deadline) => {
                    let report = dropped_after(polls, pipeline.shutdown(deadline), nothing).await;
                    (report.is_some(), report)
                }
            };
            // The results end with the stages, whatever became of these.
            reader.await.unwrap();
            settle().await;
            let what = format!("{of:?} {first:?} {polls} {log:?} {report:?}");
            log.assert_all(ids);
            let refused = u64::from(of == Of::Produce && !is_ready);
            // One in the hands of each worker.
            assert!(log.count(End::Dropped) <= 3 + refused, "{what}");
            if let Some(report) = &report {
                assert!(report.adds_up(), "{what}");
                assert_eq!(report.delivered, log.count(End::Done), "{what}");
                assert_eq!(report.undelivered, log.count(End::Back), "{what}");
                assert_eq!(report.failed + refused, log.count(End::Dropped), "{what}");
            }
            is_ready
        });
    }
}

/// From another thread, at whatever instant, while items come in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropped_at_any_instant() {
    for round in 0..30 {
        for first in FIRSTS {
            let log = Log::default();
            let (pipeline, mut results) = first.start();
            let reader = tokio::spawn(async move {
                while let Some(mut item) = results.recv().await {
                    item.end(End::Done);
                }
            });
            let producers = [0, 1].map(|first| send_every_other(&log, first, 20, pipeline.producer()));
            for _ in 0..round {
                yield_now().await;
            }
            let report = match round % 3 {
                0 => {
                    drop(pipeline);
                    None
                }
                1 => Some(pipeline.shutdown(Duration::ZERO).await),
                _ => Some(pipeline.shutdown(Duration::from_secs(60)).await),
            };
            for producer in producers {
                producer.await.unwrap();
            }
            reader.await.unwrap();
            while log.len() < 20 {
                yield_now().await;
            }
            let what = format!("{first:?} {round} {log:?} {report:?}");
            log.assert_all((0..20).collect());
            assert!(log.count(End::Dropped) <= 3, "{what}");
            if let Some(report) = report {
                assert!(report.adds_up(), "{what}");
                assert_eq!(report.delivered, log.count(End::Done), "{what}");
                assert_eq!(report.undelivered, log.count(End::Back), "{what}");
                assert_eq!(report.failed, log.count(End::Dropped), "{what}");
            }
        }
    }
}
