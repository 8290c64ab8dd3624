use std::collections::VecDeque;
use std::future::poll_fn;
use std::mem;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use forebay_queue::{
    By, ById, Delivery, Discipline, Entry, Headers, Receiver, Sender, Source, Tap, Tapped, Tick, bounded,
    builder,
};
use forebay_testkit::{CountingWaker, Driver};
use tokio::time::{Instant, sleep, timeout};

use crate::ranked;

const SECOND: Duration = Duration::from_secs(1);

type BoxTap = Box<dyn Tap<Item = u32>>;

fn tap(rx: &Receiver<u32>) -> BoxTap {
    rx.tap().expect("a queue in memory has taps")
}

fn take_with(tap: &mut BoxTap, waker: &Waker, open: bool) -> Poll<Tapped<u32>> {
    tap.poll_take(&mut Context::from_waker(waker), &AtomicBool::new(open))
}

fn take(tap: &mut BoxTap) -> Poll<Tapped<u32>> {
    take_with(tap, Waker::noop(), true)
}

fn first(item: u32) -> Poll<Tapped<u32>> {
    Poll::Ready(Tapped::Plain(item))
}

#[test]
fn each_item_is_taken_once_through_taps_and_receivers() {
    let (tx, mut rx) = bounded(10);
    let (mut one, mut other) = (tap(&rx), tap(&rx));
    (0..4).for_each(|item| assert!(tx.try_send(item).is_ok()));
    assert_eq!((take(&mut one), take(&mut other)), (first(0), first(1)));
    assert_eq!(rx.try_recv(), Ok(2));
    assert_eq!((take(&mut one), take(&mut other)), (first(3), Poll::Pending));
}

#[test]
fn what_is_known_of_an_item_goes_with_it() {
    let (tx, mut rx) = bounded(10);
    let mut tap = tap(&rx);
    let mut source = Headers::default();
    source.set("source", "test");
    let mut cx = Context::from_waker(Waker::noop());
    // It waits for the first, and finds the others there.
    assert!(take(&mut tap).is_pending());
    for item in [1, 2] {
        assert!(tx.item(item).header("source", "test").try_send().is_ok());
    }
    for item in [1, 2] {
        let headers = source.clone();
        let told = Poll::Ready(Tapped::Item { item, attempt: 1, headers, waited: None });
        assert_eq!(take(&mut tap), told);
    }
    assert!(tx.try_send(3).is_ok());
    let mut hands = Vec::new();
    assert!(matches!(rx.poll_next(&mut cx, NonZeroUsize::MIN, &mut hands), Poll::Ready(Ok(1))));
    drop(hands);
    let again = Tapped::Item { item: 3, attempt: 2, headers: Headers::default(), waited: None };
    assert_eq!(take(&mut tap), Poll::Ready(again));
}

#[test]
fn with_an_order_what_is_known_of_an_item_goes_with_it_and_plain_ones_are_plain() {
    let (tx, mut rx) = builder().capacity(10).line(ranked::by(|item| Ok(*item as u8 / 10))).build();
    let mut tap: BoxTap = rx.tap().expect("a queue in memory has taps");
    let known = |item, attempt, headers| Poll::Ready(Tapped::Item { item, attempt, headers, waited: None });
    for item in [11, 1, 12] {
        assert!(tx.try_send(item).is_ok());
    }
    assert_eq!((take(&mut tap), take(&mut tap)), (first(1), first(11)));
    // What one brings, and who came back, is not lost behind plain ones.
    assert!(tx.item(13).header("source", "test").try_send().is_ok());
    assert!(tx.item(14).weight(2).try_send().is_ok());
    let mut source = Headers::default();
    source.set("source", "test");
    assert_eq!(take(&mut tap), known(12, 1, Headers::default()));
    assert_eq!(take(&mut tap), known(13, 1, source));
    let mut hands = Vec::new();
    let mut cx = Context::from_waker(Waker::noop());
    assert!(matches!(rx.poll_next(&mut cx, NonZeroUsize::MIN, &mut hands), Poll::Ready(Ok(1))));
    drop(hands);
    assert!(tx.try_send(15).is_ok());
    assert_eq!(take(&mut tap), known(14, 2, Headers::default()));
    assert_eq!(tx.weight(), 1);
    assert!(tx.try_send(16).is_ok());
    assert_eq!((take(&mut tap), take(&mut tap)), (first(15), first(16)));
    assert!(tx.item(17).weight(2).try_send().is_ok());
    assert_eq!(rx.try_recv(), Ok(17));
    assert!(tx.try_send(18).is_ok());
    assert_eq!((take(&mut tap), take(&mut tap)), (first(18), Poll::Pending));
}

