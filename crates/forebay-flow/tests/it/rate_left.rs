//! Who leaves before its start: the next one gets that start. Time is paused.

use std::convert::Infallible;
use std::time::Duration;

use forebay_flow::layer::{FlowError, RateLimitLayer, Why};
use forebay_flow::rate::{Book, Both};
use forebay_flow::{Rate, TokenBucket, Window};
use forebay_testkit::Driver;
use tokio::task::JoinSet;
use tokio::time::{Instant, advance, sleep, timeout};
use tower::{BoxError, Service, ServiceBuilder, ServiceExt, service_fn};

use crate::rig::{Rig, refusal};

const SLOT: Duration = Duration::from_millis(100);
const SECOND: Duration = Duration::from_secs(1);

/// One start each 100 ms.
fn bucket() -> TokenBucket {
    TokenBucket::new(Rate::per_second(10))
}

/// When it is called.
fn clock(
    begin: Instant,
) -> impl Service<(), Response = Duration, Error = Infallible, Future: Send> + Clone + Send + 'static {
    service_fn(move |()| std::future::ready(Ok(begin.elapsed())))
}

/// Twice as many calls as may start come for half a minute, and leave after a second; and then half as many as may. When they
/// started.
async fn overload<S>(call: S) -> Vec<Duration>
where
    S: Service<(), Response = Duration, Error = BoxError, Future: Send> + Clone + Send + 'static,
{
    let mut calls = JoinSet::new();
    for pause in [vec![SLOT / 2; 600], vec![2 * SLOT; 50]].concat() {
        let call = call.clone();
        calls.spawn(async move { timeout(SECOND, call.oneshot(())).await.ok()?.ok() });
        sleep(pause).await;
    }
    let mut starts: Vec<_> = calls.join_all().await.into_iter().flatten().collect();
    starts.sort();
    starts
}

fn count(starts: &[Duration], seconds: std::ops::Range<u64>) -> usize {
    starts.iter().filter(|start| seconds.contains(&start.as_secs())).count()
}

/// The rate is used up in the overload, never exceeded, and afterwards everybody is served.
#[track_caller]
fn assert_used(starts: &[Duration]) {
    let (before, after) = (count(starts, 0..30), count(starts, 32..40));
    assert!(before >= 270, "{before} of 300");
    assert_eq!(after, 40);
}

#[tokio::test(start_paused = true)]
async fn callers_that_leave_in_an_overload_cost_the_others_no_start() {
    let layer = RateLimitLayer::new(bucket()).queued();
    let handle = layer.handle();
    let service = ServiceBuilder::new().map_err(FlowError::into_box).layer(layer);
    let starts = overload(service.service(clock(Instant::now()))).await;
    assert_used(&starts);
    let gap = starts.windows(2).map(|pair| pair[1] - pair[0]).min();
    assert!(gap >= Some(SLOT - Duration::from_millis(1)), "{gap:?}");
    let stats = handle.stats();
    assert_eq!(stats.waiting, 0);
    assert!(stats.lost <= 20, "{stats:?}");
}

#[tokio::test(start_paused = true)]
async fn handles_that_leave_in_an_overload_cost_the_others_no_start() {
    let layer = RateLimitLayer::new(bucket());
    let service = ServiceBuilder::new().map_err(FlowError::into_box).layer(layer);
    assert_used(&overload(service.service(clock(Instant::now()))).await);
}

#[tokio::test(start_paused = true)]
async fn callers_that_leave_cost_no_start_of_a_window() {
    let layer = RateLimitLayer::new(Window::new(Rate::per_second(10))).queued();
    let service = ServiceBuilder::new().map_err(FlowError::into_box).layer(layer);
    let starts = overload(service.service(clock(Instant::now()))).await;
    assert!(count(&starts, 0..30) >= 270 && count(&starts, 32..40) == 40);
    for &end in &starts {
        let in_period = starts.iter().filter(|&&at| at <= end && at + SECOND > end).count();
        assert!(in_period <= 10, "{in_period} in the second that ends at {end:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_left_is_the_next_ones_and_comes_back_when_those_behind_it_leave() {
    let layer = RateLimitLayer::new(bucket()).queued();
    let (mut rig, handle) = (Rig::new(&layer), layer.handle());
    let mut calls: Vec<_> = ["a", "b", "c", "d"].map(|request| rig.call(request)).into();
    calls.iter_mut().for_each(Driver::assert_pending);
    drop(calls.remove(1));
    assert_eq!((handle.stats().given_back, handle.stats().lost), (0, 0), "it is not decided yet");
    let mut next = rig.call("e");
    next.assert_pending();
    assert_eq!(handle.stats().given_back, 1);
    advance(SLOT).await;
    next.assert_pending();
    assert!(rig.requests().contains(&"e"), "it has the start of the one that left");
    // c is due, and d is the last one.
    drop(calls.remove(1));
    drop(calls.remove(1));
    assert_eq!((handle.stats().given_back, handle.stats().lost), (3, 0));
    let again = handle.update(|bucket, now| bucket.book(1, now)).expect("light");
    assert_eq!(again.at(), 200_000_000);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_takes_is_lost_when_its_time_is_over() {
    let layer = RateLimitLayer::new(bucket()).queued();
    let (mut rig, handle) = (Rig::new(&layer), layer.handle());
    let [_a, b, _c] = ["a", "b", "c"].map(|request| rig.call(request));
    drop(b);
    advance(SLOT + SLOT / 2).await;
    assert_eq!((handle.stats().given_back, handle.stats().lost), (0, 1));
    let mut late = rig.call("d");
    advance(SLOT).await;
    late.assert_pending();
    assert!(!rig.requests().contains(&"d"), "it has the next one");
}

#[tokio::test(start_paused = true)]
async fn what_was_left_counts_among_those_that_may_wait_and_is_not_for_another_cost() {
    let layer = RateLimitLayer::new(bucket().with_burst(2)).queued().max_waiting(2);
    let layer = layer.weigh(|request: &&'static str| request.len());
    let (mut rig, handle) = (Rig::new(&layer), layer.handle());
    let [_a, b, _c] = ["aa", "bb", "c"].map(|request| rig.call(request));
    drop(b);
    assert_eq!(refusal(rig.call("d").assert_ready()), (Why::Full, Some("d")));
    rig.call("ee").assert_pending();
    assert_eq!(handle.stats().refused, 1);
}

#[test]
fn of_two_rates_neither_or_both_take_a_start_back() {
    let mut both = Both::new(bucket(), TokenBucket::new(Rate::per_second(100)));
    let [_, second] = [(); 2].map(|()| both.book(1, 0).expect("light"));
    both.second_mut().charge(1, 0);
    assert!(!both.unbook(second), "somebody has charged one of them");
    assert_eq!(both.book(1, 0).expect("light").at(), 200_000_000);
}
