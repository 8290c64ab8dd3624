//! The rows of the table, one test a cell: starts that are spaced, reserved and queued. Time is paused.

use std::task::Poll;
use std::time::Duration;

use forebay_flow::layer::concurrency::{Queued, Reserve};
use forebay_flow::layer::{FlowError, QueuedRateLimit, RateHandle, RateLimit, RateLimitLayer, Why};
use forebay_flow::{Rate, TokenBucket, Window};
use forebay_testkit::{CountingWaker, Driver};
use tokio::time::advance;
use tower::{Layer, Service};

use crate::rig::{Inner, Rig, is_ready, poll_ready, poll_ready_with, refusal};

const SLOT: Duration = Duration::from_millis(100);

type Weigher = fn(&&'static str) -> usize;

fn by_len(request: &&'static str) -> usize {
    request.len()
}

/// One start each 100 ms, and `burst` at once.
fn bucket(burst: u64) -> TokenBucket {
    TokenBucket::new(Rate::per_second(10)).with_burst(burst)
}

fn reserve(burst: u64) -> (Rig<RateLimit<Inner, TokenBucket, Weigher>>, RateHandle<TokenBucket>) {
    let layer: RateLimitLayer<_, Reserve, _> = RateLimitLayer::new(bucket(burst)).weigh(by_len as Weigher);
    (Rig::new(&layer), layer.handle())
}

fn queued_layer(burst: u64) -> RateLimitLayer<TokenBucket, Queued, Weigher> {
    RateLimitLayer::new(bucket(burst)).weigh(by_len as Weigher).queued()
}

fn queued(burst: u64) -> (Rig<QueuedRateLimit<Inner, TokenBucket, Weigher>>, RateHandle<TokenBucket>) {
    let layer = queued_layer(burst);
    (Rig::new(&layer), layer.handle())
}

// --- reserve: poll_ready

#[tokio::test(start_paused = true)]
async fn reserve_ready_books_nothing_before_the_service_is_ready() {
    let (mut rig, handle) = reserve(1);
    rig.inner.allow(0);
    assert!(!rig.is_ready());
    assert_eq!(handle.update(|bucket, now| bucket.available(now)), 1);
    rig.inner.allow(1);
    assert!(rig.is_ready());
    assert_eq!(handle.update(|bucket, now| bucket.available(now)), 0);
}

#[tokio::test(start_paused = true)]
async fn reserve_ready_sleeps_until_the_next_start_and_keeps_it() {
    let (mut rig, handle) = reserve(1);
    let _first = rig.call("a");
    let waker = CountingWaker::new();
    assert!(poll_ready_with(&mut rig.service, &waker).is_pending());
    advance(SLOT - Duration::from_millis(1)).await;
    assert_eq!(waker.wakes(), 0);
    advance(Duration::from_millis(1)).await;
    assert_eq!(waker.wakes(), 1);
    assert!(rig.is_ready());
    advance(5 * SLOT).await;
    assert!(rig.is_ready());
    assert!(
        handle.update(|bucket, now| bucket.next_available(1, now) == Ok(now)),
        "it has taken no second one"
    );
}

#[tokio::test(start_paused = true)]
async fn reserve_clones_start_without() {
    let (mut rig, _) = reserve(1);
    assert!(rig.is_ready());
    let mut clone = rig.service.clone();
    assert!(!is_ready(&mut clone));
    advance(SLOT).await;
    assert!(is_ready(&mut clone));
}

#[tokio::test(start_paused = true)]
async fn reserve_handles_get_starts_in_the_order_of_asking() {
    let (mut rig, _) = reserve(1);
    let mut clones: Vec<_> = (0..4).map(|_| rig.service.clone()).collect();
    assert!(rig.is_ready());
    assert!(clones.iter_mut().all(|clone| !is_ready(clone)));
    for ready in 1..=4 {
        advance(SLOT).await;
        let are_ready: Vec<_> = clones.iter_mut().map(is_ready).collect();
        assert!(are_ready.iter().enumerate().all(|(index, is_ready)| *is_ready == (index < ready)));
    }
}

#[tokio::test(start_paused = true)]
async fn reserve_ready_fails_once_it_is_closed() {
    let (mut rig, handle) = reserve(1);
    assert!(rig.is_ready());
    handle.close();
    assert!(rig.is_ready(), "it has its start");
    let closed = poll_ready(&mut rig.service.clone());
    assert!(matches!(closed, Poll::Ready(Err(FlowError::Refused(it))) if it.why == Why::Closed));
}

// --- reserve: call

#[tokio::test(start_paused = true)]
async fn reserve_call_spends_the_start() {
    let (mut rig, handle) = reserve(1);
    let mut call = rig.call("a");
    assert!(!rig.is_ready());
    call.assert_pending();
    rig.answer("A");
    assert_eq!(call.assert_ready().expect("it was answered"), "A");
    assert_eq!(handle.stats().admitted, 1);
}

#[tokio::test(start_paused = true)]
async fn reserve_call_that_costs_more_is_a_debt_of_those_after_it() {
    let (mut rig, _) = reserve(1);
    let _heavy = rig.call("abc");
    assert_eq!(rig.requests(), ["abc"]);
    assert!(!rig.is_ready());
    advance(3 * SLOT - Duration::from_millis(1)).await;
    assert!(!rig.is_ready());
    advance(Duration::from_millis(1)).await;
    assert!(rig.is_ready());
}

// --- reserve: drop

#[tokio::test(start_paused = true)]
async fn reserve_dropped_it_gives_the_unspent_start_back_if_nobody_booked_after_it() {
    let (mut rig, handle) = reserve(1);
    let mut other = rig.service.clone();
    assert!(is_ready(&mut other));
    drop(other);
    assert!(rig.is_ready(), "it is there for the next one");

    let [mut second, mut third] = [rig.service.clone(), rig.service.clone()];
    assert!(!is_ready(&mut second) && !is_ready(&mut third));
    drop(second);
    advance(SLOT).await;
    assert!(!is_ready(&mut third), "it booked after the one that left, and keeps its time");
    advance(SLOT).await;
    assert!(is_ready(&mut third));
    let stats = handle.stats();
    assert_eq!((stats.given_back, stats.lost), (1, 1));
}

// --- queued: poll_ready

#[tokio::test(start_paused = true)]
async fn queued_is_ready_whatever_is_booked_and_never_asks_the_service() {
    let (mut rig, handle) = queued(1);
    let _calls = ["a", "b"].map(|request| rig.call(request));
    rig.inner.send_error("asked");
    assert!(rig.is_ready());
    assert_eq!(handle.stats().waiting, 1);
}

#[tokio::test(start_paused = true)]
async fn queued_ready_fails_once_it_is_closed() {
    let (mut rig, handle) = queued(1);
    let _running = rig.call("a");
    let mut booked = rig.call("b");
    booked.assert_pending();
    handle.close();
    assert!(
        matches!(poll_ready(&mut rig.service), Poll::Ready(Err(FlowError::Refused(it))) if it.why == Why::Closed)
    );
    assert_eq!(refusal(Driver::new(rig.service.call("c")).assert_ready()), (Why::Closed, Some("c")));
    advance(SLOT).await;
    booked.assert_pending();
    assert!(rig.requests().contains(&"b"), "who has booked starts");
}

// --- queued: call

#[tokio::test(start_paused = true)]
async fn queued_call_books_its_time_and_sleeps_until_then() {
    let (mut rig, handle) = queued(1);
    let mut calls = ["a", "b", "c"].map(|request| rig.call(request));
    // Polled in another order than they were made.
    calls.iter_mut().rev().for_each(Driver::assert_pending);
    let mut taken = vec![rig.next().expect("it is due").0];
    for index in [1, 2] {
        advance(SLOT - Duration::from_millis(1)).await;
        assert!(!calls[index].is_woken());
        advance(Duration::from_millis(1)).await;
        assert!(calls[index].is_woken());
        calls[index].assert_pending();
        taken.extend(rig.next().map(|(request, _)| request));
    }
    assert_eq!(taken, ["a", "b", "c"]);
    assert_eq!((handle.stats().admitted, handle.stats().waiting), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn queued_calls_a_clone_that_is_ready() {
    let (mut rig, _) = queued(1);
    rig.inner.allow(0);
    let mut call = rig.call("a");
    call.assert_pending();
    assert!(rig.requests().is_empty());
    rig.inner.allow(1);
    assert!(call.is_woken());
    call.assert_pending();
    assert_eq!(rig.requests(), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn queued_costs_count() {
    let (mut rig, _) = queued(3);
    let mut calls = ["abc", "de", "f"].map(|request| rig.call(request));
    calls.iter_mut().for_each(Driver::assert_pending);
    assert_eq!(rig.requests(), ["abc"]);
    advance(2 * SLOT).await;
    calls[1].assert_pending();
    calls[2].assert_pending();
    assert_eq!(rig.requests(), ["de"]);
    advance(SLOT).await;
    calls[2].assert_pending();
    assert_eq!(rig.requests(), ["f"]);
    assert_eq!(refusal(rig.call("much").assert_ready()), (Why::TooHeavy, Some("much")));
}

#[tokio::test(start_paused = true)]
async fn queued_refuses_beyond_max_waiting_and_says_when_it_could_start() {
    let layer = queued_layer(1).max_waiting(1);
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
async fn queued_refuses_at_once_who_would_wait_for_too_long() {
    let layer = queued_layer(1).max_wait(SLOT);
    let mut rig = Rig::new(&layer);
    let _calls = ["a", "b"].map(|request| rig.call(request));
    let refused = rig.call("c").assert_ready().expect_err("two slots ahead");
    assert_eq!(refused.retry_after(), Some(SLOT));
    assert_eq!(refusal::<()>(Err(refused)), (Why::TimedOut, Some("c")));
    advance(SLOT).await;
    rig.call("c").assert_pending();
}

// --- queued: drop

#[tokio::test(start_paused = true)]
async fn queued_dropped_it_gives_back_if_nobody_booked_after_it() {
    let (mut rig, handle) = queued(1);
    let _first = rig.call("a");
    let [second, third] = ["b", "c"].map(|request| rig.call(request));
    drop(third);
    drop(second);
    let mut fourth = rig.call("d");
    fourth.assert_pending();
    advance(SLOT).await;
    fourth.assert_pending();
    assert!(rig.requests().contains(&"d"));
    let stats = handle.stats();
    assert_eq!((stats.given_back, stats.lost, stats.waiting), (2, 0, 0));
}

// --- both

#[tokio::test(start_paused = true)]
async fn a_rate_that_changes_counts_for_those_who_come_later() {
    let (mut rig, handle) = queued(1);
    let _calls = ["a", "b"].map(|request| rig.call(request));
    handle.update(|bucket, now| bucket.set_rate(Rate::per_second(100), 1, now));
    let mut third = rig.call("c");
    third.assert_pending();
    advance(Duration::from_millis(20)).await;
    third.assert_pending();
    assert!(rig.requests().contains(&"c"));
}

#[tokio::test(start_paused = true)]
async fn what_is_reserved_is_kept_until_it_is_committed_or_dropped() {
    let (mut rig, handle) = queued(4);
    let [kept, dropped] = [2, 2].map(|cost| handle.try_reserve(cost).expect("there is room"));
    let refused = handle.try_reserve(1).expect_err("it is all reserved");
    assert_eq!((refused.why, refused.retry_after), (Why::Full, Some(SLOT)));
    assert_eq!(handle.try_reserve(5).expect_err("more than ever").why, Why::TooHeavy);
    let mut waits = rig.call("a");
    waits.assert_pending();
    assert!(rig.requests().is_empty(), "calls keep to it, too");
    drop((dropped, waits));
    assert_eq!(handle.update(|bucket, now| bucket.available(now)), 2);
    kept.commit(7);
    assert_eq!(handle.update(|bucket, now| bucket.next_available(1, now)), Ok(400_000_000), "a debt");
    let stats = handle.stats();
    assert_eq!((stats.admitted, stats.refused, stats.given_back, stats.waiting), (1, 2, 2, 0));
    handle.close();
    assert_eq!(handle.try_reserve(1).expect_err("closed").why, Why::Closed);
}

#[tokio::test(start_paused = true)]
async fn each_start_is_counted_once_however_it_ends() {
    let (mut rig, handle) = reserve(2);
    let mut handles: Vec<_> = (0..5).map(|_| rig.service.clone()).collect();
    let ready = handles.iter_mut().filter_map(|handle| is_ready(handle).then_some(())).count();
    assert_eq!((ready, handle.stats().admitted), (2, 2), "those that wait are still to come");
    drop(handles.pop());
    drop(handles.remove(0));
    advance(SLOT).await;
    assert!(is_ready(&mut handles[1]));
    drop(handles.pop());
    drop(Driver::new(handles[1].call("a")));
    drop(handles);
    let stats = handle.stats();
    assert_eq!((stats.admitted, stats.given_back + stats.lost), (1, 4));
    assert!(rig.is_ready() || stats.lost > 0);
}

#[tokio::test(start_paused = true)]
async fn a_high_rate_is_kept_though_timers_are_coarse() {
    let layer =
        RateLimitLayer::new(TokenBucket::new(Rate::per_second(20_000))).queued().max_waiting(usize::MAX);
    let service = layer.layer(tower::service_fn(async |()| Ok::<_, std::convert::Infallible>(())));
    let start = tokio::time::Instant::now();
    let calls: Vec<_> = (0..20_000).map(|_| tokio::spawn(service.clone().call(()))).collect();
    for call in calls {
        call.await.expect("no panic").expect("it passes");
    }
    let took = start.elapsed();
    assert!((Duration::from_millis(999)..Duration::from_millis(1002)).contains(&took), "{took:?}");
}

/// tower's `RateLimit` counts in windows that begin with a call: around the end of one, twice as many start as it says
/// (tower#842).
#[tokio::test(start_paused = true)]
async fn no_double_burst_at_the_edge_of_a_window() {
    let per = Duration::from_secs(1);
    let layer = RateLimitLayer::new(Window::new(Rate::new(10, per))).queued();
    let begin = tokio::time::Instant::now();
    let service = layer.layer(tower::service_fn(move |()| async move {
        Ok::<_, std::convert::Infallible>(begin.elapsed())
    }));
    let mut calls = vec![tokio::spawn(service.clone().call(()))];
    // The other nine of the first window come at its end, ten more at the begin of the next.
    for (at, count) in [(990, 9), (1010, 20)] {
        tokio::time::sleep_until(begin + Duration::from_millis(at)).await;
        calls.extend((0..count).map(|_| tokio::spawn(service.clone().call(()))));
    }
    let mut starts = Vec::new();
    for call in calls {
        starts.push(call.await.expect("no panic").expect("it passes"));
    }
    for &end in &starts {
        let in_period = starts.iter().filter(|&&at| at <= end && at + per > end).count();
        assert!(in_period <= 10, "{in_period} in the second that ends at {end:?}: {starts:?}");
    }
    assert_eq!(starts.iter().filter(|&&at| at < Duration::from_millis(1100)).count(), 11);
}

/// In tower's `RateLimit` only the last of several tasks that wait for one service is woken (tower#454).
#[tokio::test(start_paused = true)]
async fn everybody_who_waits_has_a_timer_of_its_own() {
    let (rig, _) = reserve(1);
    let wakers: Vec<_> = (0..6).map(|_| CountingWaker::new()).collect();
    let mut clones: Vec<_> = wakers.iter().map(|_| rig.service.clone()).collect();
    for (clone, waker) in clones.iter_mut().zip(&wakers) {
        let _ = poll_ready_with(clone, waker);
    }
    advance(10 * SLOT).await;
    assert!(wakers[1..].iter().all(|waker| waker.wakes() == 1));
}
