use std::future::pending;
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use forebay_pool::layer::{PoolError, PoolLayer};
use forebay_pool::{Builder, EndedBy, FromSource, Handled, Pool, Report};
use forebay_queue::{Pressure, builder};
use forebay_testkit::Driver;
use tower::{Service, service_fn};

type Described = Builder<FromSource<u32>, Handled<u32>>;

/// On a thread of its own, since what is tested here would not fail but hang.
fn on_a_thread<F: Future<Output: Send + 'static>>(test: impl FnOnce() -> F + Send + 'static) -> F::Output {
    let (done, is_done) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        done.send(runtime.block_on(test())).unwrap();
    });
    is_done.recv_timeout(Duration::from_secs(10)).expect("it stands still")
}

/// Where the worker takes the items itself, and where they are taken for it: then the pool's lock is held meanwhile.
fn with_hook(hook: impl Fn(&Pool<u32>) + Clone + Send + Sync + 'static) -> [(Report, bool); 2] {
    [with_options(|pool| pool, hook.clone()), with_options(|pool| pool.prefetch(10), hook)]
}

/// Runs `hook` with the pool each time that the queue's pressure falls, which is inside a poll of the pool's.
/// Returns the report, and whether the queue was closed when all was done.
fn with_options(
    options: impl FnOnce(Described) -> Described + Send + 'static,
    hook: impl Fn(&Pool<u32>) + Send + Sync + 'static,
) -> (Report, bool) {
    on_a_thread(async move || {
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
        (pool.finish().await, closed)
    })
}

#[test]
fn a_hook_may_ask_for_the_counters_and_show_the_pool() {
    let ends = with_hook(|pool| {
        let stats = pool.stats();
        assert!(stats.adds_up() && stats.busy + stats.idle <= stats.workers, "{stats:?}");
        assert!(format!("{pool:?}").contains("Open"));
    });
    for (report, closed) in ends {
        assert_eq!((report.completed, closed), (4, false));
        assert!(matches!(report.ended_by, EndedBy::Source), "{report}");
    }
}

#[test]
fn a_hook_may_close_the_pool() {
    for (report, closed) in with_hook(|pool| pool.close()) {
        assert_eq!((report.completed, closed), (4, true), "what was accepted is done");
        assert!(matches!(report.ended_by, EndedBy::Shutdown), "{report}");
    }
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
    for (report, _) in with_hook(|pool| Driver::new(pool.idle()).assert_pending()) {
        assert_eq!(report.completed, 4);
    }
}

/// A waker that drops something, as that of a task does that was the last to know of others.
struct Drops<T>(Mutex<Option<T>>);

impl<T: Send> Wake for Drops<T> {
    fn wake(self: Arc<Self>) {
        let dropped = self.0.lock().unwrap().take();
        drop(dropped);
    }
}

/// The line is polled while a call's waker or the hook runs. Who leaves it then is begun with, and aborted; who is still
/// in it has the request back.
#[test]
fn a_waker_or_a_hook_may_drop_who_drives_a_service() {
    for by_hook in [false, true] {
        let all_told = on_a_thread(async move || {
            let drops = Arc::new(Drops(Mutex::new(None)));
            let hooked = Arc::clone(&drops);
            let layer = PoolLayer::new(2, 10).on_wait(move |_| {
                if by_hook {
                    Arc::clone(&hooked).wake();
                }
            });
            let hangs = service_fn(async |_: u32| pending::<Result<(), String>>().await);
            let (mut service, worker) = layer.pair(hangs).unwrap();
            let mut calls = [0, 1].map(|n| Box::pin(service.call(n)));
            let waker = if by_hook { Waker::noop().clone() } else { Waker::from(Arc::clone(&drops)) };
            for call in &mut calls {
                assert!(call.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            }
            *drops.0.lock().unwrap() = Some(worker);
            let [first, second] = calls;
            let back = matches!(second.await, Err(PoolError::Closed(Some(1))));
            let aborted = matches!(first.await, Err(PoolError::Aborted));
            aborted && back && service.is_closed()
        });
        assert!(all_told, "{by_hook}");
    }
}
