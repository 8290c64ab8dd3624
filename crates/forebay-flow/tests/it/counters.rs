//! What is counted never goes down, and everybody who asked is counted once.

use std::collections::BTreeMap;
use std::time::Duration;

use forebay_flow::layer::{AdaptiveRateLayer, ConcurrencyLimitLayer, FlowError, RateLimitLayer, Why};
use forebay_flow::rate::FeedbackRate;
use forebay_flow::{Fixed, Rate, TokenBucket};
use forebay_queue::{Stats, Visitor};
use forebay_testkit::Driver;
use tokio::task::{JoinSet, yield_now};
use tokio::time::advance;
use tower::{Layer, Service, service_fn};

use crate::rig::{Error, Inner, Rig, is_ready, refusal};

/// The counters as a scraper keeps them, which takes one that has gone down for one that began anew.
#[derive(Default)]
struct Scraped(BTreeMap<String, u64>);

impl Scraped {
    #[track_caller]
    fn again(&mut self, stats: &impl Stats) {
        stats.observe(self);
    }

    fn get(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or_else(|| panic!("no {name} in {:?}", self.0))
    }
}

impl Visitor for Scraped {
    fn counter(&mut self, name: &'static str, labels: &[(&'static str, &str)], value: u64) {
        let labels: Vec<_> = labels.iter().map(|(_, value)| *value).collect();
        let before = self.0.insert([name, &labels.concat()].join(" ").trim_end().to_owned(), value);
        assert!(before <= Some(value), "{name} {labels:?} went from {before:?} down to {value}");
    }

    fn gauge(&mut self, _: &'static str, _: &[(&'static str, &str)], _: f64) {}
}

const SLOT: Duration = Duration::from_millis(100);

fn bucket() -> TokenBucket {
    TokenBucket::new(Rate::per_second(10))
}

/// Handles become ready and go away without a call, as those of connections that are closed.
fn handles_come_and_go<S>(layer: &impl Layer<Inner, Service = S>, stats: &impl Stats) -> Scraped
where
    S: Service<&'static str, Response = &'static str, Error = Error> + Clone,
{
    let mut scraped = Scraped::default();
    let mut rig = Rig::new(layer);
    rig.call("a").assert_pending();
    for _ in 0..3 {
        let mut handle = rig.service.clone();
        assert!(is_ready(&mut handle));
        scraped.again(stats);
        drop(handle);
        scraped.again(stats);
    }
    scraped
}

#[test]
fn no_counter_of_a_limit_goes_down_when_handles_go_away() {
    let layer = ConcurrencyLimitLayer::new(Fixed(2));
    let scraped = handles_come_and_go(&layer, &layer.handle());
    let [granted, unused] = ["forebay_admission_total admitted", "forebay_limit_unused_total"];
    assert_eq!((scraped.get(granted), scraped.get(unused)), (4, 3));
    let stats = layer.handle().stats();
    assert_eq!((stats.admitted, stats.unused), (1, 3));
}

#[tokio::test(start_paused = true)]
async fn no_counter_of_a_rate_goes_down_when_handles_go_away() {
    for burst in [10, 1280] {
        let layer = RateLimitLayer::new(bucket().with_burst(burst));
        let scraped = handles_come_and_go(&layer, &layer.handle());
        let [started, unused] = ["forebay_admission_total admitted", "forebay_rate_unused_total"];
        assert_eq!((scraped.get(started), scraped.get(unused)), (4, 3), "burst {burst}");
        let stats = layer.handle().stats();
        assert_eq!((stats.admitted, stats.unused, stats.given_back + stats.lost), (1, 3, 3));
    }
}

#[tokio::test(start_paused = true)]
async fn no_counter_of_a_rate_goes_down_when_a_lost_start_comes_back() {
    let layer = RateLimitLayer::new(bucket()).queued();
    let (mut rig, handle, mut scraped) = (Rig::new(&layer), layer.handle(), Scraped::default());
    let [_a, b, c] = ["a", "b", "c"].map(|request| rig.call(request));
    drop(b);
    advance(SLOT + SLOT / 2).await;
    scraped.again(&handle);
    drop(c);
    scraped.again(&handle);
    let stats = handle.stats();
    assert_eq!((stats.admitted, stats.given_back, stats.lost), (1, 1, 1));
    let mut next = rig.call("d");
    next.assert_pending();
    assert_eq!(rig.requests(), ["d"], "its room is there all the same");
}

