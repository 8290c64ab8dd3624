//! The options that fit every pool, in any order.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::Builder;
use crate::contain::Contained;
use crate::scale::ScalePlan;
use crate::{Backoff, OnFailure, Rate, ScalePolicy};

#[derive(Debug)]
pub(super) struct Options {
    /// `None`: as many as the machine runs at the same time.
    pub(super) workers: Option<usize>,
    pub(super) scale: Option<ScalePlan>,
    /// Whether each of them has a thread of its own.
    pub(super) cpu: bool,
    pub(super) max_attempts: u32,
    pub(super) backoff: Backoff,
    pub(super) on_failure: Option<OnFailure>,
    pub(super) timeout: Option<Duration>,
    pub(super) per_key: Option<usize>,
    pub(super) rate_per_key: Option<Rate>,
    pub(super) burst_per_key: u32,
    /// How many items may wait for their key.
    pub(super) look_aside: usize,
    pub(super) batch: Option<(usize, Duration)>,
    pub(super) batch_weight: Option<usize>,
    pub(super) prefetch: usize,
    pub(super) ordered_window: Option<usize>,
}

// === impl Options ===

impl Options {
    pub(super) fn new() -> Self {
        Self {
            workers: None,
            scale: None,
            cpu: false,
            max_attempts: 5,
            backoff: Backoff::default(),
            on_failure: None,
            timeout: None,
            per_key: None,
            rate_per_key: None,
            burst_per_key: 1,
            look_aside: 1024,
            batch: None,
            batch_weight: None,
            prefetch: 0,
            ordered_window: None,
        }
    }
}

// === impl Builder ===

impl<I, H> Builder<I, H> {
    /// How many items are worked on at the same time. `start` returns an error for 0
    /// ([`resize(0)`](crate::Pool::resize) means 1). Values above 65 536 count as that. By default as many as the
    /// machine has threads ([`available_parallelism`](std::thread::available_parallelism)), which suits handlers that
    /// compute. Handlers that wait need more.
    pub fn workers(mut self, workers: usize) -> Self {
        self.options.workers = Some(workers);
        self
    }

    /// Sets the number of workers, each on a thread of its own instead of the runtime's: for handlers that compute. A
    /// long computation then delays no timer and no other task.
    ///
    /// Everything else is as with [`workers`](Self::workers): every form of handler fits, panics are contained, and the
    /// number [can be changed](crate::Pool::resize). A handler may await; it uses the runtime's timers and sockets, and
    /// what it spawns runs there. A computation cannot be interrupted: timeouts and a shutdown's deadline take effect
    /// at the next await, and a shutdown waits for that. A long loop should check
    /// [`is_cancelled`](crate::WorkContext::is_cancelled) from time to time.
    ///
    /// More threads than the machine has cores make it slower.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use forebay_pool::Pool;
    ///
    /// fn is_prime(number: u64) -> bool {
    ///     number > 1 && (2..).take_while(|n| n * n <= number).all(|n| number % n != 0)
    /// }
    ///
    /// let pool = Pool::builder()
    ///     .cpu(2)
    ///     .queue(100)
    ///     .handler(|number: u64| async move { if is_prime(number) { Ok(()) } else { Err("not a prime") } })
    ///     .start()?;
    /// for number in 1_000_000..1_000_050 {
    ///     pool.produce(number).await?;
    /// }
    /// let report = pool.finish().await;
    /// assert_eq!((report.completed, report.failed), (4, 46));
    /// # Ok(())
    /// # }
    /// ```
    pub fn cpu(mut self, threads: usize) -> Self {
        self.options.workers = Some(threads);
        self.options.cpu = true;
        self
    }

    /// Lets `policy` change the number of workers within these bounds, once a second. It starts with
    /// [`workers`](Self::workers), by default with the lower bound.
    ///
    /// A [`resize`](crate::Pool::resize) lasts until the policy is asked again. A lower bound of 0 counts as 1. `start`
    /// returns an error if the upper bound is below the lower one.
    ///
    /// ```
    /// use forebay_pool::{Pool, Steps};
    ///
    /// let builder = Pool::builder().scale(2..=64, Steps::default()).queue(1000).handler(|_: u32| async {});
    /// ```
    pub fn scale(mut self, bounds: RangeInclusive<usize>, policy: impl ScalePolicy) -> Self {
        self.options.scale = Some(ScalePlan { bounds, policy: Contained::new(Box::new(policy)) });
        self
    }

