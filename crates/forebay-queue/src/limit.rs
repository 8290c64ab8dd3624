//! How many at once.

use std::time::Duration;

use crate::Tick;

/// How many calls may run at once, where that adapts to what is measured.
///
/// A limit is pure: it is told of each call that ended and of the time, and holds no clock.
///
/// ```
/// use std::time::Duration;
/// use forebay_queue::{CallEnd, Limit, Sample, Tick};
///
/// /// Half of what it was after each overload, one more after each success.
/// struct Sawtooth(usize);
///
/// impl Limit for Sawtooth {
///     fn seats(&self) -> usize {
///         self.0
///     }
///     fn update(&mut self, sample: &Sample, _: Tick) {
///         match sample.end {
///             CallEnd::Success => self.0 += 1,
///             CallEnd::Overload => self.0 = (self.0 / 2).max(1),
///             _ => {}
///         }
///     }
/// }
///
/// let mut limit = Sawtooth(8);
/// limit.update(&Sample { rtt: Duration::from_millis(3), in_flight: 8, end: CallEnd::Overload }, 0);
/// assert_eq!(limit.seats(), 4);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no limit for calls at once",
    note = "a number that stays is `forebay_flow::Fixed(n)`; `Aimd`, `Gradient2` and others of `forebay_flow` learn theirs"
)]
pub trait Limit: Send {
    /// How many seats there are now, at least 1.
    fn seats(&self) -> usize;

    /// A call has started, and `in_flight` calls now run, including this one.
    ///
    /// For a limit that must know whether it is used up before the first of those calls ends; by default it does
    /// nothing.
    fn started(&mut self, _in_flight: usize) {}

    /// A call has ended.
    fn update(&mut self, sample: &Sample, now: Tick);

    /// Whether [`started`](Self::started) and [`update`](Self::update) must be called. Default: yes. A limit that never
    /// changes by itself should say no: then no clock is read, which costs more than everything else about a permit.
    fn uses_samples(&self) -> bool {
        true
    }
}

/// Whichever is chosen while the program runs, as by its configuration.
///
/// ```
/// use forebay_queue::{Limit, Sample, Tick};
///
/// struct Seats(usize);
///
/// impl Limit for Seats {
///     fn seats(&self) -> usize {
///         self.0
///     }
///     fn update(&mut self, _: &Sample, _: Tick) {}
/// }
///
/// let limit: Box<dyn Limit> = if cfg!(test) { Box::new(Seats(1)) } else { Box::new(Seats(8)) };
/// assert_eq!(limit.seats(), 8);
/// ```
impl<L: Limit + ?Sized> Limit for Box<L> {
    fn seats(&self) -> usize {
        (**self).seats()
    }

    fn started(&mut self, in_flight: usize) {
        (**self).started(in_flight);
    }

    fn update(&mut self, sample: &Sample, now: Tick) {
        (**self).update(sample, now);
    }

    fn uses_samples(&self) -> bool {
        (**self).uses_samples()
    }
}

/// One call that ended.
///
/// ```
/// use std::time::Duration;
/// use forebay_queue::{CallEnd, Sample};
///
/// let sample = Sample { rtt: Duration::from_millis(12), in_flight: 3, end: CallEnd::Success };
/// assert!(sample.in_flight >= 1, "a call counts itself");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// From its start to its end.
    pub rtt: Duration,
    /// How many were at work when it started, itself among them.
    pub in_flight: usize,
    /// How it ended.
    pub end: CallEnd,
}

/// How a call ended, as far as a limit is concerned.
///
/// ```
/// use forebay_queue::CallEnd;
///
/// /// As a client of HTTP would see it.
/// fn classify(status: u16) -> CallEnd {
///     match status {
///         429 | 503 => CallEnd::Overload,
///         200..=299 => CallEnd::Success,
///         _ => CallEnd::Ignore,
///     }
/// }
/// assert_eq!(classify(503), CallEnd::Overload);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallEnd {
    /// It was served.
    Success,
    /// It was refused or timed out for want of capacity.
    Overload,
    /// It says nothing about capacity: cancelled, or failed for a reason of its own.
    Ignore,
}
