//! The permits, the bucket that threads share, and starts on credit, in every order of the steps of small programs.
//!
//! Run with `cargo xtask loom`. The very files are included here, since the layers around the permits need a runtime, which
//! the model checker cannot go through. Nobody spins in them, so a lost wake-up shows as a deadlock.
#![cfg(loom)]

#[path = "../src/layer/rate/credit.rs"]
#[expect(dead_code, reason = "counts that no race is about")]
mod credit;
#[path = "../src/permits.rs"]
#[expect(dead_code, reason = "settings that no race is about")]
mod permits;
#[path = "../src/rate/shared_bucket.rs"]
#[expect(dead_code, unreachable_pub, reason = "public in the crate, where there is more than the race")]
mod shared_bucket;
#[path = "../src/sync.rs"]
#[expect(dead_code, reason = "locks that the permits do not take")]
mod sync;

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use forebay_flow::{Rate, Refusal};
use loom::cell::UnsafeCell;
use loom::future::block_on;
use loom::sync::Arc;
use loom::sync::Mutex;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use credit::{Credit, Round};
use permits::{Joined, Leaves, NoPermit, Permits, Who};
use shared_bucket::SharedBucket;

/// One that asks, as the layers do: it waits, and leaves no trace if it is dropped before it has its permits.
struct Ask<'a> {
    permits: &'a Permits,
    weight: u32,
    place: Place,
}

enum Place {
    Nowhere,
    Waits(u64),
    Left,
}

fn ask(permits: &Permits, weight: u32) -> Ask<'_> {
    Ask { permits, weight, place: Place::Nowhere }
}

/// Whether all is as in the beginning, after so many were let in.
fn assert_at_rest(permits: &Permits, admitted: u64) {
    let counts = permits.counts();
    assert_eq!((counts.in_use, counts.waiting, counts.admitted), (0, 0, admitted));
    assert!(permits.try_take(1), "nobody waits, so the first comes in without the lock");
}

/// Polls once with a waker that nobody hears, and drops it where it stands. Whether it got its permits, which it keeps then.
fn ask_once(permits: &Permits, weight: u32) -> bool {
    let asked = pin!(ask(permits, weight)).poll(&mut Context::from_waker(Waker::noop()));
    asked.is_ready()
}

#[test]
fn loom_two_take_turns_at_one_permit() {
    loom::model(|| {
        let shared = Arc::new((Permits::new(1), AtomicUsize::new(0)));
        let turn = |shared: Arc<(Permits, AtomicUsize)>| {
            let (permits, inside) = &*shared;
            assert_eq!(block_on(ask(permits, 1)), Ok(()));
            assert_eq!(inside.fetch_add(1, Ordering::Relaxed), 0, "there is one permit");
            inside.fetch_sub(1, Ordering::Relaxed);
            permits.release(1);
        };
        let other = thread::spawn({
            let shared = shared.clone();
            move || turn(shared)
        });
        turn(shared.clone());
        other.join().expect("no panic");
        assert_at_rest(&shared.0, 2);
    });
}

#[test]
fn loom_what_was_done_under_a_permit_is_seen_under_the_next() {
    loom::model(|| {
        let shared = Arc::new((Permits::new(1), UnsafeCell::new(0)));
        let turn = |shared: &(Permits, UnsafeCell<i32>)| {
            let taken = shared.0.try_take(1);
            if taken {
                // The checker objects to two who are here at once, and to one that does not see what the other did.
                shared.1.with_mut(|_| ());
                shared.0.release(1);
            }
            taken
        };
        let other = thread::spawn({
            let shared = shared.clone();
            move || turn(&shared)
        });
        let one = turn(&shared);
        assert!(other.join().expect("no panic") || one);
    });
}

#[test]
fn loom_two_who_wait_are_served_by_one_that_goes() {
    loom::model(|| {
        let permits = Arc::new(Permits::new(1));
        assert!(permits.try_take(1));
        let turn = |permits: Arc<Permits>| {
            assert_eq!(block_on(ask(&permits, 1)), Ok(()));
            permits.release(1);
        };
        let others = [permits.clone(), permits.clone()].map(|permits| thread::spawn(move || turn(permits)));
        permits.release(1);
        others.into_iter().for_each(|other| other.join().expect("no panic"));
        assert_at_rest(&permits, 3);
    });
}

#[test]
fn loom_one_that_was_served_goes_away() {
    loom::model(|| {
        let permits = Arc::new(Permits::new(1));
        assert!(permits.try_take(1));
        let leaves = thread::spawn({
            let permits = permits.clone();
            move || {
                if ask_once(&permits, 1) {
                    permits.release(1);
                    return 1;
                }
                0
            }
        });
        let waits = thread::spawn({
            let permits = permits.clone();
            move || {
                assert_eq!(block_on(ask(&permits, 1)), Ok(()));
                permits.release(1);
            }
        });
        permits.release(1);
        let admitted = leaves.join().expect("no panic");
        waits.join().expect("no panic");
        assert_at_rest(&permits, 2 + admitted);
    });
}

