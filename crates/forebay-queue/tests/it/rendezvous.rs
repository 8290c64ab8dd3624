use forebay_queue::{
    ReserveError, SendError, SendManyError, Sent, TryRecvError, TrySendError, WhenFull, bounded, builder,
};
use forebay_testkit::Driver;

#[test]
fn send_completes_only_when_a_receiver_has_taken_the_item() {
    let (tx, mut rx) = bounded(0);
    let mut recv = Driver::new(rx.recv());
    recv.assert_pending();
    let mut send = Driver::new(tx.send(1));
    send.assert_pending();
    assert!(recv.is_woken());
    send.assert_pending();
    assert_eq!(recv.assert_ready(), Some(1));
    assert!(send.is_woken());
    assert_eq!(send.assert_ready(), Ok(Sent::Stored));
}

#[test]
fn receiver_takes_what_is_on_offer() {
    let (tx, mut rx) = bounded(0);
    let mut first = Driver::new(tx.send(1));
    let mut second = Driver::new(tx.send(2));
    first.assert_pending();
    second.assert_pending();
    assert_eq!(
        (tx.len(), tx.is_full(), tx.stats().accepted),
        (0, true, 0),
        "what is on offer is not in the queue"
    );
    assert_eq!(rx.try_recv(), Ok(1));
    assert_eq!(first.assert_ready(), Ok(Sent::Stored));
    assert!(!second.is_woken());
    assert_eq!(rx.try_recv(), Ok(2));
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
}

#[test]
fn dropped_offer_has_not_been_sent() {
    let (tx, mut rx) = bounded(0);
    let mut first = Driver::new(tx.send(1));
    let mut second = Driver::new(tx.send(2));
    first.assert_pending();
    second.assert_pending();
    drop(first);
    assert_eq!(rx.try_recv(), Ok(2));
    assert_eq!(second.assert_ready(), Ok(Sent::Stored));
}

#[test]
fn receiver_called_for_an_offer_that_was_withdrawn_stays_the_first() {
    let (tx, mut rx) = bounded(0);
    let mut other = rx.clone();
    let mut first = Driver::new(rx.recv());
    let mut second = Driver::new(other.recv());
    first.assert_pending();
    second.assert_pending();
    let mut quitter = Driver::new(tx.send(1));
    quitter.assert_pending();
    assert!(first.is_woken());
    drop(quitter);
    first.assert_pending();

    let mut send = Driver::new(tx.send(2));
    send.assert_pending();
    assert!(first.is_woken() && !second.is_woken());
    assert_eq!(first.assert_ready(), Some(2));
}

#[test]
fn dropped_receiver_passes_the_offer_on() {
    let (tx, mut rx) = bounded(0);
    let mut other = rx.clone();
    let mut first = Driver::new(rx.recv());
    let mut second = Driver::new(other.recv());
    first.assert_pending();
    second.assert_pending();
    let mut send = Driver::new(tx.send(1));
    send.assert_pending();
    drop(first);
    assert_eq!(second.assert_ready(), Some(1));
    assert_eq!(send.assert_ready(), Ok(Sent::Stored));
}

#[test]
fn try_send_needs_a_receiver_that_waits() {
    let (tx, mut rx) = bounded(0);
    assert_eq!(tx.try_send(1), Err(TrySendError::Full(1)));
    let mut recv = Driver::new(rx.recv());
    recv.assert_pending();
    tx.try_send(2).expect("a receiver waits");
    assert_eq!(tx.try_send(3), Err(TrySendError::Full(3)), "and has something now");
    assert_eq!(recv.assert_ready(), Some(2));
}

#[test]
fn closing_gives_the_offer_back() {
    let (tx, rx) = bounded(0);
    let mut send = Driver::new(tx.send(1));
    send.assert_pending();
    rx.close();
    assert_eq!(send.assert_ready(), Err(SendError::Closed(1)));
}

#[test]
fn batch_passes_item_by_item_and_keeps_the_rest() {
    let (tx, mut rx) = bounded(0);
    let mut batch = vec![1, 2, 3];
    let mut sending = Driver::new(tx.send_many(&mut batch));
    sending.assert_pending();
    assert_eq!(rx.try_recv(), Ok(1));
    sending.assert_pending();
    drop(sending);
    assert_eq!(batch, [2, 3]);
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));

    let mut sending = Driver::new(tx.send_many(&mut batch));
    sending.assert_pending();
    rx.close();
    assert_eq!(sending.assert_ready(), Err(SendManyError::Closed));
    drop(sending);
    assert_eq!(batch, [2, 3]);
}

#[test]
fn there_are_no_places_to_reserve() {
    let (tx, _rx) = bounded::<u8>(0);
    let refused = Driver::new(tx.reserve()).assert_ready().unwrap_err();
    assert_eq!(refused, ReserveError::TooMany { asked: 1, capacity: 0 });
}

#[test]
fn rendezvous_that_does_not_wait() {
    for (when_full, expected) in [
        (WhenFull::Refuse, Err(SendError::Full(1))),
        (WhenFull::DropIncoming, Ok(Sent::Displaced(1))),
        (WhenFull::DropYoungest, Ok(Sent::Displaced(1))),
        (WhenFull::DropOldest, Ok(Sent::Displaced(1))),
    ] {
        let (tx, mut rx) = builder().capacity(0).when_full(when_full).build();
        assert_eq!(Driver::new(tx.send(1)).assert_ready(), expected, "{when_full:?}");
        let mut recv = Driver::new(rx.recv());
        recv.assert_pending();
        assert_eq!(Driver::new(tx.send(2)).assert_ready(), Ok(Sent::Stored), "{when_full:?}");
        assert_eq!(recv.assert_ready(), Some(2));
    }
}

#[test]
fn try_send_does_not_pass_an_offer() {
    let (tx, mut rx) = bounded(0);
    let mut other = rx.clone();
    let mut first = Driver::new(rx.recv());
    let mut second = Driver::new(other.recv());
    first.assert_pending();
    second.assert_pending();
    let mut send = Driver::new(tx.send(1));
    send.assert_pending();
    assert_eq!(tx.try_send(2), Err(TrySendError::Full(2)), "the offer was there first");
    assert_eq!(first.assert_ready(), Some(1));
    assert_eq!(send.assert_ready(), Ok(Sent::Stored));
    tx.try_send(2).expect("the second still waits");
    assert_eq!(second.assert_ready(), Some(2));
}

#[test]
fn batch_goes_to_those_who_wait_and_the_rest_is_refused() {
    use forebay_queue::{SendManyError, WhenFull, builder};

    let (tx, rx) = builder().capacity(0).when_full(WhenFull::Refuse).build();
    let mut handles = [rx.clone(), rx.clone()];
    let mut receivers: Vec<_> = handles.iter_mut().map(|rx| Driver::new(rx.recv())).collect();
    receivers.iter_mut().for_each(Driver::assert_pending);
    let mut batch = vec![1, 2, 3];
    assert_eq!(Driver::new(tx.send_many(&mut batch)).assert_ready(), Err(SendManyError::Full));
    assert_eq!(batch, [3]);
    let received: Vec<_> = receivers.iter_mut().map(Driver::assert_ready).collect();
    assert_eq!(received, [Some(1), Some(2)]);
}
