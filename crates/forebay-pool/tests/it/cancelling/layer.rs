use std::sync::{Arc, Mutex};

use forebay_pool::BoxError;
use forebay_pool::layer::{PoolError, PoolLayer, WhenDropped};
use tokio::task::yield_now;
use tower::{Service, service_fn};

use super::{End, Item, Log, at_each_await, dropped_after, settle, work};

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
        Err(PoolError::Closed(Some(mut item)) | PoolError::Full(mut item)) => {
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
                if polled > 30 {
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

/// From other threads, at whatever instant: calls, some of which are dropped, and the one who drives them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropped_at_any_instant() {
    for round in 0..120 {
        let when_dropped = if round % 2 == 0 { WhenDropped::Cancel } else { WhenDropped::Detach };
        let (log, seen) = (Log::default(), Seen::default());
        let layer = PoolLayer::new(2, 2).when_dropped(when_dropped);
        let (service, worker) = layer.pair(noting(&seen)).unwrap();
        let worker = tokio::spawn(worker);
        let callers: Vec<_> = (0..3)
            .map(|first| {
                let (mut service, seen) = (service.clone(), Arc::clone(&seen));
                let items: Vec<_> = (0..10).map(|n| log.item(3 * n + first)).collect();
                tokio::spawn(async move {
                    for item in items {
                        let id = item.id;
                        let polls = if id % 4 == 0 { (id as usize + round) % 7 } else { 10_000 };
                        let answer = dropped_after(polls, service.call(item), |_| {}).await;
                        let is_seen = seen.lock().unwrap().contains(&id);
                        match answer.map(answer_of) {
                            Some(Answer::Ok | Answer::Aborted) => assert!(is_seen, "{id}"),
                            Some(Answer::Back) => assert!(!is_seen, "{id}"),
                            None => {}
                        }
                    }
                })
            })
            .collect();
        drop(service);
        for _ in 0..round {
            yield_now().await;
        }
        if round % 3 == 0 {
            worker.abort();
        }
        for caller in callers {
            caller.await.unwrap();
        }
        if let Ok(report) = worker.await {
            assert!(report.adds_up() && report.held == 0, "{round} {report:?}");
        }
        // What a worker is in the middle of leaves at its next await.
        while log.len() < 30 {
            yield_now().await;
        }
        log.assert_all((0..30).collect());
        let mut seen = seen.lock().unwrap().clone();
        let all = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), all, "{round}: nothing is seen twice");
    }
}
