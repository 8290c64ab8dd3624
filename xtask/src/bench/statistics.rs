//! Medians with their spread, and ratios between runs that were neighbours in time.

use std::fmt;

/// The middle of some measurements and how far they lie apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) min: f64,
    pub(super) max: f64,
}

// === impl Spread ===

impl Spread {
    /// # Panics
    ///
    /// If there is no measurement.
    pub(super) fn of(measurements: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = measurements.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let (first, last) = (sorted[0], sorted[sorted.len() - 1]);
        let (low, high) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
        Self { median: f64::midpoint(low, high), min: first, max: last }
    }

    /// The ratios of measurements that were taken in the same round.
    ///
    /// A machine that is slow for one round is so for both, and the ratio does not notice.
    pub(super) fn of_ratios(ours: &[f64], theirs: &[f64]) -> Self {
        Self::of(ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs))
    }
}

/// `median (min-max)`, with as many places as the format asks for.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = f.precision().unwrap_or(2);
        write!(f, "{:.places$} ({:.places$}-{:.places$})", self.median, self.min, self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_is_between_the_middle_two() {
        assert_eq!(Spread::of([4.0, 1.0, 3.0, 2.0]), Spread { median: 2.5, min: 1.0, max: 4.0 });
        assert_eq!(Spread::of([7.0, 1.0, 3.0]).median, 3.0);
    }

    #[test]
    fn ratios_pair_the_runs_of_one_round() {
        // Both were twice as slow in the second round.
        let ratios = Spread::of_ratios(&[3.0, 6.0], &[1.0, 2.0]);
        assert_eq!(ratios, Spread { median: 3.0, min: 3.0, max: 3.0 });
    }

    #[test]
    fn a_spread_is_printed_with_the_places_asked_for() {
        let spread = Spread { median: 1.25, min: 1.0, max: 2.0 };
        assert_eq!(format!("{spread}"), "1.25 (1.00-2.00)");
        assert_eq!(format!("{spread:.1}"), "1.2 (1.0-2.0)");
    }
}
