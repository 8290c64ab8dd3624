use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use forebay_queue::{bounded, unbounded};

/// Counts how often it gets its turn on a runtime with one thread.
fn count_turns() -> Arc<AtomicUsize> {
    let turns = Arc::new(AtomicUsize::new(0));
    let counter = turns.clone();
    tokio::spawn(async move {
        loop {
            counter.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
    });
    turns
}

#[tokio::test]
async fn receiver_in_a_hot_loop_lets_others_run() {
    let (tx, mut rx) = unbounded();
    (0..10_000).for_each(|n| assert!(tx.try_send(n).is_ok()));
    let turns = count_turns();
    for n in 0..10_000 {
        assert_eq!(rx.recv().await, Some(n));
    }
    assert!(turns.load(Ordering::Relaxed) >= 10, "10 000 items are many budgets");
}

#[tokio::test]
async fn sender_in_a_hot_loop_lets_others_run() {
    let (tx, _rx) = unbounded();
    let turns = count_turns();
    for n in 0..10_000 {
        tx.send(n).await.expect("there is room");
    }
    assert!(turns.load(Ordering::Relaxed) >= 10, "10 000 items are many budgets");
}

#[tokio::test]
async fn spent_budget_is_not_mistaken_for_full() {
    let (tx, mut rx) = bounded(10);
    while tokio::task::coop::has_budget_remaining() {
        tokio::task::consume_budget().await;
        if !tokio::task::coop::has_budget_remaining() {
            break;
        }
    }
    tx.try_send(1).expect("there is room, whatever the budget");
    assert_eq!(rx.try_recv(), Ok(1));
}

#[tokio::test]
async fn timeout_of_zero_sends_where_there_is_room() {
    let (tx, _rx) = bounded(1000);
    for n in 0..1000 {
        tx.send_timeout(n, std::time::Duration::ZERO).await.expect("there is room, whatever the budget");
    }
}
