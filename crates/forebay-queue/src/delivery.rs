//! An item in a consumer's hands, which the consumer must settle.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::Headers;

/// Identifies a delivery to the source that made it. Opaque to everybody else.
///
/// ```
/// use forebay_queue::Receipt;
///
/// // A source that numbers its records finds them again by it.
/// assert_eq!(Receipt::new(4711).get(), 4711);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Receipt(u64);

/// How a delivery ended.
///
/// ```
/// use std::time::Duration;
/// use forebay_queue::End;
///
/// fn in_words(end: &End) -> String {
///     match end {
///         End::Ack => "done".into(),
///         End::Nack { after } => format!("again in {after:?}"),
///         End::DeadLetter { reason } => format!("given up: {reason}"),
///     }
/// }
/// assert_eq!(in_words(&End::Nack { after: Duration::from_secs(2) }), "again in 2s");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Done: the source may forget the item.
    Ack,
    /// Not done: deliver it again, with the next attempt number, `after` this long
    /// ([`Duration::ZERO`]: as soon as somebody asks).
    Nack {
        /// How long the source keeps the item back.
        after: Duration,
    },
    /// Never deliver it again: set it aside for a person.
    DeadLetter {
        /// Why, in words for that person.
        reason: String,
    },
}

/// The part of a source that is told how its deliveries ended.
///
/// Both calls are synchronous and bounded: a source has a place for the end of each delivery that
/// it handed out, so neither waits. They may come from any thread, in any order.
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use std::time::Duration;
/// use forebay_queue::{Delivery, End, Receipt, Settle};
///
/// #[derive(Default)]
/// struct Book(Mutex<Vec<(u64, End)>>);
///
/// impl Settle<&'static str> for Book {
///     fn settle(&self, receipt: Receipt, _: Option<&'static str>, end: End) {
///         self.0.lock().expect("nobody panics here").push((receipt.get(), end));
///     }
///     fn extend(&self, _: Receipt, _: Duration) {}
/// }
///
/// let book = Arc::new(Book::default());
/// Delivery::new("good", Receipt::new(1), book.clone()).ack();
/// Delivery::new("bad", Receipt::new(2), book.clone()).dead_letter("unreadable");
/// let ends = book.0.lock().expect("nobody panics here");
/// assert_eq!(*ends, [(1, End::Ack), (2, End::DeadLetter { reason: "unreadable".into() })]);
/// ```
pub trait Settle<T>: Send + Sync {
    /// The delivery `receipt` ended. `item` is `Some` if the consumer still had the value.
    ///
    /// Called once for each delivery; a second call for the same receipt is ignored.
    fn settle(&self, receipt: Receipt, item: Option<T>, end: End);

    /// Keeps the delivery from being handed to somebody else for another `lease`, counted from now.
    ///
    /// Sources without leases ignore it, and so does every source for a delivery that has ended or was lost.
    fn extend(&self, receipt: Receipt, lease: Duration);

    /// Has the delivery been [lost](crate::Source::poll_lost), as far as is known here? By default no: where there are
    /// leases, the consumer that extends them knows, such as a pool.
    fn is_lost(&self, receipt: Receipt) -> bool {
        let _ = receipt;
        false
    }
}

/// An item in a consumer's hands, to be settled by [`ack`](Self::ack), [`nack`](Self::nack) or
/// [`dead_letter`](Self::dead_letter).
///
/// A delivery that is dropped unsettled counts as `nack(Duration::ZERO)`: a consumer that panics or
/// is cancelled gives its item back by unwinding.
///
/// ```
/// use std::num::NonZeroUsize;
/// use std::task::{Context, Poll, Waker};
/// use forebay_queue::{Source, bounded};
///
/// let (tx, mut rx) = bounded("a".len());
/// tx.try_send("a").expect("there is room");
///
/// let mut cx = Context::from_waker(Waker::noop());
/// let mut hands = Vec::new();
/// let one = NonZeroUsize::MIN;
/// assert!(matches!(rx.poll_next(&mut cx, one, &mut hands), Poll::Ready(Ok(1))));
/// drop(hands.pop()); // not settled: it goes back
///
/// assert!(matches!(rx.poll_next(&mut cx, one, &mut hands), Poll::Ready(Ok(1))));
/// let again = hands.pop().expect("one was appended");
/// assert_eq!((again.item(), again.attempt()), (Some(&"a"), 2));
/// again.ack();
/// ```
#[must_use = "a delivery that is dropped unsettled goes back to its source"]
pub struct Delivery<T> {
    item: Option<T>,
    receipt: Receipt,
    attempt: u32,
    /// Where that is not the same for all deliveries of the source.
    redelivers: Option<bool>,
    enqueued_at: Option<SystemTime>,
    weight: usize,
    headers: Headers,
    /// Taken by whatever settles the delivery; `None` from the start where nobody needs to be told.
    settler: Option<Arc<dyn Settle<T>>>,
}

/// Done, whatever happens until this is dropped.
struct AckOnDrop<T>(Delivery<T>);

// === impl Receipt ===

impl Receipt {
    /// A receipt that means `number` to the source that made it.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number that [`Receipt::new`] was given.
    pub const fn get(self) -> u64 {
        self.0
    }
}

// === impl Delivery ===

impl<T> Delivery<T> {
    /// A first attempt at `item`, whose end is reported to `settler`.
    pub fn new(item: T, receipt: Receipt, settler: Arc<dyn Settle<T>>) -> Self {
        Self::first(item, receipt, Some(settler))
    }

    /// A delivery whose end nobody needs to be told.
    pub fn unsettled(item: T) -> Self {
        Self::first(item, Receipt(0), None)
    }

