use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use forebay_queue::{
    Delivery, SendError, SendManyError, Source, TryRecvError, TrySendError, bounded, builder,
};
use forebay_testkit::{CountingWaker, Driver};

#[test]
fn send_after_close_gives_the_item_back() {
    let (tx, rx) = bounded(1);
    rx.close();
    assert_eq!(Driver::new(tx.send("a")).assert_ready(), Err(SendError::Closed("a")));
    assert_eq!(tx.try_send("b"), Err(TrySendError::Closed("b")));
    let mut batch = vec!["c", "d"];
    assert_eq!(Driver::new(tx.send_many(&mut batch)).assert_ready(), Err(SendManyError::Closed));
    assert_eq!(batch, ["c", "d"]);
    assert_eq!(Driver::new(tx.send("a")).assert_ready().unwrap_err().into_inner(), "a");
    assert_eq!(tx.stats().accepted, 0);
}

#[test]
fn waiting_senders_are_told_at_once() {
    let (tx, rx) = bounded(1);
    tx.try_send(1).expect("there is room");
    let mut sender = Driver::new(tx.send(2));
    let mut reserve = Driver::new(tx.reserve());
    sender.assert_pending();
    reserve.assert_pending();
    rx.close();
    assert!(sender.is_woken() && reserve.is_woken());
    assert_eq!(sender.assert_ready(), Err(SendError::Closed(2)));
    assert!(reserve.assert_ready().is_err());
}

#[test]
fn granted_sender_finds_the_queue_closed_and_keeps_its_item() {
    let (tx, mut rx) = bounded(1);
    tx.try_send(1).expect("there is room");
    let mut sender = Driver::new(tx.send(2));
    sender.assert_pending();
    assert_eq!(rx.try_recv(), Ok(1));
    rx.close();
    assert_eq!(sender.assert_ready(), Err(SendError::Closed(2)));
    assert_eq!(rx.try_recv(), Err(TryRecvError::Closed));
}

#[test]
fn what_was_accepted_is_received_before_the_end() {
    let (tx, mut rx) = bounded(2);
    tx.try_send(1).expect("there is room");
    tx.try_send(2).expect("there is room");
    tx.close();
    assert_eq!([rx.try_recv(), rx.try_recv(), rx.try_recv()], [Ok(1), Ok(2), Err(TryRecvError::Closed)]);
    assert_eq!(Driver::new(rx.recv()).assert_ready(), None);
    assert_eq!(Driver::new(rx.recv_many(&mut Vec::new(), 1)).assert_ready(), 0);
}

#[test]
fn last_sender_closes() {
    let (tx, mut rx) = bounded::<u8>(1);
    let other = tx.clone();
    let mut recv = Driver::new(rx.recv());
    recv.assert_pending();
    drop(tx);
    assert!(!recv.is_woken());
    drop(other);
    assert_eq!(recv.assert_ready(), None);
}

#[test]
fn weak_sender_keeps_nothing_open() {
    let (tx, mut rx) = bounded(1);
    let weak = tx.downgrade();
    weak.upgrade().expect("a strong one is there").try_send(1).expect("there is room");
    drop(tx);
    assert!(weak.upgrade().is_none());
    assert_eq!([rx.try_recv(), rx.try_recv()], [Ok(1), Err(TryRecvError::Closed)]);
}

#[test]
fn last_receiver_leaves_what_is_left_to_the_hook() {
    let left = Arc::new(Mutex::new(Vec::new()));
    let (tx, rx) = {
        let left = left.clone();
        builder().capacity(4).on_undelivered(move |item| left.lock().unwrap().push(item)).build()
    };
    let other = rx.clone();
    for n in 1..=3 {
        tx.try_send(n).expect("there is room");
    }
    drop(rx);
    assert!(left.lock().unwrap().is_empty(), "another receiver is there");
    drop(other);
    assert_eq!(*left.lock().unwrap(), [1, 2, 3]);
    assert_eq!((tx.stats().returned, tx.stats().held), (3, 0));
    assert_eq!(tx.try_send(4), Err(TrySendError::Closed(4)));
}

#[test]
fn closed_is_told_to_those_who_watch() {
    let (tx, rx) = bounded::<u8>(1);
    let mut closed = Driver::new(tx.closed());
    closed.assert_pending();
    drop(rx);
    assert!(closed.is_woken());
    closed.assert_ready();
    assert!(tx.is_closed());
}

#[test]
fn values_left_in_a_queue_are_dropped_with_it() {
    let value = Arc::new(());
    let (tx, rx) = bounded(2);
    tx.try_send(value.clone()).expect("there is room");
    drop(tx);
    drop(rx);
    assert_eq!(Arc::strong_count(&value), 1);
}