#[test]
fn a_call_that_is_dropped_before_it_begins_has_left() {
    let layer = ConcurrencyLimitLayer::new(Fixed(1)).queued();
    let (mut rig, handle) = (Rig::new(&layer), layer.handle());
    let first = rig.call("a");
    let mut second = rig.call("b");
    second.assert_pending();
    drop(first); // has a permit, and was never polled
    drop(second); // was given it, and was not polled since
    let stats = handle.stats();
    assert_eq!((stats.admitted, stats.left, stats.unused, stats.in_use), (0, 2, 2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_a_closed_limit_or_rate_refuses_is_counted() {
    let layer = ConcurrencyLimitLayer::new(Fixed(1)).queued();
    let (mut rig, handle) = (Rig::new(&layer), layer.handle());
    let (_first, mut waits) = (rig.call("a"), rig.call("b"));
    waits.assert_pending();
    let mut ready = rig.service.clone();
    handle.close();
    assert_eq!(refusal(waits.assert_ready()), (Why::Closed, Some("b")));
    assert_eq!(refusal(Driver::new(ready.call("c")).assert_ready()), (Why::Closed, Some("c")));
    assert!(handle.try_permit().is_none());
    let stats = handle.stats();
    assert_eq!((stats.closed, stats.refused, stats.admitted, stats.waiting), (3, 0, 1, 0));

    let layer = RateLimitLayer::new(bucket()).queued();
    let (rig, handle) = (Rig::new(&layer), layer.handle());
    let mut ready = rig.service.clone();
    handle.close();
    assert_eq!(refusal(Driver::new(ready.call("a")).assert_ready()), (Why::Closed, Some("a")));
    assert_eq!((handle.stats().closed, handle.stats().refused), (1, 0));

    let layer = AdaptiveRateLayer::new(FeedbackRate::new(1)).queued();
    let (rig, handle) = (Rig::new(&layer), layer.handle());
    let mut ready = rig.service.clone();
    handle.close();
    assert_eq!(refusal(Driver::new(ready.call("a")).assert_ready()), (Why::Closed, Some("a")));
    assert_eq!((handle.stats().closed, handle.stats().refused), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_handle_that_has_given_up_on_a_limit_learns_that_it_is_closed() {
    let layer = ConcurrencyLimitLayer::new(Fixed(1)).max_wait(Duration::ZERO);
    let (mut rig, handle) = (Rig::new(&layer), layer.handle());
    let _first = rig.call("a");
    let mut gave_up = rig.service.clone();
    assert!(is_ready(&mut gave_up));
    handle.close();
    let refused = Driver::new(gave_up.call("b")).assert_ready().expect_err("closed");
    assert!(matches!(refused, FlowError::Refused(it) if it.why == Why::Closed));
    assert_eq!((handle.stats().closed, handle.stats().timed_out), (1, 0));
}

/// Callers that stay, leave before they are polled, and leave after that, while it is closed at a time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_call_counts_once_whatever_it_races_with() {
    const TASKS: u32 = 8;
    const CALLS: u32 = 60;
    for round in 0..40 {
        let layer = ConcurrencyLimitLayer::new(Fixed(3)).queued().max_waiting(4);
        let layer = if round % 2 == 0 { layer.newest_first() } else { layer };
        let layer = if round % 4 < 2 { layer } else { layer.max_wait(Duration::ZERO) };
        let handle = layer.handle();
        let service = layer.layer(service_fn(async |turns: u32| {
            for _ in 0..turns % 5 {
                yield_now().await;
            }
            Ok::<_, ()>(())
        }));
        let mut tasks = JoinSet::new();
        for task in 0..TASKS {
            let (mut service, handle) = (service.clone(), handle.clone());
            tasks.spawn(async move {
                for n in task..task + CALLS {
                    let mut call = Box::pin(service.call(n));
                    match n % 4 {
                        0 => {}
                        1 => tokio::select! {
                            biased;
                            _ = &mut call => {}
                            () = yield_now() => {}
                        },
                        _ => drop(call.await),
                    }
                    if round % 3 == 0 && n == CALLS / 2 {
                        handle.close();
                    }
                }
            });
        }
        tasks.join_all().await;
        let stats = handle.stats();
        let counted = [stats.admitted, stats.refused, stats.timed_out, stats.left, stats.shed, stats.closed];
        assert_eq!(counted.iter().sum::<u64>(), u64::from(TASKS * CALLS), "round {round}: {stats:?}");
        assert_eq!((stats.in_use, stats.waiting), (0, 0));
    }
}
