//! A queue under each discipline, in every order of the steps of small programs.
//!
//! Run with `cargo xtask loom`. There is no spinning in the queue, so a lost wake-up shows as a deadlock. Disciplines that
//! look at the clock are left out: the model checker runs a program again and again, and it has to be the same each time.
#![cfg(loom)]

use std::future::{Future, poll_fn};
use std::task::Poll;

use forebay_priority::{
    Aging, Class, Classes, Discipline, FairByKey, Key, Lifo, Nested, Share, Strict, Tenant, WeightedFair,
};
use forebay_queue::{By, Receiver, SendLine, Sender, UnknownClass, builder};
use loom::future::block_on;
use loom::thread;

type Line<D> = By<D, Box<dyn Fn(&usize) -> Result<<D as Discipline>::Rank, UnknownClass> + Send + Sync>>;

/// Polls a future once with the task's own waker, then drops it: it was in the line, and goes away.
async fn give_up<F: Future>(future: F) -> Option<F::Output> {
    let mut future = Box::pin(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

fn drain<L: SendLine<usize>>(rx: &mut Receiver<usize, L>) -> Vec<usize> {
    let mut all = block_on(async {
        let mut all = Vec::new();
        while let Some(item) = rx.recv().await {
            all.push(item);
        }
        all
    });
    all.sort_unstable();
    all
}

type Halves<D> = (Sender<usize, Line<D>>, Receiver<usize, Line<D>>);

/// A queue with one place, for each discipline; the rank of an item is made of its number.
fn under_each(model: impl Model) {
    fn run<D>(discipline: D, rank: fn(usize) -> D::Rank, model: &impl Model)
    where
        D: Discipline + Clone + 'static,
    {
        let model = model.clone();
        loom::model(move || {
            let line: Line<D> = By::new(discipline.clone(), Box::new(move |item: &usize| Ok(rank(*item))));
            let (tx, rx): Halves<D> = builder().capacity(1).line(line).build();
            model.run(tx, rx);
        });
    }
    fn class(item: usize) -> Class {
        Class::new(2 - item.min(2) as u16)
    }
    fn tenant(item: usize) -> Tenant {
        Tenant::of(Key::of(&(item % 2)))
    }
    let shares = [("a", 1), ("b", 2), ("c", 4)];
    run(Strict::levels().promote_after(1).expect("not 0"), class, &model);
    run(WeightedFair::new(shares).expect("in range"), |item| Share::new(class(item), 1), &model);
    run(FairByKey::new(), tenant, &model);
    run(Nested::new(Classes::levels(), FairByKey::new()), |item| (class(item), tenant(item)), &model);
    run(Aging::by_arrivals(Classes::levels(), 1).expect("not 0"), class, &model);
    run(Lifo::new(), |_| (), &model);
}

/// A small program.
trait Model: Clone + Send + Sync + 'static {
    fn run<L: SendLine<usize>>(&self, tx: Sender<usize, L>, rx: Receiver<usize, L>);
}

#[derive(Clone)]
struct GrantedSenderIsDropped;

impl Model for GrantedSenderIsDropped {
    fn run<L: SendLine<usize>>(&self, tx: Sender<usize, L>, mut rx: Receiver<usize, L>) {
        tx.try_send(0).expect("there is room");
        let quitter = tx.clone();
        let quitting = thread::spawn(move || block_on(give_up(quitter.send(2))).is_some());
        let staying = thread::spawn(move || block_on(async move { tx.send(1).await }).is_ok());
        let all = drain(&mut rx);
        let expected: &[usize] = if quitting.join().expect("no panic") { &[0, 1, 2] } else { &[0, 1] };
        assert_eq!(all, expected, "the grant is passed on, and a dropped send has not sent");
        assert!(staying.join().expect("no panic"));
    }
}

#[test]
fn loom_granted_sender_is_dropped() {
    under_each(GrantedSenderIsDropped);
}

#[derive(Clone)]
struct CalledReceiverIsDropped;

impl Model for CalledReceiverIsDropped {
    fn run<L: SendLine<usize>>(&self, tx: Sender<usize, L>, mut rx: Receiver<usize, L>) {
        let mut quitter = rx.clone();
        let quitting = thread::spawn(move || block_on(give_up(quitter.recv())).flatten());
        let sending = thread::spawn(move || {
            block_on(async {
                for item in [1, 2] {
                    tx.send(item).await.expect("a receiver stays");
                }
            });
        });
        let mut all = drain(&mut rx);
        sending.join().expect("no panic");
        all.extend(quitting.join().expect("no panic"));
        all.sort_unstable();
        assert_eq!(all, [1, 2], "the call is passed on");
    }
}

#[test]
fn loom_called_receiver_is_dropped() {
    under_each(CalledReceiverIsDropped);
}

#[derive(Clone)]
struct TwoReceiversUntilTheEnd;

impl Model for TwoReceiversUntilTheEnd {
    fn run<L: SendLine<usize>>(&self, tx: Sender<usize, L>, mut rx: Receiver<usize, L>) {
        let mut other = rx.clone();
        let receiving = thread::spawn(move || drain(&mut other));
        let sending = thread::spawn(move || {
            block_on(async {
                for item in [2, 1] {
                    tx.send(item).await.expect("receivers stay");
                }
            });
        });
        let mut all = drain(&mut rx);
        sending.join().expect("no panic");
        all.extend(receiving.join().expect("no panic"));
        all.sort_unstable();
        assert_eq!(all, [1, 2]);
    }
}

#[test]
fn loom_two_receivers_until_the_end() {
    under_each(TwoReceiversUntilTheEnd);
}