#[test]
fn hook_that_panics_still_hears_of_the_others() {
    let left = Arc::new(Mutex::new(Vec::new()));
    let hook = left.clone();
    let (tx, rx) = builder()
        .on_undelivered(move |item| {
            hook.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(item);
            assert_ne!(item, 1, "a panic on purpose");
        })
        .build();
    (0..3).for_each(|n| assert!(tx.try_send(n).is_ok()));
    drop(rx);
    assert_eq!(*left.lock().unwrap_or_else(|poisoned| poisoned.into_inner()), [0, 1, 2]);
    assert_eq!(tx.stats().returned, 3);
}

#[test]
fn end_of_an_unbounded_queue_is_told_to_those_who_watch() {
    let (tx, rx) = forebay_queue::unbounded::<u8>();
    let mut closed = Driver::new(tx.closed());
    closed.assert_pending();
    drop(rx);
    closed.assert_ready();
}

#[test]
fn weak_sender_sees_what_waits_after_the_last_strong_one() {
    let (tx, mut rx) = bounded(2);
    let weak = tx.downgrade();
    assert_eq!((weak.senders(), rx.senders(), weak.is_empty()), (1, 1, true));
    tx.try_send(1).expect("there is room");
    drop(tx);
    assert_eq!((weak.senders(), weak.len()), (0, 1));
    assert_eq!(rx.try_recv(), Ok(1));
    assert!(weak.is_empty());
    drop(rx);
    assert_eq!((weak.senders(), weak.len()), (0, 0));
}

#[test]
fn who_waits_for_senders_to_go_is_told_by_each_that_goes_and_by_nothing_else() {
    let (tx, mut rx) = builder().capacity(1).watermarks(1.0, 0.0).build();
    let (weak, others) = (tx.downgrade(), [tx.clone(), tx.clone()]);
    let mut waiting = Driver::new(weak.senders_at_most(1));
    waiting.assert_pending();
    tx.try_send(1).expect("there is room");
    assert_eq!((rx.try_recv(), waiting.wakes()), (Ok(1), 0));
    for (other, wakes) in others.into_iter().zip(1..) {
        waiting.assert_pending();
        drop(other);
        assert_eq!(waiting.wakes(), wakes);
    }
    waiting.assert_ready();
}

#[test]
fn who_waits_for_senders_to_go_is_told_of_the_end() {
    let (tx, rx) = bounded::<u8>(1);
    let (weak, _other) = (tx.downgrade(), tx.clone());
    let mut waiting = Driver::new(weak.senders_at_most(1));
    waiting.assert_pending();
    rx.close();
    assert!(waiting.is_woken());
    waiting.assert_ready();
    // Once it is gone there is nothing to wait for either.
    drop((waiting, tx, _other, rx));
    Driver::new(weak.senders_at_most(0)).assert_ready();
}

#[test]
fn who_waits_for_pressure_is_not_told_of_senders() {
    let (tx, _rx) = bounded::<u8>(1);
    let mut waiting = Driver::new(tx.pressure_changed());
    waiting.assert_pending();
    drop(tx.clone());
    assert_eq!(waiting.wakes(), 0);
}

/// Who gathers deliveries before working on any would otherwise wait for itself.
#[test]
fn one_who_waits_with_something_in_hand_is_woken_by_the_close_and_waits_on() {
    let (tx, mut rx) = bounded(2);
    tx.try_send(1).expect("there is room");
    let counter = CountingWaker::new();
    let task = counter.waker();
    let (mut cx, two) = (Context::from_waker(&task), NonZeroUsize::new(2).expect("it is not 0"));
    let mut hands = Vec::new();
    assert!(matches!(rx.poll_next(&mut cx, two, &mut hands), Poll::Ready(Ok(1))));
    assert!(rx.poll_next(&mut cx, two, &mut hands).is_pending());
    assert!(!Source::is_closed(&rx));
    drop(tx);
    assert!(
        Source::is_closed(&rx) && Source::is_closed(&(Box::new(rx.clone()) as Box<dyn Source<Item = i32>>))
    );
    assert_eq!(counter.wakes(), 1);
    assert!(rx.poll_next(&mut cx, two, &mut hands).is_pending());
    hands.drain(..).for_each(Delivery::ack);
    assert_eq!(counter.wakes(), 2);
    assert!(matches!(rx.poll_next(&mut cx, two, &mut hands), Poll::Ready(Ok(0))));
}
