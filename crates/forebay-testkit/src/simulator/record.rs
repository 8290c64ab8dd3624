//! What was seen.

use std::time::Duration;

use super::{Done, Served, ticks};

/// What was seen in a simulation, as totals and in slices of time.
///
/// Times are since its beginning; a span takes the slices that lie in it as a whole.
///
/// ```
/// use std::time::Duration;
/// use forebay_testkit::simulator::{Client, Server, Simulation, Takes};
///
/// let second = Duration::from_secs(1);
/// let server = Server::new(Takes::Fixed(Duration::from_millis(10))).slots(1).line(0);
/// let record = Simulation::new(server, 7).client(Client::open(50.0)).run(60 * second);
/// let done = record.clients[0];
/// assert_eq!(done.wanted, done.succeeded + done.refused + done.in_flight);
/// assert!(record.goodput(second, 60 * second) < 50.0);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// How long a slice is.
    pub every: Duration,
    /// One after the other.
    pub slices: Vec<Slice>,
    /// When it ended: at the given time, or when every client had got what it wanted.
    pub ended: Duration,
    /// What became of each client's calls.
    pub clients: Vec<Done>,
    /// What the server did.
    pub served: Served,
}

/// A slice of time. All clients together, if nothing else is said.
///
/// ```
/// use forebay_testkit::simulator::Slice;
///
/// assert_eq!(Slice::default().refused, 0);
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Slice {
    /// The sum of the limits at its end.
    pub limit: f64,
    /// Calls in flight at its end.
    pub in_flight: usize,
    /// How many calls of each client were served in time until its end.
    pub succeeded: Vec<usize>,
    /// The round trips of those that were in it, added up.
    pub rtts: Duration,
    /// Calls sent away.
    pub refused: usize,
    /// Calls given up.
    pub timed_out: usize,
}

// === impl Record ===

impl Record {
    pub(super) fn new(every: Duration) -> Self {
        Self {
            every,
            slices: Vec::new(),
            ended: Duration::ZERO,
            clients: Vec::new(),
            served: Served::default(),
        }
    }

    /// The numbers of the slices within a span.
    fn within(&self, from: Duration, to: Duration) -> std::ops::Range<usize> {
        let every = ticks(self.every).max(1);
        let to = ((ticks(to) / every) as usize).min(self.slices.len());
        (ticks(from).div_ceil(every) as usize).min(to)..to
    }

    /// How many calls of each client were served in time in a span.
    pub fn shares(&self, from: Duration, to: Duration) -> Vec<usize> {
        let within = self.within(from, to);
        if within.is_empty() {
            return Vec::new();
        }
        let until = &self.slices[within.end - 1].succeeded;
        let before = within.start.checked_sub(1).map(|before| &self.slices[before].succeeded);
        let share = |(client, until): (usize, &usize)| until - before.map_or(0, |before| before[client]);
        until.iter().enumerate().map(share).collect()
    }

    /// Calls served in time in a second, on the average of a span. 0 of an empty one.
    pub fn goodput(&self, from: Duration, to: Duration) -> f64 {
        let seconds = self.within(from, to).len() as f64 * self.every.as_secs_f64();
        let succeeded = self.shares(from, to).iter().sum::<usize>() as f64;
        if seconds > 0.0 { succeeded / seconds } else { 0.0 }
    }

    /// The mean round trip of the calls served in time in a span. None is no time.
    pub fn latency(&self, from: Duration, to: Duration) -> Duration {
        let rtts: Duration = self.slices[self.within(from, to)].iter().map(|slice| slice.rtts).sum();
        let succeeded = self.shares(from, to).iter().sum::<usize>();
        if succeeded == 0 { Duration::ZERO } else { rtts.div_f64(succeeded as f64) }
    }

    /// The mean of the limits, added up over the clients, in a span. 0 of an empty one.
    pub fn limit(&self, from: Duration, to: Duration) -> f64 {
        let slices = &self.slices[self.within(from, to)];
        slices.iter().map(|slice| slice.limit).sum::<f64>() / slices.len().max(1) as f64
    }

    /// How evenly the clients were served in a span: Jain's index, from 1 over their number, where one had all, to 1,
    /// where each had as much. 1 if nothing was served.
    pub fn fairness(&self, from: Duration, to: Duration) -> f64 {
        let shares = self.shares(from, to);
        let sum = shares.iter().sum::<usize>() as f64;
        let squares = shares.iter().map(|&share| (share as f64) * (share as f64)).sum::<f64>();
        if squares > 0.0 { sum * sum / (shares.len() as f64 * squares) } else { 1.0 }
    }

    /// Calls that were refused, in all.
    pub fn refused(&self) -> usize {
        self.clients.iter().map(|client| client.refused).sum()
    }

    /// Calls that were given up, in all.
    pub fn timed_out(&self) -> usize {
        self.clients.iter().map(|client| client.timed_out).sum()
    }
}

// === impl Slice ===

impl Slice {
    /// Calls of all clients that were served in time until its end.
    pub fn all_succeeded(&self) -> usize {
        self.succeeded.iter().sum()
    }
}
