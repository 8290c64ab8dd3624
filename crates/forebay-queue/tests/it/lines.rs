use std::num::NonZeroUsize;
use std::task::{Context, Poll, Waker};

use forebay_queue::{
    By, ById, Delivery, Discipline, Entry, Pressure, Receiver, SendError, SendManyError, Sender, Sent,
    Source, Tick, TryRecvError, TrySendError, UnknownClass, WhenFull, builder,
};
use forebay_testkit::Driver;

use crate::ranked::{self, Ranked};

/// The class of an item is its last digit; 9 is none.
fn class(item: &u32) -> Result<u8, UnknownClass> {
    match item % 10 {
        9 => Err(UnknownClass::new("9", ["0", "1", "2"])),
        class => Ok(class as u8),
    }
}

fn queue(capacity: usize, when_full: WhenFull) -> (Sender<u32, Ranked>, Receiver<u32, Ranked>) {
    builder().capacity(capacity).when_full(when_full).line(ranked::by(class)).build()
}

fn drain(rx: &mut Receiver<u32, Ranked>) -> Vec<u32> {
    std::iter::from_fn(|| rx.try_recv().ok()).collect()
}

fn take(rx: &mut Receiver<u32, Ranked>) -> Delivery<u32> {
    let mut hands = Vec::new();
    let polled = rx.poll_next(&mut Context::from_waker(Waker::noop()), NonZeroUsize::MIN, &mut hands);
    assert!(matches!(polled, Poll::Ready(Ok(1))));
    hands.pop().expect("one was appended")
}

#[test]
fn items_leave_by_class_and_among_equals_as_they_came() {
    let (tx, mut rx) = queue(10, WhenFull::Wait);
    for item in [12, 11, 22, 10, 21, 20] {
        tx.try_send(item).expect("there is room");
    }
    assert_eq!(drain(&mut rx), [10, 20, 11, 21, 12, 22]);
}

#[test]
fn item_that_comes_back_takes_its_old_place() {
    let (tx, mut rx) = queue(10, WhenFull::Wait);
    for item in [11, 21, 31] {
        tx.try_send(item).expect("there is room");
    }
    let (first, second) = (take(&mut rx), take(&mut rx));
    tx.try_send(12).expect("there is room");
    tx.try_send(41).expect("there is room");
    second.nack(std::time::Duration::ZERO);
    drop(first);
    assert_eq!(drain(&mut rx), [11, 21, 31, 41, 12]);
}

/// In which order items come out while four senders wait for one place.
fn served_while_senders_wait(mut recv: impl FnMut(&mut Receiver<u32, Ranked>) -> u32) -> Vec<u32> {
    let (tx, mut rx) = queue(1, WhenFull::Wait);
    tx.try_send(10).expect("there is room");
    let mut senders: Vec<_> = [12, 11, 22, 21].map(|item| Driver::new(tx.send(item))).into();
    senders.iter_mut().for_each(Driver::assert_pending);
    let mut got = Vec::new();
    while !rx.is_empty() {
        got.push(recv(&mut rx));
        if let Some(at) = senders.iter().position(Driver::is_woken) {
            assert_eq!(senders.remove(at).assert_ready(), Ok(Sent::Stored));
        }
    }
    got
}

#[test]
fn waiting_senders_are_served_by_class() {
    let with_try_recv = served_while_senders_wait(|rx| rx.try_recv().expect("not empty"));
    assert_eq!(with_try_recv, [10, 11, 21, 12, 22]);
    let with_recv = served_while_senders_wait(|rx| Driver::new(rx.recv()).assert_ready().expect("open"));
    assert_eq!(with_recv, [10, 11, 21, 12, 22]);
}

