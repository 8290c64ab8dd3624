//! The scenario: producers hand out numbers, workers of a runtime with two threads spend some time on each.
//!
//! Every contender keeps at most `workers` items in work, and is done when all are. One is the work alone, with nothing
//! handed out.

mod alone;
mod async_channel;
mod buffer_unordered;
mod forebay;
mod join_set;
mod keys;
mod queue_loop;
mod ractor;
mod rayon;
mod spawn;
mod timers;

use std::future::Future;
use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;

pub(crate) use keys::KeyedLoad;
pub(crate) use timers::TimerLoad;

/// As many as the machines have that the published numbers come from.
const THREADS: usize = 2;

/// Places of each queue between producers and workers, where there is one.
const CAPACITY: usize = 1024;

/// Every contender, ours first.
pub(crate) const CONTENDERS: [Contender; 9] = [
    forebay::CONTENDER,
    queue_loop::CONTENDER,
    async_channel::CONTENDER,
    spawn::CONTENDER,
    join_set::CONTENDER,
    buffer_unordered::CONTENDER,
    ractor::CONTENDER,
    rayon::CONTENDER,
    alone::CONTENDER,
];

/// One way to have work done.
#[derive(Debug, Serialize)]
pub(crate) struct Contender {
    name: &'static str,
    /// The crate it comes from, for its version.
    package: &'static str,
    /// Whether it starts a task for each item.
    task_per_item: bool,
    /// Whether more than one producer can share it.
    many_producers: bool,
    /// Whether work may wait, rather than compute.
    sleeps: bool,
    #[serde(skip)]
    measure: fn(&Load) -> Measured,
}

/// A fixed amount of work.
#[derive(Debug, clap::Args)]
pub(crate) struct Load {
    /// The contender, as `pool-contenders` names it.
    #[arg(long, value_parser = contender)]
    contender: &'static Contender,
    /// What each item takes: `none`, `spin:1us`, `sleep:10ms`.
    #[arg(long)]
    work: Work,
    /// Most items that are in work at once.
    #[arg(long)]
    workers: usize,
    /// Tasks that hand out items.
    #[arg(long)]
    producers: usize,
    /// Items in all; each producer hands out its share.
    #[arg(long)]
    items: usize,
}

/// What a run took.
#[derive(Debug, Serialize)]
pub(crate) struct Measured {
    items: usize,
    seconds: f64,
}

/// What one item takes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Work {
    None,
    /// The processor, for so long.
    Spin(Duration),
    /// No processor, for so long.
    Sleep(Duration),
}

/// A type of its own, so that what `queue` measures is compiled for that alone, as in a program that has one queue.
struct Item(#[expect(dead_code, reason = "nobody looks into it")] usize);

/// Counts what was worked on, so that nobody gains by leaving out. Free to copy: where a contender needs it for each
/// item, that is not to be measured.
#[derive(Debug, Clone, Copy)]
struct Done(&'static AtomicUsize);

// === impl Load ===

impl Load {
    pub(crate) fn measure(&self) -> Measured {
        let Contender { name, many_producers, sleeps, .. } = self.contender;
        assert!(*many_producers || self.producers == 1, "{name} has one producer");
        assert!(*sleeps || !matches!(self.work, Work::Sleep(_)), "{name} computes");
        (self.contender.measure)(self)
    }

    /// From before `drive` until all items are done.
    ///
    /// # Panics
    ///
    /// If an item was not worked on: such a contender has no time.
    fn drive(&self, drive: impl AsyncFnOnce(Done)) -> Measured {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_time().build();
        let done = Done::new();
        let items = self.share() * self.producers;
        let seconds = runtime.expect("threads can be started").block_on(async {
            let start = Instant::now();
            drive(done).await;
            start.elapsed().as_secs_f64()
        });
        assert_eq!(done.count(), items, "{} left items out", self.contender.name);
        Measured { items, seconds }
    }

    /// What one producer hands out.
    fn share(&self) -> usize {
        self.items / self.producers
    }

    /// Runs the producers as tasks, each with a clone of `to`, until they have handed out everything.
    async fn produce<H, F>(&self, to: H, put: impl Fn(H, usize) -> F)
    where
        H: Clone + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let tasks: Vec<_> =
            (0..self.producers).map(|_| tokio::spawn(put(to.clone(), self.share()))).collect();
        drop(to);
        for task in tasks {
            task.await.expect("producers do not panic");
        }
    }
}

// === impl Work ===

impl Work {
    async fn run(self, done: Done) {
        match self {
            Self::Sleep(time) => {
                tokio::time::sleep(time).await;
                done.one();
            }
            computing => computing.compute(done),
        }
    }

    fn compute(self, done: Done) {
        if let Self::Spin(time) = self {
            let start = Instant::now();
            while start.elapsed() < time {
                std::hint::spin_loop();
            }
        }
        done.one();
    }
}

impl FromStr for Work {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let wrong = || format!("`{word}` is no work: none, spin:1us, sleep:10ms");
        let time = |text: &str| {
            let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
            let number = number.parse().ok()?;
            match unit {
                "us" => Some(Duration::from_micros(number)),
                "ms" => Some(Duration::from_millis(number)),
                _ => None,
            }
        };
        match word.split_once(':') {
            None if word == "none" => Ok(Self::None),
            Some(("spin", text)) => time(text).map(Self::Spin).ok_or_else(wrong),
            Some(("sleep", text)) => time(text).map(Self::Sleep).ok_or_else(wrong),
            _ => Err(wrong()),
        }
    }
}

// === impl Done ===

impl Done {
    /// Never freed: a process measures one run.
    fn new() -> Self {
        Self(Box::leak(Box::default()))
    }

    fn one(self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn count(self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

fn contender(name: &str) -> Result<&'static Contender, String> {
    CONTENDERS.iter().find(|contender| contender.name == name).ok_or_else(|| {
        let known: Vec<_> = CONTENDERS.iter().map(|contender| contender.name).collect();
        format!("there are: {}", known.join(", "))
    })
}
