//! `governor`, the decision alone, by its fastest clock.

use std::num::NonZeroU32;
use std::sync::Arc;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use super::{Contender, Turn};

pub(super) const CONTENDER: Contender = Contender {
    name: "governor",
    package: "governor",
    about: "rate",
    call: false,
    shared: true,
    measure: |load| {
        let quota = Quota::per_second(NonZeroU32::new(1_000_000_000).expect("not 0"));
        let limiter = Arc::new(RateLimiter::direct(quota));
        load.drive(|| Check(limiter.clone()))
    },
};

struct Check(Arc<DefaultDirectRateLimiter>);

impl Turn for Check {
    async fn turn(&mut self, n: u64) -> u64 {
        self.0.check().expect("there is always room");
        n
    }
}
