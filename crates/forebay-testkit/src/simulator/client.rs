//! Who calls.

use std::fmt;
use std::time::Duration;

use forebay_queue::{Limit, Sample, Tick};

/// How often a client may start a call, as a policy for rates decides.
///
/// Such a policy has no trait in common with others, as a [`Limit`] has; here is what a simulation needs of one.
///
/// ```
/// use forebay_queue::Tick;
/// use forebay_testkit::simulator::{Answer, Pace};
///
/// /// One in each so many nanoseconds.
/// #[derive(Debug)]
/// struct Every(Tick, Tick);
///
/// impl Pace for Every {
///     fn start(&mut self, now: Tick) -> Result<(), Tick> {
///         if now < self.1 {
///             return Err(self.1);
///         }
///         self.1 = now + self.0;
///         Ok(())
///     }
///     fn ended(&mut self, _: &Answer, _: Tick) {}
/// }
/// assert_eq!(Every(10, 0).start(0), Ok(()));
/// ```
pub trait Pace {
    /// Lets a call start now, or says when to ask again, which is later than now.
    ///
    /// # Errors
    ///
    /// The time at which to ask again.
    fn start(&mut self, now: Tick) -> Result<(), Tick>;

    /// A call has ended.
    fn ended(&mut self, answer: &Answer, now: Tick);
}

/// How a call ended, for a [`Pace`].
///
/// ```
/// use std::time::Duration;
/// use forebay_queue::{CallEnd, Sample};
/// use forebay_testkit::simulator::Answer;
///
/// let sample = Sample { rtt: Duration::from_millis(2), in_flight: 1, end: CallEnd::Overload };
/// let refused = Answer { sample, retry_after: Some(Duration::from_secs(1)), timed_out: false };
/// assert!(!refused.timed_out);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// What a limit is told. Refusals and timeouts are overloads.
    pub sample: Sample,
    /// What a refusal said.
    pub retry_after: Option<Duration>,
    /// Whether there was no answer in time.
    pub timed_out: bool,
}

/// How many calls a client wants to make.
///
/// ```
/// use forebay_testkit::simulator::Demand;
///
/// assert_ne!(Demand::Always, Demand::Calls(600));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Demand {
    /// As many as it may, for ever: a closed loop.
    Always,
    /// So many, as soon as it may.
    Calls(usize),
    /// As they come, exponentially spaced: an open loop. Those it may not start wait at the client.
    Arrivals {
        /// Above 0.
        per_second: f64,
    },
}

/// A client: what it wants, and what lets it.
///
/// ```
/// use std::time::Duration;
/// use forebay_queue::{Limit, Sample, Tick};
/// use forebay_testkit::simulator::{Client, Demand};
///
/// struct Two;
/// impl Limit for Two {
///     fn seats(&self) -> usize { 2 }
///     fn update(&mut self, _: &Sample, _: Tick) {}
/// }
/// let client = Client::limited(Two).demand(Demand::Calls(600)).timeout(Duration::from_secs(1)).tries_again(true);
/// assert!(format!("{client:?}").contains("600"));
/// ```
pub struct Client {
    pub(super) demand: Demand,
    /// Without one there is no bound.
    pub(super) limit: Option<Box<dyn Limit>>,
    pub(super) pace: Option<Box<dyn Pace>>,
    pub(super) timeout: Option<Duration>,
    pub(super) tries_again: bool,
    /// Wanted, not started.
    pub(super) waiting: usize,
    pub(super) in_flight: usize,
    pub(super) done: Done,
    /// When its pace is to be asked again.
    pub(super) asks_at: Option<Tick>,
}

/// What became of the calls of a client.
///
/// Without trying again, `wanted = waiting + in_flight + succeeded + refused + timed_out`; else what was refused or timed out
/// is wanted still, and not in that sum.
///
/// ```
/// use forebay_testkit::simulator::Done;
///
/// assert_eq!(Done::default().succeeded, 0);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Done {
    /// Wanted so far. Of a closed loop, started so far.
    pub wanted: usize,
    /// Wanted, not started yet.
    pub waiting: usize,
    /// Started, without an end.
    pub in_flight: usize,
    /// Served in time.
    pub succeeded: usize,
    /// Sent away.
    pub refused: usize,
    /// Without an answer in time.
    pub timed_out: usize,
}

// === impl Client ===

impl Client {
    fn new(limit: Option<Box<dyn Limit>>, pace: Option<Box<dyn Pace>>) -> Self {
        Self {
            demand: Demand::Always,
            limit,
            pace,
            timeout: None,
            tries_again: false,
            waiting: 0,
            in_flight: 0,
            done: Done::default(),
            asks_at: None,
        }
    }

    /// A client that always wants more, as many at once as the limit says.
    pub fn limited(limit: impl Limit + 'static) -> Self {
        Self::new(Some(Box::new(limit)), None)
    }

    /// Like [`limited`](Self::limited), by a limit whose kind is known only when it runs.
    pub fn boxed(limit: Box<dyn Limit>) -> Self {
        Self::new(Some(limit), None)
    }

    /// A client that always wants more, as often as the pace says.
    pub fn paced(pace: impl Pace + 'static) -> Self {
        Self::new(None, Some(Box::new(pace)))
    }

    /// A client that starts every call as it comes, whatever happens.
    pub fn open(per_second: f64) -> Self {
        Self::new(None, None).demand(Demand::Arrivals { per_second })
    }

    /// How many calls it wants to make.
    #[must_use]
    pub fn demand(self, demand: Demand) -> Self {
        Self { demand, ..self }
    }

    /// After how long it gives a call up; never by default.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout: Some(timeout), ..self }
    }

    /// Whether it wants again what was refused or timed out; not by default.
    #[must_use]
    pub fn tries_again(self, tries_again: bool) -> Self {
        Self { tries_again, ..self }
    }

    pub(super) fn seats(&self) -> usize {
        self.limit.as_ref().map_or(usize::MAX, |limit| limit.seats())
    }

    pub(super) fn done(&self) -> Done {
        Done { waiting: self.waiting, in_flight: self.in_flight, ..self.done }
    }

    /// Whether it has got all it ever wanted.
    pub(super) fn is_content(&self) -> bool {
        matches!(self.demand, Demand::Calls(_)) && self.waiting == 0 && self.in_flight == 0
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { demand, timeout, tries_again, .. } = self;
        f.debug_struct("Client")
            .field("demand", demand)
            .field("timeout", timeout)
            .field("tries_again", tries_again)
            .field("done", &self.done())
            .finish_non_exhaustive()
    }
}
