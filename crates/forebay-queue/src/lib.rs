//! Under construction.

mod builder;
mod coop;
mod core;
mod delivery;
mod discipline;
mod error;
mod hooks;
mod level;
mod limit;
#[cfg(all(test, loom))]
mod loom_tests;
mod observe;
mod park;
mod permit;
mod pressure;
mod receiver;
mod sender;
mod sink;
mod source;
mod stats;
mod sync;
#[cfg(feature = "tokio")]
mod timed;

pub use builder::{Builder, WhenFull, builder};
pub use delivery::{Delivery, End, Receipt, Settle};
pub use discipline::{Discipline, Tick};
pub use error::{
    RecvTimeoutError, ReserveError, SendError, SendManyError, SendTimeoutError, TryRecvError,
    TryReserveError, TrySendError,
};
pub use level::Level;
pub use limit::{CallEnd, Limit, Sample};
pub use permit::{Permit, Permits};
pub use pressure::{Pressure, Watermarks, WatermarksError};
pub use receiver::Receiver;
pub use sender::{Sender, Sent, WeakSender};
pub use sink::{ItemSink, SinkError};
pub use source::{Source, SourceError};
pub use stats::{QueueStats, Stats, Visitor};

/// A queue that holds at most `capacity` items; a full one makes `send` wait.
///
/// 0 is a rendezvous: nothing is stored, and a `send` completes when a receiver has taken its item. There
/// [`try_send`](Sender::try_send) succeeds if a receiver waits; should that one go away, the item is the next one's.
pub fn bounded<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    builder().capacity(capacity).build()
}

/// A queue without a bound: `send` never waits, and memory is the last thing to fail.
///
/// For items whose number is bounded elsewhere. Otherwise a [`bounded`] queue is the better answer: a producer that
/// is never slowed down only moves the overload to where it is harder to see.
pub fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
    builder().unbounded().build()
}
