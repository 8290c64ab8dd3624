use std::sync::{Arc, Mutex};
use std::time::Duration;

use forebay_pool::{DeadLetter, OnFailure, Ordered, Phase, Pool, PoolHandle, Report, Retry, WorkContext};
use forebay_queue::{Delivery, Sender, bounded};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};

use super::{End, Item, Log, MILLI, at_each_await, dropped_after, send_every_other, settle, work};

/// What the handler takes, and what stands before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Value,
    Timed,
    InContext,
    Delivery,
    Keyed,
    Batch,
    Retried,
    Prefetched,
}

pub(crate) const FORMS: [Form; 8] = [
    Form::Value,
    Form::Timed,
    Form::InContext,
    Form::Delivery,
    Form::Keyed,
    Form::Batch,
    Form::Retried,
    Form::Prefetched,
];

/// What the handle does while the future is polled.
#[derive(Debug, Clone, Copy)]
enum Meanwhile {
    Nothing,
    Resize,
    PauseUntil,
}

const MEANWHILE: [Meanwhile; 3] = [Meanwhile::Nothing, Meanwhile::Resize, Meanwhile::PauseUntil];

pub(super) const WORKERS: usize = 2;

async fn deliver(mut delivery: Delivery<Item>) {
    work().await;
    delivery.item_mut().unwrap().end(End::Done);
    delivery.ack();
}

impl Form {
    /// Whether an item dies with the future of its handler.
    pub(crate) fn moves_items(self) -> bool {
        matches!(self, Self::Value | Self::Timed | Self::InContext | Self::Prefetched)
    }

    pub(crate) fn start(self, capacity: usize) -> Pool<Item, Sender<Item>> {
        let input = Pool::builder().workers(WORKERS).queue(capacity);
        let input = input.on_undelivered(|mut item: Item| item.end(End::Back));
        let by_value = async |mut item: Item| {
            work().await;
            item.end(End::Done);
        };
        match self {
            Self::Value => input.handler(by_value).start(),
            Self::Timed => input.handler(by_value).timeout(1_000 * MILLI).start(),
            Self::Prefetched => input.handler(by_value).prefetch(2).start(),
            Self::InContext => {
                let handler = async |cx: WorkContext<Item>, mut item: Item| {
                    work().await;
                    assert!(!cx.is_cancelled());
                    item.end(End::Done);
                };
                input.handler_in(handler).start()
            }
            Self::Delivery => input.handler_delivery(deliver).start(),
            Self::Keyed => input.handler_delivery(deliver).key(|item| item.id % 2).per_key(1).start(),
            Self::Retried => {
                let handler = async |delivery: Delivery<Item>| {
                    work().await;
                    if delivery.attempt() < 3 {
                        return Err("not yet");
                    }
                    deliver(delivery).await;
                    Ok(())
                };
                input.handler_delivery(handler).on_failure(OnFailure::Retry(Retry::default())).start()
            }
            Self::Batch => {
                let handler = async |batch: Vec<Delivery<Item>>| {
                    for delivery in batch {
                        deliver(delivery).await;
                    }
                };
                input.handler_batch(handler).batch(2, 3 * MILLI).start()
            }
        }
        .unwrap()
    }
}

impl Meanwhile {
    fn act(self, handle: &PoolHandle<Item>, polled: usize) {
        match self {
            Self::Nothing => {}
            Self::Resize => handle.resize(1 + polled % 3),
            Self::PauseUntil if polled % 9 == 4 => handle.pause_until(Instant::now() + 2 * MILLI),
            Self::PauseUntil => {}
        }
    }
}

/// A produce that is dropped has not sent, and whoever waits behind it comes in.
#[test]
fn produce() {
    for form in FORMS {
        for meanwhile in MEANWHILE {
            at_each_await(async |polls| {
                let (log, pool) = (Log::default(), form.start(1));
                let handle = pool.handle();
                // So many that it has to wait.
                let producer = pool.producer();
                let items: Vec<_> = (0..8).map(|id| log.item(id)).collect();
                let others = tokio::spawn(async move {
                    for item in items {
                        producer.send(item).await.unwrap();
                    }
                });
                yield_now().await;
                let sent = dropped_after(polls, pool.produce(log.item(99)), |polled| {
                    meanwhile.act(&handle, polled);
                });
                let sent = sent.await;
                let is_ready = sent.is_some();
                assert_eq!(log.of(99) == Some(End::Dropped), !is_ready, "{form:?} {polls}");
                drop(sent.map(Result::unwrap));
                others.await.unwrap();
                let report = pool.finish().await;
                assert!(report.adds_up() && report.held == 0, "{form:?} {polls} {report:?}");
                log.assert_all((0..8).chain([99]).collect());
                assert_eq!(log.count(End::Done), 8 + u64::from(is_ready), "{form:?} {polls} {log:?}");
                assert_eq!(report.completed, log.count(End::Done), "{form:?} {polls} {report:?}");
                is_ready
            });
        }
    }
}

