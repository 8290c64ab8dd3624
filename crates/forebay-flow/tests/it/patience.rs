//! Handles that reserve, and wait for as long as they may: then they are ready, and their call is refused. Time is paused.

use std::task::Poll;
use std::time::Duration;

use forebay_flow::layer::{AdaptiveRateLayer, ConcurrencyLimitLayer, FlowError, RateLimitLayer, Why};
use forebay_flow::rate::{Answer, FeedbackConfig, FeedbackRate};
use forebay_flow::{Fixed, Rate, TokenBucket};
use forebay_testkit::{CountingWaker, Driver};
use tokio::time::advance;

use crate::rig::{Rig, is_ready, poll_ready, poll_ready_with};

/// For how long they may.
const WAIT: Duration = Duration::from_millis(150);
const SLOT: Duration = Duration::from_millis(100);
const MS: Duration = Duration::from_millis(1);

fn limit() -> ConcurrencyLimitLayer<Fixed> {
    ConcurrencyLimitLayer::new(Fixed(1)).max_wait(WAIT)
}

fn rate() -> RateLimitLayer<TokenBucket> {
    RateLimitLayer::new(TokenBucket::new(Rate::per_second(10))).max_wait(WAIT)
}

fn adaptive() -> AdaptiveRateLayer {
    let config = FeedbackConfig { start: 10.0, doubling: Duration::MAX, ..FeedbackConfig::default() };
    AdaptiveRateLayer::new(FeedbackRate::try_new(config, 1).expect("in range")).max_wait(WAIT)
}

#[tokio::test(start_paused = true)]
async fn permit_that_does_not_come_in_time_is_given_up_and_the_call_refused() {
    let layer = limit();
    let (mut rig, handle) = (Rig::new(&layer), layer.handle());
    let mut holder = rig.service.clone();
    assert!(is_ready(&mut holder));
    let waker = CountingWaker::new();
    assert!(poll_ready_with(&mut rig.service, &waker).is_pending());
    advance(WAIT - MS).await;
    assert_eq!(waker.wakes(), 0);
    advance(MS).await;
    assert_eq!(waker.wakes(), 1);
    assert!(rig.is_ready(), "to be told");
    assert_eq!(handle.stats().waiting, 0, "it has left the line");
    let refused = rig.call("a").assert_ready().expect_err("the permit is out still");
    let FlowError::Refused(refused) = refused else { panic!("the service was not called") };
    assert_eq!((refused.why, refused.request), (Why::TimedOut, Some("a")));
    assert_eq!((handle.stats().timed_out, handle.stats().admitted), (1, 1));
    assert!(!rig.is_ready(), "it waits anew");
    drop(holder);
    assert!(rig.is_ready());
    rig.call("b").assert_pending();
    assert_eq!(rig.requests(), ["b"]);
}

#[tokio::test(start_paused = true)]
async fn permit_that_is_there_by_the_call_is_taken() {
    let layer = limit();
    let (mut rig, handle) = (Rig::new(&layer), layer.handle());
    let mut holder = rig.service.clone();
    assert!(is_ready(&mut holder) && !rig.is_ready());
    advance(WAIT).await;
    assert!(rig.is_ready());
    drop(holder);
    let mut call = rig.call("a");
    call.assert_pending();
    assert_eq!((rig.requests(), handle.in_use(), handle.stats().timed_out), (vec!["a"], 1, 0));
}

