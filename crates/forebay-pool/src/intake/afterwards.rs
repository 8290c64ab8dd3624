//! What follows from a section of the intake's lock, and is done once the lock is released (rule 5).

use std::sync::Arc;
use std::task::Waker;

use forebay_queue::{Delivery, End};
use smallvec::SmallVec;

use super::gate::KeyHash;
use crate::contain::contain;
use crate::hands::Hands;
use crate::letters::Letters;

/// What is done once the lock is released.
pub(super) struct Afterwards<T> {
    /// Room for as many as usually wait in a pool, without an allocation each time that they are woken.
    pub(super) wakers: SmallVec<[Waker; 8]>,
    /// Wakers that are only dropped.
    pub(super) replaced: Vec<Waker>,
    pub(super) surplus: Vec<Delivery<T>>,
    /// The hands in which a key is to be cancelled; the stock has been searched for it.
    pub(super) cancelled: Vec<(Arc<Hands<T>>, KeyHash)>,
    /// What goes no further, and how it ends.
    pub(super) ended: Vec<(Delivery<T>, End)>,
    /// The supervisor is to look at the time when something is due.
    pub(super) rearm: bool,
    /// The source works again after an outage.
    pub(super) recovered: bool,
}

// === impl Afterwards ===

impl<T> Afterwards<T> {
    /// Is nothing to be done?
    pub(super) fn is_nothing(&self) -> bool {
        self.wakers.is_empty()
            && self.replaced.is_empty()
            && self.surplus.is_empty()
            && self.cancelled.is_empty()
            && self.ended.is_empty()
            && !self.recovered
    }

    /// Runs after the lock is released. Returns of how many ends the source was told.
    pub(super) fn run(self, letters: Option<&Letters<T>>) -> usize {
        self.wakers.into_iter().for_each(Waker::wake);
        for (hands, key) in self.cancelled {
            hands.cancel(key);
        }
        if self.recovered {
            tracing::debug!("source is available again");
        }
        if !self.surplus.is_empty() {
            let count = self.surplus.len();
            tracing::error!(count, "source handed out items beyond the demand; they go back");
            // One by one: two that panic, the second while the first unwinds, would end the process.
            for delivery in self.surplus {
                let _ = contain(|| drop(delivery));
            }
        }
        let told = self.ended.len();
        for (delivery, end) in self.ended {
            let settled = contain(|| match end {
                End::Ack => delivery.ack(),
                End::Nack { after } => delivery.nack(after),
                End::DeadLetter { reason } => {
                    let unsent = match letters {
                        Some(letters) => letters.post(delivery, reason),
                        None => Err((delivery, reason)),
                    };
                    if let Err((delivery, reason)) = unsent {
                        delivery.dead_letter(reason);
                    }
                }
            });
            if let Err(panic) = settled {
                tracing::error!(%panic, "source panicked while an item was settled");
            }
        }
        told
    }
}

impl<T> Default for Afterwards<T> {
    fn default() -> Self {
        Self {
            wakers: SmallVec::new(),
            replaced: Vec::new(),
            surplus: Vec::new(),
            cancelled: Vec::new(),
            ended: Vec::new(),
            rearm: false,
            recovered: false,
        }
    }
}
