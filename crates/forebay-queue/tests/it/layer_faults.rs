//! What users report of `tower::buffer`, one test for each report: https://github.com/tower-rs/tower/issues/NUMBER

use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};

use forebay_queue::layer::{Queue, QueueError, QueueLayer, Worker};
use forebay_testkit::Driver;
use tower::{Layer, Service, ServiceExt};
use tower_test::mock::{self, Mock};

type Inner = Mock<u32, u32>;
type Polled = Driver<Worker<Inner, u32>>;

fn mocked(capacity: usize) -> (Queue<Inner, u32>, Polled, mock::Handle<u32, u32>) {
    let (service, inner) = mock::pair();
    let (queue, worker) = QueueLayer::new(capacity).max_waiting(0).pair(service);
    (queue, Driver::new(worker), inner)
}

/// tower#408: what `poll_ready` took could only be given back by dropping the service. A health check that asks and
/// does not call must cost nothing.
#[test]
fn tower_408_asking_without_calling_takes_nothing() {
    let (mut queue, _worker, _inner) = mocked(1);
    for _ in 0..100 {
        assert!(Driver::new(queue.ready()).assert_ready().is_ok());
    }
    assert_eq!(queue.len(), 0);
    let mut call = Driver::new(queue.clone().call(1));
    call.assert_pending();
    assert_eq!(queue.len(), 1);
}

/// tower#412, beside #408, is about what readiness takes: one who is ready and then waits for something else, here for
/// its own input, held a place all the while.
#[test]
fn tower_412_one_who_is_ready_and_waits_holds_up_nobody() {
    let (queue, _worker, _inner) = mocked(1);
    let mut forwarder = queue.clone();
    assert!(Driver::new(forwarder.ready()).assert_ready().is_ok()); // and its own input is empty
    let mut other = queue.clone();
    assert!(Driver::new(other.ready()).assert_ready().is_ok());
    Driver::new(other.call(1)).assert_pending();
}

/// tower#455: a panic of the service was told as a worker that is closed, and its words were lost.
#[tokio::test]
async fn tower_455_panic_reaches_its_caller_with_its_words() {
    let calls = Arc::new(AtomicU32::new(0));
    let service = tower::service_fn(move |n: u32| {
        if calls.fetch_add(1, Ordering::Relaxed) == 0 {
            panic!("the first is one too many");
        }
        std::future::ready(Ok::<_, Infallible>(n))
    });
    let queue = QueueLayer::new(10).layer(service);
    match queue.clone().oneshot(1).await {
        Err(QueueError::Panicked(words)) => assert_eq!(words, "the first is one too many"),
        other => panic!("{other:?}"),
    }
    assert_eq!(queue.oneshot(2).await.ok(), Some(2), "it was one call's panic");
}

/// tower#455, as it was reported: the panic was in `poll_ready`.
#[tokio::test]
async fn tower_455_panic_in_readiness_reaches_its_caller() {
    #[derive(Clone)]
    struct Panics;
    impl Service<u32> for Panics {
        type Response = ();
        type Error = Infallible;
        type Future = std::future::Ready<Result<(), Infallible>>;
        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            panic!("not today")
        }
        fn call(&mut self, _: u32) -> Self::Future {
            std::future::ready(Ok(()))
        }
    }
    let queue = QueueLayer::new(10).layer(Panics);
    for n in 0..3 {
        let ended = queue.clone().oneshot(n).await;
        assert!(matches!(ended, Err(QueueError::Panicked(words)) if words == "not today"));
    }
}

/// tower#462: errors were boxed and shared through an `Arc`, so that their type was gone.
#[tokio::test]
async fn tower_462_errors_keep_their_type() {
    #[derive(Debug, PartialEq, thiserror::Error)]
    #[error("no page {0}")]
    struct NoPage(u32);

    let queue =
        QueueLayer::new(10).layer(tower::service_fn(|page: u32| async move { Err::<(), _>(NoPage(page)) }));
    let error = queue.clone().oneshot(7).await.unwrap_err();
    assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("no page 7"));
    assert!(matches!(error, QueueError::Inner(NoPage(7))));
    let boxed = queue.oneshot(8).await.map_err(QueueError::into_box).unwrap_err();
    assert_eq!(boxed.downcast_ref(), Some(&NoPage(8)));
}

