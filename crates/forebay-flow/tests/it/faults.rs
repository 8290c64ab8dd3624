//! What others' layers are known to do wrong.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};

use forebay_flow::layer::{AdaptiveRateLayer, ConcurrencyLimitLayer, FlowError, RateLimitLayer};
use forebay_flow::rate::{FeedbackConfig, FeedbackRate};
use forebay_flow::{Aimd, CallEnd, Fixed, Limit, Rate, Sample, Tick, TokenBucket};
use forebay_testkit::Driver;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

use crate::rig::{Rig, is_ready};

/// In tower's `ConcurrencyLimit` a spent cooperative budget is pending like a limit that is used up, and so a `load_shed` above
/// sheds calls though there is room.
async fn sheds_none<L>(layer: L)
where
    L: Layer<Echo>,
    L::Service: Service<usize, Response = usize, Error: Into<tower::BoxError>, Future: Send>,
{
    let mut service = ServiceBuilder::new().load_shed().layer(layer).service(Echo);
    for n in 0..100_000 {
        // No await between readiness and call: nothing but the layer may give way.
        let ready = service.ready().await.expect("load_shed is always ready");
        assert_eq!(ready.call(n).await.expect("there is room"), n);
    }
}

/// Always ready, and answers at once.
#[derive(Clone)]
struct Echo;

impl Service<usize> for Echo {
    type Response = usize;
    type Error = Infallible;
    type Future = std::future::Ready<Result<usize, Infallible>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, n: usize) -> Self::Future {
        std::future::ready(Ok(n))
    }
}

#[tokio::test]
async fn load_shed_above_a_limit_with_room_sheds_none() {
    sheds_none(
        ServiceBuilder::new().map_err(FlowError::into_box).layer(ConcurrencyLimitLayer::new(Aimd::default())),
    )
    .await;
}

#[tokio::test]
async fn load_shed_above_a_rate_with_room_sheds_none() {
    let rate = TokenBucket::new(Rate::per_second(10)).with_burst(200_000);
    sheds_none(ServiceBuilder::new().map_err(FlowError::into_box).layer(RateLimitLayer::new(rate))).await;
}

#[tokio::test]
async fn load_shed_above_a_rate_that_is_learnt_with_room_sheds_none() {
    // One each nanosecond: by when the next one comes it may.
    let config = FeedbackConfig { start: 1e9, max: 1e9, ..FeedbackConfig::default() };
    let rate = AdaptiveRateLayer::new(FeedbackRate::try_new(config, 1).expect("in range"));
    sheds_none(ServiceBuilder::new().map_err(FlowError::into_box).layer(rate)).await;
}

/// In tower's `ConcurrencyLimit`, and in anything that reserves, handles that are ready and are not called hold permits. That
/// is what the queued mode is for. (tower#408, vector#26457)
#[test]
fn idle_ready_handles_starve_nobody_in_the_queued_mode() {
    let layer = ConcurrencyLimitLayer::new(Fixed(2)).queued();
    let mut rig = Rig::new(&layer);
    let mut idle: Vec<_> = (0..10).map(|_| rig.service.clone()).collect();
    assert!(idle.iter_mut().all(is_ready));
    let mut calls = [rig.call("a"), rig.call("b")];
    calls.iter_mut().for_each(Driver::assert_pending);
    assert_eq!(rig.requests(), ["a", "b"]);
}

/// The adaptive limit of tower-resilience 0.9 compared a count and reserved nothing, so clones passed it together
/// (tower-resilience#365).
#[test]
fn clones_that_are_asked_together_do_not_all_pass() {
    let layer = ConcurrencyLimitLayer::new(Aimd::default());
    let rig = Rig::new(&layer);
    let limit = layer.handle().limit();
    let mut clones: Vec<_> = (0..3 * limit).map(|_| rig.service.clone()).collect();
    assert_eq!(clones.iter_mut().filter_map(|clone| is_ready(clone).then_some(())).count(), limit);
}

/// The same: pending while full, it woke itself, and so kept a core busy.
#[test]
fn a_full_limit_is_not_asked_again_before_something_changes() {
    let layer = ConcurrencyLimitLayer::new(Fixed(1)).queued();
    let mut rig = Rig::new(&layer);
    let _running = rig.call("a");
    let mut waiting = rig.call("b");
    waiting.assert_pending();
    assert_eq!(waiting.wakes(), 0);
}

/// A panic inside of the service must not keep its permit.
#[tokio::test]
async fn a_call_that_panics_gives_back() {
    let layer = ConcurrencyLimitLayer::new(Fixed(1)).queued();
    let service = layer.layer(service_fn(async |fail: bool| {
        assert!(!fail, "as told");
        Ok::<_, Infallible>(())
    }));
    assert!(tokio::spawn(service.clone().oneshot(true)).await.expect_err("it panics").is_panic());
    service.oneshot(false).await.expect("the permit is back");
}

/// The same where it panics as it is called, before there is a future: its handle lives on.
#[test]
fn a_service_that_panics_as_it_is_called_keeps_no_permit_of_its_handle() {
    let layer = ConcurrencyLimitLayer::new(Fixed(2)).weigh(|weight: &usize| *weight);
    let mut service = layer.layer(service_fn(|_: usize| -> std::future::Ready<Result<(), Infallible>> {
        panic!("as told");
    }));
    let mut waits = service.clone();
    for weight in [1, 2] {
        assert!(tokio_test::task::spawn(service.ready()).poll().is_ready());
        let call = AssertUnwindSafe(|| drop(service.call(weight)));
        catch_unwind(call).expect_err("it panics");
        assert_eq!(layer.handle().in_use(), 0);
    }
    assert!(tokio_test::task::spawn(waits.ready()).poll().is_ready());
}

/// A limit of 1 that panics where it is told to.
#[derive(Default)]
struct Fragile {
    fails: Option<Fails>,
    /// Calls at work, as the last one to begin was told.
    in_flight: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fails {
    AtStart,
    AtEnd,
}

impl Limit for Fragile {
    fn seats(&self) -> usize {
        1
    }

    fn started(&mut self, in_flight: usize) {
        assert!(self.fails != Some(Fails::AtStart), "as told");
        self.in_flight = in_flight;
    }

    fn update(&mut self, _: &Sample, _: Tick) {
        assert!(self.fails != Some(Fails::AtEnd), "as told");
    }
}

#[tokio::test]
async fn a_policy_that_panics_keeps_no_permit() {
    for fails in [Fails::AtStart, Fails::AtEnd] {
        let layer = ConcurrencyLimitLayer::new(Fragile::default()).queued();
        let (handle, service) = (layer.handle(), layer.layer(Echo));
        handle.update(|policy| policy.fails = Some(fails));
        assert!(tokio::spawn(service.clone().oneshot(1)).await.expect_err("it panics").is_panic());
        handle.update(|policy| policy.fails = None);
        assert_eq!(handle.in_use(), 0);
        assert_eq!(service.oneshot(2).await.expect("the permit is back"), 2);
        assert_eq!(handle.look(|policy| policy.in_flight), 1, "that one alone was at work");
    }
}

#[test]
fn a_policy_that_panics_keeps_no_permit_of_work_that_is_no_call() {
    for fails in [Fails::AtStart, Fails::AtEnd] {
        let handle = ConcurrencyLimitLayer::new(Fragile { fails: Some(fails), in_flight: 0 }).handle();
        let work = AssertUnwindSafe(|| handle.try_permit().expect("nobody is at work").end(CallEnd::Success));
        catch_unwind(work).expect_err("it panics");
        assert_eq!(handle.in_use(), 0);
    }
}
