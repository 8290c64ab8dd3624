//! The scenario: as for a queue, but each number has a class or a key, and the queue holds so many all the time.
//!
//! A stream between senders and receivers says little of depth: where the receivers are faster, nothing lies in the queue.
//! So there is a second shape, in which each task puts one and then takes one.

mod async_priority_channel;
mod by_hand;
mod forebay;
mod ractor;
mod tower_buffer;

use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{process, thread};

use serde::Serialize;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::queue::{Part, Rx, THREADS, Tx};

/// Every contender, ours first, and before them our queue without an order.
pub(crate) const CONTENDERS: [Contender; 9] = [
    forebay::FIFO,
    forebay::STRICT,
    forebay::FAIR,
    async_priority_channel::CONTENDER,
    by_hand::HEAP,
    by_hand::ASYNC_HEAP,
    ractor::CONTENDER,
    by_hand::LANES,
    tower_buffer::CONTENDER,
];

/// When a run is given up: its contender hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// One queue that takes part.
#[derive(Debug, Serialize)]
pub(crate) struct Contender {
    name: &'static str,
    /// The crate it comes from, for its version.
    package: &'static str,
    /// It has classes.
    classes: bool,
    /// It serves keys fairly.
    keys: bool,
    /// It has a half that receives. Otherwise it calls, and takes part in streams alone.
    receives: bool,
    /// So much slower than the others that a tenth of the items will do.
    slow: bool,
    #[serde(skip)]
    measure: fn(&Load) -> Measured,
}

/// A fixed amount of work.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Load {
    /// The contender, as `priority-contenders` names it.
    #[arg(long, value_parser = contender)]
    contender: &'static Contender,
    /// How many classes or keys the numbers have.
    #[arg(long)]
    ranks: usize,
    /// They are keys, to be served fairly, and not classes.
    #[arg(long)]
    keys: bool,
    /// As many wait; the bound of the queue.
    #[arg(long)]
    depth: usize,
    #[arg(long, value_enum)]
    shape: Shape,
    /// How many senders and receivers, or tasks that are both.
    #[arg(long)]
    tasks: usize,
    /// Items in all; each sender sends its share.
    #[arg(long)]
    items: usize,
}

/// Who does what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Shape {
    /// So many senders, and as many receivers.
    Stream,
    /// Each task sends one, then receives one.
    Turns,
    /// One sends all, and then receives all: nothing is timed, but the order is looked at.
    Order,
}

/// What one run took.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Measured {
    items: usize,
    seconds: f64,
    /// It was given up.
    hung: bool,
    /// How many came after an equal that was sent later, where the order was looked at.
    out_of_order: usize,
}

// === impl Load ===

impl Load {
    pub(crate) fn measure(&self) -> Measured {
        thread::spawn(|| {
            thread::sleep(PATIENCE);
            let hung = Measured { hung: true, ..Measured::default() };
            println!("{}", serde_json::to_string(&hung).expect("a plain struct"));
            process::exit(0);
        });
        (self.contender.measure)(self)
    }

    /// The class or the key of an item: as good as random, and known without looking anything up.
    fn rank(&self, item: usize) -> usize {
        rank(item, self.ranks)
    }

    /// How many places the queue has: none who puts one before taking one has to wait.
    fn capacity(&self) -> usize {
        match self.shape {
            Shape::Turns => self.depth + self.tasks,
            Shape::Stream | Shape::Order => self.depth,
        }
    }

    /// # Panics
    ///
    /// If an item got lost or came twice: such a contender has no time.
    fn drive<T: Tx + Clone, R: Rx + Clone>(&self, mut tx: T, mut rx: R) -> Measured {
        let runtime = runtime();
        // The queue begins full, so that it is as deep from the first item on.
        let tx = runtime.block_on(runtime.spawn({
            let depth = self.depth;
            async move {
                for item in 0..depth {
                    tx.put(item).await;
                }
                tx
            }
        }));
        let tx = tx.expect("no panic");
        let measured = match self.shape {
            Shape::Order => return runtime.block_on(self.order(tx, rx)),
            Shape::Turns => runtime.block_on(self.turns(&tx, &rx)),
            Shape::Stream => runtime.block_on(self.stream(tx.clone(), rx.clone())),
        };
        let (mut sum, items, seconds) = measured;
        drop(tx);
        runtime.block_on(async {
            while let Some(item) = rx.take().await {
                sum += item;
            }
        });
        let all = self.depth + items;
        assert_eq!(sum, all * (all - 1) / 2, "{} lost or doubled items", self.contender.name);
        Measured { items, seconds, ..Measured::default() }
    }

