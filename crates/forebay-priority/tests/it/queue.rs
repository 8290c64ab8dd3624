//! A queue that is served by a discipline: its contracts hold under each, and senders can say what they send.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use forebay_priority::{
    Aging, Class, Classes, Deadline, Discipline, FairByKey, Key, Lifo, Missed, Nested, Share, Strict, Tenant,
    UnknownClass, WeightedFair, Within,
};
use forebay_queue::{
    By, Delivery, Receiver, RetuneError, SendError, SendManyError, Sender, Sent, Source, Stats, Tapped,
    Ticket, TryRecvError, TrySendError, Visitor, WhenFull, builder,
};
use forebay_testkit::Driver;
use proptest::prelude::*;

/// One step; the number chooses among those who wait or among the items in hand.
#[derive(Debug, Clone, Copy)]
enum Op {
    TrySend(u32),
    Track(u32),
    Cancel(usize),
    Rerank(usize, u32),
    Send(u32),
    PollSend(usize),
    DropSend(usize),
    TryRecv,
    Recv,
    PollRecv(usize),
    DropRecv(usize),
    Take,
    Ack(usize),
    Nack(usize),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        3 => any::<u32>().prop_map(Op::TrySend),
        3 => any::<u32>().prop_map(Op::Track),
        1 => any::<usize>().prop_map(Op::Cancel),
        1 => (any::<usize>(), any::<u32>()).prop_map(|(at, rank)| Op::Rerank(at, rank)),
        6 => any::<u32>().prop_map(Op::Send),
        4 => any::<usize>().prop_map(Op::PollSend),
        2 => any::<usize>().prop_map(Op::DropSend),
        3 => Just(Op::TryRecv),
        5 => Just(Op::Recv),
        4 => any::<usize>().prop_map(Op::PollRecv),
        2 => any::<usize>().prop_map(Op::DropRecv),
        3 => Just(Op::Take),
        2 => any::<usize>().prop_map(Op::Ack),
        2 => any::<usize>().prop_map(Op::Nack),
    ];
    proptest::collection::vec(op, 1..120)
}

/// An item that cannot be copied by mistake, and what its rank is made of.
#[derive(Debug, PartialEq)]
struct Item(u32, u32);

type Line<D> = By<D, Box<dyn Fn(&Item) -> Result<<D as Discipline>::Rank, UnknownClass> + Send + Sync>>;
type Sending = Driver<Pin<Box<dyn Future<Output = Result<Sent<Item>, SendError<Item>>>>>>;
type Receiving = Driver<Pin<Box<dyn Future<Output = Option<Item>>>>>;

struct Run<D: Discipline + Clone + 'static> {
    tx: Sender<Item, Line<D>>,
    rx: Receiver<Item, Line<D>>,
    rank: fn(u32) -> D::Rank,
    /// How often each item has ended, by its number.
    ended: BTreeMap<u32, u32>,
    sent: u32,
    sending: Vec<Sending>,
    receiving: Vec<Receiving>,
    hands: Vec<Delivery<Item>>,
    tickets: Vec<Ticket<Item, Line<D>>>,
}

