//! Work that is not wanted any more: its item was cancelled, or the source has taken it back.

use std::task::{Context, Poll};

use forebay_queue::Receipt;

use super::Hands;
use super::ledger::Finish;
use super::terms::RunEnd;
use crate::intake::KeyHash;

// === impl Hands ===

impl<T> Hands<T> {
    /// Cancels what is in hand, if it is one item with this key. `true`: so it is.
    pub(crate) fn cancel(&self, key: KeyHash) -> bool {
        // The lock is released before anybody is woken.
        let (cancelled, begun) = {
            let mut ledger = self.lock();
            // The run of that item, or the one before it, but none that begins after it.
            (ledger.cancel(key), self.runs.begun())
        };
        let found = cancelled.is_some();
        if found {
            // For what the handler does elsewhere, or without coming to an await.
            self.runs.end_up_to(begun);
        }
        if let Some(Some(waker)) = cancelled {
            waker.wake();
        }
        found
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.lock().is_cancelled()
    }

    /// The source has taken this delivery back, and it is marked so: the worker that has it is to stop.
    pub(crate) fn lose(&self, receipt: Receipt) {
        // The lock is released before anybody is woken.
        let (run, watcher) = {
            let mut ledger = self.lock();
            // A batch may have others left, and a handler at work on those.
            if !ledger.in_hand().any(|in_hand| in_hand == receipt) || !ledger.is_lost(&self.terms) {
                return;
            }
            // Under the lock: the worker cannot go on to another item meanwhile, whose run is not to end.
            (self.runs.begun(), ledger.take_watcher())
        };
        self.runs.end_up_to(run);
        if let Some(waker) = watcher {
            waker.wake();
        }
    }

    /// Has the source taken back what is in hand, all of it?
    pub(crate) fn is_lost(&self) -> bool {
        self.terms.losses.is_some() && self.lock().is_lost(&self.terms)
    }

    /// Puts away the lost items of a batch that lies in the inbox. Is anything left of it?
    pub(crate) fn shed_lost(&self) -> bool {
        // The lock is released before anybody is told.
        let next = || self.lock().return_lost(&self.terms);
        while let Some(ended) = next() {
            self.report(ended.attempt, &RunEnd::Lost, ended.became.as_str());
            self.follow(Finish::Ended(ended));
        }
        self.lock().is_served()
    }

    /// Waits until the work on the item in hand is not wanted any more: the item is cancelled, or was lost.
    pub(crate) fn poll_unwanted(&self, cx: &mut Context<'_>) -> Poll<RunEnd> {
        let (cancelled, replaced) = self.lock().watch_cancelled(cx.waker());
        drop(replaced);
        // After the waker was left, so that a thread that marks the loss later finds it.
        match () {
            () if cancelled => Poll::Ready(RunEnd::Cancelled),
            () if self.is_lost() => Poll::Ready(RunEnd::Lost),
            () => Poll::Pending,
        }
    }
}
