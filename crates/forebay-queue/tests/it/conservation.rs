//! Random operations on a queue and on a plain model of it, which must agree after every step.

use std::num::NonZeroUsize;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use forebay_queue::{
    Delivery, Receiver, SendError, Sender, Sent, Source, TryRecvError, TrySendError, WhenFull, builder,
};
use forebay_testkit::Driver;
use proptest::prelude::*;

use crate::model::Model;

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

/// The queue, those who wait at it in the order of the model, and the model.
struct Pair {
    tx: Sender<u32>,
    rx: Receiver<u32>,
    sending: Vec<Sending>,
    receiving: Vec<Receiving>,
    hands: Vec<Delivery<u32>>,
    /// Each keeps a place.
    permits: Vec<Sender<u32>>,
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
        let (sending, receiving, hands, permits) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { tx, rx, sending, receiving, hands, permits, model, next: 0 }
    }

    fn step(&mut self, op: Op) {
        let Self { tx, rx, sending, receiving, hands, permits, model, next } = self;
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
                let mut expected = Vec::new();
                while expected.len() < 3
                    && let Some((_, item)) = model.take_without_settling()
                {
                    expected.push(item);
                }
                model.completed += expected.len() as u64;
                model.settle();
                let mut taken = Vec::new();
                let polled = ready(Driver::new(rx.recv_many(&mut taken, 3)).poll());
                assert_eq!(taken, expected);
                let ended = expected.is_empty() && model.ended();
                assert_eq!(polled, (ended || !expected.is_empty()).then_some(expected.len()));
            }
            Op::Reserve => {
                let open = !model.closed && model.nobody_in_line() && model.free() > 0;
                let mut permit = tx.clone();
                let reserved = permit.poll_reserve(&mut Context::from_waker(Waker::noop()));
                assert_eq!(matches!(reserved, Poll::Ready(Ok(()))), open);
                if open {
                    model.permits += 1;
                    permits.push(permit);
                }
            }
            Op::UsePermit => {
                if let Some(mut permit) = permits.pop() {
                    *next += 1;
                    model.permits -= 1;
                    let expected =
                        if model.closed { Err(SendError::Closed(*next)) } else { Ok(Sent::Stored) };
                    if expected.is_ok() {
                        model.store(*next);
                    }
                    model.settle();
                    assert_eq!(permit.send_reserved(*next), expected);
                }
            }
            Op::DropPermit => {
                if let Some(permit) = permits.pop() {
                    drop(permit);
                    model.permits -= 1;
                    model.settle();
                }
            }
            Op::SetCapacity(capacity) => {
                tx.set_capacity(capacity).expect("no rendezvous is involved");
                model.capacity = capacity;
                model.settle();
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
