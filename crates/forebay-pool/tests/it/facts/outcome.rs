use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use forebay_pool::{BoxError, OnFailure, Pipeline, Pool};
use forebay_queue::{Delivery, End, Receipt, Settle, Source, SourceError, bounded};
use forebay_testkit::{RecordingSource, Script};
use tokio::time::sleep;

use super::{MS, Seen, batcher, settled};

/// A pool that sets aside what fails, on 1, 2, 3, ….
fn run(items: u64) -> (forebay_pool::Builder<forebay_pool::FromSource<u64>>, Script<u64>) {
    let (source, script) = RecordingSource::builder().items(1..=items).build();
    (Pool::builder().workers(1).on_failure(OnFailure::DeadLetter).source(source), script)
}

#[tokio::test(start_paused = true)]
async fn same_partition_same_worker_in_order() {
    // Any worker takes any key: what holds is that a key's items start in order, one after the other.
    let seen = Seen::nothing();
    let see = seen.clone();
    let pool = Pool::builder()
        .workers(2)
        .per_key(1)
        .queue(10)
        .handler(move |n: u64| {
            let see = see.clone();
            async move {
                see.see(n);
                sleep(MS * (n as u32 * 7 % 20)).await;
                see.see(n);
            }
        })
        .key(|n| n % 2)
        .start()
        .unwrap();
    for n in 1..=8 {
        pool.produce(n).await.unwrap();
    }
    pool.finish().await;
    let of = |parity| seen.all().into_iter().filter(|n| n % 2 == parity).collect::<Vec<_>>();
    assert_eq!(of(1), [1, 1, 3, 3, 5, 5, 7, 7]);
    assert_eq!(of(0), [2, 2, 4, 4, 6, 6, 8, 8]);
}

#[tokio::test(start_paused = true)]
async fn own_key_per_stage() {
    let (first, second) = (Seen::nothing(), Seen::nothing());
    let (see_first, see_second) = (first.clone(), second.clone());
    let group = |n: &u64| u64::from(*n > 6);
    let pipeline = Pipeline::builder()
        .queue(20)
        .stage(
            "workers",
            move |n: u64| {
                see_first.see(n);
                async move {
                    sleep(MS * (n as u32 * 3 % 7)).await;
                    Ok::<_, BoxError>(n)
                }
            },
            move |pool| pool.workers(2).per_key(1).key(group),
        )
        .queue(20)
        .stage(
            "others",
            move |n: u64| {
                see_second.see(n);
                async move { Ok::<_, BoxError>(()) }
            },
            move |pool| pool.workers(2).per_key(1).key(move |n| 1 - group(n)),
        )
        .start()
        .unwrap();
    for n in 1..=12 {
        pipeline.produce(n).await.unwrap();
    }
    assert!(pipeline.finish().await.adds_up());
    for seen in [first.all(), second.all()] {
        let (low, high): (Vec<u64>, Vec<u64>) = seen.into_iter().partition(|n| *n <= 6);
        assert_eq!((low, high), ((1..=6).collect(), (7..=12).collect()));
    }
}

#[tokio::test]
async fn success_is_acked() {
    let (builder, script) = run(2);
    builder.handler(async |_| ()).keep_copies().start().unwrap().finish().await;
    assert_eq!(settled(&script), (vec![1, 2], vec![]));
}

#[tokio::test]
async fn failed_items_skip_the_batcher() {
    let batches = Seen::nothing();
    let pool = batcher(2, Duration::MAX, &batches);
    let (builder, script) = run(4);
    let to_batcher = pool.producer();
    let first = builder
        .handler_with(to_batcher, async |tx, n| {
            if n == 2 || n == 3 {
                return Err(BoxError::from("failed by choice"));
            }
            tx.send(n).await?;
            Ok(())
        })
        .keep_copies()
        .start()
        .unwrap();
    first.finish().await;
    pool.finish().await;
    assert_eq!(batches.all(), [[1, 4]]);
    assert_eq!(settled(&script), (vec![1, 4], vec![2, 3]));
}

