//! Random operations on a queue and on a plain model of it, which must agree after every step.

use std::num::NonZeroUsize;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use forebay_queue::{
    Delivery, Fifo, Line, Receiver, SendError, SendLine, Sender, Sent, Source, Ticket, TryRecvError,
    TrySendError, WhenFull, builder,
};
use forebay_testkit::Driver;
use proptest::prelude::*;

use crate::model::{self, Model, Options};
use crate::ranked::{self, Ranked};

type Sending = Driver<Pin<Box<dyn Future<Output = Result<Sent<u32>, SendError<u32>>>>>>;
type Receiving = Driver<Pin<Box<dyn Future<Output = Option<u32>>>>>;

/// One step; the number chooses among those who wait or among the items in hand.
#[derive(Debug, Clone, Copy)]
enum Op {
    TrySend,
    /// An item whose time is over as soon as anybody looks.
    TrySendMortal,
    /// In a ranked queue, an item that can be cancelled and given another rank.
    TrySendTracked,
    Cancel(usize),
    Rerank(usize, u8),
    Send,
    PollSend(usize),
    DropSend(usize),
    TryRecv,
    Recv,
    PollRecv(usize),
    DropRecv(usize),
    Take,
    Ack(usize),
    Nack(usize),
    DeadLetter(usize),
    /// Three at once, polled once and dropped.
    SendMany,
    /// Up to three at once, polled once and dropped.
    RecvMany,
    Reserve,
    UsePermit,
    DropPermit,
    SetCapacity(usize),
    Close,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => Just(Op::TrySend),
        2 => Just(Op::TrySendMortal),
        3 => Just(Op::TrySendTracked),
        1 => any::<usize>().prop_map(Op::Cancel),
        1 => (any::<usize>(), 0_u8..3).prop_map(|(at, rank)| Op::Rerank(at, rank)),
        6 => Just(Op::Send),
        4 => any::<usize>().prop_map(Op::PollSend),
        2 => any::<usize>().prop_map(Op::DropSend),
        3 => Just(Op::TryRecv),
        5 => Just(Op::Recv),
        4 => any::<usize>().prop_map(Op::PollRecv),
        2 => any::<usize>().prop_map(Op::DropRecv),
        3 => Just(Op::Take),
        2 => any::<usize>().prop_map(Op::Ack),
        2 => any::<usize>().prop_map(Op::Nack),
        1 => any::<usize>().prop_map(Op::DeadLetter),
        1 => Just(Op::SendMany),
        1 => Just(Op::RecvMany),
        2 => Just(Op::Reserve),
        1 => Just(Op::UsePermit),
        1 => Just(Op::DropPermit),
        1 => (1_usize..5).prop_map(Op::SetCapacity),
        // Rare, or nothing else would be seen.
        1 => prop_oneof![1 => Just(Op::Close), 9 => Just(Op::Recv)],
    ]
}

/// By how many items or places one who is running may overtake one who was woken.
const OVERTAKES: usize = 16;

impl Op {
    /// How many places and how many items it takes at the most without having waited for them.
    fn takes(self) -> (usize, usize) {
        match self {
            Self::SendMany => (3, 0),
            Self::TrySend | Self::TrySendMortal | Self::TrySendTracked | Self::Send | Self::Reserve => (1, 0),
            Self::RecvMany => (0, 3),
            Self::TryRecv | Self::Recv | Self::Take => (0, 1),
            _ => (0, 0),
        }
    }
}

/// What only one of the lines can do.
trait TestLine: SendLine<u32> + Sized {
    fn queue(options: Options) -> (Sender<u32, Self>, Receiver<u32, Self>);

    /// Whether a place was reserved in poll form; `None` where there is no such thing.
    fn poll_reserve(tx: &mut Sender<u32, Self>) -> Option<bool>;

    fn send_reserved(tx: &mut Sender<u32, Self>, item: u32) -> Result<Sent<u32>, SendError<u32>>;

    /// `None` where nothing is tracked.
    fn try_send_tracked(
        tx: &Sender<u32, Self>,
        item: u32,
    ) -> Option<Result<Ticket<u32, Self>, TrySendError<u32>>>;

