//! Rates whose burst is so large that starts are let through without a look at the clock. Time is paused.

use std::convert::Infallible;
use std::time::Duration;

use forebay_flow::layer::concurrency::Reserve;
use forebay_flow::layer::{FlowError, RateHandle, RateLimit, RateLimitLayer, Why};
use forebay_flow::{Rate, TokenBucket};
use forebay_testkit::Driver;
use proptest::collection::vec;
use proptest::prelude::*;
use tokio::time::{Instant, advance};
use tower::{Layer, Service, service_fn};

use crate::rig::{Inner, Rig, is_ready};

const MS: Duration = Duration::from_millis(1);

/// One start each millisecond, and 1280 at once: ten on credit.
fn bucket() -> TokenBucket {
    TokenBucket::new(Rate::per_second(1000)).with_burst(1280)
}

type Weigher = fn(&&'static str) -> usize;

fn reserve() -> (Rig<RateLimit<Inner, TokenBucket, Weigher>>, RateHandle<TokenBucket>) {
    let weigh: Weigher = |request| request.len();
    let layer: RateLimitLayer<_, Reserve, _> = RateLimitLayer::new(bucket()).weigh(weigh);
    (Rig::new(&layer), layer.handle())
}

fn available(handle: &RateHandle<TokenBucket>) -> u64 {
    handle.update(|bucket, now| bucket.available(now))
}

#[tokio::test(start_paused = true)]
async fn what_starts_on_credit_is_charged_when_somebody_looks() {
    let (mut rig, handle) = reserve();
    let _calls = [(); 8].map(|()| rig.call("a"));
    assert_eq!(handle.stats().admitted, 8, "whether they are charged or not");
    assert_eq!(available(&handle), 1272);
    assert_eq!(handle.stats().admitted, 8);
}

#[tokio::test(start_paused = true)]
async fn a_burst_after_a_silence_is_whole_but_for_what_was_on_credit() {
    let (mut rig, handle) = reserve();
    let _calls = [(); 8].map(|()| rig.call("a"));
    advance(100 * MS).await;
    assert_eq!(available(&handle), 1273, "seven of them count as of now");
    advance(7 * MS).await;
    assert_eq!(available(&handle), 1280);
    // Who has used up half of it finds it whole: nothing was on credit any more.
    let _calls: Vec<_> = (0..1280).map(|_| rig.call("a")).collect();
    assert!(!is_ready(&mut rig.service.clone()));
    advance(1281 * MS).await;
    assert_eq!(available(&handle), 1280);
}

#[tokio::test(start_paused = true)]
async fn a_start_on_credit_that_is_given_back_is_there_until_it_was_charged() {
    let (mut rig, handle) = reserve();
    let mut handles = [(); 5].map(|()| rig.service.clone());
    assert!(rig.is_ready() && handles.iter_mut().all(is_ready));
    let [first, second, third, kept, charged] = handles;
    drop((first, second));
    assert_eq!((handle.stats().admitted, handle.stats().given_back), (4, 2));
    assert_eq!(available(&handle), 1276);
    drop(third);
    assert_eq!((handle.stats().admitted, handle.stats().lost), (3, 1), "it is charged");
    // In another round it is as if it had been charged in that one.
    assert!(is_ready(&mut rig.service.clone()));
    drop(charged);
    let stats = handle.stats();
    assert_eq!((stats.given_back, stats.lost, available(&handle)), (3, 2, 1276), "{stats:?}");
    drop(kept);
}

#[tokio::test(start_paused = true)]
async fn credit_ends_when_the_rate_is_changed() {
    let (mut rig, handle) = reserve();
    let _calls = [(); 4].map(|()| rig.call("a"));
    handle.update(|bucket, now| bucket.set_rate(Rate::per_second(1), 4, now));
    assert!(!rig.is_ready(), "the four are spent");
}

#[tokio::test(start_paused = true)]
async fn credit_ends_when_a_heavy_call_is_charged() {
    let (mut rig, handle) = reserve();
    let mut other = rig.service.clone();
    assert!(rig.is_ready() && is_ready(&mut other));
    let _calls = (rig.call("a"), Driver::new(other.call(HEAVY)));
    assert!(!rig.is_ready());
    assert_eq!(available(&handle), 0);
}

const HEAVY: &str = match std::str::from_utf8(&[b'h'; 1500]) {
    Ok(heavy) => heavy,
    Err(_) => unreachable!(),
};

#[tokio::test(start_paused = true)]
async fn credit_ends_when_room_is_reserved() {
    let (mut rig, handle) = reserve();
    let _calls = [(); 4].map(|()| rig.call("a"));
    assert_eq!(handle.try_reserve(1277).expect_err("four are spent").why, Why::Full);
    let reserved = handle.try_reserve(1276).expect("the rest");
    assert!(!rig.is_ready());
    drop(reserved);
    assert_eq!(handle.stats().admitted, 4);
}

#[tokio::test(start_paused = true)]
async fn nobody_gets_credit_once_it_is_closed() {
    let (mut rig, handle) = reserve();
    let _calls = [(); 4].map(|()| rig.call("a"));
    handle.close();
    assert!(matches!(rig.service.poll_ready(&mut std::task::Context::from_waker(std::task::Waker::noop())),
        std::task::Poll::Ready(Err(FlowError::Refused(it))) if it.why == Why::Closed));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whenever calls come, the layer starts none that the bucket would not, and refuses few that it would let start.
    #[test]
    fn calls_on_credit_start_within_the_rate(
        burst in 200..2_000_u64,
        steps in vec((0..40_u32, 1..60_usize, 0..300_usize), 1..30),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("no thread is needed").block_on(async {
            let policy = TokenBucket::new(Rate::per_second(1000)).with_burst(burst);
            let mut exact = policy.clone();
            let layer = RateLimitLayer::new(policy).max_waiting(0).weigh(|cost: &usize| *cost).queued();
            let begin = Instant::now();
            let mut service = layer.layer(service_fn(async |_: usize| Ok::<_, Infallible>(())));
            for (later, calls, heavy) in steps {
                advance(MS * later / 4).await;
                let now = u64::try_from(begin.elapsed().as_nanos()).expect("a few seconds");
                // Mostly light ones, which may start on credit, and now and then one that may not.
                for cost in std::iter::repeat_n(1, calls).chain((heavy > 200).then(|| heavy - 199)) {
                    let starts = Driver::new(service.call(cost)).assert_ready().is_ok();
                    let (cost, available) = (cost as u64, exact.available(now));
                    prop_assert!(!starts || available >= cost, "{cost} of {available} at {now}");
                    prop_assert!(starts || available < cost + burst / 128, "{cost} of {available} at {now}");
                    exact.charge(if starts { cost } else { 0 }, now);
                }
            }
            Ok(())
        })?;
    }
}
