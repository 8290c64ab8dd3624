use std::num::NonZeroUsize;
use std::task::{Context, Poll};
use std::time::Duration;

use forebay_pool::{Backoff, EndedBy, Pool};
use forebay_queue::{Delivery, Source, SourceError};
use forebay_testkit::RecordingSource;
use tracing::Level;

use crate::events::Events;

fn away() -> SourceError {
    SourceError::Unavailable("connection refused".into())
}

#[tokio::test(start_paused = true)]
async fn an_unavailable_source_is_asked_again_after_pauses_that_grow() {
    let events = Events::keep();
    let (source, script) = RecordingSource::builder()
        .items([1, 2])
        .fail(away())
        .fail(away())
        .fail(away())
        .items([3])
        .fail(away())
        .build();
    let pool = Pool::builder().workers(1).source(source).handler(|_| async {}).start().unwrap();
    let report = pool.finish().await;
    assert_eq!(report.completed, 3);
    assert!(matches!(report.ended_by, EndedBy::Source));
    // 10, 20 and 40 ms, then 10 again after it had recovered; timers may be a millisecond late each.
    assert!((80..=86).contains(&report.elapsed.as_millis()), "{:?}", report.elapsed);
    assert_eq!(script.record().demands.len(), 2 + 3 + 1 + 1 + 1);
    assert_eq!(
        events.at(Level::WARN),
        ["source became unavailable error=source is unavailable for now: connection refused pause=10ms"; 2],
        "an outage is told when it begins, not each time that it is found to last"
    );
}

#[tokio::test(start_paused = true)]
async fn a_pause_beyond_all_time_ends_with_the_pool() {
    let (source, script) = RecordingSource::builder().fail(away()).items([1]).build();
    let pool = Pool::builder()
        .workers(1)
        .source(source)
        .return_backoff(Backoff::new(Duration::MAX, Duration::MAX))
        .handler(|_: u32| async {})
        .start()
        .unwrap();
    let report = pool.shutdown(Duration::from_secs(5)).await;
    assert!(matches!(report.ended_by, EndedBy::Deadline), "{report}");
    assert_eq!((report.taken, script.record().demands.len()), (0, 1));
}

/// It cannot hand out anything, and can perhaps make durable what was settled: who ends does not wait for that, and asks.
#[tokio::test(start_paused = true)]
async fn what_was_settled_in_an_outage_is_confirmed_at_the_end() {
    let hour = Duration::from_secs(3600);
    let (source, script) = RecordingSource::builder().items([1]).fail(away()).items([2]).redelivers().build();
    let pool = Pool::builder()
        .workers(2)
        .source(source)
        .return_backoff(Backoff::new(hour, hour))
        .handler(|_: u32| tokio::time::sleep(Duration::from_secs(1)))
        .start()
        .unwrap();
    tokio::time::sleep(Duration::from_millis(1)).await;
    let report = pool.shutdown(Duration::from_secs(5)).await;
    assert!(matches!(report.ended_by, EndedBy::Deadline), "{report}");
    assert_eq!((report.completed, script.remaining()), (1, 1), "{report}");
    assert_eq!((report.settled, report.maybe_redelivered), (true, 0), "{report}");
}

/// An error that cannot be dropped must not cost the supervisor its life.
#[tokio::test(start_paused = true)]
async fn a_source_whose_error_panics_when_dropped_is_unavailable_like_any_other() {
    #[derive(Debug)]
    struct Undroppable;
    impl std::fmt::Display for Undroppable {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("undroppable")
        }
    }
    impl std::error::Error for Undroppable {}
    impl Drop for Undroppable {
        fn drop(&mut self) {
            panic!("dropped")
        }
    }

    let (source, _script) = RecordingSource::builder()
        .items([1])
        .fail(SourceError::Unavailable(Undroppable.into()))
        .items([2])
        .build();
    let pool = Pool::builder().workers(1).source(source).handler(|_: u32| async {}).start().unwrap();
    let report = pool.finish().await;
    assert!(matches!(report.ended_by, EndedBy::Source), "{report}");
    assert_eq!(report.completed, 2);
}

/// Nor must one that cannot be shown.
#[tokio::test]
async fn a_source_whose_error_panics_when_shown_is_broken_like_any_other() {
    #[derive(Debug)]
    struct Unspeakable;
    impl std::fmt::Display for Unspeakable {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic!("unspeakable")
        }
    }
    impl std::error::Error for Unspeakable {}

    let events = Events::keep();
    let (source, _script) =
        RecordingSource::builder().items([1]).fail(SourceError::Broken(Unspeakable.into())).build();
    let pool = Pool::builder().workers(1).source(source).handler(|_: u32| async {}).start().unwrap();
    let report = pool.finish().await;
    assert!(matches!(report.ended_by, EndedBy::Broken(_)));
    assert_eq!(report.completed, 1);
    assert_eq!(
        events.at(Level::ERROR),
        [
            "source is broken; nothing more is taken from it error=error that panics when it is shown: unspeakable"
        ]
    );
}

