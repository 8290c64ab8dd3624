use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use forebay_pool::layer::{PoolError, PoolLayer};
use forebay_pool::{Detached, EndedBy, Phase, Pool, Tee, WhenSlow, WorkContext};
use forebay_queue::{Delivery, Sender};
use forebay_testkit::Driver;
use tokio::sync::Semaphore;
use tower::{ServiceExt, service_fn};

struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        panic!("woken");
    }
}

/// Leaves a waker that panics with what is not ready.
fn wait_badly<F: Future + ?Sized>(future: Pin<&mut F>) {
    let waker = Waker::from(Arc::new(Panics));
    assert!(matches!(future.poll(&mut Context::from_waker(&waker)), Poll::Pending));
}

async fn busy<T: Send + 'static, P>(pool: &Pool<T, P>, workers: usize) {
    while pool.stats().busy < workers {
        tokio::task::yield_now().await;
    }
}

type Contexts = Arc<Mutex<Vec<WorkContext<u32>>>>;

/// A pool whose handlers leave their context and go on when they may.
fn with_contexts(workers: usize, go: &Arc<Semaphore>) -> (Pool<u32, Sender<u32>>, Contexts) {
    let contexts = Arc::new(Mutex::new(Vec::new()));
    let (left, go) = (Arc::clone(&contexts), Arc::clone(go));
    let handler = move |cx: WorkContext<u32>, _| {
        left.lock().unwrap().push(cx);
        let go = Arc::clone(&go);
        async move { go.acquire().await.unwrap().forget() }
    };
    (Pool::builder().workers(workers).queue(10).handler_in(handler).start().unwrap(), contexts)
}

#[tokio::test]
async fn of_who_waits_for_the_end_of_a_run() {
    let go = Arc::new(Semaphore::new(0));
    let (pool, contexts) = with_contexts(1, &go);
    pool.try_produce(1).unwrap();
    busy(&pool, 1).await;
    let cx = contexts.lock().unwrap().pop().unwrap();
    let mut over = Box::pin(cx.cancelled());
    wait_badly(over.as_mut());
    go.add_permits(1);
    let report = pool.finish().await;
    assert_eq!((report.completed, report.panics, report.restarts), (1, 0, 0), "{report:?}");
    over.await;
}

/// One of each worker: two panics at once would end the process.
#[tokio::test]
async fn of_who_waits_for_the_end_of_runs_that_are_aborted() {
    let (pool, contexts) = with_contexts(2, &Arc::new(Semaphore::new(0)));
    (0..2).for_each(|item| drop(pool.try_produce(item).unwrap()));
    busy(&pool, 2).await;
    let contexts = std::mem::take(&mut *contexts.lock().unwrap());
    let mut waiting: Vec<_> = contexts.iter().map(|cx| Box::pin(cx.cancelled())).collect();
    waiting.iter_mut().for_each(|over| wait_badly(over.as_mut()));
    let report = pool.shutdown(Duration::ZERO).await;
    assert!(matches!(report.ended_by, EndedBy::Deadline), "{report:?}");
    assert_eq!((report.aborted, report.restarts), (2, 0));
}

#[tokio::test]
async fn of_who_waits_for_an_idle_or_an_ended_pool() {
    let go = Arc::new(Semaphore::new(0));
    let may = Arc::clone(&go);
    let handler = move |delivery: Delivery<u32>| {
        let may = Arc::clone(&may);
        async move {
            may.acquire().await.unwrap().forget();
            delivery.ack();
        }
    };
    let pool = Pool::builder().workers(1).queue(10).handler_delivery(handler).start().unwrap();
    pool.try_produce(1).unwrap();
    busy(&pool, 1).await;
    let (mut idle, mut closed) = (Box::pin(pool.idle()), Box::pin(pool.closed()));
    wait_badly(idle.as_mut());
    wait_badly(closed.as_mut());
    go.add_permits(1);
    idle.await;
    pool.close();
    closed.await;
    let report = pool.finish().await;
    assert!(matches!(report.ended_by, EndedBy::Shutdown), "{report:?}");
    assert_eq!((report.completed, report.restarts), (1, 0));
}

#[tokio::test]
async fn of_who_drives_a_pool_behind_a_service() {
    let next = service_fn(async |n: u32| Ok::<_, String>(n + 1));
    let (service, worker) = PoolLayer::new(1, 10).pair(next).unwrap();
    let mut worker = Box::pin(worker);
    wait_badly(worker.as_mut());
    assert_eq!(service.oneshot(1).await.unwrap(), 2);
    let report = worker.await;
    assert!(matches!(report.ended_by, EndedBy::Source), "{report:?}");
    assert_eq!(report.completed, 1);
}

