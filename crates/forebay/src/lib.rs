//! The toolkit for producers and consumers that run at different speeds.
//!
//! A forebay is the pool between a river and its turbines: it takes water as it comes and releases it as the turbines
//! can use it. This one does that for work.
//!
//! ```
//! use std::time::Duration;
//! use forebay::Pool;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let pool = Pool::builder()
//!     .workers(4) //  at most four at once
//!     .queue(100) //  at most 100 waiting; then `produce` waits
//!     .handler(async |job: u32| println!("working on {job}"))
//!     .start()?;
//! for job in 0..10 {
//!     pool.produce(job).await?;
//! }
//! let report = pool.shutdown(Duration::from_secs(10)).await;
//! assert_eq!(report.completed, 10);
//! # Ok(())
//! # }
//! ```
//!
//! # The tour
//!
//! This crate holds no logic. It re-exports crates that can also be imported one by one:
//!
//! | I want | use | crate, feature |
//! | --- | --- | --- |
//! | a bounded queue between tasks | [`queue::bounded`], [`queue::builder`] | `forebay-queue`, always |
//! | a bounded line in front of a tower service | `queue::QueueLayer` | `forebay-queue`, `tower` (default) |
//! | workers for a queue's items | `Pool` | `forebay-pool`, `pool` (default) |
//! | … in front of a tower service, driving its calls | `pool::PoolLayer` | `forebay-pool`, `pool` (default) |
//! | several stages in a row, one item for several readers | `pool::Pipeline`, `pool::Tee` | `forebay-pool`, `pool` (default) |
//! | urgent items first, or fair shares for classes and tenants | `priority::Strict` and its neighbours, `priority::PriorityLayer`, `priority::Merge` | `forebay-priority`, `priority` (default) |
//! | to decide how fast, how many at once, when to refuse | `flow::TokenBucket`, `flow::Aimd`, … | `forebay-flow`, `flow` (default) |
//! | … and enforce it in front of a tower service | `flow::layer` | the same, with `tower` |
//! | … by what HTTP responses say, or until their bodies have ended | `flow::layer::ByStatus`, `flow::layer::UntilBody` | the same, with `http`, `http-body` |
//! | … or pace a stream by how full its sink is | `flow::Producer` | the same, with `stream` |
//!
//! The crates are connected by a few traits, all in [`queue`]: a [`Source`](queue::Source) hands out
//! [`Delivery`](queue::Delivery)s on demand, an [`ItemSink`](queue::ItemSink) takes items, and
//! [`Stats`](queue::Stats) exposes counters. So a pool works on any source, and code written for a queue in memory keeps
//! working when the queue becomes a log on disk.
//!
#![cfg_attr(
    all(feature = "flow", feature = "tower"),
    doc = r##"
# Flow control

Between a fast producer and a slow consumer, a bounded queue makes the producer wait, and often that is enough. Where the
producer needs a rate, where a service can take only a limited number of calls, or where refusing is better than waiting,
use `flow`: pure policies, and layers that enforce them. A queue's sender is a tower service, so they work in front of it
too:

```
use forebay::flow::layer::RateLimitLayer;
use forebay::flow::{Rate, TokenBucket};
use tower::{Layer, Service, ServiceExt};

# #[tokio::main(flavor = "current_thread")]
# async fn main() -> Result<(), Box<dyn std::error::Error>> {
let (tx, mut rx) = forebay::bounded(100);
let mut paced = RateLimitLayer::new(TokenBucket::new(Rate::per_second(10)).with_burst(2)).layer(tx);
paced.ready().await?.call("at most ten of these in a second").await?;
assert!(rx.recv().await.is_some());
# Ok(())
# }
```
"##
)]
//! # Textbook forms
//!
//! This crate's `examples` has a runnable program for each: `simple_queue`, `blocking_queue`, `backpressure_queue`,
//! `worker_pool`, `priority_queue`. `crawler` shows work that creates work, `pipeline` two stages in a row, and
//! `priority_waits` how long each class waits in several orders under the same overload.

#[cfg(feature = "flow")]
pub use forebay_flow as flow;
#[cfg(feature = "pool")]
pub use forebay_pool as pool;
#[cfg(feature = "pool")]
pub use forebay_pool::Pool;
#[cfg(feature = "priority")]
pub use forebay_priority as priority;
pub use forebay_queue as queue;
pub use forebay_queue::{bounded, unbounded};

#[doc = include_str!("../README.md")]
#[cfg(all(doctest, feature = "pool"))]
struct Readme;
