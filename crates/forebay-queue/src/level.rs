//! How full something is.

/// How full something is.
///
/// Backpressure and adaptive rates act on it without knowing what it is.
///
/// ```
/// use forebay_queue::{Level, bounded};
///
/// let (tx, _rx) = bounded(4);
/// tx.try_send("a quarter").expect("there is room");
/// let tank: &dyn Level = &tx;
/// assert_eq!(tank.level(), Some(0.25));
/// ```
pub trait Level: Send + Sync {
    /// Share that is filled, from 0.0 (empty) to 1.0 (full); `None` where there is no bound.
    ///
    /// A rendezvous is full while a sender waits and empty otherwise.
    fn level(&self) -> Option<f64>;
}
