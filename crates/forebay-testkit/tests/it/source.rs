use std::num::NonZeroUsize;
use std::task::{Context, Poll};
use std::time::Duration;

use forebay_queue::{Delivery, End, Receipt, Source, SourceError};
use forebay_testkit::{CountingWaker, Driver, RecordingSource, Script, assert_pending, assert_ready};

/// Asks for at most `max`, with a waker that the caller counts.
fn ask<T: Send + 'static>(
    source: &mut RecordingSource<T>,
    counter: &std::sync::Arc<CountingWaker>,
    max: usize,
) -> (Poll<Result<usize, SourceError>>, Vec<Delivery<T>>) {
    let mut out = Vec::new();
    let waker = counter.waker();
    let max = NonZeroUsize::new(max).expect("tests ask for at least one");
    let poll = source.poll_next(&mut Context::from_waker(&waker), max, &mut out);
    (poll, out)
}

#[test]
fn never_hands_out_more_than_was_asked_for() {
    let (mut source, script) = RecordingSource::new(0..5);
    let counter = CountingWaker::new();
    let (poll, hands) = ask(&mut source, &counter, 3);
    assert_eq!(assert_ready(poll).unwrap(), 3);
    assert_eq!(script.outstanding(), 3);
    assert_eq!(script.remaining(), 2);
    assert_eq!(hands[0].item(), Some(&0));
}

#[test]
fn ends_only_when_nothing_is_in_anybodys_hands() {
    let (mut source, _script) = RecordingSource::new(["a"]);
    let counter = CountingWaker::new();
    let (_, mut hands) = ask(&mut source, &counter, 1);
    assert_pending(ask(&mut source, &counter, 1).0);

    hands.remove(0).ack();
    assert_eq!(counter.wakes(), 1);
    assert_eq!(assert_ready(ask(&mut source, &counter, 1).0).unwrap(), 0);
}

#[test]
fn a_nacked_item_comes_again_with_the_next_attempt() {
    let (mut source, script) = RecordingSource::new(["a"]);
    let counter = CountingWaker::new();
    let (_, mut hands) = ask(&mut source, &counter, 1);
    hands.remove(0).nack(Duration::from_secs(7));

    let (_, mut hands) = ask(&mut source, &counter, 1);
    assert_eq!((hands[0].item(), hands[0].attempt()), (Some(&"a"), 2));
    hands.remove(0).dead_letter("enough");
    assert_eq!(
        script.record().ends(),
        [End::Nack { after: Duration::from_secs(7) }, End::DeadLetter { reason: "enough".to_owned() }]
    );
}

#[test]
fn without_copies_a_nack_without_its_value_brings_nothing_back() {
    let (mut source, script) = RecordingSource::new(["a"]);
    let counter = CountingWaker::new();
    let (_, mut hands) = ask(&mut source, &counter, 1);
    let mut delivery = hands.remove(0);
    delivery.take();
    drop(delivery);
    assert!(!script.record().settlements[0].with_item);
    assert_eq!(assert_ready(ask(&mut source, &counter, 1).0).unwrap(), 0);
}

#[test]
fn a_source_that_redelivers_brings_its_own_copy() {
    let (mut source, _script) = RecordingSource::builder().redelivers().items(["a"]).build();
    assert!(source.redelivers());
    let counter = CountingWaker::new();
    let (_, mut hands) = ask(&mut source, &counter, 1);
    let mut delivery = hands.remove(0);
    delivery.take();
    drop(delivery);
    let (_, hands) = ask(&mut source, &counter, 1);
    assert_eq!((hands[0].item(), hands[0].attempt()), (Some(&"a"), 2));
}

#[test]
fn scripted_errors_come_in_their_turn() {
    let (mut source, script) = RecordingSource::builder()
        .items([1])
        .fail(SourceError::Unavailable("away".into()))
        .items([2])
        .build();
    let counter = CountingWaker::new();
    let (poll, hands) = ask(&mut source, &counter, 9);
    assert_eq!(assert_ready(poll).unwrap(), 1);
    assert!(matches!(assert_ready(ask(&mut source, &counter, 9).0), Err(SourceError::Unavailable(_))));
    let (poll, more) = ask(&mut source, &counter, 9);
    assert_eq!(assert_ready(poll).unwrap(), 1);
    drop((hands, more));
    assert_eq!(script.record().demands, [9, 9, 9]);
}

#[test]
fn held_settlements_wait_and_are_woken() {
    let (mut source, script) = RecordingSource::new([1]);
    let counter = CountingWaker::new();
    let waker = counter.waker();
    let cx = &mut Context::from_waker(&waker);
    script.hold_settlements();
    assert_pending(source.poll_settled(cx));
    script.release_settlements();
    assert_eq!(counter.wakes(), 1);
    assert_ready(source.poll_settled(cx)).unwrap();

    script.fail_settling(SourceError::Broken("disk gone".into()));
    assert!(assert_ready(source.poll_settled(cx)).is_err());
    assert_eq!(script.record().settled_polls, 3);
}

