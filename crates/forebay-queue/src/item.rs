//! Sending an item with what goes with it, and the hold on it while it waits.

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

#[cfg(feature = "tokio")]
use crate::SendTimeoutError;
use crate::core::{Parcel, Shared, Tag};
use crate::park::block_on;
use crate::{By, Discipline, Key, Label, Line, SendError, Sender, Sent, TrySendError, UnknownClass, hooks};

/// An item that is about to be sent, with its weight, time to live and headers; made by [`Sender::item`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// let (tx, rx) = forebay_queue::builder().max_weight(1 << 20).build();
/// tx.item("a quote")
///     .weight(700)
///     .ttl(Duration::from_secs(2)) // worthless after that
///     .header("trace", "4711")
///     .send()
///     .await?;
/// assert_eq!(rx.weight(), 700);
/// # Ok(()) }
/// ```
#[must_use = "an item is not sent before `send` or `try_send` is called"]
pub struct Outgoing<'a, T, L: Line<T>> {
    sender: &'a Sender<T, L>,
    item: T,
    /// `None`: as the line's classifier says.
    rank: Option<L::Rank>,
    /// `None`: as the queue's weigher says.
    weight: Option<usize>,
    /// What else its sender tells the line's discipline.
    label: Label<'a>,
    tag: Tag,
}

/// A handle to an item that waits in a queue served [`By`] a discipline; made by [`Outgoing::tracked`].
///
/// Dropping it changes nothing.
///
/// ```
/// # use std::collections::BTreeSet;
/// # use forebay_queue::{ById, By, Discipline, Entry, Tick, builder};
/// # #[derive(Clone, Default)]
/// # struct ByRank(BTreeSet<(u8, u64, u32)>);
/// # impl Discipline for ByRank {
/// #     type Rank = u8;
/// #     type Shelf<P: Send> = ById<P, Self>;
/// #     fn insert(&mut self, entry: Entry<u8>) {
/// #         self.0.insert((entry.rank, entry.seq, entry.id));
/// #     }
/// #     fn next(&mut self, _: Tick) -> Option<u32> {
/// #         self.0.pop_first().map(|(_, _, id)| id)
/// #     }
/// #     fn put_back(&mut self, entry: Entry<u8>) {
/// #         self.insert(entry);
/// #     }
/// #     fn remove(&mut self, entry: Entry<u8>) -> bool {
/// #         self.0.remove(&(entry.rank, entry.seq, entry.id))
/// #     }
/// #     fn last(&self) -> Option<u32> {
/// #         self.0.last().map(|&(_, _, id)| id)
/// #     }
/// # }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let by_rank = By::new(ByRank::default(), |_: &&str| Ok(5)); // the lower, the earlier
/// let (tx, mut rx) = builder().line(by_rank).build();
/// let night = tx.item("nightly").rank(9).tracked().send().await?;
/// let day = tx.item("daily").tracked().send().await?;
/// assert!(night.rerank(1), "it waits, and is more urgent now");
/// assert_eq!(day.cancel(), Some("daily"));
/// assert_eq!(rx.recv().await, Some("nightly"));
/// assert_eq!(night.cancel(), None, "it has been received");
/// # Ok(()) }
/// ```
pub struct Ticket<T, L: Line<T>> {
    shared: Arc<Shared<T, L>>,
    /// The item's number in the queue, once it has one.
    number: Arc<AtomicU64>,
}

/// An item that is about to be sent and can be withdrawn later; made by [`Outgoing::tracked`]. See [`Ticket`] for an
/// example.
#[must_use = "an item is not sent before `send` or `try_send` is called"]
pub struct Tracked<'a, T, L: Line<T>>(Outgoing<'a, T, L>);

// === impl Sender ===

impl<T, L: Line<T>> Sender<T, L> {
    /// Prepares an item with more than its value (weight, time to live, headers, class, key), and then sends it.
    pub fn item(&self, item: T) -> Outgoing<'_, T, L> {
        Outgoing {
            sender: self,
            item,
            rank: None,
            weight: None,
            label: Label::default(),
            tag: Tag::default(),
        }
    }
}

// === impl Outgoing ===

