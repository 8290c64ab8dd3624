use std::num::NonZeroUsize;
use std::task::{Context, Poll, Waker};

use forebay_queue::{ReserveError, SendError, Sent, Source as _, TryReserveError, TrySendError, bounded};
use forebay_testkit::Driver;

#[test]
fn permit_keeps_its_place() {
    let (tx, mut rx) = bounded(1);
    let permit = Driver::new(tx.reserve()).assert_ready().expect("there is room");
    assert_eq!(tx.try_send(2), Err(TrySendError::Full(2)));
    assert_eq!(tx.len(), 0);
    assert_eq!(permit.send(1), Ok(Sent::Stored));
    assert_eq!(rx.try_recv(), Ok(1));
}

#[test]
fn reserved_place_is_not_reserved_again() {
    let (tx, _rx) = bounded::<u8>(2);
    let one = Driver::new(tx.reserve()).assert_ready().expect("there is room");
    let other = tx.try_reserve().expect("there is room for another");
    assert_eq!(tx.try_reserve().unwrap_err(), TryReserveError::Full);
    let mut waiting = Driver::new(tx.reserve_many(2));
    waiting.assert_pending();
    drop(one);
    waiting.assert_pending();
    drop(other);
    assert_eq!(waiting.assert_ready().expect("open").len(), 2);
}

#[test]
fn places_of_a_roomy_queue_are_nobody_elses_either() {
    let (tx, _rx) = bounded(100);
    let permits = Driver::new(tx.reserve_many(60)).assert_ready().expect("there is room");
    (0..40).for_each(|n| assert_eq!(tx.try_send(n), Ok(Sent::Stored)));
    assert_eq!(tx.try_send(40), Err(TrySendError::Full(40)));
    drop(permits);
    assert_eq!(tx.try_send(40), Ok(Sent::Stored));
}

#[test]
fn dropped_permit_gives_its_place_to_the_next() {
    let (tx, _rx) = bounded(1);
    let permit = tx.try_reserve().expect("there is room");
    let mut waiting = Driver::new(tx.send(1));
    waiting.assert_pending();
    drop(permit);
    assert_eq!(waiting.assert_ready(), Ok(Sent::Stored));
}

#[test]
fn several_places_come_at_once_or_not_at_all() {
    let (tx, mut rx) = bounded(3);
    tx.try_send(0).expect("there is room");
    let mut reserve = Driver::new(tx.reserve_many(3));
    reserve.assert_pending();
    assert_eq!(rx.try_recv(), Ok(0));
    let mut permits = reserve.assert_ready().expect("open");
    assert_eq!(permits.len(), 3);
    permits.send(1).expect("open");
    permits.send(2).expect("open");
    assert_eq!(permits.len(), 1);
    drop(permits);
    tx.try_send(3).expect("the unused place is free again");
    assert_eq!([rx.try_recv(), rx.try_recv(), rx.try_recv()], [Ok(1), Ok(2), Ok(3)]);
}

#[test]
fn nobody_overtakes_one_who_gathers_places() {
    let (tx, mut rx) = bounded(2);
    tx.try_send(0).expect("there is room");
    tx.try_send(1).expect("there is room");
    let mut gathering = Driver::new(tx.reserve_many(2));
    gathering.assert_pending();
    assert_eq!(rx.try_recv(), Ok(0));
    assert_eq!(tx.try_send(9), Err(TrySendError::Full(9)));
    assert_eq!(rx.try_recv(), Ok(1));
    assert_eq!(gathering.assert_ready().expect("open").len(), 2);
}

#[test]
fn more_places_than_there_are_is_an_error_and_not_a_wait_for_ever() {
    let (tx, _rx) = bounded::<u8>(2);
    let refused = Driver::new(tx.reserve_many(3)).assert_ready().unwrap_err();
    assert_eq!(refused, ReserveError::TooMany { asked: 3, capacity: 2 });
    assert_eq!(refused.to_string(), "3 places asked of a queue with 2");
    assert!(Driver::new(tx.reserve_many(0)).assert_ready().expect("open").is_empty());
}

#[test]
fn permit_of_a_closed_queue_gives_the_item_back() {
    let (tx, rx) = bounded(1);
    let permit = tx.try_reserve().expect("there is room");
    rx.close();
    assert_eq!(permit.send(1), Err(SendError::Closed(1)));
    assert_eq!(tx.try_reserve().unwrap_err(), TryReserveError::Closed);
    assert_eq!(Driver::new(tx.reserve()).assert_ready().unwrap_err(), ReserveError::Closed);
}

#[test]
#[should_panic(expected = "all reserved places are used")]
fn one_item_more_than_was_reserved_panics() {
    let (tx, _rx) = bounded(2);
    let mut permits = Driver::new(tx.reserve_many(1)).assert_ready().expect("open");
    permits.send(1).expect("open");
    let _ = permits.send(2);
}

#[test]
fn highest_capacity_is_as_good_as_none_and_what_comes_back_has_room_beside_it() {
    let (tx, mut rx) = bounded(usize::MAX);
    tx.try_send(1).expect("there is room");
    let mut hand = Vec::new();
    let polled = rx.poll_next(&mut Context::from_waker(Waker::noop()), NonZeroUsize::MIN, &mut hand);
    assert!(matches!(polled, Poll::Ready(Ok(1))));
    let permits = Driver::new(tx.reserve_many(usize::MAX / 2)).assert_ready().expect("open");
    drop(hand);
    assert!(matches!(tx.try_send(2), Err(TrySendError::Full(2))));
    drop(permits);
    tx.try_send(2).expect("there is room");
    tx.set_capacity(usize::MAX).expect("not 0");
    assert_eq!((rx.try_recv(), rx.try_recv()), (Ok(1), Ok(2)));
}

#[test]
fn more_places_than_there_are_numbers_for_are_too_many() {
    let (tx, _rx) = forebay_queue::unbounded();
    let refused = Driver::new(tx.reserve_many(usize::MAX)).assert_ready().unwrap_err();
    assert!(matches!(refused, ReserveError::TooMany { .. }));
    tx.try_send(1).expect("there is room");
}
