//! The scenario: senders and receivers as tasks of one runtime with two threads, numbers between them.
//!
//! Every contender goes through the same loop and brings no more than how to open its halves, send
//! one item and receive one.

mod async_channel;
mod crossfire;
mod forebay;
mod kanal;
mod tokio_mpsc;

use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

/// As many as the machines have that the published numbers come from.
pub(crate) const THREADS: usize = 2;

/// Every contender, ours first.
pub(crate) const CONTENDERS: [Contender; 5] = [
    forebay::CONTENDER,
    tokio_mpsc::CONTENDER,
    async_channel::CONTENDER,
    crossfire::CONTENDER,
    kanal::CONTENDER,
];

/// One queue that takes part.
#[derive(Debug, Serialize)]
pub(crate) struct Contender {
    name: &'static str,
    /// The crate it comes from, for its version.
    package: &'static str,
    /// Whether more than one receiver can share it.
    many_receivers: bool,
    #[serde(skip)]
    measure: fn(&Load) -> Measured,
}

/// A fixed amount of work.
#[derive(Debug, clap::Args)]
pub(crate) struct Load {
    /// The contender, as `contenders` names it.
    #[arg(long, value_parser = contender)]
    contender: &'static Contender,
    /// Places of the queue.
    #[arg(long)]
    capacity: usize,
    /// Tasks that send.
    #[arg(long)]
    senders: usize,
    /// Tasks that receive.
    #[arg(long)]
    receivers: usize,
    /// Items in all; each sender sends its share.
    #[arg(long)]
    items: usize,
}

/// What one run took.
#[derive(Debug, Serialize)]
pub(crate) struct Measured {
    items: usize,
    seconds: f64,
}

/// One task's part. Each reads the clock itself: with both cores busy, somebody who watches may be
/// woken when all is over.
pub(crate) struct Part {
    pub(crate) start: Instant,
    pub(crate) end: Instant,
    /// Of the items received.
    pub(crate) sum: usize,
}

/// The half that sends. One per task: contenders differ in whether theirs can be shared.
pub(crate) trait Tx: Send + 'static {
    fn put(&mut self, item: usize) -> impl Future<Output = ()> + Send;
}

/// The half that receives, until the last sender is gone.
pub(crate) trait Rx: Send + 'static {
    fn take(&mut self) -> impl Future<Output = Option<usize>> + Send;
}

// === impl Load ===

impl Load {
    pub(crate) fn measure(&self) -> Measured {
        assert!(
            self.contender.many_receivers || self.receivers == 1,
            "{} has one receiver",
            self.contender.name
        );
        (self.contender.measure)(self)
    }

    /// Copies of one half, one for each task; the original is among them, or the queue never closed.
    pub(crate) fn copies<H: Clone>(half: H, count: usize) -> Vec<H> {
        let mut halves = vec![half; count.max(1)];
        halves.truncate(count);
        halves
    }

    /// From the moment when the first task moves until the last has seen the end.
    ///
    /// # Panics
    ///
    /// If an item got lost or came twice: such a contender has no time.
    fn drive<T: Tx, R: Rx>(&self, senders: Vec<T>, receivers: Vec<R>) -> Measured {
        assert_eq!((senders.len(), receivers.len()), (self.senders, self.receivers));
        let share = self.items / self.senders;
        let items = share * self.senders;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).build();
        let parts = runtime.expect("threads can be started").block_on(async {
            let ready = Arc::new(Barrier::new(self.senders + self.receivers));
            let mut tasks = JoinSet::new();
            for mut receiver in receivers {
                let ready = ready.clone();
                tasks.spawn(Part::of(ready, async move || {
                    let mut sum = 0;
                    while let Some(item) = receiver.take().await {
                        sum += item;
                    }
                    sum
                }));
            }
            for (index, mut sender) in senders.into_iter().enumerate() {
                let ready = ready.clone();
                tasks.spawn(Part::of(ready, async move || {
                    for item in index * share..(index + 1) * share {
                        sender.put(item).await;
                    }
                    0
                }));
            }
            tasks.join_all().await
        });
        let sum: usize = parts.iter().map(|part| part.sum).sum();
        assert_eq!(sum, items * (items - 1) / 2, "{} lost or doubled items", self.contender.name);
        let start = parts.iter().map(|part| part.start).min().expect("there are tasks");
        let end = parts.iter().map(|part| part.end).max().expect("there are tasks");
        Measured { items, seconds: (end - start).as_secs_f64() }
    }
}

// === impl Part ===

impl Part {
    pub(crate) async fn of<F: AsyncFnOnce() -> usize>(ready: Arc<Barrier>, work: F) -> Self {
        ready.wait().await;
        let start = Instant::now();
        let sum = work().await;
        Self { start, end: Instant::now(), sum }
    }
}

fn contender(name: &str) -> Result<&'static Contender, String> {
    CONTENDERS.iter().find(|contender| contender.name == name).ok_or_else(|| {
        let known: Vec<_> = CONTENDERS.iter().map(|contender| contender.name).collect();
        format!("there are: {}", known.join(", "))
    })
}
