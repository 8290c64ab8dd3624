//! The producers' half.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use async_trait::async_trait;

use crate::core::{AskPlaces, Asked, Offering, Places, Shared, State, watch};
use crate::park::block_on;
use crate::poll::Reserving;
use crate::{ItemSink, SendError, SendManyError, SinkError, TrySendError, WhenFull};

/// The producers' half of a queue. Clones send into the same queue; it is closed when the last one is dropped.
///
/// Those who wait for room are served in the order in which they came. One that is running may overtake one that was
/// woken and has not been polled yet, by 16 items at the most.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let (tx, mut rx) = forebay_queue::bounded(1);
/// for name in ["first", "second"] {
///     let tx = tx.clone();
///     tokio::spawn(async move { tx.send(name).await });
/// }
/// drop(tx);
/// assert_eq!(rx.recv().await, Some("first"));
/// assert_eq!(rx.recv().await, Some("second"));
/// assert_eq!(rx.recv().await, None);
/// # }
/// ```
pub struct Sender<T> {
    pub(crate) shared: Arc<Shared<T>>,
    /// The crossing of pressure that this handle saw last. Written and read by `pressure_changed` alone.
    pub(crate) seen: AtomicU64,
    /// What this handle reserved in poll form.
    pub(crate) reserving: Reserving,
}

/// A sender that does not keep the queue open.
///
/// For those who may add to the work but must not keep its consumers waiting for ever: a timer, a handler that makes
/// more work of its own.
///
/// ```
/// let (tx, mut rx) = forebay_queue::bounded(1);
/// let weak = tx.downgrade();
/// weak.upgrade().expect("tx is there").try_send(1).expect("there is room");
/// drop(tx);
/// assert!(weak.upgrade().is_none());
/// assert_eq!(rx.try_recv(), Ok(1));
/// assert!(rx.is_closed());
/// ```
pub struct WeakSender<T> {
    /// Weak too, so that a hook of the queue may keep one without keeping the queue in memory.
    shared: Weak<Shared<T>>,
}

/// The queue took the item.
///
/// ```
/// use forebay_queue::{Sent, WhenFull, builder};
///
/// let (tx, _rx) = builder().capacity(1).when_full(WhenFull::DropOldest).build();
/// assert_eq!(tx.try_send("old"), Ok(Sent::Stored));
/// assert_eq!(tx.try_send("new"), Ok(Sent::Displaced("old")));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sent<T> {
    /// It is stored, or in a receiver's hands.
    Stored,
    /// The queue was full, and this item was dropped for the one that was sent, or it is that one itself,
    /// as [`WhenFull`] says. It is counted as dropped; the value is the caller's.
    Displaced(T),
}

// === impl Sender ===

impl<T> Sender<T> {
    pub(crate) fn first(shared: Arc<Shared<T>>) -> Self {
        Self { shared, seen: AtomicU64::new(0), reserving: Reserving::default() }
    }

    /// Sends an item, waiting for room if the queue was built to wait.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use forebay_queue::{SendError, Sent, bounded};
    ///
    /// let (tx, mut rx) = bounded(10);
    /// assert_eq!(tx.send("first").await, Ok(Sent::Stored));
    /// tx.close();
    /// assert_eq!(tx.send("second").await, Err(SendError::Closed("second")));
    /// assert_eq!(rx.recv().await, Some("first")); // what was accepted is still received
    /// assert_eq!(rx.recv().await, None);
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The item comes back: [`SendError::Closed`], or [`SendError::Full`] under [`WhenFull::Refuse`].
    ///
    /// # Cancel safety
    ///
    /// A `send` that is dropped before it is ready has not sent: its item is dropped with it and reaches nobody.
    /// To keep the item, [`reserve`](Self::reserve) a place first, or use `send_timeout`.
    ///
    /// At a rendezvous the receiver's taking is the sending, and it may come a moment before the `send` is polled
    /// again: a `send` that is dropped in between has sent. `send_timeout` has no such
    /// moment, since it looks once more when it gives up.
    pub async fn send(&self, item: T) -> Result<Sent<T>, SendError<T>> {
        if self.meets() {
            return self.offer(item).await.map_or(Ok(Sent::Stored), |item| Err(SendError::Closed(item)));
        }
        let mut slot = Some(item);
        AskPlaces::new(&self.shared, 1, 1, |state, answer| self.place(state, answer, &mut slot)).await
    }