#[tokio::test(start_paused = true)]
async fn permit_that_comes_in_time_is_kept_for_longer() {
    let layer = limit();
    let (mut rig, handle) = (Rig::new(&layer), layer.handle());
    let mut holder = rig.service.clone();
    assert!(is_ready(&mut holder) && !rig.is_ready());
    advance(WAIT - MS).await;
    drop(holder);
    advance(10 * WAIT).await;
    let mut call = rig.call("a");
    call.assert_pending();
    assert_eq!(rig.requests(), ["a"]);
    drop((call, rig));
    assert_eq!((handle.in_use(), handle.stats().timed_out), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn start_that_is_too_far_ahead_is_given_up_at_once_and_the_call_refused() {
    let layer = rate();
    let (mut rig, handle) = (Rig::new(&layer), layer.handle());
    let _first = rig.call("a");
    let mut others = [(); 2].map(|()| rig.service.clone());
    assert!(!is_ready(&mut others[0]), "it is next");
    assert!(is_ready(&mut others[1]), "two slots are too many");
    let mut call = Driver::new(tower::Service::call(&mut others[1], "b"));
    let refused = call.assert_ready().expect_err("two slots ahead");
    assert_eq!(refused.retry_after(), Some(2 * SLOT - WAIT));
    let FlowError::Refused(refused) = refused else { panic!("the service was not called") };
    assert_eq!((refused.why, refused.request), (Why::TimedOut, Some("b")));
    assert_eq!(rig.requests(), ["a"]);
    let stats = handle.stats();
    assert_eq!((stats.refused, stats.admitted, stats.given_back, stats.lost), (1, 1, 0, 0));
    advance(SLOT).await;
    assert!(is_ready(&mut others[0]) && !is_ready(&mut others[1]), "what was given up was not charged");
}

#[tokio::test(start_paused = true)]
async fn start_that_is_there_by_the_call_is_taken() {
    let layer = rate();
    let (mut rig, handle) = (Rig::new(&layer), layer.handle());
    handle.update(|bucket, now| bucket.charge(3, now));
    assert!(rig.is_ready(), "three slots are too many");
    advance(3 * SLOT).await;
    rig.call("a").assert_pending();
    assert_eq!((rig.requests(), handle.stats().admitted, handle.stats().refused), (vec!["a"], 1, 0));
    assert!(!rig.is_ready(), "it is charged");
    handle.update(|bucket, now| bucket.charge(3, now));
    let mut gives_up = rig.service.clone();
    assert!(is_ready(&mut gives_up));
    handle.close();
    let mut call = Driver::new(tower::Service::call(&mut gives_up, "b"));
    let refused = call.assert_ready().expect_err("closed");
    assert!(matches!(refused, FlowError::Refused(it) if it.why == Why::Closed));
}

#[tokio::test(start_paused = true)]
async fn learnt_start_that_does_not_come_in_time_is_given_up_and_the_call_refused() {
    let layer = adaptive();
    let (mut rig, handle) = (Rig::new(&layer), layer.handle());
    let _first = rig.call("a");
    let mut others = [(); 2].map(|()| rig.service.clone());
    assert!(others.iter_mut().all(|other| !is_ready(other)));
    advance(WAIT).await;
    assert!(others.iter_mut().all(is_ready), "one has a start, and one has given up");
    let [kept, gave_up] = &mut others;
    let refused =
        Driver::new(tower::Service::call(gave_up, "b")).assert_ready().expect_err("it has no start");
    assert_eq!(refused.retry_after(), Some(2 * SLOT - WAIT));
    let FlowError::Refused(refused) = refused else { panic!("the service was not called") };
    assert_eq!((refused.why, refused.request), (Why::TimedOut, Some("b")));
    Driver::new(tower::Service::call(kept, "c")).assert_pending();
    let stats = handle.stats();
    assert_eq!((stats.timed_out, stats.admitted, stats.waiting), (1, 2, 0));
    assert!(poll_ready(gave_up).is_pending(), "it waits anew");
    advance(2 * SLOT - WAIT).await;
    assert!(matches!(poll_ready(gave_up), Poll::Ready(Ok(()))));
    Driver::new(tower::Service::call(gave_up, "b")).assert_pending();
    assert_eq!(handle.stats().admitted, 3);
}

#[tokio::test(start_paused = true)]
async fn learnt_start_that_is_there_by_the_call_is_taken() {
    let layer = adaptive();
    let (mut rig, handle) = (Rig::new(&layer), layer.handle());
    let _first = rig.call("a");
    let mut others = [(); 2].map(|()| rig.service.clone());
    assert!(others.iter_mut().all(|other| !is_ready(other)));
    advance(WAIT).await;
    assert!(others.iter_mut().all(is_ready));
    advance(SLOT).await;
    for other in &mut others {
        Driver::new(tower::Service::call(other, "b")).assert_pending();
    }
    assert_eq!((handle.stats().admitted, handle.stats().timed_out), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn learnt_start_that_a_pause_holds_up_for_too_long_is_given_up() {
    let layer = adaptive();
    let (mut rig, handle) = (Rig::new(&layer), layer.handle());
    assert!(rig.is_ready());
    let refusal = Answer::refused().after(600 * SLOT);
    handle.update(|rate, now| rate.learn(SLOT, &refusal, now));
    assert!(!rig.is_ready(), "nothing starts in a pause");
    advance(WAIT).await;
    let refused = rig.call("a").assert_ready().expect_err("it lasts a minute");
    assert!(refused.retry_after() >= Some(599 * SLOT - WAIT), "{:?}", refused.retry_after());
    assert_eq!((handle.stats().timed_out, handle.stats().admitted, rig.requests().len()), (1, 0, 0));
}
