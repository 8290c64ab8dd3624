//! The row of the table: what `poll_ready`, `call` and drop do. The worker is polled by hand, so that a test can stop
//! where it wants to look.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use forebay_queue::layer::{Queue, QueueError, QueueLayer, WhenDropped, Worker};
use forebay_queue::{Level, Pressure, QueueStats, WhenFull};
use forebay_testkit::Driver;
use tower::{Layer, Service, ServiceExt};
use tower_test::mock::{self, Handle, Mock};

type Inner = Mock<&'static str, &'static str>;
type Call = Driver<<Queue<Inner, &'static str> as Service<&'static str>>::Future>;
type Answered = Result<&'static str, QueueError<tower::BoxError, &'static str>>;

struct Line {
    queue: Queue<Inner, &'static str>,
    worker: Driver<Worker<Inner, &'static str>>,
    inner: Handle<&'static str, &'static str>,
}

impl Line {
    fn new(layer: QueueLayer<&'static str>) -> Self {
        let (service, inner) = mock::pair();
        let (queue, worker) = layer.pair(service);
        Self { queue, worker: Driver::new(worker), inner }
    }

    /// Whose service is not ready.
    fn stopped(layer: QueueLayer<&'static str>) -> Self {
        let mut line = Self::new(layer);
        line.inner.allow(0);
        line
    }

    fn call(&mut self, request: &'static str) -> Call {
        Driver::new(self.queue.call(request))
    }

    /// The request that the service is called with, if any. It is not answered, and its caller learns of that.
    fn next(&mut self) -> Option<(&'static str, mock::SendResponse<&'static str>)> {
        self.worker.assert_pending();
        match self.inner.poll_request() {
            std::task::Poll::Ready(request) => request,
            std::task::Poll::Pending => None,
        }
    }

    /// Lets the service take everything that waits, and says what that was.
    fn drain(&mut self) -> Vec<&'static str> {
        self.inner.allow(u64::MAX);
        std::iter::from_fn(|| self.next()).map(|(request, _)| request).collect()
    }

    fn is_ready(&mut self) -> bool {
        Driver::new(self.queue.ready()).assert_ready().is_ok()
    }
}

fn closed(answered: Answered) -> Option<&'static str> {
    match answered {
        Err(QueueError::Closed(request)) => request,
        other => panic!("expected Closed, got {other:?}"),
    }
}

// --- poll_ready

#[test]
fn ready_is_never_pending_because_it_is_full() {
    let mut line = Line::stopped(QueueLayer::new(1).max_waiting(1));
    let _calls = [line.call("a"), line.call("b")];
    assert!(line.is_ready());
    assert!(matches!(line.call("c").assert_ready(), Err(QueueError::Full("c"))));
}

#[test]
fn ready_never_asks_the_service() {
    let mut line = Line::new(QueueLayer::new(1));
    line.inner.send_error("asked");
    assert!(line.is_ready());
    line.worker.assert_pending();
    let mut call = line.call("a");
    call.assert_pending();
    line.worker.assert_pending();
    let met = call.assert_ready();
    assert!(matches!(met, Err(QueueError::Inner(_))), "nor did the worker ask before somebody called");
}

#[test]
fn ready_fails_once_it_is_closed() {
    let mut line = Line::new(QueueLayer::new(1));
    let mut other = line.queue.clone();
    line.queue.close();
    assert!(matches!(Driver::new(other.ready()).assert_ready(), Err(QueueError::Closed(None))));
    assert_eq!(closed(line.call("late").assert_ready()), Some("late"));
}

// --- call

#[test]
fn calls_reach_the_service_in_order_and_are_answered_in_any() {
    let mut line = Line::new(QueueLayer::new(2));
    let mut calls = ["a", "b", "c"].map(|request| line.call(request));
    calls.iter_mut().for_each(Driver::assert_pending);
    let mut requests: Vec<_> = std::iter::from_fn(|| line.next()).collect();
    assert!(requests.iter().map(|(request, _)| *request).eq(["a", "b", "c"]));
    assert!(calls.iter().all(Driver::is_woken));
    calls.iter_mut().for_each(Driver::assert_pending); // each drives its own future now

    let (_, last) = requests.pop().expect("three");
    last.send_response("C");
    assert_eq!(calls[2].assert_ready().ok(), Some("C"));
    assert!(!calls[0].is_woken());
}

