//! Random operations on a queue and on a plain model of it, which must agree after every step.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use forebay_queue::{
    Delivery, Receiver, SendError, Sender, Sent, Source, TryRecvError, TrySendError, WhenFull, builder,
};
use forebay_testkit::Driver;
use proptest::prelude::*;

type Sending = Driver<Pin<Box<dyn Future<Output = Result<Sent<u32>, SendError<u32>>>>>>;
type Receiving = Driver<Pin<Box<dyn Future<Output = Option<u32>>>>>;

/// One step; the number chooses among those who wait or among the items in hand.
#[derive(Debug, Clone, Copy)]
enum Op {
    TrySend,
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
    Close,
}

/// The queue as one would draw it on paper: who waits has been given something or not.
struct Model {
    capacity: usize,
    when_full: WhenFull,
    closed: bool,
    /// With the number of its arrival.
    items: VecDeque<(u64, u32)>,
    in_hand: Vec<(u64, u32)>,
    /// Item, and whether a place was granted.
    senders: Vec<(u32, bool)>,
    /// Whether it was called.
    receivers: Vec<bool>,
    accepted: u64,
    completed: u64,
    dropped: u64,
    dead_lettered: u64,
}

impl Model {
    fn new(capacity: usize, when_full: WhenFull) -> Self {
        Self {
            capacity,
            when_full,
            closed: false,
            items: VecDeque::new(),
            in_hand: Vec::new(),
            senders: Vec::new(),
            receivers: Vec::new(),
            accepted: 0,
            completed: 0,
            dropped: 0,
            dead_lettered: 0,
        }
    }

    fn free(&self) -> usize {
        let granted = self.senders.iter().filter(|(_, granted)| *granted).count();
        self.capacity.saturating_sub(self.items.len() + granted)
    }

    fn called(&self) -> usize {
        self.receivers.iter().filter(|called| **called).count()
    }

    fn settle(&mut self) {
        while self.free() > 0
            && let Some(first) = self.senders.iter_mut().find(|(_, granted)| !granted)
        {
            first.1 = true;
        }
        while self.items.len() > self.called()
            && let Some(first) = self.receivers.iter_mut().find(|called| !**called)
        {
            *first = true;
        }
    }

    fn ended(&self) -> bool {
        self.closed && self.items.is_empty() && self.in_hand.is_empty()
    }

    fn store(&mut self, item: u32) {
        self.accepted += 1;
        self.items.push_back((self.accepted, item));
        self.settle();
    }

    fn nobody_in_line(&self) -> bool {
        self.senders.iter().all(|(_, granted)| *granted)
    }

    /// `None`: it would wait.
    fn send(&mut self, item: u32) -> Option<Result<Sent<u32>, SendError<u32>>> {
        if self.closed {
            return Some(Err(SendError::Closed(item)));
        }
        if self.nobody_in_line() && self.free() > 0 {
            self.store(item);
            return Some(Ok(Sent::Stored));
        }
        let displaced = match self.when_full {
            WhenFull::Wait => return None,
            WhenFull::Refuse => return Some(Err(SendError::Full(item))),
            WhenFull::DropYoungest => self.items.pop_back(),
            WhenFull::DropOldest => self.items.pop_front(),
            _ => None,
        };
        self.accepted += 1;
        self.dropped += 1;
        if displaced.is_some() {
            self.items.push_back((self.accepted, item));
        }
        Some(Ok(Sent::Displaced(displaced.map_or(item, |(_, displaced)| displaced))))
    }

    fn poll_send(&mut self, at: usize) -> Option<Result<Sent<u32>, SendError<u32>>> {
        let (item, granted) = self.senders[at];
        if !granted && !self.closed {
            return None;
        }
        self.senders.remove(at);
        if self.closed {
            self.settle();
            return Some(Err(SendError::Closed(item)));
        }
        self.store(item);
        Some(Ok(Sent::Stored))
    }

    fn take(&mut self) -> Option<(u64, u32)> {
        (self.items.len() > self.called()).then(|| {
            let item = self.items.pop_front().expect("there are items");
            self.settle();
            item
        })
    }

    /// `None`: it waits on.
    fn poll_recv(&mut self, at: usize) -> Option<Option<u32>> {
        if self.receivers[at] {
            self.receivers.remove(at);
            self.completed += 1;
            return Some(self.take().map(|(_, item)| item));
        }
        self.ended().then(|| {
            self.receivers.remove(at);
            None
        })
    }

