//! Several sources as one.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use forebay_priority::{FairByKey, Key, Merge, Strict, Tenant, WeightedFair};
use forebay_queue::{Delivery, End, Receipt, Receiver, Source, SourceError, bounded};
use forebay_testkit::{CountingWaker, RecordingSource};

fn poll<S: Source>(
    source: &mut S,
    waker: &Waker,
    max: usize,
) -> Poll<Result<Vec<Delivery<S::Item>>, SourceError>> {
    let mut hands = Vec::new();
    let max = NonZeroUsize::new(max).expect("not 0");
    source.poll_next(&mut Context::from_waker(waker), max, &mut hands).map_ok(|count| {
        assert_eq!(count, hands.len());
        hands
    })
}

/// What comes at once, and is settled at once.
fn take<S: Source>(source: &mut S, max: usize) -> Vec<S::Item> {
    match poll(source, Waker::noop(), max) {
        Poll::Ready(Ok(hands)) => hands.into_iter().map(settled).collect(),
        Poll::Ready(Err(error)) => panic!("{error}"),
        Poll::Pending => Vec::new(),
    }
}

fn settled<T>(mut delivery: Delivery<T>) -> T {
    let item = delivery.take().expect("it is there");
    delivery.ack();
    item
}

fn filled(items: impl IntoIterator<Item = u32>) -> Receiver<u32> {
    let (tx, rx) = bounded(1000);
    items.into_iter().for_each(|item| drop(tx.try_send(item)));
    rx
}

fn unavailable() -> SourceError {
    SourceError::Unavailable("gone for a while".into())
}

#[test]
fn urgent_source_goes_first_and_the_others_are_not_forgotten() {
    let mut merge = Merge::new(Strict::levels());
    for (class, items) in [("low", 30..33), ("high", 10..13), ("medium", 20..22)] {
        merge = merge.source(class, filled(items)).expect("it is a level");
    }
    assert_eq!(take(&mut merge, 5), [10, 11, 12, 20, 21]);
    assert_eq!(take(&mut merge, 5), [30, 31, 32]);
    let served: Vec<_> = merge.class_stats().iter().map(|class| class.served).collect();
    assert_eq!(served, [3, 2, 3]);
}

#[test]
fn unknown_class_of_a_source_is_an_error() {
    let refused = Merge::<u32, _>::new(Strict::levels()).source("urgent", filled([]));
    assert_eq!(
        refused.expect_err("no such class").to_string(),
        "unknown class \"urgent\", known are: high, medium, low"
    );
}

#[test]
fn equal_sources_take_turns() {
    let merge = Merge::new(Strict::levels());
    let merge = merge.source("low", filled(10..13)).expect("it is a level");
    let mut merge = merge.source("low", filled(20..23)).expect("it is a level");
    assert_eq!(take(&mut merge, 10), [10, 20, 11, 21, 12, 22]);
}

#[test]
fn source_is_passed_over_half_as_often_as_set_at_the_most() {
    let merge = Merge::new(Strict::levels().promote_after(20).expect("not 0"));
    let merge = merge.source("high", filled(0..500)).expect("it is a level");
    let mut merge = merge.source("low", filled(500..600)).expect("it is a level");
    let taken: Vec<_> = (0..200).flat_map(|_| take(&mut merge, 1)).collect();
    let runs: Vec<_> = taken.split(|item| *item >= 500).map(<[u32]>::len).collect();
    assert!(runs.len() > 10 && runs.iter().all(|run| *run <= 11), "{runs:?}");
}

#[test]
fn source_that_had_nothing_was_not_promoted() {
    let (failing, script) = RecordingSource::<u32>::builder().never_ending().build();
    let merge = Merge::new(Strict::levels().promote_after(2).expect("not 0"));
    let merge = merge.source("high", filled(0..100)).expect("it is a level");
    let mut merge = merge.source("low", failing).expect("it is a level");
    for _ in 0..20 {
        script.fail(unavailable());
        assert_eq!(take(&mut merge, 1).len(), 1);
    }
    let counts =
        |merge: &Merge<_, _>| merge.class_stats().iter().map(|class| class.promoted).collect::<Vec<_>>();
    assert_eq!(counts(&merge), [0, 0, 0]);
    script.push(1000);
    // Those failures are still to come of which it was not asked yet.
    assert!((0..70).any(|_| take(&mut merge, 1) == [1000]));
    assert_eq!(counts(&merge), [0, 0, 1]);
}

