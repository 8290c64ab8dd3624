//! The example in the docs of `Source`.

use std::num::NonZeroUsize;
use std::task::{Context, Poll};

use forebay_queue::{Delivery, Source, SourceError};

/// It says that it has ended although the pool has its items, and is told nothing.
pub(crate) struct Numbers(pub(crate) std::ops::Range<u32>);

impl Source for Numbers {
    type Item = u32;

    fn poll_next(
        &mut self,
        _: &mut Context<'_>,
        max: NonZeroUsize,
        out: &mut Vec<Delivery<u32>>,
    ) -> Poll<Result<usize, SourceError>> {
        let before = out.len();
        out.extend(self.0.by_ref().take(max.get()).map(Delivery::unsettled));
        Poll::Ready(Ok(out.len() - before))
    }

    fn poll_settled(&mut self, _: &mut Context<'_>) -> Poll<Result<(), SourceError>> {
        Poll::Ready(Ok(()))
    }

    fn close(&mut self) {
        self.0.end = self.0.start;
    }

    fn redelivers(&self) -> bool {
        false
    }
}
