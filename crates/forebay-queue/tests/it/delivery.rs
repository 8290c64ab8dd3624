use std::future::poll_fn;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use forebay_queue::{Delivery, End, Receipt, Receiver, Settle, Source, TryRecvError, bounded, builder};
use forebay_testkit::Driver;
use tokio::time::{Instant, advance};

/// Takes up to `max` deliveries that are there.
fn take<T: Send + 'static>(rx: &mut Receiver<T>, max: usize) -> Vec<Delivery<T>> {
    let mut hands = Vec::new();
    let max = NonZeroUsize::new(max).expect("a test asks for something");
    let _ = rx.poll_next(&mut Context::from_waker(Waker::noop()), max, &mut hands);
    hands
}

fn filled(items: impl IntoIterator<Item = u32>) -> (forebay_queue::Sender<u32>, Receiver<u32>) {
    let (tx, rx) = bounded(10);
    items.into_iter().for_each(|item| assert!(tx.try_send(item).is_ok()));
    (tx, rx)
}

#[test]
fn hands_out_no_more_than_was_asked_for() {
    let (_tx, mut rx) = filled(0..5);
    assert_eq!(take(&mut rx, 3).len(), 3);
}

#[test]
fn acknowledged_delivery_is_gone() {
    let (tx, mut rx) = filled([1]);
    take(&mut rx, 1).remove(0).ack();
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    assert_eq!((tx.stats().completed, tx.stats().held), (1, 0));
}

#[test]
fn acknowledged_delivery_is_gone_although_its_item_panics_when_it_is_dropped() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }
    let (tx, mut rx) = bounded(1);
    assert!(tx.try_send(Bomb).is_ok());
    let delivery = take(&mut rx, 1).remove(0);
    let acked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| delivery.ack()));
    assert!(acked.is_err(), "the panic is the consumer's");
    assert_eq!((tx.stats().completed, tx.stats().failed, tx.stats().held), (1, 0, 0));
}

#[test]
fn dropped_delivery_comes_back_in_its_place_with_the_next_attempt() {
    let (tx, mut rx) = filled([1, 2]);
    drop(take(&mut rx, 1));
    assert_eq!(tx.len(), 2);
    let again = take(&mut rx, 2);
    let seen: Vec<_> = again.iter().map(|delivery| (delivery.item().copied(), delivery.attempt())).collect();
    assert_eq!(seen, [(Some(1), 2), (Some(2), 1)]);
    again.into_iter().for_each(Delivery::ack);
}

#[test]
fn items_come_back_in_order_in_whatever_order_they_are_given_back() {
    let (_tx, mut rx) = filled(0..5);
    let mut hands = take(&mut rx, 4);
    for place in [2, 0, 1, 0] {
        drop(hands.remove(place));
    }
    assert_eq!(Vec::from_iter(std::iter::from_fn(|| rx.try_recv().ok())), [0, 1, 2, 3, 4]);
}

#[test]
fn value_that_was_lost_counts_as_failed() {
    let (tx, mut rx) = filled([1]);
    let mut delivery = take(&mut rx, 1).remove(0);
    assert_eq!(delivery.take(), Some(1));
    drop(delivery);
    assert_eq!((tx.stats().failed, tx.stats().held), (1, 0));
}

#[test]
fn dead_letter_goes_to_the_hook_with_its_reason() {
    let letters = Arc::new(Mutex::new(Vec::new()));
    let (tx, mut rx) = {
        let letters = letters.clone();
        builder().on_dead_letter(move |item, reason| letters.lock().unwrap().push((item, reason))).build()
    };
    tx.try_send(1).expect("there is room");
    take(&mut rx, 1).remove(0).dead_letter("unreadable");
    assert_eq!(*letters.lock().unwrap(), [(1, "unreadable".to_owned())]);
    assert_eq!(tx.stats().dead_lettered, 1);
}

#[test]
fn source_has_not_ended_while_something_is_in_hand() {
    let (tx, mut rx) = filled([1]);
    let mut other = rx.clone();
    let hands = take(&mut rx, 1);
    drop(tx);
    let mut waiting = Driver::new(other.recv());
    waiting.assert_pending();
    drop(hands);
    assert_eq!(waiting.assert_ready(), Some(1));
    assert_eq!(rx.try_recv(), Err(TryRecvError::Closed));
}

#[test]
fn last_ack_ends_the_source() {
    let (tx, mut rx) = filled([1]);
    let mut other = rx.clone();
    let delivery = take(&mut rx, 1).remove(0);
    drop(tx);
    let mut waiting = Driver::new(other.recv());
    waiting.assert_pending();
    delivery.ack();
    assert!(waiting.is_woken());
    assert_eq!(waiting.assert_ready(), None);
}

