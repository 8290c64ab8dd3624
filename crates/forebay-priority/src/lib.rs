//! Who is next: fast disciplines that are bounded in their unfairness.
//!
//! Sooner or later every queue hears "this one first", and most answers to that starve somebody. A discipline says who of
//! those that wait is next; each here says in its docs by how much it may disadvantage anybody.
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
//! | the urgent first, whatever else waits | [`Strict`] | whoever was overtaken `k` times goes first |
//! | each class its share, also while all are overloaded | [`WeightedFair`] | each class has its turn in each round |
//! | each tenant the same share, however many there are | [`FairByKey`] | each tenant has its turn |
//! | classes, and inside a class fair between tenants | [`Nested`] | a class that was passed over `k` times has a turn, and both |
//! | urgent ones ahead, but only by so much | [`Aging`] | a class is worth a head start, no more |
//! | each in time for its deadline | [`Deadline`] | everybody has a deadline |
//! | the youngest first, since the old ones are given up by their callers | [`Lifo`] | they may |
//!
//! Among equals each is first in, first out; `Lifo`, by its name, is not.
//!
//! # When not to use it
//!
//! Where nothing waits for long there is nothing to put in order: first make sure that a queue forms. If all of one class
//! could go to a queue and workers of its own, that is simpler, and keeps the classes from each other altogether. And
//! priority does not create room: under lasting overload something has to be refused or dropped, and a
//! discipline only chooses what.
//!
//! # Where
//!
//! Inside a queue, by [`By`](forebay_queue::By): the items are served in its order, and so are those who wait for room. What comes back
//! goes to its place in its class.
//!
//! | I want | use |
//! | --- | --- |
//! | to say of each item what it is | [`item(..).class(..).key(..).weight(..)`](forebay_queue::Sender::item) on a queue made with [`By::label`](forebay_queue::By::label) |
//! | the queue to see it by itself | a classifier, [`By::new`](forebay_queue::By::new) |
//! | to take an item out, or to change its class while it waits | [`tracked()`](forebay_queue::Outgoing::tracked), [`Ticket`](forebay_queue::Ticket) |
//! | a full queue to give up the least urgent | [`WhenFull::DropYoungest`](forebay_queue::WhenFull) |
//! | a bound for a class besides that of the queue | [`class_capacity`](forebay_queue::By::class_capacity) |
//! | to see who waits, and who was promoted | [`class_stats`](forebay_queue::Sender::class_stats) |
//! | other weights while it runs | [`retune`](forebay_queue::Sender::retune) |
//!
//! In front of a service, by `PriorityLayer` (feature `tower`, default): so many seats, given in its order.
//!
//! Over several sources, by [`Merge`]: a queue for each topic or tenant, and a pool that takes from all.
//!
//! Each discipline is a pure data structure, which is given numbers and the time: it can be used by itself, under any lock.

mod aging;
mod arrivals;
mod by_key;
mod classes;
mod config;
mod contain;
mod deadline;
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
