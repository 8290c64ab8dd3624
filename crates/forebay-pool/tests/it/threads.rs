use std::collections::HashSet;
use std::future::pending;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, ThreadId};
use std::time::Duration;

use forebay_pool::{EndedBy, OnFailure, Pool, Retry, WorkContext};
use forebay_queue::{Delivery, bounded};
use tokio::sync::{Notify, Semaphore};
use tokio::time::sleep;

const LONG: Duration = Duration::from_secs(3600);

/// The threads of the runtime, and those on which the handlers ran.
#[test]
fn no_handler_runs_on_a_thread_of_the_runtime() {
    let of_runtime = Arc::new(Mutex::new(HashSet::<ThreadId>::new()));
    let seen = Arc::clone(&of_runtime);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .on_thread_start(move || {
            seen.lock().unwrap().insert(thread::current().id());
        })
        .build()
        .unwrap();
    let of_handlers = Arc::new(Mutex::new(HashSet::new()));
    let report = runtime.block_on(async {
        let pool = Pool::builder()
            .cpu(3)
            .queue(10)
            .handler_with(Arc::clone(&of_handlers), |seen, _: u32| async move {
                seen.lock().unwrap().insert(thread::current().id());
                // Woken by the runtime's timer, it still runs where it ran before.
                sleep(Duration::from_millis(1)).await;
                seen.lock().unwrap().insert(thread::current().id());
                assert!(thread::current().name().unwrap().starts_with("forebay-cpu-"));
            })
            .start()
            .unwrap();
        for item in 0..50 {
            pool.produce(item).await.unwrap();
        }
        pool.finish().await
    });
    assert_eq!((report.completed, report.panics), (50, 0));
    let of_handlers = of_handlers.lock().unwrap();
    assert!(of_handlers.is_disjoint(&of_runtime.lock().unwrap()));
    assert!(!of_handlers.contains(&thread::current().id()));
    assert!((1..=3).contains(&of_handlers.len()));
}

/// On a runtime of one thread, a handler that blocks as a task would block everything.
#[tokio::test]
async fn what_blocks_its_thread_blocks_nobody_else() {
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let pool = Pool::builder()
        .cpu(1)
        .queue(1)
        .handler(move |_: u32| {
            released.lock().unwrap().recv().unwrap();
            async {}
        })
        .start()
        .unwrap();
    pool.produce(1).await.unwrap();
    while pool.stats().busy == 0 {
        tokio::task::yield_now().await;
    }
    sleep(Duration::from_millis(1)).await;
    release.send(()).unwrap();
    assert_eq!(pool.finish().await.completed, 1);
}

#[tokio::test]
async fn panics_are_contained_and_failures_tried_again() {
    let pool = Pool::builder()
        .cpu(2)
        .on_failure(OnFailure::Retry(Retry::default()))
        .queue(10)
        .handler_in(|cx: WorkContext<u32>, number| async move {
            assert!(number != 3 || cx.attempt() > 1, "it panicked");
            if number == 4 && cx.attempt() == 1 { Err("it failed") } else { Ok(()) }
        })
        .keep_copies()
        .start()
        .unwrap();
    for number in 0..10 {
        pool.produce(number).await.unwrap();
    }
    let report = pool.finish().await;
    assert_eq!((report.completed, report.panics, report.retried), (10, 1, 2));
}

#[tokio::test]
async fn keys_batches_and_resizes_hold_there_too() {
    let in_work = Arc::new(AtomicUsize::new(0));
    let pool = Pool::builder()
        .cpu(4)
        .per_key(1)
        .queue(10)
        .handler_with(Arc::clone(&in_work), |in_work, _: u32| async move {
            assert_eq!(in_work.fetch_add(1, Ordering::SeqCst), 0);
            thread::yield_now();
            in_work.fetch_sub(1, Ordering::SeqCst);
        })
        .key(|_| ())
        .start()
        .unwrap();
    for number in 0..200 {
        pool.produce(number).await.unwrap();
        pool.resize(1 + number as usize % 5);
    }
    let report = pool.finish().await;
    assert_eq!((report.completed, report.panics), (200, 0));

    let pool = Pool::builder()
        .cpu(2)
        .batch(7, Duration::ZERO)
        .queue(100)
        .handler_batch(|batch: Vec<Delivery<u32>>| async move { batch.into_iter().for_each(Delivery::ack) })
        .start()
        .unwrap();
    for number in 0..100 {
        pool.produce(number).await.unwrap();
    }
    assert_eq!(pool.shutdown(LONG).await.completed, 100);
}

/// Counts the threads that are inside of a handler.
#[derive(Clone, Default)]
struct Alive(Arc<()>);

/// Takes its time to go, until it is allowed to.
#[derive(Clone, Default)]
struct Reluctant(Arc<(Mutex<bool>, Condvar)>);

impl Reluctant {
    fn allow(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }
}

/// In a handler's future.
struct Leaves(Reluctant);

impl Drop for Leaves {
    fn drop(&mut self) {
        let (allowed, told) = &*self.0.0;
        let _allowed = told.wait_while(allowed.lock().unwrap(), |allowed| !*allowed).unwrap();
    }
}

