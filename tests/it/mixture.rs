//! A pool that takes from a log that keeps a copy and from a queue in memory, merged into one source.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use forebay::Pool;
use forebay::pool::OnFailure;
use forebay::priority::{Merge, Strict};
use forebay::queue::{self, End, Receiver, Source};
use forebay_testkit::{RecordingSource, RecordingSourceBuilder};

/// The log keeps 7, the queue has 8. `inner`: the log is itself merged with another log first.
fn mixture(log: impl Source<Item = u32>, inner: bool) -> Merge<u32, Strict> {
    let merge = Merge::new(Strict::levels());
    let merge = match inner {
        false => merge.source("high", log).unwrap(),
        true => {
            let empty: Receiver<u32> = queue::bounded(1).1;
            let log = Merge::new(Strict::levels()).source("low", log).unwrap().source("low", empty).unwrap();
            merge.source("high", log).unwrap()
        }
    };
    let (memory, in_memory) = queue::bounded(1);
    memory.try_send(8).unwrap();
    merge.source("low", in_memory).unwrap()
}

fn log() -> RecordingSourceBuilder<u32> {
    RecordingSource::builder().items([7]).redelivers()
}

/// As if the pool took from the log alone: it comes back with pauses, and not for ever.
#[tokio::test(start_paused = true)]
async fn poison_of_a_log_is_set_aside_though_the_queue_keeps_no_copies() {
    for (inner, leased) in [(false, false), (true, false), (false, true)] {
        let (log, script) = if leased { log().lease(Duration::from_secs(30)).build() } else { log().build() };
        let tries = AtomicU32::new(0);
        let pool = Pool::builder()
            .workers(1)
            .source(mixture(log, inner))
            .handler(move |_: u32| {
                let again = tries.fetch_add(1, Ordering::Relaxed) < 100;
                async move {
                    if !again {
                        // It comes back again and again, and no time would ever pass.
                        std::future::pending::<()>().await;
                    }
                    Err::<(), _>("no luck")
                }
            })
            .start()
            .unwrap();
        let report = tokio::time::timeout(Duration::from_secs(3600), pool.finish()).await.expect("it ends");
        assert_eq!(
            (report.taken, report.returned, report.dead_lettered, report.failed, report.adds_up()),
            (6, 4, 1, 1, true),
            "{report}"
        );
        let mut ends = script.record().ends();
        let reason = "attempt 5 of 5: failed: no luck".to_owned();
        assert_eq!(ends.pop(), Some(End::DeadLetter { reason }));
        let waits = [0, 10, 20, 40].map(|after| End::Nack { after: Duration::from_millis(after) });
        assert_eq!(ends, waits);
    }
}

/// The log would deliver it again after a nack.
#[tokio::test(start_paused = true)]
async fn what_is_given_up_is_acked_where_a_copy_is() {
    let (log, script) = log().build();
    let pool = Pool::builder()
        .workers(1)
        .on_failure(OnFailure::Fail)
        .source(mixture(log, false))
        .handler(async |_: u32| Err::<(), _>("no luck"))
        .start()
        .unwrap();
    assert_eq!(pool.finish().await.failed, 2);
    assert_eq!(script.record().ends(), [End::Ack]);
}

/// Only the log may deliver an item again whose ack it has not confirmed.
#[tokio::test(start_paused = true)]
async fn acks_are_counted_where_a_copy_is() {
    for (leased, lent) in [(false, false), (false, true), (true, false)] {
        let (log, script) = if leased { log().lease(Duration::from_secs(30)).build() } else { log().build() };
        script.hold_settlements();
        let builder = Pool::builder().workers(1).source(mixture(log, false));
        let pool = match lent {
            true => builder.handler_delivery(async |delivery: queue::Delivery<u32>| delivery.ack()).start(),
            false => builder.handler(async |_: u32| {}).start(),
        };
        let report = pool.unwrap().shutdown(Duration::from_secs(60)).await;
        assert_eq!((report.completed, report.maybe_redelivered), (2, 1), "leased: {leased}, lent: {lent}");
    }
}
