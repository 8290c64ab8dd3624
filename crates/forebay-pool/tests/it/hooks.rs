use std::sync::{Arc, OnceLock, mpsc};
use std::time::Duration;

use forebay_pool::{EndedBy, Pool, Report};
use forebay_queue::{Pressure, builder};

/// Runs `hook` with the pool each time that the queue's pressure falls, which is inside a poll of the pool's.
/// Returns the report, and whether the queue was closed when all was done.
///
/// On a thread of its own, since what is tested here would not fail but hang.
fn with_hook(hook: impl Fn(&Pool<u32>) + Send + Sync + 'static) -> (Report, bool) {
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
            assert!(
                pool.set(Pool::builder().workers(1).source(rx).handler(|_| async {}).start().unwrap())
                    .is_ok()
            );
            tx.send_many(&mut vec![1, 2, 3, 4]).await.unwrap();
            while pool.get().unwrap().stats().completed < 4 {
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