#[test]
fn sender_that_does_not_fit_yet_stays_the_next() {
    let (tx, mut rx) =
        builder().max_weight(10).weigher(|item: &u32| (item / 10) as usize).line(ranked::by(class)).build();
    tx.try_send(40).expect("there is room");
    tx.try_send(61).expect("there is room");
    let mut light = Driver::new(tx.send(12));
    light.assert_pending();
    let mut heavy = Driver::new(tx.send(80));
    heavy.assert_pending();
    assert_eq!(rx.try_recv(), Ok(40));
    light.assert_pending();
    heavy.assert_pending();
    assert_eq!(rx.try_recv(), Ok(61));
    assert_eq!(heavy.assert_ready(), Ok(Sent::Stored));
    assert_eq!(light.assert_ready(), Ok(Sent::Stored));
}

#[test]
fn waiting_sender_that_leaves_is_forgotten_by_the_discipline() {
    let (tx, mut rx) = queue(1, WhenFull::Wait);
    tx.try_send(10).expect("there is room");
    let mut urgent = Driver::new(tx.send(11));
    let mut other = Driver::new(tx.send(12));
    urgent.assert_pending();
    other.assert_pending();
    drop(urgent);
    rx.try_recv().expect("it is there");
    assert_eq!(other.assert_ready(), Ok(Sent::Stored));
}

#[test]
fn offers_at_a_rendezvous_are_taken_by_class() {
    let (tx, mut rx) = queue(0, WhenFull::Wait);
    let mut low = Driver::new(tx.send(12));
    let mut high = Driver::new(tx.send(11));
    low.assert_pending();
    high.assert_pending();
    assert_eq!((rx.try_recv(), rx.try_recv()), (Ok(11), Ok(12)));
    assert_eq!((high.assert_ready(), low.assert_ready()), (Ok(Sent::Stored), Ok(Sent::Stored)));
}

#[test]
fn last_in_the_order_is_displaced() {
    let (tx, mut rx) = queue(3, WhenFull::DropYoungest);
    for item in [12, 11, 22] {
        tx.try_send(item).expect("there is room");
    }
    assert_eq!(tx.try_send(10), Ok(Sent::Displaced(22)));
    assert_eq!(tx.try_send(13), Ok(Sent::Displaced(13)), "it is the last itself");
    assert_eq!(tx.try_send(32), Ok(Sent::Displaced(32)), "among equals it is the last too");
    assert_eq!(drain(&mut rx), [10, 11, 12]);
}

#[test]
fn nobody_is_displaced_in_vain() {
    let (tx, mut rx) = builder()
        .max_weight(10)
        .weigher(|item: &u32| (item / 10) as usize)
        .when_full(WhenFull::DropYoungest)
        .line(ranked::by(class))
        .build();
    tx.try_send(80).expect("there is room");
    tx.try_send(12).expect("there is room");
    // Before it comes 80, behind it 12, and without 12 it would still be too heavy by one.
    assert_eq!(tx.try_send(31), Ok(Sent::Displaced(31)));
    assert_eq!(tx.try_send(21), Ok(Sent::Displaced(12)));
    assert_eq!(drain(&mut rx), [80, 21]);
}

#[test]
fn first_in_the_order_is_displaced_if_the_owner_says_so() {
    let (tx, mut rx) = queue(2, WhenFull::DropOldest);
    tx.try_send(12).expect("there is room");
    tx.try_send(11).expect("there is room");
    assert_eq!(tx.try_send(22), Ok(Sent::Displaced(11)));
    assert_eq!(drain(&mut rx), [12, 22]);
}

#[test]
fn waiting_item_can_be_taken_out_by_its_ticket() {
    let (tx, mut rx) = queue(2, WhenFull::Wait);
    let ticket = tx.item(11).tracked().try_send().expect("there is room");
    tx.try_send(12).expect("there is room");
    let mut waiting = Driver::new(tx.send(10));
    waiting.assert_pending();
    assert_eq!(ticket.cancel(), Some(11));
    assert_eq!(ticket.cancel(), None);
    assert_eq!(waiting.assert_ready(), Ok(Sent::Stored), "its place went to the one who waited");
    assert_eq!(drain(&mut rx), [10, 12]);
    let stats = rx.stats();
    assert_eq!((stats.accepted, stats.completed, stats.returned, stats.held), (3, 2, 1, 0));
}

