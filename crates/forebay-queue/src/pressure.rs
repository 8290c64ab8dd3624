//! How full is too full: watermarks with hysteresis.

use std::fmt;

/// What a queue tells its producers.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use forebay_queue::{Pressure, builder};
///
/// let (tx, _rx) = builder().capacity(10).watermarks(0.5, 0.2).build();
/// tx.send_many(&mut vec!['x'; 6]).await.expect("there is room");
/// assert_eq!(tx.pressure_changed().await, Pressure::High);
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pressure {
    /// Go on.
    #[default]
    Normal,
    /// Slow down: the consumers fall behind.
    High,
}

/// The two levels between which [`Pressure`] changes.
///
/// Pressure becomes [`High`](Pressure::High) above the share `high` of the capacity, or when the queue is full,
/// and [`Normal`](Pressure::Normal) again below the share `low`, or when the queue is empty. In between it stays
/// what it was (hysteresis), so each crossing is reported once.
///
/// The textbook's queue, which slows its producers down when full and lets them go on below 70 %:
///
/// ```
/// use forebay_queue::{Pressure, Watermarks};
///
/// let textbook = Watermarks::new(1.0, 0.7)?;
/// assert_eq!(textbook.update(Pressure::Normal, 99, 100), Pressure::Normal);
/// assert_eq!(textbook.update(Pressure::Normal, 100, 100), Pressure::High);
/// assert_eq!(textbook.update(Pressure::High, 70, 100), Pressure::High);
/// assert_eq!(textbook.update(Pressure::High, 69, 100), Pressure::Normal);
/// # Ok::<(), forebay_queue::WatermarksError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Watermarks {
    high: f64,
    low: f64,
}

/// The shares given to [`Watermarks::new`] make no hysteresis.
///
/// ```
/// use forebay_queue::Watermarks;
///
/// let refused = Watermarks::new(0.2, 0.8).unwrap_err();
/// assert_eq!(refused.to_string(), "watermarks high 0.2 and low 0.8: must be 0 <= low < high <= 1");
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WatermarksError {
    high: f64,
    low: f64,
}

// === impl Watermarks ===

impl Watermarks {
    /// Watermarks at these shares of the capacity, `0.0 <= low < high <= 1.0`.
    ///
    /// # Errors
    ///
    /// When the shares are not numbers in that order.
    pub fn new(high: f64, low: f64) -> Result<Self, WatermarksError> {
        if 0.0 <= low && low < high && high <= 1.0 {
            Ok(Self { high, low })
        } else {
            Err(WatermarksError { high, low })
        }
    }

    /// The pressure at `len` items of `capacity`, when it was `now` before.
    ///
    /// A capacity of 0 is a rendezvous, which is full as soon as anybody waits: there `len` is how many wait.
    pub fn update(&self, now: Pressure, len: usize, capacity: usize) -> Pressure {
        // A product with an f64 is exact enough here: 2^53 items do not fit into memory.
        let share = |part: f64| part * capacity as f64;
        match now {
            Pressure::Normal if len > 0 && (len >= capacity || len as f64 > share(self.high)) => {
                Pressure::High
            }
            Pressure::High if len == 0 || (len as f64) < share(self.low) => Pressure::Normal,
            same => same,
        }
    }

    /// The same of a share that is filled, as any [`Level`](crate::Level) tells it: full from 1.0 on, and empty at 0.0.
    ///
    /// What is not a number changes nothing.
    ///
    /// ```
    /// use forebay_queue::{Pressure, Watermarks};
    ///
    /// let watermarks = Watermarks::default();
    /// assert_eq!(watermarks.update_share(Pressure::Normal, 0.81), Pressure::High);
    /// assert_eq!(watermarks.update_share(Pressure::High, 0.2), Pressure::High);
    /// ```
    pub fn update_share(&self, now: Pressure, share: f64) -> Pressure {
        match now {
            Pressure::Normal if share > 0.0 && (share >= 1.0 || share > self.high) => Pressure::High,
            Pressure::High if share <= 0.0 || share < self.low => Pressure::Normal,
            same => same,
        }
    }

    /// The same for one capacity.
    pub(crate) fn at(&self, capacity: usize) -> Marks {
        // Casts of numbers beyond those of a `usize` saturate, and both shares are at most the capacity.
        let share = |part: f64| part * capacity as f64;
        let above_high = (share(self.high).floor() as usize).saturating_add(1);
        Marks { high_at: above_high.min(capacity).max(1), low_at: (share(self.low).ceil() as usize).max(1) }
    }
}

