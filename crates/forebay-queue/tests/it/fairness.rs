use forebay_queue::{Sent, TryRecvError, TrySendError, bounded};
use forebay_testkit::Driver;

#[test]
fn waiting_senders_are_served_in_the_order_they_came() {
    let (tx, mut rx) = bounded(1);
    tx.try_send(0).expect("there is room");
    let mut senders: Vec<_> = (1..=5).map(|n| Driver::new(tx.send(n))).collect();
    senders.iter_mut().for_each(Driver::assert_pending);
    for n in 0..5 {
        assert_eq!(rx.try_recv(), Ok(n));
        let woken: Vec<_> = senders.iter().map(Driver::is_woken).collect();
        assert_eq!(woken.iter().filter(|woken| **woken).count(), 1, "{woken:?}");
        assert!(woken[0]);
        assert_eq!(senders.remove(0).assert_ready(), Ok(Sent::Stored));
    }
}

#[test]
fn waiting_receivers_are_served_in_the_order_they_came() {
    let (tx, rx) = bounded(4);
    let mut handles: Vec<_> = (0..4).map(|_| rx.clone()).collect();
    let mut receivers: Vec<_> = handles.iter_mut().map(|rx| Driver::new(rx.recv())).collect();
    receivers.iter_mut().for_each(Driver::assert_pending);
    for n in 0..4 {
        tx.try_send(n).expect("there is room");
    }
    // Also if they are polled in another order, each gets an item, and none gets two.
    let mut got: Vec<_> = receivers.iter_mut().rev().map(|receiver| receiver.assert_ready()).collect();
    got.sort_unstable();
    assert_eq!(got, [Some(0), Some(1), Some(2), Some(3)]);
}

#[test]
fn nobody_overtakes_a_waiting_sender() {
    let (tx, mut rx) = bounded(2);
    tx.try_send(0).expect("there is room");
    tx.try_send(1).expect("there is room");
    let mut waiting = Driver::new(tx.send(2));
    waiting.assert_pending();
    assert_eq!(rx.try_recv(), Ok(0));
    assert_eq!(tx.try_send(9), Err(TrySendError::Full(9)), "the place is granted to the one who waits");
    assert_eq!(waiting.assert_ready(), Ok(Sent::Stored));
}

#[test]
fn nobody_overtakes_a_called_receiver() {
    let (tx, mut rx) = bounded(2);
    let mut other = rx.clone();
    let mut waiting = Driver::new(rx.recv());
    waiting.assert_pending();
    tx.try_send(1).expect("there is room");
    assert_eq!(other.try_recv(), Err(TryRecvError::Empty), "the item is meant for the one who waits");
    assert_eq!(waiting.assert_ready(), Some(1));
}

/// The documented number is one: what a woken future was given is held up by it, and nothing else.
#[test]
fn woken_future_that_is_never_polled_holds_up_one_item() {
    let (tx, mut rx) = bounded(8);
    let mut other = rx.clone();
    let mut stuck = Driver::new(rx.recv());
    stuck.assert_pending();
    for n in 0..5 {
        tx.try_send(n).expect("there is room");
    }
    let received: Vec<_> = std::iter::from_fn(|| other.try_recv().ok()).collect();
    assert_eq!(received.len(), 4);
    assert_eq!(tx.len(), 1);
    assert!(stuck.is_woken());
}

#[test]
fn woken_send_that_is_never_polled_holds_up_one_place() {
    let (tx, mut rx) = bounded(4);
    for n in 0..4 {
        tx.try_send(n).expect("there is room");
    }
    let mut stuck = Driver::new(tx.send(9));
    let mut next = Driver::new(tx.send(4));
    stuck.assert_pending();
    next.assert_pending();
    for n in 0..4 {
        assert_eq!(rx.try_recv(), Ok(n));
    }
    assert!(stuck.is_woken());
    assert_eq!(next.assert_ready(), Ok(Sent::Stored));
    tx.try_send(5).expect("three places are left");
    tx.try_send(6).expect("two");
    assert_eq!(tx.try_send(7), Err(TrySendError::Full(7)));
    assert_eq!([rx.try_recv(), rx.try_recv(), rx.try_recv()], [Ok(4), Ok(5), Ok(6)]);
}