#[test]
fn ticket_finds_nothing_once_the_item_was_received() {
    let (tx, mut rx) = queue(2, WhenFull::Wait);
    let ticket = tx.item(11).tracked().try_send().expect("there is room");
    assert_eq!(rx.try_recv(), Ok(11));
    tx.try_send(21).expect("there is room");
    assert_eq!((ticket.cancel(), ticket.rerank(0)), (None, false));
    assert_eq!(rx.try_recv(), Ok(21));
}

#[test]
fn ticket_of_an_item_that_was_displaced_itself_finds_nothing() {
    let (tx, _rx) = queue(1, WhenFull::DropIncoming);
    tx.try_send(11).expect("there is room");
    let ticket = tx.item(12).tracked().try_send().expect("accepted, and dropped");
    assert_eq!((ticket.cancel(), tx.stats().dropped), (None, 1));
}

#[test]
fn receiver_that_was_called_for_a_cancelled_item_waits_again() {
    let (tx, mut rx) = queue(2, WhenFull::Wait);
    let mut receiver = Driver::new(rx.recv());
    receiver.assert_pending();
    let ticket = tx.item(11).tracked().try_send().expect("there is room");
    assert!(receiver.is_woken());
    assert_eq!(ticket.cancel(), Some(11));
    receiver.assert_pending();
    tx.try_send(12).expect("there is room");
    assert_eq!(receiver.assert_ready(), Some(12));
}

#[test]
fn item_changes_its_class_and_keeps_its_age() {
    let (tx, mut rx) = queue(10, WhenFull::Wait);
    let ticket = tx.item(12).tracked().try_send().expect("there is room");
    for item in [11, 22, 10] {
        tx.try_send(item).expect("there is room");
    }
    assert!(ticket.rerank(1));
    assert_eq!(drain(&mut rx), [10, 12, 11, 22]);
}

#[test]
fn item_in_hand_has_its_new_class_when_it_comes_back() {
    let (tx, mut rx) = queue(10, WhenFull::Wait);
    let ticket = tx.item(11).tracked().try_send().expect("there is room");
    tx.try_send(12).expect("there is room");
    let delivery = take(&mut rx);
    assert!(ticket.rerank(3));
    assert_eq!(ticket.cancel(), None, "somebody has it");
    drop(delivery);
    assert_eq!(drain(&mut rx), [12, 11]);
}

#[tokio::test(start_paused = true)]
async fn item_that_is_put_off_can_be_cancelled() {
    let (tx, mut rx) = queue(10, WhenFull::Wait);
    let ticket = tx.item(11).tracked().send().await.expect("there is room");
    take(&mut rx).nack(std::time::Duration::from_secs(1));
    assert!(ticket.rerank(0));
    assert_eq!(ticket.cancel(), Some(11));
    assert_eq!((rx.len(), rx.try_recv()), (0, Err(TryRecvError::Empty)));
}

#[test]
fn unknown_class_is_an_error_that_hands_the_item_back() {
    let (tx, rx) = queue(2, WhenFull::Wait);
    let refused = tx.try_send(19).unwrap_err();
    assert_eq!(refused.to_string(), "unknown class \"9\", known are: 0, 1, 2");
    assert!(matches!(refused, TrySendError::Unclassified(19, _)));
    let refused = Driver::new(tx.send(29)).assert_ready().unwrap_err();
    assert!(matches!(refused, SendError::Unclassified(29, _)));
    let mut batch = vec![11, 39];
    let refused = Driver::new(tx.send_many(&mut batch)).assert_ready().unwrap_err();
    assert!(matches!(refused, SendManyError::Unclassified { at: 1, .. }));
    assert_eq!((batch, rx.len()), (vec![11, 39], 0));
    assert_eq!(tx.item(19).rank(1).try_send(), Ok(Sent::Stored), "the sender knows better");
}

