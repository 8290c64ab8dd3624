//! The rows of the table, one test a cell: what `poll_ready`, `call` and drop do, reserved and queued.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use forebay_flow::Fixed;
use forebay_flow::layer::concurrency::{Queued, Reserve};
use forebay_flow::layer::{
    ConcurrencyLimit, ConcurrencyLimitLayer, FlowError, LimitHandle, QueuedConcurrencyLimit, Why,
};
use forebay_testkit::{CountingWaker, Driver};
use tower::{Layer, Service};

use crate::rig::{Inner, Rig, is_ready, poll_ready, poll_ready_with, refusal};

type Weigher = fn(&&'static str) -> usize;

/// Letters are permits.
fn by_len(request: &&'static str) -> usize {
    request.len()
}

fn reserve(limit: usize) -> (Rig<ConcurrencyLimit<Inner, Fixed, Weigher>>, LimitHandle<Fixed>) {
    let layer: ConcurrencyLimitLayer<_, Reserve, _> =
        ConcurrencyLimitLayer::new(Fixed(limit)).weigh(by_len as Weigher);
    (Rig::new(&layer), layer.handle())
}

fn queued_layer(limit: usize) -> ConcurrencyLimitLayer<Fixed, Queued, Weigher> {
    ConcurrencyLimitLayer::new(Fixed(limit)).weigh(by_len as Weigher).queued()
}

fn queued(limit: usize) -> (Rig<QueuedConcurrencyLimit<Inner, Fixed, Weigher>>, LimitHandle<Fixed>) {
    let layer = queued_layer(limit);
    (Rig::new(&layer), layer.handle())
}

// --- reserve: poll_ready

#[test]
fn reserve_ready_takes_no_permit_before_the_service_is_ready() {
    let (mut rig, handle) = reserve(1);
    rig.inner.allow(0);
    assert!(!rig.is_ready());
    assert_eq!(handle.in_use(), 0);
    rig.inner.allow(1);
    assert!(rig.is_ready());
    assert_eq!(handle.in_use(), 1);
}

#[test]
fn reserve_ready_keeps_one_permit_however_often_it_is_asked() {
    let (mut rig, handle) = reserve(3);
    assert!(rig.is_ready() && rig.is_ready());
    assert_eq!(handle.in_use(), 1);
}

#[test]
fn reserve_clones_start_without() {
    let (mut rig, handle) = reserve(1);
    assert!(rig.is_ready());
    let mut clone = rig.service.clone();
    assert_eq!(handle.in_use(), 1);
    assert!(!is_ready(&mut clone));
}

#[test]
fn reserve_handles_are_served_as_they_came() {
    let (mut rig, handle) = reserve(1);
    let call = rig.call("a");
    let wakers = [CountingWaker::new(), CountingWaker::new()];
    let mut clones = [rig.service.clone(), rig.service.clone()];
    for (clone, waker) in clones.iter_mut().zip(&wakers) {
        assert!(poll_ready_with(clone, waker).is_pending());
    }
    assert_eq!(handle.stats().waiting, 2);
    drop(call);
    assert_eq!(wakers.each_ref().map(|waker| waker.wakes()), [1, 0]);
    assert!(!rig.is_ready(), "one that comes later waits, though nobody has used the permit yet");
    let [first, second] = &mut clones;
    assert!(!is_ready(second));
    assert!(is_ready(first));
}

#[test]
fn reserve_ready_fails_once_it_is_closed() {
    let (mut rig, handle) = reserve(1);
    let running = rig.call("a");
    let waker = CountingWaker::new();
    let mut clone = rig.service.clone();
    assert!(poll_ready_with(&mut clone, &waker).is_pending());
    handle.close();
    assert_eq!(waker.wakes(), 1);
    for service in [&mut clone, &mut rig.service] {
        assert!(
            matches!(poll_ready(service), std::task::Poll::Ready(Err(FlowError::Refused(it))) if it.why == Why::Closed)
        );
    }
    drop(running);
    assert_eq!((handle.in_use(), handle.stats().waiting), (0, 0));
}

// --- reserve: call

#[test]
fn reserve_call_hands_the_permit_to_the_future() {
    let (mut rig, handle) = reserve(1);
    let mut call = rig.call("a");
    assert_eq!(handle.in_use(), 1);
    assert!(!rig.is_ready());
    call.assert_pending();
    rig.answer("A");
    assert_eq!(call.assert_ready().expect("it was answered"), "A");
    assert_eq!((handle.in_use(), handle.stats().waiting), (1, 0), "passed on to the handle that waited");
    assert!(rig.is_ready());
}

#[test]
fn reserve_call_gives_the_permit_back_with_the_answer_and_not_with_the_future() {
    let (mut rig, handle) = reserve(1);
    let mut call = rig.call("a");
    call.assert_pending();
    rig.answer("A");
    call.assert_ready().expect("it was answered");
    assert_eq!(handle.in_use(), 0);
    drop(call);
    assert_eq!(handle.in_use(), 0);
}

#[test]
fn reserve_extra_weight_waits_in_the_future_for_all_at_once() {
    let (mut rig, handle) = reserve(3);
    let mut light = rig.call("a");
    light.assert_pending();
    let mut heavy = rig.call("bcd");
    heavy.assert_pending();
    assert_eq!(handle.in_use(), 1, "what it had went back, since it could block another");
    rig.answer("A");
    light.assert_ready().expect("it was answered");
    assert!(heavy.is_woken());
    assert_eq!(handle.in_use(), 3);
    rig.answer("BCD");
    assert_eq!(heavy.assert_ready().expect("it was answered"), "BCD");
    assert_eq!(handle.in_use(), 0);
}

#[test]
fn reserve_two_heavy_calls_do_not_wait_for_each_other() {
    let (mut rig, handle) = reserve(4);
    let mut clone = rig.service.clone();
    assert!(rig.is_ready() && is_ready(&mut clone));
    let mut calls = [rig.call("aaaa"), Driver::new(clone.call("bbbb"))];
    for call in &mut calls {
        let _ = call.poll();
        rig.answer("done");
        call.assert_ready().expect("it was answered");
    }
    assert_eq!(handle.in_use(), 0);
}

#[test]
fn reserve_heavier_than_the_limit_is_refused_and_leaves_nothing() {
    let (mut rig, handle) = reserve(2);
    let refused = rig.call("abc").assert_ready();
    assert_eq!(refusal(refused), (Why::TooHeavy, Some("abc")));
    assert_eq!((handle.in_use(), handle.stats().refused), (0, 1));
    assert!(rig.requests().is_empty());
}

#[test]
fn reserve_extra_weight_is_bounded() {
    let layer: ConcurrencyLimitLayer<_, Reserve, _> =
        ConcurrencyLimitLayer::new(Fixed(2)).weigh(by_len as Weigher).max_waiting(0);
    let mut rig = Rig::new(&layer);
    let _light = rig.call("a");
    let refused = rig.call("bc").assert_ready();
    assert_eq!(refusal(refused), (Why::Full, Some("bc")));
    assert_eq!(layer.handle().in_use(), 1);
}

// --- reserve: drop

#[test]
fn reserve_dropped_it_gives_back() {
    let (mut rig, handle) = reserve(2);
    let waker = CountingWaker::new();
    let mut ready = rig.service.clone();
    assert!(is_ready(&mut ready));
    let running = rig.call("a");
    assert!(poll_ready_with(&mut rig.service, &waker).is_pending());
    drop(ready);
    assert_eq!((waker.wakes(), handle.in_use()), (1, 2), "the handle that waited has it");
    drop(running);
    assert_eq!(handle.in_use(), 1);
    drop(rig);
    assert_eq!(handle.in_use(), 0);
}

#[test]
fn reserve_dropped_while_it_waits_it_passes_on_what_it_was_given() {
    let (mut rig, handle) = reserve(1);
    let call = rig.call("a");
    let wakers = [CountingWaker::new(), CountingWaker::new()];
    let [mut first, mut second] = [rig.service.clone(), rig.service.clone()];
    assert!(poll_ready_with(&mut first, &wakers[0]).is_pending());
    assert!(poll_ready_with(&mut second, &wakers[1]).is_pending());
    drop(call);
    drop(first);
    assert_eq!(wakers[1].wakes(), 1);
    assert!(is_ready(&mut second));
    drop(second);
    assert_eq!((handle.in_use(), handle.stats().waiting), (0, 0));
}

// --- queued: poll_ready

#[test]
fn queued_is_ready_while_all_permits_are_out_and_takes_none() {
    let (mut rig, handle) = queued(1);
    let _call = rig.call("a");
    assert!(rig.is_ready());
    assert_eq!(handle.in_use(), 1);
}

#[test]
fn queued_ready_never_asks_the_service() {
    let (mut rig, _) = queued(1);
    rig.inner.send_error("asked");
    assert!(rig.is_ready());
    let met = rig.call("a").assert_ready();
    assert!(matches!(met, Err(FlowError::Inner(_))), "it was asked by the call");
}

#[test]
fn queued_ready_fails_once_it_is_closed() {
    let (mut rig, handle) = queued(1);
    let _running = rig.call("a");
    let mut waiting = rig.call("b");
    waiting.assert_pending();
    handle.close();
    assert!(waiting.is_woken());
    assert_eq!(refusal(waiting.assert_ready()), (Why::Closed, Some("b")));
    assert!(
        matches!(poll_ready(&mut rig.service), std::task::Poll::Ready(Err(FlowError::Refused(it))) if it.why == Why::Closed)
    );
}

// --- queued: call

#[test]
fn queued_calls_wait_in_their_futures_and_are_served_as_they_came() {
    let (mut rig, handle) = queued(1);
    let mut calls = ["a", "b", "c"].map(|request| rig.call(request));
    // Polled in another order than they were made.
    calls.iter_mut().rev().for_each(Driver::assert_pending);
    assert_eq!(handle.stats().waiting, 2);
    for index in 0..calls.len() {
        calls[index].assert_pending();
        assert_eq!(calls.iter().filter(|call| call.is_woken()).count(), 0);
        rig.answer("done");
        calls[index].assert_ready().expect("it was answered");
        assert!(
            calls
                .iter()
                .skip(index + 1)
                .map(Driver::is_woken)
                .eq((index + 1..calls.len()).map(|later| later == index + 1))
        );
    }
}

#[test]
fn queued_nobody_passes_by_one_that_waits_for_more() {
    let (mut rig, handle) = queued(3);
    let [first, second] = ["a", "b"].map(|request| rig.call(request));
    let mut heavy = rig.call("ccc");
    let mut light = rig.call("d");
    heavy.assert_pending();
    light.assert_pending();
    assert_eq!(handle.in_use(), 2, "one would fit, but it came later");
    drop(first);
    assert!(!heavy.is_woken() && !light.is_woken());
    drop(second);
    assert!(heavy.is_woken() && !light.is_woken());
    drop(heavy);
    assert!(light.is_woken());
}

#[test]
fn queued_calls_a_clone_that_is_ready() {
    let (mut rig, handle) = queued(1);
    rig.inner.allow(0);
    let mut call = rig.call("a");
    call.assert_pending();
    assert!(rig.requests().is_empty());
    assert_eq!(handle.in_use(), 1, "the permit is there, the service is not ready");
    rig.inner.allow(1);
    assert!(call.is_woken());
    call.assert_pending();
    rig.answer("A");
    assert_eq!(call.assert_ready().expect("it was answered"), "A");
}

#[test]
fn queued_refuses_beyond_max_waiting() {
    let layer = queued_layer(1).max_waiting(1);
    let mut rig = Rig::new(&layer);
    let _running = rig.call("a");
    let waiting = rig.call("b");
    assert_eq!(refusal(rig.call("c").assert_ready()), (Why::Full, Some("c")));
    drop(waiting);
    rig.call("d").assert_pending();
    layer.handle().set_max_waiting(0);
    assert_eq!(refusal(rig.call("e").assert_ready()), (Why::Full, Some("e")));
    assert_eq!(layer.handle().stats().refused, 2);
}

#[tokio::test(start_paused = true)]
async fn queued_waits_for_so_long_and_no_longer() {
    let layer = queued_layer(1).max_wait(Duration::from_secs(1));
    let mut rig = Rig::new(&layer);
    let running = rig.call("a");
    let mut late = rig.call("b");
    late.assert_pending();
    tokio::time::advance(Duration::from_millis(999)).await;
    let mut in_time = rig.call("c");
    in_time.assert_pending();
    assert!(!late.is_woken());
    tokio::time::advance(Duration::from_millis(1)).await;
    assert!(late.is_woken());
    assert_eq!(refusal(late.assert_ready()), (Why::TimedOut, Some("b")));
    drop(running);
    assert!(in_time.is_woken(), "who gave up is not served");
    in_time.assert_pending();
    assert_eq!(rig.requests(), ["c"]);
    assert_eq!(layer.handle().stats().timed_out, 1);
}

#[test]
fn queued_heavier_than_the_limit_is_refused() {
    let (mut rig, _) = queued(2);
    assert_eq!(refusal(rig.call("abc").assert_ready()), (Why::TooHeavy, Some("abc")));
}

#[test]
fn reserve_a_heavy_call_need_not_wait_while_there_is_room_for_it() {
    let layer = ConcurrencyLimitLayer::new(Fixed(2)).max_waiting(0).weigh(by_len as Weigher);
    let mut rig = Rig::new(&layer);
    let mut heavy = rig.call("ab");
    heavy.assert_pending();
    assert_eq!((rig.requests(), layer.handle().in_use()), (vec!["ab"], 2));
    drop(heavy);
    let (mut other, _light) = (rig.service.clone(), rig.call("a"));
    assert!(is_ready(&mut other));
    assert_eq!(refusal(Driver::new(other.call("ab")).assert_ready()), (Why::Full, Some("ab")));
    let stats = layer.handle().stats();
    assert_eq!((stats.in_use, stats.admitted, stats.refused), (1, 2, 1));
}

// --- queued: drop

#[test]
fn queued_dropped_while_it_waits_it_leaves_the_line_and_costs_nothing() {
    let (mut rig, handle) = queued(1);
    let mut running = rig.call("a");
    let mut calls: Vec<_> = ["b", "c", "d"].map(|request| rig.call(request)).into();
    calls.iter_mut().for_each(Driver::assert_pending);
    drop(calls.remove(0));
    assert_eq!(handle.stats().waiting, 2);
    running.assert_pending();
    rig.answer("A");
    running.assert_ready().expect("it was answered");
    assert!(calls[0].is_woken());
    drop(calls.remove(0));
    assert!(calls[0].is_woken(), "what was given to the one that left is passed on");
    calls[0].assert_pending();
    assert_eq!(rig.requests(), ["d"]);
    drop(calls);
    let stats = handle.stats();
    assert_eq!((stats.in_use, stats.waiting, stats.admitted, stats.left), (0, 0, 2, 2));
}

#[test]
fn queued_dropped_while_it_runs_it_gives_back() {
    let (mut rig, handle) = queued(1);
    let mut running = rig.call("a");
    running.assert_pending();
    let mut waiting = rig.call("b");
    waiting.assert_pending();
    drop(running);
    assert!(waiting.is_woken());
    drop(waiting);
    assert_eq!(handle.in_use(), 0);
}

#[test]
fn what_a_call_does_when_it_is_dropped_is_done_before_another_begins() {
    struct Inside(LimitHandle<Fixed>, Arc<AtomicUsize>);
    impl Drop for Inside {
        fn drop(&mut self) {
            self.1.store(self.0.in_use(), Ordering::SeqCst);
        }
    }
    let layer = ConcurrencyLimitLayer::new(Fixed(1)).queued();
    let (handle, seen) = (layer.handle(), Arc::new(AtomicUsize::new(0)));
    for ends in [false, true] {
        let (handle, seen_inside) = (handle.clone(), seen.clone());
        let mut service = layer.layer(tower::service_fn(move |()| {
            let inside = Inside(handle.clone(), seen_inside.clone());
            async move {
                let _inside = inside;
                if !ends {
                    std::future::pending::<()>().await;
                }
                Ok::<_, ()>(())
            }
        }));
        let mut call = Driver::new(service.call(()));
        assert_eq!(call.poll().is_ready(), ends);
        drop(call);
        assert_eq!(seen.swap(0, Ordering::SeqCst), 1);
    }
}

#[test]
fn one_layer_is_one_limit() {
    let layer = ConcurrencyLimitLayer::new(Fixed(1));
    let (mut one, mut other) = (Rig::new(&layer), Rig::new(&layer.clone()));
    let call = one.call("a");
    assert!(!other.is_ready());
    drop(call);
    assert!(other.is_ready());
}
