//! The pool through its public face. One module for each behaviour.

#![expect(
    clippy::unwrap_used,
    reason = "clippy knows tests by their attribute, and so not the helpers beside them"
)]

/// Which pools do not start, and what their types promise.
mod starting;

/// Runs to the end of its source, and what the handle does meanwhile.
mod running;

/// Takes no more than its workers can start on.
mod demand;

/// Workers that take items themselves.
mod taps;

/// Of those who idle, few wait at the source.
mod leaders;

/// The number of workers is changed while they work.
mod resizing;

/// Nothing is started during a pause.
mod pausing;

/// What a handler may know and do beside its item.
mod context;

/// The table of handler forms and ends, walked.
mod table;

/// Trying again in place: pauses, budgets, what ends it.
mod retrying;

/// Time limits of attempts and deadlines of items.
mod time_limits;

/// Bounds for each key, and cancelling by key.
mod keys;

/// Handlers that take several deliveries at once.
mod batches;

/// Work that makes work, and the moment when there is none.
mod idle;

/// Workers with threads of their own.
mod threads;

/// Who limits a pool or a pipeline, and how busy it is.
mod advice;

/// Times, advice, and policies that act on them.
mod measures;

/// Results in the order of their items.
mod ordered;

/// Items that come back: backoff, attempts, deliveries that are moved elsewhere.
mod returning;

/// Dead letters that go to a sink, and every answer that it may give.
mod dead_letters;

/// Panics in every place where code that is not the pool's own runs.
mod panics;

/// Wakers that panic: those who wait are others, and nobody else is to suffer.
mod wakers;

/// What a second reading of the code found, in all of its corners.
mod second_reading;

/// Services are asked whether they are ready before an item is taken.
mod service;

/// Pools that take from one queue.
mod shared_queue;

/// Workers that wait keep nothing that others want.
mod shared_limits;

/// What Broadway's tests say of a pipeline.
mod facts;

/// In which span an item is worked on.
mod spans;

/// What a pool does is told as events.
mod changes;

/// Settlements go on while all workers are busy.
mod settling;

/// Deliveries that are the pool's for a time only.
mod leases;

/// Sources that fail, break, or do not keep their contract.
mod outages;

/// Code of others that runs inside the pool's own calls may use the handle.
mod hooks;

/// Shutdown is a sequence, and nothing that races with it is lost.
mod shutdown;

/// Each future of the handles is dropped at each of its awaits, and every item is accounted for.
mod cancelling;

/// The runtime goes away under a handle that is still there.
mod runtimes;

/// The counters add up whatever happens.
mod conservation;

/// Records `tracing` events.
mod events;

/// A source that nobody needs to be told the end of.
mod numbers;

/// One item for several readers, each with its own answer to being slow.
mod tee;

/// Stages joined by queues, with one handle, one shutdown and one report.
mod pipeline;

/// The pool as a tower service.
mod layer;

/// On a runtime of one thread, where each task has had many turns by then.
async fn settle_down() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}
