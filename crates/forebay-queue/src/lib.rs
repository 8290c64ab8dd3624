//! An async bounded queue with strict cancellation, and the traits that connect Forebay's crates.
//!
//! Something produces items, something else consumes them, and the two run at different speeds. Between them sits a
//! bounded queue: when it is full, the producer waits, its item is refused, or an item is dropped, as the queue's
//! owner chose.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let (tx, mut rx) = forebay_queue::bounded(2);
//!
//! tokio::spawn(async move {
//!     for job in 1..=5 {
//!         tx.send(job).await.expect("somebody receives"); // waits while two are in the queue
//!     }
//! }); // the last sender is dropped, which closes the queue
//!
//! let mut done = Vec::new();
//! while let Some(job) = rx.recv().await {
//!     done.push(job);
//! }
//! assert_eq!(done, [1, 2, 3, 4, 5]);
//! # }
//! ```
//!
//! # Which option do I want?
//!
//! | I want | option | when it matters |
//! | --- | --- | --- |
//! | a bound in items | [`bounded`], [`Builder::capacity`] | always: it is what makes overload a decision |
//! | no storage: a rendezvous, where each item passes from hand to hand | `bounded(0)` | the sender must know that somebody has it |
//! | no bound | [`unbounded`] | the number of items is bounded elsewhere |
//! | a bound in bytes, pixels, cost | [`Builder::max_weight`], [`Builder::weigher`], [`Sender::send_weighted`] | items vary in size |
//! | a full queue to refuse, or to drop the new item, the youngest or the oldest | [`Builder::when_full`], [`Sent`], [`Builder::on_displaced`] | waiting is worse than losing |
//! | to tell producers to slow down | [`Builder::watermarks`], [`Sender::pressure_changed`], [`Builder::on_pressure`] | they can do something else meanwhile |
//! | to hold producers until the queue has drained | [`Builder::hold_senders`] | long runs and rests are better than lock step |
//! | old items dropped | [`Outgoing::ttl`], [`Builder::on_expired`] | a late answer is worthless |
//! | urgent items first | [`Builder::line`], [`By`] | some items matter more than others |
//! | to withdraw a waiting item, or make it more urgent | [`Outgoing::tracked`], [`Ticket`] | plans change while it waits |
//! | data that travels with the item | [`Outgoing::header`], [`Delivery::headers`] | traces, tenants |
//! | to know how each item ended | [`Source`], [`Delivery`], [`Builder::on_dead_letter`] | work must not be lost when it fails |
//! | nothing lost when the consumers are gone | [`Builder::on_undelivered`] | somebody else can take over |
//! | to change the bound at run time | [`Sender::set_capacity`] | the load changes |
//! | a line in front of a tower service | `layer` (feature `tower`) | many callers share one service |
//!
//! # When not to use it
//!
//! To tell many consumers the same thing (`tokio::sync::broadcast`), to share only the latest value
//! (`tokio::sync::watch`), for one answer (`tokio::sync::oneshot`), or where items must outlive the process.
//!
//! # Which call do I want?
//!
//! | I want to | send | receive |
//! | --- | --- | --- |
//! | wait as long as it takes | [`send`](Sender::send) | [`recv`](Receiver::recv) |
//! | not wait | [`try_send`](Sender::try_send) | [`try_recv`](Receiver::try_recv) |
//! | wait for a limited time | `send_timeout`, `send_deadline` | `recv_timeout`, `recv_deadline` |
//! | move many items at once | [`send_many`](Sender::send_many) | [`recv_many`](Receiver::recv_many) |
//! | make the item only when there is room | [`reserve`](Sender::reserve), [`reserve_many`](Sender::reserve_many) | |
//! | write a future, a sink or a service by hand | [`poll_reserve`](Sender::poll_reserve), [`send_reserved`](Sender::send_reserved) | |
//! | block a thread that runs no runtime | [`blocking_send`](Sender::blocking_send) | [`blocking_recv`](Receiver::blocking_recv) |
//! | say how each item ended | | the receiver as a [`Source`] of [`Delivery`] |
//! | set an item's weight, time to live, headers, class or key | [`item`](Sender::item) | |
//!
//! # What it promises
//!
//! **Cancellation.** A dropped `send` has not sent, and a dropped `recv` has taken nothing, so both are safe in
//! `select!` and under timeouts (with one exception at a rendezvous, see [`Sender::send`]). Whatever was meant for
//! the dropped future passes to the next waiter at once. Each method documents its `# Cancel safety`.
//!
//! **Nothing is lost silently.** An item that is not accepted comes back in the error. An accepted item is received,
//! handed to a hook, or dropped by the policy that the owner chose; and it is counted ([`QueueStats`]), so that the
//! counts add up at any time.
//!
//! **Order.** First in, first out, for each sender and across all of them; in a queue served [`By`] a discipline, in its
//! order, and first in, first out among equals. An item that comes back takes its old place.
//!
//! **Bounds.** No more items wait than the capacity allows, and no more weight than the weight bound allows, except for
//! items that come back from consumers. An item too heavy for the whole queue is refused; it never waits.
//!
//! **Fairness.** Waiters are served first come, first served, or in the discipline's order. The head of the line keeps
//! its turn even if a smaller item behind it would fit. A running task may overtake a waiter that was woken and has
//! not been polled yet, by 16 items at most; then it joins the line. Calls that cannot wait (`try_`, and every sender
//! of a queue that refuses or drops) cannot join the line, and take what is promised to nobody. A woken future that is
//! neither polled nor dropped holds up what it was given (one item, or the places that it was granted) and nothing
//! else.
//!
//! **The end.** After [`close`](Sender::close), or once the last sender is dropped, senders get their items back, and
//! receivers see the end once nothing waits and nothing is in a consumer's hands. When the last receiver is dropped,
//! whatever is left goes to [`Builder::on_undelivered`].
//!
//! **Good neighbours.** Nothing polls with sleeps, and a contended lock spins a bounded number of times before it parks
//! the thread. Wakers, hooks and destructors run outside the lock. In a tokio task, calls that can wait for room or
//! for an item spend the cooperative budget: one unit per item, or one for as many items as take 4 µs together. So a
//! loop over a queue yields to other tasks after half a millisecond, or after the 128 items that tokio allows if these
//! take longer; if items suddenly become slow, after 128 more.
//!
//! # Features
//!
//! `tokio` (default): timeouts, delayed redelivery and the cooperative budget. Without it any executor will do.
//!
//! `tower` (default, with `tokio`): the sender as a `tower::Service`, and `layer`, a line in front of a service.
//!
//! `stream`: [`Receiver`] as a `futures::Stream`, [`Sender`] as a `futures::Sink`.

