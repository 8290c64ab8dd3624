//! A pool of workers that pulls items from a source by demand and runs your code on them.
//!
//! It works on a fixed number of items at a time, even if a handler panics or is slow: a panic stays inside its item, a
//! slow handler slows its source down, and the end is a sequence with a report that adds up.
//!
//! # Which form of handler do I want?
//!
//! | I have | use | the handler gets |
//! | --- | --- | --- |
//! | an async function | [`handler`](Builder::handler) | the item |
//! | … that needs a client, a connection pool, a counter | [`handler_with`](Builder::handler_with) | a clone of the state, the item |
//! | … that needs something of its own for each worker | [`handler_per_worker`](Builder::handler_per_worker) | the item |
//! | … that asks who it is, or steers the pool | [`handler_in`](Builder::handler_in) | a [`WorkContext`], the item |
//! | work that must not be lost when it fails | [`handler_delivery`](Builder::handler_delivery) | the [`Delivery`](forebay_queue::Delivery), to settle |
//! | … and asks | [`handler_delivery_in`](Builder::handler_delivery_in) | a [`WorkContext`], the delivery |
//! | … and can stay where it is | [`handler_mut`](Builder::handler_mut) | the item, borrowed |
//! | work that is cheaper together | [`handler_batch`](Builder::handler_batch) | a `Vec` of deliveries |
//! | … and asks | [`handler_batch_in`](Builder::handler_batch_in) | a [`WorkContext`], the deliveries |
//! | an async function whose results are wanted in order | [`handler_ordered`](Builder::handler_ordered) | the item |
//! | a tower stack (limits, timeouts, retries) | [`service`](Builder::service) | the item as the request |
//! | … that cannot be cloned, or must be new after a panic | [`service_per_worker`](Builder::service_per_worker) | the item as the request |
//!
//! They return `()` or `Result<(), E>`, but for the services and for those that hand results on.
//!
//! A handler that computes for long would hold up the runtime's other tasks: with [`cpu`](Builder::cpu) the workers have
//! threads of their own, whatever the form.
//!
//! # More than one pool
//!
//! | I have | use |
//! | --- | --- |
//! | several steps in a row, each with its own number of workers | [`Pipeline`] |
//! | one item for several readers, some of which may not lose any | [`Tee`] |
//! | a tower service that should run a stated number of calls at once | [`PoolLayer`] |
//!
//! # Programs to begin with
//!
//! Each is complete, runs as it stands, and is a test.
//!
//! | for | the program is at |
//! | --- | --- |
//! | a pool with a queue | [below](#example) |
//! | items of a key one after the other | [`per_key`](Builder::per_key) |
//! | rows that are stored together | [`handler_batch`](Builder::handler_batch) |
//! | computing on threads | [`cpu`](Builder::cpu) |
//! | steps in a row | [`Pipeline`] |
//! | one item for several readers | [`Tee`] |
//! | work that makes work, such as a crawler | [`WorkContext::resubmit`], and `examples/crawler.rs` of `forebay` |
//! | what failed, for a person to look at | [`dead_letters_to`](Builder::dead_letters_to) |
//!
//! # When not to use it
//!
//! - For a handful of futures that you have in hand anyway, `futures::future::join_all` or a
//!   [`JoinSet`](tokio::task::JoinSet) says it in a line.
//! - For computing over a slice in memory use rayon: it splits work instead of queueing it.
//! - Where items must be worked on strictly one after another, a loop over `recv` is a pool of one.
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//! use forebay_pool::Pool;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let pool = Pool::builder()
//!     .workers(4)
//!     .queue(100)
//!     .handler(|number: u64| async move {
//!         if number == 13 {
//!             return Err("unlucky");
//!         }
//!         tokio::task::yield_now().await; // …
//!         Ok(())
//!     })
//!     .start()?;
//!
//! for number in 0..50 {
//!     pool.produce(number).await?; // waits while 100 are waiting
//! }
//!
//! let report = pool.shutdown(Duration::from_secs(10)).await;
//! assert_eq!(report.to_string(), "shut down: took 50, completed 49, failed 1");
//! # Ok(())
//! # }
//! ```
//!
//! # What becomes of an item
//!
//! | handler takes, source | done | error, panic, timeout | aborted: at the deadline of a shutdown, or as the handle is dropped |
//! | --- | --- | --- | --- |
//! | the item, a source in memory | completed | failed | failed |
//! | the item, a source that [redelivers](forebay_queue::Source::redelivers) | completed | returned | returned |
//! | the item, with [`keep_copies`](Builder::keep_copies) | completed | returned | returned |
//! | the item, borrowed ([`handler_mut`](Builder::handler_mut)) | completed | returned | returned |
//! | the delivery, unsettled so far or nacked | returned | returned | returned |
//! | the delivery, already acked | completed | completed | completed |
//! | the delivery, already dead-lettered | dead-lettered | dead-lettered | dead-lettered |
//!
//! Where the middle column says returned, [`on_failure`](Builder::on_failure) may choose something else, and `Fail` is
//! always possible:
//!
//! | [`OnFailure`] | the item | who works meanwhile |
//! | --- | --- | --- |
//! | `Return`, as without a choice | returned, and dead-lettered after [`max_attempts`](Builder::max_attempts) | others, which overtake it |
//! | `Retry` | tried again by its worker, and dead-lettered after `max_attempts`; returned if the budget is spent | this worker waits with it |
//! | `DeadLetter` | dead-lettered at once | others |
//! | `Fail` | failed | others |
//!
//! - **Failed** means that the value is gone: it moved into the handler's future and died with it. The failure is
//!   counted and is an event.
//! - So is an item of a source that is told nothing ([`Delivery::unsettled`](forebay_queue::Delivery::unsettled)):
//!   what would be returned or dead-lettered there fails, since nobody takes it back.
//! - **Returned** means that the source has it and delivers it again, with the next attempt number. It never spins:
//!   the wait grows with the attempt ([`return_backoff`](Builder::return_backoff)), and after
//!   [`max_attempts`](Builder::max_attempts) the item is **dead-lettered** instead, with a reason that names
//!   attempts and last end. What was aborted goes back at once and is not dead-lettered for it.
//! - What is dead-lettered is told to the source, which sets it aside; with [`dead_letters_to`](Builder::dead_letters_to)
//!   it goes to a sink, and the source is acked when that has it.
//! - An item that [ran out of its own time](Builder::deadline) is not tried again, since that would be in vain.
//! - A delivery that the handler moves elsewhere (to another task, into a batch) stays *held* after the handler
//!   returned, until it is settled there, and the pool does not end before. At the deadline it is ended without its
//!   value; settling it later does nothing.
//! - A delivery that is nacked goes back when its handler has returned, so it is never in work twice.
//!
//! # Semantics at the edges
//!
//! - **Demand.** The source is asked for as many items as there are workers that wait, so no item lies in the pocket
//!   of a busy worker, and none is taken that nobody could start (but for [keys](Builder::per_key) and
//!   [batches](Builder::batch)). There is no dispatcher: the worker that becomes free asks.
//! - **Order.** Items start in the order of the source, and end in any. Among the workers there is no order.
//!   [`handler_ordered`](Builder::handler_ordered) restores it for the results.
//! - **[Resizing](Pool::resize)** cuts nothing short: a worker that is to leave finishes its item first.
//!   **[Pausing](Pool::pause)** starts nothing, also no further attempt, and a shutdown ends it. Both may come from a
//!   handler.
//! - **[Keys](Builder::per_key)** that are busy hold up no worker: up to [`look_aside`](Builder::look_aside) items are
//!   taken and set aside meanwhile. They count as held, and go back when the pool is aborted.
//! - **[Batches](Builder::batch)** are formed one at a time, for a worker that waits. One that is being formed counts as
//!   held, is handed over as it is when nothing new will come (the pool or its [source is
//!   closed](forebay_queue::Source::is_closed)), and goes back when it is aborted.
//! - **Work that makes work**: a handler's context [resubmits](WorkContext::resubmit) without waiting, and
//!   [`finish_when_idle`](Pool::finish_when_idle) is the end of it: when nothing waits, nothing is in hand, and nobody else
//!   may send more.
//! - **Panics** are contained around the handler's call and each poll of its future, and in the destructors of both.
//!   Each is counted and is one `error` event with the worker; one that ends an item's run names the attempt too, and
//!   rebuilds the worker's handler. With `panic = "abort"` nothing can be contained.
//! - **Shutdown** ([`Pool::shutdown`]) goes through [`Phase`]: it stops accepting, works on what is held until the
//!   deadline, cancels the rest. [`Report`] says what became of everything, and whether the source confirmed it.
//! - **An outage** of the source ([`Unavailable`](forebay_queue::SourceError::Unavailable)) pauses the pool for a
//!   time that grows; if it is [`Broken`](forebay_queue::SourceError::Broken), or panics, the pool ends.
//! - **Leases.** Where a delivery is the pool's [for a time only](forebay_queue::Source::lease), that is extended at each
//!   third of it until the item is settled, wherever it is: in work, set aside, in a batch, between two attempts, moved
//!   elsewhere; also while the pool is paused, drains or aborts. A handler that never ends keeps its item for ever, unless
//!   there is a [`timeout`](Builder::timeout). What the source [takes back](forebay_queue::Source::poll_lost) is not begun,
//!   or its handler is dropped at its next await and its [context](WorkContext::is_cancelled) says so; it is not settled,
//!   and counts as returned, whatever `on_failure` says. One that was done before it could be stopped counts as
//!   completed, and as [`maybe_redelivered`](Report::maybe_redelivered). A batch in work is stopped when all of it that is
//!   not settled was lost; before that, each of its deliveries [says whether it was](forebay_queue::Delivery::is_lost).
//! - **Settlements** that take time (a disk, a network) go on while all workers are busy and while draining.
//! - **Dropping** the handle aborts the pool: its tasks are cancelled, each at its handler's next await.
//!   [`Pool::finish`] and [`Pool::shutdown`] return when no task is left.
//!
//! How it is doing is in [`Pool::stats`], which also says [how busy](PoolStats::busy_share) its workers were and
//! [who limits it](PoolStats::limited_by), and in
//! [`Pool::timings`]; a [policy](Builder::scale) may act on it.
//! State changes are `tracing` events at `debug`, failed items and lost leases at `warn`, panics at `error`. Workers
//! keep the span in which the pool was started, and items that of their sender where [`span`](Builder::span) says so.

