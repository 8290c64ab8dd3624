use std::num::NonZeroUsize;
use std::task::{Context, Poll, Waker};

use forebay_queue::{Source, TrySendError, bounded, builder, unbounded};
use forebay_testkit::Driver;

#[test]
fn never_more_than_the_capacity_waits() {
    let (tx, mut rx) = bounded(3);
    for n in 0..3 {
        tx.try_send(n).expect("there is room");
    }
    assert!(tx.is_full());
    assert_eq!(tx.try_send(3), Err(TrySendError::Full(3)));
    assert_eq!(rx.try_recv(), Ok(0));
    assert_eq!((tx.len(), rx.is_full()), (2, false));
}

#[test]
fn batch_larger_than_the_capacity_goes_in_pieces() {
    let (tx, mut rx) = bounded(2);
    let mut batch = Vec::from_iter(0..5);
    let mut sending = Driver::new(tx.send_many(&mut batch));
    let mut received = Vec::new();
    while sending.poll().is_pending() {
        assert_eq!(rx.len(), 2, "no more than the capacity is ever in");
        Driver::new(rx.recv_many(&mut received, 8)).assert_ready();
    }
    drop(sending);
    Driver::new(rx.recv_many(&mut received, 8)).assert_ready();
    assert_eq!(received, [0, 1, 2, 3, 4]);
}

#[test]
fn returned_items_exceed_the_capacity_by_no_more_than_was_in_hand() {
    let (tx, mut rx) = bounded(2);
    let mut cx = Context::from_waker(Waker::noop());
    let mut hands = Vec::new();
    for n in 0..2 {
        tx.try_send(n).expect("there is room");
    }
    let two = NonZeroUsize::new(2).expect("2 is not 0");
    assert!(matches!(rx.poll_next(&mut cx, two, &mut hands), Poll::Ready(Ok(2))));
    for n in 2..4 {
        tx.try_send(n).expect("what is in hand leaves its place");
    }
    let mut waiting = Driver::new(tx.send(4));
    waiting.assert_pending();
    hands.clear(); // both come back
    assert_eq!(tx.len(), 4);

    for n in 0..2 {
        assert_eq!(rx.try_recv(), Ok(n));
        assert!(!waiting.is_woken(), "senders wait until there is room again");
    }
    assert_eq!(rx.try_recv(), Ok(2));
    assert!(waiting.is_woken());
}

#[test]
fn unbounded_is_in_the_name() {
    let (tx, rx) = unbounded();
    assert_eq!(tx.capacity(), None);
    for n in 0..10_000 {
        tx.try_send(n).expect("there is always room");
    }
    assert!(!tx.is_full());
    assert_eq!(rx.len(), 10_000);
    assert_eq!(builder::<u8>().build().0.capacity(), Some(1024), "the default has a bound");
}
