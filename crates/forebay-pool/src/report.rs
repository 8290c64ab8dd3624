//! What a pool has done so far, and in the end.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use forebay_queue::SourceError;

use crate::LimitedBy;
use crate::hands::Tally;
use crate::intake::StockTally;
use crate::letters::LetterTally;

/// A pool's counters at one moment.
///
/// An item counts each time it is taken: if it is returned and taken again, it counts twice. They add up at any time:
/// `taken = completed + failed + returned + dead_lettered + held`, and `held` is counted in the workers' hands,
/// not computed from the others.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use forebay_pool::Pool;
///
/// let pool = Pool::builder().workers(2).queue(8).handler(|_: u32| std::future::pending::<()>()).start().unwrap();
/// for item in 0..3 {
///     pool.produce(item).await.unwrap();
/// }
/// while pool.stats().busy < 2 {
///     tokio::task::yield_now().await;
/// }
/// let stats = pool.stats();
/// assert_eq!((stats.taken, stats.held, stats.idle), (2, 2, 0)); // the third waits in the queue
/// assert!(stats.adds_up());
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStats {
    /// How many workers there are, or will be as soon as the runtime gets to it.
    pub workers: usize,
    /// How many more there are, which leave when they are done with their item.
    pub leaving: usize,
    /// Whether the pool is paused.
    pub paused: bool,
    /// How many items wait in the queue that feeds it, where that is known: in one of its own, or one that was named
    /// by [`resubmit_to`](crate::Builder::resubmit_to).
    pub backlog: Option<usize>,
    /// How many of them wait for an item.
    pub idle: usize,
    /// How many of them have an item in hand, including those that are leaving. The others wait for their service, or are
    /// being rebuilt.
    pub busy: usize,
    /// How many of them cannot work now, because their handler cannot be built or their service fails before it is
    /// ready. They try again, less and less often.
    pub failing: usize,
    /// Items taken from the source.
    pub taken: u64,
    /// Items that their handler was done with, or acked.
    pub completed: u64,
    /// Items whose value is gone, with an error, a panic or an abort.
    pub failed: u64,
    /// Items that went back to the source.
    pub returned: u64,
    /// Items that were set aside, by the handler or after too many attempts.
    pub dead_lettered: u64,
    /// Items in hand now.
    pub held: usize,
    /// How many of those no worker has yet: their key is busy, or their batch not
    /// complete.
    pub set_aside: usize,
    /// How many results or dead letters wait for room where they go, as far as that holds the pool up: results in
    /// order and dead letters once there are so many that nothing more is taken, those of a
    /// [stage](crate::Pipeline) each with its worker.
    pub held_up: usize,
    /// How many of the failed and returned were aborted at the deadline: in a handler, or moved elsewhere by one.
    pub aborted: u64,
    /// Panics of handlers: in their calls and polls, and in the destructors of the handlers and of their futures.
    /// Panics of a maker, and in the readiness of a service, are events only.
    pub panics: u64,
    /// Attempts that were cut short because they took too long, or came too late.
    pub timed_out: u64,
    /// Items that were [cancelled](crate::Pool::cancel) before they were done.
    pub cancelled: u64,
    /// Attempts that followed a failed one in the same worker, without going back to the source.
    pub retried: u64,
    /// How often a worker's handler or service was built anew.
    pub restarts: u64,
    /// Deliveries that the source [took back](forebay_queue::Source::poll_lost) before they were settled. Their items
    /// count as returned, or as completed if their handler was done before it could be stopped.
    pub leases_lost: u64,
    /// How long workers existed, summed over all of them.
    pub present: Duration,
    /// For how much of that time they had an item in hand; [`busy_share`](Self::busy_share) is the quotient.
    pub worked: Duration,
    /// Whether nothing more is taken because of those held up.
    pub(crate) closed_up: bool,
}

