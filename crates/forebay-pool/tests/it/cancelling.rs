use std::future::Future;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use forebay_pool::layer::{PoolError, PoolLayer, WhenDropped};
use forebay_pool::{
    BoxError, OnFailure, Ordered, Phase, Pipeline, Pool, PoolHandle, Report, Retry, WorkContext,
};
use forebay_queue::{Delivery, Sender, WhenFull, bounded};
use forebay_testkit::Driver;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};
use tower::{Service, service_fn};

const MILLI: Duration = Duration::from_millis(1);

/// How an item ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Done,
    /// It came back after it had been accepted.
    Back,
    /// It was not accepted.
    Refused,
    /// Nobody has it any more.
    Dropped,
}

/// How each item ended, in the order in which they did.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<(u32, End)>>>);

/// An item that says how it ended. It cannot be cloned, so what matters is that none is missing, and which end it was.
#[derive(Debug)]
pub(crate) struct Item {
    id: u32,
    ended: bool,
    log: Log,
}

impl Log {
    pub(crate) fn item(&self, id: u32) -> Item {
        Item { id, ended: false, log: self.clone() }
    }

    pub(crate) fn of(&self, id: u32) -> Option<End> {
        self.0.lock().unwrap().iter().find(|(of, _)| *of == id).map(|(_, end)| *end)
    }