#[test]
fn one_that_waits_for_room_waits_in_its_future() {
    let mut line = Line::stopped(QueueLayer::new(1).max_waiting(2));
    let mut calls = ["a", "b", "c"].map(|request| line.call(request));
    calls.iter_mut().for_each(Driver::assert_pending);
    assert_eq!(line.queue.len(), 3);
    let refused = line.call("d").assert_ready();
    assert_eq!(refused.unwrap_err().into_request(), Some("d"));
    assert_eq!(line.drain(), ["a", "b", "c"]);
}

#[test]
fn max_waiting_of_nobody_refuses_whoever_finds_it_full() {
    let mut line = Line::stopped(QueueLayer::new(1).max_waiting(0));
    let _first = line.call("a");
    assert!(matches!(line.call("b").assert_ready(), Err(QueueError::Full("b"))));
}

#[test]
fn full_line_does_what_its_owner_chose() {
    for (when_full, ends, left) in [
        (WhenFull::Refuse, "full c", ["a", "b"]),
        (WhenFull::DropIncoming, "displaced c", ["a", "b"]),
        (WhenFull::DropYoungest, "displaced b", ["a", "c"]),
        (WhenFull::DropOldest, "displaced a", ["b", "c"]),
    ] {
        let mut line = Line::stopped(QueueLayer::new(2).when_full(when_full));
        let mut calls = ["a", "b"].map(|request| line.call(request)).into_iter().collect::<Vec<_>>();
        calls.iter_mut().for_each(Driver::assert_pending);
        calls.push(line.call("c"));
        let ended: Vec<_> = calls
            .iter_mut()
            .filter_map(|call| match call.poll() {
                std::task::Poll::Pending => None,
                std::task::Poll::Ready(Err(QueueError::Full(request))) => Some(format!("full {request}")),
                std::task::Poll::Ready(Err(QueueError::Displaced(request))) => {
                    Some(format!("displaced {request}"))
                }
                std::task::Poll::Ready(other) => panic!("{when_full:?}: {other:?}"),
            })
            .collect();
        assert_eq!(ended, [ends], "{when_full:?}");
        assert_eq!(line.drain(), left, "{when_full:?}");
        assert_eq!(line.queue.stats().refused, u64::from(ends.starts_with("full")), "{when_full:?}");
    }
}

#[test]
fn displaced_caller_is_woken() {
    let mut line = Line::stopped(QueueLayer::new(1).when_full(WhenFull::DropOldest));
    let mut old = line.call("old");
    old.assert_pending();
    let _new = line.call("new");
    assert!(old.is_woken());
}

#[test]
fn rendezvous_that_refuses_takes_a_call_for_a_worker_that_waits() {
    let mut line = Line::new(QueueLayer::new(0).when_full(WhenFull::Refuse));
    assert!(matches!(line.call("early").assert_ready(), Err(QueueError::Full("early"))));
    line.worker.assert_pending();
    let mut first = line.call("a");
    first.assert_pending();
    assert!(matches!(line.call("b").assert_ready(), Err(QueueError::Full("b"))), "one worker, one call");
    assert_eq!(line.drain(), ["a"]);
}

// --- drop

#[test]
fn dropped_while_it_waits_it_leaves_the_line_at_once() {
    let mut line = Line::stopped(QueueLayer::new(3).max_waiting(0));
    let mut calls = ["a", "b", "c"].map(|request| line.call(request)).into_iter().collect::<Vec<_>>();
    calls.iter_mut().for_each(Driver::assert_pending);
    drop(calls.remove(1));
    assert_eq!(line.queue.len(), 2, "the worker had no part in it");
    let mut late = line.call("d");
    late.assert_pending();
    assert_eq!(line.drain(), ["a", "c", "d"]);
}

#[test]
fn dropped_while_the_service_is_asked_it_is_not_called() {
    let mut line = Line::stopped(QueueLayer::new(1));
    let mut call = line.call("a");
    call.assert_pending();
    line.worker.assert_pending(); // waits for the service, for this call
    drop(call);
    assert_eq!(line.drain(), [""; 0]);
    let mut next = line.call("b");
    next.assert_pending();
    assert!(line.worker.is_woken());
    assert_eq!(line.drain(), ["b"]);
}