/// What a pool did, from start to end.
///
/// `Display` makes a line of it for a log:
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use forebay_pool::Pool;
/// use forebay_queue::bounded;
///
/// let (tx, rx) = bounded(8);
/// let pool = Pool::builder().workers(2).source(rx).handler(|_: u32| async {}).start().unwrap();
/// tx.send(1).await.unwrap();
/// drop(tx);
///
/// let report = pool.finish().await;
/// assert_eq!(report.to_string(), "source ended: took 1, completed 1");
/// assert!(report.adds_up());
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Report {
    /// Why it ended.
    pub ended_by: EndedBy,
    /// Items taken from the source; one that was returned and taken again counts twice.
    pub taken: u64,
    /// Items that their handler was done with, or acked.
    pub completed: u64,
    /// Items whose value is gone, with an error, a panic or an abort.
    pub failed: u64,
    /// Items that went back to the source.
    pub returned: u64,
    /// Items that were set aside, by the handler or after too many attempts.
    pub dead_lettered: u64,
    /// Items still in hand. 0, unless the runtime went away before the pool had ended.
    pub held: usize,
    /// Items that the pool's own queue still had in the end, and gave to `on_undelivered`; 0 with any other source.
    /// Most were never taken. One that was, and went back (a delivery that was aborted), is in `taken` and `returned`
    /// as well: this counts items, those count what happened to them.
    pub undelivered: u64,
    /// How many of the failed and returned were aborted at the deadline: in a handler, or moved elsewhere by one.
    pub aborted: u64,
    /// Panics of handlers: in their calls and polls, and in the destructors of the handlers and of their futures.
    /// Panics of a maker, and in the readiness of a service, are events only.
    pub panics: u64,
    /// Attempts that were cut short because they took too long, or came too late.
    pub timed_out: u64,
    /// Items that were [cancelled](crate::Pool::cancel) before they were done.
    pub cancelled: u64,
    /// Attempts that followed a failed one in the same worker, without going back to the source.
    pub retried: u64,
    /// How often a worker's handler or service was built anew.
    pub restarts: u64,
    /// Deliveries that the source [took back](forebay_queue::Source::poll_lost) before they were settled. Their items
    /// count as returned, or as completed if their handler was done before it could be stopped.
    pub leases_lost: u64,
    /// Whether the source confirmed all settlements. If not, items that are counted as completed may be delivered
    /// again to the next consumer of a source that redelivers.
    pub settled: bool,
    /// How many [ordered results](crate::Builder::handler_ordered) and gaps could not be handed on: nobody took them,
    /// or not before the deadline.
    pub unsent: u64,
    /// How many acks a source that redelivers has not confirmed, though it was asked again and again, or was not told
    /// because the lease was already lost: items that are done, and may be delivered again. 0 for any other source.
    pub maybe_redelivered: u64,
    /// From start to end.
    pub elapsed: Duration,
}

/// Why a pool ended.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use std::time::Duration;
/// use forebay_pool::{EndedBy, Pool};
///
/// let pool = Pool::builder().queue(8).handler(|_: u32| async {}).start().unwrap();
/// let report = pool.shutdown(Duration::from_secs(1)).await;
/// match report.ended_by {
///     EndedBy::Source | EndedBy::Shutdown => {} // all is done
///     EndedBy::Deadline => eprintln!("more time was needed: {report}"),
///     EndedBy::Broken(error) => eprintln!("{error}: see to it before starting again"),
///     other => eprintln!("{other}"),
/// }
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum EndedBy {
    /// Its source ended by itself, and all was done.
    Source,
    /// It was closed or shut down, and all was done in time.
    Shutdown,
    /// It was shut down, and what was not done at the deadline was aborted.
    Deadline,
    /// Its source said, or showed, that it will not work again.
    Broken(Arc<SourceError>),
    /// The runtime that it ran on went away.
    Runtime,
}

/// Where a pool is in its life. It only ever goes forward, so phases can be compared.
///
/// ```
/// use forebay_pool::Phase;
///
/// let accepts = |phase: Phase| phase < Phase::Closing;
/// assert!(accepts(Phase::Open) && !accepts(Phase::Draining));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Takes items and works on them.
    Open,
    /// Its source accepts nothing new; what it holds is worked on.
    Closing,
    /// The same, until a deadline.
    Draining,
    /// The deadline has come: what is held is cancelled and given back.
    Aborting,
    /// Nothing is held, and the pool's tasks are gone. Where the handle was dropped or the runtime went away, they
    /// are cancelled: one that is inside a poll of its handler at that moment leaves at the handler's next await.
    Closed,
}

// === impl PoolStats ===

impl PoolStats {
    pub(crate) fn new(workers: usize, idle: usize, paused: bool, restarts: u64) -> Self {
        Self {
            workers,
            leaving: 0,
            paused,
            backlog: None,
            idle,
            busy: 0,
            failing: 0,
            taken: 0,
            completed: 0,
            failed: 0,
            returned: 0,
            dead_lettered: 0,
            held: 0,
            set_aside: 0,
            held_up: 0,
            present: Duration::ZERO,
            worked: Duration::ZERO,
            closed_up: false,
            aborted: 0,
            panics: 0,
            timed_out: 0,
            cancelled: 0,
            retried: 0,
            restarts,
            leases_lost: 0,
        }
    }

    pub(crate) fn add(&mut self, tally: &Tally, held: usize, busy: bool, beyond: bool) {
        self.taken += tally.taken;
        self.completed += tally.completed;
        self.failed += tally.failed;
        self.returned += tally.returned;
        self.dead_lettered += tally.dead_lettered;
        self.aborted += tally.aborted;
        self.panics += tally.panics;
        self.timed_out += tally.timed_out;
        self.cancelled += tally.cancelled;
        self.retried += tally.retried;
        self.held += held;
        self.busy += usize::from(busy);
        self.leaving += usize::from(busy && beyond);
    }

    /// What keeps the pool from doing more: a line of advice when it is shown.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use forebay_pool::Pool;
    ///
    /// let pool = Pool::builder().workers(2).queue(8).handler(|_: u8| std::future::pending::<()>()).start().unwrap();
    /// for item in 0..5 {
    ///     pool.produce(item).await.unwrap();
    /// }
    /// while pool.stats().busy < 2 {
    ///     tokio::task::yield_now().await;
    /// }
    /// assert!(pool.stats().limited_by().to_string().starts_with("limited by workers: all 2 are busy and 3 items wait"));
    /// # }
    /// ```
    pub fn limited_by(&self) -> LimitedBy {
        LimitedBy::of(self)
    }

