use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use forebay_pool::{LimitedBy, Load, Pool, ScalePolicy, StartError, Steps, Timings};
use forebay_queue::{Delivery, Source, SourceError};
use tokio::time::sleep;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn each_attempt_that_takes_its_time_is_timed() {
    let pool = Pool::builder()
        .workers(2)
        .timeout(5 * SECOND)
        .queue(10)
        .handler_delivery(|delivery: Delivery<u64>| async move {
            sleep(Duration::from_secs(*delivery.item().unwrap())).await;
            if delivery.attempt() > 1 {
                delivery.ack()
            }
        })
        .start()
        .unwrap();
    for seconds in [1, 2, 3] {
        pool.produce(seconds).await.unwrap();
    }
    pool.idle().await;
    let timings = pool.timings();
    assert_eq!((timings.service.count, timings.handover.count), (6, 6));
    let max = timings.service.max;
    assert!(max.abs_diff(3 * SECOND) < SECOND / 50, "{max:?}");
    assert_eq!(timings.queue_wait.count, 1, "of one in 64 the queue says when it came");
}

#[tokio::test(start_paused = true)]
async fn the_wait_in_the_pools_own_queue_is_told_whoever_takes_from_it() {
    let described = || Pool::builder().workers(1).queue(10);
    let seconds = |pool: Pool<u64, _>| async move {
        pool.pause();
        pool.produce(2).await.unwrap();
        sleep(7 * SECOND).await;
        pool.resume();
        // What comes while nobody waits for an item, and while somebody does, at the bound of one in 64.
        for _ in 0..63 {
            pool.produce(0).await.unwrap();
        }
        pool.idle().await;
        sleep(SECOND).await;
        pool.produce(1).await.unwrap();
        pool.idle().await;
        let Timings { queue_wait, service, .. } = pool.timings();
        (
            queue_wait.count,
            queue_wait.max.as_secs_f64().round(),
            queue_wait.median < SECOND,
            service.max >= 2 * SECOND,
        )
    };
    let work = |seconds| sleep(Duration::from_secs(seconds));
    // Each takes for itself; is given a delivery.
    assert_eq!(seconds(described().handler(work).start().unwrap()).await, (2, 7.0, true, true));
    let given = described().handler_delivery(move |delivery: Delivery<u64>| async move {
        work(*delivery.item().unwrap()).await;
        delivery.ack();
    });
    assert_eq!(seconds(given.start().unwrap()).await, (2, 7.0, true, true));
}

#[tokio::test]
async fn of_quick_items_a_few_are_timed() {
    let pool = Pool::builder().workers(1).queue(10).handler(|_: u32| async {}).start().unwrap();
    for item in 0..25_600 {
        pool.produce(item).await.unwrap();
    }
    pool.idle().await;
    let count = pool.timings().service.count;
    // Some may have been slow on a machine that is busy, and then the next is timed, too.
    assert!((50..25_600).contains(&count), "{count}");
}

/// Says of each item that it came a minute ago.
struct Old(u32);

impl Source for Old {
    type Item = u32;
    fn poll_next(
        &mut self,
        _: &mut std::task::Context<'_>,
        _: std::num::NonZeroUsize,
        out: &mut Vec<Delivery<u32>>,
    ) -> std::task::Poll<Result<usize, SourceError>> {
        if self.0 == 0 {
            return std::task::Poll::Ready(Ok(0));
        }
        self.0 -= 1;
        out.push(Delivery::unsettled(self.0).with_enqueued_at(SystemTime::now() - 60 * SECOND));
        std::task::Poll::Ready(Ok(1))
    }
    fn poll_settled(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), SourceError>> {
        std::task::Poll::Ready(Ok(()))
    }
    fn close(&mut self) {}
    fn redelivers(&self) -> bool {
        false
    }
}

#[tokio::test]
async fn the_wait_in_the_source_is_told_where_the_source_tells_it() {
    let pool = Pool::builder().workers(1).source(Old(5)).handler(|_| async {}).start().unwrap();
    pool.closed().await;
    let wait = pool.timings().queue_wait;
    assert!(wait.count >= 1 && wait.median > 59 * SECOND && wait.median < 62 * SECOND, "{wait}");
}

#[tokio::test(start_paused = true)]
async fn who_limits_is_told() {
    let pool = Pool::builder().workers(2).queue(10).handler(|_: u32| sleep(SECOND)).start().unwrap();
    sleep(SECOND).await;
    assert_eq!(pool.stats().limited_by(), LimitedBy::Idle);
    for item in 0..5 {
        pool.produce(item).await.unwrap();
    }
    sleep(SECOND / 2).await;
    assert_eq!(pool.stats().limited_by(), LimitedBy::Workers { busy: 2, backlog: Some(3) });
    sleep(2 * SECOND).await;
    assert_eq!(pool.stats().limited_by(), LimitedBy::Source { idle: 1 });
    pool.pause();
    assert_eq!(pool.stats().limited_by(), LimitedBy::Pause);
}

#[tokio::test(start_paused = true)]
async fn the_number_of_workers_follows_the_load() {
    let pool = Pool::builder()
        .scale(2..=8, Steps::new(SECOND, 10 * SECOND))
        .queue(1000)
        .handler(|_: u32| sleep(Duration::from_millis(200)))
        .start()
        .unwrap();
    assert_eq!(pool.stats().workers, 2);
    for item in 0..600 {
        pool.produce(item).await.unwrap();
    }
    sleep(6 * SECOND).await;
    assert_eq!(pool.stats().workers, 8);
    pool.idle().await;
    sleep(100 * SECOND).await;
    assert_eq!(pool.stats().workers, 2);
    assert_eq!(pool.finish().await.completed, 600);
}

/// Asks for as many as the test says, or panics.
struct Wants(Arc<AtomicU32>);

impl ScalePolicy for Wants {
    fn workers(&mut self, _: &Load, _: Duration) -> usize {
        let wanted = self.0.load(Ordering::Relaxed) as usize;
        assert!(wanted != 99, "it panicked");
        wanted
    }
}

#[tokio::test(start_paused = true)]
async fn a_policy_is_kept_within_its_bounds_and_its_panics_contained() {
    let wants = Arc::new(AtomicU32::new(0));
    let pool = Pool::builder()
        .workers(4)
        .scale(3..=6, Wants(Arc::clone(&wants)))
        .queue(1)
        .handler(|_: u32| async {})
        .start()
        .unwrap();
    assert_eq!(pool.stats().workers, 4);
    for (wanted, workers) in [(0, 3), (50, 6), (5, 5), (99, 5), (4, 4)] {
        wants.store(wanted, Ordering::Relaxed);
        sleep(SECOND + SECOND / 10).await;
        assert_eq!(pool.stats().workers, workers, "{wanted} were wanted");
    }
    let report = pool.shutdown(SECOND).await;
    assert_eq!(report.held, 0);
    let error = Pool::builder()
        .scale(
            #[expect(clippy::reversed_empty_ranges, reason = "that is the mistake")]
            (5..=2),
            Steps::default(),
        )
        .queue(1)
        .handler(|_: u32| async {})
        .start()
        .unwrap_err();
    assert_eq!(error, StartError::NoScale { least: 5, most: 2 });
    assert_eq!(
        error.to_string(),
        "scale was given the bounds 5..=2, between which there is no number: put the lower one first"
    );
}
