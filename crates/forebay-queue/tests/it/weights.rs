use std::panic::{AssertUnwindSafe, catch_unwind};

use forebay_queue::{
    Pressure, ReserveError, SendError, SendManyError, Sent, TryRecvError, TrySendError, WhenFull, builder,
    unbounded,
};
use forebay_testkit::Driver;

/// What a queue of numbers holds at most, each of which weighs what it says.
fn weighing(max_weight: usize) -> forebay_queue::Builder<usize> {
    builder().capacity(100).max_weight(max_weight).weigher(|weight: &usize| *weight)
}

#[test]
fn sender_waits_until_there_is_room_for_its_weight() {
    let (tx, mut rx) = weighing(10).build();
    for weight in [3, 4, 2] {
        assert_eq!(tx.try_send(weight), Ok(Sent::Stored));
    }
    let mut heavy = Driver::new(tx.send(6));
    heavy.assert_pending();
    assert_eq!((rx.try_recv(), rx.weight()), (Ok(3), 6));
    heavy.assert_pending();
    assert_eq!((rx.try_recv(), rx.weight()), (Ok(4), 2));
    assert!(heavy.is_woken());
    assert_eq!(heavy.assert_ready(), Ok(Sent::Stored));
    assert_eq!((rx.len(), rx.weight()), (2, 8));
}

#[test]
fn light_item_does_not_overtake_a_heavy_one_that_waits() {
    let (tx, mut rx) = weighing(10).build();
    tx.try_send(8).expect("there is room");
    let mut heavy = Driver::new(tx.send(5));
    heavy.assert_pending();
    assert_eq!(tx.try_send(1), Err(TrySendError::Full(1)), "it would fit, but it has not waited");
    let mut light = Driver::new(tx.send(1));
    light.assert_pending();
    assert_eq!(rx.try_recv(), Ok(8));
    assert_eq!(light.assert_ready(), Ok(Sent::Stored));
    assert_eq!(heavy.assert_ready(), Ok(Sent::Stored));
}

#[test]
fn heavy_sender_that_leaves_lets_the_light_ones_in() {
    let (tx, _rx) = weighing(10).build();
    tx.try_send(8).expect("there is room");
    let mut heavy = Driver::new(tx.send(5));
    let mut light = Driver::new(tx.send(1));
    heavy.assert_pending();
    light.assert_pending();
    drop(heavy);
    assert!(light.is_woken());
    assert_eq!(light.assert_ready(), Ok(Sent::Stored));
}

#[test]
fn granted_weight_is_nobody_elses() {
    let (tx, mut rx) = weighing(10).build();
    tx.try_send(10).expect("there is room");
    let mut first = Driver::new(tx.send(6));
    first.assert_pending();
    rx.try_recv().expect("it is there");
    assert!(first.is_woken(), "six of ten are granted");
    assert_eq!(tx.try_send(5), Err(TrySendError::Full(5)));
    assert_eq!(tx.try_send(4), Ok(Sent::Stored));
    drop(first);
    assert_eq!(tx.try_send(6), Ok(Sent::Stored), "what was granted has come back");
}

#[test]
fn item_heavier_than_the_bound_is_refused_and_comes_back() {
    for when_full in [WhenFull::Wait, WhenFull::Refuse, WhenFull::DropIncoming, WhenFull::DropOldest] {
        let (tx, rx) = weighing(10).when_full(when_full).build();
        assert_eq!(tx.try_send(11), Err(TrySendError::TooHeavy(11)));
        assert_eq!(Driver::new(tx.send(11)).assert_ready(), Err(SendError::TooHeavy(11)));
        assert_eq!((rx.len(), rx.stats().accepted), (0, 0));
    }
}

#[test]
fn batch_with_an_item_too_heavy_is_left_as_it_was() {
    let (tx, rx) = weighing(10).build();
    let mut batch = vec![1, 2, 11, 3];
    assert_eq!(Driver::new(tx.send_many(&mut batch)).assert_ready(), Err(SendManyError::TooHeavy { at: 2 }));
    assert_eq!((batch, rx.len()), (vec![1, 2, 11, 3], 0));
}

#[test]
fn batch_goes_in_as_far_as_its_weight_allows() {
    let (tx, mut rx) = weighing(10).build();
    let mut batch = vec![4, 5, 3, 2];
    let mut sending = Driver::new(tx.send_many(&mut batch));
    sending.assert_pending();
    assert_eq!((rx.len(), rx.weight()), (2, 9));
    assert_eq!(rx.try_recv(), Ok(4));
    assert_eq!(sending.assert_ready(), Ok(()));
    drop(sending);
    assert_eq!((batch, rx.weight()), (vec![], 10));
}

