//! Clients in front of a server, by events in virtual time: what a policy does, before it does it to somebody.
//!
//! A [`Server`] serves so many calls at once, lets others wait and refuses the rest; its service is fixed or
//! exponential (M/M/c), its rate may be bounded by a [`Rule`], and all of it may change on the way. [`Client`]s want
//! calls in a closed or an open loop, and each asks a policy of its own: a
//! [`Limit`](forebay_queue::Limit) for how many at once, or a [`Pace`] for how often. They know nothing of each other.
//! A [`Record`] has what was seen, in slices of time and as totals that add up.
//!
//! [`Scenario`]s are the situations that policies are compared in, and [`plot`] draws what came of it.
//!
//! No time passes: an hour takes as long as its events do. The same seed gives the same record, on every machine: chance
//! comes from generators of its own, one for each participant, and no function is used whose last digit differs between
//! machines.
//!
//! # When not to use it
//!
//! To learn how fast code is: nothing here takes time but what is told to. Nor for how a layer enforces a policy, where
//! paused time and a mocked service show more.
//!
//! ```
//! use std::time::Duration;
//! use forebay_queue::{CallEnd, Limit, Sample, Tick};
//! use forebay_testkit::simulator::{Client, Scenario, Server, Simulation, Takes};
//!
//! /// One more after each success, half after each refusal.
//! struct Sawtooth(usize);
//! impl Limit for Sawtooth {
//!     fn seats(&self) -> usize { self.0 }
//!     fn update(&mut self, sample: &Sample, _: Tick) {
//!         self.0 = if sample.end == CallEnd::Success { self.0 + 1 } else { (self.0 / 2).max(1) };
//!     }
//! }
//!
//! let server = Server::new(Takes::Exponential(Duration::from_millis(100))).slots(20).line(10);
//! let record = Simulation::new(server, 1).client(Client::limited(Sawtooth(1))).run(Duration::from_secs(60));
//! let goodput = record.goodput(Duration::from_secs(10), Duration::from_secs(60));
//! assert!((150.0..200.0).contains(&goodput), "of 200 a second, {goodput}");
//!
//! let record = Scenario::StepDown.run(1, &mut || Client::limited(Sawtooth(1)));
//! assert!(record.refused() > 0);
//! ```

/// Who calls.
mod client;
/// A picture of it.
mod plot;
/// Chance.
mod random;
/// What was seen.
mod record;
/// How often a server lets something begin.
mod rule;
/// Situations.
mod scenario;
/// The other side.
mod server;
/// Events in the order of their times.
mod simulation;
/// What must hold of any simulation.
#[cfg(test)]
mod tests;

pub use client::{Answer, Client, Demand, Done, Pace};
pub use plot::plot;
pub use record::{Record, Slice};
pub use rule::Rule;
pub use scenario::{Scenario, UnknownScenario};
pub use server::{Served, Server, Takes};
pub use simulation::Simulation;

/// Nanoseconds, as policies count time.
fn ticks(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
