//! The sender as a service that reserves.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tower_service::Service;

use crate::way::OnItsWay;
use crate::{Fifo, Line, Sender, Sent, SinkError, coop};

/// What becomes of an item that was given to a [`Sender`] as to a [`Service`].
///
/// # Cancel safety
///
/// Where readiness keeps a place, `call` has sent the item by the time that this exists, and dropping it changes nothing.
/// Elsewhere the item may still wait in the line (at a rendezvous it is still on offer), and dropping this takes it back.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use forebay_queue::{Sent, builder};
/// use tower::Service;
///
/// let (mut tx, mut rx) = builder().max_weight(10).weigher(|word: &&str| word.len()).build();
/// assert!(matches!(tx.call("elephants").await, Ok(Sent::Stored)));
/// let waiting = tx.call("ant");
/// assert_eq!(rx.len(), 1, "the ant waits for room");
/// assert_eq!(rx.recv().await, Some("elephants"));
/// assert!(matches!(waiting.await, Ok(Sent::Stored)));
/// # }
/// ```
#[must_use = "whether the item was sent is known when this is polled"]
pub struct Sending<T, L: Line<T> = Fifo>(Stage<T, L>);

enum Stage<T, L: Line<T>> {
    /// `None` after completion.
    Sent(Option<Result<Sent<T>, SinkError<T>>>),
    /// With a sender of its own: the queue stays open as long as something may come.
    OnItsWay(Sender<T, L>, OnItsWay<T, L::Rank>),
}

// === impl Sender ===

/// Reserves: `poll_ready` waits for a place and keeps it, `call` sends into it. Clones start without the place, and a
/// handle that is dropped gives it back; so does [`abort_reserve`](Sender::abort_reserve).
///
/// Where a full queue does not make senders wait, readiness holds nothing: it is given while the queue is open, and
/// `call` does what the owner chose. Neither does it where nobody knows before `call` what place the item needs: in a
/// queue that bounds weight or is served by a discipline, and at a rendezvous. There the response waits, and is ready
/// when the item is in the queue, or at a rendezvous when a receiver has it. Such a service ends backpressure: nothing
/// bounds how many responses wait, and a `load_shed` above it sheds nothing.
///
/// A spent cooperative budget is no reason to be pending here, so `load_shed` above a queue with room sheds nothing.
/// The budget is spent by the response.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use tower::{ServiceBuilder, ServiceExt};
///
/// let (tx, mut rx) = forebay_queue::bounded(10);
/// let letters = ServiceBuilder::new().map_request(|name: &str| format!("Dear {name}")).service(tx);
/// letters.oneshot("Ada").await?;
/// assert_eq!(rx.recv().await.as_deref(), Some("Dear Ada"));
/// # Ok(()) }
/// ```
impl<T, L: Line<T>> Service<T> for Sender<T, L> {
    type Response = Sent<T>;
    type Error = SinkError<T>;
    type Future = Sending<T, L>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SinkError<T>>> {
        self.poll_open(cx)
    }

    fn call(&mut self, item: T) -> Sending<T, L> {
        Sending(match self.send_opened(item) {
            Ok(sent) => Stage::Sent(Some(sent)),
            Err(on_its_way) => Stage::OnItsWay(self.clone(), on_its_way),
        })
    }
}

// === impl Sending ===

/// Nothing in it refers to itself.
impl<T, L: Line<T>> Unpin for Sending<T, L> {}

impl<T, L: Line<T>> Future for Sending<T, L> {
    type Output = Result<Sent<T>, SinkError<T>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Stage::Sent(sent) => {
                coop::spend(cx, |_| Poll::Ready(sent.take().expect("polled after completion")))
            }
            Stage::OnItsWay(sender, on_its_way) => on_its_way.poll(&sender.shared, cx),
        }
    }
}

impl<T, L: Line<T>> Drop for Sending<T, L> {
    fn drop(&mut self) {
        if let Stage::OnItsWay(sender, on_its_way) = &mut self.0 {
            drop(on_its_way.turn_back(&sender.shared));
        }
    }
}

impl<T, L: Line<T>> fmt::Debug for Sending<T, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Stage::Sent(_) => f.write_str("Sending(Sent)"),
            Stage::OnItsWay(_, on_its_way) => f.debug_tuple("Sending").field(on_its_way).finish(),
        }
    }
}
