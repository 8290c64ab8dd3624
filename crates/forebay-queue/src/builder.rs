//! How a queue is configured.

use std::fmt;

use crate::core::Shared;
use crate::hooks::Hooks;
use crate::{Fifo, Line, Pressure, Receiver, Sender, Watermarks};

/// What a full queue does with one more item.
///
/// ```
/// use forebay_queue::{SendError, WhenFull, builder};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let (tx, _rx) = builder().capacity(1).when_full(WhenFull::Refuse).build();
/// tx.send(1).await.expect("there is room");
/// assert_eq!(tx.send(2).await, Err(SendError::Full(2)));
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum WhenFull {
    /// `send` waits for room: backpressure.
    #[default]
    Wait,
    /// `send` gives the item back at once ([`SendError::Full`](crate::SendError::Full)).
    Refuse,
    /// The new item itself is dropped, and counted: waiting items are worth more than new ones.
    DropIncoming,
    /// The youngest waiting item is dropped for it, and counted. In a queue served [`By`](crate::By) a discipline, the
    /// last in its order, which may be the new item itself.
    DropYoungest,
    /// The oldest waiting item is dropped for it, and counted: new items are worth more than waiting ones. In a queue
    /// served [`By`](crate::By) a discipline, the first in its order.
    DropOldest,
}

/// Configures a queue; made by [`builder`].
///
/// Hooks run outside the queue's lock, and may use the queue; a hook that keeps a [`Sender`] keeps the queue open, so
/// let it keep a [`WeakSender`](crate::WeakSender) instead. A panic in a hook reaches the process's panic hook and goes
/// no further.
///
/// ```
/// use forebay_queue::{Pressure, WhenFull, builder};
///
/// let (tx, mut rx) = builder()
///     .capacity(2)
///     .when_full(WhenFull::DropOldest)
///     .watermarks(1.0, 0.5)
///     .on_pressure(|pressure| if pressure == Pressure::High { /* tell the upstream to slow down */ })
///     .build();
/// for n in 1..=3 {
///     tx.try_send(n).expect("a queue that drops is never full");
/// }
/// assert_eq!((rx.try_recv(), rx.try_recv()), (Ok(2), Ok(3)));
/// assert_eq!(tx.stats().dropped, 1);
/// ```
#[must_use = "a builder does nothing until `build` is called"]
pub struct Builder<T, L = Fifo> {
    options: Options,
    hooks: Hooks<T>,
    line: L,
}

/// Options that do not change during the life of a queue.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    /// The most items that may wait; `None`: no bound.
    pub(crate) capacity: Option<usize>,
    /// The most that waiting items may weigh together; `None`: no bound.
    pub(crate) max_weight: Option<usize>,
    pub(crate) when_full: WhenFull,
    pub(crate) watermarks: Watermarks,
    /// Are senders held back from high pressure until it is normal again?
    pub(crate) hold_senders: bool,
    /// Does somebody want to know when items came?
    pub(crate) timed: bool,
    /// Is a hook called at each change of pressure? At a capacity of 1 that is at each item.
    pub(crate) has_pressure_hook: bool,
}

// === impl Options ===

impl Options {
    /// Do senders wait for receivers, since there are no places?
    pub(crate) fn meets(&self) -> bool {
        self.capacity == Some(0) && self.when_full == WhenFull::Wait
    }

    /// Do senders wait only for a place?
    pub(crate) fn is_plain(&self) -> bool {
        self.when_full == WhenFull::Wait
            && self.capacity != Some(0)
            && self.max_weight.is_none()
            && !self.hold_senders
    }
}

/// Starts the configuration of a queue. By default it has a capacity of 1024, and waits when full.
pub fn builder<T>() -> Builder<T> {
    Builder {
        options: Options {
            capacity: Some(1024),
            max_weight: None,
            when_full: WhenFull::Wait,
            watermarks: Watermarks::default(),
            hold_senders: false,
            timed: false,
            has_pressure_hook: false,
        },
        hooks: Hooks::new(),
        line: Fifo,
    }
}

