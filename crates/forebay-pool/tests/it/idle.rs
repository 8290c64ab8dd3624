use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use forebay_pool::{BoxError, Pool, ResubmitError, WorkContext};
use forebay_queue::{Delivery, bounded};
use forebay_testkit::{Driver, RecordingSource};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, sleep, timeout};

use crate::settle_down;

const SECOND: Duration = Duration::from_secs(1);

/// Each number leads to two halves of itself, after a while.
async fn halve(cx: WorkContext<u32>, number: u32) -> Result<(), BoxError> {
    tokio::task::yield_now().await;
    for half in [number / 2, number - number / 2] {
        if number > 1 {
            cx.resubmit(half)?;
        }
    }
    Ok(())
}

/// The same where the intake takes the items, for handlers that may give them back.
async fn halve_lent(cx: WorkContext<u32>, lent: Delivery<u32>) -> Result<Delivery<u32>, BoxError> {
    halve(cx, *lent.item().expect("it was just taken")).await.map(|()| lent)
}

#[tokio::test]
async fn work_that_makes_work_ends_by_itself() {
    let of = || Pool::builder().workers(4).queue(1000);
    let by_value = of().handler_in(halve).start().unwrap();
    let lent = of().handler_delivery_in(|cx, lent| async { halve_lent(cx, lent).await.map(Delivery::ack) });
    for pool in [by_value, lent.start().unwrap()] {
        pool.produce(100).await.unwrap();
        let report = pool.finish_when_idle().await;
        // A tree with 100 leaves.
        assert_eq!(report.to_string(), "shut down: took 199, completed 199");
    }
}

/// Between a handler's last look and the end of its run nothing is overlooked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn does_not_end_while_anything_may_lead_to_more() {
    for _ in 0..100 {
        let pool = Pool::builder().workers(3).queue(1000).handler_in(halve).start().unwrap();
        pool.produce(40).await.unwrap();
        assert_eq!(pool.finish_when_idle().await.completed, 79);
    }
}

