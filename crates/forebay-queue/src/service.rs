//! The sender as a service that reserves.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tower_service::Service;

use crate::core::{Offer, Shared};
use crate::{Sender, Sent, SinkError, coop};

/// What becomes of an item that was given to a [`Sender`] as to a [`Service`].
///
/// # Cancel safety
///
/// `call` has sent the item by the time that this exists, and dropping it changes nothing. Only at a rendezvous the
/// item is still on offer: there dropping it takes the item back.
#[must_use = "whether the item was sent is known when this is polled"]
pub struct Sending<T>(Stage<T>);

enum Stage<T> {
    /// `None` after completion.
    Sent(Option<Result<Sent<T>, SinkError<T>>>),
    Offered(Arc<Shared<T>>, Offer),
}

// === impl Sender ===

/// Reserves: `poll_ready` waits for a place and keeps it, `call` sends into it. Clones start without the place, and a
/// handle that is dropped gives it back; so does [`abort_reserve`](Sender::abort_reserve).
///
/// Where a full queue does not make senders wait, readiness holds nothing: it is given while the queue is open, and
/// `call` does what the owner chose. At a rendezvous too, and there the response is ready when a receiver has the item.
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
impl<T> Service<T> for Sender<T> {
    type Response = Sent<T>;
    type Error = SinkError<T>;
    type Future = Sending<T>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SinkError<T>>> {
        self.poll_open(cx)
    }

    fn call(&mut self, item: T) -> Sending<T> {
        if !self.meets() {
            return Sending(Stage::Sent(Some(self.send_opened(item))));
        }
        let (mut offer, mut slot) = (Offer::default(), Some(item));
        offer.put(&self.shared, &mut slot);
        Sending(match slot {
            Some(item) => Stage::Sent(Some(Err(SinkError::Closed(Some(item))))),
            None => Stage::Offered(self.shared.clone(), offer),
        })
    }
}

// === impl Sending ===

/// Nothing in it refers to itself.
impl<T> Unpin for Sending<T> {}

impl<T> Future for Sending<T> {
    type Output = Result<Sent<T>, SinkError<T>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Stage::Sent(sent) => {
                ready!(coop::charge(cx)).made_progress();
                Poll::Ready(sent.take().expect("polled after completion"))
            }
            Stage::Offered(shared, offer) => {
                let mut slot = None;
                ready!(offer.poll(shared, &mut slot, cx));
                Poll::Ready(slot.map_or(Ok(Sent::Stored), |item| Err(SinkError::Closed(Some(item)))))
            }
        }
    }
}

impl<T> Drop for Sending<T> {
    fn drop(&mut self) {
        if let Stage::Offered(shared, offer) = &mut self.0 {
            drop(offer.withdraw(shared));
        }
    }
}

impl<T> fmt::Debug for Sending<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Stage::Sent(_) => "Sending(Sent)",
            Stage::Offered(..) => "Sending(Offered)",
        })
    }
}