/// At a rendezvous a produce that is dropped may have sent, and that is all.
#[test]
fn produce_at_a_rendezvous() {
    for form in FORMS {
        at_each_await(async |polls| {
            let (log, pool) = (Log::default(), form.start(0));
            let producer = pool.producer();
            let items: Vec<_> = (0..6).map(|id| log.item(id)).collect();
            let others = tokio::spawn(async move {
                for item in items {
                    producer.send(item).await.unwrap();
                }
            });
            let sent = dropped_after(polls, pool.produce(log.item(99)), |_| {}).await;
            let is_ready = sent.is_some();
            others.await.unwrap();
            let report = pool.finish().await;
            log.assert_all((0..6).chain([99]).collect());
            assert!(
                report.adds_up() && report.completed == log.count(End::Done),
                "{form:?} {polls} {report:?}"
            );
            assert!(log.count(End::Done) >= 6 + u64::from(is_ready), "{form:?} {polls} {log:?}");
            is_ready
        });
    }
}

/// Futures of the handle that only wait.
#[test]
fn idle_and_closed() {
    for form in FORMS {
        for ends in [false, true] {
            // Who is closed goes on to the end, whatever the handle does.
            for meanwhile in if ends { &MEANWHILE[..1] } else { &MEANWHILE[..] } {
                at_each_await(async |polls| {
                    let (log, pool) = (Log::default(), form.start(8));
                    for id in 0..5 {
                        pool.produce(log.item(id)).await.unwrap();
                    }
                    let act = |polled| meanwhile.act(&pool.handle(), polled);
                    let waited = if ends {
                        pool.close();
                        dropped_after(polls, pool.closed(), act).await
                    } else {
                        dropped_after(polls, pool.idle(), act).await
                    };
                    if waited.is_some() {
                        assert_eq!(log.count(End::Done), 5, "{form:?} {polls} {log:?}");
                    }
                    let report = pool.finish_when_idle().await;
                    assert!(report.adds_up(), "{form:?} {polls} {report:?}");
                    assert_eq!((report.completed, report.held), (5, 0), "{form:?} {polls} {report:?}");
                    log.assert_all((0..5).collect());
                    waited.is_some()
                });
            }
        }
    }
}

/// Futures that own the pool: dropped, they abort it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ending {
    Finish,
    FinishWhenIdle,
    Shutdown(Duration),
}

pub(super) const ENDINGS: [Ending; 5] = [
    Ending::Finish,
    Ending::FinishWhenIdle,
    Ending::Shutdown(Duration::ZERO),
    Ending::Shutdown(Duration::from_millis(4)),
    Ending::Shutdown(Duration::from_secs(3600)),
];

impl Ending {
    pub(super) async fn of<T: Send + 'static, P>(self, pool: Pool<T, P>) -> Report {
        match self {
            Self::Finish => pool.finish().await,
            Self::FinishWhenIdle => pool.finish_when_idle().await,
            Self::Shutdown(deadline) => pool.shutdown(deadline).await,
        }
    }
}

#[test]
fn finish_and_shutdown() {
    for form in FORMS {
        for ending in ENDINGS {
            for meanwhile in MEANWHILE {
                at_each_await(async |polls| {
                    let (log, pool) = (Log::default(), form.start(8));
                    let handle = pool.handle();
                    for id in 0..7 {
                        pool.produce(log.item(id)).await.unwrap();
                    }
                    let report =
                        dropped_after(polls, ending.of(pool), |polled| meanwhile.act(&handle, polled)).await;
                    if report.is_none() {
                        settle().await;
                    }
                    let what = format!("{form:?} {ending:?} {meanwhile:?} {polls} {log:?} {report:?}");
                    log.assert_all((0..7).collect());
                    assert_eq!(handle.phase(), Phase::Closed, "{what}");
                    let most = if form.moves_items() { WORKERS.max(3) as u64 } else { 0 };
                    assert!(log.count(End::Dropped) <= most, "{what}");
                    if let Some(report) = &report {
                        assert!(report.adds_up() && report.held == 0, "{what}");
                        assert_eq!(report.completed, log.count(End::Done), "{what}");
                        assert_eq!(report.failed, log.count(End::Dropped), "{what}");
                        assert_eq!(report.undelivered, log.count(End::Back), "{what}");
                    }
                    report.is_some()
                });
            }
        }
    }
}

