use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use forebay_queue::{Receiver, Sender, Sent, Source, TryRecvError, TrySendError, WhenFull, builder};
use forebay_testkit::Driver;
use tokio::time::advance;

use crate::ranked;

const SECOND: Duration = Duration::from_secs(1);

/// A queue that tells what has expired.
fn queue(capacity: usize) -> (Sender<u32>, Receiver<u32>, Arc<Mutex<Vec<u32>>>) {
    let expired = Arc::new(Mutex::new(Vec::new()));
    let book = expired.clone();
    let hook = move |item| book.lock().expect("nobody panics").push(item);
    let (tx, rx) = builder().capacity(capacity).on_expired(hook).build();
    (tx, rx, expired)
}

#[tokio::test(start_paused = true)]
async fn item_whose_time_is_over_goes_to_the_hook() {
    let (tx, mut rx, expired) = queue(4);
    tx.item(1).ttl(SECOND).try_send().expect("there is room");
    tx.try_send(2).expect("there is room");
    tx.item(3).ttl(3 * SECOND).try_send().expect("there is room");
    advance(SECOND).await;
    assert_eq!((rx.recv().await, rx.recv().await), (Some(2), Some(3)));
    assert_eq!(*expired.lock().expect("nobody panics"), [1]);
    let stats = rx.stats();
    assert_eq!((stats.accepted, stats.completed, stats.dropped, stats.expired), (3, 2, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn item_is_received_until_its_time_is_over() {
    let (tx, mut rx, _) = queue(4);
    tx.item(1).ttl(SECOND).try_send().expect("there is room");
    advance(SECOND - Duration::from_millis(1)).await;
    assert_eq!(rx.try_recv(), Ok(1));
}

#[tokio::test(start_paused = true)]
async fn expired_front_makes_room_for_a_newcomer() {
    for when_full in [WhenFull::Wait, WhenFull::Refuse, WhenFull::DropIncoming] {
        let (tx, rx) = builder().capacity(1).when_full(when_full).build();
        tx.item(1).ttl(SECOND).try_send().expect("there is room");
        advance(SECOND).await;
        assert_eq!(tx.try_send(2), Ok(Sent::Stored));
        assert_eq!((rx.len(), rx.stats().expired), (1, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn room_of_an_expired_item_goes_to_who_has_waited() {
    let (tx, _rx, _) = queue(1);
    tx.item(1).ttl(SECOND).try_send().expect("there is room");
    let mut waiting = Driver::new(tx.send(2));
    waiting.assert_pending();
    advance(SECOND).await;
    assert_eq!(tx.try_send(3), Err(TrySendError::Full(3)));
    assert!(waiting.is_woken());
    assert_eq!(waiting.assert_ready(), Ok(Sent::Stored));
}

#[tokio::test(start_paused = true)]
async fn place_of_an_expired_item_is_not_the_newcomers() {
    let (tx, rx) = builder().capacity(1).when_full(WhenFull::DropOldest).build();
    tx.item(1).ttl(SECOND).try_send().expect("there is room");
    let mut reserving = Driver::new(tx.reserve());
    reserving.assert_pending();
    advance(SECOND).await;
    assert_eq!(tx.try_send(2), Ok(Sent::Displaced(2)), "the place is promised to the one who has waited");
    let permit = reserving.assert_ready().expect("open");
    permit.send(3).expect("open");
    assert_eq!((rx.len(), rx.stats().expired), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn receiver_that_was_called_for_an_expired_item_waits_again_as_the_first() {
    let (tx, mut rx, _) = queue(4);
    let mut other = rx.clone();
    let mut first = Driver::new(rx.recv());
    first.assert_pending();
    tx.item(1).ttl(SECOND).try_send().expect("there is room");
    assert!(first.is_woken());
    let mut second = Driver::new(other.recv());
    second.assert_pending();
    advance(SECOND).await;
    first.assert_pending();
    tx.try_send(2).expect("there is room");
    second.assert_pending();
    assert_eq!(first.assert_ready(), Some(2));
}

#[tokio::test(start_paused = true)]
async fn end_is_told_when_all_that_was_left_has_expired() {
    let (tx, mut rx, expired) = queue(4);
    tx.item(1).ttl(SECOND).try_send().expect("there is room");
    drop(tx);
    advance(SECOND).await;
    assert_eq!(rx.recv().await, None);
    assert_eq!(*expired.lock().expect("nobody panics"), [1]);
}

#[tokio::test(start_paused = true)]
async fn batch_leaves_out_what_has_expired_in_the_middle() {
    // The first item of a batch and those behind it are taken in different ways.
    for (most, counts) in [(2, [2, 1].as_slice()), (8, &[3])] {
        let (tx, mut rx, expired) = queue(8);
        for item in 0..6 {
            let ttl = if item % 2 == 0 { 9 * SECOND } else { SECOND };
            tx.item(item).ttl(ttl).try_send().expect("there is room");
        }
        advance(SECOND).await;
        let mut batch = Vec::new();
        for count in counts {
            assert_eq!(rx.recv_many(&mut batch, most).await, *count);
        }
        assert_eq!((batch, rx.try_recv()), (vec![0, 2, 4], Err(TryRecvError::Empty)));
        assert_eq!(*expired.lock().expect("nobody panics"), [1, 3, 5]);
    }
}

#[tokio::test(start_paused = true)]
async fn time_goes_on_in_a_consumers_hands() {
    let (tx, mut rx, expired) = queue(4);
    tx.item(1).ttl(SECOND).header("trace", "4711").try_send().expect("there is room");
    let mut hands = Vec::new();
    let polled = rx.poll_next(&mut Context::from_waker(Waker::noop()), NonZeroUsize::MIN, &mut hands);
    assert!(matches!(polled, Poll::Ready(Ok(1))));
    assert_eq!(hands[0].headers().get("trace"), Some("4711"));
    advance(SECOND).await;
    drop(hands);
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    assert_eq!(*expired.lock().expect("nobody panics"), [1]);
}

#[tokio::test(start_paused = true)]
async fn plain_batch_behind_a_mortal_item_lives_on() {
    let (tx, mut rx, expired) = queue(8);
    tx.item(1).ttl(SECOND).try_send().expect("there is room");
    tx.send_many(&mut vec![2, 3]).await.expect("there is room");
    tx.item(4).ttl(SECOND).try_send().expect("there is room");
    assert_eq!(rx.try_recv(), Ok(1));
    advance(SECOND).await;
    assert_eq!((rx.try_recv(), rx.try_recv()), (Ok(2), Ok(3)));
    assert_eq!((rx.try_recv(), rx.len()), (Err(TryRecvError::Empty), 0));
    assert_eq!(*expired.lock().expect("nobody panics"), [4]);
}

#[tokio::test(start_paused = true)]
async fn headers_come_with_each_attempt() {
    let (tx, mut rx, _) = queue(4);
    tx.item(1).header("trace", "1").header("trace", "2").header("a", "b").try_send().expect("there is room");
    for attempt in 1..=2 {
        let mut hands = Vec::new();
        let polled = rx.poll_next(&mut Context::from_waker(Waker::noop()), NonZeroUsize::MIN, &mut hands);
        assert!(matches!(polled, Poll::Ready(Ok(1))));
        assert_eq!(hands[0].attempt(), attempt);
        assert_eq!(hands[0].headers().iter().collect::<Vec<_>>(), [("a", "b"), ("trace", "2")]);
    }
}

#[tokio::test(start_paused = true)]
async fn under_a_discipline_what_has_expired_is_found_wherever_it_is() {
    let (tx, mut rx) = builder().capacity(3).line(ranked::by(|item| Ok((item % 3) as u8))).build();
    tx.try_send(0).expect("there is room");
    tx.item(1).ttl(SECOND).try_send().expect("there is room");
    tx.item(2).ttl(2 * SECOND).try_send().expect("there is room");
    advance(SECOND).await;
    assert_eq!(tx.try_send(3), Ok(Sent::Stored), "behind the front, and still it makes room");
    assert_eq!((rx.try_recv(), rx.try_recv(), rx.try_recv()), (Ok(0), Ok(3), Ok(2)));
}

#[tokio::test(start_paused = true)]
async fn time_that_the_clock_cannot_tell_is_for_ever() {
    let (tx, mut rx, _) = queue(1);
    tx.item(1).ttl(Duration::MAX).try_send().expect("there is room");
    advance(1_000_000 * SECOND).await;
    assert_eq!(rx.try_recv(), Ok(1));
}

#[test]
fn without_a_runtime_there_is_still_a_clock() {
    let (tx, mut rx, expired) = queue(2);
    tx.item(1).ttl(Duration::ZERO).try_send().expect("there is room");
    tx.item(2).ttl(Duration::from_secs(3600)).try_send().expect("there is room");
    assert_eq!(rx.try_recv(), Ok(2));
    assert_eq!(*expired.lock().expect("nobody panics"), [1]);
}

#[test]
fn batch_at_a_rendezvous_leaves_out_what_has_expired() {
    let (tx, mut rx) = forebay_queue::bounded(0);
    let mut handles = [rx.clone(), rx.clone()];
    let mut receivers: Vec<_> = handles.iter_mut().map(|rx| Driver::new(rx.recv())).collect();
    receivers.iter_mut().for_each(Driver::assert_pending);
    tx.try_send(1).expect("a receiver waits");
    tx.item(2).ttl(Duration::ZERO).try_send().expect("a receiver waits");
    drop(receivers);
    let mut batch = Vec::new();
    assert_eq!(Driver::new(rx.recv_many(&mut batch, 8)).assert_ready(), 1);
    assert_eq!(batch, [1]);
}

#[tokio::test(start_paused = true)]
async fn batch_leaves_what_is_promised_to_others_when_something_has_expired() {
    let (tx, mut rx, _) = queue(8);
    let mut other = rx.clone();
    let mut called = Driver::new(other.recv());
    called.assert_pending();
    tx.try_send(0).expect("there is room");
    tx.item(1).ttl(SECOND).try_send().expect("there is room");
    tx.try_send(2).expect("there is room");
    advance(SECOND).await;
    let mut batch = Vec::new();
    assert_eq!(rx.recv_many(&mut batch, 8).await, 1);
    assert_eq!(called.assert_ready(), Some(2));
}

#[tokio::test(start_paused = true)]
async fn time_runs_from_the_meeting_at_a_rendezvous() {
    let (tx, mut rx, expired) = queue(0);
    let mut sending = Driver::new(tx.item(1).ttl(SECOND).send());
    sending.assert_pending();
    advance(2 * SECOND).await;
    let mut hands = Vec::new();
    let polled = rx.poll_next(&mut Context::from_waker(Waker::noop()), NonZeroUsize::MIN, &mut hands);
    assert!(matches!(polled, Poll::Ready(Ok(1))));
    sending.assert_ready().expect("it was taken");
    drop(hands);
    assert_eq!(rx.len(), 1);
    advance(SECOND).await;
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    assert_eq!(*expired.lock().expect("nobody panics"), [1]);
}

/// Its panic went through the call that found it, and took along the item which that call had received.
#[test]
fn destructor_of_an_expired_item_stays_its_own_affair() {
    struct Bomb(bool);

    impl Drop for Bomb {
        fn drop(&mut self) {
            if self.0 && !std::thread::panicking() {
                panic!("in a destructor");
            }
        }
    }

    let (tx, mut rx) = forebay_queue::bounded(4);
    assert!(tx.item(Bomb(true)).ttl(Duration::ZERO).try_send().is_ok());
    assert!(tx.try_send(Bomb(false)).is_ok());
    assert!(rx.try_recv().is_ok());
    assert_eq!((rx.stats().completed, rx.stats().expired), (1, 1));
}
