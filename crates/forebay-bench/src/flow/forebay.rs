//! forebay-flow: its layers, and the token bucket alone.

use std::sync::Arc;
use std::time::Duration;

use forebay_flow::layer::{
    AdaptiveRateLayer, BackpressureLayer, ConcurrencyLimitLayer, LimitHandle, RateLimitLayer, ShedLayer,
};
use forebay_flow::rate::{Book, Booked, FeedbackConfig, FeedbackRate, SharedBucket};
use forebay_flow::{Aimd, AimdConfig, CallEnd, Fixed, Rate, Refusal, Tick, TokenBucket};
use governor::clock::{Clock, QuantaClock, QuantaInstant, Reference};
use tower::Layer;

use super::{Call, Contender, Immediate, PERMITS, Turn};

const fn layer(
    name: &'static str,
    about: &'static str,
    measure: fn(&super::Load) -> super::Measured,
) -> Contender {
    Contender { name, package: "forebay-flow", about, call: true, shared: true, measure }
}

pub(super) const CONCURRENCY: Contender = layer("concurrency", "permit", |load| {
    let service = ConcurrencyLimitLayer::new(Fixed(PERMITS)).layer(Immediate);
    load.drive(|| Call(service.clone()))
});

pub(super) const CONCURRENCY_QUEUED: Contender = layer("concurrency-queued", "permit", |load| {
    let service = ConcurrencyLimitLayer::new(Fixed(PERMITS)).queued().layer(Immediate);
    load.drive(|| Call(service.clone()))
});

/// The decision alone.
pub(super) const PERMIT: Contender = Contender {
    name: "permit",
    package: "forebay-flow",
    about: "permit",
    call: false,
    shared: true,
    measure: |load| {
        let limit = ConcurrencyLimitLayer::new(Fixed(PERMITS));
        load.drive(|| Permit(limit.handle()))
    },
};

pub(super) const AIMD: Contender = layer("concurrency-aimd", "learnt permit", |load| {
    let policy = Aimd::try_new(AimdConfig { initial: PERMITS, max: PERMITS, ..AimdConfig::default() });
    let service = ConcurrencyLimitLayer::new(policy.expect("in range")).layer(Immediate);
    load.drive(|| Call(service.clone()))
});

pub(super) const RATE: Contender = layer("rate", "rate", |load| {
    let service = RateLimitLayer::new(plenty()).layer(Immediate);
    load.drive(|| Call(service.clone()))
});

/// The same without credit, as where the burst is small: each start takes the lock and looks at the clock.
pub(super) const RATE_EACH: Contender = layer("rate-without-credit", "rate", |load| {
    let service = RateLimitLayer::new(WithoutCredit(plenty())).layer(Immediate);
    load.drive(|| Call(service.clone()))
});

pub(super) const RATE_QUEUED: Contender = layer("rate-queued", "rate", |load| {
    let service = RateLimitLayer::new(plenty()).queued().layer(Immediate);
    load.drive(|| Call(service.clone()))
});

/// One each nanosecond, so that the next start is there by when it is asked for.
pub(super) const ADAPTIVE_RATE: Contender = layer("adaptive-rate", "learnt rate", |load| {
    let config = FeedbackConfig { start: 1e9, max: 1e9, ..FeedbackConfig::default() };
    let rate = FeedbackRate::try_new(config, 1).expect("in range");
    let service = AdaptiveRateLayer::new(rate).layer(Immediate);
    load.drive(|| Call(service.clone()))
});

pub(super) const BACKPRESSURE: Contender = layer("backpressure", "the rest", |load| {
    let service = BackpressureLayer::default().layer(Immediate);
    load.drive(|| Call(service.clone()))
});

pub(super) const SHED: Contender = layer("shed", "the rest", |load| {
    let service = ShedLayer::new().layer(Immediate);
    load.drive(|| Call(service.clone()))
});

/// The decision alone, as somebody would share it between tasks. It takes the time from whoever asks, and they take it from
/// the clock that `governor` takes it from.
pub(super) const BUCKET: Contender = Contender {
    name: "bucket",
    package: "forebay-flow",
    about: "rate",
    call: false,
    shared: true,
    measure: |load| {
        let clock = QuantaClock::default();
        let bucket = SharedBucket::new(plenty().rate(), plenty().burst());
        let (origin, bucket) = (clock.now(), Arc::new(bucket));
        load.drive(|| Bucket { clock: clock.clone(), origin, bucket: bucket.clone() })
    },
};

struct Bucket {
    clock: QuantaClock,
    origin: QuantaInstant,
    bucket: Arc<SharedBucket>,
}

struct Permit(LimitHandle<Fixed>);

struct WithoutCredit(TokenBucket);

impl Book for WithoutCredit {
    fn book(&mut self, cost: u64, now: Tick) -> Result<Booked, Refusal> {
        self.0.book(cost, now)
    }

    fn unbook(&mut self, booked: Booked) -> bool {
        self.0.unbook(booked)
    }

    fn charge(&mut self, cost: u64, now: Tick) {
        self.0.charge(cost, now);
    }
}

impl Turn for Permit {
    async fn turn(&mut self, n: u64) -> u64 {
        self.0.try_permit().expect("there is always room").end(CallEnd::Success);
        n
    }
}

impl Turn for Bucket {
    async fn turn(&mut self, n: u64) -> u64 {
        let now = self.clock.now().duration_since(self.origin).as_u64();
        self.bucket.take(1, now).expect("there is always room");
        n
    }
}

/// A thousand million a second, and a burst of as many.
fn plenty() -> TokenBucket {
    TokenBucket::new(Rate::new(1_000_000_000, Duration::from_secs(1))).with_burst(1_000_000_000)
}