// === impl Builder ===

impl<T, L> Builder<T, L> {
    /// The most items that may wait. Memory is used as items come, so a large bound costs nothing by itself.
    /// 0 is a rendezvous, see [`bounded`](crate::bounded). Default: 1024.
    pub fn capacity(mut self, capacity: usize) -> Self {
        self.options.capacity = Some(capacity);
        self
    }

    /// Sets no bound: memory is the last thing to fail. See [`unbounded`](crate::unbounded).
    pub fn unbounded(mut self) -> Self {
        self.options.capacity = None;
        self
    }

    /// The most that waiting items may weigh together, in a unit of your choice: bytes, pixels. 1 to `usize::MAX / 2`;
    /// anything larger counts as that.
    /// The capacity still applies, so set that high enough, or [`unbounded`](Self::unbounded). Default: no bound.
    ///
    /// An item's weight comes from its sender ([`send_weighted`](Sender::send_weighted), [`item`](Sender::item)), else
    /// from the [`weigher`](Self::weigher), else it is 1. An item that alone weighs more than this is refused, and never
    /// waits. Items that come back may exceed it by at most what was in hand. At a rendezvous nothing is stored, and only
    /// the refusal applies.
    ///
    /// A sender that waits for weight is not overtaken by lighter items that would fit: so a heavy item waits no longer
    /// than it takes to make room for it.
    ///
    /// # Panics
    ///
    /// If it is 0.
    #[track_caller]
    pub fn max_weight(mut self, max_weight: usize) -> Self {
        assert!(max_weight > 0, "max_weight of 0: such a queue would accept nothing");
        self.options.max_weight = Some(max_weight.min(usize::MAX / 2));
        self
    }

    /// Weighs items whose sender does not say what they weigh. Called once for each, by its sender.
    ///
    /// ```
    /// use forebay_queue::builder;
    ///
    /// let (tx, rx) = builder().unbounded().max_weight(1 << 20).weigher(|line: &String| line.len()).build();
    /// tx.try_send("twelve bytes".to_owned()).expect("there is room");
    /// assert_eq!(rx.weight(), 12);
    /// ```
    pub fn weigher(mut self, weigher: impl Fn(&T) -> usize + Send + Sync + 'static) -> Self {
        self.hooks.weigher = Some(Box::new(weigher));
        self
    }

    /// The order in which the queue serves. Default: [`Fifo`]; see [`By`](crate::By).
    pub fn line<M: Line<T>>(self, line: M) -> Builder<T, M> {
        Builder { options: self.options, hooks: self.hooks, line }
    }

    /// What a full queue does with one more item. Default: [`WhenFull::Wait`].
    pub fn when_full(mut self, when_full: WhenFull) -> Self {
        self.options.when_full = when_full;
        self
    }

    /// The shares of the capacity between which the pressure changes, see [`Watermarks`].
    /// Default: high above 0.8, normal again below 0.2.
    ///
    /// # Panics
    ///
    /// Unless `0.0 <= low < high <= 1.0`. For shares that come from a configuration file use [`Watermarks::new`],
    /// which returns an error, first.
    #[track_caller]
    pub fn watermarks(mut self, high: f64, low: f64) -> Self {
        match Watermarks::new(high, low) {
            Ok(watermarks) => self.options.watermarks = watermarks,
            Err(error) => panic!("{error}"),
        }
        self
    }