impl<D: Discipline + Clone + 'static> Run<D> {
    fn new(discipline: D, rank: fn(u32) -> D::Rank, capacity: usize, when_full: WhenFull) -> Self {
        let classify = move |item: &Item| Ok(rank(item.1));
        let last = discipline.classes().last().cloned();
        let mut line: Line<D> = By::new(discipline, Box::new(classify));
        // Where there are classes, one has a bound of its own.
        if let Some(class) = last {
            line = line.class_capacity(&class, 2).expect("it is one of them");
        }
        let (tx, rx) = builder().capacity(capacity).when_full(when_full).line(line).build();
        Self {
            tx,
            rx,
            rank,
            ended: BTreeMap::new(),
            sent: 0,
            sending: Vec::new(),
            receiving: Vec::new(),
            hands: Vec::new(),
            tickets: Vec::new(),
        }
    }

    fn item(&mut self, rank: u32) -> Item {
        self.sent += 1;
        Item(self.sent, rank)
    }

    fn end(&mut self, item: Item) {
        *self.ended.entry(item.0).or_default() += 1;
    }

    fn sent(&mut self, sent: Result<Sent<Item>, Item>) {
        match sent {
            Ok(sent) => sent.displaced().for_each(|item| self.end(item)),
            Err(item) => self.end(item),
        }
    }

    fn step(&mut self, op: Op) {
        match op {
            Op::TrySend(rank) => {
                let item = self.item(rank);
                let sent = self.tx.try_send(item).map_err(|refused| refused.into_inner());
                self.sent(sent);
            }
            Op::Track(rank) => {
                let item = self.item(rank);
                match self.tx.item(item).tracked().try_send() {
                    Ok(ticket) => self.tickets.push(ticket),
                    Err(refused) => self.end(refused.into_inner()),
                }
            }
            Op::Cancel(at) if !self.tickets.is_empty() => {
                let at = at % self.tickets.len();
                if let Some(item) = self.tickets.swap_remove(at).cancel() {
                    self.end(item);
                }
            }
            Op::Rerank(at, rank) if !self.tickets.is_empty() => {
                let at = at % self.tickets.len();
                self.tickets[at].rerank((self.rank)(rank));
            }
            Op::Send(rank) => {
                let item = self.item(rank);
                let tx = self.tx.clone();
                let mut sending: Sending = Driver::new(Box::pin(async move { tx.send(item).await }));
                match sending.poll() {
                    Poll::Ready(sent) => self.sent(sent.map_err(SendError::into_inner)),
                    Poll::Pending => self.sending.push(sending),
                }
            }
            Op::PollSend(at) if !self.sending.is_empty() => {
                let at = at % self.sending.len();
                if let Poll::Ready(sent) = self.sending[at].poll() {
                    drop(self.sending.remove(at));
                    self.sent(sent.map_err(SendError::into_inner));
                }
            }
            Op::DropSend(at) if !self.sending.is_empty() => {
                let at = at % self.sending.len();
                drop(self.sending.remove(at));
            }
            Op::TryRecv => match self.rx.try_recv() {
                Ok(item) => self.end(item),
                Err(error) => assert_eq!(error, TryRecvError::Empty),
            },
            Op::Recv => {
                let mut rx = self.rx.clone();
                let mut receiving: Receiving = Driver::new(Box::pin(async move { rx.recv().await }));
                match receiving.poll() {
                    Poll::Ready(item) => self.end(item.expect("open")),
                    Poll::Pending => self.receiving.push(receiving),
                }
            }
            Op::PollRecv(at) if !self.receiving.is_empty() => {
                let at = at % self.receiving.len();
                if let Poll::Ready(item) = self.receiving[at].poll() {
                    drop(self.receiving.remove(at));
                    self.end(item.expect("open"));
                }
            }
            Op::DropRecv(at) if !self.receiving.is_empty() => {
                let at = at % self.receiving.len();
                drop(self.receiving.remove(at));
            }
            Op::Take => {
                let mut cx = Context::from_waker(Waker::noop());
                let _ = self.rx.poll_next(&mut cx, NonZeroUsize::MIN, &mut self.hands);
            }
            Op::Ack(at) if !self.hands.is_empty() => {
                let mut delivery = self.hands.swap_remove(at % self.hands.len());
                let item = delivery.take().expect("it is there");
                delivery.ack();
                self.end(item);
            }
            Op::Nack(at) if !self.hands.is_empty() => {
                self.hands.swap_remove(at % self.hands.len()).nack(Duration::ZERO);
            }
            _ => {}
        }
        let stats = self.tx.stats();
        let ended = stats.completed + stats.failed + stats.dropped + stats.returned + stats.dead_lettered;
        assert_eq!(stats.accepted, ended + stats.held as u64, "{stats:?}");
        let classes = self.tx.class_stats();
        assert_eq!(classes.iter().map(|class| class.waiting).sum::<usize>(), self.tx.len());
        assert!(self.ended.values().all(|times| *times == 1), "an item ended twice");
    }

    /// Whoever waits goes on, and what was sent and is not lost with its sender comes out.
    fn finish(mut self) {
        self.hands.drain(..).for_each(|delivery| delivery.nack(Duration::ZERO));
        self.sending.clear();
        self.receiving.clear();
        while let Ok(item) = self.rx.try_recv() {
            self.end(item);
        }
        assert!(self.rx.is_empty());
        assert!(self.ended.values().all(|times| *times == 1));
        assert_eq!(self.tx.stats().held, 0);
    }
}