    fn cancel(ticket: &Ticket<u32, Self>) -> Option<u32>;

    fn rerank(ticket: &Ticket<u32, Self>, rank: u8) -> bool;
}

fn open<L: Line<u32>>(options: Options, line: L) -> (Sender<u32, L>, Receiver<u32, L>) {
    let Options { capacity, max_weight, when_full, hold_senders, watermarks, .. } = options;
    let builder = builder().unbounded().when_full(when_full).watermarks(watermarks.0, watermarks.1);
    let builder = match capacity {
        Some(capacity) => builder.capacity(capacity),
        None => builder,
    };
    let builder = match max_weight {
        Some(max) => builder.max_weight(max).weigher(|item| model::weight(*item)),
        None => builder,
    };
    let builder = if hold_senders { builder.hold_senders() } else { builder };
    builder.line(line).build()
}

impl TestLine for Fifo {
    fn queue(options: Options) -> (Sender<u32>, Receiver<u32>) {
        open(options, Fifo)
    }

    fn poll_reserve(tx: &mut Sender<u32>) -> Option<bool> {
        let reserved = tx.poll_reserve(&mut Context::from_waker(Waker::noop()));
        Some(matches!(reserved, Poll::Ready(Ok(()))))
    }

    fn send_reserved(tx: &mut Sender<u32>, item: u32) -> Result<Sent<u32>, SendError<u32>> {
        tx.send_reserved(item)
    }

    fn try_send_tracked(_: &Sender<u32>, _: u32) -> Option<Result<Ticket<u32, Fifo>, TrySendError<u32>>> {
        None
    }

    fn cancel(_: &Ticket<u32, Fifo>) -> Option<u32> {
        unreachable!("nothing is tracked")
    }

    fn rerank(_: &Ticket<u32, Fifo>, _: u8) -> bool {
        unreachable!("nothing is tracked")
    }
}

impl TestLine for Ranked {
    fn queue(options: Options) -> (Sender<u32, Ranked>, Receiver<u32, Ranked>) {
        open(options, ranked::by(|item| Ok(model::rank(*item))))
    }

    fn poll_reserve(_: &mut Sender<u32, Ranked>) -> Option<bool> {
        None
    }

    fn send_reserved(_: &mut Sender<u32, Ranked>, _: u32) -> Result<Sent<u32>, SendError<u32>> {
        unreachable!("nothing is reserved")
    }

    fn try_send_tracked(
        tx: &Sender<u32, Ranked>,
        item: u32,
    ) -> Option<Result<Ticket<u32, Ranked>, TrySendError<u32>>> {
        Some(tx.item(item).tracked().try_send())
    }

    fn cancel(ticket: &Ticket<u32, Ranked>) -> Option<u32> {
        ticket.cancel()
    }

    fn rerank(ticket: &Ticket<u32, Ranked>, rank: u8) -> bool {
        ticket.rerank(rank)
    }
}

/// The queue, those who wait at it in the order of the model, and the model.
struct Pair<L: TestLine> {
    tx: Sender<u32, L>,
    rx: Receiver<u32, L>,
    sending: Vec<Sending>,
    receiving: Vec<Receiving>,
    hands: Vec<Delivery<u32>>,
    /// Each keeps a place.
    permits: Vec<Sender<u32, L>>,
    /// With the item each is for.
    tickets: Vec<(u32, Ticket<u32, L>)>,
    model: Model,
    next: u32,
    /// How many places and items were taken since a sender and a receiver were woken that were not polled since.
    overtaken: (usize, usize),
}