#[tokio::test]
async fn raise_fails_one_item_only() {
    let (builder, script) = run(3);
    let pool = builder.handler(async |n| assert_ne!(n, 2)).keep_copies().start().unwrap();
    let report = pool.finish().await;
    assert_eq!(settled(&script), (vec![1, 3], vec![2]));
    assert_eq!(report.panics, 1);
    let End::DeadLetter { reason } = &script.record().settlements[1].end else { panic!() };
    assert!(reason.starts_with("attempt 1: panicked: assertion"), "{reason}");
}

#[tokio::test]
async fn crash_of_a_helper_task_fails_one_item_only() {
    let (builder, script) = run(3);
    let helped = async |n: u64| tokio::spawn(async move { assert_ne!(n, 2) }).await;
    let report = builder.handler(helped).keep_copies().start().unwrap().finish().await;
    assert_eq!((settled(&script), report.panics), ((vec![1, 3], vec![2]), 0));
}

/// Hands out 1, 2, 3, and panics when it is told how 2 ended.
struct Crooked {
    next: u64,
    told: Seen<u64>,
}

impl Settle<u64> for Seen<u64> {
    fn settle(&self, receipt: Receipt, _: Option<u64>, _: End) {
        assert_ne!(receipt.get(), 2, "nobody is there to be told");
        self.see(receipt.get());
    }

    fn extend(&self, _: Receipt, _: Duration) {}
}

impl Source for Crooked {
    type Item = u64;

    fn poll_next(
        &mut self,
        _: &mut Context<'_>,
        _: NonZeroUsize,
        out: &mut Vec<Delivery<u64>>,
    ) -> Poll<Result<usize, SourceError>> {
        self.next += 1;
        if self.next > 3 {
            return Poll::Ready(Ok(0));
        }
        out.push(Delivery::new(self.next, Receipt::new(self.next), Arc::new(self.told.clone())));
        Poll::Ready(Ok(1))
    }

    fn poll_settled(&mut self, _: &mut Context<'_>) -> Poll<Result<(), SourceError>> {
        Poll::Ready(Ok(()))
    }

    fn close(&mut self) {}

    fn redelivers(&self) -> bool {
        false
    }
}

#[tokio::test]
async fn broken_acknowledger_does_not_kill_the_worker() {
    let told = Seen::nothing();
    let source = Crooked { next: 0, told: told.clone() };
    let pool = Pool::builder().workers(1).source(source).handler(async |_| ()).start().unwrap();
    let report = pool.finish().await;
    assert_eq!((told.all(), report.completed, report.restarts), (vec![1, 3], 3, 0));
}

#[tokio::test(start_paused = true)]
async fn batch_handler_returning_fewer_items() {
    // What it does not settle is not lost, and needs no warning: it comes again.
    let (source, script) = RecordingSource::builder().items([1, 2]).build();
    let pool = Pool::builder()
        .batch(2, MS)
        .source(source)
        .handler_batch(|mut batch: Vec<Delivery<u64>>| {
            batch.remove(0).ack();
            async {}
        })
        .start()
        .unwrap();
    let report = pool.finish().await;
    assert_eq!((report.completed, report.returned), (2, 1));
    assert_eq!(script.record().settlements.len(), 3);
}

/// A batch of four in which one panics or fails, and another one after it.
async fn two_batches(act: impl Fn() -> Result<(), BoxError> + Send + Sync + 'static) {
    let (source, script) = RecordingSource::builder().items(1..=8).build();
    let act = Arc::new(act);
    let pool = Pool::builder()
        .workers(1)
        .on_failure(OnFailure::DeadLetter)
        .batch(4, Duration::MAX)
        .source(source)
        .handler_batch(move |batch: Vec<Delivery<u64>>| {
            let act = Arc::clone(&act);
            async move {
                if batch[0].item() == Some(&1) {
                    act()?;
                }
                batch.into_iter().for_each(Delivery::ack);
                Ok::<(), BoxError>(())
            }
        })
        .start()
        .unwrap();
    pool.finish().await;
    assert_eq!(settled(&script), (vec![5, 6, 7, 8], vec![1, 2, 3, 4]));
}