/// The service is called outside of the lock, and its caller leaves meanwhile; so does its key, if that were given to
/// the next.
#[test]
fn call_whose_caller_leaves_while_the_service_is_called_is_nobody_elses() {
    type Meanwhile = Box<dyn FnOnce() + Send>;
    let meanwhile = Arc::new(Mutex::new(None::<Meanwhile>));
    let hook = meanwhile.clone();
    let service = tower::service_fn(move |n: u32| {
        if let Some(meanwhile) = hook.lock().unwrap().take() {
            meanwhile();
        }
        std::future::ready(Ok::<_, std::convert::Infallible>(n))
    });
    let (mut queue, worker) = QueueLayer::new(2).pair(service);
    let mut worker = Driver::new(worker);
    let first = queue.call(1);
    let second = Arc::new(Mutex::new(None));
    let (mut other, slot) = (queue.clone(), second.clone());
    *meanwhile.lock().unwrap() = Some(Box::new(move || {
        drop(first);
        *slot.lock().unwrap() = Some(other.call(2));
    }));
    worker.assert_pending();
    let second = second.lock().unwrap().take().expect("called meanwhile");
    assert_eq!(Driver::new(second).assert_ready().ok(), Some(2));
    assert_eq!((queue.stats().completed, queue.stats().held), (2, 0));
}

/// A service whose calls count their ends.
#[derive(Clone, Default)]
struct Counting {
    started: Arc<Mutex<Vec<u32>>>,
    ended: Arc<Mutex<Vec<u32>>>,
    go: Arc<tokio::sync::Notify>,
}

impl Service<u32> for Counting {
    type Response = u32;
    type Error = std::convert::Infallible;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<u32, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Self::Error>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: u32) -> Self::Future {
        let this = self.clone();
        this.started.lock().expect("no panic under it").push(request);
        Box::pin(async move {
            this.go.notified().await;
            this.ended.lock().expect("no panic under it").push(request);
            Ok(request)
        })
    }
}

/// Whenever its caller leaves, a call that the service has seen is finished under `Detach` and not under `Cancel`.
#[tokio::test]
async fn call_that_runs_is_cancelled_or_left_to_the_worker() {
    for (when_dropped, ends) in [(WhenDropped::Cancel, vec![]), (WhenDropped::Detach, vec![1, 2])] {
        let service = Counting::default();
        let (mut queue, worker) = QueueLayer::new(10).when_dropped(when_dropped).pair(service.clone());
        let mut first = Driver::new(queue.call(1));
        let mut second = Driver::new(queue.call(2));
        first.assert_pending();
        second.assert_pending();
        let worker = tokio::spawn(worker);
        while service.started.lock().unwrap().len() < 2 {
            tokio::task::yield_now().await;
        }
        first.assert_pending(); // has its future
        drop(first);
        drop(second); // has been answered, and does not know
        drop(queue);
        for _ in 0..2 {
            tokio::task::yield_now().await;
            service.go.notify_one();
        }
        worker.await.expect("ends when nothing runs");
        let mut ended = service.ended.lock().unwrap().clone();
        ended.sort_unstable();
        assert_eq!(ended, ends, "{when_dropped:?}");
    }
}

#[tokio::test]
async fn detached_call_whose_caller_stays_answers_it() {
    let service = Counting::default();
    let queue = QueueLayer::new(10).when_dropped(WhenDropped::Detach).layer(service.clone());
    service.go.notify_one();
    assert_eq!(queue.oneshot(7).await.ok(), Some(7));
}

#[tokio::test]
async fn worker_that_goes_ends_what_was_left_to_it() {
    let service = Counting::default();
    let (mut queue, worker) = QueueLayer::new(10).when_dropped(WhenDropped::Detach).pair(service.clone());
    let mut worker = Driver::new(worker);
    let mut call = Driver::new(queue.call(1));
    call.assert_pending();
    worker.assert_pending();
    call.assert_pending();
    drop(worker);
    drop(call);
    assert_eq!(Arc::strong_count(&service.started), 1, "the future is gone");
}

// --- the end

