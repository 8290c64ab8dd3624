use std::time::Duration;

use forebay_pool::Pool;
use forebay_queue::{Delivery, Sender};
use tokio::time::sleep;

use super::{MS, Seen, batcher};

/// Two pools, one for odd numbers and one for even ones, as who sends decides.
struct Two {
    pools: [Pool<u64, Sender<u64>>; 2],
    batches: [Seen<Vec<u64>>; 2],
}

impl Two {
    fn of(batcher: impl Fn(usize, &Seen<Vec<u64>>) -> Pool<u64, Sender<u64>>) -> Self {
        let batches = [Seen::nothing(), Seen::nothing()];
        Self { pools: [batcher(0, &batches[0]), batcher(1, &batches[1])], batches }
    }

    async fn push(&self, items: impl IntoIterator<Item = u64>) {
        for n in items {
            self.pools[n as usize % 2].produce(n).await.unwrap();
        }
        // Less than anybody waits for a batch that is not full.
        sleep(MS).await;
    }

    /// How long the batches were, of odd and of even ones.
    fn sizes(&self) -> (Vec<usize>, Vec<usize>) {
        let sizes = |seen: &Seen<Vec<u64>>| seen.all().iter().map(Vec::len).collect();
        (sizes(&self.batches[1]), sizes(&self.batches[0]))
    }

    async fn close(self) -> (Vec<usize>, Vec<usize>) {
        let Self { pools: [even, odd], batches } = self;
        assert!(even.finish().await.adds_up() && odd.finish().await.adds_up());
        let sizes = |seen: &Seen<Vec<u64>>| seen.all().iter().map(Vec::len).collect();
        (sizes(&batches[1]), sizes(&batches[0]))
    }
}

/// A batch of up to so much, where an item weighs its number times a factor.
fn weighed(factor: usize, budget: usize, batches: &Seen<Vec<u64>>) -> (Sender<u64>, Pool<u64>) {
    let weigher = move |n: &u64| *n as usize * factor;
    let (tx, rx) = forebay_queue::builder().capacity(100).weigher(weigher).build();
    let batches = batches.clone();
    let pool = Pool::builder()
        .workers(1)
        .batch(100, 20 * MS)
        .batch_weight(budget)
        .source(rx)
        .handler_batch(move |batch: Vec<Delivery<u64>>| {
            batches.see(batch.iter().map(|delivery| *delivery.item().unwrap()).collect());
            batch.into_iter().for_each(Delivery::ack);
            async {}
        })
        .start()
        .unwrap();
    (tx, pool)
}

#[tokio::test(start_paused = true)]
async fn by_size() {
    let two = Two::of(|parity, batches| batcher([5, 10][parity], 20 * MS, batches));
    two.push(1..=40).await;
    assert_eq!(two.sizes(), (vec![10, 10], vec![5, 5, 5, 5]), "before the time of any is over");
    sleep(100 * MS).await;
    assert_eq!(two.close().await, (vec![10, 10], vec![5, 5, 5, 5]));
}

#[tokio::test(start_paused = true)]
async fn flush() {
    // To flush is to close: what is there by then waits for no more.
    let two = Two::of(|parity, batches| batcher([5, 10][parity], Duration::MAX, batches));
    two.push(1..=5).await;
    assert_eq!(two.sizes(), (vec![], vec![]));
    assert_eq!(two.close().await, (vec![3], vec![2]));
}

#[tokio::test(start_paused = true)]
async fn custom_splitter_two_batchers() {
    let (odd, even) = (Seen::nothing(), Seen::nothing());
    let (odd_tx, odd_pool) = weighed(1, 16, &odd);
    let (even_tx, even_pool) = weighed(2, 24, &even);
    for n in 1..=10 {
        if n % 2 == 1 {
            odd_tx.send(n).await.unwrap()
        } else {
            even_tx.send(n).await.unwrap()
        };
    }
    sleep(MS).await;
    assert_eq!(odd.all(), [vec![1, 3, 5, 7]], "16, by weight");
    sleep(50 * MS).await;
    assert_eq!(odd.all(), [vec![1, 3, 5, 7], vec![9]], "and then by time");
    // There, 8 and 10 make a batch of 36, since its splitter looks after the item. Here no batch is above the bound.
    assert_eq!(even.all(), [vec![2, 4, 6], vec![8], vec![10]]);
    drop((odd_tx, even_tx));
    odd_pool.finish().await;
    even_pool.finish().await;
}

#[tokio::test(start_paused = true)]
async fn custom_splitter_flush() {
    let (odd, even) = (Seen::nothing(), Seen::nothing());
    let (odd_tx, odd_pool) = weighed(1, 16, &odd);
    let (even_tx, even_pool) = weighed(2, 24, &even);
    for n in 1..=4 {
        if n % 2 == 1 {
            odd_tx.send(n).await.unwrap()
        } else {
            even_tx.send(n).await.unwrap()
        };
    }
    drop((odd_tx, even_tx));
    odd_pool.finish().await;
    even_pool.finish().await;
    assert_eq!((odd.all(), even.all()), (vec![vec![1, 3]], vec![vec![2, 4]]));
}

#[tokio::test(start_paused = true)]
async fn flush_mode_never_waits() {
    let batches = Seen::nothing();
    let pool = batcher(2, Duration::ZERO, &batches);
    for n in 1..=5 {
        pool.produce(n).await.unwrap();
        sleep(MS).await;
    }
    assert_eq!(batches.all(), [[1], [2], [3], [4], [5]]);
    pool.finish().await;
}

#[tokio::test(start_paused = true)]
async fn bulk_mode_fills_batches() {
    let batches = Seen::nothing();
    let pool = batcher(2, 20 * MS, &batches);
    for n in 1..=5 {
        pool.produce(n).await.unwrap();
    }
    sleep(MS).await;
    assert_eq!(batches.all(), [[1, 2], [3, 4]]);
    sleep(30 * MS).await;
    assert_eq!(batches.all(), [vec![1, 2], vec![3, 4], vec![5]]);
    pool.finish().await;
}

#[tokio::test(start_paused = true)]
async fn push_into_a_running_pipeline() {
    let (handled, batches) = (Seen::nothing(), Seen::nothing());
    let second = batcher(2, Duration::MAX, &batches);
    let see = handled.clone();
    let first = Pool::builder()
        .queue(10)
        .handler_with(second.producer(), move |tx, n: u64| {
            see.see(n);
            async move { tx.send(n).await.map(drop).map_err(|refused| refused.to_string()) }
        })
        .start()
        .unwrap();
    let by_hand = first.producer();
    by_hand.send(1).await.unwrap();
    by_hand.send(3).await.unwrap();
    sleep(MS).await;
    let mut batch = batches.all().concat();
    batch.sort_unstable();
    assert_eq!((handled.all().len(), batches.all().len(), batch), (2, 1, vec![1, 3]));
    drop(by_hand);
    first.finish().await;
    second.finish().await;
}
