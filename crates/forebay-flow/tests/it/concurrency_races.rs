//! Many threads: no permit too many, no wake-up and no sample lost. A lost wake-up is a test that never ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use forebay_flow::layer::ConcurrencyLimitLayer;
use forebay_flow::{CallEnd, Fixed, Limit, Sample, Tick};
use tokio::task::JoinSet;
use tower::{Layer, Service, ServiceExt, service_fn};

const TASKS: usize = 8;
const CALLS: usize = 2_000;

/// How many are inside, and how many there were at the most.
#[derive(Default)]
struct Inside {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Inside {
    async fn visit(&self, turns: usize) {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        // A visit may be cut short.
        let _leave = Leave(&self.now);
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
    }
}

struct Leave<'a>(&'a AtomicUsize);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Counts what it hears of, and moves between 1 and 4.
struct Wobbly {
    heard: usize,
    seats: usize,
}

impl Limit for Wobbly {
    fn seats(&self) -> usize {
        self.seats
    }

    fn update(&mut self, sample: &Sample, _: Tick) {
        assert_eq!(sample.end, CallEnd::Success);
        self.heard += 1;
        self.seats = self.heard % 4 + 1;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn never_more_than_the_limit_and_everybody_is_served() {
    for queued in [false, true] {
        let inside = Arc::new(Inside::default());
        let layer = ConcurrencyLimitLayer::new(Fixed(3));
        let handle = layer.handle();
        let visited = inside.clone();
        let work = service_fn(move |turns: usize| {
            let inside = visited.clone();
            async move {
                inside.visit(turns).await;
                Ok::<_, std::convert::Infallible>(())
            }
        });
        let mut tasks = JoinSet::new();
        for task in 0..TASKS {
            if queued {
                tasks.spawn(calls(layer.clone().queued().layer(work.clone()), task));
            } else {
                tasks.spawn(calls(layer.layer(work.clone()), task));
            }
        }
        tasks.join_all().await;
        let most = inside.most.load(Ordering::SeqCst);
        assert!(most <= 3, "{most} were inside at once");
        let stats = handle.stats();
        assert_eq!((stats.in_use, stats.waiting), (0, 0));
        if !queued {
            assert_eq!(stats.admitted as usize, TASKS * CALLS);
        }
    }
}

/// Calls, some of which end early; in the reserve mode all of them are admitted before.
async fn calls<S: Service<usize>>(mut service: S, task: usize) {
    for call in 0..CALLS {
        let Ok(ready) = service.ready().await else { panic!("it is open") };
        let response = ready.call((task + call) % 3);
        if (task + call).is_multiple_of(7) {
            let mut response = Box::pin(response);
            poll_once(response.as_mut()).await;
        } else {
            assert!(response.await.is_ok());
        }
    }
}

/// Polls once, whatever comes of it.
async fn poll_once<F: Future + Unpin>(mut future: F) {
    std::future::poll_fn(|cx| {
        let _ = std::pin::Pin::new(&mut future).poll(cx);
        std::task::Poll::Ready(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_sample_is_lost_however_many_end_at_once() {
    let layer = ConcurrencyLimitLayer::new(Wobbly { heard: 0, seats: 1 }).max_waiting(usize::MAX).queued();
    let handle = layer.handle();
    let work = layer.layer(service_fn(async |_: usize| {
        tokio::task::yield_now().await;
        Ok::<_, std::convert::Infallible>(())
    }));
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let work = work.clone();
        tasks.spawn(async move {
            for call in 0..CALLS {
                work.clone().oneshot(call).await.expect("nobody refuses");
            }
        });
    }
    tasks.join_all().await;
    assert_eq!(handle.look(|policy| policy.heard), TASKS * CALLS);
    assert_eq!(handle.in_use(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_gives_up_races_with_who_is_served_and_no_permit_leaks() {
    // Whoever has no permit by its first look gives up then: that look races with the others' ends.
    let layer = ConcurrencyLimitLayer::new(Fixed(2)).max_wait(Duration::ZERO).queued();
    let handle = layer.handle();
    let inside = Arc::new(Inside::default());
    let visited = inside.clone();
    let work = layer.layer(service_fn(move |turns: usize| {
        let inside = visited.clone();
        async move {
            inside.visit(turns).await;
            Ok::<_, std::convert::Infallible>(())
        }
    }));
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let mut work = work.clone();
        tasks.spawn(async move {
            for call in 0..CALLS {
                // It has its place in the line before others go on, and looks after that.
                let response = work.call((task + call) % 3);
                tokio::task::yield_now().await;
                let _ = response.await;
            }
        });
    }
    tasks.join_all().await;
    let (stats, most) = (handle.stats(), inside.most.load(Ordering::SeqCst));
    assert_eq!((stats.in_use, stats.waiting), (0, 0));
    assert!(stats.admitted > 0 && stats.timed_out > 0 && most <= 2, "{stats:?}, {most} at once");
    assert_eq!(stats.admitted + stats.timed_out, (TASKS * CALLS) as u64);
}