/// tower#624: after one failed readiness check every clone answered with that error for ever.
#[test]
fn tower_624_failed_readiness_is_one_calls_affair() {
    let (mut queue, mut worker, mut inner) = mocked(10);
    let mut other = queue.clone();
    let mut first = Driver::new(queue.call(1));
    let mut second = Driver::new(other.call(2));
    first.assert_pending();
    second.assert_pending();
    inner.send_error("connection refused");
    worker.assert_pending();
    match first.assert_ready() {
        Err(QueueError::Inner(error)) => assert_eq!(error.to_string(), "connection refused"),
        other => panic!("{other:?}"),
    }
    let Poll::Ready(Some((2, response))) = inner.poll_request() else { panic!("the second is called") };
    second.assert_pending();
    response.send_response(20);
    assert_eq!(second.assert_ready().ok(), Some(20));
    assert!(Driver::new(queue.ready()).assert_ready().is_ok());
}

/// tower#624, for a service that cannot be cloned: those who wait get their own answer, with their own request.
#[test]
fn tower_624_without_another_service_each_gets_its_own_answer() {
    let (service, mut inner) = mock::pair::<u32, u32>();
    let mut once = Some(service);
    let (mut queue, worker) = QueueLayer::new(10).pair_with(move || once.take());
    let mut worker = Driver::new(worker);
    let mut calls = [1, 2, 3].map(|n| Driver::new(queue.call(n)));
    calls.iter_mut().for_each(Driver::assert_pending);
    inner.send_error("gone for good");
    worker.assert_ready();
    let [first, second, third] = calls.each_mut().map(Driver::assert_ready);
    assert!(matches!(first, Err(QueueError::Inner(_))));
    assert!(matches!(second, Err(QueueError::Closed(Some(2)))));
    assert!(matches!(third, Err(QueueError::Closed(Some(3)))));
    assert!(Driver::new(queue.ready()).assert_ready().is_err());
}

/// tower#626: is `poll_ready` worth it? The leak that is told of there: many that share a service become ready, and do
/// not get to call. With as many of them as the line has places, others starved.
#[test]
fn tower_626_handles_that_are_ready_do_not_starve_the_others() {
    let (queue, mut worker, mut inner) = mocked(4);
    let mut ready: Vec<_> = (0..4).map(|_| queue.clone()).collect();
    for handle in &mut ready {
        assert!(Driver::new(handle.ready()).assert_ready().is_ok());
    }
    let mut other = queue.clone();
    let mut call = Driver::new(other.call(1));
    call.assert_pending();
    worker.assert_pending();
    assert!(matches!(inner.poll_request(), Poll::Ready(Some((1, _)))));
}

/// tower#836 is about places that are taken and not used. So is a call whose caller leaves while it waits: its place
/// must be free at once, before the worker has come to it.
#[test]
fn tower_836_one_who_leaves_gives_its_place_back_at_once() {
    let (mut queue, mut worker, mut inner) = mocked(1);
    inner.allow(0);
    worker.assert_pending();
    for n in 0..100 {
        let mut call = Driver::new(queue.call(n));
        call.assert_pending();
        drop(call);
    }
    let mut call = Driver::new(queue.call(100));
    call.assert_pending();
    inner.allow(1);
    worker.assert_pending();
    assert!(matches!(inner.poll_request(), Poll::Ready(Some((100, _)))));
}

/// tower#861: a bound of 0 panicked. Here it is a rendezvous.
#[tokio::test]
async fn tower_861_capacity_of_nothing_is_a_rendezvous() {
    let queue =
        QueueLayer::new(0).layer(tower::service_fn(|n: u32| async move { Ok::<_, Infallible>(n + 1) }));
    assert_eq!(queue.oneshot(1).await.ok(), Some(2));
}

/// tower#408, one level down: the worker kept the permit of a shared service that it had asked for one who had left.
#[tokio::test(start_paused = true)]
async fn tower_408_idle_worker_keeps_no_permit() {
    use forebay_queue::QueueLayer;
    use std::time::Duration;
    use tower::limit::ConcurrencyLimit;
    use tower::{Service, ServiceExt, service_fn};

    let slow = service_fn(async |seconds: u64| {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        Ok::<_, ()>(seconds)
    });
    let mut direct = ConcurrencyLimit::new(slow, 1);
    let (mut queue, worker) = QueueLayer::new(10).pair(direct.clone());
    tokio::spawn(worker);
    let busy = direct.ready().await.expect("there is a permit").call(2);
    let leaving = tokio::spawn(queue.call(1));
    tokio::time::sleep(Duration::from_secs(1)).await;
    leaving.abort();
    busy.await.expect("it does not fail");
    let next = tokio::time::timeout(Duration::from_secs(9), direct.ready()).await;
    assert!(next.is_ok(), "nobody waits, nobody runs, and there is a permit");
}
