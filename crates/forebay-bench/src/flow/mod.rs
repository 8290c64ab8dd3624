//! The scenario: tasks that ask whether they may, are let, and say that they are done; one alone, or some on two threads.
//!
//! There is always room, so what is measured is the price of asking. Every contender goes through the same loop and
//! brings no more than one such turn.

mod forebay;
mod governor;
mod none;
mod tokio_semaphore;
mod tower_limit;
mod tower_resilience;

use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tower::{Service, ServiceExt};

/// As many as the machines have that the published numbers come from.
const THREADS: usize = 2;

/// Room for all: nobody is ever refused.
const PERMITS: usize = 1 << 20;

/// Every contender: what there is without any, then limits for calls at once, rates, and the rest.
pub(crate) const CONTENDERS: [Contender; 21] = [
    none::CONTENDER,
    forebay::CONCURRENCY,
    forebay::CONCURRENCY_QUEUED,
    forebay::AIMD,
    forebay::PERMIT,
    tokio_semaphore::ACQUIRE,
    tokio_semaphore::TRY,
    tower_limit::CONCURRENCY,
    tower_resilience::BULKHEAD,
    tower_resilience::BULKHEAD_QUEUED,
    tower_resilience::AIMD,
    forebay::BUCKET,
    forebay::RATE,
    forebay::RATE_EACH,
    forebay::RATE_QUEUED,
    governor::CONTENDER,
    tower_limit::RATE,
    tower_resilience::RATE,
    forebay::ADAPTIVE_RATE,
    forebay::BACKPRESSURE,
    forebay::SHED,
];

/// One way to be let.
#[derive(Debug, Serialize)]
pub(crate) struct Contender {
    name: &'static str,
    /// The crate it comes from, for its version.
    package: &'static str,
    /// What it decides about: `permit`, `learnt permit`, `rate`, or something else.
    about: &'static str,
    /// Whether it is a whole call of a service, or the decision alone.
    call: bool,
    /// Whether several tasks can share it.
    shared: bool,
    #[serde(skip)]
    measure: fn(&Load) -> Measured,
}

/// A fixed amount of work.
#[derive(Debug, clap::Args)]
pub(crate) struct Load {
    /// The contender, as `flow-contenders` names it.
    #[arg(long, value_parser = contender)]
    contender: &'static Contender,
    /// Tasks that ask.
    #[arg(long)]
    tasks: usize,
    /// Turns in all; each task takes its share.
    #[arg(long)]
    turns: usize,
}

/// What one run took.
#[derive(Debug, Serialize)]
pub(crate) struct Measured {
    turns: usize,
    /// From when the first task begins until the last one is done.
    seconds: f64,
}

/// One task's way to be let.
trait Turn: Send + 'static {
    fn turn(&mut self, n: u64) -> impl Future<Output = u64> + Send;
}

/// A call of a service.
#[derive(Clone)]
struct Call<S>(S);

/// What all layers are laid around: ready, and done at once.
#[derive(Debug, Clone, Copy)]
struct Immediate;

// === impl Load ===

impl Load {
    pub(crate) fn measure(&self) -> Measured {
        assert!(self.contender.shared || self.tasks == 1, "{} cannot be shared", self.contender.name);
        (self.contender.measure)(self)
    }

    /// Has the tasks take their turns, each with what `make` makes.
    fn drive<T: Turn>(&self, mut make: impl FnMut() -> T) -> Measured {
        let share = (self.turns / self.tasks) as u64;
        // With a second thread that has nothing to do, a task that gives way would pay for waking it.
        let threads = THREADS.min(self.tasks);
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_time().build();
        let spans = runtime.expect("threads can be started").block_on(async {
            let ready = Arc::new(Barrier::new(self.tasks));
            let mut tasks = JoinSet::new();
            for _ in 0..self.tasks {
                let (ready, mut turn) = (ready.clone(), make());
                tasks.spawn(async move {
                    ready.wait().await;
                    let start = Instant::now();
                    let mut sum = 0;
                    for n in 0..share {
                        sum += turn.turn(n).await;
                    }
                    assert_eq!(sum, share * (share.max(1) - 1) / 2, "each turn answers");
                    (start, Instant::now())
                });
            }
            tasks.join_all().await
        });
        let first = spans.iter().map(|(start, _)| *start).min().expect("there are tasks");
        let last = spans.iter().map(|(_, end)| *end).max().expect("there are tasks");
        Measured { turns: share as usize * self.tasks, seconds: (last - first).as_secs_f64() }
    }
}

// === impl Call ===

impl<S> Turn for Call<S>
where
    S: Service<u64, Response = u64, Error: std::fmt::Debug + Send, Future: Send> + Send + 'static,
{
    async fn turn(&mut self, n: u64) -> u64 {
        let ready = self.0.ready().await.expect("it is always open");
        ready.call(n).await.expect("there is always room")
    }
}

// === impl Immediate ===

impl Service<u64> for Immediate {
    type Response = u64;
    type Error = std::convert::Infallible;
    type Future = std::future::Ready<Result<u64, std::convert::Infallible>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), std::convert::Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, n: u64) -> Self::Future {
        std::future::ready(Ok(n))
    }
}

fn contender(name: &str) -> Result<&'static Contender, String> {
    CONTENDERS.iter().find(|contender| contender.name == name).ok_or_else(|| {
        let known: Vec<_> = CONTENDERS.iter().map(|contender| contender.name).collect();
        format!("there are: {}", known.join(", "))
    })
}
