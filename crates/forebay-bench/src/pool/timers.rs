//! How late a timer is while handlers compute: on threads of their own, on the runtime's, and where nothing computes.

use std::time::{Duration, Instant};

use clap::ValueEnum;
use forebay_pool::Pool;
use serde::Serialize;

/// How long one computation takes.
const COMPUTES: Duration = Duration::from_millis(50);

/// What the timer waits for, again and again.
const TICK: Duration = Duration::from_millis(5);

/// After so long no further timer is begun: beside tasks that compute, each may be seconds late.
const ENOUGH: Duration = Duration::from_secs(5);

/// Timers beside a loaded pool.
#[derive(Debug, clap::Args)]
pub(crate) struct TimerLoad {
    #[arg(long)]
    beside: Beside,
    /// How often the timer is asked to ring, if 5 s are enough for so many.
    #[arg(long)]
    ticks: usize,
}

/// What else happens.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Beside {
    Nothing,
    /// `cpu(2)`.
    Threads,
    /// `workers(2)`, which is what `cpu` is there to avoid.
    Tasks,
}

/// How late it was, in microseconds.
#[derive(Debug, Serialize)]
pub(crate) struct Late {
    median: f64,
    p99: f64,
    max: f64,
}

// === impl TimerLoad ===

impl TimerLoad {
    pub(crate) fn measure(&self) -> Late {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(super::THREADS).enable_time().build();
        let late = runtime.expect("threads can be started").block_on(async {
            let pool = match self.beside {
                Beside::Nothing => None,
                Beside::Threads => Some(Pool::builder().cpu(2)),
                Beside::Tasks => Some(Pool::builder().workers(2)),
            };
            let pool = pool.map(|pool| {
                let computing = async |_: usize| {
                    let start = Instant::now();
                    while start.elapsed() < COMPUTES {
                        std::hint::spin_loop();
                    }
                };
                pool.queue(4).handler(computing).start().expect("a runtime is there")
            });
            let feeding = pool.as_ref().map(|pool| {
                let tx = pool.producer();
                tokio::spawn(async move { while tx.send(0).await.is_ok() {} })
            });
            // Timers are looked at by the runtime's own threads, and so is this task.
            let ticks = self.ticks;
            let late = tokio::spawn(async move {
                let mut late = Vec::with_capacity(ticks);
                let begun = Instant::now();
                while late.len() < ticks && begun.elapsed() < ENOUGH {
                    let due = Instant::now() + TICK;
                    tokio::time::sleep_until(due.into()).await;
                    late.push(due.elapsed());
                }
                late
            });
            let late = late.await.expect("timers do not panic");
            if let Some(feeding) = feeding {
                feeding.abort();
            }
            if let Some(pool) = pool {
                pool.shutdown(Duration::from_secs(1)).await;
            }
            late
        });
        Late::of(late)
    }
}

// === impl Late ===

impl Late {
    fn of(mut late: Vec<Duration>) -> Self {
        late.sort_unstable();
        let at = |share: f64| late[((late.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e6;
        Self { median: at(0.5), p99: at(0.99), max: at(1.0) }
    }
}
