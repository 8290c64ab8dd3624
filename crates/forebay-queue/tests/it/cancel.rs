use forebay_queue::{Sent, TryRecvError, bounded};
use forebay_testkit::Driver;

#[test]
fn dropped_send_has_not_sent() {
    let (tx, mut rx) = bounded(1);
    tx.try_send("first").expect("there is room");
    let mut second = Driver::new(tx.send("second"));
    second.assert_pending();

    assert_eq!(rx.try_recv(), Ok("first"));
    assert!(second.is_woken(), "the place was granted to it");
    drop(second);

    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    assert_eq!(tx.stats().accepted, 1);
}

#[test]
fn dropped_send_passes_its_grant_on() {
    let (tx, mut rx) = bounded(1);
    tx.try_send(0).expect("there is room");
    let mut first = Driver::new(tx.send(1));
    let mut second = Driver::new(tx.send(2));
    first.assert_pending();
    second.assert_pending();

    assert_eq!(rx.try_recv(), Ok(0));
    assert!(first.is_woken() && !second.is_woken());
    drop(first);
    assert!(second.is_woken());
    assert_eq!(second.assert_ready(), Ok(Sent::Stored));
    assert_eq!(rx.try_recv(), Ok(2));
}

#[test]
fn dropped_waiting_send_leaves_the_line() {
    let (tx, mut rx) = bounded(1);
    tx.try_send(0).expect("there is room");
    let mut senders: Vec<_> = (1..=3).map(|n| Driver::new(tx.send(n))).collect();
    senders.iter_mut().for_each(Driver::assert_pending);
    drop(senders.remove(1));

    for (sender, n) in senders.iter_mut().zip([0, 1]) {
        assert_eq!(rx.try_recv(), Ok(n));
        assert_eq!(sender.assert_ready(), Ok(Sent::Stored));
    }
    assert_eq!(rx.try_recv(), Ok(3));
}

#[test]
fn dropped_recv_has_taken_nothing() {
    let (tx, mut rx) = bounded(1);
    let mut recv = Driver::new(rx.recv());
    recv.assert_pending();
    tx.try_send(1).expect("there is room");
    assert!(recv.is_woken());
    drop(recv);
    assert_eq!(rx.try_recv(), Ok(1));
}

#[test]
fn called_receiver_that_is_dropped_passes_the_call_on() {
    let (tx, mut rx) = bounded(2);
    let mut other = rx.clone();
    let mut first = Driver::new(rx.recv());
    let mut second = Driver::new(other.recv());
    first.assert_pending();
    second.assert_pending();

    tx.try_send(1).expect("there is room");
    assert!(first.is_woken() && !second.is_woken());
    drop(first);
    assert!(second.is_woken());
    assert_eq!(second.assert_ready(), Some(1));
}

#[test]
fn order_holds_when_a_called_receiver_is_dropped() {
    let (tx, mut rx) = bounded(3);
    let mut recv = Driver::new(rx.recv());
    recv.assert_pending();
    for n in 1..=3 {
        tx.try_send(n).expect("there is room");
    }
    drop(recv);
    assert_eq!([rx.try_recv(), rx.try_recv(), rx.try_recv()], [Ok(1), Ok(2), Ok(3)]);
}

#[test]
fn nothing_is_stranded_when_the_last_sender_goes_while_a_call_is_out() {
    let (tx, mut rx) = bounded(1);
    let mut other = rx.clone();
    let mut first = Driver::new(rx.recv());
    let mut second = Driver::new(other.recv());
    first.assert_pending();
    second.assert_pending();

    tx.try_send(1).expect("there is room");
    drop(tx);
    assert!(!second.is_woken(), "closed is not told while an item is left");
    drop(first);
    assert_eq!(second.assert_ready(), Some(1));
    assert_eq!(rx.try_recv(), Err(TryRecvError::Closed));
}

#[test]
fn parked_receiver_learns_of_the_end_after_the_last_claim() {
    let (tx, mut rx) = bounded(1);
    let mut other = rx.clone();
    let mut first = Driver::new(rx.recv());
    let mut second = Driver::new(other.recv());
    first.assert_pending();
    second.assert_pending();

    tx.try_send(1).expect("there is room");
    drop(tx);
    assert_eq!(first.assert_ready(), Some(1));
    assert!(second.is_woken());
    assert_eq!(second.assert_ready(), None);
}

#[test]
fn dropped_send_many_keeps_what_was_not_accepted() {
    let (tx, mut rx) = bounded(2);
    let mut batch = vec![1, 2, 3, 4, 5];
    let mut sending = Driver::new(tx.send_many(&mut batch));
    sending.assert_pending();
    assert_eq!(rx.try_recv(), Ok(1));
    sending.assert_pending(); // puts 3 into the place
    assert_eq!(rx.try_recv(), Ok(2));
    drop(sending); // was granted a place, and gives it back

    assert_eq!(batch, [4, 5]);
    assert_eq!(rx.try_recv(), Ok(3));
    tx.try_send(6).expect("the places are free again");
    tx.try_send(7).expect("both of them");
}

#[test]
fn dropped_recv_many_has_taken_nothing() {
    let (tx, mut rx) = bounded(4);
    let mut out = vec![0];
    let mut recv = Driver::new(rx.recv_many(&mut out, 4));
    recv.assert_pending();
    tx.try_send(1).expect("there is room");
    tx.try_send(2).expect("there is room");
    drop(recv);
    assert_eq!(out, [0]);
    assert_eq!(Driver::new(rx.recv_many(&mut out, 4)).assert_ready(), 2);
    assert_eq!(out, [0, 1, 2]);
}

#[test]
fn dropped_reserve_gives_back_what_it_gathered() {
    let (tx, mut rx) = bounded(3);
    for n in 0..3 {
        tx.try_send(n).expect("there is room");
    }
    let mut reserve = Driver::new(tx.reserve_many(3));
    reserve.assert_pending();
    let mut sender = Driver::new(tx.send(9));
    sender.assert_pending();
    assert_eq!([rx.try_recv(), rx.try_recv()], [Ok(0), Ok(1)]);
    assert!(!reserve.is_woken() && !sender.is_woken(), "two of three are gathered");
    drop(reserve);
    assert!(sender.is_woken());
    assert_eq!(sender.assert_ready(), Ok(Sent::Stored));
    tx.try_send(10).expect("and one is free");
}