/// Asked for one at a time, a class has its share all the same: its source is never seen to leave.
#[test]
fn shares_are_kept_whatever_is_asked_for() {
    for max in [1, 2, 7] {
        let shares = WeightedFair::new([("a", 1), ("b", 2), ("c", 4)]).expect("in range");
        let merge = Merge::new(shares).source("a", filled(0..100)).expect("known");
        let merge = merge.source("b", filled(100..300)).expect("known");
        let mut merge = merge.source("c", filled(300..700)).expect("known");
        let mut counts = [0; 3];
        let mut taken = 0;
        while taken < 350 {
            for item in take(&mut merge, max.min(350 - taken)) {
                counts[[100, 300, 700].iter().position(|end| item < *end).expect("below")] += 1;
                taken += 1;
            }
        }
        assert_eq!(counts, [50, 100, 200], "{max} at a time");
    }
}

#[test]
fn source_with_nothing_holds_up_nobody_and_calls_when_it_has_something() {
    let (quiet, quiet_rx) = bounded(10);
    let (busy, busy_rx) = bounded(10);
    let merge = Merge::new(Strict::levels()).source("high", quiet_rx).expect("it is a level");
    let mut merge = merge.source("low", busy_rx).expect("it is a level");
    busy.try_send(1).expect("there is room");
    let counter = Arc::new(CountingWaker::default());
    let waker = Waker::from(counter.clone());
    let Poll::Ready(Ok(hands)) = poll(&mut merge, &waker, 5) else { panic!("one is there") };
    assert_eq!(hands.into_iter().map(settled).collect::<Vec<_>>(), [1]);
    assert!(poll(&mut merge, &waker, 5).is_pending());
    let before = counter.wakes();
    quiet.try_send(2).expect("there is room");
    assert_eq!(counter.wakes(), before + 1);
    busy.try_send(3).expect("there is room");
    assert_eq!(take(&mut merge, 5), [2, 3]);
}

#[test]
fn merge_has_ended_when_all_have() {
    let (first, first_rx) = bounded::<u32>(10);
    let (second, second_rx) = bounded::<u32>(10);
    let keyed = |key: &str| Tenant::of(Key::of(key));
    let mut merge = Merge::new(FairByKey::new())
        .source_as(keyed("first"), first_rx)
        .source_as(keyed("second"), second_rx);
    assert!(!merge.is_closed());
    drop(first);
    assert!(poll(&mut merge, Waker::noop(), 1).is_pending());
    second.try_send(7).expect("there is room");
    merge.close();
    assert!(merge.is_closed());
    assert_eq!(take(&mut merge, 2), [7]);
    assert!(matches!(poll(&mut merge, Waker::noop(), 1), Poll::Ready(Ok(hands)) if hands.is_empty()));
}

#[test]
fn failure_is_told_when_no_other_has_anything_and_asked_again() {
    let (failing, script) = RecordingSource::builder().never_ending().build();
    let (other, other_rx) = bounded(10);
    let merge = Merge::new(Strict::levels()).source("high", failing).expect("it is a level");
    let mut merge = merge.source("low", other_rx).expect("it is a level");
    script.fail(unavailable());
    other.try_send(1).expect("there is room");
    assert_eq!(take(&mut merge, 5), [1], "the other one goes on");
    script.fail(unavailable());
    assert!(matches!(poll(&mut merge, Waker::noop(), 5), Poll::Ready(Err(SourceError::Unavailable(_)))));
    script.push(2);
    assert_eq!(take(&mut merge, 5), [2]);
}

#[test]
fn each_failure_of_settling_is_told() {
    let sources =
        ["high", "low"].map(|level| (level, RecordingSource::<u32>::builder().never_ending().build()));
    let mut merge = Merge::new(Strict::levels());
    for (level, (source, script)) in sources {
        script.fail_settling(unavailable());
        merge = merge.source(level, source).expect("it is a level");
    }
    let mut told = || merge.poll_settled(&mut Context::from_waker(Waker::noop()));
    assert!(matches!((told(), told()), (Poll::Ready(Err(_)), Poll::Ready(Err(_)))));
    assert!(matches!(told(), Poll::Ready(Ok(()))));
}

/// Three topics of one broker.
#[test]
fn outage_of_settling_is_over_when_it_is_over() {
    let mut merge = Merge::new(Strict::levels());
    let mut scripts = Vec::new();
    for level in ["high", "medium", "low"] {
        let (source, script) = RecordingSource::<u32>::builder().never_ending().build();
        merge = merge.source(level, source).expect("it is a level");
        scripts.push(script);
    }
    let mut told = || merge.poll_settled(&mut Context::from_waker(Waker::noop()));
    for _ in 0..100 {
        scripts.iter().for_each(|script| script.fail_settling(unavailable()));
        assert!(matches!(told(), Poll::Ready(Err(SourceError::Unavailable(_)))));
    }
    assert!(matches!(told(), Poll::Ready(Ok(()))));
}

