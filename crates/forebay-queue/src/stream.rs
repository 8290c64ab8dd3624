//! The two halves as a `futures` stream and sink.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use futures_sink::Sink;

use crate::{Line, Receiver, Sender, SinkError, coop};

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
impl<T, L: Line<T>> Stream for Receiver<T, L> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.poll_recv(cx)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        // Others may take the items that wait now, and more may come.
        (0, None)
    }
}

// === impl Sender ===

/// Sends as [`send`](Sender::send) does. Readiness is a place that is kept in the handle; `start_send` puts the item
/// into it. There is nothing to flush, except where readiness keeps no place and the item itself waits: at a rendezvous,
/// where flushing waits until a receiver has it, and in a queue that bounds weight or is served by a discipline.
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
impl<T, L: Line<T>> Sink<T> for Sender<T, L> {
    type Error = SinkError<T>;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SinkError<T>>> {
        ready!(self.poll_arrived(cx))?;
        coop::spend(cx, |cx| self.poll_open(cx))
    }

    fn start_send(mut self: Pin<&mut Self>, item: T) -> Result<(), SinkError<T>> {
        assert!(self.on_its_way.is_none(), "an item is on its way: call poll_ready first");
        match self.send_opened(item) {
            Ok(sent) => sent?.displaced().for_each(|item| self.shared.hooks.displaced(item)),
            Err(on_its_way) => self.on_its_way = Some(Box::new(on_its_way)),
        }
        Ok(())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SinkError<T>>> {
        self.poll_arrived(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SinkError<T>>> {
        ready!(self.poll_arrived(cx))?;
        self.abort_reserve();
        Poll::Ready(Ok(()))
    }
}

impl<T, L: Line<T>> Sender<T, L> {
    /// Waits until the item that is on its way, if there is one, has arrived.
    fn poll_arrived(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SinkError<T>>> {
        let Some(on_its_way) = &mut self.on_its_way else { return Poll::Ready(Ok(())) };
        let sent = ready!(on_its_way.poll(&self.shared, cx));
        self.on_its_way = None;
        Poll::Ready(sent.map(|sent| sent.displaced().for_each(|item| self.shared.hooks.displaced(item))))
    }
}
