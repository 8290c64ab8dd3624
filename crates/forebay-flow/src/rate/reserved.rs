//! What was reserved.

/// What was reserved and is not used so far; see [`TokenBucket::reserve`](crate::TokenBucket::reserve).
///
/// It must go back to where it came from, by `commit` or `cancel`: dropped, it stays reserved for ever. A policy holds no
/// reference to what owns it, so it cannot see that. Behind a layer `layer::RateHandle::try_reserve` gives out what cancels when it
/// is dropped.
///
/// ```
/// use forebay_flow::{Rate, TokenBucket};
///
/// let mut bucket = TokenBucket::new(Rate::per_second(100)).with_burst(50);
/// let reserved = bucket.reserve(40, 0).expect("it is full");
/// assert_eq!(reserved.cost(), 40);
/// bucket.cancel(reserved);
/// assert_eq!(bucket.available(0), 50);
/// ```
#[derive(Debug, PartialEq, Eq)]
#[must_use = "what is reserved must be committed or cancelled"]
pub struct Reserved {
    pub(super) cost: u64,
}

// === impl Reserved ===

impl Reserved {
    /// How much.
    pub const fn cost(&self) -> u64 {
        self.cost
    }
}
