//! A pool of workers that pulls items from a source on demand and runs your code on them.
//!
//! It works on a fixed number of items at a time, even if a handler panics or is slow: a panic stays inside its item, a
//! slow handler slows its source down, and shutdown is a sequence of steps whose report adds up.
//!
//! # Which form of handler do I want?
//!
//! | I have | use | the handler gets |
//! | --- | --- | --- |
//! | an async function | [`handler`](Builder::handler) | the item |
//! | … that needs a client, a connection pool, a counter | [`handler_with`](Builder::handler_with) | a clone of the state, the item |
//! | … that needs something of its own for each worker | [`handler_per_worker`](Builder::handler_per_worker) | the item |
//! | … that needs its worker's id or attempt, or controls the pool | [`handler_in`](Builder::handler_in) | a [`WorkContext`], the item |
//! | work that must not be lost when it fails | [`handler_delivery`](Builder::handler_delivery) | the [`Delivery`](forebay_queue::Delivery), to settle |
//! | … with a context | [`handler_delivery_in`](Builder::handler_delivery_in) | a [`WorkContext`], the delivery |
//! | … that only needs to borrow its item | [`handler_mut`](Builder::handler_mut) | the item, borrowed |
//! | work that is cheaper in batches | [`handler_batch`](Builder::handler_batch) | a `Vec` of deliveries |
//! | … with a context | [`handler_batch_in`](Builder::handler_batch_in) | a [`WorkContext`], the deliveries |
//! | an async function whose results are needed in order | [`handler_ordered`](Builder::handler_ordered) | the item |
//! | a tower stack (limits, timeouts, retries) | [`service`](Builder::service) | the item as the request |
//! | … that cannot be cloned, or must be rebuilt after a panic | [`service_per_worker`](Builder::service_per_worker) | the item as the request |
//!
//! They return `()` or `Result<(), E>`, except for services and forms that hand results on.
//!
//! A handler that computes for long would hold up the runtime's other tasks: [`cpu`](Builder::cpu) gives the workers
//! threads of their own, whatever the form.
//!
//! # More than one pool
//!
//! | I have | use |
//! | --- | --- |
//! | several steps in a row, each with its own number of workers | [`Pipeline`] |
//! | one item for several readers, some of which may not lose any | [`Tee`] |
//! | a tower service that should run a fixed number of calls at once | [`PoolLayer`] |
//!
//! # Programs to start from
//!
//! Each is complete, runs as it is, and is tested.
//!
//! | for | the program is at |
//! | --- | --- |
//! | a pool with a queue | [below](#example) |
//! | items of one key one after the other | [`per_key`](Builder::per_key) |
//! | rows that are stored in batches | [`handler_batch`](Builder::handler_batch) |
//! | computing on threads | [`cpu`](Builder::cpu) |
//! | several steps in a row | [`Pipeline`] |
//! | one item for several readers | [`Tee`] |
//! | work that creates work, such as a crawler | [`WorkContext::resubmit`], and `examples/crawler.rs` of `forebay` |
//! | failed items, set aside for a person | [`dead_letters_to`](Builder::dead_letters_to) |
//!
//! # When not to use it
//!
//! - For a handful of futures that you already have, `futures::future::join_all` or a
//!   [`JoinSet`](tokio::task::JoinSet) takes one line.
//! - For computing over a slice in memory, use rayon: it splits work instead of queueing it.
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
//! | handler takes, source | done | error, panic, timeout | aborted: at a shutdown's deadline, or when the handle is dropped |
//! | --- | --- | --- | --- |
//! | the item, a source in memory | completed | failed | failed |
//! | the item, a source that [redelivers](forebay_queue::Source::redelivers) | completed | returned | returned |
//! | the item, with [`keep_copies`](Builder::keep_copies) | completed | returned | returned |
//! | the item, borrowed ([`handler_mut`](Builder::handler_mut)) | completed | returned | returned |
//! | the delivery, unsettled or nacked | returned | returned | returned |
//! | the delivery, already acked | completed | completed | completed |
//! | the delivery, already dead-lettered | dead-lettered | dead-lettered | dead-lettered |
//!
//! Where the "error, panic, timeout" column says returned, [`on_failure`](Builder::on_failure) may choose something
//! else; `Fail` is always possible:
//!
//! | [`OnFailure`] | the item | meanwhile |
//! | --- | --- | --- |
//! | `Return`, the default | returned, and dead-lettered after [`max_attempts`](Builder::max_attempts) | other items overtake it |
//! | `Retry` | retried by its worker, and dead-lettered after `max_attempts`; returned if the budget is spent | its worker waits with it |
//! | `DeadLetter` | dead-lettered at once | others go on |
//! | `Fail` | failed | others go on |
//!
//! - **Failed** means that the value is gone: it moved into the handler's future and was dropped with it. The failure
//!   is counted and is an event.
//! - From a source that is not told how its items end ([`Delivery::unsettled`](forebay_queue::Delivery::unsettled)),
//!   items that would be returned or dead-lettered fail too, since nobody takes them back.
//! - **Returned** means that the source has it and delivers it again, with the next attempt number. It never spins:
//!   the wait grows with the attempt ([`return_backoff`](Builder::return_backoff)), and after
//!   [`max_attempts`](Builder::max_attempts) the item is **dead-lettered** instead, with a reason that names
//!   the number of attempts and how the last one ended. An aborted item goes back at once and is not dead-lettered for it.
//! - The source is told of dead letters and sets them aside; with [`dead_letters_to`](Builder::dead_letters_to)
//!   they go to a sink, and the source gets an ack once the sink has them.
//! - An item past [its own deadline](Builder::deadline) is not retried, since that would be in vain.
//! - A delivery that the handler moves elsewhere (to another task, into a batch) stays *held* after the handler
//!   returns, until it is settled there, and the pool does not end before that. At the deadline it is ended without its
//!   value; settling it later does nothing.
//! - A nacked delivery goes back when its handler has returned, so it is never in work twice.
//!
//! # Semantics at the edges
//!
//! - **Demand.** The source is asked for as many items as there are waiting workers, so no item is stuck with a busy
//!   worker, and none is taken that nobody could start (except for [keys](Builder::per_key) and
//!   [batches](Builder::batch)). There is no dispatcher: a worker that becomes free asks.
//! - **Order.** Items start in the order of the source, and end in any order, since workers run independently.
//!   [`handler_ordered`](Builder::handler_ordered) restores the order of the results.
//! - **[Resizing](Pool::resize)** interrupts nothing: a worker that is to leave finishes its item first. A
//!   **[paused](Pool::pause)** pool starts nothing, not even a retry, and a shutdown ends the pause. Handlers may do
//!   both.
//! - **Busy [keys](Builder::per_key)** hold up no worker: up to [`look_aside`](Builder::look_aside) of their items are
//!   taken and set aside. They count as held, and go back when the pool is aborted.
//! - **[Batches](Builder::batch)** are formed one at a time, for a waiting worker. A batch that is being formed counts as
//!   held, is handed over as it is when nothing new will come (the pool or its [source is
//!   closed](forebay_queue::Source::is_closed)), and goes back when it is aborted.
//! - **Work that creates work**: a handler's context [resubmits](WorkContext::resubmit) without waiting, and
//!   [`finish_when_idle`](Pool::finish_when_idle) ends the pool once nothing waits, nothing is in hand, and nobody else
//!   can send more.
//! - **Panics** are contained around the handler's call and each poll of its future, and in the destructors of both.
//!   Each is counted and is one `error` event that names the worker; a panic that ends an item's run names the attempt
//!   too, and rebuilds the worker's handler. With `panic = "abort"` nothing can be contained.
//! - **Shutdown** ([`Pool::shutdown`]) goes through the [`Phase`]s: it stops accepting, works on held items until the
//!   deadline, and cancels the rest. [`Report`] says what became of everything, and whether the source confirmed it.
//! - **An outage** of the source ([`Unavailable`](forebay_queue::SourceError::Unavailable)) pauses the pool for a
//!   growing time; if the source is [`Broken`](forebay_queue::SourceError::Broken), or panics, the pool ends.
//! - **Leases.** Where the source [leases](forebay_queue::Source::lease) its deliveries, the pool extends each lease after
//!   every third of it until the item is settled, wherever it is: in work, set aside, in a batch, between two attempts,
//!   moved elsewhere; also while the pool is paused, drains or aborts. A handler that never ends keeps its item forever,
//!   unless there is a [`timeout`](Builder::timeout). An item that the source
//!   [takes back](forebay_queue::Source::poll_lost) is not started, or its handler is dropped at its next await and its
//!   [context](WorkContext::is_cancelled) says so; it is not settled, and counts as returned, whatever `on_failure` says.
//!   One that was done before it could be stopped counts as completed, and as
//!   [`maybe_redelivered`](Report::maybe_redelivered). A batch in work is stopped when all its unsettled deliveries were
//!   lost; before that, each delivery [says whether it was](forebay_queue::Delivery::is_lost).
//! - **Settlements** that take time (a disk, a network) go on while all workers are busy and while draining.
//! - **Dropping** the handle aborts the pool: its tasks are cancelled, each at its handler's next await.
//!   [`Pool::finish`] and [`Pool::shutdown`] return when no task is left.
//!
//! [`Pool::stats`] says how the pool is doing, [how busy](PoolStats::busy_share) its workers were and
//! [what limits it](PoolStats::limited_by), and [`Pool::timings`] how long things took; a [policy](Builder::scale) may
//! act on them.
//! State changes are `tracing` events at `debug`, failed items and lost leases at `warn`, panics at `error`. Workers
//! keep the span in which the pool was started, and items keep their sender's where [`span`](Builder::span) says so.

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
