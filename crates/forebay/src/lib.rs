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
//! | the urgent first, or shares for classes and tenants | `priority::Strict` and its neighbours | `forebay-priority`, `priority` (default) |
//! | several stages in a row, one item for several readers | `pool::Pipeline`, `pool::Tee` | the same |
//!
//! Parts meet through few traits, all in [`queue`]: a [`Source`](queue::Source) hands out
//! [`Delivery`](queue::Delivery)s on demand, an [`ItemSink`](queue::ItemSink) takes items, and
//! [`Stats`](queue::Stats) shows numbers. So a pool works on whatever is a source, and what is written for a queue
//! in memory goes on to work when the queue is a log on a disk.
//!
//! # Textbook forms
//!
//! Each has its runnable twin in this crate's `examples`: `simple_queue`, `blocking_queue`, `backpressure_queue`,
//! `worker_pool`, `priority_queue`. `crawler` is work that makes work, and `pipeline` is two stages in a row.

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
