//! Which item is next: fast queueing disciplines with bounded unfairness.
//!
//! Sooner or later every queue is told "this one first", and most ways to do that starve somebody. A discipline decides
//! which waiter is next; each one here documents how much it may disadvantage anybody.
//!
//! ```
//! use forebay_priority::Strict;
//! use forebay_queue::{By, builder};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (tx, mut rx) = builder().capacity(100).line(By::label(Strict::levels())).build();
//! tx.item("report").class("low").send().await?;
//! tx.item("alarm").class("high").send().await?;
//! assert_eq!(rx.recv().await, Some("alarm"));
//! # Ok(()) }
//! ```
//!
//! # Which discipline do I want?
//!
//! | I want | use | nobody waits for ever, because |
//! | --- | --- | --- |
//! | urgent items first, whatever else waits | [`Strict`] | an item that was overtaken `k` times goes first |
//! | a share for each class, even while all are overloaded | [`WeightedFair`] | each class has its turn in each round |
//! | the same share for each tenant, however many there are | [`FairByKey`] | each tenant has its turn |
//! | classes, and fairness between tenants within a class | [`Nested`] | a class that was passed over `k` times has a turn, and each tenant has its turn |
//! | urgent items ahead, but only by a fixed time | [`Aging`] | a class is worth a head start, no more |
//! | each item in time for its deadline | [`Deadline`] | every item has a deadline |
//! | the youngest first, since callers have given up on the old ones | [`Lifo`] | (old items may) |
//!
//! Among equals each is first in, first out, except `Lifo`.
//!
//! # When not to use it
//!
//! Where nothing waits for long, there is nothing to order: first make sure that a queue forms. If a class could have a
//! queue and workers of its own, that is simpler, and isolates the classes completely. And priority does not create
//! capacity: under lasting overload something has to be refused or dropped, and a discipline only chooses what.
//!
//! # Where to use it
//!
//! Inside a queue, with [`By`](forebay_queue::By): the discipline orders the items, and the senders that wait for room.
//! Items that come back take their place in their class.
//!
//! | I want | use |
//! | --- | --- |
//! | to label each item as it is sent | [`item(..).class(..).key(..).weight(..)`](forebay_queue::Sender::item) on a queue made with [`By::label`](forebay_queue::By::label) |
//! | the queue to classify items itself | a classifier, [`By::new`](forebay_queue::By::new) |
//! | to withdraw an item, or change its class while it waits | [`tracked()`](forebay_queue::Outgoing::tracked), [`Ticket`](forebay_queue::Ticket) |
//! | a full queue to drop the least urgent item | [`WhenFull::DropYoungest`](forebay_queue::WhenFull) |
//! | a bound for a class besides that of the queue | [`class_capacity`](forebay_queue::By::class_capacity) |
//! | to see what waits, and what was promoted | [`class_stats`](forebay_queue::Sender::class_stats) |
//! | to change weights at run time | [`retune`](forebay_queue::Sender::retune) |
//!
//! In front of a service, with `PriorityLayer` (feature `tower`, default): a number of seats, given in its order.
//!
//! Over several sources, with [`Merge`]: a queue for each topic or tenant, and a pool that takes from all.
//!
//! Each discipline is a pure data structure that takes numbers and the time: it can be used by itself, under any lock.

mod aging;
mod arrivals;
mod by_key;
mod classes;
mod config;
mod contain;
mod deadline;
mod due;
mod fair;
mod filled;
mod flows;
mod lane;
#[cfg(feature = "tower")]
pub mod layer;
mod lifo;
mod lines;
mod longest;
mod merge;
mod nested;
mod ring;
mod rounds;
mod strict;
mod tree;
mod turns;
mod weighted;

pub use aging::Aging;
pub use classes::{Class, Classes};
pub use config::ConfigError;
pub use deadline::{Deadline, Missed, Within};
pub use fair::{FairByKey, Tenant};
pub use forebay_queue::{ById, Discipline, Entry, Key, Label, Shelf, Tick, UnknownClass};
#[cfg(feature = "tower")]
pub use layer::{PriorityLayer, Seats};
pub use lifo::Lifo;
pub use merge::Merge;
pub use nested::Nested;
pub use strict::Strict;
pub use weighted::{Share, WeightedFair};

#[doc = include_str!("../README.md")]
#[cfg(doctest)]
struct Readme;
