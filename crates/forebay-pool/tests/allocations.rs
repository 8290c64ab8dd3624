//! In memory an item costs no allocation once a pool has found its size.
//!
//! A test binary of its own, since the counting allocator is the whole program's. It counts each thread by itself, and
//! each pool here runs on the thread of its test.

#![expect(
    clippy::unwrap_used,
    reason = "clippy knows tests by their attribute, and so not the helpers beside them"
)]

use std::future::{Ready, ready};
use std::task::{Context, Poll};
use std::time::Duration;

use allocation_counter::measure;
use forebay_pool::{BoxError, Builder, FromQueue, Handled, Ordered, Pipeline, Pool, WorkContext};
use forebay_queue::{Delivery, Sender, WhenFull};
use tokio::runtime::Runtime;
use tokio::task::yield_now;
use tower_service::Service;

/// Until tables, rings and histograms have their size.
const WARM_UP: u64 = 5_000;

const ITEMS: u64 = 20_000;

/// Each `block_on` of tokio's makes a list of who yielded, which grows once. On a machine that is busy a worker yields that
/// would not elsewhere.
const OF_TOKIO: u64 = 2;

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
}

/// How many allocations so many items cost, from the send until the pool was idle.
fn cost(builder: Builder<FromQueue<u64>, Handled<u64>>) -> u64 {
    let runtime = runtime();
    let pool = runtime.block_on(async { builder.start().unwrap() });
    let send = async |count: u64| {
        let done = pool.stats().completed;
        for item in 0..count {
            pool.produce(item).await.unwrap();
        }
        // `idle` is not what is counted here.
        while pool.stats().completed < done + count {
            yield_now().await;
        }
    };
    runtime.block_on(send(WARM_UP));
    let cost = measure(|| runtime.block_on(send(ITEMS)));
    drop(pool);
    cost.count_total.saturating_sub(OF_TOKIO)
}

fn four() -> Builder<FromQueue<u64>> {
    Pool::builder().workers(4).queue(64)
}

#[test]
fn by_value() {
    assert_eq!(cost(four().handler(async |_| ())), 0);
    assert_eq!(cost(four().handler(async |_| yield_now().await)), 0);
    assert_eq!(cost(four().handler(async |_| ()).keep_copies()), 0);
}

#[test]
fn in_context() {
    assert_eq!(cost(four().handler_in(|_: WorkContext<u64>, _| async { yield_now().await })), 0);
}

#[test]
fn by_delivery() {
    assert_eq!(cost(four().handler_delivery(async |delivery: Delivery<u64>| delivery.ack())), 0);
}

#[test]
fn as_a_service() {
    #[derive(Clone)]
    struct Nothing;
    impl Service<u64> for Nothing {
        type Response = ();
        type Error = BoxError;
        type Future = Ready<Result<(), BoxError>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: u64) -> Self::Future {
            ready(Ok(()))
        }
    }
    assert_eq!(cost(four().service(Nothing)), 0);
}

#[test]
fn by_key() {
    let keyed = || Pool::builder().workers(4).per_key(1).queue(64).handler(async |_| yield_now().await);
    assert_eq!(cost(keyed().key(|item| item % 7)), 0);
    assert_eq!(cost(keyed().key(|item| *item)), 0);
}

#[test]
fn borrowed_costs_its_box_and_nothing_else() {
    assert_eq!(cost(four().handler_mut(|_| Box::pin(yield_now()))), ITEMS);
}

#[test]
fn in_batches_what_costs_is_the_batch() {
    let store = async |batch: Vec<Delivery<u64>>| batch.into_iter().for_each(Delivery::ack);
    let builder = Pool::builder().workers(1).batch(50, Duration::ZERO).queue(64).handler_batch(store);
    let cost = cost(builder);
    // Of the 64 that come at a time two batches are made, each of which is a `Vec` that grows.
    assert!(cost < ITEMS / 32 * 8, "{cost}");
}

#[test]
fn in_order() {
    let runtime = runtime();
    let (output, mut results) = forebay_queue::bounded(64);
    let pool = runtime.block_on(async {
        let builder = Pool::builder().workers(4).ordered_window(32).queue(64);
        builder.handler_ordered(output, async |item: u64| Ok::<_, BoxError>(item)).start().unwrap()
    });
    let mut send = async |count| {
        for item in 0..count {
            pool.produce(item).await.unwrap();
            assert_eq!(results.recv().await, Some(Ordered::Done(item)));
        }
    };
    runtime.block_on(send(WARM_UP));
    assert!(measure(|| runtime.block_on(send(ITEMS))).count_total <= OF_TOKIO);
    drop(pool);
}

#[test]
fn through_a_pipeline() {
    let runtime = runtime();
    let (pipeline, mut results) = runtime.block_on(async {
        let pipeline = Pipeline::builder().queue(64);
        let pipeline =
            pipeline.stage("first", async |item: u64| Ok::<_, BoxError>(item), |pool| pool.workers(2));
        let pipeline = pipeline.queue(64);
        let pipeline =
            pipeline.stage("last", async |item: u64| Ok::<_, BoxError>(item), |pool| pool.workers(2));
        pipeline.results(64, WhenFull::Wait).start().unwrap()
    });
    let tx: Sender<u64> = pipeline.producer();
    let mut send = async |count| {
        for item in 0..count {
            tx.send(item).await.unwrap();
            results.recv().await.unwrap();
        }
    };
    runtime.block_on(send(WARM_UP));
    assert!(measure(|| runtime.block_on(send(ITEMS))).count_total <= OF_TOKIO);
    drop(pipeline);
}