#[tokio::test]
async fn batch_raise_fails_the_whole_batch() {
    two_batches(|| panic!("raised")).await;
}

#[tokio::test]
async fn batch_bad_return_fails_the_whole_batch() {
    two_batches(|| Err("bad return".into())).await;
}

#[tokio::test]
async fn failure_hook_sees_and_may_change_the_item() {
    // The handler itself may: what it borrowed is in the dead letter as it left it.
    let (letters, mut failed) = bounded(10);
    let (builder, script) = run(3);
    let pool = builder
        .handler_mut(|n: &mut u64| {
            Box::pin(async move {
                if *n == 1 {
                    return Ok(());
                }
                *n *= 100;
                assert_ne!(*n, 300, "raised");
                Err("by choice")
            })
        })
        .dead_letters_to(letters)
        .start()
        .unwrap();
    pool.finish().await;
    let seen: Vec<u64> = std::iter::from_fn(|| failed.try_recv().ok()).map(|letter| letter.item).collect();
    assert_eq!(seen, [200, 300]);
    assert_eq!(settled(&script).0, [1, 2, 3], "done, since whoever sees to them has them");
}

#[tokio::test]
async fn failure_hook_sees_failed_part_of_a_batch() {
    let (letters, mut failed) = bounded(10);
    let (source, _script) = RecordingSource::builder().items(1..=4).build();
    let pool = Pool::builder()
        .workers(1)
        .on_failure(OnFailure::DeadLetter)
        .batch(4, Duration::MAX)
        .source(source)
        .handler_batch(|mut batch: Vec<Delivery<u64>>| async move {
            batch.remove(3).ack();
            batch.remove(0).ack();
            batch.iter_mut().for_each(|delivery| *delivery.item_mut().unwrap() *= 100);
            Err("these two")
        })
        .dead_letters_to(letters)
        .start()
        .unwrap();
    let report = pool.finish().await;
    let seen: Vec<u64> = std::iter::from_fn(|| failed.try_recv().ok()).map(|letter| letter.item).collect();
    assert_eq!((seen, report.completed, report.dead_lettered), (vec![200, 300], 2, 2));
}

#[tokio::test]
async fn failure_hook_that_raises_is_contained() {
    let pool = Pool::builder()
        .workers(1)
        .on_failure(OnFailure::DeadLetter)
        .queue(10)
        .on_dead_letter(|_: u64, _| panic!("the hook itself"))
        .handler(async |n| if n == 2 { Err("by choice") } else { Ok(()) })
        .keep_copies()
        .start()
        .unwrap();
    for n in 1..=3 {
        pool.produce(n).await.unwrap();
    }
    let report = pool.finish().await;
    assert_eq!((report.completed, report.dead_lettered, report.adds_up()), (2, 1, true));
}

#[tokio::test]
async fn early_ack_is_not_repeated() {
    let (builder, script) = run(1);
    let early = async |delivery: Delivery<u64>| {
        delivery.ack();
        Err("after that")
    };
    builder.handler_delivery(early).start().unwrap().finish().await;
    assert_eq!(settled(&script), (vec![1], vec![]));
}

#[tokio::test]
async fn early_ack_of_a_batch_keeps_status() {
    let (source, script) = RecordingSource::builder().items(1..=4).build();
    let pool = Pool::builder()
        .batch(4, Duration::MAX)
        .source(source)
        .handler_batch(|batch: Vec<Delivery<u64>>| async {
            for delivery in batch {
                if delivery.item() == Some(&2) { delivery.dead_letter("failed") } else { delivery.ack() }
            }
            Err("after that")
        })
        .start()
        .unwrap();
    pool.finish().await;
    let (ok, failed) = settled(&script);
    assert_eq!((ok, failed), (vec![1, 3, 4], vec![2]));
    let mut times = HashMap::new();
    script.record().settlements.iter().for_each(|told| *times.entry(told.receipt).or_insert(0) += 1);
    assert!(times.values().all(|&times| times == 1));
}