    fn first(item: T, receipt: Receipt, settler: Option<Arc<dyn Settle<T>>>) -> Self {
        let headers = Headers::default();
        Self {
            item: Some(item),
            receipt,
            attempt: 1,
            redelivers: None,
            enqueued_at: None,
            weight: 1,
            headers,
            settler,
        }
    }

    /// Says that this is attempt number `attempt`, the first being 1.
    pub fn with_attempt(mut self, attempt: u32) -> Self {
        self.attempt = attempt;
        self
    }

    /// Says whether a `nack` of this delivery without its value brings the item back: for a source whose deliveries
    /// differ in that, such as one that merges a queue in memory with a log on disk.
    pub fn with_redelivers(mut self, redelivers: bool) -> Self {
        self.redelivers = Some(redelivers);
        self
    }

    /// Says when the item entered its source.
    pub fn with_enqueued_at(mut self, at: SystemTime) -> Self {
        self.enqueued_at = Some(at);
        self
    }

    /// Says what the item weighs, in the unit of its source: bytes, pixels.
    pub fn with_weight(mut self, weight: usize) -> Self {
        self.weight = weight;
        self
    }

    /// Says what travels with the item.
    pub fn with_headers(mut self, headers: Headers) -> Self {
        self.headers = headers;
        self
    }

    /// Puts another settler between this delivery and its source.
    ///
    /// `wrap` is given the present receipt and settler and returns those that the delivery reports
    /// to from now on. A worker pool does this to see how a handler ended an item it was given. If `wrap` panics, the
    /// source is never told how the delivery ended.
    pub fn map_settler<F>(mut self, wrap: F) -> Self
    where
        F: FnOnce(Receipt, Option<Arc<dyn Settle<T>>>) -> (Receipt, Arc<dyn Settle<T>>),
    {
        let (receipt, settler) = wrap(self.receipt, self.settler.take());
        self.receipt = receipt;
        self.settler = Some(settler);
        self
    }

    /// The item; `None` after [`take`](Self::take).
    pub fn item(&self) -> Option<&T> {
        self.item.as_ref()
    }

    /// The item, mutably; `None` after [`take`](Self::take).
    pub fn item_mut(&mut self) -> Option<&mut T> {
        self.item.as_mut()
    }

    /// Which attempt this is: 1 the first time, one more after each `nack`.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Does a `nack` of this delivery without its value bring the item back? `None`: as the source
    /// [says for all](crate::Source::redelivers).
    pub fn redelivers(&self) -> Option<bool> {
        self.redelivers
    }

    /// When the item entered its source, if the source records that.
    pub fn enqueued_at(&self) -> Option<SystemTime> {
        self.enqueued_at
    }

    /// What the item weighs, in the unit of its source. 1 unless its sender or the source's weigher said otherwise.
    pub fn weight(&self) -> usize {
        self.weight
    }

    /// What travels with the item.
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// Identifies this delivery to its source.
    pub fn receipt(&self) -> Receipt {
        self.receipt
    }

    /// Takes the item out. The delivery must still be settled.
    ///
    /// A `nack` without the item asks the source for its own copy. A source in memory has none, so
    /// there the item counts as failed; a durable one delivers it again.
    pub fn take(&mut self) -> Option<T> {
        self.item.take()
    }

    /// Is anybody told how this delivery ends? No if it was made by [`unsettled`](Self::unsettled): then nobody takes the
    /// item back.
    pub fn has_settler(&self) -> bool {
        self.settler.is_some()
    }

    /// Done: the source may forget the item. It is told so also if the item's destructor panics.
    pub fn ack(mut self) {
        // The value goes first and here, on the consumer's side, where its destructor may run code.
        let item = self.item.take();
        let _told = AckOnDrop(self);
        drop(item);
    }

    /// Not done: the item goes back, to be delivered again `after` this long, with the next attempt
    /// number. A queue in memory delays it only where there is a tokio runtime.
    pub fn nack(mut self, after: Duration) {
        self.end(End::Nack { after });
    }

    /// Never again: the item is set aside for a person, with the reason.
    pub fn dead_letter(mut self, reason: impl Into<String>) {
        self.end(End::DeadLetter { reason: reason.into() });
    }

    /// Keeps the source from handing this item to somebody else for another `lease`.
    pub fn extend(&self, lease: Duration) {
        if let Some(settler) = &self.settler {
            settler.extend(self.receipt, lease);
        }
    }

    /// Has the source [taken it back](crate::Source::poll_lost)? Then work on it is in vain: somebody else gets the item,
    /// and nobody learns how this delivery ends.
    ///
    /// For handlers that hold deliveries of a worker pool: the pool extends their leases, and stops a handler that has
    /// nothing else to do. A handler with several deliveries checks before each. Always `false` for a delivery that comes
    /// straight from its source, which tells whoever polls it.
    pub fn is_lost(&self) -> bool {
        self.settler.as_ref().is_some_and(|settler| settler.is_lost(self.receipt))
    }

    fn end(&mut self, end: End) {
        if let Some(settler) = self.settler.take() {
            settler.settle(self.receipt, self.item.take(), end);
        }
    }
}

impl<T> Drop for Delivery<T> {
    fn drop(&mut self) {
        self.end(End::Nack { after: Duration::ZERO });
    }
}

impl<T> Drop for AckOnDrop<T> {
    fn drop(&mut self) {
        self.0.end(End::Ack);
    }
}

impl<T: fmt::Debug> fmt::Debug for Delivery<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("item", &self.item)
            .field("receipt", &self.receipt)
            .field("attempt", &self.attempt)
            .field("settled", &self.settler.is_none())
            .finish_non_exhaustive()
    }
}