fn ready<T>(poll: Poll<T>) -> Option<T> {
    match poll {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// What `try_send` says where `send` would say this, or wait.
fn without_waiting(
    sent: Option<Result<Sent<u32>, SendError<u32>>>,
    item: u32,
) -> Result<Sent<u32>, TrySendError<u32>> {
    sent.map_or(Err(TrySendError::Full(item)), |sent| sent.map_err(TrySendError::from))
}

impl<L: TestLine> Pair<L> {
    fn new(options: Options) -> Self {
        let (tx, rx) = L::queue(options);
        let model = Model::new(options);
        let (sending, receiving, hands, permits) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self {
            tx,
            rx,
            sending,
            receiving,
            hands,
            permits,
            tickets: Vec::new(),
            model,
            next: 0,
            overtaken: (0, 0),
        }
    }

    fn step(&mut self, op: Op) {
        let Self { tx, rx, sending, receiving, hands, permits, tickets, model, next, .. } = self;
        let pick = |at: usize, len: usize| (len > 0).then(|| at % len);
        match op {
            Op::TrySend => {
                *next += 1;
                let expected = without_waiting(model.send(*next, false, true), *next);
                assert_eq!(tx.try_send(*next), expected);
            }
            Op::TrySendMortal => {
                *next += 1;
                let expected = without_waiting(model.send(*next, true, true), *next);
                assert_eq!(tx.item(*next).ttl(Duration::ZERO).try_send(), expected);
            }
            Op::TrySendTracked => {
                *next += 1;
                if let Some(sent) = L::try_send_tracked(tx, *next) {
                    let expected = without_waiting(model.send(*next, false, true), *next);
                    assert_eq!(sent.as_ref().err(), expected.err().as_ref());
                    tickets.extend(sent.ok().map(|ticket| (*next, ticket)));
                }
            }
            Op::Cancel(at) => {
                if let Some(at) = pick(at, tickets.len()) {
                    let (item, ticket) = &tickets[at];
                    assert_eq!(L::cancel(ticket), model.cancel(*item));
                }
            }
            Op::Rerank(at, rank) => {
                if let Some(at) = pick(at, tickets.len()) {
                    let (item, ticket) = &tickets[at];
                    assert_eq!(L::rerank(ticket, rank), model.rerank(*item, rank));
                }
            }
            Op::Send => {
                *next += 1;
                let (tx, item) = (tx.clone(), *next);
                let mut send: Sending = Driver::new(Box::pin(async move { tx.send(item).await }));
                let expected = model.send(item, false, false);
                assert_eq!(ready(send.poll()), expected);
                if expected.is_none() {
                    model.wait(item);
                    sending.push(send);
                }
            }
            Op::PollSend(at) => {
                if let Some(at) = pick(at, sending.len()) {
                    let polled = ready(sending[at].poll());
                    assert_eq!(polled, model.poll_send(at));
                    if polled.is_some() {
                        drop(sending.remove(at));
                    }
                }
            }
            Op::DropSend(at) => {
                if let Some(at) = pick(at, sending.len()) {
                    drop(sending.remove(at));
                    model.senders.remove(at);
                    model.settle();
                }
            }
            Op::TryRecv => {
                let expected = match model.take() {
                    Some(entry) => {
                        model.completed += 1;
                        Ok(entry.item)
                    }
                    None if model.ended() => Err(TryRecvError::Closed),
                    None => Err(TryRecvError::Empty),
                };
                assert_eq!(rx.try_recv(), expected);
            }
            Op::Recv => {
                let mut rx = rx.clone();
                let mut recv: Receiving = Driver::new(Box::pin(async move { rx.recv().await }));
                let expected = match model.take() {
                    Some(entry) => {
                        model.completed += 1;
                        Some(Some(entry.item))
                    }
                    None => model.ended().then_some(None),
                };
                assert_eq!(ready(recv.poll()), expected);
                if expected.is_none() {
                    model.receivers.push(false);
                    model.settle();
                    receiving.push(recv);
                }
            }
            Op::PollRecv(at) => {
                if let Some(at) = pick(at, receiving.len()) {
                    let mut receiver = receiving.remove(at);
                    let polled = ready(receiver.poll());
                    let mut place = at;
                    assert_eq!(polled, model.poll_recv(&mut place));
                    if polled.is_none() {
                        receiving.insert(place, receiver);
                    }
                }
            }
            Op::DropRecv(at) => {
                if let Some(at) = pick(at, receiving.len()) {
                    drop(receiving.remove(at));
                    model.receivers.remove(at);
                    model.settle();
                }
            }
            Op::Take => {
                let expected = model.take();
                if let Some(expected) = expected {
                    let mut cx = Context::from_waker(Waker::noop());
                    let polled = rx.poll_next(&mut cx, NonZeroUsize::MIN, hands);
                    assert!(matches!(polled, Poll::Ready(Ok(1))));
                    assert_eq!(hands.last().and_then(Delivery::item), Some(&expected.item));
                } else {
                    // Not polled, since it would join the line.
                    assert!(rx.try_recv().is_err());
                }
                model.in_hand.extend(expected);
            }
            Op::Ack(at) => {
                if let Some(at) = pick(at, hands.len()) {
                    hands.remove(at).ack();
                    model.in_hand.remove(at);
                    model.completed += 1;
                }
            }
            Op::Nack(at) => {
                if let Some(at) = pick(at, hands.len()) {
                    hands.remove(at).nack(Duration::ZERO);
                    let item = model.in_hand.remove(at);
                    model.put_back(item);
                }
            }
            Op::DeadLetter(at) => {
                if let Some(at) = pick(at, hands.len()) {
                    hands.remove(at).dead_letter("for the test");
                    model.in_hand.remove(at);
                    model.dead_lettered += 1;
                }
            }
            Op::SendMany => {
                let mut batch = vec![*next + 1, *next + 2, *next + 3];
                *next += 3;
                let mut expected_left = batch.clone();
                let expected = model.send_many(&mut expected_left);
                assert_eq!(ready(Driver::new(tx.send_many(&mut batch)).poll()), expected);
                model.settle();
                assert_eq!(batch, expected_left);
            }
            Op::RecvMany => {
                let expected: Vec<u32> = model.take_many(3).into_iter().map(|entry| entry.item).collect();
                model.completed += expected.len() as u64;
                let mut taken = Vec::new();
                let polled = ready(Driver::new(rx.recv_many(&mut taken, 3)).poll());
                assert_eq!(taken, expected);
                let ended = expected.is_empty() && model.ended();
                assert_eq!(polled, (ended || !expected.is_empty()).then_some(expected.len()));
            }
            Op::Reserve => {
                let mut permit = tx.clone();
                if let Some(reserved) = L::poll_reserve(&mut permit) {
                    model.refresh();
                    let open = !model.closed && model.nobody_in_line() && model.has_room(1);
                    assert_eq!(reserved, open);
                    if open {
                        model.permits += 1;
                        permits.push(permit);
                    }
                    model.settle();
                }
            }
            Op::UsePermit => {
                if let Some(mut permit) = permits.pop() {
                    *next += 1;
                    let sent = L::send_reserved(&mut permit, *next);
                    let too_heavy = model.options.max_weight.is_some() && model.weight(*next) > 1;
                    // Either way the place is not ours any more: kept for another item, it goes with the handle.
                    drop(permit);
                    model.permits -= 1;
                    let expected = if too_heavy {
                        Err(SendError::TooHeavy(*next))
                    } else if model.closed {
                        Err(SendError::Closed(*next))
                    } else {
                        model.store(*next, false);
                        Ok(Sent::Stored)
                    };
                    model.settle();
                    assert_eq!(sent, expected);
                }
            }
            Op::DropPermit => {
                if let Some(permit) = permits.pop() {
                    drop(permit);
                    model.permits -= 1;
                    model.settle();
                }
            }
            Op::SetCapacity(_) if model.options.capacity == Some(0) => {
                assert!(tx.set_capacity(1).is_err());
            }
            Op::SetCapacity(capacity) => {
                tx.set_capacity(capacity).expect("no rendezvous is involved");
                model.options.capacity = Some(capacity);
                model.settle();
            }
            Op::Close => {
                tx.close();
                model.closed = true;
                model.settle();
            }
        }
        self.check();
    }

    /// The same, but before it may be overtaken more often than it must bear, whoever was woken is polled: what happens
    /// then has tests of its own, and the model does not know it.
    fn step_fairly(&mut self, op: Op) {
        let (places, items) = op.takes();
        let granted = |model: &Model| model.senders.iter().position(|sender| sender.granted);
        let called = |model: &Model| model.receivers.iter().position(|called| *called);
        if self.overtaken.0 + places > OVERTAKES {
            while let Some(at) = granted(&self.model) {
                self.step(Op::PollSend(at));
            }
        }
        if self.overtaken.1 + items > OVERTAKES {
            while let Some(at) = called(&self.model) {
                self.step(Op::PollRecv(at));
            }
        }
        let (senders, receivers) = (granted(&self.model).is_some(), called(&self.model).is_some());
        self.overtaken.0 = if senders { self.overtaken.0 + places } else { 0 };
        self.overtaken.1 = if receivers { self.overtaken.1 + items } else { 0 };
        self.step(op);
    }

    fn check(&self) {
        let (stats, model) = (self.tx.stats(), &self.model);
        let ends = stats.completed + stats.failed + stats.dropped + stats.returned + stats.dead_lettered;
        assert_eq!(stats.accepted, ends + stats.held as u64, "conservation: {stats:?}");
        let expected = (
            model.accepted,
            model.completed,
            model.dropped,
            model.expired,
            model.returned,
            model.dead_lettered,
        );
        let counted = (
            stats.accepted,
            stats.completed,
            stats.dropped,
            stats.expired,
            stats.returned,
            stats.dead_lettered,
        );
        assert_eq!(counted, expected);
        assert_eq!(stats.held, model.items.len() + model.in_hand.len());
        assert_eq!((self.tx.len(), self.tx.weight()), (model.items.len(), model.held_weight()));
        assert_eq!(self.tx.pressure(), model.pressure);
    }

    /// Polls everybody who was woken until nobody is, drops the rest, and takes what is left.
    fn finish(mut self) {
        self.step(Op::Close);
        while !self.sending.is_empty() {
            self.step(Op::PollSend(0));
        }
        while !self.permits.is_empty() {
            self.step(Op::UsePermit);
        }
        while !self.hands.is_empty() {
            self.step(Op::Nack(0));
        }
        while !self.receiving.is_empty() {
            self.step(Op::PollRecv(0));
        }
        while !self.tx.is_empty() {
            self.step(Op::TryRecv);
        }
        assert_eq!(self.rx.try_recv(), Err(TryRecvError::Closed));
        assert_eq!(self.tx.stats().held, 0);
    }
}

fn options() -> impl Strategy<Value = Options> {
    let when_full = prop_oneof![
        4 => Just(WhenFull::Wait),
        1 => Just(WhenFull::Refuse),
        1 => Just(WhenFull::DropIncoming),
        1 => Just(WhenFull::DropYoungest),
        1 => Just(WhenFull::DropOldest),
    ];
    let capacity = prop_oneof![6 => (1_usize..5).prop_map(Some), 2 => Just(Some(0)), 1 => Just(None)];
    let max_weight = prop_oneof![1 => (2_usize..8).prop_map(Some), 1 => Just(None)];
    let watermarks = prop_oneof![Just((0.8, 0.2)), Just((1.0, 0.7)), Just((0.5, 0.0))];
    let holds = prop_oneof![3 => Just(false), 1 => Just(true)];
    (capacity, max_weight, when_full, any::<bool>(), holds, watermarks).prop_map(
        |(capacity, max_weight, when_full, ranked, hold_senders, watermarks)| Options {
            capacity,
            max_weight,
            when_full,
            ranked,
            hold_senders,
            watermarks,
        },
    )
}

fn run<L: TestLine>(options: Options, ops: Vec<Op>) {
    let mut pair = Pair::<L>::new(options);
    ops.into_iter().for_each(|op| pair.step_fairly(op));
    pair.finish();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn queue_agrees_with_its_model(
        options in options(),
        ops in proptest::collection::vec(op(), 1..60),
    ) {
        if options.ranked { run::<Ranked>(options, ops) } else { run::<Fifo>(options, ops) }
    }
}
