//! What a second reading of the pool found, each with what it promises.

use std::any::Any;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use forebay_pool::{
    Backoff, BoxError, Gap, OnFailure, Ordered, Pipeline, Pool, PoolHandle, Retry, Tee, WhenSlow, WorkContext,
};
use forebay_queue::{Delivery, End, Receipt, Settle, Source, SourceError, WhenFull};
use tokio::time::{sleep, timeout};

use crate::numbers::Numbers;
use crate::settle_down;

const S: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn batches_of_a_source_that_has_ended_are_worked_on() {
    let pool = Pool::builder().workers(1).batch(100, S).source(Numbers(0..10));
    let pool =
        pool.handler_batch(async |batch: Vec<Delivery<u32>>| batch.into_iter().for_each(Delivery::ack));
    let report = pool.start().expect("all is given").finish().await;
    assert_eq!(report.completed, 10, "{report}");
}

#[tokio::test(start_paused = true)]
async fn items_of_a_source_that_has_ended_wait_for_their_key() {
    let pool = Pool::builder().workers(2).per_key(1).source(Numbers(0..10));
    let pool = pool.handler(async |_: u32| sleep(Duration::from_millis(1)).await).key(|_| 1);
    let report = pool.start().expect("all is given").finish().await;
    assert_eq!(report.completed, 10, "{report}");
}

#[tokio::test(start_paused = true)]
async fn prefetched_items_of_a_source_that_has_ended_are_worked_on() {
    let pool = Pool::builder().workers(2).prefetch(4).source(Numbers(0..10));
    let pool = pool.handler(async |_: u32| sleep(Duration::from_millis(1)).await);
    let report = pool.start().expect("all is given").finish().await;
    assert_eq!(report.completed, 10, "{report}");
}

/// The first one panics when it is dropped.
struct Bomb(u32);

impl Drop for Bomb {
    fn drop(&mut self) {
        if self.0 == 1 && !std::thread::panicking() {
            panic!("in a destructor");
        }
    }
}

/// Drops what it was given when it is cloned.
struct Cloned(Arc<Mutex<Option<Box<dyn Any + Send>>>>);

impl Clone for Cloned {
    fn clone(&self) -> Self {
        drop(self.0.lock().expect("nobody panics with it").take());
        Cloned(self.0.clone())
    }
}

#[tokio::test(start_paused = true)]
async fn idle_waits_for_a_handler_that_has_acked_and_still_makes_work() {
    let refused = Arc::new(AtomicUsize::new(0));
    let r = Arc::clone(&refused);
    let pool = Pool::builder()
        .workers(2)
        .queue(10)
        .handler_delivery_in(move |cx: WorkContext<u32>, d: Delivery<u32>| {
            let r = Arc::clone(&r);
            async move {
                let n = *d.item().expect("it has its item");
                d.ack();
                sleep(Duration::from_millis(10)).await;
                if n > 0 && cx.resubmit(n - 1).is_err() {
                    r.fetch_add(1, SeqCst);
                }
            }
        })
        .start()
        .expect("all is given");
    pool.produce(3).await.expect("as arranged");
    let report = pool.finish_when_idle().await;
    assert_eq!((report.completed, refused.load(SeqCst)), (4, 0));
}

#[tokio::test(start_paused = true)]
async fn shutdown_ends_the_pause_of_a_pipeline() {
    let pipeline = Pipeline::builder()
        .queue(10)
        .stage("one", async |n: u32| Ok::<_, BoxError>(n), |p| p.workers(1))
        .queue(1)
        .stage("two", async |_: u32| Ok::<_, BoxError>(()), |p| p.workers(1))
        .start()
        .expect("all is given");
    pipeline.pause();
    for n in 0..5 {
        pipeline.produce(n).await.expect("open");
    }
    let report = pipeline.shutdown(10 * S).await;
    assert_eq!(report.stages[1].pool.completed, 5, "{report}");
}