#[test]
fn a_closed_source_that_never_ends_goes_on() {
    let (mut source, script) = RecordingSource::builder().never_ending().items([1]).build();
    let counter = CountingWaker::new();
    source.close();
    let (poll, mut hands) = ask(&mut source, &counter, 1);
    assert_eq!(assert_ready(poll).unwrap(), 1);
    hands.remove(0).ack();
    assert_pending(ask(&mut source, &counter, 1).0);

    script.end();
    assert_eq!(counter.wakes(), 1);
    assert_eq!(assert_ready(ask(&mut source, &counter, 1).0).unwrap(), 0);
    assert_eq!(script.record().closes, 1);
}

#[test]
fn until_sees_each_change() {
    let (source, script) = RecordingSource::new([1]);
    let watched = script.clone();
    let mut until = Driver::new(watched.until(|record| record.dropped));
    until.assert_pending();
    drop(source);
    assert!(until.is_woken());
    until.assert_ready();
}

#[test]
fn what_comes_back_takes_its_old_place() {
    let (mut source, _script) = RecordingSource::new(1..=4);
    let counter = CountingWaker::new();
    let (_, hands) = ask(&mut source, &counter, 3);
    drop(hands);
    let (_, mut hands) = ask(&mut source, &counter, 4);
    let items: Vec<_> =
        hands.iter().map(|delivery| (*delivery.item().unwrap(), delivery.attempt())).collect();
    assert_eq!(items, [(1, 2), (2, 2), (3, 2), (4, 1)]);

    // In whichever order they come.
    hands.remove(2).nack(Duration::ZERO);
    hands.remove(0).nack(Duration::ZERO);
    let (_, again) = ask(&mut source, &counter, 4);
    let items: Vec<_> = again.iter().map(|delivery| *delivery.item().unwrap()).collect();
    assert_eq!(items, [1, 3]);
}

#[test]
fn what_is_pushed_after_closing_is_refused() {
    let (mut source, script) = RecordingSource::new([1]);
    source.close();
    script.push(2);
    assert_eq!((script.remaining(), script.record().refused), (1, 1));
}

#[test]
fn a_condition_may_ask_the_script() {
    let (source, script) = RecordingSource::new([1]);
    let asked = script.clone();
    let mut until = Driver::new(script.until(move |record| {
        assert_eq!(&asked.record(), record);
        asked.remaining() == 1 && record.dropped
    }));
    until.assert_pending();
    drop(source);
    assert!(until.is_woken());
    until.assert_ready();
}

/// An item whose clone and destructor ask the source's own script.
#[test]
fn items_may_ask_the_script() {
    struct Asks(Script<Asks>);
    impl Clone for Asks {
        fn clone(&self) -> Self {
            self.0.record();
            Self(self.0.clone())
        }
    }
    impl Drop for Asks {
        fn drop(&mut self) {
            self.0.record();
        }
    }
    let (mut source, script) = RecordingSource::builder().redelivers().never_ending().build();
    script.push(Asks(script.clone()));
    let counter = CountingWaker::new();
    let (_, mut hands) = ask(&mut source, &counter, 1);
    hands.remove(0).nack(Duration::ZERO);
    let (_, mut hands) = ask(&mut source, &counter, 1);
    hands.remove(0).ack();
    assert_eq!(script.record().settlements.len(), 2);
}

#[test]
fn what_is_lost_is_reported_once_and_delivered_again() {
    let (mut source, script) =
        RecordingSource::builder().redelivers().lease(Duration::from_secs(30)).items(["a"]).build();
    assert_eq!(source.lease(), Some(Duration::from_secs(30)));
    let (asked, told) = (CountingWaker::new(), CountingWaker::new());
    let waker = told.waker();
    let cx = &mut Context::from_waker(&waker);
    let mut lost = Vec::new();
    let (_, mut hands) = ask(&mut source, &asked, 1);
    assert_pending(source.poll_lost(cx, &mut lost));
    assert_pending(ask(&mut source, &asked, 1).0);

    assert!(script.lose(Receipt::new(0)));
    assert!(!script.lose(Receipt::new(0)));
    assert_eq!((told.wakes(), asked.wakes()), (1, 1));
    assert_eq!(assert_ready(source.poll_lost(cx, &mut lost)), 1);
    assert_eq!(lost, [Receipt::new(0)]);
    assert_pending(source.poll_lost(cx, &mut lost));

    let (_, mut again) = ask(&mut source, &asked, 1);
    assert_eq!((again[0].item(), again[0].attempt()), (Some(&"a"), 2));
    // The old consumer's word counts no more.
    hands.remove(0).nack(Duration::ZERO);
    assert_eq!(script.record().late, [Receipt::new(0)]);
    again.remove(0).ack();
    assert_eq!(script.record().ends(), [End::Ack]);
}

#[test]
fn a_boxed_source_has_the_leases_of_what_is_in_the_box() {
    let (source, script) = RecordingSource::builder().lease(Duration::from_secs(30)).items(["a"]).build();
    let mut source: Box<dyn Source<Item = &str>> = Box::new(source);
    assert_eq!(Source::lease(&source), Some(Duration::from_secs(30)));
    let waker = CountingWaker::new().waker();
    let cx = &mut Context::from_waker(&waker);
    let mut hands = Vec::new();
    assert!(source.poll_next(cx, NonZeroUsize::MIN, &mut hands).is_ready());
    assert!(script.lose(Receipt::new(0)));
    assert_eq!(assert_ready(Source::poll_lost(&mut source, cx, &mut Vec::new())), 1);
}
