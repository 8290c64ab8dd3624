//! Pools that take from one queue, some of which can begin nothing: none of them keeps an item from the others, or waits
//! for an end that has come.

use std::future::{Ready, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use forebay_pool::{Pool, Report, WorkerId};
use forebay_queue::{Receiver, bounded};
use proptest::prelude::*;
use tokio::time::{Sleep, sleep, timeout};
use tower_service::Service;

const SECOND: Duration = Duration::from_secs(1);

/// Is ready now and then, fails at times when it is asked, or is never ready.
struct Moody {
    never: bool,
    /// How often services like this one were asked.
    asked: Arc<AtomicU32>,
    rests: Option<Pin<Box<Sleep>>>,
}

impl Service<u32> for Moody {
    type Response = ();
    type Error = &'static str;
    type Future = Ready<Result<(), &'static str>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
        if self.never {
            return Poll::Pending;
        }
        let mut rests = match self.rests.take() {
            Some(rests) => rests,
            None => {
                let n = self.asked.fetch_add(1, Ordering::Relaxed);
                match n % 5 {
                    1 => return Poll::Ready(Err("it failed")),
                    3 => panic!("it panicked"),
                    _ => Box::pin(sleep(SECOND * (n % 3))),
                }
            }
        };
        if rests.as_mut().poll(cx).is_pending() {
            self.rests = Some(rests);
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: u32) -> Self::Future {
        ready(Ok(()))
    }
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    /// Does what it gets.
    Works,
    Moody,
    NeverReady,
    NeverBuilt,
}

#[derive(Debug, Clone, Copy)]
struct Plan {
    kind: Kind,
    workers: usize,
    /// The workers take nothing themselves.
    copies: bool,
    /// Nor is their work like that of others.
    timed: bool,
    resize: usize,
    /// When it is paused for a while, in seconds.
    pauses: Option<u64>,
}

prop_compose! {
    fn plan()(
        kind in prop_oneof![Just(Kind::Works), Just(Kind::Moody), Just(Kind::NeverReady), Just(Kind::NeverBuilt)],
        workers in 1..4_usize,
        copies: bool,
        timed: bool,
        resize in 1..4_usize,
        pauses in prop::option::of(0..5_u64),
    ) -> Plan {
        Plan { kind, workers, copies, timed, resize, pauses }
    }
}

fn start(plan: Plan, rx: Receiver<u32>) -> Pool<u32> {
    let builder = Pool::builder().workers(plan.workers).source(rx);
    let builder = if plan.timed { builder.timeout(600 * SECOND) } else { builder };
    let asked = Arc::<AtomicU32>::default();
    let never = matches!(plan.kind, Kind::NeverReady);
    match plan.kind {
        Kind::Works => {
            let builder =
                builder.handler(|item: u32| sleep(Duration::from_millis(u64::from(item % 4) * 300)));
            if plan.copies { builder.keep_copies().start() } else { builder.start() }
        }
        Kind::Moody | Kind::NeverReady => {
            let new = move |_: WorkerId| Moody { never, asked: Arc::clone(&asked), rests: None };
            let builder = builder.service_per_worker(new);
            if plan.copies { builder.keep_copies().start() } else { builder.start() }
        }
        Kind::NeverBuilt => {
            let new = |_: WorkerId| -> fn(u32) -> Ready<()> { panic!("it panicked") };
            let builder = builder.handler_per_worker(new);
            if plan.copies { builder.keep_copies().start() } else { builder.start() }
        }
    }
    .unwrap()
}

async fn all_end(plans: Vec<Plan>, items: Vec<(u16, bool)>) {
    let (tx, rx) = bounded(3);
    let mut pools = Vec::new();
    for plan in plans {
        let pool = start(plan, rx.clone());
        pools.push(tokio::spawn(async move {
            if let Some(at) = plan.pauses {
                sleep(SECOND * u32::try_from(at).unwrap()).await;
                pool.pause();
                pool.resize(plan.resize);
                sleep(SECOND).await;
                pool.resume();
            }
            pool.closed().await;
            pool.finish().await
        }));
    }
    let count = items.len() as u64;
    for (n, (after, mortal)) in items.into_iter().enumerate() {
        sleep(Duration::from_millis(after.into())).await;
        let item = tx.item(n as u32);
        let item = if mortal { item.ttl(SECOND) } else { item };
        assert!(item.send().await.is_ok());
    }
    drop(tx);
    let mut reports: Vec<Report> = Vec::new();
    for pool in pools {
        reports.push(timeout(600 * SECOND, pool).await.expect("nobody waits for ever").unwrap());
    }
    assert!(reports.iter().all(|report| report.adds_up() && report.failed == 0), "{reports:?}");
    let done: u64 = reports.iter().map(|report| report.completed).sum();
    let stats = rx.stats();
    assert_eq!((stats.completed, stats.completed + stats.expired), (done, count), "{stats:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn all_pools_end_whatever_the_others_can_do(
        mut plans in prop::collection::vec(plan(), 1..5),
        able in plan(),
        first: bool,
        items in prop::collection::vec((0..700_u16, any::<bool>()), 0..20),
    ) {
        std::panic::set_hook(Box::new(|info| {
            if info.payload().downcast_ref::<&str>() != Some(&"it panicked") {
                eprintln!("{info}");
            }
        }));
        let able = Plan { kind: if able.copies { Kind::Works } else { Kind::Moody }, ..able };
        plans.insert(if first { 0 } else { plans.len() }, able);
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap()
            .block_on(all_end(plans, items));
    }
}