    /// How often an item is tried before it is dead-lettered instead of returned. At least 1, by default 5;
    /// [`u32::MAX`] means no limit.
    ///
    /// It applies to items that can be returned at all: see the [table](crate#what-becomes-of-an-item). An item
    /// that comes back because the pool aborted it is never dead-lettered for that.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.options.max_attempts = attempts;
        self
    }

    /// What becomes of an item whose handler returned an error, panicked or timed out. By default it goes back to the
    /// source where that is possible.
    pub fn on_failure(mut self, policy: OnFailure) -> Self {
        self.options.on_failure = Some(policy);
        self
    }

    /// How long one attempt at an item may take, from the handler's call. Then its future is dropped at its next
    /// await, and the item ends as the [table](crate#what-becomes-of-an-item) says. By default there is no limit.
    ///
    /// With [`Duration::ZERO`] only handlers that never wait finish in time.
    ///
    /// `tower::timeout` is for a service in a stack of layers, and knows nothing of items; this one counts them, and
    /// returns those that can be returned.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    /// use forebay_pool::Pool;
    ///
    /// let pool = Pool::builder()
    ///     .timeout(Duration::from_secs(5))
    ///     .queue(10)
    ///     .handler(|seconds| tokio::time::sleep(Duration::from_secs(seconds)))
    ///     .start()?;
    /// for seconds in [1, 4, 6] {
    ///     pool.produce(seconds).await?;
    /// }
    /// let report = pool.finish().await;
    /// assert_eq!((report.completed, report.failed, report.timed_out), (2, 1, 1));
    /// # Ok(())
    /// # }
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = Some(timeout);
        self
    }

    /// Takes up to `items` more than workers wait for, so that the next one is there when a worker becomes free: for a
    /// source with a long round trip. By default 0.
    ///
    /// They belong to no worker: the first one that is free gets the oldest. They count as
    /// [held](crate::PoolStats::held), and go back when the pool is aborted.
    pub fn prefetch(mut self, items: usize) -> Self {
        self.options.prefetch = items;
        self
    }

    /// How many items may be in work or wait to be handed on, where results are
    /// [ordered](Self::handler_ordered). At least 1: 0 counts as 1; by default 256.
    ///
    /// A slow item holds up the results of later ones. A larger window lets more of those be worked on meanwhile, and
    /// holds more results. A window smaller than the number of workers leaves some of them idle.
    pub fn ordered_window(mut self, items: usize) -> Self {
        self.options.ordered_window = Some(items.max(1));
        self
    }

    /// How many items with the same [`key`](Self::key) may be in work at the same time. At least 1: 0 counts as 1.
    ///
    /// With 1, items of a key are worked on strictly one after the other, in the order in which they came. A returned
    /// item comes again after those that came in the meantime; where that matters, let workers
    /// [retry](crate::OnFailure::Retry) in place.
    ///
    /// The number of keys does not matter: a key with nothing in work and nothing waiting costs nothing. A busy key
    /// holds up no worker: its items are set aside, up to [`look_aside`](Self::look_aside), and others are taken
    /// instead. Items that are set aside count as [held](crate::PoolStats::held).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use forebay_pool::Pool;
    ///
    /// struct Booking {
    ///     account: u64,
    ///     cents: i64,
    /// }
    ///
    /// let pool = Pool::builder()
    ///     .workers(8)
    ///     .per_key(1) // the bookings of an account in their order, those of others beside them
    ///     .queue(100)
    ///     .handler(|booking: Booking| async move {
    ///         let _ = booking.cents; // …
    ///     })
    ///     .key(|booking| booking.account)
    ///     .start()?;
    /// for n in 0..50 {
    ///     pool.produce(Booking { account: n % 3, cents: 100 }).await?;
    /// }
    /// assert_eq!(pool.finish().await.completed, 50);
    /// # Ok(())
    /// # }
    /// ```
    pub fn per_key(mut self, items: usize) -> Self {
        self.options.per_key = Some(items.max(1));
        self
    }

    /// How often items with the same [`key`](Self::key) may be started. Meanwhile, others go on as with
    /// [`per_key`](Self::per_key).
    ///
    /// A key is remembered until it could start a full burst again, and at most 65 536 keys are: once that many are
    /// remembered, nothing is taken until one of them is forgotten.
    ///
    /// A [retry](crate::OnFailure::Retry) by the same worker is not counted as another start.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    /// use forebay_pool::{Pool, Rate};
    ///
    /// let pool = Pool::builder()
    ///     .workers(8)
    ///     .rate_per_key(Rate::new(10, Duration::from_secs(1)))
    ///     .queue(100)
    ///     .handler(|_message: (&'static str, u32)| async {})
    ///     .key(|(host, _)| *host)
    ///     .start()?;
    /// for n in 0..41 {
    ///     pool.produce(("example.org", n)).await?;
    /// }
    /// pool.produce(("example.com", 0)).await?; // starts at once
    /// assert_eq!(pool.finish().await.elapsed.as_secs(), 4);
    /// # Ok(())
    /// # }
    /// ```
    pub fn rate_per_key(mut self, rate: Rate) -> Self {
        self.options.rate_per_key = Some(rate);
        self
    }

    /// How many items of a key may start at once after a quiet time, with a [rate](Self::rate_per_key). At least 1: 0
    /// counts as 1; by default 1.
    pub fn burst_per_key(mut self, items: u32) -> Self {
        self.options.burst_per_key = items;
        self
    }

    /// How many items may be set aside because their key is busy. At least 1: 0 counts as 1; by default 1024.
    ///
    /// When that many are, nothing is taken from the source until one of them can start, even if the source has items
    /// of other keys: a larger number looks further past a busy key, and holds more items.
    pub fn look_aside(mut self, items: usize) -> Self {
        self.options.look_aside = items.max(1);
        self
    }

    /// How many items make a batch for [`handler_batch`](Self::handler_batch), and how long its first item waits for
    /// the others.
    ///
    /// `max_items` is at least 1: 0 counts as 1. With a `max_wait` of zero a batch is what is there already, and
    /// nobody waits. By default 100 and zero. A closed pool does not wait for more.
    /// A batch whose `max_wait` is over before a worker is free takes what the source has by then.
    ///
    /// An incomplete batch is handed over as it is when nothing new will come: the pool is closed, or its source
    /// [says so](forebay_queue::Source::is_closed). If a source cannot say so, the last batch waits its full time.
    ///
    /// With [`per_key`](Self::per_key), a batch is also handed over as it is if all other available items wait only for
    /// its own keys: those items join the next batch. So a batch has at most that many items of a key.
    ///
    /// One batch is formed at a time, and only while a worker waits for it. Its items count as
    /// [held](crate::PoolStats::held), though no worker has them.
    pub fn batch(mut self, max_items: usize, max_wait: Duration) -> Self {
        self.options.batch = Some((max_items.max(1), max_wait));
        self
    }

    /// The most that a batch for [`handler_batch`](Self::handler_batch) may [weigh](forebay_queue::Delivery::weight): it
    /// ends before the item that would make it heavier. An item that alone weighs more is a batch by itself. At least 1:
    /// 0 counts as 1.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    /// use forebay_pool::Pool;
    /// use forebay_queue::Delivery;
    ///
    /// let (tx, rx) = forebay_queue::builder().capacity(100).weigher(String::len).build();
    /// let pool = Pool::builder()
    ///     .workers(1)
    ///     .batch(500, Duration::from_millis(5))
    ///     .batch_weight(10)
    ///     .source(rx)
    ///     .handler_batch(|batch: Vec<Delivery<String>>| async move {
    ///         assert!(batch.iter().map(Delivery::weight).sum::<usize>() <= 10);
    ///         batch.into_iter().for_each(Delivery::ack);
    ///     })
    ///     .start()?;
    /// for line in ["four", "score", "and", "seven", "years", "ago"] {
    ///     tx.send(line.to_owned()).await?;
    /// }
    /// drop(tx);
    /// assert_eq!(pool.finish().await.completed, 6);
    /// # Ok(())
    /// # }
    /// ```
    pub fn batch_weight(mut self, max: usize) -> Self {
        self.options.batch_weight = Some(max.max(1));
        self
    }

    /// How long a returned item waits before it is delivered again, unless a handler nacks it with a longer wait. By
    /// default nothing after the first attempt, then 10 ms, doubling up to 1 s.
    ///
    /// The same waits apply before an unavailable source is asked again, and before a worker that could not be built is
    /// built again; there the first wait is not skipped.
    pub fn return_backoff(mut self, backoff: Backoff) -> Self {
        self.options.backoff = backoff;
        self
    }
}