fn play<D: Discipline + Clone + 'static>(
    discipline: D,
    rank: fn(u32) -> D::Rank,
    ops: &[Op],
    capacity: usize,
    drops: bool,
) {
    let when_full = if drops { WhenFull::DropYoungest } else { WhenFull::Wait };
    let mut run = Run::new(discipline, rank, capacity, when_full);
    ops.iter().for_each(|op| run.step(*op));
    run.finish();
}

fn class(n: u32) -> Class {
    Class::new((n % 3) as u16)
}

fn tenant(n: u32) -> Tenant {
    Tenant::of(Key::of(&(n % 5))).cost(n / 7 % 4).weight(1 + n % 2)
}

proptest! {
    #[test]
    fn contracts_of_the_queue_hold_under_each_discipline(ops in ops(), capacity in 0_usize..4, drops: bool) {
        let drops = drops && capacity > 0;
        let shares = [("a", 1), ("b", 2), ("c", 4)];
        play(Strict::levels().promote_after(3).expect("not 0"), class, &ops, capacity, drops);
        play(
            WeightedFair::new(shares).expect("in range"),
            |n| Share::new(class(n), n / 3 % 6),
            &ops,
            capacity,
            drops,
        );
        play(FairByKey::new(), tenant, &ops, capacity, drops);
        play(Nested::new(Classes::levels(), FairByKey::new()), |n| (class(n), tenant(n / 3)), &ops, capacity, drops);
        play(Aging::by_arrivals(Classes::levels(), 3).expect("not 0"), class, &ops, capacity, drops);
        play(Aging::by_time(Classes::levels(), Duration::from_nanos(900)), class, &ops, capacity, drops);
        for missed in [Missed::First, Missed::Last, Missed::GiveUp] {
            let deadline = Deadline::new(Duration::from_micros(5)).missed(missed);
            play(deadline, |n| Within::of(Duration::from_nanos(u64::from(n % 20_000))), &ops, capacity, drops);
        }
        play(Lifo::new(), |_| (), &ops, capacity, drops);
    }
}

fn levels(capacity: usize, when_full: WhenFull) -> (Sender<u32, LevelLine>, Receiver<u32, LevelLine>) {
    builder().capacity(capacity).when_full(when_full).line(By::label(Strict::levels())).build()
}

type LevelLine = By<Strict, forebay_queue::Unclassified<u32, Strict>>;

fn drain<D: Discipline + Clone>(
    rx: &mut Receiver<u32, By<D, forebay_queue::Unclassified<u32, D>>>,
) -> Vec<u32>
where
    D::Rank: Default,
{
    std::iter::from_fn(|| rx.try_recv().ok()).collect()
}

#[test]
fn item_without_a_class_is_of_the_default_one() {
    let (tx, mut rx) = levels(10, WhenFull::Wait);
    tx.item(3).class("low").try_send().expect("there is room");
    tx.try_send(2).expect("there is room");
    tx.item(1).class("high").try_send().expect("there is room");
    let waiting: Vec<_> = tx.class_stats().into_iter().map(|class| (class.class, class.waiting)).collect();
    assert_eq!(waiting, [("high".to_owned(), 1), ("medium".to_owned(), 1), ("low".to_owned(), 1)]);
    assert_eq!(drain(&mut rx), [1, 2, 3]);
}

#[test]
fn unknown_class_is_refused_with_those_that_are_known() {
    let (tx, rx) = levels(10, WhenFull::Wait);
    let refused = Driver::new(tx.item(7).class("urgent").send()).assert_ready().expect_err("no such class");
    assert_eq!(refused.to_string(), "unknown class \"urgent\", known are: high, medium, low");
    assert_eq!((refused.into_inner(), rx.len()), (7, 0));
}

#[test]
fn senders_that_wait_are_served_by_class() {
    let (tx, mut rx) = levels(1, WhenFull::Wait);
    tx.try_send(0).expect("there is room");
    let mut low = Driver::new(tx.item(3).class("low").send());
    let mut medium = Driver::new(tx.item(2).send());
    let mut high = Driver::new(tx.item(1).class("high").send());
    low.assert_pending();
    medium.assert_pending();
    high.assert_pending();
    let mut order = Vec::new();
    while let Ok(item) = rx.try_recv() {
        order.push(item);
        for sending in [&mut low, &mut medium, &mut high] {
            if sending.is_woken() {
                assert!(sending.assert_ready().is_ok());
                break;
            }
        }
    }
    assert_eq!(order, [0, 1, 2, 3]);
}

