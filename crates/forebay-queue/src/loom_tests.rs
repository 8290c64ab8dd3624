//! Small models that the checker runs in every order of their steps.
//!
//! Run with `cargo xtask loom`. There is no spinning in the queue, so a lost wake-up shows as a deadlock.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use loom::future::block_on;
use loom::thread;

use crate::{Receiver, SendError, Sender, Sent, TryRecvError, bounded};

/// Polls once with a waker that wakes nobody, and drops the future where it stands.
fn poll_once_and_drop<F: Future>(future: F) -> Option<F::Output> {
    let future = pin!(future);
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// Polls a future once with the task's own waker, then drops it: it was in the line, and leaves.
async fn give_up<F: Future>(future: F) -> Option<F::Output> {
    let mut future = Box::pin(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

fn drain(rx: &mut Receiver<usize>) -> Vec<usize> {
    block_on(async {
        let mut all = Vec::new();
        while let Some(item) = rx.recv().await {
            all.push(item);
        }
        all
    })
}

fn send_all(tx: Sender<usize>, items: [usize; 2]) {
    block_on(async {
        for item in items {
            assert_eq!(tx.send(item).await, Ok(Sent::Stored));
        }
    });
}

#[test]
fn loom_send_and_recv() {
    loom::model(|| {
        let (tx, mut rx) = bounded(1);
        let sender = thread::spawn(move || send_all(tx, [1, 2]));
        assert_eq!(drain(&mut rx), [1, 2]);
        sender.join().expect("no panic");
    });
}

#[test]
fn loom_rendezvous() {
    loom::model(|| {
        let (tx, mut rx) = bounded(0);
        let sender = thread::spawn(move || send_all(tx, [1, 2]));
        assert_eq!(drain(&mut rx), [1, 2]);
        sender.join().expect("no panic");
    });
}

#[test]
fn loom_close_against_send_and_recv() {
    loom::model(|| {
        let (tx, mut rx) = bounded(1);
        let closer = rx.clone();
        let sender = thread::spawn(move || {
            block_on(async {
                let mut accepted = 0;
                for item in [1, 2] {
                    match tx.send(item).await {
                        Ok(_) => accepted += 1,
                        Err(error) => assert_eq!(error, SendError::Closed(item)),
                    }
                }
                accepted
            })
        });
        let closing = thread::spawn(move || closer.close());
        let received = drain(&mut rx).len();
        closing.join().expect("no panic");
        assert_eq!(received, sender.join().expect("no panic"), "what was accepted is received");
    });
}

#[test]
fn loom_two_senders_for_one_place() {
    loom::model(|| {
        let (tx, mut rx) = bounded(1);
        tx.try_send(0).expect("there is room");
        let other = tx.clone();
        let first = thread::spawn(move || block_on(async move { tx.send(1).await }).is_ok());
        let second = thread::spawn(move || block_on(async move { other.send(2).await }).is_ok());
        let mut all = drain(&mut rx);
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2]);
        assert!(first.join().expect("no panic") && second.join().expect("no panic"));
    });
}

#[test]
fn loom_granted_sender_is_dropped() {
    loom::model(|| {
        let (tx, mut rx) = bounded(1);
        tx.try_send(0).expect("there is room");
        let quitter = tx.clone();
        let quitting = thread::spawn(move || block_on(give_up(quitter.send(1))).is_some());
        let staying = thread::spawn(move || block_on(async move { tx.send(2).await }).is_ok());
        let mut all = drain(&mut rx);
        all.sort_unstable();
        let expected: &[usize] = if quitting.join().expect("no panic") { &[0, 1, 2] } else { &[0, 2] };
        assert_eq!(all, expected, "the grant is passed on, and a dropped send has not sent");
        assert!(staying.join().expect("no panic"));
    });
}

#[test]
fn loom_called_receiver_is_dropped() {
    loom::model(|| {
        let (tx, mut rx) = bounded(1);
        let mut quitter = rx.clone();
        let quitting = thread::spawn(move || block_on(give_up(quitter.recv())).flatten());
        let sender = thread::spawn(move || {
            block_on(async {
                tx.send(1).await.expect("a receiver stays");
            })
        });
        let received = drain(&mut rx);
        sender.join().expect("no panic");
        match quitting.join().expect("no panic") {
            Some(item) => assert_eq!((item, received), (1, vec![])),
            None => assert_eq!(received, [1], "the call is passed on"),
        }
    });
}

#[test]
fn loom_second_parked_receiver_learns_of_the_end() {
    loom::model(|| {
        let (tx, mut rx) = bounded(1);
        let mut other = rx.clone();
        let receiver = thread::spawn(move || drain(&mut other));
        let sender =
            thread::spawn(move || block_on(async { tx.send(1).await.expect("receivers are there") }));
        let mut all = drain(&mut rx);
        all.extend(receiver.join().expect("no panic"));
        sender.join().expect("no panic");
        assert_eq!(all, [1]);
    });
}

#[test]
fn loom_last_receiver_goes_away() {
    loom::model(|| {
        let (tx, rx) = bounded(1);
        tx.try_send(0).expect("there is room");
        let leaving = thread::spawn(move || drop(rx));
        // Either is right, but it must not wait for ever.
        let sent = block_on(tx.send(1));
        leaving.join().expect("no panic");
        assert_eq!(sent, Err(SendError::Closed(1)));
        assert_eq!(tx.stats().returned, 1);
    });
}

#[test]
fn loom_permit_against_a_waiting_sender() {
    loom::model(|| {
        let (tx, mut rx) = bounded(1);
        let other = tx.clone();
        let waiting = thread::spawn(move || block_on(async move { other.send(2).await }).is_ok());
        let reserving = thread::spawn(move || {
            block_on(async {
                let permit = tx.reserve().await.expect("open");
                drop(permit);
                tx.reserve().await.expect("open").send(1).expect("open");
            })
        });
        let mut all = drain(&mut rx);
        all.sort_unstable();
        assert_eq!(all, [1, 2]);
        assert!(waiting.join().expect("no panic"));
        reserving.join().expect("no panic");
    });
}

#[test]
fn loom_withdrawn_offer_leaves_the_called_receiver_waiting() {
    loom::model(|| {
        let (tx, mut rx) = bounded(0);
        let quitter = tx.clone();
        let quitting = thread::spawn(move || block_on(give_up(quitter.send(1))).is_some());
        let staying = thread::spawn(move || block_on(async move { tx.send(2).await }).is_ok());
        let all = drain(&mut rx);
        // A rendezvous may take the item at the very moment at which the sender gives up (see `send`).
        assert!(all == [2] || all == [1, 2] || all == [2, 1], "{all:?}");
        let _ = quitting.join().expect("no panic");
        assert!(staying.join().expect("no panic"));
    });
}

#[test]
fn loom_weak_sender_against_the_last_strong_one() {
    loom::model(|| {
        let (tx, mut rx) = bounded(1);
        let weak = tx.downgrade();
        let dropping = thread::spawn(move || drop(tx));
        let sent = weak.upgrade().is_some_and(|tx| tx.try_send(1).is_ok());
        dropping.join().expect("no panic");
        assert_eq!(rx.try_recv(), if sent { Ok(1) } else { Err(TryRecvError::Closed) });
    });
}

#[test]
fn loom_capacity_that_changes_against_senders() {
    loom::model(|| {
        let (tx, mut rx) = bounded(1);
        tx.try_send(0).expect("there is room");
        let resizing = tx.clone();
        let sender = thread::spawn(move || block_on(async move { tx.send(1).await }).is_ok());
        let resizer = thread::spawn(move || {
            resizing.set_capacity(2).expect("no rendezvous");
            resizing.set_capacity(1).expect("no rendezvous");
        });
        assert_eq!(drain(&mut rx), [0, 1]);
        resizer.join().expect("no panic");
        assert!(sender.join().expect("no panic"));
    });
}

#[test]
fn loom_capacity_that_shrinks_under_one_who_gathers() {
    use crate::ReserveError;

    loom::model(|| {
        let (tx, mut rx) = bounded(2);
        tx.try_send(0).expect("there is room");
        let (gathering, other) = (tx.clone(), tx.clone());
        let gatherer = thread::spawn(move || {
            block_on(async { gathering.reserve_many(2).await.map(|places| places.len()) })
        });
        let sender = thread::spawn(move || block_on(async move { other.send(1).await }).is_ok());
        tx.set_capacity(1).expect("no rendezvous");
        drop(tx);
        assert_eq!(drain(&mut rx), [0, 1]);
        let gathered = gatherer.join().expect("no panic");
        assert!(matches!(gathered, Ok(2) | Err(ReserveError::TooMany { asked: 2, capacity: 1 })));
        assert!(sender.join().expect("no panic"));
    });
}

#[test]
fn loom_held_sender_is_let_go() {
    loom::model(|| {
        let (tx, mut rx) = crate::builder().capacity(2).watermarks(1.0, 0.7).hold_senders().build();
        tx.try_send(0).expect("there is room");
        tx.try_send(1).expect("there is room");
        let sender = thread::spawn(move || block_on(async move { tx.send(2).await }).is_ok());
        assert_eq!(drain(&mut rx), [0, 1, 2]);
        assert!(sender.join().expect("no panic"));
    });
}

#[test]
fn loom_put_back_against_the_end() {
    use crate::Source;
    use std::num::NonZeroUsize;

    loom::model(|| {
        let (tx, mut rx) = bounded(1);
        let mut other = rx.clone();
        tx.try_send(7).expect("there is room");
        let mut hands = Vec::new();
        let mut cx = Context::from_waker(Waker::noop());
        let taken = rx.poll_next(&mut cx, NonZeroUsize::MIN, &mut hands);
        assert!(matches!(taken, Poll::Ready(Ok(1))));
        drop(tx);
        let returning = thread::spawn(move || drop(hands));
        // The receiver must not be told the end while the item may still come back.
        assert_eq!(drain(&mut other), [7]);
        returning.join().expect("no panic");
        assert!(poll_once_and_drop(rx.recv()).is_some_and(|end| end.is_none()));
    });
}

#[test]
fn loom_heavy_and_light_sender_for_the_same_weight() {
    loom::model(|| {
        let (tx, mut rx) = crate::builder().capacity(4).max_weight(2).weigher(|item: &usize| *item).build();
        tx.try_send(1).expect("there is room");
        let other = tx.clone();
        let heavy = thread::spawn(move || block_on(async move { tx.send(2).await }).is_ok());
        let light = thread::spawn(move || block_on(async move { other.send(1).await }).is_ok());
        let mut all = drain(&mut rx);
        all.sort_unstable();
        assert_eq!(all, [1, 1, 2]);
        assert!(heavy.join().expect("no panic") && light.join().expect("no panic"));
    });
}

#[test]
fn loom_heavy_sender_that_gives_up_lets_the_light_one_in() {
    loom::model(|| {
        let (tx, mut rx) = crate::builder().capacity(4).max_weight(2).weigher(|item: &usize| *item).build();
        tx.try_send(1).expect("there is room");
        let other = tx.clone();
        let quitting = thread::spawn(move || block_on(give_up(other.send(2))).is_some());
        let staying = thread::spawn(move || {
            let sent = block_on(tx.send(1)).is_ok();
            (sent, tx)
        });
        // Nobody receives before the light item is in: it must not wait for the heavy one that has left.
        let (sent, tx) = staying.join().expect("no panic");
        assert!(sent);
        drop(tx);
        let mut all = drain(&mut rx);
        all.sort_unstable();
        let expected: &[usize] = if quitting.join().expect("no panic") { &[1, 1, 2] } else { &[1, 1] };
        assert_eq!(all, expected);
    });
}

#[test]
fn loom_ranked_senders_for_one_place() {
    use crate::{By, ById, Discipline, Entry, Tick, UnknownClass};
    use std::collections::BTreeSet;

    #[derive(Clone, Default)]
    struct ByRank(BTreeSet<(usize, u64, u32)>);

    impl Discipline for ByRank {
        type Rank = usize;
        type Shelf<P: Send> = ById<P, Self>;
        fn insert(&mut self, entry: Entry<usize>) {
            self.0.insert((entry.rank, entry.seq, entry.id));
        }
        fn next(&mut self, _: Tick) -> Option<u32> {
            self.0.pop_first().map(|(_, _, id)| id)
        }
        fn put_back(&mut self, entry: Entry<usize>) {
            self.insert(entry);
        }
        fn remove(&mut self, entry: Entry<usize>) -> bool {
            self.0.remove(&(entry.rank, entry.seq, entry.id))
        }
        fn last(&self) -> Option<u32> {
            self.0.last().map(|&(_, _, id)| id)
        }
    }

    loom::model(|| {
        let by_value = By::new(ByRank::default(), |item: &usize| Ok::<_, UnknownClass>(*item));
        let (tx, mut rx) = crate::builder().capacity(1).line(by_value).build();
        tx.try_send(0).expect("there is room");
        let quitter = tx.clone();
        let quitting = thread::spawn(move || block_on(give_up(quitter.send(1))).is_some());
        let staying = thread::spawn(move || block_on(async move { tx.send(2).await }).is_ok());
        let mut all = block_on(async {
            let mut all = Vec::new();
            while let Some(item) = rx.recv().await {
                all.push(item);
            }
            all
        });
        all.sort_unstable();
        let expected: &[usize] = if quitting.join().expect("no panic") { &[0, 1, 2] } else { &[0, 2] };
        assert_eq!(all, expected);
        assert!(staying.join().expect("no panic"));
    });
}

#[test]
fn loom_expired_item_against_a_waiting_sender() {
    use std::time::Duration;

    loom::model(|| {
        let (tx, mut rx) = bounded(1);
        tx.item(0).ttl(Duration::ZERO).try_send().expect("there is room");
        let other = tx.clone();
        let first = thread::spawn(move || block_on(async move { tx.send(1).await }).is_ok());
        let second = thread::spawn(move || block_on(async move { other.send(2).await }).is_ok());
        let mut all = drain(&mut rx);
        all.sort_unstable();
        assert_eq!(all, [1, 2]);
        assert!(first.join().expect("no panic") && second.join().expect("no panic"));
    });
}
