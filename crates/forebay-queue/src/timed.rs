//! Sending and receiving with a time limit.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::core::{Parcel, SendOne, moment};
use crate::receiver::LeaveOnDrop;
use crate::{Line, Receiver, RecvTimeoutError, SendTimeoutError, Sender, Sent, TryRecvError};

/// The moment `timeout` from now.
pub(crate) fn deadline_after(timeout: Duration) -> Instant {
    moment::after(timeout).unwrap_or_else(Instant::now)
}

// === impl Sender ===

impl<T, L: Line<T>> Sender<T, L> {
    /// Sends an item, waiting for room at most this long. At 0 it does not wait, but is not refused if there is room.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
    /// use std::time::Duration;
    /// use forebay_queue::{SendTimeoutError, bounded};
    ///
    /// let (tx, _rx) = bounded(1);
    /// tx.send(1).await.expect("there is room");
    /// let late = tx.send_timeout(2, Duration::from_secs(1)).await;
    /// assert_eq!(late, Err(SendTimeoutError::Timeout(2)));
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The item comes back, with the reason.
    ///
    /// # Panics
    ///
    /// When it is polled outside of a tokio runtime with its time enabled.
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send). The timeout is exact: with `Timeout` the item was not sent, even at a rendezvous.
    pub async fn send_timeout(&self, item: T, timeout: Duration) -> Result<Sent<T>, SendTimeoutError<T>> {
        self.send_deadline(item, deadline_after(timeout)).await
    }

    /// Sends an item, waiting for room until `deadline`.
    ///
    /// # Errors
    ///
    /// The item comes back, with the reason.
    ///
    /// # Panics
    ///
    /// When it is polled outside of a tokio runtime with its time enabled.
    ///
    /// # Cancel safety
    ///
    /// As [`send_timeout`](Self::send_timeout).
    pub async fn send_deadline(&self, item: T, deadline: Instant) -> Result<Sent<T>, SendTimeoutError<T>> {
        self.send_parcel_by(self.pack(item)?, deadline).await
    }

    pub(crate) async fn send_parcel_by(
        &self,
        parcel: Parcel<T, L::Rank>,
        deadline: Instant,
    ) -> Result<Sent<T>, SendTimeoutError<T>> {
        if self.meets() {
            let mut offering = self.offer(parcel);
            return match timeout_at(deadline, &mut offering).await {
                Ok(None) => Ok(Sent::Stored),
                Ok(Some(item)) => Err(SendTimeoutError::Closed(item)),
                // The item may have been taken since the last poll.
                Err(_) => {
                    offering.withdraw().map_or(Ok(Sent::Stored), |item| Err(SendTimeoutError::Timeout(item)))
                }
            };
        }
        let mut sending = SendOne::new(&self.shared, parcel);
        let sent = match timeout_at(deadline, &mut sending).await {
            Ok(sent) => Some(sent),
            // It may have been granted a place since the last poll.
            Err(_) => sending.now(),
        };
        match sent {
            Some(sent) => sent.map_err(SendTimeoutError::from),
            None => Err(SendTimeoutError::Timeout(sending.give_up())),
        }
    }
}

// === impl Receiver ===

impl<T, L: Line<T>> Receiver<T, L> {
    /// Takes the next item, waiting for one at most this long. At 0 it takes what is there.
    ///
    /// # Errors
    ///
    /// [`RecvTimeoutError::Timeout`], or [`RecvTimeoutError::Closed`] when nothing will come any more.
    ///
    /// # Panics
    ///
    /// When it is polled outside of a tokio runtime with its time enabled.
    ///
    /// # Cancel safety
    ///
    /// As [`recv`](Self::recv): nothing is taken unless it is returned.
    pub async fn recv_timeout(&mut self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        self.recv_deadline(deadline_after(timeout)).await
    }

    /// Takes the next item, waiting for one until `deadline`.
    ///
    /// # Errors
    ///
    /// [`RecvTimeoutError::Timeout`], or [`RecvTimeoutError::Closed`] when nothing will come any more.
    ///
    /// # Panics
    ///
    /// When it is polled outside of a tokio runtime with its time enabled.
    ///
    /// # Cancel safety
    ///
    /// As [`recv`](Self::recv): nothing is taken unless it is returned.
    pub async fn recv_deadline(&mut self, deadline: Instant) -> Result<T, RecvTimeoutError> {
        let mut waiting = LeaveOnDrop(self);
        match timeout_at(deadline, &mut waiting).await {
            Ok(received) => received.ok_or(RecvTimeoutError::Closed),
            // It may have been called since the last poll.
            Err(_) => waiting.0.try_recv().map_err(|error| match error {
                TryRecvError::Closed => RecvTimeoutError::Closed,
                TryRecvError::Empty => RecvTimeoutError::Timeout,
            }),
        }
    }
}