impl<T, L: Line<T>> Outgoing<'_, T, L> {
    /// What the item weighs, in the unit of [`Builder::max_weight`](crate::Builder::max_weight). 0 is allowed: it needs a
    /// place and nothing else. Default: what the queue's weigher says, else 1. For a discipline that looks at costs, this
    /// weight is what the item costs.
    pub fn weight(mut self, weight: usize) -> Self {
        self.weight = Some(weight);
        self.label.weight = Some(weight);
        self
    }

    /// How long the item may wait in the queue. When the time is over nobody receives it any more: it is dropped,
    /// counted, and goes to [`on_expired`](crate::Builder::on_expired). Default: forever. [`Duration::ZERO`] is over at
    /// once, even if a receiver waits.
    ///
    /// The time runs from when the queue accepts the item, or at a rendezvous from when a receiver takes it, and goes on
    /// while a consumer has it, in case it comes back. No timer runs for it: whoever comes to receive, or to send, removes
    /// expired items. In a first-in, first-out queue an expired item is found when it comes to the front, and a delayed one
    /// when it is due; until then it keeps its place.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.tag.set_ttl(ttl);
        self.label.ttl = Some(ttl);
        self
    }

    /// A header that travels with the item, to be read by [`Delivery::headers`](crate::Delivery::headers). A later one
    /// of the same name replaces it. A consumer that receives the bare value does not see headers.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.tag.set_header(name.into(), value.into());
        self
    }

    /// Sends it as [`Sender::send`] does.
    ///
    /// # Errors
    ///
    /// As [`Sender::send`].
    ///
    /// # Cancel safety
    ///
    /// As [`Sender::send`].
    pub async fn send(self) -> Result<Sent<T>, SendError<T>> {
        let sender = self.sender;
        sender.send_parcel(self.pack()?).await
    }

    /// Sends it as [`Sender::try_send`] does.
    ///
    /// # Errors
    ///
    /// As [`Sender::try_send`].
    pub fn try_send(self) -> Result<Sent<T>, TrySendError<T>> {
        let sender = self.sender;
        sender.try_send_parcel(self.pack()?)
    }

    /// Sends it as [`Sender::send_timeout`] does.
    ///
    /// # Errors
    ///
    /// As [`Sender::send_timeout`].
    ///
    /// # Panics
    ///
    /// When it is polled outside of a tokio runtime with its time enabled.
    ///
    /// # Cancel safety
    ///
    /// As [`Sender::send_timeout`].
    #[cfg(feature = "tokio")]
    pub async fn send_timeout(self, timeout: Duration) -> Result<Sent<T>, SendTimeoutError<T>> {
        let deadline = crate::timed::deadline_after(timeout);
        let sender = self.sender;
        sender.send_parcel_by(self.pack()?, deadline).await
    }

    /// Sends it as [`Sender::blocking_send`] does.
    ///
    /// # Errors
    ///
    /// As [`Sender::blocking_send`].
    pub fn blocking_send(self) -> Result<Sent<T>, SendError<T>> {
        block_on(self.send())
    }

    fn pack(self) -> Result<Parcel<T, L::Rank>, SendError<T>> {
        let Self { sender, item, rank, weight, label, mut tag } = self;
        let (item, asked) = hooks::ask_about(item, |item| {
            let rank = rank.map_or_else(|| sender.shared.rank(item), Ok)?;
            let rank = sender.shared.relabel(rank, &label)?;
            Ok((rank, weight.unwrap_or_else(|| sender.shared.hooks.weigh(item))))
        });
        match asked {
            Ok((rank, weight)) => {
                tag.set_weight(weight);
                sender.shared.admit(Parcel { item, rank, tag })
            }
            Err(unknown) => Err(SendError::Unclassified(item, Box::new(unknown))),
        }
    }
}

