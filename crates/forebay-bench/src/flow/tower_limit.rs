//! `tower::limit`.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tower::Layer;
use tower::limit::{GlobalConcurrencyLimitLayer, RateLimitLayer};

use super::{Call, Contender, Immediate, PERMITS};

pub(super) const CONCURRENCY: Contender = Contender {
    name: "tower-concurrency",
    package: "tower",
    about: "permit",
    call: true,
    shared: true,
    measure: |load| {
        let layer = GlobalConcurrencyLimitLayer::with_semaphore(Arc::new(Semaphore::new(PERMITS)));
        load.drive(|| Call(layer.layer(Immediate)))
    },
};

/// It cannot be cloned.
pub(super) const RATE: Contender = Contender {
    name: "tower-rate",
    package: "tower",
    about: "rate",
    call: true,
    shared: false,
    measure: |load| {
        let layer = RateLimitLayer::new(1_000_000_000, Duration::from_secs(1));
        load.drive(|| Call(layer.layer(Immediate)))
    },
};
