//! What an answer says about rates.

use std::time::Duration;

use forebay_queue::CallEnd;

/// One call that ended, for a [`FeedbackRate`](super::FeedbackRate).
///
/// ```
/// use std::time::Duration;
/// use forebay_flow::CallEnd;
/// use forebay_flow::rate::Outcome;
///
/// let refused = Outcome { rtt: Duration::from_millis(12), end: CallEnd::Overload, retry_after: None };
/// assert_eq!(refused.end, CallEnd::Overload);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// From its start to its end.
    pub rtt: Duration,
    /// How it ended: an overload is a refusal, or a timeout. What says nothing about the server's limit is ignored.
    pub end: CallEnd,
    /// What a refusal said: how long to wait.
    pub retry_after: Option<Duration>,
}

/// What a server says about its quota. All that is known of it is set.
///
/// ```
/// use std::time::Duration;
/// use forebay_flow::rate::{FeedbackRate, Quota};
///
/// let mut rate = FeedbackRate::new(1);
/// let reset = Some(Duration::from_secs(30));
/// rate.told(&Quota { remaining: Some(60), reset, ..Quota::default() }, 0);
/// assert_eq!(rate.per_second(), 2.0);
/// rate.told(&Quota { remaining: Some(0), reset, ..Quota::default() }, 0);
/// assert_eq!(rate.next_available(1, 0), Ok(30_000_000_000));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quota {
    /// How much may start in each window.
    pub limit: Option<u64>,
    /// How long a window is.
    pub window: Option<Duration>,
    /// How much of it is left.
    pub remaining: Option<u64>,
    /// In how long the whole of it is there again.
    pub reset: Option<Duration>,
}

// === impl Quota ===

impl Quota {
    /// What may start in a second in the long run, if it says so.
    pub fn per_second(&self) -> Option<f64> {
        let (limit, window) = self.limit.zip(self.window)?;
        (limit > 0 && !window.is_zero()).then(|| limit as f64 / window.as_secs_f64())
    }
}
