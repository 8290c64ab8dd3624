//! How fast, how many at once, when to refuse: flow control as pure policies.
//!
//! Between a fast producer and a slow consumer, something must decide: wait, slow down, or refuse. This crate makes
//! those decisions. Each policy is a small state machine: it takes a measurement and the time, and answers with a number
//! or a yes or no. It holds no clock, no waker and no runtime, so it can be tested by arithmetic, used under any lock,
//! and simulated.
//!
//! The tower layers that enforce the policies are in `layer` (feature `tower`).
//!
//! # Which one do I want?
//!
//! | I want | use |
//! | --- | --- |
//! | a fixed number of starts per second, evenly spaced | [`TokenBucket`] |
//! | at most a number of starts in any period, as an API's rules say | [`Window`] |
//! | two or more of these at the same time | [`rate::Both`] |
//! | one of these for each key: tenant, address, host | [`rate::Keyed`] |
//! | as many starts as a server allows, without being told how many | [`rate::FeedbackRate`] |
//! | as many calls at once as the other side can bear, as a client | [`Aimd`] |
//! | … as a server | [`Gradient2`] |
//! | … with more choice | see [`concurrency`] |
//! | to be told when something becomes too full, and when it no longer is | [`Backpressure`] |
//! | to shed items that have waited too long, but only in an overload | [`CoDel`] |
//! | in an overload, to serve the newest and shed the oldest | [`Turns`] |
//! | a producer's rate that falls while its queue is nearly full | [`LevelRate`], and [`LevelBucket`] to enforce it |
//! | … for a whole stream | `Producer` (feature `stream`) |
//! | to enforce one of them in front of a service | `layer` (feature `tower`) |
//!
//! # When not to use it
//!
//! A bounded queue between the two is flow control as well, and often all that is needed: its producers wait.
//!
//! # Example
//!
//! ```
//! use forebay_flow::{Rate, Refusal, TokenBucket};
//!
//! const SECOND: u64 = 1_000_000_000; // times are in nanoseconds
//! let mut bucket = TokenBucket::new(Rate::per_second(10)).with_burst(2);
//! assert_eq!(bucket.take(1, 0), Ok(()));
//! assert_eq!(bucket.take(1, 0), Ok(()));
//! assert_eq!(bucket.take(1, 0), Err(Refusal::Until(SECOND / 10)));
//! ```
//!
//! # Time
//!
//! Times are [`Tick`]s: nanoseconds since a moment that the caller chose. They should not go back; if they do, nothing
//! panics, and no more is let through than otherwise.
//!
//! # Moving from `tower::limit` and `governor`
//!
#![doc = include_str!("../docs/moving.md")]
//!
//! # Features
//!
//! `tower` (default): the layers, with tokio's clock. `http`: reads a server's limit from HTTP responses. `http-body`:
//! holds permits until a response's body has ended. `stream`: a producer that sends a whole stream.

pub mod concurrency;
pub mod rate;

mod backpressure;
mod codel;
mod config;
#[cfg(feature = "tower")]
pub mod layer;
mod level_bucket;
mod level_rate;
#[cfg(feature = "tower")]
mod permits;
#[cfg(feature = "stream")]
mod produce;
#[cfg_attr(not(feature = "tower"), expect(dead_code, reason = "only layers lock anything"))]
mod sync;
mod turns;

pub use backpressure::Backpressure;
pub use codel::CoDel;
pub use concurrency::{
    Aimd, AimdConfig, Decrease, Fixed, Gradient2, Gradient2Config, RttBand, RttBandConfig, Vegas, VegasConfig,
};
pub use config::ConfigError;
pub use forebay_queue::{CallEnd, Level, Limit, Pressure, Sample, Tick, Watermarks};
pub use level_bucket::LevelBucket;
pub use level_rate::{LevelRate, LevelRateConfig, NoLevel};
#[cfg(feature = "stream")]
pub use produce::Producer;
pub use rate::{Rate, Refusal, Reserved, TokenBucket, Window};
pub use turns::{Turn, TurnOrder, Turns};

#[doc = include_str!("../README.md")]
#[cfg(doctest)]
struct Readme;