    /// Holds senders back from high pressure until it is normal again, even if there is room in the meantime.
    ///
    /// Without it a full queue lets one sender in for each item that leaves, and producer and consumer run in lock
    /// step. With it producers run and rest by turns, as in the textbook: capacity 100, watermarks 1.0 and 0.7, stopped
    /// when full, on again below 70. Only for queues that wait when full; `try_send` finds a held queue full.
    ///
    /// ```
    /// use forebay_queue::{Pressure, builder};
    ///
    /// let (tx, mut rx) = builder().capacity(10).watermarks(1.0, 0.7).hold_senders().build();
    /// (0..10).for_each(|item| assert!(tx.try_send(item).is_ok()));
    /// assert_eq!(tx.pressure(), Pressure::High);
    /// rx.try_recv().expect("ten are there");
    /// assert!(tx.try_send(10).is_err(), "there is room, but not below seven");
    /// (0..3).for_each(|_| assert!(rx.try_recv().is_ok()));
    /// assert!(tx.try_send(10).is_ok());
    /// ```
    pub fn hold_senders(mut self) -> Self {
        self.options.hold_senders = true;
        self
    }

    /// Records when items came: of at most one in 64 where they are first in, first out, and of each where they are
    /// served [`By`](crate::By) a discipline, since reading the clock costs more than an item. The time is reported to
    /// whoever first takes the item as a [`Delivery`](crate::Delivery::enqueued_at), or from a
    /// [`Tap`](crate::Tapped::Item). By default no times are recorded.
    ///
    /// ```
    /// # use std::num::NonZeroUsize;
    /// # use std::task::{Context, Poll, Waker};
    /// use forebay_queue::{Source, builder};
    ///
    /// let (tx, mut rx) = builder().timed().build();
    /// tx.try_send("first").expect("there is room");
    /// tx.try_send("second").expect("there is room");
    /// # let (mut cx, two) = (Context::from_waker(Waker::noop()), NonZeroUsize::new(2).expect("two"));
    /// let mut out = Vec::new();
    /// assert!(matches!(rx.poll_next(&mut cx, two, &mut out), Poll::Ready(Ok(2))));
    /// assert!(out[0].enqueued_at().is_some() && out[1].enqueued_at().is_none());
    /// ```
    pub fn timed(mut self) -> Self {
        self.options.timed = true;
        self
    }

    /// Called at each change of pressure: once for each, in order, on a thread that caused one of them.
    pub fn on_pressure(mut self, hook: impl Fn(Pressure) + Send + Sync + 'static) -> Self {
        self.hooks.on_pressure = Some(Box::new(hook));
        self.options.has_pressure_hook = true;
        self
    }

    /// Gets the items whose [time to live](crate::Outgoing::ttl) was over before anybody received them.
    pub fn on_expired(mut self, hook: impl Fn(T) + Send + Sync + 'static) -> Self {
        self.hooks.on_expired = Some(Box::new(hook));
        self
    }

    /// Gets the items that were displaced by a call that cannot hand them back: [`send_many`](crate::Sender::send_many),
    /// an [`ItemSink`](crate::ItemSink), a `Sink`, a [tracked](crate::Outgoing::tracked) send. `send` and `try_send` hand
    /// theirs back themselves, as [`Sent::Displaced`](crate::Sent::Displaced).
    pub fn on_displaced(mut self, hook: impl Fn(T) + Send + Sync + 'static) -> Self {
        self.hooks.on_displaced = Some(Box::new(hook));
        self
    }

    /// Gets the items that are left when the last receiver is dropped, and those that come back later.
    pub fn on_undelivered(mut self, hook: impl Fn(T) + Send + Sync + 'static) -> Self {
        self.hooks.on_undelivered = Some(Box::new(hook));
        self
    }

    /// Gets the items that were set aside by [`Delivery::dead_letter`](crate::Delivery::dead_letter), with the
    /// reason.
    pub fn on_dead_letter(mut self, hook: impl Fn(T, String) + Send + Sync + 'static) -> Self {
        self.hooks.on_dead_letter = Some(Box::new(hook));
        self
    }

    /// Builds the queue, and returns its first sender and its first receiver.
    pub fn build(self) -> (Sender<T, L>, Receiver<T, L>)
    where
        L: Line<T>,
    {
        let shared = Shared::new(self.options, self.hooks, self.line);
        (Sender::first(shared.clone()), Receiver::first(shared))
    }
}

impl<T, L> fmt::Debug for Builder<T, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("options", &self.options).finish_non_exhaustive()
    }
}
