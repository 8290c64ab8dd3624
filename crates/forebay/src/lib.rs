//! The toolkit for producers and consumers that run at different speeds.
//!
//! A forebay is the pool between a river and its turbines: it takes water as it comes and hands it on as the
//! machines can use it. This one does it for work.
//!
//! ```
//! use std::time::Duration;
//! use forebay::Pool;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let pool = Pool::builder()
//!     .workers(4) //  at most four at once
//!     .queue(100) //  at most a hundred waiting; then `produce` waits
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
//! This crate holds no logic. It brings together crates that are also imported one by one:
//!
//! | I want | use | crate, feature |
//! | --- | --- | --- |
//! | items to wait between tasks, in bounds | [`queue::bounded`], [`queue::builder`] | `forebay-queue`, always |
//! | a bounded line in front of a tower service | `queue::QueueLayer` | `forebay-queue`, `tower` (default) |
//! | a number of workers on them | `Pool` | `forebay-pool`, `pool` (default) |
//! | … before a tower service, driving its calls | `pool::PoolLayer` | the same |
//! | the urgent first, or shares for classes and tenants | `priority::Strict` and its neighbours, `priority::PriorityLayer`, `priority::Merge` | `forebay-priority`, `priority` (default) |
//! | several stages in a row, one item for several readers | `pool::Pipeline`, `pool::Tee` | the same |
//! | to decide how fast, how many at once, when to refuse | `flow::TokenBucket`, `flow::Aimd`, … | `forebay-flow`, `flow` (default) |
//! | … and to hold a tower service to it | `flow::layer` | the same, with `tower` |
//! | … by what responses of HTTP say, or until their bodies have ended | `flow::layer::ByStatus`, `flow::layer::UntilBody` | the same, with `http`, `http-body` |
//! | … and a stream to the pace of what it fills | `flow::Producer` | the same, with `stream` |
//!
//! Parts meet through few traits, all in [`queue`]: a [`Source`](queue::Source) hands out
//! [`Delivery`](queue::Delivery)s on demand, an [`ItemSink`](queue::ItemSink) takes items, and
//! [`Stats`](queue::Stats) shows numbers. So a pool works on whatever is a source, and what is written for a queue
//! in memory goes on to work when the queue is a log on a disk.
//!
#![cfg_attr(
    all(feature = "flow", feature = "tower"),
    doc = r##"
# Flow control

Between a fast producer and a slow consumer a bounded queue lets the producer wait, and often that is all. Where it must be
told a rate, where a service bears only so many calls, or where refusing is better than waiting, there is `flow`: pure policies,
and layers that enforce them. A queue's sender is a tower service, so they stand in front of it as well:

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
//! Each has its runnable twin in this crate's `examples`: `simple_queue`, `blocking_queue`, `backpressure_queue`,
//! `worker_pool`, `priority_queue`. `crawler` is work that makes work, `pipeline` is two stages in a row, and
//! `priority_waits` is how long each class waits under the same overload in several orders.

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