#[tokio::test]
async fn is_idle_only_when_nothing_is_in_hand_and_nothing_waits() {
    let gate = Arc::new(Semaphore::new(0));
    let pool = Pool::builder()
        .workers(1)
        .queue(10)
        .handler_with(Arc::clone(&gate), |gate, _: u32| async move {
            gate.acquire().await.unwrap().forget();
        })
        .start()
        .unwrap();
    pool.idle().await;
    for item in 0..2 {
        pool.produce(item).await.unwrap();
    }
    let mut idle = Driver::new(pool.idle());
    for permits in [0, 1] {
        gate.add_permits(permits);
        settle_down().await;
        idle.assert_pending();
    }
    gate.add_permits(1);
    settle_down().await;
    idle.assert_ready();
    drop(idle);
    assert_eq!(pool.finish().await.completed, 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_put_off_keeps_it_from_being_idle() {
    let begun = Instant::now();
    let pool = Pool::builder()
        .workers(1)
        .queue(10)
        .handler_delivery(|delivery: Delivery<u32>| async move {
            if delivery.attempt() == 1 { delivery.nack(60 * SECOND) } else { delivery.ack() }
        })
        .start()
        .unwrap();
    pool.produce(1).await.unwrap();
    pool.idle().await;
    assert_eq!(begun.elapsed().as_secs(), 60);
    assert_eq!(pool.finish_when_idle().await.completed, 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_elsewhere_keeps_it_from_being_idle() {
    let begun = Instant::now();
    let (tx, rx) = bounded(1);
    let pool = Pool::builder()
        .workers(1)
        .source(rx)
        .handler_delivery(|delivery: Delivery<u32>| async move {
            tokio::spawn(async move {
                sleep(60 * SECOND).await;
                delivery.ack();
            });
        })
        .start()
        .unwrap();
    tx.send(1).await.unwrap();
    sleep(SECOND).await;
    pool.idle().await;
    assert_eq!(begun.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn what_is_set_aside_keeps_it_from_being_idle() {
    let begun = Instant::now();
    let pool = Pool::builder()
        .workers(2)
        .per_key(1)
        .queue(10)
        .handler(|_: u32| sleep(SECOND))
        .key(|_| ())
        .start()
        .unwrap();
    for item in 0..3 {
        pool.produce(item).await.unwrap();
    }
    pool.idle().await;
    assert_eq!(begun.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_paused_pool_is_not_idle() {
    let of = || Pool::builder().workers(1).queue(10);
    let by_value = of().handler(|_: u32| async {}).start().unwrap();
    // Its worker waits in line all the time, and nothing is told to it when the pause is over.
    let lent = of().handler_delivery(async |lent: Delivery<u32>| lent.ack()).start().unwrap();
    for pool in [by_value, lent] {
        settle_down().await;
        pool.pause();
        let handle = pool.handle();
        tokio::spawn(async move {
            sleep(SECOND).await;
            handle.resume();
        });
        let begun = Instant::now();
        timeout(2 * SECOND, pool.idle()).await.expect("it is told");
        assert_eq!(begun.elapsed(), SECOND);
    }
}

#[tokio::test]
async fn a_pool_that_ended_is_idle() {
    let (source, _script) = RecordingSource::new([1]);
    let pool = Pool::builder().workers(1).source(source).handler(|_: u32| async {}).start().unwrap();
    pool.closed().await;
    pool.idle().await;
    assert_eq!(pool.finish_when_idle().await.completed, 1);
}

/// The queue is not the pool's own, so only the source itself can say that it has something.
#[tokio::test]
async fn what_nobody_has_taken_yet_keeps_it_from_being_idle() {
    let of = |rx| Pool::builder().workers(1).source(rx);
    let ((first, by_value), (second, lent)) = (bounded(1), bounded(1));
    let by_value = of(by_value).handler(|_: u32| async {}).start().unwrap();
    let lent = of(lent).handler_delivery(async |lent: Delivery<u32>| lent.ack()).start().unwrap();
    for (tx, pool) in [(first, by_value), (second, lent)] {
        pool.idle().await;
        tx.try_send(1).unwrap();
        Driver::new(pool.idle()).assert_pending();
        pool.idle().await;
        assert_eq!(pool.stats().completed, 1);
    }
}

/// Nobody waits for room in the queue, so no two handlers wait for each other.
#[tokio::test]
async fn into_a_full_queue_nothing_is_put_and_the_item_comes_back() {
    let (told, mut was_told) = mpsc::unbounded_channel();
    let pool = Pool::builder()
        .workers(2)
        .queue(2)
        .handler_in(move |cx: WorkContext<u32>, number| {
            let told = told.clone();
            async move {
                if number == 1 {
                    while let Ok(()) = cx.resubmit(2) {}
                    let Err(ResubmitError::WouldDeadlock(item)) = cx.resubmit(3) else {
                        panic!("it was full")
                    };
                    told.send(item).unwrap();
                }
            }
        })
        .start()
        .unwrap();
    pool.produce(1).await.unwrap();
    assert_eq!(was_told.recv().await, Some(3));
    let report = pool.finish_when_idle().await;
    assert_eq!((report.failed, report.completed), (0, report.taken));
}

#[tokio::test]
async fn into_a_closed_queue_or_none_nothing_is_put() {
    let refusals = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&refusals);
    let handler = move |cx: WorkContext<u32>, number| {
        if let Err(ResubmitError::Closed(_) | ResubmitError::NoQueue(_)) = cx.resubmit(number) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        async {}
    };
    let pool = Pool::builder().workers(1).queue(2).handler_in(handler.clone()).start().unwrap();
    pool.produce(1).await.unwrap();
    assert_eq!(pool.shutdown(SECOND).await.completed, 1);

    let (source, _script) = RecordingSource::new([1]);
    let pool = Pool::builder().workers(1).source(source).handler_in(handler).start().unwrap();
    assert_eq!(pool.finish().await.completed, 1);
    assert_eq!(refusals.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn waiting_for_it_can_be_given_up() {
    let gate = Arc::new(Semaphore::new(0));
    let pool = Pool::builder()
        .workers(1)
        .queue(2)
        .handler_with(Arc::clone(&gate), |gate, _: u32| async move {
            gate.acquire().await.unwrap().forget();
        })
        .start()
        .unwrap();
    pool.produce(1).await.unwrap();
    settle_down().await;
    let mut idle = Driver::new(pool.idle());
    idle.assert_pending();
    drop(idle);
    gate.add_permits(1);
    pool.idle().await;
}

/// Waits on another runtime than the pool's.
#[test]
fn who_waits_for_it_learns_that_the_runtime_went_away() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let of_pool = runtime();
    let pool = of_pool.block_on(async {
        let pool = Pool::builder().workers(1).queue(1).handler(|_: u32| pending::<()>()).start().unwrap();
        pool.produce(1).await.unwrap();
        settle_down().await;
        pool
    });
    let mut idle = Driver::new(pool.idle());
    idle.assert_pending();
    drop(of_pool);
    assert!(idle.is_woken());
    idle.assert_ready();
}

/// It may send more at any time, also while there is nothing to do.
#[tokio::test]
async fn another_sender_keeps_it_from_being_idle() {
    let pool = Pool::builder().workers(2).queue(10).handler(|_: u32| async {}).start().unwrap();
    let (producer, weak) = (pool.producer(), pool.producer().downgrade());
    let mut idle = Driver::new(pool.idle());
    settle_down().await;
    idle.assert_pending();
    producer.try_send(1).unwrap();
    settle_down().await;
    idle.assert_pending();
    drop(producer);
    assert!(idle.is_woken());
    settle_down().await;
    idle.assert_ready();
    drop(idle);
    // A new one is another one.
    let producer = weak.upgrade().unwrap();
    let mut idle = Driver::new(pool.idle());
    settle_down().await;
    idle.assert_pending();
    drop((idle, producer));
    assert_eq!(pool.finish_when_idle().await.completed, 1);
}

/// It was alone when the waiting began, and is so again at the end.
#[tokio::test]
async fn a_sender_that_comes_meanwhile_is_waited_for() {
    let gate = Arc::new(Semaphore::new(0));
    let pool = Pool::builder()
        .workers(1)
        .queue(10)
        .handler_with(Arc::clone(&gate), |gate, _: u32| async move {
            gate.acquire().await.unwrap().forget();
        })
        .start()
        .unwrap();
    pool.produce(1).await.unwrap();
    let mut idle = Driver::new(pool.idle());
    settle_down().await;
    idle.assert_pending();
    let late = pool.producer();
    gate.add_permits(2);
    settle_down().await;
    idle.assert_pending();
    late.try_send(2).unwrap();
    drop(late);
    settle_down().await;
    idle.assert_ready();
    assert_eq!(pool.stats().completed, 2);
}

#[tokio::test]
async fn the_end_waits_for_all_who_may_send_more() {
    let (tx, rx) = bounded(1000);
    let pool = Pool::builder().workers(2).source(rx).resubmit_to(&tx).handler_in(halve).start().unwrap();
    let producer = tokio::spawn(async move {
        for number in [10, 20, 30] {
            settle_down().await;
            tx.send(number).await.unwrap();
        }
    });
    let report = pool.finish_when_idle().await;
    assert_eq!(report.completed, 19 + 39 + 59);
    assert!(producer.is_finished());
}

/// The pool keeps the queue open as long as there is work that may lead to more.
#[tokio::test]
async fn work_leads_to_more_after_all_who_began_it_have_gone() {
    let (tx, rx) = bounded(100);
    let pool = Pool::builder().workers(2).source(rx).resubmit_to(&tx).handler_in(halve).start().unwrap();
    tx.send(40).await.unwrap();
    drop(tx);
    assert_eq!(pool.finish_when_idle().await.completed, 79);

    let (tx, rx) = bounded(100);
    let pool =
        Pool::builder().workers(2).source(rx).resubmit_to(&tx).handler(|_: u32| async {}).start().unwrap();
    tx.send(40).await.unwrap();
    drop(tx);
    assert_eq!(pool.finish().await.completed, 1, "it gives up its own sender");
}

#[tokio::test]
async fn a_closed_queue_has_no_other_senders() {
    let pool = Pool::builder().workers(1).queue(10).handler(|_: u32| async {}).start().unwrap();
    let producer = pool.producer();
    producer.send(1).await.unwrap();
    let mut idle = Driver::new(pool.idle());
    idle.assert_pending();
    producer.close();
    pool.idle().await;
    idle.assert_ready();
    drop(idle);
    assert_eq!(pool.finish_when_idle().await.completed, 1);
}

/// There is no sender left that could be asked.
#[tokio::test(start_paused = true)]
async fn what_is_put_off_is_seen_after_the_last_sender_has_gone() {
    let begun = Instant::now();
    let (tx, rx) = bounded(1);
    let pool = Pool::builder()
        .workers(1)
        .source(rx)
        .resubmit_to(&tx)
        .handler_delivery(|delivery: Delivery<u32>| async move {
            if delivery.attempt() == 1 { delivery.nack(60 * SECOND) } else { delivery.ack() }
        })
        .start()
        .unwrap();
    tx.send(1).await.unwrap();
    drop(tx);
    let handle = pool.handle();
    let finish = tokio::spawn(pool.finish());
    sleep(SECOND).await;
    assert_eq!(handle.stats().unwrap().backlog, Some(1));
    assert_eq!(finish.await.unwrap().completed, 1);
    assert_eq!(begun.elapsed().as_secs(), 60);
}

/// Also where a worker had to let others have their turn after its last item, before it could tell of it.
#[tokio::test]
async fn is_idle_only_when_the_source_was_told_of_all_items() {
    // Long enough to cost a unit of the budget each, so that it is spent by the last item of one of these.
    let compute = || {
        let begin = std::time::Instant::now();
        while begin.elapsed() < Duration::from_micros(10) {}
    };
    for items in 100..150 {
        let (tx, rx) = bounded(200);
        (0..items).for_each(|item| assert!(tx.try_send(item).is_ok()));
        let handler = move |_: u32| async move { compute() };
        let pool = Pool::builder().workers(1).source(rx).handler(handler).start().unwrap();
        pool.idle().await;
        let stats = tx.stats();
        assert_eq!((stats.held, stats.completed, pool.stats().completed), (0, items.into(), items.into()));
        drop(pool);
    }
}