#[test]
fn batch_waits_by_the_class_of_its_next_item() {
    let (tx, mut rx) = queue(1, WhenFull::Wait);
    tx.try_send(10).expect("there is room");
    let mut batch = vec![11, 13];
    let mut many = Driver::new(tx.send_many(&mut batch));
    let mut one = Driver::new(tx.send(12));
    many.assert_pending();
    one.assert_pending();
    assert_eq!(rx.try_recv(), Ok(10));
    many.assert_pending();
    assert_eq!(rx.try_recv(), Ok(11), "its first item was the most urgent");
    assert_eq!(one.assert_ready(), Ok(Sent::Stored), "and its second one is not");
    assert_eq!(rx.try_recv(), Ok(12));
    assert_eq!(many.assert_ready(), Ok(()));
}

#[test]
fn batch_is_seen_by_the_pressure() {
    let (tx, rx) = builder().capacity(10).watermarks(0.5, 0.2).line(ranked::by(class)).build();
    Driver::new(tx.send_many(&mut (10..18).collect())).assert_ready().expect("there is room");
    assert_eq!((rx.len(), rx.pressure()), (8, Pressure::High));
}

#[test]
fn place_is_reserved_by_class() {
    let (tx, mut rx) = queue(1, WhenFull::Wait);
    tx.try_send(10).expect("there is room");
    let mut low = Driver::new(tx.reserve_as(2, 1));
    let mut high = Driver::new(tx.reserve_as(1, 1));
    low.assert_pending();
    high.assert_pending();
    rx.try_recv().expect("it is there");
    let permit = high.assert_ready().expect("open");
    permit.send(15).expect("open");
    assert_eq!(rx.try_recv(), Ok(15));
    assert!(low.assert_ready().is_ok());
}

#[cfg(feature = "tower")]
#[test]
fn service_waits_by_the_class_of_the_request() {
    use tower::Service;

    let (mut tx, mut rx) = queue(1, WhenFull::Wait);
    tx.try_send(10).expect("there is room");
    let mut cx = Context::from_waker(Waker::noop());
    assert!(Service::poll_ready(&mut tx, &mut cx).is_ready());
    let mut low = Driver::new(tx.call(12));
    let mut high = Driver::new(tx.call(11));
    low.assert_pending();
    high.assert_pending();
    assert_eq!(rx.try_recv(), Ok(10));
    low.assert_pending();
    assert!(matches!(high.assert_ready(), Ok(Sent::Stored)));
}

#[test]
fn weights_that_nobody_bounds_displace_nobody() {
    let (tx, _rx) = queue(2, WhenFull::DropYoungest);
    tx.item(11).weight(usize::MAX).try_send().expect("there is room");
    tx.item(12).weight(0).try_send().expect("there is room");
    assert_eq!(tx.item(10).weight(2).try_send(), Ok(Sent::Displaced(12)));
}

#[test]
fn ticket_from_a_rendezvous_finds_the_item_when_it_comes_back() {
    let (tx, mut rx) = queue(0, WhenFull::Wait);
    let mut sending = Driver::new(tx.item(11).tracked().send());
    sending.assert_pending();
    let delivery = take(&mut rx);
    let ticket = sending.assert_ready().expect("it was taken");
    assert!(ticket.rerank(2), "in hand");
    drop(delivery);
    assert_eq!((rx.len(), ticket.cancel()), (1, Some(11)));
}

#[tokio::test(start_paused = true)]
async fn what_is_put_off_is_displaced_before_an_urgent_newcomer() {
    let (tx, mut rx) = queue(1, WhenFull::DropYoungest);
    tx.try_send(15).expect("there is room");
    take(&mut rx).nack(std::time::Duration::from_secs(10));
    assert_eq!(tx.try_send(10), Ok(Sent::Displaced(15)));
    assert_eq!(drain(&mut rx), [10]);
}

#[test]
fn first_of_those_who_were_called_keeps_its_claim_when_an_item_vanishes() {
    let (tx, rx) = queue(4, WhenFull::Wait);
    let (mut first_rx, mut second_rx) = (rx.clone(), rx.clone());
    let (mut first, mut second) = (Driver::new(first_rx.recv()), Driver::new(second_rx.recv()));
    first.assert_pending();
    second.assert_pending();
    let ticket = tx.item(11).tracked().try_send().expect("there is room");
    tx.try_send(12).expect("there is room");
    assert!(first.is_woken() && second.is_woken());
    assert_eq!(ticket.cancel(), Some(11));
    second.assert_pending();
    assert_eq!(first.assert_ready(), Some(12), "it came first");
    tx.try_send(13).expect("there is room");
    assert_eq!(second.assert_ready(), Some(13));
}