/// Who is answered well, with an error, and by a panic.
#[tokio::test]
async fn of_who_waits_for_an_answer() {
    let go = Arc::new(Semaphore::new(0));
    let next = service_fn({
        let go = Arc::clone(&go);
        move |n: u32| {
            let go = Arc::clone(&go);
            async move {
                go.acquire().await.unwrap().forget();
                match n {
                    0 => Ok(1),
                    1 => Err("it is odd"),
                    _ => panic!("service"),
                }
            }
        }
    });
    let (service, worker) = PoolLayer::new(3, 10).pair(next).unwrap();
    let mut calls: Vec<_> = (0..3).map(|n| Box::pin(service.clone().oneshot(n))).collect();
    calls.iter_mut().for_each(|call| wait_badly(call.as_mut()));
    let worker = tokio::spawn(worker);
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    // By then they are out of the line, and it is the worker who has their wakers.
    calls.iter_mut().for_each(|call| wait_badly(call.as_mut()));
    drop(service);
    go.add_permits(3);
    let report = worker.await.unwrap();
    assert_eq!((report.completed, report.panics, report.restarts), (2, 1, 1), "{report:?}");
    assert_eq!(calls.remove(0).await.unwrap(), 1);
    assert!(matches!(calls.remove(0).await, Err(PoolError::Inner("it is odd"))));
    assert!(matches!(calls.remove(0).await, Err(PoolError::Panicked(_))));
}

#[tokio::test]
async fn of_who_waits_for_a_branch_that_is_detached() {
    let mut tee = Tee::builder();
    let slow = tee.branch("slow", 1, WhenSlow::Detach { after: Duration::from_secs(3600) });
    let tee = tee.build().unwrap();
    tee.send(1).await.unwrap();
    let mut waiting = Box::pin(tee.send(2));
    wait_badly(waiting.as_mut());
    drop(slow);
    tee.send(3).await.unwrap();
    assert_eq!(tee.stats().branches[0].detached, Some(Detached::Closed));
}

/// Of those who wait for the same, one before and one behind a waker that panics.
struct Among<F> {
    good: [Driver<F>; 2],
    _bad: [Pin<Box<F>>; 2],
}

impl<F: Future<Output = ()>> Among<F> {
    fn wait(mut future: impl FnMut() -> F) -> Self {
        let mut good = [0; 2].map(|_| Driver::new(future()));
        let mut bad = [0; 2].map(|_| Box::pin(future()));
        for (good, bad) in good.iter_mut().zip(&mut bad) {
            wait_badly(bad.as_mut());
            good.assert_pending();
        }
        Self { good, _bad: bad }
    }

    #[track_caller]
    fn assert_told(mut self) {
        for good in &mut self.good {
            assert!(good.is_woken());
            good.assert_ready();
        }
    }
}

#[tokio::test]
async fn of_some_who_wait_and_the_others_are_woken() {
    let go = Arc::new(Semaphore::new(0));
    let (pool, contexts) = with_contexts(1, &go);
    pool.try_produce(1).unwrap();
    busy(&pool, 1).await;
    let cx = contexts.lock().unwrap().pop().unwrap();
    let (over, idle) = (Among::wait(|| cx.cancelled()), Among::wait(|| pool.idle()));
    let closed = Among::wait(|| pool.closed());
    go.add_permits(1);
    // Panics take so long that others get their turn before its worker is back.
    while pool.stats().idle == 0 {
        tokio::task::yield_now().await;
    }
    over.assert_told();
    idle.assert_told();
    pool.close();
    while pool.phase() != Phase::Closed {
        tokio::task::yield_now().await;
    }
    closed.assert_told();
}

#[tokio::test]
async fn of_some_who_wait_for_a_branch_and_the_others_are_woken() {
    let mut tee = Tee::builder();
    let slow = tee.branch("slow", 1, WhenSlow::Detach { after: Duration::from_secs(3600) });
    let tee = tee.build().unwrap();
    tee.send(1).await.unwrap();
    let waiting = Among::wait(async || tee.send(2).await.unwrap());
    drop(slow);
    tee.send(3).await.unwrap();
    waiting.assert_told();
}