/// The same from another thread, at whatever instant, while items come in: none is nowhere, and none is in two places.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropped_at_any_instant() {
    for round in 0..24 {
        for form in FORMS {
            let (log, pool) = (Log::default(), form.start(2));
            let producers = [0, 1].map(|first| send_every_other(&log, first, 40, pool.producer()));
            for _ in 0..round {
                yield_now().await;
            }
            let report = match round % 3 {
                0 => {
                    drop(pool);
                    None
                }
                1 => Some(pool.shutdown(Duration::ZERO).await),
                _ => Some(pool.shutdown(Duration::from_secs(60)).await),
            };
            for producer in producers {
                producer.await.unwrap();
            }
            // What is in a handler at the moment of the drop leaves at its next await.
            while log.len() < 40 {
                yield_now().await;
            }
            let what = format!("{form:?} {round} {log:?} {report:?}");
            log.assert_all((0..40).collect());
            let most = if form.moves_items() { WORKERS as u64 } else { 0 };
            assert!(log.count(End::Dropped) <= most, "{what}");
            if let Some(report) = report {
                assert!(report.adds_up() && report.held == 0, "{what}");
                assert_eq!(report.completed, log.count(End::Done), "{what}");
                assert_eq!(report.failed, log.count(End::Dropped), "{what}");
                assert_eq!(report.undelivered, log.count(End::Back), "{what}");
            }
        }
    }
}

/// Who reads results in order may go away at any await: the next one to read gets what would have come.
#[test]
fn the_next_ordered_result() {
    at_each_await(async |polls| {
        let log = Log::default();
        let (output, mut results) = bounded(1);
        let pool = Pool::builder()
            .workers(2)
            .queue(8)
            .handler_ordered(output, async |item: Item| {
                // Those that come later are done sooner.
                sleep(MILLI * (8 - item.id)).await;
                if item.id == 3 { Err("failed") } else { Ok(item) }
            })
            .ordered_window(3)
            .start()
            .unwrap();
        for id in 0..7 {
            pool.produce(log.item(id)).await.unwrap();
        }
        let finish = tokio::spawn(pool.finish());
        let (mut read, mut was_ready) = (Vec::new(), true);
        loop {
            let next = match dropped_after(polls, results.recv(), |_| {}).await {
                Some(next) => next,
                None => {
                    was_ready = false;
                    results.recv().await
                }
            };
            match next {
                Some(Ordered::Done(mut item)) => {
                    item.end(End::Done);
                    read.push(Some(item.id));
                }
                Some(_) => read.push(None),
                None => break,
            }
        }
        assert_eq!(read, [Some(0), Some(1), Some(2), None, Some(4), Some(5), Some(6)], "{polls}");
        let report = finish.await.unwrap();
        assert_eq!((report.completed, report.failed, report.unsent), (6, 1, 0), "{polls} {report:?}");
        log.assert_all((0..7).collect());
        was_ready
    });
}

/// Who waits for the end of a run.
#[test]
fn cancelled() {
    at_each_await(async |polls| {
        let (log, contexts) = (Log::default(), Arc::new(Mutex::new(Vec::new())));
        let left = Arc::clone(&contexts);
        let handler = move |cx: WorkContext<Item>, mut item: Item| {
            left.lock().unwrap().push(cx);
            async move {
                work().await;
                item.end(End::Done);
            }
        };
        let pool = Pool::builder().workers(1).queue(1).handler_in(handler).start().unwrap();
        pool.produce(log.item(1)).await.unwrap();
        while contexts.lock().unwrap().is_empty() {
            yield_now().await;
        }
        let cx = contexts.lock().unwrap().pop().unwrap();
        let over = dropped_after(polls, cx.cancelled(), |_| {}).await;
        assert!(over.is_none() || log.of(1) == Some(End::Done), "{polls}");
        assert_eq!(pool.finish().await.completed, 1, "{polls}");
        over.is_some()
    });
}

/// A dead letter is in the sink or goes back, whoever goes away.
#[test]
fn dead_letters() {
    for ending in ENDINGS {
        for capacity in [1, 8] {
            at_each_await(async |polls| {
                let log = Log::default();
                let (letters, mut received) = bounded::<DeadLetter<Item>>(capacity);
                let reader = tokio::spawn(async move {
                    while let Some(mut letter) = received.recv().await {
                        letter.item.end(End::Done);
                        sleep(MILLI).await;
                    }
                });
                let pool = Pool::builder()
                    .workers(WORKERS)
                    .queue(8)
                    .on_undelivered(|mut item: Item| item.end(End::Back))
                    .max_attempts(1)
                    .handler_delivery(async |delivery: Delivery<Item>| {
                        let _delivery = delivery;
                        work().await;
                        Err::<(), _>("it failed")
                    })
                    .dead_letters_to(letters)
                    .start()
                    .unwrap();
                for id in 0..6 {
                    pool.produce(log.item(id)).await.unwrap();
                }
                let report = dropped_after(polls, ending.of(pool), |_| {}).await;
                // The sink goes with the pool.
                reader.await.unwrap();
                settle().await;
                let what = format!("{ending:?} {capacity} {polls} {log:?} {report:?}");
                log.assert_all((0..6).collect());
                assert_eq!(log.count(End::Dropped), 0, "{what}");
                if let Some(report) = &report {
                    assert!(report.adds_up() && report.held == 0, "{what}");
                    assert_eq!(report.dead_lettered, log.count(End::Done), "{what}");
                    assert_eq!(report.undelivered, log.count(End::Back), "{what}");
                }
                report.is_some()
            });
        }
    }
}
