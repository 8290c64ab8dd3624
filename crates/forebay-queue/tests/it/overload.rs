use std::sync::{Arc, Mutex};

use forebay_queue::WhenFull::{self, DropIncoming, DropOldest, DropYoungest, Refuse, Wait};
use forebay_queue::{Receiver, SendError, SendManyError, Sender, Sent, TrySendError, builder};
use forebay_testkit::Driver;

fn full(when_full: WhenFull) -> (Sender<u32>, Receiver<u32>) {
    let (tx, rx) = builder().capacity(2).when_full(when_full).build();
    tx.try_send(1).expect("there is room");
    tx.try_send(2).expect("there is room");
    (tx, rx)
}

fn drain(rx: &mut Receiver<u32>) -> Vec<u32> {
    std::iter::from_fn(|| rx.try_recv().ok()).collect()
}

#[test]
fn full_queue_does_what_its_owner_chose() {
    let table = [
        (Wait, None, [1, 2]),
        (Refuse, Some(Err(SendError::Full(3))), [1, 2]),
        (DropIncoming, Some(Ok(Sent::Displaced(3))), [1, 2]),
        (DropYoungest, Some(Ok(Sent::Displaced(2))), [1, 3]),
        (DropOldest, Some(Ok(Sent::Displaced(1))), [2, 3]),
    ];
    for (when_full, expected, left) in table {
        let (tx, mut rx) = full(when_full);
        let mut sending = Driver::new(tx.send(3));
        let outcome = match sending.poll() {
            std::task::Poll::Ready(outcome) => Some(outcome),
            std::task::Poll::Pending => None,
        };
        drop(sending);
        assert_eq!(outcome, expected, "{when_full:?}");
        assert_eq!(drain(&mut rx), left, "{when_full:?}");
        assert_eq!(tx.stats().dropped, u64::from(matches!(expected, Some(Ok(_)))), "{when_full:?}");
        assert_eq!(tx.stats().refused, u64::from(matches!(expected, Some(Err(_)))), "{when_full:?}");
    }
}

#[test]
fn try_send_never_waits() {
    for (when_full, expected) in [
        (Wait, Err(TrySendError::Full(3))),
        (Refuse, Err(TrySendError::Full(3))),
        (DropIncoming, Ok(Sent::Displaced(3))),
        (DropYoungest, Ok(Sent::Displaced(2))),
        (DropOldest, Ok(Sent::Displaced(1))),
    ] {
        assert_eq!(full(when_full).0.try_send(3), expected, "{when_full:?}");
    }
}

#[test]
fn batch_into_a_full_queue() {
    for (when_full, expected, rest, left, gone) in [
        (Refuse, Err(SendManyError::Full), vec![4, 5], vec![1, 3], vec![]),
        (DropIncoming, Ok(()), vec![], vec![1, 3], vec![4, 5]),
        (DropYoungest, Ok(()), vec![], vec![1, 5], vec![3, 4]),
        (DropOldest, Ok(()), vec![], vec![4, 5], vec![1, 3]),
    ] {
        let displaced = Arc::new(Mutex::new(Vec::new()));
        let hook = displaced.clone();
        let (tx, mut rx) = builder()
            .capacity(2)
            .when_full(when_full)
            .on_displaced(move |item| hook.lock().unwrap().push(item))
            .build();
        tx.try_send(1).expect("there is room");
        let mut batch = vec![3, 4, 5];
        assert_eq!(Driver::new(tx.send_many(&mut batch)).assert_ready(), expected, "{when_full:?}");
        assert_eq!(batch, rest, "{when_full:?}");
        assert_eq!(drain(&mut rx), left, "{when_full:?}");
        assert_eq!(*displaced.lock().unwrap(), gone, "{when_full:?}");
    }
}

#[test]
fn displaced_items_are_counted_and_the_counts_add_up() {
    let (tx, _rx) = full(DropOldest);
    for n in 3..10 {
        tx.try_send(n).expect("never full");
    }
    let stats = tx.stats();
    assert_eq!((stats.accepted, stats.dropped, stats.held), (9, 7, 2));
}

#[test]
fn reserved_place_is_not_dropped_for() {
    let (tx, mut rx) = builder().capacity(1).when_full(DropOldest).build();
    let permit = tx.try_reserve().expect("there is room");
    assert_eq!(tx.try_send(1), Ok(Sent::Displaced(1)), "nothing else is there to be dropped");
    permit.send(2).expect("open");
    assert_eq!(drain(&mut rx), [2]);
}

#[tokio::test(start_paused = true)]
async fn items_that_are_put_off_are_dropped_too() {
    use forebay_queue::Source;
    use std::num::NonZeroUsize;
    use std::task::{Context, Waker};
    use std::time::Duration;

    for (when_full, expected) in [(DropIncoming, 2), (DropYoungest, 1), (DropOldest, 1)] {
        let (tx, mut rx) = builder().capacity(1).when_full(when_full).build();
        tx.try_send(1).expect("there is room");
        let mut hands = Vec::new();
        let _ = rx.poll_next(&mut Context::from_waker(Waker::noop()), NonZeroUsize::MIN, &mut hands);
        hands.remove(0).nack(Duration::from_secs(1));
        assert_eq!(tx.try_send(2), Ok(Sent::Displaced(expected)), "{when_full:?}");
    }
}

/// Newcomers found free places which the one in the line was waiting for.
#[test]
fn one_who_reserves_is_not_overtaken_where_full_means_dropped() {
    let (tx, mut rx) = builder().capacity(4).when_full(WhenFull::DropOldest).build();
    for item in 0..4 {
        tx.try_send(item).expect("there is room");
    }
    let mut three = Driver::new(tx.reserve_many(3));
    three.assert_pending();
    for item in 4..7 {
        rx.try_recv().expect("something is there");
        let sent = tx.try_send(item).expect("it drops");
        assert_eq!(sent.displaced().count(), 1, "it takes no more than it displaces");
    }
    assert!(three.is_woken(), "three places have come free");
}
