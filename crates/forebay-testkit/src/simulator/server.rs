//! The other side.

use std::collections::VecDeque;
use std::time::Duration;

use super::random::Random;
use super::rule::Meter;
use super::{Rule, ticks};

/// How long a server works at one call.
///
/// ```
/// use std::time::Duration;
/// use forebay_testkit::simulator::Takes;
///
/// assert_eq!(Takes::Exponential(Duration::from_millis(20)).mean(), Duration::from_millis(20));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// Always that long.
    Fixed(Duration),
    /// Exponentially distributed, with this mean: the service of an M/M/c queue, as noisy as they come.
    Exponential(Duration),
}

/// A server: so many calls are served at once, others wait in a line, and what is beyond that or against its rule is
/// refused.
///
/// A call that its client gave up is served all the same: the server does not know.
///
/// It may be changed in the middle of a simulation, by the same methods: see
/// [`Simulation::change`](super::Simulation::change).
///
/// ```
/// use std::time::Duration;
/// use forebay_testkit::simulator::{Server, Takes};
///
/// // M/M/48 with a bounded line, 20 ms away.
/// let server = Server::new(Takes::Exponential(Duration::from_millis(80)))
///     .slots(48)
///     .line(100)
///     .away(Duration::from_millis(20));
/// assert_eq!(server.no_load(), Duration::from_millis(100));
/// ```
#[derive(Debug, Clone)]
pub struct Server {
    takes: Takes,
    slots: usize,
    line: usize,
    away: Duration,
    meter: Option<Meter>,
    tells_when: bool,
    waiting: VecDeque<usize>,
    counts: Served,
}

/// What a server did, in calls: `arrived = refused + done + in_service + waiting`.
///
/// ```
/// use forebay_testkit::simulator::Served;
///
/// let served = Served { arrived: 3, refused: 1, done: 2, ..Served::default() };
/// assert_eq!(served.arrived, served.refused + served.done + served.in_service + served.waiting);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Served {
    /// They came.
    pub arrived: usize,
    /// They were sent away at once.
    pub refused: usize,
    /// They were served to the end, whether or not somebody still waited for that.
    pub done: usize,
    /// They are being served.
    pub in_service: usize,
    /// They are in the line.
    pub waiting: usize,
}

/// What becomes of a call that arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is served, which takes so long.
    Served(Duration),
    /// It waits in the line.
    Waits,
    /// It is sent away, perhaps with the time after which it would not be.
    Refused(Option<Duration>),
}

// === impl Takes ===

impl Takes {
    /// How long it takes on the average.
    pub fn mean(self) -> Duration {
        match self {
            Self::Fixed(time) | Self::Exponential(time) => time,
        }
    }

    fn draw(self, random: &mut Random) -> Duration {
        match self {
            Self::Fixed(time) => time,
            Self::Exponential(mean) => mean.mul_f64(random.exponential()),
        }
    }
}

// === impl Server ===

impl Server {
    /// A server without any bound, next door.
    pub fn new(takes: Takes) -> Self {
        Self {
            takes,
            slots: usize::MAX,
            line: usize::MAX,
            away: Duration::ZERO,
            meter: None,
            tells_when: false,
            waiting: VecDeque::new(),
            counts: Served::default(),
        }
    }

    /// How long a call takes from now on; one in service takes what it takes.
    #[must_use]
    pub fn takes(self, takes: Takes) -> Self {
        Self { takes, ..self }
    }

    /// How many calls are served at once, without a bound by default. With fewer, those in service go on.
    #[must_use]
    pub fn slots(self, slots: usize) -> Self {
        Self { slots, ..self }
    }

    /// How many wait for a slot, without a bound by default; 0 refuses what cannot be served at once.
    #[must_use]
    pub fn line(self, line: usize) -> Self {
        Self { line, ..self }
    }

    /// How long the way there and back takes, none by default. What is on its way arrives as it would have.
    #[must_use]
    pub fn away(self, away: Duration) -> Self {
        Self { away, ..self }
    }

    /// Refuses what is beyond a rate. A changed rule goes on with what was counted.
    #[must_use]
    pub fn rule(mut self, rule: Rule) -> Self {
        match &mut self.meter {
            Some(meter) => meter.rule = rule,
            None => self.meter = Some(Meter::new(rule)),
        }
        self
    }

    /// Whether a refusal by the rule says after how long a call would not be refused, as `Retry-After` does; not by
    /// default.
    #[must_use]
    pub fn tells_when(self, tells_when: bool) -> Self {
        Self { tells_when, ..self }
    }

    /// How long a call takes on the average where nobody else is.
    pub fn no_load(&self) -> Duration {
        self.away + self.takes.mean()
    }

    /// One way.
    pub(super) fn way(&self) -> u64 {
        ticks(self.away) / 2
    }

    pub(super) fn arrive(&mut self, call: usize, now: u64, random: &mut Random) -> Verdict {
        self.counts.arrived += 1;
        let is_busy = self.counts.in_service >= self.slots;
        if is_busy && self.waiting.len() >= self.line {
            self.counts.refused += 1;
            return Verdict::Refused(None);
        }
        if let Some(Err(after)) = self.meter.as_mut().map(|meter| meter.take(now)) {
            self.counts.refused += 1;
            return Verdict::Refused(self.tells_when.then_some(after));
        }
        if is_busy {
            self.waiting.push_back(call);
            return Verdict::Waits;
        }
        self.counts.in_service += 1;
        Verdict::Served(self.takes.draw(random))
    }

    /// One has been served.
    pub(super) fn done(&mut self) {
        self.counts.in_service -= 1;
        self.counts.done += 1;
    }

    /// The next one from the line, if there is a slot for it, and how long it takes.
    pub(super) fn next(&mut self, random: &mut Random) -> Option<(usize, Duration)> {
        if self.counts.in_service >= self.slots {
            return None;
        }
        let call = self.waiting.pop_front()?;
        self.counts.in_service += 1;
        Some((call, self.takes.draw(random)))
    }

    pub(super) fn served(&self) -> Served {
        Served { waiting: self.waiting.len(), ..self.counts }
    }
}