/// What [`Watermarks`] say of one capacity, as two numbers of items, for callers that ask with each item.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Marks {
    /// The fewest at which normal pressure becomes high; at least 1.
    pub(crate) high_at: usize,
    /// The fewest at which high pressure stays high; at least 1.
    pub(crate) low_at: usize,
}

// === impl Marks ===

impl Marks {
    /// Is the pressure high at `len`, when it was `now` before?
    pub(crate) fn is_high(self, now: Pressure, len: usize) -> bool {
        len >= match now {
            Pressure::Normal => self.high_at,
            Pressure::High => self.low_at,
        }
    }
}

/// High above 80 %, Normal again below 20 %.
impl Default for Watermarks {
    fn default() -> Self {
        Self { high: 0.8, low: 0.2 }
    }
}

// === impl WatermarksError ===

impl fmt::Display for WatermarksError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { high, low } = self;
        write!(f, "watermarks high {high} and low {low}: must be 0 <= low < high <= 1")
    }
}

impl std::error::Error for WatermarksError {}

#[cfg(test)]
mod tests {
    use super::*;
    use Pressure::{High, Normal};

    fn walk(
        marks: Watermarks,
        capacity: usize,
        lens: impl IntoIterator<Item = usize>,
    ) -> Vec<(usize, Pressure)> {
        let mut pressure = Normal;
        let mut crossings = Vec::new();
        for len in lens {
            let next = marks.update(pressure, len, capacity);
            if next != pressure {
                crossings.push((len, next));
            }
            pressure = next;
        }
        crossings
    }

    #[test]
    fn each_crossing_is_told_once() {
        let there_and_back = (0..=10).chain((0..10).rev());
        assert_eq!(walk(Watermarks::default(), 10, there_and_back), [(9, High), (1, Normal)]);
    }

    #[test]
    fn wobbling_at_a_mark_is_not_told() {
        let wobble = [8, 9, 8, 9, 8, 3, 2, 1, 2, 1];
        assert_eq!(walk(Watermarks::default(), 10, wobble), [(9, High), (1, Normal)]);
    }

    #[test]
    fn capacity_one_is_high_when_full_and_normal_when_empty() {
        assert_eq!(
            walk(Watermarks::default(), 1, [0, 1, 0, 1, 0]),
            [(1, High), (0, Normal), (1, High), (0, Normal)]
        );
    }

    #[test]
    fn low_mark_of_zero_means_empty() {
        let marks = Watermarks::new(0.5, 0.0).expect("in order");
        assert_eq!(walk(marks, 4, [0, 3, 1, 0]), [(3, High), (0, Normal)]);
    }

    #[test]
    fn rendezvous_is_high_while_anybody_waits() {
        assert_eq!(walk(Watermarks::default(), 0, [0, 1, 2, 0]), [(1, High), (0, Normal)]);
    }

    #[test]
    fn marks_for_a_capacity_say_the_same() {
        for (high, low) in [(0.8, 0.2), (1.0, 0.7), (0.5, 0.0), (0.3, 0.1), (1.0, 0.0), (0.01, 0.0)] {
            let watermarks = Watermarks::new(high, low).expect("in order");
            for capacity in 0..200 {
                for (now, len) in
                    [Normal, High].into_iter().flat_map(|now| (0..=capacity + 2).map(move |len| (now, len)))
                {
                    let expected = watermarks.update(now, len, capacity) == High;
                    assert_eq!(
                        watermarks.at(capacity).is_high(now, len),
                        expected,
                        "{now:?} {len} of {capacity}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_share_says_the_same_as_its_count() {
        for (high, low) in [(0.8, 0.2), (1.0, 0.7), (0.5, 0.0), (0.3, 0.1), (1.0, 0.0)] {
            let watermarks = Watermarks::new(high, low).expect("in order");
            // Shares that are exact in binary, so that none falls on the other side of a mark.
            for (now, len) in [Normal, High].into_iter().flat_map(|now| (0..=66).map(move |len| (now, len))) {
                assert_eq!(
                    watermarks.update_share(now, len as f64 / 64.0),
                    watermarks.update(now, len, 64),
                    "{now:?} {len}"
                );
            }
            assert_eq!(watermarks.update_share(High, f64::NAN), High);
            assert_eq!(watermarks.update_share(Normal, f64::NAN), Normal);
        }
    }

    #[test]
    fn marks_out_of_order_are_refused() {
        for (high, low) in [(0.2, 0.8), (0.5, 0.5), (1.1, 0.2), (0.8, -0.1), (f64::NAN, 0.2), (0.8, f64::NAN)]
        {
            let error = Watermarks::new(high, low).expect_err("out of order");
            assert!(error.to_string().contains("0 <= low < high <= 1"), "{error}");
        }
    }
}
