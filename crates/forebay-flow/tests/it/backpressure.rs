//! The row of the table, one test a cell: held up, or refused, while the pressure is high.

use std::time::Duration;

use forebay_flow::layer::{BackpressureLayer, ConcurrencyLimitLayer, FlowError, Why};
use forebay_flow::{Fixed, Pressure, Watermarks};
use forebay_testkit::{CountingWaker, Driver};
use tower::{Layer, Service, ServiceBuilder};

use crate::rig::{Rig, is_ready, poll_ready_with, refusal};

#[test]
fn ready_waits_while_the_pressure_is_high_and_all_who_wait_are_told() {
    let layer = BackpressureLayer::default();
    let (handle, mut rig) = (layer.handle(), Rig::new(&layer));
    assert!(rig.is_ready());
    handle.set(Pressure::High);
    let wakers: Vec<_> = (0..5).map(|_| CountingWaker::new()).collect();
    let mut clones: Vec<_> = wakers.iter().map(|_| rig.service.clone()).collect();
    for (clone, waker) in clones.iter_mut().zip(&wakers) {
        assert!(poll_ready_with(clone, waker).is_pending());
    }
    assert_eq!(handle.stats().waiting, 5);
    handle.set(Pressure::Normal);
    assert!(wakers.iter().all(|waker| waker.wakes() == 1));
    assert!(clones.iter_mut().all(is_ready));
    assert_eq!(handle.stats().waiting, 0);
}

#[test]
fn ready_holds_nothing_and_does_not_ask_the_service() {
    let layer = BackpressureLayer::default();
    let (handle, mut rig) = (layer.handle(), Rig::new(&layer));
    handle.set(Pressure::High);
    rig.inner.send_error("asked");
    assert!(!rig.is_ready());
    handle.set(Pressure::Normal);
    let limit = ConcurrencyLimitLayer::new(Fixed(1));
    let mut service = layer.layer(limit.layer(tower::service_fn(async |_: &'static str| Ok::<_, ()>(()))));
    handle.set(Pressure::High);
    let waker = CountingWaker::new();
    assert!(poll_ready_with(&mut service, &waker).is_pending());
    assert_eq!(limit.handle().in_use(), 0);
}

#[test]
fn ready_is_told_of_levels_between_watermarks() {
    let layer = BackpressureLayer::new(Watermarks::new(0.6, 0.4).expect("in order"));
    let (handle, mut rig) = (layer.handle(), Rig::new(&layer));
    let seen: Vec<_> =
        [0.5, 0.61, 0.5, 0.39, 0.5].map(|level| (handle.observe(Some(level)), rig.is_ready())).into();
    let (high, normal) = (Some(Pressure::High), Some(Pressure::Normal));
    assert_eq!(seen, [(None, true), (high, false), (None, false), (normal, true), (None, true)]);
    handle.observe(Some(1.0));
    assert_eq!(handle.observe(None), normal, "without a bound there is no pressure");
    handle.set_watermarks(Watermarks::new(1.0, 0.7).expect("in order"));
    assert_eq!(handle.observe(Some(0.9)), None);
    assert_eq!(handle.stats().crossings, 2);
}

#[test]
fn call_passes_on_also_what_was_ready_before() {
    let layer = BackpressureLayer::default();
    let mut rig = Rig::new(&layer);
    assert!(rig.is_ready());
    layer.handle().set(Pressure::High);
    let mut call = Driver::new(rig.service.call("a"));
    call.assert_pending();
    rig.answer("A");
    assert_eq!(call.assert_ready().expect("it was answered"), "A");
}

#[test]
fn call_refuses_while_the_pressure_is_high_if_that_was_chosen() {
    let layer = BackpressureLayer::default().refusing();
    let (handle, mut rig) = (layer.handle(), Rig::new(&layer));
    handle.set(Pressure::High);
    assert_eq!(refusal(rig.call("a").assert_ready()), (Why::Pressure, Some("a")));
    handle.set(Pressure::Normal);
    rig.call("b").assert_pending();
    assert_eq!((rig.requests(), handle.stats().refused), (vec!["b"], 1));
}

#[test]
fn who_waits_learns_that_calls_are_refused_from_now_on() {
    let layer = BackpressureLayer::default();
    let (handle, mut rig) = (layer.handle(), Rig::new(&layer));
    handle.set(Pressure::High);
    let waker = CountingWaker::new();
    assert!(poll_ready_with(&mut rig.service, &waker).is_pending());
    handle.set_refusing(true);
    assert_eq!(waker.wakes(), 1);
    assert_eq!(refusal(rig.call("a").assert_ready()), (Why::Pressure, Some("a")));
}

#[tokio::test(start_paused = true)]
async fn who_has_waited_for_as_long_as_it_may_is_ready_and_its_call_is_refused() {
    let layer = BackpressureLayer::default().max_wait(Duration::from_secs(1));
    let (handle, mut rig) = (layer.handle(), Rig::new(&layer));
    handle.set(Pressure::High);
    let waker = CountingWaker::new();
    assert!(poll_ready_with(&mut rig.service, &waker).is_pending());
    tokio::time::advance(Duration::from_millis(999)).await;
    assert_eq!(waker.wakes(), 0);
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(waker.wakes(), 1);
    assert_eq!(refusal(rig.call("a").assert_ready()), (Why::TimedOut, Some("a")));
    assert!(!rig.is_ready(), "the next one waits again");
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(rig.is_ready());
    handle.set(Pressure::Normal);
    rig.call("b").assert_pending();
    assert_eq!((rig.requests(), handle.stats().refused, handle.stats().waiting), (vec!["b"], 1, 0));
}

#[test]
fn who_may_not_wait_is_ready_and_its_call_is_refused() {
    let layer = BackpressureLayer::default().max_waiting(1);
    let (handle, mut rig) = (layer.handle(), Rig::new(&layer));
    handle.set(Pressure::High);
    let mut waits = rig.service.clone();
    assert!(!is_ready(&mut waits));
    assert_eq!(refusal(rig.call("a").assert_ready()), (Why::Full, Some("a")));
    drop(waits);
    assert!(!rig.is_ready(), "there is a place now");
    handle.set_max_waiting(0);
    assert!(!rig.is_ready(), "who waits already stays");
}

#[test]
fn dropped_while_it_waits_it_leaves() {
    let layer = BackpressureLayer::default();
    let (handle, rig) = (layer.handle(), Rig::new(&layer));
    handle.set(Pressure::High);
    let mut clone = rig.service.clone();
    assert!(!is_ready(&mut clone) && !is_ready(&mut clone));
    assert_eq!(handle.stats().waiting, 1);
    drop(clone);
    assert_eq!(handle.stats().waiting, 0);
}

#[tokio::test]
async fn load_shed_above_it_sheds_while_the_pressure_is_high() {
    let layer = BackpressureLayer::default();
    let handle = layer.handle();
    let mut service = ServiceBuilder::new()
        .load_shed()
        .map_err(FlowError::into_box)
        .layer(layer)
        .service(tower::service_fn(async |n: u32| Ok::<_, std::io::Error>(n)));
    handle.set(Pressure::High);
    let ready = tower::ServiceExt::ready(&mut service).await.expect("always");
    assert!(ready.call(1).await.expect_err("shed").is::<tower::load_shed::error::Overloaded>());
}
