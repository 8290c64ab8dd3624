use std::sync::{Arc, OnceLock, mpsc};
use std::time::Duration;

use forebay_pool::{Builder, EndedBy, FromSource, Handled, Pool, Report};
use forebay_queue::{Pressure, builder};
use forebay_testkit::Driver;

type Described = Builder<FromSource<u32>, Handled<u32>>;

fn with_hook(hook: impl Fn(&Pool<u32>) + Send + Sync + 'static) -> (Report, bool) {
    with_options(|pool| pool, hook)
}

/// Runs `hook` with the pool each time that the queue's pressure falls, which is inside a poll of the pool's.
/// Returns the report, and whether the queue was closed when all was done.
///
/// On a thread of its own, since what is tested here would not fail but hang.
fn with_options(
    options: impl FnOnce(Described) -> Described + Send + 'static,
    hook: impl Fn(&Pool<u32>) + Send + Sync + 'static,
) -> (Report, bool) {
    let (done, is_done) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async move {
            let pool: Arc<OnceLock<Pool<u32>>> = Arc::default();
            let hooked = Arc::downgrade(&pool);
            let (tx, rx) = builder()
                .capacity(4)
                .on_pressure(move |pressure| {
                    if pressure == Pressure::Normal {
                        hook(hooked.upgrade().unwrap().get().unwrap());
                    }
                })
                .build();
            let described = options(Pool::builder().workers(1).source(rx).handler(|_| async {}));
            assert!(pool.set(described.start().unwrap()).is_ok());
            while pool.get().unwrap().stats().idle == 0 {
                tokio::task::yield_now().await;
            }
            tx.send_many(&mut vec![1, 2, 3, 4]).await.unwrap();
            while let stats = pool.get().unwrap().stats()
                && stats.completed + stats.dead_lettered < 4
            {
                tokio::task::yield_now().await;
            }
            let closed = tx.is_closed();
            drop(tx);
            let pool = Arc::into_inner(pool).unwrap().into_inner().unwrap();
            done.send((pool.finish().await, closed)).unwrap();
        });
    });
    is_done.recv_timeout(Duration::from_secs(10)).expect("the pool stands still")
}

#[test]
fn a_hook_may_ask_for_the_counters_and_show_the_pool() {
    let (report, closed) = with_hook(|pool| {
        let stats = pool.stats();
        assert!(stats.adds_up() && stats.busy + stats.idle <= stats.workers, "{stats:?}");
        assert!(format!("{pool:?}").contains("Open"));
    });
    assert_eq!((report.completed, closed), (4, false));
    assert!(matches!(report.ended_by, EndedBy::Source), "{report}");
}

#[test]
fn a_hook_may_close_the_pool() {
    let (report, closed) = with_hook(|pool| pool.close());
    assert_eq!((report.completed, closed), (4, true), "what was accepted is done");
    assert!(matches!(report.ended_by, EndedBy::Shutdown), "{report}");
}

/// What it cancels is found wherever the poll has put it: in a worker's hands, or where it waits for one.
#[test]
fn a_hook_may_cancel_by_key() {
    let (report, _) = with_options(
        |pool| pool.prefetch(10).key(|number| *number),
        |pool| assert_eq!((pool.cancel(&1_u32), pool.cancel(&3_u32)), (0, 0), "it is done after the poll"),
    );
    assert_eq!((report.cancelled, report.dead_lettered, report.completed), (2, 2, 2), "{report}");
}

#[test]
fn a_hook_may_look_whether_the_pool_is_idle() {
    let (report, _) = with_hook(|pool| Driver::new(pool.idle()).assert_pending());
    assert_eq!(report.completed, 4);
}