#[test]
fn source_that_breaks_while_it_is_settled_ends_no_other() {
    let (broken, script) = RecordingSource::builder().items([1]).never_ending().build();
    let (other, other_rx) = bounded(10);
    let merge = Merge::new(Strict::levels()).source("high", broken).expect("it is a level");
    let mut merge = merge.source("low", other_rx).expect("it is a level");
    assert_eq!(take(&mut merge, 1), [1]);
    script.fail_settling(SourceError::Broken("for good".into()));
    let counter = Arc::new(CountingWaker::default());
    let waker = Waker::from(counter.clone());
    assert!(poll(&mut merge, &waker, 5).is_pending());
    let settled = |merge: &mut Merge<_, _>| merge.poll_settled(&mut Context::from_waker(Waker::noop()));
    assert!(settled(&mut merge).is_pending(), "what it was told is not confirmed");
    assert_eq!(counter.wakes(), 1, "it may have been the last one");
    assert!(settled(&mut merge).is_pending());
    script.push(2);
    other.try_send(3).expect("there is room");
    assert_eq!(take(&mut merge, 5), [3]);
    drop(other);
    assert!(matches!(poll(&mut merge, Waker::noop(), 5), Poll::Ready(Err(SourceError::Broken(_)))));
}

#[test]
fn broken_source_is_told_at_the_end_of_the_others() {
    let (broken, script) = RecordingSource::<u32>::builder().never_ending().build();
    let (other, other_rx) = bounded(10);
    let merge = Merge::new(Strict::levels()).source("high", broken).expect("it is a level");
    let mut merge = merge.source("low", other_rx).expect("it is a level");
    script.fail(SourceError::Broken("for good".into()));
    assert!(poll(&mut merge, Waker::noop(), 5).is_pending());
    other.try_send(1).expect("there is room");
    assert_eq!(take(&mut merge, 5), [1]);
    drop(other);
    assert!(matches!(poll(&mut merge, Waker::noop(), 5), Poll::Ready(Err(SourceError::Broken(_)))));
}

/// Panics where it is told to, and otherwise has nothing, or says that it had something.
#[derive(Default)]
struct Hostile {
    next: bool,
    settled: bool,
    lost: bool,
    closed: bool,
    lies: bool,
}

impl Source for Hostile {
    type Item = u32;

    fn poll_next(
        &mut self,
        _: &mut Context<'_>,
        _: NonZeroUsize,
        out: &mut Vec<Delivery<u32>>,
    ) -> Poll<Result<usize, SourceError>> {
        if self.next {
            out.push(Delivery::unsettled(99));
            panic!("while it was asked");
        }
        if self.lies { Poll::Ready(Ok(1)) } else { Poll::Pending }
    }

    fn poll_settled(&mut self, _: &mut Context<'_>) -> Poll<Result<(), SourceError>> {
        assert!(!self.settled, "while it was settled");
        Poll::Ready(Ok(()))
    }

    fn close(&mut self) {
        panic!("while it was closed");
    }

    fn poll_closed(&mut self, _: &mut Context<'_>) -> Poll<()> {
        assert!(!self.closed, "while it was asked whether it is closed");
        Poll::Pending
    }

    fn redelivers(&self) -> bool {
        false
    }

    fn poll_lost(&mut self, _: &mut Context<'_>, _: &mut Vec<Receipt>) -> Poll<usize> {
        assert!(!self.lost, "while it was asked what it has lost");
        Poll::Pending
    }
}

#[test]
fn source_that_panics_is_broken_and_ends_no_other() {
    let hostiles = [
        (Hostile { next: true, ..Hostile::default() }, "it panicked: while it was asked"),
        (Hostile { settled: true, ..Hostile::default() }, "it panicked: while it was settled"),
        (Hostile { lost: true, ..Hostile::default() }, "it panicked: while it was asked what it has lost"),
        (Hostile { lies: true, ..Hostile::default() }, "it said that it handed out items, but did not"),
        (Hostile::default(), "it panicked: while it was closed"),
    ];
    for (hostile, said) in hostiles {
        let (other, other_rx) = bounded(10);
        let is_settled = hostile.settled;
        let merge = Merge::new(Strict::levels()).source("high", hostile).expect("it is a level");
        let mut merge = merge.source("low", other_rx).expect("it is a level");
        let mut cx = Context::from_waker(Waker::noop());
        other.try_send(1).expect("there is room");
        assert_eq!(take(&mut merge, 5), [1], "{said}");
        assert!(merge.poll_lost(&mut cx, &mut Vec::new()).is_pending());
        assert!(!is_settled || merge.poll_settled(&mut cx).is_pending());
        other.try_send(2).expect("there is room");
        assert_eq!(take(&mut merge, 5), [2], "{said}");
        let counter = CountingWaker::new();
        assert!(poll(&mut merge, &counter.waker(), 5).is_pending());
        merge.close();
        assert!(merge.is_closed() && other.is_closed(), "{said}");
        assert!(counter.wakes() > 0, "{said}");
        match poll(&mut merge, Waker::noop(), 5) {
            Poll::Ready(Err(SourceError::Broken(why))) => assert_eq!(why.to_string(), said),
            other => panic!("{said}: {other:?}"),
        }
    }
}