impl<'a, T, D, C> Outgoing<'a, T, By<D, C>>
where
    T: Send,
    D: Discipline + Clone,
    C: Fn(&T) -> Result<D::Rank, UnknownClass>,
{
    /// The rank by which the item is served, and by which its sender waits. Default: what the line's classifier says.
    pub fn rank(mut self, rank: D::Rank) -> Self {
        self.rank = Some(rank);
        self
    }

    /// The name of the class by which the item is served, and by which its sender waits. Default: what the line's
    /// classifier says.
    ///
    /// A class that the discipline does not know is an error of `send` and `try_send`
    /// ([`SendError::Unclassified`]), which lists those that it knows.
    pub fn class(mut self, class: &'a str) -> Self {
        self.label.class = Some(class);
        self
    }

    /// The item's owner, for a discipline that is fair between tenants, users or hosts; others ignore it.
    pub fn key<K: Hash + ?Sized>(mut self, key: &K) -> Self {
        self.label.key = Some(Key::of(key));
        self
    }

    /// Keeps a handle to the item while it waits: `send` and `try_send` then return a [`Ticket`].
    pub fn tracked(mut self) -> Tracked<'a, T, By<D, C>> {
        self.tag.track();
        Tracked(self)
    }
}

impl<T: fmt::Debug, L: Line<T>> fmt::Debug for Outgoing<'_, T, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing").field("item", &self.item).finish_non_exhaustive()
    }
}

// === impl Tracked ===

impl<T, D, C> Tracked<'_, T, By<D, C>>
where
    T: Send,
    D: Discipline + Clone,
    C: Fn(&T) -> Result<D::Rank, UnknownClass>,
{
    /// Sends it as [`Sender::send`] does. What it displaced goes to [`on_displaced`](crate::Builder::on_displaced); if
    /// that was the item itself, its ticket finds nothing.
    ///
    /// # Errors
    ///
    /// As [`Sender::send`].
    ///
    /// # Cancel safety
    ///
    /// As [`Sender::send`].
    pub async fn send(mut self) -> Result<Ticket<T, By<D, C>>, SendError<T>> {
        let (sender, number) = (self.0.sender, self.0.tag.track());
        let sent = self.0.send().await?;
        Ok(Ticket::after(sender, number, sent))
    }

    /// Sends it as [`Sender::try_send`] does; what it displaced goes to [`on_displaced`](crate::Builder::on_displaced).
    ///
    /// # Errors
    ///
    /// As [`Sender::try_send`].
    pub fn try_send(mut self) -> Result<Ticket<T, By<D, C>>, TrySendError<T>> {
        let (sender, number) = (self.0.sender, self.0.tag.track());
        let sent = self.0.try_send()?;
        Ok(Ticket::after(sender, number, sent))
    }
}

impl<T: fmt::Debug, L: Line<T>> fmt::Debug for Tracked<'_, T, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tracked").field(&self.0).finish()
    }
}

// === impl Ticket ===

impl<T, D, C> Ticket<T, By<D, C>>
where
    T: Send,
    D: Discipline + Clone,
    C: Fn(&T) -> Result<D::Rank, UnknownClass>,
{
    fn after(sender: &Sender<T, By<D, C>>, number: Arc<AtomicU64>, sent: Sent<T>) -> Self {
        sent.displaced().for_each(|item| sender.shared.hooks.displaced(item));
        Self { shared: sender.shared.clone(), number }
    }

    /// Takes the item out of the queue; it counts as returned. `None` if it no longer waits there: somebody has it, or
    /// had it, or it was dropped.
    pub fn cancel(&self) -> Option<T> {
        self.shared.update(|state| {
            let taken = state.held.remove_tracked(self.number.load(Ordering::Relaxed))?;
            state.tally.returned += 1;
            Some(taken.item)
        })
    }

    /// Gives the item another class, as [`rerank`](Self::rerank) gives it another rank; the rest of its rank stays.
    ///
    /// # Errors
    ///
    /// The discipline does not know the class, and nothing has changed.
    pub fn reclass(&self, class: &str) -> Result<bool, UnknownClass> {
        self.shared.update(|state| {
            let number = self.number.load(Ordering::Relaxed);
            let Some(rank) = state.held.rank_of(number) else { return Ok(false) };
            let rank = self.shared.relabel(rank, &Label::class(class))?;
            Ok(state.held.rerank(number, rank))
        })
    }

    /// Gives the item another rank. Among its new equals its place follows from its age. An item in a consumer's hands
    /// has the new rank when it comes back. Returns whether the item was found.
    pub fn rerank(&self, rank: D::Rank) -> bool {
        self.shared.update(|state| state.held.rerank(self.number.load(Ordering::Relaxed), rank))
    }
}

impl<T, L: Line<T>> fmt::Debug for Ticket<T, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").field("number", &self.number).finish_non_exhaustive()
    }
}
