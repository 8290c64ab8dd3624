//! Numbers that need not be secret, only different from those of other clients.

use std::hash::{BuildHasher as _, RandomState};

/// Seeds a generator.
pub(crate) fn seed() -> u64 {
    // The keys of each are new.
    RandomState::new().hash_one(())
}

/// From 0 to below 1.
pub(crate) fn uniform() -> f64 {
    (seed() >> 11) as f64 / (1_u64 << 53) as f64
}
