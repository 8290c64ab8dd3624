//! Of more than four workers for each thread of the runtime that take items themselves, one for each thread waits at the
//! source while they idle. On a runtime of one thread that is one, and every item that comes depends on the next one being
//! made to lead.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use forebay_pool::{Pool, PoolHandle};
use forebay_queue::{Sender, bounded};
use tokio::sync::Semaphore;

use crate::settle_down;

/// Eight workers that each keep an item for as long as there is no permit, and who gives them items.
fn keepers(gate: &Arc<Semaphore>) -> (Sender<u32>, Pool<u32>) {
    let (tx, rx) = bounded(100);
    let pool = Pool::builder()
        .workers(8)
        .source(rx)
        .handler_with(Arc::clone(gate), |gate, _: u32| async move {
            gate.acquire().await.unwrap().forget();
        })
        .start()
        .unwrap();
    (tx, pool)
}

/// A burst finds all of them idle.
#[tokio::test]
async fn who_follows_gets_the_items_that_one_leader_cannot_do() {
    let gate = Arc::new(Semaphore::new(0));
    let (tx, pool) = keepers(&gate);
    settle_down().await;
    assert_eq!(pool.stats().idle, 8);
    (0..8).for_each(|item| assert!(tx.try_send(item).is_ok()));
    settle_down().await;
    assert_eq!((pool.stats().busy, pool.stats().idle, tx.len()), (8, 0, 0));
    gate.add_permits(8);
    settle_down().await;
    assert_eq!((pool.stats().completed, pool.stats().idle), (8, 8));
    // And one by one.
    for item in 0..8 {
        assert!(tx.try_send(item).is_ok());
        settle_down().await;
        assert_eq!(pool.stats().busy, item as usize + 1);
    }
    gate.add_permits(8);
    drop(tx);
    assert_eq!(pool.finish().await.completed, 16);
}

/// The youngest, who is made to lead by the first one, is to leave before it comes; so are the next ones.
#[tokio::test]
async fn who_leaves_as_it_is_made_to_lead_passes_that_on() {
    let (tx, rx) = bounded(100);
    let done = Arc::new(Mutex::new(0));
    let handle = Arc::<OnceLock<PoolHandle<u32>>>::default();
    let pool = Pool::builder()
        .workers(8)
        .source(rx)
        .handler_with((Arc::clone(&handle), Arc::clone(&done)), |(handle, done), item: u32| {
            if item == 0 {
                handle.get().unwrap().resize(2);
            }
            async move {
                if item == 0 {
                    std::future::pending::<()>().await;
                }
                *done.lock().unwrap() += 1;
            }
        })
        .start()
        .unwrap();
    assert!(handle.set(pool.handle()).is_ok());
    settle_down().await;
    assert!(tx.try_send(0).is_ok());
    settle_down().await;
    for item in 1..5 {
        assert!(tx.try_send(item).is_ok());
        settle_down().await;
        assert_eq!(*done.lock().unwrap(), item, "the one that stays was not told");
    }
    drop(tx);
    let report = pool.shutdown(Duration::ZERO).await;
    assert_eq!((report.taken, report.completed), (5, 4));
}

/// Some lead and some follow when nothing is handed out any more.
#[tokio::test]
async fn a_pause_leaves_nobody_behind() {
    let gate = Arc::new(Semaphore::new(0));
    let (tx, pool) = keepers(&gate);
    settle_down().await;
    for round in 1..4 {
        pool.pause();
        (0..8).for_each(|item| assert!(tx.try_send(item).is_ok()));
        settle_down().await;
        assert_eq!((pool.stats().busy, tx.len()), (0, 8));
        pool.resume();
        settle_down().await;
        assert_eq!((pool.stats().busy, tx.len()), (8, 0));
        gate.add_permits(8);
        settle_down().await;
        assert_eq!(pool.stats().completed, 8 * round);
    }
    drop(tx);
    pool.finish().await;
}

/// Everybody hears of it, though one only was told by the source.
#[tokio::test]
async fn who_follows_hears_of_the_end() {
    let gate = Arc::new(Semaphore::new(1));
    let (tx, pool) = keepers(&gate);
    settle_down().await;
    drop(tx);
    assert_eq!(pool.finish().await.completed, 0);
}

/// From other threads, and at any moment: items come one by one and in bursts while workers come and go.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_item_waits_while_workers_idle_whatever_races() {
    let pool = Pool::builder()
        .workers(16)
        .queue(64)
        .handler(|item: u32| async move {
            if item.is_multiple_of(3) {
                tokio::task::yield_now().await;
            }
        })
        .start()
        .unwrap();
    for burst in 0..2_000_u32 {
        for item in 0..burst % 20 {
            pool.produce(item).await.unwrap();
        }
        if burst % 50 == 0 {
            pool.resize(if burst % 100 == 0 { 3 } else { 16 });
        }
        // With nothing more to come, the burst is done by itself.
        tokio::time::timeout(Duration::from_secs(20), pool.idle()).await.expect("an item was left lying");
    }
    let report = pool.finish().await;
    assert_eq!(report.completed, (0..2_000).map(|burst| u64::from(burst % 20_u32)).sum::<u64>());
}