/// Who asks for no item waits until no source gets anything new.
#[test]
fn merge_says_when_the_last_of_its_sources_is_closed() {
    let (one, one_rx) = bounded::<u32>(10);
    let (other, other_rx) = bounded(10);
    let merge = Merge::new(Strict::levels()).source("high", one_rx).expect("it is a level");
    let mut merge = merge.source("low", other_rx).expect("it is a level");
    let told = CountingWaker::new();
    let waker = told.waker();
    let mut cx = Context::from_waker(&waker);
    other.try_send(1).expect("there is room");
    assert_eq!((merge.poll_closed(&mut cx), told.wakes()), (Poll::Pending, 0));
    drop(one);
    assert_eq!((merge.poll_closed(&mut cx), told.wakes()), (Poll::Pending, 1));
    drop(other);
    assert_eq!((merge.poll_closed(&mut cx), told.wakes()), (Poll::Ready(()), 2));
    assert_eq!(take(&mut merge, 5), [1]);

    let (_open, open_rx) = bounded(10);
    let merge = Merge::new(Strict::levels()).source("high", open_rx).expect("it is a level");
    let mut merge =
        merge.source("low", Hostile { closed: true, ..Hostile::default() }).expect("it is a level");
    assert!(merge.poll_closed(&mut cx).is_pending(), "one is open");
    merge.close();
    assert!(merge.poll_closed(&mut cx).is_ready());
    let Poll::Ready(Err(SourceError::Broken(why))) = poll(&mut merge, Waker::noop(), 5) else {
        panic!("one has panicked");
    };
    assert_eq!(why.to_string(), "it panicked: while it was asked whether it is closed");
}

/// Both sources give the receipt 0.
#[test]
fn lease_that_is_lost_is_told_of_the_right_delivery() {
    let lease = Duration::from_secs(30);
    let lent =
        |item| RecordingSource::builder().items([item]).never_ending().redelivers().lease(lease).build();
    let ((first, of_first), (second, of_second)) = (lent(1), lent(2));
    let merge = Merge::new(Strict::levels()).source("high", first).expect("it is a level");
    let mut merge = merge.source("low", second).expect("it is a level");
    assert_eq!((merge.lease(), merge.redelivers()), (Some(lease), true));
    let Poll::Ready(Ok(mut hands)) = poll(&mut merge, Waker::noop(), 5) else { panic!("two are there") };
    let receipts: Vec<_> = hands.iter().map(Delivery::receipt).collect();
    assert_ne!(receipts[0], receipts[1]);
    hands[0].extend(lease);
    assert_eq!((of_first.record().extensions.len(), of_second.record().extensions.len()), (1, 0));

    assert!(of_second.lose(Receipt::new(0)));
    let mut lost = Vec::new();
    let polled = merge.poll_lost(&mut Context::from_waker(Waker::noop()), &mut lost);
    assert_eq!((polled, lost), (Poll::Ready(1), vec![receipts[1]]));
    drop(hands.pop());
    assert_eq!(of_second.record().settlements.len(), 0, "what was lost is not settled");
    hands.pop().expect("the first").ack();
    assert_eq!(of_first.record().settlements[0].end, End::Ack);
}

/// A consumer that has only a value left knows what becomes of it when it says no.
#[test]
fn each_delivery_of_a_mixture_says_whether_its_source_has_a_copy() {
    let said = |merge: &mut Merge<u32, Strict>| {
        let Poll::Ready(Ok(hands)) = poll(merge, Waker::noop(), 5) else { panic!("some are there") };
        let said = hands.iter().map(|hand| (*hand.item().expect("it is there"), hand.redelivers()));
        let said: Vec<_> = said.collect();
        hands.into_iter().for_each(Delivery::ack);
        said
    };
    let log = |item| RecordingSource::builder().items([item]).redelivers().build().0;
    let alike = Merge::new(Strict::levels()).source("high", log(1)).expect("it is a level");
    let mut alike = alike.source("low", log(2)).expect("it is a level");
    assert!(alike.redelivers());
    assert_eq!(said(&mut alike), [(1, None), (2, None)]);

    let inner = Merge::new(Strict::levels()).source("low", filled([3])).expect("it is a level");
    let inner = inner.source("high", log(1)).expect("it is a level");
    let outer = Merge::new(Strict::levels()).source("high", inner).expect("it is a level");
    let mut outer = outer.source("low", log(2)).expect("it is a level");
    assert!(!outer.redelivers());
    assert_eq!(said(&mut outer), [(1, Some(true)), (3, Some(false)), (2, Some(true))]);
}
