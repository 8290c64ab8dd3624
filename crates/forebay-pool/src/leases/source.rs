//! A source with leases, as the intake sees it.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use forebay_queue::{Delivery, Receipt, Source, SourceError};
use tokio::time::Instant;

use super::Leases;

/// Enters into the book what the source hands out, and what it takes back.
pub(crate) struct Leased<T> {
    source: Box<dyn Source<Item = T>>,
    leases: Arc<Leases<T>>,
    /// Room for what was lost; empty outside of a poll.
    lost: Vec<Receipt>,
    /// Room for what was handed out; empty outside of a poll.
    out: Vec<Delivery<T>>,
}

// === impl Leased ===

impl<T: Send + 'static> Leased<T> {
    pub(crate) fn new(source: Box<dyn Source<Item = T>>, leases: Arc<Leases<T>>) -> Self {
        Self { source, leases, lost: Vec::new(), out: Vec::new() }
    }
}

impl<T: Send + 'static> Source for Leased<T> {
    type Item = T;

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        max: NonZeroUsize,
        out: &mut Vec<Delivery<T>>,
    ) -> Poll<Result<usize, SourceError>> {
        // Into the caller's own `out`: if this panics, the caller sees to what is there already.
        let polled = self.source.poll_next(cx, max, out);
        if !out.is_empty() {
            let now = Instant::now();
            std::mem::swap(out, &mut self.out);
            out.extend(self.out.drain(..).map(|delivery| self.leases.enter(delivery, now)));
            self.leases.call();
        }
        polled
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

    fn lease(&self) -> Option<Duration> {
        self.source.lease()
    }

    /// What was lost goes into the book, under its name there, and no further.
    fn poll_lost(&mut self, cx: &mut Context<'_>, _: &mut Vec<Receipt>) -> Poll<usize> {
        // A source that keeps its contract appends some each time.
        while let Poll::Ready(1..) = self.source.poll_lost(cx, &mut self.lost)
            && !self.lost.is_empty()
        {
            self.leases.lose(self.lost.drain(..));
        }
        Poll::Pending
    }
}