#[tokio::test(start_paused = true)]
async fn with_an_order_and_times_it_is_known_how_long_an_item_waited() {
    let line = ranked::by(|item| Ok(*item as u8));
    let (tx, rx) = builder().capacity(10).timed().line(line).build();
    let mut tap: BoxTap = rx.tap().expect("a queue in memory has taps");
    assert!(tx.try_send(1).is_ok());
    sleep(SECOND).await;
    let told = Tapped::Item { item: 1, attempt: 1, headers: Headers::default(), waited: Some(SECOND) };
    assert_eq!(take(&mut tap), Poll::Ready(told));
}

#[test]
fn what_is_in_hand_is_done_when_the_next_is_asked_for() {
    let (tx, rx) = bounded(10);
    let mut tap = tap(&rx);
    let counts = || {
        let stats = tx.stats();
        (stats.completed, stats.failed, stats.held)
    };
    (0..5).for_each(|item| assert!(tx.try_send(item).is_ok()));
    assert_eq!((take(&mut tap), counts()), (first(0), (0, 0, 5)));
    assert_eq!((take(&mut tap), counts()), (first(1), (1, 0, 4)));
    tap.empty(false);
    assert_eq!(counts(), (1, 1, 3));
    tap.empty(false);
    assert_eq!(counts(), (1, 1, 3), "it ends once");
    assert_eq!((take(&mut tap), take(&mut tap)), (first(2), first(3)));
    assert_eq!(take_with(&mut tap, Waker::noop(), false), Poll::Ready(Tapped::Shut));
    assert_eq!(counts(), (3, 1, 1), "done although nothing was taken in its place");
    assert_eq!((take(&mut tap), take(&mut tap)), (first(4), Poll::Pending));
    assert_eq!(counts(), (4, 1, 0));
    assert!(tx.try_send(5).is_ok());
    assert_eq!(take(&mut tap), first(5));
    drop(tap);
    assert_eq!(counts(), (5, 1, 0));
}

#[test]
fn a_shut_tap_takes_nothing_and_passes_its_call_on() {
    let (tx, rx) = bounded(10);
    let (mut one, mut other) = (tap(&rx), tap(&rx));
    let (waker, second) = (CountingWaker::new(), CountingWaker::new());
    assert!(take_with(&mut one, &waker.waker(), true).is_pending());
    assert!(take_with(&mut other, &second.waker(), true).is_pending());
    assert!(tx.try_send(1).is_ok());
    assert_eq!((waker.wakes(), second.wakes()), (1, 0));
    assert_eq!(take_with(&mut one, &waker.waker(), false), Poll::Ready(Tapped::Shut));
    assert_eq!(second.wakes(), 1);
    assert_eq!(take(&mut other), first(1));
    // Nor where nobody waits.
    assert!(tx.try_send(2).is_ok());
    assert_eq!(take_with(&mut one, &waker.waker(), false), Poll::Ready(Tapped::Shut));
    assert_eq!(take(&mut one), first(2));
    // Nor with something in hand, which is done all the same.
    assert!(tx.try_send(3).is_ok());
    assert_eq!(take_with(&mut one, &waker.waker(), false), Poll::Ready(Tapped::Shut));
    assert_eq!((tx.stats().completed, tx.stats().held), (1, 2));
    assert_eq!(take(&mut one), first(3));
}

