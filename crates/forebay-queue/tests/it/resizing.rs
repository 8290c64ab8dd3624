use forebay_queue::{TrySendError, bounded, unbounded};
use forebay_testkit::Driver;

#[test]
fn larger_capacity_lets_in_those_who_wait() {
    let (tx, rx) = bounded(1);
    tx.try_send(0).expect("there is room");
    let mut waiting: Vec<_> = (1..4).map(|n| Driver::new(tx.send(n))).collect();
    waiting.iter_mut().for_each(Driver::assert_pending);
    rx.set_capacity(3).expect("no rendezvous is involved");
    assert_eq!(waiting.iter().map(Driver::is_woken).collect::<Vec<_>>(), [true, true, false]);
    assert!(waiting[0].poll().is_ready() && waiting[1].poll().is_ready());
    assert_eq!(rx.len(), 3);
}

#[test]
fn smaller_capacity_drops_nothing_and_holds_senders_back() {
    let (tx, mut rx) = bounded(4);
    (0..4).for_each(|n| assert!(tx.try_send(n).is_ok()));
    tx.set_capacity(2).expect("no rendezvous is involved");
    let mut waiting = Driver::new(tx.send(4));
    waiting.assert_pending();
    for n in 0..2 {
        assert_eq!(rx.try_recv(), Ok(n));
        assert!(!waiting.is_woken());
    }
    assert_eq!(rx.try_recv(), Ok(2));
    assert!(waiting.poll().is_ready());
    assert_eq!(tx.try_send(9), Err(TrySendError::Full(9)));
    assert_eq!([rx.try_recv(), rx.try_recv()], [Ok(3), Ok(4)]);
}

#[test]
fn permits_given_out_before_stay_good() {
    let (tx, rx) = bounded(3);
    let mut permits = Driver::new(tx.reserve_many(3)).assert_ready().expect("there is room");
    tx.set_capacity(1).expect("no rendezvous is involved");
    (0..3).for_each(|n| assert!(permits.send(n).is_ok()));
    assert_eq!((rx.len(), rx.is_full()), (3, true));
}

/// One who gathers more places than there are now would wait for ever.
#[test]
fn reservation_that_has_become_too_large_is_told_so() {
    use forebay_queue::ReserveError;

    let (tx, _rx) = bounded(3);
    tx.try_send(0).expect("there is room");
    let mut gathering = Driver::new(tx.reserve_many(3));
    gathering.assert_pending();
    let mut behind = Driver::new(tx.send(1));
    behind.assert_pending();
    tx.set_capacity(2).expect("no rendezvous is involved");
    assert!(gathering.is_woken());
    assert_eq!(gathering.assert_ready().unwrap_err(), ReserveError::TooMany { asked: 3, capacity: 2 });
    assert!(behind.poll().is_ready(), "and what it gathered goes to the next");
}

#[test]
fn unbounded_can_be_given_a_bound() {
    let (tx, _rx) = unbounded();
    (0..10).for_each(|n| assert!(tx.try_send(n).is_ok()));
    tx.set_capacity(10).expect("no rendezvous is involved");
    assert_eq!(tx.try_send(10), Err(TrySendError::Full(10)));
}

#[test]
fn rendezvous_stays_one() {
    let (tx, _rx) = bounded::<u8>(0);
    assert_eq!(tx.set_capacity(1).unwrap_err().to_string(), "a rendezvous stays at capacity 0");
}