#[test]
fn batch_that_goes_on_does_not_overtake_a_heavy_one_that_waits() {
    let (tx, mut rx) = weighing(10).build();
    tx.try_send(8).expect("there is room");
    let mut batch = vec![3, 1, 1];
    let mut many = Driver::new(tx.send_many(&mut batch));
    let mut heavy = Driver::new(tx.send(9));
    many.assert_pending();
    heavy.assert_pending();
    assert_eq!(rx.try_recv(), Ok(8));
    many.assert_pending();
    assert_eq!((rx.len(), rx.weight()), (1, 3), "the others would fit, but they come behind the heavy one");
    assert_eq!(rx.try_recv(), Ok(3));
    assert_eq!(heavy.assert_ready(), Ok(Sent::Stored));
    many.assert_pending();
    assert_eq!(rx.weight(), 10, "beside the heavy one there is room for one of the two");
    assert_eq!((rx.try_recv(), rx.try_recv()), (Ok(9), Ok(1)));
    assert_eq!(many.assert_ready(), Ok(()));
}

#[test]
fn displacement_frees_enough_and_hands_back_all() {
    let (tx, _rx) = weighing(10).when_full(WhenFull::DropOldest).build();
    for weight in [2, 3, 4] {
        tx.try_send(weight).expect("there is room");
    }
    assert_eq!(tx.try_send(5), Ok(Sent::DisplacedMany(vec![2, 3])));
    assert_eq!(tx.try_send(2), Ok(Sent::Displaced(4)));
    let stats = tx.stats();
    assert_eq!((stats.accepted, stats.dropped, stats.held), (5, 3, 2));
}

#[test]
fn youngest_are_displaced_until_it_fits() {
    let (tx, mut rx) = weighing(10).when_full(WhenFull::DropYoungest).build();
    for weight in [4, 3, 2] {
        tx.try_send(weight).expect("there is room");
    }
    assert_eq!(tx.try_send(5), Ok(Sent::DisplacedMany(vec![2, 3])));
    assert_eq!((rx.try_recv(), rx.weight()), (Ok(4), 5));
    assert_eq!((rx.try_recv(), rx.weight()), (Ok(5), 0), "each is counted out by its own weight");
}

#[test]
fn nobody_is_displaced_where_promised_weight_stands_in_the_way() {
    let (tx, mut rx) = weighing(10).when_full(WhenFull::DropOldest).build();
    let permit = Driver::new(tx.reserve_weighted(8)).assert_ready().expect("there is room");
    tx.try_send(2).expect("there is room");
    assert_eq!(tx.try_send(5), Ok(Sent::Displaced(5)), "the two that wait would not make room for it");
    drop(permit);
    assert_eq!(rx.try_recv(), Ok(2));
}

#[test]
fn items_and_weight_are_bounded_both() {
    let (tx, _rx) = builder().capacity(2).max_weight(100).build();
    tx.item("a").weight(1).try_send().expect("there is room");
    tx.item("b").weight(1).try_send().expect("there is room");
    assert_eq!(tx.item("c").weight(1).try_send(), Err(TrySendError::Full("c")));
    assert!(tx.is_full());
}

#[test]
fn weightless_item_needs_a_place_only() {
    let (tx, rx) = weighing(10).build();
    tx.try_send(10).expect("there is room");
    assert!(rx.is_full());
    assert_eq!(tx.try_send(0), Ok(Sent::Stored));
    let mut waiting = Driver::new(tx.send(1));
    waiting.assert_pending();
    assert_eq!(tx.try_send(0), Err(TrySendError::Full(0)), "it has not waited");
}

#[test]
fn sender_says_more_than_the_weigher() {
    let (tx, rx) = weighing(10).build();
    Driver::new(tx.send_weighted(9, 2)).assert_ready().expect("there is room");
    assert_eq!(rx.weight(), 2);
    assert_eq!(tx.item(1).weight(11).try_send(), Err(TrySendError::TooHeavy(1)));
}

/// The item goes with the panic, and its destructor may panic too: two at once would end the process.
#[test]
fn weigher_and_destructor_may_both_panic() {
    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }

    let (tx, rx) = builder().weigher(|_: &Bomb| panic!("weighed")).build();
    let sends: [&dyn Fn(); 2] = [&|| drop(tx.try_send(Bomb)), &|| drop(tx.item(Bomb).try_send())];
    for send in sends {
        let panic = catch_unwind(AssertUnwindSafe(send)).expect_err("the weigher panics");
        assert_eq!(panic.downcast_ref(), Some(&"weighed"), "it is the first one that is told");
    }
    assert!(rx.is_empty());
}

