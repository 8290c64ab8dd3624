use std::thread;

use forebay_queue::{SendError, bounded};

#[test]
fn threads_without_a_runtime_hand_over_in_order() {
    for capacity in [0, 1, 7] {
        let (tx, mut rx) = bounded(capacity);
        let producer = thread::spawn(move || (0..500).all(|n| tx.blocking_send(n).is_ok()));
        let received: Vec<_> = std::iter::from_fn(|| rx.blocking_recv()).collect();
        assert_eq!(received, Vec::from_iter(0..500), "capacity {capacity}");
        assert!(producer.join().expect("no panic"));
    }
}

#[test]
fn many_threads_take_each_item_once() {
    for capacity in [0, 1, 10] {
        let (tx, rx) = bounded(capacity);
        let producers = (0..4).map(|p| {
            let tx = tx.clone();
            thread::spawn(move || (0..500).for_each(|n| assert!(tx.blocking_send(p * 500 + n).is_ok())))
        });
        let producers: Vec<_> = producers.collect();
        let consumers = (0..4).map(|_| {
            let mut rx = rx.clone();
            thread::spawn(move || std::iter::from_fn(|| rx.blocking_recv()).collect::<Vec<_>>())
        });
        let consumers: Vec<_> = consumers.collect();
        drop((tx, rx));
        producers.into_iter().for_each(|producer| producer.join().expect("no panic"));
        let mut all = Vec::new();
        for consumer in consumers {
            let taken = consumer.join().expect("no panic");
            for producer in 0..4 {
                let of_one = taken.iter().filter(|&item| item / 500 == producer);
                assert!(of_one.is_sorted(), "each consumer sees each producer's items in order");
            }
            all.extend(taken);
        }
        all.sort_unstable();
        assert_eq!(all, Vec::from_iter(0..2000), "capacity {capacity}");
    }
}

#[test]
fn blocked_sender_is_told_that_the_queue_was_closed() {
    let (tx, rx) = bounded(1);
    tx.try_send(1).expect("there is room");
    let sender = thread::spawn(move || tx.blocking_send(2));
    drop(rx);
    assert_eq!(sender.join().expect("no panic"), Err(SendError::Closed(2)));
}

/// Blocking a runtime's thread is a mistake, but not one to hang for while there is room.
#[tokio::test]
async fn spent_budget_does_not_stop_a_blocking_call() {
    let (tx, mut rx) = forebay_queue::unbounded();
    for n in 0..1_000 {
        tx.blocking_send(n).expect("there is room");
    }
    for n in 0..1_000 {
        assert_eq!(rx.blocking_recv(), Some(n));
    }
}

/// Sends and takes where somebody was woken that is not polled: the seventeenth item has overtaken enough, and its sender
/// gives way once.
fn overtake_as_often_as_may_be() {
    let (tx, mut rx) = bounded(1);
    tx.try_send(0).expect("there is room");
    let mut woken = forebay_testkit::Driver::new(tx.send(1));
    woken.assert_pending();
    rx.try_recv().expect("it is there");
    tx.set_capacity(4).expect("no rendezvous");
    for item in 0..17 {
        tx.blocking_send(item).expect("open");
        rx.try_recv().expect("it is there");
    }
}

/// Giving way there must not wait for a scheduler that does not come back to it.
#[test]
fn blocking_send_inside_of_block_in_place_gives_way_and_goes_on() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("it starts");
    let (done, seen) = std::sync::mpsc::channel();
    runtime.spawn(async move {
        tokio::task::block_in_place(overtake_as_often_as_may_be);
        done.send(()).expect("somebody waits");
    });
    let went_on = seen.recv_timeout(std::time::Duration::from_secs(30));
    runtime.shutdown_background();
    assert_eq!(went_on, Ok(()));
}

/// Nor where it should not be called at all: the scheduler is the thread that it blocks.
#[test]
fn blocking_send_on_the_thread_of_a_runtime_gives_way_and_goes_on() {
    let (done, seen) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("it starts");
        runtime.block_on(async { overtake_as_often_as_may_be() });
        done.send(()).expect("somebody waits");
    });
    assert_eq!(seen.recv_timeout(std::time::Duration::from_secs(30)), Ok(()));
}
