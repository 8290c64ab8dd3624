//! A source that is not asked for more while dead letters have no room.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use forebay_queue::{Delivery, Receipt, Source, SourceError, Tap};

use super::Letters;

/// Stands before the intake, and passes on everything but demand that there is no room for.
pub(crate) struct Guarded<T> {
    source: Box<dyn Source<Item = T>>,
    letters: Arc<Letters<T>>,
}

// === impl Guarded ===

impl<T> Guarded<T> {
    pub(crate) fn new(source: Box<dyn Source<Item = T>>, letters: Arc<Letters<T>>) -> Self {
        Self { source, letters }
    }
}

impl<T: Send + 'static> Source for Guarded<T> {
    type Item = T;

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        max: NonZeroUsize,
        out: &mut Vec<Delivery<T>>,
    ) -> Poll<Result<usize, SourceError>> {
        match self.letters.poll_room(cx) {
            Poll::Ready(()) => self.source.poll_next(cx, max, out),
            Poll::Pending => Poll::Pending,
        }
    }

    fn poll_settled(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SourceError>> {
        self.source.poll_settled(cx)
    }

    fn close(&mut self) {
        self.source.close();
    }

    fn is_closed(&self) -> bool {
        self.source.is_closed()
    }

    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.source.poll_closed(cx)
    }

    fn redelivers(&self) -> bool {
        self.source.redelivers()
    }

    /// For whoever waits for the end. Where dead letters are handed over, workers take no items themselves.
    fn tap(&self) -> Option<Box<dyn Tap<Item = T>>> {
        self.source.tap()
    }

    fn lease(&self) -> Option<Duration> {
        self.source.lease()
    }

    fn poll_lost(&mut self, cx: &mut Context<'_>, lost: &mut Vec<Receipt>) -> Poll<usize> {
        self.source.poll_lost(cx, lost)
    }
}
