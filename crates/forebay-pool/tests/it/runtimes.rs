use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use forebay_pool::{BoxError, EndedBy, Pipeline};
use forebay_queue::{SendError, TrySendError, WhenFull};
use forebay_testkit::Driver;
use tokio::runtime::{Builder, Runtime};

const LONG: Duration = Duration::from_secs(1000);

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

/// Lets all tasks run until they wait.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// Each queue has a receiver that only reads its counts, and is no reason to wait for room.
#[test]
fn a_pipeline_without_its_runtime_gives_items_back() {
    let undelivered = Arc::new(Mutex::new(Vec::new()));
    let (first, second) = (Arc::clone(&undelivered), Arc::clone(&undelivered));
    let runtime = runtime();
    let (pipeline, mut results) = runtime.block_on(async {
        Pipeline::builder()
            .queue(1)
            .on_undelivered(move |item| first.lock().unwrap().push(("first", item)))
            .stage("pass", async |item: u32| Ok::<_, BoxError>(item), |pool| pool.workers(1))
            .queue(1)
            .on_undelivered(move |item| second.lock().unwrap().push(("second", item)))
            .stage("hang", async |_: u32| pending::<Result<u32, BoxError>>().await, |pool| pool.workers(1))
            .results(1, WhenFull::Wait)
            .start()
            .unwrap()
    });
    // One hangs, one is in the second queue, one waits for room there, one is in the first queue.
    for item in 1..=4 {
        pipeline.try_produce(item).unwrap();
        runtime.block_on(settle());
    }
    let mut waiting = Driver::new(pipeline.produce(5));
    waiting.assert_pending();
    drop(runtime);
    assert!(matches!(waiting.assert_ready(), Err(SendError::Closed(5))));
    drop(waiting);
    assert!(matches!(pipeline.try_produce(6), Err(TrySendError::Closed(6))));
    assert_eq!(Driver::new(results.recv()).assert_ready(), None);
    Driver::new(pipeline.idle()).assert_ready();
    Driver::new(pipeline.closed()).assert_ready();
    let report = Driver::new(pipeline.shutdown(LONG)).assert_ready();
    assert!(matches!(report.ended_by, EndedBy::Runtime), "{report}");
    assert!(report.adds_up(), "{report}");
    assert_eq!((report.accepted, report.failed, report.undelivered), (4, 2, 2), "{report}");
    assert_eq!(*undelivered.lock().unwrap(), [("first", 4), ("second", 2)]);
}
