//! How a rate learns.

use std::time::Duration;

use crate::ConfigError;

/// How a [`FeedbackRate`](super::FeedbackRate) learns.
///
/// ```
/// use forebay_flow::rate::{FeedbackConfig, FeedbackRate};
///
/// let config = FeedbackConfig { start: 5.0, max: 100.0, ..FeedbackConfig::default() };
/// assert_eq!(FeedbackRate::try_new(config, 1)?.per_second(), 5.0);
/// # Ok::<(), forebay_flow::ConfigError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FeedbackConfig {
    /// The rate at the beginning, per second, from `min` to `max`; 25. Nearer to the limit finds it sooner.
    pub start: f64,
    /// The lowest rate, per second, at least 0.0001; 0.1.
    pub min: f64,
    /// The highest rate, per second, at most 10^9; 1 000 000.
    pub max: f64,
    /// The time in which the rate doubles while nothing is known, above 0; 0.7 s. Shorter finds a high limit sooner, and is
    /// refused more often when it does.
    pub doubling: Duration,
    /// What the rate is multiplied by at a refusal when too little was admitted to tell, above 0 and below 1; 0.75.
    pub backoff: f64,
    /// The time until the rate that was found is tried again, if that is 20 a second, above 0; 4 s. For others it goes by the cube
    /// root: 5.4 s for 50 a second, 15 s for 1000. Shorter uses more of a limit that rises, and is
    /// refused more often by one that does not.
    pub regrowth: Duration,
    /// The shortest pause after a refusal, and the pause after one that does not say for how long; 100 ms.
    pub pause: Duration,
    /// The longest such pause, after many in a row; 30 s.
    pub longest_pause: Duration,
    /// The longest that a server is waited for because it said so; 1 h. Quotas of an hour are the longest that are usual; for a
    /// longer one a call each hour is too few to harm, and a mistaken header (a wrong unit, a wrong clock) does not stop everything
    /// for good.
    pub longest_told: Duration,
    /// Default: no. If so, up to `1 + served / 32` calls may be on their way regardless of the rate, until the first refusal. For calls
    /// that are answered fast and may not be limited at all, at the price of one refusal, or a few where the server allows a large burst. A
    /// window of 40 a second is used up in a moment so, and then 600 calls take up to 1.6 of the ideal time. Each start must be told
    /// of when it [ends](super::FeedbackRate::update).
    pub eager: bool,
}

// === impl FeedbackConfig ===

impl FeedbackConfig {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let Self { start, min, max, doubling, backoff, regrowth, .. } = *self;
        ConfigError::unless(min >= 1e-4, "min", min, "at least 0.0001")?;
        ConfigError::unless((min..=1e9).contains(&max), "max", max, "from min to 10^9")?;
        ConfigError::unless((min..=max).contains(&start), "start", start, "from min to max")?;
        ConfigError::unless(0.0 < backoff && backoff < 1.0, "backoff", backoff, "above 0 and below 1")?;
        ConfigError::unless(!doubling.is_zero(), "doubling", doubling.as_secs_f64(), "above 0")?;
        ConfigError::unless(!regrowth.is_zero(), "regrowth", regrowth.as_secs_f64(), "above 0")
    }
}

impl Default for FeedbackConfig {
    fn default() -> Self {
        Self {
            start: 25.0,
            min: 0.1,
            max: 1e6,
            doubling: Duration::from_millis(700),
            backoff: 0.75,
            regrowth: Duration::from_secs(4),
            pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(30),
            longest_told: Duration::from_secs(3600),
            eager: false,
        }
    }
}
