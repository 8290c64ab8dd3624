//! Errors of callers that asked for too much, or too early.

use forebay_queue::Tick;

/// Why something may not start now. Nothing was charged.
///
/// ```
/// use forebay_flow::{Rate, Refusal, TokenBucket};
///
/// let mut bucket = TokenBucket::new(Rate::per_second(1));
/// assert_eq!(bucket.take(1, 0), Ok(()));
/// assert_eq!(bucket.take(1, 0), Err(Refusal::Until(1_000_000_000)));
/// assert_eq!(bucket.take(2, 0), Err(Refusal::TooHeavy));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not before this time, in nanoseconds: then it may, if nobody else started meanwhile.
    #[error("rate is used up")]
    Until(Tick),
    /// It costs more than may ever start at once.
    #[error("costs more than may ever start at once")]
    TooHeavy,
}