#[test]
fn who_steps_back_passes_its_call_on() {
    let (tx, rx) = bounded(10);
    let (mut one, mut other) = (tap(&rx), tap(&rx));
    let second = CountingWaker::new();
    assert!(take(&mut one).is_pending());
    assert!(take_with(&mut other, &second.waker(), true).is_pending());
    assert!(tx.try_send(1).is_ok());
    assert_eq!((one.waiting(), second.wakes()), (1, 0));
    one.step_back();
    assert_eq!(second.wakes(), 1);
    assert_eq!(take(&mut other), first(1));
}

#[test]
fn the_end_waits_for_what_is_in_hand() {
    let (tx, rx) = bounded(10);
    let (mut one, mut other) = (tap(&rx), tap(&rx));
    assert!(tx.try_send(1).is_ok());
    drop(tx);
    assert_eq!(take(&mut one), first(1));
    let told = CountingWaker::new();
    assert!(take_with(&mut other, &told.waker(), true).is_pending());
    one.empty(true);
    assert_eq!(told.wakes(), 1);
    assert_eq!((take(&mut one), take(&mut other)), (Poll::Ready(Tapped::Ended), Poll::Ready(Tapped::Ended)));
}

#[test]
fn a_sender_at_a_rendezvous_is_done_when_a_tap_has_taken() {
    let (tx, rx) = bounded(0);
    let mut tap = tap(&rx);
    let mut send = Driver::new(tx.send(7));
    send.assert_pending();
    let taken = Tapped::Item { item: 7, attempt: 1, headers: Headers::default(), waited: None };
    assert_eq!(take(&mut tap), Poll::Ready(taken));
    assert!(send.assert_ready().is_ok());
}

/// A full queue, and senders that wait for room.
struct Crowded<F> {
    tx: Sender<u32>,
    rx: Receiver<u32>,
    tap: BoxTap,
    sends: Vec<Driver<F>>,
}

fn crowded(capacity: u32, waiting: u32) -> Crowded<impl Future<Output = bool>> {
    let (tx, rx) = bounded(capacity as usize);
    (0..capacity).for_each(|item| assert!(tx.try_send(item).is_ok()));
    let send = |item| {
        let tx = tx.clone();
        Driver::new(async move { tx.send(item).await.is_ok() })
    };
    let mut sends: Vec<_> = (capacity..capacity + waiting).map(send).collect();
    sends.iter_mut().for_each(Driver::assert_pending);
    Crowded { tap: tap(&rx), tx, rx, sends }
}

impl<F: Future<Output = bool>> Crowded<F> {
    /// How often each of those who wait was woken, after this item was taken.
    fn woken_after(&mut self, item: u32) -> Vec<usize> {
        assert_eq!(take(&mut self.tap), first(item));
        self.woken()
    }

    fn woken(&self) -> Vec<usize> {
        self.sends.iter().map(Driver::wakes).collect()
    }
}

#[test]
fn while_much_is_there_those_who_get_room_are_woken_together() {
    let mut queue = crowded(100, 3);
    (0..50).for_each(|item| assert_eq!(queue.woken_after(item), [0; 3]));
    assert_eq!(queue.woken_after(50), [1; 3], "half of what was there has been taken");
    queue.tap.wake_senders();
    assert_eq!(queue.woken(), [1; 3], "once");

    let mut queue = crowded(1000, 3);
    (0..=64).for_each(|item| assert_eq!(queue.woken_after(item), [0; 3]));
    assert_eq!(queue.woken_after(65), [1; 3], "or 64 more");
}

#[test]
fn while_much_is_there_who_waits_alone_is_woken_for_many_places_at_once() {
    let mut queue = crowded(100, 1);
    (0..50).for_each(|item| assert_eq!(queue.woken_after(item), [0]));
    assert_eq!(queue.woken_after(50), [1]);
}

