//! The rows of the table, one test a cell: starts as often as the answers allow, reserved and queued. Time is paused.

use std::task::Poll;
use std::time::Duration;

use forebay_flow::layer::{
    AdaptiveRate, AdaptiveRateHandle, AdaptiveRateLayer, FlowError, QueuedAdaptiveRate, Why,
};
use forebay_flow::rate::{Answer, FeedbackConfig, FeedbackRate, Quota};
use forebay_testkit::{CountingWaker, Driver};
use tokio::time::{Instant, advance};
use tower::{BoxError, Layer, Service};

use crate::rig::{Inner, Rig, is_ready, poll_ready, poll_ready_with, refusal};

const MS: Duration = Duration::from_millis(1);
const SLOT: Duration = Duration::from_millis(100);

type Reads = fn(Result<&&'static str, &BoxError>) -> Answer;

fn reads(result: Result<&&'static str, &BoxError>) -> Answer {
    match result {
        Ok(&"no") => Answer::refused(),
        Ok(&"not for a minute") => Answer::refused().after(600 * SLOT),
        Ok(_) => Answer::served(),
        Err(_) => Answer::says_nothing(),
    }
}

/// One start each 100 ms until it learns better; it does not grow by itself for a long time.
fn layer() -> AdaptiveRateLayer {
    let doubling = Duration::from_secs(1_000_000);
    let config = FeedbackConfig { start: 10.0, doubling, ..FeedbackConfig::default() };
    AdaptiveRateLayer::new(FeedbackRate::try_new(config, 1).expect("in range"))
}

fn reserve() -> (Rig<AdaptiveRate<Inner, Reads>>, AdaptiveRateHandle) {
    let layer = layer().judge(reads as Reads);
    (Rig::new(&layer), layer.handle())
}

fn queued() -> (Rig<QueuedAdaptiveRate<Inner, Reads>>, AdaptiveRateHandle) {
    let layer = layer().judge(reads as Reads).queued();
    (Rig::new(&layer), layer.handle())
}

fn set(handle: &AdaptiveRateHandle, limit: u64) {
    let quota = Quota { limit: Some(limit), window: Some(Duration::from_secs(1)), ..Quota::default() };
    handle.update(|rate, now| rate.told(&quota, now));
}

/// The service refuses a call that is on its way.
fn refuse<S>(rig: &mut Rig<S>, mut call: Driver<S::Future>, answer: &'static str)
where
    S: Service<&'static str, Response = &'static str, Error = crate::rig::Error> + Clone,
{
    call.assert_pending();
    rig.answer(answer);
    assert_eq!(call.assert_ready().expect("the answer is handed on"), answer);
}

// --- reserve: poll_ready

#[tokio::test(start_paused = true)]
async fn reserve_ready_asks_for_nothing_before_the_service_is_ready() {
    let (mut rig, _) = reserve();
    rig.inner.allow(0);
    assert!(!rig.is_ready());
    let mut other = rig.service.clone();
    assert!(!is_ready(&mut other));
    rig.inner.allow(1);
    assert!(rig.is_ready(), "the other one has no start");
}

#[tokio::test(start_paused = true)]
async fn reserve_ready_sleeps_until_the_next_start_and_keeps_it() {
    let (mut rig, _) = reserve();
    let _first = rig.call("a");
    let waker = CountingWaker::new();
    assert!(poll_ready_with(&mut rig.service, &waker).is_pending());
    advance(SLOT - MS).await;
    assert_eq!(waker.wakes(), 0);
    advance(MS).await;
    assert_eq!(waker.wakes(), 1);
    assert!(rig.is_ready());
    advance(5 * SLOT).await;
    assert!(rig.is_ready());
    let mut other = rig.service.clone();
    assert!(is_ready(&mut other), "it has taken no second one");
}

#[tokio::test(start_paused = true)]
async fn reserve_clones_start_without() {
    let (mut rig, _) = reserve();
    assert!(rig.is_ready());
    let mut clone = rig.service.clone();
    assert!(!is_ready(&mut clone));
    advance(SLOT).await;
    assert!(is_ready(&mut clone));
}

#[tokio::test(start_paused = true)]
async fn reserve_ready_waits_for_the_end_of_a_pause_though_it_has_its_start() {
    let (mut rig, handle) = reserve();
    let call = rig.call("a");
    advance(SLOT).await;
    let mut other = rig.service.clone();
    assert!(is_ready(&mut other));
    refuse(&mut rig, call, "no");
    let pause = handle.stats().paused_for;
    assert!(pause >= SLOT && !is_ready(&mut other));
    advance(pause + MS).await;
    assert!(is_ready(&mut other), "it has kept its start");
}

#[tokio::test(start_paused = true)]
async fn reserve_ready_fails_once_it_is_closed() {
    let (mut rig, handle) = reserve();
    assert!(rig.is_ready());
    handle.close();
    assert!(rig.is_ready(), "it has its start");
    let closed = poll_ready(&mut rig.service.clone());
    assert!(matches!(closed, Poll::Ready(Err(FlowError::Refused(it))) if it.why == Why::Closed));
}

// --- reserve: call

#[tokio::test(start_paused = true)]
async fn reserve_call_uses_the_start_and_reads_the_answer() {
    let (mut rig, handle) = reserve();
    let call = rig.call("a");
    assert!(!rig.is_ready());
    refuse(&mut rig, call, "no");
    let stats = handle.stats();
    assert_eq!((stats.admitted, stats.overloads), (1, 1));
    assert!(stats.per_second < 10.0);
}

#[tokio::test(start_paused = true)]
#[should_panic = "poll_ready must be called first"]
async fn reserve_call_without_readiness_panics() {
    let (mut rig, _) = reserve();
    let _first = rig.call("a");
    assert!(!rig.is_ready());
    drop(rig.service.call("b"));
}

// --- reserve: drop

#[tokio::test(start_paused = true)]
async fn reserve_dropped_it_leaves_the_line_or_gives_its_start_back() {
    let (mut rig, handle) = reserve();
    let mut kept = rig.service.clone();
    assert!(is_ready(&mut kept));
    let [mut second, mut third] = [rig.service.clone(), rig.service.clone()];
    assert!(!is_ready(&mut second) && !is_ready(&mut third));
    drop(second);
    assert_eq!(handle.stats().given_back, 0, "it had none");
    drop(kept);
    assert_eq!((handle.stats().given_back, handle.stats().lost), (1, 0));
    assert!(is_ready(&mut third), "it has moved up twice");
    assert!(!rig.is_ready());
}

// --- queued: poll_ready

#[tokio::test(start_paused = true)]
async fn queued_is_ready_whoever_waits_and_never_asks_the_service() {
    let (mut rig, handle) = queued();
    let _calls = ["a", "b"].map(|request| rig.call(request));
    rig.inner.send_error("asked");
    assert!(rig.is_ready());
    assert_eq!(handle.stats().waiting, 1);
}

#[tokio::test(start_paused = true)]
async fn queued_ready_fails_once_it_is_closed() {
    let (mut rig, handle) = queued();
    let _running = rig.call("a");
    let mut waiting = rig.call("b");
    waiting.assert_pending();
    handle.close();
    assert!(
        matches!(poll_ready(&mut rig.service), Poll::Ready(Err(FlowError::Refused(it))) if it.why == Why::Closed)
    );
    assert_eq!(refusal(Driver::new(rig.service.call("c")).assert_ready()), (Why::Closed, Some("c")));
    advance(SLOT).await;
    waiting.assert_pending();
    assert!(rig.requests().contains(&"b"), "who waits starts");
}

// --- queued: call

#[tokio::test(start_paused = true)]
async fn queued_calls_start_in_their_order_one_at_a_time() {
    let (mut rig, handle) = queued();
    let mut calls = ["a", "b", "c", "d"].map(|request| rig.call(request));
    // Polled in another order than they were made.
    calls.iter_mut().rev().for_each(Driver::assert_pending);
    assert_eq!(rig.next().expect("it is due").0, "a");
    for (index, name) in [(1, "b"), (2, "c"), (3, "d")] {
        advance(SLOT - MS).await;
        assert!(!calls[index].is_woken(), "{name} is too early");
        advance(MS).await;
        assert!(calls[index].is_woken(), "{name} has a timer of its own");
        calls[index].assert_pending();
        assert_eq!(rig.next().expect("it is due").0, name);
    }
    assert_eq!((handle.stats().admitted, handle.stats().waiting), (4, 0));
}

#[tokio::test(start_paused = true)]
async fn queued_one_that_is_not_polled_holds_up_nobody() {
    let (mut rig, _) = queued();
    let mut calls = ["a", "b", "c"].map(|request| rig.call(request));
    calls.iter_mut().for_each(Driver::assert_pending);
    drop(rig.requests());
    advance(SLOT).await;
    advance(SLOT).await;
    assert!(calls[2].is_woken(), "by a timer of its own");
    calls[2].assert_pending();
    assert_eq!(rig.requests(), ["c"], "the second has its start, and does not use it");
    calls[1].assert_pending();
    assert_eq!(rig.requests(), ["b"]);
}

#[tokio::test(start_paused = true)]
async fn queued_a_refusal_holds_up_those_who_wait_already() {
    let (mut rig, handle) = queued();
    let [first, mut second, mut third] = ["a", "b", "c"].map(|request| rig.call(request));
    second.assert_pending();
    third.assert_pending();
    // It is due, and has not started.
    advance(SLOT).await;
    refuse(&mut rig, first, "not for a minute");
    let pause = handle.stats().paused_for;
    assert!(pause >= 600 * SLOT && pause <= 900 * SLOT);
    advance(pause - MS).await;
    second.assert_pending();
    third.assert_pending();
    assert!(rig.requests().is_empty(), "nothing starts in the pause");
    advance(2 * MS).await;
    assert!(second.is_woken());
    second.assert_pending();
    third.assert_pending();
    assert_eq!(rig.requests(), ["b"], "they go on one after the other");
    advance(2 * SLOT).await;
    third.assert_pending();
    assert_eq!(rig.requests(), ["c"]);
}

#[tokio::test(start_paused = true)]
async fn queued_who_waits_is_woken_when_the_rate_rises() {
    let (mut rig, handle) = queued();
    let mut calls = ["a", "b", "c"].map(|request| rig.call(request));
    calls.iter_mut().for_each(Driver::assert_pending);
    set(&handle, 1000);
    for call in &mut calls[1..] {
        advance(MS).await;
        assert!(call.is_woken());
        call.assert_pending();
    }
    assert_eq!(rig.requests(), ["a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn queued_who_waits_waits_longer_when_the_rate_falls() {
    let (mut rig, handle) = queued();
    let mut calls = ["a", "b", "c"].map(|request| rig.call(request));
    calls.iter_mut().for_each(Driver::assert_pending);
    set(&handle, 1);
    assert_eq!(rig.requests(), ["a"]);
    advance(9 * SLOT).await;
    calls[1..].iter_mut().for_each(Driver::assert_pending);
    assert!(rig.requests().is_empty());
    advance(SLOT).await;
    calls[1..].iter_mut().for_each(Driver::assert_pending);
    assert_eq!(rig.requests(), ["b"]);
    advance(10 * SLOT).await;
    calls[2].assert_pending();
    assert_eq!(rig.requests(), ["c"]);
}

#[tokio::test(start_paused = true)]
async fn queued_refuses_beyond_max_waiting_and_says_when_it_could_start() {
    let layer = layer().judge(reads as Reads).queued().max_waiting(1);
    let mut rig = Rig::new(&layer);
    let _calls = ["a", "b"].map(|request| rig.call(request));
    advance(SLOT / 2).await;
    let refused = rig.call("c").assert_ready().expect_err("one waits already");
    assert_eq!(refused.retry_after(), Some(2 * SLOT - SLOT / 2));
    assert_eq!(refusal::<()>(Err(refused)), (Why::Full, Some("c")));
    assert_eq!(layer.handle().stats().refused, 1);
    layer.handle().set_max_waiting(2);
    let mut third = rig.call("d");
    advance(2 * SLOT - SLOT / 2).await;
    third.assert_pending();
    assert!(rig.requests().contains(&"d"), "what was refused has cost nothing");
}

#[tokio::test(start_paused = true)]
async fn queued_refuses_who_has_waited_for_as_long_as_it_may_and_says_how_long_it_still_is() {
    let layer = layer().judge(reads as Reads).queued().max_wait(3 * SLOT);
    let mut rig = Rig::new(&layer);
    let mut calls = ["a", "b", "c", "d", "e"].map(|request| rig.call(request));
    calls.iter_mut().for_each(Driver::assert_pending);
    for due in &mut calls[1..=2] {
        advance(SLOT).await;
        due.assert_pending();
    }
    advance(SLOT).await;
    let last = calls[4].assert_ready().expect_err("its start is a slot away");
    assert_eq!(last.retry_after(), Some(SLOT));
    assert_eq!(refusal::<()>(Err(last)), (Why::TimedOut, Some("e")));
    calls[3].assert_pending();
    assert!(rig.requests().contains(&"d"), "its start comes in time");
    let stats = layer.handle().stats();
    assert_eq!((stats.timed_out, stats.refused, stats.admitted), (1, 0, 4));
}

#[tokio::test(start_paused = true)]
async fn queued_refuses_at_once_while_a_pause_is_longer_than_it_may_wait() {
    let layer = layer().judge(reads as Reads).queued().max_wait(SLOT);
    let mut rig = Rig::new(&layer);
    let call = rig.call("a");
    refuse(&mut rig, call, "not for a minute");
    let refused = rig.call("b").assert_ready().expect_err("the pause is long");
    assert_eq!(refused.retry_after(), Some(layer.handle().stats().paused_for - SLOT));
    assert_eq!(refusal::<()>(Err(refused)), (Why::TimedOut, Some("b")));
    assert_eq!((layer.handle().stats().refused, layer.handle().stats().waiting), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn queued_refuses_who_has_waited_for_as_long_as_it_may_also_if_a_pause_came_before_its_first_poll() {
    let layer = layer().judge(reads as Reads).queued().max_wait(SLOT);
    let mut rig = Rig::new(&layer);
    let mut first = rig.call("a");
    first.assert_pending();
    advance(SLOT).await;
    let mut may_start = rig.call("b");
    refuse(&mut rig, first, "not for a minute");
    may_start.assert_pending();
    advance(SLOT).await;
    let refused = may_start.assert_ready().expect_err("the pause is long");
    let stats = layer.handle().stats();
    assert_eq!(refused.retry_after(), Some(stats.paused_for));
    assert_eq!(refusal::<()>(Err(refused)), (Why::TimedOut, Some("b")));
    assert_eq!((stats.timed_out, stats.left, stats.waiting, stats.admitted), (1, 0, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn queued_calls_a_clone_that_is_ready() {
    let (mut rig, _) = queued();
    rig.inner.allow(0);
    let mut call = rig.call("a");
    call.assert_pending();
    assert!(rig.requests().is_empty());
    rig.inner.allow(1);
    assert!(call.is_woken());
    call.assert_pending();
    assert_eq!(rig.requests(), ["a"]);
}

// --- queued: drop

#[tokio::test(start_paused = true)]
async fn queued_dropped_it_leaves_the_line_and_those_behind_it_move_up() {
    let (mut rig, handle) = queued();
    let [mut first, mut second, mut third, fourth] = ["a", "b", "c", "d"].map(|request| rig.call(request));
    first.assert_pending();
    second.assert_pending();
    third.assert_pending();
    drop(fourth);
    drop(second);
    advance(SLOT).await;
    assert!(third.is_woken());
    third.assert_pending();
    assert_eq!(rig.requests(), ["a", "c"]);
    let stats = handle.stats();
    assert_eq!((stats.left, stats.lost, stats.waiting), (2, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn queued_a_cancelled_call_tells_nothing() {
    let (mut rig, handle) = queued();
    let mut call = rig.call("a");
    call.assert_pending();
    let (_, answer) = rig.next().expect("it is due");
    drop(call);
    answer.send_response("no");
    let stats = handle.stats();
    assert_eq!((stats.admitted, stats.overloads, stats.per_second), (1, 0, 10.0));
}

// --- both

#[tokio::test(start_paused = true)]
async fn answers_count_as_the_judge_has_them_and_errors_keep_their_type() {
    let (mut rig, handle) = queued();
    let mut calls = ["a", "b", "c"].map(|request| rig.call(request));
    calls[0].assert_pending();
    rig.answer("yes");
    assert_eq!(calls[0].assert_ready().expect("it was served"), "yes");
    advance(SLOT).await;
    calls[1].assert_pending();
    rig.next().expect("it is due").1.send_error("broken");
    let error = calls[1].assert_ready().expect_err("it failed");
    assert!(matches!(error, FlowError::Inner(error) if error.to_string() == "broken"));
    let stats = handle.stats();
    assert_eq!((stats.served, stats.overloads, stats.ignored, stats.per_second), (1, 0, 1, 10.0));
}

#[tokio::test(start_paused = true)]
async fn what_is_told_in_headers_is_the_rate() {
    let told = |_: Result<&&'static str, &BoxError>| {
        let quota = |limit| Quota { limit: Some(limit), window: Some(60 * SLOT), ..Quota::default() };
        Answer::served().with_quota(quota(60)).with_quota(quota(30)).with_quota(quota(90))
    };
    let layer = layer().judge(told).queued();
    let mut rig = Rig::new(&layer);
    let mut call = rig.call("a");
    call.assert_pending();
    rig.answer("yes");
    call.assert_ready().expect("it was served");
    assert_eq!(layer.handle().stats().per_second, 5.0, "all hold at once, so the slowest counts");
}

#[tokio::test(start_paused = true)]
async fn a_high_rate_is_kept_though_timers_are_coarse() {
    let config = FeedbackConfig { start: 20_000.0, ..FeedbackConfig::default() };
    let layer = AdaptiveRateLayer::new(FeedbackRate::try_new(config, 1).expect("in range"));
    let layer = layer.judge(|_: Result<&(), &()>| Answer::says_nothing()).queued().max_waiting(usize::MAX);
    let service = layer.layer(tower::service_fn(async |()| Ok::<_, ()>(())));
    let start = Instant::now();
    let calls: Vec<_> = (0..20_000).map(|_| tokio::spawn(service.clone().call(()))).collect();
    for call in calls {
        call.await.expect("no panic").expect("it passes");
    }
    let took = start.elapsed();
    assert!((Duration::from_millis(999)..Duration::from_millis(1015)).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_goes_or_is_refused_everybody_is_counted_once_and_nothing_starts_in_a_pause() {
    let layer = layer().judge(reads as Reads).queued();
    let handle = layer.handle();
    let mut rig = Rig::new(&layer);
    let mut calls = Vec::new();
    let (mut came, mut random) = (0_u64, 1_u64);
    let mut answered = Vec::new();
    for _ in 0..5000 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let draw = (random >> 33) as usize;
        match draw % 6 {
            0 if draw.is_multiple_of(25) => set(&handle, 20),
            0 | 1 if calls.len() < 50 => {
                let mut call = rig.call("x");
                call.assert_pending();
                calls.push(call);
                came += 1;
            }
            2 if !calls.is_empty() => drop(calls.swap_remove(draw / 6 % calls.len())),
            3 if !answered.is_empty() => {
                let answer: tower_test::mock::SendResponse<_> =
                    answered.swap_remove(draw / 6 % answered.len());
                answer.send_response(if draw % 10 == 3 { "no" } else { "yes" });
            }
            _ => advance(Duration::from_millis((draw / 6 % 40) as u64)).await,
        }
        let is_paused = handle.stats().paused_for > Duration::ZERO;
        let before = handle.stats().admitted;
        calls.retain_mut(|call| !(call.is_woken() || draw.is_multiple_of(7)) || call.poll().is_pending());
        assert!(!is_paused || handle.stats().admitted == before, "something started in a pause");
        answered.extend(std::iter::from_fn(|| rig.next()).map(|(_, answer)| answer));
        let stats = handle.stats();
        assert_eq!(came, stats.admitted + stats.left + stats.waiting as u64);
    }
    let stats = handle.stats();
    assert!(stats.overloads > 10 && stats.admitted > 200 && stats.left > 200, "{stats:?}");
    drop(calls);
    assert_eq!(handle.stats().waiting, 0);
}