/// Takes turns between a class of heavy items and one of light ones.
#[derive(Clone, Default)]
struct Turns {
    lanes: [std::collections::BTreeSet<(u64, u32)>; 2],
    turn: usize,
}

impl Discipline for Turns {
    type Rank = u8;
    type Shelf<P: Send> = ById<P, Self>;

    fn insert(&mut self, entry: Entry<u8>) {
        self.lanes[usize::from(entry.rank)].insert((entry.seq, entry.id));
    }

    fn next(&mut self, _: Tick) -> Option<u32> {
        let lane = if self.lanes[self.turn].is_empty() { 1 - self.turn } else { self.turn };
        self.turn = 1 - lane;
        self.lanes[lane].pop_first().map(|(_, id)| id)
    }

    fn put_back(&mut self, entry: Entry<u8>) {
        self.insert(entry);
    }

    fn remove(&mut self, entry: Entry<u8>) -> bool {
        self.lanes[usize::from(entry.rank)].remove(&(entry.seq, entry.id))
    }

    fn last(&self) -> Option<u32> {
        self.lanes.iter().filter_map(|lane| lane.last()).max().map(|&(_, id)| id)
    }
}

/// Whoever was next was put back each time that anything changed, and had spent its turn.
#[test]
fn heavy_class_has_its_turn_under_a_discipline_that_takes_turns() {
    let line = By::new(Turns::default(), |weight: &usize| Ok(u8::from(*weight <= 5)));
    let (tx, mut rx) = builder().max_weight(10).weigher(|weight: &usize| *weight).line(line).build();
    for _ in 0..10 {
        tx.try_send(1).expect("there is room");
    }
    let mut heavy = Driver::new(tx.send(8));
    heavy.assert_pending();
    let mut lights: Vec<_> = (0..3).map(|_| Driver::new(Box::pin(tx.send(1)))).collect();
    lights.iter_mut().for_each(Driver::assert_pending);
    for received in 0.. {
        assert!(received < 20, "so many light ones went past the heavy one");
        rx.try_recv().expect("something is there");
        if heavy.is_woken() {
            break;
        }
        if let Some(at) = lights.iter().position(Driver::is_woken) {
            lights.remove(at).assert_ready().expect("open");
            lights.push(Driver::new(Box::pin(tx.send(1))));
            lights.last_mut().expect("one was pushed").assert_pending();
        }
    }
}

#[test]
fn discipline_that_refuses_an_item_by_a_panic_leaves_the_queue_as_it_was() {
    #[derive(Clone, Default)]
    struct Fussy(ranked::ByRank);

    impl Discipline for Fussy {
        type Rank = u8;
        type Shelf<P: Send> = ById<P, Self>;

        fn insert(&mut self, entry: Entry<u8>) {
            assert!(entry.rank != 13, "unlucky");
            self.0.insert(entry);
        }

        fn next(&mut self, now: Tick) -> Option<u32> {
            self.0.next(now)
        }

        fn put_back(&mut self, entry: Entry<u8>) {
            self.0.put_back(entry);
        }

        fn remove(&mut self, entry: Entry<u8>) -> bool {
            self.0.remove(entry)
        }

        fn last(&self) -> Option<u32> {
            self.0.last()
        }
    }

    let (tx, mut rx) = builder().capacity(4).line(By::new(Fussy::default(), |item: &u8| Ok(*item))).build();
    let unlucky = std::panic::AssertUnwindSafe(|| tx.try_send(13).is_ok());
    assert!(std::panic::catch_unwind(unlucky).is_err());
    tx.try_send(1).expect("there is room");
    assert_eq!((rx.try_recv(), rx.try_recv()), (Ok(1), Err(TryRecvError::Empty)));
}
