//! Test support for queues, pools and the pipelines that people build from them.
//!
//! Concurrency is easiest to test one step at a time. These tools let a test play the scheduler and
//! the source, so that it can stop at the very moment it wants to examine, without sleeping:
//!
//! - [`Driver`] polls a future by hand: was it ready, was it woken, what if it is dropped *now*?
//! - [`CountingWaker`] counts wakes: was exactly the task woken that can go on?
//! - [`RecordingSource`] stands in for a queue, a log or a broker. It hands out what the test scripts,
//!   and records what its consumer asked for and how each delivery was settled.
//! - [`assert_ready`] and [`assert_pending`] unwrap a [`Poll`](std::task::Poll) or say what they got.
//! - [`simulator`] lets clients with policies of their own call a server in virtual time: what does this limit do when
//!   the server has half as many slots?
//!
//! Nothing here needs a runtime; all of it works inside one, for example under tokio's paused time.
//!
//! # When not to use it
//!
//! To test a whole pipeline, real parts and counts at its end tell more than a scripted source.
//! `tokio_test::task` polls by hand too; it says whether a task was woken, not how often, and needs tokio.
//!
//! # Example
//!
//! A consumer that prefetches keeps items that others could have worked on.
//! A recording source makes that visible:
//!
//! ```
//! use std::num::NonZeroUsize;
//! use std::task::{Context, Waker};
//! use forebay_queue::{End, Source};
//! use forebay_testkit::{RecordingSource, assert_ready};
//!
//! let (mut source, script) = RecordingSource::new(["a", "b", "c"]);
//!
//! // What the consumer under test would do:
//! let two = NonZeroUsize::new(2).expect("2 is not 0");
//! let mut hands = Vec::new();
//! let taken = assert_ready(source.poll_next(&mut Context::from_waker(Waker::noop()), two, &mut hands));
//! assert_eq!(taken.expect("the script has no error"), 2);
//! hands.remove(0).ack();
//! drop(hands);
//!
//! let record = script.record();
//! assert_eq!(record.demands, [2]);
//! assert_eq!(record.ends(), [End::Ack, End::Nack { after: std::time::Duration::ZERO }]);
//! assert_eq!(script.outstanding(), 0);
//! ```

pub mod simulator;

mod driver;
mod source;
mod waker;

pub use driver::{Driver, assert_pending, assert_ready};
pub use source::{Extension, Record, RecordingSource, RecordingSourceBuilder, Script, Settlement};
pub use waker::CountingWaker;

#[doc = include_str!("../README.md")]
#[cfg(doctest)]
struct Readme;
