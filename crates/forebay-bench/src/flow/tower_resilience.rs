//! `tower-resilience`: its bulkhead in both modes, its token bucket, and its adaptive limit.

use tower::Layer;
use tower_resilience::adaptive::{AdaptiveLimiterLayer, Aimd};
use tower_resilience::bulkhead::BulkheadLayer;
use tower_resilience::ratelimiter::RateLimiterLayer;

use super::{Call, Contender, Immediate, PERMITS};

const fn layer(
    name: &'static str,
    about: &'static str,
    measure: fn(&super::Load) -> super::Measured,
) -> Contender {
    Contender { name, package: "tower-resilience", about, call: true, shared: true, measure }
}

pub(super) const BULKHEAD: Contender = layer("resilience-bulkhead", "permit", |load| {
    let layer = BulkheadLayer::builder().max_concurrent_calls(PERMITS).backpressure().build();
    let service = layer.expect("in range").layer(Immediate);
    load.drive(|| Call(service.clone()))
});

pub(super) const BULKHEAD_QUEUED: Contender = layer("resilience-bulkhead-queued", "permit", |load| {
    let layer = BulkheadLayer::builder().max_concurrent_calls(PERMITS).build();
    let service = layer.expect("in range").layer(Immediate);
    load.drive(|| Call(service.clone()))
});

pub(super) const AIMD: Contender = layer("resilience-aimd", "learnt permit", |load| {
    let aimd = Aimd::builder().initial_limit(PERMITS).max_limit(PERMITS).build();
    let service = AdaptiveLimiterLayer::new(aimd.expect("in range")).layer(Immediate);
    load.drive(|| Call(service.clone()))
});

pub(super) const RATE: Contender = layer("resilience-rate", "rate", |load| {
    let layer = RateLimiterLayer::burst(1_000_000_000, 1_000_000_000).backpressure().build();
    let service = layer.expect("in range").layer(Immediate);
    load.drive(|| Call(service.clone()))
});
