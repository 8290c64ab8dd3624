//! The producers' half.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use async_trait::async_trait;

use crate::core::{Change, Offering, Parcel, SendItem, SendOne, Shared, watch};
use crate::many::Labels;
use crate::park::block_on;
use crate::poll::Reserving;
#[cfg(feature = "stream")]
use crate::way::OnItsWay;
use crate::{Fifo, ItemSink, Line, SendError, SendLine, SendManyError, SinkError, TrySendError};

/// The producers' half of a queue. Clones send into the same queue; it is closed when the last one is dropped.
///
/// Senders that wait for room are served first come, first served. A running sender may overtake one that was woken
/// and has not been polled yet, by 16 items at most.
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
pub struct Sender<T, L: Line<T> = Fifo> {
    pub(crate) shared: Arc<Shared<T, L>>,
    /// The crossing of pressure that this handle saw last. Written and read by `pressure_changed` alone.
    pub(crate) seen: AtomicU64,
    /// What this handle reserved in poll form.
    pub(crate) reserving: Reserving,
    /// The item that this handle was given as a `Sink`, until it has arrived.
    #[cfg(feature = "stream")]
    pub(crate) on_its_way: Option<Box<OnItsWay<T, L::Rank>>>,
}

/// A sender that does not keep the queue open.
///
/// For code that may add work but must not keep the consumers waiting forever: a timer, or a handler that creates
/// more work.
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
pub struct WeakSender<T, L: Line<T> = Fifo> {
    /// Weak too, so that a hook of the queue may keep one without keeping the queue in memory.
    shared: Weak<Shared<T, L>>,
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
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sent<T> {
    /// It is stored, or in a receiver's hands.
    Stored,
    /// The queue was full, and this item was dropped to make room, or it is the sent item itself, as
    /// [`WhenFull`](crate::WhenFull) says. It is counted as dropped; the value is the caller's.
    Displaced(T),
    /// The same, where it took these items, at least two, to make room for the weight of the one that was sent.
    DisplacedMany(Vec<T>),
}

// === impl Sent ===

impl<T> Sent<T> {
    /// The items that were dropped.
    ///
    /// ```
    /// use forebay_queue::{WhenFull, builder};
    ///
    /// let (tx, _rx) = builder().max_weight(10).weigher(|word: &&str| word.len()).when_full(WhenFull::DropOldest).build();
    /// for word in ["two", "words"] {
    ///     assert_eq!(tx.try_send(word).expect("the queue is open").displaced().count(), 0);
    /// }
    /// let sent = tx.try_send("together").expect("the queue is open");
    /// assert_eq!(sent.displaced().collect::<Vec<_>>(), ["two", "words"]);
    /// ```
    pub fn displaced(self) -> impl Iterator<Item = T> {
        let (one, many) = match self {
            Self::Stored => (None, Vec::new()),
            Self::Displaced(item) => (Some(item), Vec::new()),
            Self::DisplacedMany(items) => (None, items),
        };
        one.into_iter().chain(many)
    }

    /// The result for a newcomer that displaced these items.
    pub(crate) fn after_displacing(mut items: impl Iterator<Item = T>) -> Self {
        match (items.next(), items.next()) {
            (None, _) => Self::Stored,
            (Some(one), None) => Self::Displaced(one),
            (Some(one), Some(two)) => Self::DisplacedMany([one, two].into_iter().chain(items).collect()),
        }
    }
}

// === impl Sender ===

impl<T, L: Line<T>> Sender<T, L> {
    pub(crate) fn first(shared: Arc<Shared<T, L>>) -> Self {
        Self::new(shared, 0)
    }

