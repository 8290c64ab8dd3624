//! Limits that move, and what they learn.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use forebay_flow::layer::{ConcurrencyLimitLayer, Why};
use forebay_flow::{Aimd, AimdConfig, CallEnd, Fixed, Limit, Sample, Tick};
use forebay_testkit::Driver;

use crate::rig::{Rig, refusal};

/// Remembers what it was told.
#[derive(Clone)]
struct Recorder(Arc<Mutex<Heard>>);

#[derive(Default)]
struct Heard {
    seats: usize,
    started: Vec<usize>,
    ended: Vec<(Sample, Tick)>,
}

impl Recorder {
    fn new(seats: usize) -> Self {
        Self(Arc::new(Mutex::new(Heard { seats, ..Heard::default() })))
    }

    fn heard(&self) -> std::sync::MutexGuard<'_, Heard> {
        self.0.lock().expect("nobody panics with it")
    }
}

impl Limit for Recorder {
    fn seats(&self) -> usize {
        self.heard().seats
    }

    fn started(&mut self, in_flight: usize) {
        self.heard().started.push(in_flight);
    }

    fn update(&mut self, sample: &Sample, now: Tick) {
        self.heard().ended.push((*sample, now));
    }
}

#[tokio::test(start_paused = true)]
async fn policy_hears_of_each_start_and_each_end() {
    let recorder = Recorder::new(10);
    let layer = ConcurrencyLimitLayer::new(recorder.clone());
    let mut rig = Rig::new(&layer);
    let mut calls = ["a", "b"].map(|request| rig.call(request));
    calls.iter_mut().for_each(Driver::assert_pending);
    assert_eq!(recorder.heard().started, [1, 2]);
    tokio::time::advance(Duration::from_millis(30)).await;
    rig.answer("A");
    calls[0].assert_ready().expect("it was answered");
    rig.next().expect("the second").1.send_error("refused");
    tokio::time::advance(Duration::from_millis(12)).await;
    calls[1].assert_ready().expect_err("it failed");
    let sample =
        |rtt, in_flight, end| (Sample { rtt: Duration::from_millis(rtt), in_flight, end }, rtt * 1_000_000);
    assert_eq!(recorder.heard().ended, [sample(30, 1, CallEnd::Success), sample(42, 2, CallEnd::Overload)]);
}

#[test]
fn a_handle_that_is_ready_is_not_at_work() {
    let recorder = Recorder::new(10);
    let mut rig = Rig::new(&ConcurrencyLimitLayer::new(recorder.clone()));
    let mut idle = rig.service.clone();
    assert!(crate::rig::is_ready(&mut idle));
    rig.call("a").assert_pending();
    assert_eq!(recorder.heard().started, [1]);
}

#[test]
fn a_cancelled_call_teaches_nothing() {
    let recorder = Recorder::new(10);
    let mut rig = Rig::new(&ConcurrencyLimitLayer::new(recorder.clone()).queued());
    let mut call = rig.call("a");
    call.assert_pending();
    drop(call);
    rig.call("b").assert_pending();
    assert!(recorder.heard().ended.is_empty());
    assert_eq!(recorder.heard().started, [1, 1], "it is not at work any more");
}

#[test]
fn answers_are_what_the_classifier_takes_them_for() {
    let recorder = Recorder::new(10);
    let layer = ConcurrencyLimitLayer::new(recorder.clone()).classify(
        |answer: Result<&&'static str, &tower::BoxError>| match answer {
            Ok(&"busy") => CallEnd::Overload,
            Ok(_) => CallEnd::Success,
            Err(_) => CallEnd::Ignore,
        },
    );
    let mut rig = Rig::new(&layer);
    for answer in ["busy", "fine"] {
        let mut call = rig.call("a");
        call.assert_pending();
        rig.answer(answer);
        call.assert_ready().expect("it was answered");
    }
    let mut call = rig.call("a");
    call.assert_pending();
    rig.next().expect("it was called").1.send_error("not found");
    call.assert_ready().expect_err("it failed");
    let ends: Vec<_> = recorder.heard().ended.iter().map(|(sample, _)| sample.end).collect();
    assert_eq!(ends, [CallEnd::Overload, CallEnd::Success, CallEnd::Ignore]);
}

#[test]
fn a_fixed_limit_needs_no_samples() {
    assert!(!Fixed(1).uses_samples());
    assert!(Aimd::default().uses_samples());
}

#[test]
fn more_permits_wake_as_many_as_fit_now() {
    let layer = ConcurrencyLimitLayer::new(Fixed(1)).queued();
    let mut rig = Rig::new(&layer);
    let mut calls: Vec<_> = (0..6).map(|_| rig.call("a")).collect();
    calls.iter_mut().for_each(Driver::assert_pending);
    layer.handle().update(|limit| limit.0 = 4);
    let woken: Vec<_> = calls.iter().map(Driver::is_woken).collect();
    assert_eq!(woken, [false, true, true, true, false, false]);
    assert_eq!(layer.handle().in_use(), 4);
}