#[tokio::test]
async fn a_broken_source_ends_the_pool_after_what_is_in_hand() {
    let (source, _script) = RecordingSource::builder()
        .items([1, 2])
        .fail(SourceError::Broken("disk gone".into()))
        .items([3])
        .build();
    let pool = Pool::builder()
        .workers(4)
        .source(source)
        .handler(|_| async { tokio::task::yield_now().await })
        .start()
        .unwrap();
    let report = pool.finish().await;
    assert_eq!(report.completed, 2);
    let EndedBy::Broken(error) = &report.ended_by else { panic!("{report:?}") };
    assert!(matches!(&**error, SourceError::Broken(_)));
    assert_eq!(report.to_string(), "source is broken: took 2, completed 2; not all settlements confirmed");
}

/// A source that does what a test's function says.
struct Odd<F>(F);

impl<F> Source for Odd<F>
where
    F: FnMut(&mut Vec<Delivery<u8>>) -> Poll<Result<usize, SourceError>> + Send + 'static,
{
    type Item = u8;

    fn poll_next(
        &mut self,
        _: &mut Context<'_>,
        _: NonZeroUsize,
        out: &mut Vec<Delivery<u8>>,
    ) -> Poll<Result<usize, SourceError>> {
        (self.0)(out)
    }

    fn poll_settled(&mut self, _: &mut Context<'_>) -> Poll<Result<(), SourceError>> {
        Poll::Ready(Ok(()))
    }

    fn close(&mut self) {
        panic!("not even this works");
    }

    fn redelivers(&self) -> bool {
        false
    }
}

#[tokio::test]
async fn a_source_that_panics_is_broken() {
    let _events = Events::keep();
    let source = Odd(|_: &mut Vec<_>| panic!("index out of range"));
    let pool = Pool::builder().workers(2).source(source).handler(|_| async {}).start().unwrap();
    let report = pool.finish().await;
    let EndedBy::Broken(error) = &report.ended_by else { panic!("{report:?}") };
    let cause = std::error::Error::source(&**error).unwrap();
    assert_eq!(cause.to_string(), "it panicked: index out of range");

    let source = Odd(|_: &mut Vec<_>| Poll::Pending);
    let pool = Pool::builder().workers(2).source(source).handler(|_| async {}).start().unwrap();
    let report = pool.shutdown(Duration::from_secs(1)).await;
    assert!(matches!(report.ended_by, EndedBy::Broken(_)));
}

/// What it handed out before it panicked goes back, and is not lost in between.
#[tokio::test]
async fn a_source_that_panics_halfway_loses_nothing() {
    let _events = Events::keep();
    let (mut recording, script) = RecordingSource::new(0..3);
    let source = Odd(move |out: &mut Vec<_>| {
        let cx = &mut Context::from_waker(std::task::Waker::noop());
        let polled = recording.poll_next(cx, NonZeroUsize::MIN, out);
        assert!(polled.is_pending(), "halfway");
        polled
    });
    let pool = Pool::builder().workers(2).source(source).handler(|_| async {}).start().unwrap();
    let report = pool.finish().await;
    assert!(matches!(report.ended_by, EndedBy::Broken(_)));
    assert_eq!((script.outstanding(), script.remaining()), (0, 3));
}

#[tokio::test]
async fn a_source_that_breaks_has_not_confirmed_what_comes_after() {
    let (source, script) =
        RecordingSource::builder().items([1]).fail(SourceError::Broken("disk gone".into())).build();
    let pool = Pool::builder()
        .workers(2)
        .source(source)
        .handler(|_| async { tokio::task::yield_now().await })
        .start()
        .unwrap();
    let report = pool.finish().await;
    assert_eq!((report.completed, script.outstanding()), (1, 0));
    assert!(!report.settled);
}

#[tokio::test]
async fn a_source_that_says_it_handed_out_what_it_did_not_is_broken() {
    let source = Odd(|_: &mut Vec<_>| Poll::Ready(Ok(1)));
    let pool = Pool::builder().workers(2).source(source).handler(|_| async {}).start().unwrap();
    assert!(matches!(pool.finish().await.ended_by, EndedBy::Broken(_)));
}

#[tokio::test]
async fn what_a_source_hands_out_unasked_goes_back() {
    let events = Events::keep();
    let (recording, script) = RecordingSource::new(0..5);
    let mut recording = Some(recording);
    let ten = NonZeroUsize::new(10).unwrap();
    let source = Odd(move |out: &mut Vec<_>| {
        let cx = &mut Context::from_waker(std::task::Waker::noop());
        match recording.take() {
            Some(mut recording) => recording.poll_next(cx, ten, out),
            None => Poll::Ready(Ok(0)),
        }
    });
    let pool = Pool::builder().workers(2).source(source).handler(|_| async {}).start().unwrap();
    let report = pool.finish().await;
    let handled = usize::try_from(report.completed).unwrap();
    assert!((1..=2).contains(&handled), "at most as many as workers, but {handled}");
    assert_eq!((script.outstanding(), script.remaining()), (0, 5 - handled));
    assert_eq!(events.at(Level::ERROR).len(), 1);
}