#[test]
fn batch_takes_turns_with_others() {
    let (tx, mut rx) = bounded(1);
    let mut batch = vec!["a1", "a2", "a3"];
    let mut many = Driver::new(tx.send_many(&mut batch));
    many.assert_pending(); // a1 is in
    let mut one = Driver::new(tx.send("b"));
    one.assert_pending();
    assert_eq!(rx.try_recv(), Ok("a1"));
    many.assert_pending(); // a2 is in, and the batch waits behind the other one
    assert_eq!(rx.try_recv(), Ok("a2"));
    assert_eq!(one.assert_ready(), Ok(Sent::Stored));
    assert_eq!(rx.try_recv(), Ok("b"));
    assert_eq!(many.assert_ready(), Ok(()));
    assert_eq!(rx.try_recv(), Ok("a3"));
}

#[tokio::test]
async fn items_of_one_sender_stay_in_order_among_many() {
    let (tx, mut rx) = bounded(3);
    for sender in 0..4 {
        let tx = tx.clone();
        tokio::spawn(async move {
            for n in 0..100 {
                tx.send((sender, n)).await.expect("the receiver is there");
            }
        });
    }
    drop(tx);
    let mut next = [0; 4];
    while let Some((sender, n)) = rx.recv().await {
        assert_eq!(n, next[sender]);
        next[sender] += 1;
    }
    assert_eq!(next, [100; 4]);
}

#[test]
fn running_sender_overtakes_a_woken_one_by_sixteen_items() {
    let (tx, mut rx) = bounded(2);
    tx.try_send(100).expect("there is room");
    tx.try_send(100).expect("there is room");
    let mut woken = Driver::new(tx.send(200));
    woken.assert_pending();
    assert_eq!(rx.try_recv(), Ok(100));
    assert_eq!(rx.try_recv(), Ok(100));
    assert!(woken.is_woken());

    for n in 0..16 {
        assert_eq!(Driver::new(tx.send(n)).assert_ready(), Ok(Sent::Stored));
        assert_eq!(rx.try_recv(), Ok(n));
    }
    let mut runner = Driver::new(tx.send(16));
    runner.assert_pending();
    assert!(runner.is_woken(), "it joined the line, and since there is room it goes on from there");
    assert_eq!(woken.assert_ready(), Ok(Sent::Stored));
    assert_eq!(runner.assert_ready(), Ok(Sent::Stored));
    assert_eq!([rx.try_recv(), rx.try_recv()], [Ok(200), Ok(16)]);
    assert_eq!(Driver::new(tx.send(17)).assert_ready(), Ok(Sent::Stored), "and it starts anew");
}

#[test]
fn running_receiver_overtakes_a_called_one_by_sixteen_items() {
    let (tx, mut rx) = bounded(40);
    let mut other = rx.clone();
    let mut called = Driver::new(rx.recv());
    called.assert_pending();
    for n in 0..40 {
        tx.try_send(n).expect("there is room");
    }
    let mut batch = Vec::new();
    assert_eq!(Driver::new(other.recv_many(&mut batch, 40)).assert_ready(), 16);
    let mut runner = Driver::new(other.recv());
    runner.assert_pending();
    assert!(runner.is_woken(), "it joined the line, and since there are items it goes on from there");
    assert_eq!(called.assert_ready(), Some(16));
    assert_eq!(runner.assert_ready(), Some(17));
}

#[test]
fn stuck_future_cannot_stop_the_others() {
    let (tx, mut rx) = bounded(2);
    let mut other = rx.clone();
    let mut stuck = Driver::new(rx.recv());
    stuck.assert_pending();
    tx.try_send(0).expect("there is room");
    for n in 1..100 {
        tx.try_send(n).expect("there is room");
        let mut recv = Driver::new(other.recv());
        assert!(recv.poll_while_woken().is_ready(), "item {n}");
    }
}
