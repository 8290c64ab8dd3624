//! One item for several readers: a sink over named branches, each with its own answer to being slow.
//!
//! ```text
//!                  ┌─▶ queue "archive" ─▶ reader     Hold: the sender waits
//!  send, forward ──┼─▶ queue "live"    ─▶ reader     Drop: the item is dropped for it, and counted
//!                  └─▶ sink  "search"                Detach: after a while it is left out, and reported
//! ```

mod branch;
mod builder;
mod error;
mod keepers;
mod offer;
mod stats;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use forebay_queue::{Delivery, ItemSink, SinkError, Stats, Visitor};

use self::branch::Branch;
pub use self::branch::WhenSlow;
pub use self::builder::{TeeBuildError, TeeBuilder};
pub use self::error::BranchError;
use self::offer::Remaining;
use self::stats::Tallies;
pub use self::stats::{BranchStats, Detached, TeeStats};
use crate::contain::Contained;

/// A sink that gives each item to all of its branches. Clones share the same tee.
///
/// A branch is either a queue owned by the tee, whose receiver goes to its reader, or any [`ItemSink`]. [`WhenSlow`] says
/// what happens when a branch has no room. A tee spawns nothing and stores nothing itself: sends wait in their callers'
/// futures. When the last clone is dropped, the queues are closed and their readers see the end.
///
/// `tokio::sync::broadcast` also gives items to many readers, but there slow readers lose items without the sender's
/// knowledge. Here the sender waits for branches that may not lose items, and losses are counted for each branch.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use forebay_pool::{Tee, WhenSlow};
///
/// let mut tee = Tee::builder();
/// let mut archive = tee.branch("archive", 100, WhenSlow::Hold);
/// let mut screen = tee.branch("screen", 2, WhenSlow::Drop);
/// let tee = tee.build()?;
///
/// for line in ["one", "two", "three"] {
///     tee.send(line).await?; // waits for the archive, and for nobody else
/// }
/// let stats = tee.stats();
/// assert_eq!((stats.branch("archive").unwrap().sent, stats.branch("screen").unwrap().dropped), (3, 1));
///
/// drop(tee); // ends both
/// let mut lines = Vec::new();
/// archive.recv_many(&mut lines, 10).await;
/// assert_eq!(lines, ["one", "two", "three"]);
/// assert_eq!((screen.recv().await, screen.recv().await, screen.recv().await), (Some("one"), Some("two"), None));
/// # Ok(())
/// # }
/// ```
///
/// # As a pool's handler
///
/// [`forward`](Self::forward) acks a delivery once every branch that may not lose items has the item, and not before:
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use forebay_pool::{Pool, Tee, WhenSlow};
///
/// let mut tee = Tee::builder();
/// let archive = tee.branch("archive", 100, WhenSlow::Hold);
/// let live = tee.branch("live", 100, WhenSlow::Drop);
/// let tee = tee.build()?;
///
/// let pool = Pool::builder()
///     .workers(1) // keeps the order
///     .queue(10)
///     .handler_delivery(move |delivery| {
///         let tee = tee.clone();
///         async move { tee.forward(delivery).await }
///     })
///     .start()?;
/// pool.produce("line").await?;
/// assert_eq!(pool.finish().await.completed, 1);
/// assert_eq!((archive.len(), live.len()), (1, 1));
/// # Ok(())
/// # }
/// ```
///
/// # Order and fairness
///
/// Items that one task sends one after the other arrive in that order at each branch. Concurrent sends from several
/// tasks may arrive in different orders at different branches. Those who wait for a branch are served first come, first
/// served.
pub struct Tee<T> {
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    branches: Vec<Branch<T>>,
    tallies: Tallies,
}

// === impl Tee ===