    /// A handle that has seen this many crossings of pressure.
    fn new(shared: Arc<Shared<T, L>>, seen: u64) -> Self {
        Self {
            shared,
            seen: AtomicU64::new(seen),
            reserving: Reserving::default(),
            #[cfg(feature = "stream")]
            on_its_way: None,
        }
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
    /// The item comes back: [`SendError::Closed`], [`SendError::Full`] under [`WhenFull::Refuse`](crate::WhenFull::Refuse)
    /// and where the bound of its class is reached,
    /// [`SendError::TooHeavy`] where weight is bounded, [`SendError::Unclassified`] where a classifier is asked.
    ///
    /// # Cancel safety
    ///
    /// A `send` that is dropped before it is ready has not sent: its item is dropped with it and reaches nobody.
    /// To keep the item, [`reserve`](Self::reserve) a place first, or use `send_timeout`.
    ///
    /// At a rendezvous the item is sent when a receiver takes it, which may be a moment before the `send` is polled
    /// again: a `send` that is dropped in between has sent. `send_timeout` has no such moment, since it checks once
    /// more when it gives up.
    pub fn send(&self, item: T) -> impl Future<Output = Result<Sent<T>, SendError<T>>> {
        SendItem::new(&self.shared, item)
    }

    /// Sends an item if that needs no waiting: if there is room and nobody is waiting for it, or at a
    /// rendezvous if a receiver waits.
    ///
    /// # Errors
    ///
    /// The item comes back, with the reason.
    pub fn try_send(&self, item: T) -> Result<Sent<T>, TrySendError<T>> {
        self.try_send_parcel(self.pack(item)?)
    }

    /// Sends an item that weighs this much, whatever the queue's weigher would say.
    /// To set more than the weight, see [`item`](Self::item).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use forebay_queue::{SendError, builder};
    ///
    /// let (tx, rx) = builder().max_weight(64 << 20).build();
    /// tx.send_weighted("a picture", 48 << 20).await.expect("there is room");
    /// assert_eq!((rx.len(), rx.weight()), (1, 48 << 20));
    /// let refused = tx.send_weighted("a map", 80 << 20).await;
    /// assert_eq!(refused, Err(SendError::TooHeavy("a map")));
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send).
    pub async fn send_weighted(&self, item: T, weight: usize) -> Result<Sent<T>, SendError<T>> {
        self.item(item).weight(weight).send().await
    }

    /// Sends all of `items`, in order, as room comes free. It takes turns with other waiters, so items of several
    /// senders may alternate.
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
    /// Items that were not accepted are still in `items`, in order. An empty `items` is never an error. An item that is too
    /// heavy, or that the classifier does not know, is found before anything is sent.
    ///
    /// # Cancel safety
    ///
    /// A `send_many` that is dropped has sent the items that are no longer in `items`, and nothing else.
    pub async fn send_many(&self, items: &mut Vec<T>) -> Result<(), SendManyError> {
        if items.is_empty() {
            return Ok(());
        }
        let labels = self.label(items)?;
        if self.meets() {
            return self.offer_many(items, labels).await;
        }
        let mut displaced = Vec::new();
        let sent = match labels {
            Labels::Same(rank) => self.send_alike(items, rank, &mut displaced).await,
            Labels::Each(labels) => self.send_labelled(items, labels, &mut displaced).await,
        };
        displaced.into_iter().for_each(|item| self.shared.hooks.displaced(item));
        sent
    }

    /// Sends an item from a thread outside any runtime, blocking it while the queue is full.
    ///
    /// Never call it from async code: it would block the runtime's thread.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn blocking_send(&self, item: T) -> Result<Sent<T>, SendError<T>> {
        block_on(self.send(item))
    }

    /// A sender that does not keep the queue open.
    pub fn downgrade(&self) -> WeakSender<T, L> {
        WeakSender { shared: Arc::downgrade(&self.shared) }
    }

    /// Waits until the queue is closed.
    ///
    /// # Cancel safety
    ///
    /// Nothing happens if it is dropped.
    pub async fn closed(&self) {
        watch(&self.shared, Change::Closed, |state| state.is_closed().then_some(())).await;
    }

    /// Is this a rendezvous that waits?
    pub(crate) fn meets(&self) -> bool {
        self.shared.options.meets()
    }

    /// Says what an item is and weighs.
    pub(crate) fn pack(&self, item: T) -> Result<Parcel<T, L::Rank>, SendError<T>> {
        self.shared.pack(item)
    }