#[test]
fn item_that_comes_back_to_nobody_is_undelivered() {
    let left = Arc::new(Mutex::new(Vec::new()));
    let (tx, mut rx) = {
        let left = left.clone();
        builder().on_undelivered(move |item| left.lock().unwrap().push(item)).build()
    };
    tx.try_send(1).expect("there is room");
    let hands = take(&mut rx, 1);
    drop(rx);
    assert_eq!(tx.stats().held, 1);
    drop(hands);
    assert_eq!(*left.lock().unwrap(), [1]);
    assert_eq!((tx.stats().returned, tx.stats().held), (1, 0));
}

#[test]
fn second_settlement_of_a_delivery_is_ignored() {
    type Kept = (Receipt, Arc<dyn Settle<u32>>);

    /// Keeps the settler of the queue for itself.
    struct Keep(Mutex<Option<Kept>>);
    impl Settle<u32> for Keep {
        fn settle(&self, _: Receipt, _: Option<u32>, _: End) {}
        fn extend(&self, _: Receipt, _: Duration) {}
    }

    let (tx, mut rx) = filled([1, 2]);
    let keep = Arc::new(Keep(Mutex::new(None)));
    let delivery = take(&mut rx, 1).remove(0).map_settler(|receipt, settler| {
        *keep.0.lock().unwrap() = settler.map(|settler| (receipt, settler));
        (receipt, keep.clone())
    });
    delivery.ack();
    let (receipt, settler) = keep.0.lock().unwrap().take().expect("it was kept");
    settler.settle(receipt, None, End::Ack);
    let next = take(&mut rx, 1); // may use the same slot again
    settler.settle(receipt, Some(7), End::Nack { after: Duration::ZERO });
    assert_eq!((tx.stats().completed, tx.stats().held), (1, 1));
    drop(next);
    assert_eq!([rx.try_recv(), rx.try_recv()], [Ok(2), Err(TryRecvError::Empty)]);
}

