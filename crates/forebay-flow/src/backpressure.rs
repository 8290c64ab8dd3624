//! When producers should slow down.

use forebay_queue::{Pressure, Watermarks};

/// Watches a [`Level`](forebay_queue::Level) and reports when it crosses its [`Watermarks`], once for each crossing.
///
/// | level | pressure |
/// | --- | --- |
/// | above the share `high` (0.8), or full | becomes high |
/// | below the share `low` (0.2), or empty | becomes normal |
/// | in between | stays what it was |
/// | a rendezvous, which is full while a sender waits and empty otherwise | high while a sender waits |
/// | without a bound | normal |
///
/// # Source
///
/// Hysteresis between two marks, as in a thermostat; the textbook's queue says `slow_down` when it is full, and `resume` below
/// 70 %: `Watermarks::new(1.0, 0.7)`. A Forebay queue watches itself, by the same [`Watermarks`], and reports to
/// [`pressure_changed`](forebay_queue::Sender::pressure_changed); this is for anything else that fills and drains.
///
/// # When not to use it
///
/// On a Forebay queue: this misses what happens between two observations, and the queue sees everything. To hold up calls of a
/// service, use `layer::BackpressureLayer`, which has this in it.
///
/// ```
/// use forebay_flow::{Backpressure, Level, Pressure, Watermarks};
///
/// let (tx, mut rx) = forebay_queue::bounded(10);
/// let mut watched = Backpressure::new(Watermarks::new(1.0, 0.7)?);
/// for n in 0..9 {
///     tx.try_send(n)?;
///     assert_eq!(watched.observe(tx.level()), None);
/// }
/// tx.try_send(9)?;
/// assert_eq!(watched.observe(tx.level()), Some(Pressure::High)); // slow down
/// assert_eq!(watched.observe(tx.level()), None); // that was said
/// for _ in 0..4 {
///     rx.try_recv()?;
/// }
/// assert_eq!(watched.observe(tx.level()), Some(Pressure::Normal)); // resume
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Backpressure {
    watermarks: Watermarks,
    pressure: Pressure,
}

// === impl Backpressure ===

impl Backpressure {
    /// Normal, until it is told otherwise.
    pub fn new(watermarks: Watermarks) -> Self {
        Self { watermarks, pressure: Pressure::Normal }
    }

    /// Takes the level, as from [`Level::level`](forebay_queue::Level::level). Returns the pressure from now on, if it was
    /// different before.
    ///
    /// What happens between two calls is not seen.
    pub fn observe(&mut self, level: Option<f64>) -> Option<Pressure> {
        let next = match level {
            Some(share) => self.watermarks.update_share(self.pressure, share),
            None => Pressure::Normal,
        };
        let before = std::mem::replace(&mut self.pressure, next);
        (next != before).then_some(next)
    }

    /// What it is now.
    pub fn pressure(&self) -> Pressure {
        self.pressure
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Pressure::{High, Normal};

    #[test]
    fn each_crossing_is_told_once() {
        let mut watched = Backpressure::default();
        let levels = [0.0, 0.8, 0.81, 0.9, 0.5, 0.2, 0.19, 0.5, 0.1, 1.0, 1.0, 0.0];
        let told: Vec<_> = levels.into_iter().filter_map(|level| watched.observe(Some(level))).collect();
        assert_eq!(told, [High, Normal, High, Normal]);
    }

    #[test]
    fn a_rendezvous_is_high_while_somebody_waits() {
        let mut watched = Backpressure::default();
        let told = [1.0, 1.0, 0.0, 1.0].map(|level| watched.observe(Some(level)));
        assert_eq!(told, [Some(High), None, Some(Normal), Some(High)]);
    }

    #[test]
    fn without_a_bound_there_is_no_pressure() {
        let mut watched = Backpressure::default();
        assert_eq!(watched.observe(None), None);
        watched.observe(Some(1.0));
        assert_eq!(watched.observe(None), Some(Normal));
    }
}
