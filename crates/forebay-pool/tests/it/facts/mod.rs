//! What Broadway's tests say of a pipeline (`tests/data/pipeline.toml`): for each fact a test of its name.
//!
//! A *batcher* there is a pool with `handler_batch` here, fed by a queue; *acked as failed* is dead-lettered at once; a *key* of
//! a stage is its `key`. Where a fact says what is lost, the test says that nothing is.

/// Batches by size, time and weight.
mod batching;
/// Crashes, and the end.
mod ending;
/// Keys, and what becomes of an item.
mod outcome;
/// Rates and numbers.
mod rates;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use forebay_pool::{FromQueue, OnFailure, Pool};
use forebay_queue::{Delivery, End, Sender};
use forebay_testkit::Script;

const MS: Duration = Duration::from_millis(1);

/// What was seen, in order.
#[derive(Debug)]
struct Seen<T>(Arc<Mutex<Vec<T>>>);

impl<T> Seen<T> {
    fn nothing() -> Self {
        Self(Arc::default())
    }

    fn see(&self, what: T) {
        self.0.lock().unwrap().push(what);
    }

    fn all(&self) -> Vec<T>
    where
        T: Clone,
    {
        self.0.lock().unwrap().clone()
    }
}

impl<T> Clone for Seen<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// Which items were acked and which were set aside, where the source gives out 1, 2, 3, … once each.
fn settled(script: &Script<u64>) -> (Vec<u64>, Vec<u64>) {
    let (mut ok, mut failed) = (Vec::new(), Vec::new());
    for settlement in script.record().settlements {
        let item = settlement.receipt.get() + 1;
        match settlement.end {
            End::Ack => ok.push(item),
            End::DeadLetter { .. } => failed.push(item),
            End::Nack { .. } => panic!("{item} went back"),
        }
    }
    (ok, failed)
}

/// A pool that acks batches and keeps what was in them.
fn batcher(items: usize, wait: Duration, batches: &Seen<Vec<u64>>) -> Pool<u64, Sender<u64>> {
    let batches = batches.clone();
    let builder: forebay_pool::Builder<FromQueue<u64>> =
        Pool::builder().workers(1).on_failure(OnFailure::DeadLetter).batch(items, wait).queue(100);
    builder
        .handler_batch(move |batch: Vec<Delivery<u64>>| {
            batches.see(batch.iter().map(|delivery| *delivery.item().unwrap()).collect());
            batch.into_iter().for_each(Delivery::ack);
            async {}
        })
        .start()
        .unwrap()
}

#[test]
fn each_fact_has_a_test_of_its_name_or_a_reason() {
    let facts = include_str!("../../data/pipeline.toml");
    let names = facts.lines().filter_map(|line| line.split_once("name = \"")?.1.split('"').next());
    let tests = [
        include_str!("batching.rs"),
        include_str!("ending.rs"),
        include_str!("outcome.rs"),
        include_str!("rates.rs"),
    ];
    let reasons = include_str!("../../../../../ARCHITECTURE.md");
    let mut count = 0;
    for name in names {
        count += 1;
        let is_tested = tests.iter().any(|file| file.contains(&format!("fn {name}()")));
        let is_explained = reasons.contains(&format!("`{name}`"));
        assert!(is_tested != is_explained, "{name}: tested {is_tested}, explained {is_explained}");
    }
    assert_eq!(count, facts.matches("topic = ").count());
}