#[test]
fn waiting_item_changes_its_class_by_name() {
    let (tx, mut rx) = levels(10, WhenFull::Wait);
    let ticket = tx.item(1).class("low").tracked().try_send().expect("there is room");
    tx.try_send(2).expect("there is room");
    assert_eq!(ticket.reclass("high"), Ok(true));
    assert!(ticket.reclass("urgent").is_err());
    assert_eq!(tx.class_stats()[0].waiting, 1);
    assert_eq!(drain(&mut rx), [1, 2]);
    assert_eq!(ticket.reclass("low"), Ok(false));
}

#[test]
fn full_queue_gives_up_the_youngest_of_the_least_urgent() {
    let (tx, mut rx) = levels(3, WhenFull::DropYoungest);
    for (item, class) in [(1, "low"), (2, "high"), (3, "low")] {
        tx.item(item).class(class).try_send().expect("there is room");
    }
    assert_eq!(tx.item(4).class("high").try_send(), Ok(Sent::Displaced(3)));
    assert_eq!(tx.item(5).class("low").try_send(), Ok(Sent::Displaced(5)));
    let stats = tx.class_stats();
    assert_eq!((stats[2].displaced, stats[2].waiting, stats[0].displaced), (2, 1, 0));
    assert_eq!(drain(&mut rx), [2, 4, 1]);
    let stats = tx.class_stats();
    assert_eq!([stats[0].served, stats[1].served, stats[2].served], [2, 0, 1]);
}

#[test]
fn who_goes_for_a_newcomer_was_not_served() {
    let (tx, mut rx) = levels(2, WhenFull::DropOldest);
    for (item, class) in [(1, "high"), (2, "low")] {
        tx.item(item).class(class).try_send().expect("there is room");
    }
    assert_eq!(tx.item(3).class("high").try_send(), Ok(Sent::Displaced(1)));
    assert_eq!(drain(&mut rx), [3, 2]);
    let stats = tx.class_stats();
    assert_eq!((stats[0].served, stats[0].displaced, stats[2].served), (1, 1, 1));
}

#[test]
fn what_nobody_is_left_to_receive_was_not_served() {
    let (tx, mut rx) = levels(10, WhenFull::Wait);
    for (item, class) in [(1, "low"), (2, "low"), (3, "high")] {
        tx.item(item).class(class).try_send().expect("there is room");
    }
    assert_eq!(rx.try_recv(), Ok(3));
    drop(rx);
    let served: Vec<_> = tx.class_stats().iter().map(|class| class.served).collect();
    assert_eq!((served, tx.stats().returned), (vec![1, 0, 0], 2));
}

#[test]
fn promoted_ones_are_counted() {
    let line = By::label(Strict::levels().promote_after(2).expect("not 0"));
    let (tx, mut rx) = builder().line(line).build();
    tx.item(9).class("low").try_send().expect("there is room");
    (0..4).for_each(|item| drop(tx.item(item).class("high").try_send()));
    assert_eq!(drain(&mut rx), [0, 1, 9, 2, 3]);
    assert_eq!(tx.class_stats()[2].promoted, 1);
}

#[test]
fn weight_of_an_item_is_its_cost() {
    let line =
        By::label(WeightedFair::new([("a", 1), ("b", 1)]).expect("in range").quantum(10).expect("not 0"));
    let (tx, mut rx) = builder().line(line).build();
    for n in 0..2 {
        tx.item(n).class("a").weight(10).try_send().expect("there is room");
    }
    for n in 10..16 {
        tx.item(n).class("b").weight(5).try_send().expect("there is room");
    }
    assert_eq!(drain(&mut rx), [0, 10, 11, 1, 12, 13, 14, 15]);
}

#[test]
fn weights_can_be_changed_while_items_wait() {
    let line = By::label(WeightedFair::new([("a", 1), ("b", 1)]).expect("in range"));
    let (tx, mut rx) = builder().line(line).build();
    for n in 0..6 {
        tx.item(n).class("a").try_send().expect("there is room");
        tx.item(10 + n).class("b").try_send().expect("there is room");
    }
    tx.retune(|shares| shares.set_weight("b", 2).expect("in range")).expect("the classes stay");
    let order: Vec<_> = drain(&mut rx);
    assert_eq!(order[..6], [0, 10, 11, 1, 12, 13]);
}