    /// Sends an item if that needs no waiting: if there is room and nobody has waited longer for it, or at a
    /// rendezvous if a receiver waits.
    ///
    /// # Errors
    ///
    /// The item comes back, with the reason.
    pub fn try_send(&self, item: T) -> Result<Sent<T>, TrySendError<T>> {
        let mut slot = Some(item);
        match AskPlaces::new(&self.shared, 1, 1, |state, answer| self.place(state, answer, &mut slot)).now() {
            Some(Ok(sent)) => Ok(sent),
            Some(Err(SendError::Closed(item))) => Err(TrySendError::Closed(item)),
            Some(Err(SendError::Full(item))) => Err(TrySendError::Full(item)),
            None => Err(TrySendError::Full(slot.take().expect("who would wait still has the item"))),
        }
    }

    /// Sends all of `items`, in order, as room comes free. It takes turns with others that wait, so items of
    /// several senders may alternate.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let (tx, mut rx) = forebay_queue::bounded(10);
    /// let mut batch = vec![1, 2, 3];
    /// tx.send_many(&mut batch).await.expect("the queue is open");
    /// assert!(batch.is_empty());
    /// assert_eq!(rx.recv_many(&mut batch, 10).await, 3);
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// What was not accepted is still in `items`, in order. An empty `items` is never an error.
    ///
    /// # Cancel safety
    ///
    /// A `send_many` that is dropped has sent what is no longer in `items`, and nothing else.
    pub async fn send_many(&self, items: &mut Vec<T>) -> Result<(), SendManyError> {
        if self.meets() {
            return self.offer_many(items).await;
        }
        if items.is_empty() {
            return Ok(());
        }
        let mut displaced = Vec::new();
        let policy = self.shared.options.when_full;
        let sent = AskPlaces::new(&self.shared, items.len(), 1, |state, answer| {
            match answer {
                Places::Closed => return Asked::Done(Err(SendManyError::Closed)),
                Places::Granted(places) => state.store_many(places, items.drain(..places)),
                Places::Full | Places::TooMany(_) => {}
            }
            match policy {
                _ if items.is_empty() => Asked::Done(Ok(())),
                WhenFull::Wait => Asked::Wait(items.len()),
                WhenFull::Refuse => Asked::Done(Err(SendManyError::Full)),
                WhenFull::DropIncoming | WhenFull::DropYoungest | WhenFull::DropOldest => {
                    displaced.extend(items.drain(..).map(|item| state.displace(item)));
                    Asked::Done(Ok(()))
                }
            }
        })
        .await;
        displaced.into_iter().for_each(|item| self.shared.hooks.displaced(item));
        sent
    }