#[tokio::test(start_paused = true)]
async fn close_ends_the_pause_of_a_pipeline() {
    let pipeline = Pipeline::builder()
        .queue(10)
        .stage("one", async |n: u32| Ok::<_, BoxError>(n), |p| p.workers(1))
        .queue(1)
        .stage("two", async |_: u32| Ok::<_, BoxError>(()), |p| p.workers(1))
        .start()
        .expect("all is given");
    pipeline.pause();
    pipeline.produce(1).await.expect("as arranged");
    pipeline.close();
    timeout(100 * S, pipeline.closed()).await.expect("closed");
}

#[tokio::test(start_paused = true)]
async fn cancelling_what_opened_a_batch_leaves_no_weight_behind() {
    let (tx, rx) = forebay_queue::builder().capacity(100).weigher(|n: &u32| *n as usize).build();
    let pool = Pool::builder()
        .workers(1)
        .batch(500, S)
        .batch_weight(10)
        .source(rx)
        .handler_batch(|b: Vec<Delivery<u32>>| async move {
            sleep(S).await;
            b.into_iter().for_each(Delivery::ack)
        })
        .key(|n| *n)
        .start()
        .expect("all is given");
    tx.send(6).await.expect("as arranged");
    tx.send(40).await.expect("as arranged");
    settle_down().await;
    assert_eq!((pool.stats().busy, pool.stats().set_aside), (1, 1));
    assert_eq!(pool.cancel(&40_u32), 1);
    tx.send(1).await.expect("as arranged");
    sleep(100 * S).await;
    let stats = pool.stats();
    assert_eq!((stats.completed, tx.len()), (2, 0), "{stats:?}");
}

#[tokio::test(start_paused = true)]
async fn panic_of_a_displaced_result_stays_with_it() {
    let (tx, _rx) =
        forebay_queue::builder::<Ordered<Bomb>>().capacity(1).when_full(WhenFull::DropOldest).build();
    let pool = Pool::builder()
        .workers(1)
        .queue(10)
        .handler_ordered(tx, |n: u32| async move { Ok::<_, BoxError>(Bomb(n)) })
        .start()
        .expect("all is given");
    for n in 1..5 {
        pool.produce(n).await.expect("open");
    }
    let report = timeout(1000 * S, pool.finish()).await.expect("finish hangs: the handing-on task died");
    assert_eq!(report.completed, 4);
}

#[tokio::test(start_paused = true)]
async fn item_whose_key_panicked_leaves_a_gap() {
    let (tx, mut rx) = forebay_queue::bounded(10);
    let pool = Pool::builder()
        .workers(1)
        .per_key(1)
        .queue(10)
        .handler_ordered(tx, |n: u32| async move { Ok::<_, BoxError>(n) })
        .key(|n| if *n == 2 { panic!("key") } else { *n })
        .start()
        .expect("all is given");
    for n in 1..4 {
        pool.produce(n).await.expect("open");
    }
    pool.finish().await;
    let mut got = Vec::new();
    while let Some(ordered) = rx.recv().await {
        got.push(ordered)
    }
    assert_eq!(got, [Ordered::Done(1), Ordered::Gap(Gap::DeadLettered), Ordered::Done(3)]);
}

#[tokio::test(start_paused = true)]
async fn cancel_finds_what_was_prefetched() {
    let pool = Pool::builder()
        .workers(1)
        .prefetch(3)
        .queue(10)
        .handler(|_: u32| sleep(S))
        .key(|n| *n)
        .start()
        .expect("all is given");
    for n in 0..4 {
        pool.produce(n).await.expect("open");
    }
    settle_down().await;
    assert_eq!(pool.stats().set_aside, 3);
    assert_eq!(pool.cancel(&2_u32), 1);
    assert_eq!(pool.finish().await.cancelled, 1);
}