    fn put_back(&mut self, item: (u64, u32)) {
        let place = self.items.iter().position(|&other| other.0 > item.0).unwrap_or(self.items.len());
        self.items.insert(place, item);
        self.settle();
    }
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => Just(Op::TrySend),
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
        // Rare, or nothing else would be seen.
        1 => prop_oneof![1 => Just(Op::Close), 9 => Just(Op::Recv)],
    ]
}

/// The queue, those who wait at it in the order of the model, and the model.
struct Pair {
    tx: Sender<u32>,
    rx: Receiver<u32>,
    sending: Vec<Sending>,
    receiving: Vec<Receiving>,
    hands: Vec<Delivery<u32>>,
    model: Model,
    next: u32,
}

fn ready<T>(poll: Poll<T>) -> Option<T> {
    match poll {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

impl Pair {
    fn new(capacity: usize, when_full: WhenFull) -> Self {
        let (tx, rx) = builder().capacity(capacity).when_full(when_full).build();
        let model = Model::new(capacity, when_full);
        Self { tx, rx, sending: Vec::new(), receiving: Vec::new(), hands: Vec::new(), model, next: 0 }
    }

    fn step(&mut self, op: Op) {
        let Self { tx, rx, sending, receiving, hands, model, next } = self;
        let pick = |at: usize, len: usize| (len > 0).then(|| at % len);
        match op {
            Op::TrySend => {
                *next += 1;
                let expected = match model.send(*next) {
                    None => Err(TrySendError::Full(*next)),
                    Some(Err(SendError::Full(item))) => Err(TrySendError::Full(item)),
                    Some(Err(error)) => Err(TrySendError::Closed(error.into_inner())),
                    Some(Ok(sent)) => Ok(sent),
                };
                assert_eq!(tx.try_send(*next), expected);
            }
            Op::Send => {
                *next += 1;
                let (tx, item) = (tx.clone(), *next);
                let mut send: Sending = Driver::new(Box::pin(async move { tx.send(item).await }));
                let expected = model.send(item);
                assert_eq!(ready(send.poll()), expected);
                if expected.is_none() {
                    model.senders.push((item, false));
                    model.settle();
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
                    Some((_, item)) => {
                        model.completed += 1;
                        Ok(item)
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
                    Some((_, item)) => {
                        model.completed += 1;
                        Some(Some(item))
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
                    let polled = ready(receiving[at].poll());
                    assert_eq!(polled, model.poll_recv(at));
                    if polled.is_some() {
                        drop(receiving.remove(at));
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
                if let Some((_, expected)) = expected {
                    let mut cx = Context::from_waker(Waker::noop());
                    let polled = rx.poll_next(&mut cx, NonZeroUsize::MIN, hands);
                    assert!(matches!(polled, Poll::Ready(Ok(1))));
                    assert_eq!(hands.last().and_then(Delivery::item), Some(&expected));
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
            Op::Close => {
                tx.close();
                model.closed = true;
            }
        }
        self.check();
    }

    fn check(&self) {
        let (stats, model) = (self.tx.stats(), &self.model);
        let ends = stats.completed + stats.failed + stats.dropped + stats.returned + stats.dead_lettered;
        assert_eq!(stats.accepted, ends + stats.held as u64, "conservation: {stats:?}");
        let expected = (model.accepted, model.completed, model.dropped, model.dead_lettered);
        assert_eq!((stats.accepted, stats.completed, stats.dropped, stats.dead_lettered), expected);
        assert_eq!(stats.held, model.items.len() + model.in_hand.len());
        assert_eq!(self.tx.len(), model.items.len());
    }

    /// Polls everybody who was woken until nobody is, drops the rest, and takes what is left.
    fn finish(mut self) {
        self.step(Op::Close);
        while !self.sending.is_empty() {
            self.step(Op::PollSend(0));
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn queue_agrees_with_its_model(
        capacity in 1_usize..5,
        when_full in prop_oneof![
            4 => Just(WhenFull::Wait),
            1 => Just(WhenFull::Refuse),
            1 => Just(WhenFull::DropIncoming),
            1 => Just(WhenFull::DropYoungest),
            1 => Just(WhenFull::DropOldest),
        ],
        // Fewer than it takes for the bound on overtaking to matter, which has tests of its own.
        ops in proptest::collection::vec(op(), 1..60),
    ) {
        let mut pair = Pair::new(capacity, when_full);
        ops.into_iter().for_each(|op| pair.step(op));
        pair.finish();
    }
}