#[tokio::test]
async fn what_waits_is_cancelled_at_the_deadline_and_no_thread_is_left() {
    let alive = Alive::default();
    let begun = Arc::new(Semaphore::new(0));
    let reluctant = Reluctant::default();
    let leaving = reluctant.clone();
    let (tx, rx) = bounded(10);
    let pool = Pool::builder()
        .cpu(3)
        .source(rx)
        .handler_with(
            (alive.clone(), Arc::clone(&begun), leaving),
            |(alive, begun, leaving), _: u32| async move {
                let _alive = alive;
                let _leaves = Leaves(leaving);
                begun.add_permits(1);
                pending::<()>().await;
            },
        )
        .start()
        .unwrap();
    for number in 0..5 {
        tx.send(number).await.unwrap();
    }
    begun.acquire_many(3).await.unwrap().forget();
    tokio::spawn(async move {
        sleep(Duration::from_millis(20)).await;
        reluctant.allow();
    });
    let report = pool.shutdown(Duration::from_millis(1)).await;
    assert!(matches!(report.ended_by, EndedBy::Deadline));
    assert_eq!((report.aborted, report.failed, report.held), (3, 3, 0));
    assert_eq!(Arc::strong_count(&alive.0), 1, "not even for a moment");
}

/// Nothing can stop a computation, so it is waited for; but it may ask.
#[tokio::test]
async fn what_computes_asks_whether_to_go_on() {
    for how in ["abort", "cancel", "timeout"] {
        let begun = Arc::new(Notify::new());
        let has_begun = Arc::clone(&begun);
        let builder = Pool::builder().cpu(1);
        let builder = if how == "timeout" { builder.timeout(Duration::from_millis(1)) } else { builder };
        let pool = builder
            .queue(1)
            .handler_in(move |cx: WorkContext<u32>, _| {
                let begun = Arc::clone(&has_begun);
                async move {
                    begun.notify_one();
                    while !cx.is_cancelled() {
                        thread::yield_now();
                    }
                }
            })
            .key(|number| *number)
            .start()
            .unwrap();
        pool.produce(1).await.unwrap();
        begun.notified().await;
        let report = match how {
            "abort" => pool.shutdown(Duration::ZERO).await,
            "cancel" => {
                assert_eq!(pool.cancel(&1_u32), 1);
                pool.finish().await
            }
            _ => pool.finish().await,
        };
        assert!(report.adds_up());
        // It came to its end before anybody could drop it.
        assert_eq!((report.completed, report.held), (1, 0), "{how}");
    }
}

#[tokio::test]
async fn a_dropped_handle_ends_the_threads() {
    let alive = Alive::default();
    let begun = Arc::new(Semaphore::new(0));
    let pool = Pool::builder()
        .cpu(2)
        .queue(10)
        .handler_with((alive.clone(), Arc::clone(&begun)), |(alive, begun), _: u32| async move {
            let _alive = alive;
            begun.add_permits(1);
            pending::<()>().await;
        })
        .start()
        .unwrap();
    for number in 0..2 {
        pool.produce(number).await.unwrap();
    }
    begun.acquire_many(2).await.unwrap().forget();
    drop(pool);
    while Arc::strong_count(&alive.0) > 1 {
        tokio::task::yield_now().await;
    }
}

/// Polls a future on a thread that no runtime knows.
fn block_on_elsewhere<F: Future>(future: F) -> F::Output {
    struct Unpark(thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// The handler computes until somebody has heard of it, and comes to no await before.
#[tokio::test]
async fn the_deadline_is_heard_of_without_a_runtime() {
    let pool = Pool::builder()
        .cpu(1)
        .timeout(Duration::from_millis(300))
        .queue(1)
        .handler_in(|cx: WorkContext<u32>, _| async move {
            let (tell, heard) = mpsc::channel();
            let context = cx.clone();
            let elsewhere = thread::spawn(move || {
                block_on_elsewhere(context.cancelled());
                tell.send(context.is_cancelled()).unwrap();
            });
            assert_eq!(heard.recv_timeout(Duration::from_secs(60)), Ok(true));
            elsewhere.join().unwrap();
        })
        .start()
        .unwrap();
    pool.produce(1).await.unwrap();
    assert_eq!(pool.finish().await.completed, 1);
}

/// With its timers gone nobody would tell of the deadline.
#[test]
fn the_end_of_the_runtime_is_heard_of_elsewhere() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
    let (tell, told) = mpsc::channel();
    let pool = runtime.block_on(async {
        let pool = Pool::builder()
            .workers(1)
            .timeout(LONG)
            .queue(1)
            .handler_in(move |cx: WorkContext<u32>, _| {
                tell.send(cx).unwrap();
                pending::<()>()
            })
            .start()
            .unwrap();
        pool.produce(1).await.unwrap();
        pool
    });
    let cx = told.recv().unwrap();
    let elsewhere = thread::spawn(move || block_on_elsewhere(cx.cancelled()));
    runtime.shutdown_background();
    elsewhere.join().unwrap();
    drop(pool);
}