#[test]
fn closed_line_serves_those_who_wait_and_then_ends() {
    let mut line = Line::stopped(QueueLayer::new(2));
    let mut call = line.call("a");
    call.assert_pending();
    line.worker.assert_pending();
    line.queue.close();
    assert_eq!(line.next().map(|(request, _)| request), None);
    line.inner.allow(1);
    assert!(line.worker.is_woken());
    line.worker.assert_ready();
    assert!(matches!(line.inner.poll_request(), std::task::Poll::Ready(Some(("a", _)))));
}

#[test]
fn worker_ends_when_the_last_handle_goes() {
    let Line { queue, mut worker, .. } = Line::new(QueueLayer::new(2));
    let other = queue.clone();
    worker.assert_pending();
    drop(queue);
    assert!(!worker.is_woken());
    drop(other);
    assert!(worker.is_woken());
    worker.assert_ready();
}

/// Closed, the service not ready, and the only one for whom the worker stayed leaves.
#[test]
fn worker_ends_when_the_last_of_a_closed_line_leaves() {
    let mut line = Line::stopped(QueueLayer::new(2));
    let mut call = line.call("a");
    call.assert_pending();
    line.queue.close();
    line.worker.assert_pending();
    drop(call);
    assert!(line.worker.is_woken());
    line.worker.assert_ready();
}

#[test]
fn lost_worker_gives_the_requests_back() {
    let mut line = Line::stopped(QueueLayer::new(1));
    let mut calls = ["a", "b"].map(|request| line.call(request));
    calls.iter_mut().for_each(Driver::assert_pending);
    line.worker.assert_pending();
    let Line { worker, mut queue, .. } = line;
    drop(worker);
    assert!(calls.iter().all(Driver::is_woken));
    assert_eq!(calls.each_mut().map(|call| closed(call.assert_ready())), [Some("a"), Some("b")]);
    assert!(Driver::new(queue.ready()).assert_ready().is_err());
    assert_eq!(queue.stats().returned, 2);
}

// --- what can be seen

#[test]
fn counts_add_up_at_every_step() {
    let mut line = Line::stopped(QueueLayer::new(2).when_full(WhenFull::DropOldest));
    let check = |stats: QueueStats| {
        let QueueStats { accepted, completed, failed, dropped, returned, dead_lettered, held, .. } = stats;
        assert_eq!(
            accepted,
            completed + failed + dropped + returned + dead_lettered + held as u64,
            "{stats:?}"
        );
        (accepted, completed, failed, dropped, returned, held)
    };
    let mut calls = ["a", "b", "c"].map(|request| line.call(request)).into_iter().collect::<Vec<_>>();
    assert_eq!(check(line.queue.stats()), (3, 0, 0, 1, 0, 2));
    drop(calls.remove(1));
    assert_eq!(check(line.queue.stats()), (3, 0, 0, 1, 1, 1));
    line.inner.send_error("not ready");
    assert!(line.next().is_none());
    assert_eq!(check(line.queue.stats()), (3, 0, 1, 1, 1, 0));
    let _last = line.call("d");
    assert_eq!(line.drain(), ["d"]);
    assert_eq!(check(line.queue.stats()), (4, 1, 1, 1, 1, 0));
}

#[test]
fn pressure_and_level_follow_those_who_wait() {
    let mut line = Line::stopped(QueueLayer::new(10));
    assert_eq!((line.queue.pressure(), line.queue.level()), (Pressure::Normal, Some(0.0)));
    let mut calls: Vec<_> = (0..9).map(|_| line.call("x")).collect();
    assert_eq!((line.queue.pressure(), line.queue.level()), (Pressure::High, Some(0.9)));
    calls.truncate(2);
    assert_eq!(line.queue.pressure(), Pressure::High);
    calls.truncate(1);
    assert_eq!((line.queue.pressure(), line.queue.level()), (Pressure::Normal, Some(0.1)));
}

#[tokio::test(start_paused = true)]
async fn time_in_the_line_is_told_when_asked_for() {
    let waits = Arc::new(Mutex::new(Vec::new()));
    let hook = waits.clone();
    let mut line = Line::stopped(QueueLayer::new(10).on_wait(move |wait| hook.lock().unwrap().push(wait)));
    let _first = line.call("a");
    tokio::time::advance(Duration::from_secs(2)).await;
    let _second = line.call("b");
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(line.queue.oldest_wait(), Some(Duration::from_secs(3)));
    assert_eq!(line.drain(), ["a", "b"]);
    assert_eq!(*waits.lock().unwrap(), [3, 1].map(Duration::from_secs));
    assert_eq!(line.queue.oldest_wait(), None);

    let mut untimed = Line::stopped(QueueLayer::new(10));
    let _call = untimed.call("a");
    assert_eq!(untimed.queue.oldest_wait(), None);
}