mod pool;

mod builder;

mod report;

mod limits;
mod scale;
mod timings;

mod outcome;

mod order;
mod rate;
mod resubmit;

mod context;
mod failure;
mod handle;

mod backoff;
mod bell;
mod contain;
mod desk;
mod handler;
mod hands;
mod held_up;
mod intake;
mod leases;
mod letters;
mod presence;
mod rules;
mod shared;
mod supervisor;
mod threads;
mod worker;

pub mod layer;
pub mod pipeline;
mod tee;

pub use backoff::Backoff;
pub use builder::{Builder, FromQueue, FromSource, Handled, Input, Missing, StartError};
pub use context::WorkContext;
pub use failure::{OnFailure, Retry};
pub use forebay_queue::Rate;
pub use handle::PoolHandle;
pub use handler::WorkerId;
pub use layer::{PoolError, PoolLayer, PoolService};
pub use letters::DeadLetter;
pub use limits::LimitedBy;
pub use order::{Gap, Ordered};
pub use outcome::{BoxError, IntoOutcome};
pub use pipeline::{
    Pipeline, PipelineBuilder, PipelineReport, PipelineStartError, PipelineStats, StageReport, StageStats,
};
pub use pool::Pool;
pub use report::{EndedBy, Phase, PoolStats, Report};
pub use resubmit::ResubmitError;
pub use scale::{Load, ScalePolicy, Steps};
pub use tee::{BranchError, BranchStats, Detached, Tee, TeeBuildError, TeeBuilder, TeeStats, WhenSlow};
pub use timings::{Spread, Timings};

#[doc = include_str!("../README.md")]
#[cfg(doctest)]
struct Readme;