#[tokio::test(start_paused = true)]
async fn account_adds_up_while_the_deadline_is_asked_for() {
    let handle: Arc<OnceLock<PoolHandle<u32>>> = Arc::default();
    let (h, bad) = (Arc::clone(&handle), Arc::new(AtomicUsize::new(0)));
    let b = Arc::clone(&bad);
    let pool = Pool::builder()
        .workers(1)
        .queue(10)
        .handler(|_: u32| async {})
        .deadline(move |_| {
            let s = h.get().expect("as arranged").stats().expect("as arranged");
            if !s.adds_up() {
                b.fetch_add(1, SeqCst);
            }
            None
        })
        .start()
        .expect("all is given");
    let _ = handle.set(pool.handle());
    pool.produce(1).await.expect("as arranged");
    pool.finish().await;
    assert_eq!(bad.load(SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn batch_is_tried_again_in_its_order() {
    let seen: Arc<Mutex<Vec<Vec<u32>>>> = Arc::default();
    let s = Arc::clone(&seen);
    let pool = Pool::builder()
        .workers(1)
        .batch(3, S)
        .on_failure(OnFailure::Retry(Retry::default()))
        .queue(10)
        .handler_batch(move |b: Vec<Delivery<u32>>| {
            let s = Arc::clone(&s);
            async move {
                s.lock()
                    .expect("nobody panics with it")
                    .push(b.iter().map(|d| *d.item().expect("it has its item")).collect());
                if b[0].attempt() == 1 {
                    return Err("once");
                }
                b.into_iter().for_each(Delivery::ack);
                Ok(())
            }
        })
        .start()
        .expect("all is given");
    for n in 1..4 {
        pool.produce(n).await.expect("open");
    }
    pool.finish().await;
    assert_eq!(*seen.lock().expect("nobody panics with it"), [[1, 2, 3], [1, 2, 3]]);
}

#[tokio::test(start_paused = true)]
async fn freed_key_is_not_stranded_behind_a_retry() {
    let done: Arc<Mutex<Vec<(char, u32)>>> = Arc::default();
    let s = Arc::clone(&done);
    let pool = Pool::builder()
        .workers(2)
        .per_key(1)
        .batch(2, S)
        .on_failure(OnFailure::Retry(Retry::new(Backoff::new(1000 * S, 1000 * S))))
        .queue(10)
        .handler_batch(move |b: Vec<Delivery<(char, u32)>>| {
            let s = Arc::clone(&s);
            async move {
                sleep(S).await;
                let mut failed = false;
                for d in b {
                    let item = *d.item().expect("it has its item");
                    if item.0 == 'b' && d.attempt() == 1 {
                        failed = true;
                        drop(d);
                        continue;
                    }
                    s.lock().expect("nobody panics with it").push(item);
                    d.ack();
                }
                if failed { Err("b") } else { Ok(()) }
            }
        })
        .key(|i| i.0)
        .start()
        .expect("all is given");
    for item in [('a', 1), ('b', 1), ('a', 2)] {
        pool.produce(item).await.expect("as arranged");
    }
    sleep(100 * S).await;
    assert_eq!(*done.lock().expect("nobody panics with it"), [('a', 1), ('a', 2)], "{:?}", pool.stats());
}

#[tokio::test(start_paused = true)]
async fn spent_budget_is_not_idleness() {
    let (tx, rx) = forebay_queue::bounded(10);
    let pool =
        Pool::builder().workers(1).source(rx).handler(|_: u32| sleep(S)).start().expect("all is given");
    settle_down().await;
    let mut idle = Box::pin(pool.idle());
    let first = std::future::poll_fn(|cx| {
        while let Poll::Ready(coop) = tokio::task::coop::poll_proceed(cx) {
            coop.made_progress()
        }
        tx.try_send(1).expect("as arranged");
        Poll::Ready(std::future::Future::poll(idle.as_mut(), cx).is_ready())
    })
    .await;
    assert!(!first, "idle, although the source has an item: {:?}", tx.len());
}

#[tokio::test(start_paused = true)]
async fn settlements_of_a_batch_go_on_while_its_rest_waits() {
    struct Polls {
        left: Vec<u32>,
        acks: Arc<Acks>,
    }
    #[derive(Default)]
    struct Acks {
        acked: AtomicUsize,
        confirmed: AtomicUsize,
    }
    impl Settle<u32> for Acks {
        fn settle(&self, _: Receipt, _: Option<u32>, e: End) {
            if e == End::Ack {
                self.acked.fetch_add(1, SeqCst);
            }
        }
        fn extend(&self, _: Receipt, _: Duration) {}
    }
    impl Source for Polls {
        type Item = u32;
        fn poll_next(
            &mut self,
            _: &mut Context<'_>,
            _: NonZeroUsize,
            out: &mut Vec<Delivery<u32>>,
        ) -> Poll<Result<usize, SourceError>> {
            match self.left.pop() {
                Some(a) => {
                    out.push(Delivery::new(a, Receipt::new(u64::from(a)), self.acks.clone()));
                    Poll::Ready(Ok(1))
                }
                None => Poll::Pending,
            }
        }
        fn poll_settled(&mut self, _: &mut Context<'_>) -> Poll<Result<(), SourceError>> {
            self.acks.confirmed.store(self.acks.acked.load(SeqCst), SeqCst);
            Poll::Ready(Ok(()))
        }
        fn close(&mut self) {}
        fn redelivers(&self) -> bool {
            true
        }
    }
    let acks = Arc::<Acks>::default();
    let _pool = Pool::builder()
        .workers(1)
        .batch(2, S)
        .on_failure(OnFailure::Retry(Retry::new(Backoff::new(1000 * S, 1000 * S))))
        .source(Polls { left: vec![2, 1], acks: acks.clone() })
        .handler_batch(|mut b: Vec<Delivery<u32>>| async move {
            sleep(S).await;
            b.pop().expect("as arranged").ack();
            Err::<(), _>("other")
        })
        .start()
        .expect("all is given");
    sleep(100 * S).await;
    assert_eq!((acks.acked.load(SeqCst), acks.confirmed.load(SeqCst)), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn error_of_a_tee_means_that_no_queue_has_the_item() {
    let mut tee = Tee::builder();
    let a = tee.branch("a", 5, WhenSlow::Hold);
    let b = tee.branch("b", 5, WhenSlow::Hold);
    let tee = tee.build().expect("as arranged");
    let slot: Arc<Mutex<Option<Box<dyn Any + Send>>>> = Arc::default();
    *slot.lock().expect("nobody panics with it") = Some(Box::new(b));
    let sent = tee.send(Cloned(slot)).await;
    assert!(sent.is_ok() || a.is_empty(), "error, and branch a has {}", a.len());
}

#[tokio::test(start_paused = true)]
async fn cancel_reaches_what_waits_for_a_worker_to_be_built_and_nothing_later() {
    let broken = Arc::new(AtomicBool::new(false));
    let b = broken.clone();
    let b2 = broken.clone();
    let pool = Pool::builder()
        .workers(2)
        .queue(10)
        .on_failure(OnFailure::Retry(Retry::default()))
        .handler_per_worker(move |_| {
            assert!(!b.load(SeqCst), "cannot be built");
            let b2 = b2.clone();
            move |n: u32| {
                let b2 = b2.clone();
                async move {
                    sleep(if n == 2 { 3 * S } else { S }).await;
                    if n == 1 && !b2.swap(true, SeqCst) {
                        panic!("once")
                    }
                }
            }
        })
        .keep_copies()
        .key(|n| *n)
        .start()
        .expect("all is given");
    settle_down().await;
    pool.produce(2).await.expect("as arranged"); // worker 0
    settle_down().await;
    pool.produce(1).await.expect("as arranged"); // worker 1
    sleep(S + Duration::from_millis(30)).await; // it panicked; its worker cannot be built
    let s = pool.stats();
    assert_eq!((s.busy, s.failing, s.held), (2, 1, 2), "{s:?}");
    assert_eq!(pool.cancel(&1_u32), 1);
    settle_down().await;
    let s = pool.stats();
    assert_eq!((s.dead_lettered, s.cancelled, s.held), (1, 1, 1), "{s:?}");
    broken.store(false, SeqCst);
    sleep(4 * S).await;
    for n in 10..14 {
        pool.produce(n).await.expect("open");
    }
    sleep(10 * S).await;
    let s = pool.stats();
    assert_eq!((s.completed, s.cancelled), (5, 1), "nobody cancelled 10 to 13: {s:?}");
}
