//! Items with keys, of which a few are much more frequent than the others: how much of the workers' time is used where
//! the items of a key are worked on one after the other.

use std::time::Duration;

use forebay_pool::Pool;
use serde::Serialize;

use super::CAPACITY;

/// The second most frequent key comes 2 to the power of minus this as often as the first, the third 3 to it, and so on.
const EXPONENT: f64 = 1.1;
const KEYS: u32 = 1000;

/// What one item takes, without the processor: so that the workers are the limit and not the cores.
const WORK: Duration = Duration::from_millis(10);

/// A fixed amount of keyed work.
#[derive(Debug, clap::Args)]
pub(crate) struct KeyedLoad {
    /// Workers, of which no two have items of the same key.
    #[arg(long)]
    workers: usize,
    /// Items in all.
    #[arg(long)]
    items: usize,
}

/// What a run took.
#[derive(Debug, Serialize)]
pub(crate) struct Keyed {
    items: usize,
    /// How many items had the most frequent key.
    of_hottest: usize,
    seconds: f64,
}

// === impl KeyedLoad ===

impl KeyedLoad {
    pub(crate) fn measure(&self) -> Keyed {
        let keys = zipf(self.items);
        let of_hottest = keys.iter().filter(|&&key| key == 0).count();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(super::THREADS).enable_time().build();
        let seconds = runtime.expect("threads can be started").block_on(async {
            let pool = Pool::builder()
                .workers(self.workers)
                .per_key(1)
                // So that the most frequent key is found to be so only by its own items.
                .look_aside(self.items)
                .queue(CAPACITY)
                .handler(|_: u32| tokio::time::sleep(WORK))
                .key(|key| *key)
                .start()
                .expect("a runtime is there");
            let start = std::time::Instant::now();
            for key in keys {
                pool.produce(key).await.expect("the pool is open");
            }
            let report = pool.finish().await;
            assert_eq!(report.completed as usize, self.items, "items were left out");
            start.elapsed().as_secs_f64()
        });
        Keyed { items: self.items, of_hottest, seconds }
    }
}

/// Keys in an order that is the same each time: the most frequent is 0.
fn zipf(items: usize) -> Vec<u32> {
    let weights: Vec<f64> = (1..=KEYS).map(|rank| f64::from(rank).powf(-EXPONENT)).collect();
    let sum: f64 = weights.iter().sum();
    // A sequence that fills the interval from 0 to 1 evenly, however long it is.
    let golden = (5_f64.sqrt() - 1.0) / 2.0;
    let key = |item: usize| {
        let mut left = (item as f64 * golden).fract() * sum;
        let found = weights.iter().position(|weight| {
            left -= weight;
            left < 0.0
        });
        found.unwrap_or(0) as u32
    };
    (0..items).map(key).collect()
}