    #[inline]
    pub(crate) fn send_parcel(&self, parcel: Parcel<T, L::Rank>) -> SendOne<'_, T, L> {
        SendOne::new(&self.shared, parcel)
    }

    pub(crate) fn try_send_parcel(&self, parcel: Parcel<T, L::Rank>) -> Result<Sent<T>, TrySendError<T>> {
        let Err((parcel, locked)) = self.shared.put_quietly(parcel) else { return Ok(Sent::Stored) };
        drop(locked);
        let mut sending = SendOne::new(&self.shared, parcel);
        match sending.now() {
            Some(sent) => Ok(sent?),
            None => Err(TrySendError::Full(sending.give_up())),
        }
    }

    /// Offers an item at a rendezvous. It comes back if the queue is closed.
    pub(crate) fn offer(&self, parcel: Parcel<T, L::Rank>) -> Offering<'_, T, L> {
        Offering::new(&self.shared, parcel)
    }
}

impl<T, L: Line<T>> Clone for Sender<T, L> {
    fn clone(&self) -> Self {
        self.shared.update(|state| state.add_sender());
        // Without the place: it was reserved once, and is one handle's.
        Self::new(self.shared.clone(), self.seen.load(Ordering::Relaxed))
    }
}

impl<T, L: Line<T>> Drop for Sender<T, L> {
    fn drop(&mut self) {
        self.abort_reserve();
        self.shared.update(|state| state.remove_sender());
    }
}

#[async_trait]
impl<T: Send + 'static, L: SendLine<T>> ItemSink<T> for Sender<T, L> {
    async fn send(&self, item: T) -> Result<(), SinkError<T>> {
        let sent = Sender::send(self, item).await?;
        sent.displaced().for_each(|item| self.shared.hooks.displaced(item));
        Ok(())
    }

    async fn send_many(&self, items: &mut Vec<T>) -> Result<(), SinkError<T>> {
        Ok(Sender::send_many(self, items).await?)
    }
}

// === impl WeakSender ===

impl<T, L: Line<T>> WeakSender<T, L> {
    /// A strong sender, if there still is another one.
    pub fn upgrade(&self) -> Option<Sender<T, L>> {
        let shared = self.shared.upgrade()?;
        let seen = shared.update(|state| state.revive_sender())?;
        Some(Sender::new(shared, seen))
    }

    /// How many items wait, like [`Sender::len`], even after the last sender is gone. 0 once the queue itself is gone.
    ///
    /// ```
    /// let (tx, rx) = forebay_queue::bounded(1);
    /// let weak = tx.downgrade();
    /// tx.try_send(1).expect("there is room");
    /// drop(tx);
    /// assert_eq!(weak.len(), 1);
    /// drop(rx);
    /// assert!(weak.is_empty());
    /// ```
    pub fn len(&self) -> usize {
        self.shared.upgrade().map_or(0, |shared| shared.read(|state| state.held.waiting()))
    }

    /// Does no item wait?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Has the queue been closed, or is it gone?
    pub fn is_closed(&self) -> bool {
        self.shared.upgrade().is_none_or(|shared| shared.read(|state| state.is_closed()))
    }

    /// How many strong senders there are, see [`Sender::senders`].
    pub fn senders(&self) -> usize {
        self.shared.upgrade().map_or(0, |shared| shared.read(|state| state.senders()))
    }

    /// Waits until there are at most this many strong senders, or the queue is closed, so that none of them can send.
    ///
    /// For code that keeps a queue open, and needs to know when nobody else does.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let (tx, mut rx) = forebay_queue::bounded(1);
    /// let producer = tx.clone();
    /// tokio::spawn(async move { producer.send(1).await });
    /// tx.downgrade().senders_at_most(1).await; // only `tx` is left
    /// assert_eq!(rx.try_recv(), Ok(1));
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// Nothing happens if it is dropped.
    pub async fn senders_at_most(&self, senders: usize) {
        let Some(shared) = self.shared.upgrade() else { return };
        let enough = |gone: bool| gone.then_some(());
        watch(&shared, Change::Senders, |state| enough(state.is_closed() || state.senders() <= senders))
            .await;
    }
}

impl<T, L: Line<T>> Clone for WeakSender<T, L> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<T, L: Line<T>> fmt::Debug for WeakSender<T, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakSender").finish_non_exhaustive()
    }
}