    fn share(&self, task: usize) -> std::ops::Range<usize> {
        let share = self.items / self.tasks;
        self.depth + task * share..self.depth + (task + 1) * share
    }

    /// Each task sends one and receives one, again and again.
    async fn turns<T: Tx + Clone, R: Rx + Clone>(&self, tx: &T, rx: &R) -> (usize, usize, f64) {
        let ready = Arc::new(Barrier::new(self.tasks));
        let mut tasks = JoinSet::new();
        for task in 0..self.tasks {
            let (mut tx, mut rx, share) = (tx.clone(), rx.clone(), self.share(task));
            tasks.spawn(Part::of(ready.clone(), async move || {
                let mut sum = 0;
                for item in share {
                    tx.put(item).await;
                    sum += rx.take().await.expect("it is open");
                }
                sum
            }));
        }
        self.total(&tasks.join_all().await)
    }

    /// So many send while as many receive, until all that was sent has been received, but for what is left as deep as it
    /// began.
    async fn stream<T: Tx + Clone, R: Rx + Clone>(&self, tx: T, rx: R) -> (usize, usize, f64) {
        let ready = Arc::new(Barrier::new(2 * self.tasks));
        let mut tasks = JoinSet::new();
        for task in 0..self.tasks {
            let (mut tx, mut rx, share) = (tx.clone(), rx.clone(), self.share(task));
            let received = share.len();
            tasks.spawn(Part::of(ready.clone(), async move || {
                for item in share {
                    tx.put(item).await;
                }
                0
            }));
            tasks.spawn(Part::of(ready.clone(), async move || {
                let mut sum = 0;
                for _ in 0..received {
                    sum += rx.take().await.expect("it is open");
                }
                sum
            }));
        }
        self.total(&tasks.join_all().await)
    }

    /// So many that send their shares, each in a task of its own, to one that has no half that receives.
    async fn send<S>(&self, mut sending: impl FnMut(std::ops::Range<usize>) -> S) -> Vec<Part>
    where
        S: Future<Output = ()> + Send + 'static,
    {
        let ready = Arc::new(Barrier::new(self.tasks));
        let mut tasks = JoinSet::new();
        for task in 0..self.tasks {
            let sending = sending(self.share(task));
            tasks.spawn(Part::of(ready.clone(), async move || {
                sending.await;
                0
            }));
        }
        tasks.join_all().await
    }

    /// From when the first began until now, when all that was sent has been served.
    fn until_now(&self, parts: &[Part]) -> Measured {
        let start = parts.iter().map(|part| part.start).min().expect("there are tasks");
        let items = self.items / self.tasks * self.tasks;
        Measured { items, seconds: start.elapsed().as_secs_f64(), ..Measured::default() }
    }

    fn total(&self, parts: &[Part]) -> (usize, usize, f64) {
        let start = parts.iter().map(|part| part.start).min().expect("there are tasks");
        let end: Instant = parts.iter().map(|part| part.end).max().expect("there are tasks");
        let sum = parts.iter().map(|part| part.sum).sum();
        (sum, self.items / self.tasks * self.tasks, (end - start).as_secs_f64())
    }

    async fn order<T: Tx, R: Rx>(&self, tx: T, mut rx: R) -> Measured {
        drop(tx);
        let mut last = vec![None; self.ranks];
        let mut out_of_order = 0;
        while let Some(item) = rx.take().await {
            let last = &mut last[self.rank(item)];
            out_of_order += usize::from(last.is_some_and(|last| last > item));
            *last = Some(last.map_or(item, |last: usize| last.max(item)));
        }
        Measured { out_of_order, ..Measured::default() }
    }
}

// === impl Measured ===

impl Measured {
    /// # Panics
    ///
    /// If what was served does not add up to what was sent.
    fn check(&self, load: &Load, sum: usize) {
        let sent: usize = (0..load.tasks).flat_map(|task| load.share(task)).sum();
        assert_eq!(sum, sent, "{} lost or doubled items", load.contender.name);
    }
}

fn runtime() -> tokio::runtime::Runtime {
    // Timers for ractor, whose factory looks at itself now and then; one runtime for all.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_time().build();
    runtime.expect("threads can be started")
}

/// Which of so many ranks an item has. Without a division, which would take longer than what is measured.
fn rank(item: usize, ranks: usize) -> usize {
    ((item.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) * ranks) >> 32
}

fn contender(name: &str) -> Result<&'static Contender, String> {
    CONTENDERS.iter().find(|contender| contender.name == name).ok_or_else(|| {
        let known: Vec<_> = CONTENDERS.iter().map(|contender| contender.name).collect();
        format!("there are: {}", known.join(", "))
    })
}