#[tokio::test(start_paused = true)]
async fn item_that_was_put_off_comes_when_it_is_due() {
    let (tx, mut rx) = filled([1, 2]);
    take(&mut rx, 1).remove(0).nack(Duration::from_secs(5));
    assert_eq!(tx.len(), 2, "it still counts");
    assert_eq!(rx.recv().await, Some(2), "others pass it meanwhile");
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    let start = Instant::now();
    assert_eq!(rx.recv().await, Some(1));
    assert_eq!(start.elapsed().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn receiver_that_waits_already_learns_of_what_is_put_off() {
    let (_tx, mut rx) = filled([1]);
    let mut other = rx.clone();
    let delivery = take(&mut rx, 1).remove(0);
    let waiting = tokio::spawn(async move { (other.recv().await, Instant::now()) });
    tokio::task::yield_now().await;
    let start = Instant::now();
    delivery.nack(Duration::from_secs(5));
    let (item, at) = waiting.await.expect("no panic");
    assert_eq!((item, (at - start).as_secs()), (Some(1), 5));
}

#[tokio::test(start_paused = true)]
async fn item_that_is_due_goes_before_those_that_wait() {
    let (tx, mut rx) = filled(1..=3);
    take(&mut rx, 1).remove(0).nack(Duration::from_secs(5));
    assert_eq!(rx.try_recv(), Ok(2));
    advance(Duration::from_secs(5)).await;
    tx.try_send(4).expect("there is room");
    assert_eq!((rx.recv().await, rx.recv().await, rx.recv().await), (Some(1), Some(3), Some(4)));
}

#[tokio::test(start_paused = true)]
async fn earlier_due_time_moves_the_timer() {
    let (_tx, mut rx) = filled([1, 2]);
    let mut other = rx.clone();
    let mut hands = take(&mut rx, 2);
    hands.remove(0).nack(Duration::from_secs(60));
    let waiting = tokio::spawn(async move { (other.recv().await, Instant::now()) });
    tokio::task::yield_now().await;
    let start = Instant::now();
    hands.remove(0).nack(Duration::from_secs(1));
    let (item, at) = waiting.await.expect("no panic");
    assert_eq!((item, (at - start).as_secs()), (Some(2), 1));
}

#[tokio::test(start_paused = true)]
async fn keeper_of_the_time_that_goes_away_passes_it_on() {
    let (_tx, mut rx) = filled([1]);
    let (mut first, mut second) = (rx.clone(), rx.clone());
    let mut keeper = Driver::new(first.recv());
    let mut next = Driver::new(second.recv());
    let delivery = take(&mut rx, 1).remove(0);
    keeper.assert_pending();
    next.assert_pending();
    delivery.nack(Duration::from_secs(1));
    assert!(keeper.is_woken(), "it is asked to keep the time");
    keeper.assert_pending();
    drop(keeper);
    assert!(next.is_woken(), "the next one is");
    next.assert_pending();
    advance(Duration::from_secs(1)).await;
    assert!(next.is_woken());
    assert_eq!(next.assert_ready(), Some(1));
}

#[test]
fn without_a_runtime_nothing_is_put_off() {
    let (_tx, mut rx) = filled([1]);
    take(&mut rx, 1).remove(0).nack(Duration::from_secs(3600));
    assert_eq!(rx.try_recv(), Ok(1));
}

#[tokio::test(start_paused = true)]
async fn longest_delay_does_not_overflow() {
    let (tx, mut rx) = filled([1]);
    take(&mut rx, 1).remove(0).nack(Duration::MAX);
    assert_eq!((tx.len(), rx.try_recv()), (1, Err(TryRecvError::Empty)));
}

#[tokio::test(start_paused = true)]
async fn receiver_that_is_never_polled_keeps_the_time_of_nobody_else() {
    let (_tx, mut rx) = filled([1, 2]);
    let (mut first, mut second) = (rx.clone(), rx.clone());
    let hands = take(&mut rx, 2);
    let mut stuck = Driver::new(first.recv());
    stuck.assert_pending();
    let waiting = tokio::spawn(async move { second.recv().await });
    tokio::task::yield_now().await;
    for delivery in hands {
        delivery.nack(Duration::from_secs(1));
    }
    // One of the two is meant for the one that is stuck; the other item is not held up by that.
    assert_eq!(waiting.await.expect("no panic"), Some(1));
    assert!(stuck.is_woken());
    assert_eq!(stuck.assert_ready(), Some(2));
}

#[test]
fn each_attempt_has_a_receipt_of_its_own() {
    let (_tx, mut rx) = filled([1]);
    let first = take(&mut rx, 1).remove(0).receipt();
    let second = take(&mut rx, 1).remove(0);
    assert_eq!(second.attempt(), 2);
    assert_ne!(second.receipt(), first);
}

/// A thread without a runtime knows no time, and took all that was put off for due.
#[tokio::test(start_paused = true)]
async fn sender_on_a_plain_thread_leaves_what_is_put_off() {
    let (tx, mut rx) = bounded(10);
    tx.try_send(1).expect("there is room");
    let mut hands = Vec::new();
    let polled = rx.poll_next(&mut Context::from_waker(Waker::noop()), NonZeroUsize::MIN, &mut hands);
    assert!(polled.is_ready());
    hands.pop().expect("one was taken").nack(Duration::from_secs(60));
    std::thread::scope(|scope| {
        scope.spawn(|| tx.try_send(2).expect("there is room"));
    });
    assert_eq!(rx.try_recv(), Ok(2));
}

/// The timer stayed with the runtime in which it was made.
#[test]
fn receiver_that_has_waited_in_one_runtime_waits_in_another() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let (first, second) = (runtime().expect("it starts"), runtime().expect("it starts"));
    let (tx, mut rx) = bounded(10);
    tx.try_send(1).expect("there is room");
    first.block_on(async {
        let mut hands = Vec::new();
        let polled = rx.poll_next(&mut Context::from_waker(Waker::noop()), NonZeroUsize::MIN, &mut hands);
        assert!(polled.is_ready());
        hands.pop().expect("one was taken").nack(Duration::from_millis(50));
        assert!(rx.recv_timeout(Duration::from_millis(1)).await.is_err());
    });
    drop(first);
    assert_eq!(second.block_on(rx.recv()), Some(1));
}

/// Nor does it leave the timer behind when it is served before that rings.
#[test]
fn receiver_that_was_served_in_one_runtime_waits_in_another() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let (first, second) = (runtime().expect("it starts"), runtime().expect("it starts"));
    let (tx, mut rx) = bounded(10);
    tx.try_send(1).expect("there is room");
    let mut hands = Vec::new();
    first.block_on(async {
        assert!(poll_fn(|cx| rx.poll_next(cx, NonZeroUsize::MIN, &mut hands)).await.is_ok());
        hands.pop().expect("one was taken").nack(Duration::from_millis(50));
        poll_fn(|cx| {
            assert!(rx.poll_next(cx, NonZeroUsize::MIN, &mut hands).is_pending(), "it waits, with a timer");
            Poll::Ready(())
        })
        .await;
        tx.try_send(2).expect("there is room");
        assert!(poll_fn(|cx| rx.poll_next(cx, NonZeroUsize::MIN, &mut hands)).await.is_ok());
        hands.pop().expect("one was taken").ack();
    });
    drop(first);
    assert!(second.block_on(poll_fn(|cx| rx.poll_next(cx, NonZeroUsize::MIN, &mut hands))).is_ok());
    assert_eq!(hands.pop().and_then(|mut delivery| delivery.take()), Some(1));
}