#[test]
fn who_gets_room_is_woken_at_once_where_little_is_there() {
    let mut queue = crowded(16, 3);
    assert_eq!(queue.woken_after(0), [1, 0, 0]);
    assert_eq!(queue.woken_after(1), [1, 1, 0]);
    assert_eq!(crowded(16, 1).woken_after(0), [1]);
}

#[test]
fn who_gets_room_is_woken_when_the_tap_is_told_to_or_goes() {
    let mut queue = crowded(100, 4);
    assert_eq!(queue.woken_after(0), [0; 4]);
    assert_eq!(queue.woken_after(1), [0; 4]);
    queue.tap.wake_senders();
    assert_eq!(queue.woken(), [1, 1, 0, 0]);
    assert_eq!(queue.woken_after(2), [1, 1, 0, 0]);
    queue.tap = tap(&queue.rx);
    assert_eq!(queue.woken(), [1, 1, 1, 0]);
    assert_eq!(queue.woken_after(3), [1, 1, 1, 0]);
    queue.tap.wake_senders();
    assert_eq!(queue.woken(), [1; 4], "nobody else waits");
}

#[test]
fn who_gets_room_is_woken_when_anybody_else_comes() {
    let mut queue = crowded(100, 3);
    assert_eq!(queue.woken_after(0), [0; 3]);
    assert_eq!((queue.rx.try_recv(), queue.woken()), (Ok(1), vec![1, 1, 0]));

    let mut queue = crowded(100, 2);
    (0..5).for_each(|item| assert_eq!(queue.woken_after(item), [0; 2]));
    assert!(queue.tx.try_send(0).is_ok(), "there is room for it too");
    assert_eq!(queue.woken(), [1; 2]);

    let mut queue = crowded(100, 3);
    assert_eq!(queue.woken_after(0), [0; 3]);
    queue.tx.close();
    assert_eq!(queue.woken(), [1; 3]);
}

/// Who has looked after shutting may rely on it, whatever the other thread was doing.
#[test]
fn after_a_look_nothing_is_taken_through_what_was_shut_before() {
    for _ in 0..200 {
        let (tx, rx) = builder().unbounded().build();
        (0..100).for_each(|item| assert!(tx.try_send(item).is_ok()));
        let (mut taking, looking) = (tap(&rx), tap(&rx));
        let open = Arc::new(AtomicBool::new(true));
        let gate = Arc::clone(&open);
        let taker = std::thread::spawn(move || {
            let mut cx = Context::from_waker(Waker::noop());
            while matches!(taking.poll_take(&mut cx, &gate), Poll::Ready(Tapped::Plain(_))) {}
        });
        open.store(false, Ordering::Relaxed);
        let left = looking.waiting();
        taker.join().expect("it does not panic");
        assert_eq!(looking.waiting(), left);
    }
}

/// Who may not take an item that is there waits for none, and still is to hear of the end.
#[test]
fn who_finds_its_tap_shut_is_woken_at_the_end() {
    let (tx, mut rx) = bounded(10);
    let mut tap = tap(&rx);
    let told = CountingWaker::new();
    let mut look = || take_with(&mut tap, &told.waker(), false);
    assert!(tx.try_send(1).is_ok());
    assert_eq!((look(), look()), (Poll::Ready(Tapped::Shut), Poll::Ready(Tapped::Shut)));
    assert!(tx.try_send(2).is_ok());
    assert_eq!((rx.try_recv(), told.wakes()), (Ok(1), 0));
    drop(tx);
    assert_eq!(look(), Poll::Ready(Tapped::Shut));
    let before = told.wakes();
    assert_eq!((rx.try_recv(), told.wakes()), (Ok(2), before + 1));
    assert_eq!(look(), Poll::Ready(Tapped::Ended));
}