impl<T: Clone + Send + Sync + 'static> Tee<T> {
    /// Starts the description of a tee.
    pub fn builder() -> TeeBuilder<T> {
        TeeBuilder::new()
    }

    /// Gives `item` to every branch.
    ///
    /// 1. A place is reserved in each queue that may not lose, and then in each that is detached after a time, waiting as
    ///    they say.
    /// 2. Sinks that are no queues of the tee's take their clones, all at once, and are waited for.
    /// 3. All queues get theirs at once, the last one the item itself.
    ///
    /// # Errors
    ///
    /// [`SinkError::Failed`] with the item and a [`BranchError`], which names the branch that may not lose and did not
    /// take it: it is closed, it failed, or refused. No queue has got the item then, unless the reader of one that may
    /// not lose goes away just while the queues get theirs: those before it have got it. Sinks may have, see below.
    /// Either is counted as [`unconfirmed`](BranchStats::unconfirmed). A branch that may lose never makes the send fail.
    /// A sink that panics has failed.
    ///
    /// # Panics
    ///
    /// When it is polled outside of a tokio runtime with its time enabled, and has to wait for a branch that is
    /// [`WhenSlow::Detach`].
    ///
    /// # Cancel safety
    ///
    /// A call that is dropped before it is ready has put nothing into any queue of the tee's, and gave its places
    /// back. A *sink* that had taken its clone by then keeps it, since there is no way to take that back: it gets
    /// another one when the item is sent again. These are counted as [`unconfirmed`](BranchStats::unconfirmed).
    pub async fn send(&self, item: T) -> Result<(), SinkError<T>> {
        // Where a clone panics, the item's destructor is not to panic on top of that.
        let mut slot = Contained::new(Some(item));
        match self.offer(&mut slot).await {
            Ok(()) => Ok(()),
            Err(error) => Err(SinkError::Failed { item: slot.into_inner(), error: Box::new(error) }),
        }
    }

    /// Gives the item of `delivery` to every branch, and acks it once all branches that may not lose items have it.
    ///
    /// The delivery keeps the item meanwhile; the branches get clones.
    ///
    /// # Errors
    ///
    /// Which branch did not take it, and why; the delivery has gone back to its source.
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send); a delivery in a call that is dropped goes back to its source. So does one that came
    /// without its value.
    pub async fn forward(&self, delivery: Delivery<T>) -> Result<(), BranchError> {
        let Some(item) = delivery.item() else { return Ok(()) };
        let mut slot = Contained::new(Some(item.clone()));
        self.offer(&mut slot).await?;
        delivery.ack();
        Ok(())
    }
}

impl<T> Tee<T> {
    fn new(branches: Vec<Branch<T>>) -> Self {
        let tallies = Tallies::new(branches.len());
        Self { shared: Arc::new(Shared { branches, tallies }) }
    }

    /// What became of the items, for each branch. They [add up](TeeStats::adds_up) at any time.
    pub fn stats(&self) -> TeeStats {
        let (accepted, tallies) = self.shared.tallies.read();
        let branches = self.shared.branches.iter().zip(tallies);
        let branches = branches.map(|(branch, tally)| branch.stats(tally)).collect();
        TeeStats { accepted, branches }
    }
}

impl<T> Clone for Tee<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

#[async_trait]
impl<T: Clone + Send + Sync + 'static> ItemSink<T> for Tee<T> {
    async fn send(&self, item: T) -> Result<(), SinkError<T>> {
        Tee::send(self, item).await
    }

    async fn send_many(&self, items: &mut Vec<T>) -> Result<(), SinkError<T>> {
        let mut remaining = Remaining::of(items);
        while remaining.next() {
            if let Err(error) = self.offer(&mut remaining.slot).await {
                return Err(SinkError::Failed { item: None, error: Box::new(error) });
            }
        }
        Ok(())
    }
}

impl<T: Send + Sync> Stats for Tee<T> {
    fn observe(&self, visitor: &mut dyn Visitor) {
        let stats = self.stats();
        visitor.counter("forebay_tee_accepted_total", &[], stats.accepted);
        for branch in &stats.branches {
            let name = &*branch.name;
            for (result, count) in
                [("sent", branch.sent), ("dropped", branch.dropped), ("unconfirmed", branch.unconfirmed)]
            {
                visitor.counter(
                    "forebay_tee_branch_items_total",
                    &[("branch", name), ("result", result)],
                    count,
                );
            }
            let detached = f64::from(u8::from(branch.detached.is_some()));
            visitor.gauge("forebay_tee_branch_detached", &[("branch", name)], detached);
            visitor.gauge("forebay_tee_branch_length", &[("branch", name)], branch.len as f64);
        }
    }
}

impl<T> fmt::Debug for Tee<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tee").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