#[test]
fn what_a_policy_learns_wakes_as_many_as_fit_now() {
    let policy = Aimd::try_new(AimdConfig { initial: 1, ..AimdConfig::default() }).expect("in range");
    let layer = ConcurrencyLimitLayer::new(policy).queued();
    let mut rig = Rig::new(&layer);
    let mut calls: Vec<_> = (0..4).map(|_| rig.call("a")).collect();
    calls.iter_mut().for_each(Driver::assert_pending);
    rig.answer("A");
    calls[0].assert_ready().expect("it was answered");
    let woken: Vec<_> = calls[1..].iter().map(Driver::is_woken).collect();
    assert_eq!(woken, [true, true, false], "one place was given back, and there is one more");
    assert_eq!(layer.handle().limit(), 2);
}

#[test]
fn a_limit_that_shrinks_below_what_is_in_flight_lets_nobody_in_until_enough_are_back() {
    let layer = ConcurrencyLimitLayer::new(Fixed(4)).queued();
    let handle = layer.handle();
    let mut rig = Rig::new(&layer);
    let mut running: Vec<_> = (0..4).map(|_| rig.call("a")).collect();
    running.iter_mut().for_each(Driver::assert_pending);
    handle.update(|limit| limit.0 = 2);
    assert_eq!((handle.limit(), handle.in_use()), (2, 4));
    let mut waiting = rig.call("b");
    waiting.assert_pending();
    for left in [3, 2] {
        running.pop();
        assert!(!waiting.is_woken());
        assert_eq!(handle.in_use(), left);
    }
    running.pop();
    assert!(waiting.is_woken());
    assert_eq!(handle.in_use(), 2);
}

#[test]
fn one_that_needs_more_than_the_limit_has_become_is_served_alone() {
    let layer = ConcurrencyLimitLayer::new(Fixed(3)).weigh(|request: &&'static str| request.len()).queued();
    let handle = layer.handle();
    let mut rig = Rig::new(&layer);
    let running = rig.call("a");
    let mut heavy = rig.call("bbb");
    let mut behind = rig.call("c");
    heavy.assert_pending();
    behind.assert_pending();
    handle.update(|limit| limit.0 = 2);
    assert!(!heavy.is_woken());
    assert_eq!(refusal(rig.call("ddd").assert_ready()), (Why::TooHeavy, Some("ddd")));
    drop(running);
    assert!(heavy.is_woken() && !behind.is_woken());
    assert_eq!(handle.in_use(), 3);
    drop(heavy);
    assert!(behind.is_woken());
}

#[test]
fn a_policy_of_nothing_still_has_one_permit() {
    let layer = ConcurrencyLimitLayer::new(Fixed(0));
    let mut rig = Rig::new(&layer);
    assert!(rig.is_ready());
    assert_eq!(layer.handle().limit(), 1);
}

#[test]
fn level_and_numbers_can_be_read() {
    use forebay_flow::Level;
    use forebay_queue::{Stats, Visitor};

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

    let layer = ConcurrencyLimitLayer::new(Fixed(2));
    let mut rig = Rig::new(&layer);
    let _call = rig.call("a");
    assert_eq!(layer.handle().level(), Some(0.5));
    let mut lines = Lines::default();
    layer.handle().observe(&mut lines);
    assert_eq!(
        lines.0,
        [
            "forebay_limit_current[] 2",
            "forebay_limit_in_flight[] 1",
            "forebay_limit_waiting[] 0",
            r#"forebay_admission_total[("result", "admitted")] 1"#,
            r#"forebay_admission_total[("result", "refused")] 0"#,
            r#"forebay_admission_total[("result", "timed_out")] 0"#,
            r#"forebay_admission_total[("result", "left")] 0"#,
            r#"forebay_admission_total[("result", "shed")] 0"#,
            r#"forebay_admission_total[("result", "closed")] 0"#,
            "forebay_limit_unused_total[] 0",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn work_that_is_no_call_takes_permits_and_tells_the_policy() {
    let recorder = Recorder::new(1);
    let layer = ConcurrencyLimitLayer::new(recorder.clone()).queued();
    let (mut rig, handle) = (Rig::new(&layer), layer.handle());
    let permit = handle.try_permit().expect("nobody is at work");
    assert!(handle.try_permit().is_none(), "there is one");
    tokio::time::advance(Duration::from_millis(5)).await;
    permit.end(CallEnd::Overload);
    let sample = Sample { rtt: Duration::from_millis(5), in_flight: 1, end: CallEnd::Overload };
    assert_eq!(recorder.heard().ended.iter().map(|(sample, _)| *sample).collect::<Vec<_>>(), [sample]);

    let permit = handle.try_permit().expect("it is back");
    let mut call = rig.call("waits");
    call.assert_pending();
    drop(permit);
    assert!(handle.try_permit().is_none(), "who waits comes first");
    call.assert_pending();
    rig.answer("answer");
    call.assert_ready().expect("it got the permit");
    assert_eq!(recorder.heard().ended.len(), 2, "one that was dropped tells nothing");
    assert_eq!((handle.in_use(), handle.stats().admitted, handle.stats().refused), (0, 3, 2));
    handle.close();
    assert!(handle.try_permit().is_none());
    assert_eq!((handle.stats().refused, handle.stats().closed), (2, 1));
}
