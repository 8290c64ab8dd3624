//! One branch: where it leads, and what it does when that is slow.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use forebay_queue::{ItemSink, Sender};

use super::keepers::Keepers;
use super::stats::Tally;
use super::{BranchError, BranchStats, Detached};
use crate::bell::Bell;
use crate::contain::{Contained, contain};

/// What a branch does when it has no room for an item.
///
/// | | the sender | the item | may lose |
/// | --- | --- | --- | --- |
/// | `Hold` | waits, however long | arrives | no: the send fails if it cannot |
/// | `Drop` | goes on | is dropped for this branch, and counted | yes |
/// | `Detach` | waits, at most `after` | arrives; or the branch gets neither this nor any later one, which is an event and in the stats | yes |
///
/// A branch that may lose items is detached at once when its reader is gone. If it is a sink that fails or panics, the
/// item is dropped for it, counted, and reported as an event.
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use forebay_pool::{Detached, Tee, WhenSlow};
///
/// let mut tee = Tee::builder();
/// let mut search = tee.branch("search", 1, WhenSlow::Detach { after: Duration::from_secs(5) });
/// let tee = tee.build()?;
/// tee.send("one").await?;
/// tee.send("two").await?; // waits for five seconds, and then does without
/// tee.send("three").await?; // does not wait any more
/// assert_eq!(tee.stats().branches[0].detached, Some(Detached::Slow));
/// assert_eq!((search.recv().await, search.recv().await), (Some("one"), None)); // told that it is over
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenSlow {
    /// Holds everybody up: the send waits, and with it all other branches.
    Hold,
    /// The item is dropped for this branch, and counted.
    ///
    /// A sink that is no queue of the tee's is slow when it does not take the item at the first poll. One that talks
    /// to a disk or a network never does: give it a queue, and a pool that empties that.
    Drop,
    /// The send waits for it, and when an item has waited so long the branch is left out from then on.
    Detach {
        /// How long one item waits. [`Duration::ZERO`]: not at all. As long as another send has a place there and waits
        /// for another branch, that is not the reader's time, and does not count.
        after: Duration,
    },
}

/// A branch does not know the others.
pub(super) struct Branch<T> {
    pub(super) name: Arc<str>,
    pub(super) when_slow: WhenSlow,
    /// `None` once it is detached. Sends that wait for it at that moment have clones, and leave when they hear of it.
    to: Mutex<Option<Arc<To<T>>>>,
    detached: OnceLock<Detached>,
    /// Rung when the branch is detached.
    bell: Bell,
    /// Sends that have a place in its queue and wait for something else.
    pub(super) keepers: Keepers,
}

pub(super) enum To<T> {
    Queue(Sender<T>),
    Sink(Contained<Box<dyn ItemSink<T>>>),
}

// === impl Branch ===

impl<T> Branch<T> {
    pub(super) fn new(name: Arc<str>, when_slow: WhenSlow, to: To<T>) -> Self {
        let to = Mutex::new(Some(Arc::new(to)));
        let (detached, bell, keepers) = (OnceLock::new(), Bell::default(), Keepers::default());
        Self { name, when_slow, to, detached, bell, keepers }
    }

    /// Where the branch leads, unless it is detached.
    pub(super) fn to(&self) -> Option<Arc<To<T>>> {
        self.to.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn is_attached(&self) -> bool {
        self.detached.get().is_none()
    }

    pub(super) fn detach(&self, why: Detached) {
        let to = self.to.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(to) = to {
            let _ = self.detached.set(why);
            self.bell.ring();
            if let To::Queue(tx) = &*to {
                // Its reader goes on to the end of what is there, even if a send still has a clone.
                tx.close();
            }
            tracing::warn!(branch = &*self.name, ?why, "branch is detached; it gets no more items");
        }
    }

    /// Waits for `taking` at most so long, not counting while others keep places here. `None` if that was too long, or if
    /// it was for somebody else meanwhile.
    ///
    /// Outside of the cooperative budget: a spent one must not be mistaken for a branch that is slow.
    pub(super) async fn within<R>(&self, after: Duration, taking: impl Future<Output = R>) -> Option<R> {
        let taken = async {
            tokio::select! {
                biased;
                () = self.bell.until(|| !self.is_attached()) => None,
                taken = taking => Some(taken),
                // The clock is read only by a send that has to wait.
                () = self.keepers.none_for(after) => {
                    self.detach(Detached::Slow);
                    None
                }
            }
        };
        tokio::task::unconstrained(taken).await
    }

    pub(super) fn error(&self, error: BranchError) -> BranchError {
        let branch = &*self.name;
        // How it is shown is code of a sink's.
        if let Err(panic) = contain(|| tracing::debug!(branch, %error, "branch did not take an item")) {
            tracing::debug!(branch, %panic, "branch did not take an item, and its error panicked");
        }
        error
    }

    pub(super) fn stats(&self, tally: Tally) -> BranchStats {
        let len = match self.to().as_deref() {
            Some(To::Queue(tx)) => tx.len(),
            Some(To::Sink(_)) | None => 0,
        };
        let Tally { sent, dropped, unconfirmed } = tally;
        let detached = self.detached.get().copied();
        BranchStats { name: Arc::clone(&self.name), sent, dropped, unconfirmed, len, detached }
    }
}
