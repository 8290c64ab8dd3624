//! How many calls at once: limits that are told how each call ended.
//!
//! # Which one do I want?
//!
//! | I am | use | it follows |
//! | --- | --- | --- |
//! | a client of something that refuses or times out under load | [`Aimd`], the default for clients | refusals and timeouts |
//! | a server, or a client that measures its own latencies | [`Gradient2`], the default for servers | latency compared with that without load |
//! | sure of the number | [`Fixed`] | nothing |
//! | advanced: in front of a noisy link, where each step should have a reason | [`RttBand`] | latency beyond its own deviation |
//! | advanced: next to a server whose no-load latency hardly changes | [`Vegas`] | how many calls must be waiting, judging by the latency |
//!
//! All are [`Limit`](forebay_queue::Limit)s: they are told of each call that ended and of the time, and say how many calls may
//! run. [`CallEnd`](forebay_queue::CallEnd) is what they learn from a call: one that was cancelled, or failed for a reason of
//! its own, is `Ignore`, and changes nothing.
//!
//! # Guards
//!
//! None of them grows while less than half of the limit is used, since nothing was learnt about more; none grows beyond its
//! maximum; and each can grow again from its minimum.

/// The numbers of others' tests.
#[cfg(test)]
mod acceptance;
/// Additive increase, multiplicative decrease.
mod aimd;
/// Averages that forget.
#[cfg(test)]
mod average;
/// What holds of each limit, whatever it is told.
#[cfg(test)]
mod bounds;
/// A constant limit.
mod fixed;
/// Latency compared with that without load.
mod gradient2;
/// How long calls take, and how long they would take if nobody waited.
mod latency;
/// A service that the tests simulate.
#[cfg(test)]
mod link;
/// Overloads that are one.
mod overload;
/// The round trip within the band of its own mean and deviation.
mod rtt_band;
/// How many calls wait, judging by the latency.
mod vegas;

pub use aimd::{Aimd, AimdConfig};
pub use fixed::Fixed;
pub use gradient2::{Gradient2, Gradient2Config};
pub use rtt_band::{RttBand, RttBandConfig};
pub use vegas::{Decrease, Vegas, VegasConfig};