    pub(crate) fn add_stock(&mut self, tally: &StockTally) {
        self.taken += tally.taken;
        self.failed += tally.failed;
        self.returned += tally.returned;
        self.dead_lettered += tally.dead_lettered;
        self.panics += tally.panics;
        self.cancelled += tally.cancelled;
        self.held += tally.held;
        self.set_aside = tally.held;
    }

    /// Nothing more is taken because of so many that are held up.
    pub(crate) fn hold_up(&mut self, held_up: usize) {
        self.held_up += held_up;
        self.closed_up = true;
    }

    pub(crate) fn add_presence(&mut self, (present, worked): (Duration, Duration)) {
        self.present += present;
        self.worked += worked;
    }

    /// The share of their time in which workers had an item in hand, since the pool was started: 0 to 1. A worker that
    /// waits with an item, for its result to be taken or for a retry, is busy with it.
    ///
    /// It needs no clock for each item: what is measured is how long workers wait.
    pub fn busy_share(&self) -> f64 {
        share(self.worked, self.present)
    }

    /// The same since `earlier`, an older reading of the same pool: how it is doing now.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    /// use forebay_pool::Pool;
    /// use tokio::time::sleep;
    ///
    /// let pool = Pool::builder().workers(2).queue(8).handler(|secs| sleep(Duration::from_secs(secs))).start()?;
    /// sleep(Duration::from_secs(10)).await; // nothing to do
    /// let before = pool.stats();
    /// pool.produce(5).await?;
    /// sleep(Duration::from_secs(10)).await; // one of two workers is busy half of the time
    /// let now = pool.stats();
    /// assert_eq!((now.busy_share(), now.busy_share_since(&before)), (0.125, 0.25));
    /// # Ok(())
    /// # }
    /// ```
    pub fn busy_share_since(&self, earlier: &Self) -> f64 {
        share(self.worked.saturating_sub(earlier.worked), self.present.saturating_sub(earlier.present))
    }

    /// Is it where its results or dead letters go that keeps the pool from doing more?
    pub(crate) fn is_held_up(&self) -> bool {
        // At least half of the busy workers must wait with their results.
        self.closed_up || (self.held_up > 0 && self.idle == 0 && self.held_up * 2 >= self.busy)
    }

    /// Letters that are on their way, or came back, were counted as dead-lettered when they were sent off.
    pub(crate) fn add_letters(&mut self, tally: &LetterTally) {
        let LetterTally { held, returned, failed, full } = *tally;
        if full {
            self.hold_up(held);
        }
        self.dead_lettered -= held as u64 + returned + failed;
        self.held += held;
        self.returned += returned;
        self.failed += failed;
        self.aborted += returned;
    }

    /// Is every item that was taken accounted for?
    pub fn adds_up(&self) -> bool {
        let ended = self.completed + self.failed + self.returned + self.dead_lettered;
        self.taken == ended + self.held as u64
    }
}

// === impl Report ===

impl Report {
    /// Is every item that was taken accounted for?
    pub fn adds_up(&self) -> bool {
        let ended = self.completed + self.failed + self.returned + self.dead_lettered;
        self.taken == ended + self.held as u64
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: took {}, completed {}", self.ended_by, self.taken, self.completed)?;
        // What did not happen is not worth a reader's time.
        for (what, count) in [
            ("failed", self.failed),
            ("returned", self.returned),
            ("dead-lettered", self.dead_lettered),
            ("held", self.held as u64),
            ("undelivered", self.undelivered),
        ] {
            if count > 0 {
                write!(f, ", {what} {count}")?;
            }
        }
        if self.aborted > 0 {
            write!(f, "; {} aborted", self.aborted)?;
        }
        for (what, count) in [
            ("not handed on", self.unsent),
            ("panicked", self.panics),
            ("timed out", self.timed_out),
            ("cancelled", self.cancelled),
            ("retried", self.retried),
            ("lost their lease", self.leases_lost),
        ] {
            if count > 0 {
                write!(f, "; {count} {what}")?;
            }
        }
        if !self.settled {
            f.write_str("; not all settlements confirmed")?;
        }
        if self.maybe_redelivered > 0 {
            let and = if self.settled { ";" } else { "," };
            write!(f, "{and} {} may be delivered again", self.maybe_redelivered)?;
        }
        Ok(())
    }
}

// === impl EndedBy ===

impl fmt::Display for EndedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source => f.write_str("source ended"),
            Self::Shutdown => f.write_str("shut down"),
            Self::Deadline => f.write_str("aborted at the deadline"),
            Self::Broken(error) => write!(f, "{error}"),
            Self::Runtime => f.write_str("runtime went away"),
        }
    }
}

fn share(part: Duration, whole: Duration) -> f64 {
    if whole.is_zero() { 0.0 } else { (part.as_secs_f64() / whole.as_secs_f64()).min(1.0) }
}