    /// Sends an item from a thread that has no runtime, which sleeps while it waits for room.
    ///
    /// Never call it from async code: it would stop the runtime's thread.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn blocking_send(&self, item: T) -> Result<Sent<T>, SendError<T>> {
        block_on(self.send(item))
    }

    /// A sender that does not keep the queue open.
    pub fn downgrade(&self) -> WeakSender<T> {
        WeakSender { shared: Arc::downgrade(&self.shared) }
    }

    /// Waits until the queue is closed.
    ///
    /// # Cancel safety
    ///
    /// Nothing happens if it is dropped.
    pub async fn closed(&self) {
        watch(&self.shared, |state| state.is_closed().then_some(())).await;
    }

    /// Is this a rendezvous that waits?
    pub(crate) fn meets(&self) -> bool {
        self.shared.options.capacity == Some(0) && self.shared.options.when_full == WhenFull::Wait
    }

    /// Offers an item at a rendezvous. It comes back if the queue is closed.
    pub(crate) fn offer(&self, item: T) -> Offering<'_, T> {
        Offering::new(&self.shared, item)
    }

    /// Sends the item in `slot` into the one place that was asked for, or does what a full queue does.
    pub(crate) fn place(
        &self,
        state: &mut State<T>,
        answer: Places,
        slot: &mut Option<T>,
    ) -> Asked<Result<Sent<T>, SendError<T>>> {
        let Some(item) = slot.take() else { unreachable!("polled after completion") };
        Asked::Done(match answer {
            Places::Granted(_) => {
                state.store(item);
                Ok(Sent::Stored)
            }
            Places::Closed => Err(SendError::Closed(item)),
            // A rendezvous has no places at all.
            Places::Full | Places::TooMany(_) => match (state.hand_over(item), self.shared.options.when_full)
            {
                (Ok(()), _) => Ok(Sent::Stored),
                (Err(item), WhenFull::Wait) => {
                    *slot = Some(item);
                    return Asked::Wait(1);
                }
                (Err(item), WhenFull::Refuse) => Err(SendError::Full(item)),
                (Err(item), WhenFull::DropIncoming | WhenFull::DropYoungest | WhenFull::DropOldest) => {
                    Ok(Sent::Displaced(state.displace(item)))
                }
            },
        })
    }

    async fn offer_many(&self, items: &mut Vec<T>) -> Result<(), SendManyError> {
        /// Puts the item on offer back in front when it goes away.
        struct InFront<'a, T> {
            items: &'a mut Vec<T>,
            offering: Offering<'a, T>,
        }

        impl<T> Drop for InFront<'_, T> {
            fn drop(&mut self) {
                if let Some(item) = self.offering.withdraw() {
                    self.items.insert(0, item);
                }
            }
        }

        while !items.is_empty() {
            let offering = self.offer(items.remove(0));
            let mut first = InFront { items: &mut *items, offering };
            if let Some(item) = (&mut first.offering).await {
                drop(first);
                items.insert(0, item);
                return Err(SendManyError::Closed);
            }
        }
        Ok(())
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.shared.update(|state, _| state.add_sender());
        let seen = AtomicU64::new(self.seen.load(Ordering::Relaxed));
        // Without the place: it was reserved once, and is one handle's.
        Self { shared: self.shared.clone(), seen, reserving: Reserving::default() }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.abort_reserve();
        self.shared.update(|state, _| state.remove_sender());
    }
}

#[async_trait]
impl<T: Send + 'static> ItemSink<T> for Sender<T> {
    async fn send(&self, item: T) -> Result<(), SinkError<T>> {
        match Sender::send(self, item).await {
            Ok(Sent::Stored) => Ok(()),
            Ok(Sent::Displaced(item)) => {
                self.shared.hooks.displaced(item);
                Ok(())
            }
            Err(SendError::Closed(item)) => Err(SinkError::Closed(Some(item))),
            Err(SendError::Full(item)) => Err(SinkError::Full(Some(item))),
        }
    }

    async fn send_many(&self, items: &mut Vec<T>) -> Result<(), SinkError<T>> {
        Sender::send_many(self, items).await.map_err(|error| match error {
            SendManyError::Closed => SinkError::Closed(None),
            SendManyError::Full => SinkError::Full(None),
        })
    }
}

// === impl WeakSender ===

impl<T> WeakSender<T> {
    /// A sender, as long as there is another one.
    pub fn upgrade(&self) -> Option<Sender<T>> {
        let shared = self.shared.upgrade()?;
        let seen = shared.update(|state, _| state.revive_sender())?;
        Some(Sender { shared, seen: AtomicU64::new(seen), reserving: Reserving::default() })
    }
}

impl<T> Clone for WeakSender<T> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<T> fmt::Debug for WeakSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakSender").finish_non_exhaustive()
    }
}
