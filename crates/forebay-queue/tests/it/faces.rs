use std::future::poll_fn;

use forebay_queue::WhenFull::{DropIncoming, DropOldest, DropYoungest, Refuse};
use forebay_queue::{
    ReserveError, SendError, Sender, Sent, SinkError, TryRecvError, TrySendError, bounded, builder, unbounded,
};
use forebay_testkit::{CountingWaker, Driver};
use tower::load_shed::LoadShed;
use tower::{Service, ServiceExt};

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
#[should_panic(expected = "call poll_reserve or poll_ready first")]
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

#[test]
fn one_who_has_overtaken_enough_is_still_not_refused() {
    let (mut tx, mut rx) = bounded(100);
    let other = tx.clone();
    for n in 0..100 {
        tx.try_send(n).expect("there is room");
    }
    let mut woken = Driver::new(other.send(100));
    woken.assert_pending();
    (0..60).for_each(|_| assert!(rx.try_recv().is_ok()));
    assert!(woken.is_woken());
    for n in 0..40 {
        assert_eq!(reserve(&mut tx).assert_ready(), Ok(()), "there is room for {n}");
        tx.send_reserved(n).expect("open");
    }
    assert_eq!(woken.assert_ready(), Ok(Sent::Stored));
}

#[test]
fn sender_as_a_service_reserves() {
    let (mut tx, mut rx) = bounded(1);
    assert!(Driver::new(tx.ready()).assert_ready().is_ok());
    let mut clone = tx.clone();
    let mut waiting = Driver::new(clone.ready());
    waiting.assert_pending();
    assert!(matches!(Driver::new(tx.call(1)).assert_ready(), Ok(Sent::Stored)));
    assert!(!waiting.is_woken(), "the place is filled now");
    assert_eq!(rx.try_recv(), Ok(1));
    assert!(waiting.is_woken());
    assert!(waiting.assert_ready().is_ok());
}

#[test]
fn call_has_sent_before_its_future_is_polled() {
    let (mut tx, mut rx) = bounded(1);
    assert!(Driver::new(tx.ready()).assert_ready().is_ok());
    drop(tx.call(1));
    assert_eq!(rx.try_recv(), Ok(1));
}

#[test]
#[should_panic(expected = "call poll_reserve or poll_ready first")]
fn call_without_readiness_is_a_fault_of_the_caller() {
    let (mut tx, _rx) = bounded(1);
    drop(tx.call(1));
}

#[test]
fn sender_as_a_service_does_what_full_means() {
    for (when_full, expected) in [
        (DropIncoming, Sent::Displaced(2)),
        (DropYoungest, Sent::Displaced(1)),
        (DropOldest, Sent::Displaced(1)),
    ] {
        let (mut tx, _rx) = builder().capacity(1).when_full(when_full).build();
        tx.try_send(1).expect("there is room");
        assert!(Driver::new(tx.ready()).assert_ready().is_ok(), "{when_full:?} never waits");
        assert_eq!(Driver::new(tx.call(2)).assert_ready().ok(), Some(expected), "{when_full:?}");
    }
    let (mut tx, _rx) = builder().capacity(1).when_full(Refuse).build();
    tx.try_send(1).expect("there is room");
    assert!(Driver::new(tx.ready()).assert_ready().is_ok());
    assert!(matches!(Driver::new(tx.call(2)).assert_ready(), Err(SinkError::Full(Some(2)))));
}

#[test]
fn closed_sender_is_never_ready_and_the_item_comes_back() {
    for capacity in [0, 1] {
        let (mut tx, rx) = bounded(capacity);
        assert!(Driver::new(tx.ready()).assert_ready().is_ok());
        drop(rx);
        assert!(matches!(Driver::new(tx.call(1)).assert_ready(), Err(SinkError::Closed(Some(1)))));
        assert!(matches!(Driver::new(tx.ready()).assert_ready(), Err(SinkError::Closed(None))));
    }
}

#[test]
fn service_at_a_rendezvous_answers_when_the_item_is_taken() {
    let (mut tx, mut rx) = bounded(0);
    assert!(Driver::new(tx.ready()).assert_ready().is_ok());
    let mut first = Driver::new(tx.call(1));
    let mut second = Driver::new(tx.call(2));
    first.assert_pending();
    second.assert_pending();
    drop(first);
    assert_eq!(rx.try_recv(), Ok(2), "the first was taken back");
    assert!(second.is_woken());
    assert!(matches!(second.assert_ready(), Ok(Sent::Stored)));
}

/// This task spends its budget many times over.
#[tokio::test]
async fn load_shed_over_a_sender_with_room_sheds_nothing() {
    let (tx, rx) = bounded(100_000);
    let mut shedding = LoadShed::new(tx);
    for n in 0..100_000 {
        let sending = shedding.ready().await.expect("load_shed is always ready").call(n);
        assert!(sending.await.is_ok(), "call {n} was shed");
    }
    assert_eq!(rx.len(), 100_000);
}

/// Nothing gives the others a turn but the budget itself.
#[tokio::test]
async fn service_in_a_loop_gives_way_to_its_neighbours() {
    let (tx, _rx) = unbounded();
    let mut tx = tx;
    let neighbour = tokio::spawn(async {});
    let mut calls = 0;
    while !neighbour.is_finished() {
        tx.ready().await.expect("open").call(()).await.expect("open");
        calls += 1;
        assert!(calls < 2 * 128 * 128, "the neighbour waits for its turn");
    }
}

#[test]
fn handle_keeps_its_place_when_the_weigher_panics() {
    let weigher = |item: &u32| if *item == 13 { panic!("unlucky") } else { 1 };
    let (mut tx, rx) = forebay_queue::builder().capacity(1).weigher(weigher).build();
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(tower::Service::poll_ready(&mut tx, &mut cx).is_ready());
    let unlucky = std::panic::AssertUnwindSafe(|| drop(tower::Service::call(&mut tx, 13)));
    assert!(std::panic::catch_unwind(unlucky).is_err());
    assert!(tx.clone().try_send(1).is_err(), "the place is this handle's");
    tx.send_reserved(2).expect("open");
    assert_eq!(rx.len(), 1);
}
