//! A constant limit.

use forebay_queue::{Limit, Sample, Tick};

/// A limit that never changes. At least 1: 0 counts as 1.
///
/// # When not to use it
///
/// Where the other side changes, or nobody has measured what it can bear: too high a limit is a queue somewhere, too low a
/// limit is idleness, and neither shows here.
///
/// ```
/// use forebay_flow::{Fixed, Limit};
///
/// assert_eq!(Fixed(16).seats(), 16);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fixed(pub usize);

// === impl Fixed ===

impl Limit for Fixed {
    fn seats(&self) -> usize {
        self.0.max(1)
    }

    fn update(&mut self, _: &Sample, _: Tick) {}

    fn uses_samples(&self) -> bool {
        false
    }
}
