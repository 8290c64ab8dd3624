use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use forebay_pool::{Builder, FromQueue, Handled, OnFailure, Pool, Rate, Report, Retry, StartError};
use forebay_queue::Sender;
use forebay_testkit::RecordingSource;

#[test]
fn needs_a_runtime() {
    let error = Pool::builder().queue(1).handler(|_: u8| async {}).start().unwrap_err();
    assert_eq!(error, StartError::NoRuntime);
    assert_eq!(
        error.to_string(),
        "a pool must be started within a tokio runtime: call `start` from async code, or enter the runtime first"
    );
}

#[test]
fn needs_timers() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let _entered = runtime.enter();
    let error = Pool::builder().queue(1).handler(|_: u8| async {}).start().unwrap_err();
    assert_eq!(error, StartError::NoTime);
    assert_eq!(
        error.to_string(),
        "a pool needs timers, and the runtime it was started on has none: \
         build the runtime with `enable_time` or `enable_all`"
    );
}

#[tokio::test]
async fn needs_a_worker_and_an_attempt() {
    let builder = || Pool::builder().queue(1).handler(|_: u8| async {});
    assert_eq!(builder().workers(0).start().unwrap_err(), StartError::NoWorkers);
    assert_eq!(builder().max_attempts(0).start().unwrap_err(), StartError::NoAttempts);
}

#[tokio::test]
async fn needs_the_item_for_what_is_done_with_it() {
    let builder =
        |policy| Pool::builder().on_failure(policy).queue(1).handler(|_: u8| async { Err::<(), _>("no") });
    let error = builder(OnFailure::Retry(Retry::default())).start().unwrap_err();
    assert_eq!(error, StartError::CannotRetry { policy: "Retry" });
    assert_eq!(
        error.to_string(),
        "OnFailure::Retry needs the item after its handler failed: \
         use `keep_copies`, or a handler that takes the delivery"
    );
    assert_eq!(builder(OnFailure::Return).start().unwrap_err(), StartError::CannotRetry { policy: "Return" });
    assert!(builder(OnFailure::Fail).start().is_ok());
    assert!(builder(OnFailure::Return).keep_copies().start().is_ok());

    // A source that redelivers has a copy, but not in the worker's hands.
    let redelivering = |policy| {
        let (source, _script) = RecordingSource::<u8>::builder().redelivers().build();
        Pool::builder().on_failure(policy).source(source).handler(|_| async {}).start()
    };
    assert!(redelivering(OnFailure::Return).is_ok());
    assert!(redelivering(OnFailure::Retry(Retry::default())).is_err());
}

#[tokio::test]
async fn needs_a_key_for_bounds_of_keys() {
    let builder = || Pool::builder().queue(1).handler(|_: u8| async {});
    assert_eq!(builder().per_key(1).start().unwrap_err(), StartError::NoKey);
    let rate = Rate::new(1, std::time::Duration::from_secs(1));
    assert_eq!(builder().rate_per_key(rate).start().unwrap_err(), StartError::NoKey);
    assert!(builder().per_key(1).key(|item| *item).start().is_ok());
}

#[tokio::test]
async fn has_as_many_workers_as_the_machine_by_default() {
    let pool = Pool::builder().queue(1).handler(|_: u8| async {}).start().unwrap();
    assert_eq!(pool.stats().workers, std::thread::available_parallelism().unwrap().get());
}

/// Options come in any order, and inputs and handlers of any form fit each other.
#[tokio::test]
async fn every_form_starts() {
    let (boxed, _script) = RecordingSource::<u8>::new([]);
    let boxed: Box<dyn forebay_queue::Source<Item = u8>> = Box::new(boxed);
    let report =
        Pool::builder().source(boxed).workers(1).handler(|_| async {}).start().unwrap().finish().await;
    assert!(report.adds_up());

    let (source, _script) = RecordingSource::new(["a"]);
    let state = Arc::new(Mutex::new(Vec::new()));
    Pool::builder()
        .source(source)
        .handler_with(Arc::clone(&state), |state, item| async move {
            state.lock().unwrap().push(item);
            Ok::<(), Infallible>(())
        })
        .start()
        .unwrap()
        .finish()
        .await;
    assert_eq!(*state.lock().unwrap(), ["a"]);
}

fn is_send_and_sync<T: Send + Sync>() {}

#[test]
fn handles_and_reports_are_send_and_sync() {
    is_send_and_sync::<Pool<u8>>();
    is_send_and_sync::<Pool<u8, Sender<u8>>>();
    is_send_and_sync::<Report>();
    // What a handle holds need not be `Sync` for the handle to be: items are only ever sent.
    is_send_and_sync::<Pool<std::cell::Cell<u8>>>();
    fn is_send<T: Send>() {}
    is_send::<Builder<FromQueue<u8>, Handled<u8>>>();
}
