//! The halves as `futures` knows them.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use futures_sink::Sink;

use crate::core::Offer;
use crate::poll::Reserving;
use crate::{Receiver, Sender, Sent, SinkError, coop};

// === impl Receiver ===

/// Ends when the queue is closed and nothing is left.
///
/// The receiver keeps its place in the line from one poll to the next. `next()` that is dropped has taken nothing, but
/// an item that this receiver was called for stays meant for it until it is polled again or dropped; where that
/// matters, use [`recv`](Receiver::recv), which passes the call on.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use futures_util::StreamExt;
///
/// let (tx, rx) = forebay_queue::bounded(10);
/// tx.send_many(&mut vec![1, 2, 3]).await.expect("there is room");
/// drop(tx);
/// assert_eq!(rx.map(|n| n * n).collect::<Vec<_>>().await, [1, 4, 9]);
/// # }
/// ```
impl<T> Stream for Receiver<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.poll_recv(cx)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        // Others may take what waits now, and more may come.
        (0, None)
    }
}

// === impl Sender ===

/// Sends as [`send`](Sender::send) does. Readiness is a place that is kept in the handle; `start_send` puts the item
/// into it. There is nothing to flush, except at a rendezvous, where flushing waits until a receiver has the item.
///
/// Items that are displaced go to [`on_displaced`](crate::Builder::on_displaced). Closing the sink flushes it, and closes
/// the queue no earlier than the last sender goes.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use futures_util::{SinkExt, StreamExt, stream};
///
/// let (mut tx, rx) = forebay_queue::bounded(1);
/// tokio::spawn(async move { tx.send_all(&mut stream::iter([1, 2, 3]).map(Ok)).await });
/// assert_eq!(rx.collect::<Vec<_>>().await, [1, 2, 3]);
/// # Ok(()) }
/// ```
impl<T> Sink<T> for Sender<T> {
    type Error = SinkError<T>;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SinkError<T>>> {
        ready!(self.poll_offered(cx))?;
        let charge = ready!(coop::charge(cx));
        let open = ready!(self.poll_open(cx));
        charge.made_progress();
        Poll::Ready(open)
    }

    fn start_send(mut self: Pin<&mut Self>, item: T) -> Result<(), SinkError<T>> {
        if self.meets() {
            let (mut offer, mut slot) = (Offer::default(), Some(item));
            offer.put(&self.shared, &mut slot);
            if let Some(item) = slot {
                return Err(SinkError::Closed(Some(item)));
            }
            self.reserving = Reserving::Offered(offer);
        } else if let Sent::Displaced(item) = self.send_opened(item)? {
            self.shared.hooks.displaced(item);
        }
        Ok(())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SinkError<T>>> {
        self.poll_offered(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SinkError<T>>> {
        ready!(self.poll_offered(cx))?;
        self.abort_reserve();
        Poll::Ready(Ok(()))
    }
}

impl<T> Sender<T> {
    /// Waits until the item on offer, if there is one, is taken.
    fn poll_offered(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SinkError<T>>> {
        let Reserving::Offered(offer) = &mut self.reserving else { return Poll::Ready(Ok(())) };
        let mut slot = None;
        ready!(offer.poll(&self.shared, &mut slot, cx));
        self.reserving = Reserving::Nothing;
        Poll::Ready(slot.map_or(Ok(()), |item| Err(SinkError::Closed(Some(item)))))
    }
}