#[test]
fn weight_without_a_bound_does_no_harm() {
    let (tx, mut rx) = unbounded();
    for item in 0..3 {
        tx.item(item).weight(usize::MAX).try_send().expect("nothing is bounded");
    }
    tx.try_send(3).expect("nothing is bounded");
    assert_eq!([rx.try_recv(), rx.try_recv(), rx.try_recv(), rx.try_recv()], [Ok(0), Ok(1), Ok(2), Ok(3)]);
    assert_eq!((rx.weight(), rx.try_recv()), (0, Err(TryRecvError::Empty)));
}

#[test]
fn weight_of_what_comes_back_counts_again() {
    use forebay_queue::Source;
    use std::num::NonZeroUsize;
    use std::task::{Context, Waker};

    let (tx, mut rx) = weighing(10).build();
    tx.try_send(7).expect("there is room");
    let mut hands = Vec::new();
    let taken = rx.poll_next(&mut Context::from_waker(Waker::noop()), NonZeroUsize::MIN, &mut hands);
    assert!(taken.is_ready());
    assert_eq!((hands[0].weight(), rx.weight()), (7, 0), "what is in hand does not fill the queue");
    tx.try_send(8).expect("there is room");
    drop(hands);
    assert_eq!(rx.weight(), 15, "by what was in hand, and no more");
    assert_eq!(tx.try_send(1), Err(TrySendError::Full(1)));
    assert_eq!((rx.try_recv(), rx.try_recv()), (Ok(7), Ok(8)));
}

#[test]
fn reserved_weight_is_given_back_as_far_as_it_was_not_needed() {
    let (tx, rx) = weighing(10).build();
    let permit = Driver::new(tx.reserve_weighted(8)).assert_ready().expect("there is room");
    assert_eq!(tx.try_send(3), Err(TrySendError::Full(3)));
    permit.send(5).expect("open");
    assert_eq!(tx.try_send(5), Ok(Sent::Stored));
    assert_eq!(rx.weight(), 10);
}

#[test]
fn item_heavier_than_what_was_reserved_comes_back() {
    let (tx, rx) = weighing(10).build();
    let permit = Driver::new(tx.reserve_weighted(4)).assert_ready().expect("there is room");
    assert_eq!(permit.send(5), Err(SendError::TooHeavy(5)));
    let mut places = Driver::new(tx.reserve_many(2)).assert_ready().expect("there is room");
    assert_eq!(places.send(2), Err(SendError::TooHeavy(2)), "each is for an item that weighs 1");
    assert_eq!(places.len(), 2, "the place is still there");
    drop(places);
    assert_eq!(tx.try_send(10), Ok(Sent::Stored), "nothing is promised any more");
    assert_eq!(rx.weight(), 10);
}

#[test]
fn reservation_of_more_than_there_may_be_is_refused() {
    let (tx, _rx) = weighing(10).build();
    let refused = Driver::new(tx.reserve_weighted(11)).assert_ready().unwrap_err();
    assert_eq!(refused, ReserveError::TooHeavy { asked: 11, max_weight: 10 });
    assert_eq!(refused.to_string(), "a weight of 11 asked of a queue that may hold 10");
    let refused = Driver::new(tx.reserve_many(11)).assert_ready().unwrap_err();
    assert_eq!(refused, ReserveError::TooHeavy { asked: 11, max_weight: 10 });
}

#[test]
fn pressure_is_high_if_either_bound_is_and_normal_when_both_are() {
    let (tx, mut rx) = weighing(10).capacity(4).watermarks(0.75, 0.5).build();
    tx.try_send(8).expect("there is room");
    assert_eq!((tx.pressure(), tx.len()), (Pressure::High, 1), "by weight");
    for _ in 0..3 {
        tx.try_send(0).expect("there is a place");
    }
    assert_eq!(rx.try_recv(), Ok(8));
    assert_eq!(tx.pressure(), Pressure::High, "three of four places are filled");
    rx.try_recv().expect("they are there");
    assert_eq!(tx.pressure(), Pressure::High, "two are not below a half");
    rx.try_recv().expect("they are there");
    assert_eq!(tx.pressure(), Pressure::Normal);
}

#[test]
#[should_panic = "max_weight of 0: such a queue would accept nothing"]
fn bound_of_nothing_is_a_mistake() {
    let _ = builder::<u8>().max_weight(0);
}

