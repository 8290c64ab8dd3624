//! How often something may start.
//!
//! | | [`TokenBucket`] | [`Window`] |
//! | --- | --- | --- |
//! | starts | evenly spaced, and `burst` at once after a quiet time | as they come, until `n` are used up |
//! | in any period at most | `num + burst - 1` | `n`, whatever the period |
//! | memory | two numbers | the time of each start in the period: up to `n` of them |
//! | against a server that counts in fixed windows of `n` | never refused if `num + burst - 1 <= n` | never refused |
//!
//! [`Both`] combines two that must agree, and [`Keyed`] has one for each key. All of them are a [`RatePolicy`].
//! [`FeedbackRate`] is for an unknown limit: it learns from answers. [`SharedBucket`] is a token bucket that threads share
//! without a lock; it can `take`, and nothing else.
//!
//! All policies are pure: the time comes in with each call. All support costs: a start may cost more than 1. All have four
//! ways to pay:
//!
//! - `take`: start now, or be told when.
//! - `reserve`, then `commit` what it really cost, or `cancel`: for a start that comes a little later, and for costs that are
//!   known only at the end. A reservation is held, and charged when it is committed.
//! - `book`, for callers that sleep until their turn: the first free time, now or later ([`Book`]). It is charged as of then.
//! - `charge`: for what was used without asking. It may lead into debt, and then nothing starts until that is paid.
//!
//! Requests may reach a server closer together than they were sent: "never refused" holds where all take equally long on
//! the way; otherwise leave a little slack.
//!
//! A server that counts in fixed windows lets twice its limit through around the edge between two of them; with one of
//! these policies in front of it, that does not happen.
//!
//! ```
//! use std::time::Duration;
//! use forebay_flow::{Rate, TokenBucket, Window};
//!
//! const SECOND: u64 = 1_000_000_000;
//! let mut smooth = TokenBucket::new(Rate::per_second(10));
//! let mut bunched = Window::new(Rate::per_second(10));
//! let starts = |take: &mut dyn FnMut(u64) -> bool| (0..SECOND).step_by(1_000_000).filter(|&now| take(now)).count();
//! assert_eq!(starts(&mut |now| smooth.take(1, now).is_ok()), 10); // one each tenth of a second
//! assert_eq!(starts(&mut |now| bunched.take(1, now).is_ok()), 10); // all in the first moment
//! ```
//!
//! Against a server that counts 10 in each second of the clock, neither is ever refused, wherever its windows begin. The
//! bucket gets one less in each, because of its burst of 2:
//!
//! ```
//! use forebay_flow::rate::RatePolicy;
//! use forebay_flow::{Rate, TokenBucket, Window};
//!
//! const SECOND: u64 = 1_000_000_000;
//! fn served_and_refused(policy: &mut dyn RatePolicy, begin: u64) -> (u32, u32) {
//!     let (mut window, mut used, mut served, mut refused) = (0, 0, 0, 0);
//!     for now in (0..10 * SECOND).step_by(1_000_000).filter(|&now| policy.take(1, now).is_ok()) {
//!         if window != (now + begin) / SECOND {
//!             (window, used) = ((now + begin) / SECOND, 0);
//!         }
//!         used += 1;
//!         if used <= 10 { served += 1 } else { refused += 1 }
//!     }
//!     (served, refused)
//! }
//! for begin in (0..SECOND).step_by(100_000_000) {
//!     let mut smooth = TokenBucket::new(Rate::per_second(9)).with_burst(2);
//!     assert_eq!(served_and_refused(&mut smooth, begin), (91, 0));
//!     let mut bunched = Window::new(Rate::per_second(10));
//!     assert_eq!(served_and_refused(&mut bunched, begin), (100, 0));
//! }
//! // With too large a burst the edge between two windows does not help: more than 10 fall into one.
//! let mut too_much = TokenBucket::new(Rate::per_second(10)).with_burst(5);
//! assert_eq!(served_and_refused(&mut too_much, 0), (100, 4));
//! ```

/// Starts that are booked ahead.
mod book;
/// Two rates that must agree.
mod both;
/// Learnt from answers.
mod feedback;
/// A rate for each key.
mod keyed;
/// What all of them can do.
mod policy;
/// Errors of callers that asked for too much, or too early.
mod refusal;
/// What was reserved.
mod reserved;
/// Shared by threads without a lock.
mod shared_bucket;
/// Spaced evenly, with bursts.
mod token_bucket;
/// So many in any period.
mod window;

pub use forebay_queue::Rate;

pub use book::{Book, Booked};
pub use both::Both;
pub use feedback::{Answer, FeedbackConfig, FeedbackRate, Outcome, Quota, retry_after};
pub use keyed::Keyed;
pub use policy::RatePolicy;
pub use refusal::Refusal;
pub use reserved::Reserved;
pub use shared_bucket::SharedBucket;
pub use token_bucket::TokenBucket;
pub use window::Window;
