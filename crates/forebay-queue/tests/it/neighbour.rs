use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use forebay_queue::{Pressure, Receiver, Sender, Source, WeakSender, bounded, builder, unbounded};

/// Ten budgets and more, however little an item takes: a budget is 128 units, and a unit stands for 128 items at the most.
const MANY: usize = 12 * 128 * 128;

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
    (0..MANY).for_each(|n| assert!(tx.try_send(n).is_ok()));
    let turns = count_turns();
    for n in 0..MANY {
        assert_eq!(rx.recv().await, Some(n));
    }
    assert!(turns.load(Ordering::Relaxed) >= 10, "so many items are many budgets");
}

#[tokio::test]
async fn sender_in_a_hot_loop_lets_others_run() {
    let (tx, _rx) = unbounded();
    let turns = count_turns();
    for n in 0..MANY {
        tx.send(n).await.expect("there is room");
    }
    assert!(turns.load(Ordering::Relaxed) >= 10, "so many items are many budgets");
}

/// Then each costs a unit, as in tokio's own channels.
#[tokio::test]
async fn receiver_whose_items_take_long_lets_others_run_sooner() {
    const ITEMS: usize = 1000;
    let (tx, mut rx) = unbounded();
    (0..ITEMS).for_each(|n| assert!(tx.try_send(n).is_ok()));
    let turns = count_turns();
    for n in 0..ITEMS {
        assert_eq!(rx.recv().await, Some(n));
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_micros(10) {
            std::hint::spin_loop();
        }
    }
    assert!(turns.load(Ordering::Relaxed) >= 3, "it is 256 items at the most until others have their turn");
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
        tx.send_timeout(n, Duration::ZERO).await.expect("there is room, whatever the budget");
    }
}

#[tokio::test]
async fn great_batch_lets_others_at_the_queue_on_its_way() {
    const ALL: usize = 100_000;
    let weak: Arc<OnceLock<WeakSender<usize>>> = Arc::default();
    let left = Arc::new(AtomicUsize::new(0));
    // Told when the lock is released in which the pressure has fallen.
    let (seen, queue) = (left.clone(), weak.clone());
    let (tx, mut rx) = builder()
        .capacity(ALL)
        .watermarks(0.8, 0.5)
        .on_pressure(move |pressure| {
            if let (Pressure::Normal, Some(tx)) = (pressure, queue.get()) {
                seen.store(tx.len(), Ordering::Relaxed);
            }
        })
        .build();
    assert!(weak.set(tx.downgrade()).is_ok());
    tx.send_many(&mut (0..ALL).collect()).await.expect("there is room");
    let mut out = Vec::new();
    assert_eq!(rx.recv_many(&mut out, usize::MAX).await, ALL);
    assert!(out.into_iter().eq(0..ALL));
    assert!(left.load(Ordering::Relaxed) > 40_000, "half of them waited when the pressure fell");
    assert_eq!(rx.stats().completed, ALL as u64);
}

#[tokio::test]
async fn great_batch_leaves_to_others_what_they_were_called_for() {
    type Halves = (Sender<usize>, Receiver<usize>);
    let halves: Arc<Mutex<Option<Halves>>> = Arc::default();
    let called = Arc::new(Mutex::new(None));
    let (mine, theirs) = (halves.clone(), called.clone());
    // When half of them are gone, others take the rest, wait for more, and more comes.
    let (tx, mut rx) = builder()
        .capacity(10_000)
        .watermarks(0.8, 0.5)
        .on_pressure(move |pressure| {
            if pressure == Pressure::Normal
                && let Some((tx, mut rx)) = mine.lock().expect("nobody panicked").take()
            {
                while rx.try_recv().is_ok() {}
                let mut tap = rx.tap().expect("a queue in memory has taps");
                let mut cx = Context::from_waker(Waker::noop());
                assert!(tap.poll_take(&mut cx, &AtomicBool::new(true)).is_pending());
                (0..5000).for_each(|n| assert!(tx.try_send(n).is_ok()));
                *theirs.lock().expect("nobody panicked") = Some(tap);
            }
        })
        .build();
    *halves.lock().expect("nobody panicked") = Some((tx.clone(), rx.clone()));
    tx.send_many(&mut (0..10_000).collect()).await.expect("there is room");
    assert_eq!(rx.recv_many(&mut Vec::new(), usize::MAX).await, 5 * 1024);
    assert_eq!(rx.len(), 5000);
    // The hook has it, and it has the queue: as long as both are there, neither goes.
    assert!(called.lock().expect("nobody panicked").take().is_some());
}