#[cfg(feature = "tower")]
#[test]
fn service_lets_the_response_wait_for_weight() {
    use tower::Service;

    let (mut tx, mut rx) = weighing(10).build();
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(Service::poll_ready(&mut tx, &mut cx).is_ready());
    assert!(matches!(Driver::new(tx.call(7)).assert_ready(), Ok(Sent::Stored)));
    assert!(Service::poll_ready(&mut tx, &mut cx).is_ready(), "nobody knows yet what comes");
    let mut waiting = Driver::new(tx.call(4));
    waiting.assert_pending();
    assert_eq!(tx.try_send(1), Err(TrySendError::Full(1)), "it has been in the line since the call");
    assert_eq!(rx.try_recv(), Ok(7));
    assert!(matches!(waiting.assert_ready(), Ok(Sent::Stored)));

    let leaving = tx.call(9);
    drop(leaving);
    assert_eq!(tx.try_send(6), Ok(Sent::Stored), "who leaves takes the item back");
    assert!(Driver::new(tx.call(11)).assert_ready().is_err_and(|refused| refused.into_item() == Some(11)));
}

#[cfg(feature = "stream")]
#[test]
fn sink_keeps_an_item_until_there_is_room_for_its_weight() {
    use futures_util::{FutureExt, SinkExt};

    let (mut tx, mut rx) = weighing(10).build();
    tx.feed(7).now_or_never().expect("there is room").expect("open");
    tx.feed(4).now_or_never().expect("the handle keeps one").expect("open");
    assert_eq!(rx.weight(), 7);
    assert!(tx.feed(1).now_or_never().is_none(), "and no second one");
    assert_eq!(rx.try_recv(), Ok(7));
    tx.flush().now_or_never().expect("it is in").expect("open");
    assert_eq!(rx.weight(), 4);
}

#[test]
fn weights_that_nobody_bounds_displace_one_for_one() {
    let (tx, _rx) = builder().capacity(2).when_full(WhenFull::DropYoungest).build();
    tx.item(1).weight(usize::MAX).try_send().expect("there is room");
    tx.item(2).weight(0).try_send().expect("there is room");
    assert_eq!(tx.item(3).weight(1).try_send(), Ok(Sent::Displaced(2)));
}

#[test]
fn one_who_reserves_weight_is_not_overtaken_where_full_means_dropped() {
    let (tx, mut rx) = weighing(10).when_full(WhenFull::DropOldest).build();
    for _ in 0..5 {
        tx.try_send(1).expect("there is room");
    }
    let mut heavy = Driver::new(tx.reserve_weighted(8));
    heavy.assert_pending();
    assert_eq!(tx.try_send(1), Ok(Sent::Displaced(1)));
    assert_eq!(tx.try_send(6), Ok(Sent::Displaced(6)), "all five would not make up for it");
    for _ in 0..3 {
        rx.try_recv().expect("something is there");
    }
    assert!(heavy.is_woken());
}

#[cfg(feature = "stream")]
#[test]
fn handle_with_an_item_on_its_way_gives_up_its_place_too() {
    use futures_util::{FutureExt, SinkExt};
    use std::task::{Context, Waker};

    for filled in [8, 10] {
        let (tx, mut rx) = weighing(10).build();
        let mut handle = tx.clone();
        if filled == 10 {
            tx.try_send(10).expect("there is room");
        }
        let _ = handle.poll_reserve(&mut Context::from_waker(Waker::noop()));
        if filled == 8 {
            tx.try_send(8).expect("there is room");
        }
        handle.feed(5).now_or_never().expect("the handle keeps it").expect("open");
        drop(handle);
        assert_eq!(rx.try_recv(), Ok(filled));
        assert_eq!(tx.try_send(10), Ok(Sent::Stored), "nothing is promised any more");
    }
}

#[cfg(feature = "tower")]
#[tokio::test]
async fn call_of_the_last_handle_keeps_the_queue_open_while_it_waits() {
    use tower::ServiceExt;

    let (tx, mut rx) = weighing(10).build();
    tx.try_send(8).expect("there is room");
    let mut call = Driver::new(tx.oneshot(5));
    assert!(call.poll().is_pending());
    assert_eq!(rx.recv().await, Some(8));
    assert!(matches!(call.assert_ready(), Ok(Sent::Stored)));
    drop(call);
    assert_eq!((rx.recv().await, rx.recv().await), (Some(5), None));
}

#[test]
fn next_sender_that_leaves_is_not_waited_for() {
    let (tx, mut rx) = weighing(10).build();
    tx.try_send(8).expect("there is room");
    let mut next = Driver::new(tx.send(5));
    let mut other = Driver::new(tx.send(4));
    next.assert_pending();
    other.assert_pending();
    drop(next);
    rx.try_recv().expect("it is there");
    assert_eq!(other.assert_ready(), Ok(Sent::Stored));
}
