//! Where deliveries come from.

use std::error::Error;
use std::num::NonZeroUsize;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::{Delivery, Receipt, Tap};

/// Hands out deliveries on demand: the queue in memory, a log on disk, a broker.
///
/// It is in poll form, because a boxed future for each call would allocate for each item. It is object safe:
/// a `Box<dyn Source<Item = T>>` is a `Source` too.
///
/// # Order of calls
///
/// 1. `poll_next` until it returns `Ok(0)`. Only one task may wait at a time: the waker of the last call is the one
///    that is woken.
/// 2. `poll_settled` from time to time and after settling, even while there is no demand: a source
///    that writes settlements to a disk or a network does so there. It keeps a waker of its own.
/// 3. `close` once nothing new should come in. Held items are still handed out, then `Ok(0)`.
///
/// # The end
///
/// A source that was closed, by its consumer or by whoever feeds it, ends only when nothing is in a consumer's hands. A
/// consumer that gathers deliveries before it works on any delays that end, so such a source announces beforehand that
/// [nothing new will come](Self::is_closed). A consumer that could begin no item now, and asks for none, [waits for
/// that](Self::poll_closed).
///
/// # Leases
///
/// A broker leases a delivery for a limited time, and gives it to somebody else after that. Such a source says so by
/// [`lease`](Self::lease); its consumer [extends](crate::Settle::extend) the leases of deliveries that take longer, and
/// learns from [`poll_lost`](Self::poll_lost) which ones it has lost. Other sources need neither.
///
/// # Example
///
/// A source of numbers that does not track how its deliveries end:
///
/// ```
/// use std::num::NonZeroUsize;
/// use std::task::{Context, Poll, Waker};
/// use forebay_queue::{Delivery, Source, SourceError};
///
/// struct Numbers(std::ops::Range<u32>);
///
/// impl Source for Numbers {
///     type Item = u32;
///
///     fn poll_next(
///         &mut self,
///         _: &mut Context<'_>,
///         max: NonZeroUsize,
///         out: &mut Vec<Delivery<u32>>,
///     ) -> Poll<Result<usize, SourceError>> {
///         let before = out.len();
///         out.extend(self.0.by_ref().take(max.get()).map(Delivery::unsettled));
///         Poll::Ready(Ok(out.len() - before)) // 0 when the range is used up: ended
///     }
///     fn poll_settled(&mut self, _: &mut Context<'_>) -> Poll<Result<(), SourceError>> {
///         Poll::Ready(Ok(()))
///     }
///     fn close(&mut self) {
///         self.0.end = self.0.start;
///     }
///     fn redelivers(&self) -> bool {
///         false
///     }
/// }
///
/// let mut numbers = Numbers(0..3);
/// let (mut cx, two) = (Context::from_waker(Waker::noop()), NonZeroUsize::new(2).expect("not 0"));
/// let mut hands = Vec::new();
/// assert!(matches!(numbers.poll_next(&mut cx, two, &mut hands), Poll::Ready(Ok(2))));
/// assert!(matches!(numbers.poll_next(&mut cx, two, &mut hands), Poll::Ready(Ok(1))));
/// assert!(matches!(numbers.poll_next(&mut cx, two, &mut hands), Poll::Ready(Ok(0))));
/// ```
pub trait Source: Send + 'static {
    /// The value inside each delivery.
    type Item: Send + 'static;

    /// Asks for at most `max` deliveries.
    ///
    /// - `Ready(Ok(n))`, `n >= 1`: `n` deliveries were appended to `out`.
    /// - `Ready(Ok(0))`: ended. Nothing is held, nothing is in a consumer's hands, nothing will come.
    /// - `Pending`: `out` is untouched, and the waker is woken when it is worth asking again.
    ///
    /// # Errors
    ///
    /// See [`SourceError`]. `out` is untouched.
    ///
    /// # Cancel safety
    ///
    /// A caller that stops polling loses nothing: deliveries change hands only with `Ready`.
    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        max: NonZeroUsize,
        out: &mut Vec<Delivery<Self::Item>>,
    ) -> Poll<Result<usize, SourceError>>;

    /// Drives settlements; ready when all earlier ones are as durable as the source makes them.
    ///
    /// # Errors
    ///
    /// Settlement errors surface here, since settling itself does not wait.
    fn poll_settled(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SourceError>>;

    /// Stops accepting new items. Held items are still handed out.
    fn close(&mut self);

    /// Will nothing new come in? Items that are held or in a consumer's hands may still be handed out.
    ///
    /// If so, the consumer need not wait for more, and the source wakes a waiting consumer when the answer changes.
    /// `false`, the default, where that cannot be known.
    fn is_closed(&self) -> bool {
        false
    }

    /// Waits until nothing new will come in, on behalf of a consumer that asks for no item: it could not begin one now, and
    /// still is to hear of the end.
    ///
    /// - `Ready`: [nothing new will come](Self::is_closed). The consumer then asks for one item, to see whether it is the end.
    /// - `Pending`: the waker is woken when that changes. It is the waker of `poll_settled`.
    ///
    /// By default nobody is woken: a pool whose service is not ready when such a source is closed from outside, or ends,
    /// learns of that no sooner than it asks for an item, and waits for it in `closed` and `finish`.
    fn poll_closed(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
        if self.is_closed() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Does a `nack` without its value bring the item back?
    ///
    /// `true` for sources that keep a copy (disk, broker), `false` for memory. If it is true of only some deliveries, it
    /// is `false` here, and [each delivery](Delivery::with_redelivers) says so itself.
    fn redelivers(&self) -> bool;

    /// A way for one more consumer to take items by value, beside the caller of `poll_next` and other taps. `None`, the
    /// default: items can be taken in one place only.
    ///
    /// For sources whose items many consumers can take without waiting for each other, and where settling is complete
    /// when the call returns. A pool with small items is many times faster with it; see [`Tap`].
    fn tap(&self) -> Option<Box<dyn Tap<Item = Self::Item>>> {
        None
    }

    /// How long a delivery belongs to its consumer, from when it was handed out or last
    /// [extended](crate::Settle::extend). `None`, the default: until it is settled.
    ///
    /// Asked once, when a consumer begins. A consumer extends well before the end, say at a third of it.
    fn lease(&self) -> Option<Duration> {
        None
    }

    /// Reports which deliveries were lost: their leases ran out, or the source took them back. By default none.
    ///
    /// - `Ready(n)`, `n >= 1`: the receipts of `n` were appended to `lost`. Each is reported once.
    /// - `Pending`: `lost` is untouched, and the waker is woken when there is one. It is the waker of `poll_settled`.
    ///
    /// The source may deliver a lost item again, with the next attempt number. Its old consumer stops working on it and
    /// does not settle it; if it does so anyway, because it had not heard of the loss yet, that is ignored. A receipt is
    /// not used again before it was reported.
    fn poll_lost(&mut self, _cx: &mut Context<'_>, _lost: &mut Vec<Receipt>) -> Poll<usize> {
        Poll::Pending
    }
}

/// Why a source could not do what it was asked.
///
/// ```
/// use std::error::Error;
/// use forebay_queue::SourceError;
///
/// let outage = SourceError::Unavailable("connection refused".into());
/// assert_eq!(outage.to_string(), "source is unavailable for now");
/// assert_eq!(outage.source().expect("it has a cause").to_string(), "connection refused");
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// It may work later: ask again after a while.
    #[error("source is unavailable for now")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// It will not work again: treat the source as ended.
    #[error("source is broken")]
    Broken(#[source] Box<dyn Error + Send + Sync>),
}

impl<S: Source + ?Sized> Source for Box<S> {
    type Item = S::Item;

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        max: NonZeroUsize,
        out: &mut Vec<Delivery<Self::Item>>,
    ) -> Poll<Result<usize, SourceError>> {
        (**self).poll_next(cx, max, out)
    }

    fn poll_settled(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SourceError>> {
        (**self).poll_settled(cx)
    }

    fn close(&mut self) {
        (**self).close();
    }

    fn is_closed(&self) -> bool {
        (**self).is_closed()
    }

    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        (**self).poll_closed(cx)
    }

    fn redelivers(&self) -> bool {
        (**self).redelivers()
    }

    fn tap(&self) -> Option<Box<dyn Tap<Item = S::Item>>> {
        (**self).tap()
    }

    fn lease(&self) -> Option<Duration> {
        (**self).lease()
    }

    fn poll_lost(&mut self, cx: &mut Context<'_>, lost: &mut Vec<Receipt>) -> Poll<usize> {
        (**self).poll_lost(cx, lost)
    }
}