/// Nobody else may be there to find that the last items have expired.
#[tokio::test(start_paused = true)]
async fn who_finds_its_tap_shut_hears_of_an_end_by_expiry() {
    for closed_first in [false, true] {
        let (tx, rx) = bounded(10);
        tx.item(1).ttl(2 * SECOND).try_send().expect("there is room");
        tx.item(2).ttl(SECOND).try_send().expect("there is room");
        ends_by_expiry(tap(&rx), || drop(tx), closed_first).await;

        let (tx, rx) = builder().capacity(10).line(ranked::by(|item| Ok(*item as u8))).build();
        tx.item(1).ttl(2 * SECOND).try_send().expect("there is room");
        tx.item(2).ttl(SECOND).try_send().expect("there is room");
        ends_by_expiry(rx.tap().expect("it has taps"), || drop(tx), closed_first).await;
    }
}

async fn ends_by_expiry(mut tap: BoxTap, close: impl FnOnce(), closed_first: bool) {
    let began = Instant::now();
    let shut = AtomicBool::new(false);
    let mut ended = Box::pin(poll_fn(|cx| match tap.poll_take(cx, &shut) {
        Poll::Ready(Tapped::Shut) => Poll::Pending,
        polled => polled,
    }));
    if closed_first {
        close();
        assert!(timeout(SECOND / 2, &mut ended).await.is_err());
    } else {
        assert!(timeout(SECOND / 2, &mut ended).await.is_err());
        close();
    }
    assert_eq!(timeout(10 * SECOND, ended).await.ok(), Some(Tapped::Ended));
    assert_eq!(began.elapsed().as_secs(), 2);
}

