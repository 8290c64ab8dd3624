use std::time::Duration;

use forebay_pool::Pool;
use forebay_queue::SourceError;
use forebay_testkit::RecordingSource;
use tokio::time::{Instant, sleep};
use tracing::Level;

use crate::events::Events;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn each_change_of_a_pool_is_an_event() {
    let events = Events::keep();
    let (source, script) =
        RecordingSource::builder().fail(SourceError::Unavailable("away".into())).items([1]).build();
    let pool = Pool::builder()
        .workers(1)
        .source(source)
        .handler(|_: u32| std::future::pending::<()>())
        .start()
        .unwrap();
    script.until(|record| record.handed_out == 1).await;
    sleep(SECOND).await;
    pool.resize(2);
    pool.pause();
    pool.resume();
    // There is nothing to resume.
    pool.resume();
    pool.pause_until(Instant::now() + SECOND);
    sleep(SECOND * 2).await;
    let report = pool.shutdown(Duration::ZERO).await;
    assert_eq!(report.aborted, 1);
    assert_eq!(
        events.at(Level::WARN),
        ["source became unavailable error=source is unavailable for now: away pause=10ms"]
    );
    assert_eq!(
        events.at(Level::DEBUG),
        [
            "pool started workers=1",
            "source is available again",
            "pool is resized workers=2",
            "pool is paused by_itself=false",
            "pool is resumed",
            "pool is paused by_itself=true",
            "pool is resumed",
            "pool goes on phase=Closing",
            "pool goes on phase=Draining",
            "pool goes on phase=Aborting",
            "handler aborted worker=0 attempt=1 item=failed",
            "pool goes on phase=Closed",
            "pool ended report=aborted at the deadline: took 1, completed 0, failed 1; 1 aborted",
        ]
    );
}