// --- neighbours

/// Every call finds a line with room, though the task's budget is spent many times over.
#[tokio::test]
async fn load_shed_over_a_line_with_room_sheds_nothing() {
    let echo = tower::service_fn(|n: u32| async move { Ok::<_, tower::BoxError>(n) });
    let queue = QueueLayer::new(16).layer(echo);
    let mut shedding = tower::load_shed::LoadShed::new(tower::util::MapErr::new(queue, QueueError::into_box));
    for n in 0..100_000 {
        assert_eq!(shedding.ready().await.expect("always").call(n).await.ok(), Some(n));
    }
}

#[tokio::test]
async fn worker_gives_way_to_its_neighbours() {
    let echo = tower::service_fn(|n: u32| async move { Ok::<_, ()>(n) });
    // More than fit into a budget, however little a call takes.
    const CALLS: u32 = 2 * 128 * 128;
    let (mut queue, worker) = QueueLayer::new(CALLS as usize).pair(echo);
    let calls: Vec<_> = (0..CALLS).map(|n| queue.call(n)).collect();
    tokio::spawn(worker);
    let still_waiting = tokio::spawn(async move { queue.len() }).await.expect("no panic");
    assert!(still_waiting > 0, "it went through all calls in one turn");
    drop(calls);
}

#[test]
fn call_keeps_the_span_of_its_caller() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let record = seen.clone();
    let service = tower::service_fn(move |(): ()| {
        record.lock().unwrap().push(tracing::Span::current().id());
        std::future::ready(Ok::<_, ()>(()))
    });
    tracing::subscriber::with_default(tracing_subscriber::registry(), || {
        let (mut queue, worker) = QueueLayer::new(1).pair(service);
        let span = tracing::info_span!("caller");
        let _call = span.in_scope(|| queue.call(()));
        Driver::new(worker).assert_pending();
        assert!(span.id().is_some());
        assert_eq!(*seen.lock().unwrap(), [span.id()]);
    });
}

/// Callers on two threads, of whom some leave at any point: every other one is answered, and all are counted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_come_and_go_and_none_is_forgotten() {
    for when_dropped in [WhenDropped::Cancel, WhenDropped::Detach] {
        let yielding = tower::service_fn(|n: u32| async move {
            tokio::task::yield_now().await;
            Ok::<_, std::convert::Infallible>(n)
        });
        let (queue, worker) = QueueLayer::new(4).when_dropped(when_dropped).pair(yielding);
        let worker = tokio::spawn(worker);
        let callers: Vec<_> = (0..8)
            .map(|caller| {
                let mut queue = queue.clone();
                tokio::spawn(async move {
                    for n in 0..2_000_u32 {
                        let mut call = Box::pin(queue.call(n));
                        let polls = (n + caller) % 7;
                        if polls == 0 {
                            assert_eq!(call.await.ok(), Some(n));
                            continue;
                        }
                        for _ in 0..polls {
                            if futures_util::poll!(&mut call).is_ready() {
                                break;
                            }
                        }
                    }
                })
            })
            .collect();
        for caller in callers {
            caller.await.expect("no panic");
        }
        let observer = queue.clone();
        queue.close();
        worker.await.expect("no panic");
        let stats = observer.stats();
        assert_eq!((stats.accepted, stats.held), (16_000, 0), "{when_dropped:?}");
        assert_eq!(stats.completed + stats.returned, 16_000, "{stats:?}");
    }
}

#[tokio::test]
async fn idle_worker_takes_a_call_out_of_hand_where_nobody_may_wait() {
    let echo = tower::service_fn(async |n: u32| Ok::<_, ()>(n));
    let mut queue = tower::ServiceBuilder::new().layer(QueueLayer::new(0).max_waiting(0)).service(echo);
    tokio::task::yield_now().await;
    assert!(matches!(queue.call(1).await, Ok(1)));
}