    pub(crate) fn count(&self, end: End) -> u64 {
        self.0.lock().unwrap().iter().filter(|(_, is)| *is == end).count() as u64
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// Each of these, and no other, has ended, once.
    #[track_caller]
    pub(crate) fn assert_all(&self, mut ids: Vec<u32>) {
        let mut ended: Vec<_> = self.0.lock().unwrap().iter().map(|(id, _)| *id).collect();
        ended.sort_unstable();
        ids.sort_unstable();
        assert_eq!(ended, ids, "{self:?}");
    }
}

impl Item {
    pub(crate) fn end(&mut self, end: End) {
        assert!(!std::mem::replace(&mut self.ended, true));
        self.log.0.lock().unwrap().push((self.id, end));
    }
}

impl Drop for Item {
    fn drop(&mut self) {
        if !self.ended {
            self.end(End::Dropped);
        }
    }
}

/// Polls so often, with others at work in between, and drops the future. `Some`: it was ready before that.
async fn dropped_after<F: Future>(
    polls: usize,
    future: F,
    mut meanwhile: impl FnMut(usize),
) -> Option<F::Output> {
    let mut future = Driver::new(future);
    for polled in 0..polls {
        if let Poll::Ready(output) = future.poll() {
            return Some(output);
        }
        meanwhile(polled);
        // First in the smallest of steps. The clock, which is paused, goes on in the others.
        if polled < 40 { yield_now().await } else { sleep(MILLI).await }
    }
    None
}

/// Runs `scenario` with one poll more each time, until it says that its future was ready.
fn at_each_await<S: Future<Output = bool>>(mut scenario: impl FnMut(usize) -> S) {
    for polls in 0..1_000 {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        if runtime.block_on(scenario(polls)) {
            return;
        }
    }
    panic!("it is never ready");
}

/// A few awaits, and a little time.
pub(crate) async fn work() {
    yield_now().await;
    sleep(MILLI).await;
    yield_now().await;
}

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

const WORKERS: usize = 2;

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

/// Until all that was aborted has come to its end.
async fn settle() {
    for _ in 0..10 {
        sleep(MILLI).await;
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
        for meanwhile in MEANWHILE {
            for ends in [false, true] {
                at_each_await(async |polls| {
                    let (log, pool) = (Log::default(), form.start(8));
                    for id in 0..5 {
                        pool.produce(log.item(id)).await.unwrap();
                    }
                    let act = |polled| {
                        if !ends {
                            meanwhile.act(&pool.handle(), polled);
                        }
                    };
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
enum Ending {
    Finish,
    FinishWhenIdle,
    Shutdown(Duration),
}

const ENDINGS: [Ending; 5] = [
    Ending::Finish,
    Ending::FinishWhenIdle,
    Ending::Shutdown(Duration::ZERO),
    Ending::Shutdown(Duration::from_millis(4)),
    Ending::Shutdown(Duration::from_secs(3600)),
];

impl Ending {
    async fn of<P>(self, pool: Pool<Item, P>) -> Report {
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
    for round in 0..40 {
        for form in FORMS {
            let (log, pool) = (Log::default(), form.start(2));
            let producers: Vec<_> = (0..2)
                .map(|first| {
                    let items: Vec<_> = (0..20).map(|n| log.item(2 * n + first)).collect();
                    let producer = pool.producer();
                    tokio::spawn(async move {
                        for item in items {
                            if let Err(refused) = producer.send(item).await {
                                refused.into_inner().end(End::Refused);
                            }
                        }
                    })
                })
                .collect();
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

/// How a call ended, for its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Ok,
    /// With its request.
    Back,
    Aborted,
}

pub(crate) type Seen = Arc<Mutex<Vec<u32>>>;

/// A service that notes what it sees, and works on it.
pub(crate) fn noting(
    seen: &Seen,
) -> impl Service<Item, Response = (), Error = BoxError, Future: Send + 'static> + Clone + Send + use<> {
    let seen = Arc::clone(seen);
    service_fn(move |mut item: Item| {
        seen.lock().unwrap().push(item.id);
        async move {
            work().await;
            item.end(End::Done);
            Ok::<(), BoxError>(())
        }
    })
}

pub(crate) fn answer_of(answer: Result<(), PoolError<BoxError, Item>>) -> Answer {
    match answer {
        Ok(()) => Answer::Ok,
        Err(PoolError::Closed(Some(mut item))) => {
            item.end(End::Back);
            Answer::Back
        }
        Err(PoolError::Aborted) => Answer::Aborted,
        Err(other) => panic!("{other:?}"),
    }
}

/// A call that is dropped takes nothing from the others: one that was not begun is never seen, one that runs ends or
/// goes on, as chosen.
#[test]
fn a_call_through_the_layer() {
    for when_dropped in [WhenDropped::Cancel, WhenDropped::Detach] {
        // It runs, waits in the line, waits for room.
        for place in [0, 1, 2, 4, 5] {
            at_each_await(async |polls| {
                let (log, seen) = (Log::default(), Seen::default());
                let layer = PoolLayer::new(2, 1).when_dropped(when_dropped);
                let (mut service, worker) = layer.pair(noting(&seen)).unwrap();
                let worker = tokio::spawn(worker);
                let mut calls: Vec<_> = (0..6).map(|id| Some(service.call(log.item(id)))).collect();
                let dropped = calls[place as usize].take().unwrap();
                let others: Vec<_> = calls.into_iter().flatten().map(tokio::spawn).collect();
                let answer = dropped_after(polls, dropped, |_| {}).await;
                let (seen_before, before) = (seen.lock().unwrap().contains(&place), log.of(place));
                let is_ready = answer.is_some();
                for other in others {
                    assert_eq!(answer_of(other.await.unwrap()), Answer::Ok);
                }
                drop(service);
                let report = worker.await.unwrap();
                let what = format!("{when_dropped:?} {place} {polls} {seen:?} {log:?} {report:?}");
                assert!(report.adds_up() && report.held == 0, "{what}");
                log.assert_all((0..6).collect());
                let is_seen = seen.lock().unwrap().contains(&place);
                assert_eq!(seen.lock().unwrap().len(), 5 + usize::from(is_seen), "{what}");
                // It may have been done already, and its caller not have looked.
                let expected = match when_dropped {
                    WhenDropped::Detach if seen_before => End::Done,
                    _ => before.unwrap_or(End::Dropped),
                };
                assert_eq!((is_seen, log.of(place)), (seen_before, Some(expected)), "{what}");
                is_ready
            });
        }
    }
}

/// What drives the layer's workers is dropped: each call that was begun is aborted, each other has its request back.
#[test]
fn the_worker_behind_the_layer() {
    for resizes in [false, true] {
        at_each_await(async |polls| {
            let (log, seen) = (Log::default(), Seen::default());
            let (mut service, worker) = PoolLayer::new(2, 1).pair(noting(&seen)).unwrap();
            let calls: Vec<_> = (0..6).map(|id| tokio::spawn(service.call(log.item(id)))).collect();
            let probe = if resizes { Some(service.clone()) } else { None };
            drop(service);
            let mut probe = probe;
            let report = dropped_after(polls, worker, |polled| {
                if let Some(service) = &probe {
                    service.resize(1 + polled % 3);
                }
                if polled > 60 {
                    probe = None;
                }
            });
            let report = report.await;
            for (id, call) in (0..).zip(calls) {
                let answer = answer_of(call.await.unwrap());
                let expected = match log.of(id) {
                    Some(End::Done) => Answer::Ok,
                    Some(End::Dropped) => Answer::Aborted,
                    _ => Answer::Back,
                };
                let is_seen = seen.lock().unwrap().contains(&id);
                assert_eq!(answer == Answer::Back, !is_seen, "{polls} {id} {seen:?} {log:?}");
                if answer != Answer::Aborted {
                    assert_eq!(answer, expected, "{polls} {id} {seen:?} {log:?}");
                }
            }
            settle().await;
            log.assert_all((0..6).collect());
            if let Some(report) = &report {
                assert!(report.adds_up() && report.completed == 6, "{polls} {report:?}");
            }
            report.is_some()
        });
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
fn a_pipeline() {
    let all = [
        Of::Produce,
        Of::Idle,
        Of::Finish,
        Of::FinishWhenIdle,
        Of::Shutdown(Duration::ZERO),
        Of::Shutdown(3 * MILLI),
        Of::Shutdown(Duration::from_secs(3600)),
    ];
    for of in all {
        at_each_await(async |polls| {
            let log = Log::default();
            let pass = async |item: Item| {
                work().await;
                Ok::<_, BoxError>(item)
            };
            let (pipeline, mut results) = Pipeline::builder()
                .queue(2)
                .on_undelivered(|mut item: Item| item.end(End::Back))
                .stage("first", pass, |pool| pool.workers(2))
                .queue(1)
                .on_undelivered(|mut item: Item| item.end(End::Back))
                .stage("second", pass, |pool| pool.workers(1))
                .results(1, WhenFull::Wait)
                .start()
                .unwrap();
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
            let what = format!("{of:?} {polls} {log:?} {report:?}");
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