mod builder;
mod coop;
mod core;
mod delivery;
mod discipline;
mod error;
mod headers;
mod hooks;
mod item;
#[cfg(feature = "tower")]
pub mod layer;
mod level;
mod limit;
mod line;
#[cfg(all(test, loom))]
mod loom_tests;
mod many;
mod observe;
mod park;
mod permit;
mod poll;
mod pressure;
mod rate;
mod receiver;
mod sender;
#[cfg(feature = "tower")]
mod service;
mod shelf;
mod sink;
mod source;
mod stats;
#[cfg(feature = "stream")]
mod stream;
mod sync;
mod tap;
#[cfg(feature = "tokio")]
mod timed;
#[cfg(any(feature = "tower", feature = "stream"))]
mod way;

pub use builder::{Builder, WhenFull, builder};
pub use delivery::{Delivery, End, Receipt, Settle};
pub use discipline::{Discipline, Entry, Key, Label, Tick};
pub use error::{
    RecvTimeoutError, ReserveError, RetuneError, SendError, SendManyError, SendTimeoutError,
    SetCapacityError, TryRecvError, TryReserveError, TrySendError,
};
pub use headers::Headers;
pub use item::{Outgoing, Ticket, Tracked};
#[cfg(feature = "tower")]
pub use layer::{Queue, QueueError, QueueLayer};
pub use level::Level;
pub use limit::{CallEnd, Limit, Sample};
pub use line::{By, Fifo, Line, SendLine, Unclassified, UnknownClass};
pub use permit::{Permit, Permits};
pub use pressure::{Pressure, Watermarks, WatermarksError};
pub use rate::Rate;
pub use receiver::Receiver;
pub use sender::{Sender, Sent, WeakSender};
#[cfg(feature = "tower")]
pub use service::Sending;
pub use shelf::{ById, Shelf};
pub use sink::{ItemSink, SinkError};
pub use source::{Source, SourceError};
pub use stats::{ClassStats, QueueStats, Stats, Visitor};
pub use tap::{ReceiverTap, Tap, Tapped};

/// A queue that holds at most `capacity` items; a full one makes `send` wait.
///
/// 0 is a rendezvous: nothing is stored, and a `send` completes when a receiver has taken its item. There
/// [`try_send`](Sender::try_send) succeeds if a receiver waits; if that receiver goes away, the next one gets the item.
pub fn bounded<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    builder().capacity(capacity).build()
}

/// A queue without a bound: `send` never waits, and memory is the last thing to fail.
///
/// Use it for items whose number is bounded elsewhere. Otherwise a [`bounded`] queue is better: a producer that is
/// never slowed down only moves the overload to where it is harder to see.
pub fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
    builder().unbounded().build()
}

#[doc = include_str!("../README.md")]
#[cfg(doctest)]
struct Readme;