#[test]
fn loom_heavy_one_gets_all_of_it_at_once() {
    loom::model(|| {
        let permits = Arc::new(Permits::new(2));
        assert!(permits.try_take(1));
        assert!(permits.try_take(1));
        let heavy = thread::spawn({
            let permits = permits.clone();
            move || {
                assert_eq!(block_on(ask(&permits, 2)), Ok(()));
                assert_eq!(permits.in_use(), 2);
                permits.release(2);
            }
        });
        let other = thread::spawn({
            let permits = permits.clone();
            move || permits.release(1)
        });
        permits.release(1);
        other.join().expect("no panic");
        heavy.join().expect("no panic");
        assert_at_rest(&permits, 3);
    });
}

#[test]
fn loom_limit_grows_while_somebody_comes() {
    loom::model(|| {
        let permits = Arc::new(Permits::new(1));
        assert!(permits.try_take(1));
        let comes = thread::spawn({
            let permits = permits.clone();
            move || assert_eq!(block_on(ask(&permits, 1)), Ok(()))
        });
        assert!(permits.set_limit(2));
        permits.serve_all();
        comes.join().expect("no panic");
        assert_eq!(permits.in_use(), 2);
    });
}

#[test]
fn loom_closed_while_somebody_comes() {
    loom::model(|| {
        let permits = Arc::new(Permits::new(1));
        assert!(permits.try_take(1));
        let comes = thread::spawn({
            let permits = permits.clone();
            move || block_on(ask(&permits, 1))
        });
        permits.close();
        assert_eq!(comes.join().expect("no panic"), Err(NoPermit::Closed));
        permits.release(1);
        assert_eq!((permits.in_use(), permits.counts().waiting, permits.is_closed()), (0, 0, true));
    });
}

#[test]
fn loom_two_get_a_burst_of_two_between_them() {
    loom::model(|| {
        let bucket = Arc::new(SharedBucket::new(Rate::per_second(1), 2));
        let take = |bucket: &SharedBucket| [(), ()].map(|()| bucket.take(1, 0).is_ok());
        let other = thread::spawn({
            let bucket = bucket.clone();
            move || take(&bucket)
        });
        let taken = [take(&bucket), other.join().expect("no panic")];
        assert_eq!(taken.as_flattened().iter().filter(|taken| **taken).count(), 2);
    });
}

/// A rate's account, whose policy gives credit for so many.
fn on_credit(starts: u64) -> Arc<(Credit, Mutex<Round>)> {
    let (credit, mut round) = (Credit::new(), Round::default());
    credit.begin(&mut round, starts);
    Arc::new((credit, Mutex::new(round)))
}

#[test]
fn loom_each_start_on_credit_is_charged_once() {
    loom::model(|| {
        let account = on_credit(1);
        let take = |account: &(Credit, Mutex<Round>)| [(), ()].map(|()| account.0.take().is_some());
        let other = thread::spawn({
            let account = account.clone();
            move || take(&account)
        });
        let mut charged = 0;
        for _ in 0..2 {
            let round = &mut *account.1.lock().expect("no panic");
            charged += account.0.end(round);
            account.0.begin(round, 1);
        }
        let taken = [take(&account), other.join().expect("no panic")];
        charged += account.0.end(&mut account.1.lock().expect("no panic"));
        assert_eq!(taken.as_flattened().iter().filter(|taken| **taken).count() as u64, charged);
        assert!(account.0.take().is_none(), "the round has ended");
    });
}

#[test]
fn loom_no_start_on_credit_is_charged_as_of_a_time_before_it() {
    loom::model(|| {
        let (account, clock) = (on_credit(1), Arc::new(AtomicUsize::new(0)));
        let other = thread::spawn({
            let (account, clock) = (account.clone(), clock.clone());
            move || {
                clock.store(1, Ordering::Relaxed);
                account.0.take();
            }
        });
        let charged = account.0.end(&mut account.1.lock().expect("no panic"));
        assert!(clock.load(Ordering::Relaxed) == 1 || charged == 0);
        other.join().expect("no panic");
    });
}

#[test]
fn loom_start_on_credit_is_given_back_or_charged() {
    loom::model(|| {
        let account = on_credit(1);
        let other = thread::spawn({
            let account = account.clone();
            move || {
                account.0.take().map(|start| account.0.give_back(&account.1.lock().expect("no panic"), start))
            }
        });
        let charged = account.0.end(&mut account.1.lock().expect("no panic"));
        let is_back = other.join().expect("no panic");
        assert_eq!(charged, u64::from(is_back == Some(false)));
        assert!(account.0.take().is_none(), "the round has ended");
    });
}

// === impl Ask ===

impl Future for Ask<'_> {
    type Output = Result<(), NoPermit>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let number = match self.place {
            Place::Nowhere => match self.permits.join(self.weight, Who::Call) {
                Ok(Joined::Waiting(number, _)) => number,
                joined => return Poll::Ready(joined.map(|_| ())),
            },
            Place::Waits(number) => number,
            Place::Left => panic!("polled after completion"),
        };
        self.place = Place::Waits(number);
        let turn = self.permits.poll_turn(number, cx);
        if turn.is_ready() {
            self.place = Place::Left;
        }
        turn
    }
}

impl Drop for Ask<'_> {
    fn drop(&mut self) {
        if let Place::Waits(number) = self.place {
            self.permits.leave(Some(number), self.weight, Leaves::Caller);
        }
    }
}