/// What waits is of the classes that there were.
#[test]
fn classes_of_a_discipline_in_use_cannot_be_changed() {
    let line = By::label(WeightedFair::new([("a", 1), ("b", 1)]).expect("in range"));
    let (tx, mut rx) = builder().capacity(2).line(line).build();
    for n in 0..2 {
        tx.item(n).class("b").try_send().expect("there is room");
    }
    let mut waiting = Driver::new(tx.item(2).class("b").send());
    waiting.assert_pending();
    for names in [&["a"][..], &["a", "b", "c"], &["b", "a"]] {
        let shares = names.iter().map(|name| (*name, 9));
        let refused = tx.retune(|line| *line = WeightedFair::new(shares.clone()).expect("in range"));
        assert_eq!(refused, Err(RetuneError::OtherClasses), "{names:?}");
    }
    // Nor does it change anything for the items alone.
    let mut calls = 0;
    let refused = tx.retune(|line| {
        calls += 1;
        if calls == 2 {
            *line = WeightedFair::new([("z", 1)]).expect("in range");
        } else {
            line.set_weight("a", 100).expect("in range");
        }
    });
    assert_eq!(refused, Err(RetuneError::OtherClasses));
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        tx.retune(|line| {
            line.set_weight("a", 100).expect("in range");
            panic!("a change may");
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(rx.try_recv(), Ok(0));
    assert!(waiting.assert_ready().is_ok());
    for n in 10..13 {
        tx.set_capacity(10).expect("no rendezvous is involved");
        tx.item(n).class("a").try_send().expect("there is room");
    }
    assert_eq!(drain(&mut rx), [10, 1, 11, 2, 12], "the weights are as they were");
}

/// What orders ids has them with it. Items that it did not know any more could not be taken, and senders waited for ever.
#[test]
fn discipline_in_use_cannot_be_replaced_by_one_that_knows_nobody() {
    let aging = |step| Aging::by_arrivals(Classes::levels(), step).expect("not 0");
    let (tx, mut rx) = builder().capacity(1).line(By::label(aging(1))).build();
    tx.retune(|line| *line = aging(2)).expect("nobody waits");
    tx.item(1).class("low").try_send().expect("there is room");
    assert_eq!(tx.retune(|line| *line = aging(3)), Err(RetuneError::Forgotten));
    let mut waiting = Driver::new(tx.item(2).class("low").send());
    waiting.assert_pending();
    assert_eq!(tx.retune(|line| *line = aging(3)), Err(RetuneError::Forgotten));
    assert_eq!(rx.try_recv(), Ok(1));
    assert!(waiting.assert_ready().is_ok());
    assert_eq!(rx.try_recv(), Ok(2));
}

/// Nobody looked at the clock before, and then it stood still.
#[tokio::test(start_paused = true)]
async fn time_counts_from_when_a_change_asks_for_it() {
    let (tx, mut rx) = builder().capacity(4).line(By::label(Strict::levels().promote_nobody())).build();
    tx.item(1).class("low").send().await.expect("there is room");
    tokio::time::advance(Duration::from_secs(9)).await;
    tx.retune(|line| *line = line.clone().promote_after_waiting(Duration::from_secs(5)))
        .expect("the classes stay");
    tx.item(2).class("low").send().await.expect("there is room");
    let mut late = Driver::new(tx.item(5).class("low").send());
    let mut urgent = Driver::new(tx.item(6).class("high").send());
    tokio::time::advance(Duration::from_secs(1)).await;
    for n in [3, 4] {
        tx.item(n).class("high").send().await.expect("there is room");
    }
    late.assert_pending();
    tokio::time::advance(Duration::from_secs(3)).await;
    urgent.assert_pending();
    assert_eq!(rx.try_recv(), Ok(3), "the others wait for 4 s since the change");
    assert!(urgent.is_woken() && !late.is_woken());
    urgent.assert_ready().expect("it has a place");
    let mut urgent = Driver::new(tx.item(7).class("high").send());
    urgent.assert_pending();
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(rx.try_recv(), Ok(1));
    assert!(late.is_woken() && !urgent.is_woken(), "so it is with those who wait for room");
    drop((late, urgent));
    assert_eq!(drain(&mut rx), [2, 4, 6]);
}

#[test]
fn returned_item_has_its_place_in_its_class() {
    let (tx, mut rx) = levels(10, WhenFull::Wait);
    for (item, class) in [(1, "low"), (2, "low"), (3, "low")] {
        tx.item(item).class(class).try_send().expect("there is room");
    }
    let mut hands = Vec::new();
    let mut cx = Context::from_waker(Waker::noop());
    let polled = rx.poll_next(&mut cx, NonZeroUsize::new(2).expect("not 0"), &mut hands);
    assert!(matches!(polled, Poll::Ready(Ok(2))));
    tx.item(4).class("high").try_send().expect("there is room");
    hands.into_iter().rev().for_each(|delivery| delivery.nack(Duration::ZERO));
    assert_eq!(drain(&mut rx), [4, 1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn item_that_cannot_meet_its_deadline_is_given_up() {
    let (told, mut heard) = forebay_queue::unbounded();
    let line = By::label(Deadline::new(Duration::from_secs(60)).missed(Missed::GiveUp));
    let (tx, mut rx) = builder().line(line).on_expired(move |item: u32| drop(told.try_send(item))).build();
    tx.item(1).rank(Within::of(Duration::from_secs(1))).send().await.expect("there is room");
    tx.send(2).await.expect("there is room");
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(rx.recv().await, Some(2));
    assert_eq!(heard.try_recv(), Ok(1));
    let stats = tx.stats();
    assert_eq!((stats.dropped, stats.expired, stats.held), (1, 1, 0));
    assert_eq!(tx.class_stats()[0].expired, 1);
}

/// Those that were known to be late stayed behind all others whatever was set afterwards, and were never given up.
#[tokio::test(start_paused = true)]
async fn what_becomes_of_late_items_can_be_changed_while_they_wait() {
    type Change = fn(Deadline) -> Deadline;
    let secs = |secs| Within::of(Duration::from_secs(secs));
    let changes: [(Change, &[u32]); 4] = [
        (|line| line, &[3, 4, 1]),
        (|line| line.missed(Missed::First), &[1, 3, 4]),
        (|line| line.missed(Missed::GiveUp), &[3, 4]),
        // It can be met after all.
        (|line| line.lead(Duration::ZERO), &[1, 3, 4]),
    ];
    for (change, left) in changes {
        let line = Deadline::new(Duration::from_secs(60)).missed(Missed::Last).lead(Duration::from_secs(5));
        let (tx, mut rx) = builder().line(By::label(line)).build();
        for (item, within) in [(1, 6), (2, 20), (3, 30), (4, 40)] {
            tx.item(item).rank(secs(within)).send().await.expect("there is room");
        }
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(rx.try_recv(), Ok(2));
        tx.retune(|line| *line = change(line.clone())).expect("there are no classes");
        assert_eq!(drain(&mut rx), left);
    }
}

#[tokio::test(start_paused = true)]
async fn item_is_given_up_where_only_a_later_class_does_so() {
    let mut nested = Nested::new(Classes::levels(), Deadline::new(Duration::from_secs(60)));
    *nested.inside("low").expect("a level") = Deadline::new(Duration::from_secs(1)).missed(Missed::GiveUp);
    let (tx, mut rx) = builder().line(By::label(nested)).build();
    tx.item(1).class("low").send().await.expect("there is room");
    tx.item(2).class("high").send().await.expect("there is room");
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(rx.recv().await, Some(2));
    assert_eq!((rx.try_recv().is_err(), tx.stats().expired), (true, 1));
}

/// Once the queue is closed, maybe nobody comes to take what is given up.
#[tokio::test(start_paused = true)]
async fn who_takes_nothing_hears_of_an_end_by_what_is_given_up() {
    let line = By::label(Deadline::new(Duration::from_secs(2)).missed(Missed::GiveUp));
    let (tx, rx) = builder().capacity(10).line(line).build();
    tx.try_send(1).expect("there is room");
    drop(tx);
    let mut tap = rx.tap().expect("it has taps");
    let (began, shut) = (tokio::time::Instant::now(), AtomicBool::new(false));
    let ended = poll_fn(|cx| match tap.poll_take(cx, &shut) {
        Poll::Ready(Tapped::Shut) => Poll::Pending,
        polled => polled,
    });
    assert_eq!(tokio::time::timeout(Duration::from_secs(10), ended).await, Ok(Tapped::Ended));
    assert_eq!(began.elapsed().as_secs(), 2);
}

#[test]
fn item_that_a_full_queue_refuses_counts_in_its_class() {
    let (tx, _rx) = levels(1, WhenFull::Refuse);
    tx.item(1).class("low").try_send().expect("there is room");
    assert!(tx.item(2).class("low").try_send().is_err());
    assert!(tx.item(3).class("high").try_send().is_err());
    let mut rest = vec![4, 5];
    assert!(Driver::new(tx.send_many(&mut rest)).assert_ready().is_err());
    assert_eq!(tx.class_stats().iter().map(|class| class.shed).collect::<Vec<_>>(), [1, 2, 1]);
}

/// Room for one that is `low`, and for so many in all.
fn one_low(capacity: usize, when_full: WhenFull) -> (Sender<u32, LevelLine>, Receiver<u32, LevelLine>) {
    let line = By::label(Strict::levels()).class_capacity("low", 1).expect("a level");
    builder().capacity(capacity).when_full(when_full).line(line).build()
}

#[test]
fn class_that_is_full_is_refused_whatever_room_there_is_for_others() {
    assert!(
        By::<_, forebay_queue::Unclassified<u32, Strict>>::label(Strict::levels())
            .class_capacity("urgent", 1)
            .is_err()
    );
    for when_full in [WhenFull::Wait, WhenFull::Refuse] {
        let (tx, mut rx) = one_low(10, when_full);
        tx.item(1).class("low").try_send().expect("there is room for one");
        assert_eq!(tx.item(2).class("low").try_send(), Err(TrySendError::Full(2)));
        let sent = Driver::new(tx.item(3).class("low").send()).assert_ready();
        assert_eq!(sent, Err(SendError::Full(3)), "it does not wait");
        tx.try_send(4).expect("there is room for others");
        assert_eq!((tx.class_stats()[2].shed, tx.stats().accepted), (2, 2));
        assert_eq!(drain(&mut rx), [4, 1]);
        tx.item(5).class("low").try_send().expect("there is room again");
    }
}

#[test]
fn class_that_is_full_gives_up_its_own_where_items_are_dropped() {
    for when_full in [WhenFull::DropIncoming, WhenFull::DropYoungest, WhenFull::DropOldest] {
        let (tx, mut rx) = one_low(2, when_full);
        tx.item(1).class("low").try_send().expect("there is room");
        assert_eq!(tx.item(2).class("low").try_send(), Ok(Sent::Displaced(2)));
        tx.item(3).class("high").try_send().expect("there is room");
        assert_eq!(tx.item(4).class("low").try_send(), Ok(Sent::Displaced(4)), "nobody else goes for it");
        let stats = tx.class_stats();
        assert_eq!((stats[2].displaced, tx.stats().accepted, tx.stats().dropped), (2, 4, 2));
        assert_eq!(drain(&mut rx), [3, 1]);
    }
}

#[test]
fn place_of_a_sender_whose_class_is_full_meanwhile_goes_to_the_next() {
    let (tx, mut rx) = one_low(2, WhenFull::Wait);
    tx.try_send(1).expect("there is room");
    tx.try_send(2).expect("there is room");
    let mut first = Driver::new(tx.item(3).class("low").send());
    let mut second = Driver::new(tx.item(4).class("low").send());
    first.assert_pending();
    second.assert_pending();
    assert_eq!(rx.try_recv(), Ok(1));
    assert!(first.assert_ready().is_ok());
    assert_eq!(rx.try_recv(), Ok(2));
    let mut third = Driver::new(tx.send(5));
    third.assert_pending();
    assert_eq!(second.assert_ready(), Err(SendError::Full(4)));
    assert!(third.assert_ready().is_ok(), "it has the place");
    assert_eq!(drain(&mut rx), [5, 3]);
}

/// A permit is a place, and what was in hand has one: neither is held against its class, and both are bounded by the queue.
#[test]
fn permits_and_what_comes_back_exceed_a_class_by_no_more_than_the_queue_has_given() {
    let line = By::new(Strict::levels(), |item: &u32| Ok(Class::new((item % 3) as u16)));
    let line = line.class_capacity("low", 1).expect("a level");
    let (tx, mut rx) = builder().capacity(3).line(line).build();
    let permit = || Driver::new(tx.reserve_as(Class::LOW, 1)).assert_ready().expect("there is a place");
    let (first, second) = (permit(), permit());
    tx.try_send(2).expect("its class has nobody yet");
    assert_eq!(tx.try_send(0), Err(TrySendError::Full(0)), "the other two places are reserved");
    first.send(5).expect("it is open");
    second.send(8).expect("it is open");
    assert_eq!((tx.class_stats()[2].waiting, tx.len()), (3, 3));

    let mut hands = Vec::new();
    let mut cx = Context::from_waker(Waker::noop());
    let polled = rx.poll_next(&mut cx, NonZeroUsize::new(3).expect("not 0"), &mut hands);
    assert!(matches!(polled, Poll::Ready(Ok(3))));
    tx.try_send(11).expect("its class has nobody now");
    assert_eq!(tx.try_send(14), Err(TrySendError::Full(14)));
    hands.into_iter().for_each(|delivery| delivery.nack(Duration::ZERO));
    assert_eq!((tx.class_stats()[2].waiting, tx.len()), (4, 4), "one more for each that was in hand");
    assert_eq!(tx.try_send(17), Err(TrySendError::Full(17)));
    let order: Vec<_> = std::iter::from_fn(|| rx.try_recv().ok()).collect();
    assert_eq!(order, [2, 5, 8, 11]);
}

#[test]
fn batch_stops_at_an_item_whose_class_is_full() {
    let line = By::new(Strict::levels(), |item: &u32| Ok(Class::new((item % 3) as u16)));
    let line = line.class_capacity("low", 1).expect("a level");
    let (tx, mut rx) = builder().capacity(10).line(line).build();
    let mut batch = vec![2, 3, 5, 6];
    let sent = Driver::new(tx.send_many(&mut batch)).assert_ready();
    assert_eq!(sent, Err(SendManyError::Full));
    assert_eq!(batch, [5, 6]);
    assert_eq!((rx.try_recv(), rx.try_recv()), (Ok(3), Ok(2)));
    let mut rest: Vec<_> = (0..10).map(|n| 3 * n).collect();
    let sent = Driver::new(tx.send_many(&mut rest)).assert_ready();
    assert_eq!(sent, Ok(()), "no place is kept for what was refused");
}

/// Writes a line for each number.
#[derive(Default)]
struct Lines(Vec<String>);

impl Visitor for Lines {
    fn counter(&mut self, name: &'static str, labels: &[(&'static str, &str)], value: u64) {
        self.0.push(format!("{name}{labels:?} {value}"));
    }

    fn gauge(&mut self, name: &'static str, labels: &[(&'static str, &str)], value: f64) {
        self.0.push(format!("{name}{labels:?} {value}"));
    }
}

#[test]
fn counts_of_each_class_are_shown_to_who_watches() {
    let (tx, mut rx) = levels(2, WhenFull::DropYoungest);
    for (item, class) in [(1, "low"), (2, "low"), (3, "high")] {
        tx.item(item).class(class).try_send().expect("it takes all");
    }
    rx.try_recv().expect("there are two");
    let (mut seen, mut of_receiver) = (Lines::default(), Lines::default());
    tx.observe(&mut seen);
    rx.observe(&mut of_receiver);
    assert_eq!(seen.0, of_receiver.0);
    for line in [
        r#"forebay_queue_class_length[("class", "low")] 1"#,
        r#"forebay_queue_class_served_total[("class", "high")] 1"#,
        r#"forebay_queue_class_displaced_total[("class", "low")] 1"#,
        r#"forebay_queue_class_promoted_total[("class", "low")] 0"#,
        r#"forebay_queue_class_expired_total[("class", "medium")] 0"#,
    ] {
        assert!(seen.0.iter().any(|one| one == line), "{line} is not in {:#?}", seen.0);
    }
    let (tx, _rx) = builder::<u8>().build();
    let mut without = Lines::default();
    tx.observe(&mut without);
    assert!(without.0.iter().all(|line| !line.contains("class")), "there are no classes");
}

#[tokio::test(start_paused = true)]
async fn oldest_of_a_class_is_known_where_the_discipline_looks_at_the_clock() {
    let line = By::label(Aging::by_time(Classes::levels(), Duration::from_secs(1)));
    let (tx, _rx) = builder().line(line).build();
    tx.item(1).class("low").send().await.expect("there is room");
    tokio::time::advance(Duration::from_secs(3)).await;
    tx.item(2).class("low").send().await.expect("there is room");
    let stats = tx.class_stats();
    assert_eq!((stats[2].oldest, stats[0].oldest), (Some(Duration::from_secs(3)), None));
}
