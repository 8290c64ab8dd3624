use std::future::poll_fn;

use forebay_queue::{ReserveError, SendError, Sender, Sent, TryRecvError, TrySendError, bounded, unbounded};
use forebay_testkit::{CountingWaker, Driver};

fn reserve(tx: &mut Sender<u32>) -> Driver<impl Future<Output = Result<(), ReserveError>> + use<'_>> {
    Driver::new(poll_fn(|cx| tx.poll_reserve(cx)))
}

#[test]
fn reserved_place_is_kept_until_it_is_used() {
    let (mut tx, mut rx) = bounded(1);
    let other = tx.clone();
    assert_eq!(reserve(&mut tx).assert_ready(), Ok(()));
    assert_eq!(reserve(&mut tx).assert_ready(), Ok(()), "ready stays ready");
    assert_eq!(other.try_send(1), Err(TrySendError::Full(1)));
    assert_eq!(tx.send_reserved(2), Ok(Sent::Stored));
    assert_eq!(rx.try_recv(), Ok(2));
    assert_eq!(other.try_send(3), Ok(Sent::Stored), "one place was reserved, not two");
}

#[test]
#[should_panic(expected = "poll_reserve must be ready first")]
fn reserved_place_is_used_once() {
    let (mut tx, _rx) = bounded(2);
    assert_eq!(reserve(&mut tx).assert_ready(), Ok(()));
    tx.send_reserved(1).expect("open");
    let _ = tx.send_reserved(2);
}

#[test]
fn one_who_polls_waits_in_the_line_with_the_others() {
    let (mut tx, mut rx) = bounded(1);
    let other = tx.clone();
    tx.try_send(0).expect("there is room");
    let mut first = Driver::new(other.send(1));
    first.assert_pending();
    let mut second = reserve(&mut tx);
    second.assert_pending();
    let mut third = Driver::new(other.send(3));
    third.assert_pending();

    assert_eq!(rx.try_recv(), Ok(0));
    assert!(first.is_woken() && !second.is_woken());
    assert_eq!(first.assert_ready(), Ok(Sent::Stored));
    assert_eq!(rx.try_recv(), Ok(1));
    assert!(second.is_woken() && !third.is_woken());
    assert_eq!(second.assert_ready(), Ok(()));
    drop(second);
    tx.send_reserved(2).expect("open");
    assert_eq!(rx.try_recv(), Ok(2));
    assert_eq!(third.assert_ready(), Ok(Sent::Stored));
}

#[test]
fn clone_starts_without_the_place() {
    let (mut tx, _rx) = bounded(1);
    assert_eq!(reserve(&mut tx).assert_ready(), Ok(()));
    let mut other = tx.clone();
    let mut waiting = reserve(&mut other);
    waiting.assert_pending();
    assert!(tx.abort_reserve());
    assert!(!tx.abort_reserve(), "there is nothing left to give up");
    assert_eq!(waiting.assert_ready(), Ok(()));
}

#[test]
fn dropped_handle_gives_its_place_to_the_next() {
    let (mut tx, _rx) = bounded(1);
    let mut other = tx.clone();
    assert_eq!(reserve(&mut tx).assert_ready(), Ok(()));
    let mut waiting = reserve(&mut other);
    waiting.assert_pending();
    drop(tx);
    assert!(waiting.is_woken());
    assert_eq!(waiting.assert_ready(), Ok(()));
}

#[test]
fn dropped_handle_passes_on_what_it_was_granted() {
    let (tx, mut rx) = bounded(1);
    let (mut first, mut second) = (tx.clone(), tx.clone());
    tx.try_send(0).expect("there is room");
    reserve(&mut first).assert_pending(); // the future goes, the handle stays in the line
    let mut waiting = reserve(&mut second);
    waiting.assert_pending();
    assert_eq!(rx.try_recv(), Ok(0));
    assert!(!waiting.is_woken());
    drop(first);
    assert!(waiting.is_woken());
    assert_eq!(waiting.assert_ready(), Ok(()));
}

#[test]
fn close_reaches_those_who_poll() {
    let (mut tx, rx) = bounded(1);
    let mut holder = tx.clone();
    assert_eq!(reserve(&mut holder).assert_ready(), Ok(()));
    let mut waiting = reserve(&mut tx);
    waiting.assert_pending();
    rx.close();
    assert!(waiting.is_woken());
    assert_eq!(waiting.assert_ready(), Err(ReserveError::Closed));
    assert_eq!(holder.send_reserved(1), Err(SendError::Closed(1)), "a place is no promise");
}

#[test]
fn rendezvous_has_no_places_and_unbounded_has_enough() {
    let (mut tx, _rx) = bounded(0);
    assert_eq!(reserve(&mut tx).assert_ready(), Err(ReserveError::TooMany { asked: 1, capacity: 0 }));
    let (mut tx, _rx) = unbounded();
    assert_eq!(reserve(&mut tx).assert_ready(), Ok(()));
}

#[test]
fn the_latest_waker_is_the_one_that_is_woken() {
    let (mut tx, mut rx) = bounded(1);
    tx.try_send(0).expect("there is room");
    let (old, new) = (CountingWaker::new(), CountingWaker::new());
    for counter in [&old, &new] {
        let waker = counter.waker();
        assert!(tx.poll_reserve(&mut std::task::Context::from_waker(&waker)).is_pending());
    }
    assert_eq!(rx.try_recv(), Ok(0));
    assert_eq!((old.wakes(), new.wakes()), (0, 1));
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
}