/// What expires may come to the front, or come back, only after the last look.
#[tokio::test(start_paused = true)]
async fn who_finds_its_tap_shut_hears_of_an_end_by_expiry_of_what_came_to_the_front() {
    let began = Instant::now();
    let (tx, mut rx) = bounded(10);
    tx.try_send(1).expect("there is room");
    tx.item(2).ttl(2 * SECOND).try_send().expect("there is room");
    drop(tx);
    let ended = tokio::spawn(end_of(tap(&rx)));
    sleep(SECOND).await;
    assert_eq!(rx.try_recv(), Ok(1));
    let ended = timeout(10 * SECOND, ended).await.expect("it is woken");
    assert_eq!(ended.expect("it does not panic"), Tapped::Ended);
    assert_eq!(began.elapsed(), 2 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn who_finds_its_tap_shut_hears_of_an_end_by_expiry_of_what_came_back() {
    // Before it has expired, afterwards, and put off until both.
    for (after, delay, end) in [(1, 0, 3), (4, 0, 4), (1, 1, 3), (1, 4, 5)] {
        let began = Instant::now();
        let (tx, mut rx) = bounded(10);
        tx.item(1).ttl(3 * SECOND).try_send().expect("there is room");
        let delivery = next(&mut rx).await;
        tx.try_send(2).expect("there is room");
        drop(tx);
        let ended = tokio::spawn(end_of(tap(&rx)));
        sleep(after * SECOND).await;
        assert_eq!(rx.try_recv(), Ok(2));
        delivery.nack(delay * SECOND);
        let ended = timeout(10 * SECOND, ended).await;
        let ended = ended.unwrap_or_else(|_| panic!("not woken, {after} {delay}"));
        assert_eq!(ended.expect("it does not panic"), Tapped::Ended);
        assert_eq!(began.elapsed(), end * SECOND);
    }
}

async fn next(rx: &mut Receiver<u32>) -> Delivery<u32> {
    let mut deliveries = Vec::new();
    poll_fn(|cx| rx.poll_next(cx, NonZeroUsize::MIN, &mut deliveries)).await.expect("it does not fail");
    deliveries.remove(0)
}

/// Takes nothing, and waits for the end.
async fn end_of(mut tap: BoxTap) -> Tapped<u32> {
    let shut = AtomicBool::new(false);
    poll_fn(|cx| match tap.poll_take(cx, &shut) {
        Poll::Ready(Tapped::Shut) => Poll::Pending,
        polled => polled,
    })
    .await
}

#[test]
fn who_steps_back_or_goes_is_not_woken_at_the_end() {
    let (tx, mut rx) = bounded(10);
    let (mut back, mut gone) = (tap(&rx), tap(&rx));
    let told = CountingWaker::new();
    assert!(tx.try_send(1).is_ok());
    for tap in [&mut back, &mut gone] {
        assert_eq!(take_with(tap, &told.waker(), false), Poll::Ready(Tapped::Shut));
    }
    back.step_back();
    drop(gone);
    rx.close();
    assert_eq!((rx.try_recv(), told.wakes()), (Ok(1), 0));
}

fn none_waiting(tap: &mut BoxTap, told: &Arc<CountingWaker>) -> bool {
    tap.poll_none_waiting(&mut Context::from_waker(&told.waker())).is_ready()
}

/// It takes nothing, and is called for nothing.
#[tokio::test]
async fn who_waits_until_nothing_waits_is_woken_when_others_took_it() {
    let (tx, mut rx) = bounded(10);
    let (mut looking, mut taking) = (tap(&rx), tap(&rx));
    let told = CountingWaker::new();
    assert!(none_waiting(&mut looking, &told));
    // By value, by a tap that goes on, all at once, and as a delivery; what is taken first is not the last.
    for way in 0..4 {
        (0..4).for_each(|item| assert!(tx.try_send(item).is_ok()));
        assert!(!none_waiting(&mut looking, &told) && !none_waiting(&mut looking, &told));
        for left in (0..4).rev() {
            assert_eq!(told.wakes(), way, "{left} left too many");
            match way {
                0 => assert!(rx.try_recv().is_ok()),
                1 => assert!(matches!(take(&mut taking), Poll::Ready(Tapped::Plain(_)))),
                2 if left > 0 => {}
                2 => assert_eq!(rx.recv_many(&mut Vec::new(), 10).await, 4),
                _ => next(&mut rx).await.ack(),
            }
        }
        assert_eq!(told.wakes(), way + 1);
        assert!(none_waiting(&mut looking, &told));
    }
    // Nobody waits any more.
    assert!(tx.try_send(1).is_ok());
    assert_eq!((rx.try_recv(), told.wakes()), (Ok(1), 4));
}

#[test]
fn who_steps_back_or_goes_is_not_woken_when_nothing_waits() {
    let (tx, mut rx) = bounded(10);
    let (mut back, mut gone) = (tap(&rx), tap(&rx));
    let told = CountingWaker::new();
    assert!(tx.try_send(1).is_ok());
    for tap in [&mut back, &mut gone] {
        assert!(!none_waiting(tap, &told));
    }
    back.step_back();
    drop(gone);
    assert_eq!((rx.try_recv(), told.wakes()), (Ok(1), 0));
}

/// The queue is open, and nobody comes to find that its items have expired.
#[tokio::test(start_paused = true)]
async fn who_waits_until_nothing_waits_hears_of_it_by_expiry() {
    let (tx, rx) = bounded(10);
    tx.item(1).ttl(2 * SECOND).try_send().expect("there is room");
    tx.item(2).ttl(SECOND).try_send().expect("there is room");
    nothing_waits_after(2, tap(&rx)).await;

    let (tx, rx) = builder().capacity(10).line(ranked::by(|item| Ok(*item as u8))).build();
    tx.item(1).ttl(2 * SECOND).try_send().expect("there is room");
    tx.item(2).ttl(SECOND).try_send().expect("there is room");
    nothing_waits_after(2, rx.tap().expect("it has taps")).await;

    // What expires comes to the front, or comes in, after the first look.
    let (tx, mut rx) = bounded(10);
    tx.try_send(1).expect("there is room");
    tx.item(2).ttl(3 * SECOND).try_send().expect("there is room");
    let nothing = tokio::spawn(nothing_waits_after(3, tap(&rx)));
    sleep(SECOND).await;
    assert_eq!(rx.try_recv(), Ok(1));
    nothing.await.expect("it is woken in time");

    let (tx, rx) = builder().capacity(10).line(ranked::by(|item| Ok(*item as u8))).build();
    tx.item(1).ttl(3 * SECOND).try_send().expect("there is room");
    let nothing = tokio::spawn(nothing_waits_after(3, rx.tap().expect("it has taps")));
    sleep(SECOND).await;
    tx.item(2).ttl(SECOND).try_send().expect("there is room");
    nothing.await.expect("it is woken in time");
    assert_eq!(tx.stats().expired, 2);
}

async fn nothing_waits_after(seconds: u32, mut tap: BoxTap) {
    let began = Instant::now();
    let nothing = poll_fn(|cx| tap.poll_none_waiting(cx));
    timeout(10 * SECOND, nothing).await.expect("it is woken");
    assert_eq!(began.elapsed(), seconds * SECOND);
}

/// Who asks for no item hears that nothing new will come, whatever is there.
#[test]
fn who_waits_for_the_closing_alone_is_woken_then() {
    let (tx, mut rx) = bounded(10);
    let told = CountingWaker::new();
    let waker = told.waker();
    let mut cx = Context::from_waker(&waker);
    assert!(tx.try_send(1).is_ok());
    assert!(rx.poll_closed(&mut cx).is_pending() && rx.poll_closed(&mut cx).is_pending());
    assert!(tx.try_send(2).is_ok());
    assert_eq!((rx.try_recv(), told.wakes()), (Ok(1), 0));
    drop(tx);
    assert_eq!((rx.poll_closed(&mut cx), told.wakes()), (Poll::Ready(()), 1));
}

/// First come, first served, but the first time that 13 is next, it panics.
#[derive(Debug, Clone, Default)]
struct Superstitious {
    ids: VecDeque<(u8, u32)>,
    has_panicked: bool,
}

impl Discipline for Superstitious {
    type Rank = u8;
    type Shelf<P: Send> = ById<P, Self>;

    fn insert(&mut self, entry: Entry<u8>) {
        self.ids.push_back((entry.rank, entry.id));
    }

    fn next(&mut self, _: Tick) -> Option<u32> {
        let &(rank, id) = self.ids.front()?;
        assert!(rank != 13 || mem::replace(&mut self.has_panicked, true), "nobody is the 13th");
        self.ids.pop_front();
        Some(id)
    }

    fn put_back(&mut self, entry: Entry<u8>) {
        self.ids.push_front((entry.rank, entry.id));
    }

    fn remove(&mut self, entry: Entry<u8>) -> bool {
        let before = self.ids.len();
        self.ids.retain(|(_, id)| *id != entry.id);
        self.ids.len() < before
    }

    fn last(&self) -> Option<u32> {
        self.ids.back().map(|(_, id)| *id)
    }
}

#[test]
fn nothing_is_in_hand_after_a_panic_of_the_discipline() {
    // One of which more is known, its weight, is taken in another way than a plain one.
    let cases = [(0, false), (1, true), (1, false)].into_iter().flat_map(|case| [(case, 1), (case, 2)]);
    for ((before, lets_go), weight) in cases {
        let line = By::new(Superstitious::default(), |item: &u32| Ok(*item as u8));
        let (tx, rx) = builder().capacity(10).line(line).build();
        let mut tap: BoxTap = rx.tap().expect("a queue in memory has taps");
        (0..before).for_each(|item| assert!(tx.try_send(item).is_ok()));
        (0..before).for_each(|item| assert_eq!(take(&mut tap), first(item)));
        if lets_go {
            tap.empty(true);
        }
        assert!(tx.item(13).weight(weight).try_send().is_ok());
        let taken = catch_unwind(AssertUnwindSafe(|| take(&mut tap)));
        assert!(taken.is_err(), "the discipline panicked");
        tap.empty(true);
        assert_eq!((tx.stats().held, tx.stats().completed), (1, before.into()));
        assert!(matches!(take(&mut tap), Poll::Ready(Tapped::Plain(13) | Tapped::Item { item: 13, .. })));
        tap.empty(true);
        assert_eq!((tx.stats().held, tx.stats().completed), (0, u64::from(before) + 1));
        drop(tx);
        assert_eq!(take(&mut tap), Poll::Ready(Tapped::Ended));
    }
}
