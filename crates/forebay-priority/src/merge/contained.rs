//! A source whose panics must not reach the other sources of a [`Merge`](super::Merge).

use std::num::NonZeroUsize;
use std::task::{Context, Poll};
use std::time::Duration;

use forebay_queue::{Delivery, Receipt, Source, SourceError};

use crate::contain::{contain, let_go};

/// A source that panicked is broken: it is not asked any more, and reports that it is broken. So is a source that says
/// that it has handed out something and has not: it would be asked for ever.
pub(super) struct Contained<T> {
    source: Box<dyn Source<Item = T>>,
    /// The message of its panic.
    panicked: Option<String>,
}

// === impl Contained ===

impl<T: Send + 'static> Contained<T> {
    pub(super) fn new(source: impl Source<Item = T>) -> Self {
        Self { source: Box::new(source), panicked: None }
    }

    /// Lets the source do something; `None` if it panicked, now or before.
    fn run<R>(&mut self, does: impl FnOnce(&mut dyn Source<Item = T>) -> R) -> Option<R> {
        if self.panicked.is_some() {
            return None;
        }
        let done = contain(|| does(&mut *self.source));
        done.map_err(|message| self.panicked = Some(message)).ok()
    }

    pub(super) fn has_panicked(&self) -> bool {
        self.panicked.is_some()
    }

    fn broken(&self) -> SourceError {
        let said = self.panicked.as_deref().unwrap_or_default();
        SourceError::Broken(format!("it panicked: {said}").into())
    }
}

impl<T: Send + 'static> Source for Contained<T> {
    type Item = T;

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        max: NonZeroUsize,
        out: &mut Vec<Delivery<T>>,
    ) -> Poll<Result<usize, SourceError>> {
        let before = out.len();
        let polled = self.run(|source| source.poll_next(cx, max, out));
        let handed_out = out.len() > before;
        match polled {
            Some(Poll::Ready(Ok(1..))) if !handed_out => {
                let lie = "it said that it handed out items, but did not";
                Poll::Ready(Err(SourceError::Broken(lie.into())))
            }
            Some(Poll::Ready(Ok(1..))) => polled.unwrap_or(Poll::Pending),
            polled => {
                // A source that panicked may have left deliveries behind; one that keeps its contract has not. They go back
                // one by one: a second panic while the first unwinds would end the process.
                out.drain(before..).for_each(let_go);
                polled.unwrap_or_else(|| Poll::Ready(Err(self.broken())))
            }
        }
    }

    fn poll_settled(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SourceError>> {
        self.run(|source| source.poll_settled(cx)).unwrap_or_else(|| Poll::Ready(Err(self.broken())))
    }

    fn close(&mut self) {
        self.run(|source| source.close());
    }

    fn is_closed(&self) -> bool {
        self.panicked.is_some() || contain(|| self.source.is_closed()).unwrap_or(true)
    }

    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.run(|source| source.poll_closed(cx)).unwrap_or(Poll::Ready(()))
    }

    fn redelivers(&self) -> bool {
        contain(|| self.source.redelivers()).unwrap_or(false)
    }

    fn lease(&self) -> Option<Duration> {
        contain(|| self.source.lease()).ok().flatten()
    }

    fn poll_lost(&mut self, cx: &mut Context<'_>, lost: &mut Vec<Receipt>) -> Poll<usize> {
        self.run(|source| source.poll_lost(cx, lost)).unwrap_or(Poll::Pending)
    }
}
